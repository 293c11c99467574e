//! The gate in time: recorded and live clocks, disorder, exposure, cutting.

use super::super::config::ContactChoice;
use super::*;

fn at(ms: i64) -> Time {
    Time::from_ms(ms)
}

fn iv(from: i64, to: i64) -> Interval {
    Interval::new(at(from), at(to))
}

fn gate(clock: GateClock) -> Gate {
    let mut config = Config::new(ContactChoice::First, "c");
    config.gate_clock = clock;
    Gate::new(&config)
}

fn event(kind: EventKind, ms: i64) -> TelephonyEvent {
    TelephonyEvent::new(kind, Some(at(ms)))
}

fn closed(gate: &mut Gate) -> Vec<(i64, i64)> {
    gate.closed_within(iv(0, 1_000_000)).iter().map(|i| (i.from.ms(), i.to.ms())).collect()
}

#[test]
fn recorded_events_close_the_same_intervals_in_any_order() {
    let events = [
        event(EventKind::Hold, 1000).participant("a"),
        event(EventKind::Hold, 1000).participant("a"),
        event(EventKind::PauseRecording, 1500),
        event(EventKind::Resume, 2000).participant("a"),
        event(EventKind::ResumeRecording, 2500),
        event(EventKind::PauseRecording, 2500),
        event(EventKind::ResumeRecording, 4000),
        event(EventKind::Unknown("dance".into()), 9),
    ];
    // Every rotation and its reverse.
    for turn in 0..events.len() {
        for reverse in [false, true] {
            let mut order = events.to_vec();
            order.rotate_left(turn);
            if reverse {
                order.reverse();
            }
            let mut g = gate(GateClock::Recorded);
            for e in order {
                g.handle(at(0), Span::ZERO, GateSource::Toolkit, e);
            }
            assert_eq!(closed(&mut g), [(1000, 4000)], "turn {turn} {reverse}");
            assert_eq!((g.counts.repeated, g.counts.unknown, g.counts.events), (1, 1, 8));
        }
    }
}

#[test]
fn a_close_without_its_opening_stays_closed() {
    let mut g = gate(GateClock::Recorded);
    g.handle(at(0), Span::ZERO, GateSource::Toolkit, event(EventKind::PauseRecording, 500));
    assert_eq!(closed(&mut g), [(500, 1_000_000)]);
    assert!(g.closed_at(at(999_999_999)).is_some());
}

#[test]
fn a_recorded_event_without_a_time_is_counted() {
    let mut g = gate(GateClock::Recorded);
    assert_eq!(
        g.handle(at(0), Span::ZERO, GateSource::Toolkit, TelephonyEvent::new(EventKind::Hold, None)),
        None
    );
    assert_eq!((g.counts.untimed, closed(&mut g)), (1, vec![]));
}

#[test]
fn a_live_closing_may_reach_back_ten_seconds_and_no_further() {
    for (said, takes_effect) in [(100_000, 100_000), (95_000, 95_000), (40_000, 90_000), (130_000, 100_000)] {
        let mut g = gate(GateClock::Live);
        g.handle(at(100_000), Span::ZERO, GateSource::Toolkit, event(EventKind::Hold, said));
        assert_eq!(closed(&mut g), [(takes_effect, 1_000_000)], "said {said}");
        assert_eq!(g.counts.skewed, u64::from(said == 40_000 || said == 130_000));
    }
}

#[test]
fn a_live_opening_never_reaches_back() {
    for (said, takes_effect) in
        [(150_000, 150_000), (120_000, 150_000), (155_000, 155_000), (900_000, 160_000)]
    {
        let mut g = gate(GateClock::Live);
        g.handle(at(100_000), Span::ZERO, GateSource::Toolkit, event(EventKind::PauseRecording, 100_000));
        g.handle(at(150_000), Span::ZERO, GateSource::Toolkit, event(EventKind::ResumeRecording, said));
        assert_eq!(closed(&mut g), [(100_000, takes_effect)], "said {said}");
    }
}

#[test]
fn live_events_that_overtake_each_other_still_match() {
    let mut g = gate(GateClock::Live);
    g.handle(at(9_900), Span::ZERO, GateSource::Toolkit, event(EventKind::Resume, 9_000));
    g.handle(at(10_000), Span::ZERO, GateSource::Toolkit, event(EventKind::Hold, 8_000));
    assert_eq!(closed(&mut g), [(8_000, 9_900)]);
}

#[test]
fn what_left_before_a_late_closing_is_exposed_and_its_words_are_cut() {
    let mut g = gate(GateClock::Live);
    g.emitted(iv(0, 100_000), &[]);
    g.handle(at(100_000), Span::ZERO, GateSource::Toolkit, event(EventKind::PauseRecording, 98_000));
    assert_eq!(g.exposed().total().ms(), 2_000);
    let words = [iv(96_000, 97_000), iv(97_200, 97_950), iv(98_500, 99_000)];
    let measured = WordTimes::Measured { error_ms: 100 };
    assert_eq!(g.cut(iv(96_000, 99_000), &words, measured), [false, true, true]);
    // Spread words could lie anywhere in their utterance.
    assert_eq!(g.cut(iv(96_000, 99_000), &words, WordTimes::Spread { error_ms: 100 }), [true; 3]);
    assert_eq!(g.cut(iv(10_000, 12_000), &words[..1], WordTimes::Spread { error_ms: 100 }), [false]);
}

