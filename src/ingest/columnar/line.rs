//! A checked line as six words, or a few more where a block of rows needs them.

use super::names::ABSENT;

/// An amount or time that is not given.
pub(super) const NONE: i64 = i64::MIN;

const NUMBERED: u32 = 1 << 31;
const NARROW_WORDS: usize = 6;

/// A line that keeps the contract; texts are numbers of [`super::names::Names`].
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Line {
    /// Microseconds.
    pub(super) occurred_at: i64,
    /// Microseconds.
    pub(super) recorded_at: i64,
    /// Thousandths.
    pub(super) quantity: i64,
    /// Micros.
    pub(super) unit_price: i64,
    /// Micros.
    pub(super) discount: i64,
    /// Micros or [`NONE`].
    pub(super) unit_cost: i64,
    /// Raw [`crate::transaction::OrderKey`].
    pub(super) order: u64,
    /// The same of the order that is taken back.
    pub(super) cancels: u64,
    /// From 1, or [`ABSENT`].
    pub(super) customer: u32,
    pub(super) item: u32,
    pub(super) context: u32,
    /// Counts where `is_numbered`.
    pub(super) line_number: u32,
    /// Position among the rows that were read with it.
    pub(super) row: u32,
    /// Order and line number are both given.
    pub(super) is_numbered: bool,
}

/// Which words follow the six.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Layout {
    recorded_at: Recorded,
    has_cancels: bool,
    has_cost: bool,
    has_wide_price: bool,
    has_wide_discount: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Recorded {
    AtSale,
    Once(i64),
    PerLine,
}

impl Layout {
    /// The narrowest layout that holds `lines`.
    pub(super) fn of(lines: &[Line]) -> Self {
        let once = lines.first().map_or(0, |line| line.recorded_at);
        let recorded_at = if lines.iter().all(|line| line.recorded_at == line.occurred_at) {
            Recorded::AtSale
        } else if lines.iter().all(|line| line.recorded_at == once) {
            Recorded::Once(once)
        } else {
            Recorded::PerLine
        };
        Self {
            recorded_at,
            has_cancels: lines.iter().any(|line| line.cancels != 0),
            has_cost: lines.iter().any(|line| line.unit_cost != NONE),
            has_wide_price: lines.iter().any(|line| {
                i32::try_from(line.quantity).is_err() || i32::try_from(line.unit_price).is_err()
            }),
            has_wide_discount: lines.iter().any(|line| u32::try_from(line.discount).is_err()),
        }
    }

    /// Words of a line.
    pub(super) fn words(self) -> usize {
        NARROW_WORDS
            + usize::from(self.recorded_at == Recorded::PerLine)
            + usize::from(self.has_cancels)
            + usize::from(self.has_cost)
            + usize::from(self.has_wide_price)
            + usize::from(self.has_wide_discount)
    }

    /// Writes `line` over the first words of `words`.
    pub(super) fn write(self, line: &Line, words: &mut [u64]) {
        let narrow_discount = if self.has_wide_discount { 0 } else { line.discount as u32 };
        let context = if line.is_numbered { line.context | NUMBERED } else { line.context };
        let quantity = match self.has_wide_price {
            true => line.quantity as u64,
            false => pair(line.quantity as u32, line.unit_price as u32),
        };
        let narrow = [
            line.occurred_at as u64,
            line.order,
            quantity,
            pair(narrow_discount, line.row),
            pair(line.customer, line.item),
            pair(context, line.line_number),
        ];
        let extra = [
            (self.recorded_at == Recorded::PerLine, line.recorded_at as u64),
            (self.has_cancels, line.cancels),
            (self.has_cost, line.unit_cost as u64),
            (self.has_wide_price, line.unit_price as u64),
            (self.has_wide_discount, line.discount as u64),
        ];
        let extra = extra.into_iter().filter_map(|(is_kept, word)| is_kept.then_some(word));
        for (place, word) in words.iter_mut().zip(narrow.into_iter().chain(extra)) {
            *place = word;
        }
    }

