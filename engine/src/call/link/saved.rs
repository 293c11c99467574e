//! The connection in a checkpoint: where the next life of the call begins to read.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::time::Time;

use super::{Link, MediaFrom, MediaSegment, MediaSummary};

/// What survives of the connection: where the next life of the call begins to read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::call) struct SavedLink {
    /// The segments of the call, those behind the last one read included.
    segments: Vec<MediaSegment>,
    /// Which of them to begin in.
    begin_in: usize,
    /// The fragment to begin behind; `None`: where the segment begins.
    pub(in crate::call) after_fragment: Option<String>,
    /// The fragment in front of that.
    before_fragment: Option<String>,
    audio_end: Option<Time>,
}

impl Link {
    /// Where a further life of the call is to begin, if all audio before `floor` is final.
    pub(in crate::call) fn save(&mut self, floor: Option<Time>) -> SavedLink {
        let step = floor.and_then(|floor| self.trail.behind(floor)).cloned();
        let before = step.as_ref().and_then(|_| self.trail.before()).map(|step| step.number.clone());
        let first = step.as_ref().map_or(0, |s| s.segment);
        let back = usize::try_from(self.number.saturating_sub(first)).unwrap_or(usize::MAX);
        SavedLink {
            segments: self.passed.iter().chain([&self.segment]).chain(&self.next).cloned().collect(),
            begin_in: self.passed.len().saturating_sub(back),
            after_fragment: step.map(|s| s.number),
            before_fragment: before,
            audio_end: floor,
        }
    }

    /// Goes on where another process left off; `media` is what was counted until then. `STOP_STREAMING` is read
    /// again with the audio in front of it, and says only then that nothing follows.
    pub(in crate::call) fn restore(&mut self, saved: SavedLink, media: &MediaSummary) {
        // Split, not collected from the rest of an iterator: the deque that the standard library (Rust 1.95) makes of
        // a vector's iterator that is used up gives back memory that is not its own.
        let mut passed = VecDeque::from(saved.segments);
        let mut rest = passed.split_off(saved.begin_in.min(passed.len()));
        self.passed = passed;
        self.segment = rest.pop_front().unwrap_or_else(|| self.segment.clone());
        self.next = rest;
        self.number = self.passed.len() as u64;
        if let (Some(number), Some(end)) = (&saved.after_fragment, saved.audio_end) {
            // It stays the place to begin behind until a later one is final.
            if let Some(before) = &saved.before_fragment {
                self.trail.add(before, self.number, Time::MIN);
            }
            self.trail.add(number, self.number, end);
        }
        (self.last_fragment, self.fragment_before) = (saved.after_fragment, saved.before_fragment);
        self.audio_end = saved.audio_end;
        self.connection = media.selectors.values().sum::<u64>().try_into().unwrap_or(u32::MAX);
        self.reconnects.clone_from(&media.reconnects);
        for name in MediaFrom::NAMES {
            if let Some(n) = media.selectors.get(name) {
                self.selectors.insert(name, *n);
            }
        }
    }
}
