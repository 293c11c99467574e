//! The connection breaks in every way, and no word is lost, doubled or moved in time.

use bytes::Bytes;
use engine::call::{EndReason, MediaAction, MediaCause, MediaError, MediaFrom, MediaSegment, Report};
use engine::time::{Span, Time};
use fixtures::Party;
use fixtures::kinesis::{FOREIGN_CONTACT_ID, Shape};
use fixtures::tone::Script;

use super::world::{Cut, Outside, Stored, World, at, live, stored};

/// Someone speaks every two seconds for `s` seconds.
pub(crate) fn talk(s: u64) -> (Script, Vec<(i64, String)>) {
    let words = ["one two three", "refund order", "card", "hello thanks goodbye", "shoes box"];
    let mut script = Script::new();
    let mut truth = Vec::new();
    for (i, start) in (0..s * 1000 - 2000).step_by(2000).enumerate() {
        let (party, text) = ([Party::Customer, Party::Agent][i % 2], words[i % words.len()]);
        script = script.say(party, start + 300, text);
        truth.push((i64::try_from(start).unwrap() + 300, text.to_owned()));
    }
    (script, truth)
}

pub(crate) fn thirty_seconds() -> (Vec<Stored>, Vec<(i64, String)>) {
    let (script, truth) = talk(30);
    (stored(&Shape::default(), &script, 31_000), truth)
}

/// Starts are true to one block of audio.
pub(crate) fn assert_said(world: &World, truth: &[(i64, String)]) {
    let said = world.said();
    let texts = |said: &[(i64, String)]| said.iter().map(|(_, t)| t.clone()).collect::<Vec<_>>();
    assert_eq!(texts(&said), texts(truth));
    for ((start, text), (true_start, _)) in said.iter().zip(truth) {
        assert!((start - true_start).abs() <= 64, "{text} at {start} instead of {true_start}");
    }
}

fn retry(cause: MediaCause) -> MediaError {
    MediaError::new(cause, MediaAction::Retry, "as scripted")
}

#[test]
fn a_call_without_trouble() {
    let (fragments, truth) = thirty_seconds();
    let mut world = World::new(live(), fragments);
    let end = world.run().end.clone();
    assert_said(&world, &truth);
    assert_eq!(end, EndReason::Idle);
    assert_eq!(world.requests[0].1.from, MediaFrom::ServerTime(at(-2000)));
    let summary = world.summary.as_ref().unwrap();
    assert_eq!(summary.messages.delivered, truth.len() as u64);
    assert!(summary.drops.is_empty(), "{:?}", summary.drops);
}

#[test]
fn eof_resets_stalls_in_band_errors_and_garbage_lose_and_double_nothing() {
    let (fragments, truth) = thirty_seconds();
    let error = Shape {
        more_tags: vec![
            ("AWS_KINESISVIDEO_ERROR_ID".into(), "5000".into()),
            ("AWS_KINESISVIDEO_ERROR_CODE".into(), "INTERNAL_ERROR".into()),
        ],
        ..Shape::default()
    };
    let in_band = stored(&error, &Script::new(), 200)[0].bytes.clone();
    let noise: Bytes = (0..5000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 | 1).collect();
    let mut world = World::new(live(), fragments);
    world.cuts = vec![
        Cut::End(0),
        Cut::End(3),
        Cut::Break(2),
        Cut::Refuse(retry(MediaCause::Connection)),
        Cut::Refuse(retry(MediaCause::Limit)),
        Cut::Break(0),
        Cut::Stall(4),
        Cut::Garbage(2, noise),
        Cut::Garbage(1, in_band),
        Cut::Refuse(retry(MediaCause::Service)),
    ];
    world.run();
    assert_said(&world, &truth);
    let lost = &world.summary.as_ref().unwrap().media.reconnects;
    for cause in [MediaCause::EndOfStream, MediaCause::Connection, MediaCause::Stalled, MediaCause::InBand] {
        assert!(lost.contains_key(&cause), "{cause:?}: {lost:?}");
    }
}

#[test]
fn an_ingest_gap_of_twenty_seconds_moves_no_word_and_keeps_the_session() {
    let (script, truth) = talk(10);
    let mut fragments = stored(&Shape::default(), &script, 10_000);
    let later = Shape { start_ms: Shape::default().start_ms + 30_000, first_serial: 100, ..Shape::default() };
    fragments.extend(stored(&later, &script, 10_000));
    let mut config = live();
    config.live.as_mut().unwrap().close_session_after = None;
    let mut world = World::new(config, fragments);
    world.run();
    let shifted = truth.iter().map(|(t, w)| (t + 30_000, w.clone()));
    assert_said(&world, &truth.iter().cloned().chain(shifted).collect::<Vec<_>>());
    assert_eq!(world.sessions, [1]);
    let times: Vec<_> = world.chunks.iter().map(|(at, _)| *at).collect();
    let longest = times.windows(2).map(|w| (w[1] - w[0]).ms()).max().unwrap();
    assert!(longest <= 6_000, "the service ends a session after 15 s without audio; {longest} ms");
    assert!(world.summary.as_ref().unwrap().audio.filler_ms > 10_000);
}

#[test]
fn a_late_start_catches_up_at_one_and_a_half_times_real_time() {
    let (script, truth) = talk(90);
    let mut world = World::new(live(), stored(&Shape::default(), &script, 90_000));
    world.now = at(60_000);
    world.run();
    assert_said(&world, &truth);
    let sent = |until: i64| world.chunks.iter().filter(|(t, _)| *t <= at(until)).count() as i64 * 100;
    for second in 61..90 {
        let allowed = 3_000 + (second - 60) * 1_500 + 100;
        assert!(sent(second * 1000) <= allowed, "{} ms by second {second}", sent(second * 1000));
    }
    assert!(sent(90_000) > 45_000, "it does catch up: {}", sent(90_000));
}

