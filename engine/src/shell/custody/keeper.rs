//! Keeps a call while it runs: renews its lease, and stores its checkpoints, the newest only.
//!
//! Both are tasks of their own, so that neither waits for the other or for the call.
//!
//! A write that fails is repeated until it succeeds, and messages wait as long. A checkpoint that can never be stored
//! (it is too large for the table, say) is not repeated: the next may fit. Until one does the call goes on as if it
//! were stored, because nobody could make it fit and the messages would wait for ever; if the process dies meanwhile,
//! some are posted twice. Where that must not be (`ambiguous = "drop"`), they wait, and are listed at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use crate::call::Checkpoint;
use crate::shell::clock;
use crate::shell::log;
use crate::shell::metrics;
use crate::shell::store::{Lease, Store, StoreAction, StoreError};
use crate::time::{Span, Time};

/// The first pause after a failed write; it doubles up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// See [`FIRST_PAUSE`].
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause after a failed renewal: the lease runs out meanwhile.
const RENEW_PAUSE: Duration = Duration::from_millis(500);
/// How long the store is told that a call is over, or free.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// What a checkpoint that can never be stored means.
const GOES_ON: &str =
    "its messages are posted all the same, and if this process dies some may be posted twice";
/// See [`GOES_ON`].
const WAITS: &str = "its messages wait until it can be, or are listed as undelivered at its end";

/// What became of what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// The checkpoint of this number is stored.
    Stored(u64),
    /// Another process may hold the call.
    Lost,
}

/// The lease of a call and its tasks.
#[derive(Debug)]
pub(crate) struct Keeper {
    store: Arc<dyn Store>,
    lease: Lease,
    checkpoints: watch::Sender<Option<Arc<Checkpoint>>>,
    news: mpsc::Receiver<Kept>,
    /// The lease is good until then, microseconds.
    until: Arc<AtomicI64>,
    asked: u64,
    stored: u64,
    tasks: [AbortHandle; 2],
}

impl Keeper {
    /// Keeps the call of a lease that was taken, or renewed, at this time. `may_repeat`: after a death messages may be
    /// posted twice.
    pub(super) fn new(
        store: &Arc<dyn Store>,
        lease: Lease,
        taken: Time,
        renew_every: Span,
        may_repeat: bool,
    ) -> Self {
        let (checkpoints, wanted) = watch::channel(None);
        let (told, news) = mpsc::channel(4);
        let until = Arc::new(AtomicI64::new((taken + lease.ttl()).us()));
        let renewing =
            renew(Arc::clone(store), lease.clone(), Arc::clone(&until), length(renew_every), told.clone());
        let saving = save(Arc::clone(store), lease.clone(), wanted, told, may_repeat);
        let tasks = [log::spawn(renewing).abort_handle(), log::spawn(saving).abort_handle()];
        let store = Arc::clone(store);
        Self { store, lease, checkpoints, news, until, asked: 0, stored: 0, tasks }
    }

    /// Stores this in place of the one before, as soon as can be.
    pub(crate) fn save(&mut self, checkpoint: Checkpoint) {
        self.asked = self.asked.max(checkpoint.sequence);
        self.checkpoints.send_replace(Some(Arc::new(checkpoint)));
    }

    /// What happens next.
    pub(crate) async fn next(&mut self) -> Kept {
        let Some(kept) = self.news.recv().await else { return std::future::pending().await };
        if let Kept::Stored(sequence) = kept {
            self.stored = self.stored.max(sequence);
        }
        kept
    }

    /// Whether the lease is good, so far as this process knows: it may have slept.
    pub(crate) fn holds(&self) -> bool {
        clock::now().us() < self.until.load(Ordering::Relaxed)
    }

    /// Nothing waits to be stored.
    pub(crate) fn is_settled(&self) -> bool {
        self.stored >= self.asked
    }

    /// The call is over.
    pub(crate) async fn finish(self) {
        let (store, lease) = (Arc::clone(&self.store), self.lease.clone());
        let told = insist(|| store.finish(&lease)).await;
        if let Err(error) = told {
            tracing::warn!(%error, "the store does not know that the call is over: it may be taken up again");
        }
    }

