//! What is known of one numbered line: the versions that came, and when.

/// The versions of one numbered line, each by a print of what it says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Versions {
    /// Nearly always there is one.
    first: Option<(u128, i64)>,
    others: Vec<(u128, i64)>,
    last: u128,
}

impl Versions {
    /// Adds a version that became known at `recorded_at`; it is the current one until the next.
    pub(super) fn push(&mut self, print: u128, recorded_at: i64) {
        match self.first {
            None => self.first = Some((print, recorded_at)),
            Some(_) => self.others.push((print, recorded_at)),
        }
        self.last = print;
    }

    /// Makes a version that was added the current one.
    pub(super) fn end_with(&mut self, print: u128) {
        self.last = print;
    }

    /// Whether a version that comes now changes nothing. That is so when it says what the current
    /// one says. It is also so when it says what an earlier one said, since senders may send again;
    /// unless its source tells that it became known later than that one (`told`): then the line was
    /// corrected back.
    pub(super) fn has(&self, print: u128, told: Option<i64>) -> bool {
        let mut known = self.first.iter().chain(&self.others);
        known.any(|(known, recorded_at)| {
            *known == print && (print == self.last || told.is_none_or(|told| told <= *recorded_at))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_came_before_changes_nothing_unless_it_was_known_later() {
        let mut versions = Versions::default();
        assert!(!versions.has(1, None));
        versions.push(1, 10);
        versions.push(2, 20);
        // Sent again, with the time it had or by a sender that tells none.
        assert!(versions.has(1, Some(10)) && versions.has(1, None) && versions.has(2, Some(99)));
        // Corrected back.
        assert!(!versions.has(1, Some(30)));
        versions.push(1, 30);
        assert!([(1, 10), (2, 20), (1, 30)].iter().all(|(p, at)| versions.has(*p, Some(*at))));
        assert!(!versions.has(2, Some(31)));
    }
}
