//! Where one party speaks: a stream of samples to stretches of speech of at most 30 s.
//!
//! Voice activity is earshot's; this room decides. Speech begins where the activity passes the upper
//! threshold and ends when it has stayed under the lower one for the hang-over. Exact zeros are silence (a
//! closed gate), and tones never reach the model. Positions are samples at 16 kHz from the session's start.
//! It must never know what the speech says.

use std::collections::VecDeque;

use super::mel::RATE_HZ;
use super::tone::{FRAME, LOOK_BACK, ToneDetector};
use crate::audio::resample::{ResampleError, Resampler};

/// Activity at which speech begins.
const ON: f32 = 0.6;
/// Activity under which it pauses.
const OFF: f32 = 0.42;
/// Frames in a row at `ON` or above that begin speech: 48 ms.
const ONSET_FRAMES: usize = 3;
/// Frames of pause that end speech: 0.6 s.
const HANG_FRAMES: usize = 38;
/// Audio given to the model before and behind the speech, frames: 0.2 s.
const PAD_FRAMES: usize = 12;
/// Less voice than this is a click: 96 ms.
const MIN_VOICED_FRAMES: usize = 6;
/// Speech longer than this is cut, frames: 29 s, so that with padding 30 s are not passed.
const MAX_FRAMES: usize = 1812;
/// The cut lies in the quietest 128 ms of the later half.
const QUIET_FRAMES: usize = 8;
/// A frame is judged when this many later ones are known: half a second.
const AHEAD_FRAMES: usize = 32;
/// Louder than the ringing of a filter in zeros, quieter than one step of 16-bit audio.
const SILENT_PEAK: f32 = 2e-5;
const SILENT_ENERGY: f32 = SILENT_PEAK * SILENT_PEAK * FRAME as f32;
/// Sound whose loudness varies by less (4 dB, as energy) is noise.
const STEADY_RATIO: f32 = 2.5;
/// Fewer frames than this say nothing about steadiness: a vowel may hold.
const MIN_STEADY_FRAMES: usize = 16;

/// A stretch of speech.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Utterance {
    /// Samples at 16 kHz, −1 to 1, with padding; at most 30 s.
    pub(crate) samples: Vec<f32>,
    /// The voiced runs, `start..end` positions, at least one.
    pub(crate) runs: Vec<(u64, u64)>,
}

impl Utterance {
    /// Start of the speech.
    pub(crate) fn start(&self) -> u64 {
        self.runs.first().map_or(0, |run| run.0)
    }
    /// End of the speech.
    pub(crate) fn end(&self) -> u64 {
        self.runs.last().map_or(0, |run| run.1)
    }
}

/// What the segmenter found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Found {
    /// Speech for the model.
    Speech(Utterance),
    /// A tone or melody, left out.
    Tone,
    /// Steady noise, left out.
    Noise,
    /// A click, left out.
    Click,
}

/// What is known about a frame.
#[derive(Debug, Clone, Copy, Default)]
struct Frame {
    activity: f32,
    energy: f32,
    tonal: bool,
}

/// Speech that is still going on.
#[derive(Debug)]
struct Open {
    /// Index of the first frame.
    first: u64,
    frames: Vec<Frame>,
    /// Frames since the last voice.
    pause: usize,
    /// The stretch continues one that was cut: no padding in front.
    continued: bool,
}

/// Finds speech in one party's audio.
pub(crate) struct Segmenter {
    resampler: Resampler,
    detector: Box<earshot::Detector>,
    tones: ToneDetector,
    /// Resampled audio; the first sample is at frame `audio_first`.
    audio: VecDeque<f32>,
    audio_first: u64,
    /// Frames analysed but not yet judged, and before them half a second that was.
    frames: VecDeque<Frame>,
    analysed: u64,
    judged: u64,
    onset: usize,
    open: Option<Open>,
    scratch: Vec<f32>,
}

impl Segmenter {
    /// For audio at `rate_hz`.
    pub(crate) fn new(rate_hz: u32) -> Result<Self, ResampleError> {
        Ok(Self {
            resampler: Resampler::new(rate_hz, RATE_HZ)?,
            detector: Box::default(),
            tones: ToneDetector::new(),
            audio: VecDeque::new(),
            audio_first: 0,
            frames: VecDeque::new(),
            analysed: 0,
            judged: 0,
            onset: 0,
            open: None,
            scratch: Vec::new(),
        })
    }

