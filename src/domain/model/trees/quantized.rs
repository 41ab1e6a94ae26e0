//! Gradients and weights as whole numbers.
//!
//! Sums of whole numbers are exact, so they do not depend on the order of the rows or on how the
//! work was cut, and the sums of a node less those of one child are those of the other. Scales are
//! powers of two: whole-numbered weights stay exact. A row's weight and its count of one share a
//! number, so that a histogram counts rows for nothing.

use rayon::prelude::*;

/// Bits of the largest gradient.
const GRADIENT_BITS: i32 = 30;

/// Rows that one task converts.
const BLOCK: usize = 16_384;

/// The gradient and the weight of a row, in steps of a [`Scale`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entry {
    gradient: i32,
    weight: u32,
}

/// Sums over rows: of gradients, and of weights (high bits) with the number of rows (low bits).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Sums(pub(super) [i64; 2]);

/// How large the steps are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    gradient: f64,
    weight: f64,
    /// One over the steps, exactly, since they are powers of two.
    per_gradient: f64,
    per_weight: f64,
    count_bits: u32,
}

/// What the rows add to the sums of their nodes.
pub(super) trait Quantized: Sync {
    /// What a histogram keeps of a bin.
    type Tally: Tally;

    /// How large the steps are.
    fn scale(&self) -> Scale;

    /// The tally of one row.
    fn tally(&self, row: u32) -> Self::Tally;

    /// What a tally stands for.
    fn sums(&self, tally: Self::Tally) -> Sums;

    /// The sums over some rows.
    fn total(&self, rows: &[u32]) -> Sums {
        let mut total = Self::Tally::default();
        rows.iter().for_each(|row| total.add(self.tally(*row)));
        self.sums(total)
    }
}

/// Sums, in a form of their own.
pub(super) trait Tally: Copy + Default + Send + Sync {
    fn add(&mut self, other: Self);

    fn less(self, other: Self) -> Self;
}

/// Rows with gradients and weights.
#[derive(Debug)]
pub(super) struct Weighted {
    entries: Vec<Entry>,
    scale: Scale,
}

/// Rows of equal weight and whether the event followed each, as a gradient of its weight or 0. The
/// tally, a `u32` or a `u64`, has the number of rows in its low half and of events in its high half.
#[derive(Debug)]
pub(super) struct Events<'a, W> {
    target: &'a [bool],
    /// Of a row without and with the event.
    tallies: [W; 2],
    half: u32,
    unit: Unit,
}

/// Rows that were drawn some times each, which is their weight, and whether the event followed.
#[derive(Debug)]
pub(super) struct Bagged<'a> {
    target: &'a [bool],
    times: &'a [u8],
    unit: Unit,
}

/// What one event and a weight of one add to sums.
#[derive(Clone, Copy, Debug)]
struct Unit {
    scale: Scale,
    gradient: i64,
    weight: i64,
}

/// What the sums stand for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stats {
    pub(super) gradient: f64,
    pub(super) weight: f64,
    pub(super) rows: u64,
}

impl Tally for Sums {
    #[inline]
    fn add(&mut self, other: Self) {
        self.0[0] = self.0[0].wrapping_add(other.0[0]);
        self.0[1] = self.0[1].wrapping_add(other.0[1]);
    }

    #[inline]
    fn less(self, other: Self) -> Self {
        Self([self.0[0].wrapping_sub(other.0[0]), self.0[1].wrapping_sub(other.0[1])])
    }
}

impl Tally for u32 {
    #[inline]
    fn add(&mut self, other: Self) {
        *self = self.wrapping_add(other);
    }

    #[inline]
    fn less(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }
}

impl Tally for u64 {
    #[inline]
    fn add(&mut self, other: Self) {
        *self = self.wrapping_add(other);
    }

    #[inline]
    fn less(self, other: Self) -> Self {
        self.wrapping_sub(other)
    }
}

