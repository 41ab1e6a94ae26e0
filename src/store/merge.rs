//! Merging the lines of a bulk import into the histories: decided on several threads, stored on one.

mod plan;
mod resolve;

use std::ops::ControlFlow;
use std::sync::Arc;

use foldhash::{HashMap, HashSet};
use rusqlite::{Connection, params};

use crate::parallel::{Broken, in_order};
use crate::transaction::{ImportReport, StoreOutcome, Symbol, Timestamp};

use self::plan::{Basis, Left, Plan, Planner, Postponed};
use super::bulk::Bulk;
use super::commit::Commit;
use super::database::Database;
use super::error::Fault;
use super::pack::store_orders;
use super::row;
use super::spill::Spill;
use super::state::State;
use super::tail::Run;
use super::transactions::Writing;

/// The writing half of a bulk import.
#[derive(Debug)]
pub(super) struct Merge<'a, 'b> {
    writing: &'a mut Writing<'b>,
    pub(super) outcome: StoreOutcome,
    basis: Arc<Basis>,
    left: Vec<Left>,
    orders: Vec<(i64, i64)>,
    postponed: Vec<Postponed>,
}

impl<'a, 'b> Merge<'a, 'b> {
    /// Stores the texts of the import and finds the orders that belong to several customers.
    pub(super) fn begin(writing: &'a mut Writing<'b>, bulk: &mut Bulk<'_>) -> Result<Self, Fault> {
        let mut stored = vec![0];
        for number in 1..=bulk.symbols.len() as u32 {
            let text = bulk.symbols.text(Symbol::from_raw(number));
            stored.push(row::intern(writing.connection, &mut writing.memory.symbols, text)?);
        }
        let symbol = |number: &u32| stored.get(*number as usize).copied().unwrap_or_default();
        let symbols = bulk.numbers.iter().map(symbol).collect();
        let orders = std::mem::take(&mut bulk.orders);
        let divided = divided(writing, orders)?;
        let basis = Basis {
            symbols,
            divided,
            texts: writing.memory.symbols.clone(),
            tail: Arc::clone(&writing.tail),
            upto: writing.state.last_batch,
        };
        Ok(Self {
            writing,
            outcome: StoreOutcome::default(),
            basis: Arc::new(basis),
            left: Vec::new(),
            orders: Vec::new(),
            postponed: Vec::new(),
        })
    }

    /// Merges the lines of all partitions. The threads that decide read the database as it was
    /// before this transaction; nobody else can write meanwhile.
    pub(super) fn partitions(
        &mut self,
        database: &Database,
        threads: usize,
        spill: &mut Spill,
        tick: &mut dyn FnMut(f64) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        let basis = Arc::clone(&self.basis);
        let count = spill.len();
        let mut partitions = 0..count;
        let next = || match partitions.next().map(|at| spill.take(at)).transpose() {
            Ok(chunks) => Ok(chunks),
            Err(error) => Err(Fault::Damaged(format!("the file beside the database: {error}"))),
        };
        let work = |state: &mut _, chunks| planned(state, database, &basis, chunks);
        let (mut done, mut failed) = (0, None);
        let sink = |plan: Plan| {
            let outcome = match tick(done as f64 / count as f64) {
                ControlFlow::Break(()) => Err(Fault::Cancelled),
                ControlFlow::Continue(()) => self.carry_out(plan),
            };
            done += 1;
            match outcome {
                Ok(()) => ControlFlow::Continue(()),
                Err(fault) => {
                    failed = Some(fault);
                    ControlFlow::Break(())
                }
            }
        };
        let passed = in_order(threads, next, || None, work, sink);
        match (failed, passed) {
            (Some(fault), _) | (None, Err(Broken::Failed(fault))) => Err(fault),
            (None, Err(Broken::Panicked)) => {
                Err(Fault::Damaged("a thread of the merge broke off".to_owned()))
            }
            (None, Ok(())) => Ok(()),
        }
    }

