//! What the samples of a track are.
//!
//! Amazon Connect labels its PCM tracks `A_AAC`, so the codec id is the last thing asked: first the
//! MimeType tag, then what the same segment said before, then the track.

use std::collections::BTreeMap;

use mkv_demux::Track;

/// Format of raw audio: signed 16-bit little-endian PCM, one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PcmFormat {
    pub(crate) rate_hz: u32,
}

/// The rates that Amazon Transcribe streams (8 to 48 kHz).
const RATES_HZ: std::ops::RangeInclusive<u32> = 8_000..=48_000;

/// Names of Amazon Connect's tracks. `Track_audio/L16` is the single track of older streams.
pub(super) const FROM_CUSTOMER: [&str; 2] = ["AUDIO_FROM_CUSTOMER", "Track_audio/L16"];
pub(super) const TO_CUSTOMER: &str = "AUDIO_TO_CUSTOMER";

/// Whether a track has one of the names that Amazon Connect gives its tracks.
#[must_use]
pub fn is_connect_track(track: &Track) -> bool {
    track.name.as_deref().is_some_and(|n| n == TO_CUSTOMER || FROM_CUSTOMER.contains(&n))
}

/// Why the audio of a track cannot be taken as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unsupported(pub(crate) String);

/// Remembers the MimeType of each segment, for fragments that came without tags.
#[derive(Debug, Default)]
pub(crate) struct Formats {
    by_segment: BTreeMap<[u8; 16], PcmFormat>,
}

/// Segments remembered; a hostile stream may name a new one in each document.
const MAX_SEGMENTS: usize = 1024;

impl Formats {
    pub(crate) fn of(
        &mut self,
        mime_type: Option<&str>,
        segment: Option<[u8; 16]>,
        track: &Track,
    ) -> Result<PcmFormat, Unsupported> {
        if let Some(mime) = mime_type {
            let format = parse_mime_type(mime)?;
            if let Some(uuid) = segment {
                if self.by_segment.len() >= MAX_SEGMENTS {
                    self.by_segment.clear();
                }
                self.by_segment.insert(uuid, format);
            }
            return Ok(format);
        }
        if let Some(format) = segment.and_then(|uuid| self.by_segment.get(&uuid)) {
            return Ok(*format);
        }
        of_track(track)
    }
}

/// `audio/L16;rate=8000;channels=1;`. RFC 2586 says big-endian; Amazon Connect sends little-endian.
fn parse_mime_type(mime: &str) -> Result<PcmFormat, Unsupported> {
    let mut parts = mime.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    if !kind.eq_ignore_ascii_case("audio/L16") {
        return Err(Unsupported(format!("MimeType {mime}")));
    }
    let (mut rate_hz, mut channels) = (8_000, 1);
    for part in parts {
        let Some((name, value)) = part.split_once('=') else { continue };
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "rate" => rate_hz = value.parse().unwrap_or(0),
            "channels" => channels = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    checked(rate_hz, channels, || format!("MimeType {mime}"))
}

/// Whether a [`super::Call`] takes the frames of this track as they are, if no MimeType tag says otherwise.
#[must_use]
pub fn is_raw_pcm(track: &Track) -> bool {
    of_track(track).is_ok()
}

fn of_track(track: &Track) -> Result<PcmFormat, Unsupported> {
    let described = || format!("codec {} of track {}", track.codec_id, track.number);
    if !track.encodings.is_empty() {
        return Err(Unsupported(format!("content encoding of track {}", track.number)));
    }
    let audio = track.audio.as_ref();
    match track.codec_id.as_str() {
        "A_PCM/INT/LIT" if audio.is_some_and(|a| a.bit_depth == Some(16)) => {
            let rate = audio.map_or(0.0, |a| a.sampling_frequency_hz);
            let whole = rate.fract() == 0.0 && (0.0..=1e6).contains(&rate);
            checked(if whole { rate as u32 } else { 0 }, audio.map_or(0, |a| a.channels), described)
        }
        // Connect's own label for its PCM; its fragments without tags carry no Audio master.
        "A_AAC" if is_connect_track(track) && audio.is_none() => Ok(PcmFormat { rate_hz: 8_000 }),
        _ => Err(Unsupported(described())),
    }
}

fn checked(rate_hz: u32, channels: u64, what: impl Fn() -> String) -> Result<PcmFormat, Unsupported> {
    if channels == 1 && RATES_HZ.contains(&rate_hz) {
        Ok(PcmFormat { rate_hz })
    } else {
        Err(Unsupported(format!("{} ({rate_hz} Hz, {channels} channels)", what())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connects_mime_type_is_pcm() {
        assert_eq!(parse_mime_type("audio/L16;rate=8000;channels=1;"), Ok(PcmFormat { rate_hz: 8000 }));
        assert_eq!(parse_mime_type("AUDIO/l16; Rate = 16000"), Ok(PcmFormat { rate_hz: 16000 }));
        for bad in ["audio/aac", "audio/L16;rate=8000;channels=2", "audio/L16;rate=7", "audio/L16;rate=x", ""]
        {
            assert!(parse_mime_type(bad).is_err(), "{bad}");
        }
    }
}
