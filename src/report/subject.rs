//! What a report is about, gathered from the repository.

use crate::model::FittedModel;
use crate::repository::{Aliases, Gate, Metric, ModelName, ModelRepository, Version};
use crate::repository::{LoadedModel, Manifest, RepositoryError};
use crate::training::{DriftReport, Evaluation, Recipe};
use crate::transaction::{ShopClock, Timestamp};

/// Versions that are listed beside this one.
const SIBLINGS: usize = 20;

/// A version with everything that its report tells.
#[derive(Debug)]
pub struct Subject {
    pub(super) manifest: Manifest,
    /// `None` when it was written by a later program.
    pub(super) evaluation: Option<Evaluation>,
    /// `None` when the recipe was written for another program.
    pub(super) recipe: Option<Recipe>,
    /// Why not, where it does not load.
    pub(super) model: Result<FittedModel, String>,
    pub(super) aliases: Aliases,
    /// The latest versions, this one among them if it is one, the newest first.
    pub(super) siblings: Vec<Sibling>,
    pub(super) drift: DriftPart,
    pub(super) clock: ShopClock,
    pub(super) currency: String,
}

/// Whether today's customers were compared with those of the version.
#[derive(Debug)]
pub enum DriftPart {
    /// They were.
    Measured(DriftReport),
    /// They could not be; why.
    Impossible(String),
    /// Nobody asked.
    NotAsked,
}

/// A version of the same model.
#[derive(Clone, Debug)]
pub(super) struct Sibling {
    pub(super) version: Version,
    pub(super) created_at: Timestamp,
    pub(super) as_of: Timestamp,
    pub(super) algorithm: String,
    pub(super) gate: Gate,
    /// The metric that versions are compared by, with its name.
    pub(super) headline: Option<(&'static str, Metric)>,
}

/// The metrics that tell versions apart, the first that a version has.
const HEADLINES: [&str; 3] = ["roc_auc", "mase", "silhouette"];

impl Subject {
    /// Reads a version. A model file that does not load is told in the report and is no error.
    ///
    /// # Errors
    /// When there is no such version, or its manifest cannot be read.
    pub fn gather(
        repository: &ModelRepository,
        model: &ModelName,
        version: Version,
        (clock, currency): (&ShopClock, &str),
        drift: DriftPart,
    ) -> Result<Self, RepositoryError> {
        let manifest = repository.manifest(model, version)?;
        let evaluation = repository.evaluation(model, version).ok();
        let loaded = repository.load(model, version);
        let versions = repository.versions(model)?;
        let latest = versions.iter().rev().take(SIBLINGS);
        let siblings = latest.filter_map(|number| repository.manifest(model, *number).ok());
        Ok(Self {
            evaluation: evaluation.and_then(|text| serde_json::from_str(&text).ok()),
            recipe: Recipe::parse(&manifest.recipe).ok(),
            model: loaded.map(|LoadedModel { model, .. }| model).map_err(|error| error.to_string()),
            aliases: repository.aliases(model)?,
            siblings: siblings.map(Sibling::of).collect(),
            drift,
            clock: clock.clone(),
            currency: currency.to_owned(),
            manifest,
        })
    }

    /// Whether the version is the champion.
    pub(super) fn is_champion(&self) -> bool {
        self.aliases.champion() == Some(self.manifest.version)
    }

    /// The names of the aliases that point at it.
    pub(super) fn alias_names(&self) -> Vec<String> {
        let own = self.aliases.iter().filter(|(_, alias)| alias.version == self.manifest.version);
        own.map(|(name, _)| name.to_string()).collect()
    }

    /// Whether it was trained on a table of cases instead of transactions.
    pub(super) fn is_of_table(&self) -> bool {
        self.recipe.as_ref().is_some_and(|recipe| recipe.table().is_some())
    }

    /// What a row is: a customer, or a case of a table.
    pub(super) fn noun(&self) -> &'static str {
        if self.is_of_table() { "case" } else { "customer" }
    }
}

impl Sibling {
    fn of(manifest: Manifest) -> Self {
        let headline = HEADLINES
            .into_iter()
            .find_map(|name| Some((name, manifest.metrics.get(name)?.clone())));
        Self {
            version: manifest.version,
            created_at: manifest.created_at,
            as_of: manifest.data.as_of,
            algorithm: manifest.algorithm,
            gate: manifest.gate,
            headline,
        }
    }
}
