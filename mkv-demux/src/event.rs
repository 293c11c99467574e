//! What the demuxer says: documents, tracks, clusters, tags and frames, in the order of the bytes.

use std::sync::Arc;

use bytes::Bytes;

use crate::{Error, Text};

/// One thing found in the stream. Events come in the order in which their bytes end.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// An EBML header with its Segment: a Matroska document begins.
    ///
    /// A GetMedia stream is a row of short documents, one per Kinesis fragment.
    Document(Document),
    /// The Segment's Info master, complete.
    Info(Arc<SegmentInfo>),
    /// One TrackEntry, complete. Documents that repeat the same Tracks, as GetMedia's do, share it.
    Track(Arc<Track>),
    /// A Cluster's `Timestamp`: the frames that follow belong to this Cluster.
    Cluster(Cluster),
    /// One SimpleTag, complete.
    Tag(Tag),
    /// One frame of one track. A laced block yields one event per frame.
    Frame(Frame),
    /// The document is over: its known size is used up, another document began, or the stream ended.
    DocumentEnd {
        /// Index of the document, as in [`Document::index`].
        index: u64,
        /// Absolute byte offset just behind the document.
        offset: u64,
    },
    /// Bytes that could not be understood were passed over, and a new document was found behind them.
    Gap(Gap),
    /// An element's CRC-32 does not fit its content; comes right behind the element's own events, and only
    /// where [`Builder::verify_checksums`](crate::Builder::verify_checksums) asked for it. Reading goes on.
    ChecksumMismatch(ChecksumMismatch),
}

/// Start of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Document {
    /// Counts documents from 0 over the whole stream.
    pub index: u64,
    /// Absolute byte offset of the EBML header.
    pub offset: u64,
    /// `DocType`: `matroska` or `webm`.
    pub doc_type: &'static str,
}

/// The parts of the Segment's Info that a reader needs.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SegmentInfo {
    /// `SegmentUUID`, 16 bytes.
    pub uuid: Option<[u8; 16]>,
    /// `TimestampScale` in nanoseconds per tick; 1,000,000 where the element is missing.
    pub timestamp_scale_ns: u64,
    /// `Duration` in ticks; not where it is no number, infinite or negative.
    pub duration: Option<f64>,
    /// `DateUTC` in nanoseconds since 2001-01-01T00:00:00 UTC.
    pub date_utc_ns: Option<i64>,
    /// `Title`.
    pub title: Option<Text>,
    /// `MuxingApp`.
    pub muxing_app: Option<Text>,
    /// `WritingApp`.
    pub writing_app: Option<Text>,
}

/// What a track carries (`TrackType`, RFC 9559 section 5.1.4.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrackKind {
    /// Type 1.
    Video,
    /// Type 2.
    Audio,
    /// Type 3.
    Complex,
    /// Type 16.
    Logo,
    /// Type 17.
    Subtitle,
    /// Type 18.
    Buttons,
    /// Type 32.
    Control,
    /// Type 33.
    Metadata,
    /// Any other number.
    Other(u64),
}

/// One TrackEntry.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Track {
    /// `TrackNumber`, what blocks refer to.
    pub number: u64,
    /// `TrackUID`; 0 where the element is missing.
    pub uid: u64,
    /// `TrackType`.
    pub kind: TrackKind,
    /// `Name`.
    pub name: Option<Text>,
    /// `LanguageBCP47` where given, else `Language`; `eng` by the specification where both are missing.
    pub language: Text,
    /// `CodecID`. Amazon Connect writes `A_AAC` although the payload is PCM: do not trust it alone.
    pub codec_id: Text,
    /// `CodecPrivate`.
    pub codec_private: Option<Bytes>,
    /// `DefaultDuration` of a frame, nanoseconds.
    pub default_duration_ns: Option<u64>,
    /// `CodecDelay`, nanoseconds.
    pub codec_delay_ns: u64,
    /// The Audio master, where there is one.
    pub audio: Option<AudioSettings>,
    /// The Video master, where there is one.
    pub video: Option<VideoSettings>,
    /// The track's ContentEncodings in the order of `ContentEncodingOrder`. A reader that finds one it
    /// does not know must not decode the frames.
    pub encodings: Vec<ContentEncoding>,
}

