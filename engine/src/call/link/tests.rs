//! The connection's policy by itself: selectors, back-off, stalls, segments, ends.

use super::*;
use crate::time::Span;

fn s(s: i64) -> Time {
    Time::from_ms(1_000_000 + s * 1000)
}
fn link() -> Link {
    let segment = MediaSegment::new("arn:one", Some(s(0)), Some("100".into()));
    Link::new(&LiveConfig::new(segment), 1)
}
fn eof() -> MediaError {
    MediaError::new(MediaCause::EndOfStream, MediaAction::Retry, "end")
}
fn opened(link: &mut Link, now: Time) -> MediaFrom {
    match link.poll(now) {
        Some(Step::Open(request, _)) => request.from,
        other => panic!("{other:?}"),
    }
}
/// So many fragments of a second come, from 101 on.
fn read(link: &mut Link, fragments: i64) {
    for n in 1..=fragments {
        let number = (100 + n).to_string();
        assert!(link.fragment(Some(&number)), "it is new");
        link.audio(s(n), Some(s(n)));
        link.placed(&number, s(n));
    }
}
/// Polls as time passes until something is to be done.
fn later(link: &mut Link, mut now: Time) -> (Time, Step) {
    loop {
        match link.poll(now) {
            Some(Step::Lost(_)) => {}
            Some(step) => return (now, step),
            None => now = link.deadline().expect("a deadline").max(now + Span::from_us(1)),
        }
    }
}

#[test]
fn it_begins_a_little_early_and_looks_elsewhere_for_what_is_not_there() {
    let mut l = link();
    assert_eq!(opened(&mut l, s(1)), MediaFrom::ServerTime(s(-2)));
    let mut seen = Vec::new();
    let mut now = s(1);
    for _ in 0..4 {
        l.lost(now, &eof());
        let (at, step) = later(&mut l, now);
        now = at;
        let Step::Open(request, cause) = step else { panic!("{step:?}") };
        assert_eq!(cause, Some(MediaCause::EndOfStream));
        seen.push(request.from);
    }
    let first = MediaFrom::ServerTime(s(-2));
    assert_eq!(seen, [MediaFrom::Earliest, first.clone(), MediaFrom::Earliest, first]);
    assert_eq!(l.selectors["EARLIEST"], 2);
}

#[test]
fn it_goes_on_behind_the_last_complete_fragment() {
    let mut l = link();
    opened(&mut l, s(0));
    l.fragment(Some("101"));
    l.fragment(None);
    l.audio(s(1), Some(s(1)));
    l.lost(s(2), &eof());
    let (_, step) = later(&mut l, s(2));
    let Step::Open(request, _) = step else { panic!("{step:?}") };
    assert_eq!((request.from, request.connection), (MediaFrom::AfterFragment("101".into()), 2));
    // An expired fragment: by time.
    l.lost(s(3), &MediaError::new(MediaCause::InBand, MediaAction::NextSelector, "4000"));
    let (_, step) = later(&mut l, s(3));
    let Step::Open(request, _) = step else { panic!("{step:?}") };
    assert_eq!(request.from, MediaFrom::ProducerTime(s(-1)));
}

#[test]
fn a_silent_connection_is_given_up_and_a_dead_call_ends() {
    let mut l = link();
    opened(&mut l, s(0));
    l.audio(s(1), Some(s(1)));
    l.bytes(s(1));
    let (mut now, mut opens) = (s(1), 0);
    let reason = loop {
        match later(&mut l, now) {
            (at, Step::Open(..)) => (now, opens) = (at, opens + 1),
            (at, Step::End(reason)) => break (at, reason),
            (_, Step::Lost(_)) => panic!("passed over"),
        }
    };
    assert_eq!(reason, (s(121), EndReason::Idle));
    assert_eq!(l.reconnects[&MediaCause::Stalled], opens);
    assert!((5..=8).contains(&opens), "{opens}");
    assert!(l.poll(s(500)).is_none() && l.deadline().is_none());
}

#[test]
fn stop_streaming_ends_the_call_unless_a_segment_follows() {
    let mut l = link();
    opened(&mut l, s(0));
    l.audio(s(1), Some(s(1)));
    l.stop_streaming(s(2));
    l.segment(s(5), MediaSegment::new("arn:two", Some(s(5)), None));
    let (_, step) = later(&mut l, s(5));
    let Step::Open(request, _) = step else { panic!("{step:?}") };
    assert_eq!((request.stream.as_str(), request.from), ("arn:two", MediaFrom::ServerTime(s(3))));
    l.audio(s(6), Some(s(6)));
    l.stop_streaming(s(7));
    l.bytes(s(7));
    let (at, step) = later(&mut l, s(7));
    assert!(matches!(step, Step::End(EndReason::StopStreaming)) && at == s(17), "{step:?} {at:?}");
}

#[test]
fn what_was_not_final_in_front_of_stop_streaming_is_read_again_before_anything_ends() {
    let mut l = link();
    opened(&mut l, s(0));
    read(&mut l, 3);
    l.stop_streaming(s(3));
    let saved = l.save(Some(s(2)));
    let two = MediaSegment::new("arn:two", Some(s(5)), None);
    let mut l = link();
    l.restore(saved, &MediaSummary::default());
    l.segment(s(60), two);
    assert_eq!(opened(&mut l, s(60)), MediaFrom::AfterFragment("101".into()));
    l.audio(s(61), Some(s(3)));
    l.stop_streaming(s(61));
    let (_, step) = later(&mut l, s(61));
    let Step::Open(request, _) = step else { panic!("{step:?}") };
    assert_eq!(request.stream, "arn:two");
}

