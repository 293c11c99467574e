//! Processes that die, wait, take over and hand over: what Salesforce has in the end is what was said.

use std::net::SocketAddr;

use fixtures::Party;
use fixtures::tone::Decoder;
use serde_json::{Value, json};
use tests::live::{Begun, Lab, Program, Talk, request, until};

use crate::worker::Worker;
use crate::{settings, transcribe};

/// Leases that are over soon.
const SOON: [&str; 3] = ["store.lease_ttl_s=2", "store.renew_every_s=1", "store.event_poll_ms=100"];

/// A call long enough to die in, with speech across every moment of it.
fn talk() -> Talk {
    Talk::new()
        .say(Party::Customer, 300, "hello")
        .say(Party::Agent, 1_200, "morning shoes")
        .say(Party::Customer, 2_400, "broken parcel refund")
        .say(Party::Agent, 4_600, "please wait")
        .say(Party::Customer, 6_200, "four one two")
        .say(Party::Agent, 8_000, "five six seven eight")
        .say(Party::Customer, 10_500, "thanks goodbye")
}

async fn start(lab: &Lab, call: &Begun) -> Program {
    transcribe(&["call", "-"], &settings(lab, &SOON), &call.trigger().to_string()).await
}

/// Waits until Salesforce has so many messages of a call.
async fn delivered(lab: &Lab, call: &Begun, count: usize) {
    until("some messages", || lab.salesforce.state().transcript(&call.key).len() >= count).await;
}

/// The words that left for the recogniser, in any session.
fn heard(lab: &Lab) -> Vec<&'static str> {
    let state = lab.transcribe.state();
    let mut words = Vec::new();
    for record in state.records() {
        for channel in 0..2 {
            let samples: Vec<i16> = record.samples.iter().skip(channel).step_by(2).copied().collect();
            words.extend(Decoder::new(8000).feed(&samples).into_iter().map(|heard| heard.word));
        }
    }
    words
}

#[tokio::test]
async fn a_call_whose_process_is_killed_and_started_again_has_the_exact_transcript() {
    let lab = Lab::new().await;
    let call = lab.begin(&talk());
    for messages in [1, 3] {
        let program = start(&lab, &call).await;
        delivered(&lab, &call, messages).await;
        program.kill().await;
    }
    let ended = start(&lab, &call).await.ended().await.with(0);
    assert!(ended.stderr.contains("resumed    2 times"), "{}", ended.stderr);
    lab.judge(&call.key, &call.truth);
    // Once more: it is over.
    let again = start(&lab, &call).await.ended().await.with(0);
    assert!(again.stderr.contains("is over already"), "{}", again.stderr);
    lab.judge(&call.key, &call.truth);
}

#[tokio::test]
async fn of_two_processes_for_one_call_one_works_and_the_other_takes_over_when_the_first_is_killed() {
    let lab = Lab::new().await;
    let call = lab.begin(&talk());
    let first = start(&lab, &call).await;
    delivered(&lab, &call, 1).await;
    let mut second = start(&lab, &call).await;
    second.says("another process has the call").await;
    delivered(&lab, &call, 3).await;
    assert_eq!(lab.transcribe.state().records().len(), 1, "one of them works");
    first.kill().await;
    let killed = lab.now();
    second.says("the call goes on where another worker left it").await;
    let waited = (lab.now() - killed).ms();
    assert!(waited < 4_000, "{waited} ms for a lease of 2 s");
    let ended = second.ended().await.with(0);
    assert_eq!(ended.stderr.matches("this one waits").count(), 1, "it says so once: {}", ended.stderr);
    lab.judge(&call.key, &call.truth);
}

