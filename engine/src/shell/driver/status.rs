//! The state of a call, as others may look at it while it runs.

use tokio::sync::watch;

use crate::call::{Call, EndReason, Summary};
use crate::recogniser::AudioChunk;
use crate::shell::api::CallStatus;
use crate::shell::clock;
use crate::shell::metrics::{self, CallState};
use crate::time::Span;

/// Lag is measured once a second of audio.
const EVERY: Span = Span::from_s(1);

#[derive(Debug)]
pub(super) struct Status {
    shown: watch::Sender<CallStatus>,
    state: CallState,
    lag: Option<Span>,
    since_measured: Span,
    /// Messages waiting, as last counted.
    waiting: u64,
    /// Bytes kept to be sent again, as last counted.
    replay: usize,
}

impl Status {
    pub(super) fn new(shown: watch::Sender<CallStatus>) -> Self {
        metrics::call_entered(CallState::Starting);
        Self { shown, state: CallState::Starting, lag: None, since_measured: EVERY, waiting: 0, replay: 0 }
    }

    /// A chunk leaves for the recogniser.
    pub(super) fn audio(&mut self, chunk: &AudioChunk) {
        let length = Span::from_samples(i64::try_from(chunk.samples()).unwrap_or(0), chunk.rate_hz);
        self.since_measured = self.since_measured + length;
        if self.since_measured >= EVERY {
            self.since_measured = Span::ZERO;
            let lag = clock::now() - (chunk.start + length);
            metrics::lag_behind_live(lag);
            self.lag = Some(lag);
        }
        self.enter(CallState::Running);
    }

    /// A further segment of media was taken.
    pub(super) fn segment(&mut self) {
        self.shown.send_modify(|shown| shown.segments += 1);
    }

    fn wait(&mut self, waiting: u64) {
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let change = signed(waiting) - signed(std::mem::replace(&mut self.waiting, waiting));
        if change != 0 {
            metrics::outbox_changed(change);
        }
    }

    fn keep(&mut self, replay: usize) {
        let signed = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let change = signed(replay) - signed(std::mem::replace(&mut self.replay, replay));
        if change != 0 {
            metrics::replay_changed(change);
        }
    }

    fn enter(&mut self, state: CallState) {
        if state != self.state {
            metrics::call_left(self.state);
            metrics::call_entered(state);
            self.state = state;
        }
    }

    /// Shows the call as it stands.
    pub(super) fn update(&mut self, call: &Call) {
        if !call.is_running() {
            self.enter(CallState::Draining);
        }
        let (state, lag) = (self.state, self.lag);
        let progress = call.progress();
        self.wait(progress.waiting);
        self.keep(call.replay_bytes());
        self.shown.send_if_modified(|shown| {
            let mut next = shown.clone();
            next.state = state.name().to_owned();
            next.vendor_call_key = progress.vendor_call_key;
            next.lag_ms = lag.map(Span::ms);
            next.connections = progress.connections;
            next.sessions = progress.sessions;
            next.gate_closed = progress.gate_closed;
            next.delivered = progress.delivered;
            next.refused = progress.refused;
            next.waiting = progress.waiting;
            next.contacts = progress.contacts;
            let changed = next != *shown;
            *shown = next;
            changed
        });
    }

    /// Lends the contacts of the call that its stream has named, and its key, as last shown.
    pub(super) fn with_contacts(&self, look: impl FnOnce(&[String], &str)) {
        let shown = self.shown.borrow();
        look(&shown.contacts, &shown.vendor_call_key);
    }

    /// The call goes on in another process.
    pub(super) fn handed_over(&mut self) {
        self.shown.send_modify(|shown| {
            shown.state = "handedOver".to_owned();
            shown.end = Some("it goes on in another process".to_owned());
        });
    }

    /// The call is over.
    pub(super) fn ended(&mut self, summary: &Summary) {
        let messages = &summary.messages;
        self.shown.send_modify(|shown| {
            shown.state = "ended".to_owned();
            shown.vendor_call_key.clone_from(&summary.vendor_call_key);
            shown.delivered = messages.delivered;
            shown.refused = messages.refused.len() as u64;
            // What is left of a call that another process has waits there.
            let lost = summary.end == EndReason::LeaseLost;
            shown.waiting = if lost { 0 } else { messages.undelivered.len() as u64 };
            shown.end = Some(reason(&summary.end));
        });
    }
}

impl Drop for Status {
    fn drop(&mut self) {
        self.wait(0);
        self.keep(0);
        metrics::call_left(self.state);
    }
}

/// Why a call ended, in words.
fn reason(end: &EndReason) -> String {
    match end {
        EndReason::MediaEnded => "the media was complete".to_owned(),
        EndReason::StopStreaming => "streaming was stopped".to_owned(),
        EndReason::ContactsEnded => "every contact was over".to_owned(),
        EndReason::Idle => "no audio came for too long".to_owned(),
        EndReason::Stopped => "it was told to stop".to_owned(),
        EndReason::LeaseLost => "another worker has it".to_owned(),
        EndReason::MediaFailed(why) => format!("media: {why}"),
        EndReason::RecogniserFailed(why) => format!("recogniser: {why}"),
    }
}
