use std::path::Path;

use patron::dataset::{Dataset, FeatureMatrix, Snapshot, SupervisedData};
use patron::model::{ColumnChoice, Transform};
use patron::transaction::Timestamp;

/// Draws without a crate: the same numbers on every machine and version.
pub(crate) struct Draws(pub(crate) u64);

impl Draws {
    /// Uniform in 0..1.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

pub(crate) fn matrix(names: &[&str], values: Vec<f32>) -> FeatureMatrix {
    let columns = names.iter().map(|name| (*name).to_owned()).collect();
    FeatureMatrix::new(columns, values).unwrap()
}

/// One snapshot over all rows.
pub(crate) fn dataset(features: FeatureMatrix, target: Vec<bool>) -> Dataset {
    let snapshot = Snapshot { as_of: Timestamp::from_micros(0), rows: 0..features.rows() };
    Dataset { features, target, snapshots: vec![snapshot], groups: Vec::new() }
}

/// Training rows, and nothing to calibrate on.
pub(crate) fn uncalibrated(features: FeatureMatrix, target: Vec<bool>) -> SupervisedData {
    let none = features.select_rows(&[]);
    let (train, calibration) = (dataset(features, target), dataset(none, Vec::new()));
    SupervisedData { train, calibration, horizon_days: 0 }
}

pub(crate) fn identity(names: &[&str]) -> Vec<ColumnChoice> {
    let choice =
        |name: &&str| ColumnChoice { name: (*name).to_owned(), transform: Transform::Identity };
    names.iter().map(choice).collect()
}

pub(crate) const TELCO: [&str; 6] =
    ["tenure", "monthly_charges", "one_year", "two_year", "fibre", "electronic_check"];

/// IBM Telco, 7,043 rows, the columns of the reference fit; the event is that the customer left.
pub(crate) fn telco() -> SupervisedData {
    let mut values = Vec::new();
    let mut target = Vec::new();
    for row in rows("telco_churn/telco_churn.csv") {
        let is = |field: usize, text: &str| f32::from(u8::from(row[field] == text));
        values.extend(row[..2].iter().map(|field| field.parse::<f32>().unwrap()));
        values.extend([is(2, "One year"), is(2, "Two year")]);
        values.extend([is(3, "Fiber optic"), is(4, "Electronic check")]);
        target.push(row[5] == "Yes");
    }
    uncalibrated(matrix(&TELCO, values), target)
}

pub(crate) const SPENDS: [&str; 6] =
    ["Fresh", "Milk", "Grocery", "Frozen", "Detergents_Paper", "Delicassen"];

/// UCI wholesale customers, 440 rows: natural logarithms of the six spends.
pub(crate) fn wholesale() -> FeatureMatrix {
    let mut values = Vec::new();
    for row in rows("wholesale_customers/wholesale_customers.csv") {
        let spends = row[2..].iter().map(|field| field.parse::<f64>().unwrap());
        values.extend(spends.map(|spend| spend.ln() as f32));
    }
    matrix(&SPENDS, values)
}

fn rows(file: &str) -> Vec<Vec<String>> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let text = std::fs::read_to_string(data.join(file)).unwrap();
    let fields = |line: &str| line.split(',').map(str::to_owned).collect();
    text.lines().skip(1).map(fields).collect()
}
