//! Figures of all jobs, for those who watch the server.

use std::time::Duration;

use rusqlite::{Row, params};

use crate::transaction::Timestamp;

use super::{ControlStore, JobKind, JobState, StoreError};

const COUNTS: &str = "SELECT kind, state, count(*) FROM job GROUP BY kind, state";
const ENDED: &str = "SELECT kind, state, started_at, ended_at, result FROM job
     WHERE ended_at > ?1 ORDER BY ended_at";

/// How many jobs there are of a kind in a state.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct JobCount {
    /// What they do.
    pub kind: JobKind,
    /// Where they stand.
    pub state: JobState,
    /// How many there are.
    pub count: u64,
}

/// A job that ended.
#[derive(Clone, Debug, PartialEq)]
pub struct EndedJob {
    /// What it did.
    pub kind: JobKind,
    /// How it ended.
    pub state: JobState,
    /// How long its last attempt took; zero where it never began.
    pub took: Duration,
    /// When it ended.
    pub ended_at: Timestamp,
    /// What it gave, where it succeeded.
    pub result: Option<String>,
}

impl ControlStore {
    /// Counts all jobs, whichever process runs them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn job_counts(&self) -> Result<Vec<JobCount>, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached(COUNTS)?;
            let count = |row: &Row<'_>| {
                let count = row.get::<_, i64>(2)?.unsigned_abs();
                let (kind, state): (String, String) = (row.get(0)?, row.get(1)?);
                let known = JobKind::parse(&kind).zip(JobState::parse(&state));
                Ok(known.map(|(kind, state)| JobCount { kind, state, count }))
            };
            // What a newer program may have queued is not ours to count.
            Ok(select
                .query_map([], count)?
                .collect::<Result<Vec<_>, _>>()?
                .into_iter()
                .flatten()
                .collect())
        })
    }

    /// The jobs that ended after an instant, in the order of their ends.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn jobs_ended_after(&self, instant: Timestamp) -> Result<Vec<EndedJob>, StoreError> {
        self.read(|connection| {
            let mut select = connection.prepare_cached(ENDED)?;
            let ended = select.query_map(params![instant.micros()], read_ended)?;
            Ok(ended.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        })
    }
}

fn read_ended(row: &Row<'_>) -> rusqlite::Result<Option<EndedJob>> {
    let (kind, state): (String, String) = (row.get(0)?, row.get(1)?);
    let (started, ended): (Option<i64>, i64) = (row.get(2)?, row.get(3)?);
    let took = started.map_or(0, |started| ended.saturating_sub(started).max(0));
    let Some((kind, state)) = JobKind::parse(&kind).zip(JobState::parse(&state)) else {
        return Ok(None);
    };
    Ok(Some(EndedJob {
        kind,
        state,
        took: Duration::from_micros(took.unsigned_abs()),
        ended_at: Timestamp::from_micros(ended),
        result: row.get(4)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{JobId, NewJob};

    fn queued(store: &ControlStore) -> JobId {
        let job = NewJob {
            kind: JobKind::Import,
            subject: String::new(),
            payload: "{}".to_owned(),
            request_id: String::new(),
            fingerprint: String::new(),
        };
        store.enqueue(&job).unwrap().id
    }

    #[test]
    fn figures_are_read_while_another_writes() {
        let directory = tempfile::tempdir().unwrap();
        let store = ControlStore::open(directory.path()).unwrap();
        let (first, _) = (queued(&store), queued(&store));
        store.cancel(first).unwrap();
        let writer = store.database.writer();
        writer.execute_batch("BEGIN IMMEDIATE; DELETE FROM job").unwrap();
        let mut counts: Vec<_> =
            store.job_counts().unwrap().iter().map(|jobs| (jobs.state, jobs.count)).collect();
        counts.sort_unstable_by_key(|(state, _)| state.as_str());
        assert_eq!(counts, [(JobState::Cancelled, 1), (JobState::Queued, 1)]);
        let ended = store.jobs_ended_after(Timestamp::from_micros(0)).unwrap();
        assert_eq!(ended.iter().map(|job| job.state).collect::<Vec<_>>(), [JobState::Cancelled]);
        writer.execute_batch("ROLLBACK").unwrap();
    }

    #[test]
    fn figures_are_read_by_an_index() {
        let directory = tempfile::tempdir().unwrap();
        let store = ControlStore::open(directory.path()).unwrap();
        let plan = |query: &str| {
            let query = format!("EXPLAIN QUERY PLAN {}", query.replace("?1", "0"));
            let told = store.read(|connection| {
                connection.query_row(&query, [], |row| row.get::<_, String>("detail"))
            });
            told.unwrap()
        };
        assert!(plan(COUNTS).contains("COVERING INDEX job_kind_state"), "{}", plan(COUNTS));
        assert!(plan(ENDED).contains("INDEX job_ended (ended_at>?)"), "{}", plan(ENDED));
    }
}
