//! Every exception before and during the stream, stalls, frozen peers, ends that come early.

use aws_credential_types::provider::future::ProvideCredentials as ProvideFuture;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use engine::recogniser::{Action, Channels, RecogniserCause};
use engine::shell::transcribe::Transcriber;
use engine::time::Span;
use fixtures::tone::Script;
use tests::emulators::transcribe::{Exception, Fault, Options};
use tests::emulators::{Clock, ServerOptions};
use tests::live::sdk;

use crate::kit::{
    Talk, assert_same, chunks, conversation, finals, limits, server, server_with, transcriber, truth, until,
};

const AFTER: Span = Span::from_ms(500);

fn table() -> Vec<(Exception, RecogniserCause, Action)> {
    vec![
        (Exception::bad_request("vocabulary not found"), RecogniserCause::Refused, Action::Fatal),
        (Exception::no_audio(), RecogniserCause::NoAudio, Action::Retry),
        (Exception::limit("too many"), RecogniserCause::Limit, Action::Retry),
        (Exception::internal(), RecogniserCause::Internal, Action::Retry),
        (Exception::unavailable(), RecogniserCause::Unavailable, Action::Retry),
        (Exception::conflict(), RecogniserCause::Conflict, Action::Retry),
    ]
}

async fn lost(transcriber: &Transcriber) -> engine::recogniser::RecogniserError {
    let mut talk = Talk::open(transcriber, Channels::Both, "{}").await;
    talk.feed(&chunks(&conversation(), 4000, Channels::Both));
    talk.rest().await.1.unwrap_err()
}

#[tokio::test]
async fn every_exception_before_the_stream() {
    let server = server().await;
    // The place of a session that was lost is free at once.
    let mut limits = limits(&server);
    limits.max_sessions = 1;
    let transcriber = transcriber(&server, &limits);
    let denied = Exception { name: "AccessDeniedException", ..Exception::signature("no") };
    let expired = Exception { name: "ExpiredTokenException", ..Exception::signature("no") };
    let novelty = Exception { name: "NoveltyException", status: 500, message: "?".to_owned() };
    let throttled =
        Exception { name: "ThrottlingException", status: 400, message: "Rate exceeded".to_owned() };
    let timeout = Exception { name: "RequestTimeout", status: 408, message: "late".to_owned() };
    let mut table = table();
    table.push((throttled, RecogniserCause::Limit, Action::Retry));
    table.push((timeout, RecogniserCause::Unavailable, Action::Retry));
    table.push((denied, RecogniserCause::NotAuthorised, Action::Fatal));
    table.push((expired, RecogniserCause::NotAuthorised, Action::Retry));
    table.push((novelty, RecogniserCause::Internal, Action::Retry));
    for (exception, cause, action) in table {
        server.state().script(vec![Fault::Refuse(exception.clone())]);
        let error = lost(&transcriber).await;
        assert_eq!((error.cause, error.action), (cause, action), "{exception:?}: {error}");
        assert!(error.message.contains(&exception.message), "{error}");
    }
}

#[tokio::test]
async fn every_exception_during_the_stream() {
    let server = server().await;
    // The place of a session that was lost is free at once.
    let mut limits = limits(&server);
    limits.max_sessions = 1;
    let transcriber = transcriber(&server, &limits);
    let novelty = Exception { name: "NoveltyException", status: 500, message: "?".to_owned() };
    let mut table = table();
    table.push((novelty, RecogniserCause::Internal, Action::Retry));
    for (exception, cause, action) in table {
        server.state().script(vec![Fault::Throw { after: AFTER, exception: exception.clone() }]);
        let error = lost(&transcriber).await;
        assert_eq!((error.cause, error.action), (cause, action), "{exception:?}: {error}");
    }
    // Nothing of it stays behind.
    let mut talk = Talk::open(&transcriber, Channels::Both, "{}").await;
    let (segments, end) = talk.play(&conversation(), Channels::Both).await;
    assert_eq!(end, Ok(()));
    assert_same(&finals(&segments), &truth(&conversation()));
}

#[tokio::test]
async fn a_wrong_key_is_fatal() {
    let server = server().await;
    let ca = server.ca_pem().map(str::as_bytes);
    let error = lost(&Transcriber::new(&sdk("wrong"), ca, &limits(&server)).unwrap()).await;
    assert_eq!((error.cause, error.action), (RecogniserCause::NotAuthorised, Action::Fatal), "{error}");
}

