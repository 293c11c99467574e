//! What the call core may stand on. With no feature it compiles without an async runtime, a network stack or
//! threads, and there is only one Matroska demuxer in the house.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// Crates the core must do without, by name or by the start of a family's names.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "an async runtime",
        &["tokio", "async-", "futures", "smol", "mio", "polling", "socket2", "monoio", "glommio"],
    ),
    (
        "a network stack",
        &[
            "aws-",
            "hyper",
            "h2",
            "http",
            "reqwest",
            "ureq",
            "tower",
            "tonic",
            "rustls",
            "native-tls",
            "openssl",
        ],
    ),
    (
        "threads",
        &["crossbeam", "rayon", "threadpool", "num_cpus", "parking_lot", "flume", "kanal", "thread_local"],
    ),
    ("a clock", &["chrono", "time", "jiff", "quanta", "instant", "web-time"]),
    ("randomness of the platform", &["getrandom", "rand"]),
    ("audio or recognition", &["symphonia", "rubato", "hound", "candle", "earshot"]),
];

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Names of the crates in a package's normal dependency tree with no feature enabled.
fn core_tree(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "-e", "normal", "--no-default-features"])
        .args(["--prefix", "none", "-p", package])
        .current_dir(workspace())
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// `family` names the crate itself, or with a dash or underscore behind it a relative.
fn belongs(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| {
        rest.is_empty() || family.ends_with('-') || rest.starts_with('-') || rest.starts_with('_')
    })
}

#[test]
fn the_core_needs_no_runtime_no_network_and_no_threads() {
    let tree = core_tree("engine");
    assert!(tree.contains("mkv-demux") && tree.contains("serde_json"), "not the core's tree: {tree:?}");
    for (what, families) in FORBIDDEN {
        for name in &tree {
            let found = families.iter().any(|family| belongs(name, family));
            assert!(!found, "the core has come to depend on {name}: {what}");
        }
    }
}

#[test]
fn the_demuxer_depends_on_bytes_alone() {
    let names: Vec<String> = core_tree("mkv-demux").into_iter().collect();
    assert_eq!(names, ["bytes", "mkv-demux"]);
}

#[test]
fn there_is_no_second_matroska_demuxer() {
    // The lock file lists every crate of every member with all of the members' features on.
    let lock = std::fs::read_to_string(workspace().join("Cargo.lock")).unwrap();
    let names: BTreeSet<&str> =
        lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).collect();
    assert!(names.contains("mkv-demux") && names.contains("symphonia"), "not the lock file: {names:?}");
    for other in ["symphonia-format-mkv", "matroska", "matroska-demuxer", "webm-iterable", "mkv-element"] {
        assert!(!names.contains(other), "{other} reads Matroska too");
    }
}
