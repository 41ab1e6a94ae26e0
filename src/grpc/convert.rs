//! Wire types to domain types and back. Messages are taken apart field by field, so that a new
//! field breaks the build instead of being forgotten.

use std::path::Path;

use bytes::Bytes;
use prost_types::Timestamp as WireTime;
use tonic::{Request, Status};
use uuid::Uuid;

use crate::app::SCHEDULE_PREFIX;
use crate::dataset::SeriesKey;
use crate::model::ModelKind;
use crate::repository::{AliasName, Metric, ModelName, Version};
use crate::serving::{Cells, FeatureRows, Selector, TableColumn, TableRows};
use crate::store::StoredLine;
use crate::transaction::{CustomerId, LineDraft, Money, Quantity, Timestamp, TransactionLine};

use super::proto::{self, feature_block, model_selector, table_column};
use super::status::{from_customer_id, from_name, invalid, invalid_field};

/// Most rows of one call, and of one item of a stream.
pub(super) const MOST_ROWS: usize = 10_000;

const LONGEST_REQUEST_ID: usize = 64;
/// Most entries of a page.
pub(super) const LARGEST_PAGE: usize = 1_000;
const DEFAULT_PAGE: usize = 50;

/// An instant from the wire; times beyond the calendar are held at its ends.
pub(super) fn time(wire: &WireTime) -> Timestamp {
    let micros = wire.seconds.saturating_mul(1_000_000);
    Timestamp::from_micros(micros.saturating_add(i64::from(wire.nanos) / 1_000))
}

/// An instant for the wire.
pub(super) fn wire_time(instant: Timestamp) -> WireTime {
    let micros = instant.micros();
    WireTime {
        seconds: micros.div_euclid(1_000_000),
        nanos: (micros.rem_euclid(1_000_000) * 1_000) as i32,
    }
}

/// A model's name; the kind's own name when the request names none.
pub(super) fn model_name(text: &str, default: ModelKind) -> Result<ModelName, Status> {
    let text = if text.is_empty() { default.as_str() } else { text };
    text.parse().map_err(|error| from_name("model", &error))
}

/// A model's name that must be given.
pub(super) fn required_model(text: &str) -> Result<ModelName, Status> {
    text.parse().map_err(|error| from_name("model", &error))
}

/// An alias that must be given.
pub(super) fn required_alias(text: &str) -> Result<AliasName, Status> {
    text.parse().map_err(|error| from_name("alias", &error))
}

/// A path or file:// address that must be given.
pub(super) fn required_path<'a>(field: &str, uri: &'a str) -> Result<&'a Path, Status> {
    let path = uri.strip_prefix("file://").unwrap_or(uri);
    if path.is_empty() {
        return Err(invalid_field(field, "expected a path or a file:// address, found none"));
    }
    Ok(Path::new(path))
}

/// A version's number.
pub(super) fn version(number: i64) -> Result<Version, Status> {
    match Version::try_from(number) {
        Ok(version) if version > 0 => Ok(version),
        _ => Err(invalid_field("version", format!("expected 1 or more, found {number}"))),
    }
}

/// Which version; the champion when nothing is said.
pub(super) fn selector(wire: Option<proto::ModelSelector>) -> Result<Selector, Status> {
    match wire.and_then(|selector| selector.choice) {
        None => Ok(Selector::default()),
        Some(model_selector::Choice::Version(number)) => version(number).map(Selector::Version),
        Some(model_selector::Choice::Alias(alias)) if alias.is_empty() => Ok(Selector::default()),
        Some(model_selector::Choice::Alias(alias)) => {
            let alias = alias.parse().map_err(|error| from_name("selector.alias", &error))?;
            Ok(Selector::Alias(alias))
        }
    }
}

/// A customer's key that must hold.
pub(super) fn customer(field: &str, text: &str) -> Result<CustomerId, Status> {
    CustomerId::parse(text).map_err(|error| from_customer_id(field, error))
}

