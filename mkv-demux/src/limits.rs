//! What the demuxer will hold at most, and the builder that sets it.
//!
//! Every size field in a stream is a claim; these numbers decide which claims are believed. This room
//! must never know the stream.

use crate::Demuxer;

/// The limits of one demuxer.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) max_depth: usize,
    pub(crate) max_frame_bytes: usize,
    pub(crate) max_element_bytes: usize,
    pub(crate) max_tracks: usize,
    pub(crate) max_encodings: usize,
    pub(crate) max_tag_bytes: usize,
    pub(crate) verify_checksums: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_depth: 32,
            max_frame_bytes: 16 << 20,
            max_element_bytes: 1 << 20,
            max_tracks: 128,
            max_encodings: 16,
            max_tag_bytes: 1 << 20,
            verify_checksums: false,
        }
    }
}

/// Sets the limits of a [`Demuxer`]; get one from [`Demuxer::builder`].
///
/// An element that passes a limit counts as damage: it is reported as
/// [`ErrorKind::LimitExceeded`](crate::ErrorKind::LimitExceeded) under the name of the method here, and the
/// demuxer goes on with the next document.
///
/// ```
/// let demuxer = mkv_demux::Demuxer::builder().max_frame_bytes(64 * 1024).build();
/// # let _ = demuxer;
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Builder {
    limits: Limits,
}

impl Builder {
    /// Masters open at the same time, the Segment included. Default 32.
    ///
    /// A TrackEntry's compression settings lie at depth 6; only nested SimpleTags go deeper.
    pub fn max_depth(mut self, max: usize) -> Self {
        self.limits.max_depth = max;
        self
    }

    /// Bytes of one SimpleBlock or Block, its header and all frames of a lace included. Default 16 MiB.
    pub fn max_frame_bytes(mut self, max: usize) -> Self {
        self.limits.max_frame_bytes = max;
        self
    }

    /// Bytes of one string or binary element other than a block (a tag's value, CodecPrivate). Default
    /// 1 MiB. Elements that are only passed over may have any size.
    pub fn max_element_bytes(mut self, max: usize) -> Self {
        self.limits.max_element_bytes = max;
        self
    }

    /// TrackEntry elements of one document. Default 128.
    pub fn max_tracks(mut self, max: usize) -> Self {
        self.limits.max_tracks = max;
        self
    }

    /// ContentEncoding elements of one track. Default 16.
    pub fn max_encodings(mut self, max: usize) -> Self {
        self.limits.max_encodings = max;
        self
    }

    /// Bytes of all SimpleTag and TagTrackUID elements of one document, their headers included. Default
    /// 1 MiB.
    pub fn max_tag_bytes(mut self, max: usize) -> Self {
        self.limits.max_tag_bytes = max;
        self
    }

    /// Whether CRC-32 elements are verified; a mismatch is told as
    /// [`Event::ChecksumMismatch`](crate::Event::ChecksumMismatch), and reading goes on. Default off.
    ///
    /// Verified are the EBML header and the masters that are read and have a size: not those of unknown
    /// size, whose end a checksum cannot foresee, and none that are passed over (Cues, SeekHead). A CRC-32
    /// that is not the first child of its master is passed over.
    pub fn verify_checksums(mut self, verify: bool) -> Self {
        self.limits.verify_checksums = verify;
        self
    }

    /// The demuxer.
    #[must_use]
    pub fn build(self) -> Demuxer {
        Demuxer::with_limits(self.limits)
    }
}
