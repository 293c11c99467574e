//! The HTTP interface of a process that runs one call: its gate events and its state.

use std::future::Future;
use std::pin::Pin;

use engine::call::{GateSource, Input, TelephonyEvent};
use engine::shell::api::{CallStatus, Calls, EventTaken, Start};
use engine::shell::payload::Payload;
use tokio::sync::{mpsc, watch};

/// The one call, as the interface asks for it.
#[derive(Debug)]
pub(super) struct OneCall {
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) status: watch::Receiver<CallStatus>,
}

impl OneCall {
    fn is(&self, contact: &str) -> bool {
        let status = self.status.borrow();
        status.contact_id == contact
            || status.vendor_call_key == contact
            || status.contacts.iter().any(|c| c == contact)
    }
}

impl Calls for OneCall {
    fn start(&self, payload: Payload) -> Start {
        if !self.is(&payload.contact_id) {
            return Start::AtCapacity;
        }
        match self.inputs.try_send(Input::Segment(payload.segment)) {
            Ok(()) => Start::Segment,
            Err(_) => Start::Draining,
        }
    }

    fn list(&self) -> Vec<CallStatus> {
        vec![self.status.borrow().clone()]
    }

    fn get(&self, contact: &str) -> Option<CallStatus> {
        self.is(contact).then(|| self.status.borrow().clone())
    }

    fn event<'a>(
        &'a self,
        contact: &'a str,
        source: GateSource,
        mut event: TelephonyEvent,
    ) -> Pin<Box<dyn Future<Output = EventTaken> + Send + 'a>> {
        // The call itself judges whether a contact that it has not met is a leg of it.
        event.call_id.get_or_insert_with(|| contact.to_owned());
        let taken = match self.inputs.try_send(Input::Gate(source, event)) {
            Ok(()) => EventTaken::Taken,
            Err(_) => EventTaken::Busy,
        };
        Box::pin(std::future::ready(taken))
    }

    fn drain(&self, contact: &str) -> bool {
        self.is(contact) && self.inputs.try_send(Input::Stop).is_ok()
    }

    fn ready(&self) -> bool {
        self.status.borrow().state != "ended"
    }
}
