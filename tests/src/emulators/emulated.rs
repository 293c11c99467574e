//! What all emulated services have in common once they run: a server, a state machine behind it, a clock.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Clock, Server};

/// A state machine of type `S` behind a running server; dropping it stops the server.
#[derive(Debug)]
pub struct Emulated<S> {
    pub(super) server: Server,
    pub(super) state: Arc<Mutex<S>>,
    pub(super) clock: Clock,
}

impl<S> Emulated<S> {
    /// The base address, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The state machine, to fill and script it and to read what arrived. Do not hold it across an await.
    pub fn state(&self) -> MutexGuard<'_, S> {
        lock(&self.state)
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// The server, to refuse, freeze or stop it.
    pub fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// The certificate a client must trust, PEM; `None` for a plain server.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.server.ca_pem()
    }
}

/// A state machine that panicked in one request still answers the next.
pub(super) fn lock<S>(state: &Mutex<S>) -> MutexGuard<'_, S> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
