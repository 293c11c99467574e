//! Many calls in one process: who runs, who may start, who hears an event, and how all end.
//!
//! Each call runs in a task of its own; one that panics ends alone, with a report. This room knows calls by
//! their contacts and never looks inside one.

mod desk;
mod rounds;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::AbortHandle;

use crate::call::Input;
use crate::shell::api::{CallStatus, Start};
use crate::shell::clock;
use crate::shell::custody::{Life, TakeError, Taken};
use crate::shell::driver::{Driver, Ended, Signal};
use crate::shell::log;
use crate::shell::metrics::{self, CallEnd};
use crate::shell::payload::Payload;
use crate::shell::services::{Order, Services};

pub use desk::Desk;
use table::{Place, Table};

/// What a call that was given up may still take to say what remained.
const LAST_WORDS: Duration = Duration::from_secs(15);

/// Runs calls; share it behind an `Arc`.
#[derive(Debug)]
pub struct Supervisor {
    services: Arc<Services>,
    max_calls: usize,
    table: Mutex<Table>,
    /// A call has ended.
    ended: Notify,
}

/// Which call is to run here.
#[derive(Debug)]
enum Wish {
    /// The one that this payload starts; `anew`: also if it is over.
    Begin { payload: Box<Payload>, anew: bool },
    /// The one that another worker left.
    TakeOver,
}

