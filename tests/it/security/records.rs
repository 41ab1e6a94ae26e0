//! What is written down, and what is not.

use std::time::Duration;

use patron::access::{KeysFile, Role};
use patron::grpc::proto::model_service_client::ModelServiceClient;
use patron::grpc::proto::prediction_service_client::PredictionServiceClient;
use patron::grpc::proto::transaction_service_client::TransactionServiceClient;
use patron::grpc::proto::*;

use super::door::{Caller, Door, audit};
use crate::app::{churn_of, copied, customer_ids};
use crate::fixture::small_shop;
use crate::process::{Process, logged, serve};

#[tokio::test]
async fn who_was_refused_is_written_down_but_not_a_flood_of_it() {
    let door = Door::open(&[]).await;
    let reader = door.add_key("reader", &[Role::Read]);
    door.until_known(&reader).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let before = door.audit().len();
    let request = EraseCustomerRequest { customer_id: "secret-id".into(), ..Default::default() };
    let caller = door.caller(&reader).await;
    let mut client = TransactionServiceClient::new(caller.channel.clone());
    assert!(client.erase_customer(caller.request(request)).await.is_err());
    let stranger = Caller::new(caller.channel.clone(), Some("patron_abcd_wrong"));
    for _ in 0..500 {
        assert!(stranger.list().await.is_err());
    }
    super::door::until(async || door.audit().len() > before + 1).await;
    let entries = door.audit();
    assert!(entries.len() < before + 60, "{} entries", entries.len());
    let denied = entries.iter().find(|entry| entry.action == "access.denied").unwrap();
    assert_eq!(denied.subject, "/patron.v1.TransactionService/EraseCustomer");
    assert!(denied.detail.starts_with("reader (key "), "{denied:?}");
    assert!(denied.who.starts_with("127.0.0.1:"), "{denied:?}");
    assert!(entries.iter().any(|entry| entry.action == "access.unauthenticated"));
    let all = format!("{entries:?}");
    assert!(!all.contains("abcd_wrong") && !all.contains("secret-id"), "{all}");
}

#[tokio::test]
async fn neither_secrets_nor_customers_stand_in_the_log() {
    let directory = copied(&small_shop().directory);
    let keys = directory.path().join("keys.toml");
    let roles = vec![Role::Admin];
    let (key, secret) = patron::access::ApiKey::generate("boss".into(), roles, None).unwrap();
    KeysFile { keys: vec![key], ..KeysFile::default() }.write(&keys).unwrap();
    let log = std::fs::File::create(directory.path().join("log.txt")).unwrap();
    let mut command = serve(directory.path(), &["--log-filter", "trace", "--as-of", "latest"]);
    command.env("PATRON_ACCESS_KEYS_FILE", &keys).stderr(log);
    let process = Process::run(&mut command).await;
    let boss = Caller::new(process.clients.channel.clone(), Some(secret.reveal()));
    let customer = "r1-marked-customer";
    let line = TransactionLine {
        customer_id: customer.to_owned(),
        product_id: "p1".to_owned(),
        quantity_thousandths: Some(1_000),
        unit_price_micros: Some(1_000_000),
        occurred_at: Some(crate::app::instant("2011-06-01")),
        ..Default::default()
    };
    let mut transactions = TransactionServiceClient::new(boss.channel.clone());
    let chunk = IngestTransactionsRequest { chunk_id: "1".to_owned(), lines: vec![line] };
    let chunks = boss.request(tokio_stream::iter([chunk]));
    let mut acks = transactions.ingest_transactions(chunks).await.unwrap().into_inner();
    let ack = acks.message().await.unwrap().unwrap();
    assert_eq!(ack.accepted, 1, "{ack:?}");
    drop(acks);
    let mut predictions = PredictionServiceClient::new(boss.channel.clone());
    let ids = customer_ids(&[customer, "bad\u{7}id-marked"]);
    let asked = churn_of(predict_churn_request::Input::CustomerIds(ids));
    predictions.predict_churn(boss.request(asked)).await.unwrap();
    let wrong = format!("{}x", secret.reveal());
    let stranger = Caller::new(boss.channel.clone(), Some(&wrong));
    assert!(stranger.list().await.is_err());
    let erase = EraseCustomerRequest { customer_id: customer.to_owned(), ..Default::default() };
    transactions.erase_customer(boss.request(erase)).await.unwrap();
    let delete = DeleteModelAliasRequest {
        model: "churn".to_owned(),
        alias: "champion".to_owned(),
        ..Default::default()
    };
    ModelServiceClient::new(boss.channel.clone())
        .delete_model_alias(boss.request(delete))
        .await
        .unwrap();
    super::door::until(async || audit(directory.path()).len() >= 3).await;
    let entries = audit(directory.path());
    for action in ["customer.erase", "alias.delete"] {
        let entry = entries.iter().find(|entry| entry.action == action).unwrap();
        assert!(entry.who.starts_with("boss (key "), "{entry:?}");
    }
    drop((boss, stranger, transactions, predictions));
    process.stop().await;
    let log = logged(directory.path());
    assert!(log.contains("alias.delete") && log.contains("a call was refused"), "{log}");
    let random = secret.reveal().rsplit('_').next().unwrap();
    for private in [random, customer, "id-marked"] {
        assert!(!log.contains(private), "{private} stands in the log");
        assert!(!format!("{entries:?}").contains(private), "{private} stands in the audit");
    }
}
