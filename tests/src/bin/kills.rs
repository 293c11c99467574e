//! `cargo kills --`: a call whose worker is killed again and again.
//!
//! Emulators of Kinesis Video Streams, Amazon Transcribe, Amazon Connect and Salesforce start on loopback, a call
//! made of tone words plays live, and `transcribe call` runs as a process of its own. It is killed (SIGKILL) at
//! random moments and started again each time. At the end Salesforce must have exactly what was said: no message
//! missing, none twice, no id with two texts.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use fixtures::Party;
use fixtures::tone::{VOCABULARY, WORD_MS};
use tests::emulators::salesforce::Fate;
use tests::live::{Begun, Lab, Talk};
use tests::product;
use tokio::process::{Child, Command};

const USAGE: &str = "usage: cargo kills -- [--kills N] [--seed N]

Plays a call through emulated services and kills `transcribe call` N times [default: 20] at moments
drawn from the seed [default: 1], starting it again each time.";

/// Length of the call for each kill, so that lives are a few seconds long.
const CALL_FOR_EACH_MS: u64 = 6_000;
/// After the last kill, how long the call may take to end.
const PATIENCE: Duration = Duration::from_secs(180);

fn main() -> ExitCode {
    let rest = match product::arguments() {
        Ok(rest) => rest,
        Err(code) => return code,
    };
    let (mut kills, mut seed) = (20, 1);
    for pair in rest.chunks(2) {
        let number = pair.get(1).and_then(|n| n.to_str()?.parse().ok());
        match (pair[0].to_str(), number) {
            (Some("--kills"), Some(n)) => kills = n,
            (Some("--seed"), Some(n)) => seed = n,
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        }
    }
    let run = tokio::runtime::Runtime::new().and_then(|runtime| runtime.block_on(run(kills, seed)));
    match run {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(kills: u64, seed: u64) -> io::Result<bool> {
    let lab = Lab::new().await;
    let mut dice = fastrand::Rng::with_seed(seed);
    let talk = conversation(&mut dice, kills.max(1) * CALL_FOR_EACH_MS);
    let begun = lab.begin(&talk);
    let event = lab.write("event.json", &begun.trigger().to_string());
    let length_ms = (begun.end - begun.start).ms();
    println!("a call of {} s, {} utterances; seed {seed}\n", length_ms / 1000, begun.truth.len());
    println!("| kill | seconds into the call | its life, s | messages in Salesforce |");
    println!("|--:|--:|--:|--:|");
    let mut moments: Vec<i64> = (0..kills).map(|_| dice.i64(500..length_ms)).collect();
    moments.sort_unstable();
    for (number, moment) in (1..).zip(moments) {
        let mut child = start(&lab, &event)?;
        let since = lab.now();
        tokio::select! {
            status = child.wait() => return Err(ended_early(number, status?)),
            () = lab.wait(begun.at(moment)) => {}
        }
        child.kill().await?;
        let stored = lab.salesforce.state().transcript(&begun.key).len();
        let (at, life) = ((lab.now() - begun.start).ms(), (lab.now() - since).ms());
        println!("| {number} | {:.1} | {:.1} | {stored} |", at as f64 / 1e3, life as f64 / 1e3);
    }
    let mut child = start(&lab, &event)?;
    let status = tokio::time::timeout(PATIENCE, child.wait()).await;
    let status = status.map_err(|_| io::Error::other("the last life of the call came to no end"))??;
    println!();
    if !status.success() {
        eprintln!("error: the last life of the call ended with {status}");
    }
    Ok(verdict(&lab, &begun) && status.success())
}

fn ended_early(number: u64, status: ExitStatus) -> io::Error {
    io::Error::other(format!("life {number} of the call ended by itself: {status}"))
}

fn start(lab: &Lab, event: &std::path::Path) -> io::Result<Child> {
    let mut settings = lab.settings();
    settings.push(format!("store.directory={}", lab.path("store").display()));
    settings.push("log.level=error".to_owned());
    let mut command: Command = product::transcribe()?;
    command.arg("call").arg(event).args(settings.iter().flat_map(|s| ["--set", s.as_str()]));
    command.env_clear().envs(Lab::environment());
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).spawn()
}

/// Both parties, each with short pauses and long ones, at times at once.
fn conversation(dice: &mut fastrand::Rng, length_ms: u64) -> Talk {
    let words: Vec<&str> = VOCABULARY.iter().flatten().copied().collect();
    let mut talk = Talk::new();
    for party in [Party::Customer, Party::Agent] {
        let mut at_ms = dice.u64(300..2_500);
        while at_ms < length_ms {
            let said: Vec<&str> = (0..dice.usize(1..6)).map(|_| words[dice.usize(..words.len())]).collect();
            talk = talk.say(party, at_ms, &said.join(" "));
            at_ms += said.len() as u64 * WORD_MS + dice.u64(1_000..4_500);
        }
    }
    talk
}

/// Whether Salesforce has what was said.
fn verdict(lab: &Lab, begun: &Begun) -> bool {
    let (mut posts, mut again, mut two_texts) = (0, 0, 0);
    {
        let state = lab.salesforce.state();
        let mut texts = BTreeMap::new();
        for arrival in state.arrivals() {
            posts += 1;
            again += u64::from(arrival.fate == Fate::Duplicate);
            let text = texts.entry(arrival.message_id.clone()).or_insert_with(|| arrival.content.clone());
            two_texts += u64::from(*text != arrival.content);
        }
    }
    println!("{posts} posts, {again} of them again under the same id, {two_texts} ids with two texts");
    let same = catch_unwind(AssertUnwindSafe(|| lab.judge(&begun.key, &begun.truth))).is_ok();
    if same {
        println!(
            "Salesforce has the exact transcript: {} messages, none missing, none twice",
            begun.truth.len()
        );
    }
    same && two_texts == 0
}
