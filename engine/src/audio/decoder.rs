//! One track's codec: packets in, samples per channel out. A broken packet is counted, not fatal.

use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::packet::Packet;

use super::error::AudioError;

/// What came of a packet.
pub(super) enum Decoded {
    /// This many channels of samples are in [`Decoder::channels`], at this rate.
    Samples(u32),
    /// The packet was broken, or gave nothing.
    Nothing,
}

pub(super) struct Decoder {
    inner: Box<dyn AudioDecoder>,
    name: String,
    channels: Vec<Vec<f32>>,
    /// Packets that gave samples, and packets that could not be decoded.
    pub(super) good: u64,
    pub(super) bad: u64,
    first_error: Option<String>,
}

impl Decoder {
    /// For a codec, named `name` to people.
    pub(super) fn new(parameters: &AudioCodecParameters, name: &str) -> Result<Self, AudioError> {
        let inner = symphonia::default::get_codecs()
            .make_audio_decoder(parameters, &AudioDecoderOptions::default())
            .map_err(|e| AudioError::Codec { codec: name.to_owned(), reason: format!(" ({e})") })?;
        Ok(Self { inner, name: name.to_owned(), channels: Vec::new(), good: 0, bad: 0, first_error: None })
    }

    /// Decodes a packet.
    pub(super) fn decode(&mut self, packet: &Packet) -> Result<Decoded, AudioError> {
        match self.inner.decode(packet) {
            Ok(buffer) => {
                let count = buffer.spec().channels().count();
                if !(1..=2).contains(&count) {
                    return Err(AudioError::Channels(count));
                }
                buffer.copy_to_vecs_planar(&mut self.channels);
                let rate_hz = buffer.spec().rate();
                if self.channels.first().is_none_or(Vec::is_empty) {
                    return Ok(Decoded::Nothing);
                }
                self.good += 1;
                Ok(Decoded::Samples(rate_hz))
            }
            Err(error) => {
                if matches!(error, Error::ResetRequired) {
                    self.inner.reset();
                }
                self.bad += 1;
                self.first_error.get_or_insert_with(|| error.to_string());
                Ok(Decoded::Nothing)
            }
        }
    }

    /// The samples of the last packet, channel by channel.
    pub(super) fn channels(&self) -> &[Vec<f32>] {
        &self.channels
    }

    /// An error where packets came and none could be decoded.
    pub(super) fn verdict(&self) -> Result<(), AudioError> {
        match &self.first_error {
            Some(reason) if self.good == 0 => {
                Err(AudioError::NothingDecodes { codec: self.name.clone(), reason: reason.clone() })
            }
            _ => Ok(()),
        }
    }
}
