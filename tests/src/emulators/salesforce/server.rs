//! Salesforce behind real HTTP.

use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

use hyper::body::Incoming;
use tokio::sync::watch;

use super::arrivals::Arrival;
use super::state::{Answer, Options, Salesforce};
use crate::emulators::emulated::{Emulated, lock};
use crate::emulators::{Clock, Dropped, Outgoing, Reply, Server, ServerOptions, Service, read_body};

/// A body beyond this is not read.
const MAX_BODY: usize = 1 << 20;

/// Salesforce on a port.
#[derive(Debug)]
pub struct SalesforceServer {
    emulated: Emulated<Salesforce>,
    count: watch::Receiver<usize>,
}

impl Deref for SalesforceServer {
    type Target = Emulated<Salesforce>;
    fn deref(&self) -> &Self::Target {
        &self.emulated
    }
}

impl DerefMut for SalesforceServer {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.emulated
    }
}

#[derive(Debug)]
struct Desk {
    state: Arc<Mutex<Salesforce>>,
    clock: Clock,
    /// Messages that have arrived.
    count: watch::Sender<usize>,
}

/// Messages as they arrive, whatever becomes of them, from the first one on.
#[derive(Debug, Clone)]
pub struct Arrivals {
    state: Arc<Mutex<Salesforce>>,
    count: watch::Receiver<usize>,
    next: usize,
}

impl Arrivals {
    /// Waits for the next message; `None` when the server has gone and nothing is left. None is missed,
    /// however late it is asked for, and to give up waiting loses none.
    pub async fn next(&mut self) -> Option<Arrival> {
        loop {
            let arrived = lock(&self.state).arrivals().get(self.next).cloned();
            if arrived.is_some() {
                self.next += 1;
                return arrived;
            }
            let next = self.next;
            // Nobody counts any more: nothing can come.
            self.count.wait_for(|count| *count > next).await.ok()?;
        }
    }
}

impl SalesforceServer {
    /// Starts it. Its time is the clock's: tokens are judged by it.
    ///
    /// # Errors
    /// When no port or certificate can be had.
    pub async fn start(options: Options, server: ServerOptions, clock: Clock) -> io::Result<Self> {
        let state = Arc::new(Mutex::new(Salesforce::new(options)));
        let (counter, count) = watch::channel(0);
        let desk = Desk { state: Arc::clone(&state), clock, count: counter };
        let server = Server::start(server, desk).await?;
        Ok(Self { emulated: Emulated { server, state, clock }, count })
    }

    /// The messages that have arrived and those that will.
    #[must_use]
    pub fn subscribe(&self) -> Arrivals {
        Arrivals { state: Arc::clone(&self.state), count: self.count.clone(), next: 0 }
    }

    /// The base of the API, `…/telephony/v1`.
    #[must_use]
    pub fn base(&self) -> String {
        format!("{}/telephony/v1", self.server.url())
    }
}

impl Service for Desk {
    async fn call(&self, request: http::Request<Incoming>) -> Result<Reply, Dropped> {
        let (parts, body) = request.into_parts();
        let body = read_body(body, MAX_BODY).await?;
        let request = http::Request::from_parts(parts, body);
        let now = self.clock.now();
        let (answer, count) = {
            let mut state = lock(&self.state);
            (state.handle(now, &request), state.arrivals().len())
        };
        self.count.send_if_modified(|known| {
            let more = count > *known;
            *known = count.max(*known);
            more
        });
        match answer {
            Answer::Reply { mut response, after } => {
                response.headers_mut().insert(http::header::DATE, self.clock.http_date());
                self.clock.wait(now + after).await;
                Ok(response.map(Outgoing::whole))
            }
            Answer::Silence => std::future::pending().await,
            Answer::Cut | Answer::Refused => Err(Dropped),
        }
    }
}
