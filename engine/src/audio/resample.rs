//! One channel from one sampling rate to another, as a stream.
//!
//! The filter is rubato's; this room makes it exact for a recording: the output starts where the input
//! starts, has the length the input asks for, and does not depend on how the input was cut.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _};

/// The lowest sampling rate accepted, hertz.
pub const MIN_RATE_HZ: u32 = 4_000;
/// The highest sampling rate accepted, hertz.
pub const MAX_RATE_HZ: u32 = 192_000;

/// Why audio could not be resampled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResampleError {
    /// The rate lies outside [`MIN_RATE_HZ`] to [`MAX_RATE_HZ`].
    #[error("a sampling rate of {0} Hz is not supported: it must lie between 4,000 and 192,000 Hz")]
    Rate(u32),
    /// The filter refused its input.
    #[error("the audio could not be resampled from {from_hz} to {to_hz} Hz: {reason}")]
    Filter {
        /// Rate of the input, hertz.
        from_hz: u32,
        /// Rate of the output, hertz.
        to_hz: u32,
        /// What the filter said.
        reason: String,
    },
}

/// Converts a stream of samples (−1 to 1) of one channel between two rates.
///
/// Deterministic: the same samples give the same output however they are cut into pushes. Sample `n` of
/// the output lies at the time of sample `n · from / to` of the input.
pub struct Resampler {
    filter: Option<Fft<f32>>,
    from_hz: u32,
    to_hz: u32,
    pending: Vec<f32>,
    block: Vec<f32>,
    /// Output samples still to be thrown away: the filter's delay.
    skip: usize,
    taken: u64,
    given: u64,
}

impl Resampler {
    /// A converter from `from_hz` to `to_hz`; equal rates pass the samples through.
    ///
    /// # Errors
    /// A rate outside 4,000 to 192,000 Hz.
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self, ResampleError> {
        for rate_hz in [from_hz, to_hz] {
            if !(MIN_RATE_HZ..=MAX_RATE_HZ).contains(&rate_hz) {
                return Err(ResampleError::Rate(rate_hz));
            }
        }
        let filter = if from_hz == to_hz {
            None
        } else {
            // Blocks of about 64 ms: long enough for a steep filter at telephone rates.
            let chunk = (from_hz / 16) as usize;
            let filter = Fft::new(from_hz as usize, to_hz as usize, chunk, 1, FixedSync::Both)
                .map_err(|e| ResampleError::Filter { from_hz, to_hz, reason: e.to_string() })?;
            Some(filter)
        };
        let skip = filter.as_ref().map_or(0, rubato::Resampler::output_delay);
        Ok(Self { filter, from_hz, to_hz, pending: Vec::new(), block: Vec::new(), skip, taken: 0, given: 0 })
    }

    /// Rate of the output, hertz.
    #[must_use]
    pub const fn rate_hz(&self) -> u32 {
        self.to_hz
    }

