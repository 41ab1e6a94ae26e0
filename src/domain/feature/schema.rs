//! What makes two feature vectors comparable: the definitions and what was fitted on the data set.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::transaction::{InvalidTime, ShopClock};

use super::definition::definitions;

/// How many of the data set's top categories have a share of their own.
pub const TOP_CATEGORIES: usize = 5;

/// Bumped whenever a definition changes its meaning under the same name.
const SCHEMA_VERSION: u32 = 1;

/// The features of one data set: fixed definitions, the shop's time zone and its top categories.
///
/// A model stores the digest of the schema it was trained on, and a vector of another schema is
/// refused.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureSchema {
    version: u32,
    time_zone: String,
    top_attribute: String,
    top_values: Vec<String>,
}

impl FeatureSchema {
    /// A schema whose `top_share_*` features follow `top_values`, at most [`TOP_CATEGORIES`] of
    /// them, which are values of the lines' `top_attribute` (`category` or `product`).
    pub fn new(clock: &ShopClock, top_attribute: &str, mut top_values: Vec<String>) -> Self {
        top_values.truncate(TOP_CATEGORIES);
        Self {
            version: SCHEMA_VERSION,
            time_zone: clock.name().to_owned(),
            top_attribute: top_attribute.to_owned(),
            top_values,
        }
    }

    /// Names of the features, in the order of the vector.
    pub fn columns(&self) -> Arc<[String]> {
        definitions().iter().map(|definition| definition.name.to_owned()).collect()
    }

    /// Whether this program computes the features of the schema.
    pub fn is_current(&self) -> bool {
        self.version == SCHEMA_VERSION
    }

    /// Whether the `top_share_*` features are shares of products, not of categories.
    pub fn ranks_products(&self) -> bool {
        self.top_attribute == "product"
    }

    /// The categories or products of the `top_share_*` features.
    pub fn top_values(&self) -> &[String] {
        &self.top_values
    }

    /// The shop's clock.
    ///
    /// # Errors
    /// When the time zone of a stored schema is not in this program's database.
    pub fn clock(&self) -> Result<ShopClock, InvalidTime> {
        ShopClock::new(&self.time_zone)
    }

    /// SHA-256 over everything that decides what a vector means, as 64 hex digits.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        };
        part(&self.version.to_string());
        part(&self.time_zone);
        part(&self.top_attribute);
        self.top_values.iter().for_each(|value| part(value));
        for definition in definitions() {
            part(definition.name);
            part(definition.unit.as_str());
            part(definition.window);
        }
        let digest: [u8; 32] = hash.finalize().into();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
