//! Who knows the truth: every word said, every closed stretch, and what of them left the call. It judges each
//! output as it comes, by the name of the promise; the whole is `judge`'s.
//!
//! The oracle looks only at what left the call and at what the world told it; the product's own state it sees
//! where a promise is about it (P6), and the summary where that must agree with what happened (P7).

use std::collections::{BTreeMap, HashMap};

use engine::call::{Absence, Call, Config, GateSource, OnDoubt, Outcome, Post, RetryCause, TelephonyEvent};
use engine::recogniser::AudioChunk;
use engine::time::{Span, Time};
use fixtures::kinesis::{FOREIGN_CONTACT_ID, START_EPOCH_MS};

use super::Violation;
use super::gates::{self, Known};
use super::plan::Plan;
use super::ranges::Ranges;
use super::sound::{self, FOREIGN_BYTE, PER_MS, Said};
use crate::world::at;

/// One block of audio.
const BLOCK_MS: i64 = 64;
/// So much of a word's edge nobody can know of: the most exact recogniser drawn is wrong by as much.
const EDGE: Span = Span::from_ms(20);
/// Violations kept; the rest is counted.
const MOST: usize = 20;

/// A message as it was posted first.
#[derive(Debug)]
pub(super) struct Sent {
    pub posts: u64,
    pub accepted: u64,
    /// The last answer was not "accepted".
    pub unanswered: bool,
    pub party: usize,
    pub from: Time,
    pub to: Time,
    text: String,
    /// The words it holds, as indices into the truth.
    pub words: Vec<usize>,
    /// It was acknowledged last, and whether the gate was known to be closed then.
    pub acknowledged: Option<(Time, bool)>,
}

/// Audio that left last and was silent.
#[derive(Debug)]
struct Pending {
    from: Time,
    to: Time,
    session: u32,
    /// What of it was closed.
    closed: Vec<(Time, Time)>,
}

pub(super) struct Oracle<'p> {
    pub plan: &'p Plan,
    pub violations: Vec<Violation>,
    pub more: usize,
    /// The gate by the events that have come.
    pub known: Known,
    /// Events of the log that are known.
    pub logged: usize,
    /// When the gate was open and an event closed it.
    pub closings: Vec<Time>,
    /// What left for the first time, and what of it left as silence because it was closed.
    pub emitted: Ranges,
    pub zeroed: Ranges,
    /// What was past and closed until an event that came late said that it had been open. It may have been let go as
    /// silence with no session open, of which nothing is heard here; or cut, when its words came meanwhile.
    pub reopened: Ranges,
    /// What whoever took the call on must take to have left as sound, because it may have: from the last audio that
    /// left to the death, and what was closed late since the last checkpoint. And what did leave behind the last sign
    /// of life, and is in doubt all the same.
    pub assumed: Ranges,
    /// The last audio on the timeline: silence in its place may have come before it.
    pending: Option<Pending>,
    /// Audio of which it is not known whether it left before its time was closed.
    pub doubtful_ms: i64,
    frontier: Time,
    pub sent: HashMap<String, Sent>,
    /// Messages acknowledged, sent again, and not answered then: the summary has them among those not taken.
    pub resent_in_doubt: u64,
    last_start: BTreeMap<String, i64>,
    expected: Vec<u8>,
    /// The most that was ever held.
    pub replay_peak: usize,
    pub outbox_peak: u64,
    gate_closed: Option<Time>,
}

impl<'p> Oracle<'p> {
    pub(super) fn new(plan: &'p Plan) -> Self {
        Self {
            plan,
            violations: Vec::new(),
            more: 0,
            known: Known::default(),
            logged: 0,
            closings: Vec::new(),
            emitted: Ranges::default(),
            zeroed: Ranges::default(),
            reopened: Ranges::default(),
            assumed: Ranges::default(),
            pending: None,
            doubtful_ms: 0,
            frontier: Time::MIN,
            sent: HashMap::new(),
            resent_in_doubt: 0,
            last_start: BTreeMap::new(),
            expected: Vec::new(),
            replay_peak: 0,
            outbox_peak: 0,
            gate_closed: None,
        }
    }

