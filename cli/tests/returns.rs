//! The first call a newcomer transcribes, from the command line to the last word: accuracy, parties, times,
//! and silence where the gate was closed.
//!
//! It is recognised twice in all, because that takes long: once as JSON with WAV files beside it, once as
//! text with the events in another order.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail loudly"
)]

mod common;

use std::sync::LazyLock;

use common::words::{errors, words};
use common::{Done, TempDir, fixture, tempdir, transcribe};
use fixtures::Party;
use fixtures::manifest::{Truth, Utterance};
use serde_json::Value;

/// As JSON, with `customer.wav` and `agent.wav` in the folder.
static WHOLE: LazyLock<(Value, TempDir)> = LazyLock::new(|| {
    let dir = tempdir().unwrap();
    let done = transcribe([fixture("calls/returns.mkv")])
        .arg("--events")
        .arg(fixture("calls/returns.events.jsonl"))
        .args(["--format", "json", "--wav"])
        .arg(dir.path())
        .done()
        .succeeds();
    assert_eq!(done.stderr, "", "a good call with its events needs no comment");
    (done.json(), dir)
});

/// As text, with the events in the opposite order.
static SHUFFLED: LazyLock<Done> = LazyLock::new(|| {
    let dir = tempdir().unwrap();
    let events = std::fs::read_to_string(fixture("calls/returns.events.jsonl")).unwrap();
    let backwards: String = events.lines().rev().flat_map(|line| [line, "\n"]).collect();
    let events = common::file(&dir, "events.jsonl", backwards);
    transcribe([fixture("calls/returns.mkv")]).arg("--events").arg(events).done().succeeds()
});

static TRUTH: LazyLock<Truth> = LazyLock::new(|| {
    let manifest = fixtures::manifest::load().unwrap();
    manifest.entry("calls/returns.mkv").unwrap().truth.clone().unwrap()
});

fn party(value: &Value) -> Party {
    serde_json::from_value(value["party"].clone()).unwrap()
}

fn utterances() -> &'static [Value] {
    WHOLE.0["utterances"].as_array().unwrap()
}

/// Everything a party is said to have said.
fn heard(of: Party) -> Vec<String> {
    utterances()
        .iter()
        .filter(|u| party(u) == of)
        .flat_map(|u| words(u["content"].as_str().unwrap()))
        .collect()
}

fn said(utterances: &[Utterance], of: Party) -> Vec<String> {
    utterances.iter().filter(|u| u.party == of).flat_map(|u| words(&u.text)).collect()
}

#[test]
fn at_most_8_of_100_words_are_wrong_and_each_is_its_partys() {
    let parties = [Party::Customer, Party::Agent];
    let wrong: usize = parties.iter().map(|p| errors(&said(&TRUTH.utterances, *p), &heard(*p))).sum();
    let all: usize = parties.iter().map(|p| said(&TRUTH.utterances, *p).len()).sum();
    println!("{wrong} of {all} words are wrong");
    assert!(all > 100);
    assert!(wrong * 100 <= all * 8, "{wrong} of {all} words are wrong");
    for p in parties {
        // Words under the wrong party would be missing here and be too many there.
        let (said, heard) = (said(&TRUTH.utterances, p), heard(p));
        assert!(errors(&said, &heard) * 100 <= said.len() * 16, "{p:?}: {heard:?}");
    }
}

#[test]
fn every_utterance_starts_within_half_a_second_of_its_speech() {
    for utterance in utterances() {
        let start = utterance["startTime"].as_i64().unwrap();
        let onsets =
            TRUTH.utterances.iter().filter(|u| u.party == party(utterance)).flat_map(|u| &u.onsets_ms);
        let nearest = onsets.map(|onset| (onset - start).abs()).min().unwrap();
        assert!(nearest <= TRUTH.tolerance_ms, "{nearest} ms: {utterance}");
    }
    assert!(utterances().len() >= TRUTH.utterances.len());
    let starts: Vec<i64> = utterances().iter().map(|u| u["startTime"].as_i64().unwrap()).collect();
    assert!(starts.is_sorted());
}