impl Supervisor {
    /// For at most so many calls at once.
    #[must_use]
    pub fn new(services: Arc<Services>, max_calls: usize) -> Arc<Self> {
        Arc::new(Self { services, max_calls, table: Mutex::default(), ended: Notify::new() })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Whoever panicked while holding it left it whole: no step in between is ever shown.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the call that a place was reserved for, and runs it.
    async fn open(self: Arc<Self>, place: Place, wish: Wish) -> Start {
        let contact = place.contact.clone();
        let custody = &self.services.custody;
        let taken = match &wish {
            Wish::Begin { payload, anew } => custody.begin(payload, *anew).await,
            Wish::TakeOver => custody.take_over(&contact).await,
        };
        let answer = match taken {
            Ok(Taken::Ours(life)) => match self.services.order(&life.payload) {
                Ok(order) => {
                    self.run(place, *life, order);
                    return Start::Started;
                }
                Err(error) => {
                    custody.let_go(*life).await;
                    Start::Refused(error.to_string())
                }
            },
            Ok(Taken::HeldBy { owner, .. }) => {
                tracing::info!(owner, "another worker runs the call");
                self.hand_on(&wish).await
            }
            Ok(Taken::Failed) => {
                self.table().give_up(&contact, clock::now());
                Start::Finished
            }
            Ok(Taken::Finished | Taken::Unknown) => Start::Finished,
            Err(error) => refusal(&error),
        };
        self.table().forget(&contact);
        self.ended.notify_waiters();
        answer
    }

    /// Whoever runs the call is told of the stream it may not know.
    async fn hand_on(&self, wish: &Wish) -> Start {
        match wish {
            Wish::Begin { payload, .. } => match self.services.custody.hand_on(payload).await {
                Ok(()) => Start::HeldElsewhere,
                Err(error) => Start::Unavailable(error.to_string()),
            },
            Wish::TakeOver => Start::HeldElsewhere,
        }
    }

    fn run(self: &Arc<Self>, place: Place, life: Life, order: Order) {
        let Place { contact, queue, shown } = place;
        self.table().runs(&contact, life.starts());
        let driving = drive(Arc::clone(&self.services), order, life, queue, shown.clone(), seed_of(&contact));
        let work = Arc::clone(self).watch(contact.clone(), driving, shown);
        let task = tokio::spawn(log::of_call(&contact, work)).abort_handle();
        self.table().watched(&contact, task);
    }

    /// Runs a call and tidies up behind it, however it ends.
    async fn watch(
        self: Arc<Self>,
        contact: String,
        driving: impl Future<Output = Result<Ended, String>> + Send + 'static,
        shown: watch::Sender<CallStatus>,
    ) {
        let driven = log::spawn(driving);
        let left = AbortOnDrop(driven.abort_handle());
        let mut untaken = Vec::new();
        let end = match driven.await {
            Ok(Ok(ended)) => {
                untaken = ended.untaken;
                None
            }
            Ok(Err(error)) => Some(error),
            Err(error) if error.is_panic() => {
                metrics::call_ended(CallEnd::Panicked);
                Some("a fault of this program ended it; other calls go on".to_owned())
            }
            Err(_) => Some("it was given up".to_owned()),
        };
        drop(left);
        if let Some(why) = end {
            tracing::error!(why, "the call failed");
            // What failed here once would fail here again and again.
            self.table().give_up(&contact, clock::now());
            shown.send_modify(|status| {
                status.state = "ended".to_owned();
                status.end = Some(why);
            });
        }
        self.tidy(&contact, untaken);
    }

    fn tidy(self: &Arc<Self>, contact: &str, mut untaken: Vec<Payload>) {
        let mut table = self.table();
        untaken.extend(table.end(contact));
        let goes_on = !table.draining && !untaken.is_empty();
        drop(table);
        self.ended.notify_waiters();
        if goes_on {
            tokio::spawn(log::of_call(contact, Arc::clone(self).go_on(untaken)));
        }
    }

    /// Begins the call anew with the streams that it did not take.
    async fn go_on(self: Arc<Self>, untaken: Vec<Payload>) {
        for (number, payload) in untaken.into_iter().enumerate() {
            let answer = Arc::clone(&self).start(payload, number == 0).await;
            if !matches!(answer, Start::Started | Start::Segment | Start::AlreadyRunning) {
                tracing::error!(?answer, "a further segment of the call cannot be begun");
            }
        }
    }

    /// Takes no more calls and ends all, within the deadline: they are handed over where a store keeps them, else
    /// told to stop. What remained undelivered and is kept nowhere, by call.
    pub async fn shut_down(&self, deadline: Duration) -> Vec<CallStatus> {
        let lasting = self.services.custody.is_lasting();
        let ending: HashSet<String> = {
            let mut table = self.table();
            table.draining = true;
            let calls = table.running.len();
            tracing::info!(calls, lasting, "no more calls are taken; those under way are ended");
            table.running.keys().cloned().collect()
        };
        self.tell_all(|| if lasting { Signal::HandOver } else { Signal::Input(Input::Stop) });
        if tokio::time::timeout(deadline, self.all_ended()).await.is_err() {
            tracing::warn!("the drain deadline has passed: what is left is given up");
            if !lasting {
                self.tell_all(|| Signal::Input(Input::GiveUp));
                let _ = tokio::time::timeout(LAST_WORDS, self.all_ended()).await;
            }
        }
        let table = self.table();
        table.running.values().filter_map(|r| r.task.as_ref()).for_each(AbortHandle::abort);
        // What is left with a lasting store is in it.
        let left = table.running.values().filter(|_| !lasting).map(|r| r.status.borrow().clone());
        let ended =
            table.ended.iter().filter(|s| ending.contains(&s.contact_id) && s.state == "ended").cloned();
        left.chain(ended).filter(|s| s.waiting > 0).collect()
    }

    fn tell_all(&self, signal: impl Fn() -> Signal) {
        for running in self.table().running.values() {
            if running.inputs.try_send(signal()).is_err() {
                tracing::warn!("a call takes no more inputs");
            }
        }
    }

    /// Returns once no call is running.
    pub async fn all_ended(&self) {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.table().running.is_empty() {
                return;
            }
            ended.await;
        }
    }
}

fn refusal(error: &TakeError) -> Start {
    metrics::store_failed("start");
    tracing::error!(%error, "the call cannot be taken");
    Start::Unavailable(error.to_string())
}

async fn drive(
    services: Arc<Services>,
    order: Order,
    life: Life,
    inputs: mpsc::Receiver<Signal>,
    shown: watch::Sender<CallStatus>,
    seed: u64,
) -> Result<Ended, String> {
    let sink = match services.sink(&order).await {
        Ok(sink) => sink,
        Err(error) => {
            services.custody.let_go(life).await;
            return Err(error.to_string());
        }
    };
    // The future is large, and the task holds it.
    Ok(Box::pin(Driver::new(services, order, sink, life, inputs, shown, seed).run()).await)
}

/// A call given up takes its driver with it.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What decides a call's back-offs: different for each, and in the log.
#[must_use]
pub fn seed_of(contact: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (contact, clock::now()).hash(&mut hasher);
    hasher.finish()
}
