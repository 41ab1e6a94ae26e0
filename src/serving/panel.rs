//! Several versions that are asked about the same customers: vectors that they share are made once.

use std::sync::Arc;

use crate::dataset::InputSchema;
use crate::feature::Features;
use crate::store::Attributes;
use crate::transaction::{CustomerHistory, CustomerId, SymbolTable, Timestamp};

use super::gather::Rows;
use super::{Gathered, RowSource, ServedModel, ServingError};

/// Histories that a chunk has room for from the start.
const CHUNK_ROWS: usize = 2_048;

/// The kinds of vectors that some versions take.
#[derive(Debug)]
pub(crate) struct Panel<'a> {
    kinds: Vec<Kind<'a>>,
    /// For each version its kind of vector.
    places: Vec<usize>,
}

/// Vectors of one schema, with one set of the caller's columns.
#[derive(Debug)]
struct Kind<'a> {
    digest: Option<&'a str>,
    own: Option<&'a InputSchema>,
    features: Arc<(usize, Features)>,
}

/// Vectors of a chunk of customers in the making, one set for each kind.
#[derive(Debug)]
pub(crate) struct PanelRows<'a> {
    kinds: Vec<Rows<'a>>,
    as_of: Timestamp,
}

impl<'a> Panel<'a> {
    /// The panel of `models` over the symbols of a store.
    pub(crate) fn new(
        models: &'a [Arc<ServedModel>],
        symbols: &Arc<SymbolTable>,
    ) -> Result<Self, ServingError> {
        let mut panel = Self { kinds: Vec::new(), places: Vec::new() };
        for served in models {
            let manifest = served.manifest();
            let digest = manifest.feature_schema_digest.as_deref();
            let own = manifest.input_schema.as_ref();
            let same = |kind: &Kind<'_>| kind.digest == digest && kind.own == own;
            let place = match panel.kinds.iter().position(same) {
                Some(place) => place,
                None => {
                    panel.kinds.push(Kind { digest, own, features: served.features(symbols)? });
                    panel.kinds.len() - 1
                }
            };
            panel.places.push(place);
        }
        Ok(panel)
    }

    /// Whether a version joins attributes of customers to its features.
    pub(crate) fn takes_attributes(&self) -> bool {
        self.kinds.iter().any(|kind| kind.own.is_some())
    }

    /// Room for the vectors of a chunk of customers as of a date.
    pub(crate) fn rows<'b>(
        &'b self,
        attributes: &'b Attributes,
        as_of: Timestamp,
    ) -> PanelRows<'b> {
        let rows =
            |kind: &'b Kind<'a>| Rows::new(&kind.features.1, kind.own, attributes, CHUNK_ROWS);
        PanelRows { kinds: self.kinds.iter().map(rows).collect(), as_of }
    }

    /// What was gathered for each version, in their order.
    pub(crate) fn by_model<'b>(
        &'b self,
        gathered: &'b [Gathered],
    ) -> impl Iterator<Item = &'b Gathered> {
        self.places.iter().filter_map(|place| gathered.get(*place))
    }
}

impl PanelRows<'_> {
    /// Adds a customer.
    pub(crate) fn push(&mut self, customer: &CustomerId, history: &CustomerHistory) {
        for rows in &mut self.kinds {
            rows.push(Some(customer), history, self.as_of, RowSource::History);
        }
    }

    /// The vectors by kind; see [`Panel::by_model`].
    pub(crate) fn finish(self) -> Result<Vec<Gathered>, ServingError> {
        self.kinds.into_iter().map(Rows::finish).collect()
    }
}
