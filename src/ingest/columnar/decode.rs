//! The columns of a batch into rows, field by field.

use arrow_array::{ArrayRef, RecordBatch};

use super::line::NONE;
use super::names::{ABSENT, FoldMap, Names};
use super::number::{Unit, fill_line_numbers, fill_numbers};
use super::row::{Row, UNPROVEN};
use super::text::{KnownTexts, fill_keys};
use super::time::Times;
use crate::ingest::mapping::{Binding, Field, Mapping, RecordedAt};
use crate::ingest::row::{Cell, CellReader};
use crate::transaction::{CustomerId, LineDraft, Money, OrderKey, Quantity, Timestamp};

/// Longest order id whose form is known to hold at a glance.
const PLAIN_ID: usize = 128;

/// How the files are read: the same for all threads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contract<'a> {
    pub(super) mapping: &'a Mapping,
    pub(super) currency: &'a str,
    pub(super) now: Timestamp,
    pub(super) names: &'a Names,
    /// Whether customers get numbers; otherwise a row tells only that it has one.
    pub(super) numbers_customers: bool,
}

/// Reads batches for one thread and remembers the texts that it met.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    contract: Contract<'a>,
    /// The constants of the mapping.
    constants: Row,
    /// For each binding of the mapping, and one more for the column that marks returns.
    known: Vec<KnownTexts>,
    parts: Vec<KnownTexts>,
    paths: FoldMap<Box<str>, u32>,
    times: Times,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(contract: Contract<'a>) -> Self {
        let mut known = Vec::new();
        known.resize_with(contract.mapping.bindings.len() + 1, KnownTexts::default);
        Self {
            contract,
            constants: contract.constants(),
            known,
            parts: Vec::new(),
            paths: FoldMap::default(),
            times: Times::default(),
        }
    }

    /// Fills `rows` with those of `batch`, whose columns stand at `positions` by their place in
    /// [`Mapping::columns`].
    pub(super) fn decode(&mut self, batch: &RecordBatch, positions: &[usize], rows: &mut Vec<Row>) {
        rows.clear();
        rows.resize(batch.num_rows(), self.constants);
        let array = |column: usize| {
            positions.get(column).and_then(|position| batch.columns().get(*position))
        };
        let contract = self.contract;
        for (binding, known) in contract.mapping.bindings.iter().zip(&mut self.known) {
            match binding.columns.as_slice() {
                [column] => {
                    if let Some(array) = array(*column) {
                        contract.fill(binding, array, rows, known, &self.times);
                    }
                }
                columns => {
                    let arrays: Vec<&ArrayRef> =
                        columns.iter().filter_map(|column| array(*column)).collect();
                    self.parts.resize_with(arrays.len(), KnownTexts::default);
                    contract.fill_paths(&arrays, rows, &mut self.parts, &mut self.paths);
                }
            }
        }
        if let (Some((column, values)), Some(known)) =
            (&contract.mapping.returns.marker, self.known.last_mut())
            && let Some(array) = array(*column)
        {
            contract.fill_marks(array, values, rows, known);
        }
    }
}

