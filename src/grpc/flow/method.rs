//! What is known of every method before it is called, from the protos.

use std::collections::HashMap;
use std::sync::Arc;

use prost::Message as _;
use prost_types::method_options::IdempotencyLevel;
use prost_types::{FileDescriptorSet, MethodDescriptorProto};

use crate::grpc::proto;
use crate::telemetry::{Meters, MethodMeter, MethodName};

/// Methods whose calls are bounded together, by service and name; `*` for all unary ones.
const BOUNDED: [(&str, &str); 3] = [
    ("patron.v1.PredictionService", "*"),
    ("patron.v1.FeatureService", "BatchGetFeatures"),
    ("inference.GRPCInferenceService", "ModelInfer"),
];

/// The Open Inference Protocol does not say that its methods change nothing; ours do not.
const SAFE: &str = "inference.GRPCInferenceService";

/// Methods that look at all customers, so that only their caller knows how long they may take.
const LONG: [(&str, &str); 2] = [
    ("patron.v1.ModelService", "GetModelDrift"),
    ("patron.v1.ModelService", "GetModelVersionReport"),
];

/// The descriptors in the program cannot be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the protos in the program are damaged: {0}")]
pub struct InvalidProtos(#[from] prost::DecodeError);

/// All methods by the path that is asked for.
#[derive(Debug)]
pub(in crate::grpc) struct Methods {
    by_path: HashMap<String, Arc<Method>>,
    unknown: Arc<Method>,
}

/// One method.
#[derive(Debug)]
pub(super) struct Method {
    /// `/service/method`.
    pub(super) path: String,
    /// Who sends how many messages.
    pub(super) shape: Shape,
    /// Whether its calls do the work that is bounded.
    pub(super) is_bounded: bool,
    /// Whether a call changes nothing, so that it may be cut short and asked again.
    pub(super) is_safe: bool,
    /// Whether its time is for the caller alone to bound.
    pub(super) is_long: bool,
    /// Its meters.
    pub(super) meter: MethodMeter,
}

/// Who sends how many messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    /// One there, one back.
    Unary,
    /// Many there.
    ClientStream,
    /// One there, many back: a state that is watched, which ends when the watcher or the server
    /// goes.
    ServerStream,
    /// Many there and back.
    BidiStream,
}

impl Shape {
    fn of(method: &MethodDescriptorProto) -> Self {
        match (method.client_streaming(), method.server_streaming()) {
            (false, false) => Self::Unary,
            (true, false) => Self::ClientStream,
            (false, true) => Self::ServerStream,
            (true, true) => Self::BidiStream,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::ClientStream => "client_stream",
            Self::ServerStream => "server_stream",
            Self::BidiStream => "bidi_stream",
        }
    }

    /// Whether the caller sends many messages.
    pub(super) fn receives_many(self) -> bool {
        matches!(self, Self::ClientStream | Self::BidiStream)
    }
}

impl Methods {
    /// The methods of all services that the server has.
    pub(super) fn of_protos(meters: &Meters) -> Result<Self, InvalidProtos> {
        let mut by_path = HashMap::new();
        for bytes in [
            proto::DESCRIPTORS,
            tonic_health::pb::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
            tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        ] {
            for file in FileDescriptorSet::decode(bytes)?.file {
                for service in &file.service {
                    let name = format!("{}.{}", file.package(), service.name());
                    for method in &service.method {
                        let method = Arc::new(Method::new(&name, method, meters));
                        by_path.insert(method.path.clone(), method);
                    }
                }
            }
        }
        Ok(Self { by_path, unknown: Arc::new(Method::unknown(meters)) })
    }

    /// The method at a path. All paths that lead nowhere are one method, so that callers cannot
    /// make up labels.
    pub(super) fn at(&self, path: &str) -> Arc<Method> {
        Arc::clone(self.by_path.get(path).unwrap_or(&self.unknown))
    }

    /// Service and name of every method whose calls may be sent again, in order.
    pub(in crate::grpc) fn repeatable(&self) -> Vec<(&str, &str)> {
        let methods = self.by_path.values();
        let repeatable = methods.filter(|method| method.is_safe && method.shape == Shape::Unary);
        let names = repeatable.filter_map(|method| method.path.strip_prefix('/')?.split_once('/'));
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        names
    }
}

impl Method {
    fn new(service: &str, method: &MethodDescriptorProto, meters: &Meters) -> Self {
        let shape = Shape::of(method);
        let name = method.name();
        let bounded = |&(bounded, method): &(&str, &str)| {
            bounded == service && (method == "*" || method == name)
        };
        let level = method.options.as_ref().map(prost_types::MethodOptions::idempotency_level);
        Self {
            path: format!("/{service}/{name}"),
            shape,
            is_bounded: shape == Shape::Unary && BOUNDED.iter().any(bounded),
            is_safe: service == SAFE || level == Some(IdempotencyLevel::NoSideEffects),
            is_long: LONG.contains(&(service, name)),
            meter: meters.method(MethodName {
                grpc_type: shape.label(),
                grpc_service: service.to_owned(),
                grpc_method: name.to_owned(),
            }),
        }
    }

    /// Service and name.
    pub(super) fn name(&self) -> (&str, &str) {
        self.path.trim_start_matches('/').split_once('/').unwrap_or_default()
    }

    fn unknown(meters: &Meters) -> Self {
        Self::new("unknown", &MethodDescriptorProto::default(), meters)
    }

    /// Whether a call has no end of its own, so that a server that goes has to end it.
    pub(super) fn is_endless(&self) -> bool {
        self.shape == Shape::ServerStream || self.path.starts_with("/grpc.reflection.")
    }
}
