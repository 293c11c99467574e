//! Sessions of the recogniser: when one opens, when it is closed, and what follows when one fails.
//!
//! A session is replaceable at any moment. What was sent and is not final waits in the replay ring and is
//! sent again to the next one.

use crate::recogniser::{Action, Capabilities, RecogniserError, SessionSpec, WordTimes};
use crate::time::{Span, Time};

use super::intervals::Interval;
use super::known::Known;
use super::quiet;
use super::utterance::SessionMap;
use super::{Call, EndReason, Output, Phase, Report};

/// Sessions whose late results are still understood.
const MAX_SESSIONS: usize = 8;
/// In silence, with no partial result open, all speech older than this is final.
const SETTLED_AFTER: Span = Span::from_s(10);
/// Loud audio that brought no result for so long is no speech: a recogniser that is stuck has been noticed and
/// given up long before.
const NO_SPEECH_AFTER: Span = Span::from_s(40);
/// Media that breaks off while somebody speaks is waited for without silence in its place, which would cut the
/// word: the service waits 15 s.
const SPEECH_WAIT: Span = Span::from_s(12);
/// A pause in speech long enough to replace a session in.
const PAUSE: Span = Span::from_s(1);

/// Final speech of a session behind one that has still to say its last words.
#[derive(Debug)]
pub(super) struct Final {
    session: u32,
    channel: usize,
    speech: Interval,
}

/// As many of them are kept; no session takes so long to say its last words.
const MAX_FINALS: usize = 256;

#[derive(Debug)]
pub(super) struct Session {
    pub(super) map: SessionMap,
    /// The recogniser has said that it takes audio, at this time.
    ready: Option<Time>,
    pub(super) audio_ended: bool,
    pub(super) ended: bool,
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
        self.known_again = Known::new(self.marks, &self.beyond(), self.word_error_ms());
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
            ended: false,
            partial: [false; 2],
            sent_until: None,
            last_sent: self.now,
            filled_until: self.now,
            last_speech: None,
            loud_at_end: false,
            unanswered: [None; 2],
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
            self.end_audio();
            return true;
        }
        if close.is_some_and(|at| self.now >= at) {
            self.end_audio();
            return true;
        }
        if session.loud_at_end {
            let last = session.last_sent + SPEECH_WAIT;
            if self.now >= last {
                self.cut_in_speech = true;
                self.end_audio();
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

    /// A session failed. What is not final is sent again to the next one, unless there is no use.
    pub(super) fn recogniser_lost(&mut self, id: u32, error: &RecogniserError) {
        let Some(index) = self.sessions.iter().position(|s| s.map.id == id && !s.ended) else { return };
        *self.summary.recogniser.failures.entry(error.cause).or_default() += 1;
        if error.action == Action::Fatal || self.config.live.is_none() {
            self.give_up_hearing(error);
            return;
        }
        let last = index + 1 == self.sessions.len();
        let session = &mut self.sessions[index];
        (session.ended, session.audio_ended) = (true, true);
        self.report(Report::SessionLost { session: id, error: error.clone() });
        self.outputs.retain(|o| match o {
            Output::Audio(chunk) => chunk.session != id,
            Output::EndAudio { session } => *session != id,
            _ => true,
        });
        if last {
            self.reopen_at = self.reopen.failed(self.now);
            self.replay.rewind();
        } else {
            // A later session has gone on: what this one had not said yet is lost.
            self.summary.recogniser.unfinished += 1;
        }
    }

    fn give_up_hearing(&mut self, error: &RecogniserError) {
        self.summary.end = EndReason::RecogniserFailed(error.message.clone());
        for session in &mut self.sessions {
            session.audio_ended = true;
            session.ended = true;
        }
        // Nobody is left to hear what has not been handed on.
        self.timeline = None;
        self.then.clear();
        self.outputs.clear();
        if self.config.live.is_some() {
            self.outputs.push_back(Output::CloseMedia);
        }
        self.phase = Phase::Draining(self.now + self.config.drain_timeout);
        self.outbox.release_paused(self.now);
    }

    /// Notes that speech of a session was recognised, up to the end of `speech`: it works.
    pub(super) fn heard(&mut self, id: u32, channel: usize, is_final: bool, speech: Option<Interval>) {
        self.reopen.worked();
        let Some(session) = self.sessions.iter_mut().find(|s| s.map.id == id) else { return };
        session.partial[channel] = !is_final;
        session.unanswered[channel] = None;
        session.last_speech = session.last_speech.max(speech.map(|s| s.to));
        if let Some(speech) = speech.filter(|_| is_final) {
            self.finals.push_back(Final { session: id, channel, speech });
            self.forget_final();
        }
    }

    /// Moves the marks on behind what is final, in silence too, and lets go of audio whose words are final. No mark
    /// passes over the words that an earlier session has still to say.
    pub(super) fn forget_final(&mut self) {
        let first = self.sessions.iter().find(|s| !s.ended).map_or(u32::MAX, |s| s.map.id);
        while self.finals.len() > MAX_FINALS || self.finals.front().is_some_and(|f| f.session <= first) {
            let Some(Final { channel, speech, .. }) = self.finals.pop_front() else { break };
            self.marks[channel] = self.marks[channel].max(Some(speech.to));
        }
        let says_partials = self.summary.recogniser.capabilities.as_ref().is_some_and(|c| c.partials);
        let alone = self.sessions.last().filter(|s| says_partials && s.map.id <= first);
        if let Some(session) = alone {
            for party in self.config.channels.parties() {
                let channel = party.channel();
                let loud = session.unanswered[channel].unwrap_or(Time::MAX);
                let settled =
                    session.sent_until.map(|at| (at - SETTLED_AFTER).min(loud.max(at - NO_SPEECH_AFTER)));
                if !session.partial[channel] {
                    self.marks[channel] = self.marks[channel].max(settled);
                }
            }
        }
        // The audio around a mark is needed to cut where it is quiet.
        let around = quiet::needed(self.word_error_ms());
        self.replay.trim(self.first_mark().map_or(Time::MIN, |mark| mark - around));
    }

    /// Up to here all speech of every party is final.
    pub(super) fn first_mark(&self) -> Option<Time> {
        self.config.channels.parties().iter().map(|p| self.marks[p.channel()]).min().flatten()
    }

    /// Speech behind the marks that is final all the same, by channel.
    pub(super) fn beyond(&self) -> [Vec<Interval>; 2] {
        let of =
            |channel| self.finals.iter().filter(move |f| f.channel == channel).map(|f| f.speech).collect();
        [of(0), of(1)]
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
