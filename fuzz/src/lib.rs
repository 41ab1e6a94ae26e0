//! What the fuzz targets share with each other and with the tests of the project.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use patron::app::App;
use patron::config::{Config, RawConfig};
use patron::grpc::Server;
use tokio::runtime::{Builder, Runtime};
use tonic::transport::Channel;

/// Good requests, as in the tests.
#[path = "../../tests/it/mutated/requests.rs"]
pub mod requests;

/// Calls whose messages are bytes, as in the tests.
#[path = "../../tests/it/mutated/wire.rs"]
pub mod wire;

/// A shop whose customers and lines are always the same, as in the tests.
#[path = "../../tests/it/shop.rs"]
mod shop;

/// The mapping of the shop's file.
pub const SHOP_MAPPING: &str = shop::MAPPING;

/// The lines of the shop, as CSV.
pub fn shop_csv() -> String {
    shop::csv()
}

/// A path of the project.
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Where the small shop is that `prepare` makes.
pub fn shop_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("shop")
}

/// A server in this process, and a connection to it.
pub struct Served {
    pub runtime: Runtime,
    pub channel: Channel,
}

impl Served {
    /// Serves a directory until the process ends.
    pub fn on(directory: &Path) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("the system gives threads");
        let channel = runtime.block_on(async {
            let mut raw = RawConfig::default();
            let below = |name: &str| Some(directory.join(name).display().to_string());
            let fixed = |text: &str| Some(text.to_owned());
            for (key, text) in [
                ("data_directory", below("data")),
                ("model_directory", below("models")),
                ("shop.time_zone", fixed("Europe/London")),
                ("shop.currency", fixed("GBP")),
                ("server.listen", fixed("127.0.0.1:0")),
                ("serving.as_of", fixed("latest")),
            ] {
                raw.set(key, "fuzz", text);
            }
            let config = Config::check(&raw).expect("the settings hold");
            let app = App::open(config).expect("the directory opens");
            let server = Server::bind(Arc::new(app)).await.expect("a port is free");
            let endpoint = format!("http://{}", server.local_addr());
            tokio::spawn(server.serve(std::future::pending()));
            let endpoint = Channel::from_shared(endpoint).expect("an address");
            endpoint.connect().await.expect("it listens")
        });
        Self { runtime, channel }
    }
}
