use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::jobs::JobPayload;
use crate::repository::ModelRepository;
use crate::scoring::ScoreFormat;
use crate::serving::AsOfRule;
use crate::store::{JobFilter, JobState, TransactionStore};

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A process that looks at the schedules of an empty shop in London.
struct Process {
    schedules: Schedules,
    lookout: Lookout,
}

impl Process {
    fn start(directory: &TempDir) -> Self {
        Self::allowed(directory, None)
    }

    /// One that may only touch files below some directories.
    fn allowed(directory: &TempDir, files: Option<Vec<PathBuf>>) -> Self {
        let directory = directory.path();
        let clock = ShopClock::new("Europe/London").unwrap();
        let store = TransactionStore::open(directory, clock.clone(), "GBP").unwrap();
        let repository = ModelRepository::open(&directory.join("models")).unwrap();
        let catalog = Arc::new(ModelCatalog::new(repository));
        let schedules = Schedules {
            control: Arc::new(ControlStore::open(directory).unwrap()),
            predictor: Predictor::new(Arc::new(store), Arc::clone(&catalog), AsOfRule::Now),
            catalog,
            files: FileAccess::new(files),
            clock,
        };
        Self { schedules, lookout: Lookout::default() }
    }

    fn look(&mut self, now: &str) {
        self.schedules.look(&mut self.lookout, at(now)).unwrap();
    }

    /// The request ids of all jobs, the earliest first; all of them are ended.
    fn queued(&self) -> Vec<String> {
        let control = &self.schedules.control;
        let filter = JobFilter { limit: 100, ..JobFilter::default() };
        let mut jobs = control.jobs(&filter).unwrap();
        jobs.reverse();
        for job in jobs.iter().filter(|job| job.state == JobState::Queued) {
            control.cancel(job.id).unwrap();
        }
        let name = |job: JobRow| job.request_id.replace("schedule/value/", "");
        jobs.into_iter().map(name).collect()
    }

    fn status(&self, now: &str) -> Option<ScheduleStatus> {
        let model: ModelName = "value".parse().unwrap();
        let recipe = self.schedules.catalog.repository().recipe(&model).unwrap();
        let recipe = Recipe::parse(&recipe);
        self.schedules.of(&model, recipe.as_ref(), at(now)).unwrap().pop()
    }
}

fn write(directory: &TempDir, schedule: &str) {
    write_recipe(directory, "kind = \"rfm\"\nactive_days = 365", schedule);
}

fn write_recipe(directory: &TempDir, recipe: &str, schedule: &str) {
    let folder = directory.path().join("models/value");
    fs::create_dir_all(&folder).unwrap();
    let recipe = format!("{recipe}\n[schedule]\n{schedule}\n");
    fs::write(folder.join("recipe.toml"), recipe).unwrap();
}

const MONDAYS: &str = "retrain = \"0 3 * * 1\"";
const DAILY: &str = "retrain = \"0 5 * * *\"";

#[test]
fn a_time_is_queued_once_by_whoever_looks() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory, MONDAYS);
    let (mut one, mut other) = (Process::start(&directory), Process::start(&directory));
    for now in ["2026-01-05T02:59:59Z", "2026-01-05T03:00:00Z", "2026-01-05T03:00:01Z"] {
        one.look(now);
        other.look(now);
    }
    assert_eq!(one.queued(), ["retrain/2026-01-05T03:00:00Z"]);
    Process::start(&directory).look("2026-01-05T09:00:00Z");
    assert_eq!(other.queued().len(), 1);
    let audit = one.schedules.control.audit(10).unwrap();
    assert_eq!(audit.len(), 1);
    assert_eq!((audit[0].who.as_str(), audit[0].action.as_str()), ("schedule", "training.create"));
}

#[test]
fn processes_whose_clocks_differ_queue_a_time_once() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory, DAILY);
    let (mut ahead, mut behind) = (Process::start(&directory), Process::start(&directory));
    for (early, late) in [("04:00:00", "03:59:50"), ("05:00:02", "04:59:52")] {
        ahead.look(&format!("2026-01-05T{early}Z"));
        behind.look(&format!("2026-01-05T{late}Z"));
    }
    for late in ["05:00:00", "05:00:01"] {
        ahead.queued();
        behind.look(&format!("2026-01-05T{late}Z"));
    }
    ahead.look("2026-01-05T05:00:12Z");
    assert_eq!(ahead.queued(), ["retrain/2026-01-05T05:00:00Z"]);
}

