//! The checked options of a call. Whatever the service would refuse, or ignore without a word, is refused here
//! with the name of the option.
//!
//! Source: Amazon Transcribe, StartStreamTranscription and StartMedicalStreamTranscription, request parameters.

use aws_sdk_transcribestreaming::types::{PartialResultsStability, Specialty, Type, VocabularyFilterMethod};

use super::raw::RawSessionOptions;

/// Kinds of personal data that streaming knows.
///
/// Source: Amazon Transcribe, "Redacting or identifying PII in a real-time stream".
const PII_TYPES: [&str; 19] = [
    "ADDRESS",
    "AGE",
    "ALL",
    "BANK_ACCOUNT_NUMBER",
    "BANK_ROUTING",
    "CREDIT_DEBIT_CVV",
    "CREDIT_DEBIT_EXPIRY",
    "CREDIT_DEBIT_NUMBER",
    "DATE_TIME",
    "EMAIL",
    "LICENSE_PLATE",
    "NAME",
    "PASSPORT_NUMBER",
    "PASSWORD",
    "PHONE",
    "PIN",
    "SSN",
    "USERNAME",
    "VEHICLE_IDENTIFICATION_NUMBER",
];

/// An option that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{option}: {reason}")]
pub struct OptionError {
    /// The option, as it is written.
    pub option: &'static str,
    /// What is wrong and what may be.
    pub reason: String,
}

fn wrong<T>(option: &'static str, reason: impl Into<String>) -> Result<T, OptionError> {
    Err(OptionError { option, reason: reason.into() })
}

/// What a call asks of Transcribe; valid. The default is standard, `en-US`, nothing else.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionOptions {
    pub(super) engine: Engine,
    pub(super) vocabulary: Option<String>,
}

