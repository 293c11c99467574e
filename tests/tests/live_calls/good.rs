//! Calls in which nothing goes wrong.

use engine::call::EndReason;
use tests::live::{Lab, Talk};

#[tokio::test]
async fn both_parties_are_heard_even_at_once() {
    let lab = Lab::new().await;
    let call = lab.begin(&Talk::both());
    let summary = lab.drive(&call, &[]).await.summary().await;
    assert_eq!(summary.end, EndReason::StopStreaming);
    lab.judge(&call.key, &call.truth);
    assert_eq!(summary.messages.delivered, call.truth.len() as u64);
    assert!(summary.drops.is_empty(), "{:?}", summary.drops);
    assert!(!summary.key_unresolved);
}
