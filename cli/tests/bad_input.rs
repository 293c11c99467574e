//! Recordings that are no recordings: each gives its message and its exit code, in bounded time and memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail loudly"
)]

mod common;

use std::path::Path;

use common::{Done, TempDir, bare, file, fixture, limited, tempdir, transcribe};
use fixtures::kinesis::Shape;
use fixtures::mkv::{self, Lacing, id};
use fixtures::{Pcm, tone};

/// Address space a look into a file may take, KiB. The program alone maps some 100 MiB.
const INSPECT_KIB: u64 = 1 << 20;
/// And a transcription: the model and the recogniser's threads come on top.
const TRANSCRIBE_KIB: u64 = 3 << 20;

/// Looks into a file with little memory.
fn inspect(path: &Path) -> Done {
    limited(INSPECT_KIB, ["inspect".as_ref(), path]).done()
}

/// A call in tone words, which no recogniser takes for speech.
fn tones() -> fixtures::kinesis::Written {
    let script = tone::Script::new().say(fixtures::Party::Customer, 200, "hello order number four");
    Shape::default().write(&script.render(4000).unwrap())
}

#[test]
fn an_empty_file_is_called_empty() {
    let dir = tempdir().unwrap();
    let path = file(&dir, "call.mkv", "");
    bare([&path]).done().fails(1, &["call.mkv", "empty"]);
    inspect(&path).fails(1, &["call.mkv", "empty"]);
    bare(["-"]).stdin("").done().fails(1, &["empty"]);
}

#[test]
fn random_bytes_are_no_recording() {
    let dir = tempdir().unwrap();
    let bytes = fixtures::noise::Lcg::new(7).bytes(300_000);
    let path = file(&dir, "call.mkv", &bytes);
    bare([&path]).done().fails(1, &["call.mkv", "not a recording", "convert it"]);
    inspect(&path).fails(1, &["call.mkv", "Matroska"]);
    bare(["-"]).stdin(bytes).done().fails(1, &["not a recording"]);
}

#[test]
fn a_text_file_is_no_recording() {
    let path = fixture("speech/words.json");
    bare([&path]).done().fails(1, &["words.json", "not a recording"]);
    inspect(&path).fails(1, &["words.json", "Matroska"]);
}

#[test]
fn a_missing_file_and_a_folder_are_named() {
    let dir = tempdir().unwrap();
    let missing = dir.path().join("missing.mkv");
    bare([&missing]).done().fails(1, &["missing.mkv", "No such file"]);
    inspect(&missing).fails(1, &["missing.mkv", "No such file"]);
    bare([dir.path()]).done().fails(1, &[dir.path().to_str().unwrap(), "is a folder"]);
    inspect(dir.path()).fails(1, &["is a folder"]);
}

#[test]
fn a_contact_that_is_not_there_is_answered_with_those_that_are() {
    transcribe([fixture("kinesis/reused-stream.mkv")])
        .args(["--contact-id", "nobody"])
        .done()
        .fails(1, &["nobody", fixtures::kinesis::CONTACT_ID, fixtures::kinesis::FOREIGN_CONTACT_ID]);
}

#[test]
fn an_unsupported_codec_names_a_conversion() {
    bare([fixture("plain/opus.mkv")]).done().fails(1, &["A_OPUS", "ffmpeg"]);
}

#[test]
fn a_file_without_an_audio_track_says_so() {
    let dir = tempdir().unwrap();
    let video = mkv::master(
        id::TRACK_ENTRY,
        &[mkv::uint(id::TRACK_NUMBER, 1), mkv::uint(id::TRACK_TYPE, 1), mkv::string(id::CODEC_ID, "V_VP8")],
    );
    let block = mkv::simple_block(1, 0, Lacing::None, &[&[0; 100]]);
    let path = file(
        &dir,
        "film.mkv",
        document(&[
            mkv::master(id::TRACKS, &[video]),
            mkv::master(id::CLUSTER, &[mkv::uint(id::TIMESTAMP, 0), block]),
        ]),
    );
    bare([&path]).done().fails(1, &["film.mkv", "no audio track", "V_VP8"]);
    inspect(&path).succeeds();
}

