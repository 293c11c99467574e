//! Words in, messages out; and the events that decide which words may go.

use std::collections::VecDeque;

use crate::recogniser::{RecogniserEvent, Segment, WordTimes};
use crate::time::{Span, Time};

use super::config::GateClock;
use super::gate::Gate;
use super::intervals::Interval;
use super::sender::sender;
use super::telephony::EventKind;
use super::utterance::{Run, Utterance, runs};
use super::{Arrival, Call, Phase, Report, gate};

/// Words remembered after they were sent, in case a late event closes them: an event reaches back 10 s.
const MAX_SENT_WORDS: usize = 1024;

impl Call {
    pub(super) fn recognised(&mut self, event: RecogniserEvent) {
        match event {
            RecogniserEvent::Segment(segment) => {
                self.set_partial(&segment, !segment.is_final);
                if segment.is_final {
                    self.segment(segment);
                } else {
                    self.partial(&segment);
                }
            }
            RecogniserEvent::Progress { session, party, until } => {
                let mark = self.sessions.iter().find(|s| s.map.id == session).and_then(|s| s.map.time(until));
                let slot = &mut self.marks[party.channel()];
                *slot = (*slot).max(mark);
                self.forget_final();
                self.store_if_due();
            }
            RecogniserEvent::Ended { session } => {
                if let Some(s) = self.sessions.iter_mut().find(|s| s.map.id == session && s.audio_ended) {
                    s.ended = true;
                    self.release_held();
                    self.forget_final();
                }
            }
        }
    }

    fn partial(&mut self, segment: &Segment) {
        self.summary.recogniser.partials += 1;
        let map = self.sessions.iter().find(|s| s.map.id == segment.session).map(|s| &s.map);
        let speech = map.and_then(|map| map.speech(segment));
        self.heard(segment.session, segment.party.channel(), false, speech);
    }

    fn segment(&mut self, segment: Segment) {
        if !self.sessions.iter().any(|s| s.map.id == segment.session && !s.ended) {
            self.summary.recogniser.stray += 1;
        } else if self.waits_for_words(segment.session) {
            self.held.push_back(segment);
            self.release_held();
        } else {
            self.take_segment(&segment);
        }
    }

    pub(super) fn take_segment(&mut self, segment: &Segment) {
        let Some(session) = self.sessions.iter().find(|s| s.map.id == segment.session) else {
            self.summary.recogniser.stray += 1;
            return;
        };
        let map = &session.map;
        let whole = map.speech(segment);
        let words: Option<Vec<Interval>> = segment.words.iter().map(|word| map.word(word)).collect();
        let (Some(whole), Some(words)) = (whole, words) else {
            self.summary.recogniser.stray += 1;
            return;
        };
        if self.is_cut_off(session, whole) {
            // It is not final: no mark may pass over it.
            self.set_partial(segment, true);
            self.summary.recogniser.partials += 1;
            return;
        }
        self.summary.recogniser.finals += 1;
        self.summary.recogniser.words += segment.words.len() as u64;
        self.heard(segment.session, segment.party.channel(), true, Some(whole));
        let cut = self.gate.cut(whole, &words, self.word_times());
        self.summary.gate.cut_words += cut.iter().filter(|c| **c).count() as u64;
        let parted = self.gate.parted(&words, self.word_times());
        for run in runs(segment, whole, words, &cut, &parted) {
            let utterance = self.utterance(segment, run);
            self.summary.messages.utterances.add(utterance.party, 1);
            self.report(Report::Utterance(Box::new(utterance.clone())));
            self.outbox.push(utterance);
        }
        self.store();
    }

    pub(super) fn word_times(&self) -> WordTimes {
        // A recogniser that has not said how exact it is counts as the least exact.
        let stated = self.summary.recogniser.capabilities.as_ref().map(|c| c.word_times);
        stated.unwrap_or(WordTimes::Spread { error_ms: 1000 })
    }

    fn utterance(&mut self, segment: &Segment, run: Run) -> Utterance {
        let (party, start) = (segment.party, run.interval.from);
        let key = self.keys.consult_at(start).unwrap_or_else(|| self.key()).to_owned();
        let id = self.ids.next(&key, party, start);
        let sender = sender(&self.config.sender, &self.presence, &key, party, start);
        run.into_utterance(party, key, sender, id)
    }

    // --- the gate ----------------------------------------------------------------------------------

    /// The present on the clock of the media, by which the gate goes. This machine's clock may be behind it, and
    /// what has been heard is no longer to come.
    pub(super) fn present(&self) -> Time {
        let live = self.config.gate_clock == GateClock::Live;
        self.known_until().filter(|_| live).map_or(self.now, |known| known.max(self.now))
    }

