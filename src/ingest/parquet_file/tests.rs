//! Parquet files of many shapes, whole and damaged.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BinaryArray, BinaryViewArray, Date32Array, Decimal128Array, DictionaryArray,
    Float32Array, Float64Array, Int32Array, LargeStringArray, RecordBatch, StringArray,
    StringViewArray, TimestampNanosecondArray, UInt64Array,
};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use proptest::prelude::*;

use super::*;
use crate::ingest::file::{TransactionFile, from_bytes, open};
use crate::transaction::{ImportReport, LineDraft, ReportBuilder, StoreOutcome};

const MAPPING: &str = "[columns]\ncustomer_id = \"c\"\noccurred_at = \"t\"\nproduct_id = \"p\"\n\
                       quantity = \"q\"\nunit_price = \"u\"\n[time]\nzone = \"Europe/London\"";

fn parquet(columns: Vec<(&str, ArrayRef)>) -> Bytes {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes.into()
}

fn sample(time: ArrayRef, customer: ArrayRef, product: ArrayRef) -> Bytes {
    parquet(vec![
        ("t", time),
        ("c", customer),
        ("p", product),
        ("q", Arc::new(Float32Array::from(vec![2.55_f32, -1.0]))),
        ("u", Arc::new(decimals())),
    ])
}

fn decimals() -> Decimal128Array {
    let prices = Decimal128Array::from(vec![Some(12_345), Some(-5)]);
    prices.with_precision_and_scale(9, 3).unwrap()
}

fn read(bytes: Bytes) -> Result<TransactionFile, ReadFileError> {
    from_bytes("sales.parquet", bytes, &Mapping::parse(MAPPING).unwrap())
}

fn lines(bytes: Bytes) -> Vec<LineDraft> {
    let rows = read(bytes).unwrap();
    rows.map(|row| row.unwrap().line.unwrap()).collect()
}

fn plain_sample() -> Bytes {
    sample(
        Arc::new(Date32Array::from(vec![15_156, 15_157])),
        Arc::new(Float64Array::from(vec![Some(17850.0), None])),
        Arc::new(StringArray::from(vec!["cup", "pot"])),
    )
}

#[test]
fn columns_of_many_types_are_read() {
    let [first, second] = lines(plain_sample()).try_into().unwrap();
    assert_eq!(first.customer_id.as_deref(), Some("17850"));
    assert_eq!(second.customer_id, None);
    assert_eq!(first.occurred_at, Some("2011-06-30T23:00:00Z".parse().unwrap()));
    assert_eq!(first.quantity.unwrap().to_string(), "2.55");
    assert_eq!(second.unit_price.unwrap().to_string(), "-0.005");

    let instants = TimestampNanosecondArray::from(vec![1_309_478_400_000_000_000, -1]);
    let words: DictionaryArray<arrow_array::types::Int8Type> = vec!["a", "b"].into_iter().collect();
    let [first, second] = lines(sample(
        Arc::new(instants.with_timezone("UTC")),
        Arc::new(UInt64Array::from(vec![u64::MAX, 0])),
        Arc::new(words),
    ))
    .try_into()
    .unwrap();
    assert_eq!(first.occurred_at, Some("2011-07-01T00:00:00Z".parse().unwrap()));
    assert_eq!(second.occurred_at.unwrap().micros(), -1);
    assert_eq!(first.customer_id, Some(u64::MAX.to_string()));
    assert_eq!(second.product_id.as_deref(), Some("b"));
}

#[test]
fn views_bytes_and_long_texts_are_texts() {
    let columns: [ArrayRef; 4] = [
        Arc::new(StringViewArray::from(vec!["2011-07-01", "2011-07-01"])),
        Arc::new(BinaryArray::from(vec![&b"a"[..], b"\xff"])),
        Arc::new(LargeStringArray::from(vec!["cup", "pot"])),
        Arc::new(BinaryViewArray::from(vec![&b"a"[..], b"b"])),
    ];
    let [time, bytes, product, _] = columns.clone();
    let mut rows = read(sample(time.clone(), bytes, product.clone())).unwrap();
    assert!(rows.next().unwrap().unwrap().line.is_ok());
    let problem = rows.next().unwrap().unwrap().line.unwrap_err();
    assert!(problem.message.starts_with("column \"c\": expected UTF-8"), "{problem}");
    let [_, _, _, views] = columns;
    assert_eq!(lines(sample(time, views, product)).len(), 2);
}

