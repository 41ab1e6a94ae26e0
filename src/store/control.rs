//! Jobs and the audit trail. A job row is the only state of a job: any process can pick it up.

mod figures;

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::transaction::Timestamp;

pub use self::figures::{EndedJob, JobCount};
use super::StoreError;
use super::audit::{AuditEntry, Change};
use super::database::Database;
use super::job::{JobFailure, JobFilter, JobId, JobKind, JobRow, JobState, NewJob};

const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE job (
        job_id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        payload TEXT NOT NULL,
        request_id TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        state TEXT NOT NULL,
        stage TEXT NOT NULL DEFAULT '',
        fraction REAL NOT NULL DEFAULT 0,
        attempt INTEGER NOT NULL DEFAULT 0,
        created_at INTEGER NOT NULL,
        started_at INTEGER,
        ended_at INTEGER,
        cancel_requested INTEGER NOT NULL DEFAULT 0,
        lease_owner TEXT,
        lease_until INTEGER,
        failure TEXT,
        result TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX job_request ON job (kind, request_id) WHERE request_id <> '';
    CREATE INDEX job_open ON job (state) WHERE state IN ('queued', 'running');
    CREATE TABLE request (
        method TEXT NOT NULL,
        request_id TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        answer BLOB NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (method, request_id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE audit (
        audit_id INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        action TEXT NOT NULL,
        subject TEXT NOT NULL,
        detail TEXT NOT NULL
    ) STRICT;
",
    "
    ALTER TABLE audit ADD COLUMN who TEXT NOT NULL DEFAULT '';
",
    "
    CREATE TABLE schedule (
        model TEXT NOT NULL,
        task TEXT NOT NULL,
        cron TEXT NOT NULL,
        settled_until INTEGER NOT NULL,
        last_due INTEGER,
        last_job TEXT,
        problem TEXT NOT NULL,
        PRIMARY KEY (model, task)
    ) STRICT, WITHOUT ROWID;
",
    "
    CREATE INDEX job_ended ON job (ended_at) WHERE ended_at IS NOT NULL;
    CREATE INDEX job_kind_state ON job (kind, state);
",
];

const COLUMNS: &str = "job_id, kind, subject, payload, request_id, state, stage, fraction, attempt, \
     created_at, started_at, ended_at, cancel_requested, failure, result, fingerprint";

/// A job that lost its worker is started again, but no more than so often.
const MOST_ATTEMPTS: u32 = 3;

/// Jobs and audit, in SQLite.
#[derive(Debug)]
pub struct ControlStore {
    database: Database,
}

impl ControlStore {
    /// Opens or creates the store in `directory`.
    ///
    /// # Errors
    /// When the directory cannot be written or holds something else.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        Ok(Self { database: Database::open(directory.join("control.sqlite3"), MIGRATIONS)? })
    }

    /// Queues a job. A job of the same kind and request id that exists already is returned
    /// instead, whatever its state.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn enqueue(&self, new: &NewJob) -> Result<JobRow, StoreError> {
        let id = JobId::generate();
        self.write(|connection| {
            connection.execute(
                "INSERT OR IGNORE INTO job
                 (job_id, kind, subject, payload, request_id, fingerprint, state, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'queued', ?7)",
                params![
                    id.to_string(),
                    new.kind.as_str(),
                    new.subject,
                    new.payload,
                    new.request_id,
                    new.fingerprint,
                    Timestamp::now().micros()
                ],
            )?;
            connection.query_row(
                &format!(
                    "SELECT {COLUMNS} FROM job
                     WHERE job_id = ?1 OR (kind = ?2 AND request_id = ?3 AND request_id <> '')"
                ),
                params![id.to_string(), new.kind.as_str(), new.request_id],
                read_job,
            )
        })
    }

    /// One job.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn job(&self, id: JobId) -> Result<Option<JobRow>, StoreError> {
        self.write(|connection| {
            connection
                .prepare_cached(&format!("SELECT {COLUMNS} FROM job WHERE job_id = ?1"))?
                .query_row(params![id.to_string()], read_job)
                .optional()
        })
    }

    /// The job that was queued under a request id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn job_of_request(
        &self,
        kind: JobKind,
        request_id: &str,
    ) -> Result<Option<JobRow>, StoreError> {
        self.write(|connection| {
            connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM job
                     WHERE kind = ?1 AND request_id = ?2 AND request_id <> ''"
                ))?
                .query_row(params![kind.as_str(), request_id], read_job)
                .optional()
        })
    }

    /// Jobs, latest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn jobs(&self, filter: &JobFilter) -> Result<Vec<JobRow>, StoreError> {
        self.write(|connection| {
            let mut select = connection.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM job
                 WHERE (?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR subject = ?2)
                   AND (?3 IS NULL OR job_id < ?3)
                 ORDER BY job_id DESC LIMIT ?4"
            ))?;
            let before = filter.before.map(|id| id.to_string());
            let jobs = select.query_map(
                params![filter.kind.map(JobKind::as_str), filter.subject, before, filter.limit],
                read_job,
            )?;
            jobs.collect()
        })
    }

    /// Takes the oldest waiting job for `owner`, whose lease must be renewed within `lease`.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn claim(&self, owner: &str, lease: Duration) -> Result<Option<JobRow>, StoreError> {
        let now = Timestamp::now().micros();
        self.write(|connection| {
            connection
                .prepare_cached(&format!(
                    "UPDATE job SET state = 'running', attempt = attempt + 1, started_at = ?1,
                            lease_owner = ?2, lease_until = ?3, stage = 'starting', fraction = 0
                     WHERE job_id = (SELECT job_id FROM job WHERE state = 'queued'
                                     ORDER BY job_id LIMIT 1)
                     RETURNING {COLUMNS}"
                ))?
                .query_row(params![now, owner, until(now, lease)], read_job)
                .optional()
        })
    }

    /// Renews a lease and stores progress. Returns whether the job should stop: someone asked, or
    /// the lease was lost to another worker.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn heartbeat(
        &self,
        id: JobId,
        owner: &str,
        lease: Duration,
        progress: (&str, f64),
    ) -> Result<bool, StoreError> {
        let now = Timestamp::now().micros();
        let (stage, fraction) = progress;
        let cancelled: Option<bool> = self.write(|connection| {
            connection
                .prepare_cached(
                    "UPDATE job SET lease_until = ?3, stage = ?4, fraction = ?5
                     WHERE job_id = ?1 AND lease_owner = ?2 AND state = 'running'
                     RETURNING cancel_requested",
                )?
                .query_row(
                    params![id.to_string(), owner, until(now, lease), stage, fraction],
                    |row| row.get(0),
                )
                .optional()
        })?;
        Ok(cancelled.unwrap_or(true))
    }

    /// Ends a running job that `owner` holds. Returns whether it did: a lost lease changes nothing.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn finish(
        &self,
        id: JobId,
        owner: &str,
        state: JobState,
        outcome: Result<&str, &JobFailure>,
    ) -> Result<bool, StoreError> {
        let failure = outcome.err().and_then(|failure| serde_json::to_string(failure).ok());
        let rows = self.write(|connection| {
            connection.execute(
                "UPDATE job SET state = ?3, ended_at = ?4, failure = ?5, result = ?6,
                        fraction = CASE ?3 WHEN 'succeeded' THEN 1 ELSE fraction END,
                        lease_owner = NULL, lease_until = NULL
                 WHERE job_id = ?1 AND lease_owner = ?2 AND state = 'running'",
                params![
                    id.to_string(),
                    owner,
                    state.as_str(),
                    Timestamp::now().micros(),
                    failure,
                    outcome.ok()
                ],
            )
        })?;
        Ok(rows == 1)
    }

    /// Gives a running job that `owner` holds back to the queue, as on a shutdown.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn release(&self, id: JobId, owner: &str) -> Result<(), StoreError> {
        self.write(|connection| {
            connection.execute(
                "UPDATE job SET state = 'queued', attempt = attempt - 1,
                        lease_owner = NULL, lease_until = NULL
                 WHERE job_id = ?1 AND lease_owner = ?2 AND state = 'running'",
                params![id.to_string(), owner],
            )
        })?;
        Ok(())
    }

    /// Asks a job to stop: a waiting one ends at once, a running one when its worker sees it, and
    /// a final one stays as it is.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn cancel(&self, id: JobId) -> Result<Option<JobRow>, StoreError> {
        let now = Timestamp::now().micros();
        self.write(|connection| {
            connection.execute(
                "UPDATE job SET cancel_requested = 1,
                        ended_at = CASE state WHEN 'queued' THEN ?2 ELSE ended_at END,
                        state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END
                 WHERE job_id = ?1 AND state IN ('queued', 'running')",
                params![id.to_string(), now],
            )
        })?;
        self.job(id)
    }

    /// Queues jobs again whose worker went away (its lease ended, or `is_gone` says so of its
    /// name), or fails them when that happened too often. Returns how many there were.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn recover(&self, is_gone: impl Fn(&str) -> bool) -> Result<usize, StoreError> {
        let now = Timestamp::now().micros();
        let running: Vec<(String, Option<String>, Option<i64>)> = self.write(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT job_id, lease_owner, lease_until FROM job WHERE state = 'running'",
            )?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        })?;
        let mut recovered = 0;
        for (id, owner, until) in running {
            let expired = until.is_none_or(|until| until < now);
            if expired || owner.as_deref().is_none_or(&is_gone) {
                recovered += self.requeue(&id, owner.as_deref())?;
            }
        }
        Ok(recovered)
    }

    /// The answer that a call with this request id had, and the digest of what it asked.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn answered(
        &self,
        method: &str,
        request_id: &str,
    ) -> Result<Option<(String, Vec<u8>)>, StoreError> {
        self.write(|connection| {
            connection
                .prepare_cached(
                    "SELECT fingerprint, answer FROM request WHERE method = ?1 AND request_id = ?2",
                )?
                .query_row(params![method, request_id], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        })
    }

    /// Remembers the answer of a call for a day, so that sending it again changes nothing.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn remember(
        &self,
        method: &str,
        request_id: &str,
        fingerprint: &str,
        answer: &[u8],
    ) -> Result<(), StoreError> {
        let now = Timestamp::now();
        self.write(|connection| {
            connection
                .execute("DELETE FROM request WHERE at < ?1", [now.plus_days(-1).micros()])?;
            connection.execute(
                "INSERT OR REPLACE INTO request VALUES (?1, ?2, ?3, ?4, ?5)",
                params![method, request_id, fingerprint, answer, now.micros()],
            )
        })?;
        Ok(())
    }

    /// Writes one line of the audit trail.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn record(&self, change: &Change<'_>) -> Result<(), StoreError> {
        let Change { who, action, subject, detail } = *change;
        self.write(|connection| {
            connection.execute(
                "INSERT INTO audit (at, who, action, subject, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![Timestamp::now().micros(), who, action, subject, detail],
            )
        })?;
        Ok(())
    }

    /// The audit trail, latest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn audit(&self, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        self.write(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT at, action, subject, detail, who FROM audit
                 ORDER BY audit_id DESC LIMIT ?1",
            )?;
            let entries = select.query_map([limit], |row| {
                Ok(AuditEntry {
                    at: Timestamp::from_micros(row.get(0)?),
                    action: row.get(1)?,
                    subject: row.get(2)?,
                    detail: row.get(3)?,
                    who: row.get(4)?,
                })
            })?;
            entries.collect()
        })
    }

    fn requeue(&self, id: &str, owner: Option<&str>) -> Result<usize, StoreError> {
        let failure = JobFailure {
            reason: "WORKER_LOST".to_owned(),
            message: format!("its worker went away {MOST_ATTEMPTS} times; see the server's log"),
        };
        let failure = serde_json::to_string(&failure).unwrap_or_default();
        self.write(|connection| {
            connection.execute(
                "UPDATE job SET lease_owner = NULL, lease_until = NULL,
                        failure = CASE WHEN attempt >= ?3 THEN ?4 END,
                        ended_at = CASE WHEN attempt >= ?3 OR cancel_requested THEN ?5 END,
                        state = CASE WHEN cancel_requested THEN 'cancelled'
                                     WHEN attempt >= ?3 THEN 'failed' ELSE 'queued' END
                 WHERE job_id = ?1 AND state = 'running' AND lease_owner IS ?2",
                params![id, owner, MOST_ATTEMPTS, failure, Timestamp::now().micros()],
            )
        })
    }

    /// Reads beside whoever writes.
    pub(super) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let reader = self.database.reader()?;
        let found = query(&reader).map_err(|error| self.database.error(&error))?;
        self.database.release(reader);
        Ok(found)
    }

    pub(super) fn write<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let writer = self.database.writer();
        query(&writer).map_err(|error| self.database.error(&error))
    }
}

