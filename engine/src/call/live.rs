//! What a live call needs to know beyond what a recording's does: where its media is, and how patient to be.

use serde::{Deserialize, Serialize};

use crate::time::Span;

use super::stream::MediaSegment;

/// The policy of a live call. Start from [`LiveConfig::new`] and change fields.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiveConfig {
    /// Where the call's media begins.
    pub media: MediaSegment,
    /// The selector tried first. Default `ServerTimestamp`.
    pub start_with: StartSelector,
    /// How long before the announced start reading begins, so that the first second is not lost; other
    /// contacts' audio found there is let go. Default 2 s.
    pub start_margin: Span,
    /// Nothing over an open connection for this long: it is given up. Default 15 s.
    pub stall_timeout: Span,
    /// First pause before reconnecting; doubles, jittered by half, up to `reconnect_max`. Default 250 ms.
    pub reconnect_first: Span,
    /// Longest pause before reconnecting. Default 10 s.
    pub reconnect_max: Span,
    /// No audio of this call and no event about it for this long: the call is over. Default 120 s.
    pub idle_end: Span,
    /// After STOP_STREAMING, or once every contact of the call is over, how long a further segment may take
    /// to begin. Default 10 s.
    pub end_grace: Span,
    /// Ask what the call's own contact is, to find the first of its transfer chain. Default on.
    pub resolve_key: bool,
    /// Without audio for this long, silence keeps the recogniser's session alive. Default 5 s.
    pub keep_alive_after: Span,
    /// Without audio for this long, or with the gate closed for this long, the recogniser's session is
    /// closed; a new one opens when audio is to be heard again. `None`: never. Default 30 s.
    pub close_session_after: Option<Span>,
    /// Behind live, audio goes to the recogniser at most at this percentage of real time. Default 150.
    pub catch_up_percent: u32,
    /// Audio that may go out at once: longer than a fragment, so that in steady state nothing waits.
    /// Default 3 s.
    pub burst: Span,
    /// Audio that waits to be sent, before media stops being asked for. Default 10 s.
    pub max_waiting_audio: Span,
    /// Audio kept until its words are final, to be sent again when a session fails. Default 90 s.
    pub replay: Span,
    /// First pause before a failed session is opened again; doubles, jittered, up to `reopen_max`.
    /// Default 250 ms.
    pub reopen_first: Span,
    /// Longest pause before a failed session is opened again. Default 20 s.
    pub reopen_max: Span,
    /// After this long a session is replaced at the next pause in speech: the service ends it after four
    /// hours. Default 3 h 50 min.
    pub rotate_after: Span,
    /// After this long it is replaced without waiting for a pause. Default 3 h 58 min.
    pub rotate_at_last: Span,
    /// Messages acknowledged this shortly before a closing event was known are posted again once the gate
    /// is open: Salesforce may have thrown them away. Default 15 s.
    pub provisional: Span,
}

/// Start selectors to begin with. What it does not find is looked for from `EARLIEST` on, and back; where the service
/// refuses it, `EARLIEST` follows, then `NOW`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StartSelector {
    /// When the service took the fragment.
    #[default]
    ServerTimestamp,
    /// When the fragment was recorded.
    ProducerTimestamp,
    /// Behind the announced fragment: that one's audio, about a second, is not read.
    FragmentNumber,
    /// The oldest fragment kept.
    Earliest,
    /// The latest fragment.
    Now,
}

impl LiveConfig {
    /// The defaults, for media that begins there.
    #[must_use]
    pub const fn new(media: MediaSegment) -> Self {
        Self {
            media,
            start_with: StartSelector::ServerTimestamp,
            start_margin: Span::from_s(2),
            stall_timeout: Span::from_s(15),
            reconnect_first: Span::from_ms(250),
            reconnect_max: Span::from_s(10),
            idle_end: Span::from_s(120),
            end_grace: Span::from_s(10),
            resolve_key: true,
            keep_alive_after: Span::from_s(5),
            close_session_after: Some(Span::from_s(30)),
            catch_up_percent: 150,
            burst: Span::from_s(3),
            max_waiting_audio: Span::from_s(10),
            replay: Span::from_s(90),
            reopen_first: Span::from_ms(250),
            reopen_max: Span::from_s(20),
            rotate_after: Span::from_s(3 * 3600 + 50 * 60),
            rotate_at_last: Span::from_s(3 * 3600 + 58 * 60),
            provisional: Span::from_s(15),
        }
    }
}
