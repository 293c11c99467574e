//! One party's samples on their way out: resampled to the rate asked for and placed in time.

use super::error::AudioError;
use super::pcm;
use super::recording::Block;
use super::resample::{MAX_RATE_HZ, MIN_RATE_HZ, ResampleError, Resampler};
use crate::recogniser::Party;
use crate::time::Span;

/// Timestamps are often rounded to milliseconds: only a larger step is a gap or an overlap.
const JITTER_US: i64 = 30_000;

/// Samples of one party between the decoder and the reader.
pub(super) struct Lane {
    party: Party,
    from_hz: u32,
    resampler: Resampler,
    /// Time of the first sample since the last gap.
    base: Span,
    /// Samples taken and given since then.
    taken: i64,
    given: i64,
    scratch: Vec<f32>,
}

impl Lane {
    /// For samples at `from_hz`, given out at `to_hz` or as they are.
    pub(super) fn new(party: Party, from_hz: u32, to_hz: Option<u32>) -> Result<Self, AudioError> {
        if !(MIN_RATE_HZ..=MAX_RATE_HZ).contains(&from_hz) {
            return Err(ResampleError::Rate(from_hz).into());
        }
        let resampler = Resampler::new(from_hz, to_hz.unwrap_or(from_hz))?;
        Ok(Self { party, from_hz, resampler, base: Span::ZERO, taken: 0, given: 0, scratch: Vec::new() })
    }

    pub(super) fn input_hz(&self) -> u32 {
        self.from_hz
    }

    /// Takes samples; `at` is the container's time of the first one, `None` where they follow the last.
    pub(super) fn push(
        &mut self,
        at: Option<Span>,
        samples: &[f32],
        out: &mut impl Extend<Block>,
    ) -> Result<(), AudioError> {
        if let Some(at) = at {
            let expected = self.base + Span::from_samples(self.taken, self.from_hz);
            let step = at - expected;
            if self.taken == 0 || step.us().saturating_abs() > JITTER_US {
                self.finish(out)?;
                self.base = at;
            }
        }
        self.taken += i64::try_from(samples.len()).unwrap_or(i64::MAX);
        let mut fresh = std::mem::take(&mut self.scratch);
        fresh.clear();
        let result = self.resampler.push(samples, &mut fresh);
        self.give(&fresh, out);
        self.scratch = fresh;
        Ok(result?)
    }

    /// Gives out what the resampler still holds.
    pub(super) fn finish(&mut self, out: &mut impl Extend<Block>) -> Result<(), AudioError> {
        let mut rest = Vec::new();
        self.resampler.finish(&mut rest)?;
        self.give(&rest, out);
        self.base = self.base + Span::from_samples(self.taken, self.from_hz);
        self.taken = 0;
        self.given = 0;
        Ok(())
    }

    fn give(&mut self, samples: &[f32], out: &mut impl Extend<Block>) {
        if samples.is_empty() {
            return;
        }
        let rate_hz = self.resampler.rate_hz();
        let start = self.base + Span::from_samples(self.given, rate_hz);
        self.given += i64::try_from(samples.len()).unwrap_or(i64::MAX);
        let samples = samples.iter().map(|s| pcm::from_float(*s)).collect();
        out.extend([Block { party: self.party, start, samples, rate_hz }]);
    }
}
