//! One stretch of speech to words: Whisper's decoding policy.
//!
//! Greedy, timestamps suppressed, with the guards that keep what was never said out of the transcript:
//! no-speech probability, average log probability, repetition. It must never know parties or sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{Device, IndexOp, Tensor};
use candle_transformers::models::whisper::model::Whisper;

use super::mel::{FRAMES, LogMel};
use super::tokens::Tokens;

/// Above this probability of "no speech", doubtful text is dropped (`whisper/transcribe.py`).
const NO_SPEECH: f32 = 0.6;
/// Below this average log probability text is dropped (`whisper/transcribe.py`).
const MIN_LOG_PROBABILITY: f32 = -1.0;
/// Text that deflates better than this repeats itself (`whisper/transcribe.py`).
const MAX_COMPRESSION: f32 = 2.4;
/// Speech has at most this many tokens a second; more is a loop.
const MAX_TOKENS_PER_S: usize = 12;

/// Why a stretch of speech gave no words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The model says it is not speech.
    NoSpeech,
    /// The model does not believe its own words.
    Unsure,
    /// The words repeat themselves.
    Repetition,
    /// The model said nothing.
    Empty,
    /// The recogniser is being dropped.
    Cancelled,
}

/// A word as the model wrote it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Written {
    pub(crate) text: String,
    pub(crate) confidence: f32,
    pub(crate) space_before: bool,
}

/// A model with one worker's working memory. Cloning shares the weights.
#[derive(Clone)]
pub(crate) struct Decoder {
    whisper: Whisper,
    tokens: Arc<Tokens>,
    mel: Arc<LogMel>,
    /// Added to the logits: minus infinity for what may not be said.
    mask: Arc<Vec<f32>>,
}

impl Decoder {
    pub(crate) fn new(whisper: Whisper, tokens: Tokens) -> Self {
        let config = &whisper.config;
        let mut mask = vec![0.0; config.vocab_size];
        for token in &tokens.suppressed {
            if let Some(slot) = mask.get_mut(*token as usize) {
                *slot = f32::NEG_INFINITY;
            }
        }
        let mel = Arc::new(LogMel::new(config.num_mel_bins));
        Self { whisper, tokens: Arc::new(tokens), mel, mask: Arc::new(mask) }
    }

    /// Words of up to 30 s of speech at 16 kHz.
    ///
    /// # Errors
    /// The tensor library failed.
    pub(crate) fn decode(
        &mut self,
        samples: &[f32],
        cancelled: &AtomicBool,
    ) -> candle_core::Result<Result<Vec<Written>, Refusal>> {
        let picture = self.mel.picture(samples);
        let picture = Tensor::from_vec(picture, (1, self.whisper.config.num_mel_bins, FRAMES), &Device::Cpu)?;
        let audio = self.whisper.encoder.forward(&picture, true)?;
        let limit =
            (samples.len() * MAX_TOKENS_PER_S / 16_000 + 8).min(self.whisper.config.max_target_positions / 2);
        let Some(said) = self.greedy(&audio, limit, cancelled)? else { return Ok(Err(Refusal::Cancelled)) };
        self.whisper.reset_kv_cache();
        Ok(self.judge(&said))
    }

    fn greedy(
        &mut self,
        audio: &Tensor,
        limit: usize,
        cancelled: &AtomicBool,
    ) -> candle_core::Result<Option<Said>> {
        let mut said = Said::default();
        let mut text = self.tokens.prompt.clone();
        for step in 0..=limit {
            if cancelled.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let input = Tensor::new(text.as_slice(), &Device::Cpu)?.unsqueeze(0)?;
            let states = self.whisper.decoder.forward(&input, audio, step == 0)?;
            if step == 0 {
                let first = self.whisper.decoder.final_linear(&states.i((.., ..1))?)?.i(0)?.i(0)?;
                said.no_speech = probability(&first.to_vec1::<f32>()?, self.tokens.no_speech);
            }
            let last = text.len() - 1;
            let logits = self.whisper.decoder.final_linear(&states.i((.., last..last + 1))?)?.i(0)?.i(0)?;
            let mut logits = logits.to_vec1::<f32>()?;
            for (logit, mask) in logits.iter_mut().zip(self.mask.iter()) {
                *logit += mask;
            }
            if step == 0 {
                for token in &self.tokens.not_first {
                    if let Some(logit) = logits.get_mut(*token as usize) {
                        *logit = f32::NEG_INFINITY;
                    }
                }
            }
            let (token, log_probability) = best(&logits);
            said.sum += log_probability;
            if token == self.tokens.end {
                break;
            }
            said.tokens.push((token, log_probability));
            text.push(token);
            if let Some(period) = loop_period(&said.tokens) {
                said.cut_loop(period);
                break;
            }
        }
        Ok(Some(said))
    }

    fn judge(&self, said: &Said) -> Result<Vec<Written>, Refusal> {
        let average = said.sum / (said.tokens.len() + 1) as f32;
        if said.no_speech > NO_SPEECH && average < MIN_LOG_PROBABILITY {
            return Err(Refusal::NoSpeech);
        }
        if average < MIN_LOG_PROBABILITY {
            return Err(Refusal::Unsure);
        }
        let bytes: Vec<u8> = said.tokens.iter().flat_map(|(t, _)| self.tokens.bytes(*t)).copied().collect();
        if compression(&bytes) > MAX_COMPRESSION {
            return Err(Refusal::Repetition);
        }
        let words = words(&self.tokens, &said.tokens);
        if words.iter().any(|w| w.text.chars().any(char::is_alphanumeric)) {
            Ok(words)
        } else {
            Err(Refusal::Empty)
        }
    }
}

