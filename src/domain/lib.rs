//! The domain of Patron: what is computed from transactions, without files, stores or networks.
//!
//! Lines become histories ([`transaction`]), histories become feature vectors ([`feature`]) and data
//! sets ([`dataset`]), models are fitted and predict ([`model`]), and [`metrics`] judges them.
//!
//! A crate of its own, so that it can be compiled in one piece: the loops of the learners are only
//! fast when the compiler sees all of them at once.

pub mod dataset;
pub mod feature;
pub mod metrics;
pub mod model;
pub mod transaction;
