//! The connection a live call reads: where it begins, when it is given up, when the call is over.
//!
//! A small state machine of its own. It is told what came and how connections ended, and says what to open
//! next, or that no more will come. It knows fragment numbers and times; not audio, contacts or sockets.

mod over;
mod saved;
mod trail;

use std::collections::{BTreeMap, VecDeque};

use crate::time::Time;

use super::backoff::Backoff;
use super::live::{LiveConfig, StartSelector};
use super::stream::{MediaAction, MediaCause, MediaError, MediaFrom, MediaRequest, MediaSegment};
use super::summary::{EndReason, MediaSummary};
pub(super) use saved::SavedLink;
use trail::Trail;

/// Segments that wait for the one before them to end. More triggers than that are no call's.
const MAX_SEGMENTS: usize = 16;
/// Segments that are over and may have to be read again.
const MAX_PASSED: usize = 64;

/// What is to be done about the connection.
#[derive(Debug)]
pub(super) enum Step {
    /// Open this, because of that.
    Open(MediaRequest, Option<MediaCause>),
    /// The open connection was given up.
    Lost(MediaError),
    /// No more media will come.
    End(EndReason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is open; open at this time.
    Closed(Time),
    /// Open; the last byte came at this time.
    Open(Time),
    Over,
}

#[derive(Debug)]
pub(super) struct Link {
    config: LiveConfig,
    segment: MediaSegment,
    /// Segments before it.
    passed: VecDeque<MediaSegment>,
    /// Number of the segment, counted from 0.
    number: u64,
    trail: Trail,
    next: VecDeque<MediaSegment>,
    state: State,
    connection: u32,
    cause: Option<MediaCause>,
    /// Which of the possible selectors is in use.
    attempt: usize,
    /// The end of the last connection has moved on to another selector.
    looks_elsewhere: bool,
    /// Fragments over this connection.
    fragments: u64,
    backoff: Backoff,
    /// The last complete fragment of the stream, whoever's, and the one before it.
    last_fragment: Option<String>,
    fragment_before: Option<String>,
    /// Where the call's audio ends so far.
    audio_end: Option<Time>,
    /// Last sign that the call is alive; its first chance was its start.
    alive: Option<Time>,
    /// Last new audio of the call, or last moment at which there could be none.
    heard: Option<Time>,
    stopped: Option<Time>,
    /// Every contact of the call is over since.
    contacts_over: Option<Time>,
    /// The last connection was opened then.
    opened: Time,
    /// What had been read last then, and when that was read again.
    expected: Option<String>,
    answered: Option<Time>,
    /// Connections in a row that gave what was asked for again, and nothing behind it.
    silent: u32,
    fatal: Option<String>,
    pub(super) reconnects: BTreeMap<MediaCause, u64>,
    pub(super) selectors: BTreeMap<&'static str, u64>,
}

impl Link {
    pub(super) fn new(config: &LiveConfig, seed: u64) -> Self {
        Self {
            segment: config.media.clone(),
            passed: VecDeque::new(),
            number: 0,
            trail: Trail::default(),
            next: VecDeque::new(),
            state: State::Closed(Time::MIN),
            connection: 0,
            cause: None,
            attempt: 0,
            looks_elsewhere: false,
            fragments: 0,
            backoff: Backoff::new(config.reconnect_first, config.reconnect_max, seed),
            last_fragment: None,
            fragment_before: None,
            audio_end: None,
            alive: None,
            heard: None,
            stopped: None,
            contacts_over: None,
            opened: Time::MIN,
            expected: None,
            answered: None,
            silent: 0,
            fatal: None,
            reconnects: BTreeMap::new(),
            selectors: BTreeMap::new(),
            config: config.clone(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    pub(super) fn connections(&self) -> u32 {
        self.connection
    }

    /// Bytes came over the open connection.
    pub(super) fn bytes(&mut self, now: Time) {
        if let State::Open(last) = &mut self.state {
            *last = now;
            if self.expected.is_none() {
                self.answered.get_or_insert(now);
            }
        }
    }

    /// A fragment was read, whoever's; `number` if it is complete. False if it was the last one read already, and
    /// nothing in it is new.
    pub(super) fn fragment(&mut self, number: Option<&str>) -> bool {
        self.fragments += 1;
        let Some(number) = number else { return true };
        self.attempt = 0;
        if let State::Open(now) = self.state
            && self.expected.as_deref() == Some(number)
        {
            self.answered.get_or_insert(now);
        }
        if self.last_fragment.as_deref() == Some(number) {
            return false;
        }
        self.fragment_before = self.last_fragment.replace(number.to_owned());
        true
    }

    /// A complete fragment of this call was placed; the audio ends with it at `end`.
    pub(super) fn placed(&mut self, number: &str, end: Time) {
        self.trail.add(number, self.number, end);
    }

    /// Audio of this call was placed, up to `end`. What was there already is no sign of life.
    pub(super) fn audio(&mut self, now: Time, end: Option<Time>) {
        if end > self.audio_end {
            self.is_heard(now);
            self.backoff.worked();
            self.audio_end = end;
            self.stopped = None;
        }
    }

    /// Nobody reads for now, so nothing can be missed.
    pub(super) fn held_back(&mut self, now: Time) {
        if let State::Open(last) = &mut self.state {
            *last = now;
        }
        self.is_heard(now);
    }

    /// Whatever was found out about what follows is not true any more.
    fn is_heard(&mut self, now: Time) {
        self.sign_of_life(now);
        (self.heard, self.silent) = (Some(now), 0);
    }

    /// Audio of a contact nobody knows has come: it may be the call's next leg.
    pub(super) fn may_follow(&mut self, now: Time) {
        self.is_heard(now);
        self.stopped = self.stopped.map(|_| now);
    }

    /// The call is not over: an event about it came.
    pub(super) fn sign_of_life(&mut self, now: Time) {
        self.alive = Some(now);
    }

    /// `STOP_STREAMING` was read behind the call's audio.
    pub(super) fn stop_streaming(&mut self, now: Time) {
        self.stopped = Some(now);
    }

    /// Whether every contact of the call is over, as far as is known.
    pub(super) fn contacts_over(&mut self, now: Time, over: bool) {
        if self.contacts_over.is_some() != over {
            (self.contacts_over, self.silent) = (over.then_some(now), 0);
        }
    }

    /// The call goes on in this segment. The same one again changes nothing.
    pub(super) fn segment(&mut self, now: Time, segment: MediaSegment) {
        let known = segment == self.segment || self.passed.contains(&segment) || self.next.contains(&segment);
        if known || self.next.len() >= MAX_SEGMENTS {
            return;
        }
        self.is_heard(now);
        self.contacts_over = None;
        if segment.stream == self.segment.stream && self.is_open() {
            // The same stream: its audio comes over the connection that is open.
            self.stopped = None;
            self.pass_to(segment);
        } else {
            self.next.push_back(segment);
        }
    }

    /// The connection is over, or could not be made.
    pub(super) fn lost(&mut self, now: Time, error: &MediaError) {
        if self.state == State::Over {
            return;
        }
        let at = self.backoff.failed(now);
        self.state = State::Closed(at);
        self.cause = Some(error.cause);
        *self.reconnects.entry(error.cause).or_default() += 1;
        self.looks_elsewhere = match error.action {
            // A first selector that finds nothing at all may be the wrong one.
            MediaAction::Retry => {
                self.fragments == 0 && self.last_fragment.is_none() && found_nothing(error.cause)
            }
            MediaAction::NextSelector => true,
            MediaAction::Fatal => {
                self.fatal = Some(error.message.clone());
                false
            }
        };
        self.attempt = match error.action {
            // From the oldest on is as far as one may look for what is not there: `NOW` would pass over what
            // comes to be stored meanwhile, and is for a service that refuses all else.
            MediaAction::Retry if self.looks_elsewhere => usize::from(self.attempt == 0),
            _ => self.attempt + usize::from(self.looks_elsewhere),
        };
    }

    /// Why the last connection ended: the service had said so inside the response, whose last document is
    /// understood only once the response is over.
    pub(super) fn explained(&mut self, error: &MediaError) {
        let (State::Closed(_), Some(before)) = (self.state, self.cause) else { return };
        if before == error.cause {
            return;
        }
        if let Some(count) = self.reconnects.get_mut(&before) {
            *count -= 1;
            if *count == 0 {
                self.reconnects.remove(&before);
            }
        }
        self.cause = Some(error.cause);
        *self.reconnects.entry(error.cause).or_default() += 1;
        match error.action {
            MediaAction::NextSelector if !self.looks_elsewhere => self.attempt += 1,
            MediaAction::Fatal => self.fatal = Some(error.message.clone()),
            MediaAction::NextSelector | MediaAction::Retry => {}
        }
    }

    /// What is to be done now, once everything read so far has been taken in.
    pub(super) fn poll(&mut self, now: Time) -> Option<Step> {
        self.alive.get_or_insert(now);
        self.heard.get_or_insert(now);
        if self.state == State::Over {
            return None;
        }
        if self.fatal.is_none() && self.next_is_due(now) {
            self.change_segment(now);
        }
        if let Some(reason) = self.end_reason(now) {
            self.state = State::Over;
            return Some(Step::End(reason));
        }
        match self.state {
            State::Open(last) if now >= last + self.config.stall_timeout => {
                let what = format!("nothing came for {} ms", self.config.stall_timeout.ms());
                Some(self.give_up(now, what))
            }
            State::Open(_) if self.wants_certainty(now) => {
                let what = "the call may be over here: a new connection shows whether anything follows";
                Some(self.give_up(now, what.to_owned()))
            }
            State::Closed(at) if now >= at => Some(self.open(now)),
            _ => None,
        }
    }

    fn give_up(&mut self, now: Time, what: String) -> Step {
        if self.asked_since().is_some_and(|since| self.answers_since(since)) {
            self.silent += 1;
            self.backoff.worked();
        }
        let error = MediaError::new(MediaCause::Stalled, MediaAction::Retry, what);
        self.lost(now, &error);
        Step::Lost(error)
    }

    /// When [`Link::poll`] has something to say at the latest.
    pub(super) fn deadline(&self) -> Option<Time> {
        let grace = self.config.end_grace;
        let connection = match self.state {
            State::Over => return None,
            State::Closed(at) => at,
            State::Open(last) => last + self.config.stall_timeout,
        };
        let idle = self.idle_since().map(|since| since + self.config.idle_end);
        let sure = self.nothing_follows().filter(|_| self.is_open()).map(|(_, at)| at);
        let stop = self.stopped.map(|at| at + grace);
        [Some(connection), idle, sure, stop].into_iter().flatten().min()
    }

    fn change_segment(&mut self, now: Time) {
        let Some(next) = self.next.pop_front() else { return };
        if next.stream != self.segment.stream {
            (self.last_fragment, self.fragment_before) = (None, None);
            self.attempt = 0;
            self.state = State::Closed(now);
            self.cause = None;
        }
        self.pass_to(next);
        self.stopped = None;
        self.is_heard(now);
    }

    fn pass_to(&mut self, segment: MediaSegment) {
        if self.passed.len() >= MAX_PASSED {
            self.passed.pop_front();
        }
        self.passed.push_back(std::mem::replace(&mut self.segment, segment));
        self.number += 1;
    }

    fn open(&mut self, now: Time) -> Step {
        let from = self.selector();
        self.connection += 1;
        self.fragments = 0;
        self.state = State::Open(now);
        (self.opened, self.answered) = (now, None);
        self.expected.clone_from(&self.last_fragment);
        *self.selectors.entry(from.name()).or_default() += 1;
        let request = MediaRequest { connection: self.connection, stream: self.segment.stream.clone(), from };
        Step::Open(request, self.cause.take())
    }

    /// Where to begin: behind what was read last; else as configured; what that does not find, from the
    /// oldest on; what the service refuses, in turn down to what comes now. Round and round, since what is not
    /// there yet may come.
    fn selector(&self) -> MediaFrom {
        // Whether anything follows is asked by reading again what came last: silence alone may be a dead connection.
        // With but one fragment read, from where that was found; `NOW` would pass over what came since.
        let known = match (self.asked_since(), self.config.start_with) {
            (None, _) => self.last_fragment.as_ref(),
            (Some(_), StartSelector::Now) => self.fragment_before.as_ref().or(self.last_fragment.as_ref()),
            (Some(_), _) => self.fragment_before.as_ref(),
        };
        let first = known.cloned().map_or_else(|| self.first_selector(), MediaFrom::AfterFragment);
        let mut choices = vec![first];
        if let Some(end) = self.audio_end {
            choices.push(MediaFrom::ProducerTime(end - self.config.start_margin));
        }
        for further in [MediaFrom::Earliest, MediaFrom::Now] {
            if !choices.contains(&further) {
                choices.push(further);
            }
        }
        choices.swap_remove(self.attempt % choices.len())
    }

    fn first_selector(&self) -> MediaFrom {
        let start = self.segment.start.map(|start| start - self.config.start_margin);
        let choice = match self.config.start_with {
            StartSelector::ServerTimestamp => start.map(MediaFrom::ServerTime),
            StartSelector::ProducerTimestamp => start.map(MediaFrom::ProducerTime),
            StartSelector::FragmentNumber => {
                self.segment.start_fragment.clone().map(MediaFrom::AfterFragment)
            }
            StartSelector::Earliest => None,
            StartSelector::Now => Some(MediaFrom::Now),
        };
        choice.unwrap_or(MediaFrom::Earliest)
    }
}

/// A connection that ended like this, with no fragment, may mean that nothing lies behind its selector.
fn found_nothing(cause: MediaCause) -> bool {
    matches!(cause, MediaCause::EndOfStream | MediaCause::Stalled)
}

#[cfg(test)]
mod tests;
