//! Texts of the command line, checked before anything connects.

use std::fmt;
use std::net::IpAddr;

use crate::grpc::proto::{ModelSelector, SeriesKey, model_selector::Choice};
use crate::transaction::{CustomerId, Timestamp};

/// A wrong argument.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{flag}: expected {expected}, found {found:?}")]
pub(super) struct InvalidArgument {
    /// Which argument.
    pub(super) flag: &'static str,
    /// What it should have been.
    pub(super) expected: &'static str,
    /// What it was.
    pub(super) found: String,
}

impl InvalidArgument {
    pub(super) fn new(flag: &'static str, expected: &'static str, found: impl ToString) -> Self {
        Self { flag, expected, found: found.to_string() }
    }
}

/// Where a server is: `http://host:port` or `https://host:port`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ServerAddress(String);

impl ServerAddress {
    /// Reads an address; one without a scheme is spoken to in clear text.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidArgument> {
        let expected = "http://HOST:PORT, https://HOST:PORT or HOST:PORT";
        let refused = || InvalidArgument::new("--endpoint", expected, text);
        let (scheme, place) = text.split_once("://").unwrap_or(("http", text));
        let place = place.strip_suffix('/').unwrap_or(place);
        let (host, port) = place.rsplit_once(':').ok_or_else(refused)?;
        let is_scheme = matches!(scheme, "http" | "https");
        let is_host = !host.is_empty() && !host.contains(['/', '@', ' ']);
        let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
        let holds = is_scheme && is_host && is_port;
        if holds { Ok(Self(format!("{scheme}://{place}"))) } else { Err(refused()) }
    }

    /// Whether it is spoken to over TLS.
    pub(super) fn is_encrypted(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Whether it is on this machine, as far as the address tells.
    pub(super) fn is_loopback(&self) -> bool {
        let place = self.0.split_once("://").map_or("", |(_, place)| place);
        let host = place.rsplit_once(':').map_or("", |(host, _)| host);
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// The address as a URL.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A model, and which of its versions: `NAME`, `NAME@ALIAS` or `NAME/VERSION`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ModelReference {
    /// The model's name.
    pub(super) name: String,
    /// Which version; the champion where it is absent.
    pub(super) version: Option<VersionChoice>,
}

/// A version by its number or by an alias.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum VersionChoice {
    Number(i64),
    Alias(String),
}

impl ModelReference {
    /// Reads `NAME`, `NAME@ALIAS` or `NAME/VERSION`.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidArgument> {
        let expected = "NAME, NAME@ALIAS or NAME/VERSION";
        let refused = || InvalidArgument::new("MODEL", expected, text);
        let (name, version) = if let Some((name, alias)) = text.split_once('@') {
            let alias = is_name(alias).then(|| VersionChoice::Alias(alias.to_owned()));
            (name, Some(alias.ok_or_else(refused)?))
        } else if let Some((name, number)) = text.split_once('/') {
            let number = number.parse().ok().filter(|number| *number > 0).ok_or_else(refused)?;
            (name, Some(VersionChoice::Number(number)))
        } else {
            (text, None)
        };
        if is_name(name) { Ok(Self { name: name.to_owned(), version }) } else { Err(refused()) }
    }

    /// The choice for the wire.
    pub(super) fn selector(&self) -> Option<ModelSelector> {
        self.version.clone().map(VersionChoice::into_selector)
    }
}

impl VersionChoice {
    /// From `--version` and `--alias`, of which at most one is given.
    pub(super) fn from_flags(
        version: Option<i64>,
        alias: Option<String>,
    ) -> Result<Option<Self>, InvalidArgument> {
        match (version, alias) {
            (Some(number), _) => Ok(Some(Self::Number(number))),
            (None, Some(alias)) => Ok(Some(Self::Alias(name("--alias", alias)?))),
            (None, None) => Ok(None),
        }
    }

    /// The choice for the wire.
    pub(super) fn into_selector(self) -> ModelSelector {
        let choice = match self {
            Self::Number(number) => Choice::Version(number),
            Self::Alias(alias) => Choice::Alias(alias),
        };
        ModelSelector { choice: Some(choice) }
    }
}

impl fmt::Display for ModelReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            None => write!(f, "{}", self.name),
            Some(VersionChoice::Number(number)) => write!(f, "{}/{number}", self.name),
            Some(VersionChoice::Alias(alias)) => write!(f, "{}@{alias}", self.name),
        }
    }
}

/// A name of a model or an alias.
pub(super) fn name(flag: &'static str, text: String) -> Result<String, InvalidArgument> {
    let expected = "1 to 64 lower-case letters, digits, _ or -";
    if is_name(&text) { Ok(text) } else { Err(InvalidArgument::new(flag, expected, text)) }
}