#[test]
fn contacts_that_ended_shorten_the_wait_but_audio_proves_them_wrong() {
    let mut l = link();
    opened(&mut l, s(0));
    l.audio(s(1), Some(s(1)));
    l.contacts_over(s(2), true);
    l.audio(s(11), Some(s(11)));
    l.bytes(s(11));
    assert!(l.poll(s(14)).is_none(), "the call goes on");
    l.contacts_over(s(14), false);
    assert!(l.poll(s(22)).is_none(), "a transfer: a new contact");
    l.contacts_over(s(22), true);
    l.bytes(s(22));
    // The connection is older than the end of the contacts: what follows may wait behind a stall.
    let (opened, step) = later(&mut l, s(22));
    assert!(matches!(&step, Step::Open(..)) && opened > s(32), "{step:?} {opened:?}");
    l.bytes(opened);
    let (again, step) = later(&mut l, opened);
    assert!(matches!(&step, Step::Open(..)) && again > opened + Span::from_s(10), "{step:?} {again:?}");
    l.bytes(again);
    let (at, step) = later(&mut l, again);
    assert!(matches!(step, Step::End(EndReason::ContactsEnded)), "{step:?}");
    assert_eq!(at, again + Span::from_s(3));
}

#[test]
fn that_nothing_follows_is_shown_only_by_connections_that_gave_the_last_fragment_again() {
    let mut l = link();
    opened(&mut l, s(0));
    read(&mut l, 2);
    l.bytes(s(2));
    l.contacts_over(s(3), true);
    let mut now = s(3);
    let mut next = |l: &mut Link, answers: bool| {
        let (at, step) = later(l, now);
        let Step::Open(request, _) = step else { panic!("{step:?}") };
        assert_eq!(request.from, MediaFrom::AfterFragment("101".into()));
        now = at;
        if answers {
            assert!(!l.fragment(Some("102")), "it was read before");
            l.bytes(at);
        }
        at
    };
    // Dead ones show nothing, however many; and of one alone it cannot be said that it did not die then.
    for answers in [false, false, true, false] {
        next(&mut l, answers);
    }
    let last = next(&mut l, true);
    let (at, step) = later(&mut l, last);
    assert!(matches!(step, Step::End(EndReason::ContactsEnded)), "{step:?}");
    assert_eq!(at, last + Span::from_s(3));
}

#[test]
fn a_connection_that_still_reads_what_was_read_before_shows_nothing() {
    let mut l = link();
    opened(&mut l, s(0));
    read(&mut l, 3);
    // Another life begins behind the second, and another after it where the first is all it knows to be before that.
    let saved = l.save(Some(s(2)));
    let mut l = link();
    l.restore(saved.clone(), &MediaSummary::default());
    assert_eq!(l.save(Some(s(2))), saved, "a life in which nothing happened forgets nothing");
    l.contacts_over(s(60), true);
    assert_eq!(opened(&mut l, s(60)), MediaFrom::AfterFragment("101".into()));
    for now in 61..100 {
        l.bytes(s(now));
        assert!(l.poll(s(now)).is_none(), "at {now}");
    }
}

#[test]
fn a_first_connection_that_stalls_does_not_show_that_nothing_is_there() {
    let mut l = link();
    l.segment(s(0), MediaSegment::new("arn:two", Some(s(5)), None));
    opened(&mut l, s(0));
    // Nothing comes at all; the connection is made again, and gives what is stored.
    let (at, step) = later(&mut l, s(0));
    let Step::Open(request, _) = step else { panic!("{step:?}") };
    assert_eq!(request.stream, "arn:one");
    l.bytes(at);
    l.audio(at, Some(s(1)));
    assert!(l.poll(at).is_none());
}

#[test]
fn a_fatal_error_ends_the_call_with_its_reason() {
    let mut l = link();
    opened(&mut l, s(0));
    l.lost(s(0), &MediaError::new(MediaCause::NoStream, MediaAction::Fatal, "no such stream"));
    let (_, step) = later(&mut l, s(0));
    assert!(matches!(step, Step::End(EndReason::MediaFailed(why)) if why == "no such stream"));
}

/// Lives on from 3 s, with an event about the call every 5 s, until another stream is asked for; when that is.
fn until_the_next_segment(answers: bool) -> i64 {
    let mut l = link();
    opened(&mut l, s(0));
    read(&mut l, 2);
    l.segment(s(3), MediaSegment::new("arn:two", Some(s(5)), None));
    for now in 3..300 {
        if now % 5 == 0 {
            l.sign_of_life(s(now));
        }
        while let Some(step) = l.poll(s(now)) {
            match step {
                Step::Open(request, _) if request.stream == "arn:two" => return now,
                Step::Open(..) if answers => {
                    l.fragment(Some("102"));
                    l.bytes(s(now));
                }
                Step::Open(..) => l.lost(s(now), &eof()),
                Step::Lost(_) => {}
                Step::End(reason) => panic!("{reason:?} at {now}, and a segment waits"),
            }
        }
    }
    panic!("it never came")
}

#[test]
fn events_keep_a_call_alive_but_do_not_keep_it_in_a_segment_that_is_over() {
    assert!((20..40).contains(&until_the_next_segment(true)));
    // Nothing is ever sure: it is idle, and goes on all the same.
    assert!((120..130).contains(&until_the_next_segment(false)));
}

#[test]
fn a_contact_that_nobody_knows_may_be_the_next_leg() {
    let mut l = link();
    opened(&mut l, s(0));
    read(&mut l, 2);
    l.stop_streaming(s(2));
    l.bytes(s(11));
    l.may_follow(s(11));
    assert!(l.poll(s(13)).is_none(), "it is asked about");
    let (at, step) = later(&mut l, s(13));
    assert!(matches!(step, Step::End(EndReason::StopStreaming)) && at == s(21), "{step:?} {at:?}");
}
