//! Streams made to hurt: memory and time stay bounded, and nothing panics.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
mod common;
use bytes::Bytes;
use common::*;
use mkv_demux::{Demuxer, ErrorKind, Event};

/// Feeds `data` in pieces of `size` and returns the most bytes held after a poll, the number of events and
/// the error.
fn most_held(mut demuxer: Demuxer, data: &[u8], size: usize) -> (usize, usize, Option<ErrorKind>) {
    let (mut most, mut events) = (0, 0);
    for piece in pieces(data, size) {
        demuxer.feed(piece);
        loop {
            match demuxer.poll() {
                Ok(Some(_)) => events += 1,
                Ok(None) => break,
                Err(error) => return (most, events, Some(error.kind)),
            }
        }
        most = most.max(demuxer.buffered());
    }
    demuxer.finish();
    loop {
        match demuxer.poll() {
            Ok(Some(_)) => events += 1,
            Ok(None) => return (most, events, None),
            Err(error) => return (most, events, Some(error.kind)),
        }
    }
}

#[test]
fn four_gigabytes_claimed() {
    for element in [SIMPLE_BLOCK, BLOCK_GROUP, CUES, UNKNOWN, VOID, TIMESTAMP] {
        let lie = [head(element, 4 << 30), vec![0; 200_000]].concat();
        let data = document(&[open(CLUSTER, &[uint(TIMESTAMP, 1), lie])]);
        let (most, _, error) = most_held(Demuxer::new(), &data, 1000);
        assert!(most < 6000, "{element:X}: {most}");
        assert!(error.is_some());
    }
    let data = document(&[master_lie()]);
    let (most, _, error) = most_held(Demuxer::new(), &data, 1000);
    assert!(
        most < 6000 && matches!(error, Some(ErrorKind::LimitExceeded { limit: "max_element_bytes", .. }))
    );
}

/// A Title of 4 GB in an Info that fits it.
fn master_lie() -> Vec<u8> {
    [head(INFO, 5 << 30), head(0x7BA9, 4 << 30), vec![b'x'; 100_000]].concat()
}

#[test]
fn the_largest_sizes_do_not_overflow() {
    let max = (1u64 << 56) - 2;
    for element in [SEGMENT, CLUSTER, CUES, SIMPLE_BLOCK, TAGS, INFO] {
        let data = document(&[head(element, max), head(element, max), vec![0; 100]]);
        assert!(run(&data).1.is_some());
    }
    assert!(run(&[ebml(), head(SEGMENT, max), head(CUES, max - 12)].concat()).1.is_some());
}

#[test]
fn ten_thousand_masters_deep() {
    // Each header has ten bytes.
    let nested: Vec<u8> = (0..10_000).rev().flat_map(|inside| head(SIMPLE_TAG, inside * 10)).collect();
    let data = document(&[master(TAGS, &[master(TAG, &[nested])])]);
    let (_, _, error) = most_held(Demuxer::new(), &data, 4096);
    assert_eq!(error, Some(ErrorKind::LimitExceeded { limit: "max_depth", value: 33, max: 32 }));
    // Whoever allows it gets it, without recursion.
    let deep = Demuxer::builder().max_depth(20_000).build();
    let (most, events, error) = most_held(deep, &data, 4096);
    assert!(most < 5000 && events == 10_002 && error.is_none(), "{most} {events} {error:?}");
}

#[test]
fn a_million_empty_tags() {
    let many = el(SIMPLE_TAG, &[]).repeat(1_000_000);
    let data = document(&[master(TAGS, &[master(TAG, &[many])])]);
    let (most, events, error) = most_held(Demuxer::new(), &data, 65536);
    assert_eq!(
        error,
        Some(ErrorKind::LimitExceeded { limit: "max_tag_bytes", value: (1 << 20) + 2, max: 1 << 20 })
    );
    assert!(most < 70_000 && events > 300_000, "{most} {events}");
    let (most, events, error) = most_held(Demuxer::builder().max_tag_bytes(4 << 20).build(), &data, 65536);
    assert!(most < 70_000 && events == 1_000_002 && error.is_none(), "{most} {events} {error:?}");
}

#[test]
fn a_large_frame_in_tiny_pieces_is_gathered_once() {
    let data = document(&[open(CLUSTER, &[uint(TIMESTAMP, 1), block(1, 0, &vec![7; 4 << 20])])]);
    for size in [1, 7, 255, 256] {
        let (most, events, error) = most_held(Demuxer::new(), &data, size);
        assert!(most <= data.len() && events == 4 && error.is_none(), "{size}: {most} {events}");
    }
}

#[test]
fn the_search_for_a_document_holds_little() {
    let lure = [head(EBML, 4096), ebml(), id(EBML)].concat();
    for filling in
        [vec![0x1A; 1 << 20], id(EBML).repeat(1 << 18), ebml().repeat(1 << 15), lure.repeat(1 << 14)]
    {
        let data = document(&[vec![0x00], filling]);
        for size in [1, 333, 65536] {
            let (most, events, error) = most_held(Demuxer::new(), &data, size);
            assert!(most < 5000, "{most}");
            assert!(
                events == 2 && matches!(error, Some(ErrorKind::InvalidElement { .. })),
                "{events} {error:?}"
            );
        }
    }
}

#[test]
fn many_documents_leave_nothing_behind() {
    let one = fragment(1, &[b"x"]);
    let mut demuxer = Demuxer::new();
    let mut last = 0;
    for _ in 0..20_000 {
        demuxer.feed(Bytes::from(one.clone()));
        while let Some(event) = demuxer.poll().unwrap() {
            if let Event::Document(document) = event {
                last = document.index;
            }
        }
        assert_eq!(demuxer.buffered(), 0);
    }
    assert_eq!((last, demuxer.position()), (19_999, 20_000 * one.len() as u64));
}

#[test]
fn after_the_end_nothing_is_kept() {
    let mut demuxer = Demuxer::new();
    demuxer.finish();
    demuxer.feed(Bytes::from(fragment(1, &[b"x"])));
    assert_eq!(demuxer.poll().unwrap_err().kind, ErrorKind::NotMatroska);
    assert_eq!((demuxer.poll(), demuxer.buffered()), (Ok(None), 0));
}
