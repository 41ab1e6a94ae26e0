//! Lines of a bulk import as the bytes that are divided, made on any thread.

use std::mem;

use crate::transaction::{CustomerId, LineIdentity, LineRef, OrderKey, Timestamp};

use super::PARTITIONS;
use crate::store::bytes::{put, put_text};
use crate::store::record::Record;
use crate::store::row::{self, anonymous_key};

/// A line of a bulk import.
#[derive(Clone, Copy, Debug)]
pub struct BulkRow<'a> {
    /// Its place among the rows of the import.
    pub row: u64,
    /// The line.
    pub line: LineRef<'a>,
    /// The numbers of its texts.
    pub numbers: TextNumbers,
    /// [`LineRef::content`].
    pub content: LineIdentity,
    /// When the shop's systems knew of it, where the source tells; otherwise it is the time of the
    /// import.
    pub recorded_at: Option<Timestamp>,
    /// Names the cells of its row.
    pub fingerprint: u64,
}

/// The texts of a line that repeat, as numbers from 1; 0 for one that is not given. All writers of
/// an import number a text alike; in which order does not matter.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TextNumbers {
    /// What was sold.
    pub product: u32,
    /// The whole category path.
    pub category: u32,
    /// The channel.
    pub channel: u32,
    /// The branch.
    pub store: u32,
    /// The promotion.
    pub promotion: u32,
    /// The country.
    pub country: u32,
}

impl TextNumbers {
    /// The numbers that `number` gives to the texts of a line.
    ///
    /// # Errors
    /// Those of `number`.
    pub fn of<E>(
        line: &LineRef<'_>,
        mut number: impl FnMut(&str) -> Result<u32, E>,
    ) -> Result<Self, E> {
        let mut given = |text: Option<&str>| text.map_or(Ok(0), &mut number);
        Ok(Self {
            category: given(line.category)?,
            product: given(Some(line.product_id))?,
            channel: given(line.channel)?,
            store: given(line.store_id)?,
            promotion: given(line.promotion_id)?,
            country: given(line.country)?,
        })
    }
}

/// Lines that are ready to be added to a [`super::Bulk`].
#[derive(Debug, Default)]
pub struct BulkBatch {
    /// What the writer had not named before, in the order of the rows.
    pub(super) mentions: Vec<Mention>,
    /// Order, key of its customer, and whether the line is numbered; in the order of the rows.
    pub(super) orders: Vec<(u64, i64, bool)>,
    /// The lines of each partition.
    pub(super) chunks: Vec<(usize, Box<[u8]>)>,
}

/// A text in the first row in which a writer met it in this use.
#[derive(Clone, Debug)]
pub(super) struct Mention {
    pub(super) number: u32,
    pub(super) used: Use,
    pub(super) text: Box<str>,
}

/// What a text stands for on a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Use {
    Product = 1,
    Category = 2,
    /// Channel, branch, promotion or country.
    Place = 4,
}

/// Makes lines ready for a bulk import, on one of its threads.
#[derive(Clone, Debug)]
pub struct BulkWriter {
    now: Timestamp,
    /// For each number the uses that were mentioned, as bits.
    mentioned: Vec<u8>,
    mentions: Vec<Mention>,
    orders: Vec<(u64, i64, bool)>,
    partitions: Vec<Vec<u8>>,
}

impl BulkWriter {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            now,
            mentioned: Vec::new(),
            mentions: Vec::new(),
            orders: Vec::new(),
            partitions: vec![Vec::new(); 2 * PARTITIONS],
        }
    }

    /// Adds a line. Lines come in the order of their rows.
    pub fn push(&mut self, new: &BulkRow<'_>) {
        let BulkRow { row, line, numbers, content, recorded_at, fingerprint } = new;
        let (key, partition) = place(line);
        let record = row::record(line, *numbers, 0, recorded_at.unwrap_or(self.now));
        for (number, used, text) in [
            (numbers.category, Use::Category, line.category),
            (numbers.product, Use::Product, Some(line.product_id)),
            (numbers.channel, Use::Place, line.channel),
            (numbers.store, Use::Place, line.store_id),
            (numbers.promotion, Use::Place, line.promotion_id),
            (numbers.country, Use::Place, line.country),
        ] {
            self.mention(number, used, text);
        }
        if line.order_id.is_some() {
            let order = (OrderKey::of(line.order_id).raw(), key, record.is_numbered());
            if self.orders.last() != Some(&order) {
                self.orders.push(order);
            }
        }
        let Some(bytes) = self.partitions.get_mut(partition) else { return };
        bytes.extend_from_slice(&key.to_le_bytes());
        bytes.extend_from_slice(content.as_bytes());
        bytes.extend_from_slice(&fingerprint.to_le_bytes());
        put(bytes, row << 1 | u64::from(recorded_at.is_some()));
        put_text(bytes, line.customer_id.unwrap_or_default());
        record.write(&Record::default(), bytes);
    }

    /// Takes all lines since the last time.
    pub fn take(&mut self) -> BulkBatch {
        let partitions = self.partitions.iter_mut().enumerate();
        let chunks = partitions.filter(|(_, bytes)| !bytes.is_empty()).map(|(partition, bytes)| {
            let chunk = bytes.as_slice().into();
            bytes.clear();
            (partition, chunk)
        });
        BulkBatch {
            chunks: chunks.collect(),
            mentions: mem::take(&mut self.mentions),
            orders: mem::take(&mut self.orders),
        }
    }

    fn mention(&mut self, number: u32, used: Use, text: Option<&str>) {
        let Some(text) = text else { return };
        let place = number as usize;
        if place >= self.mentioned.len() {
            self.mentioned.resize(place + 1, 0);
        }
        if let Some(uses) = self.mentioned.get_mut(place)
            && *uses & used as u8 == 0
        {
            *uses |= used as u8;
            self.mentions.push(Mention { number, used, text: text.into() });
        }
    }
}

/// The key of a line as far as it follows from the line, and the partition that it belongs to.
fn place(line: &LineRef<'_>) -> (i64, usize) {
    match line.customer_id {
        Some(customer) => {
            let key = CustomerId::placement_of(customer);
            (key, (key >> 55) as usize % PARTITIONS)
        }
        None => {
            let key = anonymous_key(line.occurred_at);
            (key, PARTITIONS + key.rem_euclid(PARTITIONS as i64) as usize)
        }
    }
}
