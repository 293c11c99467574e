//! A push demuxer for streaming Matroska and WebM: bytes in, documents, tags and frames out.
//!
//! It is made for streams as Kinesis Video Streams' `GetMedia` sends them: a row of short Matroska
//! documents, Segments and Clusters of unknown size, tags before and after the audio. It reads any other
//! Matroska stream from front to back as well. It does no I/O, reads no clock and starts no thread; it
//! depends on `bytes` alone.
//!
//! # Use
//!
//! [`feed`](Demuxer::feed) bytes as they come, [`poll`](Demuxer::poll) until `Ok(None)`, and
//! [`finish`](Demuxer::finish) at the end:
//!
//! ```
//! use bytes::Bytes;
//! use mkv_demux::{Demuxer, Error, Event};
//!
//! /// Bytes of audio per track, of a stream that arrives in pieces.
//! fn count(pieces: impl Iterator<Item = Bytes>) -> Result<Vec<(u64, usize)>, Error> {
//!     let mut demuxer = Demuxer::new();
//!     let mut seen: Vec<(u64, usize)> = Vec::new();
//!     for piece in pieces.map(Some).chain([None]) {
//!         match piece {
//!             Some(piece) => demuxer.feed(piece),
//!             None => demuxer.finish(),
//!         }
//!         while let Some(event) = demuxer.poll()? {
//!             match event {
//!                 Event::Track(track) => seen.push((track.number, 0)),
//!                 Event::Frame(frame) => {
//!                     // `frame.data` is a slice of `piece`, not a copy.
//!                     for (_, bytes) in seen.iter_mut().filter(|(number, _)| *number == frame.track) {
//!                         *bytes += frame.data.len();
//!                     }
//!                 }
//!                 Event::Gap(gap) => eprintln!("lost bytes {} to {}: {}", gap.from, gap.to, gap.error),
//!                 _ => {}
//!             }
//!         }
//!     }
//!     Ok(seen)
//! }
//!
//! let stream: &[u8] = &[
//!     0x1A, 0x45, 0xDF, 0xA3, 0x8B, 0x42, 0x82, 0x88, b'm', b'a', b't', b'r', b'o', b's', b'k', b'a',
//!     0x18, 0x53, 0x80, 0x67, 0xFF, // Segment of unknown size
//!     0x16, 0x54, 0xAE, 0x6B, 0x85, 0xAE, 0x83, 0xD7, 0x81, 0x01, // Tracks, TrackEntry, TrackNumber 1
//!     0x1F, 0x43, 0xB6, 0x75, 0xFF, 0xE7, 0x81, 0x05, // Cluster of unknown size, Timestamp 5
//!     0xA3, 0x87, 0x81, 0x00, 0x00, 0x80, b'a', b'b', b'c', // SimpleBlock
//! ];
//! assert_eq!(count(stream.chunks(7).map(Bytes::copy_from_slice))?, [(1, 3)]);
//! # Ok::<(), Error>(())
//! ```
//!
//! Whoever is done with each event before the next takes [`poll_ref`](Demuxer::poll_ref) instead, whose
//! events borrow from the demuxer: a frame then costs neither a reference count nor an allocation. A file is
//! read in pieces like any other stream:
//!
//! ```no_run
//! use std::io::Read;
//!
//! use bytes::BytesMut;
//! use mkv_demux::{Demuxer, EventRef};
//!
//! fn bytes_of_audio(path: &str) -> Result<u64, Box<dyn std::error::Error>> {
//!     let (mut file, mut demuxer, mut total) = (std::fs::File::open(path)?, Demuxer::new(), 0);
//!     loop {
//!         let mut piece = BytesMut::zeroed(64 * 1024);
//!         let len = file.read(&mut piece)?;
//!         match len {
//!             0 => demuxer.finish(),
//!             _ => demuxer.feed(piece.split_to(len).freeze()),
//!         }
//!         while let Some(event) = demuxer.poll_ref()? {
//!             if let EventRef::Frame(frame) = event {
//!                 total += frame.data.len() as u64;
//!             }
//!         }
//!         if len == 0 {
//!             return Ok(total);
//!         }
//!     }
//! }
//! # let _ = bytes_of_audio;
//! ```
//!
//! # What it promises
//!
//! - **Any split gives the same.** However the bytes are cut into pieces, events and errors are identical,
//!   offsets included.
//! - **No copies.** A frame, and a tag's [`Text`], is a slice of the piece it came in; only what crosses two
//!   pieces is copied, once. (Pieces below 256 bytes that come while earlier bytes still wait are gathered
//!   first.) What is kept alive keeps its piece alive: copy what you mean to hold for long. Tracks and Info
//!   have memory of their own, and documents that repeat them byte for byte share it.
//! - **Bounded memory.** A size in the stream is a claim; nothing is allocated by it, and the
//!   [limits](Builder) decide how much is waited for. Elements that do not matter are passed over without
//!   being held, whatever their size.
//! - **Order.** Events come in the order in which their bytes end: a document's tags may stand after its
//!   frames, a nested SimpleTag comes before the one around it, and the frames of a BlockGroup come when the
//!   group is complete.
//! - **Damage is not the end.** After an element that cannot be right the document is ended
//!   ([`Event::DocumentEnd`]), bytes are passed over until a whole EBML header followed by a Segment is
//!   found, and [`Event::Gap`] says what was lost and why.
//! - **A cut tail is not lost.** A stream that ends inside an element gives everything complete before, the
//!   end of the document, and then [`ErrorKind::Truncated`]. A stream may end between the elements of a
//!   Segment and Cluster of unknown size.
//!
//! # What it reads
//!
//! The EBML header (`EBMLMaxIDLength`, `EBMLMaxSizeLength` and `EBMLReadVersion` are obeyed), Info, Tracks,
//! Clusters with SimpleBlocks and BlockGroups in all four lacings, and Tags. SeekHead, Cues, Chapters and
//! Attachments are passed over and never followed, since in a stream their offsets mean nothing; so are
//! Void and unknown elements. CRC-32 is passed over too, or verified where
//! [`verify_checksums`](Builder::verify_checksums) asks for it. Frames are given as they are stored:
//! [`Track::encodings`] says what must be undone. An empty element stands for its default (RFC 8794 section
//! 6.1), strings end at the first zero byte, broken UTF-8 is replaced, and a float that is no number, infinite
//! or negative counts as missing.
//!
//! Stricter than some: between two documents only Void and CRC-32 are passed over; a Cluster of known size
//! that holds an element of the Segment's level, a block before its Cluster's Timestamp, a second Timestamp,
//! and a second Block in a BlockGroup are damage, because the alternative is audio at a wrong time or
//! silently lost.
#![forbid(unsafe_code)]

mod block;
mod borrowed;
mod checksum;
mod demuxer;
mod draft;
mod ebml;
#[cfg(test)]
mod elements;
mod ending;
mod error;
mod event;
mod frames;
mod ids;
mod input;
mod limits;
mod repeat;
mod resync;
mod span;
mod tags;
mod text;
mod values;
mod walk;

pub use borrowed::{EventRef, FrameRef, TagRef};
pub use demuxer::Demuxer;
pub use error::{Error, ErrorKind};
pub use event::{
    AudioSettings, ChecksumMismatch, Cluster, ContentEncoding, Document, Event, Frame, Gap, SegmentInfo, Tag,
    TagValue, Track, TrackKind, VideoSettings,
};
pub use limits::Builder;
pub use text::Text;

/// Keeps the README's example true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