    /// Takes samples (−1 to 1, at the session's rate).
    pub(crate) fn push(&mut self, samples: &[f32], found: &mut Vec<Found>) -> Result<(), ResampleError> {
        let mut fresh = std::mem::take(&mut self.scratch);
        fresh.clear();
        let result = self.resampler.push(samples, &mut fresh);
        self.take(&fresh, found);
        self.scratch = fresh;
        result
    }

    /// Says that the audio is complete.
    pub(crate) fn finish(&mut self, found: &mut Vec<Found>) -> Result<(), ResampleError> {
        let mut rest = Vec::new();
        let result = self.resampler.finish(&mut rest);
        let partial = (self.audio.len() + rest.len()) % FRAME;
        if partial > 0 {
            rest.resize(rest.len() + FRAME - partial, 0.0);
        }
        self.take(&rest, found);
        while self.judged < self.analysed {
            self.judge(found);
        }
        if let Some(open) = self.open.take() {
            self.close(&open, found);
        }
        result
    }

    /// No speech found from now on starts before this position.
    pub(crate) fn bound(&self) -> u64 {
        let frame = self.open.as_ref().map_or(self.judged - self.onset as u64, |open| open.first);
        frame * FRAME as u64
    }

    fn take(&mut self, samples: &[f32], found: &mut Vec<Found>) {
        self.audio.extend(samples.iter().map(|s| s.clamp(-1.0, 1.0)));
        let total = self.audio_first + (self.audio.len() / FRAME) as u64;
        while self.analysed < total {
            self.analyse();
            if self.analysed - self.judged > AHEAD_FRAMES as u64 {
                self.judge(found);
            }
        }
        self.forget();
    }

    /// Listens to the next frame.
    fn analyse(&mut self) {
        let at = offset(self.analysed - self.audio_first) * FRAME;
        let mut samples = [0.0; FRAME];
        for (slot, sample) in samples.iter_mut().zip(self.audio.range(at..at + FRAME)) {
            *slot = *sample;
        }
        let activity = self.detector.predict_f32(&samples);
        let silent = samples.iter().all(|s| s.abs() < SILENT_PEAK);
        self.frames.push_back(Frame {
            activity: if silent { 0.0 } else { activity },
            energy: samples.iter().map(|s| s * s).sum(),
            tonal: false,
        });
        let tonal = self.tones.push(&samples);
        debug_assert!(tonal <= LOOK_BACK);
        for frame in self.frames.iter_mut().rev().take(tonal) {
            frame.tonal = true;
        }
        self.analysed += 1;
    }

    /// Judges the oldest frame that has not been.
    fn judge(&mut self, found: &mut Vec<Found>) {
        let index = self.frames.len() - offset(self.analysed - self.judged);
        let frame = self.frames[index];
        let refused = (frame.tonal && self.among_tones(index)) || self.among_noise(index);
        self.judged += 1;
        if index > AHEAD_FRAMES {
            self.frames.pop_front();
        }
        if let Some(open) = &mut self.open {
            let voiced = frame.activity >= OFF && !refused;
            open.pause = if voiced { 0 } else { open.pause + 1 };
            open.frames.push(if voiced { frame } else { Frame { activity: 0.0, ..frame } });
            if open.pause >= HANG_FRAMES {
                if let Some(open) = self.open.take() {
                    self.close(&open, found);
                }
            } else if open.frames.len() >= MAX_FRAMES {
                self.cut(found);
            }
            return;
        }
        self.onset = if frame.activity >= ON && !refused { self.onset + 1 } else { 0 };
        if self.onset >= ONSET_FRAMES {
            let first = self.judged - self.onset as u64;
            let newest = self.frames.len() - offset(self.analysed - self.judged);
            let frames = self.frames.range(newest - self.onset..newest).copied().collect();
            self.onset = 0;
            self.open = Some(Open { first, frames, pause: 0, continued: false });
        }
    }

    /// Whether three quarters of the voice within half a second of a frame are tone: a voice holds a note
    /// for a moment, a melody for long.
    fn among_tones(&self, index: usize) -> bool {
        let from = index.saturating_sub(AHEAD_FRAMES);
        let to = (index + AHEAD_FRAMES + 1).min(self.frames.len());
        let (mut voiced, mut tonal) = (0, 0);
        for frame in self.frames.range(from..to).filter(|f| f.activity >= OFF) {
            voiced += 1;
            tonal += usize::from(frame.tonal);
        }
        tonal * 4 >= voiced * 3
    }