/// The two services with what belongs to each.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Engine {
    Standard(Standard),
    Medical(Medical),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Standard {
    pub(super) language: Language,
    /// Name, or names with language identification.
    pub(super) filter: Option<(String, VocabularyFilterMethod)>,
    pub(super) language_model: Option<String>,
    pub(super) stability: Option<PartialResultsStability>,
    pub(super) pii: Option<Pii>,
    pub(super) resume_window_min: Option<i32>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Language {
    Code(String),
    Identify { several: bool, options: String, preferred: Option<String> },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pii {
    pub(super) redact: bool,
    pub(super) types: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Medical {
    pub(super) specialty: Specialty,
    pub(super) speech_type: Type,
    pub(super) identify_phi: bool,
}

impl Default for SessionOptions {
    fn default() -> Self {
        let standard = Standard {
            language: Language::Code("en-US".to_owned()),
            filter: None,
            language_model: None,
            stability: None,
            pii: None,
            resume_window_min: None,
        };
        Self { engine: Engine::Standard(standard), vocabulary: None }
    }
}

impl SessionOptions {
    /// Checks options as they were written.
    ///
    /// # Errors
    /// The first option that is wrong, or contradicts another.
    pub fn new(raw: &RawSessionOptions) -> Result<Self, OptionError> {
        match raw.engine.as_deref().unwrap_or("standard") {
            "standard" => standard(raw),
            "medical" => medical(raw),
            other => wrong("engine", format!("\"{other}\" is neither \"standard\" nor \"medical\"")),
        }
    }

    /// The rate that the engine is given for audio of `rate_hz`: Medical takes 16 kHz at least.
    ///
    /// Source: Amazon Transcribe, StartMedicalStreamTranscription, `MediaSampleRateHertz`.
    pub(super) fn sent_rate_hz(&self, rate_hz: u32) -> u32 {
        match self.engine {
            Engine::Standard(_) => rate_hz,
            Engine::Medical(_) => rate_hz.max(16_000),
        }
    }

    /// The language of results that name none.
    pub(super) fn language(&self) -> Option<&str> {
        match &self.engine {
            Engine::Standard(Standard { language: Language::Code(code), .. }) => Some(code),
            Engine::Standard(_) => None,
            Engine::Medical(_) => Some("en-US"),
        }
    }
}

impl TryFrom<&RawSessionOptions> for SessionOptions {
    type Error = OptionError;

    fn try_from(raw: &RawSessionOptions) -> Result<Self, OptionError> {
        Self::new(raw)
    }
}

fn standard(raw: &RawSessionOptions) -> Result<SessionOptions, OptionError> {
    for (option, value) in [("specialty", &raw.specialty), ("type", &raw.speech_type)] {
        if value.is_some() {
            return wrong(option, "belongs to the medical engine; set engine to \"medical\" or leave it out");
        }
    }
    let language = language(raw)?;
    let identified = matches!(language, Language::Identify { .. });
    if identified && raw.language_model_name.is_some() {
        return wrong(
            "languageModelName",
            "a custom language model and language identification exclude each other",
        );
    }
    if let Some(name) = &raw.language_model_name {
        names("languageModelName", name, 1)?;
    }
    let stability = match raw.partial_results_stability.as_deref() {
        None | Some("off") => None,
        Some("low") => Some(PartialResultsStability::Low),
        Some("medium") => Some(PartialResultsStability::Medium),
        Some("high") => Some(PartialResultsStability::High),
        Some(other) => {
            return wrong(
                "partialResultsStability",
                format!("\"{other}\" is none of off, low, medium, high"),
            );
        }
    };
    let vocabulary = one_or_many(
        ("vocabularyName", raw.vocabulary_name.as_deref()),
        ("vocabularyNames", raw.vocabulary_names.as_deref()),
        identified,
    )?;
    let filter = one_or_many(
        ("vocabularyFilterName", raw.vocabulary_filter_name.as_deref()),
        ("vocabularyFilterNames", raw.vocabulary_filter_names.as_deref()),
        identified,
    )?;
    let method = filter_method(raw)?;
    let standard = Standard {
        pii: pii(raw, identified)?,
        language,
        filter: filter.map(|names| (names, method)),
        language_model: raw.language_model_name.clone(),
        stability,
        resume_window_min: resume_window(raw)?,
    };
    Ok(SessionOptions { engine: Engine::Standard(standard), vocabulary })
}

fn medical(raw: &RawSessionOptions) -> Result<SessionOptions, OptionError> {
    for (option, value) in [
        ("identifyLanguage", &raw.identify_language),
        ("identifyMultipleLanguages", &raw.identify_multiple_languages),
        ("languageOptions", &raw.language_options),
        ("preferredLanguage", &raw.preferred_language),
        ("vocabularyNames", &raw.vocabulary_names),
        ("vocabularyFilterName", &raw.vocabulary_filter_name),
        ("vocabularyFilterNames", &raw.vocabulary_filter_names),
        ("languageModelName", &raw.language_model_name),
        ("partialResultsStability", &raw.partial_results_stability),
        ("contentRedactionType", &raw.content_redaction_type),
        ("piiEntityTypes", &raw.pii_entity_types),
        ("sessionResumeWindow", &raw.session_resume_window),
    ] {
        if value.as_deref().is_some_and(|v| v != "false" && v != "off") {
            return wrong(
                option,
                "the medical engine does not have it; leave it out, or set engine to \"standard\"",
            );
        }
    }
    if raw.language_code.as_deref().is_some_and(|code| code != "en-US") {
        return wrong("languageCode", "the medical engine understands en-US alone");
    }
    let specialty = raw.specialty.as_deref().unwrap_or("PRIMARYCARE");
    let specialty = match specialty {
        "PRIMARYCARE" | "CARDIOLOGY" | "NEUROLOGY" | "ONCOLOGY" | "RADIOLOGY" | "UROLOGY" => {
            Specialty::from(specialty)
        }
        other => {
            let known = "PRIMARYCARE, CARDIOLOGY, NEUROLOGY, ONCOLOGY, RADIOLOGY, UROLOGY";
            return wrong("specialty", format!("\"{other}\" is none of {known}"));
        }
    };
    let speech_type = match raw.speech_type.as_deref() {
        None | Some("CONVERSATION") => Type::Conversation,
        Some("DICTATION") => Type::Dictation,
        Some(other) => return wrong("type", format!("\"{other}\" is neither CONVERSATION nor DICTATION")),
    };
    let identify_phi = match raw.content_identification_type.as_deref() {
        None => false,
        Some("PHI") => true,
        Some(other) => {
            return wrong(
                "contentIdentificationType",
                format!("\"{other}\": the medical engine has only PHI"),
            );
        }
    };
    if let Some(name) = &raw.vocabulary_name {
        names("vocabularyName", name, 1)?;
    }
    let medical = Medical { specialty, speech_type, identify_phi };
    Ok(SessionOptions { engine: Engine::Medical(medical), vocabulary: raw.vocabulary_name.clone() })
}

fn language(raw: &RawSessionOptions) -> Result<Language, OptionError> {
    let one = truth("identifyLanguage", raw.identify_language.as_deref())?;
    let several = truth("identifyMultipleLanguages", raw.identify_multiple_languages.as_deref())?;
    if one && several {
        return wrong("identifyLanguage", "excludes identifyMultipleLanguages: one language or several");
    }
    if !one && !several {
        for (option, value) in
            [("languageOptions", &raw.language_options), ("preferredLanguage", &raw.preferred_language)]
        {
            if value.is_some() {
                return wrong(option, "needs identifyLanguage or identifyMultipleLanguages");
            }
        }
        let code = raw.language_code.clone().unwrap_or_else(|| "en-US".to_owned());
        language_code("languageCode", &code)?;
        return Ok(Language::Code(code));
    }
    if raw.language_code.is_some() {
        return wrong("languageCode", "excludes language identification; name languages in languageOptions");
    }
    let options: Vec<&str> = list(raw.language_options.as_deref().unwrap_or_default()).collect();
    if !(2..=5).contains(&options.len()) {
        return wrong("languageOptions", format!("2 to 5 language codes are needed, not {}", options.len()));
    }
    for (at, code) in options.iter().enumerate() {
        language_code("languageOptions", code)?;
        if options[..at].iter().any(|other| stem(other) == stem(code)) {
            return wrong("languageOptions", format!("one dialect of each language: {code} is the second"));
        }
    }
    if let Some(preferred) = &raw.preferred_language
        && !options.contains(&preferred.as_str())
    {
        return wrong("preferredLanguage", format!("{preferred} is not among languageOptions"));
    }
    Ok(Language::Identify { several, options: options.join(","), preferred: raw.preferred_language.clone() })
}

/// The language without its dialect.
fn stem(code: &str) -> &str {
    code.split('-').next().unwrap_or(code)
}

/// `ll-RR`, or with a script or a numbered region: which of them the service has is its own affair, since it
/// learns new ones.
fn language_code(option: &'static str, code: &str) -> Result<(), OptionError> {
    let mut parts = code.split('-');
    let stem = parts.next().unwrap_or_default();
    let good_stem = (2..=3).contains(&stem.len()) && stem.bytes().all(|b| b.is_ascii_lowercase());
    let rest: Vec<&str> = parts.collect();
    let good_part =
        |part: &&str| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    if good_stem && (1..=2).contains(&rest.len()) && rest.iter().all(good_part) {
        return Ok(());
    }
    wrong(option, format!("\"{code}\" is no language code such as en-US"))
}

fn truth(option: &'static str, value: Option<&str>) -> Result<bool, OptionError> {
    match value {
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
        Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
        Some(other) => wrong(option, format!("\"{other}\" is neither true nor false")),
    }
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// A name without language identification, names with it.
fn one_or_many(
    (one, name): (&'static str, Option<&str>),
    (many, list): (&'static str, Option<&str>),
    identified: bool,
) -> Result<Option<String>, OptionError> {
    match (name, list) {
        (Some(_), _) if identified => wrong(one, format!("with language identification use {many}")),
        (_, Some(_)) if !identified => wrong(many, format!("needs language identification; else use {one}")),
        (Some(name), _) => names(one, name, 1).map(Some),
        (_, Some(list)) => names(many, list, 5).map(Some),
        (None, None) => Ok(None),
    }
}

/// Names of resources, as the service allows them: 1 to 200 letters, digits, `.`, `_` and `-`.
fn names(option: &'static str, text: &str, most: usize) -> Result<String, OptionError> {
    let all: Vec<&str> = list(text).collect();
    if all.is_empty() || all.len() > most {
        return wrong(option, format!("1 to {most} names are needed, not {}", all.len()));
    }
    for name in &all {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if name.len() > 200 || !name.bytes().all(good) {
            return wrong(option, format!("\"{name}\" is no name: 1 to 200 letters, digits, '.', '_', '-'"));
        }
    }
    Ok(all.join(","))
}

fn filter_method(raw: &RawSessionOptions) -> Result<VocabularyFilterMethod, OptionError> {
    match raw.vocabulary_filter_method.as_deref() {
        None | Some("mask") => Ok(VocabularyFilterMethod::Mask),
        Some("remove") => Ok(VocabularyFilterMethod::Remove),
        Some("tag") => Ok(VocabularyFilterMethod::Tag),
        Some(other) => wrong("vocabularyFilterMethod", format!("\"{other}\" is none of mask, remove, tag")),
    }
}

fn pii(raw: &RawSessionOptions, identified: bool) -> Result<Option<Pii>, OptionError> {
    const IDENTIFY: &str = "contentIdentificationType";
    const REDACT: &str = "contentRedactionType";
    let (option, value, redact) = match (&raw.content_identification_type, &raw.content_redaction_type) {
        (Some(_), Some(_)) => return wrong(REDACT, "excludes contentIdentificationType: redact or mark"),
        (Some(value), None) => (IDENTIFY, value, false),
        (None, Some(value)) => (REDACT, value, true),
        (None, None) if raw.pii_entity_types.is_some() => {
            return wrong("piiEntityTypes", "needs contentIdentificationType or contentRedactionType");
        }
        (None, None) => return Ok(None),
    };
    if value != "PII" {
        return wrong(option, format!("\"{value}\" is not PII, the only kind"));
    }
    if identified {
        return wrong(option, "and language identification exclude each other");
    }
    let types: Vec<&str> = raw.pii_entity_types.as_deref().map(|t| list(t).collect()).unwrap_or_default();
    if let Some(unknown) = types.iter().find(|t| !PII_TYPES.contains(t)) {
        return wrong("piiEntityTypes", format!("\"{unknown}\" is none of {}", PII_TYPES.join(", ")));
    }
    Ok(Some(Pii { redact, types: (!types.is_empty()).then(|| types.join(",")) }))
}

fn resume_window(raw: &RawSessionOptions) -> Result<Option<i32>, OptionError> {
    let Some(text) = raw.session_resume_window.as_deref() else { return Ok(None) };
    match text.parse() {
        Ok(minutes @ 1..=300) => Ok(Some(minutes)),
        _ => wrong("sessionResumeWindow", format!("\"{text}\" is no number of minutes from 1 to 300")),
    }
}

#[cfg(test)]
#[path = "session_options_tests.rs"]
mod tests;
