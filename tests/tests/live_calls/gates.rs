//! Hold and pause in a call that happens now: what is closed never leaves the process.

use engine::call::{EventKind, TelephonyEvent};
use engine::time::Time;
use fixtures::Party;
use fixtures::manifest::Utterance;
use fixtures::tone::{Decoder, Script};
use tests::emulators::transcribe::Record;
use tests::live::{Begun, Lab, Talk};

fn event(kind: EventKind, at: Time) -> TelephonyEvent {
    TelephonyEvent::new(kind, Some(at)).participant("+14155550100")
}

/// What is expected of these lines.
fn said(call: &Begun, lines: &[(Party, u64, &str)]) -> Vec<Utterance> {
    let script = lines.iter().fold(Script::new(), |s, (party, ms, words)| s.say(*party, *ms, words));
    script.truth(call.start.ms())
}

/// Milliseconds, from the start of the call, of every sample that is not silence; where the session began is
/// known by the customer's first word.
fn sounding(record: &Record, call: &Begun) -> Vec<i64> {
    let channels = record.request.channels;
    let customer: Vec<i16> = record.samples.iter().step_by(channels).copied().collect();
    let first = Decoder::new(8000).feed(&customer).first().expect("a word").start;
    let truth = call.truth.iter().find(|u| u.party == Party::Customer).unwrap();
    let offset_ms = truth.start_ms - call.start.ms() - i64::try_from(first / 8).unwrap();
    let frames = record.samples.chunks(channels).enumerate();
    let loud = frames.filter(|(_, frame)| frame.iter().any(|s| *s != 0));
    loud.map(|(n, _)| offset_ms + i64::try_from(n / 8).unwrap()).collect()
}

/// Both parties talk without a break; the gate is closed by `close` at 2,180 ms, between two words of both and
/// a second before that audio can be read, and open again at 6,700 ms.
async fn closed(close: EventKind, open: EventKind) {
    let lab = Lab::new().await;
    let digits = "one two three four five six seven eight nine zero one two three four five six seven";
    let talk = Talk::new()
        .say(Party::Customer, 300, "hello")
        .say(Party::Agent, 1_430, &format!("please wait card {digits}"))
        .say(Party::Customer, 2_220, digits)
        .say(Party::Customer, 7_700, "thanks");
    let call = lab.begin(&talk);
    let driven = lab.drive(&call, &[]).await;
    // 1,430 + 3 words of 260 ms = 2,210: the event lies in the pause before.
    lab.wait(call.at(2_190)).await;
    lab.salesforce.state().pause(&call.key, true);
    driven.event(event(close, call.at(2_180))).await;
    // Until the last word of both is over.
    lab.wait(call.at(6_700)).await;
    lab.salesforce.state().pause(&call.key, false);
    driven.event(event(open, call.at(6_700))).await;
    let summary = driven.summary().await;
    let heard = [
        (Party::Customer, 300, "hello"),
        (Party::Agent, 1_430, "please wait card"),
        (Party::Customer, 7_700, "thanks"),
    ];
    lab.judge(&call.key, &said(&call, &heard));
    let state = lab.transcribe.state();
    let records = state.records();
    assert_eq!(records.len(), 1);
    let escaped = sounding(records[0], &call).into_iter().filter(|ms| (2_180..6_700).contains(ms)).count();
    assert_eq!(escaped, 0, "P2: no sample of the closed interval left the process");
    assert_eq!((summary.gate.exposed_ms, summary.gate.exposed_words), (0, 0));
    assert!(summary.gate.closed_ms > 4_000);
}

#[tokio::test]
async fn hold_inside_an_utterance_lets_no_sample_out() {
    closed(EventKind::Hold, EventKind::Resume).await;
}

#[tokio::test]
async fn pause_inside_an_utterance_lets_no_sample_out() {
    closed(EventKind::PauseRecording, EventKind::ResumeRecording).await;
}

#[tokio::test]
async fn caller_hangs_up_on_hold_and_what_was_said_before_arrives() {
    let lab = Lab::new().await;
    let talk = Talk::new().say(Party::Customer, 300, "hello").say(Party::Customer, 2_000, "four one two");
    let call = lab.begin(&talk);
    let driven = lab.drive(&call, &[]).await;
    lab.wait(call.at(1_000)).await;
    driven.event(event(EventKind::Hold, call.at(1_000))).await;
    let summary = driven.summary().await;
    lab.judge(&call.key, &said(&call, &[(Party::Customer, 300, "hello")]));
    assert!(summary.gate.closed_at_end);
}
