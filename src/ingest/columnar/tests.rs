//! Histories held against the row-by-row reader and a plain grouping.

mod import;
mod reference;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::types::Int8Type;
use arrow_array::{
    ArrayRef, BinaryArray, Date32Array, Date64Array, Decimal128Array, DictionaryArray,
    Float32Array, Float64Array, Int32Array, Int64Array, LargeStringArray, RecordBatch, StringArray,
    StringViewArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use self::reference::{compare, read};
use super::*;
use crate::transaction::CustomerHistory;

const COLUMNS: &str = "[columns]\ncustomer_id = \"c\"\norder_id = \"o\"\nline_number = \"n\"\n\
     occurred_at = \"t\"\nproduct_id = \"p\"\nquantity = \"q\"\nunit_price = \"u\"\n";
const ZONE: &str = "[time]\nzone = \"Europe/London\"\n";

fn mapping(columns: &str, rest: &str) -> Mapping {
    Mapping::parse(&format!("{COLUMNS}{columns}{ZONE}{rest}")).unwrap()
}

/// A file of small row groups, so that there are several pieces; one with the name `second` has no
/// dictionaries.
fn write(folder: &tempfile::TempDir, name: &str, columns: Vec<(&str, ArrayRef)>) -> PathBuf {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let path = folder.path().join(format!("{name}.parquet"));
    let file = std::fs::File::create(&path).unwrap();
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(name != "second")
        .set_max_row_group_row_count(Some(batch.num_rows().div_ceil(4).max(1)))
        .build();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    path
}

fn texts(texts: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(texts.to_vec()))
}

fn same(text: &str, rows: usize) -> ArrayRef {
    Arc::new(StringArray::from(vec![text; rows]))
}

fn whole(numbers: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(numbers.to_vec()))
}

/// Instants, one each second from 2011-07-01.
fn seconds(rows: usize) -> ArrayRef {
    let times: Vec<i64> = (0..rows as i64).map(|at| 1_309_478_400 + at).collect();
    Arc::new(TimestampSecondArray::from(times).with_timezone("UTC"))
}

/// Few customers and orders, in random order, with faults of all kinds.
fn many(rows: u64, seed: u64) -> Vec<(&'static str, ArrayRef)> {
    let mut state = seed;
    let mut next = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let rows = 0..rows;
    let customers: Vec<Option<String>> = rows
        .clone()
        .map(|_| match next(40) {
            0 => None,
            1 => Some(String::new()),
            2 => Some(" padded".to_owned()),
            id => Some(format!("customer-number-{id}")),
        })
        .collect();
    let orders: Vec<Option<String>> = rows
        .clone()
        .map(|_| match next(60) {
            0 => None,
            1 => Some("C17".to_owned()),
            2 => Some("tab\there".to_owned()),
            order => Some(order.to_string()),
        })
        .collect();
    let lines: Vec<Option<i64>> =
        rows.clone().map(|_| Some(next(30) as i64 - 1).filter(|line| *line != 7)).collect();
    let times: Vec<i64> =
        rows.clone().map(|_| 1_300_000_000_000_000 + next(400) as i64 * 86_000_000_000).collect();
    let recorded: Vec<Option<i64>> =
        times.iter().map(|at| Some(at + 7).filter(|_| next(20) > 0)).collect();
    let products: Vec<String> = rows.clone().map(|_| format!("p{}", next(25))).collect();
    let categories: Vec<Option<String>> = rows
        .clone()
        .map(|_| match next(6) {
            0 => None,
            1 => Some("x".repeat(300)),
            at => Some(format!("top{}/part{at}", at / 2)),
        })
        .collect();
    let quantities: Vec<Option<f64>> =
        rows.clone().map(|_| Some(next(9) as f64 - 2.0).filter(|units| *units != 5.0)).collect();
    let prices: Vec<f64> =
        rows.clone().map(|_| [0.1, 0.1 + 0.2, 1e300, 2.55][next(4) as usize]).collect();
    let costs: Vec<f64> = rows.clone().map(|_| next(6) as f64 - 0.5).collect();
    let stores: Vec<String> = rows.map(|_| format!("branch {}", next(3))).collect();
    vec![
        ("c", Arc::new(StringArray::from(customers))),
        ("o", Arc::new(StringArray::from(orders))),
        ("n", Arc::new(Int64Array::from(lines))),
        ("t", Arc::new(TimestampMicrosecondArray::from(times))),
        ("p", Arc::new(StringArray::from(products))),
        ("g", Arc::new(StringArray::from(categories))),
        ("q", Arc::new(Float64Array::from(quantities))),
        ("u", Arc::new(Float64Array::from(prices))),
        ("k", Arc::new(Float64Array::from(costs))),
        ("s", Arc::new(StringArray::from(stores))),
        ("r", Arc::new(TimestampMicrosecondArray::from(recorded).with_timezone("UTC"))),
    ]
}

