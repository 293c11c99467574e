//! Speech that is final and is heard a second time: silent for the recogniser, so that no word comes twice.
//!
//! That happens when a session fails and its audio is sent again, and when another process goes on with the
//! call and reads the stream again from a little before the marks. Each party is silent up to its own mark,
//! moved to where least is said once the audio around it is known.

use crate::recogniser::Party;
use crate::time::{Span, Time};

use super::intervals::Interval;
use super::quiet;

/// Up to where one party's speech is final.
#[derive(Debug, Clone, Copy)]
struct Mark {
    party: Party,
    said: Time,
    /// Where to cut, once that is known.
    cut: Option<Time>,
}

/// The final speech among audio that is heard again.
#[derive(Debug, Default)]
pub(super) struct Known {
    marks: Vec<Mark>,
    error_ms: u32,
    /// Where the recogniser heard a pause that is not in the audio.
    pauses: Vec<Time>,
}

/// The audio in which to look for quiet.
pub(super) struct Around<'a> {
    pub(super) rate_hz: u32,
    /// The audio that is known.
    pub(super) known: Interval,
    /// More of it will come, and is waited for.
    pub(super) more: bool,
    /// Samples of a party from one time to another, silence where there is nothing.
    pub(super) samples: &'a dyn Fn(Party, Time, Time) -> Vec<i16>,
}

impl Known {
    /// All before `marks`, by channel, was said to be final by a recogniser wrong by up to `error_ms`, which heard
    /// silence at `pauses` where media was late.
    pub(super) fn new(marks: [Option<Time>; 2], error_ms: u32, pauses: Vec<Time>) -> Self {
        let mark = |party: Party| Some(Mark { party, said: marks[party.channel()]?, cut: None });
        Self { marks: Party::ALL.into_iter().filter_map(mark).collect(), error_ms, pauses }
    }

    /// Nothing is final that is still to come.
    pub(super) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// How far from a window the audio matters.
    pub(super) fn reach(&self) -> Span {
        quiet::needed(self.error_ms) + quiet::needed(self.error_ms)
    }

    /// Up to where each party's speech in `window` is final, by channel; `None` while the audio around a mark is
    /// missing. Windows are asked for in order: a mark before one is forgotten.
    pub(super) fn within(&mut self, window: Interval, around: &Around<'_>) -> Option<[Option<Interval>; 2]> {
        // The same window may be asked for again, while it has to wait.
        self.marks.retain(|mark| mark.cut.is_none_or(|cut| cut > window.from));
        let needed = quiet::needed(self.error_ms);
        let (error_ms, pauses) = (self.error_ms, &self.pauses);
        let mut parts = [None; 2];
        for mark in &mut self.marks {
            if mark.cut.is_none() && window.to > mark.said - needed {
                if around.more && around.known.to < mark.said + needed {
                    return None;
                }
                mark.cut = Some(cut(mark, needed, error_ms, pauses, around));
            }
            let until = mark.cut.unwrap_or(mark.said);
            parts[mark.party.channel()] = Interval::new(Time::MIN, until).intersection(window);
        }
        Some(parts)
    }
}

fn cut(mark: &Mark, needed: Span, error_ms: u32, pauses: &[Time], around: &Around<'_>) -> Time {
    let window = Interval::new(mark.said - needed, mark.said + needed);
    let Some(window) = window.intersection(around.known) else { return mark.said };
    let samples = (around.samples)(mark.party, window.from, window.to);
    let position = |at: Time| (at - window.from).samples(around.rate_hz);
    let heard = pauses.iter().map(|at| position(*at));
    let at = quiet::quietest(&samples, position(mark.said), around.rate_hz, error_ms, heard);
    window.from + Span::from_samples(at, around.rate_hz)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Time {
        Time::from_ms(ms)
    }

    #[test]
    fn a_window_that_has_to_wait_is_as_silent_when_it_is_asked_for_again() {
        let mut known = Known::new([Some(at(1_050)), None], 20, Vec::new());
        let loud = |_, from: Time, to: Time| vec![5000; ((to - from).ms() * 8) as usize];
        let around =
            |to| Around { rate_hz: 8000, known: Interval::new(at(0), at(to)), more: true, samples: &loud };
        let window = Interval::new(at(1_000), at(1_100));
        assert_eq!(known.within(window, &around(1_100)), None, "the audio behind the mark may be quieter");
        for _ in 0..3 {
            let parts = known.within(window, &around(2_000)).unwrap();
            assert_eq!(parts, [Some(Interval::new(at(1_000), at(1_050))), None]);
        }
        let next = Interval::new(at(1_100), at(1_200));
        assert_eq!(known.within(next, &around(2_000)), Some([None, None]));
    }
}
