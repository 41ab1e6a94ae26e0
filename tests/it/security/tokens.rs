//! Signed bearer tokens.

use patron::access::{AccessSettings, Gate, InvalidToken, Role, TokenSettings, Unauthenticated};
use rcgen::KeyPair;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};

use super::authority::write;
use super::door::{Caller, Door, until};
use crate::failure::reason;

const ISSUER: &str = "https://login.shop.example";
const AUDIENCE: &str = "patron";

/// Who signs tokens.
struct Issuer {
    id: &'static str,
    key: KeyPair,
}

impl Issuer {
    fn new(id: &'static str) -> Self {
        Self { id, key: KeyPair::generate().unwrap() }
    }

    /// The public key, as the server is told it.
    fn jwk(&self) -> Value {
        let point = self.key.public_key_raw();
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id,
            "x": base64(&point[1..33]), "y": base64(&point[33..65]),
        })
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_under(&json!({ "alg": "ES256", "typ": "JWT", "kid": self.id }), claims)
    }

    fn sign_under(&self, header: &Value, claims: &Value) -> String {
        let parts = [header, claims].map(|part| base64(part.to_string().as_bytes())).join(".");
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let key = EcdsaKeyPair::from_pkcs8(algorithm, self.key.serialized_der(), &random).unwrap();
        let signature = key.sign(&random, parts.as_bytes()).unwrap();
        format!("{parts}.{}", base64(signature.as_ref()))
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let padded = [chunk[0], *chunk.get(1).unwrap_or(&0), *chunk.get(2).unwrap_or(&0)];
        let bits = u32::from_be_bytes([0, padded[0], padded[1], padded[2]]);
        for place in 0..=chunk.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * place)) as usize & 63]));
        }
    }
    text
}

fn keys(issuers: &[&Issuer]) -> String {
    json!({ "keys": issuers.iter().map(|issuer| issuer.jwk()).collect::<Vec<_>>() }).to_string()
}

/// Seconds since the epoch, some seconds from now.
fn seconds(from_now: i64) -> i64 {
    patron::transaction::Timestamp::now().micros() / 1_000_000 + from_now
}

