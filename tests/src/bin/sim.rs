//! `cargo sim -- --seed N --calls N`: lives of calls, drawn from seeds, in virtual time, each judged by one who
//! knows the truth. A seed that breaks a promise is printed with the command that shows it again, in full.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;

use tests::world::sim::{REGRESSIONS, VERSION, Verdict, Violation, live_and_judge};

const USAGE: &str =
    "usage: cargo sim -- [--seed N] [--calls N] [--hours H] [--jobs N] [--until P1..P7] [--regressions]

  --seed N    first seed; default 1
  --calls N   how many seeds; default 1000. One is told in full.
  --hours H   instead: seeds until so many hours of calls were lived
  --jobs N    threads; default one for each processor
  --regressions  instead: the seeds that once broke a promise
  --until P   stop behind the first seed that breaks this promise";

struct Wanted {
    first: u64,
    calls: u64,
    hours: Option<f64>,
    jobs: usize,
    until: Option<String>,
    /// Only the seeds that once broke a promise.
    regressions: bool,
}

impl Wanted {
    /// The seed of this number of the run, if there is one.
    fn seed(&self, number: u64) -> Option<u64> {
        if self.regressions {
            return REGRESSIONS.get(usize::try_from(number).ok()?).map(|(seed, _)| *seed);
        }
        (number < self.calls).then(|| self.first.saturating_add(number))
    }

    /// One call, told in full.
    fn tells(&self) -> bool {
        self.calls == 1 && !self.regressions
    }
}

fn wanted() -> Option<Wanted> {
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    let mut wanted = Wanted { first: 1, calls: 1000, hours: None, jobs, until: None, regressions: false };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        if name == "--regressions" {
            wanted.regressions = true;
            continue;
        }
        let value = args.next()?;
        match name.as_str() {
            "--seed" => wanted.first = value.parse().ok()?,
            "--calls" => wanted.calls = value.parse().ok()?,
            "--hours" => wanted.hours = Some(value.parse().ok()?),
            "--jobs" => wanted.jobs = value.parse().ok().filter(|n| *n > 0)?,
            "--until" => wanted.until = Some(value),
            _ => return None,
        }
    }
    if wanted.hours.is_some() {
        wanted.calls = u64::MAX;
    }
    Some(wanted)
}

/// Seeds on their way to being judged, and what came of them in their order.
struct Desk {
    /// Number of the next seed in the run.
    next: u64,
    /// Judged, but one before them is not; by number.
    ahead: BTreeMap<u64, Verdict>,
    /// All before this number are told.
    told: u64,
    calls: u64,
    duration_ms: i64,
    words: u64,
    missing: BTreeMap<&'static str, u64>,
    bad: u64,
    promises: BTreeMap<&'static str, u64>,
    faults: BTreeMap<&'static str, u64>,
    over: bool,
}

impl Desk {
    /// The next seed to be lived, with its number, if one is wanted.
    fn take(&mut self, wanted: &Wanted) -> Option<(u64, u64)> {
        let seed = wanted.seed(self.next).filter(|_| !self.over)?;
        self.next += 1;
        Some((self.next - 1, seed))
    }

    /// Takes a verdict, and tells what is complete: the same whatever the number of threads.
    fn put(&mut self, number: u64, verdict: Verdict, wanted: &Wanted) {
        self.ahead.insert(number, verdict);
        while let Some(verdict) = self.ahead.remove(&self.told) {
            if self.over {
                return;
            }
            if let Some(seed) = wanted.seed(self.told) {
                self.tell(seed, &verdict, wanted);
            }
            self.told += 1;
        }
    }

    fn tell(&mut self, seed: u64, verdict: &Verdict, wanted: &Wanted) {
        self.calls += 1;
        self.duration_ms += verdict.duration_ms;
        self.words += verdict.words;
        for (kind, n) in &verdict.faults {
            *self.faults.entry(kind).or_default() += n;
        }
        for (why, n) in &verdict.missing {
            *self.missing.entry(why).or_default() += n;
        }
        verdict.story.iter().for_each(|line| println!("{line}"));
        let mut named: Vec<&'static str> = verdict.violations.iter().map(|v| v.promise).collect();
        named.sort_unstable();
        named.dedup();
        for promise in &named {
            *self.promises.entry(promise).or_default() += 1;
        }
        if let Some(first) = verdict.violations.first() {
            self.bad += 1;
            let more = verdict.violations.len() + verdict.more - 1;
            println!(
                "seed {seed}: {}: {} (and {more} more, of {})",
                first.promise,
                first.what,
                named.join(" ")
            );
            if wanted.tells() {
                verdict.violations.iter().for_each(|v| println!("  {}: {}", v.promise, v.what));
            } else {
                println!("  again with: cargo sim -- --seed {seed} --calls 1");
            }
        }
        if let Some(promise) = wanted.until.as_ref().filter(|p| named.iter().any(|n| n == p)) {
            println!("until {promise}: seed {seed}");
        }
        let hours = self.duration_ms as f64 / 3_600_000.0;
        self.over = wanted.hours.is_some_and(|h| hours >= h)
            || wanted.until.as_ref().is_some_and(|p| named.iter().any(|n| n == p));
    }
}

fn main() -> ExitCode {
    let Some(wanted) = wanted() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let desk = Mutex::new(Desk {
        next: 0,
        ahead: BTreeMap::new(),
        told: 0,
        calls: 0,
        duration_ms: 0,
        words: 0,
        missing: BTreeMap::new(),
        bad: 0,
        promises: BTreeMap::new(),
        faults: BTreeMap::new(),
        over: false,
    });
    let work = || {
        while let Some((number, seed)) = desk.lock().ok().and_then(|mut desk| desk.take(&wanted)) {
            let verdict = lived(seed, wanted.tells());
            if let Ok(mut desk) = desk.lock() {
                desk.put(number, verdict, &wanted);
            }
        }
    };
    thread::scope(|scope| (0..wanted.jobs).for_each(|_| drop(scope.spawn(work))));
    let Ok(desk) = desk.into_inner() else { return ExitCode::FAILURE };
    let minutes = desk.duration_ms as f64 / 60_000.0;
    let struck: u64 = desk.faults.values().sum();
    let seeds = if wanted.regressions {
        "those that once broke a promise".to_owned()
    } else {
        format!("{}..{}", wanted.first, wanted.first + desk.told)
    };
    println!(
        "draw {VERSION}, seeds {seeds}: {} calls, {:.1} hours, {} words; {struck} faults struck, {:.2} a minute",
        desk.calls,
        minutes / 60.0,
        desk.words,
        struck as f64 / minutes.max(0.1)
    );
    for (kind, n) in &desk.faults {
        println!("  {n:>9} {kind}");
    }
    println!("words that did not arrive:");
    for (why, n) in &desk.missing {
        println!("  {n:>9} {why}");
    }
    println!("{} calls broke a promise {:?}", desk.bad, desk.promises);
    if desk.bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A panic of the call is a fault as any other, and the seed shows it again.
fn lived(seed: u64, tell: bool) -> Verdict {
    catch_unwind(|| live_and_judge(seed, tell)).unwrap_or_else(|_| Verdict {
        violations: vec![Violation { promise: "P6", what: "it panicked".to_owned() }],
        ..Verdict::default()
    })
}
