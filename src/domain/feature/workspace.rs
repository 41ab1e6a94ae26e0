//! What the computation needs besides the history, kept from one history to the next.

use crate::transaction::{HistoryLine, ShopClock, Timestamp};

use super::compute::{Features, Season};
use super::marks::{Marks, ShortCuts, TakenBack};
use super::numbering::ABSENT;
use super::running::Running;
use super::tally::Tally;

/// Tables for [`Features::append_at`]; they grow to the longest history and are then reused, so
/// that a history costs no allocation.
///
/// A workspace carries nothing from one call to the next that could be seen in a result: the same
/// one serves any history and any [`Features`]. One per thread is enough.
#[derive(Clone, Debug, Default)]
pub struct Workspace {
    pub(super) sweep: Sweep,
    pub(super) calendar: Calendar,
}

/// One history on its way through ascending dates.
#[derive(Clone, Debug, Default)]
pub(super) struct Sweep {
    marks: Marks,
    taken_back: TakenBack,
    running: Running,
    /// How many lines from the first one `running` holds; `None` when it holds a selection.
    counted: Option<usize>,
}

impl Sweep {
    /// Turns to another history.
    pub(super) fn start(&mut self, lines: &[HistoryLine], features: &Features) {
        self.marks.set(lines, |line| features.top_rank_of(line));
        self.counted = None;
    }

    /// Counts `lines`, the whole of a history, as they are at all dates after the one in `known`, the
    /// last at which anything became known; `None` when a sum may saturate.
    pub(super) fn settle(lines: &[HistoryLine]) -> Option<Settling> {
        let mut sweep = Self::default();
        sweep.marks.set(lines, |_| ABSENT);
        if !sweep.marks.allowed.sums_are_exact {
            return None;
        }
        sweep.select(lines, Timestamp::MAX);
        let known = lines.iter().map(|line| {
            let ended = if line.is_current() { Timestamp::MIN } else { line.superseded_at };
            line.occurred_at.max(line.recorded_at).max(ended)
        });
        Some(Settling { known: known.max(), sweep })
    }

    /// What `lines`, the history given to [`Sweep::start`], amount to as of a date.
    ///
    /// Any order of dates gives the same tallies; the ascending one is the cheapest, because each
    /// date then goes on from the one before.
    pub(super) fn tally(&mut self, lines: &[HistoryLine], as_of: Timestamp) -> Tally {
        match self.visible_front(lines, as_of) {
            Some(end) => self.advance(lines, end),
            None => self.select(lines, as_of),
        }
        self.running.at(as_of, self.marks.allowed)
    }

    /// How many lines from the first one are visible, when these are all and none cancels an order.
    fn visible_front(&self, lines: &[HistoryLine], as_of: Timestamp) -> Option<usize> {
        let end = if self.marks.known_in_order {
            lines.partition_point(|line| line.occurred_at.max(line.recorded_at) < as_of)
        } else {
            let end = lines.iter().take_while(|line| line.is_visible(as_of)).count();
            let mut rest = lines.iter().skip(end).take_while(|line| line.occurred_at < as_of);
            if rest.any(|line| line.is_visible(as_of)) {
                return None;
            }
            end
        };
        (end <= self.marks.before_cancels).then_some(end)
    }

    fn advance(&mut self, lines: &[HistoryLine], end: usize) {
        let start = match self.counted {
            Some(counted) if counted <= end => counted,
            _ => {
                self.running.reset(&self.marks);
                0
            }
        };
        let exact = self.marks.allowed.sums_are_exact;
        let new = lines.iter().zip(&self.marks.lines).take(end).skip(start);
        for (line, mark) in new {
            self.running.add(line, mark, line.is_purchase(), exact);
        }
        self.counted = Some(end);
    }

    fn select(&mut self, lines: &[HistoryLine], as_of: Timestamp) {
        self.taken_back.set(lines, &self.marks, as_of);
        self.running.reset(&self.marks);
        let exact = self.marks.allowed.sums_are_exact;
        let happened = lines.iter().take_while(|line| line.occurred_at < as_of);
        for (line, mark) in happened.zip(&self.marks.lines) {
            if line.is_visible(as_of) {
                let is_purchase = line.is_purchase() && !self.taken_back.holds(mark);
                self.running.add(line, mark, is_purchase, exact);
            }
        }
        self.counted = None;
    }
}

/// A history counted to its end.
pub(super) struct Settling {
    pub(super) known: Option<Timestamp>,
    sweep: Sweep,
}

impl Settling {
    /// Those of `lines`, which were counted, that are purchases.
    pub(super) fn purchases<'a>(
        &'a self,
        lines: &'a [HistoryLine],
    ) -> impl Iterator<Item = &'a HistoryLine> {
        let Sweep { marks, taken_back, .. } = &self.sweep;
        let lines = lines.iter().zip(&marks.lines).filter(|(line, mark)| {
            line.is_current() && line.is_purchase() && !taken_back.holds(mark)
        });
        lines.map(|(line, _)| line)
    }

    pub(super) fn finish(self) -> (Running, ShortCuts) {
        let Sweep { mut running, marks, .. } = self.sweep;
        running.settle(self.known.unwrap_or(Timestamp::MIN));
        (running, marks.allowed)
    }
}

/// The dates of one call in ascending order, and the seasons of the last ones asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Calendar {
    /// Each date and the row it belongs to.
    pub(super) dates: Vec<(Timestamp, usize)>,
    seasons: Vec<Season>,
}

impl Calendar {
    /// Takes the dates of a call, which may come in any order.
    pub(super) fn set(&mut self, as_ofs: &[Timestamp]) {
        self.dates.clear();
        self.dates.extend(as_ofs.iter().copied().zip(0..));
        if !as_ofs.is_sorted() {
            self.dates.sort_unstable();
        }
        self.seasons.resize(as_ofs.len(), Season::default());
    }

    /// Each date in ascending order, its row and its season.
    pub(super) fn iter(
        &mut self,
        clock: &ShopClock,
    ) -> impl Iterator<Item = (Timestamp, usize, Season)> {
        self.dates.iter().zip(&mut self.seasons).map(|((as_of, row), season)| {
            season.turn_to(clock.local(*as_of).day);
            (*as_of, *row, *season)
        })
    }
}
