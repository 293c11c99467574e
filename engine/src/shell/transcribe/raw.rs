//! What a call may ask of Transcribe, as it is written: in a payload, a contact flow or a file.

use serde::{Deserialize, Deserializer};

/// Options of a call before they are checked; keys in camelCase, or as the fields are spelt here. Flags may be
/// booleans or the strings `true` and `false`, numbers may be strings, lists are separated by commas: contact
/// flows know only strings. An empty string is the same as nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct RawSessionOptions {
    /// `standard` (default) or `medical`.
    #[serde(deserialize_with = "text")]
    pub engine: Option<String>,
    /// Language of the call, such as `en-US`, the default.
    #[serde(alias = "language_code", deserialize_with = "text")]
    pub language_code: Option<String>,
    /// One language is identified, among `language_options`.
    #[serde(alias = "identify_language", deserialize_with = "flag")]
    pub identify_language: Option<String>,
    /// Several languages are identified, among `language_options`.
    #[serde(alias = "identify_multiple_languages", deserialize_with = "flag")]
    pub identify_multiple_languages: Option<String>,
    /// 2 to 5 language codes, one dialect of each language.
    #[serde(alias = "language_options", deserialize_with = "text")]
    pub language_options: Option<String>,
    /// The likeliest of them.
    #[serde(alias = "preferred_language", deserialize_with = "text")]
    pub preferred_language: Option<String>,
    /// Custom vocabulary.
    #[serde(alias = "vocabulary_name", deserialize_with = "text")]
    pub vocabulary_name: Option<String>,
    /// Custom vocabularies, where languages are identified.
    #[serde(alias = "vocabulary_names", deserialize_with = "text")]
    pub vocabulary_names: Option<String>,
    /// Vocabulary filter.
    #[serde(alias = "vocabulary_filter_name", deserialize_with = "text")]
    pub vocabulary_filter_name: Option<String>,
    /// Vocabulary filters, where languages are identified.
    #[serde(alias = "vocabulary_filter_names", deserialize_with = "text")]
    pub vocabulary_filter_names: Option<String>,
    /// `mask` (default), `remove` or `tag`; without a filter it has no effect.
    #[serde(alias = "vocabulary_filter_method", deserialize_with = "text")]
    pub vocabulary_filter_method: Option<String>,
    /// Custom language model.
    #[serde(alias = "language_model_name", deserialize_with = "text")]
    pub language_model_name: Option<String>,
    /// Stabilisation of partial results: `off` (default), `low`, `medium` or `high`.
    #[serde(alias = "partial_results_stability", deserialize_with = "text")]
    pub partial_results_stability: Option<String>,
    /// `PII`, or `PHI` with the medical engine: personal data is marked in the service's results.
    #[serde(alias = "content_identification_type", deserialize_with = "text")]
    pub content_identification_type: Option<String>,
    /// `PII`: personal data is replaced by its kind.
    #[serde(alias = "content_redaction_type", deserialize_with = "text")]
    pub content_redaction_type: Option<String>,
    /// Kinds of personal data, or `ALL`.
    #[serde(alias = "pii_entity_types", deserialize_with = "text")]
    pub pii_entity_types: Option<String>,
    /// Minutes within which the service lets a session be resumed, 1 to 300.
    #[serde(alias = "session_resume_window", deserialize_with = "flag")]
    pub session_resume_window: Option<String>,
    /// Specialty of the medical engine: `PRIMARYCARE` (default), `CARDIOLOGY`, `NEUROLOGY`, `ONCOLOGY`,
    /// `RADIOLOGY` or `UROLOGY`.
    #[serde(deserialize_with = "text")]
    pub specialty: Option<String>,
    /// Manner of speech for the medical engine: `CONVERSATION` (default) or `DICTATION`.
    #[serde(rename = "type", alias = "speech_type", deserialize_with = "text")]
    pub speech_type: Option<String>,
}

/// A string; nothing where it is null or blank.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.as_deref().and_then(filled))
}

/// A boolean or a number, itself or as a string.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Any {
        Flag(bool),
        Number(i64),
        Text(String),
    }
    Ok(Option::<Any>::deserialize(deserializer)?.and_then(|any| match any {
        Any::Flag(flag) => Some(flag.to_string()),
        Any::Number(number) => Some(number.to_string()),
        Any::Text(text) => filled(&text),
    }))
}

fn filled(text: &str) -> Option<String> {
    let trimmed = text.trim();
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}
