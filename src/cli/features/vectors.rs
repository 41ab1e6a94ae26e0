//! Feature vectors of customers, shown.

use serde_json::{Map, Value, json};

use crate::grpc::proto::{BatchGetFeaturesResponse, FeatureRowStatus, feature_block::Values};

use super::super::output::Report;
use super::super::status;
use super::super::table::Table;
use super::super::values::{micros, short_name, single, time_json, time_text};
use crate::readable::figure;

/// Vectors with the customers that they were asked for.
pub(super) struct Vectors {
    pub(super) names: Vec<String>,
    pub(super) response: BatchGetFeaturesResponse,
}

impl Vectors {
    fn columns(&self) -> &[String] {
        self.response.features.as_ref().map_or(&[], |block| &block.columns)
    }

    /// The values, row after row.
    fn values(&self) -> Vec<f32> {
        let values = self.response.features.as_ref().and_then(|block| block.values.as_ref());
        match values {
            None => Vec::new(),
            Some(Values::Floats(floats)) => floats.values.clone(),
            Some(Values::F32Le(bytes)) => {
                let (numbers, _) = bytes.as_chunks::<4>();
                numbers.iter().map(|number| f32::from_le_bytes(*number)).collect()
            }
        }
    }

    fn rows(&self) -> Vec<Vec<f32>> {
        let width = self.columns().len().max(1);
        self.values().chunks(width).map(<[f32]>::to_vec).collect()
    }

    fn status(&self, row: usize) -> String {
        let status = self.response.statuses.get(row);
        let status = status.and_then(|status| FeatureRowStatus::try_from(*status).ok());
        short_name(status.unwrap_or_default().as_str_name(), "FEATURE_ROW_STATUS_")
    }

    fn error(&self, row: usize) -> Option<&tonic_types::Status> {
        let error = self.response.errors.iter().find(|error| error.row as usize == row)?;
        error.status.as_ref()
    }
}

impl Report for Vectors {
    fn json(&self) -> Value {
        let rows = self.names.iter().zip(self.rows()).enumerate().map(|(row, (name, values))| {
            if let Some(error) = self.error(row) {
                return json!({ "customer_id": name, "error": status::to_json(error) });
            }
            let pairs = self.columns().iter().zip(values);
            let features: Map<_, _> =
                pairs.map(|(column, value)| (column.clone(), single(value))).collect();
            let last = self.response.last_line_time_micros.get(row).and_then(|time| micros(*time));
            json!({
                "customer_id": name,
                "status": self.status(row),
                "last_line_time": last,
                "features": features,
            })
        });
        json!({
            "as_of": time_json(self.response.as_of.as_ref()),
            "schema_digest": self.response.features.as_ref().map(|block| &block.schema_digest),
            "columns": self.columns(),
            "rows": rows.collect::<Vec<_>>(),
            "request_id": self.response.request_id,
        })
    }

    fn text(&self) -> String {
        let names: Vec<String> = self.names.iter().map(|name| format!(">{name}")).collect();
        let mut table =
            Table::new(std::iter::once("feature").chain(names.iter().map(String::as_str)));
        let rows = self.rows();
        let statuses = (0..self.names.len()).map(|row| match self.error(row) {
            Some(_) => "refused".to_owned(),
            None => self.status(row).replace('_', " "),
        });
        table.row(std::iter::once("(status)".to_owned()).chain(statuses));
        for (column, name) in self.columns().iter().enumerate() {
            let values = rows.iter().enumerate().map(|(row, values)| {
                let value = values.get(column).filter(|_| self.error(row).is_none());
                value.map_or_else(|| "-".to_owned(), |value| figure(f64::from(*value)))
            });
            table.row(std::iter::once(name.clone()).chain(values));
        }
        let errors = self.response.errors.iter().filter_map(|error| {
            let name = self.names.get(error.row as usize)?;
            Some(format!("{name}: {}\n", status::summary(error.status.as_ref()?)))
        });
        let as_of = time_text(self.response.as_of.as_ref());
        format!("as of {as_of}\n\n{table}{}", errors.collect::<String>())
    }
}