/// What the model said, before it is judged.
#[derive(Debug, Default)]
struct Said {
    tokens: Vec<(u32, f32)>,
    sum: f32,
    no_speech: f32,
}

impl Said {
    /// Keeps one turn of a loop of `period` tokens at the end.
    fn cut_loop(&mut self, period: usize) {
        let mut start = self.tokens.len() - period;
        while start >= period
            && (0..period).all(|i| self.tokens[start - period + i].0 == self.tokens[start + i].0)
        {
            start -= period;
        }
        self.tokens.truncate(start + period);
    }
}

/// The length of a phrase that the last tokens repeat four times and for at least 16 tokens.
fn loop_period(tokens: &[(u32, f32)]) -> Option<usize> {
    (1..=16).find(|period| {
        let span = (period * 4).max(16);
        tokens.len() >= span
            && tokens[tokens.len() - span..].windows(period + 1).all(|w| w[0].0 == w[*period].0)
    })
}

fn compression(text: &[u8]) -> f32 {
    use std::io::Write as _;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    match encoder.write_all(text).and_then(|()| encoder.finish()) {
        Ok(small) if !small.is_empty() => text.len() as f32 / small.len() as f32,
        _ => 0.0,
    }
}

/// The most probable token and its log probability.
fn best(logits: &[f32]) -> (u32, f32) {
    let (index, top) = logits
        .iter()
        .enumerate()
        .fold((0, f32::NEG_INFINITY), |best, (i, l)| if *l > best.1 { (i, *l) } else { best });
    let sum: f32 = logits.iter().map(|l| (l - top).exp()).sum();
    (u32::try_from(index).unwrap_or(0), -sum.ln())
}

fn probability(logits: &[f32], token: u32) -> f32 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|l| (l - top).exp()).sum();
    logits.get(token as usize).map_or(0.0, |l| (l - top).exp() / sum)
}

/// Tokens to words: a token that begins with a space begins a word; in scripts without spaces each
/// complete character run of a token is a word of its own.
fn words(tokens: &Tokens, said: &[(u32, f32)]) -> Vec<Written> {
    let mut words: Vec<Written> = Vec::new();
    let mut bytes: Vec<u8> = Vec::new();
    let mut log_probabilities: Vec<f32> = Vec::new();
    let flush = |bytes: &mut Vec<u8>, probabilities: &mut Vec<f32>, words: &mut Vec<Written>| {
        let text = String::from_utf8_lossy(bytes);
        let space_before = text.starts_with(' ');
        let text = text.trim();
        if !text.is_empty() {
            let mean = probabilities.iter().sum::<f32>() / probabilities.len().max(1) as f32;
            words.push(Written {
                text: text.to_owned(),
                confidence: mean.exp().clamp(0.0, 1.0),
                space_before,
            });
        }
        bytes.clear();
        probabilities.clear();
    };
    for (token, log_probability) in said {
        let piece = tokens.bytes(*token);
        let complete = std::str::from_utf8(&bytes).is_ok();
        if piece.starts_with(b" ") || (complete && unspaced(&bytes) && unspaced(piece)) {
            flush(&mut bytes, &mut log_probabilities, &mut words);
        }
        bytes.extend_from_slice(piece);
        log_probabilities.push(*log_probability);
    }
    flush(&mut bytes, &mut log_probabilities, &mut words);
    words
}

/// Whether the bytes belong to a script written without spaces (Thai to Khmer, CJK, kana).
fn unspaced(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.chars().find(|c| c.is_alphanumeric()).is_some_and(|c| {
        matches!(u32::from(c), 0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x2E80..=0x9FFF | 0xF900..=0xFAFF)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(tokens: &[u32]) -> Vec<(u32, f32)> {
        tokens.iter().map(|t| (*t, -0.1)).collect()
    }

    #[test]
    fn a_loop_is_seen_and_cut_to_one_turn() {
        let mut tokens = vec![7, 8];
        tokens.extend([1, 2, 3].repeat(6));
        let mut said_ = Said { tokens: said(&tokens), ..Said::default() };
        let period = loop_period(&said_.tokens).unwrap();
        assert_eq!(period, 3);
        said_.cut_loop(period);
        assert_eq!(said_.tokens, said(&[7, 8, 1, 2, 3]));
        assert_eq!(loop_period(&said(&[1, 2, 1, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13])), None);
    }

    #[test]
    fn repeated_text_compresses_and_speech_does_not() {
        assert!(compression("I will call you back. ".repeat(12).as_bytes()) > MAX_COMPRESSION);
        let speech =
            "and so my fellow americans ask not what your country can do for you ask what you can do";
        assert!(compression(speech.as_bytes()) < MAX_COMPRESSION);
    }

    #[test]
    fn the_best_token_has_its_softmax_probability() {
        let (token, log_probability) = best(&[0.0, f32::NEG_INFINITY, 2.0]);
        assert_eq!(token, 2);
        let expected = 2.0_f32.exp() / (1.0 + 2.0_f32.exp());
        assert!((log_probability.exp() - expected).abs() < 1e-6);
        assert!((probability(&[0.0, f32::NEG_INFINITY, 2.0], 2) - expected).abs() < 1e-6);
    }
}
