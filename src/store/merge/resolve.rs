//! What a line is to the lines of its customer before it.

use foldhash::{HashMap, HashSet};

use crate::store::record::Record;
use crate::store::row::{number_print, sale_print};
use crate::store::versions::Versions;
use crate::transaction::LineIdentity;

/// What one customer's lines are resolved against.
#[derive(Debug, Default)]
pub(super) struct Resolved<'a> {
    pub(super) records: Vec<Record<'a>>,
    /// Digest of each record, where it came with this import.
    contents: Vec<Option<LineIdentity>>,
    /// Numbered lines: their versions so far, and where the current one stands.
    versions: HashMap<u128, (Versions, Option<usize>)>,
    /// Lines without a number.
    sales: HashSet<u128>,
}

/// What a line is to those before it.
pub(super) enum Addition<'a> {
    New,
    Duplicate,
    /// The record that it replaces, with its digest where this import brought it.
    Corrects(Record<'a>, Option<LineIdentity>),
}

impl<'a> Resolved<'a> {
    /// Takes in a stored record.
    pub(super) fn adopt(&mut self, key: i64, record: Record<'a>, buffer: &mut Vec<u8>) {
        let sale = sale_print(key, &record, buffer);
        if record.is_numbered() {
            let versions = self.versions.entry(number_print(&record, buffer)).or_default();
            versions.0.push(sale, record.recorded_at);
            if record.is_current() {
                versions.0.end_with(sale);
                versions.1 = Some(self.records.len());
            }
        } else {
            self.sales.insert(sale);
        }
        self.records.push(record);
        self.contents.push(None);
    }

    pub(super) fn add(
        &mut self,
        key: i64,
        (record, is_told): (Record<'a>, bool),
        content: LineIdentity,
        buffer: &mut Vec<u8>,
    ) -> Addition<'a> {
        let sale = sale_print(key, &record, buffer);
        let mut addition = Addition::New;
        if record.is_numbered() {
            let (versions, current) =
                self.versions.entry(number_print(&record, buffer)).or_default();
            if versions.has(sale, is_told.then_some(record.recorded_at)) {
                return Addition::Duplicate;
            }
            versions.push(sale, record.recorded_at);
            let old = current.replace(self.records.len());
            if let Some(place) = old
                && let Some(old) = self.records.get_mut(place)
            {
                old.supersede(record.recorded_at);
                let content = self.contents.get(place).copied().flatten();
                addition = Addition::Corrects(*old, content);
            }
        } else if !self.sales.insert(sale) {
            return Addition::Duplicate;
        }
        self.records.push(record);
        self.contents.push(Some(content));
        addition
    }
}
