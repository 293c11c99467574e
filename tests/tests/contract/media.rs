//! Media: stops, jumps, silence, and results nobody asked for.

use engine::call::{Call, Config, ContactChoice, DropReason, EndReason, Input, MediaEnd, Outcome, Output};
use engine::recogniser::{Recogniser, RecogniserEvent};
use engine::time::Time;
use fixtures::Party;
use fixtures::kinesis::{CONTACT_ID, START_EPOCH_MS, Shape};
use fixtures::tone::Script;
use tests::ToneRecogniser;

use super::{Hand, call, fragments};

#[test]
fn a_stop_hands_on_what_was_heard() {
    let mut hand = Hand::live();
    hand.media(call(&[(100, "hello")], 2000)[0].clone());
    hand.handle(Input::Stop);
    assert_eq!(hand.accept_all(), ["hello"]);
    assert_eq!(hand.summary().end, EndReason::Stopped);
    hand.media(call(&[(100, "again")], 2000)[0].clone());
    assert!(hand.posts.is_empty(), "nothing follows the end");
}

#[test]
fn a_jump_of_the_clock_is_believed_when_a_second_fragment_confirms_it() {
    let hour_ms = 3_600_000;
    let later = Shape { start_ms: START_EPOCH_MS + hour_ms, first_serial: 50, ..Shape::default() };
    let mut hand = Hand::live();
    for fragment in call(&[(100, "hello")], 2000) {
        hand.media(fragment);
    }
    for fragment in fragments(&later, &[(100, "again")], 2000) {
        hand.media(fragment);
    }
    hand.handle(Input::MediaEnded(MediaEnd::Complete));
    let mut times = Vec::new();
    while !hand.posts.is_empty() {
        times.extend(hand.posts.iter().map(|m| (m.content.0.clone(), m.start_time - START_EPOCH_MS)));
        hand.answer(&Outcome::Accepted);
    }
    assert_eq!(times.len(), 2);
    assert!((times[0].1 - 100).abs() <= 10 && (times[1].1 - hour_ms - 100).abs() <= 10, "{times:?}");
    assert_eq!((hand.summary().audio.jumps, hand.summary().recogniser.sessions), (1, 2));
    assert!(hand.summary().audio.duration_ms < 10_000, "an hour of silence is not recognised");
}

#[test]
fn a_single_fragment_from_far_away_is_let_go() {
    let far = Shape { start_ms: START_EPOCH_MS + 86_400_000, first_serial: 50, ..Shape::default() };
    let media = call(&[(100, "hello"), (2400, "again")], 4300);
    let mut hand = Hand::live();
    hand.media(media[0].clone());
    hand.media(fragments(&far, &[(100, "lost")], 900)[0].clone());
    for fragment in &media[1..] {
        hand.media(fragment.clone());
    }
    assert_eq!(hand.end(), ["hello", "again"]);
    assert_eq!(hand.summary().drops[&DropReason::TimeJump].count, 1);
}

#[test]
fn results_of_a_session_that_is_over_are_stray() {
    let mut hand = Hand::live();
    hand.media(call(&[], 1000)[0].clone());
    hand.handle(Input::Recognised(RecogniserEvent::Segment(engine::recogniser::Segment::new(
        99,
        engine::recogniser::Party::Agent,
        true,
        engine::time::Span::ZERO,
        engine::time::Span::from_ms(5),
        vec![engine::recogniser::Word::new("ghost", engine::time::Span::ZERO, engine::time::Span::ZERO)],
    ))));
    assert!(hand.end().is_empty(), "P3: none is invented");
    assert_eq!(hand.summary().recogniser.stray, 1);
}

#[test]
fn a_call_without_a_single_byte_ends_at_once() {
    let mut hand = Hand::live();
    assert!(hand.end().is_empty());
    assert_eq!((&hand.summary().end, hand.summary().start_time), (&EndReason::MediaEnded, None));
}

#[test]
fn hours_of_silence_between_blocks_are_made_one_chunk_at_a_time() {
    let mut call = Call::new(Config::new(ContactChoice::Id(CONTACT_ID.into()), "fallback"), 1);
    let mut stream = Vec::new();
    for i in 0..100 {
        // Just under the gap that silence bridges: a day of silence from a few kilobytes.
        let shape = Shape {
            start_ms: START_EPOCH_MS + i * 840_000,
            first_serial: u64::try_from(i).unwrap(),
            blocks_per_fragment: 1,
            ..Shape::default()
        };
        stream.extend(shape.write(&Script::new().say(Party::Customer, 0, "card").render(64).unwrap()).bytes);
    }
    call.handle(Time::from_ms(0), Input::Media(stream.into()));
    let mut chunks = 0_u64;
    let mut ears = ToneRecogniser::default();
    loop {
        match call.poll() {
            Output::OpenRecogniser(spec) => {
                let capabilities = ears.open(&spec).unwrap();
                call.handle(Time::from_ms(0), Input::RecogniserReady { session: spec.id, capabilities });
            }
            Output::Audio(chunk) => chunks += u64::from(chunk.samples() > 0),
            Output::Wait(_) => break,
            _ => {}
        }
        if chunks % 100_000 == 1 {
            assert!(resident_mib() < 400, "{} MiB after {chunks} chunks", resident_mib());
        }
    }
    assert!(chunks > 800_000, "{chunks}");
}

/// Memory of this process; 0 where the system does not tell.
fn resident_mib() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|s| s.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()));
    pages.unwrap_or(0) * 4096 / (1 << 20)
}
