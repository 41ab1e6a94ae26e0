//! Imports by column held against imports row by row.

use arrow_array::types::{
    Date32Type, Date64Type, Decimal128Type, Int32Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt32Type, UInt64Type,
};
use arrow_array::{BooleanArray, Time64MicrosecondArray};
use proptest::prelude::*;

use super::*;
use crate::ingest::columnar::ParquetImport;
use crate::ingest::import::{ImportError, read_rows};
use crate::store::{SaleLine, StoredLine, TransactionStore};
use crate::transaction::{ImportReport, ReportBuilder};

/// How a file is imported.
#[derive(Clone, Copy, Debug)]
enum Way {
    Rows,
    /// On so many threads.
    Columns(usize),
}

fn open_store(folder: &tempfile::TempDir) -> TransactionStore {
    let clock = ShopClock::new("Europe/London").unwrap();
    TransactionStore::open(folder.path(), clock, "GBP").unwrap()
}

fn import(
    store: &TransactionStore,
    way: Way,
    path: &Path,
    mapping: &Mapping,
) -> Result<ImportReport, ImportError> {
    let mut report = ReportBuilder::new();
    let mut tick = |fraction: f64| {
        assert!((0.0..=1.0).contains(&fraction));
        ControlFlow::Continue(())
    };
    let bulk = match way {
        Way::Rows => {
            let mut bulk = store.bulk(usize::MAX, 1);
            let rows = crate::ingest::open(path, mapping)?;
            read_rows(rows, "GBP", (&mut bulk, &mut report), &mut tick)?;
            bulk
        }
        Way::Columns(threads) => {
            let mut bulk = store.bulk(20_000 * (threads % 2), threads);
            let file = ParquetImport::open(path, mapping, "GBP")?.unwrap();
            file.read(threads, &mut bulk, &mut report, &mut tick)?;
            bulk
        }
    };
    let rule = mapping.recorded_at_rule();
    let id = path.to_string_lossy();
    let finish = |outcome| report.finish("sales", None, &rule, outcome);
    Ok(bulk.commit(&id, finish, &mut tick)?)
}

/// Everything that a store holds.
#[derive(Debug, PartialEq)]
struct Content {
    summary: String,
    symbols: Vec<String>,
    sales: Vec<String>,
    lines: Vec<(String, Vec<StoredLine>)>,
    histories: Vec<(String, CustomerHistory)>,
}

/// What is stored; without the times of the import where these are what is known.
fn content(store: &TransactionStore, has_times: bool) -> Content {
    let mut reader = store.reader().unwrap();
    let symbols = reference::all_texts(reader.symbols());
    let summary = format!("{:?}", reader.summary());
    let mut sales = Vec::new();
    let show = |shown: &mut Vec<String>, sale: &SaleLine| {
        let mut sale = *sale;
        if !has_times {
            sale.recorded_at = Timestamp::default();
            sale.superseded_at = Timestamp::default();
        }
        shown.push(format!("{sale:?}"));
    };
    let take = |shown: Vec<String>| {
        sales.extend(shown);
        ControlFlow::Continue(())
    };
    reader.scan_sales(1, Vec::new, show, take).unwrap();
    let mut histories = Vec::new();
    let visit = |chunk: &mut Vec<_>, id: &crate::transaction::CustomerId, history: &_| {
        chunk.push((id.clone(), CustomerHistory::clone(history)));
    };
    let sink = |chunk: Vec<_>| {
        histories.extend(chunk);
        ControlFlow::Continue(())
    };
    reader.scan_parallel(1, Vec::new, visit, |chunk| chunk, sink).unwrap();
    let lines = histories.iter().map(|(id, _)| {
        let mut lines = reader.lines(id, 0, 100_000).unwrap();
        if !has_times {
            for line in &mut lines {
                (line.recorded_at, line.superseded_at) = Default::default();
            }
        }
        (id.as_str().to_owned(), lines)
    });
    let lines = lines.collect();
    let shown = histories.into_iter().filter(|_| has_times);
    let histories = shown.map(|(id, history)| (id.as_str().to_owned(), history)).collect();
    Content { summary, symbols, sales, lines, histories }
}

