//! Many calls in one process: who runs, who may start, who hears an event, and how all end.
//!
//! Each call runs in a task of its own; one that panics ends alone, with a report. This room knows calls by
//! their contacts and never looks inside one.

mod desk;
mod early;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::AbortHandle;

use crate::call::{Input, MediaSegment, Summary};
use crate::shell::api::{CallStatus, Start};
use crate::shell::clock;
use crate::shell::driver::{Driver, INPUT_QUEUE};
use crate::shell::log;
use crate::shell::metrics::{self, CallEnd};
use crate::shell::payload::Payload;
use crate::shell::services::{Order, Services};

pub use desk::Desk;
use early::Early;

/// Calls that are over and still told of.
const MAX_ENDED: usize = 1000;
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

#[derive(Debug, Default)]
struct Table {
    running: HashMap<String, Running>,
    ended: VecDeque<CallStatus>,
    early: Early,
    draining: bool,
}

#[derive(Debug)]
struct Running {
    inputs: mpsc::Sender<Input>,
    status: watch::Receiver<CallStatus>,
    /// Every start of this call, in order: the same one again changes nothing. The call counts those it took;
    /// with the others, which came when it took no more media, it begins anew once it is over.
    starts: Vec<Payload>,
    task: Option<AbortHandle>,
}

impl Running {
    fn knows(&self, segment: &MediaSegment) -> bool {
        self.starts.iter().any(|start| start.segment == *segment)
    }

    /// Tells the call where its media goes on.
    fn announce(&mut self, start: Payload) {
        // What cannot be told now counts as not taken.
        let _ = self.inputs.try_send(Input::Segment(start.segment.clone()));
        self.starts.push(start);
    }
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

    fn begin(self: &Arc<Self>, table: &mut Table, payload: &Payload) -> Start {
        let order = match self.services.order(payload) {
            Ok(order) => order,
            Err(error) => return Start::Refused(error.to_string()),
        };
        let contact = payload.contact_id.clone();
        let (inputs, queue) = mpsc::channel(INPUT_QUEUE);
        let key = payload.key().unwrap_or(&contact).to_owned();
        let (shown, status) = watch::channel(CallStatus::new(&contact, key, clock::now().ms()));
        for (at, source, event) in table.early.take(&contact) {
            // The queue is empty and longer than what was kept.
            let _ = inputs.try_send(Input::PastGate(at, source, event));
        }
        let running = Running { inputs, status, starts: vec![payload.clone()], task: None };
        table.running.insert(contact.clone(), running);
        let driving = drive(Arc::clone(&self.services), order, queue, shown.clone(), seed_of(&contact));
        let work = Arc::clone(self).watch(contact.clone(), driving, shown);
        let task = tokio::spawn(log::of_call(&contact, work)).abort_handle();
        if let Some(running) = table.running.get_mut(&contact) {
            running.task = Some(task);
        }
        Start::Started
    }

    /// Runs a call and tidies up behind it, however it ends.
    async fn watch(
        self: Arc<Self>,
        contact: String,
        driving: impl Future<Output = Result<Summary, String>> + Send + 'static,
        shown: watch::Sender<CallStatus>,
    ) {
        let driven = log::spawn(driving);
        let left = AbortOnDrop(driven.abort_handle());
        let end = match driven.await {
            Ok(Ok(_)) => None,
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
            shown.send_modify(|status| {
                status.state = "ended".to_owned();
                status.end = Some(why);
            });
        }
        self.tidy(&contact);
    }

    fn tidy(self: &Arc<Self>, contact: &str) {
        let mut table = self.table();
        if let Some(running) = table.running.remove(contact) {
            if table.ended.len() >= MAX_ENDED {
                table.ended.pop_front();
            }
            let status = running.status.borrow().clone();
            let taken = usize::try_from(status.segments).unwrap_or(usize::MAX);
            table.ended.push_back(status);
            if !table.draining {
                self.go_on(&mut table, contact, running.starts.into_iter().skip(taken));
            }
        }
        drop(table);
        self.ended.notify_waiters();
    }

    /// Begins the call anew with the segments that it did not take.
    fn go_on(self: &Arc<Self>, table: &mut Table, contact: &str, mut starts: impl Iterator<Item = Payload>) {
        let Some(first) = starts.next() else { return };
        if let Start::Refused(why) = self.begin(table, &first) {
            tracing::error!(contact, why, "a further segment of the call cannot be begun");
        }
        if let Some(running) = table.running.get_mut(contact) {
            starts.for_each(|start| running.announce(start));
        }
    }

    /// Takes no more calls, ends all in good order, and gives up what is not over after `deadline`. What
    /// remained undelivered then, by call.
    pub async fn shut_down(&self, deadline: Duration) -> Vec<CallStatus> {
        let ending: HashSet<String> = {
            let mut table = self.table();
            table.draining = true;
            tracing::info!(calls = table.running.len(), "no more calls are taken; those under way are ended");
            table.running.keys().cloned().collect()
        };
        self.tell_all(&Input::Stop);
        if tokio::time::timeout(deadline, self.all_ended()).await.is_err() {
            tracing::warn!("the drain deadline has passed: what is left is given up");
            self.tell_all(&Input::GiveUp);
            let _ = tokio::time::timeout(LAST_WORDS, self.all_ended()).await;
        }
        let table = self.table();
        table.running.values().filter_map(|r| r.task.as_ref()).for_each(AbortHandle::abort);
        let left = table.running.values().map(|r| r.status.borrow().clone());
        let ended = table.ended.iter().filter(|s| ending.contains(&s.contact_id)).cloned();
        left.chain(ended).filter(|s| s.waiting > 0).collect()
    }

    fn tell_all(&self, input: &Input) {
        for running in self.table().running.values() {
            if running.inputs.try_send(input.clone()).is_err() {
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

async fn drive(
    services: Arc<Services>,
    order: Order,
    inputs: mpsc::Receiver<Input>,
    shown: watch::Sender<CallStatus>,
    seed: u64,
) -> Result<Summary, String> {
    let sink = services.sink(&order).await.map_err(|error| error.to_string())?;
    // The future is large, and the task holds it.
    Ok(Box::pin(Driver::new(services, order, sink, inputs, shown, seed).run()).await)
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

impl Table {
    /// The running call of this contact, by any leg its stream has named.
    fn find(&self, contact: &str) -> Option<&Running> {
        self.running.get(contact).or_else(|| {
            let of_call = |r: &&Running| r.status.borrow().contacts.iter().any(|c| c == contact);
            self.running.values().find(of_call)
        })
    }
}