/// What else a mapping can say of the columns of [`many`].
const WAYS: [&str; 6] = [
    "[returns]\ncancellation_prefix = \"C\"\n",
    "[recorded_at]\nrule = \"now\"\n[returns]\nquantity_sign = \"reversed\"\n",
    "[recorded_at]\ncolumn = \"r\"\n[file]\nnulls = [\"3\", \"p4\", \"branch 1\"]\n",
    "[returns]\nquantity_sign = \"unsigned\"\ncolumn = \"s\"\nvalues = [\"branch 1\"]\n",
    "[constants]\nchannel = \"web\"\npromotion_id = \"top1\"\ndiscount = 1\n",
    "[constants]\ncurrency = \"EUR\"\n",
];

#[test]
fn many_rows_with_all_faults_give_the_histories_of_the_row_reader() {
    let folder = tempfile::tempdir().unwrap();
    let first = write(&folder, "first", many(9_000, 1));
    let second = write(&folder, "second", many(3_000, 2));
    let columns = "category = \"g\"\nunit_cost = \"k\"\nstore_id = \"s\"\n";
    for rest in WAYS {
        let counts = compare(&[first.clone(), second.clone()], &mapping(columns, rest));
        assert_eq!(counts.rows_read, 12_000);
        assert!(counts.refused > 1_000, "{rest}");
        if !rest.contains("EUR") {
            assert!(counts.corrected > 100 && counts.anonymous > 50, "{rest}: {counts:?}");
        }
    }
    let paths = mapping("category = [\"g\", \"s\"]\n", "");
    assert!(compare(std::slice::from_ref(&first), &paths).accepted > 1_000);
    let amounts = Mapping::parse(&format!("{COLUMNS}{ZONE}").replace("unit_price", "amount"));
    assert!(compare(&[first], &amounts.unwrap()).accepted > 1_000);
}

#[test]
fn columns_of_all_types_give_the_histories_of_the_row_reader() {
    let folder = tempfile::tempdir().unwrap();
    let decimals = |scale, values: Vec<i128>| -> ArrayRef {
        let decimals = Decimal128Array::from(values).with_precision_and_scale(20, scale).unwrap();
        Arc::new(decimals)
    };
    let micros = vec![1_301_184_000_000_000, 1_301_191_199_999_999, -1, 1_319_936_400_000_000];
    let millis: Vec<i64> = micros.iter().map(|at: &i64| at.div_euclid(1_000)).collect();
    let nanos: Vec<i64> = micros.iter().map(|at| at * 1_000 + 1).collect();
    let words: DictionaryArray<Int8Type> = vec!["a", "b", "b", "a"].into_iter().collect();
    let long = ["one text that is long", "two texts that are long"].repeat(2);
    let times: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from(micros)),
        Arc::new(TimestampMillisecondArray::from(millis.clone())),
        Arc::new(TimestampNanosecondArray::from(nanos).with_timezone("Asia/Tokyo")),
        Arc::new(TimestampSecondArray::from(vec![0, i64::MAX, i64::MIN, 253_402_300_799])),
        Arc::new(Date32Array::from(vec![15_060, i32::MAX, i32::MIN, 0])),
        Arc::new(Date64Array::from(millis)),
        Arc::new(StringArray::from(vec!["2011-07-01", "2011-07-01T10:00:00+02:00", "no", ""])),
    ];
    let keys: Vec<ArrayRef> = vec![
        Arc::new(Float64Array::from(vec![Some(17850.0), None, Some(0.5), Some(-0.0)])),
        Arc::new(UInt64Array::from(vec![u64::MAX, 0, 1, 1])),
        Arc::new(words),
        Arc::new(StringViewArray::from(long.clone())),
        Arc::new(LargeStringArray::from(long)),
        Arc::new(BinaryArray::from(vec![&b"a"[..], b"\xff", b"", b"a"])),
        decimals(2, vec![100, 250, -100, 100]),
    ];
    let numbers: Vec<ArrayRef> = vec![
        Arc::new(Float32Array::from(vec![2.55, f32::NAN, 0.1, -3.0])),
        Arc::new(Int32Array::from(vec![Some(1), None, Some(i32::MIN), Some(i32::MAX)])),
        whole(&[1, 0, i64::MAX, i64::MIN]),
        Arc::new(UInt64Array::from(vec![1, u64::MAX, 2, 3])),
        decimals(3, vec![1_500, -1_500, i128::from(i64::MAX), 7]),
        decimals(9, vec![1_500_000_000, 1_500, 15_000_000_500, 7]),
        Arc::new(StringArray::from(vec!["1.5", "1,5", " 2 ", "x"])),
    ];
    let plain = [seconds(4), texts(&[Some("k"); 4]), whole(&[1, 2, 3, 4])];
    let mapping = mapping("", "");
    for (at, ((time, key), number)) in times.into_iter().zip(keys).zip(numbers).enumerate() {
        let [seconds, text, one] = plain.clone();
        for (kind, columns) in [
            [time, text.clone(), text.clone(), one.clone(), one.clone()],
            [seconds.clone(), key.clone(), key, one.clone(), one.clone()],
            [seconds.clone(), text.clone(), text.clone(), number.clone(), one.clone()],
            [seconds, text.clone(), text, one, number],
        ]
        .into_iter()
        .enumerate()
        {
            let [time, customer, other, quantity, price] = columns;
            let columns = vec![
                ("t", time),
                ("c", customer),
                ("o", Arc::clone(&other)),
                ("n", whole(&[1, 2, 3, 4])),
                ("p", other),
                ("q", quantity),
                ("u", price),
            ];
            let path = write(&folder, &format!("{at}-{kind}"), columns);
            let counts = compare(&[path], &mapping);
            assert_eq!(counts.rows_read, 4, "{at} {kind}");
            assert!(counts.refused < 4, "{at} {kind}: {counts:?}");
        }
    }
}

