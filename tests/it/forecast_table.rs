//! `patron forecast --table`: the command, without a server.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::app::new_directory;

fn patron(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_patron"));
    command.current_dir(directory).arg("forecast").args(arguments).output().unwrap()
}

fn refused(directory: &Path, rows: &str) -> String {
    fs::write(directory.join("bad.csv"), rows).unwrap();
    let told = patron(directory, &["--table", "bad.csv", "--horizon", "2", "--file", "o.csv"]);
    assert_eq!(told.status.code(), Some(65));
    assert!(!directory.join("o.csv").exists(), "nothing is left");
    String::from_utf8(told.stderr).unwrap()
}

/// Five years of months of three shops with a season, in an order that helps nobody.
fn monthly() -> String {
    let season = [0.8, 0.7, 0.9, 1.0, 1.0, 1.1, 1.0, 0.9, 1.0, 1.1, 1.2, 1.3];
    let mut text = "y;ds;unique_id\n".to_owned();
    for month in (0..60).rev() {
        for (shop, level) in [("a", 100.0), ("b", 250.0), ("c", 40.0)] {
            let noise = f64::from((month * 7 + 3) % 11) / 5.0;
            let y = level * season[month as usize % 12] + noise;
            let (year, month) = (2018 + month / 12, month % 12 + 1);
            writeln!(text, "{y};{year}-{month:02}-01;{shop}").unwrap();
        }
    }
    text
}

#[test]
fn a_table_of_months_is_forecast_with_its_season() {
    let directory = new_directory();
    let path = directory.path();
    fs::write(path.join("series.csv"), monthly()).unwrap();
    let asked =
        ["--table", "series.csv", "--horizon", "12", "--level", "0.8,0.95", "--non-negative"];
    let told = patron(path, &[&asked[..], &["--file", "f.csv"]].concat());
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.status.success(), "{text}{}", String::from_utf8_lossy(&told.stderr));
    assert!(text.contains("month") && text.contains("12 periods"), "{text}");
    let written = fs::read_to_string(path.join("f.csv")).unwrap();
    let rows: Vec<Vec<&str>> = written.lines().map(|row| row.split(',').collect()).collect();
    let header = "unique_id,ds,Patron,Patron-lo-80,Patron-hi-80,Patron-lo-95,Patron-hi-95";
    assert_eq!(rows[0].join(","), header);
    assert_eq!(rows.len(), 1 + 3 * 12);
    let december = rows.iter().find(|row| row[0] == "b" && row[1] == "2023-12-01").unwrap();
    let of = |column: usize| december[column].parse::<f64>().unwrap();
    assert!((of(2) / 325.0 - 1.0).abs() < 0.03, "{december:?}");
    assert!(of(5) <= of(3) && of(3) < of(2) && of(2) < of(4) && of(4) <= of(6), "{december:?}");

    let parquet = patron(path, &[&asked[..], &["--file", "f.parquet", "--threads", "1"]].concat());
    assert!(parquet.status.success());
    let again = patron(path, &[&asked[..], &["--file", "g.parquet", "--threads", "2"]].concat());
    assert!(again.status.success());
    let bytes = |name: &str| fs::read(path.join(name)).unwrap();
    assert_eq!(bytes("f.parquet"), bytes("g.parquet"));
    // In the words of other tools: percentages, and the file as the output.
    let words = ["--table", "series.csv", "--horizon", "12", "--level", "80,95"];
    let words = [&words[..], &["--non-negative", "--output", "h.parquet"]].concat();
    assert!(patron(path, &words).status.success());
    assert_eq!(bytes("f.parquet"), bytes("h.parquet"));
    let twice = patron(path, &[&words[..], &["--file", "i.parquet"]].concat());
    assert!(!twice.status.success() && !path.join("i.parquet").exists());
    // Its own output can be read again.
    let columns = ["--value", "Patron", "--table", "f.parquet", "--horizon", "1"];
    let told = patron(path, &[&columns[..], &["--file", "h.csv"]].concat());
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    assert!(fs::read_to_string(path.join("h.csv")).unwrap().contains("a,2024-01-01,"));
}

