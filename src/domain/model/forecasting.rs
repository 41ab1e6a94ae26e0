//! Forecasts of a panel of series: members, their weighted combination, and intervals that were
//! checked against the past.

mod answer;
mod autoregression;
mod backtest;
mod boosting;
mod candidate;
mod conformal;
mod correction;
mod decomposition;
mod effects;
#[cfg(test)]
mod effects_tests;
mod ets;
mod fallback;
mod guard;
mod intermittent;
mod lag_rows;
mod linear;
mod member;
mod model;
mod panel;
mod prepare;
#[cfg(test)]
mod properties;
mod reconcile;
mod regression;
mod regressors;
mod search;
mod season;
mod seasonal;
mod settings;
mod shrinkage;
mod sums;
#[cfg(test)]
mod tests;
mod theta;
mod weighing;
mod weights;

pub use self::answer::{BacktestReport, Components, Interval, MemberReport, Width};
pub use self::boosting::PooledBoosting;
pub use self::conformal::IntervalSource;
pub use self::decomposition::Decomposition;
pub use self::effects::{CannotTell, Effect, EffectOutcome, Estimate, Uplift};
pub use self::fallback::Fallback;
pub use self::member::Member;
pub use self::panel::{Calibration, Inputs, PanelFit, fit_panel, fit_panel_from, fit_panel_with};
pub use self::reconcile::{Constraint, Hierarchy, NodeErrors};
pub use self::regressors::Regressors;
pub use self::settings::{Control, ExternalMember, ForecastError, Method, NoControl, Settings};
pub use self::theta::Theta;
