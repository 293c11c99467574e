//! What an inspector lists, and how much of it.

use super::*;

/// An element of a one-byte to four-byte id.
fn element(id: &[u8], body: &[u8]) -> Vec<u8> {
    [id, &(body.len() as u64 | 1 << 56).to_be_bytes(), body].concat()
}

/// A document with these children of its Segment.
fn document(children: &[u8]) -> Vec<u8> {
    let header = element(b"\x1A\x45\xDF\xA3", &element(b"\x42\x82", b"matroska"));
    [header, element(b"\x18\x53\x80\x67", children)].concat()
}

fn inspect(bytes: Vec<u8>) -> Inspection {
    let mut inspector = Inspector::new();
    inspector.feed(bytes.into());
    inspector.finish()
}

#[test]
fn tracks_are_listed_in_the_order_of_their_entries_not_of_their_frames() {
    let entry = |number: u8| element(b"\xAE", &element(b"\xD7", &[number]));
    let tracks = element(b"\x16\x54\xAE\x6B", &[entry(1), entry(2)].concat());
    let block = element(b"\xA3", b"\x82\0\0\x80frame of track 2");
    let cluster = element(b"\x1F\x43\xB6\x75", &[element(b"\xE7", &[0]), block].concat());
    let found = inspect(document(&[tracks, cluster].concat()));
    let listed: Vec<_> = found.tracks.iter().map(|t| (t.number, t.frames)).collect();
    assert_eq!(listed, [(1, 0), (2, 1)]);
}

#[test]
fn a_stream_that_keeps_naming_new_tracks_is_cut_short_and_told() {
    let tracks = |document: u16| {
        let entry = |number: u8| {
            let codec = element(b"\x86", format!("A_{document}").as_bytes());
            element(b"\xAE", &[element(b"\xD7", &[number]), codec].concat())
        };
        element(b"\x16\x54\xAE\x6B", &(1..=100).flat_map(entry).collect::<Vec<_>>())
    };
    let found = inspect((0..20).flat_map(|n| document(&tracks(n))).collect());
    assert_eq!((found.documents, found.tracks.len()), (20, MAX_TRACKS));
    assert_eq!(found.errors, ["more than 1000 distinct tracks: the rest are not listed"]);
}
