//! Names of files with the time of a run in them.

use std::fmt;
use std::path::{Path, PathBuf};

use jiff::fmt::strtime::BrokenDownTime;

use crate::transaction::{ShopClock, Timestamp};

/// An absolute path ending in `.parquet` or `.csv`, with placeholders of strftime such as
/// `%Y-%m-%d` for the time at which the run was due, by the shop's clock.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OutputPattern(String);

impl OutputPattern {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let pattern = Self(text.to_owned());
        let sample = pattern.path(Timestamp::now(), &ShopClock::utc()).map_err(|problem| {
            format!("expected placeholders such as %Y-%m-%d, found {text:?}: {problem}")
        })?;
        let end = sample.extension().and_then(|end| end.to_str());
        if !sample.is_absolute() || !matches!(end, Some("parquet" | "csv")) {
            return Err(format!(
                "expected an absolute path that ends in .parquet or .csv, such as \"/scores/%Y-%m-%d.parquet\", found {text:?}"
            ));
        }
        Ok(pattern)
    }

    /// The file of a run.
    ///
    /// # Errors
    /// What the calendar library says of a placeholder; not for a pattern that was parsed.
    pub fn path(&self, due: Timestamp, clock: &ShopClock) -> Result<PathBuf, jiff::Error> {
        let due = clock.zoned(due);
        let name = BrokenDownTime::from(&due).to_string(&self.0)?;
        Ok(Path::new(&name).to_owned())
    }
}

impl fmt::Display for OutputPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_named_by_the_shops_date() {
        let pattern = OutputPattern::parse("/s/churn-%Y-%m-%d_%H%M.parquet").unwrap();
        let clock = ShopClock::new("Europe/London").unwrap();
        let due = "2026-06-30T23:30:00Z".parse().unwrap();
        let path = pattern.path(due, &clock).unwrap();
        assert_eq!(path, Path::new("/s/churn-2026-07-01_0030.parquet"));
    }

    #[test]
    fn what_names_no_file_is_refused() {
        for text in ["scores.csv", "/s/scores", "/s/%", "/s/%!.csv"] {
            assert!(OutputPattern::parse(text).is_err(), "{text}");
        }
    }
}
