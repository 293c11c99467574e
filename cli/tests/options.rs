//! Whose call, under which key, from when, and who speaks: the options that decide what is in a message.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail loudly"
)]

mod common;

use common::calls::{self, CONTACT, START_MS};
use common::{Done, bare, file, fixture, tempdir, transcribe};
use fixtures::kinesis::FOREIGN_CONTACT_ID;
use serde_json::Value;

/// A run on the agent's sentence alone, as messages.
fn agent(options: &[&str]) -> Vec<Value> {
    let dir = tempdir().unwrap();
    let path = file(&dir, "agent.mkv", calls::agent_alone().bytes);
    let messages =
        transcribe([path]).args(["--format", "jsonl"]).args(options).done().succeeds().json_lines();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(messages[0]["content"].as_str().unwrap().to_lowercase().contains("security"), "{messages:?}");
    messages
}

#[test]
fn the_first_contact_is_taken_and_the_others_are_named() {
    let dir = tempdir().unwrap();
    let mut stream = calls::foreign_call();
    stream.append(calls::agent_alone());
    let path = file(&dir, "reused.mkv", stream.bytes);
    let first = transcribe([&path]).done().succeeds_saying(&[
        "several contacts",
        FOREIGN_CONTACT_ID,
        CONTACT,
        "--contact-id",
    ]);
    assert!(first.text().contains("customer") && !first.text().contains("agent"), "{}", first.text());

    let other = transcribe([&path]).args(["--contact-id", CONTACT]).done().succeeds();
    assert_eq!(other.stderr, "", "who has chosen needs no list");
    assert!(other.text().contains("agent") && !other.text().contains("customer"), "{}", other.text());
    assert!(other.text().starts_with("00:00."), "its own start counts: {}", other.text());
}

#[test]
fn messages_go_under_the_contact_or_the_vendor_call_key() {
    assert_eq!(agent(&[])[0]["participantId"], format!("{CONTACT}VIRTUAL_AGENT"));
    let keyed = agent(&["--vendor-call-key", "the-first-contact"]);
    assert_eq!(keyed[0]["participantId"], "the-first-contactVIRTUAL_AGENT");
    assert_eq!(keyed[0]["senderType"], "VIRTUAL_AGENT");
}

#[test]
fn the_agents_words_go_out_as_whoever_he_is() {
    let human = agent(&["--agent-user-id", "005000000000001AAA"]);
    assert_eq!(human[0]["senderType"], "HUMAN_AGENT");
    assert_eq!(human[0]["participantId"], "005000000000001AAA");
    let supervisor = agent(&["--agent-sender", "SUPERVISOR"]);
    assert_eq!(supervisor[0]["senderType"], "SUPERVISOR");
    assert_eq!(supervisor[0]["participantId"], format!("{CONTACT}SUPERVISOR"));
    let external = agent(&["--agent-sender", "EXTERNAL_USER", "--external-user-id", "expert-7"]);
    assert_eq!(external[0]["senderType"], "EXTERNAL_USER");
    assert_eq!(external[0]["participantId"], "expert-7");
}

#[test]
fn senders_that_contradict_each_other_are_wrong_usage() {
    let call = fixture("kinesis/plain.mkv");
    let wrong = |options: &[&str], words: &[&str]| {
        let done = bare([&call]).args(options).done();
        assert_eq!(done.code, Some(2), "{options:?}: {}", done.stderr);
        assert!(done.stdout.is_empty());
        for word in words {
            assert!(done.stderr.contains(word), "{word:?} is not in {:?}", done.stderr);
        }
    };
    wrong(&["--agent-user-id", "006000000000001"], &["005"]);
    wrong(&["--external-user-id", "x"], &["--agent-sender EXTERNAL_USER"]);
    wrong(&["--agent-sender", "EXTERNAL_USER"], &["--external-user-id"]);
    wrong(&["--agent-sender", "HUMAN"], &["VIRTUAL_AGENT", "SUPERVISOR", "EXTERNAL_USER"]);
    wrong(&["--agent-user-id", "005000000000001", "--agent-sender", "SUPERVISOR"], &["cannot be used with"]);
    wrong(&["--from-customer-only", "--to-customer-only"], &["cannot be used with"]);
    wrong(&["--vocabulary-filter-method", "tag"], &["--vocabulary-filter"]);
    wrong(&["--start-time", "noon"], &["RFC 3339", "1571360125131"]);
    wrong(&["--bogus"], &["--bogus", "--help"]);
}

#[test]
fn without_arguments_the_help_is_shown() {
    let done = bare([""; 0]).done();
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("Usage:"), "{}", done.stderr);
    let help = bare(["--help"]).done().succeeds();
    assert!(help.text().contains("--vendor-call-key") && help.stderr.is_empty());
    assert!(bare(["--version"]).done().succeeds().text().starts_with("transcribe "));
}

