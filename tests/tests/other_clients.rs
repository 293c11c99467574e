//! The emulators speak with clients of other makers: the AWS SDKs for JavaScript and Python, over TLS and with
//! every signature checked. What our own client and our own emulator get wrong alike would show here.
//!
//! The clients are installed once, into a cache outside the repository. Where node or Python is missing a test
//! passes with a note; with `CI=true` it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use engine::time::Span;
use fixtures::kinesis::Shape;
use fixtures::tone;
use fixtures::{Party, Pcm};
use serde_json::Value;
use tests::emulators::kinesis::{self, KinesisServer, cut};
use tests::emulators::sigv4::Credentials;
use tests::emulators::transcribe::{self, TranscribeServer};
use tests::emulators::{Clock, ServerOptions};
use tests::tools::{self, installed, run};

const ARN: &str = "arn:aws:kinesisvideo:eu-west-2:123456789012:stream/acme-contact-1/1571360000000";
/// For one client to do its work, installing apart.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the clients' scripts stand.
fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// Who runs a script.
#[derive(Clone, Copy)]
enum Language {
    JavaScript,
    Python,
}

impl Language {
    /// The command that runs a script with its clients; `work` is a folder of the test's own.
    fn command(self, script: &str, work: &Path) -> Option<Command> {
        match self {
            Self::JavaScript => {
                let dir = tools::npm("node", &scripts())?;
                // A module is looked for beside the script that wants it.
                let file = format!("{script}.mjs");
                fs::copy(scripts().join(&file), work.join(&file)).unwrap();
                std::os::unix::fs::symlink(dir.join("node_modules"), work.join("node_modules")).unwrap();
                let mut command = Command::new("node");
                command.arg(work.join(file));
                Some(command)
            }
            Self::Python => {
                let dir = installed("python", &scripts().join("requirements.txt"), |dir| {
                    run(Command::new("python3").args(["-m", "venv"]).arg(dir.join("venv")))?;
                    let list = scripts().join("requirements.txt");
                    let flags = ["install", "--quiet", "--disable-pip-version-check", "-r"];
                    run(Command::new(dir.join("venv/bin/pip")).args(flags).arg(list))
                })?;
                let mut command = Command::new(dir.join("venv/bin/python"));
                command.arg(scripts().join(format!("{script}.py")));
                Some(command)
            }
        }
    }
}

/// Runs a client to its end and returns what it printed; `None` where it cannot be had.
async fn client(
    language: Language,
    script: &'static str,
    args: Vec<String>,
    ca_pem: Option<&str>,
) -> Option<String> {
    let work = tempfile::tempdir().unwrap();
    let folder = work.path().to_owned();
    let prepared = tokio::task::spawn_blocking(move || language.command(script, &folder));
    let mut command = prepared.await.unwrap()?;
    let (ca, out, err) = (work.path().join("ca.pem"), work.path().join("out"), work.path().join("err"));
    fs::write(&ca, ca_pem.expect("clients of others are spoken to over TLS")).unwrap();
    let key = Credentials::example();
    let mut child = command
        .args(args)
        .env("AWS_ACCESS_KEY_ID", key.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", key.secret_access_key)
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env_remove("AWS_SESSION_TOKEN")
        .env_remove("AWS_PROFILE")
        .env("NO_PROXY", "localhost")
        .env("NODE_EXTRA_CA_CERTS", &ca)
        .env("AWS_CA_BUNDLE", &ca)
        .stdin(Stdio::null())
        .stdout(File::create(&out).unwrap())
        .stderr(File::create(&err).unwrap())
        .spawn()
        .unwrap();
    let ended = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let ended = ended.await;
    if ended.is_err() {
        child.kill().unwrap();
    }
    let (said, complained) = (fs::read_to_string(out).unwrap(), fs::read_to_string(err).unwrap());
    assert!(ended.is_ok_and(|status| status.success()), "{script}: {said}{complained}");
    Some(said)
}

/// A client of Kinesis reads a whole call; every byte of it must be there.
async fn media(language: Language) {
    let script =
        tone::Script::new().say(Party::Customer, 300, "hello").say(Party::Agent, 3000, "please hold");
    let bytes = Shape::default().write(&script.render(5000).unwrap()).bytes;
    let options = kinesis::Options {
        credentials: Some(Credentials::example()),
        end_after: Some(Span::from_s(1)),
        ..kinesis::Options::default()
    };
    let wire = ServerOptions::tls(&["http/1.1"]);
    let server = KinesisServer::start(options, wire, Clock::real()).await.unwrap();
    let stored = server.clock().now() - Span::from_s(60);
    server.state().store(ARN, stored, cut(bytes.clone()).unwrap());
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("media");
    let args = vec![server.url(), ARN.to_owned(), out.to_string_lossy().into_owned()];
    if client(language, "kinesis", args, server.ca_pem()).await.is_some() {
        assert!(fs::read(out).unwrap() == bytes, "not what was stored");
        assert_eq!(server.state().selectors()[0].2, kinesis::Selector::Earliest);
    }
}

/// A client of Transcribe sends tone words on both channels and must get them back as they were said.
async fn words(language: Language, rate_hz: u32, kind: Option<&str>) {
    let pcm = Pcm {
        customer: tone::speak_at(rate_hz, "hello return shoes").unwrap(),
        agent: tone::speak_at(rate_hz, "please hold").unwrap(),
    };
    let silence = std::iter::repeat_n(0, 2 * rate_hz as usize);
    let agent = pcm.agent.iter().copied().chain(silence.clone());
    let both = pcm.customer.iter().copied().chain(silence).zip(agent);
    let audio: Vec<u8> = both.flat_map(|(c, a)| [c.to_le_bytes(), a.to_le_bytes()].concat()).collect();
    let work = tempfile::tempdir().unwrap();
    let file = work.path().join("audio");
    fs::write(&file, audio).unwrap();

    let (options, credentials) = (transcribe::Options::default(), Some(Credentials::example()));
    let wire = ServerOptions::tls(&["h2"]);
    let server = TranscribeServer::start(options, credentials, wire, Clock::real()).await.unwrap();
    let mut args = vec![server.url(), file.to_string_lossy().into_owned(), rate_hz.to_string()];
    args.extend(kind.map(str::to_owned));
    let Some(said) = client(language, "transcribe", args, server.ca_pem()).await else { return };
    let mut heard: Vec<(String, String)> = said
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|r| (r["channel"].as_str().unwrap().to_owned(), r["text"].as_str().unwrap().to_owned()))
        .collect();
    heard.sort();
    let pair = |channel: &str, text: &str| (channel.to_owned(), text.to_owned());
    assert_eq!(heard, [pair("ch_0", "hello return shoes."), pair("ch_1", "please hold.")]);
    let state = server.state();
    let record = state.records()[0];
    assert!(record.ended && record.request.medical == (kind == Some("medical")));
}

#[tokio::test]
async fn the_javascript_client_of_kinesis_gets_every_byte() {
    media(Language::JavaScript).await;
}

#[tokio::test]
async fn the_python_client_of_kinesis_gets_every_byte() {
    media(Language::Python).await;
}

#[tokio::test]
async fn the_javascript_client_of_transcribe_gets_the_words() {
    words(Language::JavaScript, 8000, Some("general")).await;
}

#[tokio::test]
async fn the_javascript_client_of_transcribe_medical_gets_the_words() {
    words(Language::JavaScript, 16_000, Some("medical")).await;
}

#[tokio::test]
async fn the_python_client_of_transcribe_gets_the_words() {
    words(Language::Python, 8000, None).await;
}
