//! Chunks out: the front of the timeline, gated and paced, on its way to the recogniser.

use bytes::Bytes;

use crate::recogniser::{AudioChunk, is_silent};
use crate::time::{Span, Time};

use super::intervals::Interval;
use super::known::Around;
use super::replay::Kept;
use super::sessions::Ear;
use super::timeline::silence;
use super::{Call, Output};

/// What became of an attempt to hand on audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Emitted {
    /// Something was done.
    Done,
    /// There is audio, and it has to wait.
    Blocked,
    /// There is none.
    Nothing,
}

/// Places remembered where silence stood in for late audio: the last mark is at one of the last.
const MAX_PAUSES: usize = 8;

impl Call {
    /// Hands on one chunk: one that is sent again, or the next of the timeline, a whole one or what is left
    /// before a jump or the end.
    pub(super) fn emit_one(&mut self) -> Emitted {
        if self.replay.is_pending() {
            return self.emit_again();
        }
        let Some(timeline) = &self.timeline else { return Emitted::Nothing };
        let flush = self.flushes();
        let horizon = if flush { timeline.end() } else { timeline.horizon() };
        let chunk = self.config.chunk.samples(timeline.rate_hz).max(1);
        let left = horizon - timeline.emitted();
        if left <= 0 || (left < chunk && !flush) {
            return Emitted::Nothing;
        }
        self.emit_chunk(left.min(chunk))
    }

    fn emit_chunk(&mut self, samples: i64) -> Emitted {
        let Some(timeline) = &self.timeline else { return Emitted::Nothing };
        let (from, rate_hz) = (timeline.emitted(), timeline.rate_hz);
        let window = Interval::new(timeline.time(from), timeline.time(from + samples));
        let Some(known) = self.known_within(window) else { return Emitted::Nothing };
        let closed = self.gate.closed_within(window);
        let shut = closed.iter().any(|c| c.contains(window));
        let all_known = self.config.channels.parties().iter().all(|p| known[p.channel()] == Some(window));
        // What was cut off in the middle of speech is heard again, whatever follows it.
        let ear = self.ear(rate_hz, self.cut_in_speech || (!shut && !all_known));
        match ear {
            Ear::Opening => return Emitted::Done,
            Ear::Waits => return Emitted::Blocked,
            Ear::Open | Ear::Shut => {}
        }
        // What nobody hears need not be let out slowly.
        if ear == Ear::Open && !self.may_send(window.to - window.from) {
            return Emitted::Blocked;
        }
        let Some(timeline) = &mut self.timeline else { return Emitted::Nothing };
        let mut pcm = timeline.take(samples, &closed);
        self.silence_known(&mut pcm, window, rate_hz, &known);
        let pcm = pcm.freeze();
        self.gate.emitted(window, &closed);
        self.count_audio(window, rate_hz);
        if ear == Ear::Open {
            self.send(window, samples, pcm.clone());
            if self.config.live.is_some() {
                self.replay.keep(Kept { start: window.from, end: window.to, pcm });
            }
        }
        self.heard_closed(window, shut);
        self.store_if_due();
        Emitted::Done
    }

    /// All audio on the timeline is to be handed on: a jump follows, or the end.
    fn flushes(&self) -> bool {
        !self.then.is_empty() || self.is_draining()
    }

    /// Counts audio handed on, but for what another process had counted before.
    fn count_audio(&mut self, window: Interval, rate_hz: u32) {
        let summary = &mut self.summary;
        summary.audio.rate_hz = rate_hz;
        summary.start_time.get_or_insert(window.from.ms());
        let counted = summary.end_time.unwrap_or(window.from.ms()).max(window.from.ms());
        if window.to.ms() > counted {
            summary.audio.duration_ms += window.to.ms() - counted;
            summary.end_time = Some(window.to.ms());
            self.report_edges(window);
        }
    }

    /// What of `window` is final already; `None` while that cannot be said exactly.
    fn known_within(&mut self, window: Interval) -> Option<[Option<Interval>; 2]> {
        if self.known.is_empty() {
            return Some([None; 2]);
        }
        let near = window.widened(self.known.reach());
        let closed = self.gate.closed_within(near);
        let timeline = self.timeline.as_ref()?;
        let rate_hz = timeline.rate_hz;
        let flush = self.flushes();
        let until = if flush { timeline.end() } else { timeline.horizon() };
        let known = Interval::new(timeline.time(timeline.emitted()), timeline.time(until));
        // As a recogniser hears it: what is closed is quiet.
        let samples = |party, from, to| {
            let mut samples = timeline.peek(party, from, to);
            for part in &closed {
                let position = |at: Time| usize::try_from((at - from).samples(rate_hz)).unwrap_or(0);
                let (first, last) = (position(part.from), position(part.to).min(samples.len()));
                samples.get_mut(first..last).unwrap_or_default().fill(0);
            }
            samples
        };
        self.known.within(window, &Around { rate_hz, known, more: !flush, samples: &samples })
    }

    fn silence_known(&self, pcm: &mut [u8], window: Interval, rate_hz: u32, known: &[Option<Interval>; 2]) {
        let parties = self.config.channels.parties();
        for (channel, party) in parties.iter().enumerate() {
            if let Some(part) = known[party.channel()] {
                silence(pcm, window.from, rate_hz, parties.len(), Some(channel), part);
            }
        }
    }

