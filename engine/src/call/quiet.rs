//! Where to cut between what is final and what is to be heard again: where least is said.
//!
//! A recogniser's times are off by some hundred milliseconds. Cut exactly at the end of the last final word, the
//! rest of that word would be heard again, or the next would lose its beginning.

use crate::time::Span;

/// Beyond the recogniser's stated error, how much further the quietest point is looked for.
const BEYOND: Span = Span::from_ms(100);
/// Quiet has to last about as long as this to count: longer than the stop of a consonant, shorter than a pause.
const LENGTH: Span = Span::from_ms(160);
const STEP: Span = Span::from_ms(10);

/// How far from a mark the cut may be, for a recogniser that is wrong by up to `error_ms`.
fn reach(error_ms: u32) -> Span {
    Span::from_ms(i64::from(error_ms)) + BEYOND
}

/// The audio that has to be known on either side of a mark to find the quietest point around it.
pub(super) fn needed(error_ms: u32) -> Span {
    reach(error_ms) + Span::from_us(LENGTH.us() / 2)
}

/// Where to cut: in the middle of a stretch that is about as quiet as any around, the nearest to the mark. All are
/// positions in `samples` at `rate_hz`; the mark may lie outside them.
pub(super) fn quietest(samples: &[i16], mark: i64, rate_hz: u32, error_ms: u32) -> i64 {
    let step = usize::try_from(STEP.samples(rate_hz)).unwrap_or(1).max(1);
    let reach = reach(error_ms).samples(rate_hz);
    let half = LENGTH.samples(rate_hz) / 2;
    let loudness: Vec<u64> = samples
        .chunks(step)
        .map(|c| c.iter().map(|s| u64::from(s.unsigned_abs())).sum::<u64>() / c.len() as u64)
        .collect();
    // The mean, since near the ends of what is known less is known.
    let around = |at: i64| -> Option<u64> {
        let index = |at: i64| usize::try_from(at).unwrap_or(0) / step;
        let part = loudness.get(index(at - half)..index(at + half).min(loudness.len()))?;
        (!part.is_empty()).then(|| part.iter().sum::<u64>() / part.len() as u64)
    };
    let length = i64::try_from(samples.len()).unwrap_or(i64::MAX);
    let places =
        (mark - reach..=mark + reach).step_by(step).chain([mark]).filter(|at| (0..=length).contains(at));
    let heard: Vec<(i64, u64)> = places.filter_map(|at| Some((at, around(at)?))).collect();
    let least = heard.iter().map(|(_, loud)| *loud).min().unwrap_or(0);
    let most = heard.iter().map(|(_, loud)| *loud).max().unwrap_or(0);
    let quiet = least + least / 4 + most / 16;
    let nearest = heard.iter().filter(|(_, loud)| *loud <= quiet).min_by_key(|(at, _)| (at - mark).abs());
    nearest.map_or(mark, |(at, _)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loud but in these milliseconds, a second in all.
    fn speech(quiet: &[std::ops::Range<usize>]) -> Vec<i16> {
        (0..8000).map(|i| if quiet.iter().any(|q| q.contains(&(i / 8))) { 3 } else { 5000 }).collect()
    }
    fn cut_ms(samples: &[i16], mark_ms: i64, error_ms: u32) -> i64 {
        quietest(samples, mark_ms * 8, 8000, error_ms) / 8
    }

    #[test]
    fn the_pause_between_two_words_is_found_however_wrong_the_mark_is() {
        let samples = speech(&[400..600, 990..1000]);
        for mark_ms in [300, 400, 500, 600, 700] {
            let cut = cut_ms(&samples, mark_ms, 100);
            assert!((470..=530).contains(&cut), "mark at {mark_ms}: {cut}");
        }
        assert!((470..=530).contains(&cut_ms(&samples, 900, 400)), "a recogniser that says it is worse");
    }

    #[test]
    fn a_short_stop_inside_a_word_is_not_taken_for_a_pause() {
        let samples = speech(&[280..310, 500..700]);
        let cut = cut_ms(&samples, 420, 100);
        assert!((570..=630).contains(&cut), "{cut}");
    }

    #[test]
    fn of_stops_much_alike_the_nearest_is_taken() {
        let mut samples = speech(&[300..380, 560..640]);
        samples[..2400].iter_mut().for_each(|s| *s -= 200);
        let cut = cut_ms(&samples, 600, 200);
        assert!((570..=630).contains(&cut), "{cut}");
    }

    #[test]
    fn in_silence_the_mark_stands_and_what_is_not_known_is_not_quiet() {
        assert_eq!(cut_ms(&vec![0; 8000], 430, 100), 430);
        assert_eq!(cut_ms(&[], 430, 100), 430);
        let cut = cut_ms(&speech(&[850..900, 0..10])[..7600], 900, 100);
        assert!((840..=910).contains(&cut), "{cut}");
    }
}