    /// Stores what waited: customers whose keys others have, the orders, and the lines of divided
    /// orders in the order of their rows.
    pub(super) fn settle(&mut self) -> Result<Option<Run>, Fault> {
        let basis = Arc::clone(&self.basis);
        let mut planner = Planner::new(&basis);
        for postponed in std::mem::take(&mut self.postponed) {
            postponed.each(|items| {
                let plan = planner.displaced(self.writing.connection, items)?;
                self.carry_out(plan)
            })?;
        }
        self.store_orders()?;
        let mut left = std::mem::take(&mut self.left);
        left.sort_by_key(|left| left.row);
        let mut commit = Commit::new(self.writing);
        for Left { new, recorded_at, is_told, .. } in &left {
            let outcome = commit.add(new, *recorded_at, *is_told)?;
            outcome.count_in(&mut self.outcome);
        }
        let Some((state, run)) = commit.store()? else {
            return Ok(None);
        };
        self.writing.state = state;
        Ok(Some(run))
    }

    /// Stores the report and the totals, which are returned.
    pub(super) fn finish(self, import_id: &str, report: &ImportReport) -> Result<State, Fault> {
        let Writing { connection, state, .. } = self.writing;
        state.epoch += 1;
        state.last_recorded_at = state.last_recorded_at.max(Timestamp::now().micros());
        state.save(connection)?;
        keep_report(connection, import_id, report)?;
        Ok(*state)
    }

    fn carry_out(&mut self, plan: Plan) -> Result<(), Fault> {
        let connection = self.writing.connection;
        self.writing.state.apply(&plan.change);
        self.writing.state.customers += plan.customers.len() as u64;
        for (key, customer) in &plan.customers {
            row::insert_customer(connection, *key, customer)?;
        }
        let mut insert =
            connection.prepare_cached("INSERT OR REPLACE INTO history VALUES (?1, ?2, ?3, ?4)")?;
        for history in plan.histories {
            let (key, last_occurred_at) = (history.key, history.last_occurred_at);
            insert.execute(params![key, self.basis.upto, last_occurred_at, history.lines])?;
        }
        let found = plan.outcome;
        self.outcome.accepted += found.accepted;
        self.outcome.duplicates += found.duplicates;
        self.outcome.corrected += found.corrected;
        self.outcome.repeated_rows += found.repeated_rows;
        self.outcome.customers += found.customers;
        self.orders.extend(plan.orders);
        self.left.extend(plan.left);
        self.postponed.extend(plan.postponed);
        Ok(())
    }

    fn store_orders(&mut self) -> Result<(), Fault> {
        self.orders.sort_unstable();
        self.orders.dedup();
        store_orders(self.writing.connection, &self.orders)?;
        self.orders.clear();
        Ok(())
    }
}

/// What becomes of the lines of a partition, by the planner of a thread and its own connection.
fn planned<'a>(
    state: &mut Option<(Connection, Planner<'a>)>,
    database: &Database,
    basis: &'a Basis,
    chunks: Vec<Box<[u8]>>,
) -> Result<Plan, Fault> {
    let (connection, planner) = match state {
        Some(state) => state,
        none => {
            let connection = database.reader()?;
            connection.execute_batch("BEGIN")?;
            none.insert((connection, Planner::new(basis)))
        }
    };
    planner.partition(connection, chunks)
}

/// The orders of an import whose numbered lines belong to several customers, in the import or
/// together with what is stored.
fn divided(
    writing: &Writing<'_>,
    orders: HashMap<u64, Option<i64>>,
) -> Result<HashSet<u64>, Fault> {
    let mut select = writing
        .connection
        .prepare_cached("SELECT customer_key FROM order_customer WHERE order_hash = ?1")?;
    let has_orders: bool = writing.connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM order_customer)",
        [],
        |row| row.get(0),
    )?;
    let mut orders: Vec<(i64, Option<i64>)> =
        orders.into_iter().map(|(order, owner)| (order as i64, owner)).collect();
    orders.sort_unstable();
    let mut divided = HashSet::default();
    for (order, owner) in orders {
        let Some(owner) = owner else {
            divided.insert(order as u64);
            continue;
        };
        let mut owners: Vec<i64> = writing.tail.customers_of_order(order as u64).collect();
        if has_orders {
            for key in select.query_map([order], |row| row.get(0))? {
                owners.push(key?);
            }
        }
        if owners.iter().any(|other| *other != owner) {
            divided.insert(order as u64);
        }
    }
    Ok(divided)
}

/// Keeps the report of an import with what it stored.
pub(super) fn keep_report(
    connection: &Connection,
    import_id: &str,
    report: &ImportReport,
) -> Result<(), Fault> {
    let text = serde_json::to_string(report)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    connection.execute(
        "INSERT OR REPLACE INTO import_report VALUES (?1, ?2, ?3)",
        params![import_id, Timestamp::now().micros(), text],
    )?;
    Ok(())
}
