//! Counts and sums that grow line by line, and what they amount to at a date.

use std::ops::Range;

use crate::transaction::{HistoryLine, Money, Quantity, Timestamp};

use super::marks::{Mark, Marks, ShortCuts};
use super::tally::{RECENT, Tally, WINDOWS, Window};

/// The tally of the lines added so far, which must come in the order of the history.
#[derive(Clone, Debug, Default)]
pub(super) struct Running {
    tally: Tally,
    visits: Vec<Visit>,
    /// The part of `visits` between the first day with a purchase and the last, both included.
    active: Range<usize>,
    products: Vec<FirstDay>,
    category_lines: Vec<u32>,
    store_lines: Vec<u32>,
    channel_lines: Vec<u32>,
    steps: Vec<Step>,
}

/// A day of the history; a visit once it has a purchase line.
#[derive(Clone, Copy, Debug)]
struct Visit {
    day: i32,
    has_purchase: bool,
    spend: Money,
    latest: Timestamp,
}

/// The first day on which a product was bought, and its purchase lines of that day.
#[derive(Clone, Copy, Debug, Default)]
struct FirstDay {
    day: i32,
    lines: u32,
}

/// One line's part in the windows: the sums before it where sums can be taken apart, its own
/// values where they may saturate.
#[derive(Clone, Copy, Debug)]
struct Step {
    occurred_at: Timestamp,
    spend: Money,
    units: Quantity,
    gross: Money,
}

impl Running {
    /// Forgets all lines and makes room for those of `marks`.
    pub(super) fn reset(&mut self, marks: &Marks) {
        self.tally = Tally::default();
        self.active = 0..0;
        self.visits.clear();
        self.visits.extend(marks.days.iter().map(|day| Visit {
            day: *day,
            has_purchase: false,
            spend: Money::ZERO,
            latest: Timestamp::MIN,
        }));
        refill(&mut self.products, marks.products.len());
        refill(&mut self.category_lines, marks.categories.len());
        refill(&mut self.store_lines, marks.stores.len());
        refill(&mut self.channel_lines, marks.channels.len());
        self.steps.clear();
    }

    /// Counts a visible line; `is_purchase` when its goods were sold and not taken back whole.
    pub(super) fn add(&mut self, line: &HistoryLine, mark: &Mark, is_purchase: bool, exact: bool) {
        let tally = &mut self.tally;
        self.steps.push(if exact {
            let (spend, units) = (tally.spend, tally.units);
            Step { occurred_at: line.occurred_at, spend, units, gross: tally.gross }
        } else {
            let gross = if is_purchase { line.amount } else { Money::ZERO };
            let (spend, units) = (line.amount, line.quantity);
            Step { occurred_at: line.occurred_at, spend, units, gross }
        });
        tally.spend += line.amount;
        tally.units += line.quantity;
        if let Some(margin) = line.margin {
            tally.margin += margin;
            tally.spend_with_known_margin += line.amount;
        }
        if line.quantity.is_return() {
            tally.returned += line.amount.abs();
            tally.return_lines += 1;
        }
        if is_purchase {
            self.add_purchase(line, mark);
        }
    }

    fn add_purchase(&mut self, line: &HistoryLine, mark: &Mark) {
        let tally = &mut self.tally;
        tally.first_purchase = Some(tally.first_purchase.unwrap_or(line.occurred_at));
        tally.last_purchase = Some(line.occurred_at);
        tally.gross += line.amount;
        tally.discount += line.discount;
        tally.purchase_lines += 1;
        tally.purchase_units += line.quantity;
        tally.weekend_lines += u32::from(line.local.is_weekend());
        tally.evening_lines += u32::from(line.local.minute >= 18 * 60);
        if line.promotion.present().is_some() {
            tally.promoted += line.amount;
        }
        if let Some(spend) = tally.top_spend.get_mut(mark.top as usize) {
            *spend += line.amount;
        }
        count(&mut self.category_lines, mark.category, &mut tally.distinct_categories);
        let lines = count(&mut self.store_lines, mark.store, &mut tally.distinct_stores);
        tally.main_store_lines = tally.main_store_lines.max(lines);
        let lines = count(&mut self.channel_lines, mark.channel, &mut tally.distinct_channels);
        tally.main_channel_lines = tally.main_channel_lines.max(lines);
        self.add_product(line, mark);
        self.add_visit(line, mark.visit as usize);
    }

    fn add_product(&mut self, line: &HistoryLine, mark: &Mark) {
        let (tally, day) = (&mut self.tally, line.local.day);
        let Some(first) = self.products.get_mut(mark.product as usize) else {
            return;
        };
        if first.lines == 0 {
            tally.distinct_products += 1;
        }
        if first.lines == 0 || day < first.day {
            tally.first_day_lines -= first.lines;
            *first = FirstDay { day, lines: 0 };
        }
        if day == first.day {
            first.lines += 1;
            tally.first_day_lines += 1;
        }
    }

    fn add_visit(&mut self, line: &HistoryLine, place: usize) {
        let Some(visit) = self.visits.get_mut(place) else {
            return;
        };
        visit.spend += line.amount;
        visit.latest = line.occurred_at;
        if visit.has_purchase {
            return;
        }
        visit.has_purchase = true;
        self.tally.visits += 1;
        self.active = if self.active.is_empty() {
            place..place + 1
        } else {
            self.active.start.min(place)..self.active.end.max(place + 1)
        };
    }

