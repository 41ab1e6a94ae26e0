//! All packed lines of one customer in one blob: version, checksum, number, records in order.

use xxhash_rust::xxh3::xxh3_64;

use super::bytes::{Bytes, put};
use super::error::Fault;
use super::record::Record;

const VERSION: u8 = 1;

/// Bytes of version and checksum.
const HEAD: usize = 1 + size_of::<u64>();

/// The blob of `records`, which are brought into the order of time.
pub(super) fn pack(records: &mut [Record<'_>]) -> Vec<u8> {
    records.sort_by_cached_key(Record::order);
    let mut body = Vec::with_capacity(records.len() * 24 + 4);
    put(&mut body, records.len() as u64);
    let mut previous = Record::default();
    for record in &*records {
        record.write(&previous, &mut body);
        previous = *record;
    }
    seal(VERSION, &body)
}

/// The records of a blob, earliest first.
///
/// # Errors
/// When the blob is not what [`pack`] wrote. Damage within it is found here, by the checksum.
pub(super) fn unpack(blob: &[u8]) -> Result<Records<'_>, Fault> {
    let mut bytes = open(VERSION, blob, "a packed history")?;
    let left = bytes.number().ok_or_else(|| damaged("a packed history"))?;
    Ok(Records { bytes, record: Record::default(), left })
}

/// How many records a blob says it has; no more than fit into it.
pub(super) fn count(blob: &[u8]) -> usize {
    let mut bytes = Bytes::new(blob);
    let count = bytes.take(HEAD).and_then(|_| bytes.number()).unwrap_or(0);
    most(count, bytes)
}

/// No record is shorter than four bytes, so a wrong number cannot ask for more memory.
fn most(count: u64, bytes: Bytes<'_>) -> usize {
    (count as usize).min(bytes.rest().len() / 4 + 1)
}

/// The records of a packed history.
#[derive(Clone, Debug)]
pub(super) struct Records<'a> {
    bytes: Bytes<'a>,
    /// The last record that was read.
    record: Record<'a>,
    left: u64,
}

impl<'a> Records<'a> {
    /// The next record, until the one after it is asked for.
    #[inline]
    pub(super) fn advance(&mut self) -> Option<Result<&Record<'a>, Fault>> {
        self.left = self.left.checked_sub(1)?;
        match self.record.advance(&mut self.bytes) {
            Some(()) => Some(Ok(&self.record)),
            None => {
                self.left = 0;
                Some(Err(damaged("a packed history")))
            }
        }
    }

    /// How many are left.
    pub(super) fn len(&self) -> usize {
        most(self.left, self.bytes)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().map(|record| record.copied())
    }
}

/// Puts version and checksum before `body`.
pub(super) fn seal(version: u8, body: &[u8]) -> Vec<u8> {
    let mut blob = Vec::with_capacity(HEAD + body.len());
    blob.push(version);
    blob.extend_from_slice(&xxh3_64(body).to_le_bytes());
    blob.extend_from_slice(body);
    blob
}

/// What [`seal`] was given; `what` names it in the error.
pub(super) fn open<'a>(
    version: u8,
    blob: &'a [u8],
    what: &'static str,
) -> Result<Bytes<'a>, Fault> {
    let mut bytes = Bytes::new(blob);
    let found = bytes.take(1).and_then(|byte| byte.first().copied());
    let checksum = bytes.take(8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
    match (found, checksum) {
        (Some(found), Some(checksum)) if found == version && checksum == xxh3_64(bytes.rest()) => {
            Ok(bytes)
        }
        _ => Err(damaged(what)),
    }
}

pub(super) fn damaged(what: &'static str) -> Fault {
    Fault::Damaged(format!("{what} does not match its checksum"))
}

#[cfg(test)]
mod tests {
    use super::super::record::HOLDS;
    use super::*;

    fn records() -> Vec<Record<'static>> {
        let line = |day: i64, number| Record {
            occurred_at: day * 86_400_000_000,
            recorded_at: day * 86_400_000_000 + 5,
            superseded_at: HOLDS,
            order_id: "r1",
            line_number: Some(number),
            product: 7,
            quantity: 1000,
            unit_price: 1_990_000,
            ..Record::default()
        };
        vec![line(3, 1), line(1, 1), line(1, 2)]
    }

    #[test]
    fn a_history_comes_back_in_order_of_time() {
        let mut records = records();
        let blob = pack(&mut records);
        let back: Vec<_> = unpack(&blob).unwrap().map(Result::unwrap).collect();
        assert_eq!(back, records);
        assert!(back.is_sorted_by_key(|record| record.occurred_at));
    }

    #[test]
    fn every_changed_byte_is_found() {
        let blob = pack(&mut records());
        for place in 0..blob.len() {
            let mut other = blob.clone();
            other[place] ^= 0x10;
            assert!(unpack(&other).is_err(), "byte {place}");
        }
        for length in 0..blob.len() {
            assert!(unpack(&blob[..length]).is_err(), "cut at {length}");
        }
    }
}
