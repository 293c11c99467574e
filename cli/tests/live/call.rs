//! One call: what starts it, what it says, and the code it ends with.

use fixtures::Party;
use serde_json::{Value, json};
use tests::live::{Begun, CUSTOMER_PHONE, Ended, Lab, Program, SECRET, Talk};

use crate::{FAST, settings, transcribe};

/// Nothing that was said, and no number of a caller, is in what the program wrote.
pub(crate) fn is_discreet(ended: &Ended, call: &Begun) {
    let all = format!("{}{}", ended.stdout, ended.stderr).to_lowercase();
    let number = CUSTOMER_PHONE.trim_start_matches('+');
    assert!(!all.contains(number), "the caller's number: {all}");
    let words = |c: char| !c.is_alphanumeric();
    let written: std::collections::BTreeSet<&str> = all.split(words).collect();
    for word in call.truth.iter().flat_map(|u| u.text.split(' ')) {
        assert!(!written.contains(word), "{word:?} was said: {all}");
    }
}

/// A call with words that no log has another use for.
pub(crate) fn talk() -> Talk {
    Talk::new()
        .say(Party::Customer, 300, "hello")
        .say(Party::Agent, 1_200, "morning shoes")
        .say(Party::Customer, 2_400, "broken parcel refund")
        .say(Party::Agent, 2_700, "goodbye")
}

/// The summary in JSON, and log lines that all name the call.
fn read(ended: &Ended, call: &Begun) -> Value {
    let (summaries, log): (Vec<_>, Vec<_>) =
        ended.json_lines().into_iter().partition(|line| line.get("vendorCallKey").is_some());
    assert!(log.len() >= 3, "{}", ended.stderr);
    for line in &log {
        assert_eq!(line["context"]["contactId"], call.contact, "{line}");
    }
    assert_eq!(summaries.len(), 1, "{}", ended.stderr);
    summaries.into_iter().next().unwrap()
}

#[tokio::test]
async fn the_triggers_payload_from_a_file_becomes_a_transcript_while_the_call_lasts() {
    let lab = Lab::new().await;
    let call = lab.begin(&talk());
    let event = lab.write("event.json", &call.trigger().to_string());
    let arguments = ["call", event.to_str().unwrap(), "--summary", "json"];
    let set = settings(&lab, &["log.level=trace"]);
    let ended = transcribe(&arguments, &set, "").await.ended().await.with(0);
    lab.judge(&call.key, &call.truth);
    let summary = read(&ended, &call);
    assert_eq!(summary["messages"]["delivered"], 4);
    assert_eq!(summary["end"]["reason"], "stop_streaming");
    assert!(ended.stdout.is_empty(), "{}", ended.stdout);
    is_discreet(&ended, &call);
    let first = lab.salesforce.state().arrivals()[0].at;
    assert!(first < call.end, "the first message came after the call");
}

#[tokio::test]
async fn a_payload_from_standard_input_with_a_secret_of_its_own_ends_in_a_readable_summary() {
    let lab = Lab::new().await;
    let call = lab.past(&talk());
    let mut payload = call.trigger();
    payload["secretName"] = json!(SECRET);
    let mut set = lab.settings_without_key();
    set.extend(FAST.map(str::to_owned));
    let ended = transcribe(&["call", "-"], &set, &payload.to_string()).await.ended().await.with(0);
    lab.judge(&call.key, &call.truth);
    let block = ended.stderr.split_once("\ncall ").expect("a block").1;
    for part in [call.contact.as_str(), "streaming was stopped", "4 delivered", "1 connections"] {
        assert!(block.contains(part), "{part}: {block}");
    }
    is_discreet(&ended, &call);
}

#[tokio::test]
async fn the_contact_flows_event_from_the_environment_starts_the_same_call() {
    let lab = Lab::new().await;
    let call = lab.past(&talk());
    let event = call.flow_event().to_string();
    let binary = env!("CARGO_BIN_EXE_transcribe");
    let environment = [("KVSCRIBE_EVENT", event.as_str())];
    let arguments = ["call", "env:KVSCRIBE_EVENT"];
    let program = Program::start(binary, &arguments, &settings(&lab, &FAST), &environment, "").await;
    let ended = program.ended().await.with(0);
    lab.judge(&call.key, &call.truth);
    assert_eq!(lab.aws.state().count("DescribeContact"), 0, "the event said it all");
    is_discreet(&ended, &call);
}

