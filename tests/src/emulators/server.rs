//! One HTTP server for all emulators: loopback, HTTP/1.1 and HTTP/2, plain or TLS, bounded, and gone when
//! dropped. It knows connections and bodies and nothing of what is said in them.

mod wire;

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use wire::Freezable;

use super::Authority;

pub use wire::{Dropped, Outgoing, Reply};

/// How a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// HTTP/1.1, or HTTP/2 from a client that begins with it.
    Plain,
    /// TLS with these protocols offered, best first: `h2`, `http/1.1`.
    Tls(&'static [&'static str]),
}

/// Sizes of a server.
#[derive(Debug, Clone, Copy)]
pub struct ServerOptions {
    /// How it speaks.
    pub wire: Wire,
    /// Connections beyond this wait unaccepted.
    pub max_connections: usize,
    /// Streams of one HTTP/2 connection.
    pub max_streams: u32,
    /// How long a stop waits for what is under way.
    pub grace: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        let grace = Duration::from_millis(500);
        Self { wire: Wire::Plain, max_connections: 2048, max_streams: 200, grace }
    }
}

impl ServerOptions {
    /// TLS with these protocols, all else as by default.
    #[must_use]
    pub fn tls(alpn: &'static [&'static str]) -> Self {
        Self { wire: Wire::Tls(alpn), ..Self::default() }
    }
}

/// What a server serves.
pub trait Service: Send + Sync + 'static {
    /// Answers a request; [`Dropped`] ends it without an answer, and on HTTP/1.1 its connection.
    fn call(&self, request: http::Request<Incoming>) -> impl Future<Output = Result<Reply, Dropped>> + Send;
}

/// What the connections are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Serve,
    /// The port is closed: connections are refused.
    Refuse,
    /// The port is open and nothing is read or written: a frozen peer.
    Freeze,
    Stop,
}

/// A running server; dropping it stops it.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    order: watch::Sender<Order>,
    /// What the accept loop has obeyed.
    obeyed: watch::Receiver<Order>,
    task: Option<JoinHandle<()>>,
    ca_pem: Option<String>,
}

