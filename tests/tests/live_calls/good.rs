//! Calls in which nothing goes wrong.

use engine::call::EndReason;
use engine::recogniser::Party as Side;
use engine::shell::payload::Payload;
use fixtures::Party;
use serde_json::json;
use tests::live::{Agent, Driven, Lab, Talk};

use crate::FAST;

#[tokio::test]
async fn both_parties_are_heard_live_even_at_once() {
    let lab = Lab::new().await;
    let call = lab.begin(&Talk::both());
    let mut driven = lab.drive(&call, &[]).await;
    // What was said first arrives while the call lasts.
    driven.shows("a first message", |s| s.delivered >= 1).await;
    assert!(lab.now() < call.end, "the first message came after the call");
    let summary = driven.summary().await;
    assert_eq!(summary.end, EndReason::StopStreaming);
    lab.judge(&call.key, &call.truth);
    assert_eq!(summary.messages.delivered, call.truth.len() as u64);
    assert!(summary.drops.is_empty(), "{:?}", summary.drops);
    assert!(!summary.key_unresolved);
    let state = lab.transcribe.state();
    let records = state.records();
    assert_eq!((records.len(), records[0].request.channels, records[0].ended), (1, 2, true));
}

#[tokio::test]
async fn a_call_that_nobody_read_while_it_lasted_is_caught_up_with() {
    let lab = Lab::new().await;
    let call = lab.past(&Talk::both());
    let summary = lab.drive(&call, &FAST).await.summary().await;
    lab.judge(&call.key, &call.truth);
    assert_eq!(summary.media.selectors["SERVER_TIMESTAMP"], 1);
}

#[tokio::test]
async fn one_side_alone_is_a_mono_session_and_the_other_side_stays_here() {
    let lab = Lab::new().await;
    for side in [Side::Customer, Side::Agent] {
        let call = lab.past(&Talk::both());
        let mut payload = call.trigger();
        payload["streamAudioFromCustomer"] = json!(side == Side::Customer);
        payload["streamAudioToCustomer"] = json!((side == Side::Agent).to_string());
        drive(&lab, &payload).await;
        let party = if side == Side::Customer { Party::Customer } else { Party::Agent };
        let said: Vec<_> = call.truth.iter().filter(|u| u.party == party).cloned().collect();
        lab.judge(&call.key, &said);
        assert_eq!(lab.transcribe.state().records().last().unwrap().request.channels, 1);
    }
}

#[tokio::test]
async fn a_known_agent_speaks_under_his_own_id() {
    let lab = Lab::new().await;
    let call = lab.past(&Talk::both());
    let mut payload = call.trigger();
    payload["agentUserId"] = json!("005000000000001AAA");
    drive(&lab, &payload).await;
    lab.judge_agent(&call.key, &call.truth, Agent::Human("005000000000001AAA"));
}

async fn drive(lab: &Lab, payload: &serde_json::Value) {
    let services = lab.services(&FAST, None).await;
    let payload = Payload::parse(payload.to_string().as_bytes()).unwrap();
    Driven::start(&services, &payload).await.summary().await;
}
