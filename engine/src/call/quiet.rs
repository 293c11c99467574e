//! Where to cut between what is final and what is to be heard again: where least is said.
//!
//! A recogniser's times are off by some hundred milliseconds. Cut exactly at the end of the last final word, the
//! rest of that word would be heard again, or the next would lose its beginning.

use crate::time::Span;

/// How far from the mark the quietest point is looked for, at least.
const REACH: Span = Span::from_ms(300);
/// Beyond the recogniser's stated error, how much further.
const BEYOND: Span = Span::from_ms(200);
/// Quiet has to last as long as this to count: longer than the stop of a consonant, shorter than a pause.
const LENGTH: Span = Span::from_ms(160);
const STEP: Span = Span::from_ms(10);

/// How far around a mark the audio must be known, for a recogniser that is wrong by up to `error_ms`.
pub(super) fn reach(error_ms: u32) -> Span {
    let error = Span::from_ms(i64::from(error_ms));
    Span::from_us(REACH.us().max((error + BEYOND).us()))
}

/// The audio that must be known beyond the mark on either side to look for its quietest point.
pub(super) fn needed(error_ms: u32) -> Span {
    reach(error_ms) + Span::from_us(LENGTH.us() / 2)
}

/// Where to cut: the middle of the quietest stretch among `samples`, nearest to the mark among equals. The mark
/// lies at `mark`; all three are positions in `samples` at `rate_hz`.
pub(super) fn quietest(samples: &[i16], mark: usize, rate_hz: u32, error_ms: u32) -> usize {
    let step = usize::try_from(STEP.samples(rate_hz)).unwrap_or(1).max(1);
    let reach = usize::try_from(reach(error_ms).samples(rate_hz)).unwrap_or(0);
    let half = usize::try_from(LENGTH.samples(rate_hz)).unwrap_or(0) / 2;
    let loudness: Vec<u64> =
        samples.chunks(step).map(|c| c.iter().map(|s| u64::from(s.unsigned_abs())).sum()).collect();
    let around = |at: usize| -> u64 {
        let (from, to) = (at.saturating_sub(half) / step, (at + half).div_ceil(step));
        loudness.get(from..to.min(loudness.len())).map_or(0, |part| part.iter().sum())
    };
    let candidates = (mark.saturating_sub(reach)..=mark + reach).step_by(step).chain([mark]);
    let inside = candidates.filter(|at| *at <= samples.len());
    inside.min_by_key(|at| (around(*at), at.abs_diff(mark))).unwrap_or(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loud but in these milliseconds, a second in all.
    fn speech(quiet: &[std::ops::Range<usize>]) -> Vec<i16> {
        (0..8000).map(|i| if quiet.iter().any(|q| q.contains(&(i / 8))) { 3 } else { 5000 }).collect()
    }
    fn cut_ms(samples: &[i16], mark_ms: usize, error_ms: u32) -> usize {
        quietest(samples, mark_ms * 8, 8000, error_ms) / 8
    }

    #[test]
    fn the_pause_between_two_words_is_found_however_wrong_the_mark_is() {
        let samples = speech(&[400..600]);
        for mark_ms in [250, 400, 500, 600, 750] {
            let cut = cut_ms(&samples, mark_ms, 100);
            assert!((470..=530).contains(&cut), "mark at {mark_ms}: {cut}");
        }
        assert!((470..=530).contains(&cut_ms(&samples, 900, 400)), "a recogniser that says it is worse");
    }

    #[test]
    fn a_short_stop_inside_a_word_is_not_taken_for_a_pause() {
        let samples = speech(&[280..310, 500..700]);
        let cut = cut_ms(&samples, 330, 100);
        assert!((570..=630).contains(&cut), "{cut}");
    }

    #[test]
    fn in_silence_the_mark_stands() {
        assert_eq!(cut_ms(&vec![0; 8000], 430, 100), 430);
        assert_eq!(cut_ms(&[], 430, 100), 430);
    }
}
