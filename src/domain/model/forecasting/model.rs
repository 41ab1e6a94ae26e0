//! All members of one series, fitted on what is known at one origin.

use serde::{Deserialize, Serialize};

use super::guard::Plausible;
use super::member::{Fitted, Member, Views};
use super::season::Seasons;
use super::seasonal::{LONGEST, Workspace};

/// Which members are fitted, and for which seasons.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan<'a> {
    pub(super) members: &'a [Member],
    /// Ascending, each at least 1.
    pub(super) season_lengths: &'a [usize],
}

impl Plan<'_> {
    /// The season that errors are scaled by and that is repeated.
    pub(super) fn season_length(&self) -> usize {
        self.season_lengths.first().copied().unwrap_or(1)
    }
}

/// The fitted members, and what they share.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct SeriesModel {
    plausible: Plausible,
    pub(super) seasons: Seasons,
    members: Vec<Fitted>,
    /// The theta model and the seasonal naive forecast, when some member needs a stand-in.
    stand_ins: Vec<Fitted>,
}

impl SeriesModel {
    /// Fits all members; `horizon` is how far their forecasts must be plausible. Returns the values
    /// without their seasons, too.
    pub(super) fn fit(
        values: &[f64],
        plan: &Plan<'_>,
        horizon: usize,
        work: &mut Workspace,
    ) -> (Self, Vec<f64>) {
        let mut adjusted = values.to_vec();
        let seasons = Seasons::remove(&mut adjusted, plan.season_lengths);
        let own_season = match plan.season_lengths {
            [length] if *length <= LONGEST => *length,
            _ => 1,
        };
        let season_length = plan.season_length();
        let views = Views { values, adjusted: &adjusted, own_season, season_length };
        let members = plan.members.iter().map(|member| Fitted::fit(*member, &views, work));
        let mut model = Self {
            plausible: Plausible::of(values),
            members: members.collect(),
            seasons,
            stand_ins: Vec::new(),
        };
        let mut path = vec![0.0; horizon];
        if model.members.iter().any(|member| model.is_wild(member, &mut path)) {
            let stand_ins = [Member::Theta, Member::SeasonalNaive];
            model.stand_ins = stand_ins.map(|member| Fitted::fit(member, &views, work)).into();
        }
        (model, adjusted)
    }

    /// Gives the members that forecast elsewhere their forecasts of the periods to come, in order.
    pub(super) fn hand_in(&mut self, paths: Vec<Vec<f64>>) {
        let elsewhere = self.members.iter_mut().filter_map(|member| match member {
            Fitted::Elsewhere(given) => Some(given),
            _ => None,
        });
        for (given, path) in elsewhere.zip(paths) {
            *given = path;
        }
    }

    /// Writes the path of every member, one after the other, each `horizon` long; NaN where one
    /// that forecasts elsewhere says nothing. Returns which of them (bits) are stand-ins.
    pub(super) fn paths(&self, horizon: usize, paths: &mut [f64]) -> u32 {
        let mut replaced = 0;
        let members = self.members.iter().zip(paths.chunks_exact_mut(horizon));
        for (index, (member, path)) in members.enumerate() {
            if self.is_wild(member, path) {
                replaced |= 1 << index;
                self.stand_in(path);
            }
        }
        replaced
    }

    /// Writes the path of a member and tells whether it left the plausible range.
    fn is_wild(&self, member: &Fitted, path: &mut [f64]) -> bool {
        member.forecast(path);
        if member.is_adjusted() {
            self.seasons.restore(path);
        }
        !matches!(member, Fitted::Elsewhere(_)) && !self.plausible.holds(path)
    }

    /// Mean of the stand-ins, held within the plausible range.
    fn stand_in(&self, path: &mut [f64]) {
        let mut other = vec![0.0; path.len()];
        path.fill(0.0);
        for member in &self.stand_ins {
            let wild = self.is_wild(member, &mut other);
            for (sum, value) in path.iter_mut().zip(&other) {
                *sum += if wild { self.plausible.hold(*value) } else { *value };
            }
        }
        let count = self.stand_ins.len().max(1) as f64;
        for value in path {
            *value = self.plausible.hold(*value / count);
        }
    }

    /// Takes the next values in, with all parameters as they are.
    pub(super) fn update(&mut self, values: &[f64]) {
        for value in values {
            self.plausible.update(*value);
            let adjusted = self.seasons.adjust(*value);
            for member in self.members.iter_mut().chain(&mut self.stand_ins) {
                member.update(*value, adjusted);
            }
        }
    }
}