#[test]
fn what_was_missed_runs_once_and_what_was_before_does_not() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory, MONDAYS);
    let mut shop = Process::start(&directory);
    shop.look("2026-01-07T12:00:00Z");
    assert!(shop.queued().is_empty(), "the Monday before it was first seen");
    // Nobody looks for four weeks.
    for mut process in [shop, Process::start(&directory)] {
        process.look("2026-02-04T12:00:00Z");
        process.look("2026-02-04T12:00:01Z");
        assert_eq!(process.queued(), ["retrain/2026-02-02T03:00:00Z"]);
    }
}

#[test]
fn a_clock_that_is_put_back_or_forward_runs_no_time_twice() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory, "retrain = \"0 * * * *\"");
    let mut shop = Process::start(&directory);
    for now in [
        "2026-01-05T02:30:00Z",
        "2026-01-05T03:00:00Z",
        // Put back by an hour, and on again.
        "2026-01-05T02:00:10Z",
        "2026-01-05T03:00:00Z",
        // Far ahead by mistake, and back.
        "2036-01-01T00:30:00Z",
        "2026-01-05T03:10:00Z",
        "2026-01-05T04:00:00Z",
    ] {
        shop.look(now);
        shop.queued();
    }
    let expected = ["2026-01-05T03:00:00Z", "2036-01-01T00:00:00Z", "2026-01-05T04:00:00Z"];
    assert_eq!(shop.queued(), expected.map(|due| format!("retrain/{due}")));
}

#[test]
fn a_day_on_which_the_clocks_change_has_each_time_once() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory, "retrain = \"30 1 * * *\"");
    let mut shop = Process::start(&directory);
    // 01:30 does not exist on the one day, and is there twice on the other.
    for day in ["2026-03-29", "2026-10-25"] {
        for minute in 0..180 {
            shop.look(&format!("{day}T{:02}:{:02}:07Z", minute / 60, minute % 60));
            shop.queued();
        }
    }
    let expected = ["2026-03-29T01:00:00Z", "2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z"];
    assert_eq!(shop.queued(), expected.map(|due| format!("retrain/{due}")));
}

#[test]
fn a_changed_recipe_takes_effect_and_begins_anew() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory, MONDAYS);
    let mut shop = Process::start(&directory);
    shop.look("2026-01-01T00:00:00Z");
    write(&directory, DAILY);
    shop.look("2026-01-05T04:00:00Z");
    shop.look("2026-01-05T05:00:00Z");
    assert_eq!(shop.queued(), ["retrain/2026-01-05T05:00:00Z"]);
    // One that was taken out, or whose model is gone, begins anew when it comes back.
    write(&directory, "");
    shop.look("2026-01-06T04:00:00Z");
    shop.look("2026-01-06T04:01:00Z");
    write(&directory, DAILY);
    shop.look("2026-01-06T07:00:00Z");
    let model = directory.path().join("models/value");
    fs::rename(&model, directory.path().join("away")).unwrap();
    shop.look("2026-01-07T05:00:00Z");
    shop.look("2026-01-07T05:01:00Z");
    fs::rename(directory.path().join("away"), &model).unwrap();
    shop.look("2026-01-07T06:00:00Z");
    assert_eq!(shop.queued().len(), 1);
    shop.look("2026-01-08T05:00:00Z");
    assert_eq!(shop.queued()[1..], ["retrain/2026-01-08T05:00:00Z"]);
}

#[test]
fn a_recipe_that_is_away_for_a_moment_goes_on_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory, DAILY);
    let mut shop = Process::start(&directory);
    shop.look("2026-01-05T04:00:00Z");
    let recipe = directory.path().join("models/value/recipe.toml");
    let elsewhere = directory.path().join("recipe.toml~");
    // An editor puts the file aside just before a time comes, and one that was there already.
    for (away, back) in [("04:59:30", "05:00:20"), ("05:00:30", "05:00:40")] {
        fs::rename(&recipe, &elsewhere).unwrap();
        shop.look(&format!("2026-01-05T{away}Z"));
        shop.look(&format!("2026-01-05T{}9Z", &away[..7]));
        fs::rename(&elsewhere, &recipe).unwrap();
        shop.look(&format!("2026-01-05T{back}Z"));
        assert_eq!(shop.queued(), ["retrain/2026-01-05T05:00:00Z"], "{back}");
    }
    let told = shop.status("2026-01-05T06:00:00Z").unwrap();
    assert_eq!(told.last, Some(at("2026-01-05T05:00:00Z")));
    assert!(told.last_job.is_some());
}

