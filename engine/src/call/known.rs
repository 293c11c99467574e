//! Speech that is final and is heard a second time: silent for the recogniser, so that no word comes twice.
//!
//! That happens when a session fails and its audio is sent again, and when another process goes on with the
//! call and reads the stream again from a little before the marks. Each edge is moved to where least is said,
//! once the audio around it is known.

use crate::recogniser::Party;
use crate::time::{Span, Time};

use super::intervals::Interval;
use super::quiet;

/// One end of a stretch of final speech.
#[derive(Debug, Clone, Copy)]
struct Edge {
    said: Time,
    /// Where to cut, once that is known.
    cut: Option<Time>,
}

/// A stretch of one party's final speech.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    party: Party,
    from: Edge,
    to: Edge,
}

/// The final speech among audio that is heard again.
#[derive(Debug, Default)]
pub(super) struct Known {
    stretches: Vec<Stretch>,
    error_ms: u32,
}

/// The audio in which to look for quiet.
pub(super) struct Around<'a> {
    pub(super) rate_hz: u32,
    /// Up to here audio is known; `Time::MAX` where no more will come.
    pub(super) until: Time,
    /// Samples of a party from one time to another, silence where there is nothing.
    pub(super) samples: &'a dyn Fn(Party, Time, Time) -> Vec<i16>,
}

impl Known {
    /// All before `marks` is final, and of `beyond` too, said by a recogniser wrong by up to `error_ms`.
    pub(super) fn new(marks: [Option<Time>; 2], beyond: &[Vec<Interval>; 2], error_ms: u32) -> Self {
        let mut stretches = Vec::new();
        for party in Party::ALL {
            let mark = marks[party.channel()].map(|mark| Interval::new(Time::MIN, mark));
            for Interval { from, to } in mark.into_iter().chain(beyond[party.channel()].iter().copied()) {
                let began = (from == Time::MIN).then_some(from);
                let (from, to) = (Edge { said: from, cut: began }, Edge { said: to, cut: None });
                stretches.push(Stretch { party, from, to });
            }
        }
        Self { stretches, error_ms }
    }

    /// The final speech within `window`, by channel; `None` while the audio around one of its edges is missing.
    /// Windows are asked for in order: what ends before one is forgotten.
    pub(super) fn within(&mut self, window: Interval, around: &Around<'_>) -> Option<[Vec<Interval>; 2]> {
        let mut parts: [Vec<Interval>; 2] = Default::default();
        if self.stretches.is_empty() {
            return Some(parts);
        }
        let needed = quiet::needed(self.error_ms);
        for stretch in &mut self.stretches {
            let party = stretch.party;
            for edge in [&mut stretch.from, &mut stretch.to] {
                if edge.cut.is_none() && window.to > edge.said - needed {
                    if around.until < edge.said + needed {
                        return None;
                    }
                    edge.cut = Some(cut(edge.said, needed, self.error_ms, party, around));
                }
            }
            let to = stretch.to.cut.unwrap_or(stretch.to.said);
            let part = stretch.from.cut.and_then(|from| Interval::new(from, to).intersection(window));
            parts[party.channel()].extend(part);
        }
        self.stretches.retain(|s| s.to.cut.is_none_or(|cut| cut > window.to));
        Some(parts)
    }
}

fn cut(said: Time, needed: Span, error_ms: u32, party: Party, around: &Around<'_>) -> Time {
    let start = said - needed;
    let samples = (around.samples)(party, start, said + needed);
    let mark = usize::try_from(needed.samples(around.rate_hz)).unwrap_or(0);
    let at = quiet::quietest(&samples, mark, around.rate_hz, error_ms);
    start + Span::from_samples(i64::try_from(at).unwrap_or(0), around.rate_hz)
}
