//! The truth as tables: customers, products, weeks and the calendar.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, FixedSizeListArray, Float32Array, Float64Array,
    Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema};
use parquet::errors::Result;

use crate::simulation::SimulationError;
use crate::simulation::calendar::{Calendar, Week};
use crate::simulation::customer::{Block, Customer};
use crate::simulation::demand::Expected;
use crate::simulation::market::Multipliers;
use crate::simulation::orders::World;
use crate::simulation::shop::Shop;

use super::Truth;
use super::digest::{DigestFile, Written};
use super::parquet_sink::writer;
use super::row::customer_id;

/// A table in one piece: names and columns of equal length.
type Table = Vec<(&'static str, ArrayRef)>;

/// What is true of each customer.
pub(super) fn customers(file: DigestFile, truth: &Truth<'_>) -> Result<Written, SimulationError> {
    write(file, truth.blocks.iter().map(|block| customers_of(block, truth.world)))
}

/// What is true of each product.
pub(super) fn products(file: DigestFile, shop: &Shop) -> Result<Written, SimulationError> {
    let products = &shop.products;
    let category = |position: usize| shop.categories.get(position);
    let names = products.iter().map(|p| category(p.category).map_or("", |c| c.name));
    let share = |position: usize| category(position).map_or(0.0, |c| c.share);
    let numbers = |number: fn(&crate::simulation::shop::Product) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(products.iter().map(number)))
    };
    let weights = products.iter().map(|product| share(product.category) * product.share);
    let gifts = products.iter().map(|p| category(p.category).map_or(0.0, |c| c.gifts));
    let rates = products.iter().map(|p| category(p.category).map_or(0.0, |c| c.return_rate));
    let table: Table = vec![
        ("product_id", texts(products.iter().map(|product| product.id.as_str()))),
        ("category", texts(names)),
        ("demand_share", Arc::new(Float64Array::from_iter_values(weights))),
        ("base_price", numbers(|product| product.base_price as f64 / 100.0)),
        ("unit_cost", numbers(|product| product.unit_cost as f64 / 100.0)),
        ("elasticity", numbers(|product| product.elasticity)),
        ("promotion_multiplier", numbers(|product| product.promotion_multiplier)),
        ("season_amplitude", numbers(|product| product.season_amplitude)),
        ("season_peak_day", numbers(|product| product.season_peak)),
        ("gift_effect", Arc::new(Float64Array::from_iter_values(gifts))),
        ("return_rate", Arc::new(Float64Array::from_iter_values(rates))),
    ];
    write(file, std::iter::once(Ok(table)))
}

/// Price, promotion and demand of each product in each week.
pub(super) fn weeks(file: DigestFile, truth: &Truth<'_>) -> Result<Written, SimulationError> {
    let weeks = truth.world.calendar.weeks.iter().zip(truth.expected).enumerate();
    write(file, weeks.map(|(number, (week, expected))| Ok(week_of(truth, number, week, expected))))
}

/// The factors of each day of the period.
pub(super) fn calendar(file: DigestFile, calendar: &Calendar) -> Result<Written, SimulationError> {
    let numbers = |number: fn(&crate::simulation::calendar::Day) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(calendar.days().map(number)))
    };
    let holidays: StringArray = calendar.days().map(|day| day.holiday).collect();
    let table: Table = vec![
        ("date", Arc::new(Date32Array::from_iter_values(calendar.days().map(|day| day.day)))),
        ("weekday_factor", numbers(|day| day.weekday_factor)),
        ("season_factor", numbers(|day| day.season_factor)),
        ("holiday", Arc::new(holidays)),
        ("holiday_factor", numbers(|day| day.holiday_factor)),
        ("factor", numbers(|day| day.factor)),
    ];
    write(file, std::iter::once(Ok(table)))
}

