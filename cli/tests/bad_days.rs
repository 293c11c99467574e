//! The recording is good and something else is not: events, outputs, the model, the network, the user's
//! patience. Each gives its message and its exit code.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail loudly"
)]

mod common;

use std::fs::OpenOptions;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use common::calls::{self, START_MS};
use common::{Run, TempDir, bare, file, fixture, tempdir, transcribe};

/// A call in which nobody speaks: quick.
fn silent() -> PathBuf {
    fixture("kinesis/plain.mkv")
}

fn full_disk() -> std::fs::File {
    OpenOptions::new().write(true).open("/dev/full").unwrap()
}

#[test]
fn a_broken_events_file_is_named_with_its_line() {
    let dir = tempdir().unwrap();
    let good = format!("{{\"type\":\"hold\",\"at\":{START_MS}}}\n");
    let with = |content: &str| {
        let path = file(&dir, "events.jsonl", content);
        bare([silent()]).arg("--events").arg(path).done()
    };
    with(&format!("{good}\n{good}{{\"type\":\"resu\n{good}")).fails(1, &["events.jsonl", "line 4"]);
    with("hold\n").fails(1, &["events.jsonl", "line 1", "an event looks like"]);
    with(&format!("{good}[1]\n")).fails(1, &["line 2"]);
    bare([silent()]).arg("--events").arg(dir.path()).done().fails(1, &["events file", "line 1"]);
    bare([silent()]).args(["--events", "none.jsonl"]).done().fails(1, &["none.jsonl", "No such file"]);
}

#[test]
fn a_broken_word_list_is_named() {
    let dir = tempdir().unwrap();
    let latin = file(&dir, "words.txt", [0xE9, b'\n']);
    let with = |path: &Path| bare([silent()]).arg("--vocabulary-filter").arg(path).done();
    with(&latin).fails(1, &["vocabulary filter", "words.txt", "UTF-8"]);
    with(&dir.path().join("none")).fails(1, &["vocabulary filter", "No such file"]);
}

#[test]
fn an_output_that_cannot_be_written_is_named() {
    let dir = tempdir().unwrap();
    let nowhere = dir.path().join("missing").join("out.txt");
    bare([silent()]).arg("-o").arg(nowhere).done().fails(1, &["cannot write to", "missing/out.txt"]);
    bare([silent()]).arg("-o").arg(dir.path()).done().fails(1, &["cannot write to"]);
    let in_the_way = file(&dir, "wav", "");
    bare([silent()]).arg("--wav").arg(in_the_way).done().fails(1, &["cannot write to", "wav"]);
}

#[test]
fn a_full_disk_ends_the_job() {
    let words = ["cannot write the result", "No space left"];
    transcribe([silent()]).args(["--format", "json"]).done_to(full_disk()).fails_after_notes(1, &words);
    transcribe([silent()]).args(["--format", "json", "-o", "/dev/full"]).done().fails_after_notes(1, &words);
    bare(["inspect".into(), silent()]).done_to(full_disk()).fails(1, &words);
    // In the middle of a call, where the first utterance is printed.
    let dir = tempdir().unwrap();
    transcribe([calls::short_call_in(&dir)]).done_to(full_disk()).fails(1, &words);
}

#[test]
fn a_full_disk_under_the_wav_files_ends_the_job() {
    let dir = tempdir().unwrap();
    symlink("/dev/full", dir.path().join("customer.wav")).unwrap();
    let done = transcribe([silent()]).arg("--wav").arg(dir.path()).done();
    done.fails_after_notes(1, &["cannot write", "No space left"]);
}

#[test]
fn whoever_stops_reading_has_seen_enough() {
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer
    };
    let dir = tempdir().unwrap();
    let call = calls::short_call_in(&dir);
    let quiet = |run: Run| assert_eq!(run.done_to(closed()).succeeds().stderr, "");
    quiet(transcribe([&call]));
    quiet(transcribe([&call]).args(["--format", "json"]));
    quiet(bare(["inspect".as_ref(), call.as_path()]));
    quiet(bare(["model", "path"]));
    quiet(bare(["--help"]));

    // `… | head -c 1`: the pipe closes in the middle.
    let (mut reader, writer) = std::io::pipe().unwrap();
    let head = std::thread::spawn(move || reader.read_exact(&mut [0]));
    assert_eq!(transcribe([&call]).done_to(writer).succeeds().stderr, "");
    head.join().unwrap().unwrap();
}

/// The first utterance is there and the pipe says nothing more.
#[test]
fn ctrl_c_ends_the_wait_for_a_pipe_and_keeps_what_is_final() {
    let mut run = transcribe(["-", "--format", "jsonl"]).stdin(calls::short_call().bytes).start();
    run.first_line();
    run.interrupt();
    let done = run.end();
    assert_eq!((done.code, done.stderr.contains("error:")), (Some(130), false), "{}", done.stderr);
    assert!(done.text().ends_with('\n'));
    assert!(!done.json_lines().is_empty());
}

#[test]
fn ctrl_c_in_the_middle_keeps_what_is_final() {
    let dir = tempdir().unwrap();
    let mut run = transcribe([fixture("calls/returns.mkv")]).arg("--wav").arg(dir.path()).start();
    run.first_line();
    run.interrupt();
    let done = run.end();
    assert_eq!((done.code, done.stderr.contains("error:")), (Some(130), false), "{}", done.stderr);
    let lines = done.text().lines().count();
    assert!(done.text().ends_with('\n') && lines < 15, "{}", done.text());
    let wav = std::fs::read(dir.path().join("agent.wav")).unwrap();
    let data = wav.windows(4).position(|w| w == b"data").unwrap();
    let length = u32::from_le_bytes(wav[data + 4..data + 8].try_into().unwrap());
    assert!(length > 8000 && data + 8 + length as usize <= wav.len(), "the file is closed properly");
}

