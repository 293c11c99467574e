//! Kinesis Video Streams: fragments that are there from some time on, and connections that break.
//!
//! Documents are written when they are read, so that hours of audio take no memory. This room knows fragments
//! and bytes; not what becomes of them.

use bytes::Bytes;
use engine::call::{MediaAction, MediaCause, MediaError, MediaFrom};
use engine::time::{Span, Time};
use fixtures::Pcm;
use fixtures::kinesis::{BLOCK_BYTES, BLOCK_MS, START_EPOCH_MS, Shape, Written};
use fixtures::mkv;

use super::sound::{FOREIGN_BYTE, PER_MS, Said, render};

/// Whose a fragment is, and what its documents begin with.
#[derive(Debug)]
pub(super) struct Leg {
    pub contact: String,
    /// EBML header, Segment, Info, Tracks.
    head: Vec<u8>,
    pub foreign: bool,
}

impl Leg {
    /// A leg with a segment of its own.
    pub(super) fn new(contact: &str, serial: u8, tracks: [bool; 2], foreign: bool) -> Self {
        let mut shape =
            Shape { contact_id: contact.to_owned(), segment_uuid: [serial; 16], ..Shape::default() };
        let mut index = 0;
        shape.tracks.retain(|_| {
            index += 1;
            tracks[index - 1]
        });
        shape.tagless.insert(0);
        let written = shape.write(&Pcm::silence(8));
        let cluster = mkv::id_bytes(mkv::id::CLUSTER);
        let end = written.bytes.windows(cluster.len()).position(|w| w == cluster).unwrap();
        Self { contact: contact.to_owned(), head: written.bytes[..end].to_vec(), foreign }
    }
}

/// In which order a fragment's blocks stand. Time is the same in all; GetMedia never reorders fragments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Alternating,
    AgentFirst,
    OneAfterTheOther,
}

/// Where a fragment names its contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    Before,
    After,
    Missing,
    /// No tag at all, not even its number.
    Tagless,
}

/// One fragment, not yet written.
#[derive(Debug, Clone)]
pub(super) struct Fragment {
    /// When it can be read, milliseconds from the beginning of the call.
    pub at_ms: i64,
    /// Its first sample, milliseconds from the beginning of the call.
    pub start_ms: i64,
    pub blocks: u16,
    /// Index of its leg.
    pub leg: usize,
    pub serial: u64,
    pub order: Order,
    pub identity: Identity,
    pub stop: bool,
}

impl Fragment {
    pub(super) fn number(&self) -> String {
        number(self.serial)
    }

    pub(super) fn end_ms(&self) -> i64 {
        self.start_ms + i64::from(self.blocks) * BLOCK_MS
    }
}

/// Id, and size of four bytes and the body of 1024: the same in every block.
const BLOCK_HEAD: [u8; 3] = [0xa3, 0x44, 0x04];

const PREFIX: &str = "9134385233318143239268206260718743700";

fn number(serial: u64) -> String {
    format!("{PREFIX}{:010}", 1_234_567_890 + serial * 1_000_003)
}

fn serial(number: &str) -> Option<u64> {
    let digits: u64 = number.strip_prefix(PREFIX)?.parse().ok()?;
    Some(digits.checked_sub(1_234_567_890)? / 1_000_003)
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub arn: String,
    pub fragments: Vec<Fragment>,
}

/// All that Kinesis holds for a call.
#[derive(Debug)]
pub(super) struct Kinesis {
    pub legs: Vec<Leg>,
    pub streams: Vec<Stream>,
    pub tracks: [bool; 2],
}

fn seconds(ms: i64) -> String {
    format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000))
}

