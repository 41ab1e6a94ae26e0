//! What is asked of the simulator.

use jiff::civil::Date;
use serde::Serialize;

use crate::transaction::ShopClock;

/// How large the shop is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// Customers, 1 to 20 million, whether they ever buy within the period or not.
    Customers(u32),
    /// Rows of the file, about, 1 to 2 billion: as many customers as are expected to fill them.
    Lines(u64),
}

/// Which files of transactions are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileFormat {
    /// `transactions.parquet`.
    Parquet,
    /// `transactions.csv`.
    Csv,
    /// Both, with equal rows.
    Both,
}

impl FileFormat {
    pub(super) fn has_parquet(self) -> bool {
        self != Self::Csv
    }

    pub(super) fn has_csv(self) -> bool {
        self != Self::Parquet
    }
}

/// A shop to simulate. The same plan gives the same bytes, whatever `threads` is.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How large the shop is.
    pub size: Size,
    /// Length of the period in calendar months, 1 to 120.
    pub months: u32,
    /// First day of the period, in the shop's calendar; from 1971 to 2199.
    pub start: Date,
    /// Chooses the shop.
    pub seed: u64,
    /// Products, 1 to 20000.
    pub products: u32,
    /// Stores, 1 to 999.
    pub stores: u32,
    /// The shop's time zone.
    pub clock: ShopClock,
    /// ISO 4217 code.
    pub currency: String,
    /// Which files are written.
    pub format: FileFormat,
    /// Share of rows that break the data contract, 0 to 0.5. They come beside the good rows.
    pub dirty: f64,
    /// Threads that generate lines, 1 to 256.
    pub threads: usize,
}

/// A plan that does not hold.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{field}: expected {expected}, found {found}")]
pub struct InvalidPlan {
    /// The field of [`Plan`].
    pub field: &'static str,
    /// What it should be.
    pub expected: &'static str,
    /// What it is.
    pub found: String,
}

impl Plan {
    /// Checks every field against its range.
    ///
    /// # Errors
    /// The first field that does not hold.
    pub fn check(&self) -> Result<(), InvalidPlan> {
        let (found, most) = match self.size {
            Size::Customers(customers) => (u64::from(customers), 20_000_000),
            Size::Lines(lines) => (lines, 2_000_000_000),
        };
        let size = "1 to 20 million customers, or 1 to 2 billion lines";
        require((1..=most).contains(&found), "size", size, found)?;
        require((1..=120).contains(&self.months), "months", "1 to 120", self.months)?;
        let is_dated = (1971..=2199).contains(&self.start.year());
        require(is_dated, "start", "a date from 1971 to 2199", self.start)?;
        require((1..=20_000).contains(&self.products), "products", "1 to 20000", self.products)?;
        require((1..=999).contains(&self.stores), "stores", "1 to 999", self.stores)?;
        let is_code = self.currency.len() == 3
            && self.currency.bytes().all(|letter| letter.is_ascii_uppercase());
        require(is_code, "currency", "an ISO 4217 code such as GBP", &self.currency)?;
        require((0.0..=0.5).contains(&self.dirty), "dirty", "a share from 0 to 0.5", self.dirty)?;
        require((1..=256).contains(&self.threads), "threads", "1 to 256", self.threads)
    }
}

fn require(
    holds: bool,
    field: &'static str,
    expected: &'static str,
    found: impl ToString,
) -> Result<(), InvalidPlan> {
    if holds {
        return Ok(());
    }
    Err(InvalidPlan { field, expected, found: found.to_string() })
}
