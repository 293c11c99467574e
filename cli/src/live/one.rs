//! The HTTP interface of a process that runs one call, or waits to: its gate events and its state.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use engine::call::{GateSource, Input, TelephonyEvent};
use engine::shell::api::{CallStatus, Calls, EventTaken, Start};
use engine::shell::custody::Matter;
use engine::shell::driver::Signal;
use engine::shell::payload::Payload;
use engine::shell::services::Services;
use tokio::sync::{mpsc, watch};

/// The one call, as the interface asks for it.
#[derive(Debug)]
pub(super) struct OneCall {
    pub(super) services: Arc<Services>,
    /// To the driver, as long as one runs.
    pub(super) inputs: watch::Receiver<Option<mpsc::Sender<Signal>>>,
    pub(super) status: watch::Receiver<CallStatus>,
}

impl OneCall {
    fn is(&self, contact: &str) -> bool {
        let status = self.status.borrow();
        status.contact_id == contact
            || status.vendor_call_key == contact
            || status.contacts.iter().any(|c| c == contact)
    }

    /// Whether a driver was there to be told.
    fn tell(&self, signal: Signal) -> bool {
        self.inputs.borrow().as_ref().is_some_and(|inputs| inputs.try_send(signal).is_ok())
    }

    /// Tells the call, and stores it for whoever goes on with it.
    async fn hand_in(&self, contact: &str, matter: Matter) -> (bool, Result<(), String>) {
        let custody = &self.services.custody;
        let (letter, entry) = custody.letter(matter);
        let told = self.tell(Signal::Letter(letter));
        (told, custody.post(contact, &entry).await.map_err(|error| error.to_string()))
    }
}

impl Calls for OneCall {
    fn start(&self, payload: Payload) -> Pin<Box<dyn Future<Output = Start> + Send + '_>> {
        Box::pin(async move {
            if !self.is(&payload.contact_id) {
                return Start::AtCapacity;
            }
            let contact = payload.contact_id.clone();
            match self.hand_in(&contact, Matter::Segment(Box::new(payload))).await {
                (_, Err(error)) => Start::Unavailable(error),
                (true, Ok(())) => Start::Segment,
                (false, Ok(())) => Start::HeldElsewhere,
            }
        })
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
        Box::pin(async move {
            match self.hand_in(contact, Matter::Gate(source, event)).await {
                (_, Err(_)) => EventTaken::NotStored,
                (true, Ok(())) => EventTaken::Taken,
                (false, Ok(())) => EventTaken::Kept,
            }
        })
    }

    fn drain(&self, contact: &str) -> bool {
        self.is(contact) && self.tell(Signal::Input(Input::Stop))
    }

    fn ready(&self) -> bool {
        self.status.borrow().state != "ended"
    }
}
