//! Many calls in one process: who runs, who may start, who hears an event, and how all end.
//!
//! Each call runs in a task of its own; one that panics ends alone, with a report. This room knows calls by
//! their contacts and never looks inside one.

mod early;

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::AbortHandle;

use crate::call::{GateSource, Input, MediaSegment, Summary, TelephonyEvent};
use crate::shell::api::{CallStatus, Calls, EventTaken, Start};
use crate::shell::clock;
use crate::shell::driver::{Driver, INPUT_QUEUE};
use crate::shell::log;
use crate::shell::metrics::{self, CallEnd};
use crate::shell::payload::Payload;
use crate::shell::services::{Order, Services};

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
    /// Every start of this call: the same one again changes nothing.
    starts: Vec<MediaSegment>,
    task: Option<AbortHandle>,
    /// A segment that came when the call took no more media: it begins the call anew once this one is over.
    next: Option<Box<Payload>>,
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
        let starts = vec![payload.segment.clone()];
        let running = Running { inputs, status, starts, task: None, next: None };
        table.running.insert(contact.clone(), running);
        if !payload.ignored.is_empty() {
            tracing::info!(contact, keys = ?payload.ignored, "the payload has keys that nobody knows");
        }
        let work = Arc::clone(self).watch(order, queue, shown);
        let task = tokio::spawn(log::of_call(&contact, work)).abort_handle();
        if let Some(running) = table.running.get_mut(&contact) {
            running.task = Some(task);
        }
        Start::Started
    }

    /// Runs a call and tidies up behind it, however it ends.
    async fn watch(
        self: Arc<Self>,
        order: Order,
        inputs: mpsc::Receiver<Input>,
        shown: watch::Sender<CallStatus>,
    ) {
        let contact = order.contact.clone();
        let services = Arc::clone(&self.services);
        let seed = seed_of(&contact);
        let driven = log::spawn(drive(services, order, inputs, shown.clone(), seed));
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
            table.ended.push_back(running.status.borrow().clone());
            if let Some(next) = running.next.filter(|_| !table.draining) {
                self.begin(&mut table, &next);
            }
        }
        drop(table);
        self.ended.notify_waiters();
    }

    /// Takes no more calls, ends all in good order, and gives up what is not over after `deadline`. What
    /// remained undelivered then, by call.
    pub async fn shut_down(&self, deadline: Duration) -> Vec<CallStatus> {
        {
            let mut table = self.table();
            table.draining = true;
            tracing::info!(calls = table.running.len(), "no more calls are taken; those under way are ended");
        }
        self.tell_all(&Input::Stop);
        if tokio::time::timeout(deadline, self.all_ended()).await.is_err() {
            tracing::warn!("the drain deadline has passed: what is left is given up");
            self.tell_all(&Input::GiveUp);
            let _ = tokio::time::timeout(LAST_WORDS, self.all_ended()).await;
        }
        let table = self.table();
        table.running.values().filter_map(|r| r.task.as_ref()).for_each(AbortHandle::abort);
        let left = table.running.values().map(|r| r.status.borrow().clone());
        left.chain(table.ended.iter().cloned()).filter(|s| s.waiting > 0).collect()
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
    Ok(Driver::new(services, order, sink, inputs, shown, seed).run().await)
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

/// The calls as the HTTP interface asks for them.
#[derive(Debug, Clone)]
pub struct Desk(pub Arc<Supervisor>);

impl Calls for Desk {
    fn start(&self, payload: Payload) -> Start {
        let mut table = self.0.table();
        if table.draining {
            return Start::Draining;
        }
        let running = table.running.len();
        let Some(known) = table.running.get_mut(&payload.contact_id) else {
            if running >= self.0.max_calls {
                return Start::AtCapacity;
            }
            return self.0.begin(&mut table, &payload);
        };
        if known.starts.contains(&payload.segment) {
            return Start::AlreadyRunning;
        }
        known.starts.push(payload.segment.clone());
        let takes_media = !matches!(known.status.borrow().state.as_str(), "draining" | "ended");
        if takes_media && known.inputs.try_send(Input::Segment(payload.segment.clone())).is_ok() {
            return Start::Segment;
        }
        known.next = Some(Box::new(payload));
        Start::Segment
    }

    fn list(&self) -> Vec<CallStatus> {
        let table = self.0.table();
        let running = table.running.values().map(|r| r.status.borrow().clone());
        running.chain(table.ended.iter().rev().cloned()).collect()
    }

    fn get(&self, contact: &str) -> Option<CallStatus> {
        let table = self.0.table();
        if let Some(running) = table.find(contact) {
            return Some(running.status.borrow().clone());
        }
        table.ended.iter().rev().find(|s| s.contact_id == contact).cloned()
    }

    fn event<'a>(
        &'a self,
        contact: &'a str,
        source: GateSource,
        event: TelephonyEvent,
    ) -> Pin<Box<dyn Future<Output = EventTaken> + Send + 'a>> {
        let mut table = self.0.table();
        let inputs = table.find(contact).map(|running| running.inputs.clone());
        let taken = match inputs {
            Some(inputs) => match inputs.try_send(Input::Gate(source, event)) {
                Ok(()) => EventTaken::Taken,
                Err(_) => EventTaken::Busy,
            },
            None if table.early.keep(contact, clock::now(), source, event) => EventTaken::Kept,
            None => EventTaken::Unknown,
        };
        drop(table);
        Box::pin(std::future::ready(taken))
    }

    fn drain(&self, contact: &str) -> bool {
        self.0.table().find(contact).is_some_and(|running| running.inputs.try_send(Input::Stop).is_ok())
    }

    fn ready(&self) -> bool {
        let table = self.0.table();
        !table.draining && table.running.len() < self.0.max_calls
    }
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
