//! Sessions of the recogniser: when one opens, when it is closed, and what follows when one fails.
//!
//! A session is replaceable at any moment. What was sent and is not final waits in the replay ring and is
//! sent again to the next one.

use crate::recogniser::{Action, Capabilities, RecogniserError, Segment, SessionSpec, WordTimes};
use crate::time::{Span, Time};

use super::intervals::Interval;
use super::known::Known;
use super::quiet;
use super::utterance::SessionMap;
use super::{Call, EndReason, Output, Phase, Report};

/// Sessions whose late results are still understood. No more may wait for their last words at once.
const MAX_SESSIONS: usize = 8;
/// In silence, with no partial result open, all speech older than this is final.
const SETTLED_AFTER: Span = Span::from_s(10);
/// Loud audio that brought no result for so long is no speech: a recogniser that is stuck has been noticed and
/// given up long before. Where a backlog goes out faster than it was said, so much longer.
const NO_SPEECH_AFTER: Span = Span::from_s(40);
/// Media that breaks off while somebody speaks is waited for without silence in its place, which would cut the
/// word: the service waits 15 s.
const SPEECH_WAIT: Span = Span::from_s(12);
/// Speech of a session that was cut off goes on if it ends this close to the cut.
const CUT_OFF_WITHIN: Span = Span::from_ms(500);
/// A pause in speech long enough to replace a session in.
const PAUSE: Span = Span::from_s(1);

/// So many final results of a session wait for the last words of one before it.
const MAX_HELD: usize = 256;
/// A session whose audio has ended says its last words within this time, or never.
const LAST_WORDS: Span = Span::from_s(60);

#[derive(Debug)]
pub(super) struct Session {
    pub(super) map: SessionMap,
    /// The recogniser has said that it takes audio, at this time.
    ready: Option<Time>,
    pub(super) audio_ended: bool,
    /// When that was.
    ended_at: Time,
    pub(super) ended: bool,
    /// Its audio was ended in the middle of speech.
    cut: bool,
    /// Parties with a partial result that is not final yet.
    partial: [bool; 2],
    /// Wall-clock end of the real audio sent.
    pub(super) sent_until: Option<Time>,
    /// When audio was sent last.
    pub(super) last_sent: Time,
    /// Up to when on the clock of the outside silence has stood in for late audio.
    pub(super) filled_until: Time,
    /// End of the last speech recognised.
    last_speech: Option<Time>,
    pub(super) loud_at_end: bool,
    /// Since when a party has been loud without any result of it.
    pub(super) unanswered: [Option<Time>; 2],
    /// Up to when a party was loud.
    pub(super) loud_until: [Option<Time>; 2],
}

/// Whether anybody listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ear {
    /// A session takes audio.
    Open,
    /// One was just asked for.
    Opening,
    /// One is being opened, or will be after a pause.
    Waits,
    /// None is open, and for silence none will be.
    Shut,
}

impl Session {
    /// It has heard speech of which it has not said the last word.
    fn owes_words(&self) -> bool {
        self.partial != [false; 2] || self.unanswered != [None; 2]
    }
}

impl Call {
    /// Finds a session for audio; opens one where there is none and the audio is `wanted`.
    pub(super) fn ear(&mut self, rate_hz: u32, wanted: bool) -> Ear {
        if let Some(session) = self.sessions.last().filter(|s| !s.audio_ended) {
            return if session.ready.is_some() { Ear::Open } else { Ear::Waits };
        }
        if !wanted && self.config.live.is_some() {
            return Ear::Shut;
        }
        if (self.cut_in_speech || self.replay.is_pending()) && self.sessions.iter().any(|s| !s.ended) {
            // Their last words come first: what they leave is sent again with what follows.
            return Ear::Waits;
        }
        if self.sessions.len() >= MAX_SESSIONS && self.sessions.first().is_some_and(|s| !s.ended) {
            // What it has still to say would not be understood: it says it, or is given up in time.
            return Ear::Waits;
        }
        if self.now < self.reopen_at {
            self.wake_at(self.reopen_at);
            return Ear::Waits;
        }
        self.open_session(rate_hz);
        Ear::Opening
    }

