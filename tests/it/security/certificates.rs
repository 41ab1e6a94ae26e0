//! Client certificates, and certificates that change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use patron::access::Role;
use tonic::Code;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use super::authority::{Authority, write};
use super::door::{Caller, Door, HOST, connect, until};
use crate::failure::reason;

const MUTUAL: [(&str, &str); 2] =
    [("tls.client_ca", "@clients.pem"), ("tls.require_client_certificate", "true")];

#[tokio::test]
async fn a_certificate_of_the_right_authority_opens_its_roles() {
    let door = Door::open(&MUTUAL).await;
    let till = door.authority.issue("till.shop.example");
    let mesh = door.authority.issue_uri("spiffe://shop.example/till");
    let unnamed = door.authority.issue("unnamed.shop.example");
    door.grant("till.shop.example", &[Role::Read]);
    door.grant("spiffe://shop.example/till", &[Role::Predict]);
    let channel = door.channel(Some(&till)).await.unwrap();
    let caller = Caller::new(channel, None);
    until(async || caller.list().await.is_ok()).await;
    let status = Caller::new(door.channel(Some(&mesh)).await.unwrap(), None).list().await;
    let status = status.unwrap_err();
    assert_eq!(reason(&status), "PERMISSION_DENIED");
    assert!(status.message().contains("spiffe://shop.example/till"), "{status:?}");
    let status = Caller::new(door.channel(Some(&unnamed)).await.unwrap(), None).list().await;
    let status = status.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().contains("[[certificate]]"), "{status:?}");
    // Whoever sends a key wants to be known by it.
    let wrong = Caller::new(door.channel(Some(&till)).await.unwrap(), Some("patron_0_0"));
    assert_eq!(wrong.list().await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn connections_without_a_certificate_that_holds_are_refused() {
    let door = Door::open(&MUTUAL).await;
    door.grant("till", &[Role::Read]);
    let key = door.add_key("somebody", &[Role::Read]);
    let good = door.authority.issue("till");
    let caller = Caller::new(door.channel(Some(&good)).await.unwrap(), Some(key.reveal()));
    until(async || caller.list().await.is_ok()).await;
    let expired = door.authority.issue_expired("till");
    let foreign = Authority::new().issue("till");
    for (name, identity) in
        [("none", None), ("expired", Some(&expired)), ("foreign", Some(&foreign))]
    {
        // With TLS 1.3 a client learns of the refusal with its first call.
        let refused = match door.channel(identity).await {
            Err(_) => true,
            Ok(channel) => match Caller::new(channel, Some(key.reveal())).list().await {
                Err(status) => status.code() != Code::Unauthenticated,
                Ok(_) => false,
            },
        };
        assert!(refused, "{name}");
    }
    // Nor does clear text get anywhere.
    let plain = Endpoint::from_shared(format!("http://{}", door.address)).unwrap();
    if let Ok(channel) = plain.connect().await {
        assert!(Caller::new(channel, Some(key.reveal())).list().await.is_err());
    }
}

#[tokio::test]
async fn certificates_are_rotated_under_load_without_a_failed_call() {
    let door = Arc::new(Door::open(&[]).await);
    let key = door.add_key("somebody", &[Role::Read]);
    door.until_known(&key).await;
    let next = Authority::new();
    assert!(connect(door.address, &[&next], None).await.is_err(), "the old one is shown");
    let (calls, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let load: Vec<_> = (0..4)
        .map(|worker| {
            let (calls, stop) = (Arc::clone(&calls), Arc::clone(&stop));
            let (door, key) = (Arc::clone(&door), key.clone());
            let next = next.pem();
            tokio::spawn(async move {
                let open = door.caller(&key).await;
                while !stop.load(Ordering::Relaxed) {
                    // Half of them over a connection that stays, half over new ones.
                    let caller = if worker % 2 == 0 {
                        open.clone()
                    } else {
                        fresh(&door, &next, key.reveal()).await
                    };
                    caller.list().await.unwrap();
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    // First the new key beside the old certificate: they do not belong together, the old pair stays.
    let pair = next.issue(HOST);
    write(&door.path("server.key"), &pair.key);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(door.channel(None).await.is_ok(), "the old pair is shown on");
    pair.install(door.directory.path());
    until(async || connect(door.address, &[&next], None).await.is_ok()).await;
    let at_rotation = calls.load(Ordering::Relaxed);
    until(async || calls.load(Ordering::Relaxed) > at_rotation + 50).await;
    stop.store(true, Ordering::Relaxed);
    for worker in load {
        worker.await.expect("no call fails");
    }
    assert!(door.channel(None).await.is_err(), "the old one is not shown any more");
}

/// A new connection that trusts the old authority and the new one.
async fn fresh(door: &Door, next: &str, bearer: &str) -> Caller {
    let trusted = [door.authority.pem(), next.to_owned()].map(Certificate::from_pem);
    let tls = ClientTlsConfig::new().ca_certificates(trusted).domain_name(HOST);
    let endpoint = Endpoint::from_shared(format!("https://{}", door.address)).unwrap();
    let channel = endpoint.tls_config(tls).unwrap().connect().await.unwrap();
    Caller::new(channel, Some(bearer))
}

#[tokio::test]
async fn the_server_does_not_start_with_files_that_do_not_hold() {
    let door = Door::open(&[]).await;
    let path = |name: &str| door.path(name).to_str().unwrap().to_owned();
    let refused = |settings: Vec<(&'static str, String)>| {
        let directory = crate::app::new_directory();
        async move {
            let mut raw = patron::config::RawConfig::default();
            let below = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
            raw.set("data_directory", "test", Some(below("data")));
            raw.set("model_directory", "test", Some(below("models")));
            raw.set("server.listen", "test", Some("127.0.0.1:0".to_owned()));
            for (key, text) in settings {
                raw.set(key, "test", Some(text));
            }
            let app = patron::app::App::open(patron::config::Config::check(&raw).unwrap()).unwrap();
            patron::grpc::Server::bind(Arc::new(app)).await.unwrap_err().to_string()
        }
    };
    let pair = |certificate: &str, key: &str| {
        vec![("tls.certificate", path(certificate)), ("tls.private_key", path(key))]
    };
    write(&door.path("other.key"), &door.authority.issue(HOST).key);
    let told = refused(pair("server.pem", "other.key")).await;
    assert!(told.contains("other.key") && told.contains("server.pem"), "{told}");
    let told = refused(pair("server.key", "server.key")).await;
    assert!(told.contains("expected certificates in PEM"), "{told}");
    let told = refused(pair("server.pem", "none.key")).await;
    assert!(told.contains("none.key"), "{told}");
    super::authority::restrict(&door.path("other.key"), 0o620);
    let told = refused(pair("server.pem", "other.key")).await;
    assert!(told.contains("mode 620") && told.contains("chmod 600"), "{told}");
    write(&door.path("bad.toml"), "[[key]]\nid = \"a\"\n");
    let told = refused(vec![("access.keys_file", path("bad.toml"))]).await;
    assert!(told.contains("bad.toml") && told.contains("missing field"), "{told}");
}