    pub(super) fn broken(&mut self, promise: &'static str, what: String) {
        if self.violations.len() < MOST {
            self.violations.push(Violation { promise, what });
        } else {
            self.more += 1;
        }
    }

    /// Where the audio ends that is known to have left.
    pub(super) fn left(&self) -> Time {
        self.frontier
    }

    /// Another worker holds the call, and knows all that is in the log, and that audio left up to `stored`.
    pub(super) fn returned(
        &mut self,
        now: Time,
        absence: Absence,
        stored: Time,
        log: &[(Time, GateSource, TelephonyEvent)],
        ahead: Span,
        on_doubt: OnDoubt,
    ) {
        self.settle();
        // It is stored to a tenth of a second.
        let ahead = if ahead > Span::ZERO { ahead + Span::from_ms(100) } else { ahead };
        if ahead > Span::ZERO {
            // Nobody knows any more how far the media was ahead of the clock when an event came: in doubt closed.
            let closed = self.known.past(now);
            self.known.read_again();
            self.opened_again(&closed, now);
            for (stamp, _, event) in log {
                let (from, to) = gates::vague(*stamp, ahead, event);
                self.reopened.add(from, to);
            }
        }
        if self.frontier > Time::MIN {
            let (left, died) = (self.frontier, absence.died);
            self.assumed.add(left.min(died), left.max(died));
        }
        // What left since it was last stored how far that was may have left before an event closed it.
        for (from, to) in log.iter().map(|(stamp, _, event)| gates::late(*stamp, ahead, event)) {
            self.assumed.add(from.max(stored), to.min(absence.died));
        }
        // What left behind the last sign of life is heard again, by what is known now.
        let sign = absence.died.max(stored);
        self.emitted.cut(sign);
        self.zeroed.cut(sign);
        self.frontier = self.frontier.min(sign);
        let other = |event: &TelephonyEvent| event.call_id.as_deref() == Some(FOREIGN_CONTACT_ID);
        let in_use = log.iter().any(|(arrival, _, e)| *arrival <= absence.died && !other(e));
        // Nobody may have been there to take events: nothing of that time is to be heard, if there are any.
        if in_use && absence.listening > absence.died && on_doubt == OnDoubt::Closed {
            self.known.doubt(absence.died, absence.listening);
        }
        let new: Vec<_> = log.iter().skip(self.logged).cloned().collect();
        for (arrival, source, event) in new {
            if other(&event) {
                self.known.taken += 1;
                self.known.other_calls += 1;
                self.logged += 1;
            } else {
                self.gate([arrival; 2], now, source, &event);
            }
        }
    }

    /// A gate event was handed to the call, which arrived then by the clock of the media, and as the log has it.
    pub(super) fn gate(
        &mut self,
        [arrival, stamp]: [Time; 2],
        now: Time,
        source: GateSource,
        event: &TelephonyEvent,
    ) {
        self.logged += 1;
        let before = self.known.is_closed(now);
        let closed = self.known.past(now);
        self.known.arrived(arrival, stamp, source, event);
        let closed_now = self.opened_again(&closed, now);
        if let Some(Pending { from, to, .. }) = self.pending
            && closed.measure(from, to) != closed_now.measure(from, to)
        {
            // Silence that stood in for late audio, perhaps: what it stood for may leave only now.
            self.doubtful_ms += (to - from).ms();
        }
        if !before && self.known.is_closed(now) {
            self.closings.push(now);
        }
    }

    /// Notes what of the past was closed, and is not any more; returns what is.
    fn opened_again(&mut self, closed: &Ranges, now: Time) -> Ranges {
        let closed_now = self.known.past(now);
        for (from, to) in closed.without(&closed_now).iter() {
            self.reopened.add(from, to);
        }
        closed_now
    }

