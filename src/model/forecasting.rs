//! Forecasts of a panel of series: members, their weighted combination, and intervals that were
//! checked against the past.

mod answer;
mod autoregression;
mod backtest;
mod conformal;
mod decomposition;
mod ets;
mod fallback;
mod guard;
mod intermittent;
mod linear;
mod member;
mod model;
mod panel;
mod prepare;
#[cfg(test)]
mod properties;
mod reconcile;
mod search;
mod season;
mod seasonal;
mod settings;
mod sums;
#[cfg(test)]
mod tests;
mod theta;
mod weights;

pub use self::answer::{BacktestReport, Components, Interval, MemberReport};
pub use self::conformal::IntervalSource;
pub use self::decomposition::Decomposition;
pub use self::fallback::Fallback;
pub use self::member::Member;
pub use self::panel::{Calibration, PanelFit, fit_panel, fit_panel_with};
pub use self::reconcile::{Constraint, Hierarchy, NodeErrors};
pub use self::settings::{Control, ExternalMember, ForecastError, Method, NoControl, Settings};
pub use self::theta::Theta;
