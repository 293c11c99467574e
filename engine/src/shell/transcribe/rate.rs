//! A session's audio at a rate that its engine takes: Medical wants 16 kHz, telephones have 8.
//!
//! Chunks in, chunks out: as long as the first one that came in, and each sample at the time it had, so that the
//! service's times need no correction. It knows no queue and no session.

use crate::audio::Resampler;
use crate::audio::pcm;
use crate::audio::resample::ResampleError;
use crate::recogniser::Channels;

/// Resamples interleaved 16-bit audio as a stream.
///
/// The filter works on 62.5 ms at a time and hears some 30 ms ahead: a chunk of 100 ms leaves when the next one
/// or the one after it has come.
#[derive(Debug)]
pub(super) struct Converter {
    lanes: Vec<Lane>,
    from_hz: u32,
    to_hz: u32,
    /// Samples of each channel in a chunk that goes out; the first chunk decides.
    frames: usize,
    finished: bool,
}

/// One channel: what is resampled and has not left yet.
#[derive(Debug)]
struct Lane {
    resampler: Resampler,
    input: Vec<f32>,
    ready: Vec<f32>,
}

impl Converter {
    /// From `from_hz` to `to_hz`.
    ///
    /// # Errors
    /// A rate that the filter does not take.
    pub(super) fn new(channels: Channels, from_hz: u32, to_hz: u32) -> Result<Self, ResampleError> {
        let lane = |_| {
            let resampler = Resampler::new(from_hz, to_hz)?;
            Ok(Lane { resampler, input: Vec::new(), ready: Vec::new() })
        };
        let lanes = channels.parties().iter().map(lane).collect::<Result<_, _>>()?;
        Ok(Self { lanes, from_hz, to_hz, frames: 0, finished: false })
    }

    /// Takes a chunk, signed 16 bits little-endian.
    ///
    /// # Errors
    /// The filter refused its input.
    pub(super) fn take(&mut self, chunk: &[u8]) -> Result<(), ResampleError> {
        let width = self.lanes.len().max(1);
        let frames = chunk.len() / 2 / width;
        if self.frames == 0 {
            let length = frames as u64 * u64::from(self.to_hz) / u64::from(self.from_hz.max(1));
            self.frames = usize::try_from(length).unwrap_or(usize::MAX).max(1);
        }
        for (channel, lane) in self.lanes.iter_mut().enumerate() {
            lane.input.clear();
            let samples = pcm::from_bytes(&chunk[..frames * width * 2]).skip(channel).step_by(width);
            lane.input.extend(samples.map(pcm::to_float));
            lane.resampler.push(&lane.input, &mut lane.ready)?;
        }
        Ok(())
    }

    /// No more will come: what the filter still holds is ready.
    ///
    /// # Errors
    /// The filter refused its input.
    pub(super) fn finish(&mut self) -> Result<(), ResampleError> {
        if !std::mem::replace(&mut self.finished, true) {
            for lane in &mut self.lanes {
                lane.resampler.finish(&mut lane.ready)?;
            }
        }
        Ok(())
    }

    /// The next whole chunk; when the audio is finished, also what is left.
    pub(super) fn give(&mut self) -> Option<Vec<u8>> {
        let ready = self.lanes.iter().map(|lane| lane.ready.len()).min().unwrap_or(0);
        let frames = if self.finished { ready.min(self.frames) } else { self.frames };
        if frames == 0 || ready < frames {
            return None;
        }
        let mut chunk = Vec::with_capacity(frames * self.lanes.len() * 2);
        for frame in 0..frames {
            for lane in &self.lanes {
                chunk.extend_from_slice(&pcm::from_float(lane.ready[frame]).to_le_bytes());
            }
        }
        for lane in &mut self.lanes {
            lane.ready.drain(..frames);
        }
        Some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A customer's tone and an agent's, interleaved at this rate.
    fn tones(rate_hz: u32, samples: usize) -> Vec<u8> {
        let sample = |hz: f64, n: usize| {
            ((std::f64::consts::TAU * hz * n as f64 / f64::from(rate_hz)).sin() * 8000.0) as i16
        };
        (0..samples).flat_map(|n| [sample(300.0, n), sample(1100.0, n)]).flat_map(i16::to_le_bytes).collect()
    }

    fn convert(input: &[u8], chunk: usize) -> Vec<Vec<u8>> {
        let mut converter = Converter::new(Channels::Both, 8000, 16_000).expect("both rates are fine");
        let mut out = Vec::new();
        for chunk in input.chunks(chunk) {
            converter.take(chunk).expect("taken");
            out.extend(std::iter::from_fn(|| converter.give()));
        }
        converter.finish().expect("finished");
        out.extend(std::iter::from_fn(|| converter.give()));
        out
    }

    #[test]
    fn twice_the_rate_is_the_same_sound_at_the_same_time_without_clicks() {
        let input = tones(8000, 8400);
        for ms in [50, 100, 200] {
            let chunks = convert(&input, ms * 8 * 4);
            let (last, whole) = chunks.split_last().expect("there is audio");
            assert!(whole.iter().all(|chunk| chunk.len() == ms * 16 * 4), "{ms} ms are {ms} ms");
            assert!(last.len() <= ms * 16 * 4);
            let heard: Vec<i16> = pcm::from_bytes(&chunks.concat()).collect();
            let truth: Vec<i16> = pcm::from_bytes(&tones(16_000, 16_800)).collect();
            assert_eq!(heard.len(), truth.len(), "nothing is lost at either end");
            // A seam, a swapped channel or a shift by one sample would differ by thousands.
            let edge = 2 * 16 * 20;
            for n in edge..truth.len() - edge {
                assert!((i32::from(heard[n]) - i32::from(truth[n])).abs() < 200, "{ms} ms, sample {n}");
            }
        }
    }

    #[test]
    fn chunks_leave_while_more_come_and_little_is_held_back() {
        let mut converter = Converter::new(Channels::Both, 8000, 16_000).expect("both rates are fine");
        let mut given = 0;
        for (taken, chunk) in tones(8000, 80_000).chunks(3200).enumerate() {
            converter.take(chunk).expect("taken");
            given += std::iter::from_fn(|| converter.give()).count();
            assert!(given + 2 > taken, "{given} of {}", taken + 1);
        }
    }

    #[test]
    fn no_audio_stays_none() {
        assert!(convert(&[], 1).is_empty());
    }
}