    /// Whether the sound within half a second of a frame is as steady as noise and no voice is.
    fn among_noise(&self, index: usize) -> bool {
        let from = index.saturating_sub(AHEAD_FRAMES);
        let to = (index + AHEAD_FRAMES + 1).min(self.frames.len());
        is_steady(self.frames.range(from..to).filter(|f| f.energy > SILENT_ENERGY))
    }

    fn close(&self, open: &Open, found: &mut Vec<Found>) {
        found.push(self.stretch(open, open.frames.len() - open.pause, PAD_FRAMES));
    }

    /// Ends the stretch at its weakest point and goes on behind it.
    fn cut(&mut self, found: &mut Vec<Found>) {
        let Some(mut open) = self.open.take() else { return };
        let half = open.frames.len() / 2;
        let quiet = |start: &usize| -> f32 {
            open.frames[*start..*start + QUIET_FRAMES].iter().map(|f| f.energy * (0.1 + f.activity)).sum()
        };
        let weakest = (half..open.frames.len() - QUIET_FRAMES)
            .min_by(|a, b| quiet(a).total_cmp(&quiet(b)))
            .unwrap_or(half);
        let at = weakest + QUIET_FRAMES / 2;
        found.push(self.stretch(&open, at, 0));
        let frames = open.frames.split_off(at);
        let pause = open.pause.min(frames.len());
        self.open = Some(Open { first: open.first + at as u64, frames, pause, continued: true });
    }

    /// The first `length` frames of an open stretch, as a finding.
    fn stretch(&self, open: &Open, length: usize, pad_behind: usize) -> Found {
        let frames = &open.frames[..length.min(open.frames.len())];
        let voiced = frames.iter().filter(|f| f.activity > 0.0).count();
        let tonal = frames.iter().filter(|f| f.activity > 0.0 && f.tonal).count();
        if voiced < MIN_VOICED_FRAMES {
            return Found::Click;
        }
        if tonal * 2 > voiced {
            return Found::Tone;
        }
        if is_steady(frames.iter().filter(|f| f.activity > 0.0)) {
            return Found::Noise;
        }
        let pad_front = if open.continued { 0 } else { PAD_FRAMES as u64 };
        let first = open.first.saturating_sub(pad_front).max(self.audio_first);
        let end = open.first + (frames.len() + pad_behind) as u64;
        let from = offset(first - self.audio_first) * FRAME;
        let to = (offset(end - self.audio_first) * FRAME).min(self.audio.len());
        Found::Speech(Utterance {
            samples: self.audio.range(from.min(to)..to).copied().collect(),
            runs: runs(open.first, frames),
        })
    }

    /// Drops audio that nobody will ask for again.
    fn forget(&mut self) {
        let oldest = self.open.as_ref().map_or(self.judged - self.onset as u64, |open| open.first);
        let keep = oldest.saturating_sub(PAD_FRAMES as u64);
        if keep > self.audio_first {
            let frames = offset(keep - self.audio_first).min(self.audio.len() / FRAME);
            self.audio.drain(..frames * FRAME);
            self.audio_first += frames as u64;
        }
    }
}

/// Whether the loudness of nearly all frames lies within [`STEADY_RATIO`]. Syllables differ by far more.
fn is_steady<'a>(frames: impl Iterator<Item = &'a Frame>) -> bool {
    let mut energies: Vec<f32> = frames.map(|f| f.energy).collect();
    energies.sort_by(f32::total_cmp);
    let tenth = energies.len() / 10;
    match (energies.get(tenth), energies.get((energies.len() - tenth).saturating_sub(1))) {
        (Some(low), Some(high)) => energies.len() >= MIN_STEADY_FRAMES && *high < low * STEADY_RATIO,
        _ => false,
    }
}

/// The voiced runs among `frames`, bridging pauses of up to 100 ms.
fn runs(first: u64, frames: &[Frame]) -> Vec<(u64, u64)> {
    const BRIDGE: u64 = 6 * FRAME as u64;
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for (index, _) in frames.iter().enumerate().filter(|(_, f)| f.activity > 0.0) {
        let start = (first + index as u64) * FRAME as u64;
        let end = start + FRAME as u64;
        match runs.last_mut() {
            Some(run) if start - run.1 <= BRIDGE => run.1 = end,
            _ => runs.push((start, end)),
        }
    }
    runs
}

/// A distance between positions held in memory: it always fits.
fn offset(distance: u64) -> usize {
    usize::try_from(distance).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[path = "vad_tests.rs"]
mod tests;
