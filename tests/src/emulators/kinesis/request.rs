//! Requests as JSON.

use engine::time::Time;
use serde::Deserialize;

use super::script::Exception;

/// Where to begin (GetMedia, `StartSelector`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The next whole fragment.
    Now,
    /// The oldest that is still kept.
    Earliest,
    /// Behind this fragment.
    AfterFragment(String),
    /// The fragment whose server time span holds this, or the next one.
    ServerTimestamp(Time),
    /// The same by producer time.
    ProducerTimestamp(Time),
    /// Behind the fragment that gave this token.
    Token(String),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    stream_name: Option<String>,
    #[serde(rename = "StreamARN")]
    stream_arn: Option<String>,
    #[serde(rename = "APIName")]
    api_name: Option<String>,
    start_selector: Option<Start>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Start {
    start_selector_type: String,
    after_fragment_number: Option<String>,
    start_timestamp: Option<f64>,
    continuation_token: Option<String>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// GetDataEndpoint of this stream.
    Endpoint(String),
    /// GetMedia of this stream.
    Media(String, Selector),
}

/// Reads a request. The stream is its ARN or name as given.
pub(super) fn read(path: &str, body: &[u8]) -> Result<Asked, Exception> {
    let named: Named = serde_json::from_slice(body).map_err(|_| Exception::INVALID_ARGUMENT)?;
    let stream = match (named.stream_arn, named.stream_name) {
        (Some(one), None) | (None, Some(one)) => one,
        _ => return Err(Exception::INVALID_ARGUMENT),
    };
    match path {
        "/getDataEndpoint" if named.api_name.as_deref() == Some("GET_MEDIA") => Ok(Asked::Endpoint(stream)),
        "/getMedia" => {
            let start = named.start_selector.ok_or(Exception::INVALID_ARGUMENT)?;
            Ok(Asked::Media(stream, selector(start).ok_or(Exception::INVALID_ARGUMENT)?))
        }
        _ => Err(Exception::INVALID_ARGUMENT),
    }
}

fn selector(start: Start) -> Option<Selector> {
    let at = start.start_timestamp.filter(|s| s.is_finite()).map(|s| Time::from_us((s * 1e6).round() as i64));
    let short = |text: Option<String>| text.filter(|t| (1..=128).contains(&t.len()));
    match start.start_selector_type.as_str() {
        "NOW" => Some(Selector::Now),
        "EARLIEST" => Some(Selector::Earliest),
        "FRAGMENT_NUMBER" => short(start.after_fragment_number).map(Selector::AfterFragment),
        "SERVER_TIMESTAMP" => at.map(Selector::ServerTimestamp),
        "PRODUCER_TIMESTAMP" => at.map(Selector::ProducerTimestamp),
        "CONTINUATION_TOKEN" => short(start.continuation_token).map(Selector::Token),
        _ => None,
    }
}
