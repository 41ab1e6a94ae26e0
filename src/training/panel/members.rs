//! Which customers were in which segment at a date.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::dataset::FeatureMatrix;
use crate::feature::{Features, Workspace};
use crate::model::{FitRun, FittedModel, Model as _, ModelKind, RfmSegment};
use crate::repository::{
    AliasName, LoadedModel, ModelName, ModelReference, ModelRepository, RepositoryError,
    SegmentsLineage, Version,
};
use crate::store::Reader;
use crate::training::TrainingError;
use crate::transaction::{CustomerHistory, HistoryLine, HistorySource as _, Symbol, Timestamp};

/// Why series cannot be grouped by segment.
#[derive(Debug, thiserror::Error)]
pub enum SegmentsError {
    /// There is no such version.
    #[error(
        "{problem}. Series by segment need a model of kind segments or rfm: train {model} first, or name another in series.model"
    )]
    Missing {
        /// The model.
        model: ModelName,
        /// Why.
        problem: RepositoryError,
    },
    /// A model that has no segments.
    #[error(
        "{model}/{version} is of kind {found}; name a model of kind segments or rfm in series.model"
    )]
    Kind {
        /// The model.
        model: ModelName,
        /// The version.
        version: Version,
        /// What it is.
        found: ModelKind,
    },
    /// Its features are not computed any more.
    #[error("{model}/{version} takes the features of an earlier program; train {model} again")]
    OldSchema {
        /// The model.
        model: ModelName,
        /// The version.
        version: Version,
    },
    /// The version that grouped the champion's series is gone.
    #[error(
        "{problem}. Its segments group the series of the champion: restore the version, or train anew instead of an update"
    )]
    Gone {
        /// Why.
        problem: RepositoryError,
    },
}

/// A version whose segments group series.
#[derive(Debug)]
pub(in crate::training) struct Segments {
    loaded: LoadedModel,
    as_of: Timestamp,
}

/// The segments of customers at one date. Nobody else is in any: people without a name, and
/// customers who had not bought by then.
#[derive(Debug)]
pub(in crate::training) struct Members {
    names: Vec<String>,
    /// Customers as [`crate::store::SaleLine::history`] knows them, in order.
    customers: Vec<i64>,
    /// The place of each one's segment in `names`.
    segments: Vec<u16>,
}

impl Segments {
    /// The version that a recipe means today, with the segments of customers as of `as_of`.
    pub(in crate::training) fn resolve(
        reference: &ModelReference,
        as_of: Timestamp,
        repository: &ModelRepository,
    ) -> Result<Self, SegmentsError> {
        let model = &reference.model;
        let missing = |problem| SegmentsError::Missing { model: model.clone(), problem };
        let version = match reference.version {
            Some(version) => version,
            None => {
                let alias = reference.alias.clone().unwrap_or_else(AliasName::champion);
                repository.version_at(model, &alias).map_err(missing)?
            }
        };
        Self::of(repository.load(model, version).map_err(missing)?, as_of)
    }

    /// The version and date that grouped the series of a forecast before.
    pub(in crate::training) fn again(
        lineage: &SegmentsLineage,
        repository: &ModelRepository,
    ) -> Result<Self, SegmentsError> {
        let SegmentsLineage { model, version, as_of } = lineage;
        let gone = |problem| SegmentsError::Gone { problem };
        Self::of(repository.load(model, *version).map_err(gone)?, *as_of)
    }

    fn of(loaded: LoadedModel, as_of: Timestamp) -> Result<Self, SegmentsError> {
        let (model, version) = (loaded.manifest.model.clone(), loaded.manifest.version);
        if !matches!(loaded.model, FittedModel::Segments(_) | FittedModel::Rfm(_)) {
            let found = loaded.manifest.kind;
            return Err(SegmentsError::Kind { model, version, found });
        }
        let schema = loaded.manifest.feature_schema.as_ref();
        if !schema.is_some_and(|schema| schema.is_current()) {
            return Err(SegmentsError::OldSchema { model, version });
        }
        Ok(Self { loaded, as_of })
    }

    /// What a version that is grouped by it keeps of it.
    pub(in crate::training) fn lineage(&self) -> SegmentsLineage {
        let manifest = &self.loaded.manifest;
        let (model, version) = (manifest.model.clone(), manifest.version);
        SegmentsLineage { model, version, as_of: self.as_of }
    }