#[tokio::test]
async fn the_quota_of_sessions_is_a_limit() {
    let options = Options { max_sessions: 1, ..Options::default() };
    let server = server_with(options, ServerOptions::tls(&["h2"]), Clock::real()).await;
    let transcriber = transcriber(&server, &limits(&server));
    let first = Talk::open(&transcriber, Channels::Both, "{}").await;
    until(|| server.state().open_sessions() == 1).await;
    let error = lost(&transcriber).await;
    assert_eq!((error.cause, error.action), (RecogniserCause::Limit, Action::Retry));
    drop(first);
}

#[tokio::test]
async fn an_end_that_nobody_asked_for_is_early() {
    let server = server().await;
    server.state().script(vec![Fault::EndEarly { after: AFTER }]);
    let error = lost(&transcriber(&server, &limits(&server))).await;
    assert_eq!((error.cause, error.action), (RecogniserCause::EndedEarly, Action::Retry));
}

#[tokio::test]
async fn a_reset_is_a_broken_connection() {
    let server = server().await;
    server.state().script(vec![Fault::Reset { after: AFTER }]);
    let error = lost(&transcriber(&server, &limits(&server))).await;
    assert_eq!((error.cause, error.action), (RecogniserCause::Connection, Action::Retry));
}

#[tokio::test]
async fn speech_without_an_answer_is_a_stall() {
    let server = server().await;
    server.state().script(vec![Fault::Stall { after: Span::ZERO }]);
    let mut limits = limits(&server);
    (limits.stall_timeout_ms, limits.stall_speech_ms) = (300, 2000);
    let transcriber = transcriber(&server, &limits);
    let mut talk = Talk::open(&transcriber, Channels::Both, "{}").await;
    let speech = Script::new().say(fixtures::Party::Agent, 0, &"yes please ".repeat(8));
    talk.feed(&chunks(&speech, 4000, Channels::Both));
    let error = talk.rest().await.1.unwrap_err();
    assert_eq!((error.cause, error.action), (RecogniserCause::Stalled, Action::Retry));
    assert!(error.message.contains("300 ms"), "{error}");
}

#[tokio::test]
async fn silence_without_an_answer_is_no_stall() {
    let server = server().await;
    let mut limits = limits(&server);
    (limits.stall_timeout_ms, limits.stall_speech_ms) = (50, 1000);
    let transcriber = transcriber(&server, &limits);
    let mut talk = Talk::open(&transcriber, Channels::Both, "{}").await;
    talk.feed(&chunks(&Script::new(), 8000, Channels::Both));
    let early = tokio::time::timeout(std::time::Duration::from_millis(400), talk.events.recv()).await;
    assert!(early.is_err(), "eight time-outs later: {early:?}");
    talk.handle.end();
    assert_eq!(talk.rest().await, (Vec::new(), Ok(())));
}

#[tokio::test]
async fn a_frozen_peer_is_found_by_its_pings() {
    let mut server = server().await;
    let mut limits = limits(&server);
    (limits.ping_interval_ms, limits.ping_timeout_ms) = (100, 200);
    let transcriber = transcriber(&server, &limits);
    let mut talk = Talk::open(&transcriber, Channels::Both, "{}").await;
    talk.feed(&chunks(&Script::new(), 1000, Channels::Both));
    until(|| server.state().records().first().is_some_and(|r| r.duration() == Span::from_s(1))).await;
    server.server().freeze().await;
    let error = talk.rest().await.1.unwrap_err();
    assert_eq!((error.cause, error.action), (RecogniserCause::Connection, Action::Retry));
    // The next session has a connection of its own.
    server.server().serve().await;
    let mut talk = Talk::open(&transcriber, Channels::Both, "{}").await;
    assert_eq!(talk.play(&conversation(), Channels::Both).await.1, Ok(()));
}

#[tokio::test]
async fn a_peer_frozen_from_the_start_and_one_that_refuses() {
    let mut server = server().await;
    let mut limits = limits(&server);
    limits.open_timeout_ms = 200;
    let transcriber = transcriber(&server, &limits);
    server.server().freeze().await;
    let error = lost(&transcriber).await;
    assert_eq!((error.cause, error.action), (RecogniserCause::Connection, Action::Retry));
    assert!(error.message.contains("open_timeout_ms"), "{error}");
    server.server().refuse().await;
    let error = lost(&transcriber).await;
    assert_eq!((error.cause, error.action), (RecogniserCause::Connection, Action::Retry));
}

