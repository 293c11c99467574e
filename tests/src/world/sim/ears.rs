//! The recogniser: sessions that hear what really reached them, say it late and in parts, and fail.
//!
//! This room knows audio and words with offsets; not calls, contacts or gates.

use std::collections::BTreeMap;

use engine::recogniser::{AudioChunk, Party, RecogniserEvent, Segment, SessionSpec, Word};
use engine::time::{Span, Time};
use fixtures::tone::{Decoder, Heard};

/// How it behaves in this call.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    /// Silence that ends an utterance.
    pub pause: Span,
    /// What it states of its word times, and how wrong its ends are, milliseconds.
    pub error_ms: u32,
    pub partials: bool,
    /// How long a session takes to be ready.
    pub ready_ms: i64,
    /// How late results are, at most.
    pub late_ms: i64,
}

#[derive(Debug)]
struct Ear {
    party: Party,
    decoder: Decoder,
    words: Vec<Heard>,
    /// A partial result was said up to here.
    said: u64,
}

/// One session, from its opening to its end.
#[derive(Debug)]
pub(super) struct Session {
    spec: SessionSpec,
    ears: Vec<Ear>,
    /// It takes audio since.
    pub ready: Option<Time>,
    /// When audio came last.
    pub fed: Time,
    pub audio_ended: bool,
    /// It takes audio and says nothing, since this time; somebody notices.
    pub deaf: Option<Time>,
    /// Nothing is said before this: results come in order.
    spoken: Time,
    /// Wall-clock start of the first and the end of the last audio it was given that is not final.
    pub window: Option<(Time, Time)>,
}

/// All sessions that may still speak.
#[derive(Debug)]
pub(super) struct Ears {
    pub manner: Manner,
    pub sessions: BTreeMap<u32, Session>,
    /// Where the audio of a session ended in the middle of somebody's speech.
    pub cuts: Vec<(usize, Time)>,
    dice: fastrand::Rng,
}

impl Ears {
    pub(super) fn new(manner: Manner, seed: u64) -> Self {
        Self { manner, sessions: BTreeMap::new(), cuts: Vec::new(), dice: fastrand::Rng::with_seed(seed) }
    }

    pub(super) fn open(&mut self, spec: SessionSpec, now: Time) {
        let ear = |party: &Party| Ear {
            party: *party,
            decoder: Decoder::new(spec.rate_hz),
            words: Vec::new(),
            said: 0,
        };
        let session = Session {
            ears: spec.channels.parties().iter().map(ear).collect(),
            ready: None,
            fed: now,
            audio_ended: false,
            deaf: None,
            spoken: now,
            window: None,
            spec,
        };
        self.sessions.insert(session.spec.id, session);
    }

    /// Takes audio; returns what is said of it, and when.
    pub(super) fn audio(&mut self, now: Time, chunk: &AudioChunk) -> Vec<(Time, RecogniserEvent)> {
        let Some(session) = self.sessions.get_mut(&chunk.session) else { return Vec::new() };
        session.fed = now;
        let end = chunk.start + Span::from_samples(chunk.samples() as i64, chunk.rate_hz);
        let from = session.window.map_or(chunk.start, |(from, _)| from);
        session.window = Some((from, end));
        if session.deaf.is_some() {
            return Vec::new();
        }
        let pause = self.manner.pause.samples(session.spec.rate_hz).unsigned_abs();
        let step = u64::from(session.spec.rate_hz) / 2;
        let mut events = Vec::new();
        let silent = chunk.is_silent();
        for ear in &mut session.ears {
            if silent {
                ear.words.extend(ear.decoder.silence(chunk.samples()));
            } else {
                let samples: Vec<i16> = chunk.party(ear.party).collect();
                ear.words.extend(ear.decoder.feed(&samples));
            }
            let heard = ear.decoder.samples();
            let since = ear.decoder.sounding_since();
            let last = ear.words.last().map(|w| w.end);
            let quiet = last.is_some_and(|end| since.unwrap_or(heard).saturating_sub(end) >= pause);
            if quiet {
                events.push(ear.segment(&session.spec, self.manner.error_ms, true, &mut self.dice));
                ear.said = heard;
            } else if self.manner.partials && heard - ear.said >= step && (last.is_some() || since.is_some())
            {
                ear.said = heard;
                events.push(ear.segment(&session.spec, self.manner.error_ms, false, &mut self.dice));
            }
        }
        session.timed(now, events, self.manner.late_ms, &mut self.dice)
    }

    /// The audio of a session is complete: the last it has to say.
    pub(super) fn end(&mut self, now: Time, id: u32) -> Vec<(Time, RecogniserEvent)> {
        let Some(session) = self.sessions.get_mut(&id) else { return Vec::new() };
        session.audio_ended = true;
        if session.deaf.is_some() {
            return Vec::new();
        }
        let mut events = Vec::new();
        for ear in &mut session.ears {
            let sounding = ear.decoder.sounding_since().is_some();
            ear.words.extend(ear.decoder.finish());
            if let (true, Some((_, end))) = (sounding || !ear.words.is_empty(), session.window) {
                self.cuts.push((ear.party.channel(), end));
            }
            if !ear.words.is_empty() {
                events.push(ear.segment(&session.spec, self.manner.error_ms, true, &mut self.dice));
            }
        }
        events.push(RecogniserEvent::Ended { session: id });
        session.timed(now, events, self.manner.late_ms, &mut self.dice)
    }
}

impl Session {
    /// Results come late, and in order.
    fn timed(
        &mut self,
        now: Time,
        events: Vec<RecogniserEvent>,
        late_ms: i64,
        dice: &mut fastrand::Rng,
    ) -> Vec<(Time, RecogniserEvent)> {
        let mut timed = Vec::with_capacity(events.len());
        for event in events {
            let late = match &event {
                RecogniserEvent::Segment(s) if !s.is_final => late_ms / 4,
                _ => dice.i64(0..=late_ms),
            };
            self.spoken = self.spoken.max(now + Span::from_ms(late));
            timed.push((self.spoken, event));
        }
        timed
    }
}

impl Ear {
    /// What was heard since the last final; a final takes it away.
    fn segment(
        &mut self,
        spec: &SessionSpec,
        error_ms: u32,
        is_final: bool,
        dice: &mut fastrand::Rng,
    ) -> RecogniserEvent {
        let offset = |samples: u64| Span::from_samples(i64::try_from(samples).unwrap_or(0), spec.rate_hz);
        let heard = if is_final { std::mem::take(&mut self.words) } else { self.words.clone() };
        let wrong = i64::from(error_ms.saturating_sub(20)).min(400);
        let mut words: Vec<Word> = Vec::with_capacity(heard.len());
        for word in &heard {
            let (start, true_end) = (offset(word.start), offset(word.end));
            // Wrong by up to as much as it says, but no word ends before it begins.
            let end = (true_end + Span::from_ms(dice.i64(-wrong..=wrong))).max(start + Span::from_ms(20));
            words.push(Word::new(word.word, start, end));
        }
        let first = self.decoder.sounding_since().unwrap_or_default();
        let start = words.first().map_or(offset(first), |w| w.start);
        let end = words.last().map_or(offset(self.decoder.samples()), |w| w.end);
        RecogniserEvent::Segment(Segment::new(spec.id, self.party, is_final, start, end, words))
    }
}
