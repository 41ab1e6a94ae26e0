//! What becomes of an order: late recording, cancellation, returns, corrections, dirty rows.

use crate::transaction::MICROS_PER_DAY;

use super::calendar::{Calendar, Day};
use super::line::{Counts, Flaw, Kind, Line, OrderNumber};
use super::orders::{LONGEST_RETURN, World};
use super::parameters::Parameters;
use super::random::Stream;

const SECOND: i64 = 1_000_000;
/// Longest delay of a late order.
const LONGEST_DELAY: f64 = 30.0;
/// Share of returned lines that come back with all their units.
const WHOLE_LINE: f64 = 0.8;

/// Takes the lines of an order and writes them with all that follows.
pub(super) struct Aftermath<'a> {
    pub(super) world: &'a World<'a>,
    /// First instants of the hours from the Monday of the order's week.
    pub(super) instants: &'a [i64],
    pub(super) stream: &'a mut Stream,
    pub(super) lines: &'a mut Vec<Line>,
    pub(super) counts: &'a mut Counts,
}

/// A line and what it will have become.
struct Fate {
    returned: i32,
    correction: Option<Line>,
}

impl Aftermath<'_> {
    /// Writes an order and what follows; says whether `number` was used for what comes back.
    pub(super) fn follow(
        &mut self,
        order: &[Line],
        day: usize,
        propensity: f64,
        number: OrderNumber,
    ) -> bool {
        self.counts.orders += 1;
        let is_cancelled = self.stream.chance(self.world.parameters.cancellation);
        let mean = self.world.parameters.return_delay / if is_cancelled { 3.0 } else { 1.0 };
        let back = self.back(order.first(), day, mean, number);
        let mut returned = 0;
        for line in order {
            let fate = match (back, is_cancelled) {
                (Some(_), true) => Fate { returned: line.quantity, correction: None },
                (back, _) => self.fate(line, propensity, back.is_some() && !is_cancelled),
            };
            self.write(line, None);
            if let Some(correction) = fate.correction {
                self.write(&correction, Some(line));
            }
            if let Some(header) = back.filter(|_| fate.returned > 0) {
                returned += 1;
                let cancels = is_cancelled.then_some(line.order);
                self.take_back(line, Line { number: returned, cancels, ..header }, fate.returned);
            }
        }
        self.counts.orders += u64::from(returned > 0);
        returned > 0
    }

    /// Whether a line comes back or is corrected. A line that comes back is not corrected.
    fn fate(&mut self, line: &Line, propensity: f64, may_return: bool) -> Fate {
        let product = self.world.shop.products.get(line.product as usize);
        let category = product.and_then(|p| self.world.shop.categories.get(p.category));
        let rate = category.map_or(0.0, |category| category.return_rate);
        if self.stream.chance((propensity * rate).min(0.9)) && may_return {
            let some = 1 + self.stream.below(line.quantity as usize) as i32;
            let returned = if self.stream.chance(WHOLE_LINE) { line.quantity } else { some };
            return Fate { returned, correction: None };
        }
        let is_corrected = self.stream.chance(self.world.parameters.corrected);
        Fate { returned: 0, correction: is_corrected.then(|| self.corrected(line)) }
    }

    /// The same line with another quantity or price, recorded days later.
    fn corrected(&mut self, line: &Line) -> Line {
        let days = 1 + self.stream.below(self.world.parameters.correction_days as usize) as i64;
        let seconds = self.stream.below(86_400) as i64;
        let recorded_at = line.recorded_at + days * MICROS_PER_DAY + seconds * SECOND;
        let mut correction = Line { recorded_at, kind: Kind::Correction, ..*line };
        if self.stream.chance(0.5) {
            let is_less = line.quantity > 1 && self.stream.chance(0.5);
            correction.quantity += if is_less { -1 } else { 1 };
        } else {
            let cut = 0.8 + 0.15 * self.stream.uniform();
            correction.unit_price = (f64::from(line.unit_price) * cut).floor() as i32;
        }
        let share = ratio(correction.quantity, line.quantity)
            * ratio(correction.unit_price, line.unit_price);
        correction.discount = (f64::from(line.discount) * share).round() as i32;
        correction
    }

    /// The common part of what comes back some days later, unless that is after the period.
    fn back(
        &mut self,
        first: Option<&Line>,
        day: usize,
        mean: f64,
        number: OrderNumber,
    ) -> Option<Line> {
        let sale = first?;
        let days = 1 + (mean * self.stream.exponential()) as usize;
        let is_late = self.stream.chance(self.world.parameters.late);
        let recorded_after = delay(is_late, self.world.parameters, self.stream);
        let from = day + days.min(LONGEST_RETURN);
        let (day, date) = open_day(self.world.calendar, sale.order.week(), from)?;
        let (hour, second) = self.world.hours.draw(sale.channel, date, self.stream);
        let occurred_at = self.instants.get(day * 24 + hour)? + second * SECOND;
        Some(Line {
            occurred_at,
            // Nothing comes back on record before it was sold on record.
            recorded_at: (occurred_at + recorded_after).max(sale.recorded_at + 60 * SECOND),
            order: number,
            kind: Kind::Return,
            ..*sale
        })
    }

    /// Some units of a line come back with their part of the discount.
    fn take_back(&mut self, line: &Line, header: Line, quantity: i32) {
        let discount = f64::from(line.discount) * ratio(quantity, line.quantity);
        let kind = if header.cancels.is_some() { Kind::Cancellation } else { Kind::Return };
        let back = Line {
            product: line.product,
            quantity: -quantity,
            unit_price: line.unit_price,
            discount: discount.round() as i32,
            is_promotion: line.is_promotion,
            kind,
            ..header
        };
        self.write(&back, None);
    }

    /// Writes a row, and now and then a broken copy of it.
    fn write(&mut self, line: &Line, corrects: Option<&Line>) {
        self.put(*line, corrects);
        let dirty = self.world.plan.dirty;
        if dirty > 0.0 && self.stream.chance(dirty / (1.0 - dirty)) {
            let position = self.stream.below(Flaw::ALL.len());
            self.put(Line { flaw: Flaw::ALL.get(position).copied(), ..*line }, None);
        }
    }

    fn put(&mut self, line: Line, corrects: Option<&Line>) {
        self.counts.add(&line, corrects);
        self.lines.push(line);
    }
}

/// Time from an order to its record, in microseconds: up to two minutes, or days where it is late.
pub(super) fn delay(is_late: bool, parameters: &Parameters, stream: &mut Stream) -> i64 {
    let seconds = 1 + stream.below(120) as i64;
    if !is_late {
        return seconds * SECOND;
    }
    let days = (1.0 + parameters.late_delay * stream.exponential()).min(LONGEST_DELAY);
    seconds * SECOND + (days * 86_400.0) as i64 * SECOND
}

/// The first open day from `day` on, counted from the Monday of `week`.
fn open_day(calendar: &Calendar, week: usize, day: usize) -> Option<(usize, &Day)> {
    let at = |day: usize| {
        let date = calendar.weeks.get(week + day / 7)?.days.get(day % 7)?;
        Some((day, date))
    };
    (day..day + 3).filter_map(at).find(|(_, date)| date.factor > 0.0)
}

fn ratio(part: i32, whole: i32) -> f64 {
    f64::from(part) / f64::from(whole.max(1))
}
