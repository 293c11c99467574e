//! What the world did to a call, counted, for the summary to be compared with.

use std::collections::BTreeMap;

use engine::call::{MediaCause, RetryCause};
use engine::recogniser::RecogniserCause;

/// Counts of what really happened.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Faults that struck, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Words that did not arrive, by the reason.
    pub missing: BTreeMap<&'static str, u64>,
    /// Workers that held the call.
    pub lives: u64,
    pub connections: u64,
    pub media_bytes: u64,
    /// Connections that ended by themselves, by cause as the call was told.
    pub ended: BTreeMap<MediaCause, u64>,
    pub in_band: u64,
    pub sessions: u64,
    pub finals: u64,
    /// Of them those that were, or may have been, taken when their session's audio had been ended.
    pub late_finals: u64,
    pub partials: u64,
    pub words: u64,
    pub failures: BTreeMap<RecogniserCause, u64>,
    pub posts: u64,
    pub accepted: u64,
    pub paused: u64,
    pub not_taken: BTreeMap<RetryCause, u64>,
    /// Posts of an id whose last answer was no acceptance.
    pub retries: u64,
}

impl Tally {
    pub(super) fn strike(&mut self, kind: &'static str) {
        *self.faults.entry(kind).or_default() += 1;
    }
}
