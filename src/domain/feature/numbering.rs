//! Small consecutive numbers for the symbols of one history.

/// The number of a symbol that a line does not carry; no table has so many entries.
pub(super) const ABSENT: u32 = u32::MAX;

/// Numbers keys from 0 in the order of their first appearance.
///
/// An open-addressing table. It is not emptied between histories: an entry counts only when it
/// bears the mark of the present one, and a short history uses only the front of a long table.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbering {
    slots: Vec<Slot>,
    epoch: u32,
    shift: u32,
    mask: usize,
    len: u32,
    /// The key asked last and its number: neighbouring lines often share theirs.
    last: Option<(u32, u32)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// 0 in a slot that was never used.
    epoch: u32,
    key: u32,
    number: u32,
}

impl Numbering {
    /// Forgets all keys and makes room for `keys` of them.
    pub(super) fn start(&mut self, keys: usize) {
        let size = keys.saturating_mul(2).next_power_of_two().max(16);
        if self.slots.len() < size {
            self.slots.resize(size, Slot::default());
        }
        if self.epoch == u32::MAX {
            self.slots.fill(Slot::default());
            self.epoch = 0;
        }
        self.epoch += 1;
        self.shift = u64::BITS - size.trailing_zeros();
        self.mask = size - 1;
        self.len = 0;
        self.last = None;
    }

    /// How many different keys there were.
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    /// The number of `key`, a new one when it is seen for the first time.
    pub(super) fn number(&mut self, key: u32) -> u32 {
        if let Some((last, number)) = self.last
            && last == key
        {
            return number;
        }
        let number = self.find_or_add(key);
        self.last = Some((key, number));
        number
    }

    fn find_or_add(&mut self, key: u32) -> u32 {
        /// 2^64 over the golden ratio (Knuth, The Art of Computer Programming, volume 3, 6.4).
        const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut place = (u64::from(key).wrapping_mul(GOLDEN) >> self.shift) as usize;
        while let Some(slot) = self.slots.get_mut(place) {
            if slot.epoch != self.epoch {
                *slot = Slot { epoch: self.epoch, key, number: self.len };
                self.len += 1;
                return slot.number;
            }
            if slot.key == key {
                return slot.number;
            }
            place = (place + 1) & self.mask;
        }
        ABSENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_numbered_by_first_appearance_and_forgotten_at_a_start() {
        let mut numbering = Numbering::default();
        for keys in [[7, 0, 7, u32::MAX, 0], [0, 7, 0, 1 << 31, 7]] {
            numbering.start(keys.len());
            assert_eq!(keys.map(|key| numbering.number(key)), [0, 1, 0, 2, 1]);
            assert_eq!(numbering.len(), 3);
        }
    }

    #[test]
    fn as_many_keys_as_announced_have_room_in_a_table_used_before() {
        let mut numbering = Numbering { epoch: u32::MAX - 1, ..Numbering::default() };
        for keys in [100_000, 3, 1_000] {
            numbering.start(keys as usize);
            let numbers: Vec<u32> = (0..keys).map(|key| numbering.number(key * 4096)).collect();
            assert_eq!(numbers, (0..keys).collect::<Vec<u32>>());
        }
    }
}
