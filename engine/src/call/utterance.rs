//! From recognised words to utterances: mapped to the wall clock, cut by the gate, given an id.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::recogniser::{Party, Segment, Word};
use crate::time::{Span, Time};

use super::intervals::Interval;
use super::message::{Message, SenderType, Spoken, message_id};

/// One word of an utterance on the wall clock.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UtteranceWord {
    /// The word with its punctuation.
    pub text: String,
    /// Start, epoch ms.
    pub start_time: i64,
    /// End, epoch ms.
    pub end_time: i64,
    /// Probability 0 to 1, where the recogniser states one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub confidence: Option<f32>,
    /// The vocabulary filter matched it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub vocabulary_filter_match: bool,
    /// A space stands before it unless it is the first.
    #[serde(skip, default)]
    pub(super) space_before: bool,
}

impl fmt::Debug for UtteranceWord {
    /// What was said never reaches a log: the text prints as `…`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UtteranceWord {{ text: …, {}..{} }}", self.start_time, self.end_time)
    }
}

/// What one party said in one go, as it is posted.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Utterance {
    /// Who spoke.
    pub party: Party,
    /// Start of the speech.
    pub start: Time,
    /// End of the speech.
    pub end: Time,
    /// The words with their times.
    pub words: Vec<UtteranceWord>,
    /// `vendorCallKey`: the call it is posted to.
    pub key: String,
    /// The message it goes to Salesforce as.
    pub message: Message,
}

/// An utterance in a checkpoint: all of it, to the microsecond.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SavedUtterance {
    party: Party,
    start: Time,
    end: Time,
    key: String,
    message: Message,
    /// Each word, and whether a space stands before it.
    words: Vec<(UtteranceWord, bool)>,
}

impl SavedUtterance {
    pub(super) fn participant(&self) -> &str {
        &self.message.participant_id
    }
}

impl From<&Utterance> for SavedUtterance {
    fn from(u: &Utterance) -> Self {
        Self {
            party: u.party,
            start: u.start,
            end: u.end,
            key: u.key.clone(),
            message: u.message.clone(),
            words: u.words.iter().map(|w| (w.clone(), w.space_before)).collect(),
        }
    }
}

impl From<SavedUtterance> for Utterance {
    fn from(saved: SavedUtterance) -> Self {
        let SavedUtterance { party, start, end, key, message, words } = saved;
        let words = words.into_iter().map(|(word, space_before)| UtteranceWord { space_before, ..word });
        Self { party, start, end, words: words.collect(), key, message }
    }
}

/// Where the positions of a recogniser's session lie on the wall clock.
#[derive(Debug, Clone)]
pub(super) struct SessionMap {
    pub(super) id: u32,
    rate_hz: u32,
    stretches: Vec<Stretch>,
    /// Position behind the last sample sent.
    pub(super) position: i64,
}

/// Contiguous audio of the call within a session.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    position: i64,
    time: Time,
    samples: i64,
}

impl SessionMap {
    pub(super) fn new(id: u32, rate_hz: u32) -> Self {
        Self { id, rate_hz, stretches: Vec::new(), position: 0 }
    }

    /// `samples` more have been sent, the first of them taken at `time`.
    pub(super) fn sent(&mut self, time: Time, samples: i64) {
        let (position, rate_hz) = (self.position, self.rate_hz);
        self.position += samples;
        if let Some(last) = self.stretches.last_mut()
            && last.position + last.samples == position
            && (last.time + Span::from_samples(last.samples, rate_hz) - time).us().abs() <= 1
        {
            last.samples += samples;
            return;
        }
        self.stretches.push(Stretch { position, time, samples });
    }

    /// `samples` of silence were sent that are no part of the call.
    pub(super) fn filler(&mut self, samples: i64) {
        self.position += samples;
    }

    /// Wall-clock time of an offset into the session, within the audio sent.
    pub(super) fn time(&self, offset: Span) -> Option<Time> {
        let position = offset.samples(self.rate_hz).clamp(0, self.position);
        self.at(position, position)
    }

    /// Time of `position`, by the stretch that holds `of`.
    fn at(&self, position: i64, of: i64) -> Option<Time> {
        let index = self.stretches.partition_point(|s| s.position <= of).saturating_sub(1);
        let stretch = self.stretches.get(index)?;
        let into = (position - stretch.position).clamp(0, stretch.samples);
        Some(stretch.time + Span::from_samples(into, self.rate_hz))
    }