/// Settings of an audio track.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AudioSettings {
    /// `SamplingFrequency` in hertz; 8,000 by the specification where missing.
    pub sampling_frequency_hz: f64,
    /// `OutputSamplingFrequency` in hertz, where given.
    pub output_sampling_frequency_hz: Option<f64>,
    /// `Channels`; 1 where missing.
    pub channels: u64,
    /// `BitDepth`.
    pub bit_depth: Option<u64>,
}

/// Settings of a video track.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VideoSettings {
    /// `PixelWidth`.
    pub pixel_width: u64,
    /// `PixelHeight`.
    pub pixel_height: u64,
}

/// One ContentEncoding of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContentEncoding {
    /// Compression algorithm 3: these bytes were cut from the front of each frame.
    HeaderStripping(Bytes),
    /// Another compression algorithm (0 zlib, 1 bzlib, 2 lzo1x).
    Compression(u64),
    /// The frames are encrypted.
    Encryption,
}

/// Start of a Cluster's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cluster {
    /// Absolute byte offset of the Cluster element.
    pub offset: u64,
    /// `Timestamp` in nanoseconds: ticks × TimestampScale. In a Connect stream this is epoch time.
    pub timestamp_ns: i64,
}

/// One SimpleTag of a Tags element, at whatever depth.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tag {
    /// `TagName`.
    pub name: Text,
    /// The value.
    pub value: TagValue,
    /// `TagTrackUID` of the enclosing Tag's Targets; empty means the whole Segment.
    pub track_uids: Vec<u64>,
    /// Absolute byte offset of the SimpleTag element.
    pub offset: u64,
}

/// Value of a [`Tag`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TagValue {
    /// `TagString`; empty where a SimpleTag has no value at all.
    String(Text),
    /// `TagBinary`.
    Binary(Bytes),
}

impl Tag {
    /// The value as text: `None` for a binary tag.
    #[must_use]
    pub fn string(&self) -> Option<&str> {
        match &self.value {
            TagValue::String(s) => Some(s),
            TagValue::Binary(_) => None,
        }
    }
}

/// One frame of one track.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// Track number, as in [`Track::number`].
    pub track: u64,
    /// Time of the block in nanoseconds: (Cluster timestamp + block time) × TimestampScale. The frames of
    /// a lace after the first are moved on by the track's DefaultDuration where it has one, else they carry
    /// the block's time.
    pub timestamp_ns: i64,
    /// `BlockDuration` in nanoseconds, of the whole block, where a BlockGroup gives it.
    pub duration_ns: Option<u64>,
    /// Keyframe: the flag of a SimpleBlock, or a BlockGroup without ReferenceBlock.
    pub keyframe: bool,
    /// Flag "invisible".
    pub invisible: bool,
    /// Flag "discardable" of a SimpleBlock.
    pub discardable: bool,
    /// Position in the lace: 0 for the first or only frame.
    pub lace_index: u32,
    /// Frames in the block: 1 without lacing.
    pub lace_count: u32,
    /// Absolute byte offset of the first payload byte.
    pub offset: u64,
    /// The payload: a slice of what was fed, or a copy where the frame straddles two inputs.
    pub data: Bytes,
}

/// Bytes passed over after structural damage.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// Absolute offset of the first byte passed over: the start of the damaged element.
    pub from: u64,
    /// Absolute offset of the document found behind.
    pub to: u64,
    /// What was wrong at `from`.
    pub error: Error,
}

/// A CRC-32 element that does not fit the content of its parent (RFC 8794 section 11.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChecksumMismatch {
    /// Absolute byte offset of the element whose content is not what was written.
    pub offset: u64,
    /// That element, from the outside in, e.g. `Segment/Cluster`.
    pub path: String,
    /// The checksum in the stream.
    pub stored: u32,
    /// The checksum of the content.
    pub computed: u32,
}