#[tokio::test]
async fn workers_that_share_a_table_go_on_with_each_others_calls() {
    let lab = Lab::new().await;
    let Some((url, table)) = tests::dynamodb::table().await else { return };
    let kept = [
        "store.kind=dynamodb".to_owned(),
        format!("store.table={table}"),
        format!("aws.dynamodb_endpoint_url={url}"),
        format!("store.key={}", "5e".repeat(32)),
    ];
    let options: Vec<&str> = SOON.into_iter().chain(kept.iter().map(String::as_str)).collect();
    let call = lab.begin(&talk());
    let first = Worker::start(&lab, &options).await;
    assert_eq!(first.begin(&call).await.body["result"], "started");
    delivered(&lab, &call, 1).await;
    let second = Worker::start(&lab, &options).await;
    assert_eq!(second.begin(&call).await.body["result"], "heldElsewhere");
    delivered(&lab, &call, 2).await;
    first.program.kill().await;
    second.ended(&call).await;
    lab.judge(&call.key, &call.truth);
    assert_eq!(second.begin(&call).await.body["result"], "finished");
}

#[tokio::test]
async fn a_process_that_slept_past_its_lease_posts_nothing_and_waits() {
    let lab = Lab::new().await;
    let call = lab.begin(&talk());
    let mut first = start(&lab, &call).await;
    delivered(&lab, &call, 1).await;
    let mut second = start(&lab, &call).await;
    second.says("another process has the call").await;
    first.signal("STOP").await;
    second.says("the call goes on where another worker left it").await;
    delivered(&lab, &call, 3).await;
    first.signal("CONT").await;
    first.says("this one waits in case it dies").await;
    let ended = second.ended().await.with(0);
    assert!(ended.stderr.contains("resumed    1 time"), "{}", ended.stderr);
    let woken = first.ended().await.with(0);
    assert!(woken.stderr.contains("is over already"), "{}", woken.stderr);
    lab.judge(&call.key, &call.truth);
}

#[tokio::test]
async fn sigterm_where_another_process_has_taken_the_call_is_no_failure_and_that_one_posts_what_waits() {
    let mut lab = Lab::new().await;
    let call = lab.begin(&talk());
    let first = start(&lab, &call).await;
    delivered(&lab, &call, 1).await;
    let mut second = start(&lab, &call).await;
    second.says("another process has the call").await;
    // Messages wait in both from here on.
    lab.salesforce.server().refuse().await;
    lab.wait(call.at(6_000)).await;
    first.signal("STOP").await;
    second.says("the call goes on where another worker left it").await;
    first.terminate().await;
    first.signal("CONT").await;
    let ended = first.ended().await.with(0);
    assert!(!ended.stderr.contains("could not be delivered"), "{}", ended.stderr);
}

