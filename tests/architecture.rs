//! Holds the shape of the crate: which module may import which, and which crate may be named where.
//!
//! The table is the architecture. To add an import that is not in it, change the table first and
//! say why in `docs/ARCHITECTURE.md`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// From the bottom up: a module and the modules of this crate that it may import. A module may
/// only name modules that stand above it in this list, so the table itself can have no cycle.
const LAYERS: &[(&str, &[&str])] = &[
    // domain
    ("parallel", &[]),
    ("priority", &[]),
    ("unfinished", &[]),
    ("readable", &[]),
    ("transaction", &[]),
    ("dataset", &["transaction"]),
    ("metrics", &[]),
    ("feature", &["transaction", "dataset"]),
    ("model", &["transaction", "dataset", "metrics"]),
    ("simulation", &["transaction"]),
    // storage
    ("store", &["parallel", "transaction", "dataset"]),
    ("repository", &["transaction", "dataset", "feature", "model"]),
    // application
    ("ingest", &["parallel", "transaction", "dataset", "store"]),
    ("historical", &["unfinished", "transaction", "feature", "model"]),
    ("series", &["unfinished", "dataset", "model"]),
    (
        "training",
        &[
            "transaction",
            "dataset",
            "metrics",
            "feature",
            "model",
            "store",
            "repository",
            "ingest",
            "historical",
        ],
    ),
    (
        "report",
        &["readable", "transaction", "dataset", "metrics", "model", "repository", "training"],
    ),
    ("serving", &["transaction", "dataset", "feature", "model", "store", "repository", "training"]),
    (
        "scoring",
        &[
            "transaction",
            "feature",
            "model",
            "store",
            "repository",
            "ingest",
            "training",
            "serving",
        ],
    ),
    (
        "jobs",
        &[
            "priority",
            "transaction",
            "model",
            "store",
            "repository",
            "ingest",
            "training",
            "serving",
            "scoring",
        ],
    ),
    // composition
    ("telemetry", &[]),
    ("access", &["transaction"]),
    ("config", &["priority", "transaction", "telemetry", "access"]),
    (
        "app",
        &[
            "transaction",
            "feature",
            "model",
            "store",
            "repository",
            "ingest",
            "training",
            "serving",
            "scoring",
            "jobs",
            "config",
        ],
    ),
    // edge
    (
        "grpc",
        &[
            "priority",
            "transaction",
            "dataset",
            "metrics",
            "feature",
            "model",
            "store",
            "repository",
            "ingest",
            "historical",
            "training",
            "report",
            "serving",
            "scoring",
            "jobs",
            "access",
            // The edge counts what it does; whoever works below says what it did in its answer.
            "telemetry",
            "config",
            "app",
        ],
    ),
    (
        "cli",
        &[
            "readable",
            "transaction",
            "metrics",
            "feature",
            "dataset",
            "model",
            "simulation",
            "ingest",
            "historical",
            "series",
            "repository",
            "training",
            "scoring",
            "access",
            "config",
            "telemetry",
            "app",
            "grpc",
        ],
    ),
    ("lib", &[]),
    ("main", &["cli"]),
];

/// A foreign crate and the places that may name it: a module, or one file below it.
const FOREIGN: &[(&str, &[&str])] = &[
    // Its modules are named as those of this crate, so that the table holds for them too.
    ("patron_domain", &["lib"]),
    ("tonic", &["grpc", "cli"]),
    ("tonic_types", &["grpc", "cli"]),
    ("tonic_health", &["grpc"]),
    ("tonic_reflection", &["grpc"]),
    ("axum", &["grpc"]),
    ("http", &["grpc"]),
    ("http_body", &["grpc"]),
    ("futures_util", &["grpc"]),
    ("hyper", &["grpc"]),
    ("hyper_util", &["grpc"]),
    ("tower", &["grpc"]),
    ("prometheus_client", &["telemetry"]),
    ("opentelemetry", &["telemetry/traces.rs"]),
    ("opentelemetry_otlp", &["telemetry/traces.rs"]),
    ("opentelemetry_sdk", &["telemetry/traces.rs"]),
    ("rustix", &["priority"]),
    ("thread_priority", &["priority"]),
    ("prost", &["grpc", "cli"]),
    ("prost_types", &["grpc", "cli"]),
    ("tokio", &["grpc", "cli", "main"]),
    ("tokio_stream", &["grpc", "cli"]),
    ("tokio_rustls", &["grpc"]),
    ("rustls", &["grpc"]),
    ("jsonwebtoken", &["access"]),
    ("ring", &["access"]),
    ("rusqlite", &["store"]),
    ("linfa", &LINFA),
    ("linfa_clustering", &["model/segments/linfa_kmeans.rs"]),
    ("linfa_logistic", &["model/classifier/linfa_regression.rs"]),
    ("linfa_trees", &["model/classifier/linfa_tree.rs"]),
    ("smartcore", &["model/forecast/smartcore_ridge.rs", "model/classifier/smartcore_forest.rs"]),
    ("parquet", &["ingest", "historical", "series", "scoring", "simulation"]),
    ("arrow_array", &["ingest", "historical", "series", "scoring", "simulation"]),
    ("askama", &["report/error.rs", "report/page.rs"]),
    ("plotters", &["report/error.rs", "report/figure/draw.rs"]),
    ("clap", &["cli", "config"]),
    ("croner", &["training/recipe/schedule/cron.rs"]),
    ("indicatif", &["cli"]),
];

