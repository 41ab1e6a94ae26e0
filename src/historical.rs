//! Features of all customers at past dates: the input of trainings, and files for others.
//!
//! Whatever the histories come from, the store or transaction files, they pass by once, on several
//! threads, and the result depends on the data alone.

mod export;
mod schema;

pub use self::export::{Export, ExportError, ExportResult};
pub use self::schema::fit_schema;
