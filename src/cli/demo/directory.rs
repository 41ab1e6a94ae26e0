//! The files of the demo.

use std::fs;
use std::path::{Path, PathBuf};

use crate::config::{Config, InvalidConfig, RawConfig};

use super::super::exit::Failure;
use super::super::import::absolute;

/// UCI Online Retail: a year's receipts of a British wholesaler of gifts.
const TRANSACTIONS: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/online_retail/online_retail.parquet"
));

/// Which column of them is which field.
pub(super) const MAPPING: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/online_retail/mapping.toml"));

/// A model of every kind, with its recipe, in the order in which they are trained.
pub(super) const RECIPES: [(&str, &str); 5] = [
    ("segments", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/models/segments/recipe.toml"))),
    ("rfm", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/models/rfm/recipe.toml"))),
    ("churn", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/models/churn/recipe.toml"))),
    (
        "propensity",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/models/propensity/recipe.toml")),
    ),
    ("forecast", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/models/forecast/recipe.toml"))),
];

/// Where the demo keeps its files.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    path: PathBuf,
    shown: String,
}

impl Directory {
    /// The directory as an absolute path; nothing is written yet.
    pub(super) fn new(path: PathBuf) -> Result<Self, Failure> {
        let shown = absolute(&path)?;
        Ok(Self { path: PathBuf::from(&shown), shown })
    }

    /// The path, for people.
    pub(super) fn path(&self) -> &str {
        &self.shown
    }

    /// The file of transactions.
    pub(super) fn transactions(&self) -> PathBuf {
        self.path.join("online_retail.parquet")
    }

    /// The configuration of the demo's server.
    pub(super) fn config(&self, listen: &str) -> Result<Config, InvalidConfig> {
        let below = |name: &str| format!("{}{}{name}", self.shown, std::path::MAIN_SEPARATOR);
        let mut raw = RawConfig::default();
        for (key, origin, text) in [
            ("data_directory", "--directory", below("data")),
            ("model_directory", "--directory", below("models")),
            ("server.listen", "--listen", listen.to_owned()),
            ("shop.time_zone", "demo", "Europe/London".to_owned()),
            ("shop.currency", "demo", "GBP".to_owned()),
            ("serving.as_of", "demo", "latest".to_owned()),
            ("server.drain_seconds", "demo", "2".to_owned()),
            ("log.filter", "demo", "warn".to_owned()),
        ] {
            raw.set(key, origin, Some(text));
        }
        Config::check(&raw)
    }

    /// Writes the bundled files. Recipes that are there already stay: they may have been changed.
    pub(super) fn write(&self) -> Result<(), Failure> {
        self.put(&self.transactions(), TRANSACTIONS)?;
        self.put(&self.path.join("mapping.toml"), MAPPING.as_bytes())?;
        for (model, recipe) in RECIPES {
            let path = self.path.join("models").join(model).join("recipe.toml");
            if !path.exists() {
                self.put(&path, recipe.as_bytes())?;
            }
        }
        Ok(())
    }

    fn put(&self, path: &Path, content: &[u8]) -> Result<(), Failure> {
        let folder = path.parent().unwrap_or(&self.path);
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, content));
        written.map_err(|error| {
            Failure::Output(std::io::Error::new(
                error.kind(),
                format!("{}: {error}", path.display()),
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::ingest::Mapping;
    use crate::training::Recipe;

    use super::*;

    #[test]
    fn the_bundled_files_hold() {
        assert!(Mapping::parse(MAPPING).is_ok());
        for (model, recipe) in RECIPES {
            let recipe = Recipe::parse(recipe).unwrap_or_else(|error| panic!("{model}: {error}"));
            assert!(recipe.promotes(), "{model}");
        }
    }

    #[test]
    fn writing_again_keeps_a_changed_recipe() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::new(folder.path().join("demo")).unwrap();
        directory.write().unwrap();
        let recipe = folder.path().join("demo/models/churn/recipe.toml");
        fs::write(&recipe, "changed").unwrap();
        directory.write().unwrap();
        assert_eq!(fs::read_to_string(recipe).unwrap(), "changed");
        assert!(directory.transactions().exists());
        assert_eq!(directory.config("127.0.0.1:0").unwrap().currency, "GBP");
        assert!(directory.config("nowhere").unwrap_err().to_string().contains("--listen"));
    }
}
