//! Directories that are filled and trained once per process.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::thread;

use patron::grpc::proto::{ImportReport, JobState};
use tokio::runtime::Builder;

use crate::app::{Clients, TestApp, project, project_text};
use crate::shop;

pub(crate) const KINDS: [&str; 4] = ["segments", "churn", "propensity", "forecast"];

/// Recipes of the small shop: windows that fit its year and a half.
pub(crate) const SHOP_RECIPES: [(&str, &str); 4] = [
    (
        "segments",
        r#"kind = "segments"
active_days = 365
columns = ["recency_days", "visits", "spend", "distinct_products"]
clusters = { least = 2, most = 4 }
restarts = 3
"#,
    ),
    (
        "churn",
        r#"kind = "churn"
active_days = 180
horizon_days = 45
l2 = 10.0
[snapshots]
count = 4
step_days = 30
history_days = 60
"#,
    ),
    (
        "propensity",
        r#"kind = "propensity"
active_days = 365
horizon_days = 30
max_depth = 3
min_leaf = 60
[snapshots]
count = 4
step_days = 30
history_days = 60
"#,
    ),
    (
        "forecast",
        r#"kind = "forecast"
algorithm = "theta"
frequency = "weekly"
horizon = 6
measure = "sales"
[[series]]
group = "total"
[[series]]
group = "store"
"#,
    ),
];

/// A directory that holds data and trained models, and what its import told.
pub(crate) struct Filled {
    pub(crate) directory: PathBuf,
    pub(crate) report: ImportReport,
}

/// The small shop, imported and trained. For tests that change things: copy it.
pub(crate) fn small_shop() -> &'static Filled {
    static FILLED: OnceLock<Filled> = OnceLock::new();
    FILLED.get_or_init(|| {
        fill("small-shop", |app| async move {
            for (model, recipe) in SHOP_RECIPES {
                fs::write(app.path(&format!("models/{model}/recipe.toml")), recipe).unwrap();
            }
            let file = app.file("shop.csv", shop::csv());
            let job = app.import(&file, shop::MAPPING).await;
            (app, job)
        })
    })
}

/// All of Online Retail, imported and trained by the recipes of the project.
pub(crate) fn online_retail() -> &'static Filled {
    static FILLED: OnceLock<Filled> = OnceLock::new();
    FILLED.get_or_init(|| {
        fill("online-retail", |app| async move {
            let file = project("tests/data/online_retail/online_retail.parquet");
            let mapping = project_text("tests/data/online_retail/mapping.toml");
            let job = app.import(file.to_str().unwrap(), &mapping).await;
            (app, job)
        })
    })
}

/// A server on [`online_retail`] that all tests share: they must not change anything.
pub(crate) async fn online_retail_server() -> Clients {
    static SERVER: OnceLock<SocketAddr> = OnceLock::new();
    Clients::connect(*SERVER.get_or_init(|| serve_for_ever(&online_retail().directory))).await
}

/// A server on [`small_shop`] that all tests share: they must not change anything.
pub(crate) async fn small_shop_server() -> Clients {
    static SERVER: OnceLock<SocketAddr> = OnceLock::new();
    Clients::connect(*SERVER.get_or_init(|| serve_for_ever(&small_shop().directory))).await
}

fn fill<Making>(name: &str, import: impl FnOnce(TestApp) -> Making + Send + 'static) -> Filled
where
    Making: Future<Output = (TestApp, patron::grpc::proto::ImportJob)> + Send,
{
    let directory = claim(name);
    let kept = directory.clone();
    // A runtime of its own: the test that happens to come first is on another one.
    let filling = thread::spawn(move || {
        Builder::new_multi_thread().enable_all().build().unwrap().block_on(async move {
            let (app, job) = import(TestApp::with(&[("jobs.threads", "2")]).await).await;
            assert_eq!(job.state(), JobState::Succeeded, "{job:?}");
            for model in KINDS {
                let job = app.train(model).await;
                assert_eq!(job.state(), JobState::Succeeded, "{job:?}");
            }
            let (made, _) = app.shutdown().await;
            fs::rename(made.path(), &kept).unwrap();
            job.report.unwrap()
        })
    });
    let report = filling.join().expect("the fixture is filled");
    Filled { directory, report }
}

/// The place of a fixture, emptied. Another process that tests the same build waits its turn.
fn claim(name: &str) -> PathBuf {
    static LOCK: OnceLock<File> = OnceLock::new();
    let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
    LOCK.get_or_init(|| {
        let lock = File::create(root.join("fixtures.lock")).unwrap();
        lock.lock().unwrap();
        lock
    });
    let directory = root.join(name);
    if directory.exists() {
        fs::remove_dir_all(&directory).unwrap();
    }
    directory
}

fn serve_for_ever(directory: &'static Path) -> SocketAddr {
    let (tell, address) = mpsc::channel();
    thread::spawn(move || {
        Builder::new_multi_thread().enable_all().build().unwrap().block_on(async move {
            let server = crate::app::bind(directory, &[]).await;
            tell.send(server.local_addr()).unwrap();
            server.serve(std::future::pending()).await
        })
    });
    address.recv().expect("the shared server starts")
}
