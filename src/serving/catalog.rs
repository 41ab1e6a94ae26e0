//! Which versions are in memory, and which of them an alias means.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::feature::{FeatureSchema, Features};
use crate::model::FittedModel;
use crate::repository::{
    AliasName, LoadedModel, Manifest, ModelName, ModelReference, ModelRepository, RepositoryError,
    Version,
};
use crate::transaction::{InvalidTime, SymbolTable};

use super::columns::ModelColumns;
use super::{Costs, Gathered, InferenceStatistics, ServingError, TableRows};

/// Versions that no alias points at and that are kept in memory after a request for them.
const KEPT_ON_DEMAND: usize = 8;

/// A version that was checked and is in memory.
#[derive(Debug)]
pub struct ServedModel {
    loaded: LoadedModel,
    load_time: Duration,
    columns: OnceLock<ModelColumns>,
    statistics: InferenceStatistics,
    costs: Costs,
    features: ArcSwapOption<(usize, Features)>,
}

impl ServedModel {
    fn load(
        repository: &ModelRepository,
        model: &ModelName,
        version: Version,
    ) -> Result<Self, RepositoryError> {
        let begun = Instant::now();
        let loaded = repository.load(model, version)?;
        Ok(Self {
            loaded,
            load_time: begun.elapsed(),
            columns: OnceLock::new(),
            statistics: InferenceStatistics::default(),
            costs: Costs::default(),
            features: ArcSwapOption::empty(),
        })
    }

    /// How long it took to load and check.
    pub fn load_time(&self) -> Duration {
        self.load_time
    }

    /// The version as the repository loaded it.
    pub fn loaded(&self) -> &LoadedModel {
        &self.loaded
    }

    /// What it is.
    pub fn manifest(&self) -> &Manifest {
        &self.loaded.manifest
    }

    /// The model.
    pub fn model(&self) -> &FittedModel {
        &self.loaded.model
    }

    /// What its answers cost.
    pub fn costs(&self) -> &Costs {
        &self.costs
    }

    /// How often and for how long it has answered since it was loaded.
    pub fn statistics(&self) -> &InferenceStatistics {
        &self.statistics
    }

    /// Its features over the symbols of the store, kept until the store has more symbols.
    pub(super) fn features(
        &self,
        symbols: &Arc<SymbolTable>,
    ) -> Result<Arc<(usize, Features)>, ServingError> {
        let kept = self.features.load_full();
        if let Some(kept) = kept.filter(|kept| kept.0 == symbols.len()) {
            return Ok(kept);
        }
        let bound = Arc::new((symbols.len(), self.bind(symbols)?));
        self.features.store(Some(Arc::clone(&bound)));
        Ok(bound)
    }

    /// Its features over any symbols.
    pub(super) fn bind(&self, symbols: &SymbolTable) -> Result<Features, ServingError> {
        let manifest = self.manifest();
        if manifest.feature_schema.is_none() && manifest.input_schema.is_some() {
            return Err(ServingError::NeedsTable { model: manifest.model.clone() });
        }
        let schema = self.schema()?.ok_or_else(|| self.old_schema())?;
        Features::new(schema, symbols).map_err(|error: InvalidTime| error.into())
    }

    /// The columns of its rows: derived features, then those that the caller brings.
    pub(super) fn columns(&self) -> Result<&ModelColumns, ServingError> {
        if let Some(columns) = self.columns.get() {
            return Ok(columns);
        }
        let columns = self.make_columns()?;
        Ok(self.columns.get_or_init(|| columns))
    }

    fn make_columns(&self) -> Result<ModelColumns, ServingError> {
        let own = self.manifest().input_schema.clone();
        match (self.schema()?, own) {
            (None, None) => Err(self.old_schema()),
            (schema, own) => {
                let derived = schema.map(FeatureSchema::columns);
                Ok(ModelColumns::new(
                    derived.as_deref().unwrap_or_default(),
                    own.unwrap_or_default(),
                ))
            }
        }
    }

    /// The names of the columns of its rows.
    pub(crate) fn column_names(&self) -> Result<Vec<String>, ServingError> {
        Ok(self.columns()?.names().to_vec())
    }