    /// The segments of all customers as of the date of the training.
    pub(in crate::training) fn members(
        &self,
        reader: &mut Reader<'_>,
        run: &FitRun<'_>,
    ) -> Result<Members, TrainingError> {
        self.members_at(self.as_of, reader, run)
    }

    /// The segments of all customers by what was known before `as_of`.
    pub(in crate::training) fn members_at(
        &self,
        as_of: Timestamp,
        reader: &mut Reader<'_>,
        run: &FitRun<'_>,
    ) -> Result<Members, TrainingError> {
        let (model, version) = (&self.loaded.manifest.model, self.loaded.manifest.version);
        let old = || SegmentsError::OldSchema { model: model.clone(), version };
        let schema = self.loaded.manifest.feature_schema.as_ref().ok_or_else(old)?;
        let features = Features::new(schema, reader.symbols())?;
        let all = reader.customers().max(1);
        let mut members =
            Members { names: self.names(), customers: Vec::new(), segments: Vec::new() };
        let (mut seen, mut outcome) = (0, Ok(()));
        reader.scan_histories(
            run.threads,
            Chunk::default,
            |chunk, key, _, history| chunk.add(key, history, &features, as_of),
            |chunk| (chunk.read, self.assign(chunk, &features)),
            |(read, assigned)| {
                seen += read;
                run.progress.report("segments", seen as f64 / all as f64);
                outcome = run.check().map_err(TrainingError::from).and_then(|()| {
                    let (customers, segments) = assigned?;
                    members.customers.extend(customers);
                    members.segments.extend(segments);
                    Ok(())
                });
                if outcome.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            },
        )?;
        outcome.map(|()| members)
    }

    fn names(&self) -> Vec<String> {
        match &self.loaded.model {
            FittedModel::Segments(model) => {
                model.segments().iter().map(|segment| segment.name.clone()).collect()
            }
            _ => RfmSegment::ALL.iter().map(|segment| segment.name().to_owned()).collect(),
        }
    }

    /// The customers of a chunk with the places of their segments.
    fn assign(
        &self,
        chunk: Chunk,
        features: &Features,
    ) -> Result<(Vec<i64>, Vec<u16>), TrainingError> {
        let matrix = FeatureMatrix::new(Arc::clone(features.columns()), chunk.values)?;
        let places: Vec<usize> = match &self.loaded.model {
            FittedModel::Segments(model) => {
                model.predict(&matrix)?.iter().map(|answer| answer.segment as usize).collect()
            }
            FittedModel::Rfm(model) => {
                let place = |segment| RfmSegment::ALL.iter().position(|one| *one == segment);
                let answers = model.predict(&matrix)?;
                answers.iter().filter_map(|answer| place(answer.segment)).collect()
            }
            _ => Vec::new(),
        };
        Ok((chunk.customers, places.into_iter().map(|place| place as u16).collect()))
    }
}

impl Members {
    /// The segment of a history's customer; [`Symbol::NONE`] for all who are in none.
    pub(super) fn of(&self, history: i64) -> Symbol {
        let place = self.customers.binary_search(&history).ok();
        let segment = place.and_then(|place| self.segments.get(place));
        segment.map_or(Symbol::NONE, |segment| Symbol::from_raw(u32::from(*segment) + 1))
    }

    /// The name of a segment; none for [`Symbol::NONE`].
    pub(super) fn name(&self, segment: Symbol) -> Option<&str> {
        let place = (segment.raw() as usize).checked_sub(1)?;
        self.names.get(place).map(String::as_str)
    }
}

/// Features of neighbouring customers who had bought.
#[derive(Debug, Default)]
struct Chunk {
    /// Customers that were looked at.
    read: u64,
    customers: Vec<i64>,
    values: Vec<f32>,
    workspace: Workspace,
}

impl Chunk {
    fn add(&mut self, key: i64, history: &CustomerHistory, features: &Features, as_of: Timestamp) {
        self.read += 1;
        let bought = |line: &HistoryLine| line.is_purchase() && line.is_visible(as_of);
        if history.lines().iter().any(bought) {
            self.customers.push(key);
            features.append_at(history, &[as_of], &mut self.workspace, &mut self.values);
        }
    }
}
