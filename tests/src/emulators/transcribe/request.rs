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
        if medical && (value("specialty").is_none() || value("type").is_none()) {
            return bad("specialty and type are required");
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