/// No model, no network: the publisher's address is a port nobody listens on, and `python3` is this script.
fn offline(cache: &Path, python: Option<&str>) -> (Run, TempDir) {
    let path = tempdir().unwrap();
    if let Some(script) = python {
        let python = file(&path, "python3", format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(python, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let run = bare([silent()])
        .env("KVSCRIBE_CACHE_DIR", cache)
        .env("KVSCRIBE_MODEL_URL", format!("http://127.0.0.1:{port}/"))
        .env("PATH", path.path());
    (run, path)
}

const NO_INDEX: &str = "echo 'ERROR: No matching distribution found' >&2; exit 1";

#[test]
fn without_a_network_the_model_cannot_be_fetched() {
    let dir = tempdir().unwrap();
    let cache = dir.path().join("cache");
    let (run, _path) = offline(&cache, Some(NO_INDEX));
    let words = [
        "cannot fetch tiny.en.pt",
        "no connection",
        "No matching distribution",
        "check the network",
        "--model",
    ];
    let done = run.done().fails_after_notes(1, &words);
    // What is fetched, how big, from where and where it is kept is said first.
    let first = done.stderr.lines().next().unwrap();
    for word in ["tiny.en.pt", "75.6 MB", "127.0.0.1", cache.to_str().unwrap()] {
        assert!(first.contains(word), "{word:?} is not in {first:?}");
    }
    assert_eq!(common::names_in(&cache), [".lock"], "nothing half-done remains");
}

#[test]
fn without_python_or_pip_the_hint_is_to_install_it() {
    let dir = tempdir().unwrap();
    let (run, _path) = offline(dir.path(), None);
    run.done().fails_after_notes(1, &["python3 was not found", "install Python 3 with pip"]);
    let (run, path) = offline(dir.path(), Some("echo \"$0: No module named pip\" >&2; exit 1"));
    run.done().fails_after_notes(1, &["no pip", "ensurepip"]);
    drop(path);
}

#[test]
fn a_corrupt_model_is_fetched_anew_and_never_used() {
    let dir = tempdir().unwrap();
    let path = transcribe(["model", "path"]).done().succeeds();
    let kept = PathBuf::from(path.text().trim());
    for name in ["tiny.en.pt", "gpt2.tiktoken", "multilingual.tiktoken"] {
        std::fs::copy(kept.with_file_name(name), dir.path().join(name)).unwrap();
    }
    let model = dir.path().join("tiny.en.pt");
    let mut bytes = std::fs::read(&model).unwrap();
    bytes[40_000_000] ^= 1;
    std::fs::write(&model, bytes).unwrap();
    let (run, _path) = offline(dir.path(), Some(NO_INDEX));
    let done = run.done().fails_after_notes(1, &["cannot fetch tiny.en.pt"]);
    assert!(done.stderr.contains("tiny.en.pt is corrupt and is fetched anew"), "{}", done.stderr);

    let list = bare(["model", "list"]).env("KVSCRIBE_CACHE_DIR", dir.path()).done().succeeds();
    assert!(list.text().contains("not fetched"), "{}", list.text());
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let dir = tempdir().unwrap();
    let in_the_way = file(&dir, "cache", "");
    let (run, _path) = offline(&in_the_way.join("kvscribe"), Some(NO_INDEX));
    run.done().fails_after_notes(1, &["cannot write to the model cache", "KVSCRIBE_CACHE_DIR"]);
}

#[test]
fn a_model_file_that_is_none_is_named() {
    let dir = tempdir().unwrap();
    let with = |path: &Path| transcribe([silent()]).arg("--model").arg(path).done();
    with(&dir.path().join("nowhere.pt")).fails(1, &["nowhere.pt", "No such file"]);
    with(&file(&dir, "noise.pt", fixtures::noise::Lcg::new(3).bytes(50_000))).fails(1, &["noise.pt"]);
    with(&file(&dir, "empty.pt", "")).fails(1, &["empty.pt"]);
    with(dir.path()).fails(1, &[dir.path().to_str().unwrap()]);
    let path = transcribe(["model", "path"]).done().succeeds();
    let whole = std::fs::read(path.text().trim()).unwrap();
    with(&file(&dir, "half.pt", &whole[..whole.len() / 2])).fails(1, &["half.pt"]);
}

#[test]
fn the_model_can_be_listed_and_found() {
    let list = transcribe(["model", "list"]).done().succeeds();
    assert!(list.text().contains("tiny.en") && list.text().contains(" here "), "{}", list.text());
    let path = |env: &str, value: &Path| {
        bare(["model", "path"])
            .env("KVSCRIBE_CACHE_DIR", "")
            .env(env, value)
            .done()
            .succeeds()
            .text()
            .to_owned()
    };
    let dir = tempdir().unwrap();
    let at = |inside: &str| format!("{}\n", dir.path().join(inside).display());
    assert_eq!(path("KVSCRIBE_CACHE_DIR", dir.path()), at("tiny.en.pt"));
    assert_eq!(path("XDG_CACHE_HOME", dir.path()), at("kvscribe/tiny.en.pt"));
    assert_eq!(
        transcribe(["model", "fetch"]).done().succeeds().text(),
        transcribe(["model", "path"]).done().text()
    );
}
