//! Salesforce refuses, is late, or is not there.

use engine::call::{RetryCause, Summary};
use engine::time::Span;
use tests::emulators::salesforce::{Arrival, Fate, Fault, Rule, When};
use tests::live::{Begun, Driven, Lab, Talk};

use crate::{FAST, fast};

async fn struck(faults: impl IntoIterator<Item = (Fault, When)>) -> (Lab, Begun, Summary) {
    let lab = Lab::new().await;
    let call = lab.past(&Talk::both());
    for (fault, when) in faults {
        lab.salesforce.state().script(Rule::new(fault, when));
    }
    let driven = lab.drive(&call, &fast(&["salesforce.request_timeout_ms=400"])).await;
    let summary = driven.summary().await;
    (lab, call, summary)
}

#[tokio::test]
async fn time_out_after_accepting_is_tried_again_under_the_same_id() {
    let faults = [Fault::AcceptThenSilence, Fault::AcceptThenCut];
    let (lab, call, summary) = struck(faults.map(|f| (f, When::Next(1)))).await;
    lab.judge(&call.key, &call.truth);
    let state = lab.salesforce.state();
    let again = state.arrivals().iter().filter(|a| a.fate == Fate::Duplicate).count();
    assert_eq!((again, summary.messages.not_taken[&RetryCause::Network]), (2, 2));
}

#[tokio::test]
async fn http_401_403_404_429_500_and_mixed_207_cost_no_message_that_a_retry_can_save() {
    let mixed = Fault::Multi(vec![Fault::exhausted()]);
    let late = Fault::Body(404, r#"{"message":"PERMISSION_DENIED: Conversation does not exist"}"#.to_owned());
    // A message that is denied twice is refused for good, so each of the two comes alone.
    for denied in [401, 403] {
        let (lab, call, summary) = struck([(Fault::Status(denied), When::Next(1))]).await;
        lab.judge(&call.key, &call.truth);
        assert!(summary.messages.refused.is_empty(), "{denied}");
    }
    let faults = [late, Fault::too_many(), Fault::Status(500), Fault::Status(503), mixed];
    let (lab, call, summary) = struck(faults.map(|f| (f, When::Next(1)))).await;
    lab.judge(&call.key, &call.truth);
    let not_taken = &summary.messages.not_taken;
    for cause in [RetryCause::RateLimited, RetryCause::NoConversation, RetryCause::Server] {
        assert!(not_taken.contains_key(&cause), "{cause:?}: {not_taken:?}");
    }
    assert!(summary.messages.refused.is_empty());
}

#[tokio::test]
async fn http_429_for_a_while_holds_up_no_audio_and_loses_no_message() {
    let (lab, call, summary) = struck([(Fault::too_many(), When::FromFirst(Span::from_s(3)))]).await;
    lab.judge(&call.key, &call.truth);
    let state = lab.salesforce.state();
    let refused = state.arrivals().iter().find(|a| matches!(a.fate, Fate::Refused(429))).unwrap();
    let same = |a: &&Arrival| a.participant_id == refused.participant_id;
    let accepted = state.arrivals().iter().filter(same).find(|a| a.fate.stored()).unwrap();
    assert_eq!(refused.message_id, accepted.message_id, "the first comes first all the same");
    let heard = lab.transcribe.state().records()[0].audio.last().unwrap().0;
    assert!(heard < accepted.at, "all audio had gone out before the first message was taken");
    assert!(summary.messages.not_taken[&RetryCause::RateLimited] >= 2);
}

#[tokio::test]
async fn messages_lost_to_the_rate_limit_are_listed_and_the_contact_is_marked_once() {
    let lab = Lab::new().await;
    let call = lab.past(&Talk::both());
    lab.salesforce.state().script(Rule::new(Fault::too_many(), When::FromFirst(Span::from_s(600))));
    let summary = lab.drive(&call, &fast(&["call.drain_timeout_s=2"])).await.summary().await;
    assert_eq!(summary.messages.undelivered.len(), call.truth.len());
    let state = lab.aws.state();
    let attributes = state.attributes(&call.contact).expect("the contact is marked");
    assert_eq!(
        attributes["sf_realtime_transcription_status"],
        "Exceeded Limits for creating messages in Transcription"
    );
    assert_eq!(state.count("UpdateContactAttributes"), 1);
}

#[tokio::test]
async fn connection_refused_for_a_while_loses_no_message() {
    let mut lab = Lab::new().await;
    let call = lab.past(&Talk::both());
    lab.salesforce.server().refuse().await;
    let mut driven: Driven = lab.drive(&call, &FAST).await;
    driven.shows("the end of audio", |s| s.state == "draining").await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    lab.salesforce.server().serve().await;
    let summary = driven.summary().await;
    lab.judge(&call.key, &call.truth);
    assert!(summary.messages.not_taken[&RetryCause::Network] >= 2);
}

#[tokio::test]
async fn a_conversation_that_appears_late_gets_every_message() {
    let lab = Lab::new().await;
    let call = lab.past(&Talk::both());
    let known = lab.now() + Span::from_s(2);
    lab.salesforce.state().open_late(&call.key, call.start, known);
    let summary = lab.drive(&call, &FAST).await.summary().await;
    lab.judge(&call.key, &call.truth);
    assert!(summary.messages.not_taken[&RetryCause::NoConversation] >= 1);
}