    /// Takes a telephony event.
    pub(super) fn gate_event(&mut self, arrival: Arrival) {
        if let Some(event) = self.sort_event(arrival) {
            self.apply_events([event]);
        }
    }

    /// The event, if it is one of this call. One that names a contact not known yet waits: it may be the call's
    /// next leg, or the stream has not named its own contact yet.
    pub(super) fn sort_event(&mut self, event: Arrival) -> Option<Arrival> {
        if event.event.call_id.as_deref().is_none_or(|id| self.is_own_call(id)) {
            return Some(event);
        }
        if self.early_events.len() < self.config.max_gate_events {
            self.early_events.push_back(event);
        } else {
            self.gate.counts.other_calls += 1;
        }
        None
    }

    fn is_own_call(&self, id: &str) -> bool {
        // A recording that names no contact belongs to whatever its events speak of.
        let unnamed = self.config.accept_nameless && self.filter.seen.is_empty();
        (unnamed && self.audible)
            || self.filter.is_ours(id)
            || id == self.key()
            || id == self.config.fallback_contact
    }

    /// Applies the events that waited for their contact to be known.
    pub(super) fn release_early_events(&mut self) {
        if self.early_events.is_empty() {
            return;
        }
        let early = std::mem::take(&mut self.early_events);
        let ours = |a: &Arrival| a.event.call_id.as_deref().is_some_and(|id| self.is_own_call(id));
        let (ours, others): (VecDeque<_>, VecDeque<_>) = early.into_iter().partition(ours);
        self.early_events = others;
        self.apply_events(ours);
    }

    /// Takes events in, all of them before any of what they mean: a closing whose opening is known too has closed
    /// nothing behind it.
    pub(super) fn apply_events(&mut self, events: impl IntoIterator<Item = Arrival>) {
        let mut closings = Vec::new();
        let inferred = self.gate.last_inferred();
        for arrival in events {
            if self.note_event(&arrival) && gate::closes(&arrival.event.kind) {
                closings.push(arrival.at);
            }
        }
        self.expose();
        for arrival in closings {
            if self.gate.closed_at(arrival).is_some() {
                self.recall(arrival);
            }
        }
        let after = self.gate.last_inferred();
        if let Some((closed, known)) = after.filter(|_| after != inferred) {
            // Nobody knew until then, and all the time Salesforce threw away what was sent.
            self.recall(closed.to.min(known));
        }
    }

    /// Takes an event in, without a look at what it means for what has left already; whether it has any effect.
    fn note_event(&mut self, arrival: &Arrival) -> bool {
        let event = &arrival.event;
        let kind = match &event.kind {
            EventKind::Unknown(name) => Some(name.clone()),
            _ => None,
        };
        let effective = self.gate.handle(arrival.at, arrival.late, arrival.source, event.clone());
        if let Some(link) = &mut self.link {
            link.sign_of_life(self.now);
        }
        match (kind, effective) {
            (Some(kind), _) => self.report(Report::EventIgnored { kind, why: "its type is not known" }),
            (None, None) => {
                let kind = event.kind.name().to_owned();
                self.report(Report::EventIgnored { kind, why: "it has no \"at\"" });
            }
            (None, Some(at)) => {
                self.presence.handle(event, at);
                if event.kind == EventKind::Conference {
                    self.keys.conference(at);
                }
                if event.kind == EventKind::CallEnded {
                    let id = event.call_id.clone().unwrap_or_else(|| self.contact_id().to_owned());
                    self.contact_ended(&id);
                }
            }
        }
        effective.is_some()
    }

    /// A closing may have come too late: what left as sound is exposure, its words are cut where that is
    /// still possible.
    fn expose(&mut self) {
        let Self { gate, sent_words, summary, .. } = self;
        let exposed = gate.exposed();
        if *exposed == self.exposed {
            return;
        }
        self.exposed.clone_from(exposed);
        let total_ms = exposed.total().ms();
        for (_, word, counted) in sent_words {
            // A later event may say that it was open after all.
            let counts = &mut summary.gate.exposed_words;
            *counts = counts.saturating_sub(u64::from(*counted));
            *counted = exposed.overlaps(*word);
            *counts += u64::from(*counted);
        }
        if std::mem::replace(&mut self.reported_exposure_ms, total_ms) != total_ms {
            self.report(Report::Exposed { total_ms });
        }
        self.recut();
    }

    /// A live gate has closed at `closing`: what Salesforce acknowledged shortly before may have been thrown away
    /// there, and is posted again once the gate is open; but nothing that was not to be heard.
    fn recall(&mut self, closing: Time) {
        if self.config.live.is_none() {
            return;
        }
        // It was there already: words that are only near what escaped are not kept back a second time.
        let exposed = self.gate.exposed();
        self.outbox.recall(closing, |u| !exposed.overlaps(Interval::new(u.start, u.end)));
    }

