//! One session of the embedded recogniser: its parties' voice activity and the order of what was said.
//!
//! An utterance leaves when it has been settled and nothing earlier can come, of either party. It must
//! never know the workers.

use std::collections::{BTreeMap, VecDeque};

use super::vad::{Found, Segmenter, Utterance};
use super::words::span;
use crate::recogniser::{AudioChunk, Party, RecogniserEvent, Segment, SessionSpec, Word};
use crate::time::Span;

/// Progress is reported in steps of this many samples at 16 kHz: one second.
const PROGRESS_STEP: u64 = 16_000;
/// A gap in the audio longer than this is an error of the caller's: a day.
const MAX_GAP_S: u64 = 86_400;

/// What a worker made of an utterance.
#[derive(Debug, Clone)]
pub(crate) enum Settled {
    /// Words.
    Words(Vec<Word>),
    /// None.
    Nothing,
}

/// Stretches that never became utterances.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LeftOut {
    pub(crate) tones: u64,
    pub(crate) noises: u64,
    pub(crate) clicks: u64,
}

struct Pending {
    number: u64,
    end: u64,
    settled: Option<Settled>,
}

struct Voice {
    party: Party,
    segmenter: Segmenter,
    /// Progress reported so far.
    reported: u64,
}

pub(crate) struct Session {
    spec: SessionSpec,
    voices: Vec<Voice>,
    found: VecDeque<(Party, Utterance)>,
    /// Utterances that have not left yet, by their start; the customer first where both start at once.
    pending: BTreeMap<(u64, Party), Pending>,
    /// Samples per channel taken so far, at the session's rate.
    position: u64,
    left_out: LeftOut,
    ended: bool,
}

impl Session {
    pub(crate) fn new(spec: &SessionSpec) -> Result<Self, String> {
        let voices = spec
            .channels
            .parties()
            .iter()
            .map(|party| {
                let segmenter = Segmenter::new(spec.rate_hz).map_err(|e| e.to_string())?;
                Ok(Voice { party: *party, segmenter, reported: 0 })
            })
            .collect::<Result<_, String>>()?;
        Ok(Self {
            spec: spec.clone(),
            voices,
            found: VecDeque::new(),
            pending: BTreeMap::new(),
            position: 0,
            left_out: LeftOut::default(),
            ended: false,
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.spec.id
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether all is said.
    pub(crate) fn is_over(&self) -> bool {
        self.ended && self.pending.is_empty() && self.found.is_empty()
    }

    /// Listens to a chunk. A gap before it is silence.
    pub(crate) fn take(&mut self, chunk: &AudioChunk) -> Result<(), String> {
        let SessionSpec { id, rate_hz, channels } = &self.spec;
        if chunk.rate_hz != *rate_hz || chunk.channels != *channels {
            return Err(format!("audio of recogniser session {id} changed its format"));
        }
        let gap = chunk
            .position
            .checked_sub(self.position)
            .filter(|gap| *gap <= MAX_GAP_S * u64::from(*rate_hz))
            .ok_or_else(|| format!("audio of recogniser session {id} came out of order"))?;
        let silence = vec![0.0; usize::try_from(gap.min(16_000)).unwrap_or(0)];
        let mut found = Vec::new();
        for voice in &mut self.voices {
            let mut left = gap;
            while left > 0 {
                let step = left.min(silence.len() as u64);
                let samples = &silence[..usize::try_from(step).unwrap_or(0)];
                voice.segmenter.push(samples, &mut found).map_err(|e| e.to_string())?;
                left -= step;
            }
            let samples: Vec<f32> = chunk.party(voice.party).map(|s| f32::from(s) / 32_768.0).collect();
            voice.segmenter.push(&samples, &mut found).map_err(|e| e.to_string())?;
            note(&mut found, voice.party, &mut self.found, &mut self.left_out);
        }
        self.position = chunk.position + chunk.samples() as u64;
        Ok(())
    }

    /// The audio is complete.
    pub(crate) fn end(&mut self) -> Result<(), String> {
        self.ended = true;
        let mut found = Vec::new();
        for voice in &mut self.voices {
            voice.segmenter.finish(&mut found).map_err(|e| e.to_string())?;
            note(&mut found, voice.party, &mut self.found, &mut self.left_out);
        }
        Ok(())
    }

    pub(crate) fn take_left_out(&mut self) -> LeftOut {
        std::mem::take(&mut self.left_out)
    }

    pub(crate) fn next_utterance(&mut self) -> Option<(Party, Utterance)> {
        self.found.pop_front()
    }

    /// Notes that `utterance` is being decoded under `number`.
    pub(crate) fn expect(&mut self, number: u64, party: Party, utterance: &Utterance) {
        let pending = Pending { number, end: utterance.end(), settled: None };
        self.pending.insert((utterance.start(), party), pending);
    }

    /// Takes a result; false where it belongs to another session.
    pub(crate) fn settle(&mut self, number: u64, settled: &Settled) -> bool {
        let Some(pending) = self.pending.values_mut().find(|pending| pending.number == number) else {
            return false;
        };
        pending.settled = Some(settled.clone());
        true
    }

    /// Appends all events that may leave.
    pub(crate) fn release(&mut self, events: &mut VecDeque<RecogniserEvent>) {
        while let Some(entry) = self.pending.first_entry() {
            let key = *entry.key();
            let earliest = self.voices.iter().map(|v| (bound(v, &self.found, self.ended), v.party)).min();
            if entry.get().settled.is_none() || earliest.is_some_and(|earliest| earliest <= key) {
                break;
            }
            let Pending { end, settled, .. } = entry.remove();
            if let Some(Settled::Words(words)) = settled
                && !words.is_empty()
            {
                let segment = Segment::new(self.spec.id, key.1, true, span(key.0), span(end), words);
                events.push_back(RecogniserEvent::Segment(segment));
            }
        }
        self.progress(events);
    }

    fn progress(&mut self, events: &mut VecDeque<RecogniserEvent>) {
        let total = Span::from_samples(i64::try_from(self.position).unwrap_or(i64::MAX), self.spec.rate_hz);
        for voice in &mut self.voices {
            let waiting = self.pending.keys().find(|(_, party)| *party == voice.party).map(|key| key.0);
            let until = waiting.unwrap_or(u64::MAX).min(bound(voice, &self.found, self.ended));
            let complete = until == u64::MAX;
            let until_span = if complete { total } else { span(until) };
            let step = if complete { 1 } else { PROGRESS_STEP };
            if until >= voice.reported.saturating_add(step) {
                voice.reported = until;
                let (session, party) = (self.spec.id, voice.party);
                events.push_back(RecogniserEvent::Progress { session, party, until: until_span });
            }
        }
    }
}

/// Nothing of this voice that is still unknown starts earlier.
fn bound(voice: &Voice, found: &VecDeque<(Party, Utterance)>, ended: bool) -> u64 {
    let coming = if ended { u64::MAX } else { voice.segmenter.bound() };
    let waiting = found.iter().find(|(party, _)| *party == voice.party).map(|(_, u)| u.start());
    coming.min(waiting.unwrap_or(u64::MAX))
}

fn note(
    found: &mut Vec<Found>,
    party: Party,
    queue: &mut VecDeque<(Party, Utterance)>,
    left_out: &mut LeftOut,
) {
    for item in found.drain(..) {
        match item {
            Found::Speech(utterance) => queue.push_back((party, utterance)),
            Found::Tone => left_out.tones += 1,
            Found::Noise => left_out.noises += 1,
            Found::Click => left_out.clicks += 1,
        }
    }
}
