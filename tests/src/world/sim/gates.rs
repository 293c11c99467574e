//! When nothing was to be heard: worked out from the events alone, by another way than the product's.
//!
//! Each event is applied to the state of the telephone at its effective time; what follows is a list of closed
//! stretches. This room knows events and time; not audio.

use std::collections::{BTreeMap, BTreeSet};

use engine::call::{EventKind, GateSource, TelephonyEvent};
use engine::time::{Span, Time};

use super::ranges::Ranges;

/// How far a browser's clock may move an event.
const REACH: Span = Span::from_s(10);

/// Who keeps the gate closed.
#[derive(Debug, Clone, Default)]
struct Telephone {
    known: BTreeSet<String>,
    held: BTreeSet<(GateSource, String)>,
    paused: BTreeSet<GateSource>,
}

impl Telephone {
    fn closed(&self) -> bool {
        !self.held.is_empty() || !self.paused.is_empty()
    }

    /// Applies an event; says whether it told nothing new, or opened what was not closed.
    fn apply(&mut self, source: GateSource, event: &TelephonyEvent) -> (bool, bool) {
        let who = event.participant.clone().unwrap_or_default();
        let (mut repeated, mut unmatched) = (false, false);
        match event.kind {
            EventKind::Hold => {
                self.known.insert(who.clone());
                repeated = !self.held.insert((source, who));
            }
            EventKind::Resume => {
                let mine: Vec<_> = self.held.iter().filter(|(s, _)| *s == source).cloned().collect();
                let vague = mine.len() == 1 && mine[0].1 == ONE_OF_THEM;
                if vague {
                    self.held.remove(&mine[0]);
                } else {
                    unmatched = !self.held.remove(&(source, who));
                }
            }
            EventKind::PauseRecording => repeated = !self.paused.insert(source),
            EventKind::ResumeRecording => unmatched = !self.paused.remove(&source),
            EventKind::Conference => self.held.retain(|(s, _)| *s != source),
            EventKind::ParticipantAdded | EventKind::CallConnected => {
                self.known.insert(who);
            }
            EventKind::ParticipantRemoved => {
                self.held.remove(&(source, who.clone()));
                self.known.remove(&who);
            }
            EventKind::Swap => {
                let mine: Vec<_> = self.held.iter().filter(|(s, _)| *s == source).cloned().collect();
                if mine.len() < 2 {
                    let held = mine.first().map(|(_, w)| w.clone());
                    let sure = held.as_deref().is_some_and(|w| w != ONE_OF_THEM) && self.known.len() == 2;
                    let other = self.known.iter().find(|w| sure && Some(*w) != held.as_ref()).cloned();
                    self.held.retain(|(s, _)| *s != source);
                    self.held.insert((source, other.unwrap_or_else(|| ONE_OF_THEM.to_owned())));
                }
            }
            _ => {}
        }
        (repeated, unmatched)
    }
}

/// After a swap of which nobody knows who was exchanged.
const ONE_OF_THEM: &str = "?";

/// An event as it takes effect.
#[derive(Debug, Clone)]
struct Effective {
    at: Time,
    /// By the clock of the media, and as the log has it, by the clock of a machine.
    arrived: Time,
    stamp: Time,
    /// Which of the two whoever holds the call goes by.
    taken: Time,
    /// What it opens is open so much later.
    late: Span,
    source: GateSource,
    event: TelephonyEvent,
}

/// From when to when it is not known whether an event has closed, or not opened yet, that was stamped by a clock up to
/// `ahead` behind the media.
pub(super) fn vague(stamp: Time, ahead: Span, event: &TelephonyEvent) -> (Time, Time) {
    let (first, last) = (effective(stamp, event), effective(stamp + ahead, event));
    if closes(event) { (first, last) } else { (first, last + ahead) }
}

/// From when to when what left and was closed may have left as sound: what an event closed before it came, by its
/// stamp; or what lay before an opening of which the closing was lost.
pub(super) fn late(stamp: Time, ahead: Span, event: &TelephonyEvent) -> (Time, Time) {
    let from = if closes(event) { effective(stamp, event) } else { stamp - REACH };
    (from, stamp + ahead)
}

fn closes(event: &TelephonyEvent) -> bool {
    matches!(event.kind, EventKind::Hold | EventKind::PauseRecording | EventKind::Swap)
}

/// A closing takes effect at its own time, not after its arrival; an opening not before.
fn effective(arrival: Time, event: &TelephonyEvent) -> Time {
    let said = event.at.unwrap_or(arrival);
    if closes(event) {
        said.max(arrival - REACH).min(arrival)
    } else {
        said.max(arrival).min(arrival + REACH)
    }
}

/// The events known so far and what follows from them.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    events: Vec<Effective>,
    doubts: Vec<(Time, Time)>,
    pub closed: Vec<(Time, Time)>,
    pub taken: u64,
    pub repeated: u64,
    pub unmatched: u64,
    pub skewed: u64,
    pub other_calls: u64,
}