const LINFA: [&str; 3] = [
    "model/segments/linfa_kmeans.rs",
    "model/classifier/linfa_regression.rs",
    "model/classifier/linfa_tree.rs",
];

/// Lines that a source file may have before it must be split.
const LONGEST_FILE: usize = 500;

struct Source {
    /// Path below `src` or `src/domain`, with forward slashes.
    path: String,
    module: String,
    code: String,
}

#[test]
fn modules_import_only_what_the_table_allows() {
    let mut problems = Vec::new();
    for source in sources() {
        let Some(allowed) = LAYERS.iter().find(|(name, _)| *name == source.module) else {
            problems.push(format!("{}: module {} is not in the table", source.path, source.module));
            continue;
        };
        for import in crate_imports(&source.code) {
            let known = LAYERS.iter().any(|(name, _)| *name == import);
            if known && import != source.module && !allowed.1.contains(&import.as_str()) {
                problems.push(format!("{}: imports {import}", source.path));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_table_points_down_only() {
    let mut seen = BTreeSet::new();
    for (module, imports) in LAYERS {
        for import in *imports {
            assert!(
                seen.contains(import),
                "{module} names {import}, which does not stand below it"
            );
        }
        assert!(seen.insert(module), "{module} stands in the table twice");
    }
}

#[test]
fn every_row_of_the_table_is_a_module() {
    let modules: BTreeSet<String> = sources().into_iter().map(|source| source.module).collect();
    for (module, _) in LAYERS {
        assert!(modules.contains(*module), "{module} is in the table but has no source");
    }
}

#[test]
fn foreign_crates_stay_where_they_belong() {
    let mut problems = Vec::new();
    for source in sources() {
        for (krate, places) in FOREIGN {
            let here = places.iter().any(|place| *place == source.module || *place == source.path);
            if !here && names_crate(&source.code, krate) {
                problems.push(format!("{}: names {krate}", source.path));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn files_are_small_and_named_for_what_they_hold() {
    let mut problems = Vec::new();
    for source in sources() {
        let lines = source.code.lines().count();
        if lines > LONGEST_FILE {
            problems.push(format!("{}: {lines} lines, split it", source.path));
        }
        let name = source.path.rsplit('/').next().unwrap();
        if ["mod.rs", "utils.rs", "common.rs", "helpers.rs", "types.rs"].contains(&name) {
            problems.push(format!("{}: name it for what it holds", source.path));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_scanner_sees_nested_and_inline_imports() {
    let code =
        "use crate::{store::Job, model::{A, B}};\nlet x = crate::feature::f(); // crate::grpc";
    let found = crate_imports(&strip_comments(code));
    assert_eq!(found, ["feature", "model", "store"].map(String::from).into());
    assert!(names_crate("use tonic::Status;", "tonic"));
    assert!(!names_crate("use tonic_types::Status;", "tonic"));
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = BTreeMap::new();
    collect(&root, &mut files);
    let describe = |(path, text): (PathBuf, String)| {
        let path = path.strip_prefix(&root).unwrap();
        let path = path.strip_prefix("domain").unwrap_or(path);
        let path = path.to_string_lossy().replace('\\', "/");
        let first = path.split('/').next().unwrap();
        let module = first.trim_end_matches(".rs").to_owned();
        Source { path, module, code: strip_comments(&text) }
    };
    files.into_iter().map(describe).collect()
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            files.insert(path, text);
        }
    }
}

/// Comments stay as empty lines, so that line counts hold.
fn strip_comments(text: &str) -> String {
    let keep = |line: &str| line.split("//").next().unwrap_or_default().to_owned() + "\n";
    text.lines().map(keep).collect()
}

/// The modules of this crate that the code names after `crate::`, in groups too.
fn crate_imports(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let inside_longer_word =
            code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        if inside_longer_word {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_heads(group)),
            None => found.extend(head(rest)),
        }
    }
    found
}

/// The first word of each entry of a `{a::b, c::{d, e}}` group.
fn group_heads(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                heads.extend(head(&group[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                heads.extend(head(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    heads
}

fn head(path: &str) -> Option<String> {
    let word: String =
        path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

fn names_crate(code: &str, krate: &str) -> bool {
    code.match_indices(&format!("{krate}::")).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}