/// An instant.
pub(super) fn time(
    flag: &'static str,
    text: Option<&str>,
) -> Result<Option<Timestamp>, InvalidArgument> {
    let expected = "a time such as 2011-12-09T12:50:00Z or a date such as 2011-12-09";
    let parse = |text: &str| text.parse().map_err(|_| InvalidArgument::new(flag, expected, text));
    text.map(parse).transpose()
}

/// Keys of customers.
pub(super) fn customers(texts: Vec<String>) -> Result<Vec<String>, InvalidArgument> {
    let expected = "1 to 128 bytes without control characters and without blanks at either end";
    for text in &texts {
        CustomerId::parse(text).map_err(|_| InvalidArgument::new("--customer", expected, text))?;
    }
    Ok(texts)
}

/// A coverage of an interval, as a share or in percent.
pub(super) fn level(text: &str) -> Result<f64, InvalidArgument> {
    let level = match text.trim().parse::<f64>() {
        Ok(share) if share > 0.0 && share < 1.0 => Some(share),
        Ok(percent) if percent > 1.0 && percent < 100.0 => Some(percent / 100.0),
        _ => None,
    };
    let expected = "shares such as 0.95 or percentages such as 95, separated by commas";
    level.ok_or_else(|| InvalidArgument::new("--level", expected, text))
}

/// A series: `total` or `GROUP=VALUE`.
pub(super) fn series(text: &str) -> Result<SeriesKey, InvalidArgument> {
    let (group, value) = text.split_once('=').unwrap_or((text, ""));
    let is_total = group == "total";
    if is_name(group) && is_total != text.contains('=') {
        return Ok(SeriesKey { group: group.to_owned(), value: value.to_owned() });
    }
    let expected = "total, GROUP=VALUE such as product=85123A, or GROUP= for all others";
    Err(InvalidArgument::new("--series", expected, text))
}

fn is_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    (1..=64).contains(&text.len()) && text.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_named_with_an_alias_or_a_version() {
        let parse = |text: &str| ModelReference::parse(text).map(|model| model.version);
        assert_eq!(parse("churn"), Ok(None));
        assert_eq!(parse("churn@champion"), Ok(Some(VersionChoice::Alias("champion".into()))));
        assert_eq!(parse("churn/12"), Ok(Some(VersionChoice::Number(12))));
        for text in ["", "Churn", "churn@", "churn/0", "churn/x", "churn/1@a", "@champion", "a/b/1"]
        {
            let error = ModelReference::parse(text).unwrap_err();
            assert_eq!((error.flag, error.found.as_str()), ("MODEL", text));
        }
        for text in ["churn", "churn@challenger", "churn/3"] {
            assert_eq!(ModelReference::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn endpoints_need_no_scheme() {
        for (text, expected) in [
            ("127.0.0.1:50051", "http://127.0.0.1:50051"),
            ("http://shop.example:80/", "http://shop.example:80"),
            ("[::1]:50051", "http://[::1]:50051"),
            ("https://shop.example:443", "https://shop.example:443"),
        ] {
            assert_eq!(ServerAddress::parse(text).unwrap().as_str(), expected);
        }
        for text in ["", "localhost", "ftp://a:1", "a:0", "a:99999", ":50051", "http://a/b:1"] {
            assert!(ServerAddress::parse(text).is_err(), "{text}");
        }
        for (text, local) in [("[::1]:1", true), ("https://localhost:1", true), ("a:1", false)] {
            assert_eq!(ServerAddress::parse(text).unwrap().is_loopback(), local, "{text}");
        }
    }

    #[test]
    fn levels_are_shares_or_percentages() {
        assert_eq!(level(" 0.8"), Ok(0.8));
        assert_eq!((level("80"), level("97.5")), (Ok(0.8), Ok(0.975)));
        for text in ["0", "1", "100", "-0.5", "-80", "inf", "NaN", "x", ""] {
            assert_eq!(level(text).unwrap_err().found, text);
        }
    }

    #[test]
    fn series_are_a_group_and_a_value() {
        assert_eq!(series("total").unwrap().group, "total");
        assert_eq!(series("product=85123A=x").unwrap().value, "85123A=x");
        assert_eq!(series("product=").unwrap().value, "", "all others");
        for text in ["product", "total=1", "total=", "", "=x"] {
            assert!(series(text).is_err(), "{text}");
        }
    }

    #[test]
    fn messages_name_the_flag_what_was_expected_and_what_was_found() {
        let message = time("--as-of", Some("yesterday")).unwrap_err().to_string();
        assert!(message.starts_with("--as-of: expected a time such as"), "{message}");
        assert!(message.ends_with("found \"yesterday\""), "{message}");
        assert!(customers(vec!["17850".into(), " x".into()]).is_err());
    }
}