#[tokio::test]
async fn sigterm_while_the_store_is_out_of_reach_says_that_the_call_was_not_taken() {
    let lab = Lab::new().await;
    let call = lab.begin(&talk());
    let calls = lab.path("store/calls");
    std::fs::create_dir_all(&calls).unwrap();
    std::fs::write(calls.join(&call.contact), "no folder").unwrap();
    let mut program = start(&lab, &call).await;
    program.says("it is tried again and again").await;
    program.terminate().await;
    let ended = program.ended().await.with(1);
    assert!(ended.stderr.contains("the call was not taken"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("runs in another process"), "{}", ended.stderr);
}

#[tokio::test]
async fn sigterm_hands_a_call_over_and_no_word_is_cut_or_lost() {
    let lab = Lab::new().await;
    let call = lab.begin(&talk());
    let first = start(&lab, &call).await;
    delivered(&lab, &call, 2).await;
    // In the middle of a word.
    lab.wait(call.at(4_900)).await;
    first.terminate().await;
    let ended = first.ended().await.with(0);
    assert!(ended.stderr.contains("is not over"), "{}", ended.stderr);
    assert!(lab.now() < call.at(9_000), "it does not wait for the end of the call");
    let ended = start(&lab, &call).await.ended().await.with(0);
    assert!(ended.stderr.contains("resumed    1 time"), "{}", ended.stderr);
    lab.judge(&call.key, &call.truth);
}

#[tokio::test]
async fn a_gate_event_that_a_worker_took_before_it_died_is_honoured_by_the_next() {
    let lab = Lab::new().await;
    let talk = Talk::new()
        .say(Party::Customer, 300, "hello")
        .say(Party::Customer, 4_000, "four one two")
        .say(Party::Agent, 6_500, "five six seven eight")
        .say(Party::Agent, 11_000, "goodbye");
    let call = lab.begin(&talk);
    let first = Worker::start(&lab, &SOON).await;
    first.begin(&call).await;
    delivered(&lab, &call, 1).await;
    assert_eq!(first.event(&call, &call.event("hold")).await, 202);
    assert!(lab.now() < call.at(3_900), "too slow a machine for this test");
    first.program.kill().await;
    let second = Worker::start(&lab, &SOON).await;
    second.shows(&call, "a closed gate", |s| s["gateClosed"] == true).await;
    lab.wait(call.at(9_500)).await;
    assert_eq!(second.event(&call, &call.event("resume")).await, 202);
    second.ended(&call).await;
    let open = call.truth.iter().filter(|u| ["hello", "goodbye"].contains(&u.text.as_str()));
    let open: Vec<_> = open.cloned().collect();
    lab.judge(&call.key, &open);
    for word in heard(&lab) {
        assert!(["hello", "goodbye"].contains(&word), "P2: {word:?} left the process");
    }
}

/// Starts a call that takes events over HTTP; where.
async fn start_listening(lab: &Lab, call: &Begun) -> (Program, SocketAddr) {
    let arguments = ["call", "-", "--listen", "127.0.0.1:0"];
    let mut program = transcribe(&arguments, &settings(lab, &SOON), &call.trigger().to_string()).await;
    let line: Value = serde_json::from_str(&program.says("listening").await).unwrap();
    let address = line["fields"]["address"].as_str().unwrap().parse().unwrap();
    (program, address)
}

#[tokio::test]
async fn one_call_that_listens_remembers_what_it_was_told_before_it_was_killed() {
    let lab = Lab::new().await;
    let talk = Talk::new()
        .say(Party::Customer, 300, "hello")
        .say(Party::Agent, 5_000, "five six seven eight")
        .say(Party::Agent, 10_000, "goodbye");
    let call = lab.begin(&talk);
    let path = format!("/v1/calls/{}/events", call.contact);
    let (first, address) = start_listening(&lab, &call).await;
    delivered(&lab, &call, 1).await;
    let pause = request(address, "POST", &path, None, Some(&call.event("PAUSE_RECORDING"))).await;
    assert_eq!((pause.status, &pause.body["result"]), (202, &json!("taken")));
    first.kill().await;
    let (second, address) = start_listening(&lab, &call).await;
    lab.wait(call.at(8_000)).await;
    let resume = request(address, "POST", &path, None, Some(&call.event("RESUME_RECORDING"))).await;
    assert_eq!(resume.status, 202);
    let _ = second.ended().await.with(0);
    assert!(!heard(&lab).contains(&"six"), "P2");
    let open: Vec<_> = call.truth.iter().filter(|u| !u.text.contains("six")).cloned().collect();
    lab.judge(&call.key, &open);
}

#[tokio::test]
async fn a_worker_that_is_killed_finds_its_calls_when_it_starts_again() {
    let lab = Lab::new().await;
    let calls = [lab.begin(&talk()), lab.begin(&talk())];
    let worker = Worker::start(&lab, &SOON).await;
    for call in &calls {
        assert_eq!(worker.begin(call).await.status, 202);
    }
    for call in &calls {
        delivered(&lab, call, 2).await;
    }
    worker.program.kill().await;
    let worker = Worker::start(&lab, &SOON).await;
    for call in &calls {
        worker.ended(call).await;
        lab.judge(&call.key, &call.truth);
        // It is over, and nobody begins it again.
        let again = worker.begin(call).await;
        assert_eq!((again.status, &again.body["result"]), (200, &json!("finished")));
    }
    let metrics = worker.ask("GET", "/metrics", None).await.text;
    assert!(metrics.contains("kvscribe_calls_resumed_total 2"), "{metrics}");
}

#[tokio::test]
async fn a_rolling_deployment_ends_no_call_and_changes_no_transcript() {
    let lab = Lab::new().await;
    let call = lab.begin(&talk());
    let old = Worker::start(&lab, &SOON).await;
    assert_eq!(old.begin(&call).await.status, 202);
    delivered(&lab, &call, 2).await;
    let new = Worker::start(&lab, &SOON).await;
    old.program.terminate().await;
    let ended = old.program.ended().await.with(0);
    assert!(!ended.stderr.contains("were not delivered"), "{}", ended.stderr);
    let shown = new.shows(&call, "the call", |s| s["state"] == "running").await;
    assert_eq!(shown["contactId"], call.contact.as_str());
    new.ended(&call).await;
    lab.judge(&call.key, &call.truth);
}

#[tokio::test]
async fn what_another_worker_is_told_of_a_call_reaches_the_one_that_runs_it() {
    let lab = Lab::new().await;
    let talk = Talk::new()
        .say(Party::Customer, 300, "hello")
        .say(Party::Agent, 5_000, "five six seven eight")
        .say(Party::Agent, 9_000, "goodbye");
    let call = lab.begin(&talk);
    let (runs, other) = (Worker::start(&lab, &SOON).await, Worker::start(&lab, &SOON).await);
    assert_eq!(runs.begin(&call).await.body["result"], "started");
    delivered(&lab, &call, 1).await;
    let again = other.begin(&call).await;
    assert_eq!((again.status, &again.body["result"]), (202, &json!("heldElsewhere")));
    assert_eq!(other.event(&call, &call.event("PAUSE_RECORDING")).await, 202);
    runs.shows(&call, "a closed gate", |s| s["gateClosed"] == true).await;
    lab.wait(call.at(7_500)).await;
    assert_eq!(other.event(&call, &call.event("RESUME_RECORDING")).await, 202);
    let ended = runs.ended(&call).await;
    assert_eq!(ended["segments"], 1, "the same trigger at another worker is no further stream");
    assert!(!heard(&lab).contains(&"six"), "P2");
    let open: Vec<_> = call.truth.iter().filter(|u| !u.text.contains("six")).cloned().collect();
    lab.judge(&call.key, &open);
    assert_eq!(lab.transcribe.state().records().len(), 1, "one of them works");
}

#[tokio::test]
async fn events_sent_to_the_key_of_a_transferred_call_close_its_gate_at_once_elsewhere_and_in_its_next_life()
{
    let lab = Lab::new().await;
    let first_leg = "0f000000-2222-4333-8444-555555555555";
    lab.salesforce.state().open(first_leg, lab.now());
    let talk = Talk::new()
        .leg_of(first_leg)
        .say(Party::Customer, 300, "hello")
        .say(Party::Agent, 5_000, "five six seven eight")
        .say(Party::Agent, 12_500, "goodbye");
    let call = lab.begin(&talk);
    let (runs, other) = (Worker::start(&lab, &SOON).await, Worker::start(&lab, &SOON).await);
    assert_eq!(runs.begin(&call).await.body["result"], "started");
    delivered(&lab, &call, 1).await;
    let path = format!("/v1/calls/{first_leg}/events");
    let event = |kind: &str| json!({"type": kind, "detail": {"callId": first_leg}});
    // Where the call runs, and where it does not.
    let taken = runs.ask("POST", &path, Some(&event("PAUSE_RECORDING"))).await;
    assert_eq!((taken.status, &taken.body["result"]), (202, &json!("taken")));
    runs.shows(&call, "a closed gate", |s| s["gateClosed"] == true).await;
    other.ask("POST", &path, Some(&event("RESUME_RECORDING"))).await;
    runs.shows(&call, "an open gate", |s| s["gateClosed"] == false).await;
    let kept = other.ask("POST", &path, Some(&event("PAUSE_RECORDING"))).await;
    assert_eq!((kept.status, &kept.body["result"]), (202, &json!("kept")));
    runs.shows(&call, "a gate that is closed again", |s| s["gateClosed"] == true).await;
    assert!(lab.now() < call.at(4_800), "too slow a machine for this test");
    runs.program.kill().await;
    other.shows(&call, "a gate that is closed still", |s| s["gateClosed"] == true).await;
    lab.wait(call.at(8_500)).await;
    other.ask("POST", &path, Some(&event("RESUME_RECORDING"))).await;
    other.ended(&call).await;
    assert!(!heard(&lab).contains(&"six"), "P2");
    let open: Vec<_> = call.truth.iter().filter(|u| !u.text.contains("six")).cloned().collect();
    lab.judge(&call.key, &open);
}

#[tokio::test]
async fn an_event_that_cannot_be_stored_is_not_acknowledged() {
    let lab = Lab::new().await;
    let worker = Worker::start(&lab, &SOON).await;
    let call = lab.announce(&talk(), lab.now(), "empty");
    let (calls, away) = (lab.path("store/calls"), lab.path("store/away"));
    std::fs::rename(&calls, &away).unwrap();
    std::fs::write(&calls, "no folder").unwrap();
    let path = format!("/v1/calls/{}/events", call.contact);
    let hold = call.event("hold");
    let answer = worker.ask("POST", &path, Some(&hold)).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(answer.text.contains("send it again"), "{}", answer.text);
    std::fs::remove_file(&calls).unwrap();
    std::fs::rename(&away, &calls).unwrap();
    let answer = worker.ask("POST", &path, Some(&hold)).await;
    assert_eq!((answer.status, &answer.body["result"]), (202, &json!("kept")));
}

#[tokio::test]
async fn while_the_store_fails_messages_wait_and_then_all_are_posted() {
    let lab = Lab::new().await;
    let call = lab.begin(&talk());
    let long = ["store.lease_ttl_s=60"];
    let (set, payload) = (settings(&lab, &long), call.trigger().to_string());
    let mut program = transcribe(&["call", "-"], &set, &payload).await;
    delivered(&lab, &call, 1).await;
    let (folder, away) = (lab.path("store/calls").join(&call.contact), lab.path("away"));
    std::fs::rename(&folder, &away).unwrap();
    std::fs::write(&folder, "no folder").unwrap();
    program.says("the call cannot be stored").await;
    let before = lab.salesforce.state().arrivals().len();
    lab.wait(call.at(9_000)).await;
    assert!(lab.salesforce.state().arrivals().len() <= before + 2, "what is not stored is not posted");
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    let ended = program.ended().await.with(0);
    let said = |text: &str| ended.stderr.matches(text).count();
    assert_eq!((said("the call cannot be stored"), said("stored again")), (1, 1), "{}", ended.stderr);
    lab.judge(&call.key, &call.truth);
}

#[tokio::test]
async fn a_wrong_store_is_told_before_a_call_begins() {
    let lab = Lab::new().await;
    let call = lab.past(&talk());
    let file = lab.write("file", "no folder");
    for (option, said) in [
        (format!("store.directory={}", file.display()), "[store]"),
        ("store.key=short".to_owned(), "openssl rand -hex 32"),
        ("store.renew_every_s=9".to_owned(), "renew_every_s"),
        ("store.kind=attic".to_owned(), "`dynamodb`"),
    ] {
        let set = settings(&lab, &[&option]);
        let ended = transcribe(&["call", "-"], &set, &call.trigger().to_string()).await.ended().await.with(2);
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
        assert!(lab.kinesis.state().selectors().is_empty(), "nobody was asked");
    }
}
