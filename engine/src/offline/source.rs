//! Where a recording comes from: raw Matroska bytes as they are, anything else decoded first.
//!
//! The call takes 16-bit PCM in Matroska itself, because that is what Kinesis delivers. Every other
//! recording goes through the decoder and enters the call as PCM.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use mkv_demux::{Demuxer, Event, Track, TrackKind};

use crate::audio::{self, AudioError, Recording, RecordingOptions, Split};
use crate::call::{Input, MediaEnd, PcmBlock, is_connect_track, is_raw_pcm};
use crate::recogniser::Party;
use crate::time::Time;

/// How a recording is to be read.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SourceOptions {
    /// Party of the left channel of a stereo file, and of a mono file. Default: the customer.
    pub left: Party,
    /// Wall-clock time of the first sample of a recording that does not say its own. `None`: 1970.
    pub start: Option<Time>,
}

impl SourceOptions {
    /// Options as described by the fields.
    #[must_use]
    pub const fn new(left: Party, start: Option<Time>) -> Self {
        Self { left, start }
    }
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self { left: Party::Customer, start: None }
    }
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The system could not read it.
    #[error("cannot read it")]
    Read(#[source] io::Error),
    /// There is nothing in it.
    #[error("it is empty: a recording of at least one audio frame is needed")]
    Empty,
    /// It is Matroska without any audio track.
    #[error("it holds no audio track, only {0}")]
    NoAudio(String),
    /// It cannot be decoded.
    #[error(transparent)]
    Audio(#[from] AudioError),
}

/// A recording, opened.
pub struct Source {
    kind: Kind,
    read: Count,
}

enum Kind {
    /// Matroska with PCM: the call demuxes it.
    Raw { head: Option<Bytes>, rest: Box<dyn Read + Send> },
    /// Decoded here.
    Decoded { recording: Box<Recording>, start: Time },
}

/// Where the count of bytes read stands.
enum Count {
    /// Counted while reading.
    Here(Arc<AtomicU64>),
    /// A second handle of the file, which shares its position with the one that is read.
    File(File),
}

/// Bytes looked at to find out what a recording is: some seconds of a Kinesis stream.
const PROBE_BYTES: usize = 512 << 10;
/// Size of one read.
const READ_BYTES: usize = 64 << 10;
/// What the embedded recogniser hears.
const RATE_HZ: u32 = 16_000;

/// Whatever media can be drawn from.
pub trait Media {
    /// The next piece of media, or its end; [`Input::Tick`] where a stream has nothing to say for now.
    ///
    /// # Errors
    /// It cannot be read or decoded any further.
    fn next_input(&mut self) -> Result<Input, SourceError>;

    /// Bytes of the recording read so far.
    fn bytes_read(&self) -> u64;
}

impl Source {
    /// Opens a recording; `extension` of its file name helps to tell formats apart.
    ///
    /// A stream may answer a read with [`io::ErrorKind::TimedOut`] when nothing has come for a while: then
    /// the call goes on with what it has, and the stream is read again.
    ///
    /// # Errors
    /// It cannot be read, is empty, holds no audio, or audio in a format that is not understood.
    pub fn open(
        input: audio::Source,
        extension: Option<&str>,
        options: SourceOptions,
    ) -> Result<Self, SourceError> {
        let mut input = input;
        let (head, look) = match &mut input {
            audio::Source::File(file) => probe(file)?,
            audio::Source::Stream(stream) => probe(&mut Patient(stream))?,
        };
        let read = Arc::new(AtomicU64::new(0));
        if look == Look::Pcm {
            let rest: Box<dyn Read + Send> = match input {
                audio::Source::File(file) => Box::new(file),
                audio::Source::Stream(stream) => stream,
            };
            return Ok(Self { kind: Kind::Raw { head: Some(head), rest }, read: Count::Here(read) });
        }
        let (input, read) = match input {
            audio::Source::File(mut file) => {
                file.rewind().map_err(SourceError::Read)?;
                let second = file.try_clone().map_err(SourceError::Read)?;
                (audio::Source::File(file), Count::File(second))
            }
            audio::Source::Stream(stream) => {
                let whole = Cursor::new(head).chain(Patient(stream));
                let whole = Counting { inner: whole, read: Arc::clone(&read) };
                (audio::Source::Stream(Box::new(whole)), Count::Here(read))
            }
        };
        let split = match options.left {
            Party::Customer => Split::CustomerLeft,
            Party::Agent => Split::AgentLeft,
        };
        let recording =
            Recording::open(input, extension, RecordingOptions { split, rate_hz: Some(RATE_HZ) })?;
        let start = options.start.or_else(|| recording.start_time()).unwrap_or_default();
        Ok(Self { kind: Kind::Decoded { recording: Box::new(recording), start }, read })
    }
}

impl Media for Source {
    fn bytes_read(&self) -> u64 {
        match &self.read {
            Count::Here(count) => count.load(Ordering::Relaxed),
            Count::File(file) => (&*file).stream_position().unwrap_or(0),
        }
    }

    fn next_input(&mut self) -> Result<Input, SourceError> {
        match &mut self.kind {
            Kind::Raw { head, rest } => {
                let bytes = match head.take().map_or_else(|| read_some(rest), Ok) {
                    Err(e) if e.kind() == io::ErrorKind::TimedOut => return Ok(Input::Tick),
                    bytes => bytes.map_err(SourceError::Read)?,
                };
                if let Count::Here(count) = &self.read {
                    count.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                }
                Ok(if bytes.is_empty() { Input::MediaEnded(MediaEnd::Complete) } else { Input::Media(bytes) })
            }
            Kind::Decoded { recording, start } => match recording.next_block()? {
                Some(block) => Ok(Input::Pcm(PcmBlock {
                    party: block.party,
                    start: *start + block.start,
                    rate_hz: block.rate_hz,
                    pcm: block.samples.iter().flat_map(|s| s.to_le_bytes()).collect(),
                })),
                None => Ok(Input::MediaEnded(match recording.truncated() {
                    Some(why) => MediaEnd::Truncated(why),
                    None => MediaEnd::Complete,
                })),
            },
        }
    }
}

/// Waits for as long as it takes, where the reader gives up for a while ([`io::ErrorKind::TimedOut`]).
struct Patient<R>(R);

impl<R: Read> Read for Patient<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(e) if e.kind() == io::ErrorKind::TimedOut => {}
                read => return read,
            }
        }
    }
}

