//! `[live]`: how patient a live call is with its media, its recogniser and Salesforce.

use serde::Deserialize;

use crate::call::{LiveConfig, MediaSegment, StartSelector};
use crate::time::Span;

use super::call::CallOptions;

/// `[live]`: see [`LiveConfig`] for what each is good for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LiveOptions {
    /// The start selector tried first: `SERVER_TIMESTAMP`, `PRODUCER_TIMESTAMP`, `FRAGMENT_NUMBER`,
    /// `EARLIEST` or `NOW`. Default `SERVER_TIMESTAMP`.
    pub start_with: StartSelector,
    /// How long before the announced start reading begins, ms. Default 2,000.
    pub start_margin_ms: u32,
    /// A connection over which nothing comes for so long is given up, ms. Default 15,000.
    pub stall_timeout_ms: u32,
    /// First pause before reconnecting, ms, made shorter or longer by up to a half, as all further ones. Default 250.
    pub reconnect_first_ms: u32,
    /// Longest pause before reconnecting, ms. Default 10,000.
    pub reconnect_max_ms: u32,
    /// Without audio and events for so long the call is over, s. Default 120.
    pub idle_end_s: u32,
    /// After STOP_STREAMING or the end of all contacts, how long a further segment may take, ms. Default 10,000.
    pub end_grace_ms: u32,
    /// Ask Connect for the first contact of the chain, where the payload does not say it. Default true.
    pub resolve_key: bool,
    /// Without audio for so long, silence keeps the session alive, ms. Default 5,000.
    pub keep_alive_after_ms: u32,
    /// Without audio, or closed, for so long, the billed session is closed, s; 0: never. Default 30.
    pub close_session_after_s: u32,
    /// Behind live, audio is sent at most at this percentage of real time: 100 to 400. Default 150.
    pub catch_up_percent: u32,
    /// Audio that may be sent at once, ms; longer than a fragment. Default 3,000.
    pub burst_ms: u32,
    /// Audio that waits to be sent before media stops being read, ms: more than `call.max_track_skew_ms` and 3,000
    /// together. Default 10,000.
    pub max_waiting_audio_ms: u32,
    /// Audio kept until its words are final, to be sent again when a session fails, s. Default 90.
    pub replay_s: u32,
    /// First pause before a failed session is opened again, ms, made shorter or longer by up to a half, as all
    /// further ones. Default 250.
    pub reopen_first_ms: u32,
    /// Longest pause before a failed session is opened again, ms. Default 20,000.
    pub reopen_max_ms: u32,
    /// A session this old is replaced at the next pause in speech, s. Default 13,800.
    pub rotate_after_s: u32,
    /// A session this old is replaced at once, s: less than the service's 14,400. Default 14,280.
    pub rotate_at_last_s: u32,
    /// What was acknowledged so shortly before a pause was known is posted again, ms. Default 15,000.
    pub provisional_ms: u32,
}

impl Default for LiveOptions {
    fn default() -> Self {
        Self {
            start_with: StartSelector::ServerTimestamp,
            start_margin_ms: 2_000,
            stall_timeout_ms: 15_000,
            reconnect_first_ms: 250,
            reconnect_max_ms: 10_000,
            idle_end_s: 120,
            end_grace_ms: 10_000,
            resolve_key: true,
            keep_alive_after_ms: 5_000,
            close_session_after_s: 30,
            catch_up_percent: 150,
            burst_ms: 3_000,
            max_waiting_audio_ms: 10_000,
            replay_s: 90,
            reopen_first_ms: 250,
            reopen_max_ms: 20_000,
            rotate_after_s: 13_800,
            rotate_at_last_s: 14_280,
            provisional_ms: 15_000,
        }
    }
}

/// Audio that has room to wait besides what waits for the other party, ms: a long fragment.
const BEYOND_SKEW_MS: u32 = 3_000;

/// Why `[live]` makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("[live] {key} is {found}: it should be {expected}")]
pub struct LiveOptionsError {
    key: &'static str,
    found: u32,
    expected: &'static str,
}

