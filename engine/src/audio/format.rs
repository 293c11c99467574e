//! What a track carries: from a Kinesis MimeType tag, or from its Matroska TrackEntry.

use mkv_demux::Track;

use super::error::AudioError;

/// Linear PCM as Kinesis carries it: signed 16-bit little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PcmFormat {
    /// Sampling rate, hertz.
    pub rate_hz: u32,
    /// Channels, interleaved.
    pub channels: u16,
}

impl PcmFormat {
    /// Reads a MimeType tag such as `audio/L16;rate=8000;channels=1;`. Any case, parameters in any order;
    /// one channel where none is stated (RFC 3551 section 4.5.11; Kinesis writes little-endian although the
    /// RFC says network order).
    ///
    /// `None` where it is not L16, or the rate or the number of channels is missing or not sensible.
    #[must_use]
    pub fn from_mime_type(mime: &str) -> Option<Self> {
        let mut parts = mime.split(';').map(str::trim);
        if !parts.next()?.eq_ignore_ascii_case("audio/l16") {
            return None;
        }
        let (mut rate_hz, mut channels) = (None, 1);
        for part in parts.filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=')?;
            match name.trim().to_ascii_lowercase().as_str() {
                "rate" => rate_hz = Some(value.trim().parse().ok()?),
                "channels" => channels = value.trim().parse().ok()?,
                _ => {}
            }
        }
        Some(Self {
            rate_hz: rate_hz.filter(|rate| *rate > 0)?,
            channels: Some(channels).filter(|c| *c > 0)?,
        })
    }
}

/// An audio codec of Matroska that can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Codec {
    /// Linear PCM.
    Pcm {
        /// Bits a sample: 8, 16, 24 or 32, or for floats 32 or 64.
        bits: u16,
        /// Little-endian.
        little_endian: bool,
        /// IEEE floats instead of integers.
        float: bool,
    },
    /// AAC.
    Aac,
    /// FLAC.
    Flac,
    /// MPEG-1 or -2 layer III.
    Mp3,
    /// Vorbis.
    Vorbis,
}

impl Codec {
    /// The codec of a Matroska track by its CodecID (Matroska codec mappings, RFC 9559 section 27.1).
    ///
    /// # Errors
    /// The codec is not supported; the message names a conversion.
    pub fn of(track: &Track) -> Result<Self, AudioError> {
        let id = track.codec_id.as_str();
        let bits = track.audio.as_ref().and_then(|audio| audio.bit_depth);
        let pcm = |allowed: &[u64], default: u64, little_endian: bool, float: bool| {
            let bits = bits.filter(|bits| *bits > 0).unwrap_or(default);
            match u16::try_from(bits) {
                Ok(narrow) if allowed.contains(&bits) => Ok(Self::Pcm { bits: narrow, little_endian, float }),
                _ => Err(unsupported(id, format!(" with {bits} bits a sample"))),
            }
        };
        match id {
            "A_PCM/INT/LIT" => pcm(&[8, 16, 24, 32], 16, true, false),
            "A_PCM/INT/BIG" => pcm(&[8, 16, 24, 32], 16, false, false),
            "A_PCM/FLOAT/IEEE" => pcm(&[32, 64], 32, true, true),
            "A_FLAC" => Ok(Self::Flac),
            "A_MPEG/L3" => Ok(Self::Mp3),
            "A_VORBIS" => Ok(Self::Vorbis),
            _ if id == "A_AAC" || id.starts_with("A_AAC/") => Ok(Self::Aac),
            _ => Err(unsupported(id, String::new())),
        }
    }
}

fn unsupported(codec: &str, reason: String) -> AudioError {
    AudioError::Codec { codec: codec.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mime_types_as_connect_writes_them_and_their_relatives() {
        let format = |rate_hz, channels| Some(PcmFormat { rate_hz, channels });
        for (mime, expected) in [
            ("audio/L16;rate=8000;channels=1;", format(8000, 1)),
            ("AUDIO/l16; channels=2; rate=16000", format(16_000, 2)),
            ("audio/L16;rate=8000", format(8000, 1)),
            ("audio/L16;rate=8000;layout=x", format(8000, 1)),
            ("audio/L16", None),
            ("audio/L16;rate=0", None),
            ("audio/L16;rate=8000;channels=0", None),
            ("audio/L16;rate=99999999999", None),
            ("audio/L16;rate", None),
            ("audio/aac;rate=8000", None),
            ("", None),
        ] {
            assert_eq!(PcmFormat::from_mime_type(mime), expected, "{mime}");
        }
    }
}
