//! The gate: when nothing may be heard, and what already was.
//!
//! Events are kept, not folded: whenever one arrives, late or out of order, the closed intervals are worked
//! out anew from all of them. The gate then knows three sets of time: *closed* by the events, *emitted*
//! (audio that left the call) and *zeroed* (the part of it that left as silence). What is closed and
//! emitted but not zeroed is *exposed*: it is cut from the words and reported.

mod algebra;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::recogniser::WordTimes;
use crate::time::{Span, Time};

use super::config::{Config, GateClock, OnDoubt};
use super::intervals::{Interval, Intervals};
use super::telephony::{EventKind, TelephonyEvent};
use algebra::{Effect, Holders};

/// Where a gate event was seen. Holders of one source are opened only by the same source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GateSource {
    /// The Salesforce toolkit in the agent's browser, live or recorded.
    Toolkit,
    /// Amazon Connect's agent event stream.
    AgentEvents,
    /// CloudTrail's record of SuspendContactRecording and ResumeContactRecording.
    CloudTrail,
}

/// An interval in which the gate was closed, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Closing {
    pub(super) interval: Interval,
    /// When it was known: what left before that left as sound.
    known: Time,
    pub(super) hold: bool,
    pub(super) pause: bool,
}

/// What the gate counted. See [`super::summary::GateSummary`] for the meaning of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) events: u64,
    pub(super) repeated: u64,
    pub(super) unmatched_opens: u64,
    pub(super) skewed: u64,
    pub(super) unknown: u64,
    pub(super) other_calls: u64,
    pub(super) untimed: u64,
    pub(super) beyond_limit: u64,
}

#[derive(Debug, Clone)]
struct Stamped {
    at: Time,
    /// By the stamp, and how much later it may have been by the clock of the media.
    arrived: Time,
    late: Span,
    /// Orders events of one instant, see [`Gate::handle`].
    rank: u64,
    source: GateSource,
    event: TelephonyEvent,
}

#[derive(Debug)]
pub(super) struct Gate {
    clock: GateClock,
    backdate_max: Span,
    postdate_max: Span,
    max_events: usize,
    holders: Holders,
    events: Vec<Stamped>,
    arrivals: u64,
    /// Events were lost to the limit: closed for good from here.
    forced_from: Option<Time>,
    on_doubt: OnDoubt,
    /// Intervals in which nobody may have been there to take events, in order.
    doubts: Vec<Interval>,
    /// Closings of which only the opening is known, and when that arrived.
    inferred: Vec<(Interval, Time)>,
    dirty: bool,
    closings: Vec<Closing>,
    closed: Intervals,
    emitted: Intervals,
    zeroed: Intervals,
    /// Follows from the events: what leaves while they are known leaves as silence where they close.
    exposed: Intervals,
    pub(super) counts: Counts,
}

