//! `patron customers`: shows and erases what is stored of a customer.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::grpc::proto::{
    Customer, CustomerAttributes, EraseCustomerRequest, EraseCustomerResponse, GetCustomerRequest,
    StoredLine, TransactionLine,
};

use super::arguments::{InvalidArgument, customers};
use super::client::{Session, request_id};
use super::exit::Failure;
use super::output::Report;
use super::table::{Fields, Table};
use super::values::{given, money, quantity, time_json, time_text};
use crate::readable::count;

/// Arguments of `patron customers`.
#[derive(Args, Clone, Debug)]
pub(super) struct CustomersArgs {
    #[command(subcommand)]
    action: CustomersAction,
}

#[derive(Clone, Debug, Subcommand)]
enum CustomersAction {
    /// Show a customer's sums and newest lines
    Show {
        /// The customer's key
        id: String,
        /// How many lines to show, the newest first
        #[arg(long, value_name = "NUMBER", default_value_t = 20,
            value_parser = clap::value_parser!(u16).range(1..=1000))]
        lines: u16,
    },
    /// Remove every line of a customer for good
    Erase {
        /// The customer's key
        id: String,
        /// Yes, remove them; without this flag nothing is done
        #[arg(long)]
        yes: bool,
    },
}

/// Works with a customer.
pub(super) async fn run(args: CustomersArgs, session: &mut Session) -> Result<(), Failure> {
    match args.action {
        CustomersAction::Show { id, lines } => {
            let customer_id = key(id)?;
            let request =
                GetCustomerRequest { customer_id, page_size: lines.into(), ..Default::default() };
            let services = session.connect().await?;
            let customer = services.transactions().get_customer(request).await?.into_inner();
            session.output.report(&customer)?;
        }
        CustomersAction::Erase { id, yes } => {
            if !yes {
                let expected = "the flag, because erasing cannot be undone";
                return Err(InvalidArgument::new("--yes", expected, "nothing").into());
            }
            let request =
                EraseCustomerRequest { customer_id: key(id)?, request_id: request_id(None) };
            let services = session.connect().await?;
            let erased = services.transactions().erase_customer(request).await?.into_inner();
            session.output.report(&erased)?;
        }
    }
    Ok(())
}

fn key(id: String) -> Result<String, InvalidArgument> {
    let mut keys = customers(vec![id])?;
    Ok(keys.pop().unwrap_or_default())
}

impl Report for Customer {
    fn json(&self) -> Value {
        json!({
            "customer_id": self.customer_id,
            "visits": self.visits,
            "orders": self.orders,
            "line_count": self.line_count,
            "return_count": self.return_count,
            "products": self.products,
            "first_visit_time": time_json(self.first_visit_time.as_ref()),
            "last_visit_time": time_json(self.last_visit_time.as_ref()),
            "last_recorded_time": time_json(self.last_recorded_time.as_ref()),
            "spend": money(self.spend_micros),
            "quantity": quantity(self.quantity_thousandths),
            "margin": self.margin_micros.map(money),
            "currency": self.currency,
            "attributes": self.attributes.iter().map(attributes_json).collect::<Vec<_>>(),
            "lines": self.lines.iter().map(stored_json).collect::<Vec<_>>(),
            "has_more_lines": !self.next_page_token.is_empty(),
        })
    }

    fn text(&self) -> String {
        let mut fields = Fields::default();
        let currency = &self.currency;
        fields.add("customer", &self.customer_id);
        fields.add("visits", count(self.visits));
        fields.add("orders", count(self.orders));
        fields.add("lines", count(self.line_count));
        fields.add("returns", count(self.return_count));
        fields.add("products", count(self.products));
        fields.add("first visit", time_text(self.first_visit_time.as_ref()));
        fields.add("last visit", time_text(self.last_visit_time.as_ref()));
        fields.add("spend", format_args!("{} {currency}", money(self.spend_micros)));
        let margin = self.margin_micros.map(|margin| format!("{} {currency}", money(margin)));
        fields.add_some("margin", margin);
        for row in &self.attributes {
            let values: BTreeMap<_, _> = row.values.iter().collect();
            let values: Vec<String> =
                values.into_iter().map(|(name, value)| format!("{name} {value}")).collect();
            let since = row.valid_from.as_ref().map(|from| time_text(Some(from)));
            let since = since.map(|from| format!(" since {from}")).unwrap_or_default();
            fields.add(&row.table, format_args!("{}{since}", values.join(", ")));
        }
        let mut lines = Table::new(["occurred", "order", "product", ">quantity", ">unit price"]);
        for line in self.lines.iter().filter_map(|stored| stored.line.as_ref()) {
            lines.row([
                time_text(line.occurred_at.as_ref()),
                line.order_id.clone(),
                line.product_id.clone(),
                line.quantity_thousandths.map(quantity).unwrap_or_default(),
                line.unit_price_micros.map(money).unwrap_or_default(),
            ]);
        }
        let more =
            if self.next_page_token.is_empty() { "" } else { "older lines follow; see --lines\n" };
        format!("{fields}\n{lines}{more}")
    }
}

fn attributes_json(row: &CustomerAttributes) -> Value {
    json!({
        "table": row.table,
        "valid_from": time_json(row.valid_from.as_ref()),
        "valid_to": time_json(row.valid_to.as_ref()),
        "values": row.values,
    })
}

fn stored_json(stored: &StoredLine) -> Value {
    json!({
        "recorded_at": time_json(stored.recorded_at.as_ref()),
        "line": stored.line.as_ref().map(line_json),
    })
}

fn line_json(line: &TransactionLine) -> Value {
    json!({
        "order_id": given(&line.order_id),
        "line_number": line.line_number,
        "occurred_at": time_json(line.occurred_at.as_ref()),
        "product_id": line.product_id,
        "category": given(&line.category),
        "quantity": line.quantity_thousandths.map(quantity),
        "unit_price": line.unit_price_micros.map(money),
        "discount": money(line.discount_micros),
        "unit_cost": line.unit_cost_micros.map(money),
        "channel": given(&line.channel),
        "store_id": given(&line.store_id),
        "promotion_id": given(&line.promotion_id),
        "country": given(&line.country),
        "cancels_order_id": given(&line.cancels_order_id),
    })
}

impl Report for EraseCustomerResponse {
    fn json(&self) -> Value {
        json!({
            "lines_erased": self.lines_erased,
            "erase_time": time_json(self.erase_time.as_ref()),
        })
    }

    fn text(&self) -> String {
        format!("{} lines erased", count(self.lines_erased))
    }
}
