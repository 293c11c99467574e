//! One sample clock for both parties.
//!
//! Blocks are placed by their timecodes, not one behind the other: a hole becomes silence, an overlap is
//! dropped, and the interleaved stereo stays aligned with the wall clock. Positions are samples from an
//! anchor in epoch time. This room knows samples and time; not contacts, gates or recognisers.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::recogniser::{Channels, Party};
use crate::time::{Span, Time};

use super::intervals::Interval;

/// A piece of one party's audio on the clock.
#[derive(Debug)]
struct Piece {
    start: i64,
    /// Signed 16-bit little-endian samples, a whole number of them.
    data: Bytes,
}

impl Piece {
    fn end(&self) -> i64 {
        self.start + (self.data.len() / 2) as i64
    }
}

#[derive(Debug, Default)]
struct Lane {
    pieces: VecDeque<Piece>,
    /// Where the next sample is expected; `None` before the first.
    end: Option<i64>,
    /// The stream says that this party's track exists.
    listed: bool,
}

/// What a block did on the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Placed {
    /// Samples of silence in front of it.
    pub(super) gap: i64,
    /// Samples of it that were there already, or came too late.
    pub(super) dropped: i64,
}

/// The clock, and the audio on it that has not been handed on.
#[derive(Debug)]
pub(super) struct Timeline {
    pub(super) rate_hz: u32,
    anchor: Time,
    channels: Channels,
    tolerance: i64,
    max_skew: i64,
    lanes: [Lane; 2],
    /// All before this position has been handed on.
    emitted: i64,
}

impl Timeline {
    pub(super) fn new(
        rate_hz: u32,
        anchor: Time,
        channels: Channels,
        tolerance: Span,
        max_skew: Span,
    ) -> Self {
        Self {
            rate_hz,
            anchor,
            channels,
            tolerance: tolerance.samples(rate_hz),
            max_skew: max_skew.samples(rate_hz),
            lanes: Default::default(),
            emitted: 0,
        }
    }

    /// Wall-clock time of a position.
    pub(super) fn time(&self, position: i64) -> Time {
        self.anchor + Span::from_samples(position, self.rate_hz)
    }

    /// Position of a wall-clock time.
    pub(super) fn position(&self, time: Time) -> i64 {
        (time - self.anchor).samples(self.rate_hz)
    }

    pub(super) fn emitted(&self) -> i64 {
        self.emitted
    }

    /// Audio that has not been handed on.
    pub(super) fn waiting(&self) -> Span {
        Span::from_samples(self.end() - self.emitted, self.rate_hz)
    }

    /// The latest sample known, of either party.
    pub(super) fn end(&self) -> i64 {
        self.lanes.iter().filter_map(|l| l.end).max().unwrap_or(self.emitted).max(self.emitted)
    }

    /// The stream has a track of this party: its audio is waited for.
    pub(super) fn list(&mut self, party: Party) {
        self.lanes[party.channel()].listed = true;
    }

    /// Puts a block where its time says.
    pub(super) fn place(&mut self, party: Party, start: Time, data: &Bytes) -> Placed {
        let said = self.position(start);
        let samples = (data.len() / 2) as i64;
        let lane = &mut self.lanes[party.channel()];
        lane.listed = true;
        // Before a party's first sample it was silent since the start, which is no gap in its audio.
        let end = lane.end.unwrap_or(said);
        let joined = (said - end).abs() <= self.tolerance;
        let start = if joined { end } else { said };
        // What was handed on without it is past: its rest stays where it was said.
        let dropped = (end.max(self.emitted) - start).clamp(0, samples);
        let gap = lane.end.map_or(0, |end| (start - end).max(0));
        if dropped < samples {
            let data = data.slice((dropped * 2) as usize..(samples * 2) as usize);
            let piece = Piece { start: start + dropped, data };
            lane.end = Some(piece.end());
            lane.pieces.push_back(piece);
        }
        Placed { gap, dropped }
    }

    /// Up to where both parties are known: a party that is listed is waited for, but not for ever.
    pub(super) fn horizon(&self) -> i64 {
        let parties = self.channels.parties();
        let ends = || parties.iter().map(|p| &self.lanes[p.channel()]).filter(|l| l.listed);
        let latest = ends().filter_map(|l| l.end).max().unwrap_or(self.emitted);
        let earliest = ends().map(|l| l.end.unwrap_or(self.emitted)).min().unwrap_or(self.emitted);
        earliest.max(latest - self.max_skew).max(self.emitted)
    }