impl Sums {
    /// Whether no row was added.
    #[inline]
    pub(super) fn is_empty(self) -> bool {
        self.0[1] == 0
    }
}

impl Scale {
    /// The finest steps at which the sums of `rows` rows cannot overflow.
    pub(super) fn of(rows: usize, largest_gradient: f64, largest_weight: f64) -> Self {
        let count_bits = usize::BITS - rows.leading_zeros();
        let weight_bits = (63 - 2 * count_bits as i32).clamp(1, 31);
        let gradient = step(largest_gradient, GRADIENT_BITS);
        let weight = step(largest_weight, weight_bits);
        let (per_gradient, per_weight) = (1.0 / gradient, 1.0 / weight);
        Self { gradient, weight, per_gradient, per_weight, count_bits }
    }

    /// The same steps for both, so that equal numbers stay equal.
    fn even(self) -> Self {
        let step = self.gradient.max(self.weight);
        let per_step = 1.0 / step;
        Self { gradient: step, weight: step, per_gradient: per_step, per_weight: per_step, ..self }
    }

    #[inline]
    pub(super) fn sums(self, entry: Entry) -> Sums {
        let weight = i64::from(entry.weight) << self.count_bits;
        Sums([i64::from(entry.gradient), weight + 1])
    }

    #[inline]
    pub(super) fn stats(self, sums: Sums) -> Stats {
        Stats {
            gradient: sums.0[0] as f64 * self.gradient,
            weight: (sums.0[1] >> self.count_bits) as f64 * self.weight,
            rows: self.rows(sums),
        }
    }

    #[inline]
    pub(super) fn rows(self, sums: Sums) -> u64 {
        sums.0[1] as u64 & ((1 << self.count_bits) - 1)
    }

    #[inline]
    fn entry(self, [gradient, weight]: [f64; 2]) -> Entry {
        Entry {
            gradient: rounded(gradient * self.per_gradient) as i32,
            weight: rounded(weight * self.per_weight),
        }
    }
}

impl Quantized for Weighted {
    type Tally = Sums;

    fn scale(&self) -> Scale {
        self.scale
    }

    #[inline]
    fn tally(&self, row: u32) -> Sums {
        self.scale.sums(self.entries.get(row as usize).copied().unwrap_or_default())
    }

    #[inline]
    fn sums(&self, tally: Sums) -> Sums {
        tally
    }
}

impl<W: Tally + Into<u64>> Quantized for Events<'_, W> {
    type Tally = W;

    fn scale(&self) -> Scale {
        self.unit.scale
    }

    #[inline]
    fn tally(&self, row: u32) -> W {
        let [without, with] = self.tallies;
        if self.target.get(row as usize).copied().unwrap_or(false) { with } else { without }
    }

    #[inline]
    fn sums(&self, tally: W) -> Sums {
        let tally: u64 = tally.into();
        let [rows, events] = [tally & ((1 << self.half) - 1), tally >> self.half];
        self.unit.sums(rows, rows, events)
    }
}

impl Quantized for Bagged<'_> {
    /// Rows, times and events, from the low bits up.
    type Tally = u64;

    fn scale(&self) -> Scale {
        self.unit.scale
    }

    #[inline]
    fn tally(&self, row: u32) -> u64 {
        let event = self.target.get(row as usize).copied().unwrap_or(false);
        let times = u64::from(self.times.get(row as usize).copied().unwrap_or(0));
        let events = if event { times } else { 0 };
        (events << Self::BITS | times) << Self::BITS | 1
    }

    #[inline]
    fn sums(&self, tally: u64) -> Sums {
        let part = |place: u32| tally >> (place * Self::BITS) & Self::MOST;
        self.unit.sums(part(0), part(1), part(2))
    }
}

impl Unit {
    /// For rows of at most this weight.
    fn of(rows: usize, heaviest: f64) -> Self {
        let scale = Scale::of(rows, heaviest, heaviest).even();
        let Entry { gradient, weight } = scale.entry([1.0, 1.0]);
        let Sums([gradient, weight]) = scale.sums(Entry { gradient, weight });
        Self { scale, gradient, weight: weight - 1 }
    }

