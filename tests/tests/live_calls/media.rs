//! The stream is not what it should be.

use bytes::Bytes;
use engine::call::{EndReason, MediaCause};
use engine::time::Span;
use fixtures::kinesis::Shape;
use tests::emulators::kinesis::{Exception, Fault};
use tests::live::{Lab, Talk};

use crate::{FAST, fast};

fn failed(end: &EndReason) -> &str {
    match end {
        EndReason::MediaFailed(why) => why,
        other => panic!("ended by {other:?}"),
    }
}

#[tokio::test]
async fn eof_at_once_reset_mid_block_garbage_bytes_and_silence_cost_no_word() {
    // All tries come within a second or two, which the service would not allow.
    let lab = Lab::with(|b| b.kinesis.max_calls_per_s = 100).await;
    let call = lab.past(&Talk::both());
    let noise: Vec<u8> = (0..5000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 | 1).collect();
    for fault in [
        Fault::Eof { after: 0 },
        Fault::Refuse(Exception::CLIENT_LIMIT),
        Fault::Reset { after: 1 },
        Fault::Garbage { after: 1, bytes: Bytes::from(noise) },
        Fault::Error { after: 1, id: 5000 },
        Fault::Stall { after: 1 },
    ] {
        // Garbage does not end a connection.
        let end = matches!(fault, Fault::Garbage { .. }).then_some(Fault::Eof { after: 2 });
        lab.kinesis.state().script([Some(fault), end].into_iter().flatten().collect());
    }
    let summary = lab.drive(&call, &fast(&["live.stall_timeout_ms=500"])).await.summary().await;
    lab.judge(&call.key, &call.truth);
    let lost = &summary.media.reconnects;
    for cause in [
        MediaCause::EndOfStream,
        MediaCause::Limit,
        MediaCause::Connection,
        MediaCause::InBand,
        MediaCause::Stalled,
    ] {
        assert!(lost.contains_key(&cause), "{cause:?}: {lost:?}");
    }
    assert!(summary.media.damages > 0, "{:?}", summary.media);
}

#[tokio::test]
async fn stream_missing() {
    let lab = Lab::new().await;
    let mut call = lab.past(&Talk::both());
    call.stream = call.stream.replace("call-", "none-");
    let summary = lab.drive(&call, &FAST).await.summary().await;
    let why = failed(&summary.end);
    assert!(why.contains("ResourceNotFoundException") && why.contains("none-"), "{why}");
    lab.judge(&call.key, &[]);
}

#[tokio::test]
async fn expired_clock() {
    let lab = Lab::with(|b| b.skew = Span::from_s(3600)).await;
    let call = lab.past(&Talk::both());
    let summary = lab.drive(&call, &FAST).await.summary().await;
    let why = failed(&summary.end);
    assert!(why.contains("clock"), "{why}");
}

#[tokio::test]
async fn stream_of_another_contact_only() {
    let lab = Lab::new().await;
    let stranger = lab.past(&Talk::both());
    let ours = lab.announce(&Talk::new(), stranger.start, "unused");
    let call = tests::live::Begun { contact: ours.contact, key: ours.key, ..stranger.clone() };
    let summary = lab.drive(&call, &fast(&["live.idle_end_s=1"])).await.summary().await;
    assert_eq!(summary.end, EndReason::Idle);
    lab.judge(&call.key, &[]);
    lab.judge(&stranger.key, &[]);
    assert!(summary.media.foreign_fragments > 0);
    assert!(lab.transcribe.state().records().is_empty(), "P1: nothing of it left the process");
}

#[tokio::test]
async fn an_ingest_gap_moves_no_word() {
    let lab = Lab::new().await;
    // Four fragments never came, and what came behind them came late.
    let dropped = (1..4).collect();
    let talk = Talk { shape: Shape { dropped, ..Shape::default() }, ..Talk::new() };
    let talk =
        talk.say(fixtures::Party::Customer, 200, "hello").say(fixtures::Party::Agent, 4_700, "goodbye");
    let call = lab.begin(&talk);
    lab.kinesis.state().outage(&call.stream, call.at(2_000), call.at(6_500));
    let summary = lab.drive(&call, &["live.stall_timeout_ms=2000"]).await.summary().await;
    lab.judge(&call.key, &call.truth);
    assert!(summary.audio.gap_ms.customer > 3_000, "{:?}", summary.audio);
    assert!(summary.media.reconnects.contains_key(&MediaCause::Stalled));
}

#[tokio::test]
async fn nothing_stored_yet_is_looked_for_elsewhere() {
    let lab = Lab::new().await;
    // The call is announced before its first fragment can be read.
    let start = lab.now() + Span::from_ms(400);
    let call = lab.begin_at(&Talk::both(), engine::time::Time::from_ms(start.ms()), "early");
    let summary = lab.drive(&call, &["live.reconnect_first_ms=50"]).await.summary().await;
    lab.judge(&call.key, &call.truth);
    assert!(summary.media.selectors["EARLIEST"] > 0, "{:?}", summary.media);
}
