//! Rows of a CSV file.

use std::fmt;
use std::io::{self, Read};

use csv::{ByteRecord, ReaderBuilder};
use encoding_rs::Encoding;

use super::file::{ReadFileError, positions};
use super::mapping::Mapping;
use super::row::{Cell, RefusalReason, RowProblem, SourceRow, fingerprint};

/// Longest row in bytes. Without a limit one quote that is never closed would read the whole file
/// into memory.
const ROW_LIMIT: usize = 1 << 20;
const BUFFER: usize = 1 << 16;

/// A CSV file, read row by row.
pub(super) struct CsvFile {
    reader: csv::Reader<Limited>,
    mapping: Mapping,
    /// Where each of the mapping's columns stands in the file.
    positions: Vec<usize>,
    width: usize,
    record: ByteRecord,
    cells: Vec<u8>,
    rows: u64,
    length: Option<u64>,
}

impl fmt::Debug for CsvFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CsvFile")
            .field("width", &self.width)
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

impl CsvFile {
    /// Reads the header. `length` is the file's in bytes, for [`CsvFile::rows_hint`].
    pub(super) fn open(
        file: Box<dyn Read + Send>,
        length: Option<u64>,
        mapping: &Mapping,
    ) -> Result<Self, ReadFileError> {
        let mut reader = ReaderBuilder::new()
            .delimiter(mapping.delimiter)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(BUFFER)
            .from_reader(Limited::new(file));
        let mut record = ByteRecord::new();
        if !read_record(&mut reader, &mut record, 0)? {
            return Err(ReadFileError::Empty);
        }
        let header = header(&record, mapping.reader.encoding)?;
        Ok(Self {
            positions: positions(mapping, &header)?,
            width: header.len(),
            mapping: mapping.clone(),
            reader,
            record,
            cells: Vec::new(),
            rows: 0,
            length,
        })
    }

    /// The next row; `None` after the last.
    pub(super) fn next_row(&mut self) -> Result<Option<SourceRow>, ReadFileError> {
        if !read_record(&mut self.reader, &mut self.record, self.rows + 1)? {
            return Ok(None);
        }
        self.rows += 1;
        self.cells.clear();
        for cell in &self.record {
            self.cells.extend((cell.len() as u32).to_le_bytes());
            self.cells.extend_from_slice(cell);
        }
        let fingerprint = fingerprint(&self.cells);
        if self.record.len() != self.width {
            return Ok(Some(self.ragged(fingerprint)));
        }
        let cell = |column: usize| {
            let position = self.positions.get(column);
            let bytes = position.and_then(|position| self.record.get(*position));
            bytes.map_or(Cell::Null, Cell::Bytes)
        };
        Ok(Some(self.mapping.source_row(self.rows, fingerprint, &cell)))
    }

    /// Rows in the file, by the mean length of those read so far.
    pub(super) fn rows_hint(&self) -> Option<u64> {
        let read = self.reader.position().byte();
        let rows = u128::from(self.rows) * u128::from(self.length?);
        u64::try_from(rows.checked_div(u128::from(read))?).ok().filter(|rows| *rows > 0)
    }

    fn ragged(&self, fingerprint: u64) -> SourceRow {
        let message = format!(
            "expected {} cells as in the header, found {}; check quotes and [file] delimiter",
            self.width,
            self.record.len()
        );
        SourceRow {
            row: self.rows,
            fingerprint,
            line: Err(RowProblem {
                field: "row".to_owned(),
                reason: RefusalReason::RaggedRow,
                message,
            }),
            recorded_at: None,
        }
    }
}

/// Reads one record under the limit; `false` at the end of the file.
pub(super) fn read_record(
    reader: &mut csv::Reader<Limited>,
    record: &mut ByteRecord,
    row: u64,
) -> Result<bool, ReadFileError> {
    reader.get_mut().left = ROW_LIMIT;
    let read = reader.read_byte_record(record);
    if reader.get_ref().left == 0 {
        return Err(ReadFileError::RowTooLong { row, limit: ROW_LIMIT });
    }
    read.map_err(|error| ReadFileError::Io(io::Error::from(error)))
}