#[test]
fn what_the_first_selector_does_not_find_is_looked_for_elsewhere() {
    let (fragments, truth) = thirty_seconds();
    let mut world = World::new(live(), fragments);
    let refused = MediaError::new(MediaCause::Selector, MediaAction::NextSelector, "no such fragment");
    world.cuts = vec![Cut::Refuse(refused)];
    world.run();
    assert_said(&world, &truth);
    let selectors = &world.summary.as_ref().unwrap().media.selectors;
    assert_eq!((selectors["SERVER_TIMESTAMP"], selectors["EARLIEST"]), (1, 1));
}

#[test]
fn a_missing_stream_ends_the_call_with_that_reason() {
    let mut world = World::new(live(), Vec::new());
    world.cuts =
        vec![Cut::Refuse(MediaError::new(MediaCause::NoStream, MediaAction::Fatal, "no such stream"))];
    assert_eq!(world.run().end, EndReason::MediaFailed("no such stream".into()));
}

#[test]
fn a_key_that_may_not_be_used_ends_the_call() {
    let denied = Shape {
        more_tags: vec![
            ("AWS_KINESISVIDEO_ERROR_ID".into(), "4500".into()),
            ("AWS_KINESISVIDEO_ERROR_CODE".into(), "KMS access denied".into()),
        ],
        ..Shape::default()
    };
    let mut world = World::new(live(), stored(&denied, &Script::new(), 200));
    let end = world.run().end.clone();
    assert!(matches!(&end, EndReason::MediaFailed(why) if why.contains("4500")), "{end:?}");
}

#[test]
fn an_error_inside_the_response_counts_although_the_response_ends_behind_it() {
    let document = |id: &str| {
        let mut written = fixtures::kinesis::Written::default();
        written.push_error("by script", id);
        Bytes::from(written.bytes)
    };
    // A key that may not be used is no reason to come again.
    let (fragments, _) = thirty_seconds();
    let mut world = World::new(live(), fragments);
    world.cuts = vec![Cut::Last(3, document("4500"))];
    let end = world.run().end.clone();
    assert!(matches!(&end, EndReason::MediaFailed(why) if why.contains("4500")), "{end:?}");
    assert_eq!(world.requests.len(), 1);
    // The last fragment read is no longer kept: the next selector finds the rest.
    let (fragments, truth) = thirty_seconds();
    let mut world = World::new(live(), fragments);
    world.cuts = vec![Cut::End(3), Cut::Last(0, document("4000"))];
    world.run();
    assert_said(&world, &truth);
    assert!(matches!(world.requests[1].1.from, MediaFrom::AfterFragment(_)));
    assert!(matches!(world.requests[2].1.from, MediaFrom::ProducerTime(_)), "{:?}", world.requests);
    let lost = &world.summary.as_ref().unwrap().media.reconnects;
    assert_eq!((lost[&MediaCause::EndOfStream], lost[&MediaCause::InBand]), (1, 1));
}

#[test]
fn a_stream_of_another_contact_only_gives_not_a_word() {
    let (script, _) = talk(20);
    let mut world = World::new(live(), stored(&Shape::foreign(), &script, 20_000));
    assert_eq!(world.run().end, EndReason::Idle);
    assert!(world.texts().is_empty() && world.chunks.is_empty(), "P1");
    assert_eq!(world.resolved, [FOREIGN_CONTACT_ID]);
    assert_eq!(world.summary.as_ref().unwrap().messages.delivered, 0);
}

#[test]
fn stop_streaming_ends_the_call_soon_and_a_further_segment_goes_on() {
    let (script, truth) = talk(10);
    let mut fragments = stored(&Shape::default(), &script, 9_000);
    let stop = Shape {
        start_ms: Shape::default().start_ms + 9_792,
        first_serial: 50,
        more_tags: vec![("STOP_STREAMING".into(), "true".into())],
        ..Shape::default()
    };
    fragments.extend(stored(&stop, &Script::new(), 500));
    let mut world = World::new(live(), fragments.clone());
    assert_eq!(world.run().end, EndReason::StopStreaming);
    assert_said(&world, &truth);
    assert!(world.now < at(25_000), "{:?}", world.now);

    let mut world = World::new(live(), fragments);
    let later = Shape { start_ms: Shape::default().start_ms + 16_000, first_serial: 900, ..Shape::default() };
    world.streams.push(("arn:two".into(), stored(&later, &script, 9_000)));
    let segment = MediaSegment::new("arn:two", Some(at(16_000)), None);
    world.outside.push((at(15_000), Outside::Segment(segment)));
    assert_eq!(world.run().end, EndReason::Idle);
    let more = truth.iter().map(|(t, w)| (t + 16_000, w.clone()));
    assert_said(&world, &truth.iter().cloned().chain(more).collect::<Vec<_>>());
}

#[test]
fn back_pressure_reaches_the_connection_and_is_no_stall() {
    let (script, truth) = talk(60);
    let mut world = World::new(live(), stored(&Shape::default(), &script, 60_000));
    // The service has no room for a session for 40 s.
    world.ready_after = Span::from_s(40);
    world.run();
    assert_said(&world, &truth);
    let early = |t: &Time| *t < at(70_000);
    let stalled = |r: &Report| matches!(r, Report::MediaLost(e) if e.cause == MediaCause::Stalled);
    assert!(!world.reports.iter().any(|(t, r)| early(t) && stalled(r)), "{:?}", world.requests);
}
