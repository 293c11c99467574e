//! The picture Whisper looks at: the logarithm of mel-band energies, 100 columns a second.
//!
//! Follows `whisper/audio.py`: 25 ms Hann windows every 10 ms, Slaney mel bands, decimal logarithm with a
//! floor 8 below the maximum, scaled to about −1 to 1. Computed only where there is audio; the padding to
//! 30 s is the floor. It must never know where the audio came from.

use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};

/// Sampling rate of the model's input, hertz.
pub(crate) const RATE_HZ: u32 = 16_000;
/// Length of the model's view, samples.
pub(crate) const VIEW_SAMPLES: usize = 30 * 16_000;
/// Columns of the picture.
pub(crate) const FRAMES: usize = 3_000;
const WINDOW: usize = 400;
const HOP: usize = 160;
const BINS: usize = WINDOW / 2 + 1;

/// Computes log-mel pictures with a given number of bands.
pub(crate) struct LogMel {
    bands: usize,
    /// `bands` rows of `BINS` weights.
    filters: Vec<f32>,
    window: Vec<f32>,
    fft: Arc<dyn RealToComplex<f32>>,
}

impl LogMel {
    pub(crate) fn new(bands: usize) -> Self {
        let window = (0..WINDOW)
            .map(|n| {
                let angle = std::f64::consts::TAU * n as f64 / WINDOW as f64;
                (0.5 - 0.5 * angle.cos()) as f32
            })
            .collect();
        Self {
            bands,
            filters: mel_filters(bands),
            window,
            fft: RealFftPlanner::new().plan_fft_forward(WINDOW),
        }
    }

    /// The picture of up to 30 s of audio, band after band, [`FRAMES`] columns each.
    pub(crate) fn picture(&self, samples: &[f32]) -> Vec<f32> {
        let samples = &samples[..samples.len().min(VIEW_SAMPLES)];
        let mut picture = vec![-10.0_f32; self.bands * FRAMES];
        let mut frame = vec![0.0_f32; WINDOW];
        let mut spectrum = self.fft.make_output_vec();
        let mut power = [0.0_f32; BINS];
        // A window that begins behind the last sample holds nothing but padding.
        let columns = (samples.len() + WINDOW / 2).div_ceil(HOP).min(FRAMES);
        for column in 0..columns {
            for (n, (slot, window)) in frame.iter_mut().zip(&self.window).enumerate() {
                *slot = window * at(samples, column * HOP + n);
            }
            if self.fft.process(&mut frame, &mut spectrum).is_err() {
                break; // lengths are ours: cannot happen
            }
            for (p, c) in power.iter_mut().zip(&spectrum) {
                *p = c.norm_sqr();
            }
            for (band, weights) in self.filters.chunks_exact(BINS).enumerate() {
                let energy: f32 = weights.iter().zip(&power).map(|(w, p)| w * p).sum();
                picture[band * FRAMES + column] = energy.max(1e-10).log10();
            }
        }
        let floor = picture.iter().copied().fold(f32::MIN, f32::max) - 8.0;
        for value in &mut picture {
            *value = (value.max(floor) + 4.0) / 4.0;
        }
        picture
    }
}

/// Sample `position` of the audio with half a window reflected in front of it and silence behind.
fn at(samples: &[f32], position: usize) -> f32 {
    let index = position.abs_diff(WINDOW / 2);
    samples.get(index).copied().unwrap_or(0.0)
}

/// The Slaney mel filters of `librosa.filters.mel(sr=16000, n_fft=400, n_mels=bands)`: triangles whose
/// corners are equally spaced on a scale linear below 1 kHz and logarithmic above, each of area one.
fn mel_filters(bands: usize) -> Vec<f32> {
    let step = f64::from(RATE_HZ) / WINDOW as f64;
    let top = hz_to_mel(f64::from(RATE_HZ) / 2.0);
    let corners: Vec<f64> = (0..bands + 2).map(|i| mel_to_hz(top * i as f64 / (bands + 1) as f64)).collect();
    let mut filters = Vec::with_capacity(bands * BINS);
    for corner in corners.windows(3) {
        let (low, mid, high) = (corner[0], corner[1], corner[2]);
        let area = 2.0 / (high - low);
        for bin in 0..BINS {
            let hz = bin as f64 * step;
            let rising = (hz - low) / (mid - low);
            let falling = (high - hz) / (high - mid);
            filters.push((rising.min(falling).max(0.0) * area) as f32);
        }
    }
    filters
}

const LINEAR_HZ_PER_MEL: f64 = 200.0 / 3.0;
const BREAK_HZ: f64 = 1000.0;
const BREAK_MEL: f64 = BREAK_HZ / LINEAR_HZ_PER_MEL;

fn log_step() -> f64 {
    6.4_f64.ln() / 27.0
}

fn hz_to_mel(hz: f64) -> f64 {
    if hz < BREAK_HZ { hz / LINEAR_HZ_PER_MEL } else { BREAK_MEL + (hz / BREAK_HZ).ln() / log_step() }
}

fn mel_to_hz(mel: f64) -> f64 {
    if mel < BREAK_MEL { mel * LINEAR_HZ_PER_MEL } else { BREAK_HZ * ((mel - BREAK_MEL) * log_step()).exp() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_known_values_of_librosa() {
        // librosa.filters.mel(sr=16000, n_fft=400, n_mels=80): row 0, bin 1 and row 79, bin 199.
        let filters = mel_filters(80);
        assert!((filters[1] - 0.024_862_593).abs() < 1e-6, "{}", filters[1]);
        let rows: Vec<f32> = filters.chunks_exact(BINS).map(|row| row.iter().sum::<f32>() * 40.0).collect();
        assert!(rows.iter().all(|area| (0.5..1.5).contains(area)), "{rows:?}");
    }

    #[test]
    fn a_tone_stands_in_its_band_and_silence_is_flat() {
        let mel = LogMel::new(80);
        let tone: Vec<f32> =
            (0..16_000).map(|n| (std::f32::consts::TAU * 1000.0 * n as f32 / 16_000.0).sin() * 0.5).collect();
        let picture = mel.picture(&tone);
        let column: Vec<f32> = (0..80).map(|band| picture[band * FRAMES + 50]).collect();
        let loudest = (0..80).max_by(|a, b| column[*a].total_cmp(&column[*b])).unwrap();
        // 1 kHz is 15 mel of 45.2; 81 steps.
        assert!((25..=27).contains(&loudest), "{loudest}");
        let silent = mel.picture(&[0.0; 8000]);
        assert!(silent.iter().all(|v| *v == silent[0]));
    }
}
