//! Plain recordings: WAV, FLAC, MP3, Ogg Vorbis, AAC and M4A, by symphonia.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Mutex, PoisonError};

use symphonia::core::codecs::CodecParameters;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::units::TimeBase;

use super::decoder::{Decoded, Decoder};
use super::error::AudioError;
use super::lane::Lane;
use super::recording::{Block, RecordingOptions, Source};

pub(super) struct PlainReader {
    format: Box<dyn FormatReader>,
    track: u32,
    time_base: Option<TimeBase>,
    decoder: Decoder,
    options: RecordingOptions,
    lanes: Vec<Lane>,
    truncated: Option<String>,
    /// Samples per channel the container promises, and those that came.
    promised: Option<u64>,
    came: u64,
}

impl PlainReader {
    pub(super) fn open(
        source: Source,
        extension: Option<&str>,
        options: RecordingOptions,
    ) -> Result<Self, AudioError> {
        let seekable = matches!(source, Source::File(_));
        let stream = MediaSourceStream::new(Box::new(Media::new(source)), Default::default());
        let mut hint = Hint::new();
        if let Some(extension) = extension {
            hint.with_extension(extension);
        }
        let format = symphonia::default::get_probe()
            .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
            .map_err(|error| unrecognised(&error, seekable))?;
        let track =
            format.default_track(TrackType::Audio).ok_or_else(|| AudioError::NoAudio(String::new()))?;
        let Some(CodecParameters::Audio(parameters)) = &track.codec_params else {
            return Err(AudioError::NoAudio(" that could be understood".to_owned()));
        };
        if let Some(count) = parameters.channels.as_ref().map(symphonia::core::audio::Channels::count)
            && count > 2
        {
            return Err(AudioError::Channels(count));
        }
        let name = symphonia::default::get_codecs()
            .get_audio_decoder(parameters.codec)
            .map_or_else(|| parameters.codec.to_string(), |codec| codec.codec.info.short_name.to_owned());
        let decoder = Decoder::new(parameters, &name)?;
        let (id, time_base, promised) = (track.id, track.time_base, track.num_frames);
        Ok(Self {
            track: id,
            time_base,
            decoder,
            options,
            lanes: Vec::new(),
            truncated: None,
            promised,
            came: 0,
            format,
        })
    }

    /// Reads a packet; true at the end.
    pub(super) fn read(&mut self, out: &mut impl Extend<Block>) -> Result<bool, AudioError> {
        let packet = match self.format.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => return self.finish(out),
            Err(Error::IoError(e)) if e.kind() != io::ErrorKind::UnexpectedEof => {
                return Err(AudioError::Read(e));
            }
            Err(error) => {
                self.truncated = Some(format!("the recording ends before its end: {error}"));
                return self.finish(out);
            }
        };
        if packet.track_id != self.track {
            return Ok(false);
        }
        let lost = self.decoder.bad;
        match self.decoder.decode(&packet)? {
            Decoded::Samples(rate_hz) => self.give(rate_hz, out)?,
            Decoded::Nothing if self.decoder.bad > lost => self.give_silence(packet.dur.get(), out)?,
            Decoded::Nothing => {}
        }
        Ok(false)
    }

    fn give(&mut self, rate_hz: u32, out: &mut impl Extend<Block>) -> Result<(), AudioError> {
        let channels = self.decoder.channels();
        self.came += channels.first().map_or(0, |c| c.len() as u64);
        let fits = self.lanes.len() == channels.len() && self.lanes.iter().all(|l| l.input_hz() == rate_hz);
        if !fits {
            // The first packet, or a recording that changes its format on the way.
            for lane in &mut self.lanes {
                lane.finish(out)?;
            }
            let lane = |channel| Lane::new(self.options.split.party(channel), rate_hz, self.options.rate_hz);
            self.lanes = (0..channels.len()).map(lane).collect::<Result<_, _>>()?;
        }
        for (lane, samples) in self.lanes.iter_mut().zip(channels) {
            lane.push(None, samples, out)?;
        }
        Ok(())
    }

    /// Fills in for a packet that could not be decoded: at most a second, whatever it claims.
    fn give_silence(&mut self, ticks: u64, out: &mut impl Extend<Block>) -> Result<(), AudioError> {
        let Some(rate_hz) = self.lanes.first().map(Lane::input_hz) else { return Ok(()) };
        let rate = u64::from(rate_hz);
        let frames = self.time_base.map_or(ticks, |base| {
            let (numer, denom) = (u64::from(base.numer.get()), u64::from(base.denom.get()));
            ticks.saturating_mul(numer).saturating_mul(rate) / denom
        });
        let silence = vec![0.0; usize::try_from(frames.min(rate)).unwrap_or(0)];
        self.came += silence.len() as u64;
        for lane in &mut self.lanes {
            lane.push(None, &silence, out)?;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut impl Extend<Block>) -> Result<bool, AudioError> {
        self.decoder.verdict()?;
        if self.truncated.is_none()
            && let Some(promised) = self.promised
            && self.came + self.came / 100 + 4096 < promised
        {
            let came = self.came;
            self.truncated =
                Some(format!("the recording ends early: {came} of {promised} samples are there"));
        }
        for lane in &mut self.lanes {
            lane.finish(out)?;
        }
        Ok(true)
    }

    pub(super) fn truncated(&self) -> Option<String> {
        self.truncated.clone()
    }

    pub(super) fn packets_lost(&self) -> u64 {
        self.decoder.bad
    }
}

fn unrecognised(error: &Error, seekable: bool) -> AudioError {
    match error {
        Error::IoError(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            AudioError::Unrecognised("it ends where a format should begin".to_owned())
        }
        Error::SeekError(_) | Error::Unsupported(_) if !seekable => AudioError::Unrecognised(format!(
            "{error}; this format may need a file instead of a stream: store it first"
        )),
        error => AudioError::Unrecognised(error.to_string()),
    }
}

/// A source as symphonia wants it.
enum Media {
    File(File),
    /// Only ever used through `&mut`: the lock makes it shareable, nobody waits for it.
    Stream(Mutex<Box<dyn Read + Send>>),
}

impl Media {
    fn new(source: Source) -> Self {
        match source {
            Source::File(file) => Self::File(file),
            Source::Stream(stream) => Self::Stream(Mutex::new(stream)),
        }
    }
}

impl Read for Media {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Stream(stream) => stream.get_mut().unwrap_or_else(PoisonError::into_inner).read(buffer),
        }
    }
}

impl Seek for Media {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::File(file) => file.seek(to),
            Self::Stream(_) => Err(io::ErrorKind::NotSeekable.into()),
        }
    }
}

impl MediaSource for Media {
    fn is_seekable(&self) -> bool {
        matches!(self, Self::File(_))
    }
    fn byte_len(&self) -> Option<u64> {
        match self {
            Self::File(file) => file.metadata().ok().map(|m| m.len()),
            Self::Stream(_) => None,
        }
    }
}
