//! GetDataEndpoint and GetMedia: selectors, pace, limits and each fault.

use bytes::Bytes;
use engine::time::{Span, Time};
use fixtures::kinesis::{CONTACT_ID, FRAGMENT_MS, START_EPOCH_MS, Shape, Written};
use fixtures::tone::Script;
use fixtures::{Party, Pcm};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tests::emulators::kinesis::{
    Answer, ConnectionId, Exception, Fault, Kinesis, KinesisServer, Options, Selector, Step, cut,
};
use tests::emulators::sigv4::{self, Credentials};
use tests::emulators::{Clock, Outgoing, ServerOptions};

use crate::client::Client;

const ARN: &str = "arn:aws:kinesisvideo:eu-west-2:123456789012:stream/acme-contact-1/1571360000000";
const T0: Time = Time::from_ms(START_EPOCH_MS);

fn at(ms: i64) -> Time {
    T0 + Span::from_ms(ms)
}

/// Six fragments.
fn call() -> Written {
    let script = Script::new().say(Party::Customer, 300, "hello").say(Party::Agent, 3000, "please hold");
    Shape::default().write(&script.render(6 * FRAGMENT_MS as usize).unwrap())
}

fn live(options: Options) -> Kinesis {
    let mut kinesis = Kinesis::new(options, "http://here");
    kinesis.play(ARN, T0, cut(call().bytes).unwrap());
    kinesis
}

fn get_media(selector: &Value) -> http::Request<Bytes> {
    let body = json!({"StreamARN": ARN, "StartSelector": selector}).to_string();
    http::Request::post("/getMedia").header("host", "localhost").body(Bytes::from(body)).unwrap()
}

fn open(kinesis: &mut Kinesis, now: Time, selector: &Value) -> ConnectionId {
    match kinesis.handle(now, &get_media(selector)) {
        Answer::Media(id) => id,
        Answer::Reply(reply) => panic!("refused: {reply:?}"),
    }
}

fn refused(answer: &Answer) -> &str {
    let Answer::Reply(reply) = answer else { panic!("not refused") };
    reply.headers()["x-amzn-errortype"].to_str().unwrap()
}

fn now_selector() -> Value {
    json!({"StartSelectorType": "NOW"})
}

fn earliest() -> Value {
    json!({"StartSelectorType": "EARLIEST"})
}

/// All bytes that can be had by `now`.
fn drain(kinesis: &mut Kinesis, now: Time, id: ConnectionId) -> (Vec<u8>, Step) {
    let mut bytes = Vec::new();
    loop {
        match kinesis.poll(now, id) {
            Step::Send(piece) => bytes.extend_from_slice(&piece),
            step => return (bytes, step),
        }
    }
}

/// Which fragments these bytes begin with.
fn first_document(bytes: &[u8]) -> usize {
    let written = call();
    let range =
        |n: usize| &written.bytes[written.documents[n].offset as usize..written.documents[n].end as usize];
    (0..6).find(|n| bytes.starts_with(range(*n))).unwrap()
}

#[test]
fn a_recording_is_cut_at_its_documents() {
    let written = call();
    let fragments = cut(written.bytes.clone()).unwrap();
    assert_eq!(fragments.len(), 6);
    for (fragment, truth) in fragments.iter().zip(&written.documents) {
        assert_eq!(fragment.bytes.len() as u64, truth.end - truth.offset);
        assert_eq!(fragment.number, truth.fragment.number);
        assert_eq!((fragment.producer.ms(), fragment.length.ms()), (truth.fragment.start_ms, FRAGMENT_MS));
    }
    let all: Vec<u8> = fragments.iter().flat_map(|f| f.bytes.to_vec()).collect();
    assert!(all == written.bytes);
    assert!(cut(&b"nothing of the kind"[..]).is_err());
}

