//! The audit trail: who changed what, without personal data.

use crate::transaction::Timestamp;

/// One change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// What was done, such as `alias.set` or `customer.erase`.
    pub action: String,
    /// To what: a model's name, or the hash of a customer's key.
    pub subject: String,
    /// More, in words.
    pub detail: String,
}