impl Gate {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            clock: config.gate_clock,
            backdate_max: config.gate_backdate_max,
            postdate_max: config.gate_postdate_max,
            max_events: config.max_gate_events,
            holders: Holders::new(config.hold_gate, config.customer_participant.as_deref()),
            events: Vec::new(),
            arrivals: 0,
            forced_from: None,
            on_doubt: config.on_doubt,
            doubts: Vec::new(),
            inferred: Vec::new(),
            dirty: false,
            closings: Vec::new(),
            closed: Intervals::default(),
            emitted: Intervals::default(),
            zeroed: Intervals::default(),
            exposed: Intervals::default(),
            counts: Counts::default(),
        }
    }

    /// Takes an event of this call that arrived at `now`, or up to `late` later by the clock of the media; returns the
    /// time at which it takes effect. What it opens is open only when that has passed.
    ///
    /// Events of one instant: by arrival when live. When recorded their order is not known, so openings
    /// count first and closings last: in doubt the gate is closed.
    pub(super) fn handle(
        &mut self,
        now: Time,
        late: Span,
        source: GateSource,
        event: TelephonyEvent,
    ) -> Option<Time> {
        self.counts.events += 1;
        if matches!(event.kind, EventKind::Unknown(_)) {
            self.counts.unknown += 1;
            return None;
        }
        let Some(at) = self.effective(now, &event) else {
            self.counts.untimed += 1;
            return None;
        };
        if self.events.len() >= self.max_events {
            self.counts.beyond_limit += 1;
            self.forced_from = Some(self.forced_from.map_or(at, |t| t.min(at)));
        } else {
            self.arrivals += 1;
            let rank = match self.clock {
                GateClock::Live => self.arrivals,
                GateClock::Recorded => u64::from(closes(&event.kind)),
            };
            self.events.push(Stamped { at, arrived: now, late, rank, source, event });
        }
        self.dirty = true;
        Some(at)
    }

    /// When an event takes effect. A browser's clock is not trusted: it may only close earlier than the
    /// arrival and open later, within bounds.
    fn effective(&mut self, now: Time, event: &TelephonyEvent) -> Option<Time> {
        if self.clock == GateClock::Recorded {
            return event.at;
        }
        let said = event.at.unwrap_or(now);
        let (earliest, latest) =
            if closes(&event.kind) { (now - self.backdate_max, now) } else { (now, now + self.postdate_max) };
        let skew = self.backdate_max.max(self.postdate_max);
        if said < now - skew || said > now + skew {
            self.counts.skewed += 1;
        }
        Some(said.clamp(earliest, latest))
    }

    /// An event of the call has been seen: there is somebody who sends them.
    pub(super) fn in_use(&self) -> bool {
        !self.events.is_empty() || self.forced_from.is_some()
    }

    /// In this time nobody may have been there to take an event.
    pub(super) fn doubt(&mut self, interval: Interval) {
        self.doubts.push(interval);
        self.dirty = true;
    }

    pub(super) fn doubts(&self) -> &[Interval] {
        &self.doubts
    }

    /// The last closing of which only the opening is known, and when that arrived.
    pub(super) fn last_inferred(&mut self) -> Option<(Interval, Time)> {
        self.settle();
        self.inferred.last().copied()
    }

    /// What left the call, and the part of it that left as silence.
    pub(super) fn left(&self) -> (&Intervals, &Intervals) {
        (&self.emitted, &self.zeroed)
    }

    /// Goes on where another process left off; its events come by themselves.
    pub(super) fn restore(&mut self, emitted: Intervals, zeroed: Intervals, doubts: Vec<Interval>) {
        (self.emitted, self.zeroed, self.doubts) = (emitted, zeroed, doubts);
        self.dirty = true;
    }

    /// Works the closed intervals out from all events, if any came since.
    fn settle(&mut self) {
        if !std::mem::take(&mut self.dirty) {
            return;
        }
        // The participant settles order among recorded events of one instant and rank, so that the order
        // in which a file lists them cannot matter.
        self.events.sort_by(|a, b| {
            (a.at, a.rank, &a.event.kind, &a.event.participant).cmp(&(
                b.at,
                b.rank,
                &b.event.kind,
                &b.event.participant,
            ))
        });
        let mut holders = self.holders.clone();
        self.closings.clear();
        self.counts.repeated = 0;
        self.counts.unmatched_opens = 0;
        self.inferred.clear();
        let mut since: Option<(Time, bool, bool)> = None;
        let mut known = Time::MAX;
        let mut since_event = Time::MIN;
        let mut said = Said::default();
        for Stamped { at, arrived, late, source, event, .. } in &self.events {
            if said.is_stale(*source, event) {
                self.counts.repeated += 1;
                continue;
            }
            match holders.apply(*source, &event.kind, event.participant.as_deref()) {
                Effect::Done => {}
                Effect::Repeated => self.counts.repeated += 1,
                Effect::UnmatchedOpen => {
                    self.counts.unmatched_opens += 1;
                    if self.on_doubt == OnDoubt::Closed
                        && let Some(doubt) =
                            self.doubts.iter().rfind(|d| d.from < *arrived && since_event <= d.to)
                    {
                        // Its closing was lost while nobody was there to take it.
                        let interval = Interval::new(doubt.from, *at + *late);
                        self.closings.push(Closing {
                            interval,
                            known: *arrived + *late,
                            hold: false,
                            pause: false,
                        });
                        self.inferred.push((interval, *arrived));
                    }
                }
            }
            since_event = *at;
            let (hold, pause) = (holders.on_hold(), holders.paused());
            if since.map(|(_, h, p)| (h, p)) != (hold || pause).then_some((hold, pause)) {
                if let Some((from, hold, pause)) = since {
                    let interval = Interval::new(from, *at + *late);
                    self.closings.push(Closing { interval, known, hold, pause });
                }
                let now = *arrived + *late;
                known = if since.is_some() { known.min(now) } else { now };
                since = (hold || pause).then_some((*at, hold, pause));
            }
        }
        if let Some((from, hold, pause)) = since {
            self.closings.push(Closing { interval: Interval::new(from, Time::MAX), known, hold, pause });
        }
        if let Some(from) = self.forced_from {
            let interval = Interval::new(from, Time::MAX);
            self.closings.push(Closing { interval, known: from, hold: true, pause: true });
        }
        if self.on_doubt == OnDoubt::Closed {
            let doubtful = |interval: &Interval| {
                let interval = *interval;
                Closing { interval, known: interval.from, hold: false, pause: false }
            };
            self.closings.extend(self.doubts.iter().map(doubtful));
        }
        self.closings.retain(|c| c.interval.from < c.interval.to);
        self.closings.sort_by_key(|c| c.interval.from);
        self.closed = Intervals::default();
        for closing in &self.closings {
            self.closed.add(closing.interval);
        }
        self.exposed = self.closed.uncovered(&self.emitted, &self.zeroed);
    }

    /// The closed parts of `window`.
    pub(super) fn closed_within(&mut self, window: Interval) -> Vec<Interval> {
        self.settle();
        self.closed.within(window).collect()
    }

    /// The parts of `window` that left as silence, if they left when they were said: closed, and known to be.
    pub(super) fn silent_within(&mut self, window: Interval) -> Vec<Interval> {
        self.settle();
        let mut silent = Intervals::default();
        for closing in &self.closings {
            let from = closing.interval.from.max(closing.known);
            if from < closing.interval.to {
                silent.add(Interval::new(from, closing.interval.to));
            }
        }
        silent.within(window).collect()
    }

    /// Every closing, in order; one that lasts still ends at [`Time::MAX`].
    pub(super) fn closings(&mut self) -> &[Closing] {
        self.settle();
        &self.closings
    }

    /// The closed interval that holds `at`.
    pub(super) fn closed_at(&mut self, at: Time) -> Option<Interval> {
        self.settle();
        self.closed.holding(at)
    }

    /// Whether the gate was closed at `at` by the events settled last.
    pub(super) fn is_closed(&self, at: Time) -> bool {
        self.closed.holding(at).is_some()
    }

    /// Audio of `window` has left the call, `zeroed` of it as silence. What had left before, in another life of
    /// the call, had left as it did then.
    pub(super) fn emitted(&mut self, window: Interval, zeroed: &[Interval]) {
        if self.emitted.end().is_none_or(|end| end <= window.from) {
            zeroed.iter().for_each(|part| self.zeroed.add(*part));
            self.emitted.add(window);
            return;
        }
        let window = Intervals::from(window);
        let mut silent = Intervals::default();
        zeroed.iter().for_each(|part| silent.add(*part));
        let new = window.uncovered(&window, &self.emitted);
        for part in new.uncovered(&silent, &self.emitted).iter() {
            self.zeroed.add(part);
        }
        for part in new.iter() {
            self.emitted.add(part);
        }
    }

    /// Total closed time of what was emitted.
    pub(super) fn closed_emitted(&mut self) -> Span {
        self.settle();
        let parts = self.closed.iter().flat_map(|closed| self.emitted.within(closed));
        parts.fold(Span::ZERO, |sum, part| sum + (part.to - part.from))
    }

    /// What was closed but had already left the call as sound.
    pub(super) fn exposed(&mut self) -> &Intervals {
        self.settle();
        &self.exposed
    }

    /// Before which of these words the gate was closed since the word in front of it: no message spans a time
    /// in which nothing was to be heard.
    pub(super) fn parted(&mut self, words: &[Interval], times: WordTimes) -> Vec<bool> {
        self.settle();
        let measured = matches!(times, WordTimes::Measured { .. });
        let mut parted = vec![false; words.len()];
        for (i, pair) in words.windows(2).enumerate().filter(|_| measured) {
            // Between their middles: the ends of words are only as exact as the recogniser is.
            let middle = |w: &Interval| w.from + Span::from_us((w.to - w.from).us() / 2);
            let between = Interval::new(middle(&pair[0]), middle(&pair[1]));
            parted[i + 1] = self.closed.overlaps(between);
        }
        parted
    }

    /// Which of these words, spoken at these times within `segment`, must be cut.
    ///
    /// A word may be the sound of an exposed interval if it lies within the recogniser's word-time error of
    /// it. Inside zeroed audio nothing was heard: a word that lies there for certain was never said.
    pub(super) fn cut(&mut self, segment: Interval, words: &[Interval], times: WordTimes) -> Vec<bool> {
        self.settle();
        let exposed = &self.exposed;
        match times {
            WordTimes::Spread { error_ms } => {
                let cut = exposed.overlaps(segment.widened(Span::from_ms(i64::from(error_ms))));
                vec![cut; words.len()]
            }
            WordTimes::Measured { error_ms } => {
                let error = Span::from_ms(i64::from(error_ms));
                words
                    .iter()
                    .map(|word| {
                        let wide = word.widened(error);
                        exposed.overlaps(wide) || self.zeroed.within(wide).any(|z| z.contains(wide))
                    })
                    .collect()
            }
        }
    }
}

/// When each closing was said to have happened, by the clock of whoever said so.
#[derive(Debug, Default)]
struct Said<'a>(BTreeMap<(GateSource, bool, Option<&'a str>), Time>);

impl<'a> Said<'a> {
    /// An opening that happened before the closing it would open is one of an earlier closing, late or doubled: the
    /// gate must not open for it.
    fn is_stale(&mut self, source: GateSource, event: &'a TelephonyEvent) -> bool {
        let pause = matches!(event.kind, EventKind::PauseRecording | EventKind::ResumeRecording);
        let who = event.participant.as_deref().filter(|_| !pause);
        let (key, Some(at)) = ((source, pause, who), event.at) else { return false };
        match event.kind {
            EventKind::Hold | EventKind::PauseRecording => {
                let last = self.0.entry(key).or_insert(at);
                *last = at.max(*last);
                false
            }
            EventKind::Resume | EventKind::ResumeRecording => {
                self.0.get(&key).is_some_and(|closed| at < *closed)
            }
            _ => false,
        }
    }
}

/// An event of this kind closes the gate, if it does anything.
pub(super) fn closes(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Hold | EventKind::PauseRecording | EventKind::Swap)
}

#[cfg(test)]
mod tests;
