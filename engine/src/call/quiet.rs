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
/// Mean amplitude below which nobody speaks, whatever else there is.
const NOISE: u64 = 100;

/// How far from a mark the cut may be, for a recogniser that is wrong by up to `error_ms`.
fn reach(error_ms: u32) -> Span {
    Span::from_ms(i64::from(error_ms)) + BEYOND
}

/// The audio that has to be known on either side of a mark to find the quietest point around it.
pub(super) fn needed(error_ms: u32) -> Span {
    reach(error_ms) + Span::from_us(LENGTH.us() / 2)
}

/// Where to cut, as near to the mark as may be: in the pause that ends the speech, for a recogniser may put its end
/// in front of its last word; without a pause in the middle of a stretch that is about as quiet as any. All are
/// positions in `samples` at `rate_hz`; the mark may lie outside them. At `heard` the recogniser heard a pause that
/// is not in the samples.
pub(super) fn quietest(
    samples: &[i16],
    mark: i64,
    rate_hz: u32,
    error_ms: u32,
    heard: impl Iterator<Item = i64>,
) -> i64 {
    let sound = Sound::new(samples, rate_hz);
    let pauses = sound.pauses();
    let error = Span::from_ms(i64::from(error_ms)).samples(rate_hz);
    let heard = heard.filter(|at| (at - mark).abs() <= error).max();
    // The mark itself is there, or the pause is the last.
    let is_it = |at: &i64| (at - mark).abs() <= 1 || pauses.last().is_none_or(|(from, _)| from <= at);
    if let Some(heard) = heard.filter(is_it) {
        return heard;
    }
    if let Some((from, to)) = pauses.last() {
        let from = if *from == 0 { 0 } else { from + sound.half };
        return mark.clamp(from, (to - sound.half).max(from));
    }
    let reach = reach(error_ms).samples(rate_hz);
    let length = i64::try_from(samples.len()).unwrap_or(i64::MAX);
    let places = (mark - reach..=mark + reach).step_by(sound.step).chain([mark]);
    let known = places.filter(|at| (0..=length).contains(at));
    let heard: Vec<(i64, u64)> = known.filter_map(|at| Some((at, sound.around(at)?))).collect();
    let least = heard.iter().map(|(_, loud)| *loud).min().unwrap_or(0);
    let quiet = least + least / 4;
    let nearest = heard.iter().filter(|(_, loud)| *loud <= quiet).min_by_key(|(at, _)| (at - mark).abs());
    nearest.map_or(mark, |(at, _)| *at)
}

/// How loud it is, step by step.
struct Sound {
    step: usize,
    /// Half a pause, in samples.
    half: i64,
    loudness: Vec<u64>,
}

impl Sound {
    fn new(samples: &[i16], rate_hz: u32) -> Self {
        let step = usize::try_from(STEP.samples(rate_hz)).unwrap_or(1).max(1);
        let mean = |c: &[i16]| c.iter().map(|s| u64::from(s.unsigned_abs())).sum::<u64>() / c.len() as u64;
        let loudness = samples.chunks(step).map(mean).collect();
        Self { step, half: LENGTH.samples(rate_hz) / 2, loudness }
    }

    /// Mean loudness around a position: near the ends of what is known less is known.
    fn around(&self, at: i64) -> Option<u64> {
        let index = |at: i64| usize::try_from(at).unwrap_or(0) / self.step;
        let to = index(at + self.half).min(self.loudness.len());
        let part = self.loudness.get(index(at - self.half)..to).filter(|part| !part.is_empty())?;
        Some(part.iter().sum::<u64>() / part.len() as u64)
    }

    /// Stretches in which nothing is said, from and to.
    fn pauses(&self) -> Vec<(i64, i64)> {
        let noise = NOISE.max(self.loudness.iter().copied().max().unwrap_or(0) / 16);
        let position = |index: usize| i64::try_from(index * self.step).unwrap_or(i64::MAX);
        let mut pauses = Vec::new();
        let mut from = 0;
        for (i, loud) in self.loudness.iter().map(|l| *l > noise).chain([true]).enumerate() {
            if loud {
                let pause = (position(from), position(i));
                if pause.1 - pause.0 >= 2 * self.half && i > from {
                    pauses.push(pause);
                }
                from = i + 1;
            }
        }
        pauses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loud but in these milliseconds, a second in all.
    fn speech(quiet: &[std::ops::Range<usize>]) -> Vec<i16> {
        (0..8000).map(|i| if quiet.iter().any(|q| q.contains(&(i / 8))) { 3 } else { 5000 }).collect()
    }
    fn cut_ms(samples: &[i16], mark_ms: i64, error_ms: u32) -> i64 {
        quietest(samples, mark_ms * 8, 8000, error_ms, [].into_iter()) / 8
    }

    #[test]
    fn the_pause_between_two_words_is_found_however_wrong_the_mark_is() {
        let samples = speech(&[400..600, 990..1000]);
        for mark_ms in [100, 300, 400, 500, 600, 900] {
            let cut = cut_ms(&samples, mark_ms, 400);
            assert!((480..=520).contains(&cut), "mark at {mark_ms}: {cut}");
        }
    }

    #[test]
    fn a_word_that_ends_later_than_is_said_is_not_heard_again() {
        let samples = speech(&[0..500, 680..1000]);
        assert!((760..=920).contains(&cut_ms(&samples, 400, 400)), "the pause behind the word");
    }

    #[test]
    fn a_pause_that_only_the_recogniser_heard_is_one() {
        // Media was late behind the word, and silence stood in for it.
        let samples = speech(&[150..400, 600..640]);
        let cut = |mark_ms: i64, error_ms, heard_ms: i64| {
            quietest(&samples, mark_ms * 8, 8000, error_ms, [heard_ms * 8].into_iter()) / 8
        };
        assert_eq!(cut(500, 400, 640), 640);
        assert_eq!(cut(900, 400, 640), 640);
        assert!(cut(500, 20, 640) != 640, "an exact recogniser did not mean that one");
        assert!(cut(300, 400, 100) > 200, "there is a pause behind it");
        assert_eq!(cut(100, 400, 100), 100, "what is behind the mark was not heard yet");
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
