//! The repository as a folder of a file system.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::model::FittedModel;

use super::RepositoryError;
use super::aliases::{Alias, Aliases};
use super::artifact::{decode_model, encode_model};
use super::manifest::{MANIFEST_VERSION, Manifest};
use super::name::{AliasName, ModelName, Version};
use super::write::{UNFINISHED, at, replace, sync_folder, unfinished_name, write_synced};

const RECIPE: &str = "recipe.toml";
const MANIFEST: &str = "manifest.json";
const MODEL: &str = "model.bin";
const EVALUATION: &str = "evaluation.json";

/// Models, versions and aliases below one folder.
#[derive(Clone, Debug)]
pub struct ModelRepository {
    root: PathBuf,
}

/// A version that was checked and can answer.
#[derive(Debug)]
pub struct LoadedModel {
    /// What it is.
    pub manifest: Manifest,
    /// The model.
    pub model: FittedModel,
}

/// A version to be registered. Its number and checksum are given to it.
#[derive(Debug)]
pub struct NewVersion<'a> {
    /// The account of it; `version`, `model_sha256` and `golden.answers` are filled in.
    pub manifest: Manifest,
    /// The model.
    pub model: &'a FittedModel,
    /// The evaluation in full, as JSON.
    pub evaluation: String,
}

