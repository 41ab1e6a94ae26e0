//! Compressed calls.

use patron::grpc::proto::predict_churn_request::Input;
use patron::grpc::proto::*;
use tonic::Code;
use tonic::codec::CompressionEncoding::{self, Gzip, Zstd};

use crate::app::{churn_of, customer_ids};
use crate::fixture::small_shop_server;

fn question() -> PredictChurnRequest {
    churn_of(Input::CustomerIds(customer_ids(&["r1", "o1", "l1"])))
}

#[tokio::test]
async fn an_answer_is_compressed_as_its_request_was() {
    let app = small_shop_server().await;
    let plain = app.ask_churn(question()).await.unwrap();
    for (encoding, name) in [(Gzip, "gzip"), (Zstd, "zstd")] {
        let mut client = app.predictions().send_compressed(encoding).accept_compressed(encoding);
        let answer = client.predict_churn(question()).await.unwrap();
        assert_eq!(answer.metadata().get("grpc-encoding").unwrap(), name);
        assert_eq!(answer.get_ref().probabilities, plain.probabilities);
    }
}

#[tokio::test]
async fn who_does_not_compress_gets_nothing_compressed() {
    let app = small_shop_server().await;
    let understands = app.predictions().accept_compressed(Gzip).accept_compressed(Zstd);
    let sends = app.predictions().send_compressed(Gzip);
    for mut client in [understands, sends] {
        let answer = client.predict_churn(question()).await.unwrap();
        assert!(answer.metadata().get("grpc-encoding").is_none(), "{:?}", answer.metadata());
    }
}

/// Asks for 64 MiB of features, which are a few KiB when they are compressed.
async fn ask_bomb(encoding: CompressionEncoding) -> tonic::Status {
    let app = small_shop_server().await;
    let block = FeatureBlock {
        row_count: 10_000,
        values: Some(feature_block::Values::F32Le(vec![0; 64 << 20].into())),
        ..Default::default()
    };
    let mut client = app.predictions().send_compressed(encoding);
    client.predict_churn(churn_of(Input::Features(block))).await.unwrap_err()
}

#[tokio::test]
async fn a_small_message_that_unpacks_to_a_large_one_is_refused() {
    for encoding in [Gzip, Zstd] {
        let status = ask_bomb(encoding).await;
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        assert!(status.message().contains("4194304"), "{status}");
    }
}
