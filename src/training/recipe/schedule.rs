//! The `[schedule]` of a recipe: when its model is trained, checked and scored by itself.

mod cron;
mod output;

pub use self::cron::Cron;
pub use self::output::OutputPattern;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::repository::ModelReference;

use super::Recipe;

/// Most reasons of a row of a score.
pub const MOST_REASONS: usize = 20;

/// What is to be done by itself, and when.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "RawSchedule", into = "RawSchedule")]
pub struct Schedule {
    /// Train, with the gate of the recipe.
    pub retrain: Option<Cron>,
    /// Look whether the customers moved.
    pub drift: Option<Cron>,
    /// Train, with the gate, when they did.
    pub retrain_on_drift: bool,
    /// Score the customers into a file.
    pub score: Option<ScoreSchedule>,
}

/// When customers are scored, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreSchedule {
    /// When.
    pub cron: Cron,
    /// The file of each run.
    pub output: OutputPattern,
    /// Which customers.
    pub population: Population,
    /// Reasons per customer and model.
    pub explain: usize,
    /// Further models in the same pass and file.
    pub with: Vec<ModelReference>,
}

/// Which customers are scored.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Population {
    /// Who bought before the date.
    #[default]
    All,
    /// Who bought within the widest window of the models' populations.
    Active,
    /// Everybody with a line before the date, a return for instance: without a purchase the answer
    /// is the population's, flagged `NO_HISTORY`.
    Known,
}

impl Population {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Active => "active",
            Self::Known => "known",
        }
    }
}

impl fmt::Display for Population {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a schedule can start.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum ScheduledTask {
    /// A training.
    Retrain,
    /// A look at drift.
    Drift,
    /// A scoring.
    Score,
}

impl ScheduledTask {
    /// All tasks.
    pub const ALL: [Self; 3] = [Self::Retrain, Self::Drift, Self::Score];

    /// Its name, and its key in a recipe.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retrain => "retrain",
            Self::Drift => "drift",
            Self::Score => "score",
        }
    }
}

impl fmt::Display for ScheduledTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Schedule {
    /// When a task is due; `None` when it is not scheduled.
    pub fn cron(&self, task: ScheduledTask) -> Option<&Cron> {
        match task {
            ScheduledTask::Retrain => self.retrain.as_ref(),
            ScheduledTask::Drift => self.drift.as_ref(),
            ScheduledTask::Score => self.score.as_ref().map(|score| &score.cron),
        }
    }

    /// What a kind of model cannot do by itself. `learns_from_customers` is false for forecasts
    /// and for models of a table.
    pub(super) fn problems(&self, learns_from_customers: bool) -> Vec<String> {
        let mut problems = Vec::new();
        if learns_from_customers {
            return problems;
        }
        if self.drift.is_some() {
            problems.push(
                "schedule.drift: only models that were trained on customers keep a reference; schedule retrain instead".to_owned(),
            );
        }
        if self.score.is_some() {
            problems.push(
                "schedule.score: only models that were trained on customers score customers; leave it out".to_owned(),
            );
        }
        problems
    }
}

impl Recipe {
    /// What is done by itself, and when.
    pub fn schedule(&self) -> Option<&Schedule> {
        match self {
            Self::Segments(recipe) => recipe.schedule.as_ref(),
            Self::Rfm(recipe) => recipe.schedule.as_ref(),
            Self::Churn(recipe) | Self::Propensity(recipe) => recipe.schedule.as_ref(),
            Self::Forecast(recipe) => recipe.schedule.as_ref(),
        }
    }
}

/// A schedule as it is written.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawSchedule {
    retrain: Option<String>,
    drift: Option<String>,
    #[serde(default)]
    retrain_on_drift: bool,
    score: Option<RawScore>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RawScore {
    cron: String,
    output: String,
    #[serde(default)]
    population: Population,
    #[serde(default)]
    explain: usize,
    #[serde(default)]
    with: Vec<String>,
}

impl TryFrom<RawSchedule> for Schedule {
    type Error = String;

