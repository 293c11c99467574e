//! What a session is asked to be: the request's headers.

use super::script::Exception;

/// Start of the names of all headers here.
const PREFIX: &str = "x-amzn-transcribe-";

/// A valid request for a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Samples a second.
    pub rate_hz: u32,
    /// Channels: 1, or 2 told apart.
    pub channels: usize,
    /// The language, where one is given.
    pub language: Option<String>,
    /// `session-id`, where one is given.
    pub session: Option<String>,
    /// Partial results carry `Stable`.
    pub stabilised: bool,
    /// All headers of the service with their values, names without the common start.
    pub headers: Vec<(String, String)>,
    /// The Medical service was asked.
    pub medical: bool,
}

impl Request {
    /// Reads a request's path and headers.
    ///
    /// # Errors
    /// The exception that the service answers.
    pub fn read(path: &str, headers: &http::HeaderMap) -> Result<Self, Exception> {
        let medical = match path {
            "/stream-transcription" => false,
            "/medical-stream-transcription" => true,
            _ => return Err(Exception::bad_request("no such operation")),
        };
        let own = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            let name = name.as_str().strip_prefix(PREFIX)?;
            Some((name.to_owned(), value.to_str().ok()?.to_owned()))
        };
        let headers: Vec<(String, String)> = headers.iter().filter_map(own).collect();
        let value = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        // The Python client writes "True".
        let yes = |name: &str| value(name).is_some_and(|v| v.eq_ignore_ascii_case("true"));
        let bad = |what: &str| Err(Exception::bad_request(what));

        if value("media-encoding") != Some("pcm") {
            return bad("media-encoding must be pcm here");
        }
        let rate_hz = match value("sample-rate").and_then(|r| r.parse().ok()) {
            Some(rate @ 8000..=48_000) => rate,
            _ => return bad("sample-rate must be 8000 to 48000"),
        };
        let channels = match (value("number-of-channels"), yes("enable-channel-identification")) {
            (None | Some("1"), false) => 1,
            (Some("2"), true) => 2,
            _ => return bad("2 channels and channel identification go together"),
        };
        let language = value("language-code").map(str::to_owned);
        let ways = [language.is_some(), yes("identify-language"), yes("identify-multiple-languages")];
        if ways.iter().filter(|w| **w).count() != 1 {
            return bad("one of language-code, identify-language, identify-multiple-languages");
        }
        if language.is_none() && value("language-options").is_none_or(|o| o.split(',').count() < 2) {
            return bad("language-options must name two languages");
        }
        if value("content-identification-type").is_some() && value("content-redaction-type").is_some() {
            return bad("either identification or redaction");
        }
        if medical {
            medical_rules(&headers, channels)?;
        }
        let session = value("session-id").map(str::to_owned);
        let stabilised = yes("enable-partial-results-stabilization");
        Ok(Self { rate_hz, channels, language, session, stabilised, headers, medical })
    }

    /// A header's value by its name without the common start.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// What Transcribe Medical takes. Source: StartMedicalStreamTranscription.
fn medical_rules(headers: &[(String, String)], channels: usize) -> Result<(), Exception> {
    const TAKEN: [&str; 11] = [
        "content-identification-type",
        "enable-channel-identification",
        "language-code",
        "media-encoding",
        "number-of-channels",
        "sample-rate",
        "session-id",
        "show-speaker-label",
        "specialty",
        "type",
        "vocabulary-name",
    ];
    const SPECIALTIES: [&str; 6] =
        ["PRIMARYCARE", "CARDIOLOGY", "NEUROLOGY", "ONCOLOGY", "RADIOLOGY", "UROLOGY"];
    let value = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let bad = |what: &str| Err(Exception::bad_request(what));
    // The service would pass over what it does not know; whoever sends it believes that it works.
    if let Some((other, _)) = headers.iter().find(|(name, _)| !TAKEN.contains(&name.as_str())) {
        return bad(&format!("Medical has no {other}"));
    }
    if value("language-code") != Some("en-US") {
        return bad("language-code of Medical is en-US");
    }
    if value("specialty").is_none_or(|s| !SPECIALTIES.contains(&s)) {
        return bad("specialty is required, one of six");
    }
    if value("type").is_none_or(|t| !["CONVERSATION", "DICTATION"].contains(&t)) {
        return bad("type is required: CONVERSATION or DICTATION");
    }
    if value("content-identification-type").is_some_and(|t| t != "PHI") {
        return bad("content-identification-type of Medical is PHI");
    }
    if channels == 1 && value("number-of-channels").is_some() {
        return bad("number-of-channels of Medical is 2 or absent");
    }
    let word = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if value("vocabulary-name").is_some_and(|n| !(1..=200).contains(&n.len()) || !n.chars().all(word)) {
        return bad("vocabulary-name has 1 to 200 of a-z, A-Z, 0-9, dot, underscore, hyphen");
    }
    Ok(())
}