    /// The samples of one party from one time to another, as far as they have not been handed on: silence where
    /// there is nothing.
    pub(super) fn peek(&self, party: Party, from: Time, to: Time) -> Vec<i16> {
        let (from, to) = (self.position(from), self.position(to));
        let mut out = BytesMut::zeroed(usize::try_from(to - from).unwrap_or(0) * 2);
        self.lanes[party.channel()].copy(from, to, &mut out, 0, 2);
        out.chunks_exact(2).map(|s| i16::from_le_bytes([s[0], s[1]])).collect()
    }

    /// Takes `samples` samples from the front, interleaved as the channels say, silence where there is
    /// nothing, and zeros inside `zeroed`.
    pub(super) fn take(&mut self, samples: i64, zeroed: &[Interval]) -> BytesMut {
        let (from, to) = (self.emitted, self.emitted + samples);
        let parties = self.channels.parties();
        let width = 2 * parties.len();
        let mut out = BytesMut::zeroed(usize::try_from(samples).unwrap_or(0) * width);
        for (channel, party) in parties.iter().enumerate() {
            self.lanes[party.channel()].copy(from, to, &mut out, 2 * channel, width);
        }
        for interval in zeroed {
            silence(&mut out, self.time(from), self.rate_hz, parties.len(), None, *interval);
        }
        self.emitted = to;
        for lane in &mut self.lanes {
            while lane.pieces.front().is_some_and(|p| p.end() <= to) {
                lane.pieces.pop_front();
            }
        }
        out
    }

    /// Jumps to a new time: nothing may be waiting any more.
    pub(super) fn jump(&mut self, to: Time) {
        self.anchor = to;
        self.emitted = 0;
        for lane in &mut self.lanes {
            lane.pieces.clear();
            lane.end = None;
        }
    }
}

/// Silences every sample of interleaved audio from `start` on that touches `part`: of one channel, or of all.
pub(super) fn silence(
    pcm: &mut [u8],
    start: Time,
    rate_hz: u32,
    channels: usize,
    channel: Option<usize>,
    part: Interval,
) {
    let first = usize::try_from((part.from - start).samples(rate_hz) - 1).unwrap_or(0);
    let last = usize::try_from((part.to - start).samples(rate_hz) + 1).unwrap_or(0);
    let width = 2 * channels;
    let last = last.min(pcm.len() / width);
    let pcm = &mut pcm[first.min(last) * width..last * width];
    let Some(channel) = channel else { return pcm.fill(0) };
    for frame in pcm.chunks_exact_mut(width) {
        (frame[2 * channel], frame[2 * channel + 1]) = (0, 0);
    }
}

