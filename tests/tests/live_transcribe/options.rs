//! Every option arrives as the header that the service knows.

use std::sync::Arc;

use engine::recogniser::{Action, Channels, RecogniserCause, SessionSpec};
use engine::shell::transcribe::{SessionEvent, SessionOptions};
use tokio::sync::mpsc;

use crate::kit::{Talk, conversation, in_time, limits, server, transcriber};

/// The headers of a session with these options, sorted, but for its id.
async fn headers(options: &str, channels: Channels) -> (bool, Vec<String>) {
    let server = server().await;
    let transcriber = transcriber(&server, &limits(&server));
    let mut talk = Talk::open(&transcriber, channels, options).await;
    assert_eq!(talk.play(&conversation(), channels).await.1, Ok(()), "{options}");
    let state = server.state();
    let request = &state.records()[0].request;
    assert_eq!(request.header("session-id").map(str::len), Some(36));
    let other = |(name, value): &(String, String)| (name != "session-id").then(|| format!("{name}: {value}"));
    let mut headers: Vec<String> = request.headers.iter().filter_map(other).collect();
    headers.sort();
    (request.medical, headers)
}

const BOTH: [&str; 3] =
    ["enable-channel-identification: true", "media-encoding: pcm", "number-of-channels: 2"];

async fn assert_headers(options: &str, medical: bool, more: &[&str]) {
    // Medical does not take the rate of telephones.
    let rate = if medical { "sample-rate: 16000" } else { "sample-rate: 8000" };
    let mut expected: Vec<&str> = BOTH.iter().chain([&rate]).chain(more).copied().collect();
    expected.sort_unstable();
    let (is_medical, headers) = headers(options, Channels::Both).await;
    assert_eq!(
        (is_medical, headers),
        (medical, expected.iter().map(ToString::to_string).collect()),
        "{options}"
    );
}

#[tokio::test]
async fn options_of_the_standard_engine() {
    assert_headers("{}", false, &["language-code: en-US"]).await;
    let all = r#"{"languageCode": "xx-YY", "vocabularyName": "words", "vocabularyFilterName": "bad",
        "vocabularyFilterMethod": "remove", "languageModelName": "model", "partialResultsStability": "high",
        "contentRedactionType": "PII", "piiEntityTypes": "NAME, PIN", "sessionResumeWindow": 30}"#;
    let more = [
        "language-code: xx-YY",
        "vocabulary-name: words",
        "vocabulary-filter-name: bad",
        "vocabulary-filter-method: remove",
        "language-model-name: model",
        "enable-partial-results-stabilization: true",
        "partial-results-stability: high",
        "content-redaction-type: PII",
        "pii-entity-types: NAME,PIN",
        "session-resume-window: 30",
    ];
    assert_headers(all, false, &more).await;
    let mark = r#"{"contentIdentificationType": "PII", "vocabularyFilterName": "bad"}"#;
    let more = [
        "language-code: en-US",
        "content-identification-type: PII",
        "vocabulary-filter-name: bad",
        "vocabulary-filter-method: mask",
    ];
    assert_headers(mark, false, &more).await;
}

#[tokio::test]
async fn options_of_language_identification() {
    for (option, header) in [
        ("identifyLanguage", "identify-language: true"),
        ("identifyMultipleLanguages", "identify-multiple-languages: true"),
    ] {
        let options = format!(
            r#"{{"{option}": "true", "languageOptions": "en-US, de-DE", "preferredLanguage": "de-DE",
            "vocabularyNames": "a, b", "vocabularyFilterNames": "c", "vocabularyFilterMethod": "tag"}}"#
        );
        let more = [
            header,
            "language-options: en-US,de-DE",
            "preferred-language: de-DE",
            "vocabulary-names: a,b",
            "vocabulary-filter-names: c",
            "vocabulary-filter-method: tag",
        ];
        assert_headers(&options, false, &more).await;
    }
}

#[tokio::test]
async fn options_of_the_medical_engine() {
    let more = ["language-code: en-US", "specialty: PRIMARYCARE", "type: CONVERSATION"];
    assert_headers(r#"{"engine": "medical"}"#, true, &more).await;
    let all = r#"{"engine": "medical", "specialty": "CARDIOLOGY", "type": "DICTATION", "vocabularyName": "words",
        "contentIdentificationType": "PHI"}"#;
    let more = [
        "language-code: en-US",
        "specialty: CARDIOLOGY",
        "type: DICTATION",
        "vocabulary-name: words",
        "content-identification-type: PHI",
    ];
    assert_headers(all, true, &more).await;
}

#[tokio::test]
async fn a_mono_session_does_not_ask_for_channels() {
    let party = engine::recogniser::Party::Agent;
    let (_, headers) = headers("{}", Channels::Only(party)).await;
    assert_eq!(headers, ["language-code: en-US", "media-encoding: pcm", "sample-rate: 8000"]);
}

#[tokio::test]
async fn two_sessions_never_have_the_same_id() {
    let server = server().await;
    let transcriber = transcriber(&server, &limits(&server));
    for _ in 0..2 {
        let mut talk = Talk::open(&transcriber, Channels::Both, "{}").await;
        assert_eq!(talk.play(&conversation(), Channels::Both).await.1, Ok(()));
    }
    let state = server.state();
    let ids: Vec<_> = state.records().iter().map(|r| r.request.session.clone()).collect();
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn a_rate_that_the_service_does_not_take_is_refused_unasked() {
    let server = server().await;
    let transcriber = transcriber(&server, &limits(&server));
    let (heard, mut events) = mpsc::channel(4);
    let spec = SessionSpec::new(1, 4000, Channels::Both);
    let _handle = transcriber.open(&spec, Arc::new(SessionOptions::default()), heard);
    match in_time(events.recv()).await {
        Some(SessionEvent::Lost { session: 1, error }) => {
            assert_eq!((error.cause, error.action), (RecogniserCause::Refused, Action::Fatal));
        }
        other => panic!("{other:?}"),
    }
}
