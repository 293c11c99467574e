//! The services behind real HTTP, on one port.

use std::io;
use std::sync::{Arc, Mutex};

use hyper::body::Incoming;

use super::state::{Answer, Aws, Options};
use crate::emulators::emulated::{Emulated, lock};
use crate::emulators::{Clock, Dropped, Outgoing, Reply, Server, ServerOptions, Service, read_body};

/// A body beyond this is not read.
const MAX_BODY: usize = 1 << 20;

/// Connect, Secrets Manager, SSM and ECS on a port.
pub type AwsServer = Emulated<Aws>;

#[derive(Debug)]
struct Desk {
    state: Arc<Mutex<Aws>>,
    clock: Clock,
}

impl Emulated<Aws> {
    /// Starts it. Its time is the clock's: signatures are judged by it.
    ///
    /// # Errors
    /// When no port or certificate can be had.
    pub async fn start(options: Options, server: ServerOptions, clock: Clock) -> io::Result<Self> {
        let state = Arc::new(Mutex::new(Aws::new(options)));
        let server = Server::start(server, Desk { state: Arc::clone(&state), clock }).await?;
        Ok(Self { server, state, clock })
    }
}

impl Service for Desk {
    async fn call(&self, request: http::Request<Incoming>) -> Result<Reply, Dropped> {
        let (parts, body) = request.into_parts();
        let body = read_body(body, MAX_BODY).await?;
        let request = http::Request::from_parts(parts, body);
        let now = self.clock.now();
        let answer = lock(&self.state).handle(now, &request);
        match answer {
            Answer::Reply(response) => Ok(response.map(Outgoing::whole)),
            Answer::Silence => std::future::pending().await,
            Answer::Cut => Err(Dropped),
        }
    }
}
