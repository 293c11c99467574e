//! The worker's metrics: every name, label and help text, as functions that need no strings.
//!
//! Whoever counts something calls a function here; `GET /metrics` renders what [`install`] records. This
//! room knows no call. Labels have few values: no contact, no text, no number of a caller.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use crate::call::{DropReason, MediaCause, RetryCause};
use crate::recogniser::{Party, RecogniserCause};
use crate::time::Span;

const CALLS: &str = "kvscribe_calls";
const CALLS_ENDED: &str = "kvscribe_calls_ended_total";
const STARTS: &str = "kvscribe_start_requests_total";
const LAG: &str = "kvscribe_lag_behind_live_seconds";
const GAPS: &str = "kvscribe_gaps_total";
const GAP_TIME: &str = "kvscribe_gap_milliseconds_total";
const RECONNECTS: &str = "kvscribe_reconnects_total";
const RESTARTS: &str = "kvscribe_session_restarts_total";
const MESSAGES: &str = "kvscribe_messages_total";
const DROPS: &str = "kvscribe_drops_total";
const DROPPED_BYTES: &str = "kvscribe_dropped_bytes_total";
const OUTBOX: &str = "kvscribe_outbox_messages";
const REPLAY: &str = "kvscribe_replay_bytes";
const EXPOSED: &str = "kvscribe_exposed_milliseconds_total";
const GATE_EVENTS: &str = "kvscribe_gate_events_total";
const KEY_UNRESOLVED: &str = "kvscribe_key_unresolved_total";
const STORE_FAILURES: &str = "kvscribe_store_failures_total";
const LEASES_LOST: &str = "kvscribe_leases_lost_total";
const RESUMED: &str = "kvscribe_calls_resumed_total";
const MEDIA_TO_AUDIO: &str = "kvscribe_media_to_audio_seconds";
const SPEECH_TO_POST: &str = "kvscribe_speech_to_post_seconds";

/// From the end of speech to the accepted post: a final result takes about a second, a fragment 1.1 s;
/// beyond 30 s it was a rate limit or an outage.
const SPEECH_TO_POST_BUCKETS: [f64; 12] = [0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 15.0, 30.0, 60.0, 300.0];

/// From bytes to audio: the work of a fragment; beyond a second the pace or a missing session held it back.
const MEDIA_TO_AUDIO_BUCKETS: [f64; 8] = [0.0005, 0.001, 0.002, 0.005, 0.02, 0.1, 1.0, 10.0];

/// Behind live: within a fragment, within a second one, catching up.
const LAG_BUCKETS: [f64; 9] = [0.5, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0];

/// What state a call is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallState {
    /// Media is being opened.
    Starting,
    /// Audio flows, or is waited for.
    Running,
    /// Audio has ended; words and posts are waited for.
    Draining,
}

impl CallState {
    /// The label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Draining => "draining",
        }
    }
}

/// What became of a message, or of one try to post it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageOutcome {
    /// Accepted.
    Delivered,
    /// To be tried again.
    Retried(RetryCause),
    /// Salesforce says that transcription is paused.
    Paused,
    /// Refused for good.
    Refused,
    /// Not delivered by the end of the call.
    Undelivered,
    /// Written to the shadow file instead of posted.
    Shadowed,
}

impl MessageOutcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retried(RetryCause::RateLimited) => "rate_limited",
            Self::Retried(RetryCause::NoConversation) => "no_conversation",
            Self::Retried(RetryCause::Server) => "server_error",
            Self::Retried(RetryCause::Network) => "network_error",
            Self::Paused => "paused",
            Self::Refused => "refused",
            Self::Undelivered => "undelivered",
            Self::Shadowed => "shadowed",
        }
    }
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallEnd {
    /// Every message delivered or accounted for.
    Complete,
    /// It ended, and messages could not be delivered.
    Undelivered,
    /// Media or recogniser failed for good.
    Failed,
    /// Its task panicked; other calls go on.
    Panicked,
    /// It goes on in another process: this one ends.
    HandedOver,
    /// Another worker holds it.
    LeaseLost,
}

impl CallEnd {
    const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Undelivered => "undelivered",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::HandedOver => "handed_over",
            Self::LeaseLost => "lease_lost",
        }
    }
}