    #[inline]
    fn sums(self, rows: u64, weight: u64, events: u64) -> Sums {
        Sums([events as i64 * self.gradient, weight as i64 * self.weight + rows as i64])
    }
}

impl Weighted {
    /// Gradients and weights of `rows` rows, none of them larger than said.
    pub(super) fn of(
        rows: usize,
        largest: [f64; 2],
        pair: impl Fn(usize) -> [f64; 2] + Sync,
    ) -> Self {
        let scale = Scale::of(rows, largest[0], largest[1]);
        let mut entries = vec![Entry::default(); rows];
        entries.par_chunks_mut(BLOCK).enumerate().for_each(|(block, entries)| {
            for (row, entry) in (block * BLOCK..).zip(entries) {
                *entry = scale.entry(pair(row));
            }
        });
        Self { entries, scale }
    }

    /// The outcomes of rows as gradients: the weight of the row if the event followed, else 0. Takes
    /// a list that was used before. On one thread: trees of a forest grow side by side, and a thread
    /// that waited here would begin another one.
    pub(super) fn of_events(
        target: &[bool],
        weight: impl Fn(usize) -> f64,
        mut entries: Vec<Entry>,
    ) -> Self {
        let largest = (0..target.len()).map(&weight).fold(0.0, f64::max);
        let scale = Scale::of(target.len(), largest, largest).even();
        let entry = |(row, event): (usize, &bool)| {
            let weight = weight(row);
            scale.entry([if *event { weight } else { 0.0 }, weight])
        };
        entries.clear();
        entries.extend(target.iter().enumerate().map(entry));
        Self { entries, scale }
    }

    /// The list of the entries, to be used again.
    pub(super) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }
}

impl<'a> Events<'a, u64> {
    /// The outcomes of at most 2^32 - 1 rows.
    pub(super) fn of(target: &'a [bool]) -> Self {
        let half = u64::BITS / 2;
        Self { target, tallies: [1, 1 << half | 1], half, unit: Unit::of(target.len(), 1.0) }
    }
}

impl<'a> Events<'a, u32> {
    /// The outcomes of at most 65,535 rows.
    pub(super) fn of_few(target: &'a [bool]) -> Option<Self> {
        let half = u32::BITS / 2;
        let unit = Unit::of(target.len(), 1.0);
        let few = target.len() < 1 << half;
        few.then(|| Self { target, tallies: [1, 1 << half | 1], half, unit })
    }
}

impl<'a> Bagged<'a> {
    /// Bits of each part of a tally.
    const BITS: u32 = 21;

    /// Largest number that fits.
    const MOST: u64 = (1 << Self::BITS) - 1;

    /// Rows drawn at most two million times in all.
    pub(super) fn of(target: &'a [bool], times: &'a [u8]) -> Option<Self> {
        let drawn: u64 = times.iter().map(|times| u64::from(*times)).sum();
        let most = times.iter().copied().max().unwrap_or(0);
        let unit = Unit::of(target.len(), f64::from(most));
        (drawn <= Self::MOST).then_some(Self { target, times, unit })
    }
}

/// The power of two that makes `largest` at most `2^bits` steps.
fn step(largest: f64, bits: i32) -> f64 {
    let exponent = largest.max(f64::MIN_POSITIVE).log2().ceil() - f64::from(bits);
    exponent.max(-1_000.0).exp2()
}

