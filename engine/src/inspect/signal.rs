//! How regular and how loud the audio of a track is. It sees blocks of 16-bit PCM and their times, nothing else.

use crate::time::{Span, Time};

use super::found::{Jitter, Level};

/// Sums over blocks, to be added up.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Loudness {
    samples: u64,
    squares: u64,
    peak: u16,
}

impl Loudness {
    /// Of one block of little-endian samples; half a sample at the end is none.
    pub(super) fn of(pcm: &[u8]) -> Self {
        let mut squares = 0_u64;
        let mut peak = 0_u16;
        for pair in pcm.chunks_exact(2) {
            let loud = i16::from_le_bytes([pair[0], pair[1]]).unsigned_abs();
            squares += u64::from(loud) * u64::from(loud);
            peak = peak.max(loud);
        }
        Self { samples: pcm.len() as u64 / 2, squares, peak }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.samples += other.samples;
        self.squares = self.squares.saturating_add(other.squares);
        self.peak = self.peak.max(other.peak);
    }

    /// Nothing where all is silent.
    pub(super) fn level(self) -> Option<Level> {
        let decibels = |amplitude: f64| round(20.0 * (amplitude / 32_768.0).log10(), 10.0);
        (self.peak > 0).then(|| Level {
            rms_dbfs: decibels((self.squares as f64 / self.samples as f64).sqrt()),
            peak_dbfs: decibels(f64::from(self.peak)),
        })
    }
}

/// Follows the blocks of one track.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Regularity {
    expected: Option<Time>,
    blocks: u64,
    sum_us: u64,
    max_us: u64,
}

impl Regularity {
    /// A block of this length stands here. One that lies `gap_from` or more away begins anew.
    pub(super) fn block(&mut self, start: Time, length: Span, gap_from: Span) {
        if let Some(expected) = self.expected {
            let away_us = (start - expected).us().unsigned_abs();
            if away_us < gap_from.us().unsigned_abs() {
                self.blocks += 1;
                self.sum_us += away_us;
                self.max_us = self.max_us.max(away_us);
            }
        }
        self.expected = Some(start + length);
    }

    pub(super) fn jitter(self) -> Option<Jitter> {
        (self.blocks > 0).then(|| Jitter {
            mean_ms: round(self.sum_us as f64 / self.blocks as f64 / 1000.0, 1000.0),
            max_ms: round(self.max_us as f64 / 1000.0, 1000.0),
        })
    }
}

/// Rounds to a part of one.
fn round(value: f64, part: f64) -> f64 {
    (value * part).round() / part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_scale_square_wave_is_at_zero_and_half_of_it_six_lower() {
        let wave = |amplitude: i16| -> Vec<u8> {
            (0..1000).flat_map(|i| if i % 2 == 0 { amplitude } else { -amplitude }.to_le_bytes()).collect()
        };
        let mut sum = Loudness::of(&wave(i16::MAX));
        assert_eq!(sum.level(), Some(Level { rms_dbfs: 0.0, peak_dbfs: 0.0 }));
        assert_eq!(Loudness::of(&wave(16_384)).level().map(|l| l.rms_dbfs), Some(-6.0));
        sum.add(Loudness::of(&[0; 2000]));
        assert_eq!(sum.level().map(|l| l.rms_dbfs), Some(-3.0), "half of the time silent");
        assert_eq!(Loudness::of(&[0; 100]).level(), None);
    }

    #[test]
    fn jitter_is_the_distance_from_where_the_block_was_expected() {
        let mut track = Regularity::default();
        let (block, gap) = (Span::from_ms(64), Span::from_ms(10));
        for start in [0, 64, 130, 192, 1000, 1064] {
            track.block(Time::from_ms(start), block, gap);
        }
        // 64: exact; 130: 2 late; 192: 2 early; 1000: a gap; 1064: exact.
        assert_eq!(track.jitter(), Some(Jitter { mean_ms: 1.0, max_ms: 2.0 }));
        assert_eq!(Regularity::default().jitter(), None);
    }
}
