use proptest::prelude::*;

use super::{Bin, Binning, Cell, Column, Content, Encoder, Scorecard, Settings, Strength};
use crate::model::{CancelToken, FitError, FitRun};

const PLAIN: Settings =
    Settings { binning: Binning::Quantile, max_bins: 4, min_bin_share: 0.0, monotone: false };

fn encode(columns: &[Column<'_>], target: &[bool], settings: &Settings) -> Encoder {
    Encoder::fit(columns, target, None, settings, &FitRun::quiet(1)).unwrap()
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found} {expected}");
}

fn ends(bins: &[Bin]) -> Vec<Content> {
    bins.iter().map(|bin| bin.content.clone()).collect()
}

/// `events` of `rows` rows at `value`.
fn block(value: f32, rows: usize, events: usize) -> Vec<(f32, bool)> {
    (0..rows).map(|row| (value, row < events)).collect()
}

#[test]
fn weights_of_evidence_by_hand() {
    let rows = [block(1.0, 40, 30), block(2.0, 60, 10), block(f32::NAN, 10, 0)].concat();
    let (values, target): (Vec<f32>, Vec<bool>) = rows.into_iter().unzip();
    let settings = Settings { max_bins: 2, ..PLAIN };
    let encoder = encode(&[Column::Numeric(&values)], &target, &settings);
    let [column] = &encoder.columns[..] else { panic!("{encoder:?}") };
    let contents = [Content::UpTo(Some(1.0)), Content::UpTo(None), Content::Missing];
    assert_eq!(ends(&column.bins), contents);
    // 40 events and 70 others in three bins.
    let by_hand = |events: f64, others: f64| {
        let (events, others) = ((events + 0.5) / 41.5, (others + 0.5) / 71.5);
        ((others / events).ln(), (others - events) * (others / events).ln())
    };
    let mut sum = 0.0;
    for (bin, (events, others)) in column.bins.iter().zip([(30.0, 10.0), (10.0, 50.0), (0.0, 10.0)])
    {
        let (woe, information) = by_hand(events, others);
        near(bin.woe, woe);
        near(bin.information, information);
        assert_eq!((bin.events, bin.weight), (events, events + others));
        sum += information;
    }
    assert!(column.bins[0].woe < 0.0 && column.bins[1].woe > 0.0);
    near(column.information, sum);
    assert_eq!(Strength::of(column.information), Strength::Suspicious);
}

#[test]
fn cells_find_their_bins() {
    let rows = [block(1.0, 40, 30), block(2.0, 60, 10)].concat();
    let (values, target): (Vec<f32>, Vec<bool>) = rows.into_iter().unzip();
    let codes: Vec<u32> = (0..100).map(|row| if row == 0 { 9 } else { row % 2 * 5 }).collect();
    let columns = [Column::Numeric(&values), Column::Categorical(&codes)];
    let encoder = encode(&columns, &target, &Settings { min_bin_share: 0.02, ..PLAIN });
    let woe = |number: f32, code: u32| {
        let mut out = [f64::NAN; 2];
        encoder.transform_row(&[Cell::Number(number), Cell::Code(code)], &mut out).unwrap();
        out
    };
    let [numeric, categorical] = &encoder.columns[..] else { panic!("{encoder:?}") };
    let pooled = [Content::Code(0), Content::Code(5), Content::Pooled(vec![9])];
    assert_eq!(ends(&categorical.bins), pooled);
    assert_eq!(woe(1.0, 0), [numeric.bins[0].woe, categorical.bins[0].woe]);
    assert_eq!(woe(-1e30, 5), [numeric.bins[0].woe, categorical.bins[1].woe]);
    assert_eq!(woe(1.0001, 9), [numeric.bins[1].woe, categorical.bins[2].woe]);
    // Never seen: infinity as the largest, an unknown code as a rare one, NaN as no evidence.
    assert_eq!(woe(f32::INFINITY, 7), [numeric.bins[1].woe, categorical.bins[2].woe]);
    assert_eq!(woe(f32::NAN, 4)[0], 0.0);
    let swapped = encoder.transform_row(&[Cell::Code(1), Cell::Code(1)], &mut [0.0; 2]);
    assert!(swapped.unwrap_err().to_string().contains("column 0 is not a number"));
    assert!(encoder.transform_row(&[], &mut [0.0; 2]).is_err());
    let text = serde_json::to_string(&encoder).unwrap();
    assert_eq!(serde_json::from_str::<Encoder>(&text).unwrap(), encoder);
}

#[test]
fn quantiles_of_even_data_are_even() {
    let values: Vec<f32> = (0..400).map(|row| ((row * 7) % 400) as f32).collect();
    let target: Vec<bool> = (0..400).map(|row| row % 3 == 0).collect();
    let encoder = encode(&[Column::Numeric(&values)], &target, &PLAIN);
    let bins = &encoder.columns[0].bins;
    assert!(bins.iter().all(|bin| bin.rows == 100));
    let expected = [Some(99.0), Some(199.0), Some(299.0), None].map(Content::UpTo);
    assert_eq!(ends(bins), expected);
}