/// Imports the files one after the other in all ways.
fn compare(paths: &[PathBuf], mapping: &Mapping) -> Vec<ImportReport> {
    let has_times = mapping.recorded_at_rule() != "now";
    let mut expected: Option<(Vec<ImportReport>, Content)> = None;
    for way in [Way::Rows, Way::Columns(1), Way::Columns(2), Way::Columns(3)] {
        let folder = tempfile::tempdir().unwrap();
        let store = open_store(&folder);
        let reports = paths.iter().map(|path| import(&store, way, path, mapping).unwrap());
        let reports: Vec<ImportReport> = reports.collect();
        let found = (reports, content(&store, has_times));
        match &expected {
            None => expected = Some(found),
            Some(expected) => assert_eq!(found, *expected, "{way:?}"),
        }
    }
    expected.unwrap().0
}

#[test]
fn dirty_files_are_imported_as_row_by_row() {
    let folder = tempfile::tempdir().unwrap();
    let first = write(&folder, "first", many(3_000, 1));
    let second = write(&folder, "second", many(1_000, 2));
    let columns = "category = \"g\"\nunit_cost = \"k\"\nstore_id = \"s\"\n";
    for rest in WAYS {
        let paths = [first.clone(), second.clone(), first.clone()];
        let reports = compare(&paths, &mapping(columns, rest));
        assert_eq!(reports[0].rows_read, 3_000);
        assert!(reports[0].refused > 500, "{rest}");
        if !rest.contains("EUR") {
            let [first, second, again] = &reports[..] else { panic!("three imports") };
            assert!(first.corrected > 50 && first.anonymous > 20, "{rest}: {first:?}");
            assert!(second.corrected > 5, "{rest}: {second:?}");
            assert!(again.duplicates > 500, "{rest}: {again:?}");
        }
    }
    let paths = mapping("category = [\"g\", \"s\"]\n", "");
    assert!(compare(std::slice::from_ref(&first), &paths)[0].accepted > 500);
    let amounts = Mapping::parse(&format!("{COLUMNS}{ZONE}").replace("unit_price", "amount"));
    assert!(compare(std::slice::from_ref(&first), &amounts.unwrap())[0].accepted > 500);
    // Nobody's customers, and no order or number to tell lines apart.
    let bare = "[columns]\noccurred_at = \"t\"\nproduct_id = \"p\"\nquantity = \"q\"\nunit_price = \"u\"\n";
    for constants in ["", "[constants]\ncustomer_id = \"all\"\norder_id = \"one\"\n"] {
        let bare = Mapping::parse(&format!("{bare}{ZONE}{constants}")).unwrap();
        let reports = compare(&[first.clone(), second.clone()], &bare);
        assert!(reports[0].accepted > 500 && reports[1].accepted > 10, "{reports:?}");
    }
}

/// Few kinds of rows, so that a row differs from its like in one cell at most: the column of that
/// cell, and which of five values it holds.
struct Kinds(Vec<(usize, usize)>);

impl Kinds {
    fn random(rows: usize, seed: u64) -> Self {
        let mut state = seed;
        let mut next = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        Self((0..rows).map(|_| (next(24), next(5))).collect())
    }

    fn values<T: Copy>(&self, column: usize, values: [T; 5]) -> Vec<T> {
        let value = |(at, value): &(usize, usize)| values[if *at == column { *value } else { 0 }];
        self.0.iter().map(value).collect()
    }

    /// Numbers; -9 stands for none.
    fn numbers(&self, column: usize, values: [i64; 5]) -> Int64Array {
        let values = self.values(column, values).into_iter();
        values.map(|value| Some(value).filter(|value| *value != -9)).collect()
    }

