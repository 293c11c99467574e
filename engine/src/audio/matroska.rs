//! Matroska recordings that are not a Kinesis stream of PCM: compressed, stereo, or at another rate.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use mkv_demux::{ContentEncoding, Demuxer, ErrorKind, Event, Frame, Track, TrackKind};
use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, well_known as id};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use super::decoder::{Decoded, Decoder};
use super::error::AudioError;
use super::format::Codec;
use super::lane::Lane;
use super::recording::{Block, RecordingOptions, Source};
use crate::recogniser::Party;
use crate::time::{Span, Time};

const READ_BYTES: usize = 64 * 1024;
/// 2001-01-01T00:00:00 UTC, where DateUTC counts from, in nanoseconds since 1970.
const DATE_EPOCH_NS: i64 = 978_307_200_000_000_000;

pub(super) struct MatroskaReader {
    source: Box<dyn Read + Send>,
    demuxer: Demuxer,
    options: RecordingOptions,
    tracks: Vec<AudioTrack>,
    /// Names of the tracks that are not audio, for the error that says there is none.
    others: Vec<String>,
    /// The tracks are known: the first frame has come.
    settled: bool,
    date: Option<Time>,
    truncated: Option<String>,
    exhausted: bool,
    over: bool,
}

struct AudioTrack {
    entry: Arc<Track>,
    party: Option<Party>,
    decoder: Option<Decoder>,
    prefix: Bytes,
    lanes: Vec<Lane>,
}

impl MatroskaReader {
    /// Reads up to the first frame.
    pub(super) fn open(
        source: Source,
        options: RecordingOptions,
        out: &mut impl Extend<Block>,
    ) -> Result<Self, AudioError> {
        let source: Box<dyn Read + Send> = match source {
            Source::File(file) => Box::new(file),
            Source::Stream(stream) => stream,
        };
        let mut reader = Self {
            source,
            demuxer: Demuxer::new(),
            options,
            tracks: Vec::new(),
            others: Vec::new(),
            settled: false,
            date: None,
            truncated: None,
            exhausted: false,
            over: false,
        };
        while !reader.settled && !reader.read(out)? {}
        Ok(reader)
    }

    /// Handles the next event; true at the end.
    pub(super) fn read(&mut self, out: &mut impl Extend<Block>) -> Result<bool, AudioError> {
        if self.over {
            return Ok(true);
        }
        match self.demuxer.poll() {
            Ok(Some(event)) => self.handle(event, out).map(|()| false),
            Ok(None) if self.exhausted => self.finish(out).map(|()| true),
            Ok(None) => self.feed().map(|()| false),
            Err(error) => {
                let damaged = !matches!(error.kind, ErrorKind::Truncated { .. });
                if damaged && !self.settled {
                    return Err(AudioError::Matroska(error));
                }
                self.truncated = Some(error.to_string());
                self.finish(out).map(|()| true)
            }
        }
    }

    fn feed(&mut self) -> Result<(), AudioError> {
        let mut buffer = vec![0; READ_BYTES];
        let n = loop {
            match self.source.read(&mut buffer) {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other.map_err(AudioError::Read)?,
            }
        };
        buffer.truncate(n);
        if n == 0 {
            self.exhausted = true;
            self.demuxer.finish();
        } else {
            self.demuxer.feed(Bytes::from(buffer));
        }
        Ok(())
    }

    fn handle(&mut self, event: Event, out: &mut impl Extend<Block>) -> Result<(), AudioError> {
        match event {
            Event::Info(info) if self.date.is_none() => {
                let date = info.date_utc_ns.and_then(|ns| ns.checked_add(DATE_EPOCH_NS));
                self.date = date.map(Time::from_ns);
            }
            Event::Track(entry) if entry.kind == TrackKind::Audio => self.add(entry),
            Event::Track(entry) => self.others.push(entry.codec_id.to_string()),
            Event::Frame(frame) => {
                if !self.settled {
                    self.settle()?;
                }
                self.decode(&frame, out)?;
            }
            Event::Gap(gap) => {
                let bytes = gap.to.saturating_sub(gap.from);
                self.truncated = Some(format!("{bytes} bytes were damaged: {}", gap.error));
            }
            _ => {}
        }
        Ok(())
    }

    /// A track; a document that repeats an earlier one's tracks adds nothing.
    fn add(&mut self, entry: Arc<Track>) {
        if self.tracks.iter().all(|track| track.entry.number != entry.number) {
            let track =
                AudioTrack { entry, party: None, decoder: None, prefix: Bytes::new(), lanes: Vec::new() };
            self.tracks.push(track);
        }
    }

