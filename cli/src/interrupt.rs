//! Ctrl-C: remembered once, acted on by whoever works.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

static PRESSED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// A flag that Ctrl-C, SIGTERM or SIGHUP sets. A second Ctrl-C while the first is being acted on ends the
/// process as usual.
pub(crate) fn flag() -> Arc<AtomicBool> {
    PRESSED
        .get_or_init(|| {
            let flag = Arc::new(AtomicBool::new(false));
            let shared = Arc::clone(&flag);
            // Without a handler Ctrl-C ends the process at once, as it does everywhere.
            let _ = ctrlc::set_handler(move || {
                if shared.swap(true, Ordering::Relaxed) {
                    end_now();
                }
            });
            flag
        })
        .clone()
}

#[expect(clippy::disallowed_methods, reason = "the second Ctrl-C asks for exactly this")]
fn end_now() {
    std::process::exit(130);
}

/// A reader that Ctrl-C wakes: a pipe that says nothing for an hour must not hold the program for an hour.
/// While nothing comes it times out again and again; once interrupted it ends.
pub(crate) struct Interruptible {
    pieces: Receiver<io::Result<Vec<u8>>>,
    rest: io::Cursor<Vec<u8>>,
}

/// Size of one read.
const READ_BYTES: usize = 64 << 10;
/// Reads that may wait to be taken.
const WAITING_READS: usize = 4;
/// How soon Ctrl-C is noticed.
const POLL: Duration = Duration::from_millis(50);

impl Interruptible {
    pub(crate) fn new(mut inner: Box<dyn Read + Send>) -> Self {
        let (sender, pieces) = sync_channel(WAITING_READS);
        std::thread::spawn(move || {
            loop {
                let mut piece = vec![0; READ_BYTES];
                let read = match inner.read(&mut piece) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read,
                };
                let end = !matches!(read, Ok(n) if n > 0);
                let read = read.map(|n| {
                    piece.truncate(n);
                    piece
                });
                if sender.send(read).is_err() || end {
                    return;
                }
            }
        });
        Self { pieces, rest: io::Cursor::new(Vec::new()) }
    }
}

impl Read for Interruptible {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.rest.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            match self.pieces.recv_timeout(POLL) {
                Ok(piece) => {
                    let piece = piece?;
                    if piece.is_empty() {
                        return Ok(0);
                    }
                    self.rest = io::Cursor::new(piece);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let pressed = PRESSED.get().is_some_and(|pressed| pressed.load(Ordering::Relaxed));
                    return if pressed { Ok(0) } else { Err(io::ErrorKind::TimedOut.into()) };
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
    }
}
