//! Sessions of the recogniser: opened late, refused, deaf, and lost at any moment.

use engine::call::Input;
use engine::recogniser::{
    Action, AudioChunk, Capabilities, RecogniserCause, RecogniserError, RecogniserEvent, SessionSpec,
    WordTimes,
};
use engine::time::Span;

use super::super::plan::Blow;
use super::{Later, Life};
use crate::world::at;

impl Life<'_> {
    pub(super) fn open(&mut self, spec: SessionSpec) {
        self.tally.sessions += 1;
        let id = spec.id;
        let after = Span::from_ms(self.dice.i64(1..=self.plan.ears.ready_ms));
        self.ears.open(spec, self.now);
        let ready = self.now + after;
        let full = self.plan.full.iter().any(|(from, to)| (at(*from)..at(*to)).contains(&ready));
        let what = if full { Later::Fails(id, RecogniserCause::Limit) } else { Later::Ready(id) };
        self.soon(ready, what);
    }

    pub(super) fn ready(&mut self, id: u32) {
        let Some(session) = self.ears.sessions.get_mut(&id) else { return };
        session.ready = Some(self.now);
        session.fed = self.now;
        let times = WordTimes::Measured { error_ms: self.plan.ears.error_ms };
        let capabilities = Capabilities::new("tones", self.plan.ears.partials, times, false);
        self.handle(Input::RecogniserReady { session: id, capabilities });
    }

    pub(super) fn hear(&mut self, chunk: &AudioChunk) {
        self.tell(|| {
            let loud = chunk.pcm.iter().filter(|b| **b != 0).count();
            let (from, position) = ((chunk.start - at(0)).ms(), chunk.position / 8);
            format!("chunk of {} from {from} at {position}: {loud} bytes of sound", chunk.session)
        });
        self.oracle.chunk(chunk);
        for (time, event) in self.ears.audio(self.now, chunk) {
            self.soon(time, Later::Said(chunk.session, event));
        }
    }

    pub(super) fn say(&mut self, id: u32, event: RecogniserEvent) {
        // What a session had not said when it failed is never said.
        let Some(session) = self.ears.sessions.get(&id) else { return };
        // What is taken after the session's audio was ended may have been cut off in the middle of speech.
        let late = session.audio_ended || self.ears.sessions.keys().any(|before| *before < id);
        self.tell(|| format!("recogniser: {event:?}"));
        match &event {
            RecogniserEvent::Segment(s) if s.is_final => {
                self.tally.finals += 1;
                self.tally.late_finals += u64::from(late);
                self.tally.words += s.words.len() as u64;
            }
            RecogniserEvent::Segment(_) => self.tally.partials += 1,
            RecogniserEvent::Ended { .. } => {
                self.ears.sessions.remove(&id);
            }
            _ => {}
        }
        self.handle(Input::Recognised(event));
    }

    pub(super) fn blow(&mut self, blow: Blow) {
        // Mostly the open session; at times one that is still ending.
        let ids: Vec<u32> = self.ears.sessions.keys().copied().collect();
        let (Some(last), Some(first)) = (ids.last(), ids.first()) else { return };
        let id = if self.dice.u8(0..4) == 0 { *first } else { *last };
        match blow {
            Blow::Fails(cause) => self.fail(id, cause),
            Blow::Deaf(ms) => {
                if let Some(session) = self.ears.sessions.get_mut(&id).filter(|s| s.ready.is_some()) {
                    session.deaf = Some(self.now);
                    self.soon(self.now + Span::from_ms(ms), Later::Fails(id, RecogniserCause::Stalled));
                }
            }
        }
    }

    pub(super) fn fail(&mut self, id: u32, cause: RecogniserCause) {
        let Some(session) = self.ears.sessions.remove(&id) else { return };
        self.tally.strike(match cause {
            RecogniserCause::Limit => "session: limit",
            RecogniserCause::NoAudio => "session: no audio",
            RecogniserCause::Stalled => "session: stalled",
            RecogniserCause::EndedEarly => "session: ended early",
            RecogniserCause::Connection => "session: reset",
            RecogniserCause::Conflict => "session: conflict",
            RecogniserCause::Unavailable => "session: unavailable",
            _ => "session: internal failure",
        });
        if session.ready.is_none() {
            self.tally.strike("session: failed before it was ready");
        }
        if session.audio_ended {
            self.tally.strike("session: failed while it ended");
        }
        *self.tally.failures.entry(cause).or_default() += 1;
        let error = RecogniserError::new(cause, Action::Retry, "as drawn");
        self.handle(Input::RecogniserLost { session: id, error });
    }
}