impl Contract<'_> {
    /// The constants as every row has them; unproven when they break the contract.
    fn constants(&self) -> Row {
        let template = &self.mapping.template;
        let line = &template.line;
        let text = |text: &Option<String>| {
            text.as_deref().map_or(ABSENT, |text| self.text(Cell::Text(text)))
        };
        let order = |text: &Option<String>| {
            text.as_deref().map_or(Some(0), |text| self.order(Cell::Text(text)))
        };
        let customer = line.customer_id.as_deref();
        let money = |money: Option<Money>| money.map_or(NONE, Money::micros);
        let mut row = Row {
            customer: customer.map_or(ABSENT, |id| match self.numbers_customers {
                true => self.customer(Cell::Text(id)),
                false => self.has_customer(Cell::Text(id)).unwrap_or(UNPROVEN),
            }),
            product: text(&line.product_id),
            category: text(&line.category),
            channel: text(&line.channel),
            store: text(&line.store_id),
            promotion: text(&line.promotion_id),
            country: text(&line.country),
            unit_price: money(line.unit_price.or(template.amount)),
            discount: money(line.discount),
            unit_cost: money(line.unit_cost),
            quantity: line.quantity.map_or(NONE, Quantity::thousandths),
            occurred_at: line.occurred_at.map_or(NONE, Timestamp::micros),
            line_number: line.line_number.map_or(-1, i64::from),
            ..Row::default()
        };
        let texts = [row.customer, row.product, row.category, row.channel, row.store];
        let more = [row.promotion, row.country];
        row.is_unproven = texts.iter().chain(&more).any(|number| *number == UNPROVEN);
        let currency = line.currency.as_deref().unwrap_or(self.currency);
        let orders = order(&line.order_id).zip(order(&line.cancels_order_id));
        row.is_unproven |= currency != self.currency || orders.is_none();
        (row.order, row.cancels) = orders.unwrap_or_default();
        if matches!(self.mapping.recorded_at, RecordedAt::Now) {
            row.recorded_at = self.now.micros();
        }
        row
    }

    fn fill(
        &self,
        binding: &Binding,
        array: &ArrayRef,
        rows: &mut [Row],
        known: &mut KnownTexts,
        times: &Times,
    ) {
        let reader = &self.mapping.reader;
        let money = Unit::Money;
        match binding.field {
            Field::Quantity => {
                fill_numbers(array, rows, |row| &mut row.quantity, Unit::Quantity, reader);
            }
            Field::UnitPrice | Field::Amount => {
                fill_numbers(array, rows, |row| &mut row.unit_price, money, reader);
            }
            Field::Discount => fill_numbers(array, rows, |row| &mut row.discount, money, reader),
            Field::UnitCost => fill_numbers(array, rows, |row| &mut row.unit_cost, money, reader),
            Field::OccurredAt => times.fill(array, rows, |row| &mut row.occurred_at, reader),
            Field::RecordedAt => {
                // A file that maps this must have it on every row.
                times.fill(array, rows, |row| &mut row.recorded_at, reader);
                rows.iter_mut().for_each(|row| row.is_unproven |= row.recorded_at == NONE);
            }
            Field::LineNumber => fill_line_numbers(array, rows, reader),
            _ => self.fill_texts(binding.field, array, rows, known),
        }
    }

    fn fill_texts(&self, field: Field, array: &ArrayRef, rows: &mut [Row], known: &mut KnownTexts) {
        let order = &mut |cell: Cell<'_>| self.order(cell);
        let text = &mut |cell: Cell<'_>| self.text(cell);
        match field {
            Field::OrderId => fill_keys(array, rows, |row| &mut row.order, order),
            Field::CancelsOrderId => fill_keys(array, rows, |row| &mut row.cancels, order),
            Field::CustomerId if self.numbers_customers => {
                let customer = &mut |cell: Cell<'_>| self.customer(cell);
                known.fill(array, rows, |row| &mut row.customer, customer);
            }
            Field::CustomerId => {
                let customer = &mut |cell: Cell<'_>| self.has_customer(cell);
                fill_keys(array, rows, |row| &mut row.customer, customer);
            }
            Field::Currency => {
                let currency = &mut |cell: Cell<'_>| self.currency(cell);
                known.fill(array, rows, |row| &mut row.currency, currency);
            }
            Field::ProductId => known.fill(array, rows, |row| &mut row.product, text),
            Field::Category => known.fill(array, rows, |row| &mut row.category, text),
            Field::Channel => known.fill(array, rows, |row| &mut row.channel, text),
            Field::StoreId => known.fill(array, rows, |row| &mut row.store, text),
            Field::PromotionId => known.fill(array, rows, |row| &mut row.promotion, text),
            _ => known.fill(array, rows, |row| &mut row.country, text),
        }
    }

    /// Category paths of several columns: each different path is put together once.
    fn fill_paths(
        &self,
        arrays: &[&ArrayRef],
        rows: &mut [Row],
        parts: &mut [KnownTexts],
        paths: &mut FoldMap<Box<str>, u32>,
    ) {
        let mut whole = vec![String::new(); rows.len()];
        for (array, known) in arrays.iter().zip(parts) {
            let part = &mut |cell: Cell<'_>| match self.mapping.reader.text(cell) {
                Ok(text) => text.map_or(ABSENT, |text| self.names.text(&text)),
                Err(_) => UNPROVEN,
            };
            rows.iter_mut().for_each(|row| row.category = ABSENT);
            known.fill(array, rows, |row| &mut row.category, part);
            for (row, path) in rows.iter().zip(&mut whole) {
                if row.category != ABSENT {
                    path.push_str(if path.is_empty() { "" } else { "/" });
                    path.push_str(&self.names.text_of(row.category));
                }
            }
        }
        for (row, path) in rows.iter_mut().zip(whole) {
            let known = paths.get(path.as_str()).copied();
            let number = known.unwrap_or_else(|| {
                let number = self.text(Cell::Text(&path));
                paths.insert(path.into(), number);
                number
            });
            row.is_unproven |= number == UNPROVEN;
            row.category = number;
        }
    }

    /// A row that is marked as a return goes to the row-by-row reader.
    fn fill_marks(
        &self,
        array: &ArrayRef,
        values: &[String],
        rows: &mut [Row],
        known: &mut KnownTexts,
    ) {
        let reader = &self.mapping.reader;
        let mut marks = vec![Row::default(); rows.len()];
        let mark = &mut |cell: Cell<'_>| match reader.text(cell) {
            Ok(Some(text)) if values.iter().any(|value| *value == text) => UNPROVEN,
            Ok(_) => ABSENT,
            Err(_) => UNPROVEN,
        };
        known.fill(array, &mut marks, |row| &mut row.country, mark);
        for (row, mark) in rows.iter_mut().zip(marks) {
            row.is_unproven |= mark.is_unproven;
        }
    }

    fn customer(&self, cell: Cell<'_>) -> u32 {
        match self.mapping.reader.text(cell) {
            Ok(None) => ABSENT,
            Ok(Some(text)) => match CustomerId::parse(&text) {
                Ok(customer) => self.names.customer(&customer),
                Err(_) => UNPROVEN,
            },
            Err(_) => UNPROVEN,
        }
    }

    fn currency(&self, cell: Cell<'_>) -> u32 {
        match self.mapping.reader.text(cell) {
            Ok(text) if text.as_deref().is_none_or(|text| text == self.currency) => ABSENT,
            _ => UNPROVEN,
        }
    }

    /// 1 for a customer, [`ABSENT`] for none.
    fn has_customer(&self, cell: Cell<'_>) -> Option<u32> {
        if let Cell::Text(text) = cell
            && self.mapping.reader.nulls.is_empty()
            && is_plain_id(text)
        {
            return Some(1);
        }
        let text = self.mapping.reader.text(cell).ok()?;
        text.map_or(Some(ABSENT), |text| CustomerId::parse(&text).is_ok().then_some(1))
    }

    fn text(&self, cell: Cell<'_>) -> u32 {
        match self.mapping.reader.text(cell) {
            Ok(None) => ABSENT,
            Ok(Some(text)) if keeps_contract(&text) => self.names.text(&text),
            _ => UNPROVEN,
        }
    }

    fn order(&self, cell: Cell<'_>) -> Option<u64> {
        let CellReader { nulls, .. } = &self.mapping.reader;
        let prefix = self.mapping.returns.cancellation_prefix.as_deref();
        let is_cancellation = |text: &str| prefix.is_some_and(|prefix| text.starts_with(prefix));
        if let Cell::Text(text) = cell
            && nulls.is_empty()
            && is_plain_id(text)
        {
            return (!is_cancellation(text)).then(|| OrderKey::of(Some(text)).raw());
        }
        let Some(text) = self.mapping.reader.text(cell).ok()? else {
            return Some(0);
        };
        let is_plain = keeps_contract(&text) && !is_cancellation(&text);
        is_plain.then(|| OrderKey::of(Some(&text)).raw())
    }
}

/// Letters, digits and marks of ASCII that are not too long: no rule can be against them.
fn is_plain_id(text: &str) -> bool {
    (1..=PLAIN_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Asks the contract about a text by a line that has nothing else to object to.
fn keeps_contract(text: &str) -> bool {
    let draft = LineDraft {
        product_id: Some(text.to_owned()),
        occurred_at: Some(Timestamp::default()),
        quantity: Some(Quantity::ONE),
        unit_price: Some(Money::ZERO),
        ..LineDraft::default()
    };
    draft.check("").is_ok()
}