/// The nearest whole number, modulo 2^32. At this size the last bit of a number counts ones.
#[inline]
fn rounded(value: f64) -> u32 {
    const ONES: f64 = (3u64 << 51) as f64;
    (value + ONES).to_bits() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_weights_are_exact() {
        let target: Vec<bool> = (0..1_000).map(|row| row % 3 == 0).collect();
        let weights: Vec<f64> = (0..1_000).map(|row| f64::from(row % 7 + 1)).collect();
        let quantized = Weighted::of_events(&target, |row| weights[row], Vec::new());
        let rows: Vec<u32> = (0..1_000).collect();
        let stats = quantized.scale.stats(quantized.total(&rows));
        let events: f64 = weights.iter().step_by(3).sum();
        assert_eq!((stats.rows, stats.gradient), (1_000, events));
        assert_eq!(stats.weight, weights.iter().sum::<f64>());
    }

    #[test]
    fn counts_stand_for_the_sums_of_weights_of_one() {
        let target: Vec<bool> = (0..5_000).map(|row| row % 7 == 0).collect();
        let rows: Vec<u32> = (0..5_000).filter(|row| row % 3 > 0).collect();
        let weighted = Weighted::of_events(&target, |_| 1.0, Vec::new());
        same_sums(&Events::of(&target), &weighted, &rows);
        same_sums(&Events::of_few(&target).unwrap(), &weighted, &rows);
        let times: Vec<u8> = (0..5_000).map(|row| (row % 3) as u8).collect();
        let weighted = Weighted::of_events(&target, |row| f64::from(times[row]), Vec::new());
        same_sums(&Bagged::of(&target, &times).unwrap(), &weighted, &rows);
    }

    fn same_sums(counted: &impl Quantized, weighted: &Weighted, rows: &[u32]) {
        assert_eq!(counted.total(rows), weighted.total(rows));
        let mut all = counted.tally(rows[0]);
        rows[1..].iter().for_each(|row| all.add(counted.tally(*row)));
        let rest = all.less(counted.tally(rows[0]));
        assert_eq!(counted.sums(rest), weighted.total(&rows[1..]));
    }

    #[test]
    fn as_many_rows_as_fit_are_counted() {
        let most = usize::from(u16::MAX);
        let target = vec![true; most + 1];
        assert!(Events::of_few(&target).is_none());
        let counted = Events::of_few(&target[..most]).unwrap();
        let rows: Vec<u32> = (0..most as u32).collect();
        let stats = counted.scale().stats(counted.total(&rows));
        assert_eq!((stats.rows, stats.gradient), (most as u64, most as f64));

        let times = vec![255; 8_224];
        let bagged = Bagged::of(&target[..times.len()], &times).unwrap();
        let rows: Vec<u32> = (0..times.len() as u32).collect();
        let stats = bagged.scale().stats(bagged.total(&rows));
        assert_eq!((stats.rows, stats.weight), (8_224, 8_224.0 * 255.0));
        assert!(Bagged::of(&target, &vec![255; 8_225]).is_none());
    }

    #[test]
    fn sums_stay_in_range_at_both_ends() {
        for largest in [1e-200, 1e-30, 0.3, 1.0, 1e30, 1e50] {
            let quantized = Weighted::of(5_000, [largest, largest], |_| [-largest, largest]);
            let rows: Vec<u32> = (0..5_000).collect();
            let stats = quantized.scale.stats(quantized.total(&rows));
            assert_eq!(stats.rows, 5_000);
            assert!((stats.gradient / largest + 5_000.0).abs() < 1e-5);
            assert!((stats.weight / largest - 5_000.0).abs() < 1e-5);
        }
        let scale = Scale::of(1 << 28, 1.0, 1.0);
        let mut sums = scale.sums(scale.entry([1.0, 1.0]));
        sums.0.iter_mut().for_each(|sum| *sum *= 1 << 28);
        let stats = scale.stats(sums);
        assert_eq!(
            (stats.rows, stats.gradient, stats.weight),
            (1 << 28, 2f64.powi(28), 2f64.powi(28))
        );
    }

    #[test]
    fn nothing_is_no_trouble() {
        let quantized = Weighted::of(3, [0.0, 0.0], |_| [0.0, 0.0]);
        let stats = quantized.scale.stats(quantized.total(&[0, 2]));
        assert_eq!((stats.rows, stats.gradient, stats.weight), (2, 0.0, 0.0));
    }
}