#[test]
fn fragments_come_whole_when_they_are_complete() {
    let mut kinesis = live(Options::default());
    let id = open(&mut kinesis, T0, &now_selector());
    let ready = FRAGMENT_MS + 150;
    assert_eq!(kinesis.poll(T0, id), Step::Wait(at(ready)));
    assert_eq!(kinesis.poll(at(ready - 1), id), Step::Wait(at(ready)));
    let Step::Send(first) = kinesis.poll(at(ready), id) else { panic!("it is readable now") };
    assert_eq!(first.len() as u64, call().documents[0].end);
    assert_eq!(kinesis.poll(at(ready), id), Step::Wait(at(ready + FRAGMENT_MS)));
    let (rest, step) = drain(&mut kinesis, at(60_000), id);
    assert_eq!(first.len() + rest.len(), call().bytes.len());
    assert_eq!(step, Step::Wait(T0 + Span::from_s(45 * 60)), "the call's end is an open connection");
    assert_eq!(kinesis.poll(T0 + Span::from_s(45 * 60), id), Step::End, "and 45 minutes are the end");
}

#[test]
fn every_selector_begins_where_it_says() {
    let number = call().documents[1].fragment.number.clone().unwrap();
    let seconds = |ms: i64| (START_EPOCH_MS + ms) as f64 / 1000.0;
    for (selector, first) in [
        (earliest(), 0),
        (now_selector(), 3),
        (json!({"StartSelectorType": "FRAGMENT_NUMBER", "AfterFragmentNumber": number}), 2),
        (json!({"StartSelectorType": "CONTINUATION_TOKEN", "ContinuationToken": number}), 2),
        (json!({"StartSelectorType": "PRODUCER_TIMESTAMP", "StartTimestamp": seconds(1500)}), 1),
        (json!({"StartSelectorType": "SERVER_TIMESTAMP", "StartTimestamp": seconds(-1000)}), 0),
        (json!({"StartSelectorType": "SERVER_TIMESTAMP", "StartTimestamp": seconds(1100)}), 0),
        (json!({"StartSelectorType": "SERVER_TIMESTAMP", "StartTimestamp": seconds(60_000)}), 3),
    ] {
        let mut kinesis = live(Options::default());
        let id = open(&mut kinesis, at(3 * FRAGMENT_MS + 200), &selector);
        let (bytes, _) = drain(&mut kinesis, at(60_000), id);
        assert_eq!(first_document(&bytes), first, "{selector}");
    }
}

#[test]
fn a_selector_that_finds_nothing_says_so_inside_the_answer() {
    let first = call().documents[0].fragment.number.clone().unwrap();
    for (selector, retention) in [
        (json!({"StartSelectorType": "SERVER_TIMESTAMP", "StartTimestamp": 1.0}), Span::ZERO),
        (json!({"StartSelectorType": "FRAGMENT_NUMBER", "AfterFragmentNumber": "123"}), Span::from_s(3600)),
        // Without retention even what has just been delivered cannot be gone behind.
        (json!({"StartSelectorType": "FRAGMENT_NUMBER", "AfterFragmentNumber": first}), Span::ZERO),
    ] {
        let mut kinesis = live(Options { retention, ..Options::default() });
        let id = open(&mut kinesis, at(3000), &selector);
        let (bytes, step) = drain(&mut kinesis, at(3000), id);
        assert!(bytes.windows(4).any(|w| w == b"4000"), "{selector}");
        assert_eq!(step, Step::End);
    }
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let mut kinesis = live(Options::default());
    for selector in [
        json!({"StartSelectorType": "LATER"}),
        json!({"StartSelectorType": "FRAGMENT_NUMBER"}),
        json!({"StartSelectorType": "SERVER_TIMESTAMP"}),
        json!({"StartSelectorType": "FRAGMENT_NUMBER", "AfterFragmentNumber": "1".repeat(129)}),
    ] {
        let answer = kinesis.handle(T0, &get_media(&selector));
        assert_eq!(refused(&answer), "InvalidArgumentException", "{selector}");
    }
    let other = Bytes::from(json!({"StreamARN": "other", "StartSelector": earliest()}).to_string());
    let answer = kinesis.handle(T0, &http::Request::post("/getMedia").body(other).unwrap());
    assert_eq!(refused(&answer), "ResourceNotFoundException");
}

