//! The files of a simulated shop: transactions, mappings and truth.

mod csv_sink;
mod digest;
mod mapping;
mod parquet_sink;
mod row;
mod tables;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use self::csv_sink::CsvSink;
use self::digest::DigestFile;
pub use self::digest::Written;
use self::parquet_sink::ParquetSink;
use self::row::Words;
use super::SimulationError;
use super::calendar::Calendar;
use super::customer::Block;
use super::demand::Expected;
use super::line::{Counts, Line};
use super::market::Prices;
use super::orders::World;
use super::parameters::Parameters;
use super::plan::Plan;
use super::shop::Shop;

/// The file that is written last: a directory without it is unfinished.
const TRUTH: &str = "truth.json";
/// All files of a directory, the one that says it is finished first.
const FILES: [&str; 9] = [
    TRUTH,
    "transactions.parquet",
    "transactions.csv",
    "mapping.toml",
    "mapping_csv.toml",
    "customers.parquet",
    "products.parquet",
    "weeks.parquet",
    "calendar.parquet",
];

/// Where the files go.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    path: PathBuf,
}

impl Directory {
    /// Makes the directory. One that holds anything is refused unless `replace` is set, which
    /// removes the files of an earlier simulation and leaves others alone.
    pub(super) fn create(path: &Path, replace: bool) -> Result<Self, SimulationError> {
        let fail = SimulationError::output(path);
        fs::create_dir_all(path).map_err(|error| fail(&error))?;
        let mut entries = fs::read_dir(path).map_err(|error| fail(&error))?;
        if !replace && entries.next().is_some() {
            return Err(SimulationError::NotEmpty { path: path.to_owned() });
        }
        for file in FILES.map(|name| path.join(name)) {
            if file.exists() {
                fs::remove_file(&file).map_err(|error| fail(&error))?;
            }
        }
        Ok(Self { path: path.to_owned() })
    }

    fn file(&self, name: &str) -> Result<DigestFile, SimulationError> {
        DigestFile::create(&self.path.join(name))
    }

    /// Opens the files of transactions that the plan asks for.
    pub(super) fn sinks<'a>(
        &self,
        plan: &'a Plan,
        shop: &'a Shop,
        calendar: &'a Calendar,
    ) -> Result<Vec<Box<dyn Sink + 'a>>, SimulationError> {
        let words = || Words::new(plan, shop, calendar);
        let mut sinks: Vec<Box<dyn Sink + 'a>> = Vec::new();
        if plan.format.has_parquet() {
            let file = self.file("transactions.parquet")?;
            sinks.push(Box::new(ParquetSink::new(file, words())?));
        }
        if plan.format.has_csv() {
            let file = self.file("transactions.csv")?;
            sinks.push(Box::new(CsvSink::new(file, words())?));
        }
        Ok(sinks)
    }

    /// Writes everything that stands beside the transactions.
    pub(super) fn finish(
        &self,
        truth: &Truth<'_>,
        transactions: Vec<Written>,
    ) -> Result<Vec<Written>, SimulationError> {
        let mut files = transactions;
        let plan = truth.world.plan;
        if plan.format.has_parquet() {
            let text = mapping::toml(plan, "parquet");
            files.push(self.file("mapping.toml")?.write_all(text.as_bytes())?);
        }
        if plan.format.has_csv() {
            let text = mapping::toml(plan, "csv");
            files.push(self.file("mapping_csv.toml")?.write_all(text.as_bytes())?);
        }
        files.push(tables::customers(self.file("customers.parquet")?, truth)?);
        files.push(tables::products(self.file("products.parquet")?, truth.world.shop)?);
        files.push(tables::weeks(self.file("weeks.parquet")?, truth)?);
        files.push(tables::calendar(self.file("calendar.parquet")?, truth.world.calendar)?);
        let text = format!("{:#}\n", summary(truth, &files));
        files.push(self.file(TRUTH)?.write_all(text.as_bytes())?);
        Ok(files)
    }
}

/// A file of transactions that is being written.
pub(super) trait Sink: Send {
    /// Writes rows; they come in the order of their arrival.
    fn write(&mut self, lines: &[Line]) -> Result<(), SimulationError>;

    /// Ends the file.
    fn finish(self: Box<Self>) -> Result<Written, SimulationError>;
}

/// All that is known of the shop when its transactions are written.
pub(super) struct Truth<'a> {
    pub(super) world: &'a World<'a>,
    pub(super) prices: &'a Prices,
    pub(super) blocks: &'a [Block],
    /// Week by week.
    pub(super) expected: &'a [Expected],
    pub(super) counts: &'a Counts,
}

fn summary(truth: &Truth<'_>, files: &[Written]) -> serde_json::Value {
    let plan = truth.world.plan;
    let parameters: &Parameters = truth.world.parameters;
    let customers: usize = truth.blocks.iter().map(|block| block.customers.len()).sum();
    let seen = |block: &Block| (0..block.customers.len()).filter(|i| block.orders(*i) > 0).count();
    let seen: usize = truth.blocks.iter().map(seen).sum();
    let categories: Vec<&str> = truth.world.shop.categories.iter().map(|c| c.name).collect();
    let digests: BTreeMap<&str, serde_json::Value> = files
        .iter()
        .map(|file| (file.name.as_str(), json!({"bytes": file.bytes, "sha256": file.sha256})))
        .collect();
    json!({
        "format": 1,
        "plan": {
            "size": plan.size,
            "months": plan.months,
            "start": plan.start,
            "seed": plan.seed,
            "products": plan.products,
            "stores": plan.stores,
            "time_zone": plan.clock.name(),
            "currency": plan.currency,
            "dirty": plan.dirty,
            "format": plan.format,
        },
        "parameters": parameters,
        "categories": categories,
        "counts": truth.counts,
        "customers": customers,
        "customers_with_lines": seen,
        "expected_sale_lines": truth.expected.iter().map(|week| week.lines).sum::<f64>(),
        "files": digests,
    })
}
