//! What the parties say, as samples: the waveform of every tone word, and what a track holds at any time.
//!
//! This room knows words and samples; not fragments, not gates.

use std::sync::LazyLock;

use fixtures::tone::{BURST_MS, VOCABULARY, WORD_MS, speak};

/// Samples in a millisecond.
pub(super) const PER_MS: i64 = 8;
/// Length of a word without its pause.
pub(super) const BURST: i64 = BURST_MS as i64;
/// From the start of one word to the start of the next.
pub(super) const WORD: i64 = WORD_MS as i64;

/// Little-endian samples of each word, without its pause.
static BURSTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    VOCABULARY
        .iter()
        .flatten()
        .map(|word| {
            let samples = speak(word).unwrap();
            samples[..(BURST * PER_MS) as usize].iter().flat_map(|s| s.to_le_bytes()).collect()
        })
        .collect()
});

/// What nobody of this call ever says: each byte of a foreign contact's audio. Loud, and no tone word.
pub(super) const FOREIGN_BYTE: u8 = 0x5a;

/// A word as it was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Said {
    /// From when, milliseconds from the beginning of the call.
    pub at_ms: i64,
    /// Which: an index into the vocabulary.
    pub word: u8,
}

impl Said {
    pub(super) fn text(self) -> &'static str {
        name(self.word)
    }

    pub(super) fn end_ms(self) -> i64 {
        self.at_ms + BURST
    }
}

/// A word by its index.
pub(super) fn name(word: u8) -> &'static str {
    VOCABULARY[usize::from(word) / 7][usize::from(word) % 7]
}

/// The index of a word.
pub(super) fn index(text: &str) -> Option<u8> {
    VOCABULARY.iter().flatten().position(|w| *w == text).and_then(|i| u8::try_from(i).ok())
}

/// Writes what is said from sample `from` on into `out`, little-endian; silence elsewhere. `out` is zeroed.
pub(super) fn render(words: &[Said], from: i64, out: &mut [u8]) {
    let to = from + (out.len() / 2) as i64;
    let first = words.partition_point(|w| w.end_ms() * PER_MS <= from);
    for word in words[first..].iter().take_while(|w| w.at_ms * PER_MS < to) {
        let start = word.at_ms * PER_MS;
        let burst = &BURSTS[usize::from(word.word)];
        let begin = (from - start).max(0);
        let end = (to - start).min(BURST * PER_MS);
        let target = ((start + begin - from) * 2) as usize;
        let part = &burst[(begin * 2) as usize..(end * 2) as usize];
        out[target..target + part.len()].copy_from_slice(part);
    }
}
