//! The configuration, checked.

use std::net::{AddrParseError, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use crate::access::AccessSettings;
use crate::priority::Priority;
use crate::telemetry::{LogFilter, LogFormat, TraceSettings};
use crate::transaction::ShopClock;

use super::flow::FlowConfig;
use super::raw::{Given, RawConfig};
use super::security::{self, TlsSettings};

/// Everything a process is told. Nothing was opened yet.
#[derive(Clone, Debug)]
pub struct Config {
    /// Transactions, jobs and audit.
    pub data_directory: PathBuf,
    /// Recipes and versions.
    pub model_directory: PathBuf,
    /// The shop's clock.
    pub clock: ShopClock,
    /// The reporting currency.
    pub currency: String,
    /// Where the server listens.
    pub listen: SocketAddr,
    /// Connections at a time.
    pub max_connections: usize,
    /// Whether callers may ask which services there are.
    pub reflection: bool,
    /// Encryption; `None` speaks in clear text.
    pub tls: Option<TlsSettings>,
    /// Who may call.
    pub access: AccessSettings,
    /// Largest message in bytes.
    pub max_message_bytes: usize,
    /// How calls flow through the server.
    pub flow: FlowConfig,
    /// Where metrics and probes are served; `None` for nowhere.
    pub metrics_listen: Option<SocketAddr>,
    /// Where traces are sent; `None` for nowhere.
    pub traces: Option<TraceSettings>,
    /// The as-of date of requests that name none.
    pub as_of: AsOfSetting,
    /// Memory for lines that are not packed yet, in bytes.
    pub tail_bytes: usize,
    /// Memory for histories that were read lately, in bytes.
    pub cache_bytes: usize,
    /// Jobs at a time.
    pub job_workers: usize,
    /// Threads of one job.
    pub job_threads: usize,
    /// How jobs, and calls that can wait, stand beside requests.
    pub job_priority: Priority,
    /// Where files may be read and written; `None` for anywhere.
    pub file_directories: Option<Vec<PathBuf>>,
    /// What is logged.
    pub log_filter: LogFilter,
    /// How.
    pub log_format: LogFormat,
}

/// See `serving.as_of`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AsOfSetting {
    /// The machine's clock.
    Now,
    /// The end of the last complete day in the data.
    Latest,
}

/// All that is wrong with a configuration.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the configuration does not hold:\n  {}", problems.join("\n  "))]
pub struct InvalidConfig {
    /// One sentence each: where, what was expected, what was found.
    pub problems: Vec<String>,
}

impl Config {
    /// Checks all settings.
    ///
    /// # Errors
    /// Every problem of every setting, unknown keys included.
    pub fn check(raw: &RawConfig) -> Result<Self, InvalidConfig> {
        let mut check = Check { raw, problems: raw.problems() };
        let listen = check.parse(
            "server.listen",
            "an address such as 127.0.0.1:50051",
            SocketAddr::from_str,
        );
        let public = check.parse("server.allow_public", "true or false", bool::from_str);
        let loopback = listen.is_none_or(|listen| listen.ip().is_loopback());
        let security = security::tls(&mut check).zip(security::access(&mut check));
        let is_closed = security
            .as_ref()
            .is_none_or(|(tls, access)| security::is_closed_to_strangers(tls.as_ref(), access));
        if !loopback && !is_closed && public == Some(false) {
            check.refuse(security::PUBLIC);
        }
        let config = Self::collect(&mut check, (listen, loopback), security);
        let problems = check.problems;
        config.filter(|_| problems.is_empty()).ok_or(InvalidConfig { problems })
    }

    fn collect(
        check: &mut Check<'_>,
        (listen, loopback): (Option<SocketAddr>, bool),
        security: Option<(Option<TlsSettings>, AccessSettings)>,
    ) -> Option<Self> {
        let data_directory = check.path("data_directory");
        let model_directory = check.path("model_directory");
        let clock = check.parse(
            "shop.time_zone",
            "an IANA time zone such as Europe/London",
            ShopClock::new,
        );
        let currency = check.parse("shop.currency", "an ISO 4217 code such as EUR", currency);
        let connections = check.number("server.max_connections", 1, 1_000_000);
        let reflection = check.parse("server.reflection", "true or false", bool::from_str);
        let bytes = check.number("server.max_message_bytes", 65_536, 67_108_864);
        let flow = FlowConfig::collect(check, loopback);
        let metrics = check.parse(
            "telemetry.metrics_listen",
            "an address such as 127.0.0.1:9464, or nothing",
            optional_address,
        );
        let traces = trace_settings(check);
        let as_of = check.parse("serving.as_of", "now or latest", as_of);
        let tail = check.number("store.tail_mib", 1, 65_536);
        let cache = check.number("store.cache_mib", 0, 65_536);
        let workers = check.number("jobs.workers", 0, 64);
        let threads = check.threads();
        let priority = check.parse("jobs.priority", "low or idle", priority);
        let filter =
            check.parse("log.filter", "a filter such as info or patron=debug", LogFilter::parse);
        let format = check.parse("log.format", "text or json", log_format);
        let (tls, access) = security?;
        Some(Self {
            data_directory: data_directory?,
            model_directory: model_directory?,
            clock: clock?,
            currency: currency?,
            listen: listen?,
            max_connections: connections? as usize,
            reflection: reflection?,
            tls,
            access,
            max_message_bytes: bytes? as usize,
            flow: flow?,
            metrics_listen: metrics?,
            traces: traces?,
            as_of: as_of?,
            tail_bytes: (tail? as usize) << 20,
            cache_bytes: (cache? as usize) << 20,
            job_workers: workers? as usize,
            job_threads: threads?,
            job_priority: priority?,
            file_directories: check.directories(loopback),
            log_filter: filter?,
            log_format: format?,
        })
    }
}