/// A recorder with the buckets of our histograms; [`install`] makes it the process's own.
///
/// # Errors
/// Never with the buckets above; the exporter's type says so.
pub fn recorder() -> Result<PrometheusRecorder, BuildError> {
    Ok(PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(SPEECH_TO_POST.to_owned()), &SPEECH_TO_POST_BUCKETS)?
        .set_buckets_for_metric(Matcher::Full(MEDIA_TO_AUDIO.to_owned()), &MEDIA_TO_AUDIO_BUCKETS)?
        .set_buckets_for_metric(Matcher::Full(LAG.to_owned()), &LAG_BUCKETS)?
        .build_recorder())
}

/// Records from here on, in the whole process. The handle renders what `GET /metrics` answers; call its
/// `run_upkeep` every few seconds, which renders of a quiet process would not do.
///
/// # Errors
/// Another recorder is installed already.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let recorder = recorder()?;
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder)?;
    describe();
    Ok(handle)
}

/// Says what each metric is; the text appears as `# HELP`.
pub fn describe() {
    describe_gauge!(CALLS, "Calls in this process, by state");
    describe_counter!(CALLS_ENDED, "Calls that ended, by how");
    describe_counter!(STARTS, "Requests to start a call, by answer");
    describe_histogram!(LAG, Unit::Seconds, "How far the audio handed to the recogniser is behind the clock");
    describe_counter!(GAPS, "Holes in the audio that became silence, by party");
    describe_counter!(GAP_TIME, Unit::Milliseconds, "Silence put into holes of the audio, by party");
    describe_counter!(RECONNECTS, "Connections to the media opened again, by cause");
    describe_counter!(RESTARTS, "Recogniser sessions opened again, by cause");
    describe_counter!(MESSAGES, "Messages, by what became of them; several tries of one count each");
    describe_counter!(DROPS, "Times something was let go, by reason");
    describe_counter!(DROPPED_BYTES, Unit::Bytes, "Audio let go, by reason");
    describe_gauge!(OUTBOX, "Messages not yet acknowledged, all calls");
    describe_gauge!(REPLAY, Unit::Bytes, "Audio kept until its words are final, all calls");
    describe_counter!(
        EXPOSED,
        Unit::Milliseconds,
        "Audio that had left before the event that closes the gate came"
    );
    describe_counter!(GATE_EVENTS, "Gate and participant events received, by answer");
    describe_counter!(KEY_UNRESOLVED, "Calls whose first contact could not be found out");
    describe_counter!(
        STORE_FAILURES,
        "Operations of the store that failed, tries counted each, by operation"
    );
    describe_counter!(LEASES_LOST, "Calls that another worker may hold, so that they ended here");
    describe_counter!(RESUMED, "Calls taken up where another worker left them");
    describe_histogram!(
        MEDIA_TO_AUDIO,
        Unit::Seconds,
        "From a piece of media to the first audio that it released"
    );
    describe_histogram!(SPEECH_TO_POST, Unit::Seconds, "From the end of speech to the accepted post");
}

/// A call entered this state.
pub fn call_entered(state: CallState) {
    gauge!(CALLS, "state" => state.name()).increment(1.0);
}

/// A call left this state.
pub fn call_left(state: CallState) {
    gauge!(CALLS, "state" => state.name()).decrement(1.0);
}

/// A call is over.
pub fn call_ended(how: CallEnd) {
    counter!(CALLS_ENDED, "end" => how.name()).increment(1);
}

/// A request to start a call was answered: `started`, `already_running`, `segment`, ….
pub fn start_answered(answer: &'static str) {
    counter!(STARTS, "answer" => answer).increment(1);
}

/// A gate event was answered: `taken`, `unknown_call`, ….
pub fn gate_event(answer: &'static str) {
    counter!(GATE_EVENTS, "answer" => answer).increment(1);
}

/// Audio handed to the recogniser was this far behind the clock.
pub fn lag_behind_live(lag: Span) {
    histogram!(LAG).record(seconds(lag));
}

/// A hole of this length became silence.
pub fn gap(party: Party, length: Span) {
    counter!(GAPS, "party" => party.name()).increment(1);
    counter!(GAP_TIME, "party" => party.name()).increment(milliseconds(length));
}

