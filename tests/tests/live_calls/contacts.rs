//! Transfers and consults, with Amazon Connect asked over the wire.

use engine::time::{Span, Time};
use fixtures::Party;
use fixtures::kinesis::{FRAGMENT_MS, Shape};
use tests::emulators::aws::{Contact, Exception, Fault};
use tests::live::{Begun, Lab, Talk};

use crate::FAST;

/// A second leg behind the first on the same stream: its audio comes over the connection that is open.
fn next_leg(lab: &Lab, before: &Begun, leg: &Talk) -> Begun {
    let start = Time::from_ms(before.end.ms());
    let shape = Shape {
        first_serial: u64::try_from((start - before.start).ms() / FRAGMENT_MS).unwrap(),
        segment_uuid: [9; 16],
        ..leg.shape.clone()
    };
    let leg = Talk { shape, ..leg.clone() };
    let name = before.stream.split('/').nth(1).unwrap();
    let begun = lab.announce(&leg, start, name);
    lab.kinesis.state().store(&begun.stream, before.start, leg.stored(start));
    begun
}

#[tokio::test]
async fn cold_transfer_the_contact_changes_mid_stream_and_the_first_names_the_call() {
    let lab = Lab::new().await;
    let first = lab.past(&Talk::both().open_ended());
    let leg = Talk::new().leg_of(&first.key).say(Party::Agent, 500, "hello customer");
    let second = next_leg(&lab, &first, &leg);
    let summary = lab.drive(&first, &FAST).await.summary().await;
    let said: Vec<_> = first.truth.iter().chain(&second.truth).cloned().collect();
    lab.judge(&first.key, &said);
    assert_eq!(summary.contacts, [first.contact, second.contact]);
    assert_eq!(lab.aws.state().count("DescribeContact"), 2, "each contact is asked about once");
}

#[tokio::test]
async fn a_later_leg_that_is_started_by_itself_goes_under_the_first_contacts_key() {
    let lab = Lab::new().await;
    let first = lab.announce(&Talk::new(), lab.now() - Span::from_s(60), "first");
    let leg = lab.past(&Talk::both().leg_of(&first.key));
    let summary = lab.drive(&leg, &FAST).await.summary().await;
    lab.judge(&first.key, &leg.truth);
    assert_eq!((summary.vendor_call_key.as_str(), summary.key_unresolved), (first.key.as_str(), false));
}

#[tokio::test]
async fn consult_that_is_not_merged_goes_under_its_own_key() {
    let lab = Lab::new().await;
    let first = lab.past(&Talk::both().open_ended());
    let consult = Talk::new().say(Party::Agent, 500, "please help");
    let second = next_leg(&lab, &first, &consult);
    let related = Contact {
        initial: Some(second.contact.clone()),
        related: Some(first.contact.clone()),
        ..Contact::default()
    };
    lab.aws.state().add_contact(&second.contact, related);
    lab.drive(&first, &FAST).await.summary().await;
    lab.judge(&first.key, &first.truth);
    lab.judge(&second.key, &second.truth);
}

#[tokio::test]
async fn without_permission_to_ask_the_contact_itself_names_the_call() {
    let lab = Lab::new().await;
    let call = lab.past(&Talk::both());
    lab.aws.state().script("DescribeContact", Fault::Refuse(Exception::ACCESS_DENIED));
    let summary = lab.drive(&call, &FAST).await.summary().await;
    lab.judge(&call.contact, &call.truth);
    assert!(summary.key_unresolved);
}

#[tokio::test]
async fn connect_that_never_answers_holds_up_no_call() {
    let lab = Lab::new().await;
    let call = lab.past(&Talk::both());
    for _ in 0..3 {
        lab.aws.state().script("DescribeContact", Fault::Silence);
    }
    let began = lab.now();
    let driven = lab.drive(&call, &crate::fast(&["aws.request_timeout_ms=500"])).await;
    let summary = driven.summary().await;
    assert!(lab.now() - began < Span::from_s(20));
    lab.judge(&call.contact, &call.truth);
    assert!(summary.key_unresolved);
}