    /// The vectors of rows of a table that has its columns.
    pub(crate) fn gather_table(&self, table: &TableRows) -> Result<Gathered, ServingError> {
        self.columns()?.encode(table)
    }

    /// The schema of its derived features, unless it takes none.
    fn schema(&self) -> Result<Option<&FeatureSchema>, ServingError> {
        match &self.manifest().feature_schema {
            Some(schema) if !schema.is_current() => Err(self.old_schema()),
            schema => Ok(schema.as_ref()),
        }
    }

    fn old_schema(&self) -> ServingError {
        let manifest = self.manifest();
        ServingError::OldSchema { model: manifest.model.clone(), version: manifest.version }
    }
}

/// Which version of a model is meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Selector {
    /// Exactly this one.
    Version(Version),
    /// The one the alias points at.
    Alias(AliasName),
}

impl Default for Selector {
    fn default() -> Self {
        Self::Alias(AliasName::champion())
    }
}

impl From<&ModelReference> for Selector {
    fn from(reference: &ModelReference) -> Self {
        match (reference.version, &reference.alias) {
            (Some(version), _) => Self::Version(version),
            (None, Some(alias)) => Self::Alias(alias.clone()),
            (None, None) => Self::default(),
        }
    }
}

/// Whether a version can answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum VersionState {
    /// In memory, or loadable on demand.
    Ready,
    /// It did not load; why.
    Failed(String),
}

/// All versions that aliases point at, in memory. Replaced as a whole, so that a request sees one
/// state; a version that does not load leaves the one before it serving.
#[derive(Debug)]
pub struct ModelCatalog {
    repository: ModelRepository,
    state: ArcSwap<State>,
    on_demand: Mutex<Vec<Arc<ServedModel>>>,
    refreshing: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    aliases: HashMap<(ModelName, AliasName), Arc<ServedModel>>,
    failures: BTreeMap<(ModelName, Version), String>,
}

impl ModelCatalog {
    /// A catalog with nothing in memory yet; see [`ModelCatalog::refresh`].
    pub fn new(repository: ModelRepository) -> Self {
        Self {
            repository,
            state: ArcSwap::default(),
            on_demand: Mutex::default(),
            refreshing: Mutex::default(),
        }
    }

    /// The repository behind it.
    pub fn repository(&self) -> &ModelRepository {
        &self.repository
    }

    /// Looks at the aliases and loads what they point at. Loaded versions are kept.
    ///
    /// # Errors
    /// When the repository cannot be listed; a version that does not load is no error here.
    pub fn refresh(&self) -> Result<(), RepositoryError> {
        let _one_at_a_time = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.state.load_full();
        let mut new = State::default();
        for model in self.repository.models()? {
            let aliases = match self.repository.aliases(&model) {
                Ok(aliases) => aliases,
                Err(error) => {
                    tracing::error!(%model, %error, "aliases cannot be read; serving as before");
                    new.keep(&old, &model);
                    continue;
                }
            };
            for (alias, target) in aliases.iter() {
                let key = (model.clone(), alias.clone());
                match self.obtain(&old, &model, target.version) {
                    Ok(served) => {
                        new.aliases.insert(key, served);
                    }
                    Err(reason) => {
                        let known = old.failures.get(&(model.clone(), target.version));
                        if known != Some(&reason) {
                            tracing::error!(%model, version = target.version, %reason, "version not loaded; the one before goes on serving");
                        }
                        if let Some(before) = old.aliases.get(&key) {
                            new.aliases.insert(key, Arc::clone(before));
                        }
                        new.failures.insert((model.clone(), target.version), reason);
                    }
                }
            }
        }
        self.state.store(Arc::new(new));
        Ok(())
    }

    /// The version that a request means.
    ///
    /// # Errors
    /// When there is no such model, version or alias, or the version does not load.
    pub fn resolve(
        &self,
        model: &ModelName,
        selector: &Selector,
    ) -> Result<Arc<ServedModel>, ServingError> {
        if let Some(served) = self.at_hand(model, selector) {
            return Ok(served);
        }
        match selector {
            Selector::Alias(alias) => self.explain_missing_alias(model, alias),
            Selector::Version(version) => Ok(self.load_on_demand(model, *version)?),
        }
    }