#[test]
fn supervised_bins_find_the_steps() {
    // The rate jumps at 130 and 700, which no quantile of four meets.
    let values: Vec<f32> = (0..1_000).map(|row| row as f32).collect();
    let rate = |row: usize| {
        if row < 130 {
            8
        } else if row < 700 {
            2
        } else {
            5
        }
    };
    let target: Vec<bool> = (0..1_000).map(|row| row * 7 % 10 < rate(row)).collect();
    let fit = |binning| {
        let settings = Settings { binning, max_bins: 3, ..PLAIN };
        encode(&[Column::Numeric(&values)], &target, &settings).columns.remove(0)
    };
    let (supervised, quantile) = (fit(Binning::Supervised), fit(Binning::Quantile));
    assert_eq!(supervised.bins.len(), 3);
    assert!(supervised.information > quantile.information + 0.05);
    let Content::UpTo(Some(first)) = supervised.bins[0].content else { panic!() };
    assert!((first - 130.0).abs() < 16.0, "{first}");
}

#[test]
fn violators_are_pooled_and_small_bins_merged() {
    let rows = [
        block(1.0, 100, 10),
        block(2.0, 100, 30),
        block(3.0, 100, 20),
        block(4.0, 100, 60),
        block(5.0, 4, 4),
    ];
    let (values, target): (Vec<f32>, Vec<bool>) = rows.concat().into_iter().unzip();
    let settings = Settings { binning: Binning::Supervised, max_bins: 10, ..PLAIN };
    let column = [Column::Numeric(&values)];
    // 5 has one outcome and joins 4.
    let free = encode(&column, &target, &settings);
    let counts = |encoder: &Encoder| -> Vec<(usize, f64)> {
        encoder.columns[0].bins.iter().map(|bin| (bin.rows, bin.events)).collect()
    };
    assert_eq!(counts(&free), [(100, 10.0), (100, 30.0), (100, 20.0), (104, 64.0)]);
    let rising = encode(&column, &target, &Settings { monotone: true, ..settings });
    assert_eq!(counts(&rising), [(100, 10.0), (200, 50.0), (104, 64.0)]);
    let mirrored: Vec<bool> = target.iter().map(|event| !event).collect();
    let falling = encode(&column, &mirrored, &Settings { monotone: true, ..settings });
    assert_eq!(falling.columns[0].bins.len(), 3);
    let wide = encode(&column, &target, &Settings { min_bin_share: 0.25, ..settings });
    assert_eq!(counts(&wide), [(300, 60.0), (104, 64.0)]);
}

#[test]
fn degenerate_columns_say_nothing() {
    let target = [true, false, true, false];
    let columns = [
        Column::Numeric(&[7.0; 4]),
        Column::Numeric(&[f32::NAN; 4]),
        Column::Categorical(&[3; 4]),
        Column::Numeric(&[0.0, -0.0, 0.0, -0.0]),
    ];
    let encoder = encode(&columns, &target, &PLAIN);
    for column in &encoder.columns {
        assert_eq!(column.bins.len(), 1);
        near(column.information, 0.0);
        assert_eq!(Strength::of(column.information), Strength::None);
    }
    let mut out = [1.0; 4];
    let row = [Cell::Number(1e30), Cell::Number(1.0), Cell::Code(8), Cell::Number(f32::NAN)];
    encoder.transform_row(&row, &mut out).unwrap();
    assert_eq!(out, [0.0; 4]);
    let extreme = [f32::MAX, f32::MIN, 1e30, -1e30];
    let encoder = encode(&[Column::Numeric(&extreme)], &target, &PLAIN);
    assert!(encoder.columns[0].bins.iter().all(|bin| bin.woe.is_finite()));
}

#[test]
fn weights_are_repetitions() {
    let values: Vec<f32> = (0..300).map(|row| (row % 37) as f32).collect();
    let target: Vec<bool> = (0..300).map(|row| row % 37 * row % 5 < 2).collect();
    let weights: Vec<f64> = (0..300).map(|row| (row % 3) as f64).collect();
    let repeat = |row: usize| std::iter::repeat_n(row, row % 3);
    let repeated: Vec<f32> = (0..300).flat_map(repeat).map(|row| values[row]).collect();
    let targets: Vec<bool> = (0..300).flat_map(repeat).map(|row| target[row]).collect();
    let settings = Settings { binning: Binning::Supervised, min_bin_share: 0.05, ..PLAIN };
    let run = FitRun::quiet(1);
    let weighted =
        Encoder::fit(&[Column::Numeric(&values)], &target, Some(&weights), &settings, &run);
    let weighted = weighted.unwrap().columns.remove(0);
    let plain = encode(&[Column::Numeric(&repeated)], &targets, &settings).columns.remove(0);
    assert_eq!(ends(&weighted.bins), ends(&plain.bins));
    near(weighted.information, plain.information);
}