/// Customer, order, line number, units.
type Sale<'a> = (Option<&'a str>, &'a str, i64, i64);

/// Rows of one day that became known a second apart.
fn sales(rows: &[Sale<'_>]) -> Vec<(&'static str, ArrayRef)> {
    let column = |cell: fn(&Sale<'_>) -> i64| whole(&rows.iter().map(cell).collect::<Vec<i64>>());
    vec![
        ("c", texts(&rows.iter().map(|row| row.0).collect::<Vec<_>>())),
        ("o", texts(&rows.iter().map(|row| Some(row.1)).collect::<Vec<_>>())),
        ("n", column(|row| row.2)),
        ("t", Arc::new(Date32Array::from(vec![15_000; rows.len()]))),
        ("r", seconds(rows.len())),
        ("p", same("cup", rows.len())),
        ("q", column(|row| row.3)),
        ("u", whole(&vec![2; rows.len()])),
    ]
}

#[test]
fn corrections_move_lines_between_customers_and_duplicates_vanish() {
    let folder = tempfile::tempdir().unwrap();
    let rows = [
        (Some("a"), "1", 1, 1),
        (Some("a"), "1", 2, 5),
        (Some("b"), "1", 1, 1), // corrects the first: it was b's
        (Some("a"), "1", 1, 1), // corrects back, since it was known later than the first
        (None, "1", 1, 1),      // corrects: it was nobody's
        (Some("b"), "2", 1, 3),
        (Some("b"), "2", 1, -3), // corrects within b
    ];
    let first = write(&folder, "first", sales(&rows));
    let again = write(&folder, "again", sales(&rows));
    let mapping = mapping("", "[recorded_at]\ncolumn = \"r\"\n");
    let counts = compare(std::slice::from_ref(&first), &mapping);
    assert_eq!((counts.accepted, counts.duplicates, counts.corrected), (3, 0, 4));
    let counts = compare(&[first.clone(), again], &mapping);
    assert_eq!((counts.accepted, counts.duplicates, counts.corrected), (3, 7, 4));
    assert_eq!((counts.anonymous, counts.customers), (2, 2));

    let (_, histories) = read(&[first], &mapping, 1, u64::MAX);
    let history = |id: &str| -> &CustomerHistory {
        &histories.iter().find(|(customer, _)| customer.as_str() == id).unwrap().1
    };
    let superseded = |id: &str| -> Vec<(i64, i64)> {
        let lines = history(id).lines().iter();
        let micros = |at: Timestamp| if at == Timestamp::MAX { 0 } else { at.micros() / 1_000_000 };
        lines.map(|line| (line.quantity.thousandths(), micros(line.superseded_at))).collect()
    };
    let of_a = [(1_000, 1_309_478_402), (5_000, 0), (1_000, 1_309_478_404)];
    assert_eq!(superseded("a"), of_a);
    assert_eq!(superseded("b"), [(1_000, 1_309_478_403), (3_000, 1_309_478_406), (-3_000, 0)]);
}

#[test]
fn equal_lines_without_numbers_all_count() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, "sales", sales(&[(Some("a"), "1", 1, 1); 3]));
    let unnumbered = Mapping::parse(&format!("{COLUMNS}{ZONE}").replace("line_number = \"n\"", ""));
    let counts = compare(std::slice::from_ref(&path), &unnumbered.unwrap());
    assert_eq!((counts.accepted, counts.duplicates), (3, 0));
    let counts = compare(&[path], &mapping("", ""));
    assert_eq!((counts.accepted, counts.duplicates), (1, 2));
}

