//! A push demuxer for streaming Matroska.
#![forbid(unsafe_code)]

mod error;
mod event;

pub use error::{Error, ErrorKind};
pub use event::{
    AudioSettings, Cluster, ContentEncoding, Document, Event, Frame, Gap, SegmentInfo, Tag, TagValue, Track,
    TrackKind, VideoSettings,
};

use bytes::Bytes;

/// The demuxer.
#[derive(Debug, Default)]
pub struct Demuxer {}

impl Demuxer {
    /// A demuxer with the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// Hands over the next bytes of the stream.
    pub fn feed(&mut self, data: Bytes) {
        let _ = data;
    }
    /// Says that no more bytes will come.
    pub fn finish(&mut self) {}
    /// The next event.
    pub fn poll(&mut self) -> Result<Option<Event>, Error> {
        Ok(None)
    }
}
