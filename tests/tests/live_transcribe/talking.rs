//! Good days: words, channels and times as they were said.

use engine::recogniser::{Channels, Party, RecogniserEvent};
use engine::shell::transcribe::SessionEvent;
use engine::time::Span;
use tests::emulators::Clock;
use tests::emulators::ServerOptions;
use tests::emulators::transcribe::Options;

use crate::kit::{
    Talk, assert_same, chunks, conversation, finals, in_time, limits, plain_server, server, server_with,
    transcriber, truth, until,
};

#[tokio::test]
async fn both_channels_are_told_apart_over_tls_and_in_plain_text() {
    for server in [server().await, plain_server().await] {
        let transcriber = transcriber(&server, &limits(&server));
        let mut talk = Talk::open(&transcriber, Channels::Both, "{}").await;
        let (segments, end) = talk.play(&conversation(), Channels::Both).await;
        assert_eq!(end, Ok(()));
        assert_same(&finals(&segments), &truth(&conversation()));
        assert!(!format!("{segments:?}").contains("hello"), "no word reaches a log");
        let partials: Vec<_> = segments.iter().filter(|s| !s.is_final).collect();
        assert!(!partials.is_empty(), "partial results are told too");
        assert!(segments.iter().filter(|s| s.is_final).all(|s| s.words[0].confidence == Some(0.99)));
        let last = segments.iter().rfind(|s| s.is_final).unwrap();
        assert!(last.words.last().unwrap().text.ends_with('.'), "punctuation is attached");
        assert!(last.words.iter().all(|w| w.space_before));
        let state = server.state();
        let record = state.records()[0];
        assert_eq!(record.duration(), Span::from_s(4));
        assert_eq!(record.request.channels, 2);
        assert!(record.audio.iter().all(|(_, bytes)| *bytes == 3200), "chunks are passed on as they are");
    }
}

#[tokio::test]
async fn one_party_alone_is_a_mono_session() {
    let server = server().await;
    let transcriber = transcriber(&server, &limits(&server));
    for party in Party::ALL {
        let channels = Channels::Only(party);
        let mut talk = Talk::open(&transcriber, channels, "{}").await;
        let (segments, end) = talk.play(&conversation(), channels).await;
        assert_eq!(end, Ok(()));
        let own: Vec<_> = truth(&conversation()).into_iter().filter(|t| t.0 == party).collect();
        assert_same(&finals(&segments), &own);
    }
    assert!(server.state().records().iter().all(|r| r.request.channels == 1));
}

#[tokio::test]
async fn medical_hears_telephone_audio_at_the_rate_it_takes_and_at_the_same_times() {
    let server = server().await;
    let transcriber = transcriber(&server, &limits(&server));
    for channels in [Channels::Both, Channels::Only(Party::Agent)] {
        let mut talk = Talk::open(&transcriber, channels, r#"{"engine": "medical"}"#).await;
        let (segments, end) = talk.play(&conversation(), channels).await;
        assert_eq!(end, Ok(()));
        let own: Vec<_> =
            truth(&conversation()).into_iter().filter(|t| channels.parties().contains(&t.0)).collect();
        assert_same(&finals(&segments), &own);
        let state = server.state();
        let record = *state.records().last().unwrap();
        assert_eq!((record.request.rate_hz, record.request.channels), (16_000, channels.parties().len()));
        assert_eq!(record.duration(), Span::from_s(4), "to the last sample");
        let chunk = 3200 * record.request.channels;
        assert!(record.audio.iter().all(|(_, bytes)| *bytes == chunk), "chunks of 100 ms stay so");
    }
}

#[tokio::test]
async fn an_unknown_event_is_passed_over() {
    let server = server().await;
    let after = Span::from_ms(500);
    server.state().script(vec![tests::emulators::transcribe::Fault::Unknown { after }]);
    let transcriber = transcriber(&server, &limits(&server));
    let mut talk = Talk::open(&transcriber, Channels::Both, "{}").await;
    let (segments, end) = talk.play(&conversation(), Channels::Both).await;
    assert_eq!(end, Ok(()));
    assert_same(&finals(&segments), &truth(&conversation()));
}

#[tokio::test]
async fn a_slow_consumer_holds_back_results_and_no_audio() {
    let server = server().await;
    let transcriber = transcriber(&server, &limits(&server));
    let mut talk = Talk::open(&transcriber, Channels::Both, "{}").await;
    talk.feed(&chunks(&conversation(), 4000, Channels::Both));
    // Nobody reads events, of which one has room; all audio arrives all the same.
    until(|| server.state().records().first().is_some_and(|r| r.duration() == Span::from_s(4))).await;
    talk.handle.end();
    let (segments, end) = talk.rest().await;
    assert_eq!(end, Ok(()));
    assert_same(&finals(&segments), &truth(&conversation()));
}

#[tokio::test]
async fn a_dropped_session_is_closed_at_once_and_what_waits_is_not_sent() {
    let options = Options { max_sessions: 1, ..Options::default() };
    let server = server_with(options, ServerOptions::tls(&["h2"]), Clock::real()).await;
    let mut limits = limits(&server);
    limits.max_sessions = 1;
    let transcriber = transcriber(&server, &limits);
    let mut talk = Talk::open(&transcriber, Channels::Both, "{}").await;
    talk.feed(&chunks(&conversation(), 1000, Channels::Both));
    until(|| server.state().open_sessions() == 1).await;
    drop(talk.handle);
    while let Some(event) = in_time(talk.events.recv()).await {
        let ending = matches!(event, SessionEvent::Lost { .. });
        assert!(
            !ending && !matches!(event, SessionEvent::Recognised(RecogniserEvent::Ended { .. })),
            "{event:?}"
        );
    }
    until(|| server.state().open_sessions() == 0).await;
    // Its place is free: the next one gets it.
    let mut next = Talk::open(&transcriber, Channels::Both, "{}").await;
    let (segments, end) = next.play(&conversation(), Channels::Both).await;
    assert_eq!((finals(&segments).len(), end), (4, Ok(())));
}

#[tokio::test]
async fn sessions_spread_over_connections() {
    // The server allows two streams a connection, so that a third on one would hang.
    let wire = ServerOptions { max_streams: 2, ..ServerOptions::tls(&["h2"]) };
    let server = server_with(Options::default(), wire, Clock::real()).await;
    let mut limits = limits(&server);
    limits.streams_per_connection = 2;
    let transcriber = transcriber(&server, &limits);
    let mut talks = Vec::new();
    for _ in 0..5 {
        talks.push(Talk::open(&transcriber, Channels::Both, "{}").await);
    }
    until(|| server.state().open_sessions() == 5).await;
    for talk in &mut talks {
        let (segments, end) = talk.play(&conversation(), Channels::Both).await;
        assert_eq!((finals(&segments).len(), end), (4, Ok(())));
    }
}

#[tokio::test]
async fn more_sessions_than_allowed_wait_for_their_place() {
    let server = server().await;
    let mut limits = limits(&server);
    limits.max_sessions = 1;
    let transcriber = transcriber(&server, &limits);
    let first = Talk::open(&transcriber, Channels::Both, "{}").await;
    let mut second = Talk::waiting(&transcriber, Channels::Both, "{}");
    let early = tokio::time::timeout(std::time::Duration::from_millis(100), second.events.recv()).await;
    assert!(early.is_err(), "it is not ready: {early:?}");
    drop(first);
    assert!(second.next().await.is_some());
    let (_, end) = second.play(&conversation(), Channels::Both).await;
    assert_eq!(end, Ok(()));
}