#[test]
fn words_inside_zeroed_audio_were_never_said() {
    let mut g = gate(GateClock::Recorded);
    g.handle(at(0), Span::ZERO, GateSource::Toolkit, event(EventKind::Hold, 1_000));
    g.handle(at(0), Span::ZERO, GateSource::Toolkit, event(EventKind::Resume, 5_000));
    let zeroed = g.closed_within(iv(0, 10_000));
    g.emitted(iv(0, 10_000), &zeroed);
    assert_eq!((g.exposed().total().ms(), g.closed_emitted().ms()), (0, 4_000));
    let words = [iv(500, 1_050), iv(2_000, 3_000), iv(1_050, 1_400), iv(4_950, 5_500)];
    let cut = g.cut(iv(500, 5_500), &words, WordTimes::Measured { error_ms: 100 });
    assert_eq!(cut, [false, true, false, false], "an edge within the error may be open speech");
}

#[test]
fn more_events_than_the_limit_close_the_gate_for_good() {
    let mut config = Config::new(ContactChoice::First, "c");
    config.gate_clock = GateClock::Recorded;
    config.max_gate_events = 2;
    let mut g = Gate::new(&config);
    for (kind, ms) in [(EventKind::Hold, 1), (EventKind::Resume, 2), (EventKind::Mute, 3)] {
        g.handle(at(0), Span::ZERO, GateSource::Toolkit, event(kind, ms));
    }
    assert_eq!(closed(&mut g), [(1, 2), (3, 1_000_000)]);
    assert_eq!(g.counts.beyond_limit, 1);
}

#[test]
fn an_opening_that_comes_a_second_time_does_not_open_what_was_closed_since() {
    let mut g = gate(GateClock::Live);
    let mut say = |arrival: i64, kind: EventKind, said: i64| {
        g.handle(at(arrival), Span::ZERO, GateSource::Toolkit, event(kind, said));
    };
    say(10_000, EventKind::PauseRecording, 10_000);
    say(20_000, EventKind::ResumeRecording, 20_000);
    say(22_000, EventKind::PauseRecording, 22_000);
    say(23_000, EventKind::ResumeRecording, 20_000);
    say(30_000, EventKind::ResumeRecording, 30_000);
    assert_eq!(closed(&mut g), [(10_000, 20_000), (22_000, 30_000)]);
    assert_eq!(g.counts.repeated, 1);
}

#[test]
fn an_opening_after_a_doubt_tells_that_its_closing_was_lost_there() {
    let mut g = gate(GateClock::Live);
    g.handle(at(1_000), Span::ZERO, GateSource::Toolkit, event(EventKind::CallConnected, 1_000));
    g.doubt(iv(10_000, 14_000));
    assert_eq!(g.last_inferred(), None);
    g.handle(at(20_000), Span::ZERO, GateSource::Toolkit, event(EventKind::ResumeRecording, 20_000));
    assert_eq!(closed(&mut g), [(10_000, 20_000)]);
    assert_eq!(g.last_inferred(), Some((iv(10_000, 20_000), at(20_000))));
    // The worker that took it dies at once: nothing was lost in what begins with the opening itself.
    g.doubt(iv(20_000, 30_000));
    assert_eq!(closed(&mut g), [(10_000, 30_000)]);
}

#[test]
fn a_closing_is_not_lost_in_a_doubt_that_began_after_its_opening_had_come() {
    let mut g = gate(GateClock::Live);
    g.handle(at(1_000), Span::ZERO, GateSource::Toolkit, event(EventKind::CallConnected, 1_000));
    g.doubt(iv(10_000, 14_000));
    // A browser's clock moves it ten seconds on; the worker dies in between.
    g.handle(at(20_000), Span::ZERO, GateSource::Toolkit, event(EventKind::ResumeRecording, 30_000));
    g.doubt(iv(22_000, 26_000));
    assert_eq!(closed(&mut g), [(10_000, 30_000)]);
}

#[test]
fn what_may_have_opened_later_is_closed_until_then_and_opens_nothing_closed_since() {
    let mut g = gate(GateClock::Live);
    let mut say = |ms: i64, kind: EventKind| {
        g.handle(at(ms), Span::from_s(5), GateSource::Toolkit, event(kind, ms));
    };
    say(10_000, EventKind::PauseRecording);
    say(20_000, EventKind::ResumeRecording);
    say(22_000, EventKind::PauseRecording);
    say(30_000, EventKind::ResumeRecording);
    say(60_000, EventKind::PauseRecording);
    say(70_000, EventKind::ResumeRecording);
    assert_eq!(closed(&mut g), [(10_000, 35_000), (60_000, 75_000)]);
}

#[test]
fn what_was_closed_by_a_late_event_had_left_as_sound_until_that_came() {
    let mut g = gate(GateClock::Live);
    g.handle(at(20_000), Span::ZERO, GateSource::Toolkit, event(EventKind::PauseRecording, 14_000));
    g.handle(at(22_000), Span::ZERO, GateSource::Toolkit, event(EventKind::Hold, 21_000));
    g.handle(at(30_000), Span::ZERO, GateSource::Toolkit, event(EventKind::ResumeRecording, 30_000));
    g.handle(at(40_000), Span::ZERO, GateSource::Toolkit, event(EventKind::Resume, 40_000));
    assert_eq!(g.silent_within(iv(0, 35_000)), [iv(20_000, 35_000)]);
    assert_eq!(closed(&mut g), [(14_000, 40_000)]);
}
