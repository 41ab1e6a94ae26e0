//! Values of the wire as texts and JSON: times in RFC 3339, money as decimals.

use serde_json::Value;

use crate::grpc::proto;
use crate::transaction::{Money, Quantity, Timestamp};

/// A time of the wire; absent stays absent.
pub(super) fn time(time: Option<&prost_types::Timestamp>) -> Option<Timestamp> {
    let time = time?;
    let micros = time.seconds.saturating_mul(1_000_000) + i64::from(time.nanos) / 1_000;
    Some(Timestamp::from_micros(micros))
}

/// A time of the wire as a text, `-` where it is absent.
pub(super) fn time_text(value: Option<&prost_types::Timestamp>) -> String {
    time(value).map_or_else(|| "-".to_owned(), |time| time.to_string())
}

/// A time of the wire as RFC 3339, null where it is absent.
pub(super) fn time_json(value: Option<&prost_types::Timestamp>) -> Value {
    time(value).map_or(Value::Null, |time| time.to_string().into())
}

/// A time of a column, where 0 means none.
pub(super) fn micros(micros: i64) -> Option<String> {
    (micros != 0).then(|| Timestamp::from_micros(micros).to_string())
}

/// A time for the wire.
pub(super) fn wire_time(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.micros().div_euclid(1_000_000),
        nanos: (time.micros().rem_euclid(1_000_000) * 1_000) as i32,
    }
}

/// Money as a decimal.
pub(super) fn money(micros: i64) -> String {
    Money::from_micros(micros).to_string()
}

/// A quantity as a decimal.
pub(super) fn quantity(thousandths: i64) -> String {
    Quantity::from_thousandths(thousandths).to_string()
}

/// A 32-bit number with the digits it was meant with; null where it is not finite.
pub(super) fn single(value: f32) -> Value {
    value.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}

/// A text that is empty where it is absent.
pub(super) fn given(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// The name of an enum's value without its prefix: `JOB_STATE_QUEUED` is `queued`.
pub(super) fn short_name(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}

/// A model and which of its versions was asked for, as it is written on the command line.
pub(super) fn selector_text(model: &str, selector: Option<&proto::ModelSelector>) -> String {
    match selector.and_then(|selector| selector.choice.as_ref()) {
        Some(proto::model_selector::Choice::Version(version)) => format!("{model}/{version}"),
        Some(proto::model_selector::Choice::Alias(alias)) => format!("{model}@{alias}"),
        None => model.to_owned(),
    }
}

/// The name of a model's kind.
pub(super) fn kind(kind: proto::ModelKind) -> String {
    short_name(kind.as_str_name(), "MODEL_KIND_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_the_wire() {
        for text in ["2011-12-09T12:50:00.25Z", "1969-12-31T23:59:59.999999Z"] {
            let instant: Timestamp = text.parse().unwrap();
            assert_eq!(time(Some(&wire_time(instant))), Some(instant));
        }
        assert_eq!(time_text(None), "-");
        assert_eq!((micros(0), micros(1_000_000)), (None, Some("1970-01-01T00:00:01Z".into())));
    }

    #[test]
    fn single_precision_shows_no_false_digits() {
        assert_eq!(single(0.3).to_string(), "0.3");
        assert_eq!(single(f32::NAN), Value::Null);
    }

    #[test]
    fn names_lose_their_prefix() {
        assert_eq!(kind(proto::ModelKind::Churn), "churn");
    }
}