/// Counts what is read through it.
struct Counting<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

fn read_some(reader: &mut dyn Read) -> io::Result<Bytes> {
    let mut buffer = BytesMut::zeroed(READ_BYTES);
    loop {
        match reader.read(&mut buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
            Ok(n) => {
                buffer.truncate(n);
                return Ok(buffer.freeze());
            }
        }
    }
}

/// How a recording is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// By the call itself.
    Pcm,
    ToDecode,
}

/// Reads as many of the first bytes as tell how to read the rest, and not more: somebody may be speaking
/// into the other end of the pipe right now.
fn probe(reader: &mut dyn Read) -> Result<(Bytes, Look), SourceError> {
    const EBML: &[u8] = &[0x1A, 0x45, 0xDF, 0xA3];
    let mut head = BytesMut::new();
    let mut prober = Prober::default();
    loop {
        let piece = read_some(reader).map_err(SourceError::Read)?;
        head.extend_from_slice(&piece);
        let short = head.len() < EBML.len();
        if piece.is_empty() && head.is_empty() {
            return Err(SourceError::Empty);
        }
        if !head.starts_with(EBML) && (!short || piece.is_empty()) {
            return Ok((head.freeze(), Look::ToDecode));
        }
        let ended = piece.is_empty();
        prober.demuxer.feed(piece);
        if prober.is_certain() || ended || head.len() >= PROBE_BYTES {
            return Ok((head.freeze(), prober.judge()?));
        }
    }
}

/// Looks at the first document of a Matroska stream.
#[derive(Default)]
struct Prober {
    demuxer: Demuxer,
    tracks: Vec<Arc<Track>>,
    mime_type: Option<String>,
}

impl Prober {
    /// Whether what has been seen decides. The tag that names the format may stand behind the audio, so of a
    /// Connect stream a whole document is needed; a plain file's tracks say all.
    fn is_certain(&mut self) -> bool {
        while let Ok(Some(event)) = self.demuxer.poll() {
            match event {
                Event::Track(track) => self.tracks.push(track),
                Event::Tag(tag) if tag.name == "MimeType" => {
                    self.mime_type.get_or_insert(tag.string().unwrap_or_default().to_ascii_lowercase());
                }
                Event::DocumentEnd { .. } if !self.tracks.is_empty() => return true,
                Event::Frame(_) if !self.tracks.iter().any(|t| is_connect_track(t)) => return true,
                _ => {}
            }
        }
        self.mime_type.is_some() && !self.tracks.is_empty()
    }

    fn judge(&self) -> Result<Look, SourceError> {
        if self.tracks.is_empty() {
            // Damaged or cut short: the call says what is wrong, and where.
            return Ok(Look::Pcm);
        }
        let audio: Vec<&Arc<Track>> = self.tracks.iter().filter(|t| t.kind == TrackKind::Audio).collect();
        if audio.is_empty() {
            let found: Vec<&str> = self.tracks.iter().map(|t| t.codec_id.as_str()).collect();
            return Err(SourceError::NoAudio(found.join(", ")));
        }
        let pcm = match &self.mime_type {
            Some(mime) => mime.starts_with("audio/l16"),
            None => audio.iter().all(|t| is_raw_pcm(t)),
        };
        Ok(if pcm { Look::Pcm } else { Look::ToDecode })
    }
}