#[test]
fn not_one_word_of_the_hold_or_the_card_comes_out() {
    let open: Vec<Vec<String>> = TRUTH.utterances.iter().map(|u| words(&u.text)).collect();
    let heard: Vec<Vec<String>> =
        utterances().iter().map(|u| words(u["content"].as_str().unwrap())).collect();
    let has = |texts: &[Vec<String>], some: &[String]| {
        texts.iter().any(|t| t.windows(some.len()).any(|w| w == some))
    };
    for silenced in &TRUTH.silenced {
        let silenced = words(&silenced.text);
        // A word or a pair of words that nobody says in the open.
        for length in [1, 2] {
            for some in silenced.windows(length).filter(|some| !has(&open, some)) {
                assert!(!has(&heard, some), "{some:?} is in {heard:?}");
            }
        }
    }
    let whole: Vec<&str> = utterances().iter().map(|u| u["content"].as_str().unwrap()).collect();
    let whole = whole.join("\n").to_lowercase();
    for card in ["5555", "3412", "9987", "1106", "738", "suitcase", "airport", "security"] {
        assert!(!whole.contains(card), "{card}");
        assert!(!SHUFFLED.text().to_lowercase().contains(card), "{card}");
    }
}

#[test]
fn nothing_is_spoken_within_the_gates() {
    for utterance in utterances() {
        let words = utterance["words"].as_array().unwrap();
        assert!(!words.is_empty());
        for said in words.iter().chain([utterance]) {
            let (from, to) = (said["startTime"].as_i64().unwrap(), said["endTime"].as_i64().unwrap());
            let inside = TRUTH.closed.iter().any(|c| from < c.to_ms && to > c.from_ms);
            assert!(!inside, "{said}");
        }
    }
}

#[test]
fn json_is_one_object_with_all_there_is() {
    let whole = &WHOLE.0;
    assert_eq!(common::keys(whole), ["contact", "gates", "summary", "utterances"]);
    assert_eq!(whole["contact"], *TRUTH.contact_id.as_ref().unwrap());
    let gates: Vec<Value> = TRUTH
        .closed
        .iter()
        .map(|c| {
            let hold = c.kind == fixtures::manifest::ClosedBy::Hold;
            serde_json::json!({"from": c.from_ms, "to": c.to_ms, "hold": hold, "pause": !hold})
        })
        .collect();
    assert_eq!(whole["gates"], Value::from(gates));
    let summary = &whole["summary"];
    assert_eq!(summary["startTime"], TRUTH.start_epoch_ms);
    assert_eq!(summary["gate"]["exposedMs"], 0);
    assert_eq!(summary["messages"]["delivered"], utterances().len());
}