    // --- audio -------------------------------------------------------------------------------------

    /// Audio reached the recogniser.
    pub(super) fn chunk(&mut self, chunk: &AudioChunk) {
        let end = chunk.start + Span::from_samples(chunk.samples() as i64, chunk.rate_hz);
        let loud = !chunk.is_silent();
        if loud {
            self.samples(chunk, end);
        }
        self.advance(chunk, end, loud);
    }

    /// P1, P2, P4: every sample that is not silence is one that was said then, by that party, on this call,
    /// while the gate was open as far as is known.
    fn samples(&mut self, chunk: &AudioChunk, end: Time) {
        let plan = self.plan;
        let from = (chunk.start - at(0)).us() * PER_MS / 1000;
        let closed: Vec<_> = self.known.within(chunk.start, end).collect();
        let parties = chunk.channels.parties();
        let width = 2 * parties.len();
        let mut wrong = None;
        for (channel, party) in parties.iter().enumerate() {
            self.expected.clear();
            self.expected.resize(chunk.samples() * 2, 0);
            sound::render(&plan.words[party.channel()], from, &mut self.expected);
            let heard = chunk.pcm.chunks_exact(width).map(|f| [f[2 * channel], f[2 * channel + 1]]);
            for (n, (heard, said)) in heard.zip(self.expected.chunks_exact(2)).enumerate() {
                if heard == [0, 0] || (heard == said && closed.is_empty()) {
                    continue;
                }
                let when = chunk.start + Span::from_samples(n as i64, chunk.rate_hz);
                if heard != said {
                    wrong.get_or_insert((heard, when));
                } else if closed.iter().any(|c| c.0 <= when && when < c.1) {
                    let ms = (when - at(0)).ms();
                    self.broken("P2", format!("sound of {ms} ms left, which was known to be closed"));
                    return;
                }
            }
        }
        match wrong {
            Some(([FOREIGN_BYTE, FOREIGN_BYTE], when)) => {
                let ms = (when - at(0)).ms();
                self.broken("P1", format!("sound of another contact reached the recogniser as {ms} ms"));
            }
            Some((_, when)) => {
                let ms = (when - at(0)).ms();
                self.broken("P4", format!("sound reached the recogniser as {ms} ms that was not made then"));
            }
            None => {}
        }
    }

    /// Notes what left for the first time. Silence that stands in for late audio has the time of the audio that
    /// follows it in its session, and is no part of the call.
    fn advance(&mut self, chunk: &AudioChunk, end: Time, loud: bool) {
        let start = chunk.start;
        if let Some(last) = &self.pending {
            if start < last.from {
                return;
            }
            if start > last.from {
                self.settle();
            } else if last.session != chunk.session {
                // Sent again, most likely; if it is the first time, what closed meanwhile is not known here.
                self.doubtful_ms += (end - start).ms();
                return;
            }
        } else if start < self.frontier {
            return;
        }
        let closed = self.known.within(start, end).map(|(f, t)| (f.max(start), t.min(end))).collect();
        self.pending = Some(Pending { from: start, to: end, session: chunk.session, closed });
        if loud {
            self.settle();
        }
    }

    pub(super) fn settle(&mut self) {
        let Some(Pending { from, to, closed, .. }) = self.pending.take() else { return };
        self.frontier = to;
        self.emitted.add(from, to);
        for (from, to) in closed {
            self.zeroed.add(from, to);
        }
    }

    /// What was closed, as is known now, and left all the same.
    pub(super) fn exposed(&self) -> Ranges {
        self.emitted.intersection(&self.known.closed).without(&self.zeroed)
    }

    /// How much of what can be heard of this word is exposed, by what is known now.
    fn exposed_in(&self, word: Said) -> Span {
        let (from, to) = Self::interval(word);
        let (from, to) = self.audible(from, to);
        let mut sum = Span::ZERO;
        for (start, end) in self.known.within(from, to) {
            for (start, end) in self.emitted.within(start.max(from), end.min(to)) {
                sum = sum + (end - start) - self.zeroed.measure(start, end);
            }
        }
        sum
    }

