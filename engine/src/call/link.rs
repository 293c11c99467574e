//! The connection a live call reads: where it begins, when it is given up, when the call is over.
//!
//! A small state machine of its own. It is told what came and how connections ended, and says what to open
//! next, or that no more will come. It knows fragment numbers and times; not audio, contacts or sockets.

use std::collections::{BTreeMap, VecDeque};

use crate::time::Time;

use super::backoff::Backoff;
use super::live::{LiveConfig, StartSelector};
use super::stream::{MediaAction, MediaCause, MediaError, MediaFrom, MediaRequest, MediaSegment};
use super::summary::EndReason;

/// Segments that wait for the one before them to end. More triggers than that are no call's.
const MAX_SEGMENTS: usize = 16;

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
    /// The last complete fragment of the stream, whoever's.
    last_fragment: Option<String>,
    /// Where the call's audio ends so far.
    audio_end: Option<Time>,
    /// Last sign that the call is alive; its first chance was its start.
    alive: Option<Time>,
    stopped: Option<Time>,
    /// Every contact of the call is over since.
    contacts_over: Option<Time>,
    fatal: Option<String>,
    pub(super) reconnects: BTreeMap<MediaCause, u64>,
    pub(super) selectors: BTreeMap<&'static str, u64>,
}

impl Link {
    pub(super) fn new(config: &LiveConfig, seed: u64) -> Self {
        Self {
            segment: config.media.clone(),
            next: VecDeque::new(),
            state: State::Closed(Time::MIN),
            connection: 0,
            cause: None,
            attempt: 0,
            looks_elsewhere: false,
            fragments: 0,
            backoff: Backoff::new(config.reconnect_first, config.reconnect_max, seed),
            last_fragment: None,
            audio_end: None,
            alive: None,
            stopped: None,
            contacts_over: None,
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
        }
    }

    /// A fragment was read, whoever's; `number` if it is complete.
    pub(super) fn fragment(&mut self, number: Option<&str>) {
        self.fragments += 1;
        if let Some(number) = number {
            self.last_fragment = Some(number.to_owned());
            self.attempt = 0;
        }
    }

    /// Audio of this call was placed, up to `end`. What was there already is no sign of life.
    pub(super) fn audio(&mut self, now: Time, end: Option<Time>) {
        if end > self.audio_end {
            self.sign_of_life(now);
            self.backoff.worked();
            self.audio_end = end;
            self.stopped = None;
        }
    }

    /// Nobody reads for now, so nothing can be missed.
    pub(super) fn held_back(&mut self, now: Time) {
        self.bytes(now);
        self.sign_of_life(now);
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
        self.contacts_over = over.then(|| self.contacts_over.unwrap_or(now));
    }