    /// Sends a chunk again, to the session that took the place of a failed one: silent where a party's
    /// speech is final already, and where the gate has closed since.
    fn emit_again(&mut self) -> Emitted {
        let (Some(kept), Some(timeline)) = (self.replay.peek().cloned(), &self.timeline) else {
            return Emitted::Nothing;
        };
        let rate_hz = timeline.rate_hz;
        let window = Interval::new(kept.start, kept.end);
        let pcm = self.muted(&kept, rate_hz);
        let wanted = !is_silent(&pcm);
        match self.ear(rate_hz, wanted) {
            Ear::Opening => return Emitted::Done,
            Ear::Waits => return Emitted::Blocked,
            Ear::Shut => {
                self.replay.sent(pcm);
                return Emitted::Done;
            }
            Ear::Open => {}
        }
        if !self.may_send(kept.end - kept.start) {
            return Emitted::Blocked;
        }
        let samples = (pcm.len() / 2 / self.config.channels.parties().len()) as i64;
        self.summary.recogniser.replayed_ms += u64::try_from((kept.end - kept.start).ms()).unwrap_or(0);
        self.replay.sent(pcm.clone());
        self.send(window, samples, pcm);
        Emitted::Done
    }

    /// The samples of a kept chunk without what must not, or need not, be heard again.
    fn muted(&mut self, kept: &Kept, rate_hz: u32) -> Bytes {
        let window = Interval::new(kept.start, kept.end);
        let parties = self.config.channels.parties();
        let channel = |party| (parties.iter().position(|p| *p == party).unwrap_or(0), parties.len());
        let samples = |party, from, to| self.replay.samples(channel(party), rate_hz, from, to);
        let around = Around { rate_hz, known: self.replay.span(), more: false, samples: &samples };
        let known = self.known_again.within(window, &around).unwrap_or_default();
        let mut pcm = kept.pcm.to_vec();
        self.silence_known(&mut pcm, window, rate_hz, &known);
        for closed in self.gate.closed_within(window) {
            silence(&mut pcm, kept.start, rate_hz, parties.len(), None, closed);
        }
        pcm.into()
    }

    /// Whether this much audio may leave now; if not, when.
    fn may_send(&mut self, length: Span) -> bool {
        let Some(pace) = &mut self.pace else { return true };
        match pace.take(self.now, length) {
            Ok(()) => true,
            Err(then) => {
                self.wake_at(then);
                false
            }
        }
    }

    /// Hands a chunk to the open session.
    fn send(&mut self, window: Interval, samples: i64, pcm: Bytes) {
        let channels = self.config.channels;
        let Some(timeline) = &self.timeline else { return };
        let rate_hz = timeline.rate_hz;
        let now = self.now;
        let Some(session) = self.sessions.last_mut() else { return };
        let position = u64::try_from(session.map.position).unwrap_or(0);
        session.map.sent(window.from, samples);
        session.sent_until = Some(window.to);
        session.last_sent = now;
        session.filled_until = now;
        let parties = channels.parties();
        session.loud_at_end = false;
        for (index, party) in parties.iter().enumerate() {
            if is_loud(&pcm, index, parties.len()) {
                session.loud_at_end = true;
                session.unanswered[party.channel()].get_or_insert(window.from);
                session.loud_until[party.channel()] = Some(window.to);
            }
        }
        let chunk = AudioChunk::new(session.map.id, position, window.from, rate_hz, channels, pcm);
        self.outputs.push_back(Output::Audio(chunk));
        self.forget_final();
    }

    /// Silence that belongs to the session alone: it keeps the session alive while media is late.
    pub(super) fn send_filler(&mut self) {
        let channels = self.config.channels;
        let chunk = self.config.chunk;
        let Some(timeline) = &self.timeline else { return };
        let (rate_hz, start) = (timeline.rate_hz, timeline.time(timeline.emitted()));
        if self.pauses.last() != Some(&start) {
            if self.pauses.len() >= MAX_PAUSES {
                self.pauses.remove(0);
            }
            self.pauses.push(start);
        }
        let Some(session) = self.sessions.last_mut() else { return };
        let samples = chunk.samples(rate_hz).max(1);
        let position = u64::try_from(session.map.position).unwrap_or(0);
        session.map.filler(samples);
        let zeros = vec![0; usize::try_from(samples).unwrap_or(0) * 2 * channels.parties().len()];
        let chunk = AudioChunk::new(session.map.id, position, start, rate_hz, channels, zeros.into());
        self.summary.audio.filler_ms += u64::try_from(self.config.chunk.ms()).unwrap_or(0);
        self.outputs.push_back(Output::Audio(chunk));
    }
}

/// A chunk in which somebody may be speaking on this channel of so many: its peak is well above the noise of a
/// telephone line.
fn is_loud(pcm: &[u8], channel: usize, channels: usize) -> bool {
    let frames = pcm.chunks_exact(2 * channels);
    frames.map(|f| &f[2 * channel..]).any(|s| i16::from_le_bytes([s[0], s[1]]).unsigned_abs() > 1000)
}
