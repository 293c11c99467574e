//! Times for words that the model wrote without any: spread over the voice of the utterance.
//!
//! Each word gets a part of the voiced time in proportion to its length; pauses inside the utterance belong
//! to no word. It must never know how the words were found.

use super::decode::Written;
use super::mel::RATE_HZ;
use crate::recogniser::Word;
use crate::time::Span;

/// How far the start and end of an utterance may lie from the truth, milliseconds.
pub(crate) const ERROR_MS: u32 = 200;

/// Places `written` on the voiced runs (`start..end`, samples at 16 kHz).
pub(crate) fn spread(written: Vec<Written>, runs: &[(u64, u64)]) -> Vec<Word> {
    let total: u64 = runs.iter().map(|(start, end)| end - start).sum();
    // A word of n letters takes as long as n letters and the gap behind it.
    let weight = |word: &Written| word.text.chars().filter(|c| c.is_alphanumeric()).count() as u64 + 1;
    let sum: u64 = written.iter().map(weight).sum::<u64>().max(1);
    let mut before = 0;
    written
        .into_iter()
        .map(|word| {
            let from = voiced(before * total / sum, runs, false);
            before += weight(&word);
            let to = voiced(before * total / sum, runs, true);
            let mut timed = Word::new(word.text, span(from), span(to.max(from)));
            timed.confidence = Some(word.confidence);
            timed.space_before = word.space_before;
            timed
        })
        .collect()
}

/// The position after `voice` samples of voice; at the seam of two runs the end of the first or the start
/// of the second.
fn voiced(voice: u64, runs: &[(u64, u64)], as_end: bool) -> u64 {
    let mut left = voice;
    for (start, end) in runs {
        let length = end - start;
        if left < length || (as_end && left == length) {
            return start + left;
        }
        left -= length;
    }
    runs.last().map_or(0, |run| run.1)
}

/// The time of a position at 16 kHz.
pub(crate) fn span(position: u64) -> Span {
    Span::from_samples(i64::try_from(position).unwrap_or(i64::MAX), RATE_HZ)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_fill_the_voice_and_leave_the_pause() {
        let word = |text: &str| Written { text: text.to_owned(), confidence: 0.5, space_before: true };
        // 0.4 s of voice, a pause of 1 s, 0.4 s of voice; four words of equal length.
        let runs = [(16_000, 22_400), (38_400, 44_800)];
        let words = spread(vec![word("abc"), word("def."), word("ghi"), word("jkl")], &runs);
        let times: Vec<(i64, i64)> = words.iter().map(|w| (w.start.ms(), w.end.ms())).collect();
        assert_eq!(times, [(1000, 1200), (1200, 1400), (2400, 2600), (2600, 2800)]);
        assert_eq!(words[1].text, "def.");
        assert_eq!(words[0].confidence, Some(0.5));
    }
}
