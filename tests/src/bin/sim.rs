//! `cargo sim -- --seed N --calls N`: lives of calls, drawn from seeds, in virtual time, each judged by one who
//! knows the truth. A seed that breaks a promise is printed with the command that shows it again, in full.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::process::ExitCode;

use tests::world::sim::live_and_judge;

const USAGE: &str = "usage: cargo sim -- [--seed N] [--calls N]";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (mut seed, mut calls) = (1_u64, 1_000_u64);
    for pair in args.chunks(2) {
        match (pair[0].as_str(), pair.get(1).and_then(|n| n.parse().ok())) {
            ("--seed", Some(n)) => seed = n,
            ("--calls", Some(n)) => calls = n,
            _ => {
                eprintln!("{USAGE}");
                return ExitCode::from(2);
            }
        }
    }
    let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut duration_ms, mut bad) = (0_i64, 0_u64);
    for seed in seed..seed.saturating_add(calls) {
        // A panic of the call is a fault as any other, and the seed shows it again.
        let Ok(verdict) = catch_unwind(|| live_and_judge(seed)) else {
            bad += 1;
            println!("seed {seed}: panicked; again with: cargo sim -- --seed {seed} --calls 1");
            continue;
        };
        duration_ms += verdict.duration_ms;
        for (kind, n) in verdict.faults.clone() {
            *faults.entry(kind).or_default() += n;
        }
        if calls == 1 {
            println!("{verdict:#?}");
        }
        if let Some(first) = verdict.violations.first() {
            bad += 1;
            let more = verdict.violations.len() - 1;
            println!("seed {seed}: {}: {} (and {more} more)", first.promise, first.what);
            println!("  again with: cargo sim -- --seed {seed} --calls 1");
        }
    }
    println!("{calls} calls, {:.1} hours of audio", duration_ms as f64 / 3_600_000.0);
    for (kind, n) in faults {
        println!("  {n:>8} {kind}");
    }
    println!("{bad} calls broke a promise");
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
