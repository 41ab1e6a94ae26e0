use proptest::prelude::*;

use super::*;

prop_compose! {
    fn wild()(
        times in (any::<i64>(), any::<i64>(), prop_oneof![Just(HOLDS), any::<i64>()]),
        coarse in any::<bool>(),
        order_id in prop_oneof![Just("".to_owned()), "[a-c]{1,3}", "\\PC{0,40}"],
        cancels in prop_oneof![Just("".to_owned()), "\\PC{0,9}"],
        line_number in proptest::option::of(prop_oneof![1_u32..4, any::<u32>()]),
        occurrence in 1_u32..4,
        symbols in any::<[u32; 6]>(),
        amounts in any::<[i64; 3]>(),
        unit_cost in proptest::option::of(any::<i64>()),
    ) -> (Record<'static>, String, String) {
        let unit = |value: i64| if coarse { value / CENT * CENT } else { value };
        let second = |value: i64| if coarse { value / SECOND * SECOND } else { value };
        let [product, category, channel, store, promotion, country] = symbols;
        let record = Record {
            occurred_at: second(times.0),
            recorded_at: second(times.1),
            superseded_at: times.2,
            order_id: "",
            line_number,
            occurrence,
            cancels_order_id: "",
            product, category, channel, store, promotion, country,
            quantity: unit(amounts[0]),
            unit_price: unit(amounts[1]),
            discount: unit(amounts[2]),
            unit_cost: unit_cost.map(unit),
        };
        (record, order_id, cancels)
    }
}

proptest! {
    #[test]
    fn records_come_back_as_they_were(wild in prop::collection::vec(wild(), 0..12)) {
        let records: Vec<Record<'_>> = wild
            .iter()
            .map(|(record, order_id, cancels)| {
                let mut record = Record { order_id, cancels_order_id: cancels, ..*record };
                if record.is_numbered() {
                    record.occurrence = 0;
                }
                record
            })
            .collect();
        let mut bytes = Vec::new();
        let mut previous = Record::default();
        for record in &records {
            record.write(&previous, &mut bytes);
            previous = *record;
        }
        let (mut reader, mut previous) = (Bytes::new(&bytes), Record::default());
        for record in &records {
            previous = Record::read(&mut reader, &previous).expect("what was written");
            prop_assert_eq!(&previous, record);
        }
        prop_assert!(reader.rest().is_empty());
    }

    #[test]
    fn damaged_bytes_give_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (mut reader, mut previous) = (Bytes::new(&bytes), Record::default());
        while let Some(record) = Record::read(&mut reader, &previous) {
            previous = record;
        }
    }
}

#[test]
fn the_next_line_of_a_receipt_costs_few_bytes() {
    let first = Record {
        occurred_at: 1_700_000_000 * SECOND,
        recorded_at: 1_700_000_007_123_456,
        superseded_at: HOLDS,
        order_id: "R-1001",
        line_number: Some(1),
        product: 300,
        category: 12,
        quantity: UNIT,
        unit_price: 299 * CENT,
        ..Record::default()
    };
    let second = Record { line_number: Some(2), product: 900, ..first };
    let mut bytes = Vec::new();
    second.write(&first, &mut bytes);
    assert_eq!(bytes.len(), 6);
}