    /// Reads a line back.
    pub(super) fn read(self, words: &[u64]) -> Line {
        let Some((narrow, extra)) = words.split_first_chunk::<NARROW_WORDS>() else {
            return Line::default();
        };
        let [occurred_at, order, third, fourth, fifth, sixth] = *narrow;
        let mut extra = extra.iter().copied();
        let mut next = |is_kept: bool| if is_kept { extra.next() } else { None };
        let (discount, row) = halves(fourth);
        let (customer, item) = halves(fifth);
        let (context, line_number) = halves(sixth);
        let recorded_at = match self.recorded_at {
            Recorded::AtSale => occurred_at as i64,
            Recorded::Once(micros) => micros,
            Recorded::PerLine => next(true).unwrap_or(occurred_at) as i64,
        };
        let cancels = next(self.has_cancels).unwrap_or_default();
        let unit_cost = next(self.has_cost).map_or(NONE, |cost| cost as i64);
        let (quantity, unit_price) = match next(self.has_wide_price) {
            Some(unit_price) => (third as i64, unit_price as i64),
            None => {
                let (quantity, unit_price) = halves(third);
                (i64::from(quantity as i32), i64::from(unit_price as i32))
            }
        };
        Line {
            occurred_at: occurred_at as i64,
            recorded_at,
            quantity,
            unit_price,
            order,
            cancels,
            unit_cost,
            discount: next(self.has_wide_discount).map_or(i64::from(discount), |d| d as i64),
            customer,
            item,
            context: context & !NUMBERED,
            line_number,
            row,
            is_numbered: context & NUMBERED != 0,
        }
    }
}

impl Line {
    /// The line without what may differ between two arrivals of the same line.
    pub(super) fn content(&self) -> Self {
        Self { recorded_at: 0, row: 0, ..*self }
    }

    /// Whether it belongs to nobody.
    pub(super) fn is_anonymous(&self) -> bool {
        self.customer == ABSENT
    }
}

fn pair(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn halves(word: u64) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(row: u32) -> Line {
        Line {
            occurred_at: -5,
            recorded_at: -5,
            quantity: -1_000,
            unit_price: 2_550_000,
            discount: 7,
            unit_cost: NONE,
            order: u64::MAX,
            cancels: 0,
            customer: 3,
            item: u32::MAX,
            context: 12,
            line_number: u32::MAX,
            row,
            is_numbered: true,
        }
    }

    #[test]
    fn lines_come_back_from_every_layout() {
        let plain = line(1);
        let changes: [fn(&mut Line); 7] = [
            |_| {},
            |line| line.recorded_at = 9,
            |line| line.cancels = 8,
            |line| line.unit_cost = 0,
            |line| line.discount = i64::MAX,
            |line| line.unit_price = i64::from(i32::MIN) - 1,
            |line| line.quantity = i64::from(i32::MAX) + 1,
        ];
        let mut all = vec![plain];
        for (change, words) in changes.into_iter().zip([6, 7, 7, 7, 7, 7, 7]) {
            let mut changed = line(2);
            change(&mut changed);
            all.push(changed);
            let lines = [plain, changed];
            let layout = Layout::of(&lines);
            assert_eq!(layout.words(), words);
            assert_eq!(round_trip(layout, &lines), lines);
        }
        assert_eq!(Layout::of(&all).words(), 11);
        assert_eq!(round_trip(Layout::of(&all), &all), all);
    }

    #[test]
    fn one_time_of_the_import_takes_no_word() {
        let lines =
            [1, 2].map(|row| Line { recorded_at: 77, occurred_at: row.into(), ..line(row) });
        let layout = Layout::of(&lines);
        assert_eq!(layout.words(), 6);
        assert_eq!(round_trip(layout, &lines), lines);
    }

    fn round_trip(layout: Layout, lines: &[Line]) -> Vec<Line> {
        let there_and_back = |line: &Line| {
            let mut words = vec![0; layout.words()];
            layout.write(line, &mut words);
            layout.read(&words)
        };
        lines.iter().map(there_and_back).collect()
    }
}
