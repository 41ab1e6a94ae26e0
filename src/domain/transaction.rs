//! What a shop sold: transaction lines, exact amounts, and a customer's history.
//!
//! Nothing in here knows about files, databases or the wire. A [`TransactionLine`] is what came
//! in, checked; a [`HistoryLine`] is the compact form that features are computed from.

mod amount;
mod customer_id;
mod history;
mod import_report;
mod line;
mod line_ref;
mod source;
mod symbol;
mod time;

pub use self::amount::{InvalidDecimal, Money, Quantity};
pub use self::customer_id::{CustomerId, InvalidCustomerId};
pub use self::history::{CustomerHistory, HistoryLine, OrderKey};
pub use self::import_report::{ImportReport, Refusal, ReportBuilder, StoreOutcome};
pub use self::line::{
    InvalidLine, LineDraft, LineIdentity, OccurrenceCounter, TEXT_LIMIT, TransactionLine,
};
pub use self::line_ref::LineRef;
pub use self::source::HistorySource;
pub use self::symbol::{Symbol, SymbolTable};
pub use self::time::{InvalidTime, LocalTime, MICROS_PER_DAY, ShopClock, Timestamp};
