//! The supervisor as the HTTP interface asks for it. None of it waits.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::call::{GateSource, Input, TelephonyEvent};
use crate::shell::api::{CallStatus, Calls, EventTaken, Start};
use crate::shell::clock;
use crate::shell::payload::Payload;

use super::Supervisor;

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
        if known.knows(&payload.segment) {
            return Start::AlreadyRunning;
        }
        known.announce(payload);
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
