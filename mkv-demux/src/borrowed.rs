//! Events that borrow from the demuxer: the same as `event`, for whoever is done with each before the next.
//!
//! They cost neither a reference count nor an allocation, and can be turned into owned ones. It must never
//! know how events come about.

use std::sync::Arc;

use bytes::Bytes;

use crate::event::{Cluster, Document, Event, Frame, Gap, SegmentInfo, Tag, TagValue, Track};
use crate::text::{Text, utf8};
use crate::{ChecksumMismatch, Error};

/// One thing found in the stream, borrowed until the next call; see [`Event`] for what each means.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum EventRef<'a> {
    /// As [`Event::Document`].
    Document(Document),
    /// As [`Event::Info`].
    Info(&'a Arc<SegmentInfo>),
    /// As [`Event::Track`].
    Track(&'a Arc<Track>),
    /// As [`Event::Cluster`].
    Cluster(Cluster),
    /// As [`Event::Tag`].
    Tag(TagRef<'a>),
    /// As [`Event::Frame`].
    Frame(FrameRef<'a>),
    /// As [`Event::DocumentEnd`].
    DocumentEnd {
        /// Index of the document, as in [`Document::index`].
        index: u64,
        /// Absolute byte offset just behind the document.
        offset: u64,
    },
    /// As [`Event::Gap`].
    Gap(&'a Gap),
    /// As [`Event::ChecksumMismatch`].
    ChecksumMismatch(&'a ChecksumMismatch),
}

impl EventRef<'_> {
    /// The same event without the borrow. Payloads and texts stay slices of what was fed.
    #[must_use]
    pub fn into_owned(self) -> Event {
        match self {
            Self::Document(document) => Event::Document(document),
            Self::Info(info) => Event::Info(Arc::clone(info)),
            Self::Track(track) => Event::Track(Arc::clone(track)),
            Self::Cluster(cluster) => Event::Cluster(cluster),
            Self::Tag(tag) => Event::Tag(tag.into_owned()),
            Self::Frame(frame) => Event::Frame(frame.into_owned()),
            Self::DocumentEnd { index, offset } => Event::DocumentEnd { index, offset },
            Self::Gap(gap) => Event::Gap(gap.clone()),
            Self::ChecksumMismatch(mismatch) => Event::ChecksumMismatch(mismatch.clone()),
        }
    }
}

impl<'a> From<&'a Event> for EventRef<'a> {
    fn from(event: &'a Event) -> Self {
        match event {
            Event::Document(document) => Self::Document(*document),
            Event::Info(info) => Self::Info(info),
            Event::Track(track) => Self::Track(track),
            Event::Cluster(cluster) => Self::Cluster(*cluster),
            Event::Tag(tag) => Self::Tag(tag.into()),
            Event::Frame(frame) => Self::Frame(frame.into()),
            Event::DocumentEnd { index, offset } => Self::DocumentEnd { index: *index, offset: *offset },
            Event::Gap(gap) => Self::Gap(gap),
            Event::ChecksumMismatch(mismatch) => Self::ChecksumMismatch(mismatch),
        }
    }
}

/// One frame of one track, borrowed; the fields are those of [`Frame`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameRef<'a> {
    /// As [`Frame::track`].
    pub track: u64,
    /// As [`Frame::timestamp_ns`].
    pub timestamp_ns: i64,
    /// As [`Frame::duration_ns`].
    pub duration_ns: Option<u64>,
    /// As [`Frame::keyframe`].
    pub keyframe: bool,
    /// As [`Frame::invisible`].
    pub invisible: bool,
    /// As [`Frame::discardable`].
    pub discardable: bool,
    /// As [`Frame::lace_index`].
    pub lace_index: u32,
    /// As [`Frame::lace_count`].
    pub lace_count: u32,
    /// As [`Frame::offset`].
    pub offset: u64,
    /// The payload.
    pub data: &'a [u8],
    /// What the payload lies in.
    pub(crate) source: &'a Bytes,
}

impl FrameRef<'_> {
    /// The payload to keep: a slice that shares the memory of what was fed, without copying.
    #[inline]
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.source.slice_ref(self.data)
    }

    /// The same frame without the borrow.
    #[inline]
    #[must_use]
    pub fn into_owned(self) -> Frame {
        Frame {
            track: self.track,
            timestamp_ns: self.timestamp_ns,
            duration_ns: self.duration_ns,
            keyframe: self.keyframe,
            invisible: self.invisible,
            discardable: self.discardable,
            lace_index: self.lace_index,
            lace_count: self.lace_count,
            offset: self.offset,
            data: self.to_bytes(),
        }
    }
}

impl<'a> From<&'a Frame> for FrameRef<'a> {
    fn from(frame: &'a Frame) -> Self {
        Self {
            track: frame.track,
            timestamp_ns: frame.timestamp_ns,
            duration_ns: frame.duration_ns,
            keyframe: frame.keyframe,
            invisible: frame.invisible,
            discardable: frame.discardable,
            lace_index: frame.lace_index,
            lace_count: frame.lace_count,
            offset: frame.offset,
            data: &frame.data,
            source: &frame.data,
        }
    }
}

/// One SimpleTag, borrowed; the same as [`Tag`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TagRef<'a> {
    /// As [`Tag::track_uids`].
    pub track_uids: &'a [u64],
    /// As [`Tag::offset`].
    pub offset: u64,
    pub(crate) name: Piece<'a>,
    pub(crate) value: Piece<'a>,
    pub(crate) binary: bool,
}

/// Bytes and what they lie in. Of a text: checked UTF-8.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) source: &'a Bytes,
}

impl PartialEq for Piece<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Piece<'_> {}

impl<'a> TagRef<'a> {
    /// As [`Tag::name`].
    #[must_use]
    pub fn name(&self) -> &'a str {
        utf8(self.name.bytes)
    }

    /// The value as text: `None` for a binary tag.
    #[must_use]
    pub fn string(&self) -> Option<&'a str> {
        (!self.binary).then(|| utf8(self.value.bytes))
    }

    /// The value of a binary tag: `None` for text.
    #[must_use]
    pub fn binary(&self) -> Option<&'a [u8]> {
        self.binary.then_some(self.value.bytes)
    }

    /// The same tag without the borrow. Its texts share the memory of what was fed.
    #[must_use]
    pub fn into_owned(self) -> Tag {
        let value = self.value.source.slice_ref(self.value.bytes);
        Tag {
            name: Text::known(self.name.source.slice_ref(self.name.bytes)),
            value: if self.binary { TagValue::Binary(value) } else { TagValue::String(Text::known(value)) },
            track_uids: self.track_uids.to_vec(),
            offset: self.offset,
        }
    }
}

impl<'a> From<&'a Tag> for TagRef<'a> {
    fn from(tag: &'a Tag) -> Self {
        let (value, binary) = match &tag.value {
            TagValue::String(text) => (text.source(), false),
            TagValue::Binary(bytes) => (bytes, true),
        };
        let piece = |source: &'a Bytes| Piece { bytes: source, source };
        let (name, value) = (piece(tag.name.source()), piece(value));
        Self { track_uids: &tag.track_uids, offset: tag.offset, name, value, binary }
    }
}

const _: () = assert!(size_of::<Result<Option<EventRef<'_>>, Error>>() <= 96);