/// A line, not yet checked against the contract. Empty texts are absent ones.
pub(super) fn line(wire: proto::TransactionLine) -> LineDraft {
    let proto::TransactionLine {
        customer_id,
        order_id,
        line_number,
        occurred_at,
        product_id,
        category,
        quantity_thousandths,
        unit_price_micros,
        discount_micros,
        unit_cost_micros,
        currency,
        channel,
        store_id,
        promotion_id,
        country,
        cancels_order_id,
    } = wire;
    let given = |text: String| (!text.is_empty()).then_some(text);
    LineDraft {
        customer_id: given(customer_id),
        order_id: given(order_id),
        line_number,
        occurred_at: occurred_at.as_ref().map(time),
        product_id: given(product_id),
        category: given(category),
        quantity: quantity_thousandths.map(Quantity::from_thousandths),
        unit_price: unit_price_micros.map(Money::from_micros),
        discount: Some(Money::from_micros(discount_micros)),
        unit_cost: unit_cost_micros.map(Money::from_micros),
        currency: given(currency),
        channel: given(channel),
        store_id: given(store_id),
        promotion_id: given(promotion_id),
        country: given(country),
        cancels_order_id: given(cancels_order_id),
    }
}

/// A stored line for the wire.
pub(super) fn wire_line(stored: StoredLine, currency: &str) -> proto::StoredLine {
    let TransactionLine {
        customer_id,
        order_id,
        line_number,
        occurred_at,
        product_id,
        category,
        quantity,
        unit_price,
        discount,
        unit_cost,
        channel,
        store_id,
        promotion_id,
        country,
        cancels_order_id,
    } = stored.line;
    let line = proto::TransactionLine {
        customer_id: customer_id.map(|id| id.as_str().to_owned()).unwrap_or_default(),
        order_id: order_id.unwrap_or_default(),
        line_number,
        occurred_at: Some(wire_time(occurred_at)),
        product_id,
        category: category.unwrap_or_default(),
        quantity_thousandths: Some(quantity.thousandths()),
        unit_price_micros: Some(unit_price.micros()),
        discount_micros: discount.micros(),
        unit_cost_micros: unit_cost.map(Money::micros),
        currency: currency.to_owned(),
        channel: channel.unwrap_or_default(),
        store_id: store_id.unwrap_or_default(),
        promotion_id: promotion_id.unwrap_or_default(),
        country: country.unwrap_or_default(),
        cancels_order_id: cancels_order_id.unwrap_or_default(),
    };
    proto::StoredLine { line: Some(line), recorded_at: Some(wire_time(stored.recorded_at)) }
}

/// A block of feature vectors; the numbers are checked where the model is known.
pub(super) fn feature_rows(wire: proto::FeatureBlock) -> Result<FeatureRows, Status> {
    let proto::FeatureBlock { columns, row_count, schema_digest, values } = wire;
    let rows = row_count as usize;
    check_rows("features.row_count", rows)?;
    let values = match values {
        None => {
            return Err(invalid(
                "INVALID_FEATURE_BLOCK",
                "features.values",
                "expected f32_le or floats, found neither",
            ));
        }
        Some(feature_block::Values::Floats(floats)) => floats.values,
        Some(feature_block::Values::F32Le(bytes)) => floats(&bytes)?,
    };
    let schema_digest = (!schema_digest.is_empty()).then_some(schema_digest);
    Ok(FeatureRows { columns, rows, values, schema_digest })
}

fn floats(bytes: &Bytes) -> Result<Vec<f32>, Status> {
    let (chunks, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        let problem = format!("expected a multiple of 4 bytes, found {}", bytes.len());
        return Err(invalid("INVALID_FEATURE_BLOCK", "features.f32_le", problem));
    }
    Ok(chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect())
}

/// Columns of a caller's table.
pub(super) fn table_rows(wire: proto::TableBlock) -> Result<TableRows, Status> {
    let proto::TableBlock { columns, row_count } = wire;
    let rows = row_count as usize;
    check_rows("table.row_count", rows)?;
    let column = |(place, column): (usize, proto::TableColumn)| {
        let proto::TableColumn { name, values, missing } = column;
        let refuse = |problem: String| {
            Err(invalid(
                "INVALID_TABLE",
                format!("table.columns[{place}]"),
                format!("{name}: {problem}"),
            ))
        };
        let mut cells = match values {
            Some(table_column::Values::Numbers(numbers)) => Cells::Numbers(numbers.values),
            Some(table_column::Values::Flags(flags)) => {
                Cells::Flags(flags.values.into_iter().map(Some).collect())
            }
            Some(table_column::Values::Texts(texts)) => Cells::Texts(texts.values),
            None => return refuse("expected numbers, flags or texts, found none".to_owned()),
        };
        if cells.len() != rows {
            return refuse(format!("expected {rows} values, found {}", cells.len()));
        }
        if let Some(row) = missing.iter().find(|row| !cells.clear(**row as usize)) {
            return refuse(format!("missing: expected rows below {rows}, found {row}"));
        }
        Ok(TableColumn { name, cells })
    };
    let columns = columns.into_iter().enumerate().map(column).collect::<Result<_, _>>()?;
    Ok(TableRows { columns, rows })
}