    /// Cuts again what waits in the outbox and was never sent.
    pub(super) fn recut(&mut self) {
        let times = self.word_times();
        let Self { outbox, gate, ids, summary, .. } = self;
        outbox.withdraw(|u, again| {
            if again {
                gate.exposed().overlaps(Interval::new(u.start, u.end))
            } else {
                closed_words(gate, u, times).contains(&true)
            }
        });
        outbox.replace(|utterance, tried| {
            let cut = closed_words(gate, utterance, times);
            if !cut.contains(&true) {
                return None;
            }
            summary.gate.cut_words += cut.iter().filter(|c| **c).count() as u64;
            let mut parts = utterance.clone().without(&cut, |key, party, start| ids.next(key, party, start));
            if tried {
                // Under the old id Salesforce has seen other words.
                for part in &mut parts {
                    part.message.message_id = ids.next(&part.key, part.party, part.start);
                }
            }
            Some(parts)
        });
        self.store();
    }

    /// Remembers the words of messages that leave.
    pub(super) fn remember_sent(&mut self, utterances: &[Utterance]) {
        let words = utterances.iter().flat_map(|u| u.words.iter().map(|word| (u.party, word)));
        for (party, word) in words {
            let interval = Interval::new(Time::from_ms(word.start_time), Time::from_ms(word.end_time));
            // Sent again it is the same word.
            if self.sent_words.iter().any(|(by, word, _)| (*by, *word) == (party, interval)) {
                continue;
            }
            if self.sent_words.len() >= MAX_SENT_WORDS {
                self.sent_words.pop_front();
            }
            self.sent_words.push_back((party, interval, false));
        }
    }

    /// Salesforce throws away what is sent while it is paused; at the end of the call all is released.
    pub(super) fn gate_withholds(&mut self) -> bool {
        self.config.gate_clock == GateClock::Live
            && self.phase == Phase::Running
            && self.gate.closed_at(self.present()).is_some()
    }

    /// Where the closing that withholds posts ends, if it is known to.
    pub(super) fn withheld_until(&mut self) -> Option<Time> {
        self.gate.closed_at(self.present()).map(|closed| closed.to).filter(|to| *to < Time::MAX)
    }

    /// When a live gate that stays closed raises its alarm.
    pub(super) fn alarm_due(&mut self) -> Option<Time> {
        if self.config.gate_clock != GateClock::Live || self.phase != Phase::Running {
            return None;
        }
        let since = self.gate.closed_at(self.present())?.from;
        (self.alarmed != Some(since)).then(|| since + self.config.gate_alarm_after)
    }

    /// Raises the alarm of a gate that has been closed for too long, once for each closing.
    pub(super) fn raise_alarm(&mut self) {
        if self.alarm_due().is_some_and(|due| due <= self.now)
            && let Some(closed) = self.gate.closed_at(self.present())
        {
            self.alarmed = Some(closed.from);
            self.report(Report::GateAlarm { since: closed.from });
        }
    }

    /// Says where the gate closed and opened within audio just handed on.
    pub(super) fn report_edges(&mut self, window: Interval) {
        let inside = |at: Time| window.from <= at && at < window.to;
        let first = self.summary.start_time == Some(window.from.ms());
        let mut edges = Vec::new();
        for closing in self.gate.closings() {
            let Interval { from, to } = closing.interval;
            if inside(from) || (first && from < window.from && to > window.from) {
                let at = from.max(window.from);
                edges.push(Report::GateClosed { at, hold: closing.hold, pause: closing.pause });
            }
            if inside(to) {
                edges.push(Report::GateOpened { at: to });
            }
        }
        // Where one closing follows on another, the gate did not open between them.
        edges.dedup_by(|next, edge| {
            let joined = matches!((&*edge, &*next),
                (Report::GateOpened { at: a }, Report::GateClosed { at: b, .. }) if a == b);
            if joined {
                std::mem::swap(next, edge);
            }
            joined
        });
        for edge in edges {
            self.report(edge);
        }
    }

    /// The gate is closed at the end of the audio.
    pub(super) fn closed_at_end(&mut self, end: Option<Time>) -> bool {
        end.is_some_and(|at| self.gate.closed_at(at - Span::from_us(1)).is_some())
    }
}

/// Which words of an utterance may have been said while the gate was closed.
fn closed_words(gate: &mut Gate, utterance: &Utterance, times: WordTimes) -> Vec<bool> {
    let interval = |from: i64, to: i64| Interval::new(Time::from_ms(from), Time::from_ms(to));
    let words: Vec<Interval> = utterance.words.iter().map(|w| interval(w.start_time, w.end_time)).collect();
    gate.cut(Interval::new(utterance.start, utterance.end), &words, times)
}