    /// The part of a word of which a recogniser can have made a word: the longest without a silence in it. What lies
    /// beyond a silence is another sound to it, and too short for a word.
    pub(super) fn audible(&self, from: Time, to: Time) -> (Time, Time) {
        let mut left = Ranges::default();
        self.emitted.within(from, to).for_each(|(from, to)| left.add(from, to));
        let heard = left.without(&self.zeroed);
        let mut parts: Vec<(Time, Time)> = Vec::new();
        for (from, to) in heard.iter() {
            match parts.last_mut() {
                Some(part) if from - part.1 < EDGE => part.1 = to,
                _ => parts.push((from, to)),
            }
        }
        parts.into_iter().max_by_key(|(from, to)| *to - *from).unwrap_or((from, to))
    }

    // --- messages ----------------------------------------------------------------------------------

    pub(super) fn post(&mut self, post: &Post) {
        let message = &post.message;
        if let Some(sent) = self.sent.get_mut(&message.message_id) {
            sent.posts += 1;
            if sent.text != message.content.0 {
                self.broken("P3", format!("{} has two texts", message.message_id));
            }
            return;
        }
        let (from, to) = (Time::from_ms(message.start_time), Time::from_ms(message.end_time));
        let party = usize::from(!message.participant_id.ends_with("END_USER"));
        let words = self.words(post, party);
        self.order(post);
        for index in &words {
            let word = self.plan.words[party][*index];
            let exposed = self.exposed_in(word);
            if exposed > EDGE {
                let (text, ms, id) = (word.text(), word.at_ms, &message.message_id);
                let what =
                    format!("\"{text}\" of {ms} ms was posted first, as {id}, when known to be closed");
                self.broken("P2", what);
            }
        }
        self.sent.insert(
            message.message_id.clone(),
            Sent {
                posts: 1,
                accepted: 0,
                unanswered: true,
                party,
                from,
                to,
                text: message.content.0.clone(),
                words,
                acknowledged: None,
            },
        );
    }

    /// How far a time may be wrong.
    pub(super) fn tolerance_ms(&self) -> i64 {
        BLOCK_MS + i64::from(self.plan.ears.error_ms)
    }

    /// P3, P4: which words these are, said by whom, when, under which key.
    fn words(&mut self, post: &Post, party: usize) -> Vec<usize> {
        let message = &post.message;
        let (start, end) = (message.start_time - START_EPOCH_MS, message.end_time - START_EPOCH_MS);
        let tolerance = self.tolerance_ms();
        let plan = self.plan;
        let truth = &plan.words[party];
        let mut found: Vec<usize> = Vec::new();
        let mut from = truth.partition_point(|w| w.at_ms < start - 3_000);
        for text in message.content.0.split_whitespace() {
            let word = sound::index(text);
            let until = truth.partition_point(|w| w.at_ms < end + 3_000);
            let Some(place) = truth[from.min(until)..until].iter().position(|w| Some(w.word) == word) else {
                self.broken("P3", format!("\"{text}\" was posted for {start}..{end} ms and not said"));
                continue;
            };
            found.push(from + place);
            from += place + 1;
        }
        let ends = found.first().zip(found.last()).map(|(f, l)| (truth[*f].at_ms, truth[*l].end_ms()));
        if let Some((first, last)) = ends
            && ((first - start).abs() > tolerance || (last - end).abs() > tolerance)
        {
            self.broken("P4", format!("said {first}..{last} ms, posted as {start}..{end} ms"));
        }
        let key = ends.map_or(plan.key.as_str(), |(first, _)| self.key_of(first));
        let who = format!("{key}{}", if party == 0 { "END_USER" } else { "VIRTUAL_AGENT" });
        if post.vendor_call_key != key || message.participant_id != who {
            let (key, who) = (&post.vendor_call_key, &message.participant_id);
            self.broken("P3", format!("what was said at {start} ms went to {key} as {who}"));
        }
        found
    }

