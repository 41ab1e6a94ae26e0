//! One customer: profile, lines, erasure.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use tonic::Status;

use crate::access::Principal;
use crate::app::App;
use crate::store::{NamedAttributes, Reader, StoreError};
use crate::transaction::{
    CustomerHistory, CustomerId, HistoryLine, Money, OrderKey, Quantity, Timestamp,
};

use crate::grpc::access::audit;
use crate::grpc::convert::{Page, customer, wire_line, wire_time};
use crate::grpc::proto;
use crate::grpc::repeat::once;
use crate::grpc::status::{from_store, not_found};

/// The profile and a page of lines.
pub(super) fn get(
    app: &App,
    request: proto::GetCustomerRequest,
) -> Result<proto::Customer, Status> {
    let proto::GetCustomerRequest { customer_id, page_size, page_token } = request;
    let id = customer("customer_id", &customer_id)?;
    let page = Page::new(page_size, page_token)?;
    let start = page.start()?;
    let fail = |error: StoreError| from_store(&error);
    let mut reader = app.store().reader().map_err(fail)?;
    let history = reader.history(&id).map_err(fail)?;
    let current: Vec<&HistoryLine> =
        history.lines().iter().filter(|line| line.is_current()).collect();
    let attributes = reader.attribute_rows(&id).map_err(fail)?;
    if current.is_empty() && attributes.is_empty() {
        let message = "there is no customer of this id; nothing was ever stored or all was erased";
        return Err(not_found("CUSTOMER_NOT_FOUND", "patron.v1.Customer", &customer_id, message));
    }
    let mut profile = profile(&current, &history);
    profile.customer_id = customer_id;
    profile.attributes = attributes.into_iter().map(wire_attributes).collect();
    profile.currency = app.config().currency.clone();
    (profile.lines, profile.next_page_token) =
        lines(app, &mut reader, &id, (start, page.size), current.len())?;
    Ok(profile)
}

fn profile(current: &[&HistoryLine], history: &CustomerHistory) -> proto::Customer {
    let purchases = || current.iter().filter(|line| line.is_purchase());
    let distinct = |count: usize| count as u64;
    let margin = current.iter().map(|line| line.margin).sum::<Option<Money>>();
    proto::Customer {
        visits: distinct(purchases().map(|line| line.local.day).collect::<BTreeSet<_>>().len()),
        orders: distinct(
            purchases()
                .map(|line| line.order)
                .filter(|order| *order != OrderKey::NONE)
                .collect::<BTreeSet<_>>()
                .len(),
        ),
        line_count: distinct(current.len()),
        return_count: distinct(current.iter().filter(|line| !line.is_purchase()).count()),
        products: distinct(purchases().map(|line| line.product).collect::<BTreeSet<_>>().len()),
        first_visit_time: purchases().map(|line| line.occurred_at).min().map(wire_time),
        last_visit_time: purchases().map(|line| line.occurred_at).max().map(wire_time),
        last_recorded_time: history
            .lines()
            .iter()
            .map(|line| line.recorded_at)
            .max()
            .map(wire_time),
        spend_micros: current.iter().map(|line| line.amount).sum::<Money>().micros(),
        quantity_thousandths: current
            .iter()
            .map(|line| line.quantity)
            .sum::<Quantity>()
            .thousandths(),
        margin_micros: margin.map(Money::micros),
        ..proto::Customer::default()
    }
}

fn wire_attributes(row: NamedAttributes) -> proto::CustomerAttributes {
    let NamedAttributes { table, valid_from, valid_to, values } = row;
    let bounded = |instant: Timestamp| {
        let is_open = instant == Timestamp::MIN || instant == Timestamp::MAX;
        (!is_open).then(|| wire_time(instant))
    };
    proto::CustomerAttributes {
        table,
        valid_from: bounded(valid_from),
        valid_to: bounded(valid_to),
        values: values.into_iter().collect(),
    }
}

fn lines(
    app: &App,
    reader: &mut Reader<'_>,
    id: &CustomerId,
    (start, size): (usize, usize),
    total: usize,
) -> Result<(Vec<proto::StoredLine>, String), Status> {
    let lines = reader.lines(id, start, size).map_err(|error| from_store(&error))?;
    let end = start.saturating_add(lines.len());
    let currency = &app.config().currency;
    let wire = lines.into_iter().map(|line| wire_line(line, currency)).collect();
    Ok((wire, if end < total { end.to_string() } else { String::new() }))
}

/// Removes every line of a customer. The audit names the hash of the key, not the key.
pub(super) fn erase(
    app: &App,
    caller: &Principal,
    request: &proto::EraseCustomerRequest,
) -> Result<proto::EraseCustomerResponse, Status> {
    let id = customer("customer_id", &request.customer_id)?;
    once(app.control(), "EraseCustomer", &request.request_id, request, || {
        let fail = |error: StoreError| from_store(&error);
        let lines_erased = app.store().erase(&id).map_err(fail)?;
        let detail = format!("{lines_erased} lines");
        audit(app, caller, "customer.erase", (&hashed(&id), &detail))?;
        let erase_time = Some(wire_time(Timestamp::now()));
        Ok(proto::EraseCustomerResponse { lines_erased, erase_time })
    })
}

fn hashed(id: &CustomerId) -> String {
    let digest: [u8; 32] = Sha256::digest(id.as_str().as_bytes()).into();
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