    fn columns(&self) -> Vec<(&'static str, ArrayRef)> {
        let small = [1, 2, -9, 0, -1];
        let floats = [1.0, -0.0, 0.0, f64::NAN, 0.1 + 0.2];
        let narrow = floats.map(|value: f64| value as f32);
        let flags = self.numbers(6, [0, 1, -9, 0, 1]);
        let decimals = self.numbers(20, small).unary::<_, Decimal128Type>(i128::from);
        let days = self.numbers(14, small).unary::<_, Date32Type>(|day| day as i32);
        vec![
            ("a", Arc::new(self.numbers(1, small).unary::<_, Int32Type>(|v| v as i32))),
            ("b", Arc::new(self.numbers(2, [1, 2, -9, 0, i64::MIN]))),
            ("c", Arc::new(self.numbers(3, small).unary::<_, Int8Type>(|v| v as i8))),
            ("d", Arc::new(self.numbers(4, small).unary::<_, UInt64Type>(|v| v as u64))),
            ("e", Arc::new(self.numbers(5, small).unary::<_, UInt32Type>(|v| v as u32))),
            ("f", Arc::new(BooleanArray::from_unary(&flags, |flag| flag == 1))),
            ("g", Arc::new(Float64Array::from(self.values(7, floats)))),
            ("h", Arc::new(Float32Array::from(self.values(8, narrow)))),
            ("n", Arc::new(days)),
            ("u", Arc::new(decimals.with_precision_and_scale(30, 3).unwrap())),
            // Nobody reads it as a cell.
            ("w", Arc::new(Time64MicrosecondArray::from(self.values(21, [0, 1, 2, 3, 4])))),
        ]
    }

    fn times(&self) -> Vec<(&'static str, ArrayRef)> {
        let micros = [0, 1_500, -9, 1_999, i64::MAX];
        let millis = self.numbers(17, micros).reinterpret_cast::<TimestampMillisecondType>();
        let instants = self.numbers(18, micros).reinterpret_cast::<TimestampMicrosecondType>();
        vec![
            ("o", Arc::new(self.numbers(15, micros).reinterpret_cast::<Date64Type>())),
            ("p", Arc::new(self.numbers(16, micros).reinterpret_cast::<TimestampSecondType>())),
            ("q", Arc::new(millis)),
            ("r", Arc::new(instants.with_timezone("UTC"))),
            // Two of these are the same microsecond, and so the same cell.
            ("s", Arc::new(self.numbers(19, micros).reinterpret_cast::<TimestampNanosecondType>())),
        ]
    }

    fn texts(&self) -> Vec<(&'static str, ArrayRef)> {
        let some = [Some("one"), None, Some(""), Some("a text that is long"), Some("one ")];
        let bytes = some.map(|text| text.map(str::as_bytes));
        let words: DictionaryArray<Int8Type> = self.values(13, some).into_iter().collect();
        let customers = ["customer", "customer 1", "customer 2", "customer 3", "customer 4"];
        vec![
            ("i", Arc::new(StringArray::from(self.values(9, some)))),
            ("j", Arc::new(LargeStringArray::from(self.values(10, some)))),
            ("k", Arc::new(StringViewArray::from(self.values(11, some)))),
            ("l", Arc::new(BinaryArray::from(self.values(12, bytes)))),
            ("m", Arc::new(words)),
            ("x", Arc::new(StringArray::from(self.values(22, customers)))),
        ]
    }
}

#[test]
fn rows_repeat_where_all_cells_do() {
    let folder = tempfile::tempdir().unwrap();
    let mapping = Mapping::parse(
        "[columns]\ncustomer_id = \"x\"\nchannel = \"i\"\n[constants]\noccurred_at = \"2011-07-01T00:00:00Z\"\n\
         product_id = \"p\"\nquantity = 1\nunit_price = 1\n",
    );
    let mapping = mapping.unwrap();
    for name in ["first", "second"] {
        let kinds = Kinds::random(3_000, 5);
        let columns = [kinds.columns(), kinds.times(), kinds.texts()].concat();
        let path = write(&folder, name, columns);
        let report = &compare(&[path], &mapping)[0];
        assert_eq!(report.accepted, 3_000);
        // As many kinds of rows as cells, but for equal values, and not fewer.
        let different = report.rows_read - report.repeated_rows;
        assert!((60..115).contains(&different), "{different}");
    }
}

