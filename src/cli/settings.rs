//! The configuration of a process: file, environment and flags.

use std::fs;
use std::path::PathBuf;

use clap::Args;

use crate::config::{Config, InvalidConfig, RawConfig};

/// Flags over the configuration file and the environment.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(next_help_heading = "Configuration")]
pub(super) struct ConfigArgs {
    /// Configuration file in TOML [default: none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of transactions, jobs and audit [default: patron-data]
    #[arg(long, value_name = "DIRECTORY")]
    data_directory: Option<String>,
    /// Directory of recipes and versions [default: models]
    #[arg(long, value_name = "DIRECTORY")]
    model_directory: Option<String>,
    /// IANA time zone of the shop, such as Europe/London [default: UTC]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
    /// ISO 4217 code of the reporting currency [default: EUR]
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// Memory in MiB for lines that arrived and are not packed yet [default: 192]
    #[arg(long, value_name = "MIB")]
    tail_mib: Option<String>,
    /// What is logged, such as info or patron=debug [default: info]
    #[arg(long, value_name = "FILTER")]
    log_filter: Option<String>,
    /// How log lines look, text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

/// Flags that only a server has.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Server")]
pub(super) struct ListenArgs {
    /// Address and port to listen on; port 0 takes a free one [default: 127.0.0.1:50051]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// As-of time of requests that name none: now, or latest, the end of the last complete day in
    /// the data [default: now]
    #[arg(long, value_name = "WHEN")]
    as_of: Option<String>,
    /// Listen on an address that other machines reach, without encryption or credentials
    /// [default: refused]
    #[arg(long)]
    allow_public: bool,
}

impl ConfigArgs {
    /// Reads the file and the environment `variable` and puts the flags over them.
    pub(super) fn read(
        self,
        listen: ListenArgs,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Config, InvalidConfig> {
        let path = self.config.as_ref().map(|path| path.display().to_string());
        let text = match (&self.config, &path) {
            (Some(file), Some(path)) => Some(
                fs::read_to_string(file)
                    .map_err(|error| InvalidConfig::unreadable(path, &error))?,
            ),
            _ => None,
        };
        let mut raw = RawConfig::read(path.as_deref().zip(text.as_deref()), variable);
        self.put_over(&mut raw);
        listen.put_over(&mut raw);
        Config::check(&raw)
    }

    fn put_over(self, raw: &mut RawConfig) {
        raw.set("data_directory", "--data-directory", self.data_directory);
        raw.set("model_directory", "--model-directory", self.model_directory);
        raw.set("shop.time_zone", "--time-zone", self.time_zone);
        raw.set("shop.currency", "--currency", self.currency);
        raw.set("store.tail_mib", "--tail-mib", self.tail_mib);
        raw.set("log.filter", "--log-filter", self.log_filter);
        raw.set("log.format", "--log-format", self.log_format);
    }
}

impl ListenArgs {
    fn put_over(self, raw: &mut RawConfig) {
        raw.set("server.listen", "--listen", self.listen);
        raw.set("serving.as_of", "--as-of", self.as_of);
        let allowed = self.allow_public.then(|| "true".to_owned());
        raw.set("server.allow_public", "--allow-public", allowed);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::AsOfSetting;

    use super::*;

    #[test]
    fn flags_win_over_the_environment() {
        let config = ConfigArgs { currency: Some("USD".to_owned()), ..ConfigArgs::default() };
        let listen = ListenArgs { as_of: Some("latest".to_owned()), ..ListenArgs::default() };
        let variable = |name: &str| (name == "PATRON_SHOP_CURRENCY").then(|| "GBP".to_owned());
        let config = config.read(listen, variable).unwrap();
        assert_eq!((config.currency.as_str(), config.as_of), ("USD", AsOfSetting::Latest));
    }

    #[test]
    fn all_wrong_flags_are_told_at_once() {
        let config = ConfigArgs { time_zone: Some("Mars".to_owned()), ..ConfigArgs::default() };
        let listen = ListenArgs { listen: Some("nowhere".to_owned()), ..ListenArgs::default() };
        let problems = config.read(listen, |_| None).unwrap_err().problems;
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems.iter().any(|problem| problem.starts_with("--time-zone: ")));
        assert!(problems.iter().any(|problem| problem.starts_with("--listen: ")));
    }

    #[test]
    fn a_missing_file_is_named() {
        let config = ConfigArgs { config: Some("/no/such.toml".into()), ..ConfigArgs::default() };
        let error = config.read(ListenArgs::default(), |_| None).unwrap_err().to_string();
        assert!(error.contains("/no/such.toml"), "{error}");
    }
}