/// Claims that hold, with some of them changed.
fn claims(changes: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "analyst@shop.example",
        "exp": seconds(600), "nbf": seconds(-600), "realm": { "roles": ["read", "gardener"] },
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn gate(directory: &std::path::Path, roles_claim: &str) -> Gate {
    let tokens = TokenSettings {
        jwks_file: directory.join("jwks.json"),
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        roles_claim: roles_claim.to_owned(),
    };
    Gate::open(&AccessSettings { tokens: Some(tokens), ..AccessSettings::default() }).unwrap()
}

#[test]
fn only_what_the_issuer_signed_for_us_is_believed() {
    let directory = tempfile::tempdir().unwrap();
    let (one, other, stranger) = (Issuer::new("one"), Issuer::new("other"), Issuer::new("one"));
    write(&directory.path().join("jwks.json"), &keys(&[&one, &other]));
    let gate = gate(directory.path(), "realm.roles");
    let ask = |token: &str| gate.principal(Some(&format!("Bearer {token}")), &[]);
    for issuer in [&one, &other] {
        let token = issuer.sign(&claims(json!({})));
        for _ in 0..2 {
            let principal = ask(&token).unwrap();
            assert_eq!(principal.to_string(), "analyst@shop.example (token)");
            assert!(principal.may(Role::Read) && !principal.may(Role::Predict));
        }
    }
    let refused = |token: String| match ask(&token).unwrap_err() {
        Unauthenticated::Token(error) => error,
        error => panic!("{error}"),
    };
    let wrong = |changes: Value| refused(one.sign(&claims(changes)));
    assert_eq!(wrong(json!({ "exp": seconds(-60) })), InvalidToken::Expired);
    assert_eq!(wrong(json!({ "nbf": seconds(600) })), InvalidToken::Early);
    assert!(matches!(wrong(json!({ "exp": null })), InvalidToken::Claim { .. }));
    assert!(matches!(wrong(json!({ "exp": "tomorrow" })), InvalidToken::Claim { .. }));
    for (name, value) in [("iss", json!("https://other.example")), ("aud", json!(["other"]))] {
        let InvalidToken::Claim { claim, .. } = wrong(json!({ name: value })) else {
            panic!("{name}");
        };
        assert_eq!(claim, name);
    }
    assert!(matches!(wrong(json!({ "sub": "" })), InvalidToken::Claim { claim: "sub", .. }));
    assert_eq!(refused(stranger.sign(&claims(json!({})))), InvalidToken::Signature);
    let header = json!({ "alg": "ES256", "kid": "none of ours" });
    assert_eq!(refused(one.sign_under(&header, &claims(json!({})))), InvalidToken::UnknownKey);
    // The public key is no shared secret, and no signature is none.
    for algorithm in ["HS256", "none", "RS256"] {
        let header = json!({ "alg": algorithm, "kid": "one" });
        let error = refused(one.sign_under(&header, &claims(json!({}))));
        assert_ne!(error, InvalidToken::Signature, "{algorithm} is refused before its signature");
    }
    let token = one.sign(&claims(json!({})));
    let (head, signature) = token.rsplit_once('.').unwrap();
    let (head, body) = head.split_once('.').unwrap();
    let promoted = claims(json!({ "realm": { "roles": ["admin"] } }));
    let forged = format!("{head}.{}.{signature}", base64(promoted.to_string().as_bytes()));
    assert_eq!(refused(forged), InvalidToken::Signature);
    assert_eq!(refused(format!("{head}.{body}.")), InvalidToken::Signature);
    for text in ["a.b", "a.b.c", "....", &"x".repeat(20_000)] {
        assert_eq!(refused(text.to_owned()), InvalidToken::Malformed, "{text}");
    }
}

#[test]
fn roles_may_stand_in_a_text() {
    let directory = tempfile::tempdir().unwrap();
    let issuer = Issuer::new("one");
    write(&directory.path().join("jwks.json"), &keys(&[&issuer]));
    let gate = gate(directory.path(), "scope");
    let token = issuer.sign(&claims(json!({ "scope": "openid train predict" })));
    let principal = gate.principal(Some(&format!("bearer {token}")), &[]).unwrap();
    let allowed: Vec<Role> = Role::ALL.into_iter().filter(|role| principal.may(*role)).collect();
    assert_eq!(allowed, [Role::Predict, Role::Train]);
}

#[tokio::test]
async fn tokens_and_keys_open_the_same_server_and_issuers_change() {
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let directory = tempfile::tempdir().unwrap();
    let jwks = directory.path().join("jwks.json");
    write(&jwks, &keys(&[&old]));
    let door = Door::open(&[
        ("access.jwks_file", jwks.to_str().unwrap()),
        ("access.jwt_issuer", ISSUER),
        ("access.jwt_audience", AUDIENCE),
        ("access.jwt_roles_claim", "realm.roles"),
    ])
    .await;
    let channel = door.channel(None).await.unwrap();
    let caller = |token: &str| Caller::new(channel.clone(), Some(token));
    let of_old = caller(&old.sign(&claims(json!({}))));
    let of_new = caller(&new.sign(&claims(json!({}))));
    assert!(of_old.list().await.is_ok());
    assert_eq!(reason(&of_new.list().await.unwrap_err()), "UNAUTHENTICATED");
    let late = caller(&old.sign(&claims(json!({ "exp": seconds(-60) })))).list().await.unwrap_err();
    assert!(late.message().contains("expired"), "{late:?}");
    let roleless = caller(&old.sign(&claims(json!({ "realm": {} })))).list().await.unwrap_err();
    assert_eq!(reason(&roleless), "PERMISSION_DENIED");
    let key = door.add_key("somebody", &[Role::Read]);
    door.until_known(&key).await;
    assert!(caller(key.reveal()).list().await.is_ok());
    write(&jwks, &keys(&[&new]));
    until(async || of_new.list().await.is_ok()).await;
    assert!(of_old.list().await.is_err(), "a token that was believed before is not any more");
}