#[tokio::test]
async fn results_that_never_come_after_the_end_are_not_waited_for() {
    let server = server().await;
    server.state().script(vec![Fault::Stall { after: Span::from_ms(3900) }]);
    let mut limits = limits(&server);
    (limits.drain_timeout_ms, limits.stall_timeout_ms) = (200, 0);
    let transcriber = transcriber(&server, &limits);
    let mut talk = Talk::open(&transcriber, Channels::Both, "{}").await;
    let error = talk.play(&conversation(), Channels::Both).await.1.unwrap_err();
    assert_eq!((error.cause, error.action), (RecogniserCause::Stalled, Action::Retry));
    assert!(error.message.contains("end of the audio"), "{error}");
}

#[tokio::test]
async fn fifteen_seconds_without_audio_end_the_session_and_the_next_is_good() {
    // Thirty times as fast: for ten seconds signatures of the real time are within its five minutes.
    let server = server_with(Options::default(), ServerOptions::tls(&["h2"]), Clock::faster(30.0)).await;
    let transcriber = transcriber(&server, &limits(&server));
    let mut talk = Talk::open(&transcriber, Channels::Both, "{}").await;
    talk.feed(&chunks(&Script::new(), 100, Channels::Both));
    let error = talk.rest().await.1.unwrap_err();
    assert_eq!((error.cause, error.action), (RecogniserCause::NoAudio, Action::Retry), "{error}");
    let mut talk = Talk::open(&transcriber, Channels::Both, "{}").await;
    assert_eq!(talk.play(&conversation(), Channels::Both).await.1, Ok(()));
}

#[tokio::test]
async fn audio_that_cannot_leave_does_not_keep_the_end_waiting() {
    let mut server = server().await;
    let mut limits = limits(&server);
    (limits.queue_ms, limits.ping_interval_ms, limits.drain_timeout_ms) = (1000, 60_000, 200);
    let transcriber = transcriber(&server, &limits);
    let mut talk = Talk::open(&transcriber, Channels::Both, "{}").await;
    let chunk = chunks(&Script::new(), 100, Channels::Both).remove(0);
    talk.feed(std::slice::from_ref(&chunk));
    until(|| server.state().records().first().is_some_and(|r| !r.audio.is_empty())).await;
    server.server().freeze().await;
    until(|| talk.handle.audio(chunk.clone()).is_err()).await;
    talk.handle.end();
    let error = talk.rest().await.1.unwrap_err();
    assert_eq!((error.cause, error.action), (RecogniserCause::Stalled, Action::Retry), "{error}");
}

/// Credentials whose source has a defect.
#[derive(Debug)]
struct Defect;

impl ProvideCredentials for Defect {
    fn provide_credentials<'a>(&'a self) -> ProvideFuture<'a>
    where
        Self: 'a,
    {
        ProvideFuture::new(async { panic!("a defect, on purpose") })
    }
}

#[tokio::test]
async fn a_panic_in_a_session_is_a_loss_and_frees_its_place() {
    let server = server().await;
    let mut limits = limits(&server);
    limits.max_sessions = 1;
    let sdk = sdk("any").into_builder();
    let sdk = sdk.credentials_provider(SharedCredentialsProvider::new(Defect)).build();
    let transcriber = Transcriber::new(&sdk, server.ca_pem().map(str::as_bytes), &limits).unwrap();
    for _ in 0..2 {
        let error = lost(&transcriber).await;
        assert_eq!((error.cause, error.action), (RecogniserCause::Internal, Action::Retry));
        assert!(!error.message.contains("on purpose"), "a panic may say anything: {error}");
    }
}

#[tokio::test]
async fn a_session_that_takes_no_audio_says_so() {
    let mut server = server().await;
    let mut limits = limits(&server);
    limits.queue_ms = 1000;
    let transcriber = transcriber(&server, &limits);
    server.server().freeze().await;
    let talk = Talk::open(&transcriber, Channels::Both, "{}").await;
    let all = chunks(&conversation(), 4000, Channels::Both);
    let taken = all.iter().take_while(|chunk| talk.handle.audio((*chunk).clone()).is_ok()).count();
    assert_eq!(taken, 10, "one second of chunks");
}