fn until(now: i64, lease: Duration) -> i64 {
    now.saturating_add(i64::try_from(lease.as_micros()).unwrap_or(i64::MAX))
}

fn read_job(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    let text = |index: usize| row.get::<_, String>(index);
    let time = |index: usize| -> rusqlite::Result<Option<Timestamp>> {
        Ok(row.get::<_, Option<i64>>(index)?.map(Timestamp::from_micros))
    };
    let unreadable = |index| {
        rusqlite::Error::InvalidColumnType(index, "job".to_owned(), rusqlite::types::Type::Text)
    };
    let failure: Option<String> = row.get(13)?;
    Ok(JobRow {
        id: text(0)?.parse().map_err(|_| unreadable(0))?,
        kind: JobKind::parse(&text(1)?).ok_or_else(|| unreadable(1))?,
        subject: text(2)?,
        payload: text(3)?,
        request_id: text(4)?,
        state: JobState::parse(&text(5)?).ok_or_else(|| unreadable(5))?,
        stage: text(6)?,
        fraction: row.get(7)?,
        attempt: row.get::<_, i64>(8)?.max(0) as u32,
        created_at: Timestamp::from_micros(row.get(9)?),
        started_at: time(10)?,
        ended_at: time(11)?,
        cancel_requested: row.get(12)?,
        failure: failure.and_then(|text| serde_json::from_str(&text).ok()),
        result: row.get(14)?,
        fingerprint: row.get(15)?,
    })
}