/// Refuses no rows and too many.
pub(super) fn check_rows(field: &str, rows: usize) -> Result<(), Status> {
    if (1..=MOST_ROWS).contains(&rows) {
        return Ok(());
    }
    let problem = format!("expected 1 to {MOST_ROWS} rows, found {rows}; use a stream for more");
    let reason = if rows == 0 { "INVALID_FIELD" } else { "TOO_MANY_ROWS" };
    Err(invalid(reason, field, problem))
}

/// A series' key.
pub(super) fn series_key(wire: proto::SeriesKey) -> SeriesKey {
    let proto::SeriesKey { group, value } = wire;
    SeriesKey { group, value }
}

/// A series' key for the wire.
pub(super) fn wire_series_key(key: &SeriesKey) -> proto::SeriesKey {
    proto::SeriesKey { group: key.group.clone(), value: key.value.clone() }
}

/// A kind for the wire.
pub(super) fn wire_kind(kind: ModelKind) -> proto::ModelKind {
    match kind {
        ModelKind::Segments => proto::ModelKind::Segments,
        ModelKind::Rfm => proto::ModelKind::Rfm,
        ModelKind::Churn => proto::ModelKind::Churn,
        ModelKind::Propensity => proto::ModelKind::Propensity,
        ModelKind::Forecast => proto::ModelKind::Forecast,
    }
}

/// A metric for the wire.
pub(super) fn wire_metric((name, metric): (&String, &Metric)) -> proto::EvaluationMetric {
    let reference = |(name, value): (&String, &f64)| proto::MetricReference {
        name: name.clone(),
        value: *value,
    };
    proto::EvaluationMetric {
        name: name.clone(),
        value: metric.value,
        higher_is_better: metric.higher_is_better,
        references: metric.references.iter().map(reference).collect(),
    }
}

/// One page of a list that is whole in memory.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) size: usize,
    pub(super) token: String,
}

impl Page {
    /// Checks what a caller asked for.
    pub(super) fn new(size: i32, token: String) -> Result<Self, Status> {
        match usize::try_from(size) {
            Ok(0) => Ok(Self { size: DEFAULT_PAGE, token }),
            Ok(size) => Ok(Self { size: size.min(LARGEST_PAGE), token }),
            Err(_) => Err(invalid_field("page_size", format!("expected 0 or more, found {size}"))),
        }
    }

    /// The place where the page begins, for lists that count from 0.
    pub(super) fn start(&self) -> Result<usize, Status> {
        if self.token.is_empty() {
            return Ok(0);
        }
        self.token.parse().map_err(|_| self.refuse())
    }

    /// The token of another list, or a broken one.
    pub(super) fn refuse(&self) -> Status {
        invalid(
            "INVALID_PAGE_TOKEN",
            "page_token",
            "expected the next_page_token of an earlier answer",
        )
    }

    /// The items of the page and the token of the next; empty at the end.
    pub(super) fn cut<T>(&self, items: Vec<T>) -> Result<(Vec<T>, String), Status> {
        let start = self.start()?;
        let total = items.len();
        let page: Vec<T> = items.into_iter().skip(start).take(self.size).collect();
        let end = start.saturating_add(page.len());
        Ok((page, if end < total { end.to_string() } else { String::new() }))
    }
}

/// The caller's id of a request, or a new one.
pub(super) fn request_id<T>(request: &Request<T>) -> String {
    let given = request.metadata().get("x-request-id").and_then(|value| value.to_str().ok());
    match given.filter(|id| (1..=128).contains(&id.len())) {
        Some(id) => id.to_owned(),
        None => Uuid::now_v7().to_string(),
    }
}

/// Checks the `request_id` of a call that changes something.
pub(super) fn check_request_id(id: &str) -> Result<(), Status> {
    let is_printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if id.starts_with(SCHEDULE_PREFIX) {
        let problem = format!(
            "expected another beginning than {SCHEDULE_PREFIX}, which names the jobs of schedules"
        );
        return Err(invalid_field("request_id", problem));
    }
    if id.len() <= LONGEST_REQUEST_ID && id.bytes().all(is_printable) {
        return Ok(());
    }
    let problem = format!(
        "expected at most {LONGEST_REQUEST_ID} printable ASCII characters, best a UUID, found another text of {} bytes",
        id.len()
    );
    Err(invalid_field("request_id", problem))
}