#[test]
fn a_recipe_that_does_not_hold_rests_and_goes_on_when_it_does() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory, DAILY);
    let mut shop = Process::start(&directory);
    shop.look("2026-01-05T05:00:00Z");
    write(&directory, "retrain = \"every day\"");
    shop.look("2026-01-06T04:00:00Z");
    let told = shop.status("2026-01-06T04:00:00Z").unwrap();
    assert!(told.problem.contains("schedule.retrain: expected"), "{}", told.problem);
    assert_eq!((told.cron.as_str(), told.next), ("0 5 * * *", None));
    shop.look("2026-01-06T05:00:00Z");
    assert!(shop.queued().is_empty());
    write(&directory, DAILY);
    assert_eq!(shop.status("2026-01-06T05:30:00Z").unwrap().problem, "");
    shop.look("2026-01-06T06:00:00Z");
    assert_eq!(shop.queued(), ["retrain/2026-01-06T05:00:00Z"]);
}

#[test]
fn a_run_waits_for_the_one_before() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory, "drift = \"0 * * * *\"\nretrain_on_drift = true");
    let mut shop = Process::start(&directory);
    for now in ["2026-01-05T00:30:00Z", "2026-01-05T01:00:00Z", "2026-01-05T03:30:00Z"] {
        shop.look(now);
    }
    assert_eq!(shop.queued(), ["drift/2026-01-05T01:00:00Z"]);
    shop.look("2026-01-05T04:30:00Z");
    assert_eq!(shop.queued()[1..], ["drift/2026-01-05T04:00:00Z"], "the times between are gone");
}

#[test]
fn a_table_is_read_where_files_may_be_read_only() {
    let directory = tempfile::tempdir().unwrap();
    let (allowed, other) = (directory.path().join("in"), directory.path().join("out"));
    fs::create_dir(&allowed).unwrap();
    let mut shop = Process::allowed(&directory, Some(vec![allowed.clone()]));
    shop.look("2026-01-05T00:00:00Z");
    let series = |path: &Path| {
        format!(
            "kind = \"forecast\"\nfrequency = \"daily\"\nhorizon = 7\ntable = {{ path = {path:?} }}"
        )
    };
    for (path, problem) in [
        (other.join("a.csv"), "files.directories"),
        (Path::new("a.csv").to_owned(), "table.path: expected an absolute path"),
        (allowed.join("a.csv"), ""),
    ] {
        write_recipe(&directory, &series(&path), "retrain = \"* * * * * *\"");
        shop.look("2026-01-05T00:00:00Z");
        shop.look("2026-01-05T00:00:01Z");
        let told = shop.status("2026-01-05T00:00:01Z").unwrap();
        assert!(told.problem.contains(problem), "{}", told.problem);
        assert_eq!(told.problem.is_empty(), problem.is_empty(), "{}", told.problem);
    }
    assert_eq!(shop.queued(), ["retrain/2026-01-05T00:00:01Z"]);
}

#[test]
fn a_score_names_its_file_by_the_time_and_says_what_hinders_it() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("out");
    let output = folder.join("%Y-%m-%d.csv");
    let score = format!("score = {{ cron = \"30 0 * * *\", output = {output:?}, explain = 2 }}");
    write(&directory, &score);
    let mut shop = Process::allowed(&directory, Some(vec![directory.path().join("in")]));
    shop.look("2026-06-28T12:00:00Z");
    shop.look("2026-06-28T23:30:00Z");
    let told = shop.status("2026-06-29T00:00:00Z").unwrap();
    assert!(told.problem.contains("files.directories"), "{}", told.problem);
    let mut shop = Process::start(&directory);
    shop.look("2026-06-29T23:30:00Z");
    let told = shop.status("2026-06-30T00:00:00Z").unwrap();
    assert!(told.problem.contains("make its directory first"), "{}", told.problem);
    assert_eq!((told.last, told.next), (None, Some(at("2026-06-30T23:30:00Z"))));
    fs::create_dir(&folder).unwrap();
    shop.look("2026-06-30T23:30:05Z");
    let told = shop.status("2026-06-30T23:31:00Z").unwrap();
    let job = told.last_job.unwrap();
    assert_eq!((told.problem.as_str(), told.last), ("", Some(at("2026-06-30T23:30:00Z"))));
    let JobPayload::Scoring(request) = serde_json::from_str(&job.payload).unwrap() else {
        panic!("{}", job.payload);
    };
    assert_eq!((request.output, request.explain), (folder.join("2026-07-01.csv"), 2));
    assert_eq!(request.format, ScoreFormat::Csv);
}