impl ModelRepository {
    /// Opens or creates the repository at `root`.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(root: &Path) -> Result<Self, RepositoryError> {
        fs::create_dir_all(root).map_err(at(root))?;
        Ok(Self { root: root.to_owned() })
    }

    /// The models that have a recipe or a version, by name.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn models(&self) -> Result<Vec<ModelName>, RepositoryError> {
        let mut models = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(at(&self.root))? {
            let entry = entry.map_err(at(&self.root))?;
            let Ok(name) = entry.file_name().to_string_lossy().parse::<ModelName>() else {
                continue;
            };
            if self.exists(&name) {
                models.push(name);
            }
        }
        models.sort();
        Ok(models)
    }

    /// The text of a model's recipe.
    ///
    /// # Errors
    /// When there is no such model, it has none, or it cannot be read.
    pub fn recipe(&self, model: &ModelName) -> Result<String, RepositoryError> {
        if !self.exists(model) {
            return Err(RepositoryError::UnknownModel { model: model.clone() });
        }
        let path = self.folder(model).join(RECIPE);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(RepositoryError::NoRecipe { path })
            }
            Err(source) => Err(RepositoryError::Io { path, source }),
        }
    }

    /// The text of the recipe that the model's champion was trained by.
    ///
    /// # Errors
    /// When there is no such model, it has no champion, or its manifest cannot be read.
    pub fn recipe_of_champion(&self, model: &ModelName) -> Result<String, RepositoryError> {
        let version = self.version_at(model, &AliasName::champion())?;
        Ok(self.manifest(model, version)?.recipe)
    }

    /// The version that an alias points at.
    ///
    /// # Errors
    /// When there is no such model or alias.
    pub fn version_at(
        &self,
        model: &ModelName,
        alias: &AliasName,
    ) -> Result<Version, RepositoryError> {
        let target = self.aliases(model)?.get(alias).map(|target| target.version);
        let unknown =
            || RepositoryError::UnknownAlias { model: model.clone(), alias: alias.clone() };
        target.ok_or_else(unknown)
    }

    /// The versions of a model, earliest first.
    ///
    /// # Errors
    /// When there is no such model.
    pub fn versions(&self, model: &ModelName) -> Result<Vec<Version>, RepositoryError> {
        if !self.exists(model) {
            return Err(RepositoryError::UnknownModel { model: model.clone() });
        }
        let folder = self.folder(model);
        let mut versions = Vec::new();
        for entry in fs::read_dir(&folder).map_err(at(&folder))? {
            let entry = entry.map_err(at(&folder))?;
            versions.extend(entry.file_name().to_string_lossy().parse::<Version>().ok());
        }
        versions.sort_unstable();
        Ok(versions)
    }

    /// The account of one version, without loading the model.
    ///
    /// # Errors
    /// When there is no such version or its manifest cannot be read.
    pub fn manifest(
        &self,
        model: &ModelName,
        version: Version,
    ) -> Result<Manifest, RepositoryError> {
        let path = self.version_folder(model, version)?.join(MANIFEST);
        let text = fs::read_to_string(&path).map_err(at(&path))?;
        let file = |problem| RepositoryError::File { path: path.clone(), problem };
        let manifest: Manifest =
            serde_json::from_str(&text).map_err(|error| file(error.to_string()))?;
        if manifest.manifest_version > MANIFEST_VERSION {
            let found = manifest.manifest_version;
            return Err(file(format!(
                "manifest format {found}, this program reads up to {MANIFEST_VERSION}; use a newer patron"
            )));
        }
        Ok(manifest)
    }

    /// The evaluation of one version, as JSON.
    ///
    /// # Errors
    /// When there is no such version or the file cannot be read.
    pub fn evaluation(
        &self,
        model: &ModelName,
        version: Version,
    ) -> Result<String, RepositoryError> {
        let path = self.version_folder(model, version)?.join(EVALUATION);
        fs::read_to_string(&path).map_err(at(&path))
    }

    /// Size of a version's `model.bin` in bytes; 0 when it is not there.
    pub fn model_bytes(&self, model: &ModelName, version: Version) -> u64 {
        let path = self.version_folder(model, version).map(|folder| folder.join(MODEL));
        path.ok().and_then(|path| fs::metadata(path).ok()).map_or(0, |file| file.len())
    }

    /// Loads one version: checks the file, then replays the golden rows.
    ///
    /// # Errors
    /// When anything about it does not hold.
    pub fn load(
        &self,
        model: &ModelName,
        version: Version,
    ) -> Result<LoadedModel, RepositoryError> {
        let manifest = self.manifest(model, version)?;
        let path = self.version_folder(model, version)?.join(MODEL);
        let bytes = fs::read(&path).map_err(at(&path))?;
        let fitted = decode_model(&bytes).map_err(|problem| RepositoryError::Artifact {
            model: model.clone(),
            version,
            problem,
        })?;
        let mismatch =
            |problem: String| RepositoryError::Mismatch { model: model.clone(), version, problem };
        if sha256(&bytes) != manifest.model_sha256 {
            return Err(mismatch("model.bin is not the file that the manifest names".to_owned()));
        }
        if (&manifest.model, manifest.version, manifest.kind) != (model, version, fitted.kind()) {
            return Err(mismatch("the manifest belongs to another version".to_owned()));
        }
        let answers =
            fitted.answer(&manifest.golden.inputs).map_err(|error| mismatch(error.to_string()))?;
        if !manifest.golden.match_answers(&answers) {
            return Err(mismatch("it does not answer its golden rows as it did".to_owned()));
        }
        Ok(LoadedModel { manifest, model: fitted })
    }

    /// Registers a version under the next number.
    ///
    /// # Errors
    /// When the file system fails; then there is no new version.
    pub fn register(&self, new: NewVersion<'_>) -> Result<Manifest, RepositoryError> {
        let mut manifest = new.manifest;
        let folder = self.folder(&manifest.model);
        fs::create_dir_all(&folder).map_err(at(&folder))?;
        let _lock = self.lock(&manifest.model)?;
        let last = self.last_number(&manifest.model)?;
        manifest.version = last + 1;
        manifest.manifest_version = MANIFEST_VERSION;
        let invalid = |problem: String| RepositoryError::Mismatch {
            model: manifest.model.clone(),
            version: last + 1,
            problem,
        };
        let bytes = encode_model(new.model).map_err(|error| invalid(error.to_string()))?;
        // What is stored as golden is what a freshly decoded copy answers.
        let copy = decode_model(&bytes).map_err(|error| invalid(error.to_string()))?;
        let golden = copy.answer(&manifest.golden.inputs);
        manifest.golden.answers = golden.map_err(|error| invalid(error.to_string()))?;
        manifest.model_sha256 = sha256(&bytes);
        let text =
            serde_json::to_string_pretty(&manifest).map_err(|error| invalid(error.to_string()))?;
        let unfinished = folder.join(unfinished_name());
        let files = [
            (MODEL, bytes),
            (MANIFEST, text.into_bytes()),
            (EVALUATION, new.evaluation.into_bytes()),
        ];
        let written = publish(&unfinished, &folder.join(manifest.version.to_string()), &files);
        if written.is_err() {
            // Best effort: an unfinished folder is passed by anyway.
            let _ = fs::remove_dir_all(&unfinished);
        }
        written.map(|()| manifest)
    }

    /// Removes a version that no alias points at. Its number is not given again.
    ///
    /// # Errors
    /// When there is no such version or an alias points at it.
    pub fn delete_version(
        &self,
        model: &ModelName,
        version: Version,
    ) -> Result<(), RepositoryError> {
        let folder = self.version_folder(model, version)?;
        let _lock = self.lock(model)?;
        let mut aliases = self.aliases(model)?;
        if let Some(alias) = aliases.of_version(version) {
            let alias = alias.clone();
            return Err(RepositoryError::InUse { model: model.clone(), version, alias });
        }
        self.note_number(model, self.last_number(model)?)?;
        // First, so that no alias can roll back to what is gone.
        if aliases.forget(version) {
            self.write_aliases(model, &aliases)?;
        }
        // Renamed first, so that nobody sees half a version.
        let unfinished = self.folder(model).join(unfinished_name());
        fs::rename(&folder, &unfinished).map_err(at(&folder))?;
        fs::remove_dir_all(&unfinished).map_err(at(&unfinished))
    }

    /// The aliases of a model.
    ///
    /// # Errors
    /// When there is no such model or the file cannot be read.
    pub fn aliases(&self, model: &ModelName) -> Result<Aliases, RepositoryError> {
        if !self.exists(model) {
            return Err(RepositoryError::UnknownModel { model: model.clone() });
        }
        let path = self.folder(model).join("aliases.json");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Aliases::default());
            }
            Err(source) => return Err(RepositoryError::Io { path, source }),
        };
        serde_json::from_str(&text)
            .map_err(|error| RepositoryError::File { path, problem: error.to_string() })
    }

    /// Points an alias at a version, atomically. The version is loaded first: an alias never points
    /// at a version that cannot answer.
    ///
    /// # Errors
    /// When the version does not hold, or `etag` is given and is not the current one.
    pub fn set_alias(
        &self,
        model: &ModelName,
        alias: &AliasName,
        version: Version,
        etag: Option<&str>,
    ) -> Result<Alias, RepositoryError> {
        self.load(model, version)?;
        let set = |aliases: &mut Aliases| {
            aliases.set(alias.clone(), version);
            aliases.get(alias).cloned()
        };
        let unknown = || RepositoryError::UnknownVersion { model: model.clone(), version };
        self.change_aliases(model, etag, set)?.ok_or_else(unknown)
    }

    /// Removes an alias.
    ///
    /// # Errors
    /// When there is none, or `etag` is given and is not the current one.
    pub fn delete_alias(
        &self,
        model: &ModelName,
        alias: &AliasName,
        etag: Option<&str>,
    ) -> Result<(), RepositoryError> {
        let removed = self.change_aliases(model, etag, |aliases| aliases.remove(alias))?;
        let unknown =
            || RepositoryError::UnknownAlias { model: model.clone(), alias: alias.clone() };
        removed.map(|_| ()).ok_or_else(unknown)
    }

    fn change_aliases<T>(
        &self,
        model: &ModelName,
        etag: Option<&str>,
        change: impl FnOnce(&mut Aliases) -> T,
    ) -> Result<T, RepositoryError> {
        let _lock = self.lock(model)?;
        let mut aliases = self.aliases(model)?;
        let found = aliases.etag();
        if let Some(expected) = etag.filter(|etag| *etag != found) {
            let expected = expected.to_owned();
            return Err(RepositoryError::Etag { model: model.clone(), expected, found });
        }
        let outcome = change(&mut aliases);
        self.write_aliases(model, &aliases)?;
        Ok(outcome)
    }

    /// Under the lock only.
    fn write_aliases(&self, model: &ModelName, aliases: &Aliases) -> Result<(), RepositoryError> {
        let path = self.folder(model).join("aliases.json");
        let text = serde_json::to_string_pretty(aliases).map_err(|error| {
            RepositoryError::File { path: path.clone(), problem: error.to_string() }
        })?;
        replace(&path, text.as_bytes())
    }

    /// Held while a version gets its number or an alias moves, against other processes too.
    fn lock(&self, model: &ModelName) -> Result<File, RepositoryError> {
        let path = self.folder(model).join(".lock");
        let file = File::create(&path).map_err(at(&path))?;
        file.lock().map_err(at(&path))?;
        Ok(file)
    }

    /// The highest number that was ever given.
    fn last_number(&self, model: &ModelName) -> Result<Version, RepositoryError> {
        let noted = fs::read_to_string(self.folder(model).join(".last_version"));
        let noted = noted.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        Ok(self.versions(model)?.last().copied().unwrap_or(0).max(noted))
    }

    fn note_number(&self, model: &ModelName, number: Version) -> Result<(), RepositoryError> {
        replace(&self.folder(model).join(".last_version"), number.to_string().as_bytes())
    }

    fn folder(&self, model: &ModelName) -> PathBuf {
        self.root.join(model.as_str())
    }

    fn exists(&self, model: &ModelName) -> bool {
        self.folder(model).is_dir()
    }

    fn version_folder(
        &self,
        model: &ModelName,
        version: Version,
    ) -> Result<PathBuf, RepositoryError> {
        if !self.exists(model) {
            return Err(RepositoryError::UnknownModel { model: model.clone() });
        }
        let folder = self.folder(model).join(version.to_string());
        if folder.is_dir() {
            return Ok(folder);
        }
        Err(RepositoryError::UnknownVersion { model: model.clone(), version })
    }
}

/// Writes files into a folder of their own, then gives it its name.
fn publish(
    unfinished: &Path,
    finished: &Path,
    files: &[(&str, Vec<u8>)],
) -> Result<(), RepositoryError> {
    debug_assert!(unfinished.to_string_lossy().contains(UNFINISHED));
    fs::create_dir(unfinished).map_err(at(unfinished))?;
    for (name, bytes) in files {
        write_synced(&unfinished.join(name), bytes)?;
    }
    sync_folder(unfinished)?;
    fs::rename(unfinished, finished).map_err(at(finished))?;
    sync_folder(finished.parent().unwrap_or(Path::new(".")))
}

fn sha256(bytes: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
