//! Hold and pause wherever they fall, and events that do not come as they should.

use engine::call::{EventKind, TelephonyEvent};
use engine::time::Time;
use fixtures::Party;
use fixtures::kinesis::Shape;
use fixtures::tone::Script;

use super::media::assert_said;
use super::world::{World, at, live, stored};

/// When what is said begins, milliseconds into the call, and the words.
type Said<'a> = &'a [(i64, &'a str)];

const HOLD: (EventKind, EventKind) = (EventKind::Hold, EventKind::Resume);
const PAUSE: (EventKind, EventKind) = (EventKind::PauseRecording, EventKind::ResumeRecording);

fn event(kind: &EventKind, at: Option<Time>) -> TelephonyEvent {
    TelephonyEvent::new(kind.clone(), at).participant("+14155550100")
}

/// A customer who says these words at these times, for `s` seconds.
fn talk(lines: &[(u64, &str)], s: usize) -> World {
    let script =
        lines.iter().fold(Script::new(), |script, (ms, words)| script.say(Party::Customer, *ms, words));
    World::new(live(), stored(&Shape::default(), &script, s * 1000))
}

fn heard(world: &World, lines: Said<'_>) {
    assert_said(world, &lines.iter().map(|(ms, words)| (*ms, (*words).to_owned())).collect::<Vec<_>>());
}

/// Samples of sound that left the call between two times.
fn escaped(world: &World, from_ms: i64, to_ms: i64) -> usize {
    let times = at(from_ms)..at(to_ms);
    let sounding = |start: Time, pcm: &[u8]| {
        let frames = pcm.chunks_exact(4).enumerate();
        let loud = frames.filter(|(_, frame)| frame.iter().any(|b| *b != 0));
        let offset = |n: usize| engine::time::Span::from_samples(i64::try_from(n).unwrap(), 8000);
        loud.filter(|(n, _)| times.contains(&(start + offset(*n)))).count()
    };
    world.chunks.iter().map(|(_, chunk)| sounding(chunk.start, &chunk.pcm)).sum()
}

#[test]
fn a_short_closing_between_words_makes_two_messages() {
    let script = Script::new().say(Party::Customer, 4_000, "four one two three");
    let mut world = World::new(live(), stored(&Shape::default(), &script, 7_000));
    let (close, open) = PAUSE;
    world.event(4_220, event(&close, None)).event(4_490, event(&open, None));
    world.run();
    let texts: Vec<_> = world.said().into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["four", "two three"], "neither spans what was not to be heard");
}

#[test]
fn hold_and_pause_before_between_and_inside_utterances_are_silent() {
    // Words of 180 ms with 80 ms between them.
    const LONG: &str = "four one two three four five six seven";
    let lines = [(1_000, "hello"), (4_000, LONG), (8_000, "thanks")];
    let cases: [(i64, i64, Said<'_>); 5] = [
        (500, 3_500, &[(4_000, LONG), (8_000, "thanks")]),
        (2_500, 3_500, &[(1_000, "hello"), (4_000, LONG), (8_000, "thanks")]),
        (4_480, 7_000, &[(1_000, "hello"), (4_000, "four one"), (8_000, "thanks")]),
        (4_220, 5_260, &[(1_000, "hello"), (4_000, "four"), (5_300, "five six seven"), (8_000, "thanks")]),
        (3_500, 5_260, &[(1_000, "hello"), (5_300, "five six seven"), (8_000, "thanks")]),
    ];
    for (close, open) in [HOLD, PAUSE] {
        for (from, to, expected) in cases {
            let mut world = talk(&lines, 10);
            world.event(from, event(&close, Some(at(from)))).event(to, event(&open, Some(at(to))));
            world.run();
            heard(&world, expected);
            assert_eq!(escaped(&world, from, to), 0, "P2: {close:?} from {from} to {to}");
            let gate = &world.summary.as_ref().unwrap().gate;
            assert_eq!((gate.exposed_ms, gate.closed_at_end), (0, false), "{gate:?}");
        }
    }
}

#[test]
fn events_doubled_and_out_of_order_close_the_same_interval() {
    let lines = [(1_000, "hello"), (4_000, "four one two three"), (8_000, "thanks")];
    let expected = [(1_000, "hello"), (4_000, "four one"), (8_000, "thanks")];
    for (close, open) in [HOLD, PAUSE] {
        let mut doubled = talk(&lines, 10);
        for _ in 0..2 {
            doubled.event(4_480, event(&close, None)).event(6_000, event(&open, None));
        }
        doubled.run();
        heard(&doubled, &expected);
        assert_eq!(doubled.summary.as_ref().unwrap().gate.repeated_events, 1);
        // The opening overtakes the closing.
        let mut crossed = talk(&lines, 10);
        crossed.event(5_200, event(&open, Some(at(5_200)))).event(5_300, event(&close, Some(at(4_480))));
        crossed.run();
        heard(&crossed, &expected);
        assert!(!crossed.summary.as_ref().unwrap().gate.closed_at_end);
    }
}

#[test]
fn a_closing_event_that_comes_late_is_believed_and_what_escaped_is_counted() {
    for (close, open) in [HOLD, PAUSE] {
        let mut world = talk(&[(1_000, "hello"), (4_000, "four one two three"), (12_000, "thanks")], 14);
        world.event(8_000, event(&close, Some(at(4_480)))).event(10_000, event(&open, None));
        world.run();
        let gate = &world.summary.as_ref().unwrap().gate;
        assert_eq!(gate.exposed_words, 2, "posted before anybody knew: {gate:?}");
        assert!(gate.exposed_ms > 2_000, "{gate:?}");
        assert!(escaped(&world, 8_000, 10_000) == 0 && escaped(&world, 4_480, 6_000) > 0);
    }
}

#[test]
fn a_browser_whose_clock_is_wrong_by_40_seconds_closes_at_once_and_never_opens_early() {
    let lines = [(1_000, "hello"), (13_000, "four one two"), (19_000, "again"), (29_000, "thanks")];
    for (close, open) in [HOLD, PAUSE] {
        // Behind: the closing reaches back no further than ten seconds, the opening not at all.
        let mut behind = talk(&lines, 31);
        behind.event(12_000, event(&close, Some(at(-28_000)))).event(17_000, event(&open, Some(at(-23_000))));
        behind.run();
        heard(&behind, &[(1_000, "hello"), (19_000, "again"), (29_000, "thanks")]);
        // Ahead: closed on arrival, open ten seconds later at the latest.
        let mut ahead = talk(&lines, 31);
        ahead.event(12_000, event(&close, Some(at(52_000)))).event(17_000, event(&open, Some(at(57_000))));
        ahead.run();
        heard(&ahead, &[(1_000, "hello"), (29_000, "thanks")]);
        for world in [behind, ahead] {
            assert_eq!(escaped(&world, 12_000, 17_000), 0, "P2");
            assert_eq!(world.summary.as_ref().unwrap().gate.skewed_events, 2);
        }
    }
}

#[test]
fn events_of_unknown_calls_close_nothing_and_are_counted() {
    let mut world = talk(&[(1_000, "hello"), (4_000, "four one two three")], 6);
    let mut stranger = event(&EventKind::Hold, None);
    stranger.call_id = Some("66666666-2222-4333-8444-555555555555".to_owned());
    world.event(500, stranger);
    world.run();
    heard(&world, &[(1_000, "hello"), (4_000, "four one two three")]);
    assert_eq!(world.summary.as_ref().unwrap().gate.events_of_other_calls, 1);
}