fn customers_of(block: &Block, world: &World<'_>) -> Result<Table> {
    let customers = &block.customers;
    let clock = &world.plan.clock;
    let numbers = |number: &dyn Fn(&Customer) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(customers.iter().map(number)))
    };
    let instant = |day: i32| clock.start_of_day(day).micros();
    let acquired: TimestampMicrosecondArray =
        customers.iter().map(|customer| Some(instant(customer.acquired))).collect();
    let dropped: TimestampMicrosecondArray = customers
        .iter()
        .map(|c| (c.dropped < world.calendar.end).then(|| instant(c.dropped)))
        .collect();
    let orders = (0..customers.len()).map(|index| i64::from(block.orders(index)));
    let ids = (0..customers.len()).map(|index| customer_id(block.customer_number(index)));
    let stores = customers.iter().map(|c| world.shop.stores.get(c.store));
    let countries = customers.iter().map(|c| world.shop.countries.get(c.country));
    let responses = world.parameters.price_responses;
    let response = |c: &Customer| responses.get(c.level).copied().unwrap_or(1.0);
    Ok(vec![
        ("customer_id", Arc::new(StringArray::from_iter_values(ids))),
        ("acquired_at", Arc::new(acquired.with_timezone("UTC"))),
        ("dropped_out_at", Arc::new(dropped.with_timezone("UTC"))),
        ("rate_per_week", numbers(&|customer| customer.rate)),
        ("dropout_per_week", numbers(&|customer| customer.hazard)),
        ("basket_lines", numbers(&|customer| customer.basket)),
        ("price_response", numbers(&response)),
        ("return_propensity", numbers(&|customer| customer.return_propensity)),
        ("is_trade", Arc::new(BooleanArray::from_iter(customers.iter().map(|c| Some(c.is_trade))))),
        ("home_store", Arc::new(stores.collect::<StringArray>())),
        ("main_channel", texts(customers.iter().map(|customer| customer.channel.name()))),
        ("country", Arc::new(countries.collect::<StringArray>())),
        ("orders", Arc::new(Int64Array::from_iter_values(orders))),
        ("category_preferences", preferences(block, world.shares.len())?),
    ])
}

/// One share per category, in the order of `categories` in `truth.json`.
fn preferences(block: &Block, categories: usize) -> Result<ArrayRef> {
    let indices = 0..block.customers.len();
    let shares = indices.flat_map(|index| block.preferences(index)).copied();
    let shares = Float32Array::from_iter_values(shares);
    let item = Arc::new(Field::new("item", DataType::Float32, true));
    let list = FixedSizeListArray::try_new(item, categories as i32, Arc::new(shares), None)?;
    Ok(Arc::new(list))
}

fn week_of(truth: &Truth<'_>, number: usize, week: &Week, expected: &Expected) -> Table {
    let shop = truth.world.shop;
    let responses = truth.world.parameters.price_responses;
    let offers = || (0..shop.products.len()).map(|at| truth.prices.offer(at, number));
    let effects = || {
        let products = shop.products.iter().zip(offers());
        products.map(|(product, offer)| (product, Multipliers::new(shop, product, offer, week)))
    };
    let numbers = |number: &dyn Fn(Multipliers) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(effects().map(|(_, effect)| number(effect))))
    };
    let units = effects().map(|(product, effect)| {
        let multipliers = responses.iter().map(|response| effect.total(*response));
        expected.units(product.category, product.share, multipliers)
    });
    let prices = offers().map(|offer| f64::from(offer.price) / 100.0);
    let depths = offers().map(|offer| f64::from(offer.depth));
    let promotions = offers().map(|offer| Some(offer.is_promotion()));
    let monday = week.monday();
    vec![
        ("product_id", texts(shop.products.iter().map(|product| product.id.as_str()))),
        ("week_start", Arc::new(Date32Array::from_value(monday, shop.products.len()))),
        ("price", Arc::new(Float64Array::from_iter_values(prices))),
        ("promotion", Arc::new(BooleanArray::from_iter(promotions))),
        ("promotion_depth", Arc::new(Float64Array::from_iter_values(depths))),
        ("price_ratio", numbers(&|effect| effect.price_ratio)),
        ("season_multiplier", numbers(&|effect| effect.season)),
        ("gift_multiplier", numbers(&|effect| effect.gifts)),
        ("promotion_multiplier", numbers(&|effect| effect.promotion)),
        ("price_multiplier", numbers(&|effect| effect.price(1.0))),
        ("demand_multiplier", numbers(&|effect| effect.total(1.0))),
        ("expected_units", Arc::new(Float64Array::from_iter_values(units))),
    ]
}

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn write(
    file: DigestFile,
    tables: impl Iterator<Item = Result<Table>>,
) -> Result<Written, SimulationError> {
    let path = file.path().to_owned();
    let written = write_tables(file, tables);
    written.map_err(|error| SimulationError::output(&path)(&error))?.finish()
}

/// Writes tables of the same columns behind each other; there is at least one.
fn write_tables(
    file: DigestFile,
    mut tables: impl Iterator<Item = Result<Table>>,
) -> Result<DigestFile> {
    let first = batch(tables.next().unwrap_or_else(|| Ok(Vec::new()))?)?;
    let mut writer = writer(file, first.schema())?;
    writer.write(&first)?;
    for table in tables {
        writer.write(&batch(table?)?)?;
    }
    writer.into_inner()
}

/// All columns may be null, so that every piece of a table has the same schema.
fn batch(table: Table) -> Result<RecordBatch> {
    let field =
        |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), true);
    let schema = Schema::new(table.iter().map(field).collect::<Vec<_>>());
    let arrays = table.into_iter().map(|(_, array)| array).collect();
    Ok(RecordBatch::try_new(Arc::new(schema), arrays)?)
}
