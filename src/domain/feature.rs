//! One pure function from a purchase history to a feature vector.
//!
//! [`Features::of`] is the only definition of the features. Serving calls it for one customer at
//! now, training for all customers at past dates, scoring for all at one date; so online and
//! offline cannot disagree, and a line known at or after the as-of date cannot be seen.
//! [`Features::append_at`] is the same function for many dates of one history, with a
//! [`Workspace`] that is kept from one history to the next.

mod compute;
mod definition;
mod marks;
mod numbering;
mod running;
mod schema;
mod settled;
mod tally;
mod workspace;

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod oracle;

pub use self::compute::Features;
pub use self::definition::{Definition, Unit, definitions};
pub use self::schema::{FeatureSchema, TOP_CATEGORIES};
pub use self::settled::Settled;
pub use self::workspace::Workspace;
