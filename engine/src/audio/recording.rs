//! Any recording as blocks of one party's 16-bit samples, placed in time.
//!
//! The format is judged by content, not by name. Nothing is read ahead further than a packet, so memory
//! does not grow with the recording. It must never know what is done with the blocks.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};

use super::error::AudioError;
use super::matroska::MatroskaReader;
use super::plain::PlainReader;
use crate::recogniser::Party;
use crate::time::{Span, Time};

/// The first bytes of an EBML document (RFC 8794 section 11.2.1).
const EBML: [u8; 4] = [0x1A, 0x45, 0xDF, 0xA3];

/// Where the bytes of a recording come from.
pub enum Source {
    /// A file: it can be searched, which some formats (`m4a`) need.
    File(File),
    /// A stream, such as standard input.
    Stream(Box<dyn Read + Send>),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File(_) => "File",
            Self::Stream(_) => "Stream",
        })
    }
}

/// Which channel of two is whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Split {
    /// Left or alone: the customer. Right: the agent.
    #[default]
    CustomerLeft,
    /// Left or alone: the agent. Right: the customer.
    AgentLeft,
}

impl Split {
    /// The party of a channel: 0 left or alone, 1 right.
    #[must_use]
    pub const fn party(self, channel: usize) -> Party {
        match (self, channel) {
            (Self::CustomerLeft, 0) | (Self::AgentLeft, 1..) => Party::Customer,
            _ => Party::Agent,
        }
    }
}

/// How a recording is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RecordingOptions {
    /// Which channel is whose.
    pub split: Split,
    /// The rate blocks are wanted at, hertz; `None`: as recorded.
    pub rate_hz: Option<u32>,
}

/// Samples of one party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Whose voice.
    pub party: Party,
    /// Time of the first sample from the recording's start. In Matroska this is the container's timestamp,
    /// so there may be gaps between blocks, and small overlaps.
    pub start: Span,
    /// The samples.
    pub samples: Vec<i16>,
    /// Their rate, hertz.
    pub rate_hz: u32,
}

/// A recording being read.
pub struct Recording {
    reader: Reader,
    ready: VecDeque<Block>,
    finished: bool,
}

enum Reader {
    Plain(Box<PlainReader>),
    Matroska(Box<MatroskaReader>),
}

impl Recording {
    /// Opens a recording. `extension` (such as `mp3`) helps where the content alone leaves doubt.
    ///
    /// # Errors
    /// It cannot be read, is in no known format, or has no audio that can be decoded.
    pub fn open(
        source: Source,
        extension: Option<&str>,
        options: RecordingOptions,
    ) -> Result<Self, AudioError> {
        let (head, source) = peek(source)?;
        if head.is_empty() {
            return Err(AudioError::Empty);
        }
        let mut ready = VecDeque::new();
        let reader = if head == EBML {
            Reader::Matroska(Box::new(MatroskaReader::open(source, options, &mut ready)?))
        } else {
            Reader::Plain(Box::new(PlainReader::open(source, extension, options)?))
        };
        Ok(Self { reader, ready, finished: false })
    }

    /// The next block; `None` at the end.
    ///
    /// # Errors
    /// The source cannot be read, or not one packet of it could be decoded. A damaged end is no error: see
    /// [`Self::truncated`].
    pub fn next_block(&mut self) -> Result<Option<Block>, AudioError> {
        while self.ready.is_empty() && !self.finished {
            self.finished = match &mut self.reader {
                Reader::Plain(reader) => reader.read(&mut self.ready)?,
                Reader::Matroska(reader) => reader.read(&mut self.ready)?,
            };
        }
        Ok(self.ready.pop_front())
    }

    /// When the recording began, where its container says so (Matroska DateUTC). Known once it is open.
    #[must_use]
    pub fn start_time(&self) -> Option<Time> {
        match &self.reader {
            Reader::Plain(_) => None,
            Reader::Matroska(reader) => reader.start_time(),
        }
    }

    /// What was wrong with the recording's end, where it is cut off or damaged. Known when it is read.
    #[must_use]
    pub fn truncated(&self) -> Option<String> {
        match &self.reader {
            Reader::Plain(reader) => reader.truncated(),
            Reader::Matroska(reader) => reader.truncated(),
        }
    }

    /// Packets that could not be decoded so far; there is silence in their place.
    #[must_use]
    pub fn packets_lost(&self) -> u64 {
        match &self.reader {
            Reader::Plain(reader) => reader.packets_lost(),
            Reader::Matroska(reader) => reader.packets_lost(),
        }
    }
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.reader {
            Reader::Plain(_) => "plain",
            Reader::Matroska(_) => "Matroska",
        };
        write!(f, "Recording {{ {kind} }}")
    }
}

/// The first four bytes, or fewer, and the source as it was.
fn peek(source: Source) -> Result<(Vec<u8>, Source), AudioError> {
    let mut head = Vec::new();
    match source {
        Source::File(mut file) => {
            (&mut file).take(4).read_to_end(&mut head).map_err(AudioError::Read)?;
            match file.seek(SeekFrom::Current(-i64::try_from(head.len()).unwrap_or(0))) {
                Ok(_) => Ok((head, Source::File(file))),
                // A pipe or device opened by name.
                Err(_) => Ok((head.clone(), Source::Stream(Box::new(Cursor::new(head).chain(file))))),
            }
        }
        Source::Stream(mut stream) => {
            (&mut stream).take(4).read_to_end(&mut head).map_err(AudioError::Read)?;
            Ok((head.clone(), Source::Stream(Box::new(Cursor::new(head).chain(stream)))))
        }
    }
}