    /// Wall-clock interval of a pair of offsets. Its end belongs to the audio before it.
    pub(super) fn interval(&self, start: Span, end: Span) -> Option<Interval> {
        let from = self.time(start)?;
        let end = end.samples(self.rate_hz).clamp(0, self.position);
        Some(Interval::new(from, self.at(end, end - 1)?.max(from)))
    }

    /// When a word was said. However wrong its end is, it did not last longer than it was heard: what was not sent
    /// between two stretches is no part of it.
    pub(super) fn word(&self, word: &Word) -> Option<Interval> {
        let said = self.interval(word.start, word.end)?;
        Some(Interval::new(said.from, said.to.min(said.from + (word.end - word.start)).max(said.from)))
    }

    /// When a segment was said: its end follows that of its last word.
    pub(super) fn speech(&self, segment: &Segment) -> Option<Interval> {
        let said = self.interval(segment.start, segment.end)?;
        let Some(last) = segment.words.last() else { return Some(said) };
        let end = self.word(last)?.to + (segment.end - last.end).max(Span::ZERO);
        Some(Interval::new(said.from, said.to.min(end).max(said.from)))
    }
}

/// Words that stay together once others were cut out.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) interval: Interval,
    pub(super) words: Vec<(Word, Interval)>,
}

/// Splits a segment at the words that are cut, and before those that the gate `parted` from what was said before
/// them, so that no utterance spans what was not to be heard.
pub(super) fn runs(
    segment: &Segment,
    whole: Interval,
    timed: Vec<Interval>,
    cut: &[bool],
    parted: &[bool],
) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut open = false;
    let last = timed.len().saturating_sub(1);
    for (i, (word, interval)) in segment.words.iter().zip(timed).enumerate() {
        if cut.get(i).copied().unwrap_or(false) {
            open = false;
            continue;
        }
        open &= !parted.get(i).copied().unwrap_or(false);
        // The segment's own start and end are better than those of its outer words.
        let from = if i == 0 { whole.from.min(interval.from) } else { interval.from };
        let to = if i == last { whole.to.max(interval.to) } else { interval.to };
        if !std::mem::replace(&mut open, true) {
            runs.push(Run { interval: Interval::new(from, to), words: Vec::new() });
        }
        if let Some(run) = runs.last_mut() {
            run.interval.to = to;
            run.words.push((word.clone(), interval));
        }
    }
    runs
}

/// Gives utterances their ids, unique per conversation.
#[derive(Debug, Default)]
pub(super) struct Ids {
    used: BTreeSet<(Party, i64)>,
}

impl Ids {
    /// Those used for speech from `from` on.
    pub(super) fn since(&self, from: Time) -> Vec<(Party, i64)> {
        self.used.iter().filter(|(_, ms)| *ms >= from.ms()).copied().collect()
    }

    /// Those used by another life of the call.
    pub(super) fn restore(&mut self, used: Vec<(Party, i64)>) {
        self.used.extend(used);
    }

    /// The id of an utterance of `party` from `start`. Two that begin in the same millisecond differ.
    pub(super) fn next(&mut self, key: &str, party: Party, start: Time) -> String {
        let mut ms = start.ms();
        while !self.used.insert((party, ms)) {
            ms += 1;
        }
        message_id(key, party, Time::from_ms(ms))
    }
}

impl Run {
    /// The text: words joined as the recogniser says.
    fn text(&self) -> String {
        let mut text = String::new();
        for (word, _) in &self.words {
            if word.space_before && !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&word.text);
        }
        text
    }

    pub(super) fn into_utterance(
        self,
        party: Party,
        key: String,
        sender: (SenderType, String),
        id: String,
    ) -> Utterance {
        let Interval { from, to } = self.interval;
        let message = Message {
            participant_id: sender.1,
            message_id: id,
            start_time: from.ms(),
            end_time: to.ms(),
            content: Spoken(self.text()),
            sender_type: sender.0,
        };
        let words = self
            .words
            .into_iter()
            .map(|(word, interval)| UtteranceWord {
                text: word.text,
                start_time: interval.from.ms(),
                end_time: interval.to.ms(),
                confidence: word.confidence,
                vocabulary_filter_match: word.vocabulary_filter_match,
                space_before: word.space_before,
            })
            .collect();
        Utterance { party, start: from, end: to, words, key, message }
    }
}

