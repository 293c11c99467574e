//! Chunks out: the front of the timeline, gated, on its way to the recogniser.

use crate::recogniser::{AudioChunk, SessionSpec};

use super::intervals::Interval;
use super::utterance::SessionMap;
use super::{Call, Output, Session};

/// Sessions whose late results are still understood.
const MAX_SESSIONS: usize = 8;

impl Call {
    /// Hands on one chunk: a whole one, or what is left before a jump or the end.
    pub(super) fn emit_one(&mut self) -> bool {
        let Some(timeline) = &self.timeline else { return false };
        let flush = !self.then.is_empty();
        let horizon = if flush { timeline.end() } else { timeline.horizon() };
        let chunk = self.config.chunk.samples(timeline.rate_hz).max(1);
        let left = horizon - timeline.emitted();
        if left <= 0 || (left < chunk && !flush) {
            return false;
        }
        self.emit_chunk(left.min(chunk));
        true
    }

    fn emit_chunk(&mut self, samples: i64) {
        let channels = self.config.channels;
        let Some(timeline) = &mut self.timeline else { return };
        let (from, rate_hz) = (timeline.emitted(), timeline.rate_hz);
        let window = Interval::new(timeline.time(from), timeline.time(from + samples));
        let closed = self.gate.closed_within(window);
        let pcm = timeline.take(samples, &closed);
        self.gate.emitted(window, &closed);
        self.summary.audio.rate_hz = rate_hz;
        self.summary.audio.duration_ms += (window.to - window.from).ms();
        self.summary.start_time.get_or_insert(window.from.ms());
        self.summary.end_time = Some(window.to.ms());
        self.report_edges(window);
        let session = self.session(rate_hz);
        let position = session.map.position;
        session.map.sent(window.from, samples);
        let chunk = AudioChunk::new(
            session.map.id,
            u64::try_from(position).unwrap_or(0),
            window.from,
            rate_hz,
            channels,
            pcm,
        );
        self.outputs.push_back(Output::Audio(chunk));
    }

    /// The open session; opens one where there is none.
    fn session(&mut self, rate_hz: u32) -> &mut Session {
        if self.sessions.last().is_none_or(|s| s.audio_ended) {
            let id = u32::try_from(self.summary.recogniser.sessions + 1).unwrap_or(u32::MAX);
            self.summary.recogniser.sessions += 1;
            let spec = SessionSpec::new(id, rate_hz, self.config.channels);
            self.outputs.push_back(Output::OpenRecogniser(spec));
            if self.sessions.len() >= MAX_SESSIONS {
                self.sessions.remove(0);
            }
            self.sessions.push(Session {
                map: SessionMap::new(id, rate_hz),
                audio_ended: false,
                ended: false,
            });
        }
        let last = self.sessions.len() - 1;
        &mut self.sessions[last]
    }

    /// Ends the audio of the open session.
    pub(super) fn end_audio(&mut self) {
        if let Some(session) = self.sessions.last_mut().filter(|s| !s.audio_ended) {
            session.audio_ended = true;
            self.outputs.push_back(Output::EndAudio { session: session.map.id });
        }
    }
}
