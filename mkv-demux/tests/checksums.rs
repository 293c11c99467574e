//! CRC-32 elements, where they are asked for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
mod common;
use common::*;
use mkv_demux::{ChecksumMismatch, Demuxer, Event};

/// Bit by bit, as the definition says.
fn crc32(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| bit(crc)))
}

/// A master of known size with its checksum, wrong by `off`.
fn summed(element: u32, children: &[Vec<u8>], off: u32) -> Vec<u8> {
    let content = children.concat();
    let crc = el(CRC, &(crc32(&content).wrapping_add(off)).to_le_bytes());
    el(element, &[crc, content].concat())
}

/// The mismatches of a stream without a fault, and the order of its events; the same for any split.
fn verified(data: &[u8]) -> (Vec<ChecksumMismatch>, String) {
    let verify = || Demuxer::builder().verify_checksums(true).build();
    let whole = run_with(verify(), pieces(data, data.len()));
    for size in [1, 3, 50] {
        assert_eq!(whole, run_with(verify(), pieces(data, size)), "pieces of {size}");
        assert_eq!(whole, run_lent(verify(), pieces(data, size)), "pieces of {size}, lent");
    }
    let (all, error) = whole;
    assert_eq!(error, None);
    let mut others = all.clone();
    others.retain(|event| !matches!(event, Event::ChecksumMismatch(_)));
    assert_eq!(others, events(data), "verifying changes nothing else");
    let order = all.iter().map(|event| {
        if matches!(event, Event::ChecksumMismatch(_)) {
            "!".into()
        } else {
            order(std::slice::from_ref(event))
        }
    });
    let order = order.collect();
    let mismatch = |event| if let Event::ChecksumMismatch(found) = event { Some(found) } else { None };
    (all.into_iter().filter_map(mismatch).collect(), order)
}

/// A document with a checksum in each master that may have one; that of `wrong` is.
fn stream(wrong: u32) -> Vec<u8> {
    let sum = |element: u32, children: &[Vec<u8>]| summed(element, children, u32::from(element == wrong));
    let header = sum(EBML, &[text(DOC_TYPE, "matroska")]);
    let entry = sum(TRACK_ENTRY, &[uint(0xD7, 1), sum(0xE1, &[uint(0x9F, 2)])]);
    let group = sum(BLOCK_GROUP, &[el(BLOCK, &payload(1, 9, 0, b"group")), uint(BLOCK_DURATION, 3)]);
    let tag = sum(SIMPLE_TAG, &[text(TAG_NAME, "n"), text(TAG_STRING, "v")]);
    let children = [
        sum(INFO, &[text(0x7BA9, "title")]),
        sum(TRACKS, &[entry]),
        sum(CLUSTER, &[uint(TIMESTAMP, 5), block(1, 0, b"simple"), group]),
        sum(TAGS, &[sum(TAG, &[tag])]),
    ];
    [header, sum(SEGMENT, &children)].concat()
}

#[test]
fn right_sums_say_nothing() {
    let one = stream(0);
    assert_eq!(verified(&one), (vec![], "DITCFFtE".into()));
    assert_eq!(verified(&one.repeat(3)), (vec![], "DITCFFtE".repeat(3)));
}

#[test]
fn a_wrong_sum_names_its_element_right_behind_its_events() {
    for (element, path, order) in [
        (EBML, "EBML", "!DITCFFtE"),
        (SEGMENT, "Segment", "DITCFFt!E"),
        (INFO, "Segment/Info", "DI!TCFFtE"),
        (TRACKS, "Segment/Tracks", "DIT!CFFtE"),
        (TRACK_ENTRY, "Segment/Tracks/TrackEntry", "DIT!CFFtE"),
        (0xE1, "Segment/Tracks/TrackEntry/Audio", "DI!TCFFtE"),
        (CLUSTER, "Segment/Cluster", "DITCFF!tE"),
        (BLOCK_GROUP, "Segment/Cluster/BlockGroup", "DITCFF!tE"),
        (TAGS, "Segment/Tags", "DITCFFt!E"),
        (TAG, "Segment/Tags/Tag", "DITCFFt!E"),
        (SIMPLE_TAG, "Segment/Tags/Tag/SimpleTag", "DITCFFt!E"),
    ] {
        let data = stream(element);
        let (found, events) = verified(&data);
        // Around a wrong sum, the sums are those of what is there.
        let [found] = &found[..] else { panic!("{path}: {found:?}") };
        assert_eq!((found.path.as_str(), events.as_str()), (path, order));
        assert_eq!(found.stored, found.computed.wrapping_add(1));
        // The id, a size of one or two bytes, and the checksum.
        let at = &data[usize::try_from(found.offset).unwrap()..];
        let content = at.strip_prefix(&id(element)[..]).expect(path);
        assert!((1..3).any(|size| content[size..].starts_with(&[0xBF, 0x84])), "{path}");
    }
}

#[test]
fn one_flipped_bit_is_seen_by_all_around_it() {
    let mut data = stream(0);
    let at = usize::try_from(find(&data, b"simple", 0)).unwrap();
    data[at] ^= 0x40;
    let (found, order) = verified(&data);
    let paths: Vec<_> = found.iter().map(|found| found.path.as_str()).collect();
    assert_eq!((paths, order.as_str()), (vec!["Segment/Cluster", "Segment"], "DITCFF!t!E"));
}

#[test]
fn what_cannot_be_verified_is_passed_over() {
    let wrong = el(CRC, &[1, 2, 3, 4]);
    let frames = [uint(TIMESTAMP, 5), block(1, 0, b"simple")].concat();
    for data in [
        // Not the first child; of an odd length; of unknown size; in what is passed over.
        document(&[master(CLUSTER, &[frames.clone(), wrong.clone()])]),
        document(&[master(CLUSTER, &[el(CRC, &[1, 2, 3]), frames.clone()])]),
        document(&[open(CLUSTER, &[wrong.clone(), frames.clone()])]),
        document(&[master(SEEK_HEAD, &[wrong]), master(CLUSTER, &[frames])]),
    ] {
        assert_eq!(verified(&data), (vec![], "DCFE".into()));
    }
}
