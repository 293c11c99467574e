//! Any bytes, cut in any way: no panic, the same events and errors as in one piece, frames that are the
//! bytes at their offset, offsets that only grow, and no more held than the limits allow.
//!
//! In `mkv-demux`, on a stable toolchain (the fuzzer's instrumentation is a compiler flag that is otherwise
//! reserved to nightly):
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run splits -- -dict=fuzz/ids.dict -max_len=3000 -max_total_time=30`
#![no_main]

use arbitrary::Arbitrary;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use mkv_demux::{Demuxer, Error, ErrorKind, Event};

const MAX_FRAME_BYTES: usize = 1000;
const MAX_ELEMENT_BYTES: usize = 200;
/// The longest that is waited for: a block, a value or an EBML header with what follows it; and a block that
/// waits for the end of its group.
const MAX_HELD_BYTES: usize = 4096 + 32 + MAX_FRAME_BYTES;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    /// Whether a sound header is put in front, so that the fuzzer starts inside a document.
    header: bool,
    /// Whether the same bytes follow once more, so that it meets what comes after damage.
    twice: bool,
    /// Lengths of the pieces, over and over; 0 is an empty push.
    lengths: [u8; 5],
    /// Where the stream is looked at before it has ended.
    until: u16,
    data: &'a [u8],
}

const HEADER: &[u8] = b"\x1A\x45\xDF\xA3\x8B\x42\x82\x88matroska\x18\x53\x80\x67\xFF";

fn demuxer() -> Demuxer {
    Demuxer::builder()
        .max_depth(7)
        .max_frame_bytes(MAX_FRAME_BYTES)
        .max_element_bytes(MAX_ELEMENT_BYTES)
        .max_tracks(2)
        .max_encodings(2)
        .max_tag_bytes(300)
        .build()
}

/// Where an event's bytes end, at least.
fn reached(event: &Event) -> u64 {
    match event {
        Event::Document(document) => document.offset,
        Event::Cluster(cluster) => cluster.offset,
        Event::Frame(frame) => frame.offset + frame.data.len() as u64,
        Event::DocumentEnd { offset, .. } => *offset,
        Event::Gap(gap) => gap.to,
        _ => 0,
    }
}

fn run(pieces: impl Iterator<Item = Bytes>) -> (Vec<Event>, Option<Error>) {
    let mut demuxer = demuxer();
    let mut events = Vec::new();
    let mut error = None;
    let (mut position, mut fed, mut last) = (0, 0, 0);
    for piece in pieces.map(Some).chain([None]) {
        match piece {
            Some(piece) => {
                fed += piece.len() as u64;
                demuxer.feed(piece);
            }
            None => demuxer.finish(),
        }
        loop {
            match demuxer.poll() {
                Ok(Some(event)) => {
                    let end = reached(&event);
                    assert!(end == 0 || end >= last, "offsets went back");
                    assert!(end <= fed, "an event from bytes that were not fed");
                    last = last.max(end);
                    events.push(event);
                }
                Ok(None) => break,
                Err(e) => assert!(error.replace(e).is_none(), "a second error"),
            }
            assert!(demuxer.position() >= position, "the position went back");
            position = demuxer.position();
        }
        assert!(demuxer.buffered() <= MAX_HELD_BYTES, "{} bytes held", demuxer.buffered());
    }
    // What comes after a stream has turned out not to be Matroska is not even counted.
    if !error.as_ref().is_some_and(|e| e.kind == ErrorKind::NotMatroska) {
        assert_eq!(demuxer.position(), fed, "bytes left over");
    }
    assert_eq!(demuxer.poll(), Ok(None));
    (events, error)
}

/// Events and error of a stream that has not ended.
fn so_far(data: &Bytes, size: usize) -> (Vec<Event>, Option<Error>) {
    let mut demuxer = demuxer();
    let (mut events, mut error) = (Vec::new(), None);
    for at in (0..data.len()).step_by(size) {
        demuxer.feed(data.slice(at..data.len().min(at + size)));
        loop {
            match demuxer.poll() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(e) => error = Some(e),
            }
        }
    }
    (events, error)
}

fuzz_target!(|input: Input<'_>| {
    let mut data = Vec::new();
    for _ in 0..=usize::from(input.twice) {
        data.extend(input.header.then_some(HEADER).unwrap_or_default());
        data.extend(input.data);
    }
    let data = Bytes::from(data);

    let whole = run([data.clone()].into_iter());
    let mut at = 0;
    let mut lengths = input.lengths.iter().map(|length| usize::from(*length)).cycle();
    let stuck = input.lengths.iter().all(|length| *length == 0);
    let pieces = std::iter::from_fn(|| {
        let length = if stuck { 1 } else { lengths.next()? };
        let start = at;
        at = data.len().min(at + length);
        (start < data.len()).then(|| data.slice(start..at))
    });
    assert_eq!(whole, run(pieces), "a split changed the outcome");

    let start = data.slice(..data.len().min(usize::from(input.until)));
    let size = usize::from(input.lengths[0]).max(1);
    assert_eq!(so_far(&start, start.len().max(1)), so_far(&start, size), "a split held something up");

    for event in &whole.0 {
        if let Event::Frame(frame) = event {
            let at = usize::try_from(frame.offset).expect("within the data");
            assert_eq!(frame.data, data[at..at + frame.data.len()], "a frame is not at its offset");
        }
    }
});
