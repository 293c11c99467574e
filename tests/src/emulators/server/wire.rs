//! What goes over a connection: bodies that arrive in pieces, answers that never come, a stream that freezes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;

/// The request gets no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped;

impl std::fmt::Display for Dropped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("dropped on purpose")
    }
}

impl std::error::Error for Dropped {}

/// An answer.
pub type Reply = http::Response<Outgoing>;

/// Body of an answer.
#[derive(Debug)]
pub enum Outgoing {
    /// All of it at once.
    Whole(Option<Bytes>),
    /// In pieces as they come. [`Dropped`] breaks the connection off (HTTP/1.1) or resets the stream
    /// (HTTP/2); the end of the channel is the end of the body.
    Pieces(mpsc::Receiver<Result<Bytes, Dropped>>),
}

impl Outgoing {
    /// All of it at once.
    #[must_use]
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Some(bytes.into()))
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Dropped;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Dropped>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Self::Pieces(pieces) => pieces.poll_recv(cx).map(|next| next.map(|piece| piece.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Self::Whole(bytes) => {
                http_body::SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64)
            }
            Self::Pieces(_) => http_body::SizeHint::default(),
        }
    }
}

/// A stream that reads and writes nothing while `frozen` says so. It is not woken when that ends.
pub(super) struct Freezable<S, F> {
    stream: S,
    frozen: F,
}

impl<S, F> Freezable<S, F> {
    pub(super) fn new(stream: S, frozen: F) -> Self {
        Self { stream, frozen }
    }
}

impl<S: AsyncRead + Unpin, F: Fn() -> bool + Unpin> AsyncRead for Freezable<S, F> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if (this.frozen)() { Poll::Pending } else { Pin::new(&mut this.stream).poll_read(cx, buf) }
    }
}

impl<S: AsyncWrite + Unpin, F: Fn() -> bool + Unpin> AsyncWrite for Freezable<S, F> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if (this.frozen)() { Poll::Pending } else { Pin::new(&mut this.stream).poll_write(cx, buf) }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if (this.frozen)() { Poll::Pending } else { Pin::new(&mut this.stream).poll_flush(cx) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
