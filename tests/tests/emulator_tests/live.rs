//! Calls that happen now: recordings moved in time, and the pace at which they can be read.

use std::time::Duration;

use engine::time::{Span, Time};
use fixtures::kinesis::{FRAGMENT_MS, START_EPOCH_MS, Shape};
use fixtures::{Party, tone::Script};
use serde_json::json;
use tests::emulators::kinesis::{Answer, Kinesis, KinesisServer, Options, Selector, Step, cut, restamp};
use tests::emulators::{Clock, LiveCall, Outgoing, ServerOptions, live_call};

const NOW: Time = Time::from_ms(1_795_000_000_007);

fn pcm() -> fixtures::Pcm {
    Script::new().say(Party::Customer, 300, "hello").render(6 * FRAGMENT_MS as usize).unwrap()
}

#[test]
fn a_moved_stream_is_what_would_have_been_written_then() {
    for shape in [Shape::default(), Shape { scale_ns: 125_000, negative_times: true, ..Shape::default() }] {
        let moved = restamp(&shape.write(&pcm()).bytes, Span::from_ms(NOW.ms() - START_EPOCH_MS)).unwrap();
        let then = Shape { start_ms: NOW.ms(), ..shape };
        assert!(moved == then.write(&pcm()).bytes);
    }
    let checked = Shape { extras: true, ..Shape::default() }.write(&pcm()).bytes;
    assert!(restamp(&checked, Span::from_s(1)).unwrap_err().contains("checksum"));
    assert!(restamp(&checked[..100], Span::from_s(1)).is_err());
    assert!(restamp(b"nothing of the kind", Span::from_s(1)).is_err());
}

#[test]
fn the_spoken_call_plays_now_with_its_events_and_its_truth() {
    let call = live_call("calls/returns.mkv", NOW).unwrap();
    let recorded = cut(std::fs::read(fixtures::path("calls/returns.mkv")).unwrap()).unwrap();
    assert_eq!((call.start, call.fragments[0].producer), (NOW, NOW));
    assert_eq!(call.fragments.len(), recorded.len());
    let shift = NOW - recorded[0].producer;
    for (live, old) in call.fragments.iter().zip(&recorded) {
        assert_eq!((live.producer - old.producer, live.length), (shift, old.length));
        assert_eq!((live.server.unwrap() - old.server.unwrap(), &live.number), (shift, &old.number));
        assert_eq!(live.bytes.len(), old.bytes.len());
    }
    let kinds: Vec<(&str, i64)> = call.events.iter().map(|e| (e.kind.as_str(), e.at - NOW.ms())).collect();
    assert_eq!(kinds[..2], [("callconnected", 0), ("hold", 31_470)]);
    let truth = call.truth.unwrap();
    assert_eq!(truth.start_epoch_ms, NOW.ms());
    assert!(truth.utterances.iter().all(|u| u.start_ms >= NOW.ms() && u.end_ms <= call.end.ms()));
    assert!(live_call("calls/nobody.mkv", NOW).is_err());
}

#[test]
fn what_an_outage_held_back_comes_at_its_end() {
    let mut kinesis = Kinesis::new(Options::default(), "");
    let call = LiveCall::generated(&Shape::default(), &pcm(), NOW).unwrap();
    kinesis.play("acme", call.start, call.fragments);
    let at = |ms: i64| NOW + Span::from_ms(ms);
    kinesis.outage("acme", at(2000), at(4000));
    let body = json!({"StreamName": "acme", "StartSelector": {"StartSelectorType": "EARLIEST"}}).to_string();
    let request = http::Request::post("/getMedia").body(body.into()).unwrap();
    let Answer::Media(id) = kinesis.handle(NOW, &request) else { panic!("refused") };
    let mut readable = |ms: i64| {
        let mut n = 0;
        while let Step::Send(_) = kinesis.poll(at(ms), id) {
            n += 1;
        }
        n
    };
    assert_eq!((readable(1999), readable(3999), readable(4000), readable(4502)), (1, 0, 2, 1));
}

#[test]
fn when_each_fragment_was_handed_out_is_remembered_if_asked_for() {
    let mut kinesis = Kinesis::new(Options { keep_deliveries: true, ..Options::default() }, "");
    let call = LiveCall::generated(&Shape::default(), &pcm(), NOW).unwrap();
    kinesis.play("acme", call.start, call.fragments);
    let body = json!({"StreamName": "acme", "StartSelector": {"StartSelectorType": "EARLIEST"}}).to_string();
    let request = http::Request::post("/getMedia").body(body.into()).unwrap();
    let Answer::Media(id) = kinesis.handle(NOW, &request) else { panic!("refused") };
    let at = |ms: i64| NOW + Span::from_ms(ms);
    for ms in [1237, 1238, 1300, 2400] {
        while let Step::Send(_) = kinesis.poll(at(ms), id) {}
    }
    let seen: Vec<_> = kinesis.deliveries().iter().map(|d| (d.stream.as_str(), d.index, d.at)).collect();
    assert_eq!(seen, [("acme", 0, at(1238)), ("acme", 1, at(2400))]);
}

#[tokio::test]
async fn fragments_arrive_one_by_one_at_the_pace_of_the_clock() {
    let clock = Clock::faster(10.0);
    let options = Options { end_after: Some(Span::from_ms(500)), ..Options::default() };
    let server = KinesisServer::start(options, ServerOptions::default(), clock).await.unwrap();
    let start = clock.now();
    let call = LiveCall::generated(&Shape::default(), &pcm(), start).unwrap();
    let lengths: Vec<usize> = call.fragments.iter().map(|f| f.bytes.len()).collect();
    server.state().play("acme", call.start, call.fragments);
    let body = json!({"StreamName": "acme", "StartSelector": {"StartSelectorType": "NOW"}}).to_string();
    let request = http::Request::post("/getMedia").header("host", "localhost");
    let request = request.body(Outgoing::whole(body)).unwrap();
    let mut client = crate::client::Client::connect(&server.url(), None, false).await.unwrap();
    let mut body = client.send(request).await.unwrap().into_body();
    let (mut received, mut whole) = (0, 0);
    let all = async {
        while let Some(frame) = http_body_util::BodyExt::frame(&mut body).await {
            received += frame.unwrap().into_data().unwrap().len();
            while whole < lengths.len() && received >= lengths[..=whole].iter().sum() {
                let complete = Span::from_ms(FRAGMENT_MS * (whole as i64 + 1) + 150);
                assert!(clock.now() - call.start >= complete, "fragment {whole} came before it was whole");
                whole += 1;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.expect("the call ends");
    assert_eq!((received, whole), (lengths.iter().sum(), 6));
    assert_eq!(server.state().selectors()[0].2, Selector::Now);
}