#[test]
fn with_credentials_only_signed_requests_of_now_are_answered() {
    let credentials = Some(Credentials::example());
    let mut kinesis = live(Options { credentials, ..Options::default() });
    let mut ask = |now: Time, secret: &str, body_too: bool| {
        let mut request = get_media(&earliest());
        request.headers_mut().insert("x-amz-date", sigv4::amz_date(T0).parse().unwrap());
        let (mut parts, body) = request.into_parts();
        let hash = sigv4::payload_hash(if body_too { &body } else { b"another" });
        let with = Credentials { secret_access_key: secret.to_owned(), ..Credentials::example() };
        let (signature, _) = sigv4::sign(&parts, &hash, &with, "eu-west-2", "kinesisvideo").unwrap();
        parts.headers.insert("authorization", signature.parse().unwrap());
        match kinesis.handle(now, &http::Request::from_parts(parts, body)) {
            Answer::Media(_) => None,
            Answer::Reply(reply) => Some(reply.status().as_u16()),
        }
    };
    let secret = Credentials::example().secret_access_key;
    assert_eq!(ask(T0, &secret, true), None);
    assert_eq!(ask(T0, "wrong", true), Some(403));
    assert_eq!(ask(T0, &secret, false), Some(403), "a body that was changed");
    assert_eq!(ask(at(301_000), &secret, true), Some(403), "a clock five minutes late");
    let unsigned = kinesis.handle(T0, &get_media(&earliest()));
    assert_eq!(refused(&unsigned), "InvalidSignatureException");
}

#[test]
fn three_connections_and_five_calls_a_second() {
    let mut kinesis = live(Options::default());
    let first = open(&mut kinesis, T0, &earliest());
    open(&mut kinesis, T0, &earliest());
    open(&mut kinesis, T0, &earliest());
    let fourth = kinesis.handle(T0, &get_media(&earliest()));
    assert_eq!(refused(&fourth), "ConnectionLimitExceededException");
    kinesis.close(first);
    open(&mut kinesis, at(10), &earliest());
    let sixth = kinesis.handle(at(20), &get_media(&earliest()));
    assert_eq!(refused(&sixth), "ClientLimitExceededException");
    assert_eq!(kinesis.open_connections(), 3);
}

#[test]
fn faults_strike_the_connection_they_are_meant_for() {
    let (written, late) = (call(), at(60_000));
    let whole = |n: usize| written.documents[n - 1].end as usize;
    let mut kinesis = live(Options { max_calls_per_s: 100, ..Options::default() });
    kinesis.script(vec![Fault::Refuse(Exception::INVALID_ENDPOINT)]);
    kinesis.script(vec![Fault::Eof { after: 2 }]);
    kinesis.script(vec![Fault::Reset { after: 1 }]);
    kinesis.script(vec![Fault::Stall { after: 3 }]);
    kinesis.script(vec![Fault::Error { after: 1, id: 5000 }]);
    kinesis.script(vec![Fault::Garbage { after: 1, bytes: Bytes::from_static(b"junk") }]);
    assert_eq!(refused(&kinesis.handle(T0, &get_media(&earliest()))), "InvalidEndpointException");
    let mut next = || {
        let id = open(&mut kinesis, late, &earliest());
        let drained = drain(&mut kinesis, late, id);
        kinesis.close(id);
        drained
    };
    let (bytes, step) = next();
    assert_eq!((bytes.len(), step), (whole(2), Step::End));
    let (bytes, step) = next();
    assert!(bytes.len() > whole(1) && bytes.len() < whole(2));
    assert_eq!(step, Step::Reset);
    let (bytes, step) = next();
    assert_eq!(bytes.len(), whole(3));
    assert!(matches!(step, Step::Wait(_)));
    let (bytes, step) = next();
    assert!(bytes[whole(1)..].windows(4).any(|w| w == b"5000"));
    assert_eq!(step, Step::End);
    let (bytes, _) = next();
    assert_eq!(&bytes[whole(1)..whole(1) + 4], b"junk");
    assert_eq!(bytes.len(), written.bytes.len() + 4);
    let (bytes, _) = next();
    assert!(bytes == written.bytes, "the script is over");
}

