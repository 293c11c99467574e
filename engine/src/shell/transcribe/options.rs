//! Settings of the whole process towards Amazon Transcribe.

use serde::Deserialize;

/// Section `[transcribe]` of the configuration. What a single call asks for is in
/// [`RawSessionOptions`](super::RawSessionOptions).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TranscribeOptions {
    /// Where sessions are opened; default: the region's endpoint. `http://` means HTTP/2 in plain text.
    pub endpoint_url: Option<String>,
    /// Region of Transcribe, where it is not the process's own.
    pub region: Option<String>,
    /// Sessions at once; more wait. Default 25, the service's own default quota.
    pub max_sessions: usize,
    /// Sessions begun in a second; more wait, because ramping too fast is an error of its own. 0: no limit.
    /// Default 5.
    pub starts_per_second: u32,
    /// Sessions that share an HTTP/2 connection. Default 1, as the service's guide asks.
    pub streams_per_connection: usize,
    /// Time for a TCP connection, milliseconds. Default 3,000.
    pub connect_timeout_ms: u64,
    /// Time from the request, connecting included, to the head of its answer, milliseconds. Default 10,000.
    pub open_timeout_ms: u64,
    /// A session that says nothing for so long after speech reached it has stalled, milliseconds; 0: never.
    /// Default 7,000: partial results come within a second or two, and a call sends the last 10 s again that were
    /// not answered, so that nothing said before the stall was noticed is lost. What counts as speech: see
    /// `stall_speech_ms`.
    pub stall_timeout_ms: u64,
    /// Speech-like audio without any event that is needed before a session can count as stalled, milliseconds.
    /// Default 3,000. The service says nothing during silence, and nothing during hold music or a ringing
    /// tone: only loud audio that rises and falls as syllables do is counted, on each channel by itself. A
    /// pause as long as `stall_timeout_ms` begins the count anew.
    pub stall_speech_ms: u64,
    /// Time for the last results after the end of the audio, milliseconds. Default 30,000.
    pub drain_timeout_ms: u64,
    /// An open connection is pinged so often, milliseconds. Default 5,000.
    pub ping_interval_ms: u64,
    /// A ping must be answered within this time, milliseconds. Default 5,000.
    pub ping_timeout_ms: u64,
    /// Audio that may wait for the socket, milliseconds of audio; beyond it the session takes no more.
    /// Default 10,000.
    pub queue_ms: u64,
}

impl Default for TranscribeOptions {
    fn default() -> Self {
        Self {
            endpoint_url: None,
            region: None,
            max_sessions: 25,
            starts_per_second: 5,
            streams_per_connection: 1,
            connect_timeout_ms: 3_000,
            open_timeout_ms: 10_000,
            stall_timeout_ms: 7_000,
            stall_speech_ms: 3_000,
            drain_timeout_ms: 30_000,
            ping_interval_ms: 5_000,
            ping_timeout_ms: 5_000,
            queue_ms: 10_000,
        }
    }
}
