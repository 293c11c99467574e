//! What is printed, where, in which shape.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail loudly"
)]

mod common;

use std::sync::LazyLock;

use common::calls::{self, CONTACT, START_MS};
use common::{Done, TempDir, file, fixture, tempdir, transcribe};
use serde_json::Value;

/// The short call in a folder.
static CALL: LazyLock<TempDir> = LazyLock::new(|| {
    let dir = tempdir().unwrap();
    calls::short_call_in(&dir);
    dir
});

fn run(options: &[&str]) -> Done {
    transcribe([CALL.path().join("short.mkv")]).args(options).done().succeeds()
}

static JSON: LazyLock<Value> = LazyLock::new(|| run(&["--format", "json"]).json());
static JSONL: LazyLock<Done> = LazyLock::new(|| run(&["--format", "jsonl"]));

#[test]
fn jsonl_is_one_message_a_line_as_it_would_be_posted() {
    assert_eq!(JSONL.stderr, "");
    let messages = JSONL.json_lines();
    assert_eq!(messages.len(), 2, "{}", JSONL.text());
    for message in &messages {
        let keys = ["content", "endTime", "messageId", "participantId", "senderType", "startTime"];
        assert_eq!(common::keys(message), keys);
        assert!(message["startTime"].as_i64() < message["endTime"].as_i64());
    }
    let senders: Vec<&Value> = messages.iter().map(|m| &m["senderType"]).collect();
    assert_eq!(senders, ["VIRTUAL_AGENT", "END_USER"]);
    assert_eq!(messages[0]["participantId"], format!("{CONTACT}VIRTUAL_AGENT"));
    assert_eq!(messages[1]["participantId"], format!("{CONTACT}END_USER"));
    assert_ne!(messages[0]["messageId"], messages[1]["messageId"]);
    for (message, at_ms) in messages.iter().zip([400, 3900]) {
        let start = message["startTime"].as_i64().unwrap() - START_MS;
        assert!((at_ms - 100..at_ms + 700).contains(&start), "{start}");
    }
    // "It is seven three eight": digits may be written in figures.
    let content = messages[1]["content"].as_str().unwrap();
    assert_eq!(common::words::words(content)[..3], ["it", "is", "seven"]);
}

#[test]
fn json_holds_the_same_messages_with_their_words() {
    let utterances = JSON["utterances"].as_array().unwrap();
    for (utterance, message) in utterances.iter().zip(JSONL.json_lines()) {
        for (key, value) in message.as_object().unwrap() {
            assert_eq!(utterance[key], *value, "an id or a time differs from run to run");
        }
        let words = utterance["words"].as_array().unwrap();
        let text: Vec<&str> = words.iter().map(|w| w["text"].as_str().unwrap()).collect();
        assert_eq!(text.join(" "), utterance["content"].as_str().unwrap());
        assert!(words.iter().all(|w| w["confidence"].is_number()));
    }
    assert_eq!(utterances.len(), 2);
    assert_eq!(JSON["contact"], CONTACT);
    assert_eq!(JSON["gates"], Value::Array(Vec::new()));
}

/// `hh:mm:ss,mmm` as milliseconds.
fn clock(text: &str, point: char) -> i64 {
    let (whole, ms) = text.split_once(point).unwrap();
    assert_eq!((whole.len(), ms.len()), (8, 3), "{text}");
    let seconds = whole.split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().unwrap());
    seconds * 1000 + ms.parse::<i64>().unwrap()
}

/// Cues of a subtitle file, each with its times in milliseconds and its text; the numbers are checked.
fn cues(text: &str, point: char) -> Vec<(i64, i64, String)> {
    let blocks = text.trim_end().split("\n\n").enumerate();
    let cue = |(n, block): (usize, &str)| {
        let lines: Vec<&str> = block.lines().collect();
        assert_eq!((lines.len(), lines[0]), (3, (n + 1).to_string().as_str()), "{block}");
        let (from, to) = lines[1].split_once(" --> ").unwrap();
        (clock(from, point), clock(to, point), lines[2].to_owned())
    };
    blocks.map(cue).collect()
}

/// The cues there should be, from the messages.
fn expected(text: impl Fn(&str, &str) -> String) -> Vec<(i64, i64, String)> {
    let since = |ms: &Value| ms.as_i64().unwrap() - START_MS;
    JSONL
        .json_lines()
        .iter()
        .map(|m| {
            let who = if m["senderType"] == "END_USER" { "Customer" } else { "Agent" };
            (since(&m["startTime"]), since(&m["endTime"]), text(who, m["content"].as_str().unwrap()))
        })
        .collect()
}

#[test]
fn srt_and_vtt_are_what_players_read() {
    let srt = run(&["--format", "srt"]);
    assert_eq!(cues(srt.text(), ','), expected(|who, said| format!("{who}: {said}")));
    let vtt = run(&["--format", "vtt"]);
    let body = vtt.text().strip_prefix("WEBVTT\n\n").unwrap();
    assert_eq!(cues(body, '.'), expected(|who, said| format!("<v {who}>{said}")));
}