impl Utterance {
    /// The parts left when words are cut, each with the times of its own words. The first keeps the id if it
    /// still begins where the utterance did; `id` names the others.
    pub(super) fn without(self, cut: &[bool], mut id: impl FnMut(&str, Party, Time) -> String) -> Vec<Self> {
        let mut parts: Vec<Self> = Vec::new();
        let mut open = false;
        for (i, word) in self.words.iter().enumerate() {
            if cut.get(i).copied().unwrap_or(false) {
                open = false;
                continue;
            }
            if !std::mem::replace(&mut open, true) {
                let start = if i == 0 { self.start } else { Time::from_ms(word.start_time) };
                let mut message = self.message.clone();
                if i > 0 {
                    message.message_id = id(&self.key, self.party, start);
                }
                message.start_time = start.ms();
                message.content.0.clear();
                let (party, key) = (self.party, self.key.clone());
                parts.push(Self { party, start, end: start, words: Vec::new(), key, message });
            }
            if let Some(part) = parts.last_mut() {
                if word.space_before && !part.words.is_empty() {
                    part.message.content.0.push(' ');
                }
                part.message.content.0.push_str(&word.text);
                part.end = if i + 1 == self.words.len() { self.end } else { Time::from_ms(word.end_time) };
                part.message.end_time = part.end.ms();
                part.words.push(word.clone());
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: i64) -> Span {
        Span::from_ms(n)
    }
    fn at(n: i64) -> Time {
        Time::from_ms(n)
    }

    #[test]
    fn offsets_map_across_a_stretch_that_was_not_sent() {
        let mut map = SessionMap::new(1, 8000);
        map.sent(at(1000), 8000);
        map.sent(at(2000), 8000);
        map.sent(at(9000), 8000);
        for (offset, time) in [(0, 1000), (1500, 2500), (2000, 9000), (2999, 9999), (9999, 10_000)] {
            assert_eq!(map.time(ms(offset)), Some(at(time)), "offset {offset}");
        }
        assert_eq!(SessionMap::new(1, 8000).time(ms(0)), None);
        let end = map.interval(ms(1500), ms(2000)).unwrap().to;
        assert_eq!(end, at(3000), "an end belongs to the audio before it");
    }

    #[test]
    fn a_word_of_which_the_end_is_wrong_does_not_last_over_what_was_not_sent() {
        let mut map = SessionMap::new(1, 8000);
        map.sent(at(1000), 8000);
        map.sent(at(9000), 8000);
        let word = |start, end| Word::new("card", ms(start), ms(end));
        let card = map.word(&word(850, 1300)).unwrap();
        assert_eq!((card.from, card.to), (at(1850), at(2300)));
        let words = vec![word(200, 400), word(850, 1300)];
        let segment = Segment::new(1, Party::Agent, true, ms(200), ms(1350), words);
        let whole = map.speech(&segment).unwrap();
        assert_eq!((whole.from, whole.to), (at(1200), at(2350)));
    }

    #[test]
    fn silence_that_stands_in_for_late_audio_moves_no_time() {
        let mut map = SessionMap::new(1, 8000);
        map.filler(800);
        map.sent(at(1000), 8000);
        map.filler(16_000);
        map.sent(at(2000), 8000);
        map.sent(at(3000), 8000);
        for (offset, time) in
            [(50, 1000), (600, 1500), (2000, 2000), (3100, 2000), (3600, 2500), (5000, 3900)]
        {
            assert_eq!(map.time(ms(offset)), Some(at(time)), "offset {offset}");
        }
    }

    #[test]
    fn a_cut_in_the_middle_makes_two_utterances_with_true_times() {
        let words: Vec<Word> =
            (0..4).map(|i| Word::new(format!("w{i}"), ms(i * 100 + 10), ms(i * 100 + 90))).collect();
        let timed: Vec<Interval> =
            (0..4).map(|i| Interval::new(at(i * 100 + 10), at(i * 100 + 90))).collect();
        let segment = Segment::new(1, Party::Agent, true, ms(0), ms(400), words);
        let whole = Interval::new(at(0), at(400));
        let runs = runs(&segment, whole, timed, &[false, false, true, false], &[]);
        let said: Vec<_> =
            runs.iter().map(|r| (r.interval.from.ms(), r.interval.to.ms(), r.text())).collect();
        assert_eq!(said, [(0, 190, "w0 w1".into()), (310, 400, "w3".into())]);
    }

    #[test]
    fn ids_are_stable_and_never_twice_the_same() {
        let (mut a, mut b) = (Ids::default(), Ids::default());
        let first = a.next("k", Party::Agent, at(5));
        assert_eq!(first, b.next("k", Party::Agent, at(5)));
        assert_eq!(first, message_id("k", Party::Agent, at(5)));
        assert_ne!(first, a.next("k", Party::Agent, at(5)));
        assert_ne!(first, a.next("k", Party::Customer, at(5)));
    }
}
