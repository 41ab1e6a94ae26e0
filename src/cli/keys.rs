//! `patron keys`: API keys of a server's keys file. The server need not run.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::access::{ApiKey, KeyId, KeysFile, Role, Secret};
use crate::transaction::Timestamp;

use super::arguments::{InvalidArgument, time};
use super::exit::Failure;
use super::output::{Format, Output, Report, Statement, note};
use super::table::Table;

/// Arguments of `patron keys`.
#[derive(Args, Clone, Debug)]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    action: KeysAction,
    /// The server's file of keys, its setting access.keys_file
    #[arg(
        long,
        global = true,
        env = "PATRON_ACCESS_KEYS_FILE",
        value_name = "FILE",
        default_value = "keys.toml"
    )]
    keys_file: PathBuf,
    /// How results are written
    #[arg(long, global = true, value_enum, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

#[derive(Clone, Debug, Subcommand)]
enum KeysAction {
    /// Make a key and print its secret, this once; a running server takes it at once
    Create {
        /// Whose key it is; calls and changes are told under this name
        #[arg(long)]
        name: String,
        /// What it may be used for: predict, read, train, admin
        #[arg(long, value_delimiter = ',', num_args = 1.., required = true)]
        role: Vec<String>,
        /// When it ends: days such as 90d, or a time [default: never]
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
    },
    /// List the keys; secrets are not kept
    List,
    /// Remove a key; a running server refuses it from then on
    Revoke {
        /// The key's id
        id: String,
    },
}

/// Works with a keys file.
pub(super) fn run(args: KeysArgs) -> Result<(), Failure> {
    let KeysArgs { action, keys_file, output } = args;
    let mut output = Output::new(output);
    let mut file = KeysFile::read(&keys_file)?;
    match action {
        KeysAction::Create { name, role, expires } => {
            let roles = role.iter().map(|text| parse_role(text)).collect::<Result<_, _>>()?;
            let expires = expires.map(|text| end(&text, Timestamp::now())).transpose()?;
            let (key, secret) = ApiKey::generate(name, roles, expires)
                .map_err(|_| Failure::Refused("the machine gives no random numbers".to_owned()))?;
            file.keys.push(key.clone());
            file.write(&keys_file)?;
            note(format_args!("key {} of {}; the secret is shown this once", key.id, key.name));
            output.report(&Created { key, secret })?;
        }
        KeysAction::List => output.report(&Listed(file.keys))?,
        KeysAction::Revoke { id } => {
            let id = KeyId::new(id);
            if !file.revoke(&id) {
                let expected = "the id of a key, as `patron keys list` shows it";
                return Err(InvalidArgument::new("ID", expected, id).into());
            }
            file.write(&keys_file)?;
            let text = format!("key {id} is revoked");
            output.report(&Statement { json: json!({ "revoked": id.as_str() }), text })?;
        }
    }
    Ok(())
}

fn parse_role(text: &str) -> Result<Role, InvalidArgument> {
    let expected = "roles of predict, read, train, admin";
    text.parse().map_err(|_| InvalidArgument::new("--role", expected, text))
}

/// `90d`, or an instant, after `now`.
fn end(text: &str, now: Timestamp) -> Result<Timestamp, InvalidArgument> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
    let end = match days {
        Some(days) => Some(now.plus_days(days.into())),
        None => time("--expires", Some(text)).unwrap_or_default(),
    };
    let expected = "days such as 90d, or a time to come such as 2031-12-09";
    end.filter(|end| *end > now).ok_or_else(|| InvalidArgument::new("--expires", expected, text))
}

/// A new key with its secret.
struct Created {
    key: ApiKey,
    secret: Secret,
}

impl Report for Created {
    fn json(&self) -> Value {
        let mut json = describe(&self.key);
        if let Value::Object(fields) = &mut json {
            fields.insert("secret".to_owned(), self.secret.reveal().into());
        }
        json
    }

    /// The secret alone, so that it can be sent to a file.
    fn text(&self) -> String {
        self.secret.reveal().to_owned()
    }
}

struct Listed(Vec<ApiKey>);

impl Report for Listed {
    fn json(&self) -> Value {
        self.0.iter().map(describe).collect()
    }

    fn text(&self) -> String {
        let now = Timestamp::now();
        let mut table = Table::new(["id", "name", "roles", "created", "expires"]);
        for key in &self.0 {
            let expires = match key.expires {
                None => "never".to_owned(),
                Some(end) if key.is_expired(now) => format!("{end} (expired)"),
                Some(end) => end.to_string(),
            };
            let ApiKey { id, name, created, .. } = key;
            table.row([id.to_string(), name.clone(), roles(key), created.to_string(), expires]);
        }
        if table.is_empty() { "no keys".to_owned() } else { table.to_string() }
    }
}

fn roles(key: &ApiKey) -> String {
    key.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(",")
}

fn describe(key: &ApiKey) -> Value {
    let ApiKey { id, name, roles, sha256: _, created, expires } = key;
    json!({ "id": id, "name": name, "roles": roles, "created": created, "expires": expires })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_ends_in_days_or_at_a_time() {
        let now: Timestamp = "2026-01-01".parse().unwrap();
        assert_eq!(end("90d", now).unwrap().to_string(), "2026-04-01T00:00:00Z");
        assert_eq!(end("2026-06-01", now).unwrap().to_string(), "2026-06-01T00:00:00Z");
        for text in ["0d", "2025-12-31", "soon", "-1d", "90", ""] {
            assert!(end(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn a_list_tells_no_digest() {
        let (key, secret) = ApiKey::generate("till".to_owned(), vec![Role::Predict], None).unwrap();
        let listed = Listed(vec![key.clone()]);
        let told = format!("{}{}", listed.text(), listed.json());
        assert!(told.contains("till") && told.contains("predict") && told.contains("never"));
        assert!(!told.contains(&key.sha256) && !told.contains(secret.reveal()), "{told}");
    }
}
