//! Where models come from and where they are kept.

use std::path::PathBuf;

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
