//! The outbox alone.

use super::*;
use crate::call::config::ContactChoice;
use crate::call::message::{Message, SenderType, Spoken};
use crate::recogniser::Party;

fn message(who: &str, id: &str) -> Utterance {
    let message = Message {
        participant_id: who.into(),
        message_id: id.into(),
        start_time: 1000,
        end_time: 2000,
        content: Spoken(String::new()),
        sender_type: SenderType::EndUser,
    };
    Utterance {
        party: Party::Customer,
        start: s(1),
        end: s(2),
        words: Vec::new(),
        key: String::new(),
        message,
    }
}
fn outbox(store: bool) -> Outbox {
    let mut config = Config::new(ContactChoice::First, "call");
    config.store = store;
    Outbox::new(&config, 7)
}

fn ids(utterances: &[Utterance]) -> Vec<&str> {
    utterances.iter().map(|u| u.message.message_id.as_str()).collect()
}
fn s(s: i64) -> Time {
    Time::from_ms(s * 1000)
}

#[test]
fn one_in_flight_per_participant_in_order() {
    let mut o = outbox(false);
    for (who, id) in [("a", "a1"), ("a", "a2"), ("b", "b1")] {
        o.push(message(who, id));
    }
    assert_eq!(ids(&o.poll(s(0), false)), ["a1", "b1"]);
    assert!(o.poll(s(0), false).is_empty());
    o.posted(s(0), "a1", Outcome::Accepted, false, false);
    assert_eq!(ids(&o.poll(s(0), false)), ["a2"]);
    o.posted(s(0), "a1", Outcome::Accepted, false, false);
    assert_eq!(o.summary.delivered, 1, "a late second answer changes nothing");
}

#[test]
fn a_refused_try_comes_again_under_the_same_id_before_any_other() {
    let mut o = outbox(false);
    o.push(message("a", "a1"));
    o.push(message("a", "a2"));
    o.poll(s(0), false);
    o.posted(s(0), "a1", Outcome::Retry { cause: RetryCause::Server }, false, false);
    assert!(o.poll(s(0), false).is_empty());
    let due = o.deadline().unwrap();
    assert!(due >= Time::from_ms(500) && due <= Time::from_ms(1500), "{due:?}");
    assert_eq!(ids(&o.poll(due, false)), ["a1"]);
    assert_eq!(o.summary.retries, 1);
}

#[test]
fn retries_reach_beyond_the_thirty_second_window() {
    let mut o = outbox(false);
    o.push(message("a", "a1"));
    let (mut now, mut tries) = (s(0), 0);
    while now < s(35) {
        assert_eq!(o.poll(now, false).len(), 1);
        o.posted(now, "a1", Outcome::Retry { cause: RetryCause::RateLimited }, false, false);
        now = o.deadline().unwrap();
        tries += 1;
    }
    assert!(tries < 9, "{tries} tries in 35 s are a hammer");
    assert!(o.abandon(), "the limit is what held it back");
    let listed = &o.summary.undelivered["a1"];
    assert_eq!(
        (listed.party, listed.start_time, listed.end_time),
        (Party::Customer, 1000, 2000),
        "to be found"
    );
}

#[test]
fn nothing_is_posted_before_it_is_stored_or_while_the_gate_is_closed() {
    let mut o = outbox(true);
    o.push(message("a", "a1"));
    assert!(o.poll(s(0), false).is_empty());
    o.stored(s(0), 7);
    assert!(o.poll(s(0), false).is_empty(), "it is in no checkpoint yet");
    o.held_in(8);
    o.stored(s(0), 8);
    assert!(o.poll(s(0), true).is_empty());
    assert_eq!(ids(&o.poll(s(0), false)), ["a1"]);
}