fn header(record: &ByteRecord, encoding: &'static Encoding) -> Result<Vec<String>, ReadFileError> {
    let mut header = Vec::with_capacity(record.len());
    for (position, cell) in record.iter().enumerate() {
        let name = encoding.decode_without_bom_handling_and_without_replacement(cell);
        let name = name.ok_or_else(|| ReadFileError::Encoding {
            row: 0,
            column: position + 1,
            expected: encoding.name().to_owned(),
        })?;
        header.push(name.into_owned());
    }
    Ok(header)
}

/// Counts down what may still be read for one row and then reads no more.
pub(super) struct Limited {
    file: Box<dyn Read + Send>,
    left: usize,
}

impl Limited {
    pub(super) fn new(file: Box<dyn Read + Send>) -> Self {
        Self { file, left: ROW_LIMIT }
    }
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.left = self.left.saturating_sub(read);
        if self.left == 0 {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::super::file::{TransactionFile, from_bytes, open};
    use super::*;
    use crate::transaction::{LineDraft, Money, Quantity, TransactionLine};

    const MAPPING: &str = r#"
        [time]
        zone = "Europe/London"
        [columns]
        customer_id = "Customer"
        occurred_at = "Date"
        product_id = "Product"
        quantity = "Units"
        unit_price = "Price"
        currency = "Currency"
    "#;
    const HEADER: &str = "Customer,Date,Product,Units,Price,Currency\n";

    fn mapping(more: &str) -> Mapping {
        Mapping::parse(&format!("{more}\n{MAPPING}")).unwrap()
    }

    fn read(
        mapping: &Mapping,
        bytes: impl Into<Vec<u8>>,
    ) -> Result<TransactionFile, ReadFileError> {
        from_bytes("sales.csv", Bytes::from(bytes.into()), mapping)
    }

    fn lines(mapping: &Mapping, bytes: impl Into<Vec<u8>>) -> Vec<LineDraft> {
        let file = read(mapping, bytes).unwrap();
        file.map(|row| row.unwrap().line.unwrap()).collect()
    }

    /// The row that follows a sound one.
    fn second_row(cells: &[u8]) -> Result<TransactionLine, RowProblem> {
        let mut file = format!("{HEADER}17850,2010-12-01 08:26,cup,1,2.5,GBP\n").into_bytes();
        file.extend_from_slice(cells);
        let row = read(&mapping(""), file).unwrap().nth(1).unwrap().unwrap();
        assert_eq!(row.row, 2);
        row.check("GBP")
    }

    #[test]
    fn commas_quotes_and_a_byte_order_mark_are_read() {
        let file =
            format!("\u{feff}{HEADER}a,2010-12-01 08:26,\"cup, \"\"red\"\"\",-1.5,2.55,GBP\n");
        let [line] = lines(&mapping(""), file).try_into().unwrap();
        assert_eq!(line.customer_id.as_deref(), Some("a"));
        assert_eq!(line.product_id.as_deref(), Some("cup, \"red\""));
        assert_eq!(line.quantity, Some(Quantity::from_thousandths(-1_500)));
        assert_eq!(line.unit_price, Some(Money::from_micros(2_550_000)));
        assert_eq!(line.occurred_at, Some("2010-12-01T08:26:00Z".parse().unwrap()));
    }

    #[test]
    fn a_line_break_in_quotes_is_part_of_the_cell() {
        let file = format!("{HEADER}a,2010-12-01,\"cup\nred\",1,2,\r\n\nb,2010-12-01,cup,1,2,\r\n");
        let [first, second] = lines(&mapping(""), file).try_into().unwrap();
        assert_eq!(first.product_id.as_deref(), Some("cup\nred"));
        assert_eq!((second.customer_id.as_deref(), second.currency), (Some("b"), None));
    }

    #[test]
    fn semicolons_decimal_commas_and_windows_letters_are_read() {
        let more = "[file]\ndelimiter = \";\"\nencoding = \"windows-1252\"\nnulls = [\"NULL\"]\n\
                    [money]\ndecimal_separator = \",\"\nthousands_separator = \".\"";
        let mapping = Mapping::parse(&format!(
            "{more}\n{}",
            MAPPING.replace("[time]", "[time]\nformat = \"%d.%m.%Y %H:%M\"")
        ));
        let mapping = mapping.unwrap();
        let mut file = HEADER.replace(',', ";").into_bytes();
        file.extend(
            b"NULL;01.07.2011 09:30;K\xe4se;-2,5;1.234,56;EUR\nx;01.07.2011 09:30;y;1;2.50;EUR\n",
        );
        let mut rows = read(&mapping, file).unwrap();
        let line = rows.next().unwrap().unwrap().line.unwrap();
        assert_eq!((line.customer_id, line.product_id.as_deref()), (None, Some("Käse")));
        assert_eq!(line.unit_price, Some(Money::from_micros(1_234_560_000)));
        assert_eq!(line.occurred_at, Some("2011-07-01T08:30:00Z".parse().unwrap()));
        let problem = rows.next().unwrap().unwrap().line.unwrap_err();
        assert!(problem.message.contains("such as -12,50, found \"2.50\""), "{problem}");
    }

    #[test]
    fn a_broken_cell_names_its_column_and_the_remedy() {
        for (row, reason, parts) in [
            (
                &b"a,2010-12-01,cup,1,\"2,5\",GBP\n"[..],
                "malformed_number",
                ["\"Price\"", "decimal_separator"],
            ),
            (b"a,2010-12-01,cup,1,nan,GBP\n", "malformed_number", ["\"Price\"", "\"nan\""]),
            (b"a,1/12/2010,cup,1,2,GBP\n", "malformed_time", ["\"Date\"", "[time] format"]),
            (b"a,9999-12-31,cup,1,2,GBP\n", "malformed_time", ["\"Date\"", "9999"]),
            (b"a,2010-12-01,K\xe4se,1,2,GBP\n", "encoding", ["\"Product\"", "[file] encoding"]),
            (b"a,2010-12-01,cup,1\n", "ragged_row", ["expected 6 cells", "found 4"]),
            (b"a,2010-12-01,cup,1,2,EUR\n", "currency", ["expected GBP", "\"EUR\""]),
            (b"a,2010-12-01,cup,0,2,GBP\n", "zero_quantity", ["quantity", "other than 0"]),
            (b"a,,cup,1,2,GBP\n", "missing", ["occurred_at", "required"]),
        ] {
            let problem = second_row(row).unwrap_err();
            assert_eq!(problem.reason.as_str(), reason, "{problem}");
            for part in parts {
                assert!(problem.message.contains(part), "{part}: {problem}");
            }
        }
    }

    #[test]
    fn a_time_without_a_zone_is_refused_while_none_is_named() {
        let mapping = Mapping::parse(&MAPPING.replace("zone = \"Europe/London\"", "")).unwrap();
        let file = format!("{HEADER}a,2010-12-01T08:26:00Z,x,1,2,\na,2010-12-01 08:26,x,1,2,\n");
        let mut rows = read(&mapping, file).unwrap();
        assert!(rows.next().unwrap().unwrap().line.is_ok());
        let problem = rows.next().unwrap().unwrap().line.unwrap_err();
        assert!(problem.message.contains("[time] zone"), "{problem}");
    }

    #[test]
    fn a_wrong_file_is_refused_as_a_whole() {
        let unclosed = format!("{HEADER}\"{}", "x".repeat(2 * ROW_LIMIT));
        let error = read(&mapping(""), unclosed).unwrap().next().unwrap().unwrap_err();
        assert!(error.to_string().starts_with("row 1: expected at most"), "{error}");
        for (file, parts) in [
            ("", ["empty file", "export it again"]),
            ("\n\n", ["empty file", "export it again"]),
            ("Customer;Date\n", ["\"Price\"", "[file] delimiter"]),
            (
                "Customer,Date,Units\n",
                ["\"Currency\", \"Product\", \"Price\"", "found only \"Customer\""],
            ),
            (&HEADER.replace("Product", "Date"), ["\"Date\"", "found 2"]),
            ("PAR1", ["expected a CSV file, found Parquet", "[file] format"]),
        ] {
            let error = read(&mapping(""), file).unwrap_err().to_string();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        }
        let error = read(&mapping(""), b"A,\xff\n").unwrap_err().to_string();
        assert!(error.contains("row 0, column 2: expected UTF-8"), "{error}");
        let error = from_bytes("sales.xls", Bytes::new(), &mapping("")).unwrap_err();
        assert!(error.to_string().contains("[file] format"), "{error}");
        let error = open("no/such.csv".as_ref(), &mapping("")).unwrap_err();
        assert!(error.to_string().contains("check that it exists"), "{error}");
    }

    #[test]
    fn signs_cancellations_paths_and_amounts_follow_the_mapping() {
        let mapping = Mapping::parse(
            "[columns]\norder_id = \"o\"\ncategory = [\"a\", \"b\"]\nquantity = \"q\"\namount = \"m\"\n\
             [constants]\nproduct_id = \"x\"\noccurred_at = \"2011-01-01T00:00:00Z\"\n\
             [returns]\ncancellation_prefix = \"C\"\nquantity_sign = \"unsigned\"\ncolumn = \"t\"\n\
             values = [\"R\"]\n[recorded_at]\ncolumn = \"r\"",
        )
        .unwrap();
        let rows = "o,a,b,q,m,t,r\n1,f,g,2,5,S,2011-02-01T00:00:00Z\nC1,f,,2,5,S,2011-02-01T00:00:00Z\n\
                    2,,,2,-5,R,2011-02-01T00:00:00Z\n3,,,-2,5,S,2011-02-01T00:00:00Z\n4,,,2,5,S,\n";
        let rows: Vec<_> = read(&mapping, rows).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows[0].recorded_at, Some("2011-02-01T00:00:00Z".parse().unwrap()));
        let problems = rows[3..].iter().map(|row| row.line.as_ref().unwrap_err().reason.as_str());
        assert_eq!(problems.collect::<Vec<_>>(), ["sign", "missing"]);
        let lines = rows.into_iter().take(3).map(|row| row.check("GBP").unwrap());
        let seen = lines.map(|line| {
            let money = format!("{} {} {}", line.quantity, line.unit_price, line.amount());
            (money, line.category.unwrap_or_default(), line.cancels_order_id.unwrap_or_default())
        });
        let row = |money: &str, path: &str, order: &str| (money.into(), path.into(), order.into());
        assert_eq!(
            seen.collect::<Vec<_>>(),
            [
                row("2 2.50 5.00", "f/g", ""),
                row("-2 2.50 -5.00", "f", "1"),
                row("-2 2.50 -5.00", "", "")
            ]
        );
    }

    #[test]
    fn rows_that_repeat_share_a_fingerprint_and_progress_is_estimated() {
        let file =
            format!("{HEADER}a,2010-12-01,x,1,2,\na,2010-12-01,x,1,2,\na,2010-12-01,x,12,,\n");
        let mut file = read(&mapping(""), file).unwrap();
        assert_eq!(file.rows_hint(), None);
        let prints: Vec<_> = file.by_ref().map(|row| row.unwrap().fingerprint).collect();
        assert!(prints[0] == prints[1] && prints[1] != prints[2]);
        assert!((3..=6).contains(&file.rows_hint().unwrap()));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let file = [HEADER.as_bytes(), &bytes].concat();
            for row in read(&mapping(""), file).unwrap() {
                let _ = row.unwrap().check("GBP");
            }
            let _ = read(&mapping(""), bytes).map(Iterator::count);
        }
    }
}
