//! `transcribe inspect`: what a stream holds, for people and for programs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail loudly"
)]

mod common;

use common::{bare, fixture};
use serde_json::{Value, json};

fn inspect(name: &str) -> Value {
    bare(["inspect".into(), fixture(name)]).arg("--json").done().succeeds().json()
}

#[test]
fn json_agrees_with_the_truth_of_every_stream() {
    let manifest = fixtures::manifest::load().unwrap();
    let mut looked = 0;
    for entry in manifest.files.iter().filter(|entry| entry.file.ends_with(".mkv")) {
        let Some(truth) = &entry.inspect else { continue };
        let found = inspect(&entry.file);
        let file = &entry.file;
        assert_eq!(found["documents"], truth.documents, "{file}");
        assert_eq!(found["frames"], truth.frames, "{file}");
        assert_eq!(found["payloadBytes"], truth.payload_bytes, "{file}");
        assert_eq!(found["contacts"], json!(truth.contacts), "{file}");
        assert_eq!(!found["truncatedAt"].is_null(), truth.truncated, "{file}");
        let tracks: Vec<Value> = found["tracks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| json!([t["number"], t["name"], t["codecId"]]))
            .collect();
        for track in &truth.tracks {
            let track = json!([track.number, track.name, track.codec_id]);
            assert!(tracks.contains(&track), "{file}: {track} is not in {tracks:?}");
        }
        for (fragment, truth) in found["fragments"].as_array().unwrap().iter().zip(&truth.fragments) {
            assert_eq!(fragment["number"], json!(truth.number), "{file}");
            assert_eq!(fragment["producerTimestamp"], json!(truth.producer_timestamp), "{file}");
            assert_eq!(
                (&fragment["frames"], &fragment["bytes"]),
                (&json!(truth.frames), &json!(truth.bytes)),
                "{file}"
            );
        }
        looked += 1;
    }
    assert!(looked >= 20, "{looked}");
}

#[test]
fn json_has_the_promised_keys() {
    let found = inspect("kinesis/plain.mkv");
    for key in [
        "documents",
        "fragments",
        "tracks",
        "frames",
        "payloadBytes",
        "contacts",
        "gaps",
        "truncatedAt",
        "errors",
    ] {
        assert!(found.get(key).is_some(), "{key}");
    }
    for key in ["number", "contactId", "producerTimestamp", "frames", "bytes"] {
        assert!(found["fragments"][0].get(key).is_some(), "{key}");
    }
    for key in ["number", "name", "codecId", "format"] {
        assert!(found["tracks"][0].get(key).is_some(), "{key}");
    }
}

#[test]
fn people_read_contacts_tracks_gaps_and_damage() {
    let look = |name: &str| bare(["inspect".into(), fixture(name)]).done().succeeds();
    let reused = look("kinesis/reused-stream.mkv");
    for word in [fixtures::kinesis::CONTACT_ID, fixtures::kinesis::FOREIGN_CONTACT_ID, "AUDIO_FROM_CUSTOMER"]
    {
        assert!(reused.text().contains(word), "{word:?} is not in {}", reused.text());
    }
    assert!(look("kinesis/gap.mkv").text().contains("gap: 1088 ms without audio"));
    assert!(look("kinesis/damaged-middle.mkv").text().contains("are damaged"));
    let truncated = look("kinesis/truncated.mkv");
    assert!(truncated.stderr.contains("warning:") && truncated.stderr.contains("is cut short"));
}

#[test]
fn standard_input_is_looked_into_as_well() {
    let bytes = std::fs::read(fixture("kinesis/plain.mkv")).unwrap();
    let piped = bare(["inspect", "-", "--json"]).stdin(bytes).done().succeeds();
    assert_eq!(piped.json(), inspect("kinesis/plain.mkv"));
}
