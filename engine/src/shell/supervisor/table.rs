//! The calls of this process: those that run, those that are over, and those that failed here.

use std::collections::{HashMap, VecDeque};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use crate::call::MediaSegment;
use crate::shell::api::{CallStatus, Start};
use crate::shell::clock;
use crate::shell::custody::{Letter, Matter};
use crate::shell::driver::{INPUT_QUEUE, Signal};
use crate::shell::payload::Payload;
use crate::time::{Span, Time};

/// Calls that are over and still told of.
const MAX_ENDED: usize = 1000;
/// A call that failed here is not looked for again for so long: another worker may have more luck with it.
const GIVEN_UP: Span = Span::from_s(600);

#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) running: HashMap<String, Running>,
    pub(super) ended: VecDeque<CallStatus>,
    given_up: HashMap<String, Time>,
    pub(super) draining: bool,
}

#[derive(Debug)]
pub(super) struct Running {
    pub(super) inputs: mpsc::Sender<Signal>,
    pub(super) status: watch::Receiver<CallStatus>,
    /// The streams it is known to be in: the same start again changes nothing.
    starts: Vec<Payload>,
    /// Streams that came when it took no more signals.
    untold: Vec<Payload>,
    pub(super) task: Option<AbortHandle>,
}

/// Room for one call, and its ends of the wires.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) contact: String,
    pub(super) queue: mpsc::Receiver<Signal>,
    pub(super) shown: watch::Sender<CallStatus>,
}

impl Running {
    pub(super) fn new(inputs: mpsc::Sender<Signal>, status: watch::Receiver<CallStatus>) -> Self {
        Self { inputs, status, starts: Vec::new(), untold: Vec::new(), task: None }
    }

    pub(super) fn knows(&self, segment: &MediaSegment) -> bool {
        self.starts.iter().any(|start| start.segment == *segment)
    }

    /// How near the call under `id` is to a contact: it is the call's own, a leg that its stream has named, or its
    /// key; the least is the nearest.
    fn kinship(&self, id: &str, contact: &str) -> Option<usize> {
        let status = self.status.borrow();
        let named = status.contacts.iter().any(|named| named == contact);
        let is = [id == contact, named, status.vendor_call_key == contact];
        is.iter().position(|is| *is)
    }

    /// Tells the call of a letter that is stored, or about to be. One that finds no room is found in the store.
    pub(super) fn tell(&mut self, letter: Letter) {
        let segment = match &letter.matter {
            Matter::Segment(payload) => Some(payload.as_ref().clone()),
            _ => None,
        };
        let told = self.inputs.try_send(Signal::Letter(letter));
        self.starts.extend(segment.clone());
        if matches!(told, Err(TrySendError::Closed(_))) {
            self.untold.extend(segment);
        }
    }
}

impl Table {
    /// The running call of this contact, by any leg its stream has named, or by its key.
    pub(super) fn find(&mut self, contact: &str) -> Option<&mut Running> {
        let best =
            self.running.iter().filter_map(|(id, r)| Some((r.kinship(id, contact)?, id.clone()))).min();
        self.running.get_mut(&best?.1)
    }

    /// The running calls that an event of this contact may be of; two legs of a chain may run at once under one key.
    pub(super) fn all(&mut self, contact: &str) -> impl Iterator<Item = &mut Running> {
        self.running.iter_mut().filter(move |(id, r)| r.kinship(id, contact).is_some()).map(|(_, r)| r)
    }

    /// Makes room for a call, and shows it as starting.
    pub(super) fn reserve(
        &mut self,
        contact: &str,
        payload: Option<&Payload>,
        max_calls: usize,
    ) -> Result<Place, Start> {
        if self.draining {
            return Err(Start::Draining);
        }
        if self.running.contains_key(contact) {
            return Err(Start::AlreadyRunning);
        }
        if self.running.len() >= max_calls {
            return Err(Start::AtCapacity);
        }
        let (inputs, queue) = mpsc::channel(INPUT_QUEUE);
        let key = payload.and_then(Payload::key).unwrap_or(contact);
        let (shown, status) = watch::channel(CallStatus::new(contact, key, clock::now().ms()));
        let mut running = Running::new(inputs, status);
        running.starts.extend(payload.cloned());
        self.running.insert(contact.to_owned(), running);
        Ok(Place { contact: contact.to_owned(), queue, shown })
    }

    /// The call is ours.
    pub(super) fn runs(&mut self, contact: &str, starts: Vec<Payload>) {
        if let Some(running) = self.running.get_mut(contact) {
            running.starts.extend(starts);
        }
    }

    /// Its task.
    pub(super) fn watched(&mut self, contact: &str, task: AbortHandle) {
        // A call may be over already.
        if let Some(running) = self.running.get_mut(contact) {
            running.task = Some(task);
        }
    }

    /// The call does not run here.
    pub(super) fn forget(&mut self, contact: &str) {
        self.running.remove(contact);
    }

    /// The call is over; streams that it was not told of.
    pub(super) fn end(&mut self, contact: &str) -> Vec<Payload> {
        let Some(running) = self.running.remove(contact) else { return Vec::new() };
        if self.ended.len() >= MAX_ENDED {
            self.ended.pop_front();
        }
        let status = running.status.borrow().clone();
        self.ended.push_back(status);
        running.untold
    }

    /// The call failed here.
    pub(super) fn give_up(&mut self, contact: &str, now: Time) {
        self.given_up.retain(|_, at| now < *at + GIVEN_UP);
        self.given_up.insert(contact.to_owned(), now);
    }

    /// Calls that are not looked for now.
    pub(super) fn given_up(&self, now: Time) -> usize {
        self.given_up.values().filter(|at| now < **at + GIVEN_UP).count()
    }

    /// Whether this process may look after a call that nobody holds.
    pub(super) fn wants(&self, contact: &str, now: Time) -> bool {
        !self.running.contains_key(contact)
            && self.given_up.get(contact).is_none_or(|at| now >= *at + GIVEN_UP)
    }
}