    /// All tracks are known: decides whose they are and opens their codecs.
    fn settle(&mut self) -> Result<(), AudioError> {
        self.settled = true;
        let named = |track: &AudioTrack| party_of(track.entry.name.as_deref()).is_some();
        if self.tracks.iter().any(named) {
            self.tracks.retain(named);
        }
        match self.tracks.len() {
            0 if self.others.is_empty() => return Err(AudioError::NoAudio(String::new())),
            0 => return Err(AudioError::NoAudio(format!(", only {}", self.others.join(", ")))),
            1 | 2 => {}
            more => return Err(AudioError::Tracks(more)),
        }
        let alone = self.tracks.len() == 1;
        for (index, track) in self.tracks.iter_mut().enumerate() {
            let by_place = (!alone).then(|| self.options.split.party(index));
            track.party = party_of(track.entry.name.as_deref()).or(by_place);
            track.prefix = prefix(&track.entry)?;
            track.decoder = Some(Decoder::new(&parameters(&track.entry)?, &track.entry.codec_id)?);
        }
        Ok(())
    }

    fn decode(&mut self, frame: &Frame, out: &mut impl Extend<Block>) -> Result<(), AudioError> {
        let Some(track) = self.tracks.iter_mut().find(|t| t.entry.number == frame.track) else {
            return Ok(());
        };
        let Some(decoder) = &mut track.decoder else { return Ok(()) };
        let data = if track.prefix.is_empty() {
            frame.data.to_vec()
        } else {
            [track.prefix.as_ref(), frame.data.as_ref()].concat()
        };
        let packet = Packet::new(0, Timestamp::new(0), Duration::new(0), data);
        let Decoded::Samples(rate_hz) = decoder.decode(&packet)? else { return Ok(()) };
        let delay_ns = i64::try_from(track.entry.codec_delay_ns).unwrap_or(0);
        let at_us = frame.timestamp_ns.saturating_sub(delay_ns).div_euclid(1000);
        // A lace without a DefaultDuration gives all its frames one time: they follow each other.
        let follows = frame.lace_index > 0 && track.entry.default_duration_ns.is_none();
        let at = (!follows || track.lanes.is_empty()).then(|| Span::from_us(at_us));
        let channels = decoder.channels();
        let mixed;
        // A track of one party may have two channels: their mean.
        let channels: &[Vec<f32>] = match (track.party, channels) {
            (Some(_), [left, right]) => {
                mixed = [left.iter().zip(right).map(|(l, r)| (l + r) / 2.0).collect()];
                &mixed
            }
            _ => channels,
        };
        let fits = track.lanes.len() == channels.len() && track.lanes.iter().all(|l| l.input_hz() == rate_hz);
        if !fits {
            for lane in &mut track.lanes {
                lane.finish(out)?;
            }
            let party = |channel| track.party.unwrap_or_else(|| self.options.split.party(channel));
            track.lanes = (0..channels.len())
                .map(|channel| Lane::new(party(channel), rate_hz, self.options.rate_hz))
                .collect::<Result<_, _>>()?;
        }
        for (lane, samples) in track.lanes.iter_mut().zip(channels) {
            lane.push(at, samples, out)?;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut impl Extend<Block>) -> Result<(), AudioError> {
        self.over = true;
        if !self.settled {
            self.settle()?; // says what is missing
        }
        for track in &mut self.tracks {
            if let Some(decoder) = &track.decoder {
                decoder.verdict()?;
            }
            for lane in &mut track.lanes {
                lane.finish(out)?;
            }
        }
        Ok(())
    }

    pub(super) fn start_time(&self) -> Option<Time> {
        self.date
    }

    pub(super) fn truncated(&self) -> Option<String> {
        self.truncated.clone()
    }

    pub(super) fn packets_lost(&self) -> u64 {
        self.tracks.iter().filter_map(|t| t.decoder.as_ref()).map(|d| d.bad).sum()
    }
}

/// The party of a track by the names Amazon Connect gives.
fn party_of(name: Option<&str>) -> Option<Party> {
    match name? {
        "AUDIO_FROM_CUSTOMER" | "Track_audio/L16" => Some(Party::Customer),
        "AUDIO_TO_CUSTOMER" => Some(Party::Agent),
        _ => None,
    }
}

/// The bytes that header stripping cut from each frame.
fn prefix(track: &Track) -> Result<Bytes, AudioError> {
    match track.encodings.as_slice() {
        [] => Ok(Bytes::new()),
        [ContentEncoding::HeaderStripping(bytes)] => Ok(bytes.clone()),
        _ => Err(AudioError::Codec {
            codec: track.codec_id.to_string(),
            reason: " with compressed or encrypted frames".to_owned(),
        }),
    }
}

/// The codec and its set-up as symphonia wants them.
fn parameters(track: &Track) -> Result<AudioCodecParameters, AudioError> {
    let codec = Codec::of(track)?;
    let missing = || AudioError::Codec {
        codec: track.codec_id.to_string(),
        reason: " because its CodecPrivate is missing or not valid".to_owned(),
    };
    let private = track.codec_private.as_deref();
    let mut parameters = AudioCodecParameters::new();
    if let Some(audio) = &track.audio {
        // A cast from a float saturates; a senseless rate is refused where it is used.
        parameters.with_sample_rate(audio.sampling_frequency_hz.round() as u32);
        let count = u16::try_from(audio.channels).unwrap_or(u16::MAX);
        if count > 2 {
            return Err(AudioError::Channels(usize::from(count)));
        }
        parameters.with_channels(Channels::Discrete(count.max(1)));
    }
    match codec {
        Codec::Pcm { bits, little_endian, float } => {
            let pcm = pcm_id(bits, little_endian, float).ok_or_else(missing)?;
            parameters
                .for_codec(pcm)
                .with_bits_per_sample(u32::from(bits))
                .with_bits_per_coded_sample(u32::from(bits));
            parameters.with_max_frames_per_packet(1 << 20);
        }
        Codec::Aac => {
            parameters.for_codec(id::CODEC_ID_AAC);
            parameters.with_extra_data(private.ok_or_else(missing)?.into());
        }
        Codec::Flac => {
            parameters.for_codec(id::CODEC_ID_FLAC);
            parameters.with_extra_data(private.and_then(stream_info).ok_or_else(missing)?);
        }
        Codec::Mp3 => {
            parameters.for_codec(id::CODEC_ID_MP3);
        }
        Codec::Vorbis => {
            parameters.for_codec(id::CODEC_ID_VORBIS);
            parameters.with_extra_data(private.and_then(vorbis_headers).ok_or_else(missing)?);
        }
    }
    Ok(parameters)
}

fn pcm_id(bits: u16, little_endian: bool, float: bool) -> Option<AudioCodecId> {
    Some(match (float, bits, little_endian) {
        (false, 8, _) => id::CODEC_ID_PCM_U8,
        (false, 16, true) => id::CODEC_ID_PCM_S16LE,
        (false, 16, false) => id::CODEC_ID_PCM_S16BE,
        (false, 24, true) => id::CODEC_ID_PCM_S24LE,
        (false, 24, false) => id::CODEC_ID_PCM_S24BE,
        (false, 32, true) => id::CODEC_ID_PCM_S32LE,
        (false, 32, false) => id::CODEC_ID_PCM_S32BE,
        (true, 32, true) => id::CODEC_ID_PCM_F32LE,
        (true, 64, true) => id::CODEC_ID_PCM_F64LE,
        _ => return None,
    })
}

/// The STREAMINFO block out of a FLAC CodecPrivate: `fLaC`, then metadata blocks (RFC 9639 section 8).
fn stream_info(private: &[u8]) -> Option<Box<[u8]>> {
    let block = private.strip_prefix(b"fLaC")?;
    (block.first()? & 0x7F == 0).then(|| block.get(4..38).map(Into::into))?
}

/// The identification and set-up headers out of a Vorbis CodecPrivate: three headers in Xiph lacing.
fn vorbis_headers(private: &[u8]) -> Option<Box<[u8]>> {
    let (2, rest) = private.split_first().map(|(count, rest)| (*count, rest))? else { return None };
    let (first, rest) = xiph_size(rest)?;
    let (second, rest) = xiph_size(rest)?;
    let identification = rest.get(..first)?;
    let setup = rest.get(first.checked_add(second)?..)?;
    Some([identification, setup].concat().into())
}

fn xiph_size(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let full = bytes.iter().take_while(|b| **b == 255).count();
    let last = bytes.get(full)?;
    Some((full * 255 + usize::from(*last), &bytes[full + 1..]))
}
