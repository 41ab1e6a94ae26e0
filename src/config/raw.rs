//! Settings as texts, each with the place it came from.

use std::collections::BTreeMap;

use toml::Value;

use super::settings::InvalidConfig;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its key in the file.
    pub key: &'static str,
    /// Its value when nothing is said.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

impl Setting {
    /// Its variable of the environment.
    pub fn variable(&self) -> String {
        format!("PATRON_{}", self.key.replace('.', "_").to_uppercase())
    }
}

/// All settings; the documentation of the configuration.
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "data_directory",
        default: "patron-data",
        meaning: "transactions, jobs and audit",
    },
    Setting {
        key: "model_directory",
        default: "models",
        meaning: "recipes and versions of models",
    },
    Setting {
        key: "shop.time_zone",
        default: "UTC",
        meaning: "IANA time zone of the shop's calendar; fixed when the data directory is made",
    },
    Setting {
        key: "shop.currency",
        default: "EUR",
        meaning: "ISO 4217 code of the one reporting currency; fixed when the data directory is made",
    },
    Setting {
        key: "server.listen",
        default: "127.0.0.1:50051",
        meaning: "address and port of the gRPC server; port 0 takes a free one",
    },
    Setting {
        key: "server.allow_public",
        default: "false",
        meaning: "listen on an address that other machines reach, without encryption or credentials",
    },
    Setting {
        key: "server.max_connections",
        default: "1024",
        meaning: "connections at a time, 1 to 1000000; more are closed at once",
    },
    Setting {
        key: "server.reflection",
        default: "true",
        meaning: "whether callers may ask which services and messages there are",
    },
    Setting {
        key: "tls.certificate",
        default: "",
        meaning: "PEM file of the server's certificate chain; empty is without encryption. Certificates, keys and authorities are read again when they change",
    },
    Setting {
        key: "tls.private_key",
        default: "",
        meaning: "PEM file of the certificate's private key",
    },
    Setting {
        key: "tls.client_ca",
        default: "",
        meaning: "PEM file of the authorities whose client certificates are accepted; empty asks for none",
    },
    Setting {
        key: "tls.require_client_certificate",
        default: "false",
        meaning: "refuse connections without a client certificate",
    },
    Setting { key: "tls.minimum", default: "1.3", meaning: "oldest version of TLS, 1.3 or 1.2" },
    Setting {
        key: "access.keys_file",
        default: "",
        meaning: "file of API keys and of certificates' roles, made by `patron keys`; read again when it changes",
    },
    Setting {
        key: "access.jwks_file",
        default: "",
        meaning: "public keys of the issuer of bearer tokens, a JSON Web Key Set; read again when it changes",
    },
    Setting { key: "access.jwt_issuer", default: "", meaning: "the claim iss of tokens" },
    Setting { key: "access.jwt_audience", default: "", meaning: "the claim aud of tokens" },
    Setting {
        key: "access.jwt_roles_claim",
        default: "roles",
        meaning: "the claim of tokens that lists roles of predict, read, train, admin; dots lead into objects",
    },
    Setting {
        key: "access.calls_per_second",
        default: "0",
        meaning: "calls that one principal may make in a second, 0 for any number",
    },
    Setting {
        key: "access.rows_per_second",
        default: "0",
        meaning: "rows that one principal may ask about in a second, 0 for any number",
    },
    Setting {
        key: "server.max_message_bytes",
        default: "4194304",
        meaning: "largest message in and out, 65536 to 67108864 bytes",
    },
    Setting {
        key: "server.drain_seconds",
        default: "30",
        meaning: "how long calls may go on after a shutdown began, 0 to 3600",
    },
    Setting {
        key: "server.drain_delay_seconds",
        default: "auto",
        meaning: "how long the server goes on as before after its health said NOT_SERVING, 0 to 300; auto is 5 on a public address, so that load balancers learn of it, and 0 on loopback",
    },
    Setting {
        key: "server.connection_age_seconds",
        default: "1800",
        meaning: "after how long a connection is asked to go, give or take a tenth, so that clients spread over new servers, 0 to 86400; 0 never asks",
    },
    Setting {
        key: "server.max_call_seconds",
        default: "30",
        meaning: "how long a call that changes nothing may take, whatever deadline its caller has, 1 to 3600",
    },
    Setting {
        key: "server.max_inflight_calls",
        default: "auto",
        meaning: "predict calls at work at a time, 1 to 65536; more are refused at once; auto is 128 for each core",
    },
    Setting {
        key: "server.max_inflight_rows",
        default: "auto",
        meaning: "rows of predict calls at work at a time, 10000 to 100000000; more are refused at once; streams have as much room again, in which their items wait; auto is 20000 for each core",
    },
    Setting {
        key: "serving.as_of",
        default: "now",
        meaning: "the as-of date of requests that name none: now, or latest (the end of the last complete day in the data)",
    },
    Setting {
        key: "store.tail_mib",
        default: "192",
        meaning: "memory for lines that arrived and are not packed yet, 1 to 65536 MiB; at half of it they are packed, beyond it ingest waits",
    },
    Setting {
        key: "store.cache_mib",
        default: "32",
        meaning: "memory for histories of customers that were asked about lately, 0 to 65536 MiB; 0 reads them from the database each time",
    },
    Setting {
        key: "jobs.workers",
        default: "1",
        meaning: "jobs that the server runs at a time, 0 to 64; 0 leaves them to patron worker",
    },
    Setting {
        key: "jobs.threads",
        default: "auto",
        meaning: "threads of one job, 1 to 256; auto leaves one core to requests",
    },
    Setting {
        key: "jobs.priority",
        default: "low",
        meaning: "how jobs, and calls about models, stand beside requests (Linux): low gives them a smaller share of a core; idle what all else leaves, so that requests hardly feel them, and on a machine that others keep busy they stand still",
    },
    Setting {
        key: "files.directories",
        default: "",
        meaning: "comma-separated directories that imports may read from and scores may be written to; empty allows all while the server listens on loopback only, and none otherwise",
    },
    Setting {
        key: "telemetry.metrics_listen",
        default: "",
        meaning: "address and port of /metrics for Prometheus, /healthz and /readyz, over HTTP without credentials; empty switches them off",
    },
    Setting {
        key: "telemetry.traces_endpoint",
        default: "",
        meaning: "address of a collector that takes traces by OTLP over gRPC, http://127.0.0.1:4317 for example; empty records none",
    },
    Setting {
        key: "telemetry.traces_ratio",
        default: "1",
        meaning: "share of the traces that begin here, 0 to 1; those of a caller go on as the caller decided",
    },
    Setting { key: "log.filter", default: "info", meaning: "what is logged, as in RUST_LOG" },
    Setting { key: "log.format", default: "text", meaning: "text or json" },
];

