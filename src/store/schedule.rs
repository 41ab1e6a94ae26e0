//! How far schedules are settled, so that several processes and restarts run each time once.

use rusqlite::{OptionalExtension, Row, params};

use crate::transaction::Timestamp;

use super::control::ControlStore;
use super::{JobId, StoreError};

/// One schedule of one model, as far as it was worked off.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ScheduleState {
    /// The expression it was worked off by.
    pub cron: String,
    /// All times up to this one are done with.
    pub settled_until: Timestamp,
    /// The last time at which it started something.
    pub last_due: Option<Timestamp>,
    /// What that was.
    pub last_job: Option<JobId>,
    /// Why it could not, the last time that it should have; empty when it could.
    pub problem: String,
}

impl ScheduleState {
    /// Of a schedule that begins now.
    pub fn beginning(cron: &str, now: Timestamp) -> Self {
        Self {
            cron: cron.to_owned(),
            settled_until: now,
            last_due: None,
            last_job: None,
            problem: String::new(),
        }
    }
}

impl ControlStore {
    /// The state of a schedule; `None` when it is new.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn schedule(&self, model: &str, task: &str) -> Result<Option<ScheduleState>, StoreError> {
        self.write(|connection| {
            connection
                .prepare_cached(
                    "SELECT cron, settled_until, last_due, last_job, problem FROM schedule
                     WHERE model = ?1 AND task = ?2",
                )?
                .query_row(params![model, task], read_state)
                .optional()
        })
    }

    /// Keeps the state of a schedule.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn settle_schedule(
        &self,
        model: &str,
        task: &str,
        state: &ScheduleState,
    ) -> Result<(), StoreError> {
        let ScheduleState { cron, settled_until, last_due, last_job, problem } = state;
        self.write(|connection| {
            connection.execute(
                "INSERT OR REPLACE INTO schedule
                 (model, task, cron, settled_until, last_due, last_job, problem)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    model,
                    task,
                    cron,
                    settled_until.micros(),
                    last_due.map(Timestamp::micros),
                    last_job.map(|job| job.to_string()),
                    problem
                ],
            )
        })?;
        Ok(())
    }

    /// Forgets a schedule that is no more.
    ///
    /// # Errors
    /// When the medium fails.
    pub fn forget_schedule(&self, model: &str, task: &str) -> Result<(), StoreError> {
        self.write(|connection| {
            connection.execute(
                "DELETE FROM schedule WHERE model = ?1 AND task = ?2",
                params![model, task],
            )
        })?;
        Ok(())
    }

    /// The schedules that are known, as model and task.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn schedules(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.write(|connection| {
            let mut select = connection
                .prepare_cached("SELECT model, task FROM schedule ORDER BY model, task")?;
            let found = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            found.collect()
        })
    }
}

fn read_state(row: &Row<'_>) -> rusqlite::Result<ScheduleState> {
    let last_due: Option<i64> = row.get(2)?;
    let last_job: Option<String> = row.get(3)?;
    Ok(ScheduleState {
        cron: row.get(0)?,
        settled_until: Timestamp::from_micros(row.get(1)?),
        last_due: last_due.map(Timestamp::from_micros),
        last_job: last_job.and_then(|job| job.parse().ok()),
        problem: row.get(4)?,
    })
}
