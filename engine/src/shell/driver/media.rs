//! The connection to the media: read by a task of its own, so that waiting for it can be given up at any time.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tracing::Instrument;

use crate::call::{Input, MediaEnd, MediaRequest};
use crate::shell::clock;
use crate::shell::kinesis::Kinesis;
use crate::shell::metrics;
use crate::time::Time;

/// Pieces of up to 500 KB that wait for the call: behind them the socket is no longer read.
const QUEUE: usize = 2;

enum Piece {
    Bytes(Time, Bytes),
    End(MediaEnd),
}

/// At most one connection; opening another closes it.
#[derive(Debug)]
pub(super) struct Media {
    kinesis: Kinesis,
    open: Option<(mpsc::Receiver<Piece>, AbortHandle)>,
    /// When the bytes came that the call was given last, until audio has left because of them.
    arrived: Option<Time>,
}

impl Media {
    pub(super) fn new(kinesis: Kinesis) -> Self {
        Self { kinesis, open: None, arrived: None }
    }

    pub(super) fn open(&mut self, request: MediaRequest) {
        self.close();
        let (pieces, queue) = mpsc::channel(QUEUE);
        let kinesis = self.kinesis.clone();
        let reading = async move {
            let end = read(&kinesis, &request, &pieces).await;
            // Nobody is there to be told when the connection was given up.
            let _ = pieces.send(Piece::End(end)).await;
        };
        let task = tokio::spawn(reading.in_current_span()).abort_handle();
        self.open = Some((queue, task));
    }

    pub(super) fn close(&mut self) {
        if let Some((_, task)) = self.open.take() {
            task.abort();
        }
    }

    /// The next input; never, while nothing is open.
    pub(super) async fn next(&mut self) -> Input {
        let Some((queue, _)) = &mut self.open else { return std::future::pending().await };
        match queue.recv().await {
            Some(Piece::Bytes(arrived, bytes)) => {
                self.arrived = Some(arrived);
                Input::Media(bytes)
            }
            Some(Piece::End(end)) => {
                self.open = None;
                Input::MediaEnded(end)
            }
            None => {
                self.open = None;
                Input::MediaEnded(MediaEnd::Truncated("the task that read the media failed".to_owned()))
            }
        }
    }

    /// Audio left the call. The first after a piece came was released by it.
    pub(super) fn audio_left(&mut self) {
        if let Some(arrived) = self.arrived.take() {
            metrics::media_to_audio(clock::now() - arrived);
        }
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        self.close();
    }
}

async fn read(kinesis: &Kinesis, request: &MediaRequest, pieces: &mpsc::Sender<Piece>) -> MediaEnd {
    let mut body = match kinesis.open(request).await {
        Ok(body) => body,
        Err(error) => return MediaEnd::Lost(error),
    };
    loop {
        match body.next().await {
            Ok(Some(bytes)) => {
                if pieces.send(Piece::Bytes(clock::now(), bytes)).await.is_err() {
                    return MediaEnd::Complete;
                }
            }
            Ok(None) => return MediaEnd::Complete,
            Err(error) => return MediaEnd::Lost(error),
        }
    }
}
