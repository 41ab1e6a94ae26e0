use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::CancelToken;

fn matrix(rows: &[[f32; 3]]) -> FeatureMatrix {
    let columns = ["spend", "visits", "recency_days"].map(str::to_owned);
    let values = rows.iter().flat_map(|[r, f, m]| [*m, *f, *r]).collect();
    FeatureMatrix::new(columns.into(), values).unwrap()
}

fn estimator(scores: u8) -> RfmEstimator {
    RfmEstimator {
        recency: "recency_days".to_owned(),
        frequency: "visits".to_owned(),
        monetary: "spend".to_owned(),
        scores,
    }
}

fn fit(rows: &[[f32; 3]]) -> RfmModel {
    estimator(5).fit(&matrix(rows), &FitRun::quiet(0)).unwrap()
}

#[test]
fn quintiles_score_from_worst_to_best() {
    let rows: Vec<[f32; 3]> = (1..=10u8).map(|i| [f32::from(i); 3]).collect();
    let model = fit(&rows);
    let cells: Vec<String> =
        model.predict(&matrix(&rows)).unwrap().into_iter().map(|row| row.cell).collect();
    assert_eq!(
        cells,
        ["511", "511", "422", "422", "333", "333", "244", "244", "155", "155"],
        "recency falls, the others rise"
    );
    let [recency, frequency, _] = model.edges();
    assert_eq!(recency.values().collect::<Vec<_>>(), [9.0, 7.0, 5.0, 3.0]);
    assert_eq!(frequency.values().collect::<Vec<_>>(), [2.0, 4.0, 6.0, 8.0]);
}

#[test]
fn an_answer_carries_its_edges() {
    let rows: Vec<[f32; 3]> = (1..=10u8).map(|i| [f32::from(i); 3]).collect();
    let answer = fit(&rows).predict(&matrix(&[[3.5, 4.5, 99.0]])).unwrap().remove(0);
    let band = |score, value, worse_than, up_to| RfmBand { score, value, worse_than, up_to };
    assert_eq!(answer.recency, band(4, 3.5, Some(5.0), Some(3.0)));
    assert_eq!(answer.frequency, band(3, 4.5, Some(4.0), Some(6.0)));
    assert_eq!(answer.monetary, band(5, 99.0, Some(8.0), None));
    assert_eq!((&*answer.cell, answer.segment), ("435", RfmSegment::Champions));
}

/// Customers by number of repeat days in the 39 weeks of the CDNOW sample: 1,411 of 2,357 (59.9 %)
/// have none.
const CDNOW: [(f32, usize); 23] = [
    (0.0, 1411),
    (1.0, 439),
    (2.0, 214),
    (3.0, 100),
    (4.0, 62),
    (5.0, 38),
    (6.0, 29),
    (7.0, 23),
    (8.0, 7),
    (9.0, 5),
    (10.0, 5),
    (11.0, 5),
    (12.0, 4),
    (13.0, 5),
    (14.0, 2),
    (15.0, 1),
    (17.0, 1),
    (18.0, 1),
    (19.0, 1),
    (21.0, 1),
    (25.0, 1),
    (26.0, 1),
    (29.0, 1),
];

#[test]
fn six_in_ten_without_a_repeat_share_the_lowest_score() {
    let rows: Vec<[f32; 3]> = CDNOW
        .iter()
        .flat_map(|(repeats, customers)| std::iter::repeat_n([1.0, *repeats, 1.0], *customers))
        .collect();
    let model = fit(&rows);
    let [recency, frequency, monetary] = model.edges();
    assert_eq!(frequency.values().collect::<Vec<_>>(), [0.0, 1.0, 2.0]);
    assert_eq!(frequency.existing_scores().collect::<Vec<_>>(), [1, 3, 4, 5]);
    let scores = [0.0, 0.5, 1.0, 2.0, 3.0, 29.0].map(|repeats| frequency.score(repeats));
    assert_eq!(scores, [1, 3, 3, 4, 5, 5]);
    // Nothing tells the customers of a constant column apart.
    for constant in [recency, monetary] {
        assert_eq!(constant.existing_scores().collect::<Vec<_>>(), [1]);
        assert_eq!(constant.score(1.0), 1);
    }
}

#[test]
fn every_cell_has_the_name_of_the_table() {
    // Down: recency 5 to 1; across: frequency and monetary score added up, 2 to 10.
    let table = ["NNPPLLCCC", "MMPPLLCCC", "SSAAAALLL", "HHSSRRRRR", "OOHHRRXXX"];
    let letter = |segment| match segment {
        RfmSegment::Champions => 'C',
        RfmSegment::Loyal => 'L',
        RfmSegment::PotentialLoyalists => 'P',
        RfmSegment::NewCustomers => 'N',
        RfmSegment::Promising => 'M',
        RfmSegment::NeedingAttention => 'A',
        RfmSegment::AboutToSleep => 'S',
        RfmSegment::AtRisk => 'R',
        RfmSegment::CantLoseThem => 'X',
        RfmSegment::Hibernating => 'H',
        RfmSegment::Lost => 'O',
    };
    let mut seen = std::collections::BTreeSet::new();
    for (row, recency) in table.iter().zip((1..=5).rev()) {
        for (frequency, monetary) in (1..=5).flat_map(|f| (1..=5).map(move |m| (f, m))) {
            let segment = RfmNaming::V1.segment([recency, frequency, monetary], 5);
            let expected = row.chars().nth(usize::from(frequency + monetary - 2)).unwrap();
            assert_eq!(letter(segment), expected, "{recency}{frequency}{monetary}");
            seen.insert(segment.name());
        }
    }
    assert_eq!(seen.len(), RfmSegment::ALL.len(), "every name is used");
}