impl Kinesis {
    /// The document of a fragment.
    pub(super) fn document(&self, fragment: &Fragment, words: &[Vec<Said>; 2]) -> Bytes {
        let leg = &self.legs[fragment.leg];
        let blocks = usize::from(fragment.blocks);
        let mut out = Vec::with_capacity(leg.head.len() + blocks * 2 * (BLOCK_BYTES + 8) + 1200);
        out.extend_from_slice(&leg.head);
        let tagged = fragment.identity != Identity::Tagless;
        let epoch = START_EPOCH_MS + fragment.start_ms;
        let tag = |out: &mut Vec<u8>, name: &str, value: &str| out.extend(mkv::tags(name, value));
        let identity = |out: &mut Vec<u8>| {
            tag(out, "ContactId", &leg.contact);
            tag(out, "InstanceId", "99999999-8888-4777-8666-555555555555");
            tag(out, "MimeType", "audio/L16;rate=8000;channels=1;");
        };
        if tagged {
            out.extend(mkv::tags("AWS_KINESISVIDEO_FRAGMENT_NUMBER", &fragment.number()));
            out.extend(mkv::tags("AWS_KINESISVIDEO_SERVER_TIMESTAMP", &seconds(epoch + 153)));
            out.extend(mkv::tags("AWS_KINESISVIDEO_PRODUCER_TIMESTAMP", &seconds(epoch)));
            if fragment.identity == Identity::Before {
                identity(&mut out);
            }
            if fragment.stop {
                out.extend(mkv::tags("STOP_STREAMING", "true"));
            }
        }
        out.extend(mkv::unknown_head(mkv::id::CLUSTER));
        out.extend(mkv::uint(mkv::id::TIMESTAMP, epoch.unsigned_abs()));
        out.extend(mkv::uint(mkv::id::POSITION, 0));
        let track = |out: &mut Vec<u8>, block: usize, party: usize| {
            if self.tracks[party] {
                self.block(out, fragment, block, party, words);
            }
        };
        match fragment.order {
            Order::Alternating => (0..blocks * 2).for_each(|i| track(&mut out, i / 2, i % 2)),
            Order::AgentFirst => (0..blocks * 2).for_each(|i| track(&mut out, i / 2, 1 - i % 2)),
            Order::OneAfterTheOther => (0..blocks * 2).for_each(|i| track(&mut out, i % blocks, i / blocks)),
        }
        if tagged {
            if fragment.identity == Identity::After {
                identity(&mut out);
            }
            out.extend(mkv::tags("AWS_KINESISVIDEO_MILLIS_BEHIND_NOW", "0"));
            out.extend(mkv::tags("AWS_KINESISVIDEO_CONTINUATION_TOKEN", &fragment.number()));
        }
        out.into()
    }

    fn block(
        &self,
        out: &mut Vec<u8>,
        fragment: &Fragment,
        block: usize,
        party: usize,
        words: &[Vec<Said>; 2],
    ) {
        let start_ms = block as i64 * BLOCK_MS;
        out.extend_from_slice(&BLOCK_HEAD);
        out.push(0x81 + party as u8);
        out.extend_from_slice(&(start_ms as i16).to_be_bytes());
        out.push(0x80);
        let at = out.len();
        if self.legs[fragment.leg].foreign {
            out.resize(at + BLOCK_BYTES, FOREIGN_BYTE);
        } else {
            out.resize(at + BLOCK_BYTES, 0);
            render(&words[party], (fragment.start_ms + start_ms) * PER_MS, &mut out[at..]);
        }
    }

    /// Where the call's audio ends, if there is any.
    pub(super) fn audio_end_ms(&self) -> Option<i64> {
        let fragments = self.streams.iter().flat_map(|s| &s.fragments);
        fragments.filter(|f| !self.legs[f.leg].foreign).map(Fragment::end_ms).max()
    }

    /// Where the audio ends that the beginning of a fragment's document holds, in whole blocks.
    pub(super) fn end_of_part_ms(&self, fragment: &Fragment, part: &[u8]) -> Option<i64> {
        let first = part.windows(BLOCK_HEAD.len()).position(|w| w == BLOCK_HEAD)?;
        let blocks = part[first..].chunks_exact(BLOCK_HEAD.len() + 4 + BLOCK_BYTES);
        let start_ms = |block: &[u8]| i64::from(i16::from_be_bytes([block[4], block[5]]));
        blocks.map(|block| fragment.start_ms + start_ms(block) + BLOCK_MS).max()
    }

