//! Audio that was sent and is not final yet: kept to be sent again when a session fails.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::time::{Span, Time};

use super::intervals::Interval;

/// One chunk as it was sent, gates applied.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) start: Time,
    pub(super) end: Time,
    pub(super) pcm: Bytes,
}

/// A bounded ring of sent audio, and how far it has been sent again.
#[derive(Debug)]
pub(super) struct Replay {
    kept: VecDeque<Kept>,
    limit: Span,
    length: Span,
    /// Index of the next chunk to be sent again; the length of the ring when there is none.
    next: usize,
    /// Audio that was not final yet when it had to make room.
    pub(super) overrun: Span,
}

impl Replay {
    /// Keeps up to `limit` of audio.
    pub(super) fn new(limit: Span) -> Self {
        Self { kept: VecDeque::new(), limit, length: Span::ZERO, next: 0, overrun: Span::ZERO }
    }

    /// Keeps a chunk that was sent for the first time.
    pub(super) fn keep(&mut self, kept: Kept) {
        if self.limit.us() <= 0 {
            return;
        }
        let at_end = self.next == self.kept.len();
        self.length = self.length + (kept.end - kept.start);
        self.kept.push_back(kept);
        while self.length > self.limit {
            let Some(length) = self.drop_front() else { break };
            self.overrun = self.overrun + length;
        }
        if at_end {
            self.next = self.kept.len();
        }
    }

    fn drop_front(&mut self) -> Option<Span> {
        let front = self.kept.pop_front()?;
        let length = front.end - front.start;
        self.length = self.length - length;
        self.next = self.next.saturating_sub(1);
        Some(length)
    }

    /// All speech before `until` is final.
    pub(super) fn trim(&mut self, until: Time) {
        while self.next > 0 && self.kept.front().is_some_and(|k| k.end <= until) {
            self.drop_front();
        }
    }

    /// A session failed: everything kept is to be sent again.
    pub(super) fn rewind(&mut self) {
        self.next = 0;
    }

    /// Nobody will hear any of it again.
    pub(super) fn clear(&mut self) {
        (self.next, self.length) = (0, Span::ZERO);
        self.kept.clear();
    }

    /// Something is still to be sent again.
    pub(super) fn is_pending(&self) -> bool {
        self.next < self.kept.len()
    }

    /// The chunk to be sent again next.
    pub(super) fn peek(&self) -> Option<&Kept> {
        self.kept.get(self.next)
    }

    /// It was sent, as these samples.
    pub(super) fn sent(&mut self, pcm: Bytes) {
        if let Some(kept) = self.kept.get_mut(self.next) {
            kept.pcm = pcm;
            self.next += 1;
        }
    }

    /// From where to where audio is kept.
    pub(super) fn span(&self) -> Interval {
        let ends = self.kept.front().zip(self.kept.back());
        ends.map_or(Interval::new(Time::MIN, Time::MIN), |(first, last)| Interval::new(first.start, last.end))
    }

    /// The samples of one channel of so many from one time to another: silence where nothing is kept.
    pub(super) fn samples(&self, channel: (usize, usize), rate_hz: u32, from: Time, to: Time) -> Vec<i16> {
        let (channel, channels) = channel;
        let length = usize::try_from((to - from).samples(rate_hz)).unwrap_or(0);
        let mut out = vec![0; length];
        for kept in self.kept.iter().filter(|k| k.start < to && from < k.end) {
            let offset = (kept.start - from).samples(rate_hz);
            for (i, frame) in (offset..).zip(kept.pcm.chunks_exact(2 * channels)) {
                if let Some(sample) = usize::try_from(i).ok().and_then(|i| out.get_mut(i)) {
                    *sample = i16::from_le_bytes([frame[2 * channel], frame[2 * channel + 1]]);
                }
            }
        }
        out
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.kept.iter().map(|k| k.pcm.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(n: i64) -> Kept {
        let start = Time::from_ms(n * 100);
        Kept { start, end: start + Span::from_ms(100), pcm: Bytes::from(vec![0; 4]) }
    }
    fn again(replay: &mut Replay) -> Vec<i64> {
        let mut starts = Vec::new();
        while let Some(kept) = replay.peek().cloned() {
            starts.push(kept.start.ms() / 100);
            replay.sent(kept.pcm);
        }
        starts
    }

    #[test]
    fn what_is_not_final_is_sent_again_and_again_until_it_is() {
        let mut replay = Replay::new(Span::from_s(90));
        (0..10).for_each(|n| replay.keep(chunk(n)));
        assert!(!replay.is_pending());
        replay.trim(Time::from_ms(450));
        replay.rewind();
        assert_eq!(again(&mut replay), [4, 5, 6, 7, 8, 9]);
        replay.keep(chunk(10));
        assert!(!replay.is_pending());
        replay.rewind();
        assert_eq!(again(&mut replay).len(), 7);
    }

    #[test]
    fn a_ring_that_is_full_lets_the_oldest_go_and_says_so() {
        let mut replay = Replay::new(Span::from_ms(500));
        (0..8).for_each(|n| replay.keep(chunk(n)));
        replay.rewind();
        assert_eq!(again(&mut replay), [3, 4, 5, 6, 7]);
        assert_eq!(replay.overrun, Span::from_ms(300));
        assert_eq!(replay.bytes(), 20);
    }
}
