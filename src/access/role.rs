//! What a caller may do.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One group of methods.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Ask models about customers and series.
    Predict,
    /// Look at models, jobs, features and customers.
    Read,
    /// Bring data in, train, score, cancel jobs.
    Train,
    /// Everything: move aliases, delete versions, erase customers.
    Admin,
}

/// A text that names no role.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected a role of predict, read, train, admin, found {found:?}")]
pub struct UnknownRole {
    /// What it was.
    pub found: String,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Predict, Self::Read, Self::Train, Self::Admin];

    /// Its name in files and tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Predict => "predict",
            Self::Read => "read",
            Self::Train => "train",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| UnknownRole { found: text.to_owned() })
    }
}

/// Roles of one caller.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Roles(u8);

impl Roles {
    /// All of them.
    pub fn all() -> Self {
        Role::ALL.into_iter().collect()
    }

    /// Whether the caller may do what `role` may: `admin` may do everything.
    pub fn allow(self, role: Role) -> bool {
        self.0 & (bit(role) | bit(Role::Admin)) != 0
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<T: IntoIterator<Item = Role>>(roles: T) -> Self {
        Self(roles.into_iter().fold(0, |bits, role| bits | bit(role)))
    }
}

fn bit(role: Role) -> u8 {
    1 << role as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_admin_may_do_more_than_its_name_says() {
        let reader: Roles = [Role::Read].into_iter().collect();
        let admin: Roles = [Role::Admin].into_iter().collect();
        for role in Role::ALL {
            assert_eq!(reader.allow(role), role == Role::Read, "{role}");
            assert!(admin.allow(role) && Roles::all().allow(role), "{role}");
            assert!(!Roles::default().allow(role), "{role}");
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert!("root".parse::<Role>().unwrap_err().to_string().contains("predict, read"));
    }
}
