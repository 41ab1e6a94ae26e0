//! Every method with every kind of credential.

use std::collections::BTreeMap;

use patron::access::{Role, Secret};
use patron::grpc::proto::DESCRIPTORS;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Status};
use tonic_health::pb::FILE_DESCRIPTOR_SET;
use tonic_prost::ProstCodec;

use super::door::{Caller, Door};
use crate::failure::reason;

/// The paths of all methods that the server has, with health and reflection.
fn methods() -> Vec<String> {
    let sets = [DESCRIPTORS, FILE_DESCRIPTOR_SET];
    let files = sets.into_iter().flat_map(|set| FileDescriptorSet::decode(set).unwrap().file);
    let mut paths = Vec::new();
    for file in files {
        for service in &file.service {
            let name = format!("{}.{}", file.package(), service.name());
            paths.extend(service.method.iter().map(|method| format!("/{name}/{}", method.name())));
        }
    }
    for version in ["v1", "v1alpha"] {
        paths.push(format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"));
    }
    paths
}

/// Calls any method with one empty message; the error that came first, if any.
async fn call(caller: &Caller, path: &str) -> Option<Status> {
    let mut client = Grpc::new(caller.channel.clone());
    client.ready().await.unwrap();
    let request = caller.request(tokio_stream::iter([()]));
    let path: PathAndQuery = path.parse().unwrap();
    let answers = client.streaming(request, path, ProstCodec::<(), ()>::default()).await;
    match answers {
        Err(status) => Some(status),
        Ok(answers) => answers.into_inner().message().await.err(),
    }
}

fn told(status: Option<&Status>) -> &'static str {
    match status.map(|status| (status.code(), reason(status))) {
        Some((Code::Unauthenticated, reason)) if reason == "UNAUTHENTICATED" => "unauthenticated",
        Some((Code::PermissionDenied, reason)) if reason == "PERMISSION_DENIED" => "denied",
        Some((Code::Unimplemented, _)) => "unknown",
        _ => "let in",
    }
}

fn is_open(path: &str) -> bool {
    path.starts_with("/grpc.health.v1.Health/")
}

#[tokio::test]
async fn no_method_answers_without_a_credential_that_holds() {
    let door = Door::open(&[]).await;
    let good = door.add_key("somebody", &[Role::Admin]);
    let expired = door.add_expired_key("late", &[Role::Admin]);
    door.until_known(&good).await;
    let channel = door.channel(None).await.unwrap();
    let other_secret = format!("{}x", good.reveal());
    let strangers = [
        ("none", None),
        ("no key of ours", Some("patron_00000000_0000")),
        ("another secret", Some(other_secret.as_str())),
        ("a token", Some("eyJhbGciOiJub25lIn0.e30.")),
        ("expired", Some(expired.reveal())),
    ];
    let methods = methods();
    assert!(methods.len() > 40, "{methods:?}");
    for path in &methods {
        for (name, bearer) in strangers {
            let status = call(&Caller::new(channel.clone(), bearer), path).await;
            let expected = if is_open(path) { "let in" } else { "unauthenticated" };
            assert_eq!(told(status.as_ref()), expected, "{path} with {name}: {status:?}");
        }
        let status = call(&Caller::new(channel.clone(), Some(good.reveal())), path).await;
        assert_eq!(told(status.as_ref()), "let in", "{path} with a good key: {status:?}");
    }
}