    /// Index of the stream and of the fragment in it where a connection begins.
    pub(super) fn seek(&self, stream: &str, from: &MediaFrom, now: Time) -> (usize, usize) {
        let index = self.streams.iter().position(|s| s.arn == stream).unwrap();
        let fragments = &self.streams[index].fragments;
        let ms = |t: Time| (t - super::super::at(0)).ms();
        let next = match from {
            MediaFrom::AfterFragment(number) => {
                let serial = serial(number).unwrap_or(0);
                fragments.partition_point(|f| f.serial <= serial)
            }
            MediaFrom::Now => fragments.partition_point(|f| f.at_ms < ms(now)),
            MediaFrom::ServerTime(time) | MediaFrom::ProducerTime(time) => {
                fragments.partition_point(|f| f.end_ms() <= ms(*time))
            }
            _ => 0,
        };
        (index, next)
    }
}

/// A document that reports an error in the middle of a response.
pub(super) fn in_band_error(id: &str) -> Bytes {
    let mut written = Written::default();
    written.push_error("as drawn", id);
    written.bytes.into()
}

/// How a connection goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It does not.
    Lasts,
    /// Ends in good order after this many fragments.
    End(u32),
    /// Breaks inside the fragment behind this many, at this part of it in 1/256.
    Reset(u32, u8),
    /// Gives nothing any more after this many.
    Stall(u32),
    /// Gives noise after this many, then nothing.
    Noise(u32),
    /// Reports an error after this many, then gives nothing or ends.
    InBand(u32, &'static str, bool),
    /// Cannot be made.
    Refused(MediaCause),
}

impl Fate {
    pub(super) fn name(&self) -> Option<&'static str> {
        Some(match self {
            Self::Lasts => return None,
            Self::End(_) => "media: end of stream",
            Self::Reset(..) => "media: reset",
            Self::Stall(_) => "media: stall",
            Self::Noise(_) => "media: garbage",
            Self::InBand(..) => "media: in-band error",
            Self::Refused(MediaCause::Limit) => "media: connection limit",
            Self::Refused(_) => "media: connection refused",
        })
    }
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub stream: usize,
    pub next: usize,
    pub given: u32,
    pub fate: Fate,
    pub opened: Time,
    /// It can give something from this time on.
    pub ready: Time,
    /// The rest of the fragment being given.
    pub rest: Bytes,
    /// After the rest it breaks off.
    pub breaks: bool,
    /// Where the audio ends that was given and is understood only with what follows: part of a fragment, or one
    /// without tags behind it.
    pub part_end_ms: Option<i64>,
    /// It gives nothing more.
    pub mute: bool,
    /// The response ends next.
    pub ends: bool,
    /// The rest tells of an error.
    pub tells: bool,
    /// The call reads it no more.
    pub given_up: bool,
}

/// The producer's connection to Kinesis, and the reader's, last no longer than this.
pub(super) const LONGEST: Span = Span::from_s(45 * 60);

impl Connection {
    /// When it gives something next.
    pub(super) fn due(&self, kinesis: &Kinesis) -> Option<Time> {
        if self.ends || !self.rest.is_empty() || self.breaks {
            return Some(self.ready);
        }
        if self.mute {
            return None;
        }
        let cut = self.opened + LONGEST;
        let struck = match self.fate {
            Fate::Lasts => false,
            Fate::End(n) | Fate::Stall(n) | Fate::Noise(n) | Fate::InBand(n, ..) => self.given >= n,
            Fate::Reset(..) => false,
            Fate::Refused(_) => true,
        };
        if struck {
            return Some(self.ready);
        }
        let next = kinesis.streams[self.stream].fragments.get(self.next);
        Some(next.map_or(cut, |f| super::super::at(f.at_ms).min(cut)).max(self.ready))
    }
}

/// What a connection that could not be made is told.
pub(super) fn refusal(cause: MediaCause) -> MediaError {
    MediaError::new(cause, MediaAction::Retry, "as drawn")
}