/// Reads settings and keeps what is wrong with them.
pub(super) struct Check<'a> {
    raw: &'a RawConfig,
    problems: Vec<String>,
}

impl Check<'_> {
    pub(super) fn parse<T, E>(
        &mut self,
        key: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let Given { origin, text } = self.raw.text(key);
        let parsed = parse(text.trim()).ok();
        if parsed.is_none() {
            self.problems.push(format!("{origin}: expected {expected}, found {text:?}"));
        }
        parsed
    }

    pub(super) fn number(&mut self, key: &str, least: u64, most: u64) -> Option<u64> {
        let expected = format!("a number from {least} to {most}");
        self.parse(key, &expected, |text| {
            text.parse::<u64>().ok().filter(|number| (least..=most).contains(number)).ok_or(())
        })
    }

    /// The text of a setting that may be empty.
    pub(super) fn optional(&self, key: &str) -> Option<String> {
        Some(self.raw.text(key).text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// Notes a problem of several settings together.
    pub(super) fn refuse(&mut self, problem: &str) {
        self.problems.push(problem.to_owned());
    }

    /// A number, or what `auto` stands for.
    pub(super) fn number_or_auto(
        &mut self,
        key: &str,
        least: u64,
        most: u64,
        auto: u64,
    ) -> Option<u64> {
        if self.raw.text(key).text.trim() == "auto" {
            return Some(auto);
        }
        self.number(key, least, most)
    }

    fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.parse(key, "a path", |text| if text.is_empty() { Err(()) } else { Ok(text.into()) })
    }

    fn threads(&mut self) -> Option<usize> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let auto = cores.saturating_sub(1).max(1) as u64;
        self.number_or_auto("jobs.threads", 1, 256, auto).map(|threads| threads as usize)
    }

    fn directories(&self, loopback: bool) -> Option<Vec<PathBuf>> {
        let text = self.raw.text("files.directories").text;
        let named: Vec<PathBuf> = text
            .split(',')
            .map(str::trim)
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
            .collect();
        if named.is_empty() && loopback { None } else { Some(named) }
    }
}

fn optional_address(text: &str) -> Result<Option<SocketAddr>, AddrParseError> {
    if text.is_empty() { Ok(None) } else { text.parse().map(Some) }
}

fn trace_settings(check: &mut Check<'_>) -> Option<Option<TraceSettings>> {
    let endpoint = check.parse(
        "telemetry.traces_endpoint",
        "an address such as http://127.0.0.1:4317, or nothing",
        |text| {
            let plain = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
            let is_address = text.is_empty() || plain.is_some_and(|host| !host.is_empty());
            if is_address { Ok(text.to_owned()) } else { Err(()) }
        },
    );
    let ratio = check.parse("telemetry.traces_ratio", "a share from 0 to 1", |text| {
        text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio)).ok_or(())
    });
    let (endpoint, ratio) = (endpoint?, ratio?);
    Some(Some(TraceSettings { endpoint, ratio }).filter(|settings| !settings.endpoint.is_empty()))
}

fn currency(text: &str) -> Result<String, ()> {
    let is_code = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
    if is_code { Ok(text.to_owned()) } else { Err(()) }
}

fn as_of(text: &str) -> Result<AsOfSetting, ()> {
    match text {
        "now" => Ok(AsOfSetting::Now),
        "latest" => Ok(AsOfSetting::Latest),
        _ => Err(()),
    }
}

fn priority(text: &str) -> Result<Priority, ()> {
    match text {
        "low" => Ok(Priority::Low),
        "idle" => Ok(Priority::Idle),
        _ => Err(()),
    }
}

fn log_format(text: &str) -> Result<LogFormat, ()> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, variables: &[(&str, &str)]) -> Result<Config, InvalidConfig> {
        let variable = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        Config::check(&RawConfig::read(Some(("patron.toml", file)), variable))
    }

    #[test]
    fn the_defaults_hold() {
        let config = check("", &[]).unwrap();
        assert_eq!(config.listen, "127.0.0.1:50051".parse().unwrap());
        assert_eq!(config.file_directories, None);
    }

    #[test]
    fn variables_win_over_the_file() {
        let file = "[shop]\ncurrency = \"GBP\"\ntime_zone = \"Europe/London\"";
        let config = check(file, &[("PATRON_SHOP_CURRENCY", "USD")]).unwrap();
        assert_eq!((config.currency.as_str(), config.clock.name()), ("USD", "Europe/London"));
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let file = "colour = 1\n[server]\nlisten = \"nowhere\"\nports = 3\n[jobs]\nworkers = 65";
        let problems = check(file, &[("PATRON_SHOP_CURRENCY", "pounds")]).unwrap_err().problems;
        for part in ["colour", "server.ports", "nowhere", "65", "pounds"] {
            assert!(problems.iter().any(|problem| problem.contains(part)), "{part}: {problems:?}");
        }
        assert_eq!(problems.len(), 5, "{problems:?}");
    }

    #[test]
    fn a_public_address_must_be_wanted_and_confines_files() {
        let listen = "[server]\nlisten = \"0.0.0.0:1\"";
        let refused = check(listen, &[]).unwrap_err().problems;
        assert!(refused.iter().any(|problem| problem.contains("allow_public")), "{refused:?}");
        let wanted = check(&format!("{listen}\nallow_public = true"), &[]).unwrap();
        assert_eq!(wanted.file_directories, Some(Vec::new()));
    }
}
