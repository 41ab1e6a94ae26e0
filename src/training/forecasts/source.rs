//! Where the series of a forecast come from.

use crate::dataset::Panel;
use crate::repository::SegmentsLineage;
use crate::store::Reader;
use crate::training::TrainingError;
use crate::training::panel::{self, Members, Segments, Wanted};
use crate::training::recipe::ForecastRecipe;
use crate::training::run::Surroundings;

/// Where the series of a recipe come from.
pub(in crate::training) enum Source<'a, 'r> {
    /// Sums of the stored lines.
    Store {
        /// The lines.
        reader: &'a mut Reader<'r>,
        /// Whose segments group them, where the recipe asks for it.
        segments: Option<Box<Segments>>,
    },
    /// A table.
    Table(Panel),
}

impl<'a, 'r> Source<'a, 'r> {
    /// The stored lines. An update goes on with the segments that customers were in when the
    /// champion was trained; a training takes the version that the recipe means now.
    pub(in crate::training) fn lines(
        recipe: &ForecastRecipe,
        reader: &'a mut Reader<'r>,
        around: &Surroundings<'_>,
        update: bool,
    ) -> Result<Self, TrainingError> {
        let champion = around.champion.filter(|_| update);
        let before = champion.and_then(|champion| champion.manifest.data.segments.as_ref());
        let segments = match (before, recipe.segments_model()) {
            (_, None) => None,
            (Some(before), _) => Some(Segments::again(before, around.repository)?),
            (None, Some(model)) => {
                Some(Segments::resolve(&model, around.as_of, around.repository)?)
            }
        };
        Ok(Self::Store { reader, segments: segments.map(Box::new) })
    }

    /// Whose segments group the series, and when customers were in them.
    pub(super) fn segments(&self) -> Option<SegmentsLineage> {
        match self {
            Self::Store { segments, .. } => segments.as_ref().map(|one| one.lineage()),
            Self::Table(_) => None,
        }
    }

    /// The series of a recipe.
    pub(super) fn panel(
        &mut self,
        recipe: &ForecastRecipe,
        wanted: Wanted<'_>,
        around: &Surroundings<'_>,
    ) -> Result<Panel, TrainingError> {
        match self {
            Self::Store { reader, segments } => {
                let members = segments.as_ref().map(|one| one.members(reader, around.run));
                panel::build(reader, recipe, wanted, members.transpose()?.as_ref(), around)
            }
            Self::Table(panel) => Ok(panel.clone()),
        }
    }

    /// The same series with each customer in the segment that she was in when `period` began;
    /// `None` where nothing depends on it.
    pub(super) fn panel_before(
        &mut self,
        period: i32,
        recipe: &ForecastRecipe,
        around: &Surroundings<'_>,
    ) -> Result<Option<Panel>, TrainingError> {
        let Some(members) = self.members_before(period, recipe, around)? else {
            return Ok(None);
        };
        match self {
            Self::Store { reader, .. } => {
                panel::build(reader, recipe, Wanted::Largest, Some(&members), around).map(Some)
            }
            Self::Table(_) => Ok(None),
        }
    }

    fn members_before(
        &mut self,
        period: i32,
        recipe: &ForecastRecipe,
        around: &Surroundings<'_>,
    ) -> Result<Option<Members>, TrainingError> {
        match self {
            Self::Store { reader, segments: Some(segments) } => {
                let begin = recipe.frequency.start_of(period, around.clock);
                segments.members_at(begin, reader, around.run).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The series of a recipe, as `panel` has them, with what the champion's recipe knows in
    /// advance; `None` where that cannot be had any more.
    pub(super) fn panel_of_champion(
        &mut self,
        (recipe, panel): (&ForecastRecipe, &Panel),
        champion: &ForecastRecipe,
        first_period: i32,
        around: &Surroundings<'_>,
    ) -> Result<Option<Panel>, TrainingError> {
        let columns = |of: &ForecastRecipe| {
            let table = of.table.as_ref().map(|table| table.regressors.clone());
            (of.regressors.clone(), of.events.clone(), of.events_file.clone(), table)
        };
        if columns(recipe) == columns(champion) {
            return Ok(Some(panel.clone()));
        }
        let members = self.members_before(first_period, recipe, around)?;
        match self {
            Self::Table(_) => Ok(None),
            Self::Store { reader, .. } => {
                let known = ForecastRecipe {
                    regressors: champion.regressors.clone(),
                    events: champion.events.clone(),
                    events_file: champion.events_file.clone(),
                    ..recipe.clone()
                };
                match panel::build(reader, &known, Wanted::Largest, members.as_ref(), around) {
                    Ok(panel) => Ok(Some(panel)),
                    Err(TrainingError::Events(_)) => Ok(None),
                    Err(error) => Err(error),
                }
            }
        }
    }
}