    /// Takes samples and appends what is ready to `out`.
    ///
    /// # Errors
    /// The filter refused its input.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) -> Result<(), ResampleError> {
        self.taken += samples.len() as u64;
        let Some(filter) = &self.filter else {
            out.extend_from_slice(samples);
            self.given += samples.len() as u64;
            return Ok(());
        };
        let need = filter.input_frames_next();
        self.pending.extend_from_slice(samples);
        let mut used = 0;
        while self.pending.len() - used >= need {
            let block = self.run(used, need)?;
            self.give(block, out);
            used += need;
        }
        self.pending.drain(..used);
        Ok(())
    }

    /// Says that the input is complete and appends the rest: the output then has
    /// `input length · to / from` samples, rounded to the nearest. The converter is new afterwards.
    ///
    /// # Errors
    /// The filter refused its input.
    pub fn finish(&mut self, out: &mut Vec<f32>) -> Result<(), ResampleError> {
        if let Some(filter) = &self.filter {
            let need = filter.input_frames_next();
            let total =
                (self.taken * u64::from(self.to_hz) + u64::from(self.from_hz) / 2) / u64::from(self.from_hz);
            while self.given < total {
                let have = self.pending.len().min(need);
                self.pending.resize(need, 0.0);
                let block = self.run(0, need)?;
                self.pending.clear();
                debug_assert!(have <= need);
                let start = out.len();
                self.give(block, out);
                let excess = self.given.saturating_sub(total);
                let keep = (out.len() - start).saturating_sub(usize::try_from(excess).unwrap_or(usize::MAX));
                out.truncate(start + keep);
                self.given -= excess;
            }
        }
        self.reset();
        Ok(())
    }

    fn reset(&mut self) {
        self.pending.clear();
        self.taken = 0;
        self.given = 0;
        if let Some(filter) = &mut self.filter {
            filter.reset();
            self.skip = filter.output_delay();
        }
    }

    /// Runs the filter over `need` pending samples from `at`; the result is in `self.block`.
    fn run(&mut self, at: usize, need: usize) -> Result<usize, ResampleError> {
        let Some(filter) = &mut self.filter else { return Ok(0) };
        let (from_hz, to_hz) = (self.from_hz, self.to_hz);
        let failed = |reason: String| ResampleError::Filter { from_hz, to_hz, reason };
        let room = filter.output_frames_next();
        self.block.resize(room, 0.0);
        let input = InterleavedSlice::new(&self.pending[at..at + need], 1, need)
            .map_err(|e| failed(e.to_string()))?;
        let mut output =
            InterleavedSlice::new_mut(&mut self.block, 1, room).map_err(|e| failed(e.to_string()))?;
        let (_, produced) = filter
            .process_into_buffer(&input, &mut output, Some(&Indexing::new()))
            .map_err(|e| failed(e.to_string()))?;
        Ok(produced)
    }

    fn give(&mut self, produced: usize, out: &mut Vec<f32>) {
        let skipped = self.skip.min(produced);
        self.skip -= skipped;
        out.extend_from_slice(&self.block[skipped..produced]);
        self.given += (produced - skipped) as u64;
    }
}

impl std::fmt::Debug for Resampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Resampler {{ {} Hz to {} Hz }}", self.from_hz, self.to_hz)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate_hz: u32, hz: f32, samples: usize) -> Vec<f32> {
        (0..samples).map(|n| 0.5 * (std::f32::consts::TAU * hz * n as f32 / rate_hz as f32).sin()).collect()
    }

    fn convert(from_hz: u32, to_hz: u32, input: &[f32], cut: usize) -> Vec<f32> {
        let mut resampler = Resampler::new(from_hz, to_hz).unwrap();
        let mut out = Vec::new();
        for chunk in input.chunks(cut) {
            resampler.push(chunk, &mut out).unwrap();
        }
        resampler.finish(&mut out).unwrap();
        out
    }

    #[test]
    fn any_cut_gives_the_same_and_the_length_is_right() {
        for (from, to) in [(8000, 16_000), (44_100, 8000), (11_025, 16_000), (192_000, 4000), (7919, 8000)] {
            let input = tone(from, 300.0, 20_011);
            let whole = convert(from, to, &input, input.len());
            let expected = (20_011.0 * f64::from(to) / f64::from(from)).round() as usize;
            assert_eq!(whole.len(), expected, "{from} to {to}");
            assert_eq!(convert(from, to, &input, 1), whole, "{from} to {to}");
            assert_eq!(convert(from, to, &input, 777), whole, "{from} to {to}");
        }
    }

    #[test]
    fn a_tone_stays_where_it_was() {
        for (from, to) in [(8000, 16_000), (44_100, 8000), (48_000, 16_000)] {
            let out = convert(from, to, &tone(from, 300.0, from as usize), 800);
            let expected = tone(to, 300.0, to as usize);
            // The filter needs a moment at both ends; a shift by a millisecond would differ by 0.9.
            let edge = to as usize / 20;
            let worst = out[edge..out.len() - edge]
                .iter()
                .zip(&expected[edge..])
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(worst < 0.03, "{from} to {to}: {worst}");
        }
    }

    #[test]
    fn a_click_at_the_start_comes_out_at_the_start_even_of_short_input() {
        let mut click = vec![0.0; 300];
        click[..8].fill(1.0);
        let out = convert(48_000, 8000, &click, 50);
        assert_eq!(out.len(), 50);
        let loudest = (0..50).max_by(|a, b| out[*a].abs().total_cmp(&out[*b].abs())).unwrap();
        assert!(loudest <= 2, "{loudest}");
        assert!(convert(48_000, 8000, &[], 1).is_empty());
    }

    #[test]
    fn rates_beyond_sense_are_refused() {
        for rate in [0, 3999, 192_001, u32::MAX] {
            assert_eq!(Resampler::new(rate, 8000).err(), Some(ResampleError::Rate(rate)));
        }
    }
}
