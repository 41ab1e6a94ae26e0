//! The application: opens store and repository, starts the job runner, drains.

mod files;
mod local;
mod scheduler;
mod schedules;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::{AsOfSetting, Config};
use crate::jobs::{JobContext, JobPayload, JobRunner, JobSettings};
use crate::repository::{ModelRepository, RepositoryError};
use crate::serving::{AsOfRule, ModelCatalog, Predictor};
use crate::store::{ControlStore, JobRow, Maintainer, StoreError, TransactionStore};

pub use self::files::PathNotAllowed;
pub use self::local::Local;
pub use self::schedules::{SCHEDULE_PREFIX, ScheduleStatus, Schedules};

use self::files::FileAccess;
use self::scheduler::Scheduler;

/// Everything one process needs, opened.
#[derive(Debug)]
pub struct App {
    config: Config,
    store: Arc<TransactionStore>,
    control: Arc<ControlStore>,
    catalog: Arc<ModelCatalog>,
    predictor: Predictor,
    files: FileAccess,
    schedules: Schedules,
    runner: Mutex<Option<(JobRunner, Scheduler)>>,
    /// Packs the store until the application goes.
    _maintainer: Maintainer,
}

/// Why a process cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The model directory.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// Nothing was ever stored in the data directory.
    #[error("{}: no such file", path.display())]
    NoStore {
        /// The database that is missing.
        path: PathBuf,
    },
}

/// The transaction store of a configuration, and nothing else; opened or created.
fn open_store(config: &Config) -> Result<TransactionStore, StoreError> {
    let Config { data_directory, clock, currency, .. } = config;
    let store = TransactionStore::open(data_directory, clock.clone(), currency)?;
    Ok(store.with_tail_limit(config.tail_bytes).with_cache(config.cache_bytes))
}

/// The transaction store of a configuration for a process that only reads: without models, jobs and
/// maintenance.
///
/// # Errors
/// [`StartError::NoStore`] when there is none, or when it cannot be opened.
pub fn existing_store(config: &Config) -> Result<TransactionStore, StartError> {
    let path = TransactionStore::file_in(&config.data_directory);
    if path.is_file() { Ok(open_store(config)?) } else { Err(StartError::NoStore { path }) }
}

/// What "now" is.
fn as_of_rule(config: &Config) -> AsOfRule {
    match config.as_of {
        AsOfSetting::Now => AsOfRule::Now,
        AsOfSetting::Latest => AsOfRule::Latest,
    }
}

impl App {
    /// Opens everything and loads the champions. No job runs yet.
    ///
    /// # Errors
    /// When a directory cannot be used. A version that does not load is only logged.
    pub fn open(config: Config) -> Result<Self, StartError> {
        let store = open_store(&config)?;
        let control = ControlStore::open(&config.data_directory)?;
        let catalog = ModelCatalog::new(ModelRepository::open(&config.model_directory)?);
        catalog.refresh()?;
        let (store, catalog) = (Arc::new(store), Arc::new(catalog));
        let maintainer = Maintainer::start(Arc::clone(&store))?;
        let rule = as_of_rule(&config);
        let predictor = Predictor::new(Arc::clone(&store), Arc::clone(&catalog), rule);
        let control = Arc::new(control);
        let files = FileAccess::new(config.file_directories.clone());
        let schedules = Schedules {
            control: Arc::clone(&control),
            catalog: Arc::clone(&catalog),
            predictor: predictor.clone(),
            files: files.clone(),
            clock: config.clock.clone(),
        };
        Ok(Self {
            config,
            store,
            control,
            catalog,
            predictor,
            files,
            schedules,
            runner: Mutex::default(),
            _maintainer: maintainer,
        })
    }

    /// Starts to work off jobs, `workers` at a time, and to queue those that schedules start.
    pub fn start_jobs(&self, workers: usize) {
        let context = JobContext {
            store: Arc::clone(&self.store),
            control: Arc::clone(&self.control),
            catalog: Arc::clone(&self.catalog),
        };
        let Config { job_threads: threads, job_priority: priority, .. } = self.config;
        let settings = JobSettings { workers, threads, priority };
        let mut runner = self.runner();
        let scheduler = Scheduler::start(self.schedules.clone());
        *runner = Some((JobRunner::start(context, settings), scheduler));
    }

    /// Stops working off jobs; running ones go back to the queue.
    pub fn stop_jobs(&self) {
        let runner = self.runner().take();
        if let Some((runner, scheduler)) = runner {
            scheduler.stop();
            runner.stop();
        }
    }

    /// Queues a job, or gives the one that was queued under this request id before.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn enqueue(
        &self,
        payload: JobPayload,
        request_id: &str,
        fingerprint: &str,
    ) -> Result<JobRow, StoreError> {
        let job = self.control.enqueue(&payload.into_new_job(request_id, fingerprint))?;
        if let Some((runner, _)) = self.runner().as_ref() {
            runner.ring();
        }
        Ok(job)
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Transactions.
    pub fn store(&self) -> &Arc<TransactionStore> {
        &self.store
    }

    /// Jobs and audit.
    pub fn control(&self) -> &Arc<ControlStore> {
        &self.control
    }

    /// Models.
    pub fn catalog(&self) -> &Arc<ModelCatalog> {
        &self.catalog
    }

    /// Answers.
    pub fn predictor(&self) -> &Predictor {
        &self.predictor
    }

    /// What recipes schedule.
    pub fn schedules(&self) -> &Schedules {
        &self.schedules
    }

    /// Checks that a file may be read or written on a caller's behalf, and gives its absolute path.
    ///
    /// # Errors
    /// When it is outside the configured directories.
    pub fn allowed_path(&self, path: &Path) -> Result<PathBuf, PathNotAllowed> {
        self.files.allowed(path)
    }

    fn runner(&self) -> std::sync::MutexGuard<'_, Option<(JobRunner, Scheduler)>> {
        self.runner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
