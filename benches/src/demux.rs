//! The demuxer's loop, as a caller writes it.

use std::hint::black_box;

use bytes::Bytes;
use mkv_demux::{Demuxer, Error, Event};

use crate::streams::Stream;

/// What a pass over a stream found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Documents.
    pub documents: u64,
    /// Frames of all tracks.
    pub frames: u64,
    /// Bytes of these frames.
    pub payload_bytes: u64,
}

/// Demuxes a stream in pushes that are slices of it: the bytes lie where they were received.
///
/// Never inlined, so that callgrind can count this and nothing else.
///
/// # Errors
/// The demuxer's own.
#[inline(never)]
pub fn sliced(stream: &Stream) -> Result<Count, Error> {
    run(stream.pushes())
}

/// Demuxes a stream in pushes that are each copied first, as out of a socket's buffer.
///
/// # Errors
/// The demuxer's own.
pub fn received(stream: &Stream) -> Result<Count, Error> {
    run(stream.pushes().map(|push| Bytes::copy_from_slice(&push)))
}

/// The copies of [`received`] alone.
pub fn receive_only(stream: &Stream) {
    for push in stream.pushes() {
        black_box(Bytes::copy_from_slice(&push));
    }
}

fn run(pushes: impl Iterator<Item = Bytes>) -> Result<Count, Error> {
    let mut demuxer = Demuxer::new();
    let mut count = Count::default();
    for push in pushes {
        demuxer.feed(push);
        drain(&mut demuxer, &mut count)?;
    }
    demuxer.finish();
    drain(&mut demuxer, &mut count)?;
    Ok(count)
}

fn drain(demuxer: &mut Demuxer, count: &mut Count) -> Result<(), Error> {
    while let Some(event) = demuxer.poll()? {
        match black_box(event) {
            Event::Document(_) => count.documents += 1,
            Event::Frame(frame) => {
                count.frames += 1;
                count.payload_bytes += frame.data.len() as u64;
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams;

    #[test]
    fn both_loops_find_what_is_there() {
        for stream in [streams::get_media(3), streams::single_segment()] {
            for count in [sliced(&stream).unwrap(), received(&stream).unwrap()] {
                assert_eq!((count.frames, count.payload_bytes), (stream.frames, stream.payload_bytes));
            }
        }
    }
}
