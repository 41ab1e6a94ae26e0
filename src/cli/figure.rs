//! Numbers for people.

pub(super) use crate::readable::{count, figure, metric, percent};