impl Server {
    /// Starts a server on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When no port or certificate can be had.
    pub async fn start(options: ServerOptions, service: impl Service) -> io::Result<Self> {
        let (tls, ca_pem) = match options.wire {
            Wire::Plain => (None, None),
            Wire::Tls(alpn) => {
                let authority = Authority::new()?;
                let acceptor = TlsAcceptor::from(authority.server(alpn)?);
                (Some(acceptor), Some(authority.ca_pem().to_owned()))
            }
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (order, orders) = watch::channel(Order::Serve);
        let (obey, obeyed) = watch::channel(Order::Serve);
        let house = House { options, tls, service: Arc::new(service), orders };
        let task = Some(tokio::spawn(house.run(listener, address, obey)));
        Ok(Self { address, order, obeyed, task, ca_pem })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base address, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.ca_pem.is_some() { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.address.port())
    }

    /// The certificate a client must trust, PEM; `None` for a plain server.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Closes the port and every connection: from now on connections are refused.
    pub async fn refuse(&mut self) {
        self.tell(Order::Refuse).await;
    }

    /// Goes on accepting connections, but reads and writes nothing on any.
    pub async fn freeze(&mut self) {
        self.tell(Order::Freeze).await;
    }

    /// Serves again. Connections that were frozen stay dead.
    pub async fn serve(&mut self) {
        self.tell(Order::Serve).await;
    }

    /// Stops, waiting for what is under way no longer than the grace.
    pub async fn stop(mut self) {
        self.order.send_replace(Order::Stop);
        if let Some(task) = self.task.take() {
            // Only a panic of the accept loop could be lost here, and then it is stopped too.
            let _ = task.await;
        }
    }

    async fn tell(&mut self, order: Order) {
        self.order.send_replace(order);
        // An error means that the loop is gone, and then it serves nobody.
        let _ = self.obeyed.wait_for(|obeyed| *obeyed == order).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.order.send_replace(Order::Stop);
    }
}

/// The accept loop and what it hands to connections.
struct House<S> {
    options: ServerOptions,
    tls: Option<TlsAcceptor>,
    service: Arc<S>,
    orders: watch::Receiver<Order>,
}

impl<S: Service> House<S> {
    async fn run(mut self, listener: TcpListener, address: SocketAddr, obey: watch::Sender<Order>) {
        let room = Arc::new(Semaphore::new(self.options.max_connections));
        let mut connections = JoinSet::new();
        let mut listener = Some(listener);
        loop {
            let order = *self.orders.borrow_and_update();
            match order {
                Order::Stop => break,
                Order::Refuse => {
                    listener = None;
                    connections.shutdown().await;
                }
                Order::Serve | Order::Freeze if listener.is_none() => {
                    let Ok(bound) = TcpListener::bind(address).await else {
                        // Somebody else has the port for now.
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        continue;
                    };
                    listener = Some(bound);
                }
                Order::Serve | Order::Freeze => {}
            }
            obey.send_replace(order);
            tokio::select! {
                changed = self.orders.changed() => if changed.is_err() { break },
                Some((stream, permit)) = accept(listener.as_ref(), &room) => {
                    let connection = self.connection(stream);
                    connections.spawn(async move {
                        let _permit = permit;
                        connection.await;
                    });
                }
                Some(_) = connections.join_next() => {}
            }
        }
        drop(listener);
        // What is not done within the grace is cut off when the set is dropped.
        let all = async { while connections.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(self.options.grace, all).await;
    }

    /// Serves one connection to its end.
    fn connection(&self, stream: TcpStream) -> impl Future<Output = ()> + Send + 'static {
        let (tls, service, mut orders) = (self.tls.clone(), Arc::clone(&self.service), self.orders.clone());
        let max_streams = self.options.max_streams;
        async move {
            // Nagle's delay would only blur what tests measure.
            let _ = stream.set_nodelay(true);
            let stream = Freezable::new(stream, frozen_by(&orders));
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder.http2().max_concurrent_streams(max_streams);
            let answer = hyper::service::service_fn(move |request| {
                let service = Arc::clone(&service);
                async move { service.call(request).await }
            });
            match tls {
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        let serving = builder.serve_connection(TokioIo::new(stream), answer);
                        until_stopped(serving, &mut orders).await;
                    }
                }
                None => {
                    let serving = builder.serve_connection(TokioIo::new(stream), answer);
                    until_stopped(serving, &mut orders).await;
                }
            }
        }
    }
}

/// Tells a connection's stream whether it is frozen.
fn frozen_by(orders: &watch::Receiver<Order>) -> impl Fn() -> bool + Send + Unpin + 'static {
    let orders = orders.clone();
    move || *orders.borrow() == Order::Freeze
}

/// The next connection with its place; never, while the port is closed.
async fn accept(
    listener: Option<&TcpListener>,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let Some(listener) = listener else { return std::future::pending().await };
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    let (stream, _) = listener.accept().await.ok()?;
    Some((stream, permit))
}

/// Drives a connection; on the order to stop it may finish what it has begun.
async fn until_stopped<C>(serving: C, orders: &mut watch::Receiver<Order>)
where
    C: hyper_util::server::graceful::GracefulConnection,
{
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        // How a connection ended is the client's affair.
        _ = serving.as_mut() => return,
        _ = orders.wait_for(|order| *order == Order::Stop) => {}
    }
    serving.as_mut().graceful_shutdown();
    let _ = serving.await;
}

/// Reads a whole body of at most `limit` bytes.
///
/// # Errors
/// When the body is longer or the connection breaks.
pub async fn read_body(body: Incoming, limit: usize) -> Result<Bytes, Dropped> {
    Limited::new(body, limit).collect().await.map(http_body_util::Collected::to_bytes).map_err(|_| Dropped)
}
