//! What a call reports, as log lines and figures. No line holds what was said or a number of a caller.

use std::collections::BTreeMap;

use tracing::{debug, error, info, warn};

use crate::call::{EndReason, Outcome, Post, Report, Summary};
use crate::shell::clock;
use crate::shell::metrics::{self, CallEnd, MessageOutcome};
use crate::time::{Span, Time};

/// Turns reports into news. Remembers what figures are counted against.
#[derive(Debug, Default)]
pub(super) struct News {
    exposed_ms: i64,
    /// Kinds of drops told already: the first of each is told, all are counted.
    dropped: BTreeMap<&'static str, u64>,
}

impl News {
    pub(super) fn tell(&mut self, report: &Report) {
        match report {
            Report::Contact { id, ours } => info!(contact = id, ours, "the stream names a contact"),
            Report::Utterance(u) => {
                debug!(party = %u.party, start = u.start.ms(), words = u.words.len(), "an utterance is final");
            }
            Report::GateClosed { at, hold, pause } => info!(at = at.ms(), hold, pause, "the gate is closed"),
            Report::GateOpened { at } => info!(at = at.ms(), "the gate is open"),
            Report::GateAlarm { since } => {
                warn!(since = since.ms(), "the gate has been closed for long: was an event lost?");
            }
            Report::Exposed { total_ms } => {
                let more = total_ms - std::mem::replace(&mut self.exposed_ms, *total_ms);
                metrics::exposed(Span::from_ms(more.max(0)));
                warn!(total_ms, "a closing event came too late for audio that had already left");
            }
            Report::EventIgnored { kind, why } => warn!(kind, why, "an event was not applied"),
            Report::Gap { party, from, to } => {
                metrics::gap(*party, *to - *from);
                debug!(%party, from = from.ms(), ms = (*to - *from).ms(), "a hole in the audio is silence");
            }
            Report::Jump { from, to } => {
                warn!(from = from.ms(), to = to.ms(), "the clock of the media jumped");
            }
            Report::Resumed { died, after_fragment, waiting, exposed_ms } => {
                self.exposed_ms = *exposed_ms;
                info!(
                    died = died.ms(),
                    after_fragment, waiting, "the call goes on where another worker left it"
                );
            }
            Report::Doubt { from, to, closed } => {
                warn!(
                    from = from.ms(),
                    ms = (*to - *from).ms(),
                    closed,
                    "no worker may have been there to take gate events"
                );
            }
            Report::Damage(error) => warn!(%error, "bytes of the stream were passed over"),
            Report::InBandError(e) => {
                warn!(id = e.id, code = e.code, "Kinesis reports an error in the stream");
            }
            Report::MediaOpened { connection, selector, cause } => match cause {
                None => info!(connection, selector, "reading the stream"),
                Some(cause) => {
                    metrics::reconnect(*cause);
                    info!(connection, selector, ?cause, "reading the stream again");
                }
            },
            Report::MediaLost(error) => {
                info!(cause = ?error.cause, action = ?error.action, %error, "the connection to the stream is over");
            }
            Report::SessionLost { session, error } => {
                metrics::session_restart(error.cause);
                warn!(session, cause = ?error.cause, %error, "a Transcribe session failed; another follows");
            }
            Report::SessionSilent { session, owes } => {
                warn!(session, heard_again = owes, "a Transcribe session did not end in time and is closed");
            }
            Report::SessionsClosed { behind, closed } => {
                info!(
                    behind,
                    closed, "later sessions are closed: what they heard is heard again in its order"
                );
            }
            Report::Dropped { reason, bytes, what } => {
                metrics::dropped(*reason, *bytes);
                let name: &'static str = reason.name();
                let times = self.dropped.entry(name).or_default();
                *times += 1;
                if *times == 1 {
                    info!(reason = name, bytes, what, "audio was let go; more of this kind is only counted");
                }
            }
        }
    }

    /// A post was answered.
    pub(super) fn posted(&mut self, post: &Post, outcome: &Outcome, shadow: bool) {
        let message = &post.message;
        let counted = match outcome {
            Outcome::Accepted => {
                metrics::speech_to_post(clock::now() - Time::from_ms(message.end_time));
                if shadow { MessageOutcome::Shadowed } else { MessageOutcome::Delivered }
            }
            Outcome::Retry { cause } => {
                debug!(message_id = message.message_id, ?cause, "a message will be posted again");
                MessageOutcome::Retried(*cause)
            }
            Outcome::Paused => {
                info!(message_id = message.message_id, "Salesforce says that transcription is paused");
                MessageOutcome::Paused
            }
            Outcome::Refused(why) => {
                error!(message_id = message.message_id, why, "Salesforce refused a message for good");
                MessageOutcome::Refused
            }
        };
        metrics::message(counted);
    }
}

/// The last line of a call.
pub(super) fn closing(summary: &Summary) {
    // What is left of a call that another process has is posted by that.
    let lost = summary.end == EndReason::LeaseLost;
    for _ in summary.messages.undelivered.iter().filter(|_| !lost) {
        metrics::message(MessageOutcome::Undelivered);
    }
    if summary.key_unresolved {
        metrics::key_unresolved();
    }
    match serde_json::to_string(summary) {
        Ok(text) => info!(summary = text, "the call is over"),
        Err(error) => error!(%error, "the call is over, and its summary cannot be written"),
    }
}

/// How the call ended, for the figures.
pub(super) fn how(summary: &Summary) -> CallEnd {
    match &summary.end {
        EndReason::LeaseLost => CallEnd::LeaseLost,
        EndReason::MediaFailed(_) | EndReason::RecogniserFailed(_) => CallEnd::Failed,
        _ if summary.messages.undelivered.is_empty() && summary.messages.refused.is_empty() => {
            CallEnd::Complete
        }
        _ => CallEnd::Undelivered,
    }
}
