//! However the bytes are cut, the events and errors are the same, and frames are not copied.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
mod common;
use bytes::Bytes;
use common::*;
use mkv_demux::{Builder, Demuxer, Error, Event};
use proptest::collection::vec;
use proptest::prelude::*;

/// Cuts `data` at pieces of these lengths, over and over.
fn cut(data: &[u8], lengths: &[usize]) -> Vec<Bytes> {
    let data = Bytes::copy_from_slice(data);
    let mut pieces = Vec::new();
    let mut at = 0;
    for length in lengths.iter().cycle() {
        if at == data.len() {
            break;
        }
        let end = data.len().min(at + length);
        pieces.push(data.slice(at..end));
        at = end;
    }
    pieces
}

fn demuxer() -> Demuxer {
    limits().build()
}

fn limits() -> Builder {
    // Small limits, so that generated streams pass them.
    Demuxer::builder()
        .max_depth(8)
        .max_frame_bytes(2000)
        .max_element_bytes(300)
        .max_tracks(3)
        .max_tag_bytes(500)
}

/// Feeds everything before the first poll: the pieces wait in a queue.
fn run_late(data: &[u8], lengths: &[usize]) -> Outcome {
    let mut fed = demuxer();
    for piece in cut(data, lengths) {
        fed.feed(piece);
    }
    run_with(fed, [])
}

fn leaf() -> impl Strategy<Value = Vec<u8>> {
    let data = vec(any::<u8>(), 0..40);
    prop_oneof![
        4 => (1u8..4, any::<i16>(), any::<u8>(), vec(any::<u8>(), 0..300))
            .prop_map(|(track, time, flags, data)| el(SIMPLE_BLOCK, &payload(track, time, flags & 0xF9, &data))),
        2 => (0u8..3, 0u8..4, 0usize..20).prop_map(|(lacing, count, size)| {
            let body = match lacing {
                0 => [vec![count], vec![size as u8; usize::from(count)]].concat(),
                1 => vec![count],
                _ if count == 0 => vec![0],
                _ => [vec![count, 0x80 | size as u8], vec![0xBF; usize::from(count) - 1]].concat(),
            };
            let frames = vec![b'f'; size * (usize::from(count) + 1)];
            el(SIMPLE_BLOCK, &payload(1, 0, 0x80 | (lacing + 1) << 1 & 6, &[body, frames].concat()))
        }),
        1 => any::<u32>().prop_map(|t| uint(POSITION, t.into())),
        1 => (data.clone(), any::<bool>()).prop_map(|(d, key)| {
            let reference = if key { vec![] } else { el(REFERENCE_BLOCK, &[0xFF]) };
            master(BLOCK_GROUP, &[el(BLOCK, &payload(2, 1, 0, &d)), uint(BLOCK_DURATION, 2), reference])
        }),
        1 => data.clone().prop_map(|d| el(VOID, &d)),
        1 => data.prop_map(|d| el(UNKNOWN, &d)),
    ]
}

fn level_1() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (vec(leaf(), 0..6), any::<bool>()).prop_map(|(leaves, known)| {
            let children = [uint(TIMESTAMP, 1000), leaves.concat()];
            if known { master(CLUSTER, &children) } else { open(CLUSTER, &children) }
        }),
        1 => vec(("[a-z]{0,9}", "[a-z0-9]{0,30}"), 0..4).prop_map(|pairs| {
            tags(&pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect::<Vec<_>>())
        }),
        1 => Just(info(&[])),
        1 => (1u64..3).prop_map(|n| master(TRACKS, &[track(n, "name", &[uint(0x23_E383, 64_000_000)])])),
        1 => vec(any::<u8>(), 0..600).prop_map(|d| el(CUES, &d)),
    ]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let document = (vec(level_1(), 0..6), any::<bool>()).prop_map(|(children, known)| {
        [ebml(), if known { master(SEGMENT, &children) } else { open(SEGMENT, &children) }].concat()
    });
    // Documents repeat each other, whole or in part, as fragments do.
    (vec(document, 1..4), 1usize..3).prop_map(|(documents, times)| documents.concat().repeat(times))
}

/// A change to a stream: bytes overwritten, put in or cut out.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), 0usize..4, vec(any::<u8>(), 0..5));
    (stream(), vec(change, 1..4)).prop_map(|(mut data, changes)| {
        for (at, removed, put) in changes {
            let at = at.index(data.len());
            let end = data.len().min(at + removed);
            data.splice(at..end, put);
            if data.is_empty() {
                data.push(0x1A);
            }
        }
        data
    })
}

/// A header, and then anything.
fn random() -> impl Strategy<Value = Vec<u8>> {
    (any::<bool>(), vec(any::<u8>(), 0..400)).prop_map(
        |(header, rest)| {
            if header { document(&[rest]) } else { rest }
        },
    )
}

/// Events and error of a stream that has not ended, and the position reached.
fn so_far(pieces: Vec<Bytes>) -> (Vec<Event>, Option<Error>, u64) {
    let (mut demuxer, mut events, mut error) = (demuxer(), Vec::new(), None);
    for piece in pieces {
        demuxer.feed(piece);
        loop {
            match demuxer.poll() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(e) => error = Some(e),
            }
        }
    }
    (events, error, demuxer.position())
}

