//! One round: so many calls at once, measured while all of them run.

use std::io;
use std::time::Duration;

use engine::time::{Span, Time};
use tests::emulators::sigv4::Credentials;
use tokio::task::JoinSet;

use crate::calls::{self, Call, Plan};
use crate::figures::{self, Figures};
use crate::stage::{self, Stage};
use crate::usage::{self, Cpu};
use crate::worker::{self, Metrics, Worker};

/// From a call's first sample to the request that starts it: by then its first fragment can be read.
const TRIGGER: Span = Span::from_ms(1400);
/// Before the measurement begins: the last calls have opened their sessions and caught up.
const SETTLE: Span = Span::from_s(5);
/// Behind a call's last sample: its last fragment has been read and heard.
const LAST: Span = Span::from_s(2);
/// Time for all calls to end.
const ENDING: Duration = Duration::from_secs(90);
/// Bytes in to first audio out, as the product itself measures it.
const INSIDE: &str = "kvscribe_media_to_audio_seconds";
/// Bytes in the replay rings.
const REPLAY: &str = "kvscribe_replay_bytes";

/// What was found at one number of calls.
pub(crate) struct Row {
    pub(crate) calls: usize,
    pub(crate) figures: Figures,
    pub(crate) cpu: Cpu,
    /// Upper bounds of the product's own measurement, seconds: half and 99 % lie below.
    pub(crate) inside: (Option<f64>, Option<f64>),
    pub(crate) memory: Memory,
}

/// Resident memory of the product, bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Before the first call.
    pub(crate) before: u64,
    /// With all calls, mean of one look a second.
    pub(crate) mean: u64,
    /// Of it, audio kept to be sent again.
    pub(crate) replay: u64,
}

/// Runs a round.
pub(crate) async fn run(calls: usize, seconds: i64) -> io::Result<Row> {
    let stage = Stage::set(calls).await?;
    let (config, address) = stage.configure(calls)?;
    // Emulators that look at no signature take any credentials.
    let worker = Worker::start(&config, address, &Credentials::example()).await?;
    let before = usage::resident(worker.id()).unwrap_or(0);
    let (window, played) = generate(&stage, calls, seconds).await?;
    let mut starts = JoinSet::new();
    for call in &played {
        stage.play(call);
        starts.spawn(worker::start_call(address, call.start + TRIGGER, stage::payload(call)));
    }
    while let Some(started) = starts.join_next().await {
        started.map_err(io::Error::other)??;
    }
    stage.clock.wait(window.0).await;
    let measured = measure(&stage, &worker, window).await?;
    let end = played.iter().map(Call::end).max().unwrap_or(window.1);
    stage.clock.wait(end + LAST).await;
    let contacts: Vec<String> = played.iter().map(|call| call.contact.clone()).collect();
    worker.end_calls(&contacts, ENDING).await?;
    let Measured { cpu, inside, memory } = measured;
    let memory = Memory { before, ..memory };
    Ok(Row { calls, figures: figures::of(&stage, &played, window), cpu, inside, memory })
}

/// The calls, none of which has begun, and when all of them run.
async fn generate(stage: &Stage, calls: usize, seconds: i64) -> io::Result<((Time, Time), Vec<Call>)> {
    let some = i64::try_from(calls).unwrap_or(0);
    let ramp = Span::from_ms(50 * some);
    // How long it takes to make them depends on the machine.
    let mut ahead = Span::from_ms(1000 + 20 * some);
    loop {
        let from = stage.clock.now() + ahead;
        let begin = from + ramp + SETTLE;
        let end = begin + Span::from_s(seconds);
        let plan = Plan { calls, from, ramp, until: end + Span::from_s(1) };
        let made = tokio::task::spawn_blocking(move || calls::generate(plan));
        let made = made.await.map_err(io::Error::other)??;
        if stage.clock.now() < from {
            return Ok(((begin, end), made));
        }
        ahead = ahead + ahead;
    }
}

struct Measured {
    cpu: Cpu,
    inside: (Option<f64>, Option<f64>),
    memory: Memory,
}

/// Looks at the product while all calls run.
async fn measure(stage: &Stage, worker: &Worker, window: (Time, Time)) -> io::Result<Measured> {
    let (began, cpu, first) = (stage.clock.now(), Cpu::now(worker.id()), worker.metrics().await?);
    let (mut resident, mut replay, mut looks) = (0, 0.0, 0);
    let mut next = began + Span::from_s(1);
    while next < window.1 {
        stage.clock.wait(next).await;
        next = next + Span::from_s(1);
        resident += usage::resident(worker.id()).unwrap_or(0);
        replay += worker.metrics().await?.value(REPLAY);
        looks += 1;
    }
    stage.clock.wait(window.1).await;
    let last: Metrics = worker.metrics().await?;
    let seconds = (stage.clock.now() - began).us() as f64 / 1e6;
    let quantile = |share| last.quantile_since(&first, INSIDE, share);
    let memory =
        Memory { before: 0, mean: resident / looks.max(1), replay: (replay / looks.max(1) as f64) as u64 };
    let cpu = Cpu::now(worker.id()).since(cpu, seconds);
    Ok(Measured { cpu, inside: (quantile(0.5), quantile(0.99)), memory })
}