    fn open_session(&mut self, rate_hz: u32) {
        if std::mem::take(&mut self.cut_in_speech) {
            self.replay.rewind();
        }
        self.known_again = Known::new(self.marks, self.word_error_ms(), self.pauses.clone());
        self.summary.recogniser.sessions += 1;
        let id = u32::try_from(self.summary.recogniser.sessions).unwrap_or(u32::MAX);
        let spec = SessionSpec::new(id, rate_hz, self.config.channels);
        self.outputs.push_back(Output::OpenRecogniser(spec));
        if self.sessions.len() >= MAX_SESSIONS {
            self.sessions.remove(0);
        }
        self.sessions.push(Session {
            map: SessionMap::new(id, rate_hz),
            ready: None,
            audio_ended: false,
            ended_at: Time::MAX,
            ended: false,
            cut: false,
            partial: [false; 2],
            sent_until: None,
            last_sent: self.now,
            filled_until: self.now,
            last_speech: None,
            loud_at_end: false,
            unanswered: [None; 2],
            loud_until: [None; 2],
        });
        self.closed_run = Span::ZERO;
    }

    pub(super) fn recogniser_ready(&mut self, session: u32, capabilities: Capabilities) {
        let now = self.now;
        if let Some(session) = self.sessions.iter_mut().find(|s| s.map.id == session && !s.ended) {
            session.ready = Some(now);
            session.last_sent = now;
            session.filled_until = now;
            self.summary.recogniser.capabilities = Some(capabilities);
        }
    }

    /// Ends the audio of the open session.
    pub(super) fn end_audio(&mut self) {
        let Some(session) = self.sessions.last_mut().filter(|s| !s.audio_ended) else { return };
        session.audio_ended = true;
        session.ended_at = self.now;
        // It has long not answered and may never: the next one waits for it, and hears again what it leaves.
        let overdue = |since: Time| session.sent_until.is_some_and(|sent| sent - since >= SETTLED_AFTER);
        self.cut_in_speech |= session.unanswered.into_iter().flatten().any(overdue);
        if session.ready.is_some() {
            self.outputs.push_back(Output::EndAudio { session: session.map.id });
        } else {
            // Nothing was sent to it and nothing will be.
            session.ended = true;
            self.outputs.push_back(Output::CloseRecogniser { session: session.map.id });
        }
    }

    /// A stretch of audio was closed, or was not: a billed session is not kept open for long silence.
    pub(super) fn heard_closed(&mut self, window: Interval, shut: bool) {
        let length = window.to - window.from;
        self.closed_run = if shut { self.closed_run + length } else { Span::ZERO };
        let limit = self.config.live.as_ref().and_then(|live| live.close_session_after);
        if limit.is_some_and(|limit| self.closed_run >= limit) {
            self.end_audio();
        }
    }

    /// Keeps the open session alive while there is nothing to send, closes it when that lasts, and replaces
    /// it when it grows old. True if anything was done.
    pub(super) fn tend_session(&mut self) -> bool {
        let Some(live) = &self.config.live else { return false };
        let Some(session) = self.sessions.last().filter(|s| !s.audio_ended) else { return false };
        let Some(ready) = session.ready else { return false };
        let speaking = session.loud_at_end || session.partial != [false; 2];
        let paused = !speaking && settled(session.last_speech, session.sent_until);
        let due = if paused { live.rotate_after } else { live.rotate_at_last };
        let close = live.close_session_after.map(|after| session.last_sent + after);
        let filler = session.filled_until.max(session.last_sent + live.keep_alive_after);
        if self.now >= ready + due {
            self.summary.recogniser.rotations += 1;
            self.cut(speaking);
            return true;
        }
        if close.is_some_and(|at| self.now >= at) {
            self.cut(speaking);
            return true;
        }
        if session.loud_at_end {
            let last = session.last_sent + SPEECH_WAIT;
            if self.now >= last {
                self.cut(true);
                return true;
            }
            self.wake_at(last);
            self.wake_at(ready + due);
            return false;
        }
        if self.now >= filler {
            let now = self.now;
            let chunk = self.config.chunk;
            if let Some(session) = self.sessions.last_mut() {
                // A clock that leapt owes no silence for the leap.
                session.filled_until = (filler + chunk).max(now - chunk);
            }
            self.send_filler();
            return true;
        }
        self.wake_at(filler);
        self.wake_at(ready + due);
        if let Some(at) = close {
            self.wake_at(at);
        }
        false
    }