fn check(data: &[u8], lengths: &[usize]) -> Outcome {
    let whole = run_with(demuxer(), [Bytes::copy_from_slice(data)]);
    assert_eq!(whole, run_with(demuxer(), cut(data, lengths)), "in pieces");
    assert_eq!(whole, run_with(demuxer(), cut(data, &[1])), "byte by byte");
    assert_eq!(whole, run_lent(demuxer(), cut(data, lengths)), "borrowed");
    assert_eq!(whole, run_late(data, lengths), "fed before the first poll");
    // Another way through the code: nothing is taken at one go, and nothing is remembered.
    let mut verified = run_with(limits().verify_checksums(true).build(), cut(data, lengths));
    verified.0.retain(|event| !matches!(event, Event::ChecksumMismatch(_)));
    assert_eq!(whole, verified, "verified");
    // Small pieces hold nothing up.
    for n in [data.len() / 3, data.len() / 2, data.len().saturating_sub(lengths[0])] {
        let (mut one, mut many) = (so_far(cut(&data[..n], &[n.max(1)])), so_far(cut(&data[..n], &[1])));
        if one.1.is_some() {
            // What comes after the final error is dropped; how much came with it is chance.
            (one.2, many.2) = (0, 0);
        }
        assert_eq!(one, many, "after {n} bytes");
        assert!(whole.0.starts_with(&one.0), "more bytes took an event back, after {n}");
    }
    for frame in frames(&whole.0) {
        let at = usize::try_from(frame.offset).unwrap();
        assert_eq!(frame.data, data[at..at + frame.data.len()], "a frame is not at its offset");
    }
    whole
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn of_sound_streams(data in stream(), lengths in vec(1usize..700, 1..6)) {
        check(&data, &lengths);
    }

    #[test]
    fn of_damaged_streams(data in mutated(), lengths in vec(1usize..60, 1..6)) {
        check(&data, &lengths);
    }

    #[test]
    fn of_random_bytes(data in random(), lengths in vec(1usize..20, 1..6)) {
        check(&data, &lengths);
    }

    /// Whatever is wrong in the first document, the second is found, unless a size field swallowed it.
    #[test]
    fn what_follows_damage_is_found(kept in 60usize..200) {
        let broken = &document(&[open(CLUSTER, &[uint(TIMESTAMP, 1), block(1, 0, &[9; 200])])])[..kept];
        let bad = [broken, &[0; 600][..], &fragment(5, &[b"found"])].concat();
        let (events, error) = check(&bad, &[50]);
        prop_assert_eq!(error, None);
        prop_assert_eq!(&frames(&events).last().unwrap().data[..], b"found");
    }
}

#[test]
fn a_frame_is_a_slice_of_its_piece() {
    let data: Vec<u8> = fragment(1, &[&[1; 1024], &[2; 1024], &[3; 1024], &[4; 1024]]);
    for size in [300, 1000, 1500, 4096, 65536] {
        let pieces = pieces(&data, size);
        let ranges: Vec<_> = pieces.iter().map(|p| p.as_ptr_range()).collect();
        let (events, _) = run_with(Demuxer::new(), pieces.clone());
        for frame in frames(&events) {
            let at = usize::try_from(frame.offset).unwrap();
            let straddles = at / size != (at + 1023) / size;
            let inside = ranges.iter().any(|r| r.contains(&frame.data.as_ptr()));
            assert_eq!(inside, !straddles, "pieces of {size}, frame at {at}");
        }
    }
}

#[test]
fn laced_frames_are_slices_too() {
    let body = [&b"\x01"[..], &[5; 500], &[6; 500]].concat();
    let data =
        document(&[open(CLUSTER, &[uint(TIMESTAMP, 1), el(SIMPLE_BLOCK, &payload(1, 0, 0x84, &body))])]);
    let middle = usize::try_from(find(&data, &[5, 6], 0)).unwrap() + 1;
    let halves = [Bytes::copy_from_slice(&data[..middle]), Bytes::copy_from_slice(&data[middle..])];
    let ranges = halves.clone().map(|h| h.as_ptr_range());
    let (events, _) = run_with(Demuxer::new(), halves.clone());
    let all = frames(&events);
    assert!(ranges[0].contains(&all[0].data.as_ptr()) && ranges[1].contains(&all[1].data.as_ptr()));
}

#[test]
fn events_come_as_soon_as_their_bytes_are_there() {
    let data = [fragment(1, &[&[1; 100], &[2; 100]]), fragment(2, &[&[3; 300]])].concat();
    let (mut bytewise, mut seen) = (Demuxer::new(), Vec::new());
    for at in 0..data.len() {
        bytewise.feed(Bytes::copy_from_slice(&data[at..=at]));
        seen.extend(std::iter::from_fn(|| bytewise.poll().unwrap()));
        let (mut whole, mut expected) = (Demuxer::new(), Vec::new());
        whole.feed(Bytes::copy_from_slice(&data[..=at]));
        expected.extend(std::iter::from_fn(|| whole.poll().unwrap()));
        assert_eq!(seen, expected, "after byte {at}");
        assert_eq!(bytewise.position(), whole.position());
        let complete = frames(&seen).len();
        assert!(frames(&events(&data))[complete..].iter().all(|f| f.offset as usize + f.data.len() > at + 1));
    }
}
