//! The caller of a request.

use std::fmt;
use std::sync::Arc;

use super::api_key::KeyId;
use super::rate::{Budget, Exceeded};
use super::role::{Role, Roles};

/// How callers showed who they are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Credential {
    /// Nothing was asked of them.
    None,
    /// An API key.
    Key(KeyId),
    /// A signed token.
    Token,
    /// A certificate of their own.
    Certificate,
}

/// Who calls. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Principal {
    name: Arc<str>,
    credential: Credential,
    roles: Roles,
    budget: Option<Arc<Budget>>,
}

impl Principal {
    /// A caller who showed a credential.
    pub(super) fn new(name: Arc<str>, credential: Credential, roles: Roles) -> Self {
        Self { name, credential, roles, budget: None }
    }

    /// A caller of a server that asks for no credentials: may do everything. A certificate that was
    /// asked for on connecting names them.
    pub fn unchecked(certificate_names: &[Arc<str>]) -> Self {
        let (name, credential) = match certificate_names.first() {
            Some(name) => (Arc::clone(name), Credential::Certificate),
            None => (Arc::from("anyone"), Credential::None),
        };
        Self::new(name, credential, Roles::all())
    }

    /// The same caller, whose calls and rows are counted.
    pub(super) fn limited(mut self, budget: Option<Arc<Budget>>) -> Self {
        self.budget = budget;
        self
    }

    /// Their name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Their name, without a copy.
    pub(super) fn shared_name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether they may do what `role` may.
    pub fn may(&self, role: Role) -> bool {
        self.roles.allow(role)
    }

    /// Counts a call.
    ///
    /// # Errors
    /// When there were too many lately.
    pub fn take_call(&self) -> Result<(), Exceeded> {
        self.budget.as_ref().map_or(Ok(()), |budget| budget.take_call())
    }

    /// Counts the rows of a question.
    ///
    /// # Errors
    /// When there were too many lately.
    pub fn take_rows(&self, rows: usize) -> Result<(), Exceeded> {
        self.budget.as_ref().map_or(Ok(()), |budget| budget.take_rows(rows))
    }
}

/// For the audit: the name, and how it was shown.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.credential {
            Credential::None => write!(f, "{}", self.name),
            Credential::Key(id) => write!(f, "{} (key {id})", self.name),
            Credential::Token => write!(f, "{} (token)", self.name),
            Credential::Certificate => write!(f, "{} (certificate)", self.name),
        }
    }
}