    fn try_from(raw: RawSchedule) -> Result<Self, String> {
        let RawSchedule { retrain, drift, retrain_on_drift, score } = raw;
        if retrain_on_drift && drift.is_none() {
            return Err("schedule.retrain_on_drift: expected schedule.drift beside it, found none"
                .to_owned());
        }
        let cron = |key: &str, text: Option<String>| {
            text.map(|text| {
                Cron::parse(&text).map_err(|problem| format!("schedule.{key}: {problem}"))
            })
            .transpose()
        };
        Ok(Self {
            retrain: cron("retrain", retrain)?,
            drift: cron("drift", drift)?,
            retrain_on_drift,
            score: score.map(ScoreSchedule::try_from).transpose()?,
        })
    }
}

impl TryFrom<RawScore> for ScoreSchedule {
    type Error = String;

    fn try_from(raw: RawScore) -> Result<Self, String> {
        let RawScore { cron, output, population, explain, with } = raw;
        if explain > MOST_REASONS {
            return Err(format!(
                "schedule.score.explain: expected 0 to {MOST_REASONS}, found {explain}"
            ));
        }
        let key =
            |key: &'static str| move |problem: String| format!("schedule.score.{key}: {problem}");
        let with = with.iter().map(|text| text.parse::<ModelReference>());
        let with: Result<_, _> = with.collect();
        Ok(Self {
            cron: Cron::parse(&cron).map_err(key("cron"))?,
            output: OutputPattern::parse(&output).map_err(key("output"))?,
            population,
            explain,
            with: with.map_err(|error| key("with")(error.to_string()))?,
        })
    }
}

impl From<Schedule> for RawSchedule {
    fn from(schedule: Schedule) -> Self {
        let Schedule { retrain, drift, retrain_on_drift, score } = schedule;
        Self {
            retrain: retrain.map(|cron| cron.to_string()),
            drift: drift.map(|cron| cron.to_string()),
            retrain_on_drift,
            score: score.map(|score| RawScore {
                cron: score.cron.to_string(),
                output: score.output.to_string(),
                population: score.population,
                explain: score.explain,
                with: score.with.iter().map(ModelReference::to_string).collect(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(schedule: &str) -> Result<Recipe, String> {
        let text = format!("kind = \"rfm\"\nactive_days = 30\n[schedule]\n{schedule}");
        Recipe::parse(&text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_schedule_is_read_and_written_again() {
        let text = r#"retrain = "0 3 * * 1"
drift = "@daily"
retrain_on_drift = true
score = { cron = "30 5 * * *", output = "/s/%Y-%m-%d.parquet", population = "active", explain = 2, with = ["churn@challenger"] }
"#;
        let recipe = recipe(text).unwrap();
        let again: Recipe = toml::from_str(&toml::to_string(&recipe).unwrap()).unwrap();
        assert_eq!(again, recipe);
        let schedule = recipe.schedule().unwrap();
        assert_eq!(schedule.cron(ScheduledTask::Retrain).unwrap().to_string(), "0 3 * * 1");
        assert_eq!(schedule.score.as_ref().unwrap().population, Population::Active);
    }

    #[test]
    fn what_does_not_hold_is_named_with_its_key() {
        let score = |keys: &str| format!("score = {{ {keys} }}");
        for (text, part) in [
            ("retrain = \"0 3 * *\"".to_owned(), "schedule.retrain: expected"),
            ("retrain = \"61 3 * * *\"".to_owned(), "found \"61 3 * * *\""),
            ("drift = \"0 0 30 2 *\"".to_owned(), "schedule.drift: expected a time that comes"),
            ("retrain_on_drift = true".to_owned(), "schedule.drift beside it"),
            ("retrian = \"0 3 * * 1\"".to_owned(), "retrian"),
            (score("cron = \"x\", output = \"/a.csv\""), "schedule.score.cron: "),
            (score("cron = \"0 3 * * 1\", output = \"a.csv\""), "schedule.score.output: "),
            (score("cron = \"0 3 * * 1\", output = \"/a.csv\", with = [\"/\"]"), "score.with: "),
            (score("cron = \"0 3 * * 1\", output = \"/a.csv\", explain = 30"), "score.explain"),
        ] {
            let problem = recipe(&text).unwrap_err();
            assert!(problem.contains(part), "{text}: {problem}");
        }
        let forecast = "kind = \"forecast\"\nfrequency = \"daily\"\nhorizon = 7\nmeasure = \"sales\"\n\
            series = [{ group = \"total\" }]\n[schedule]\ndrift = \"0 3 * * *\"\n";
        let problem = Recipe::parse(forecast).unwrap_err().to_string();
        assert!(problem.contains("schedule.drift: ") && problem.contains("retrain instead"));
    }
}
