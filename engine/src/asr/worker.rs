//! The threads that do the heavy work: utterances in, words out, through bounded channels.
//!
//! One utterance a thread at a time; the tensor library's own threads are held to one a worker by a thread
//! pool of that size. A worker that fails says so; it never leaves a caller waiting. It must never know
//! parties, sessions or order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam::channel::{Receiver, Sender, bounded, select};

use super::decode::{Decoder, Refusal, Written};
use super::vad::Utterance;

/// A piece of work under the number its sender gave it.
pub(crate) struct Job {
    pub(crate) number: u64,
    pub(crate) utterance: Utterance,
}

/// What came of a job.
pub(crate) struct Done {
    pub(crate) number: u64,
    pub(crate) runs: Vec<(u64, u64)>,
    pub(crate) outcome: Result<Result<Vec<Written>, Refusal>, String>,
}

/// The running threads. Dropping it ends them: an utterance being decoded stops at its next token.
pub(crate) struct Workers {
    jobs: Sender<Job>,
    done: Receiver<Done>,
    cancelled: Arc<AtomicBool>,
    threads: usize,
}

impl Workers {
    /// Starts `threads` workers.
    pub(crate) fn start(decoder: &Decoder, threads: usize) -> Result<Self, String> {
        // One utterance waits for each worker, so that none idles while its result is fetched.
        let (jobs, inbox) = bounded::<Job>(threads);
        let (outbox, done) = bounded::<Done>(threads);
        let cancelled = Arc::new(AtomicBool::new(false));
        for index in 0..threads {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(1)
                .thread_name(move |_| format!("asr-{index}"))
                .build()
                .map_err(|e| format!("cannot start the recogniser's threads: {e}"))?;
            let (inbox, outbox) = (inbox.clone(), outbox.clone());
            let (mut decoder, cancelled) = (decoder.clone(), Arc::clone(&cancelled));
            pool.spawn(move || work(&inbox, &outbox, &mut decoder, &cancelled));
        }
        Ok(Self { jobs, done, cancelled, threads })
    }

    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Hands over a job; blocks while all workers are busy and gives what they finish meanwhile to `take`.
    pub(crate) fn send(&self, job: Job, mut take: impl FnMut(Done)) -> Result<(), String> {
        let mut job = Some(job);
        while job.is_some() {
            select! {
                recv(self.done) -> done => take(done.map_err(|_| ended())?),
                send(self.jobs, job.take().ok_or_else(ended)?) -> sent => sent.map_err(|_| ended())?,
            }
        }
        Ok(())
    }

    /// The next result; with `wait`, blocks until there is one.
    pub(crate) fn receive(&self, wait: bool) -> Result<Option<Done>, String> {
        if wait {
            return self.done.recv().map(Some).map_err(|_| ended());
        }
        match self.done.try_recv() {
            Ok(done) => Ok(Some(done)),
            Err(crossbeam::channel::TryRecvError::Empty) => Ok(None),
            Err(crossbeam::channel::TryRecvError::Disconnected) => Err(ended()),
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

fn ended() -> String {
    "the recogniser's threads ended unexpectedly".to_owned()
}

fn work(inbox: &Receiver<Job>, outbox: &Sender<Done>, decoder: &mut Decoder, cancelled: &AtomicBool) {
    for Job { number, utterance } in inbox {
        if cancelled.load(Ordering::Relaxed) {
            return;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| decoder.decode(&utterance.samples, cancelled)))
            .map_err(|_| "the recogniser failed inside the model".to_owned())
            .and_then(|result| result.map_err(|e| format!("the recogniser failed: {e}")));
        if outbox.send(Done { number, runs: utterance.runs, outcome }).is_err() {
            return; // nobody listens any more
        }
    }
}