#[test]
fn gaps_in_time_are_gaps_in_delivery() {
    let mut shape = Shape::default();
    shape.dropped.extend([1, 2]);
    let mut kinesis = Kinesis::new(Options::default(), "");
    kinesis.play(ARN, T0, cut(shape.write(&Pcm::silence(5 * FRAGMENT_MS as usize)).bytes).unwrap());
    let id = open(&mut kinesis, T0, &earliest());
    assert!(matches!(kinesis.poll(at(1300), id), Step::Send(_)));
    assert_eq!(kinesis.poll(at(1300), id), Step::Wait(at(4 * FRAGMENT_MS + 150)));
}

#[tokio::test]
async fn media_over_sockets_is_the_recording() {
    for tls in [false, true] {
        let wire = if tls { ServerOptions::tls(&["http/1.1"]) } else { ServerOptions::default() };
        let options = Options { end_after: Some(Span::from_s(5)), ..Options::default() };
        // A call of seven seconds and a wait of five in a good tenth of a second.
        let server = KinesisServer::start(options, wire, Clock::starting_at(T0, 100.0)).await.unwrap();
        server.state().play(ARN, T0, cut(call().bytes).unwrap());
        let mut client = Client::connect(&server.url(), server.ca_pem(), false).await.unwrap();
        let ask = json!({"StreamARN": ARN, "APIName": "GET_MEDIA"}).to_string();
        let ask =
            http::Request::post("/getDataEndpoint").header("host", "localhost").body(ask.into()).unwrap();
        let (status, body) = client.ask(ask).await.unwrap();
        assert_eq!(status, 200);
        let endpoint = serde_json::from_slice::<Value>(&body).unwrap();
        assert_eq!(endpoint["DataEndpoint"], server.url());
        let (status, body) = client.ask(get_media(&earliest())).await.unwrap();
        assert_eq!(status, 200);
        assert!(body == call().bytes);
        assert!(body.windows(CONTACT_ID.len()).any(|w| w == CONTACT_ID.as_bytes()));
        assert_eq!(server.state().selectors()[0].2, Selector::Earliest);
    }
}

#[tokio::test]
async fn a_reset_breaks_the_body_and_a_client_that_leaves_frees_its_place() {
    let clock = Clock::starting_at(at(60_000), 1.0);
    let server = KinesisServer::start(Options::default(), ServerOptions::default(), clock).await.unwrap();
    server.state().play(ARN, T0, cut(call().bytes).unwrap());
    server.state().script(vec![Fault::Reset { after: 1 }]);
    let mut client = Client::connect(&server.url(), None, false).await.unwrap();
    let mut body = client.send(get_media(&earliest()).map(Outgoing::whole)).await.unwrap().into_body();
    let mut received = 0;
    let broken = loop {
        match body.frame().await {
            Some(Ok(frame)) => received += frame.into_data().unwrap().len(),
            other => break other,
        }
    };
    assert!(matches!(broken, Some(Err(_))), "a reset is no end");
    assert!(received as u64 > call().documents[0].end, "{received} bytes came before");

    let mut client = Client::connect(&server.url(), None, false).await.unwrap();
    let response = client.send(get_media(&earliest()).map(Outgoing::whole)).await.unwrap();
    assert_eq!(server.state().open_connections(), 1);
    drop((response, client));
    tokio::time::timeout(std::time::Duration::from_secs(5), async {
        while server.state().open_connections() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("its place is free");
}