impl Lane {
    /// Copies what the lane has of `[from, to)` into one channel of `out`.
    fn copy(&self, from: i64, to: i64, out: &mut BytesMut, channel: usize, width: usize) {
        for piece in self.pieces.iter().take_while(|p| p.start < to) {
            let first = piece.start.max(from);
            let last = piece.end().min(to);
            if first >= last {
                continue;
            }
            let source = &piece.data[(first - piece.start) as usize * 2..(last - piece.start) as usize * 2];
            let target = &mut out[(first - from) as usize * width..];
            for (frame, sample) in target.chunks_exact_mut(width).zip(source.chunks_exact(2)) {
                frame[channel..channel + 2].copy_from_slice(sample);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 8000;

    fn timeline(channels: Channels) -> Timeline {
        Timeline::new(RATE, Time::from_ms(1_000_000), channels, Span::from_ms(10), Span::from_s(1))
    }
    fn block(value: i16, ms: i64) -> Bytes {
        std::iter::repeat_n(value.to_le_bytes(), (ms * 8) as usize).flatten().collect()
    }
    fn at(ms: i64) -> Time {
        Time::from_ms(1_000_000 + ms)
    }
    /// Runs of (customer, agent) samples: value pairs with their length in ms.
    fn runs(t: &mut Timeline) -> Vec<(i16, i16, i64)> {
        let n = t.horizon() - t.emitted();
        let pcm = t.take(n, &[]);
        let mut out: Vec<(i16, i16, i64)> = Vec::new();
        for f in pcm.chunks_exact(4) {
            let (c, a) = (i16::from_le_bytes([f[0], f[1]]), i16::from_le_bytes([f[2], f[3]]));
            match out.last_mut() {
                Some((x, y, n)) if (*x, *y) == (c, a) => *n += 1,
                _ => out.push((c, a, 1)),
            }
        }
        out.into_iter().map(|(c, a, n)| (c, a, n / 8)).collect()
    }

    #[test]
    fn parties_stay_aligned_and_wait_for_each_other() {
        let mut t = timeline(Channels::Both);
        t.list(Party::Agent);
        t.place(Party::Customer, at(0), &block(1, 64));
        assert_eq!(t.horizon(), 0, "the agent's audio of the same time may still come");
        t.place(Party::Agent, at(0), &block(2, 64));
        t.place(Party::Customer, at(64), &block(3, 64));
        assert_eq!(runs(&mut t), [(1, 2, 64)]);
    }

    #[test]
    fn a_track_without_audio_is_waited_for_only_so_long() {
        let mut t = timeline(Channels::Both);
        t.list(Party::Agent);
        t.place(Party::Customer, at(0), &block(1, 1500));
        assert_eq!(runs(&mut t), [(1, 0, 500)]);
    }

    #[test]
    fn an_absent_track_is_silence_at_once() {
        let mut t = timeline(Channels::Both);
        t.place(Party::Customer, at(0), &block(1, 64));
        assert_eq!(runs(&mut t), [(1, 0, 64)]);
    }

    #[test]
    fn short_blocks_and_holes_become_silence_in_place() {
        let mut t = timeline(Channels::Both);
        assert_eq!(t.place(Party::Customer, at(0), &block(1, 12)), Placed::default());
        assert_eq!(t.place(Party::Customer, at(64), &block(2, 64)), Placed { gap: 52 * 8, dropped: 0 });
        assert_eq!(t.place(Party::Customer, at(300), &block(3, 10)), Placed { gap: 172 * 8, dropped: 0 });
        assert_eq!(runs(&mut t), [(1, 0, 12), (0, 0, 52), (2, 0, 64), (0, 0, 172), (3, 0, 10)]);
    }

    #[test]
    fn repeats_and_overlaps_are_dropped() {
        let mut t = timeline(Channels::Both);
        t.place(Party::Customer, at(0), &block(1, 64));
        assert_eq!(t.place(Party::Customer, at(0), &block(9, 64)).dropped, 64 * 8);
        assert_eq!(t.place(Party::Customer, at(32), &block(2, 64)).dropped, 32 * 8);
        assert_eq!(runs(&mut t), [(1, 0, 64), (2, 0, 32)]);
        assert_eq!(t.place(Party::Customer, at(50), &block(9, 40)).dropped, 40 * 8, "already handed on");
    }

    #[test]
    fn a_block_of_which_the_beginning_comes_too_late_is_not_moved() {
        let mut t = timeline(Channels::Both);
        t.place(Party::Agent, at(0), &block(1, 64));
        t.place(Party::Customer, at(0), &block(5, 1_066));
        assert_eq!(t.horizon(), 66 * 8, "the agent is waited for no longer");
        t.take(66 * 8, &[]);
        assert_eq!(t.place(Party::Agent, at(64), &block(2, 64)), Placed { gap: 0, dropped: 2 * 8 });
        t.place(Party::Agent, at(128), &block(3, 938));
        assert_eq!(runs(&mut t)[..2], [(5, 2, 62), (5, 3, 938)]);
    }

    #[test]
    fn jitter_joins_without_a_seam_and_drift_does_not_add_up() {
        let mut t = timeline(Channels::Only(Party::Customer));
        for i in 0..200 {
            // The producer's clock runs 0.5 % fast: within 64 ms even after minutes.
            t.place(Party::Customer, at(i * 64 - i * 64 / 200), &block(1, 64));
            let expected = t.time(t.end());
            let truth = at((i + 1) * 64 - (i + 1) * 64 / 200);
            assert!((expected - truth).ms().abs() <= 11, "block {i}");
        }
    }

    #[test]
    fn zeroed_intervals_are_silent_to_the_sample() {
        let mut t = timeline(Channels::Only(Party::Agent));
        t.place(Party::Agent, at(0), &block(7, 100));
        let pcm = t.take(800, &[Interval::new(at(30), at(50))]);
        let silent = pcm.chunks_exact(2).filter(|s| *s == [0, 0]).count();
        assert_eq!(silent, 20 * 8 + 2, "both edges belong to the closed side");
        assert_eq!((pcm[29 * 16], pcm[51 * 16]), (7, 7));
    }

    #[test]
    fn one_sided_calls_carry_one_channel() {
        let mut t = timeline(Channels::Only(Party::Customer));
        t.place(Party::Customer, at(0), &block(5, 64));
        t.place(Party::Agent, at(0), &block(6, 64));
        assert_eq!(t.horizon(), 512);
        assert_eq!(t.take(512, &[]).len(), 1024);
    }
}
