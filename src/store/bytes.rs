//! Numbers and texts as bytes, short where they are small.

use std::str;

/// Microseconds of most times are whole seconds.
pub(crate) const SECOND: i64 = 1_000_000;
/// Micros of most amounts are whole cents.
pub(crate) const CENT: i64 = 10_000;
/// Thousandths of most quantities are whole units.
pub(crate) const UNIT: i64 = 1_000;

/// Bytes that are read from the front. Every reading is checked: damaged bytes give `None`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// An unsigned LEB128 number. Those of one and two bytes are nearly all there are.
    #[inline(always)]
    pub(crate) fn number(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first()?;
        if *first < 0x80 {
            self.0 = rest;
            return Some(u64::from(*first));
        }
        if let Some((second, rest)) = rest.split_first().filter(|(second, _)| **second < 0x80) {
            self.0 = rest;
            return Some(u64::from(*first & 0x7f) | u64::from(*second) << 7);
        }
        self.0 = rest;
        self.long_number(*first)
    }

    fn long_number(&mut self, first: u8) -> Option<u64> {
        let mut value = u64::from(first & 0x7f);
        for shift in (7..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// The number of a text.
    #[inline]
    pub(crate) fn symbol(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    /// A number of either sign.
    #[inline]
    pub(crate) fn signed(&mut self) -> Option<i64> {
        self.number().map(unzigzag)
    }

    /// A number that is either a multiple of `unit` or not.
    #[inline]
    pub(crate) fn scaled(&mut self, unit: i64) -> Option<i64> {
        let number = self.number()?;
        if number == RAW {
            let raw: [u8; 8] = self.take(8)?.try_into().ok()?;
            return Some(i64::from_le_bytes(raw));
        }
        let value = unzigzag(number >> 1);
        Some(if number & 1 == 0 { value.wrapping_mul(unit) } else { value })
    }

    /// A text after its length.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = usize::try_from(self.number()?).ok()?;
        str::from_utf8(self.take(length)?).ok()
    }
}

/// Stands before a number that is too large for the short forms of [`put_scaled`].
const RAW: u64 = u64::MAX;

/// Appends an unsigned LEB128 number.
#[inline]
pub(crate) fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Appends a text after its length.
pub(crate) fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

/// Multiples of `unit` as such, with a 0 in the lowest bit; other numbers with a 1.
pub(crate) fn put_scaled(bytes: &mut Vec<u8>, value: i64, unit: i64) {
    const LARGEST: i64 = i64::MAX >> 2;
    if value % unit == 0 {
        put(bytes, zigzag(value / unit) << 1);
    } else if (-LARGEST..=LARGEST).contains(&value) {
        put(bytes, zigzag(value) << 1 | 1);
    } else {
        put(bytes, RAW);
        bytes.extend_from_slice(&value.to_le_bytes());
    }
}

/// Small numbers of either sign as small numbers without one.
pub(crate) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