#[test]
fn columns_of_all_types_are_imported_as_row_by_row() {
    let folder = tempfile::tempdir().unwrap();
    let columns = |id: ArrayRef| {
        vec![
            ("t", seconds(4)),
            ("c", Arc::clone(&id)),
            ("o", id),
            ("n", whole(&[1, 2, 3, 4])),
            ("p", texts(&[Some("k"); 4])),
            ("q", whole(&[1, 2, 3, 4])),
            ("u", whole(&[1, 2, 3, 4])),
        ]
    };
    let words: DictionaryArray<Int8Type> = vec!["a", "b", "b", "a"].into_iter().collect();
    let decimals = Decimal128Array::from(vec![100, 250, -100, 100]);
    let ids: Vec<ArrayRef> = vec![
        Arc::new(Float64Array::from(vec![Some(17850.0), None, Some(0.5), Some(-0.0)])),
        Arc::new(UInt64Array::from(vec![u64::MAX, 0, 1, 1])),
        Arc::new(words),
        Arc::new(LargeStringArray::from(vec![Some("a"), None, Some(" b"), Some("tab\there")])),
        Arc::new(BinaryArray::from(vec![&b"a"[..], b"\xff", b"", b"a"])),
        Arc::new(decimals.with_precision_and_scale(20, 2).unwrap()),
    ];
    for (at, id) in ids.into_iter().enumerate() {
        let path = write(&folder, &at.to_string(), columns(id));
        let report = &compare(&[path], &mapping("cancels_order_id = \"c\"\n", ""))[0];
        assert!(report.rows_read == 4 && report.refused < 4, "{at}: {report:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn random_files_are_imported_as_row_by_row(seed: u64, rows in 0_u64..700) {
        let folder = tempfile::tempdir().unwrap();
        let first = write(&folder, "first", many(rows, seed));
        let second = write(&folder, "second", many(rows / 2, seed ^ 1));
        let columns = "category = \"g\"\nunit_cost = \"k\"\nstore_id = \"s\"\n";
        let reports = compare(&[first, second], &mapping(columns, ""));
        prop_assert_eq!(reports[0].rows_read, rows);
    }
}

#[test]
fn damage_and_a_break_drop_the_import() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(&folder, "sales", many(2_000, 3));
    let home = tempfile::tempdir().unwrap();
    let store = open_store(&home);
    let mapping = mapping("", "");
    let mut bytes = std::fs::read(&path).unwrap();
    let mut errors = 0;
    for at in (4..bytes.len() - 8).step_by(331) {
        bytes[at] ^= 0x55;
        let damaged = folder.path().join("damaged.parquet");
        std::fs::write(&damaged, &bytes).unwrap();
        let mut bulk = store.bulk(1 << 20, 1);
        let mut report = ReportBuilder::new();
        let go_on = &mut |_: f64| ControlFlow::Continue(());
        let read = ParquetImport::open(&damaged, &mapping, "GBP")
            .map_err(ImportError::from)
            .and_then(|file| file.unwrap().read(2, &mut bulk, &mut report, go_on));
        errors += usize::from(matches!(read, Err(ImportError::File(_))));
        bytes[at] ^= 0x55;
    }
    assert!(errors > 5, "{errors}");
    let mut bulk = store.bulk(1 << 20, 1);
    let file = ParquetImport::open(&path, &mapping, "GBP").unwrap().unwrap();
    let stop = &mut |_: f64| ControlFlow::Break(());
    let read = file.read(2, &mut bulk, &mut ReportBuilder::new(), stop);
    assert!(matches!(read, Err(ImportError::Cancelled)));
    let csv = folder.path().join("sales.csv");
    std::fs::write(&csv, "a,b\n1,2\n").unwrap();
    assert!(ParquetImport::open(&csv, &mapping, "GBP").unwrap().is_none());
}