#[test]
fn one_party_alone_can_be_asked_for() {
    let dir = tempdir().unwrap();
    let call = calls::short_call_in(&dir);
    let senders = |option: &str| -> Vec<Value> {
        let done = transcribe([&call]).args(["--format", "jsonl", option]).done().succeeds();
        done.json_lines().into_iter().map(|m| m["senderType"].clone()).collect()
    };
    assert_eq!(senders("--from-customer-only"), ["END_USER"]);
    assert_eq!(senders("--to-customer-only"), ["VIRTUAL_AGENT"]);
}

#[test]
fn one_party_alone_writes_one_wav_file() {
    let dir = tempdir().unwrap();
    let run = |option: &str, name: &str| {
        let to = dir.path().join("deep").join(name);
        transcribe([fixture("kinesis/plain.mkv")]).arg(option).arg("--wav").arg(&to).done().succeeds();
        common::names_in(&to)
    };
    assert_eq!(run("--from-customer-only", "a"), ["customer.wav"]);
    assert_eq!(run("--to-customer-only", "b"), ["agent.wav"]);
}

/// Who says what in a stereo file with the agent's sentence left and the customer's right.
fn stereo(options: &[&str]) -> Done {
    let dir = tempdir().unwrap();
    let call = calls::spoken();
    let path = file(&dir, "call-17.wav", calls::wav(&[&call.agent, &call.customer]));
    transcribe([path]).args(["--format", "jsonl"]).args(options).done().succeeds()
}

#[test]
fn a_stereo_file_has_the_agent_right_unless_told_otherwise() {
    let sender_of = |done: &Done, word: &str| {
        let found = done
            .json_lines()
            .into_iter()
            .find(|m| m["content"].as_str().unwrap().to_lowercase().contains(word));
        found.unwrap_or_else(|| panic!("{word} is not in {}", done.text()))["senderType"].clone()
    };
    let usual = stereo(&[]);
    assert_eq!(sender_of(&usual, "security"), "END_USER");
    let switched = stereo(&["--agent-channel", "left", "--start-time", "1571360125131"]);
    assert_eq!(sender_of(&switched, "security"), "VIRTUAL_AGENT");
    // The file's name serves as the contact where nothing else does, and 1970 as its time.
    assert_eq!(usual.json_lines()[0]["participantId"], "call-17END_USER");
    let first = |done: &Done| done.json_lines()[0]["startTime"].as_i64().unwrap();
    assert!((100..900).contains(&first(&usual)), "{}", first(&usual));
    assert_eq!(first(&switched) - first(&usual), START_MS);
}

#[test]
fn both_spellings_of_a_time_mean_the_same() {
    let dir = tempdir().unwrap();
    let path = file(&dir, "agent.wav", calls::wav(&[&calls::voice("p03")]));
    let at =
        |time: &str| transcribe([&path]).args(["--format", "jsonl", "--start-time", time]).done().succeeds();
    let (number, text) = (at("1571360125131"), at("2019-10-18T02:55:25.131+02:00"));
    assert_eq!(number.stdout, text.stdout);
    let start = number.json_lines()[0]["startTime"].as_i64().unwrap();
    assert!((START_MS..START_MS + 1000).contains(&start), "{start}");
}

#[test]
fn a_given_start_time_moves_a_stream_that_has_its_own() {
    let moved = agent(&["--start-time", "1700000000000"]);
    let usual = agent(&[]);
    let start = |m: &[Value]| m[0]["startTime"].as_i64().unwrap();
    assert_eq!(start(&moved) - 1_700_000_000_000, start(&usual) - START_MS);
}

#[test]
fn a_hold_of_somebody_else_counts_as_the_options_say() {
    let dir = tempdir().unwrap();
    let path = file(&dir, "agent.mkv", calls::agent_alone().bytes);
    let event = |kind: &str, who: &str| {
        format!(
            "{{\"type\":\"{kind}\",\"at\":{START_MS},\"detail\":{{\"callId\":\"{CONTACT}\",\"participant\":\"{who}\"}}}}\n"
        )
    };
    // The customer is +1…100; somebody else is on hold all the time.
    let events = event("callconnected", "+14155550100") + &event("hold", "+14155550199");
    let events = file(&dir, "events.jsonl", events);
    let run = |gate: &str| {
        let run = transcribe([&path]).arg("--events").arg(&events).args(["--hold-gate", gate]);
        run.done().succeeds()
    };
    let any = run("any");
    assert!(!any.text().contains("agent ") && any.text().contains("on hold"), "{}", any.text());
    assert!(any.stderr.contains("never opened again"), "{}", any.stderr);
    let customer = run("customer");
    assert!(
        customer.text().contains("agent ") && !customer.text().contains("on hold"),
        "{}",
        customer.text()
    );
}