impl Known {
    /// An event arrived.
    pub(super) fn arrived(&mut self, now: Time, stamp: Time, source: GateSource, event: &TelephonyEvent) {
        self.taken += 1;
        let said = event.at.unwrap_or(now);
        let at = effective(now, event);
        if said < now - REACH || said > now + REACH {
            self.skewed += 1;
        }
        let place = self.events.partition_point(|e| e.at <= at);
        let effective =
            Effective { at, arrived: now, stamp, taken: now, late: Span::ZERO, source, event: event.clone() };
        self.events.insert(place, effective);
        self.settle();
    }

    /// Another worker reads the log, and has its stamps alone: what they put in order is in order, and what was open
    /// only later by the clock of the media is.
    pub(super) fn read_again(&mut self) {
        for e in &mut self.events {
            e.taken = e.stamp;
            e.at = effective(e.stamp, &e.event);
            e.late = effective(e.arrived, &e.event) - e.at;
        }
        self.events.sort_by_key(|e| (e.at, e.stamp));
        self.settle();
    }

    /// What of the time before `now` is closed.
    pub(super) fn past(&self, now: Time) -> Ranges {
        let mut past = Ranges::default();
        self.closed.iter().for_each(|(from, to)| past.add(*from, (*to).min(now)));
        past
    }

    /// Nothing of this time is to be heard, if there is a gate on this call at all.
    pub(super) fn doubt(&mut self, from: Time, to: Time) {
        self.doubts.push((from, to));
        self.settle();
    }

    fn settle(&mut self) {
        (self.closed, self.repeated, self.unmatched) = closings(&self.events, &self.doubts);
        self.closed.extend(&self.doubts);
        self.closed.sort_unstable();
        merge(&mut self.closed);
    }

    /// The closed stretches that touch `[from, to)`.
    pub(super) fn within(&self, from: Time, to: Time) -> impl Iterator<Item = (Time, Time)> + '_ {
        let first = self.closed.partition_point(|(_, end)| *end <= from);
        self.closed[first..].iter().take_while(move |(start, _)| *start < to).copied()
    }

    pub(super) fn is_closed(&self, at: Time) -> bool {
        self.within(at, at + Span::from_us(1)).next().is_some()
    }
}

fn closings(events: &[Effective], doubts: &[(Time, Time)]) -> (Vec<(Time, Time)>, u64, u64) {
    let mut telephone = Telephone::default();
    let (mut closed, mut since, mut before) = (Vec::new(), None, Time::MIN);
    let (mut repeated, mut unmatched) = (0, 0);
    // When each closing was said to have happened last.
    let mut said: BTreeMap<(GateSource, bool, &str), Time> = BTreeMap::new();
    for Effective { at, taken, late, source, event, .. } in events {
        let pause = matches!(event.kind, EventKind::PauseRecording | EventKind::ResumeRecording);
        let who = event.participant.as_deref().filter(|_| !pause).unwrap_or_default();
        let key = (*source, pause, who);
        match (&event.kind, event.at) {
            (EventKind::Hold | EventKind::PauseRecording, Some(at)) => {
                said.entry(key).and_modify(|last| *last = at.max(*last)).or_insert(at);
            }
            // It happened before what it would open: it is of an earlier closing.
            (EventKind::Resume | EventKind::ResumeRecording, Some(at))
                if said.get(&key).is_some_and(|closed| at < *closed) =>
            {
                repeated += 1;
                continue;
            }
            _ => {}
        }
        let (again, nothing) = telephone.apply(*source, event);
        repeated += u64::from(again);
        unmatched += u64::from(nothing);
        // An opening of what nobody closed, as the first news after nobody was there: the closing was lost then.
        let lost = doubts.iter().rfind(|(from, to)| nothing && *from < *taken && before <= *to);
        closed.extend(lost.map(|(from, _)| (*from, *at + *late)));
        before = *at;
        match (since, telephone.closed()) {
            (None, true) => since = Some(*at),
            (Some(from), false) => {
                since = None;
                if from < *at + *late {
                    closed.push((from, *at + *late));
                }
            }
            _ => {}
        }
    }
    closed.extend(since.map(|from| (from, Time::MAX)));
    closed.sort_unstable();
    merge(&mut closed);
    (closed, repeated, unmatched)
}

/// One that begins where another ends goes on with it.
fn merge(closed: &mut Vec<(Time, Time)>) {
    closed.dedup_by(|next, last| {
        let joined = next.0 <= last.1;
        if joined {
            last.1 = last.1.max(next.1);
        }
        joined
    });
}

/// When Salesforce, which needs no event to know, is paused.
pub(super) fn truth(events: &[(Time, TelephonyEvent)], end: Time) -> Vec<(Time, Time)> {
    let events: Vec<_> = events
        .iter()
        .map(|(at, event)| Effective {
            at: *at,
            arrived: *at,
            stamp: *at,
            taken: *at,
            late: Span::ZERO,
            source: GateSource::Toolkit,
            event: event.clone(),
        })
        .collect();
    closings(&events, &[])
        .0
        .into_iter()
        .map(|(from, to)| (from, to.min(end)))
        .filter(|(f, t)| f < t)
        .collect()
}
