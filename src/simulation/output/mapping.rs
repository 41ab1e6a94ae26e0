//! The mapping with which `patron import` reads a file of transactions.

use crate::simulation::plan::Plan;

use super::row::COLUMNS;

/// The mapping of a format, `parquet` or `csv`.
pub(super) fn toml(plan: &Plan, format: &str) -> String {
    let zone = plan.clock.name();
    let fields = COLUMNS.iter().filter(|column| **column != "recorded_at");
    let columns: String = fields.map(|column| format!("{column} = \"{column}\"\n")).collect();
    format!(
        "# Where each field of the data contract comes from.\n\n[file]\nformat = \"{format}\"\n\n\
         [time]\nzone = \"{zone}\" # of the shop; the times of the file are instants\n\n\
         [columns]\n{columns}\n[returns]\nquantity_sign = \"signed\"\n\n\
         [recorded_at]\ncolumn = \"recorded_at\"\n"
    )
}