/// Where a text came from and what it says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Given {
    pub(super) origin: String,
    pub(super) text: String,
}

/// All settings that somebody gave, as texts.
#[derive(Clone, Debug, Default)]
pub struct RawConfig {
    given: BTreeMap<&'static str, Given>,
    problems: Vec<String>,
}

impl RawConfig {
    /// Reads the file, then the environment over it. Problems are kept for
    /// [`super::Config::check`].
    pub fn read(file: Option<(&str, &str)>, variable: impl Fn(&str) -> Option<String>) -> Self {
        let mut raw = Self::default();
        if let Some((path, text)) = file {
            raw.read_file(path, text);
        }
        for setting in SETTINGS {
            let name = setting.variable();
            if let Some(text) = variable(&name) {
                raw.given.insert(setting.key, Given { origin: name, text });
            }
        }
        raw
    }

    /// Puts a flag's value over everything else.
    pub fn set(&mut self, key: &'static str, origin: &str, text: Option<String>) {
        if let Some(text) = text {
            self.given.insert(key, Given { origin: origin.to_owned(), text });
        }
    }

    /// The text of a setting: what was given, or the default.
    pub(super) fn text(&self, key: &str) -> Given {
        if let Some(given) = self.given.get(key) {
            return given.clone();
        }
        let default = SETTINGS.iter().find(|setting| setting.key == key);
        let text = default.map_or("", |setting| setting.default).to_owned();
        Given { origin: "default".to_owned(), text }
    }

    pub(super) fn problems(&self) -> Vec<String> {
        self.problems.clone()
    }

    fn read_file(&mut self, path: &str, text: &str) {
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => {
                self.problems.push(format!("{path}: {}", error.to_string().trim()));
                return;
            }
        };
        for (name, value) in table {
            match value {
                Value::Table(section) => {
                    for (key, value) in section {
                        self.take(path, &format!("{name}.{key}"), &value);
                    }
                }
                value => self.take(path, &name, &value),
            }
        }
    }

    fn take(&mut self, path: &str, key: &str, value: &Value) {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
            let known: Vec<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
            self.problems
                .push(format!("{path}: {key}: unknown key; known are {}", known.join(", ")));
            return;
        };
        match plain_text(value) {
            Some(text) => {
                let origin = format!("{path}: {key}");
                self.given.insert(setting.key, Given { origin, text });
            }
            None => self.problems.push(format!(
                "{path}: {key}: expected a text, number, truth value or list of texts"
            )),
        }
    }
}

fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            texts.map(|texts| texts.join(","))
        }
        _ => None,
    }
}

impl InvalidConfig {
    /// A configuration file that cannot be read at all.
    pub fn unreadable(path: &str, problem: &dyn std::fmt::Display) -> Self {
        Self { problems: vec![format!("{path}: {problem}")] }
    }
}