    fn key_of(&self, ms: i64) -> &'p str {
        let plan = self.plan;
        let consult = plan.consults.iter().find(|(from, to, _)| (*from - 700..*to + 700).contains(&ms));
        consult.map_or(plan.key.as_str(), |(.., key)| key.as_str())
    }

    /// P3: each participant's messages leave in the order in which they were said.
    fn order(&mut self, post: &Post) {
        let message = &post.message;
        let before = self.last_start.insert(message.participant_id.clone(), message.start_time);
        if before.is_some_and(|before| before > message.start_time) {
            let ms = message.start_time - START_EPOCH_MS;
            self.broken("P3", format!("what was said at {ms} ms was posted behind what was said after it"));
        }
    }

    /// An answer reached the call.
    pub(super) fn answered(&mut self, now: Time, id: &str, outcome: &Outcome) {
        let closed = self.known.is_closed(now);
        let Some(sent) = self.sent.get_mut(id) else { return };
        let lost = matches!(outcome, Outcome::Retry { cause: RetryCause::Network | RetryCause::Server });
        self.resent_in_doubt += u64::from(lost && sent.accepted > 0);
        sent.unanswered = *outcome != Outcome::Accepted;
        if *outcome == Outcome::Accepted {
            sent.accepted += 1;
            sent.acknowledged = Some((now, closed));
        }
    }

    /// Whoever posted this is gone, and its answer with it.
    pub(super) fn answer_lost(&mut self, id: &str) {
        if let Some(sent) = self.sent.get_mut(id) {
            sent.unanswered = true;
        }
    }

    // --- bounds ------------------------------------------------------------------------------------

    /// P6: what is held is bounded.
    pub(super) fn bounds(&mut self, call: &Call, config: &Config) {
        let ring = config.live.as_ref().map_or(Span::ZERO, |live| live.replay);
        // One chunk more than it holds, on two channels.
        let most = (ring + config.chunk).samples(8_000) as usize * 4;
        let replay = call.replay_bytes();
        if replay > most && self.replay_peak <= most {
            self.broken("P6", format!("{replay} bytes of replay, {most} at most"));
        }
        self.replay_peak = self.replay_peak.max(replay);
    }

    /// P6, of what is dearer to know.
    pub(super) fn bounds_of_queues(&mut self, now: Time, call: &Call, config: &Config) {
        let progress = call.progress();
        let waiting = progress.waiting;
        self.gate_closed = progress.gate_closed.then(|| self.gate_closed.unwrap_or(now));
        // Behind a gate that is closed for longer than its alarm waits, whose opening may never come, ten times as
        // many wait for the end of the call.
        let stuck = self.gate_closed.is_some_and(|since| now >= since + config.gate_alarm_after);
        // Media is not asked for any more when it is full; what was read already may still become messages.
        let most = config.max_outbox as u64 * if stuck { 20 } else { 2 } + 200;
        if waiting > most && self.outbox_peak <= most {
            self.broken("P6", format!("{waiting} messages wait"));
        }
        self.outbox_peak = self.outbox_peak.max(waiting);
    }

    /// The words that are wholly stored in the stream, of this call: what can be heard at all.
    pub(super) fn stored(&self) -> Ranges {
        let mut stored = Ranges::default();
        for stream in &self.plan.kinesis.streams {
            for fragment in stream.fragments.iter().filter(|f| !self.plan.kinesis.legs[f.leg].foreign) {
                stored.add(at(fragment.start_ms), at(fragment.end_ms()));
            }
        }
        stored
    }

    /// When a word sounds.
    pub(super) fn interval(word: Said) -> (Time, Time) {
        (at(word.at_ms), at(word.end_ms()))
    }
}
