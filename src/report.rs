//! One version of a model as a page that people read.
//!
//! [`Subject`] gathers what is known of a version; [`page`] tells it as one HTML file that needs
//! neither network nor script. What a version was registered without, because an earlier program
//! trained it, is left out, and the page says so.

mod drift;
mod error;
mod figure;
mod forecast;
mod lineage;
mod metrics;
mod page;
mod probability;
mod rfm;
mod segments;
mod subject;
mod summary;
#[cfg(test)]
mod tests;
mod words;

pub use self::error::ReportError;
pub use self::page::page;
pub use self::subject::{DriftPart, Subject};
