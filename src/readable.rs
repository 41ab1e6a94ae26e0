//! Numbers for people.

/// A count with thousands set apart: `541,909`.
pub fn count(number: u64) -> String {
    grouped(&number.to_string())
}

/// A share as a percentage: `12.3 %`.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A figure with as many digits as are worth reading.
pub fn figure(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        "-".to_owned()
    } else if size < 1000.0 && value.fract() == 0.0 {
        format!("{value:.0}")
    } else if size >= 1000.0 {
        let whole = format!("{size:.0}");
        let sign = if value < 0.0 { "-" } else { "" };
        format!("{sign}{}", grouped(&whole))
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}

/// A figure with four digits after the point, for metrics.
pub fn metric(value: f64) -> String {
    if value.is_finite() && value.abs() < 10.0 { format!("{value:.4}") } else { figure(value) }
}

fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(count(541_909), "541,909");
        assert_eq!((count(0), count(999), count(1000)), ("0".into(), "999".into(), "1,000".into()));
        assert_eq!(percent(0.1234), "12.3 %");
        assert_eq!(figure(-1_234.6), "-1,235");
        assert_eq!((figure(12.34), figure(0.12345)), ("12.3".into(), "0.123".into()));
        assert_eq!((figure(0.0), figure(-7.0)), ("0".into(), "-7".into()));
        assert_eq!((metric(0.75118), metric(f64::NAN)), ("0.7512".into(), "-".into()));
    }
}