#[test]
fn text_is_the_same_with_shuffled_events_and_shows_the_gates_in_order() {
    let clock = |ms: &Value| {
        let tenths = (ms.as_i64().unwrap() - TRUTH.start_epoch_ms) / 100;
        format!("{:02}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
    };
    let mut expected: Vec<String> = utterances()
        .iter()
        .map(|u| {
            let (start, content) = (clock(&u["startTime"]), u["content"].as_str().unwrap());
            format!("{start}  {:<8}  {content}", u["party"].as_str().unwrap())
        })
        .collect();
    for gate in WHOLE.0["gates"].as_array().unwrap() {
        let what = if gate["hold"] == true { "on hold" } else { "recording paused" };
        expected.push(format!("{}  --- {what}: silent from here ---", clock(&gate["from"])));
        expected.push(format!("{}  --- open again ---", clock(&gate["to"])));
    }
    expected.sort();
    let printed: Vec<&str> = SHUFFLED.text().lines().collect();
    assert_eq!(printed, expected);
    assert_eq!(SHUFFLED.stderr, "");
}

/// A WAV file: its samples, and the texts of its LIST/INFO chunk by name.
fn read_wav(name: &str) -> (Vec<i16>, Vec<(String, String)>) {
    let bytes = std::fs::read(WHOLE.1.path().join(name)).unwrap();
    assert_eq!((&bytes[..4], &bytes[8..12]), (&b"RIFF"[..], &b"WAVE"[..]));
    let (mut samples, mut info) = (Vec::new(), Vec::new());
    for (id, body) in chunks(&bytes[12..]) {
        match id {
            b"fmt " => assert_eq!(body[..16], [1, 0, 1, 0, 0x40, 0x1F, 0, 0, 0x80, 0x3E, 0, 0, 2, 0, 16, 0]),
            b"data" => samples = body.chunks(2).map(|s| i16::from_le_bytes([s[0], s[1]])).collect(),
            b"LIST" if body.starts_with(b"INFO") => {
                for (id, text) in chunks(&body[4..]) {
                    let text = String::from_utf8_lossy(text).trim_end_matches('\0').to_owned();
                    info.push((String::from_utf8_lossy(id).into_owned(), text));
                }
            }
            _ => {}
        }
    }
    (samples, info)
}

fn chunks(mut bytes: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut all = Vec::new();
    while bytes.len() >= 8 {
        let length = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
        all.push((&bytes[..4], &bytes[8..8 + length]));
        bytes = &bytes[(8 + length.next_multiple_of(2)).min(bytes.len())..];
    }
    all
}

#[test]
fn the_wav_files_are_silent_within_the_gates_and_say_whose_they_are() {
    assert_eq!(common::names_in(WHOLE.1.path()), ["agent.wav", "customer.wav"]);
    let duration_ms = WHOLE.0["summary"]["audio"]["durationMs"].as_u64().unwrap();
    for of in [Party::Customer, Party::Agent] {
        let (samples, info) = read_wav(if of == Party::Customer { "customer.wav" } else { "agent.wav" });
        assert_eq!(samples.len() as u64, duration_ms * 8);
        let between = |from: i64, to: i64| {
            let at = |ms: i64| usize::try_from((ms - TRUTH.start_epoch_ms) * 8).unwrap();
            &samples[at(from)..at(to)]
        };
        for closed in &TRUTH.closed {
            assert!(between(closed.from_ms, closed.to_ms).iter().all(|s| *s == 0), "{of:?}: {closed:?}");
        }
        for utterance in TRUTH.utterances.iter().filter(|u| u.party == of) {
            let loudest =
                between(utterance.start_ms, utterance.end_ms).iter().map(|s| s.unsigned_abs()).max();
            assert!(loudest > Some(1000), "{utterance:?}");
        }
        let all = info.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("\n");
        assert!(all.contains(TRUTH.contact_id.as_ref().unwrap()), "{info:?}");
        assert!(info.contains(&("ICRD".to_owned(), "2019-10-18T00:55:25.131Z".to_owned())), "{info:?}");
    }
}

#[test]
fn numbers_are_counted_as_they_are_spoken() {
    for (written, spoken) in [
        ("Yes, my order number is 471926.", "yes my order number is four seven one nine two six"),
        ("471-926 or 0049", "four seven one nine two six or zero zero four nine"),
        ("a refund of $84.50.", "a refund of eighty four dollars and fifty cents"),
        ("$1 and $1,200.01!", "one dollar and one thousand two hundred dollars and one cent"),
        ("the 3rd, the 21st and the 30th", "the third the twenty first and the thirtieth"),
        ("12,500 and 2026", "twelve thousand five hundred and two thousand twenty six"),
        ("Twenty-five, 25 or 2.5 or 10%", "twenty five twenty five or two point five or ten percent"),
        ("-- that's \u{2014} fine --", "thats fine"),
    ] {
        assert_eq!(words(written).join(" "), spoken);
    }
    let count = |a: &str, b: &str| errors(&words(a), &words(b));
    assert_eq!(count("a b c d", "a b c d"), 0);
    assert_eq!(count("a b c d", "a x c"), 2);
    assert_eq!(count("", "a b"), 2);
    assert_eq!(count("a b", ""), 2);
}
