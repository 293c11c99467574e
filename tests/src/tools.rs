//! Packages from npm and PyPI that tests run: installed once for each list, into a cache outside the repository.
//!
//! Where node or Python is missing a test passes with a note; with `CI=true` it fails.
#![allow(clippy::print_stderr, reason = "a test that cannot run says so")]
#![allow(clippy::expect_used, reason = "helpers of tests may fail loudly")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::emulators::sigv4::payload_hash;

/// The folder that outlives builds.
fn cache() -> Option<PathBuf> {
    let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let dir = var("KVSCRIBE_CACHE_DIR")
        .or_else(|| Some(var("XDG_CACHE_HOME")?.join("kvscribe")))
        .or_else(|| Some(var("HOME")?.join(".cache").join("kvscribe")))?;
    Some(dir.join("clients"))
}

/// A tool cannot be had: a note at home, a failure in CI.
fn cannot<T>(what: &str) -> Option<T> {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{what}");
    eprintln!("not tested: {what}");
    None
}

/// Runs a program that prepares something; what it said, if it failed.
///
/// # Errors
/// It cannot be run, or did not end with 0.
pub fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.stdin(Stdio::null()).output() {
        Ok(out) if out.status.success() => Ok(()),
        Ok(out) => Err(format!("{name}: {}", String::from_utf8_lossy(&out.stderr))),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

/// A folder with the packages of a list, made by `install` once for each state of the list. `None`: they cannot
/// be had here.
///
/// # Panics
/// They cannot be had, and `CI=true`; or the cache cannot be written.
pub fn installed(
    kind: &str,
    list: &Path,
    install: impl FnOnce(&Path) -> Result<(), String>,
) -> Option<PathBuf> {
    let Some(cache) = cache() else { return cannot("no cache folder: set KVSCRIBE_CACHE_DIR or HOME") };
    fs::create_dir_all(&cache).expect("a cache");
    let hash = payload_hash(&fs::read(list).expect("the list"));
    let dir = cache.join(format!("{kind}-{}", &hash[..16]));
    // Tests run in several processes and threads at once.
    let lock = File::create(cache.join(format!(".{kind}.lock"))).expect("a lock");
    lock.lock().expect("a lock");
    let complete = dir.join("complete");
    if complete.exists() {
        return Some(dir);
    }
    // Half of an installation is none.
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).expect("a folder");
    match install(&dir) {
        Ok(()) => {
            fs::write(complete, "").expect("a mark");
            Some(dir)
        }
        Err(why) => cannot(&format!("the packages for {kind} cannot be installed: {why}")),
    }
}

/// The packages that `package.json` and `package-lock.json` of this folder list.
pub fn npm(kind: &str, lists: &Path) -> Option<PathBuf> {
    installed(kind, &lists.join("package-lock.json"), |dir| {
        for file in ["package.json", "package-lock.json", ".npmrc"] {
            fs::copy(lists.join(file), dir.join(file)).map_err(|e| e.to_string())?;
        }
        run(Command::new("node").arg("--version"))?;
        let flags = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
        run(Command::new("npm").args(flags).current_dir(dir))
    })
}
