//! Amazon Transcribe fails in every way, and each word arrives once.

use engine::recogniser::RecogniserCause;
use engine::time::Span;
use tests::emulators::transcribe::{Exception, Fault};
use tests::live::{Lab, Talk};

use crate::fast;

const MS: fn(i64) -> Span = Span::from_ms;

#[tokio::test]
async fn each_exception_before_and_during_the_stream_costs_no_word() {
    let lab = Lab::new().await;
    let call = lab.past(&Talk::both());
    let exceptions =
        [Exception::limit("quota"), Exception::internal(), Exception::unavailable(), Exception::conflict()];
    for (n, exception) in exceptions.into_iter().enumerate() {
        lab.transcribe.state().script(vec![Fault::Refuse(exception.clone())]);
        let after = MS(900 * (i64::try_from(n).unwrap() + 1));
        lab.transcribe.state().script(vec![Fault::Throw { after, exception }]);
    }
    let driven = lab.drive(&call, &fast(&["call.drain_timeout_s=30"])).await;
    let summary = driven.summary().await;
    lab.judge(&call.key, &call.truth);
    let failures: u64 = summary.recogniser.failures.values().sum();
    assert_eq!(failures, 8, "{:?}", summary.recogniser);
}

#[tokio::test]
async fn early_end_reset_unknown_event_and_silent_stall_cost_no_word() {
    let lab = Lab::new().await;
    let call = lab.begin(&Talk::both());
    for after in [MS(1_000), MS(2_600)] {
        lab.transcribe.state().script(vec![Fault::EndEarly { after }]);
        lab.transcribe.state().script(vec![Fault::Reset { after }]);
        lab.transcribe.state().script(vec![Fault::Unknown { after }, Fault::Stall { after }]);
    }
    let more = [
        "transcribe.stall_timeout_ms=400",
        "transcribe.stall_speech_ms=200",
        "transcribe.drain_timeout_ms=1500",
        "transcribe.starts_per_second=0",
        "live.reopen_first_ms=20",
    ];
    let summary = lab.drive(&call, &more).await.summary().await;
    lab.judge(&call.key, &call.truth);
    for cause in [RecogniserCause::EndedEarly, RecogniserCause::Connection] {
        assert!(summary.recogniser.failures.contains_key(&cause), "{:?}", summary.recogniser);
    }
}

#[tokio::test]
async fn frozen_peer_is_left_and_no_word_with_it() {
    let mut lab = Lab::new().await;
    let call = lab.begin(&Talk::both());
    let more =
        ["transcribe.ping_interval_ms=200", "transcribe.ping_timeout_ms=300", "live.reopen_first_ms=50"];
    let mut driven = lab.drive(&call, &[&more[..], &["transcribe.open_timeout_ms=500"]].concat()).await;
    driven.shows("a first message", |s| s.delivered >= 1).await;
    lab.transcribe.server().freeze().await;
    lab.wait(call.at(4_000)).await;
    lab.transcribe.server().serve().await;
    let summary = driven.summary().await;
    lab.judge(&call.key, &call.truth);
    assert!(summary.recogniser.replayed_ms > 0, "{:?}", summary.recogniser);
}

#[tokio::test]
async fn the_quota_of_sessions_is_shared_and_waited_for() {
    let lab = Lab::with(|b| b.transcribe.max_sessions = 2).await;
    let calls: Vec<_> = (0..5).map(|_| lab.past(&Talk::both())).collect();
    let services = lab.services(&fast(&["transcribe.max_sessions=5"]), None).await;
    let mut driven = Vec::new();
    for call in &calls {
        driven.push(lab.drive_with(&services, call).await);
    }
    for driven in driven {
        driven.summary().await;
    }
    for call in &calls {
        lab.judge(&call.key, &call.truth);
    }
    assert!(!lab.transcribe.state().refused().is_empty(), "the quota was never met");
}