/// The media was connected again.
pub fn reconnect(cause: MediaCause) {
    counter!(RECONNECTS, "cause" => label(&cause)).increment(1);
}

/// A session of the recogniser took another's place.
pub fn session_restart(cause: RecogniserCause) {
    counter!(RESTARTS, "cause" => label(&cause)).increment(1);
}

/// Something became of a message.
pub fn message(outcome: MessageOutcome) {
    counter!(MESSAGES, "outcome" => outcome.name()).increment(1);
}

/// Audio was let go.
pub fn dropped(reason: DropReason, bytes: u64) {
    let reason = label(&reason);
    counter!(DROPS, "reason" => reason.clone()).increment(1);
    counter!(DROPPED_BYTES, "reason" => reason).increment(bytes);
}

/// So many more messages wait, or fewer.
pub fn outbox_changed(by: i64) {
    gauge!(OUTBOX).increment(by as f64);
}

/// So many more bytes of audio are kept to be sent again if a session fails, or fewer.
pub fn replay_changed(by: i64) {
    gauge!(REPLAY).increment(by as f64);
}

/// This much more audio was exposed.
pub fn exposed(more: Span) {
    counter!(EXPOSED).increment(milliseconds(more));
}

/// Nobody could say which contact is the first of a call's chain.
pub fn key_unresolved() {
    counter!(KEY_UNRESOLVED).increment(1);
}

/// An operation of the store failed: `save`, `renew`, `events`, `event`, `start`, `scan`, `sweep` or `end`.
pub fn store_failed(operation: &'static str) {
    counter!(STORE_FAILURES, "operation" => operation).increment(1);
}

/// Another worker may hold a call that ran here.
pub fn lease_lost() {
    counter!(LEASES_LOST).increment(1);
}

/// A call was taken up where another worker left it.
pub fn resumed() {
    counter!(RESUMED).increment(1);
}

/// A message was accepted this long after its speech ended.
pub fn speech_to_post(delay: Span) {
    histogram!(SPEECH_TO_POST).record(seconds(delay));
}

/// A piece of media came this long before the first audio that it released left for the recogniser.
pub fn media_to_audio(delay: Span) {
    histogram!(MEDIA_TO_AUDIO).record(seconds(delay));
}

fn seconds(span: Span) -> f64 {
    span.us().max(0) as f64 / 1e6
}

fn milliseconds(span: Span) -> u64 {
    u64::try_from(span.ms()).unwrap_or(0)
}

/// The name of a cause as its serialisation spells it.
fn label(cause: &impl serde::Serialize) -> String {
    match serde_json::to_value(cause) {
        Ok(serde_json::Value::String(name)) => name,
        _ => "other".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_rendered_with_its_labels_and_help() {
        let recorder = recorder().unwrap();
        let handle = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            describe();
            call_entered(CallState::Running);
            message(MessageOutcome::Retried(RetryCause::RateLimited));
            reconnect(MediaCause::EndOfStream);
            session_restart(RecogniserCause::NoAudio);
            dropped(DropReason::ForeignContact, 1024);
            gap(Party::Agent, Span::from_ms(300));
            replay_changed(3200);
            replay_changed(-1200);
            speech_to_post(Span::from_ms(1200));
            lag_behind_live(Span::from_ms(-5));
        });
        let text = handle.render();
        for line in [
            "# HELP kvscribe_messages_total Messages, by what became of them; several tries of one count each",
            "kvscribe_calls{state=\"running\"} 1",
            "kvscribe_messages_total{outcome=\"rate_limited\"} 1",
            "kvscribe_reconnects_total{cause=\"end_of_stream\"} 1",
            "kvscribe_session_restarts_total{cause=\"no_audio\"} 1",
            "kvscribe_dropped_bytes_total{reason=\"foreign_contact\"} 1024",
            "kvscribe_gap_milliseconds_total{party=\"agent\"} 300",
            "kvscribe_replay_bytes 2000",
            "kvscribe_speech_to_post_seconds_bucket{le=\"1\"} 0",
            "kvscribe_speech_to_post_seconds_bucket{le=\"1.5\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
    }
}
