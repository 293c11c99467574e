//! What must hold for every stream, however it is made and cut: no panic; the same events and errors as in one
//! piece, lent or owned; frames that are the bytes at their offset; offsets that only grow; no more held
//! than the limits allow; the events of a stream that goes on begin with those of what is there; and
//! verifying checksums adds nothing but mismatches.

use bytes::Bytes;
use mkv_demux::{Builder, Demuxer, Error, ErrorKind, Event, EventRef};

const MAX_FRAME_BYTES: usize = 1000;
const MAX_ELEMENT_BYTES: usize = 200;
/// The longest that is waited for: a block, a value or an EBML header with what follows it; and a block that
/// waits for the end of its group.
const MAX_HELD_BYTES: usize = 4096 + 32 + MAX_FRAME_BYTES;

type Outcome = (Vec<Event>, Option<Error>);

fn limits() -> Builder {
    Demuxer::builder()
        .max_depth(7)
        .max_frame_bytes(MAX_FRAME_BYTES)
        .max_element_bytes(MAX_ELEMENT_BYTES)
        .max_tracks(2)
        .max_encodings(2)
        .max_tag_bytes(300)
}

/// Where an event's bytes end, at least.
fn reached(event: &Event) -> u64 {
    match event {
        Event::Document(document) => document.offset,
        Event::Cluster(cluster) => cluster.offset,
        Event::Frame(frame) => frame.offset + frame.data.len() as u64,
        Event::DocumentEnd { offset, .. } => *offset,
        Event::Gap(gap) => gap.to,
        // It comes behind the events of what it stands before.
        _ => 0,
    }
}

/// By turns owned and lent where `lend` is set.
fn run(mut demuxer: Demuxer, lend: bool, pieces: impl Iterator<Item = Bytes>) -> Outcome {
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
            let polled = match lend && events.len() % 3 != 0 {
                true => demuxer.poll_ref().map(|event| event.map(EventRef::into_owned)),
                false => demuxer.poll(),
            };
            match polled {
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
fn so_far(data: &Bytes, size: usize) -> Outcome {
    let mut demuxer = limits().build();
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

/// Cuts `data` at `lengths`, over and over; 0 is an empty piece.
fn cut(data: &Bytes, lengths: &[u8]) -> impl Iterator<Item = Bytes> {
    let mut at = 0;
    let stuck = lengths.iter().all(|length| *length == 0);
    let mut lengths = lengths.iter().map(|length| usize::from(*length)).cycle();
    std::iter::from_fn(move || {
        let length = if stuck { 1 } else { lengths.next()? };
        let start = at;
        at = data.len().min(at + length);
        (start < data.len()).then(|| data.slice(start..at))
    })
}

/// Checks all of it; `until` is where the stream is looked at before it has ended.
pub fn check(data: &Bytes, lengths: [u8; 5], until: usize) {
    let whole = run(limits().build(), false, std::iter::once(data.clone()));
    assert_eq!(whole, run(limits().build(), true, cut(data, &lengths)), "a split changed the outcome");

    let mut verified = run(limits().verify_checksums(true).build(), true, cut(data, &lengths));
    verified.0.retain(|event| !matches!(event, Event::ChecksumMismatch(_)));
    assert_eq!(whole, verified, "verifying changed the outcome");

    let start = data.slice(..data.len().min(until));
    let some = so_far(&start, start.len().max(1));
    assert_eq!(some, so_far(&start, usize::from(lengths[0]).max(1)), "a split held something up");
    assert!(whole.0.starts_with(&some.0), "more bytes took an event back");
    assert!(some.1.is_none() || some.1 == whole.1, "more bytes changed the error");

    for event in &whole.0 {
        if let Event::Frame(frame) = event {
            let at = usize::try_from(frame.offset).expect("within the data");
            assert_eq!(frame.data, data[at..at + frame.data.len()], "a frame is not at its offset");
        }
    }
}