impl LiveOptions {
    /// Whether the options make sense on their own.
    ///
    /// # Errors
    /// The first that does not, with what it should be.
    pub fn check(&self) -> Result<(), LiveOptionsError> {
        let range = |key, found: u32, good: bool, expected| {
            if good { Ok(()) } else { Err(LiveOptionsError { key, found, expected }) }
        };
        let percent = self.catch_up_percent;
        range("catch_up_percent", percent, (100..=400).contains(&percent), "100 to 400")?;
        for (key, ms) in [
            ("stall_timeout_ms", self.stall_timeout_ms),
            ("reconnect_first_ms", self.reconnect_first_ms),
            ("reopen_first_ms", self.reopen_first_ms),
            ("idle_end_s", self.idle_end_s),
            ("max_waiting_audio_ms", self.max_waiting_audio_ms),
        ] {
            range(key, ms, ms > 0, "at least 1")?;
        }
        range("burst_ms", self.burst_ms, self.burst_ms >= 200, "at least 200: a chunk must fit")?;
        let last = self.rotate_at_last_s;
        range("rotate_at_last_s", last, (1..14_400).contains(&last), "less than 14400: four hours")?;
        range(
            "keep_alive_after_ms",
            self.keep_alive_after_ms,
            self.keep_alive_after_ms < 15_000,
            "less than 15000",
        )
    }

    /// Whether the options make sense beside these of `[call]`.
    ///
    /// # Errors
    /// What does not, with what it should be.
    pub fn check_beside(&self, call: &CallOptions) -> Result<(), LiveOptionsError> {
        // Else the audio that waits for a silent party fills all the room, and what would end the waiting is not read.
        let least = call.max_track_skew_ms.saturating_add(BEYOND_SKEW_MS);
        if self.max_waiting_audio_ms > least {
            return Ok(());
        }
        Err(LiveOptionsError {
            key: "max_waiting_audio_ms",
            found: self.max_waiting_audio_ms,
            expected: "more than [call] max_track_skew_ms and 3000 together",
        })
    }

    /// The core's policy for a call whose media begins there.
    #[must_use]
    pub fn config(&self, media: MediaSegment) -> LiveConfig {
        let ms = |n: u32| Span::from_ms(i64::from(n));
        let s = |n: u32| Span::from_s(i64::from(n));
        let mut live = LiveConfig::new(media);
        live.start_with = self.start_with;
        live.start_margin = ms(self.start_margin_ms);
        live.stall_timeout = ms(self.stall_timeout_ms);
        live.reconnect_first = ms(self.reconnect_first_ms);
        live.reconnect_max = ms(self.reconnect_max_ms);
        live.idle_end = s(self.idle_end_s);
        live.end_grace = ms(self.end_grace_ms);
        live.resolve_key = self.resolve_key;
        live.keep_alive_after = ms(self.keep_alive_after_ms);
        live.close_session_after = (self.close_session_after_s > 0).then(|| s(self.close_session_after_s));
        live.catch_up_percent = self.catch_up_percent;
        live.burst = ms(self.burst_ms);
        live.max_waiting_audio = ms(self.max_waiting_audio_ms);
        live.replay = s(self.replay_s);
        live.reopen_first = ms(self.reopen_first_ms);
        live.reopen_max = ms(self.reopen_max_ms);
        live.rotate_after = s(self.rotate_after_s);
        live.rotate_at_last = s(self.rotate_at_last_s);
        live.provisional = ms(self.provisional_ms);
        live
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_cores_own() {
        let segment = MediaSegment::new("arn", None, None);
        assert_eq!(LiveOptions::default().config(segment.clone()), LiveConfig::new(segment));
        assert_eq!(LiveOptions::default().check(), Ok(()));
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        let options = LiveOptions::default;
        for (bad, word) in [
            (LiveOptions { catch_up_percent: 90, ..options() }, "catch_up_percent"),
            (LiveOptions { rotate_at_last_s: 14_400, ..options() }, "four hours"),
            (LiveOptions { burst_ms: 50, ..options() }, "chunk"),
            (LiveOptions { keep_alive_after_ms: 15_000, ..options() }, "15000"),
        ] {
            assert!(bad.check().unwrap_err().to_string().contains(word), "{word}");
        }
    }

    #[test]
    fn audio_that_waits_for_a_silent_party_leaves_room_for_what_is_read() {
        let beside = |skew, waiting| {
            let call = CallOptions { max_track_skew_ms: skew, ..CallOptions::default() };
            LiveOptions { max_waiting_audio_ms: waiting, ..LiveOptions::default() }.check_beside(&call)
        };
        assert_eq!((beside(1_000, 10_000), beside(6_999, 10_000)), (Ok(()), Ok(())));
        let error = beside(7_000, 10_000).unwrap_err().to_string();
        assert!(
            error.contains("max_waiting_audio_ms is 10000") && error.contains("max_track_skew_ms"),
            "{error}"
        );
        assert!(beside(u32::MAX, u32::MAX).is_err());
    }
}