    /// The call goes on in this segment. The same one again changes nothing.
    pub(super) fn segment(&mut self, now: Time, segment: MediaSegment) {
        if segment == self.segment || self.next.contains(&segment) || self.next.len() >= MAX_SEGMENTS {
            return;
        }
        self.sign_of_life(now);
        self.contacts_over = None;
        if segment.stream == self.segment.stream && self.is_open() {
            // The same stream: its audio comes over the connection that is open.
            self.stopped = None;
            self.segment = segment;
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
        self.attempt += usize::from(self.looks_elsewhere);
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
        let alive = *self.alive.get_or_insert(now);
        if self.state == State::Over {
            return None;
        }
        if self.fatal.is_none() && self.next_is_due(now) {
            self.change_segment(now);
        }
        if let Some(reason) = self.end_reason(now, alive) {
            self.state = State::Over;
            return Some(Step::End(reason));
        }
        match self.state {
            State::Open(last) if now >= last + self.config.stall_timeout => {
                let what = format!("nothing came for {} ms", self.config.stall_timeout.ms());
                let error = MediaError::new(MediaCause::Stalled, MediaAction::Retry, what);
                self.lost(now, &error);
                Some(Step::Lost(error))
            }
            State::Closed(at) if now >= at => Some(self.open(now)),
            _ => None,
        }
    }

    /// When [`Link::poll`] has something to say at the latest.
    pub(super) fn deadline(&self) -> Option<Time> {
        let grace = self.config.end_grace;
        let connection = match self.state {
            State::Over => return None,
            State::Closed(at) => at,
            State::Open(last) => last + self.config.stall_timeout,
        };
        let idle = self.alive.map(|alive| alive + self.config.idle_end);
        let over = self.contacts_over.map(|at| at.max(self.alive.unwrap_or(at)) + grace);
        let stop = self.stopped.map(|at| at + grace);
        let next = self.alive.filter(|_| !self.next.is_empty()).map(|alive| alive + grace);
        [Some(connection), idle, over, stop, next].into_iter().flatten().min()
    }

    fn end_reason(&self, now: Time, alive: Time) -> Option<EndReason> {
        if let Some(why) = &self.fatal {
            return Some(EndReason::MediaFailed(why.clone()));
        }
        if !self.next.is_empty() {
            return None;
        }
        let grace = self.config.end_grace;
        if self.stopped.is_some_and(|at| now >= at + grace) {
            return Some(EndReason::StopStreaming);
        }
        if self.contacts_over.is_some_and(|at| now >= at.max(alive) + grace) {
            return Some(EndReason::ContactsEnded);
        }
        (now >= alive + self.config.idle_end).then_some(EndReason::Idle)
    }

    /// A further segment takes over once the one before it gives nothing more.
    fn next_is_due(&self, now: Time) -> bool {
        let quiet = self.alive.is_some_and(|alive| now >= alive + self.config.end_grace);
        !self.next.is_empty() && (self.stopped.is_some() || !self.is_open() || quiet)
    }

    fn change_segment(&mut self, now: Time) {
        let Some(next) = self.next.pop_front() else { return };
        if next.stream != self.segment.stream {
            self.last_fragment = None;
            self.attempt = 0;
            self.state = State::Closed(now);
            self.cause = None;
        }
        self.segment = next;
        self.stopped = None;
        self.sign_of_life(now);
    }

    fn open(&mut self, now: Time) -> Step {
        let from = self.selector();
        self.connection += 1;
        self.fragments = 0;
        self.state = State::Open(now);
        *self.selectors.entry(from.name()).or_default() += 1;
        let request = MediaRequest { connection: self.connection, stream: self.segment.stream.clone(), from };
        Step::Open(request, self.cause.take())
    }

    /// Where to begin: behind what was read last; else as configured; what that does not find, from the
    /// oldest on; else what comes now. Round and round, since what is not there yet may come.
    fn selector(&self) -> MediaFrom {
        let first = match &self.last_fragment {
            Some(number) => MediaFrom::AfterFragment(number.clone()),
            None => self.first_selector(),
        };
        let mut choices = vec![first];
        if self.last_fragment.is_some()
            && let Some(end) = self.audio_end
        {
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
    matches!(cause, MediaCause::EndOfStream | MediaCause::Stalled | MediaCause::InBand)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    fn s(s: i64) -> Time {
        Time::from_ms(1_000_000 + s * 1000)
    }
    fn link() -> Link {
        let segment = MediaSegment::new("arn:one", Some(s(0)), Some("100".into()));
        Link::new(&LiveConfig::new(segment), 1)
    }
    fn eof() -> MediaError {
        MediaError::new(MediaCause::EndOfStream, MediaAction::Retry, "end")
    }
    fn opened(link: &mut Link, now: Time) -> MediaFrom {
        match link.poll(now) {
            Some(Step::Open(request, _)) => request.from,
            other => panic!("{other:?}"),
        }
    }
    /// Polls as time passes until something is to be done.
    fn later(link: &mut Link, mut now: Time) -> (Time, Step) {
        loop {
            match link.poll(now) {
                Some(Step::Lost(_)) => {}
                Some(step) => return (now, step),
                None => now = link.deadline().expect("a deadline").max(now + Span::from_us(1)),
            }
        }
    }

    #[test]
    fn it_begins_a_little_early_and_looks_elsewhere_for_what_is_not_there() {
        let mut l = link();
        assert_eq!(opened(&mut l, s(1)), MediaFrom::ServerTime(s(-2)));
        let mut seen = Vec::new();
        let mut now = s(1);
        for _ in 0..4 {
            l.lost(now, &eof());
            let (at, step) = later(&mut l, now);
            now = at;
            let Step::Open(request, cause) = step else { panic!("{step:?}") };
            assert_eq!(cause, Some(MediaCause::EndOfStream));
            seen.push(request.from);
        }
        let first = MediaFrom::ServerTime(s(-2));
        assert_eq!(seen, [MediaFrom::Earliest, MediaFrom::Now, first, MediaFrom::Earliest]);
        assert_eq!(l.selectors["EARLIEST"], 2);
    }

    #[test]
    fn it_goes_on_behind_the_last_complete_fragment() {
        let mut l = link();
        opened(&mut l, s(0));
        l.fragment(Some("101"));
        l.fragment(None);
        l.audio(s(1), Some(s(1)));
        l.lost(s(2), &eof());
        let (_, step) = later(&mut l, s(2));
        let Step::Open(request, _) = step else { panic!("{step:?}") };
        assert_eq!((request.from, request.connection), (MediaFrom::AfterFragment("101".into()), 2));
        // An expired fragment: by time.
        l.lost(s(3), &MediaError::new(MediaCause::InBand, MediaAction::NextSelector, "4000"));
        let (_, step) = later(&mut l, s(3));
        let Step::Open(request, _) = step else { panic!("{step:?}") };
        assert_eq!(request.from, MediaFrom::ProducerTime(s(-1)));
    }

    #[test]
    fn a_silent_connection_is_given_up_and_a_dead_call_ends() {
        let mut l = link();
        opened(&mut l, s(0));
        l.audio(s(1), Some(s(1)));
        l.bytes(s(1));
        let (mut now, mut opens) = (s(1), 0);
        let reason = loop {
            match later(&mut l, now) {
                (at, Step::Open(..)) => (now, opens) = (at, opens + 1),
                (at, Step::End(reason)) => break (at, reason),
                (_, Step::Lost(_)) => panic!("passed over"),
            }
        };
        assert_eq!(reason, (s(121), EndReason::Idle));
        assert_eq!(l.reconnects[&MediaCause::Stalled], opens);
        assert!((5..=8).contains(&opens), "{opens}");
        assert!(l.poll(s(500)).is_none() && l.deadline().is_none());
    }

    #[test]
    fn stop_streaming_ends_the_call_unless_a_segment_follows() {
        let mut l = link();
        opened(&mut l, s(0));
        l.audio(s(1), Some(s(1)));
        l.stop_streaming(s(2));
        l.segment(s(5), MediaSegment::new("arn:two", Some(s(5)), None));
        let (_, step) = later(&mut l, s(5));
        let Step::Open(request, _) = step else { panic!("{step:?}") };
        assert_eq!((request.stream.as_str(), request.from), ("arn:two", MediaFrom::ServerTime(s(3))));
        l.audio(s(6), Some(s(6)));
        l.stop_streaming(s(7));
        l.bytes(s(7));
        let (at, step) = later(&mut l, s(7));
        assert!(matches!(step, Step::End(EndReason::StopStreaming)) && at == s(17), "{step:?} {at:?}");
    }

    #[test]
    fn contacts_that_ended_shorten_the_wait_but_audio_proves_them_wrong() {
        let mut l = link();
        opened(&mut l, s(0));
        l.audio(s(1), Some(s(1)));
        l.contacts_over(s(2), true);
        l.audio(s(11), Some(s(11)));
        l.bytes(s(11));
        assert!(l.poll(s(14)).is_none(), "the call goes on");
        l.contacts_over(s(14), false);
        assert!(l.poll(s(22)).is_none(), "a transfer: a new contact");
        l.contacts_over(s(22), true);
        l.bytes(s(22));
        let (at, step) = later(&mut l, s(22));
        assert!(matches!(step, Step::End(EndReason::ContactsEnded)) && at == s(32), "{step:?} {at:?}");
    }

    #[test]
    fn a_fatal_error_ends_the_call_with_its_reason() {
        let mut l = link();
        opened(&mut l, s(0));
        l.lost(s(0), &MediaError::new(MediaCause::NoStream, MediaAction::Fatal, "no such stream"));
        let (_, step) = later(&mut l, s(0));
        assert!(matches!(step, Step::End(EndReason::MediaFailed(why)) if why == "no such stream"));
    }
}
