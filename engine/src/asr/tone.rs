//! Tells tones from voices: hold melodies, dial tones, ringing and DTMF sound like speech to a voice
//! activity detector, and a recogniser makes words of them.
//!
//! A tone stands still: its few spectral peaks stay at the same frequency from one moment to the next and
//! hold nearly all the energy. A voice glides. It must never know what a frame's verdict is used for.

use std::collections::VecDeque;
use std::sync::Arc;

use realfft::{RealFftPlanner, RealToComplex};

/// Samples a frame, as the voice activity detector wants them: 16 ms.
pub(crate) const FRAME: usize = 256;
/// 64 ms: fine enough to tell a tone's frequency to a hertz.
const WINDOW: usize = 1024;
const BIN_HZ: f32 = 16_000.0 / WINDOW as f32;
/// Peaks that are compared.
const PEAKS: usize = 8;
/// Peaks are compared with those this many frames ago.
const LAG: usize = 2;
/// A peak further from its former place than this has moved.
const STILL_HZ: f32 = 1.2;
const STILL_SHARE: f32 = 0.002;
/// Standing still for this many frames makes a tone.
const RUN: usize = 2;
/// Frames behind a tone that its window still fills.
const TAIL: usize = 4;
/// The most frames a verdict reaches back.
pub(crate) const LOOK_BACK: usize = 8;

/// The strongest peaks of a frame.
#[derive(Debug, Clone, Copy, Default)]
struct Peaks {
    hz: [f32; PEAKS],
    power: [f32; PEAKS],
    total: f32,
}

/// Judges a stream of frames.
pub(crate) struct ToneDetector {
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    samples: VecDeque<f32>,
    former: VecDeque<Peaks>,
    run: usize,
    tail: usize,
}

impl ToneDetector {
    pub(crate) fn new() -> Self {
        let window = (0..WINDOW)
            .map(|n| 0.5 - 0.5 * (std::f32::consts::TAU * n as f32 / WINDOW as f32).cos())
            .collect();
        Self {
            fft: RealFftPlanner::new().plan_fft_forward(WINDOW),
            window,
            samples: VecDeque::from(vec![0.0; WINDOW]),
            former: VecDeque::new(),
            run: 0,
            tail: 0,
        }
    }

    /// Takes the next frame; the result is how many of the latest frames, this one included, are a tone.
    pub(crate) fn push(&mut self, frame: &[f32]) -> usize {
        self.samples.drain(..frame.len().min(WINDOW));
        self.samples.extend(frame);
        let peaks = self.peaks();
        let still = self.former.front().is_some_and(|then| stands_still(then, &peaks));
        self.run = if still { self.run + 1 } else { 0 };
        self.former.push_back(peaks);
        if self.former.len() > LAG {
            self.former.pop_front();
        }
        if self.run >= RUN {
            self.tail = TAIL;
            // The comparison reaches back over the lag, and the tone's onset shares its windows with
            // what went before: those frames belong to the tone too.
            return (self.run + LAG + 2).min(LOOK_BACK);
        }
        let fading = self.tail > 0;
        self.tail = self.tail.saturating_sub(1);
        usize::from(fading)
    }

    fn peaks(&self) -> Peaks {
        let mut input: Vec<f32> = self.samples.iter().zip(&self.window).map(|(s, w)| s * w).collect();
        let mut spectrum = self.fft.make_output_vec();
        if self.fft.process(&mut input, &mut spectrum).is_err() {
            return Peaks::default(); // lengths are ours: cannot happen
        }
        let power: Vec<f32> = spectrum.iter().map(realfft::num_complex::Complex::norm_sqr).collect();
        let mut peaks = Peaks { total: power.iter().skip(4).sum(), ..Peaks::default() };
        for bin in 4..power.len() - 3 {
            let here = power[bin];
            if here <= power[bin - 1] || here < power[bin + 1] {
                continue;
            }
            // A Hann window spreads a tone over two bins either side.
            let around: f32 = power[bin - 2..=bin + 2].iter().sum();
            if let Some(slot) = (0..PEAKS).find(|i| around > peaks.power[*i]) {
                peaks.power[slot..].rotate_right(1);
                peaks.hz[slot..].rotate_right(1);
                peaks.power[slot] = around;
                peaks.hz[slot] = centre(power[bin - 1], here, power[bin + 1], bin);
            }
        }
        peaks
    }
}

/// The frequency of a peak from the parabola through three logarithms.
fn centre(left: f32, mid: f32, right: f32, bin: usize) -> f32 {
    let [l, m, r] = [left, mid, right].map(|p| p.max(1e-20).ln());
    let curve = l - 2.0 * m + r;
    let shift = if curve.abs() < 1e-6 { 0.0 } else { 0.5 * (l - r) / curve };
    (bin as f32 + shift.clamp(-0.5, 0.5)) * BIN_HZ
}

/// Whether the peaks that carry the sound are where they were.
fn stands_still(then: &Peaks, now: &Peaks) -> bool {
    let mut still = 0.0;
    let mut moved = 0.0;
    for (hz, power) in now.hz.iter().zip(now.power) {
        if power < 0.02 * now.power[0] {
            continue; // too weak to have a place of its own
        }
        let near = then.hz.iter().any(|old| (old - hz).abs() < STILL_HZ.max(STILL_SHARE * hz));
        if near { still += power } else { moved += power }
    }
    now.total > 1e-4 && still > 0.7 * now.total && moved < 0.15 * still
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(samples: &[f32]) -> f32 {
        let mut detector = ToneDetector::new();
        let frames: Vec<usize> = samples.chunks_exact(FRAME).map(|f| detector.push(f)).collect();
        frames.iter().filter(|run| **run > 0).count() as f32 / frames.len() as f32
    }

    fn tone(parts: &[(f32, f32)], seconds: f32) -> Vec<f32> {
        (0..(seconds * 16_000.0) as usize)
            .map(|n| {
                parts.iter().map(|(hz, a)| a * (std::f32::consts::TAU * hz * n as f32 / 16_000.0).sin()).sum()
            })
            .collect()
    }

    #[test]
    fn tones_of_the_telephone_are_tones() {
        for pair in
            [[(350.0, 0.1), (440.0, 0.1)], [(440.0, 0.1), (480.0, 0.1)], [(697.0, 0.2), (1209.0, 0.2)]]
        {
            assert!(share(&tone(&pair, 1.0)) > 0.7, "{pair:?}: {}", share(&tone(&pair, 1.0)));
        }
    }

    #[test]
    fn a_gliding_voice_is_none() {
        // Ten harmonics of a pitch that rises from 120 to 160 Hz within a second.
        let mut phase = 0.0_f32;
        let voice: Vec<f32> = (0..16_000)
            .map(|n| {
                phase += std::f32::consts::TAU * (120.0 + 40.0 * n as f32 / 16_000.0) / 16_000.0;
                (1..=10).map(|h| 0.1 * (h as f32 * phase).sin()).sum()
            })
            .collect();
        assert!(share(&voice) < 0.05, "{}", share(&voice));
    }
}