#[test]
fn what_is_wrong_with_a_table_is_told_with_its_row() {
    let directory = new_directory();
    let refused = |rows: &str| refused(directory.path(), rows);
    let header = "unique_id,ds,y\n";
    let told = refused("id,ds,y\na,1,2\n");
    assert!(told.contains("no column \"unique_id\"; it has id, ds, y"), "{told}");
    let told = refused(&format!("{header}a,1,2\na,2,much\n"));
    assert!(told.contains("row 2") && told.contains("much"), "{told}");
    let told = refused(&format!("{header}a,1,2\na,2,\n"));
    assert!(told.contains("row 2, column y: expected a value, found none"), "{told}");
    let told = refused(&format!("{header}a,2024-01-01,2\na,2024-01-02,1\na,2024-01-04,1\n"));
    assert!(told.contains("series a") && told.contains("2024-01-02 and 2024-01-04"), "{told}");
    let told = refused(&format!("{header}a,1,2\na,1,3\n"));
    assert!(told.contains("row 2: series a has a value for 1 already, in row 1"), "{told}");
    let told = patron(directory.path(), &["--table", "no.csv", "--horizon", "2", "--file", "o"]);
    assert_eq!(told.status.code(), Some(65));
    let told = patron(directory.path(), &["--table", "no.csv", "--file", "o"]);
    assert_eq!(told.status.code(), Some(64), "the horizon is missing");
}

#[test]
fn columns_that_are_known_in_advance_move_the_forecast() {
    let directory = new_directory();
    let path = directory.path();
    let mut text = "unique_id,ds,y,promo,price\n".to_owned();
    for week in 0..126_i32 {
        for (shop, level) in [("a", 90.0), ("b", 150.0)] {
            // 120 weeks are past; the third of the coming ones is promoted.
            let promoted = if week < 120 { week % 7 == 3 || week % 11 == 5 } else { week == 122 };
            let price = 2.0 + f64::from(week * 5 % 13) / 20.0;
            let noise = 1.0 + f64::from((week * 31 + 17) % 23 - 11) / 200.0;
            let uplift = if promoted { 1.6 } else { 1.0 };
            let y = level * uplift * (price / 2.0_f64).powf(-1.5) * noise;
            let y = if week < 120 { y.to_string() } else { String::new() };
            writeln!(text, "{shop},{week},{y},{},{price}", u8::from(promoted)).unwrap();
        }
    }
    fs::write(path.join("series.csv"), &text).unwrap();
    let asked = ["--table", "series.csv", "--horizon", "6", "--file", "f.csv"];
    let columns = ["--regressor", "promo:indicator,price:price"];
    let told = patron(path, &[&asked[..], &columns].concat());
    let shown = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    assert!(shown.contains("promo, price; no part in 0 series"), "{shown}");
    let written = fs::read_to_string(path.join("f.csv")).unwrap();
    for row in written.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let week: i32 = cells[1].parse().unwrap();
        let level = if cells[0] == "a" { 90.0 } else { 150.0 };
        let price = 2.0 + f64::from(week * 5 % 13) / 20.0;
        let truth = level * if week == 122 { 1.6 } else { 1.0 } * (price / 2.0_f64).powf(-1.5);
        let found: f64 = cells[2].parse().unwrap();
        assert!((found / truth - 1.0).abs() < 0.1, "{row}: {truth}");
    }
    let wrong = |regressor: &str, from: &str, to: &str| {
        fs::write(path.join("series.csv"), text.replacen(from, to, 1)).unwrap();
        let told = patron(path, &[&asked[..], &["--regressor", regressor]].concat());
        assert!(!told.status.success());
        String::from_utf8(told.stderr).unwrap()
    };
    let told = wrong("promo:indicator", "a,122,,1,", "a,122,,3,");
    let expected = "row 245, column promo: expected a number from 0 to 1 for series a, found 3";
    assert!(told.contains(expected), "{told}");
    let told = wrong("promo:indicator", "a,123,,0,", "a,123,,,");
    assert!(told.contains("row 247, column promo") && told.contains("found none"), "{told}");
    let told = wrong("promotion:indicator", "", "");
    assert!(told.contains("no column \"promotion\""), "{told}");
    let told = wrong("promo:often", "", "");
    assert!(told.contains("expected COLUMN:indicator or COLUMN:price"), "{told}");
}
