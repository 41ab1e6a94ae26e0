//! Spacings, gaps, and what is no series.

use super::*;
use crate::dataset::RegressorKind;

fn day(year: i16, month: i8, day: i8) -> Stamp {
    let epoch = jiff::civil::date(1970, 1, 1);
    let days = epoch.until(jiff::civil::date(year, month, day)).unwrap().get_days();
    Stamp::Instant(i64::from(days) * MICROS_PER_DAY)
}

fn table(rows: &[(&str, Stamp, f64)], gaps: Gaps) -> Result<LongTable, InvalidLongTable> {
    let mut table = LongRows::default();
    for (nth, (id, stamp, y)) in rows.iter().enumerate() {
        let given = LongRow { y: Some(*y), known: Vec::new(), row: nth as u64 + 1 };
        table.add(id, *stamp, given)?;
    }
    table.series(gaps)
}

#[test]
fn spacings_are_found_and_go_on() {
    let weekly = [("a", day(2024, 1, 15), 2.0), ("a", day(2024, 1, 8), 1.0)];
    let found = table(&weekly, Gaps::Refuse).unwrap();
    assert_eq!(found.series()[0].values, [1.0, 2.0]);
    assert_eq!(
        (found.spacing().to_string(), found.spacing().season_length()),
        ("7 days".into(), 52)
    );
    let next = found.spacing().stamp(found.series()[0].end);
    assert_eq!((next, next.to_string()), (day(2024, 1, 22), "2024-01-22".to_owned()));

    let ends = [("a", day(2024, 1, 31), 1.0), ("a", day(2024, 2, 29), 2.0)];
    let found = table(&ends, Gaps::Refuse).unwrap();
    assert_eq!(found.spacing().season_length(), 12);
    assert_eq!(found.spacing().stamp(found.series()[0].end), day(2024, 3, 31));

    let quarters = [("a", day(2023, 10, 1), 1.0), ("a", day(2024, 1, 1), 2.0)];
    let found = table(&quarters, Gaps::Refuse).unwrap();
    assert_eq!(
        (found.spacing().season_length(), found.spacing().to_string()),
        (4, "3 months".into())
    );

    let index =
        [("a", Stamp::Index(3), 1.0), ("b", Stamp::Index(7), 1.0), ("b", Stamp::Index(9), 2.0)];
    let found = table(&index, Gaps::Refuse).unwrap();
    let ends = found.series().iter().map(|one| found.spacing().stamp(one.end));
    assert_eq!(ends.collect::<Vec<_>>(), [Stamp::Index(5), Stamp::Index(11)]);
}

#[test]
fn gaps_are_refused_or_zeros() {
    let rows =
        [("a", day(2024, 1, 1), 1.0), ("a", day(2024, 1, 2), 2.0), ("a", day(2024, 1, 5), 3.0)];
    let gap = table(&rows, Gaps::Refuse).unwrap_err().to_string();
    assert!(gap.contains("every day, found none between 2024-01-02 and 2024-01-05"), "{gap}");
    let filled = table(&rows, Gaps::Zero).unwrap();
    assert_eq!(filled.series()[0].values, [1.0, 2.0, 0.0, 0.0, 3.0]);
}

#[test]
fn what_is_no_series_is_named_with_its_row() {
    let told = |rows: &[(&str, Stamp, f64)]| table(rows, Gaps::Zero).unwrap_err().to_string();
    let twice =
        [("a", Stamp::Index(1), 1.0), ("b", Stamp::Index(1), 1.0), ("a", Stamp::Index(1), 2.0)];
    assert_eq!(told(&twice), "row 3: series a has a value for 1 already, in row 1");
    let mixed = [("a", Stamp::Index(1), 1.0), ("a", day(2024, 1, 1), 1.0)];
    assert_eq!(told(&mixed), "row 2: expected a whole number as in the rows before, found a date");
    assert!(told(&[("a", Stamp::Index(1), f64::NAN)]).starts_with("row 1: expected a finite"));
    assert_eq!(told(&[]), "the table has no row");
    let far = [
        ("a", Stamp::Index(i64::MIN), 1.0),
        ("a", Stamp::Index(i64::MAX), 1.0),
        ("a", Stamp::Index(0), 1.0),
    ];
    assert!(told(&far).contains("are the times right?"));
    let last = [("a", Stamp::Index(0), 1.0), ("b", Stamp::Index(i64::MAX), 1.0)];
    assert!(table(&last, Gaps::Refuse).is_ok(), "a step of its own");
    let last = [last[0], ("a", Stamp::Index(1), 1.0), last[1]];
    assert!(told(&last).contains("are the times right?"));
    // Each of them alone is small enough.
    let second = |second: i64| Stamp::Instant(second * 1_000_000);
    let many: Vec<String> = (0..60).map(|number| number.to_string()).collect();
    let mut rows = vec![("x", second(0), 1.0), ("x", second(1), 1.0)];
    for id in &many {
        rows.extend([(id.as_str(), second(0), 1.0), (id.as_str(), second(999_999), 1.0)]);
    }
    assert!(told(&rows).contains("expected at most 50000000 together"));
}

#[test]
fn rows_without_a_value_tell_what_is_to_come() {
    let price = Regressor { name: "price".to_owned(), kind: RegressorKind::Price };
    let series = |rows: &[(i64, Option<f64>, f64)], gaps| {
        let mut table = LongRows::with_regressors(vec![price.clone()]);
        for (nth, (stamp, y, price)) in rows.iter().enumerate() {
            let given = LongRow { y: *y, known: vec![*price], row: nth as u64 + 1 };
            table.add("a", Stamp::Index(*stamp), given)?;
        }
        Ok::<_, InvalidLongTable>(table.series(gaps)?.series()[0].clone())
    };
    let coming = [(4, None, 5.0), (1, Some(7.0), 3.0), (3, Some(9.0), 4.0), (5, None, 6.0)];
    assert!(matches!(series(&coming, Gaps::Refuse), Err(InvalidLongTable::Gap { .. })));
    let found = series(&coming, Gaps::Zero).unwrap();
    assert_eq!(found.values, [7.0, 0.0, 9.0]);
    assert_eq!(found.known, [[3.0, 3.0, 4.0, 5.0, 6.0]]);
    let hole = series(&[(1, Some(1.0), 1.0), (2, None, 1.0), (3, Some(1.0), 1.0)], Gaps::Zero);
    assert!(hole.unwrap_err().to_string().starts_with("row 2: series a has no value for 2;"));
    let nothing = series(&[(1, None, 1.0)], Gaps::Zero).unwrap_err().to_string();
    assert!(nothing.starts_with("row 1: series a has no value"), "{nothing}");
}