#[tokio::test]
async fn a_role_opens_its_methods_and_no_other() {
    let door = Door::open(&[]).await;
    let keys: Vec<(Role, Secret)> =
        Role::ALL.map(|role| (role, door.add_key(role.as_str(), &[role]))).into();
    door.until_known(&keys[3].1).await;
    let channel = door.channel(None).await.unwrap();
    let mut table: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in methods() {
        let mut roles = Vec::new();
        for (role, secret) in &keys {
            let status = call(&Caller::new(channel.clone(), Some(secret.reveal())), &path).await;
            match told(status.as_ref()) {
                "let in" => roles.push(role.as_str()),
                "denied" => {}
                other => panic!("{path} for {role}: {other} {status:?}"),
            }
        }
        let name = path.rsplit('.').next().unwrap().to_owned();
        table.entry(roles.join(" ")).or_default().push(name);
    }
    table.values_mut().for_each(|paths| paths.sort());
    let lines: Vec<String> =
        table.iter().map(|(roles, paths)| format!("{roles}:\n  {}", paths.join("\n  "))).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    admin:
      ModelService/DeleteModelAlias
      ModelService/DeleteModelVersion
      ModelService/SetModelAlias
      TransactionService/EraseCustomer
    predict admin:
      GRPCInferenceService/ModelInfer
      GRPCInferenceService/ModelStreamInfer
      PredictionService/AssignRfm
      PredictionService/AssignSegments
      PredictionService/Forecast
      PredictionService/PredictChurn
      PredictionService/PredictPropensity
      PredictionService/StreamAssignRfm
      PredictionService/StreamAssignSegments
      PredictionService/StreamForecast
      PredictionService/StreamPredictChurn
      PredictionService/StreamPredictPropensity
    predict read train admin:
      Health/Check
      Health/Watch
      ServerReflection/ServerReflectionInfo
      ServerReflection/ServerReflectionInfo
      ServerService/GetServerInfo
    read admin:
      FeatureService/BatchGetFeatures
      FeatureService/ListFeatures
      GRPCInferenceService/ModelMetadata
      GRPCInferenceService/ModelReady
      GRPCInferenceService/ModelStatistics
      GRPCInferenceService/RepositoryIndex
      GRPCInferenceService/ServerLive
      GRPCInferenceService/ServerMetadata
      GRPCInferenceService/ServerReady
      ModelService/GetModel
      ModelService/GetModelDrift
      ModelService/GetModelVersion
      ModelService/GetModelVersionReport
      ModelService/ListModelVersions
      ModelService/ListModels
      ScoringService/GetScoringJob
      ScoringService/ListScoringJobs
      ScoringService/WatchScoringJob
      TrainingService/GetTrainingJob
      TrainingService/ListTrainingJobs
      TrainingService/WatchTrainingJob
      TransactionService/GetCustomer
      TransactionService/GetImportJob
      TransactionService/ListImportJobs
      TransactionService/WatchImportJob
    train admin:
      ScoringService/CancelScoringJob
      ScoringService/CreateScoringJob
      TrainingService/CancelTrainingJob
      TrainingService/CreateTrainingJob
      TransactionService/CancelImportJob
      TransactionService/ImportTransactions
      TransactionService/IngestTransactions
    ");
}

#[tokio::test]
async fn what_is_no_method_is_refused_like_a_method() {
    let door = Door::open(&[("server.reflection", "false")]).await;
    let reader = door.add_key("reader", &[Role::Read]);
    let admin = door.add_key("admin", &[Role::Admin]);
    door.until_known(&admin).await;
    let channel = door.channel(None).await.unwrap();
    for path in ["/patron.v1.ModelService/DropEverything", "/patron.v2.ModelService/GetModel"] {
        let nobody = call(&Caller::new(channel.clone(), None), path).await;
        assert_eq!(told(nobody.as_ref()), "unauthenticated", "{path}");
        for secret in [&reader, &admin] {
            let known = call(&Caller::new(channel.clone(), Some(secret.reveal())), path).await;
            assert_eq!(told(known.as_ref()), "denied", "{path}");
        }
    }
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let switched_off = call(&Caller::new(channel, Some(admin.reveal())), path).await;
    assert_eq!(told(switched_off.as_ref()), "unknown");
}

#[tokio::test]
async fn keys_come_and_go_without_a_restart() {
    let door = Door::open(&[]).await;
    let first = door.add_key("first", &[Role::Read]);
    door.until_known(&first).await;
    let caller = door.caller(&first).await;
    assert!(caller.list().await.is_ok());
    // A file that does not hold changes nothing.
    let keys = std::fs::read_to_string(door.path("keys.toml")).unwrap();
    super::authority::write(&door.path("keys.toml"), "[[key]]\nid = 7\n");
    tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    assert!(caller.list().await.is_ok());
    super::authority::write(&door.path("keys.toml"), &keys);
    let second = door.add_key("second", &[Role::Predict]);
    door.until_known(&second).await;
    let status = door.caller(&second).await.list().await.unwrap_err();
    assert_eq!(reason(&status), "PERMISSION_DENIED");
    assert!(status.message().contains("second") && status.message().contains("read"));
    let id = first.reveal().split('_').nth(1).unwrap();
    door.edit(|file| assert!(file.revoke(&patron::access::KeyId::new(id))));
    super::door::until(async || caller.list().await.is_err()).await;
    assert!(super::door::is_unknown(&caller.list().await.unwrap_err()));
}
