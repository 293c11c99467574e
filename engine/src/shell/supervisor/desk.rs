//! The supervisor as the HTTP interface asks for it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::call::{GateSource, Input, TelephonyEvent};
use crate::shell::api::{CallStatus, Calls, EventTaken, Start};
use crate::shell::custody::Matter;
use crate::shell::driver::Signal;
use crate::shell::log;
use crate::shell::payload::Payload;

use super::{Supervisor, Wish};

/// The calls as the HTTP interface asks for them.
#[derive(Debug, Clone)]
pub struct Desk(pub Arc<Supervisor>);

impl Supervisor {
    /// Starts a call, or tells the one that runs of a further stream. `anew`: also if it is over.
    pub(super) async fn start(self: Arc<Self>, payload: Payload, anew: bool) -> Start {
        let contact = payload.contact_id.clone();
        let known = {
            let table = self.table();
            if table.draining {
                return Start::Draining;
            }
            table.running.get(&contact).map(|running| running.knows(&payload.segment))
        };
        match known {
            Some(true) => return Start::AlreadyRunning,
            Some(false) => return self.announce(payload).await,
            None => {}
        }
        if let Err(error) = self.services.order(&payload) {
            return Start::Refused(error.to_string());
        }
        let reserved = self.table().reserve(&contact, Some(&payload), self.max_calls);
        match reserved {
            Ok(place) => self.open(place, Wish::Begin { payload: Box::new(payload), anew }).await,
            Err(answer) => answer,
        }
    }

    /// Stores where the media of a running call goes on, and tells the call.
    async fn announce(self: Arc<Self>, payload: Payload) -> Start {
        let contact = payload.contact_id.clone();
        let (letter, entry) = self.services.custody.letter(Matter::Segment(Box::new(payload.clone())));
        if let Err(error) = self.services.custody.post(&contact, &entry).await {
            return Start::Unavailable(error.to_string());
        }
        {
            let mut table = self.table();
            if let Some(running) = table.running.get_mut(&contact) {
                running.tell(letter);
                return Start::Segment;
            }
        }
        // It ended meanwhile.
        Box::pin(self.start(payload, true)).await
    }
}

impl Calls for Desk {
    fn start(&self, payload: Payload) -> Pin<Box<dyn Future<Output = Start> + Send + '_>> {
        // Whoever asked may hang up; what was begun is not left in the middle.
        let starting = log::spawn(Arc::clone(&self.0).start(payload, false));
        Box::pin(async move {
            let failed = |_| Start::Unavailable("a fault of this program; send it again".to_owned());
            starting.await.unwrap_or_else(failed)
        })
    }

    fn list(&self) -> Vec<CallStatus> {
        let table = self.0.table();
        let running = table.running.values().map(|r| r.status.borrow().clone());
        running.chain(table.ended.iter().rev().cloned()).collect()
    }

    fn get(&self, contact: &str) -> Option<CallStatus> {
        let mut table = self.0.table();
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
        Box::pin(async move {
            let custody = &self.0.services.custody;
            let (letter, entry) = custody.letter(Matter::Gate(source, event));
            // The call hears it at once: a closing gate waits for no disk.
            let mut runs_here = false;
            for running in self.0.table().all(contact) {
                running.tell(letter.clone());
                runs_here = true;
            }
            match custody.post(contact, &entry).await {
                Ok(()) if runs_here => EventTaken::Taken,
                Ok(()) => EventTaken::Kept,
                Err(_) => EventTaken::NotStored,
            }
        })
    }

    fn drain(&self, contact: &str) -> bool {
        let stop = || Signal::Input(Input::Stop);
        self.0.table().find(contact).is_some_and(|running| running.inputs.try_send(stop()).is_ok())
    }

    fn ready(&self) -> bool {
        let table = self.0.table();
        !table.draining && table.running.len() < self.0.max_calls
    }
}