#[test]
fn an_output_file_holds_what_standard_output_would() {
    let dir = tempdir().unwrap();
    let to = dir.path().join("out.jsonl");
    // What was there before does not remain.
    std::fs::write(&to, "x".repeat(10_000)).unwrap();
    let done = run(&["--format", "jsonl", "-o", to.to_str().unwrap()]);
    assert!(done.stdout.is_empty());
    assert_eq!(std::fs::read(&to).unwrap(), JSONL.stdout);
}

#[test]
fn standard_input_gives_what_the_file_gives() {
    let piped = transcribe(["-", "--format", "jsonl"]).stdin(calls::short_call().bytes).done().succeeds();
    assert_eq!(piped.stdout, JSONL.stdout);
    assert_eq!(piped.stderr, "");
}

#[test]
fn shuffled_doubled_and_unknown_events_change_nothing() {
    let dir = tempdir().unwrap();
    let event = |kind: &str, at: i64| {
        format!("{{\"type\":\"{kind}\",\"at\":{},\"detail\":{{\"callId\":\"{CONTACT}\"}}}}\n", START_MS + at)
    };
    // The recording is paused while the customer speaks.
    let (pause, resume) = (event("pauserecording", 3500), event("resumerecording", 6400));
    let gated = |name: &str, events: String| {
        let path = file(&dir, name, events);
        run(&["--format", "json", "--events", path.to_str().unwrap()])
    };
    let plain = gated("a", format!("{pause}{resume}"));
    let messy = gated("b", format!("{resume}\n{resume}{}{pause}{pause}", event("somethingnew", 100)));
    assert_eq!(plain.stderr, "");
    let value = plain.json();
    assert_eq!(value["utterances"].as_array().unwrap().len(), 1, "{value}");
    assert_eq!(value["utterances"][0]["party"], "agent");
    assert_eq!(value["gates"], messy.json()["gates"]);
    assert_eq!(value["utterances"], messy.json()["utterances"]);
    assert!(messy.stderr.contains("type that is not known"), "{}", messy.stderr);
}

#[test]
fn the_vocabulary_filter_masks_removes_or_tags() {
    let dir = tempdir().unwrap();
    let list = file(&dir, "words.txt", "\nSECURITY CODE\nunheard\n");
    let with = |method: &str| {
        let path = list.to_str().unwrap();
        run(&["--format", "json", "--vocabulary-filter", path, "--vocabulary-filter-method", method]).json()
    };
    let usual = JSON["utterances"][0]["content"].as_str().unwrap().to_owned();
    assert!(usual.contains("security code"), "{usual}");
    let content = |value: &Value| value["utterances"][0]["content"].as_str().unwrap().to_owned();
    assert_eq!(content(&with("mask")), usual.replace("security code", "*** ***"));
    assert!(!with("mask").to_string().to_lowercase().contains("security"));
    let removed = content(&with("remove"));
    assert!(!removed.to_lowercase().contains("security") && removed.len() < usual.len(), "{removed}");
    let tagged = with("tag");
    assert_eq!(content(&tagged), usual);
    let words = tagged["utterances"][0]["words"].as_array().unwrap();
    let marked: Vec<String> = words
        .iter()
        .filter(|w| w["vocabularyFilterMatch"] == true)
        .flat_map(|w| common::words::words(w["text"].as_str().unwrap()))
        .collect();
    assert_eq!(marked, ["security", "code"]);
}

#[test]
fn quiet_says_nothing_and_verbose_says_much() {
    let reused = fixture("kinesis/reused-stream.mkv");
    let quiet = transcribe([&reused]).arg("-q").done().succeeds();
    assert_eq!((quiet.stderr.as_str(), quiet.stdout.len()), ("", 0));
    let truncated = transcribe([fixture("kinesis/truncated.mkv")]).arg("-q").done().succeeds();
    assert_eq!(truncated.stderr, "");
    let verbose = transcribe([&reused]).arg("-v").done().succeeds();
    assert!(verbose.stderr.contains("summary {"), "{}", verbose.stderr);
    assert!(!verbose.stderr.contains('\x1b') && verbose.stdout.is_empty(), "no colours beside a terminal");
}

#[test]
fn nobody_speaks_and_every_format_is_still_whole() {
    let silent = fixture("kinesis/plain.mkv");
    let run = |format: &str| {
        let done = transcribe([&silent]).args(["--format", format]).done();
        done.succeeds_saying(&["no speech was found"])
    };
    assert_eq!(run("vtt").text().trim_end(), "WEBVTT");
    assert_eq!(run("json").json()["utterances"], Value::Array(Vec::new()));
    for format in ["text", "jsonl", "srt"] {
        assert_eq!(run(format).text(), "");
    }
}