#[tokio::test]
async fn payload_missing_or_odd_is_wrong_usage_and_names_the_key() {
    let lab = Lab::new().await;
    let call = lab.past(&talk());
    let without = |key: &str| {
        let mut payload = call.trigger();
        payload.as_object_mut().unwrap().remove(key);
        payload.to_string()
    };
    let with = |key: &str, value: Value| {
        let mut payload = call.trigger();
        payload[key] = value;
        payload.to_string()
    };
    for (payload, said) in [
        (String::new(), "JSON"),
        ("[]".to_owned(), "JSON"),
        ("{}".to_owned(), "voiceCallId"),
        (without("streamARN"), "streamARN"),
        (without("voiceCallId"), "voiceCallId"),
        (with("audioStartTimestamp", json!("noon")), "audioStartTimestamp"),
        (with("engine", json!("steam")), "engine"),
        (with("vocabularyFilterMethod", json!("burn")), "vocabularyFilterMethod"),
    ] {
        let ended = transcribe(&["call", "-"], &settings(&lab, &[]), &payload).await.ended().await.with(2);
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
    let folder = lab.path("");
    for missing in ["none.json", folder.to_str().unwrap()] {
        let ended = transcribe(&["call", missing], &settings(&lab, &[]), "").await.ended().await.with(2);
        assert!(ended.stderr.contains(missing) && ended.stderr.contains("payload"), "{}", ended.stderr);
    }
    let ended = transcribe(&["call", "env:NOTHING"], &settings(&lab, &[]), "").await.ended().await.with(2);
    assert!(ended.stderr.contains("NOTHING"), "{}", ended.stderr);
    assert!(lab.kinesis.state().selectors().is_empty(), "nobody was asked");
}

#[tokio::test]
async fn wrong_configuration_is_wrong_usage_and_names_the_option() {
    let lab = Lab::new().await;
    let payload = lab.past(&talk()).trigger().to_string();
    for (option, said) in [
        ("live.burst_ms=1", "burst_ms"),
        ("live.brust_ms=5000", "brust_ms"),
        ("call.max_track_skew_ms=7000", "max_waiting_audio_ms"),
        ("salesforce.private_key_file=/nowhere/key.pem", "/nowhere/key.pem"),
        ("aws.ca_file=/nowhere/ca.pem", "/nowhere/ca.pem"),
        ("session.vocabulary_filter_method=burn", "burn"),
        ("log.level=loud", "loud"),
    ] {
        let ended =
            transcribe(&["call", "-"], &settings(&lab, &[option]), &payload).await.ended().await.with(2);
        assert!(ended.stderr.contains(said), "{option}: {}", ended.stderr);
    }
}

#[tokio::test]
async fn wrong_key_of_aws_ends_the_call_with_1_and_says_whose() {
    let lab = Lab::new().await;
    let call = lab.past(&talk());
    let binary = env!("CARGO_BIN_EXE_transcribe");
    let wrong = [("AWS_SECRET_ACCESS_KEY", "another")];
    let payload = call.trigger().to_string();
    let program = Program::start(binary, &["call", "-"], &settings(&lab, &FAST), &wrong, &payload).await;
    let ended = program.ended().await.with(1);
    assert!(ended.stderr.contains("InvalidSignatureException"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("another"), "{}", ended.stderr);
    let none = [("AWS_SECRET_ACCESS_KEY", ""), ("AWS_ACCESS_KEY_ID", "")];
    let program = Program::start(binary, &["call", "-"], &settings(&lab, &FAST), &none, &payload).await;
    let ended = program.ended().await.with(1);
    assert!(ended.stderr.contains("credentials"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_stream_that_is_missing_or_a_strangers_ends_with_1() {
    let lab = Lab::new().await;
    let call = lab.past(&talk());
    let mut payload = call.trigger();
    payload["streamARN"] = json!(call.stream.replace("call-", "none-"));
    let run = async |payload: &Value| {
        let set = settings(&lab, &["live.idle_end_s=1"]);
        transcribe(&["call", "-"], &set, &payload.to_string()).await.ended().await.with(1)
    };
    let ended = run(&payload).await;
    assert!(ended.stderr.contains("ResourceNotFoundException"), "{}", ended.stderr);
    let mut payload = call.trigger();
    payload["voiceCallId"] = json!("99999999-2222-4333-8444-555555555555");
    let ended = run(&payload).await;
    assert!(ended.stderr.contains("no audio of this contact"), "{}", ended.stderr);
}

#[tokio::test]
async fn messages_that_could_not_be_delivered_end_with_1_and_are_listed() {
    let mut lab = Lab::new().await;
    let call = lab.past(&talk());
    lab.salesforce.server().refuse().await;
    let set = settings(&lab, &[&FAST[..], &["call.drain_timeout_s=1"]].concat());
    let ended = transcribe(&["call", "-"], &set, &call.trigger().to_string()).await.ended().await.with(1);
    assert!(ended.stderr.contains("4 messages could not be delivered"), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("  undelivered").count(), 4, "{}", ended.stderr);
    is_discreet(&ended, &call);
}

#[tokio::test]
async fn without_a_store_sigterm_in_mid_call_delivers_what_was_heard_and_ends_with_0() {
    let lab = Lab::new().await;
    let call = lab.begin(&talk().say(Party::Customer, 20_000, "money").open_ended());
    let payload = call.trigger().to_string();
    let program = transcribe(&["call", "-"], &settings(&lab, &["store.kind=none"]), &payload).await;
    lab.wait(call.at(4_800)).await;
    program.terminate().await;
    let ended = program.ended().await.with(0);
    assert!(lab.now() < call.at(15_000), "it did not wait for the end of the call");
    lab.judge(&call.key, &call.truth[..4]);
    assert!(ended.stderr.contains("it was told to stop"), "{}", ended.stderr);
    is_discreet(&ended, &call);
}

#[tokio::test]
async fn sigterm_before_any_audio_ends_at_once() {
    let lab = Lab::new().await;
    let call = lab.announce(&talk(), lab.now(), "empty");
    let mut program = transcribe(&["call", "-"], &settings(&lab, &[]), &call.trigger().to_string()).await;
    program.says("reading the stream").await;
    program.terminate().await;
    let _ = program.ended().await.with(0);
}