#[test]
fn a_stream_without_any_track_says_so() {
    let dir = tempdir().unwrap();
    let path = file(&dir, "tags.mkv", document(&[mkv::tags("ContactId", "c")]));
    transcribe([&path]).done().fails(1, &["tags.mkv", "no audio", "inspect"]);
}

/// A whole document with these children of its Segment.
fn document(children: &[Vec<u8>]) -> Vec<u8> {
    let info = mkv::master(id::INFO, &[mkv::uint(id::TIMESTAMP_SCALE, 1_000_000)]);
    let mut all = vec![info];
    all.extend_from_slice(children);
    [mkv::ebml_header(), mkv::master(id::SEGMENT, &all)].concat()
}

/// Where a recording is cut, every way there is: inside every part of it.
#[test]
fn a_recording_cut_anywhere_gives_what_is_left_or_says_that_nothing_is() {
    let dir = tempdir().unwrap();
    let whole = tones();
    let document = &whole.documents[0];
    let frame = &document.frames[3];
    let end = whole.bytes.len() as u64;
    let cuts = [
        1,
        3,
        20,
        document.frames[0].offset - 1,
        document.frames[0].offset + 100,
        frame.offset,
        frame.offset + frame.len - 1,
        frame.offset + frame.len,
        document.end - 1,
        document.end,
        document.end + 2,
        whole.documents[2].frames[9].offset + 1,
        end - 30,
        end - 1,
    ];
    for cut in cuts {
        let mut left = whole.clone();
        left.truncate(cut);
        // A Segment of unknown size that ends between two elements cannot be told from a whole one.
        left.truncated &= cut != frame.offset + frame.len;
        let path = file(&dir, &format!("cut-{cut}.mkv"), &left.bytes);
        judge_cut(&path, left.frames().count(), left.truncated);
    }
}

fn judge_cut(path: &Path, frames: usize, truncated: bool) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let done = transcribe([path]).args(["--format", "json"]).done();
    if frames == 0 {
        assert_eq!(done.code, Some(1), "{name}: {}", done.stderr);
        assert!(done.stderr.lines().last().unwrap().starts_with("error: "), "{}", done.stderr);
        assert!(done.stderr.contains(name), "{}", done.stderr);
        return;
    }
    let done = done.succeeds();
    assert_eq!(done.stderr.contains("is cut short"), truncated, "{name}: {}", done.stderr);
    assert_eq!(done.json()["summary"]["media"]["frames"], frames, "{name}");
    let looked = bare(["inspect".as_ref(), path]).arg("--json").done().succeeds();
    assert_eq!(looked.json()["frames"], frames, "{name}");
    assert_eq!(looked.json()["truncatedAt"].is_null(), !truncated, "{name}");
}

#[test]
fn a_compressed_recording_cut_short_gives_what_is_left() {
    let dir = tempdir().unwrap();
    let cut = |name: &str| {
        let whole = std::fs::read(fixture(&format!("plain/{name}"))).unwrap();
        transcribe([file(&dir, name, &whole[..whole.len() * 3 / 4])]).done()
    };
    for name in ["aac.mkv", "flac.mkv", "stereo.wav", "tones.flac", "tones.mp3", "tones.ogg", "tones.aac"] {
        cut(name).succeeds_saying(&[name, "is cut short"]);
    }
    // The index of this one stands behind the audio: without it nothing can be read.
    cut("tones.m4a").fails(1, &["tones.m4a", "not a recording that can be read"]);
}