#[test]
fn other_numbers_of_scores_have_the_same_corners() {
    for scores in 2..=9 {
        let name = |cell| RfmNaming::V1.segment(cell, scores);
        assert_eq!(name([scores; 3]), RfmSegment::Champions);
        assert_eq!(name([1; 3]), RfmSegment::Lost);
        assert_eq!(name([scores, 1, 1]), RfmSegment::NewCustomers);
        assert_eq!(name([1, scores, scores]), RfmSegment::CantLoseThem);
    }
}

#[test]
fn sizes_add_up_and_the_model_survives_storage() {
    let rows: Vec<[f32; 3]> = (0..97u16)
        .map(|i| [f32::from(i * 7 % 97), f32::from(i % 5), f32::from(i) * 1e30])
        .collect();
    let model = fit(&rows);
    assert_eq!(model.sizes().iter().map(|size| size.size).sum::<u64>(), 97);
    let answers = model.predict(&matrix(&rows)).unwrap();
    for size in model.sizes() {
        let found = answers.iter().filter(|answer| answer.segment == size.segment).count();
        assert_eq!((found as u64, found as f64 / 97.0), (size.size, size.share));
    }
    let stored = serde_json::to_string(&model).unwrap();
    assert!(stored.contains(r#""naming":"1""#));
    assert_eq!(serde_json::from_str::<RfmModel>(&stored).unwrap(), model);
    let unknown = stored.replace(r#""naming":"1""#, r#""naming":"2""#);
    assert!(serde_json::from_str::<RfmModel>(&unknown).is_err());
    let broken = stored.replace(r#""scores":5"#, r#""scores":3"#);
    assert!(serde_json::from_str::<RfmModel>(&broken).is_err());
}

#[test]
fn settings_columns_and_cancel_are_checked() {
    let data = matrix(&[[1.0; 3]]);
    let fails = |estimator: RfmEstimator, data: &FeatureMatrix| {
        estimator.fit(data, &FitRun::quiet(0)).unwrap_err()
    };
    assert_eq!(fails(estimator(1), &data).to_string(), "scores: expected 2 to 9, found 1");
    let twice = RfmEstimator { recency: "spend".to_owned(), ..estimator(5) };
    assert!(matches!(fails(twice, &data), FitError::Setting { name: "columns", .. }));
    let unknown = RfmEstimator { recency: "age".to_owned(), ..estimator(5) };
    assert!(matches!(fails(unknown, &data), FitError::UnknownColumn { .. }));
    assert!(matches!(fails(estimator(5), &matrix(&[])), FitError::TooFew { .. }));
    let cancel = CancelToken::default();
    cancel.cancel();
    let run = FitRun { cancel, ..FitRun::quiet(0) };
    assert_eq!(estimator(5).fit(&data, &run), Err(FitError::Cancelled));
    let model = fit(&[[1.0; 3]]);
    let other = FeatureMatrix::new(["spend".to_owned()].into(), vec![1.0]).unwrap();
    assert!(matches!(model.predict(&other), Err(PredictError::Columns { .. })));
    assert_eq!(model.predict(&matrix(&[])), Ok(Vec::new()));
    let missing = FeatureMatrix::coded(
        Arc::clone(data.columns()),
        vec![Vec::new(); 3].into(),
        vec![1.0, 1.0, 1.0, 1.0, f32::NAN, 1.0],
    );
    let missing = missing.unwrap();
    assert_eq!(
        fails(estimator(5), &missing).to_string(),
        "rfm: row 1, column visits: expected a finite number"
    );
    let refused = model.predict(&missing).unwrap_err().to_string();
    assert!(refused.ends_with("row 1, column visits: expected a finite number"), "{refused}");
}

proptest! {
    #[test]
    fn scores_follow_values(
        values in prop::collection::vec(prop_oneof![
            (-3i8..3).prop_map(f32::from), any::<f32>().prop_filter("finite", |v| v.is_finite())
        ], 1..80),
        scores in 2u8..=9,
    ) {
        let mut rows: Vec<[f32; 3]> = values.iter().map(|value| [*value; 3]).collect();
        rows.sort_by(|a, b| a[0].total_cmp(&b[0]));
        let model = estimator(scores).fit(&matrix(&rows), &FitRun::quiet(0)).unwrap();
        let answers = model.predict(&matrix(&rows)).unwrap();
        prop_assert!(answers.is_sorted_by(|a, b| a.frequency.score <= b.frequency.score));
        prop_assert!(answers.is_sorted_by(|a, b| a.recency.score >= b.recency.score));
        for (pair, rows) in answers.windows(2).zip(rows.windows(2)) {
            let same = pair[0].cell == pair[1].cell;
            prop_assert!(rows[0][0] != rows[1][0] || same);
        }
        for answer in &answers {
            let band = answer.frequency;
            prop_assert!(band.worse_than.is_none_or(|edge| edge < band.value));
            prop_assert!(band.up_to.is_none_or(|edge| band.value <= edge));
            prop_assert!(model.edges()[1].existing_scores().any(|score| score == band.score));
        }
    }
}
