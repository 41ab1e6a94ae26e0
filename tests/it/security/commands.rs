//! The command line with keys and certificates.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use patron::access::Role;

use super::authority::write;
use super::door::Door;
use crate::app::new_directory;

fn patron(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_patron"));
    command.args(arguments).env_remove("PATRON_API_KEY").output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn keys_are_made_listed_and_revoked() {
    let directory = new_directory();
    let file = directory.path().join("keys.toml");
    let file = file.to_str().unwrap();
    let keys = |arguments: &[&str]| {
        let all = [&["keys"][..], arguments, &["--keys-file", file]].concat();
        patron(&all)
    };
    let made = keys(&["create", "--name", "till", "--role", "predict,read", "--expires", "90d"]);
    let secret = stdout(&made).trim().to_owned();
    assert!(secret.starts_with("patron_") && !secret.contains(char::is_whitespace), "{secret}");
    assert!(!fs::read_to_string(file).unwrap().contains(secret.rsplit('_').next().unwrap()));
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    let id = secret.split('_').nth(1).unwrap();
    let listed = stdout(&keys(&["list"]));
    assert!(listed.contains(id) && listed.contains("till") && listed.contains("predict,read"));
    let made = stdout(&keys(&["create", "--name", "desk", "--role", "admin", "--output", "json"]));
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    assert_eq!((made["name"].as_str(), made["roles"][0].as_str()), (Some("desk"), Some("admin")));
    assert!(made["secret"].as_str().unwrap().contains(made["id"].as_str().unwrap()));
    assert!(stdout(&keys(&["revoke", id])).contains("is revoked"));
    assert!(!stdout(&keys(&["list"])).contains(id));
    assert!(stderr(&keys(&["revoke", id])).contains("patron keys list"));
    let told = stderr(&keys(&["create", "--name", "x", "--role", "root"]));
    assert!(told.contains("predict, read, train, admin"), "{told}");
    let told =
        stderr(&keys(&["create", "--name", "x", "--role", "read", "--expires", "1999-01-01"]));
    assert!(told.contains("--expires"), "{told}");
    fs::set_permissions(file, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(stderr(&keys(&["list"])).contains("chmod 600"));
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_reach_an_encrypted_server_with_a_key() {
    let door = Door::open(&[]).await;
    let key = door.add_key("desk", &[Role::Read]);
    door.until_known(&key).await;
    let (ca, key_file) = (door.path("clients.pem"), door.path("desk.key"));
    write(&key_file, &format!("{}\n", key.reveal()));
    let endpoint = format!("https://localhost:{}", door.address.port());
    let (ca, key_file) = (ca.to_str().unwrap(), key_file.to_str().unwrap());
    let list = ["models", "list", "--endpoint", &endpoint];
    let listed = patron(&[&list[..], &["--tls-ca", ca, "--api-key-file", key_file]].concat());
    assert!(listed.status.success(), "{listed:?}");
    let by_variable = Command::new(env!("CARGO_BIN_EXE_patron"))
        .args(list)
        .env("PATRON_TLS_CA", ca)
        .env("PATRON_API_KEY", key.reveal())
        .output()
        .unwrap();
    assert!(by_variable.status.success(), "{by_variable:?}");
    let told = stderr(&patron(&[&list[..], &["--tls-ca", ca]].concat()));
    assert!(told.contains("UNAUTHENTICATED") && told.contains("patron"), "{told}");
    let told = stderr(&patron(&[&list[..], &["--api-key-file", key_file]].concat()));
    assert!(told.contains("name the authority to trust with --tls-ca"), "{told}");
    let erase = ["customers", "erase", "1", "--yes", "--endpoint", &endpoint];
    let told =
        stderr(&patron(&[&erase[..], &["--tls-ca", ca, "--api-key-file", key_file]].concat()));
    assert!(told.contains("it needs the role admin"), "{told}");
    let plain = format!("http://localhost:{}", door.address.port());
    let told = stderr(&patron(&["models", "list", "--endpoint", &plain, "--tls-ca", ca]));
    assert!(told.contains("https://"), "{told}");
}

#[test]
fn a_public_address_is_refused_before_anything_opens() {
    let directory = new_directory();
    let data = directory.path().join("data");
    let serve = ["serve", "--listen", "0.0.0.0:0", "--data-directory", data.to_str().unwrap()];
    let refused = patron(&serve);
    assert_eq!(refused.status.code(), Some(78));
    let told = stderr(&refused);
    for remedy in ["tls.certificate", "access.keys_file", "127.0.0.1", "server.allow_public"] {
        assert!(told.contains(remedy), "{remedy} is missing in {told}");
    }
    assert!(!data.exists());
}
