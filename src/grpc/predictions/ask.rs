//! From a predict request to a question.

use tonic::Status;

use crate::model::ModelKind;
use crate::serving::{self, Question};
use crate::transaction::CustomerId;

use crate::grpc::convert::{
    check_rows, feature_rows, line, model_name, selector, table_rows, time,
};
use crate::grpc::proto;
use crate::grpc::status::{from_customer_id, from_line, invalid_field, rpc_status};

/// What all predict requests about customers have.
pub(super) struct Head {
    pub(super) model: String,
    pub(super) selector: Option<proto::ModelSelector>,
    pub(super) input: Option<Input>,
    pub(super) as_of: Option<prost_types::Timestamp>,
    pub(super) explain: u32,
}

/// About whom, as the requests say it.
pub(super) enum Input {
    CustomerIds(proto::CustomerIds),
    Features(proto::FeatureBlock),
    Histories(proto::CustomerLines),
    Table(proto::TableBlock),
}

macro_rules! input_from {
    ($module:ident $(, $table:ident)?) => {
        impl From<proto::$module::Input> for Input {
            fn from(input: proto::$module::Input) -> Self {
                match input {
                    proto::$module::Input::CustomerIds(ids) => Self::CustomerIds(ids),
                    proto::$module::Input::Features(block) => Self::Features(block),
                    proto::$module::Input::Histories(lines) => Self::Histories(lines),
                    $(proto::$module::Input::$table(table) => Self::Table(table),)?
                }
            }
        }
    };
}

input_from!(assign_segments_request);
input_from!(assign_rfm_request);
input_from!(predict_churn_request, Table);
input_from!(predict_propensity_request, Table);

/// A question about the rows that hold, and the rows that do not.
pub(super) struct Asked {
    pub(super) question: Question,
    /// Rows of the request.
    pub(super) rows: usize,
    /// The rows that the question is not about, in order.
    pub(super) errors: Vec<proto::RowError>,
}

/// Checks a request; a row that does not hold is left out and told of.
pub(super) fn ask(head: Head, default: ModelKind, currency: &str) -> Result<Asked, Status> {
    let Head { model, selector: wire_selector, input, as_of, explain } = head;
    let missing = || {
        invalid_field("input", "expected customer_ids, features, histories or a table, found none")
    };
    let (rows, errors, input) = match input.ok_or_else(missing)? {
        Input::CustomerIds(ids) => customers(ids)?,
        Input::Histories(histories) => what_if(histories, currency)?,
        Input::Features(_) | Input::Table(_) if as_of.is_some() => {
            let problem = "expected none with features or a table: they have their own";
            return Err(invalid_field("as_of", problem));
        }
        Input::Table(block) => {
            let table = table_rows(block)?;
            (table.rows, Vec::new(), serving::Input::Table(table))
        }
        Input::Features(block) => {
            let rows = feature_rows(block)?;
            (rows.rows, Vec::new(), serving::Input::Features(rows))
        }
    };
    let question = Question {
        model: model_name(&model, default)?,
        selector: selector(wire_selector)?,
        input,
        as_of: as_of.as_ref().map(time),
        explain: explain as usize,
    };
    Ok(Asked { question, rows, errors })
}

type Rows = (usize, Vec<proto::RowError>, serving::Input);

fn customers(wire: proto::CustomerIds) -> Result<Rows, Status> {
    let proto::CustomerIds { ids } = wire;
    check_rows("customer_ids.ids", ids.len())?;
    let (mut errors, mut customers) = (Vec::new(), Vec::new());
    for (row, id) in ids.iter().enumerate() {
        match CustomerId::parse(id) {
            Ok(customer) => customers.push(customer),
            Err(error) => {
                let status = from_customer_id(format!("customer_ids.ids[{row}]"), error);
                errors.push(row_error(row, &status));
            }
        }
    }
    Ok((ids.len(), errors, serving::Input::Customers(customers)))
}

fn what_if(wire: proto::CustomerLines, currency: &str) -> Result<Rows, Status> {
    let proto::CustomerLines { customers } = wire;
    check_rows("histories.customers", customers.len())?;
    let rows = customers.len();
    let (mut errors, mut histories) = (Vec::new(), Vec::new());
    for (row, history) in customers.into_iter().enumerate() {
        let proto::WhatIfHistory { lines } = history;
        let check = |(index, wire)| {
            let path = format!("histories.customers[{row}].lines[{index}]");
            line(wire).check(currency).map_err(|error| from_line(&path, &error))
        };
        match lines.into_iter().enumerate().map(check).collect() {
            Ok(lines) => histories.push(lines),
            Err(status) => errors.push(row_error(row, &status)),
        }
    }
    Ok((rows, errors, serving::Input::Histories(histories)))
}

fn row_error(row: usize, status: &Status) -> proto::RowError {
    proto::RowError { row: row as u32, status: Some(rpc_status(status)) }
}