    /// Ends the session's audio; the next one hears again what was cut off in the middle of speech.
    fn cut(&mut self, in_speech: bool) {
        self.cut_in_speech = in_speech;
        if let Some(session) = self.sessions.last_mut() {
            session.cut = in_speech;
        }
        self.end_audio();
    }

    /// No audio follows: what was cut off in the middle of speech is all there is to hear again. False if there is none.
    pub(super) fn hear_cut_again(&mut self) -> bool {
        if std::mem::take(&mut self.cut_in_speech) {
            self.replay.rewind();
        }
        self.replay.is_pending()
    }

    /// A result that ends where its session was cut off in the middle of speech: the next session hears all of it.
    pub(super) fn is_cut_off(&self, session: &Session, speech: Interval) -> bool {
        let near = Span::from_ms(i64::from(self.word_error_ms())) + CUT_OFF_WITHIN;
        session.cut && session.sent_until.is_some_and(|end| speech.to + near >= end)
    }

    /// A session failed. What is not final is sent again to the next one, unless there is no use.
    pub(super) fn recogniser_lost(&mut self, id: u32, error: &RecogniserError) {
        let Some(index) = self.sessions.iter().position(|s| s.map.id == id && !s.ended) else { return };
        *self.summary.recogniser.failures.entry(error.cause).or_default() += 1;
        if error.action == Action::Fatal || self.config.live.is_none() {
            self.give_up_hearing(error);
            return;
        }
        self.report(Report::SessionLost { session: id, error: error.clone() });
        if index + 1 == self.sessions.len() || self.sessions[index].owes_words() {
            self.reopen_at = self.reopen.failed(self.now);
            self.hear_again_from(index);
        } else {
            self.sessions[index].ended = true;
        }
        self.release_held();
    }

    /// What the session of this index has not said is heard again by a new one, and all that later ones have heard
    /// behind it: no word of those was taken yet.
    fn hear_again_from(&mut self, index: usize) {
        let Some(first) = self.sessions.get(index).map(|s| s.map.id) else { return };
        self.outputs.retain(|o| match o {
            Output::Audio(chunk) => chunk.session < first,
            Output::EndAudio { session } => *session < first,
            _ => true,
        });
        let mut closed = 0;
        for session in &mut self.sessions[index..] {
            if session.map.id > first && !session.ended {
                closed += 1;
                self.outputs.push_back(Output::CloseRecogniser { session: session.map.id });
            }
            (session.ended, session.audio_ended) = (true, true);
        }
        if closed > 0 {
            self.report(Report::SessionsClosed { behind: first, closed });
        }
        let before = self.held.len();
        self.held.retain(|segment| segment.session < first);
        self.summary.recogniser.stray += (before - self.held.len()) as u64;
        self.replay.rewind();
    }

    fn give_up_hearing(&mut self, error: &RecogniserError) {
        self.summary.end = EndReason::RecogniserFailed(error.message.clone());
        for session in &mut self.sessions {
            session.audio_ended = true;
            session.ended = true;
        }
        // Nobody is left to hear what has not been handed on, or was to be heard again.
        self.timeline = None;
        self.then.clear();
        self.replay.clear();
        self.cut_in_speech = false;
        self.outputs.clear();
        self.let_waiting_go();
        self.release_held();
        if self.config.live.is_some() {
            self.outputs.push_back(Output::CloseMedia);
        }
        self.phase = Phase::Draining(self.now + self.config.drain_timeout);
        self.outbox.release_paused(self.now);
    }

    /// Notes whether the party of a result has speech that is not final, as results come: a final one may be taken long
    /// after.
    pub(super) fn set_partial(&mut self, segment: &Segment, partial: bool) {
        if let Some(session) = self.sessions.iter_mut().find(|s| s.map.id == segment.session) {
            session.partial[segment.party.channel()] = partial;
        }
    }

