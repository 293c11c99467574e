//! What speaks to AWS, as a user runs it: `--engine aws` and `doctor`. No service is at hand here; that what is
//! missing is named, and the exit code, is what counts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests may fail loudly"
)]

mod common;

use std::net::TcpListener;

use common::{Run, bare, fixture};

/// The address of nobody.
fn nowhere() -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("http://127.0.0.1:{port}")
}

/// With credentials of no account, and nobody else to ask for any.
fn signed(run: Run) -> Run {
    run.env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "xyzzy")
        .env("AWS_REGION", "eu-west-2")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
}

fn set(run: Run, options: &[(&str, &str)]) -> Run {
    options.iter().fold(run, |run, (key, value)| run.args(["--set".to_owned(), format!("{key}={value}")]))
}

#[test]
fn options_of_the_other_recogniser_are_wrong_usage() {
    let file = fixture("kinesis/plain.mkv");
    let with = |args: &[&str]| bare([&file]).args(args).done();
    with(&["--vocabulary", "products"]).fails(2, &["--vocabulary goes with --engine aws"]);
    with(&["--set", "aws.region=x"]).fails(2, &["--set goes with --engine aws"]);
    let aws = |args: &[&str]| bare([&file]).args(["--engine", "aws"]).args(args).done();
    aws(&["--model", "tiny.pt"]).fails(2, &["--model goes with --engine embedded"]);
    aws(&["--vocabulary-filter", "words.txt"]).fails(2, &["--vocabulary-filter goes with --engine embedded"]);
    let alone = with(&["--vocabulary-filter-method", "tag"]);
    assert_eq!(alone.code, Some(2), "{}", alone.stderr);
    aws(&["--set", "session.langage_code=en-GB"]).fails(2, &["did you mean"]);
    let wrong = aws(&["--language", "english", "--set", "aws.region=eu-west-2"]);
    wrong.fails(2, &["languageCode", "english", "en-US"]);
}

#[test]
fn a_service_that_cannot_be_reached_fails_the_job() {
    let run = bare([fixture("kinesis/plain.mkv")]).args(["--engine", "aws"]);
    let run = set(signed(run), &[("transcribe.endpoint_url", &nowhere())]);
    run.done().fails(1, &["the connection to Transcribe failed", "run it again"]);
}

#[test]
fn the_doctor_prints_a_line_for_each_thing_and_fails_with_any_of_them() {
    let endpoint = nowhere();
    let options = [
        ("kinesis.endpoint_url", endpoint.as_str()),
        ("transcribe.endpoint_url", &endpoint),
        ("aws.connect_endpoint_url", &endpoint),
        ("store.kind", "none"),
    ];
    let done = set(signed(bare(["doctor"])), &options).done();
    let text = done.text();
    let begins: Vec<&str> = text.lines().map(|line| line[..23].trim_end()).collect();
    let lines = [
        "ok       configuration",
        "ok       region",
        "ok       credentials",
        "warning  clock",
        "failed   kinesis",
        "failed   transcribe",
        "failed   connect",
        "warning  private key",
        "warning  store",
    ];
    assert_eq!(begins, lines, "{text}");
    assert!(text.contains("from EnvironmentVariable") && !text.contains("xyzzy"), "{text}");
    done.fails(1, &["3 checks failed"]);
}

#[test]
fn a_wrong_configuration_is_wrong_usage_for_the_doctor_too() {
    let done = set(bare(["doctor"]), &[("live.burst_ms", "1")]).done();
    done.fails(2, &["[live] burst_ms is 1"]);
    bare(["doctor", "--config", "none.toml"]).done().fails(2, &["none.toml cannot be read"]);
}