    /// The version that a request means, where it is in memory.
    pub fn at_hand(&self, model: &ModelName, selector: &Selector) -> Option<Arc<ServedModel>> {
        let state = self.state.load();
        match selector {
            Selector::Alias(alias) => state.aliases.get(&(model.clone(), alias.clone())).cloned(),
            Selector::Version(version) => {
                let is_meant = |served: &&Arc<ServedModel>| is_version(served, model, *version);
                let pointed_at = state.aliases.values().find(is_meant).cloned();
                pointed_at.or_else(|| self.kept(model, *version))
            }
        }
    }

    /// The versions in memory, by name and number.
    pub fn loaded(&self) -> Vec<Arc<ServedModel>> {
        let pointed_at: Vec<_> = self.state.load().aliases.values().map(Arc::clone).collect();
        let kept = self.on_demand.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut loaded = BTreeMap::new();
        for served in pointed_at.into_iter().chain(kept) {
            let manifest = served.manifest();
            loaded.entry((manifest.model.clone(), manifest.version)).or_insert(served);
        }
        loaded.into_values().collect()
    }

    /// Whether a version can answer, as far as is known.
    pub fn version_state(&self, model: &ModelName, version: Version) -> VersionState {
        match self.state.load().failures.get(&(model.clone(), version)) {
            Some(reason) => VersionState::Failed(reason.clone()),
            None => VersionState::Ready,
        }
    }

    /// Forgets a version that was loaded on demand.
    pub fn forget(&self, model: &ModelName, version: Version) {
        let mut kept = self.on_demand.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|served| !is_version(served, model, version));
    }

    fn obtain(
        &self,
        old: &State,
        model: &ModelName,
        version: Version,
    ) -> Result<Arc<ServedModel>, String> {
        if let Some(served) = old.aliases.values().find(|served| is_version(served, model, version))
        {
            return Ok(Arc::clone(served));
        }
        match ServedModel::load(&self.repository, model, version) {
            Ok(served) => {
                tracing::info!(%model, version, "version loaded");
                Ok(Arc::new(served))
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// A version that was loaded on demand before.
    fn kept(&self, model: &ModelName, version: Version) -> Option<Arc<ServedModel>> {
        let kept = self.on_demand.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|served| is_version(served, model, version)).cloned()
    }

    fn load_on_demand(
        &self,
        model: &ModelName,
        version: Version,
    ) -> Result<Arc<ServedModel>, RepositoryError> {
        if let Some(served) = self.kept(model, version) {
            return Ok(served);
        }
        let served = Arc::new(ServedModel::load(&self.repository, model, version)?);
        let mut kept = self.on_demand.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_ON_DEMAND {
            kept.remove(0);
        }
        kept.push(Arc::clone(&served));
        Ok(served)
    }

    fn explain_missing_alias(
        &self,
        model: &ModelName,
        alias: &AliasName,
    ) -> Result<Arc<ServedModel>, ServingError> {
        let state = self.state.load();
        let aliases = self.repository.aliases(model)?;
        let Some(target) = aliases.get(alias) else {
            let (model, alias) = (model.clone(), alias.clone());
            return Err(RepositoryError::UnknownAlias { model, alias }.into());
        };
        let failure = state.failures.get(&(model.clone(), target.version));
        if failure.is_some() {
            // Loading again gives the error in full, or heals when the file was restored.
            return Ok(self.load_on_demand(model, target.version)?);
        }
        self.refresh()?;
        let key = (model.clone(), alias.clone());
        let served = self.state.load().aliases.get(&key).map(Arc::clone);
        match served {
            Some(served) => Ok(served),
            None => Ok(self.load_on_demand(model, target.version)?),
        }
    }
}

impl State {
    fn keep(&mut self, old: &Self, model: &ModelName) {
        let kept = old.aliases.iter().filter(|((name, _), _)| name == model);
        self.aliases.extend(kept.map(|(key, served)| (key.clone(), Arc::clone(served))));
    }
}

fn is_version(served: &Arc<ServedModel>, model: &ModelName, version: Version) -> bool {
    served.manifest().version == version && served.manifest().model == *model
}