    /// The tally of the lines added, with what depends on the date.
    pub(super) fn at(&self, as_of: Timestamp, allowed: ShortCuts) -> Tally {
        let mut tally = self.windows_at(as_of, allowed);
        self.measure_gaps(&mut tally);
        tally
    }

    /// The same once it is settled.
    pub(super) fn windows_at(&self, as_of: Timestamp, allowed: ShortCuts) -> Tally {
        let mut tally = self.tally.clone();
        let starts = WINDOWS.map(|days| as_of.plus_days(-days));
        self.measure_windows(&mut tally, &starts, allowed.sums_are_exact);
        self.count_window_visits(&mut tally, &starts, allowed.days_ascend);
        tally
    }

    /// Keeps only what [`Running::windows_at`] needs for dates after `known`, by which every line was
    /// known. No line can be added any more.
    pub(super) fn settle(&mut self, known: Timestamp) {
        let longest = WINDOWS.iter().max().copied().unwrap_or_default();
        let start = known.plus_days(-longest);
        let outside = self.steps.partition_point(|step| step.occurred_at < start);
        let visits = self.visits.get(self.active.clone()).unwrap_or_default().iter();
        let visits = visits.filter(|visit| visit.has_purchase && visit.latest >= start);
        let visits: Vec<Visit> = visits.copied().collect();
        let mut tally = self.tally.clone();
        self.measure_gaps(&mut tally);
        *self = Self {
            tally,
            active: 0..visits.len(),
            visits,
            steps: self.steps.get(outside..).unwrap_or_default().to_vec(),
            ..Self::default()
        };
    }

    fn measure_windows(&self, tally: &mut Tally, starts: &[Timestamp; WINDOWS.len()], exact: bool) {
        let mut steps = self.steps.as_slice();
        let now = (tally.spend, tally.units, tally.gross);
        for (index, (window, start)) in tally.windows.iter_mut().zip(starts).enumerate() {
            let outside = steps.partition_point(|step| step.occurred_at < *start);
            let inside = self.steps.get(outside..).unwrap_or_default();
            let (spend, units, gross) = if exact { since(inside, now) } else { summed(inside) };
            *window = Window { spend, units, visits: 0 };
            if index == RECENT {
                tally.recent_gross = gross;
            }
            // The next window is longer: it starts at or before this one.
            steps = steps.get(..outside).unwrap_or_default();
        }
    }

    fn count_window_visits(
        &self,
        tally: &mut Tally,
        starts: &[Timestamp; WINDOWS.len()],
        days_ascend: bool,
    ) {
        let longest = starts.last().copied().unwrap_or(Timestamp::MIN);
        let mut visits = [0_u32; WINDOWS.len()];
        for visit in self.visits.get(self.active.clone()).unwrap_or_default().iter().rev() {
            if !visit.has_purchase {
                continue;
            }
            if days_ascend && visit.latest < longest {
                break;
            }
            for (count, start) in visits.iter_mut().zip(starts) {
                *count += u32::from(visit.latest >= *start);
            }
        }
        for (window, visits) in tally.windows.iter_mut().zip(visits) {
            window.visits = visits;
        }
    }

    fn measure_gaps(&self, tally: &mut Tally) {
        let visits = self.visits.get(self.active.clone()).unwrap_or_default();
        let (Some(first), Some(last)) = (visits.first(), visits.last()) else {
            return;
        };
        // Gaps are whole days, so their sum in any order is the span. An empty sum has a sign of
        // its own, which is why one visit is summed too.
        let gaps = tally.visits.saturating_sub(1);
        let span = (gaps > 0).then(|| f64::from(last.day - first.day));
        let mean = span.map_or(0.0, |span| span / f64::from(gaps));
        let (mut squares, mut previous, mut largest) = (0.0, first.day, first.spend);
        for visit in visits.iter().skip(1).filter(|visit| visit.has_purchase) {
            squares += (f64::from(visit.day - previous) - mean).powi(2);
            previous = visit.day;
            largest = largest.max(visit.spend);
        }
        tally.active_span = span.into_iter().sum();
        tally.gap_mean = mean;
        tally.gap_deviation = if gaps > 0 { (squares / f64::from(gaps)).sqrt() } else { 0.0 };
        tally.largest_visit = largest;
    }
}

type Sums = (Money, Quantity, Money);

/// Spend, units and gross spend from the first of `steps` on, `now` being the sums of all lines.
fn since(steps: &[Step], now: Sums) -> Sums {
    let Some(first) = steps.first() else {
        return Sums::default();
    };
    let (spend, units, gross) = now;
    let units = Quantity::from_thousandths(units.thousandths() - first.units.thousandths());
    (spend - first.spend, units, gross - first.gross)
}

/// The same of steps that hold their own values, added in order because addition saturates.
fn summed(steps: &[Step]) -> Sums {
    steps.iter().fold(Sums::default(), |(spend, units, gross), step| {
        (spend + step.spend, units + step.units, gross + step.gross)
    })
}

fn refill<Value: Clone + Default>(values: &mut Vec<Value>, len: usize) {
    values.clear();
    values.resize(len, Value::default());
}

/// Counts a line at `place`, if it is one; returns the lines counted there.
fn count(lines: &mut [u32], place: u32, distinct: &mut u32) -> u32 {
    let Some(lines) = lines.get_mut(place as usize) else {
        return 0;
    };
    *distinct += u32::from(*lines == 0);
    *lines += 1;
    *lines
}
