//! What the lines of one history have in common, found out once for all dates.

use crate::transaction::{HistoryLine, OrderKey, Quantity, Symbol, Timestamp};

use super::numbering::{ABSENT, Numbering};

/// The places of one line's day, texts and order in flat tables; [`ABSENT`] where it has none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) visit: u32,
    pub(super) product: u32,
    pub(super) category: u32,
    pub(super) store: u32,
    pub(super) channel: u32,
    /// Rank among the schema's top categories or products.
    pub(super) top: u32,
    /// Place of the line's order among the orders that some line cancels.
    pub(super) order: u32,
}

/// The marks of one history's lines, and which short cuts the history allows.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    pub(super) lines: Vec<Mark>,
    /// The days of all lines, ascending, each once; [`Mark::visit`] counts from the first.
    pub(super) days: Vec<i32>,
    pub(super) products: Numbering,
    pub(super) categories: Numbering,
    pub(super) stores: Numbering,
    pub(super) channels: Numbering,
    /// The orders that some line cancels, ascending.
    pub(super) cancelled: Vec<OrderKey>,
    /// How many lines come before the first that cancels an order.
    pub(super) before_cancels: usize,
    /// The lines became known in their order and none was corrected, so that those visible at any
    /// date stand before all others.
    pub(super) known_in_order: bool,
    pub(super) allowed: ShortCuts,
}

/// Short cuts that the lines of a history allow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ShortCuts {
    /// No line has a day before that of an earlier line.
    pub(super) days_ascend: bool,
    /// No sum of any of the lines can saturate, so that sums may be taken apart again.
    pub(super) sums_are_exact: bool,
}

impl Marks {
    /// Marks `lines`, which are the whole of one history in its order; `top` gives the rank among
    /// the schema's top categories or products.
    pub(super) fn set(&mut self, lines: &[HistoryLine], top: impl Fn(&HistoryLine) -> u32) {
        self.start(lines.len());
        let (mut money, mut units) = (0_u64, 0_u64);
        let mut known = Timestamp::MIN;
        for (place, line) in lines.iter().enumerate() {
            let known_at = line.occurred_at.max(line.recorded_at);
            self.known_in_order &= known_at >= known && line.is_current();
            known = known_at;
            money = money.saturating_add(line.amount.micros().unsigned_abs());
            units = units.saturating_add(line.quantity.thousandths().unsigned_abs());
            if line.cancels != OrderKey::NONE {
                self.before_cancels = self.before_cancels.min(place);
                self.cancelled.push(line.cancels);
            }
            let mark = self.mark(line, top(line));
            self.lines.push(mark);
        }
        self.allowed.sums_are_exact = money.max(units) <= i64::MAX as u64;
        if !self.allowed.days_ascend {
            self.sort_days(lines);
        }
        if !self.cancelled.is_empty() {
            self.mark_orders(lines);
        }
    }

    fn start(&mut self, lines: usize) {
        self.lines.clear();
        self.days.clear();
        self.cancelled.clear();
        self.before_cancels = usize::MAX;
        self.allowed.days_ascend = true;
        self.known_in_order = true;
        for numbering in
            [&mut self.products, &mut self.categories, &mut self.stores, &mut self.channels]
        {
            numbering.start(lines);
        }
    }

    fn mark(&mut self, line: &HistoryLine, top: u32) -> Mark {
        let day = line.local.day;
        match self.days.last() {
            Some(last) if *last == day => {}
            last => {
                self.allowed.days_ascend &= last.is_none_or(|last| *last < day);
                self.days.push(day);
            }
        }
        let number = |numbering: &mut Numbering, text: Symbol| {
            text.present().map_or(ABSENT, |symbol| numbering.number(symbol.raw()))
        };
        Mark {
            visit: self.days.len() as u32 - 1,
            product: self.products.number(line.product.raw()),
            category: number(&mut self.categories, line.category),
            store: number(&mut self.stores, line.store),
            channel: number(&mut self.channels, line.channel),
            top,
            order: ABSENT,
        }
    }

    fn sort_days(&mut self, lines: &[HistoryLine]) {
        self.days.sort_unstable();
        self.days.dedup();
        for (mark, line) in self.lines.iter_mut().zip(lines) {
            mark.visit = place_of(&self.days, &line.local.day);
        }
    }

    fn mark_orders(&mut self, lines: &[HistoryLine]) {
        self.cancelled.sort_unstable();
        self.cancelled.dedup();
        for (mark, line) in self.lines.iter_mut().zip(lines) {
            mark.order = place_of(&self.cancelled, &line.order);
        }
    }
}

/// The orders whose units were all taken back by cancellation lines that name them.
#[derive(Clone, Debug, Default)]
pub(super) struct TakenBack {
    /// Units left of each order of [`Marks::cancelled`]; `None` when no visible line cancels it.
    units: Vec<Option<Quantity>>,
}

impl TakenBack {
    /// Finds them as of a date.
    pub(super) fn set(&mut self, lines: &[HistoryLine], marks: &Marks, as_of: Timestamp) {
        self.units.clear();
        self.units.resize(marks.cancelled.len(), None);
        let happened = lines.partition_point(|line| line.occurred_at < as_of);
        for line in lines.iter().take(happened).skip(marks.before_cancels) {
            if line.cancels != OrderKey::NONE && line.is_visible(as_of) {
                let place = place_of(&marks.cancelled, &line.cancels);
                if let Some(units) = self.units.get_mut(place as usize) {
                    *units = Some(units.unwrap_or_default() + line.quantity);
                }
            }
        }
        for (line, mark) in lines.iter().zip(&marks.lines).take(happened) {
            if let Some(Some(units)) = self.units.get_mut(mark.order as usize)
                && line.is_visible(as_of)
            {
                *units += line.quantity;
            }
        }
    }

    /// Whether the order of a line with this mark is one of them.
    pub(super) fn holds(&self, mark: &Mark) -> bool {
        let units = self.units.get(mark.order as usize).copied().flatten();
        units.is_some_and(|units| units <= Quantity::ZERO)
    }
}

fn place_of<Value: Ord>(sorted: &[Value], value: &Value) -> u32 {
    sorted.binary_search(value).map_or(ABSENT, |place| place as u32)
}
