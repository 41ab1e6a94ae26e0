//! Bringing a series into the form that models get: since its first sale, of about unit size.

use serde::{Deserialize, Serialize};

use super::fallback::Fallback;
use super::member::Member;
use super::settings::{Method, Settings};

/// Fewest values for more than simple exponential smoothing.
const FEWEST_VALUES: usize = 6;
/// Larger shares of zeros are intermittent demand.
const INTERMITTENT: f64 = 0.3;

/// Which members suit a series.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum Kind {
    /// Zeros are rare.
    Regular,
    /// Over 30 % zeros.
    Intermittent,
    /// Fewer than six values.
    Few,
}

impl Kind {
    /// The members, those that forecast elsewhere last.
    pub(super) fn members(self, method: Method, elsewhere: &[Member]) -> Vec<Member> {
        let mut members = match (self, method) {
            // Where it says nothing, simple exponential smoothing stands behind it.
            (_, Method::Single(Member::External | Member::Boosting)) => vec![Member::Simple],
            (Self::Few, Method::Ensemble) => return vec![Member::Simple],
            (_, Method::Single(member)) => return vec![member],
            (Self::Regular, Method::Ensemble) => {
                vec![
                    Member::Theta,
                    Member::Ets,
                    Member::Damped,
                    Member::Ces,
                    Member::Autoregression,
                    Member::SeasonalNaive,
                ]
            }
            (Self::Intermittent, Method::Ensemble) => {
                vec![Member::Simple, Member::AdditiveEts, Member::Imapa, Member::Tsb]
            }
        };
        match method {
            Method::Ensemble => members.extend(elsewhere),
            Method::Single(single) => {
                members.extend(elsewhere.iter().filter(|member| **member == single));
            }
        }
        members
    }
}

/// A series as models get it.
#[derive(Debug)]
pub(super) struct Prepared<'a> {
    /// The values since the first sale, in the caller's unit.
    given: &'a [f64],
    /// Zeros before the first value that are left out.
    pub(super) skipped: usize,
    /// What the values were divided by, a power of two.
    pub(super) unit: f64,
    pub(super) kind: Kind,
    pub(super) fallbacks: Vec<Fallback>,
}

impl<'a> Prepared<'a> {
    pub(super) fn new(given: &'a [f64], settings: &Settings) -> Self {
        let mut fallbacks = Vec::new();
        let values = since_first_sale(given);
        let count = values.len();
        let season_length = settings.season_length();
        let ensemble = settings.method == Method::Ensemble;
        let zeros = values.iter().filter(|value| **value == 0.0).count() as f64;
        let kind = if count < FEWEST_VALUES {
            Kind::Few
        } else if zeros > INTERMITTENT * count as f64 {
            Kind::Intermittent
        } else {
            Kind::Regular
        };
        if count < given.len() {
            fallbacks.push(Fallback::NotYetSold { periods: given.len() - count });
        }
        if values.iter().all(|value| *value == 0.0) {
            fallbacks.push(Fallback::NothingSold);
        } else if values.iter().all(|value| Some(value) == values.first()) {
            fallbacks.push(Fallback::Constant);
        }
        match kind {
            Kind::Few if ensemble => fallbacks.push(Fallback::FewValues { found: count }),
            Kind::Intermittent if ensemble => fallbacks.push(Fallback::Intermittent),
            _ if season_length > 1 && count < 2 * season_length => {
                fallbacks.push(Fallback::FewSeasons { season_length });
            }
            _ => {}
        }
        let unit = unit(values);
        let skipped = given.len() - count;
        Self { given: values, skipped, unit, kind, fallbacks }
    }

    /// How many values there are.
    pub(super) fn count(&self) -> usize {
        self.given.len()
    }

    /// The values from one on, over the unit.
    pub(super) fn from(&self, first: usize) -> impl Iterator<Item = f64> {
        self.given.iter().skip(first).map(|value| value / self.unit)
    }

    /// The values over the unit. They are not kept: a panel is too large to have twice.
    pub(super) fn values(&self) -> Vec<f64> {
        self.from(0).collect()
    }
}

/// Leading zeros mean "not yet sold". A series of zeros alone stays as it is.
fn since_first_sale(values: &[f64]) -> &[f64] {
    let first = values.iter().position(|value| *value != 0.0);
    values.get(first.unwrap_or(0)..).unwrap_or(values)
}

/// A power of two near the largest value: dividing by it is exact, and no square of any finite
/// value overflows afterwards.
fn unit(values: &[f64]) -> f64 {
    let largest = values.iter().fold(0.0_f64, |size, value| size.max(value.abs()));
    if largest > 0.0 { 2.0_f64.powf(largest.log2().floor().clamp(-1000.0, 1000.0)) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(values: &[f64]) -> Prepared<'_> {
        let settings = Settings {
            horizon: 3,
            season_lengths: vec![4],
            non_negative: true,
            method: Method::Ensemble,
        };
        Prepared::new(values, &settings)
    }

    #[test]
    fn leading_zeros_are_not_yet_sold() {
        let found = prepared(&[0.0, 0.0, 3.0, 0.0]);
        assert_eq!((found.values(), found.unit), (vec![1.5, 0.0], 2.0));
        let few = Fallback::FewValues { found: 2 };
        assert_eq!(found.fallbacks, [Fallback::NotYetSold { periods: 2 }, few]);
        assert_eq!(prepared(&[0.0; 9]).fallbacks, [Fallback::NothingSold, Fallback::Intermittent]);
        assert_eq!(prepared(&[]).count(), 0);
    }

    #[test]
    fn zeros_and_counts_decide_the_kind() {
        let mut values = [5.0; 20];
        assert_eq!(prepared(&values).kind, Kind::Regular);
        assert_eq!(prepared(&values).fallbacks, [Fallback::Constant]);
        values[10..16].fill(0.0);
        assert_eq!(prepared(&values).kind, Kind::Regular);
        values[16] = 0.0;
        assert_eq!(prepared(&values).kind, Kind::Intermittent);
        assert_eq!(prepared(&values[..5]).kind, Kind::Few);
        let season = Fallback::FewSeasons { season_length: 4 };
        assert_eq!(prepared(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]).fallbacks, [season]);
    }

    #[test]
    fn extreme_values_become_unit_size() {
        for largest in [5e-324, 1e-300, 1e-12, 1.0, 1e12, f64::MAX] {
            let values = [largest, -largest / 2.0];
            let found = prepared(&values);
            assert!(found.from(0).all(|v| v.is_finite() && v.abs() < 2e8), "{largest}");
            assert_eq!(found.values()[0] * found.unit, largest);
        }
    }
}
