//! Models, versions and aliases, shown.

use serde_json::{Value, json};

use crate::grpc::proto::{Model, ModelAlias, ModelVersion};

use super::super::evaluation::{evaluation_text, metrics_json, metrics_table};
use super::super::output::Report;
use super::super::table::{Fields, Table};
use super::super::values::{given, kind, short_name, time_json, time_text};

/// Models in a table.
pub(super) struct ModelList(pub(super) Vec<Model>);

impl Report for ModelList {
    fn json(&self) -> Value {
        json!({ "models": self.0.iter().map(Report::json).collect::<Vec<_>>() })
    }

    fn text(&self) -> String {
        let mut table = Table::new(["name", "kind", ">versions", ">newest", "aliases"]);
        for model in &self.0 {
            let aliases = model.aliases.iter();
            let aliases = aliases.map(|alias| format!("{}={}", alias.alias, alias.version));
            table.row([
                model.name.clone(),
                kind(model.kind()),
                model.version_count.to_string(),
                model.latest_version.to_string(),
                aliases.collect::<Vec<_>>().join(" "),
            ]);
        }
        table.to_string()
    }
}

impl Report for Model {
    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "kind": kind(self.kind()),
            "aliases": self.aliases.iter().map(alias_json).collect::<Vec<_>>(),
            "latest_version": self.latest_version,
            "version_count": self.version_count,
            "recipe_toml": self.recipe_toml,
        })
    }

    fn text(&self) -> String {
        let mut fields = Fields::default();
        fields.add("model", &self.name);
        fields.add("kind", kind(self.kind()));
        fields.add("versions", self.version_count);
        let mut aliases = Table::new(["alias", ">version", ">before", "moved"]);
        for alias in &self.aliases {
            aliases.row([
                alias.alias.clone(),
                alias.version.to_string(),
                alias.previous_version.to_string(),
                time_text(alias.update_time.as_ref()),
            ]);
        }
        format!("{fields}\n{aliases}\n{}", self.recipe_toml)
    }
}

/// An alias that was moved.
pub(super) struct Alias(pub(super) ModelAlias);

impl Report for Alias {
    fn json(&self) -> Value {
        alias_json(&self.0)
    }

    fn text(&self) -> String {
        let ModelAlias { model, alias, version, previous_version, .. } = &self.0;
        let before = match previous_version {
            0 => "no version".to_owned(),
            number => format!("version {number}"),
        };
        format!("{model}@{alias} points to version {version}; before: {before}")
    }
}

fn alias_json(alias: &ModelAlias) -> Value {
    json!({
        "model": alias.model,
        "alias": alias.alias,
        "version": alias.version,
        "previous_version": alias.previous_version,
        "update_time": time_json(alias.update_time.as_ref()),
        "etag": alias.etag,
    })
}

/// Versions in a table.
pub(super) struct VersionList(pub(super) Vec<ModelVersion>);

impl Report for VersionList {
    fn json(&self) -> Value {
        json!({ "versions": self.0.iter().map(|version| version_json(version, false)).collect::<Vec<_>>() })
    }

    fn text(&self) -> String {
        let columns =
            ["version", "algorithm", "state", "trained as of", "created", "promoted", "aliases"];
        let mut table = Table::new(columns);
        for version in &self.0 {
            table.row([
                version.version.to_string(),
                version.algorithm.clone(),
                state(version),
                time_text(version.trained_as_of.as_ref()),
                time_text(version.create_time.as_ref()),
                if version.promoted { "yes" } else { "no" }.to_owned(),
                version.aliases.join(" "),
            ]);
        }
        table.to_string()
    }
}

/// One version, with the whole evaluation where it was asked for.
pub(super) struct VersionDetails {
    pub(super) version: ModelVersion,
    pub(super) evaluation: bool,
}

impl Report for VersionDetails {
    fn json(&self) -> Value {
        version_json(&self.version, self.evaluation)
    }

    fn text(&self) -> String {
        let version = &self.version;
        let mut fields = Fields::default();
        fields.add("version", format_args!("{}/{}", version.model, version.version));
        fields.add("kind", kind(version.kind()));
        fields.add("algorithm", &version.algorithm);
        fields.add("state", state(version));
        fields.add_some("problem", given(&version.state_reason));
        fields.add("aliases", version.aliases.join(" "));
        fields.add_some("predicts", given(&version.event));
        fields.add_some("population", given(&version.population));
        fields.add("trained as of", time_text(version.trained_as_of.as_ref()));
        fields.add("created", time_text(version.create_time.as_ref()));
        fields.add(
            "by",
            format_args!("Patron {}, job {}", version.code_version, version.training_job_id),
        );
        let promoted = if version.promoted { "promoted" } else { "not promoted" };
        fields.add(promoted, &version.promotion_reason);
        fields.add(
            "model file",
            format_args!("{} bytes, sha256 {}", version.model_bytes, version.model_digest),
        );
        let figures = if self.evaluation {
            evaluation_text(version)
        } else {
            metrics_table(&version.metrics).to_string()
        };
        format!("{fields}\n{figures}")
    }
}

fn state(version: &ModelVersion) -> String {
    short_name(version.state().as_str_name(), "MODEL_VERSION_STATE_")
}

fn version_json(version: &ModelVersion, evaluation: bool) -> Value {
    let file = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    let mut json = json!({
        "model": version.model,
        "version": version.version,
        "kind": kind(version.kind()),
        "algorithm": version.algorithm,
        "state": state(version),
        "state_reason": given(&version.state_reason),
        "aliases": version.aliases,
        "create_time": time_json(version.create_time.as_ref()),
        "trained_as_of": time_json(version.trained_as_of.as_ref()),
        "model_digest": version.model_digest,
        "model_bytes": version.model_bytes,
        "schema_digest": given(&version.schema_digest),
        "data_digest": version.data_digest,
        "seed": version.seed,
        "code_version": version.code_version,
        "training_job_id": version.training_job_id,
        "event": given(&version.event),
        "horizon_days": version.horizon_days,
        "population": given(&version.population),
        "promoted": version.promoted,
        "promotion_reason": version.promotion_reason,
        "metrics": metrics_json(&version.metrics),
    });
    if let (true, Some(object)) = (evaluation, json.as_object_mut()) {
        object.insert("manifest".to_owned(), file(&version.manifest_json));
        object.insert("evaluation".to_owned(), file(&version.evaluation_json));
    }
    json
}