#[test]
fn threads_change_no_bit() {
    let values: Vec<Vec<f32>> =
        (1..8).map(|k| (0..3_000).map(|row| (row * k % 101) as f32).collect()).collect();
    let columns: Vec<Column<'_>> = values.iter().map(|values| Column::Numeric(values)).collect();
    let target: Vec<bool> = (0..3_000).map(|row| row * 13 % 101 < 40).collect();
    let bytes = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| serde_json::to_string(&encode(&columns, &target, &PLAIN)).unwrap())
    };
    assert_eq!(bytes(1), bytes(2));
    assert_eq!(bytes(1), bytes(3));
}

#[test]
fn bad_input_is_refused_by_name() {
    let run = FitRun::quiet(1);
    let target = [true, false];
    let fit = |column: Column<'_>, weights: Option<&[f64]>, settings: &Settings| {
        Encoder::fit(&[column], &target, weights, settings, &run).unwrap_err()
    };
    let two = Column::Numeric(&[1.0, 2.0]);
    let infinite = fit(Column::Numeric(&[1.0, f32::INFINITY]), None, &PLAIN).to_string();
    assert!(infinite.contains("row 1, column 0"), "{infinite}");
    assert!(fit(Column::Categorical(&[1]), None, &PLAIN).to_string().contains("found 1"));
    assert!(fit(two, Some(&[1.0]), &PLAIN).to_string().contains("2 weights"));
    assert!(fit(two, Some(&[1.0, f64::NAN]), &PLAIN).to_string().contains("weight of row 1"));
    assert!(fit(two, Some(&[0.0; 2]), &PLAIN).to_string().contains("every weight is 0"));
    let one = FitError::OneClass { rows: 2, outcome: true };
    assert_eq!(fit(two, Some(&[1.0, 0.0]), &PLAIN), one);
    for settings in [
        Settings { max_bins: 0, ..PLAIN },
        Settings { max_bins: 65, ..PLAIN },
        Settings { min_bin_share: f64::NAN, ..PLAIN },
        Settings { min_bin_share: 0.6, ..PLAIN },
    ] {
        assert!(matches!(fit(two, None, &settings), FitError::Setting { .. }));
    }
    let cancel = CancelToken::default();
    cancel.cancel();
    let run = FitRun { cancel, ..FitRun::quiet(1) };
    assert_eq!(Encoder::fit(&[two], &target, None, &PLAIN, &run), Err(FitError::Cancelled));
}

#[test]
fn scores_double_the_odds() {
    let card = Scorecard::new(600.0, 50.0, 20.0).unwrap();
    near(card.score(50.0_f64.ln()), 600.0);
    near(card.score(100.0_f64.ln()), 620.0);
    assert!((card.factor - 28.853_900_817_779_27).abs() < 1e-12);
    assert!((card.offset - 487.122_876_204_505).abs() < 1e-9, "{}", card.offset);
    for (score, odds, double) in [(600.0, 0.0, 20.0), (600.0, 1.0, -1.0), (f64::NAN, 1.0, 1.0)] {
        assert!(Scorecard::new(score, odds, double).is_err());
    }
}

proptest! {
    #[test]
    fn bins_cover_all_rows_and_keep_their_promises(
        rows in prop::collection::vec((-3_i8..4, any::<bool>(), 0.0_f64..2.0), 2..60),
        max_bins in 1_usize..6,
        share in 0.0_f64..0.5,
        supervised in any::<bool>(),
    ) {
        let values: Vec<f32> =
            rows.iter().map(|(v, ..)| if *v == 3 { f32::NAN } else { f32::from(*v) }).collect();
        let target: Vec<bool> = rows.iter().map(|(_, event, _)| *event).collect();
        let weights: Vec<f64> = rows.iter().map(|(.., weight)| *weight).collect();
        let binning = if supervised { Binning::Supervised } else { Binning::Quantile };
        let settings = Settings { binning, max_bins, min_bin_share: share, monotone: true };
        let columns = [Column::Numeric(&values)];
        let found =
            Encoder::fit(&columns, &target, Some(&weights), &settings, &FitRun::quiet(1));
        if let Ok(encoder) = found {
            let column = &encoder.columns[0];
            prop_assert_eq!(column.bins.iter().map(|bin| bin.rows).sum::<usize>(), rows.len());
            prop_assert!(column.information >= 0.0);
            let ranges: Vec<&Bin> =
                column.bins.iter().filter(|bin| bin.content != Content::Missing).collect();
            prop_assert!(ranges.len() <= max_bins);
            let total: f64 = weights.iter().sum();
            if ranges.len() > 1 {
                for bin in &ranges {
                    prop_assert!(bin.weight >= share * total && bin.events > 0.0);
                    prop_assert!(bin.events < bin.weight);
                }
            }
            let rates: Vec<f64> = ranges.iter().map(|bin| bin.events / bin.weight).collect();
            let rises = rates.windows(2).all(|pair| pair[0] < pair[1]);
            let falls = rates.windows(2).all(|pair| pair[0] > pair[1]);
            prop_assert!(rises || falls, "{rates:?}");
        }
    }
}