    /// Notes that speech of a session was recognised, up to the end of `speech`: it works.
    pub(super) fn heard(&mut self, id: u32, channel: usize, is_final: bool, speech: Option<Interval>) {
        self.reopen.worked();
        let near = Span::from_ms(i64::from(self.word_error_ms())) + self.config.chunk;
        let Some(session) = self.sessions.iter_mut().find(|s| s.map.id == id) else { return };
        // A result that comes late answers nothing that was said behind it: how long somebody was loud is known to a chunk.
        let chunk = self.config.chunk;
        let until = speech.map(|s| s.to).filter(|to| session.loud_until[channel] > Some(*to + chunk));
        session.unanswered[channel] = session.unanswered[channel].and(until);
        session.last_speech = session.last_speech.max(speech.map(|s| s.to));
        if is_final {
            let mut mark = speech.map(|s| s.to);
            if session.filled_until > session.last_sent
                && mark >= session.loud_until[channel].map(|at| at - near)
            {
                // Silence stood in for what was to follow, and ended the speech: it was all that had been sent.
                mark = mark.max(session.sent_until);
            }
            self.marks[channel] = self.marks[channel].max(mark);
            self.forget_final();
        }
    }

    /// Whether a session before this one has still to say its last words: those come first.
    pub(super) fn waits_for_words(&self, session: u32) -> bool {
        self.sessions.iter().any(|s| s.map.id < session && !s.ended)
    }

    /// Final results that came before the last words of an earlier session.
    pub(super) fn release_held(&mut self) {
        while let Some(first) = self.held.front() {
            if self.waits_for_words(first.session) && self.held.len() <= MAX_HELD {
                return;
            }
            if let Some(segment) = self.held.pop_front() {
                self.take_segment(&segment);
            }
        }
    }

    /// Gives up the first session that never says its last words. True if there was one.
    pub(super) fn give_up_silent_session(&mut self) -> bool {
        let Some(index) = self.sessions.iter().position(|s| s.audio_ended && !s.ended) else { return false };
        let session = &mut self.sessions[index];
        let due = session.ended_at + LAST_WORDS;
        if self.now < due {
            self.wake_at(due);
            return false;
        }
        session.ended = true;
        let owes = session.owes_words();
        self.summary.recogniser.unfinished += 1;
        let session = session.map.id;
        self.outputs.push_back(Output::CloseRecogniser { session });
        self.report(Report::SessionSilent { session, owes });
        if owes {
            self.hear_again_from(index);
        }
        self.release_held();
        true
    }

    /// Moves the marks on in silence, and lets go of audio whose words are final. No mark passes over the words
    /// that an earlier session has still to say.
    pub(super) fn forget_final(&mut self) {
        let around = quiet::needed(self.word_error_ms());
        let says_partials = self.summary.recogniser.capabilities.as_ref().is_some_and(|c| c.partials);
        let percent = self.config.live.as_ref().map_or(100, |live| i64::from(live.catch_up_percent).max(100));
        let no_speech_after = Span::from_us(NO_SPEECH_AFTER.us() / 100 * percent);
        let alone = self.sessions.last().filter(|s| says_partials && !self.waits_for_words(s.map.id));
        if let Some(session) = alone {
            for party in self.config.channels.parties() {
                let channel = party.channel();
                // A cut looks for quiet on either side of a mark, and must not find it behind what nobody heard.
                let loud = session.unanswered[channel].map_or(Time::MAX, |since| since - around);
                let settled =
                    session.sent_until.map(|at| (at - SETTLED_AFTER).min(loud.max(at - no_speech_after)));
                if !session.partial[channel] {
                    self.marks[channel] = self.marks[channel].max(settled);
                }
            }
        }
        // The audio around a mark is needed to cut where it is quiet.
        self.replay.trim(self.first_mark().map_or(Time::MIN, |mark| mark - around));
    }

    /// Up to here all speech of every party is final.
    pub(super) fn first_mark(&self) -> Option<Time> {
        self.config.channels.parties().iter().map(|p| self.marks[p.channel()]).min().flatten()
    }

    pub(super) fn word_error_ms(&self) -> u32 {
        match self.word_times() {
            WordTimes::Spread { error_ms } | WordTimes::Measured { error_ms } => error_ms,
        }
    }
}

/// Nobody has spoken for a while at the end of the audio sent.
fn settled(last_speech: Option<Time>, sent_until: Option<Time>) -> bool {
    match (last_speech, sent_until) {
        (Some(speech), Some(sent)) => sent - speech >= PAUSE,
        _ => true,
    }
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
