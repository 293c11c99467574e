//! `mkv-demux` in its ways of use.

use bytes::{Bytes, BytesMut};
use mkv_demux::{Demuxer, Event, EventRef};

use crate::Seen;

fn poll(demuxer: &mut Demuxer, seen: &mut Seen) {
    loop {
        match demuxer.poll() {
            Ok(Some(Event::Frame(frame))) => seen.frame(frame.track, frame.timestamp_ns, &frame.data),
            Ok(Some(Event::Tag(tag))) => seen.value(tag.name.as_bytes()),
            Ok(Some(Event::Track(track))) => seen.value(track.name.as_deref().unwrap_or_default().as_bytes()),
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => panic!("{error}"),
        }
    }
}

fn poll_ref(demuxer: &mut Demuxer, seen: &mut Seen) {
    while let Some(event) = demuxer.poll_ref().expect("sound") {
        match event {
            EventRef::Frame(frame) => seen.frame(frame.track, frame.timestamp_ns, frame.data),
            EventRef::Tag(tag) => seen.value(tag.name().as_bytes()),
            EventRef::Track(track) => seen.value(track.name.as_deref().unwrap_or_default().as_bytes()),
            _ => {}
        }
    }
}

/// Frames are made `Bytes`, the rest is borrowed.
fn poll_kept(demuxer: &mut Demuxer, seen: &mut Seen) {
    while let Some(event) = demuxer.poll_ref().expect("sound") {
        match event {
            EventRef::Frame(frame) => {
                seen.frame(frame.track, frame.timestamp_ns, &frame.to_bytes());
            }
            EventRef::Tag(tag) => seen.value(tag.name().as_bytes()),
            EventRef::Track(track) => seen.value(track.name.as_deref().unwrap_or_default().as_bytes()),
            _ => {}
        }
    }
}

fn run(pieces: impl Iterator<Item = Bytes>, poll: impl Fn(&mut Demuxer, &mut Seen)) -> Seen {
    let (mut demuxer, mut seen) = (Demuxer::new(), Seen::default());
    for piece in pieces {
        demuxer.feed(piece);
        poll(&mut demuxer, &mut seen);
    }
    demuxer.finish();
    poll(&mut demuxer, &mut seen);
    seen
}

/// Frames borrowed from pieces that are there already.
pub fn lent(pieces: &[Bytes]) -> Seen {
    run(pieces.iter().cloned(), poll_ref)
}

/// Frames as `Bytes`, slices of pieces that are there already.
pub fn sliced(pieces: &[Bytes]) -> Seen {
    run(pieces.iter().cloned(), poll)
}

/// As [`lent`], and each piece is received by a copy first.
pub fn lent_received(bytes: &[u8], piece: usize) -> Seen {
    run(bytes.chunks(piece).map(|piece| BytesMut::from(piece).freeze()), poll_ref)
}

/// As [`sliced`], and each piece is received by a copy first.
pub fn received(bytes: &[u8], piece: usize) -> Seen {
    run(bytes.chunks(piece).map(|piece| BytesMut::from(piece).freeze()), poll)
}

/// As [`received`], but all except the frames is borrowed.
pub fn kept_received(bytes: &[u8], piece: usize) -> Seen {
    run(bytes.chunks(piece).map(|piece| BytesMut::from(piece).freeze()), poll_kept)
}

/// Frames as `Bytes`, slices of pieces that are there already; the rest is borrowed.
pub fn kept(pieces: &[Bytes]) -> Seen {
    run(pieces.iter().cloned(), poll_kept)
}