#[test]
fn refusals_are_those_of_the_row_reader_and_counted_over_all_files() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<Sale<'_>> =
        (0..30).map(|at| (Some("a"), "1", at, if at < 10 { 0 } else { at - 11 })).collect();
    let first = write(&folder, "first", sales(&rows));
    let second = write(&folder, "second", sales(&rows));
    let counts = compare(&[first, second], &mapping("", ""));
    assert_eq!((counts.rows_read, counts.refused), (60, 22));
    let numbers: Vec<u64> = counts.first_refusals.iter().map(|refusal| refusal.row).collect();
    assert_eq!(numbers, (1..=10).chain([12]).chain(31..=39).collect::<Vec<u64>>());
    assert_eq!(counts.refusals_by_reason["zero_quantity"], 22);
    assert_eq!(counts.first_refusals[0].message, "quantity: expected a number other than 0");
}

#[test]
fn damaged_foreign_and_empty_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let whole = write(&folder, "whole", many(2_000, 3));
    let bytes = std::fs::read(&whole).unwrap();
    let fault = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error =
            reference::try_read(&[whole.clone(), path], &mapping("", ""), 2, 0).unwrap_err();
        error.to_string()
    };
    assert!(
        fault("cut.parquet", &bytes[..bytes.len() / 2]).contains("cut.parquet: expected a whole")
    );
    assert!(fault("foreign.parquet", b"a,b\n").contains("expected a Parquet file"));
    assert!(fault("sales.csv", b"a,b\n").contains("sales.csv: expected a Parquet file, found CSV"));
    assert!(fault("empty.parquet", b"").contains("found an empty file"));
    let mut errors = 0;
    for at in (4..bytes.len() - 8).step_by(97) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        let path = folder.path().join("damaged.parquet");
        std::fs::write(&path, damaged).unwrap();
        let read = reference::try_read(&[path], &mapping("", ""), 2, u64::MAX);
        errors += usize::from(read.is_err());
    }
    assert!(errors > 10, "{errors}");
}

#[test]
fn a_break_ends_reading_and_scanning() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, "sales", many(2_000, 4));
    let clock = ShopClock::utc();
    let stop = |_: f64| ControlFlow::Break(());
    let options = ReadOptions {
        currency: "GBP",
        clock: &clock,
        threads: 2,
        memory_limit_bytes: 0,
        spill_directory: folder.path(),
        now: Timestamp::default(),
        tick: &stop,
    };
    let mapping = mapping("", "");
    let error = ParquetHistories::read(std::slice::from_ref(&path), &mapping, options).unwrap_err();
    assert!(matches!(error, ReadHistoriesError::Cancelled));
    let go_on = |_: f64| ControlFlow::Continue(());
    let mut histories =
        ParquetHistories::read(&[path], &mapping, ReadOptions { tick: &go_on, ..options }).unwrap();
    let mut chunks = 0;
    let sink = |()| {
        chunks += 1;
        ControlFlow::Break(())
    };
    histories.scan_parallel(3, || (), |(), _, _| {}, |()| (), sink).unwrap();
    assert_eq!(chunks, 1);
}

#[test]
fn online_retail_gives_the_histories_of_the_row_reader() {
    let folder = format!("{}/tests/data/online_retail", env!("CARGO_MANIFEST_DIR"));
    let mapping = std::fs::read_to_string(format!("{folder}/mapping.toml")).unwrap();
    let path = PathBuf::from(format!("{folder}/online_retail.parquet"));
    let counts = compare(&[path], &Mapping::parse(&mapping).unwrap());
    assert_eq!((counts.rows_read, counts.accepted, counts.refused), (541_909, 541_909, 0));
    assert_eq!((counts.anonymous, counts.customers), (135_080, 4_372));
}
