//! A model in memory, ready to be shared by recognisers.

use std::path::Path;

use super::checkpoint;
use super::decode::Decoder;
use super::model::ModelFiles;
use super::tokens::Tokens;
use crate::recogniser::RecogniserError;

/// A loaded Whisper model with its vocabulary. Cloning shares the weights.
#[derive(Clone)]
pub struct Model {
    pub(super) decoder: Decoder,
    pub(super) name: String,
    pub(super) languages: Vec<String>,
}

impl Model {
    /// Loads a checkpoint of any size with its vocabulary. `language` is a code such as `en`; models made
    /// for English alone take no other.
    ///
    /// # Errors
    /// A file cannot be read, is no OpenAI Whisper checkpoint, or does not know the language.
    pub fn load(files: &ModelFiles, language: &str) -> Result<Self, RecogniserError> {
        let (whisper, dims) = checkpoint::load(&files.checkpoint).map_err(RecogniserError::fatal)?;
        let vocabulary = if Tokens::is_multilingual(dims.vocabulary) {
            &files.multilingual_vocabulary
        } else {
            &files.english_vocabulary
        };
        let text = read(vocabulary)?;
        let tokens = Tokens::new(&text, dims.vocabulary, language).map_err(RecogniserError::fatal)?;
        let name =
            files.checkpoint.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
        Ok(Self {
            decoder: Decoder::new(whisper, tokens),
            name: format!("Whisper {name}"),
            languages: Tokens::languages(dims.vocabulary),
        })
    }

    /// Name of the model, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Model {{ {} }}", self.name)
    }
}

fn read(path: &Path) -> Result<String, RecogniserError> {
    std::fs::read_to_string(path).map_err(|e| {
        RecogniserError::fatal(format!(
            "cannot read the vocabulary {}: {e}; run `transcribe model fetch`",
            path.display()
        ))
    })
}