    /// The call goes on elsewhere, at once.
    pub(crate) async fn release(self) {
        let (store, lease) = (Arc::clone(&self.store), self.lease.clone());
        if let Err(error) = insist(|| store.release(&lease)).await {
            tracing::warn!(%error, "the call could not be released: it is free when its lease is over");
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Tries again and again, for a while.
async fn insist<'a>(
    mut tell: impl FnMut() -> crate::shell::store::Pending<'a, ()>,
) -> Result<(), StoreError> {
    let mut pause = FIRST_PAUSE;
    let end = tokio::time::Instant::now() + LAST_WORDS;
    loop {
        let told = tell().await;
        match &told {
            Err(error) if !error.is_lease_lost() && tokio::time::Instant::now() + pause < end => {
                metrics::store_failed("end");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
            _ => return told,
        }
    }
}

async fn renew(
    store: Arc<dyn Store>,
    lease: Lease,
    until: Arc<AtomicI64>,
    every: Duration,
    told: mpsc::Sender<Kept>,
) {
    let mut failing = false;
    let mut pause = every;
    loop {
        tokio::time::sleep(pause).await;
        let asked = clock::now();
        let left = length(Time::from_us(until.load(Ordering::Relaxed)) - asked);
        let renewed = tokio::time::timeout(left, store.renew(&lease)).await;
        let error = match renewed {
            Ok(Ok(())) => {
                until.store((asked + lease.ttl()).us(), Ordering::Relaxed);
                if std::mem::take(&mut failing) {
                    tracing::info!("the lease on the call is renewed again");
                }
                pause = every;
                continue;
            }
            Ok(Err(error)) if error.is_lease_lost() => {
                tracing::error!("another worker holds the call: nothing more is posted here");
                metrics::lease_lost();
                let _ = told.send(Kept::Lost).await;
                return;
            }
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        metrics::store_failed("renew");
        if clock::now().us() >= until.load(Ordering::Relaxed) {
            tracing::error!(
                "the lease on the call could not be renewed in time: nothing more is posted here"
            );
            metrics::lease_lost();
            let _ = told.send(Kept::Lost).await;
            return;
        }
        if let Some(error) = error.filter(|_| !std::mem::replace(&mut failing, true)) {
            tracing::warn!(%error, "the lease on the call cannot be renewed");
        }
        pause = every.min(RENEW_PAUSE);
    }
}

async fn save(
    store: Arc<dyn Store>,
    lease: Lease,
    mut wanted: watch::Receiver<Option<Arc<Checkpoint>>>,
    told: mpsc::Sender<Kept>,
    may_repeat: bool,
) {
    let mut failed: Option<Time> = None;
    let mut impossible = false;
    let mut pause = FIRST_PAUSE;
    while wanted.changed().await.is_ok() {
        loop {
            let Some(checkpoint) = wanted.borrow_and_update().clone() else { break };
            let sequence = checkpoint.sequence;
            match store.save(&lease, sequence, &checkpoint.to_json()).await {
                Ok(()) => {
                    if let Some(since) = failed.take() {
                        let ms = (clock::now() - since).ms();
                        tracing::info!(ms, "checkpoints of the call are stored again");
                    }
                    (pause, impossible) = (FIRST_PAUSE, false);
                    if told.send(Kept::Stored(sequence)).await.is_err() {
                        return;
                    }
                    break;
                }
                Err(error) if error.is_lease_lost() => {
                    let _ = told.send(Kept::Lost).await;
                    return;
                }
                Err(error) if error.action() == StoreAction::Drop => {
                    metrics::store_failed("save");
                    if !std::mem::replace(&mut impossible, true) {
                        tracing::error!(
                            %error,
                            may_repeat,
                            "the call cannot be stored as it stands; {}; a store of kind `directory` has no such limit",
                            if may_repeat { GOES_ON } else { WAITS }
                        );
                    }
                    if may_repeat && told.send(Kept::Stored(sequence)).await.is_err() {
                        return;
                    }
                    break;
                }
                Err(error) => {
                    metrics::store_failed("save");
                    if failed.is_none() {
                        failed = Some(clock::now());
                        tracing::error!(%error, "the call cannot be stored: its messages wait until it can");
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LAST_PAUSE);
                }
            }
        }
    }
}

fn length(span: Span) -> Duration {
    Duration::from_micros(u64::try_from(span.us()).unwrap_or(0))
}
