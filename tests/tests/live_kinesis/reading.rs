//! Media as it comes: whole, cut, broken, silent.

use std::time::Duration;

use engine::call::{MediaAction, MediaCause, MediaFrom};
use engine::time::{Span, Time};
use fixtures::kinesis::START_EPOCH_MS;
use tests::emulators::kinesis::{Fault, Options, Selector, cut};

use crate::kit::{
    ARN, call, drain, in_time, long_call, open, open_connections, reader, request, server, server_with,
};

#[tokio::test]
async fn the_recording_comes_byte_for_byte_and_ends_in_good_order() {
    let server = server().await;
    let mut body = open(&reader(&server), MediaFrom::Earliest).await.unwrap();
    let (bytes, _, end) = drain(&mut body).await;
    assert!(bytes == call().bytes);
    assert_eq!(end, Ok(()));
    assert_eq!(in_time(body.next()).await, Ok(None), "and ever after");
}

#[tokio::test]
async fn all_selectors_are_on_the_wire() {
    let server = server().await;
    let kinesis = reader(&server);
    let number = call().documents[1].fragment.number.clone().unwrap();
    let time = Time::from_ms(START_EPOCH_MS + 1234);
    for (from, selector) in [
        (MediaFrom::Now, Selector::Now),
        (MediaFrom::Earliest, Selector::Earliest),
        (MediaFrom::ServerTime(time), Selector::ServerTimestamp(time)),
        (MediaFrom::ProducerTime(time), Selector::ProducerTimestamp(time)),
        (MediaFrom::AfterFragment(number.clone()), Selector::AfterFragment(number)),
    ] {
        let mut body = open(&kinesis, from).await.unwrap();
        drain(&mut body).await.2.unwrap();
        assert_eq!(server.state().selectors().last().unwrap().2, selector);
    }
}

#[tokio::test]
async fn a_stream_may_be_named() {
    let server = server().await;
    let stored = server.clock().now() - Span::from_s(1);
    server.state().store("alias-contact-1", stored, cut(call().bytes).unwrap());
    let kinesis = reader(&server);
    let mut body = in_time(kinesis.open(&request("alias-contact-1", MediaFrom::Earliest))).await.unwrap();
    assert!(drain(&mut body).await.0 == call().bytes);
}

#[tokio::test]
async fn eof_at_once_is_no_error() {
    let server = server().await;
    server.state().script(vec![Fault::Eof { after: 0 }]);
    let mut body = open(&reader(&server), MediaFrom::Earliest).await.unwrap();
    assert_eq!(in_time(body.next()).await, Ok(None));
}

#[tokio::test]
async fn a_reset_in_the_middle_of_a_block_is_a_broken_connection() {
    let server = server().await;
    server.state().script(vec![Fault::Reset { after: 1 }]);
    let mut body = open(&reader(&server), MediaFrom::Earliest).await.unwrap();
    let (bytes, _, end) = drain(&mut body).await;
    assert!(bytes.len() as u64 > call().documents[0].end, "what came before is not lost");
    let error = end.unwrap_err();
    assert_eq!((error.cause, error.action), (MediaCause::Connection, MediaAction::Retry));
    assert!(error.message.contains(ARN) && error.message.contains("EARLIEST"), "{error}");
    assert_eq!(in_time(body.next()).await, Ok(None));
}

#[tokio::test]
async fn a_silent_stream_is_left_alone_and_its_place_is_free_when_dropped() {
    let server = server_with(Options::default()).await;
    let mut body = open(&reader(&server), MediaFrom::Now).await.unwrap();
    let silent = tokio::time::timeout(Duration::from_millis(300), body.next()).await;
    assert!(silent.is_err(), "nothing comes, and that is no error here");
    open_connections(&server, 1).await;
    drop(body);
    open_connections(&server, 0).await;
}

#[tokio::test]
async fn a_frozen_peer_is_not_waited_for_when_opening() {
    let mut server = server().await;
    let mut options = crate::kit::options(&server);
    options.open_timeout_ms = 200;
    let kinesis = crate::kit::reader_with(&server, &options);
    server.server().freeze().await;
    let error = open(&kinesis, MediaFrom::Now).await.unwrap_err();
    assert_eq!((error.cause, error.action), (MediaCause::Connection, MediaAction::Retry));
    assert!(error.message.contains("open_timeout_ms"), "{error}");
    server.server().serve().await;
    open(&kinesis, MediaFrom::Now).await.unwrap();
}

#[tokio::test]
async fn large_pieces_are_passed_on_as_they_come() {
    let server = server().await;
    let stored = server.clock().now() - Span::from_s(1);
    let written = long_call();
    server.state().store("long", stored, cut(written.bytes.clone()).unwrap());
    let kinesis = reader(&server);
    let mut body = in_time(kinesis.open(&request("long", MediaFrom::Earliest))).await.unwrap();
    let (bytes, largest, end) = drain(&mut body).await;
    assert_eq!(end, Ok(()));
    assert!(bytes == written.bytes);
    assert!(largest > 4096, "{largest} bytes are the largest of {}", bytes.len());
}
