//! What a track carries, by its Matroska TrackEntry. What Connect's tags say of raw PCM is the call's to know.

use mkv_demux::Track;

use super::error::AudioError;

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