#[test]
fn a_size_of_4_gb_takes_no_memory() {
    let dir = tempdir().unwrap();
    let claim = |head: u32| [mkv::id_bytes(head), mkv::size_of_width(u64::from(u32::MAX), 8)].concat();
    let plain = tones().bytes;
    let first = tones().documents[0].end;
    let first = usize::try_from(first).unwrap();
    let segment = [mkv::ebml_header(), mkv::unknown_head(id::SEGMENT)].concat();
    for (name, bytes) in [
        ("header.mkv", claim(id::EBML)),
        (
            "block.mkv",
            [&plain[..first], &segment[..], &claim(id::CLUSTER), &claim(id::SIMPLE_BLOCK)].concat(),
        ),
        (
            "tag.mkv",
            [
                &plain[..first],
                &segment[..],
                &claim(id::TAGS),
                &claim(id::TAG),
                &claim(id::SIMPLE_TAG),
                &claim(id::TAG_STRING),
                &[b'x'; 5000],
            ]
            .concat(),
        ),
        (
            "private.mkv",
            [
                &segment[..],
                &claim(id::TRACKS),
                &claim(id::TRACK_ENTRY),
                &claim(id::CODEC_PRIVATE),
                &[0; 5000],
            ]
            .concat(),
        ),
    ] {
        let path = file(&dir, name, bytes);
        judge_hostile(&path);
    }
}

#[test]
fn ten_thousand_nested_masters_end_in_a_message() {
    let dir = tempdir().unwrap();
    let head = [mkv::ebml_header(), mkv::unknown_head(id::SEGMENT)].concat();
    for (name, nested) in [
        ("groups.mkv", mkv::unknown_head(id::SIMPLE_TAG).repeat(10_000)),
        ("segments.mkv", mkv::unknown_head(id::SEGMENT).repeat(10_000)),
        ("clusters.mkv", mkv::unknown_head(id::CLUSTER).repeat(10_000)),
    ] {
        let path = file(&dir, name, [head.clone(), mkv::unknown_head(id::TAGS), nested].concat());
        judge_hostile(&path);
    }
    let mut inner = mkv::string(id::TAG_NAME, "x");
    for _ in 0..10_000 {
        inner = mkv::element(id::SIMPLE_TAG, &inner);
    }
    let tags = mkv::master(id::TAGS, &[mkv::element(id::TAG, &inner)]);
    judge_hostile(&file(&dir, "tags.mkv", [head, tags].concat()));
}

#[test]
fn a_million_empty_tags_take_no_memory() {
    let dir = tempdir().unwrap();
    let empty = mkv::element(id::SIMPLE_TAG, &[]).repeat(1_000_000);
    let in_one = mkv::master(id::TAGS, &[mkv::element(id::TAG, &empty)]);
    let in_many = mkv::element(id::TAGS, &mkv::element(id::TAG, &[])).repeat(1_000_000);
    let head = [mkv::ebml_header(), mkv::unknown_head(id::SEGMENT)].concat();
    judge_hostile(&file(&dir, "one.mkv", [&head[..], &in_one].concat()));
    judge_hostile(&file(&dir, "many.mkv", [&head[..], &in_many].concat()));
}

/// Whatever comes of it, it comes in bounded memory, as a success or as one error line. The audio that
/// stands before the fault is not lost.
fn judge_hostile(path: &Path) {
    for run in [limited(INSPECT_KIB, ["inspect".as_ref(), path]), limited(TRANSCRIBE_KIB, [path])] {
        let done = run.done();
        let last = done.stderr.lines().last().unwrap_or_default().to_owned();
        match done.code {
            Some(0) => assert!(!done.stderr.contains("error:"), "{path:?}: {}", done.stderr),
            Some(1) => assert!(last.starts_with("error: "), "{path:?}: {}", done.stderr),
            other => panic!("{path:?}: {other:?} {}", done.stderr),
        }
        assert!(done.stderr.len() < 4000, "{}", done.stderr);
    }
}

/// A file that calls itself one thing and is another is judged by what it is.
#[test]
fn the_name_of_a_file_decides_nothing() {
    let dir = tempdir().unwrap();
    let bytes = Shape::default().write(&Pcm::silence(1500)).bytes;
    rename_and_run(&dir, "call.wav", &bytes);
    rename_and_run(&dir, "call", &bytes);
    rename_and_run(&dir, "call.mkv", &std::fs::read(fixture("plain/stereo.wav")).unwrap());
}

fn rename_and_run(dir: &TempDir, name: &str, bytes: &[u8]) {
    transcribe([file(dir, name, bytes)]).done().succeeds_saying(&["no speech was found"]);
}
