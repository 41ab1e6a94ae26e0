//! Which role each method needs. A method that does not stand here is refused, and a test fails.

use crate::access::{Principal, Role};

/// Who may call a method.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Rule {
    /// Everybody, without any credential.
    Anyone,
    /// Whoever showed a credential that holds.
    Known,
    /// Whoever has the role.
    Only(Role),
}

impl Rule {
    pub(super) fn allows(self, principal: &Principal) -> bool {
        self.role().is_none_or(|role| principal.may(role))
    }

    /// The role that is needed.
    pub(super) fn role(self) -> Option<Role> {
        match self {
            Self::Anyone | Self::Known => None,
            Self::Only(role) => Some(role),
        }
    }
}

/// The rule of a method by its path, `/package.Service/Method`.
pub(super) fn rule(path: &str) -> Option<Rule> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    match service {
        "grpc.health.v1.Health" => Some(Rule::Anyone),
        "grpc.reflection.v1.ServerReflection" | "grpc.reflection.v1alpha.ServerReflection" => {
            Some(Rule::Known)
        }
        "patron.v1.ServerService" => server(method),
        "patron.v1.PredictionService" => prediction(method).map(Rule::Only),
        "patron.v1.FeatureService" => feature(method).map(Rule::Only),
        "patron.v1.ModelService" => model(method).map(Rule::Only),
        "patron.v1.TrainingService" => training(method).map(Rule::Only),
        "patron.v1.ScoringService" => scoring(method).map(Rule::Only),
        "patron.v1.TransactionService" => transaction(method).map(Rule::Only),
        "inference.GRPCInferenceService" => inference(method).map(Rule::Only),
        _ => None,
    }
}

fn server(method: &str) -> Option<Rule> {
    (method == "GetServerInfo").then_some(Rule::Known)
}

fn prediction(method: &str) -> Option<Role> {
    match method {
        "AssignSegments"
        | "AssignRfm"
        | "PredictChurn"
        | "PredictPropensity"
        | "Forecast"
        | "StreamAssignSegments"
        | "StreamAssignRfm"
        | "StreamPredictChurn"
        | "StreamPredictPropensity"
        | "StreamForecast" => Some(Role::Predict),
        _ => None,
    }
}

fn feature(method: &str) -> Option<Role> {
    match method {
        "ListFeatures" | "BatchGetFeatures" => Some(Role::Read),
        _ => None,
    }
}

fn model(method: &str) -> Option<Role> {
    match method {
        "ListModels"
        | "GetModel"
        | "ListModelVersions"
        | "GetModelVersion"
        | "GetModelVersionReport"
        | "GetModelDrift" => Some(Role::Read),
        "SetModelAlias" | "DeleteModelAlias" | "DeleteModelVersion" => Some(Role::Admin),
        _ => None,
    }
}

fn training(method: &str) -> Option<Role> {
    match method {
        "GetTrainingJob" | "ListTrainingJobs" | "WatchTrainingJob" => Some(Role::Read),
        "CreateTrainingJob" | "CancelTrainingJob" => Some(Role::Train),
        _ => None,
    }
}

fn scoring(method: &str) -> Option<Role> {
    match method {
        "GetScoringJob" | "ListScoringJobs" | "WatchScoringJob" => Some(Role::Read),
        "CreateScoringJob" | "CancelScoringJob" => Some(Role::Train),
        _ => None,
    }
}

fn transaction(method: &str) -> Option<Role> {
    match method {
        "GetImportJob" | "ListImportJobs" | "WatchImportJob" | "GetCustomer" => Some(Role::Read),
        "IngestTransactions" | "ImportTransactions" | "CancelImportJob" => Some(Role::Train),
        "EraseCustomer" => Some(Role::Admin),
        _ => None,
    }
}

fn inference(method: &str) -> Option<Role> {
    match method {
        "ServerLive" | "ServerReady" | "ModelReady" | "ServerMetadata" | "ModelMetadata"
        | "RepositoryIndex" | "ModelStatistics" => Some(Role::Read),
        "ModelInfer" | "ModelStreamInfer" => Some(Role::Predict),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::grpc::proto::DESCRIPTORS;

    #[test]
    fn every_method_of_every_service_has_a_rule() {
        let sets = [DESCRIPTORS, tonic_health::pb::FILE_DESCRIPTOR_SET];
        let files = sets.into_iter().flat_map(|set| FileDescriptorSet::decode(set).unwrap().file);
        let mut methods = 0;
        for file in files {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    assert!(rule(&path).is_some(), "{path} has no rule");
                    methods += 1;
                }
            }
        }
        assert!(methods > 38, "{methods}");
    }

    #[test]
    fn what_is_not_known_has_no_rule() {
        for path in [
            "",
            "/",
            "/patron.v1.ModelService",
            "/patron.v1.ModelService/Drop",
            "patron.v1.ModelService/GetModel",
            "/patron.v1.ModelService/GetModel/",
            "/patron.v2.ModelService/GetModel",
            "//patron.v1.ModelService/GetModel",
        ] {
            assert_eq!(rule(path), None, "{path}");
        }
        assert_eq!(
            rule("/inference.GRPCInferenceService/ModelInfer"),
            Some(Rule::Only(Role::Predict))
        );
    }
}
