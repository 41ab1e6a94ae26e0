//! What a process needs that answers by itself: the store and the models, without jobs.

use std::sync::Arc;

use crate::config::Config;
use crate::model::FitRun;
use crate::repository::ModelRepository;
use crate::scoring::{Scoring, ScoringError, ScoringRequest, ScoringResult};
use crate::serving::{ModelCatalog, Predictor, ServingError};
use crate::store::TransactionStore;
use crate::transaction::Timestamp;

use super::{StartError, as_of_rule, existing_store};

/// A data directory and the models beside it, opened to be read.
#[derive(Debug)]
pub struct Local {
    store: Arc<TransactionStore>,
    catalog: Arc<ModelCatalog>,
    predictor: Predictor,
}

impl Local {
    /// Opens both. A server on the same directories is not disturbed.
    ///
    /// # Errors
    /// [`StartError::NoStore`] when nothing was ever stored, or when a directory cannot be used.
    pub fn open(config: &Config) -> Result<Self, StartError> {
        let store = Arc::new(existing_store(config)?);
        let repository = ModelRepository::open(&config.model_directory)?;
        let catalog = Arc::new(ModelCatalog::new(repository));
        let rule = as_of_rule(config);
        let predictor = Predictor::new(Arc::clone(&store), Arc::clone(&catalog), rule);
        Ok(Self { store, catalog, predictor })
    }

    /// The date that is meant where none is given, by the configuration.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn as_of(&self, asked: Option<Timestamp>) -> Result<Timestamp, ServingError> {
        self.predictor.as_of(asked)
    }

    /// Customers with at least one line.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn customers(&self) -> Result<u64, ServingError> {
        Ok(self.store.reader()?.summary().customers)
    }

    /// Scores all customers, as a job would.
    ///
    /// # Errors
    /// As [`Scoring::run`].
    pub fn score(
        &self,
        request: &ScoringRequest,
        run: &FitRun<'_>,
    ) -> Result<ScoringResult, ScoringError> {
        Scoring { store: &self.store, catalog: &self.catalog }.run(request, "local", run)
    }
}
