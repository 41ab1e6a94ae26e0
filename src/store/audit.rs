//! The audit trail: who changed what, without personal data.

use crate::transaction::Timestamp;

/// A change to be written down.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Change<'a> {
    /// Who asked for it.
    pub who: &'a str,
    /// What was done, such as `alias.set` or `customer.erase`.
    pub action: &'a str,
    /// To what: a model's name, or the hash of a customer's key.
    pub subject: &'a str,
    /// More, in words.
    pub detail: &'a str,
}

/// A change that was written down.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who asked for it; empty in entries of programs that did not ask.
    pub who: String,
    /// What was done, such as `alias.set` or `customer.erase`.
    pub action: String,
    /// To what: a model's name, or the hash of a customer's key.
    pub subject: String,
    /// More, in words.
    pub detail: String,
}
