//! Compiles the protos without protoc.

use std::path::PathBuf;

const PROTOS: [&str; 8] = [
    "inference/grpc_service.proto",
    "patron/v1/transaction_service.proto",
    "patron/v1/feature_service.proto",
    "patron/v1/training_service.proto",
    "patron/v1/model_service.proto",
    "patron/v1/prediction_service.proto",
    "patron/v1/scoring_service.proto",
    "patron/v1/server_service.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(PROTOS, ["proto"])?;
    let folder = PathBuf::from(std::env::var("OUT_DIR")?);
    let bytes = protox::prost::Message::encode_to_vec(&descriptors);
    std::fs::write(folder.join("patron_descriptor.bin"), bytes)?;
    tonic_prost_build::configure()
        .bytes(".inference")
        .codec_path("crate::grpc::codec::ContiguousCodec")
        .bytes(".patron.v1.FeatureBlock")
        .extern_path(".google.rpc.Status", "::tonic_types::Status")
        .compile_fds(descriptors)?;
    Ok(())
}