#[test]
fn a_column_of_another_type_is_refused_with_both_types() {
    let numbers: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let error = read(sample(Arc::clone(&numbers), Arc::clone(&numbers), numbers)).unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("column \"t\": expected timestamps, dates or texts"), "{error}");
    assert!(error.contains("found Int32"), "{error}");
    let error = read(parquet(vec![("t", Arc::new(decimals()) as ArrayRef)])).unwrap_err();
    assert!(error.to_string().contains("\"c\", \"p\""), "{error}");
}

#[test]
fn a_cut_or_foreign_file_is_told_apart() {
    let bytes = plain_sample();
    let cut = read(bytes.slice(..bytes.len() / 2)).unwrap_err().to_string();
    assert!(cut.contains("without its end") && cut.contains("copy or export"), "{cut}");
    let foreign = read("a,b\n".into()).unwrap_err().to_string();
    assert!(foreign.contains("expected a Parquet file"), "{foreign}");
    let damaged = [&b"PAR1"[..], &[0xff; 40], b"PAR1"].concat();
    let damaged = read(damaged.into()).unwrap_err().to_string();
    assert!(damaged.starts_with("expected intact Parquet data"), "{damaged}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn no_damage_panics(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = plain_sample().to_vec();
        for (position, byte) in changes {
            let position = position.index(bytes.len());
            bytes[position] = byte;
        }
        if let Some(cut) = cut {
            bytes.drain(cut.index(bytes.len())..);
        }
        let _ = read(bytes.into()).map(Iterator::count);
    }
}

fn import(folder: &str, file: &str, currency: &str) -> ImportReport {
    let folder = format!("{}/tests/data/{folder}", env!("CARGO_MANIFEST_DIR"));
    let mapping = std::fs::read_to_string(format!("{folder}/mapping.toml")).unwrap();
    let mapping = Mapping::parse(&mapping).unwrap();
    let file_rows = open(format!("{folder}/{file}").as_ref(), &mapping).unwrap();
    let hint = file_rows.rows_hint();
    let mut builder = ReportBuilder::new();
    let (mut prints, mut repeats) = (HashSet::new(), 0);
    let (mut customers, mut orders, mut products) =
        (HashSet::new(), HashSet::new(), HashSet::new());
    for row in file_rows {
        let row = row.unwrap();
        let number = row.row;
        repeats += u64::from(!prints.insert(row.fingerprint));
        let line = row.check(currency).unwrap();
        customers.extend(line.customer_id.clone());
        orders.extend(line.order_id.clone());
        products.insert(line.product_id.clone());
        builder.observe(number, &line);
    }
    assert_eq!(hint, Some(builder.so_far().rows_read));
    let outcome = StoreOutcome {
        repeated_rows: repeats,
        customers: customers.len() as u64,
        orders: orders.len() as u64,
        products: products.len() as u64,
        ..StoreOutcome::default()
    };
    builder.finish(file, None, &mapping.recorded_at_rule(), outcome)
}

#[test]
fn online_retail_has_its_published_counts() {
    let report = import("online_retail", "online_retail.parquet", "GBP");
    assert_eq!((report.rows_read, report.refused), (541_909, 0));
    assert_eq!((report.anonymous, report.cancellations), (135_080, 9_288));
    assert_eq!((report.returns, report.price_not_positive), (10_624, 2_517));
    assert_eq!((report.repeated_rows, report.customers), (5_268, 4_372));
    assert_eq!((report.orders, report.products), (25_900, 4_070));
    assert_eq!(report.units.to_string(), "5176450");
    assert_eq!(report.revenue.to_string(), "9747747.934");
    let table = report.to_string();
    assert!(table.contains("2010-12-01 08:26") && table.contains("2011-12-09 12:50"), "{table}");
}

#[test]
fn cdnow_has_its_published_counts() {
    let report = import("cdnow", "cdnow_sample.parquet", "USD");
    assert_eq!((report.rows_read, report.customers, report.orders), (6_919, 2_357, 0));
    assert_eq!(report.units.to_string(), "16479");
    // Dollars divided by units and multiplied again: 45 millionths over 6,919 lines.
    assert_eq!(report.revenue.to_string(), "244091.940045");
    assert!(report.to_string().contains("244,091.94\n"), "{report}");
}
