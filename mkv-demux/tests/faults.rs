//! What is wrong with a stream, where it is said to be, and what survives it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
mod common;
use bytes::Bytes;
use common::*;
use mkv_demux::{Demuxer, Error, ErrorKind, Event};

fn invalid(error: &Error) -> &str {
    match &error.kind {
        ErrorKind::InvalidElement { reason } | ErrorKind::InvalidBlock { reason } => reason,
        other => panic!("{other:?}"),
    }
}

fn truncated(data: &[u8]) -> (String, u64, String, u64) {
    let (events, error) = run(data);
    let error = error.expect("truncated");
    let ErrorKind::Truncated { missing } = error.kind else { panic!("{error}") };
    (order(&events), error.offset, error.path, missing)
}

/// Runs `bad` with a sound document behind it; returns the letters of the events and the gap's error.
fn damaged(bad: &[u8]) -> (String, Error) {
    let next = fragment(9, &[b"q"]);
    let data = [bad, &next[..]].concat();
    let (events, error) = run(&data);
    assert_eq!(error, None, "{events:?}");
    let gaps: Vec<_> =
        events.iter().filter_map(|e| if let Event::Gap(g) = e { Some(g) } else { None }).collect();
    assert_eq!(gaps.len(), 1, "{events:?}");
    assert_eq!((gaps[0].from, gaps[0].to), (gaps[0].error.offset, bad.len() as u64));
    let letters = order(&events);
    let before = letters.strip_suffix("GDITTtCFtE").expect("the next document is whole").to_owned();
    // Without anything behind it the same fault is the stream's end.
    let (alone, error) = run(bad);
    assert_eq!((order(&alone), error.as_ref()), (before.clone(), Some(&gaps[0].error)));
    (before, gaps[0].error.clone())
}

#[test]
fn not_matroska() {
    for data in [&b""[..], b"RIFF....", b"\x1A", b"\x1A\x45\xDF", b"\x1A\x45\xDF\xA4abc", b"\0"] {
        let (events, error) = run(data);
        let error = error.unwrap();
        assert_eq!((events.len(), error.kind, error.offset), (0, ErrorKind::NotMatroska, 0), "{data:?}");
        assert_eq!(error.path, "");
    }
    let mut demuxer = Demuxer::new();
    demuxer.feed(Bytes::from_static(b"I"));
    assert!(demuxer.poll().is_err(), "one byte tells");
    demuxer.feed(fragment(1, &[b"x"]).into());
    assert_eq!((demuxer.poll(), demuxer.buffered()), (Ok(None), 0), "and it is final");
}

#[test]
fn other_document_types_and_broken_headers() {
    for (header, reason) in [
        (master(EBML, &[text(DOC_TYPE, "mkv3d")]), "DocType"),
        (master(EBML, &[]), "no DocType"),
        (master(EBML, &[text(DOC_TYPE, "webm"), uint(0x42F7, 2)]), "EBMLReadVersion 2"),
        (master(EBML, &[text(DOC_TYPE, "webm"), uint(0x42F2, 3)]), "EBMLMaxIDLength"),
        (master(EBML, &[text(DOC_TYPE, "webm"), uint(0x42F3, 0)]), "EBMLMaxSizeLength"),
        (master(EBML, &[el(0x4286, &[0; 9]), head(DOC_TYPE, 99)]), "past the end"),
        (open(EBML, &[text(DOC_TYPE, "webm")]), "unknown size"),
        (head(EBML, 1 << 32), "more than 4096"),
    ] {
        let (before, error) = damaged(&[header, open(SEGMENT, &[])].concat());
        assert_eq!((before.as_str(), error.offset, error.path.as_str()), ("", 0, "EBML"));
        assert!(invalid(&error).contains(reason), "{error}");
    }
}

#[test]
fn a_header_without_its_segment() {
    let (before, error) = damaged(&[ebml(), tags(&[("a", "b")])].concat());
    assert_eq!((before.as_str(), error.offset, error.path.as_str()), ("", ebml().len() as u64, "Tags"));
    // The next header is where it is noticed, and where the next document starts.
    let (events, error) = run(&[ebml(), document(&[])].concat());
    assert_eq!((order(&events).as_str(), error), ("GDE", None));
}

#[test]
fn damage_inside_a_document_costs_the_rest_of_it_only() {
    let good = [uint(TIMESTAMP, 1), block(1, 0, b"x")];
    let cluster = |bad: Vec<u8>| document(&[open(CLUSTER, &[good.concat(), bad, block(1, 1, b"lost")])]);
    let start = cluster(vec![]).len() - block(1, 1, b"lost").len();
    for (bad, path, reason) in [
        (vec![0x00, 0x80], "Segment/Cluster", "not an element id"),
        (vec![0xFF, 0x80], "Segment/Cluster", "not an element id"),
        (vec![0xA3, 0x00], "Segment/Cluster/SimpleBlock", "not an element size"),
        (vec![0xA3, 0xFF], "Segment/Cluster/SimpleBlock", "unknown size"),
        (open(UNKNOWN, &[]), "Segment/Cluster/0x4DBC", "unknown size"),
        (el(SIMPLE_BLOCK, b"\x81\0"), "Segment/Cluster/SimpleBlock", "too short"),
        (el(SIMPLE_BLOCK, b"\x80\0\0\0"), "Segment/Cluster/SimpleBlock", "track number"),
        (el(SIMPLE_BLOCK, &payload(1, 0, 0x02, b"\x01\x09")), "Segment/Cluster/SimpleBlock", "lace longer"),
        (el(SIMPLE_BLOCK, &payload(1, 0, 0x04, b"\x01abc")), "Segment/Cluster/SimpleBlock", "evenly"),
        (
            el(SIMPLE_BLOCK, &payload(1, 0, 0x06, b"\x02\x81\x80")),
            "Segment/Cluster/SimpleBlock",
            "out of range",
        ),
        (el(TIMESTAMP, &[0; 9]), "Segment/Cluster/Timestamp", "9 bytes"),
        (uint(TIMESTAMP, 2), "Segment/Cluster/Timestamp", "second Timestamp"),
        (open(SEGMENT, &[]), "Segment/Cluster/Segment", "cannot stand inside Cluster"),
    ] {
        let (before, error) = damaged(&cluster(bad));
        assert_eq!(
            (before.as_str(), error.path.as_str(), error.offset),
            ("DCFE", path, start as u64),
            "{error}"
        );
        assert!(invalid(&error).contains(reason), "{error}");
    }
}

#[test]
fn damage_inside_masters_of_known_size() {
    let inside = |element: u32, bad: Vec<u8>| document(&[master(element, &[bad])]);
    for (bad, path, reason) in [
        (inside(INFO, el(0x4489, &[0; 3])), "Segment/Info/Duration", "float of 3"),
        (inside(INFO, el(0x4461, &[0; 4])), "Segment/Info/DateUTC", "date of 4"),
        (inside(INFO, uint(0x2A_D7B1, 0)), "Segment/Info/TimestampScale", "TimestampScale of 0"),
        (inside(INFO, vec![0x7B]), "Segment/Info", "past its parent"),
        (inside(INFO, vec![0x7B, 0xA9, 0x40]), "Segment/Info/Title", "past its parent"),
        (inside(INFO, vec![0x7B, 0xA9, 0x82, b'a']), "Segment/Info/Title", "past the end of its parent"),
        (inside(CLUSTER, open(CLUSTER, &[])), "Segment/Cluster/Cluster", "cannot stand inside"),
        (inside(TAGS, master(TAG, &[el(CUES, b"")])), "Segment/Tags/Tag/Cues", "cannot stand inside"),
        (inside(CLUSTER, block(1, 0, b"x")), "Segment/Cluster/SimpleBlock", "before the Cluster's Timestamp"),
        (inside(TRACKS, open(TRACK_ENTRY, &[])), "Segment/Tracks/TrackEntry", "unknown size"),
    ] {
        let (before, error) = damaged(&bad);
        assert_eq!((before.as_str(), error.path.as_str()), ("DE", path), "{error}");
        assert!(invalid(&error).contains(reason), "{error}");
    }
}

#[test]
fn a_second_block_in_a_group() {
    let b = el(BLOCK, &payload(1, 0, 0, b"x"));
    let group = master(BLOCK_GROUP, &[b.clone(), b]);
    let (before, error) = damaged(&document(&[open(CLUSTER, &[uint(TIMESTAMP, 1), group])]));
    assert_eq!((before.as_str(), error.path.as_str()), ("DCE", "Segment/Cluster/BlockGroup/Block"));
}

#[test]
fn junk_between_documents() {
    let doc = [ebml(), master(SEGMENT, &[tags(&[("a", "b")])])].concat();
    let (before, error) = damaged(&[doc.clone(), b"junk\x1A\x45\xDF\xA3more".to_vec()].concat());
    assert_eq!((before.as_str(), error.offset, error.path.as_str()), ("DtE", doc.len() as u64, "0x6A75"));
}

#[test]
fn a_document_inside_a_segment_of_known_size_is_found_where_it_stands() {
    let cut = [ebml(), head(SEGMENT, 1 << 20), tags(&[("a", "b")])].concat();
    let (events, error) = run(&[cut.clone(), fragment(1, &[b"x"])].concat());
    assert_eq!((order(&events).as_str(), error), ("DtEGDITTtCFtE", None));
    let Event::Gap(gap) = &events[3] else { panic!() };
    assert_eq!(
        (gap.from, gap.to, gap.error.path.as_str()),
        (cut.len() as u64, cut.len() as u64, "Segment/EBML")
    );
}

#[test]
fn the_magic_alone_is_not_a_document() {
    let segment = open(SEGMENT, &[]);
    for lure in [
        vec![0x1A, 0x45, 0xDF, 0xA3],
        vec![0x1A, 0x45, 0xDF, 0xA3, 0x1A, 0x45, 0xDF, 0xA3],
        [ebml(), block(1, 0, b"no segment")].concat(),
        [master(EBML, &[text(DOC_TYPE, "other")]), segment.clone()].concat(),
        // Its claim reaches beyond the next document, and beyond the end of the stream.
        [head(EBML, 4000), vec![0; 20]].concat(),
        [head(EBML, 1 << 40), segment.clone()].concat(),
        [ebml(), id(SEGMENT), vec![0]].concat(),
    ] {
        let bad = document(&[open(CLUSTER, &[uint(TIMESTAMP, 1), vec![0x00], lure])]);
        assert_eq!(damaged(&bad).0, "DCE");
    }
}

#[test]
fn truncation_names_the_innermost_element() {
    let cluster = [uint(TIMESTAMP, 1), block(1, 0, b"four")];
    let open_doc = document(&[open(CLUSTER, &cluster)]);
    let at = (open_doc.len() - 10) as u64;
    let cut = |n: usize| truncated(&open_doc[..open_doc.len() - n]);
    assert_eq!(cut(1), ("DCE".into(), at, "Segment/Cluster/SimpleBlock".into(), 1));
    assert_eq!(cut(8), ("DCE".into(), at, "Segment/Cluster/SimpleBlock".into(), 8));
    assert_eq!(cut(9), ("DCE".into(), at, "Segment/Cluster/SimpleBlock".into(), 1), "no size yet");

    let known = [ebml(), master(SEGMENT, &[master(CLUSTER, &cluster), tags(&[("a", "b")])])].concat();
    let cluster_at = find(&known, &id(CLUSTER), 0);
    let cluster_len = master(CLUSTER, &cluster).len();
    let end = cluster_at as usize + cluster_len;
    let missing = (known.len() - end) as u64;
    assert_eq!(truncated(&known[..end]), ("DCFE".into(), ebml().len() as u64, "Segment".into(), missing));
    let boundary = end - 10;
    assert_eq!(
        truncated(&known[..boundary]),
        ("DCE".into(), cluster_at, "Segment/Cluster".into(), missing + 10)
    );

    let id_cut = document(&[vec![0x12, 0x54, 0xC3]]);
    let at = id_cut.len() as u64 - 3;
    assert_eq!(truncated(&id_cut), ("DE".into(), at, "Segment".into(), 2), "a byte of id and one of size");

    let skipped = document(&[head(CUES, 1 << 32), vec![0; 10]]);
    let at = find(&skipped, &id(CUES), 0);
    assert_eq!(truncated(&skipped), ("DE".into(), at, "Segment/Cues".into(), (1 << 32) - 10));
}

#[test]
fn truncation_inside_the_first_header() {
    let header = ebml();
    let doc_type = find(&header, &id(DOC_TYPE), 0);
    let n = header.len();
    assert_eq!(truncated(&header[..4]), (String::new(), 0, "EBML".into(), 1));
    assert_eq!(truncated(&header[..5]), (String::new(), 0, "EBML".into(), n as u64 - 5));
    assert_eq!(
        truncated(&header[..doc_type as usize + 5]),
        (String::new(), doc_type, "EBML/DocType".into(), (n - doc_type as usize - 5) as u64)
    );
    assert_eq!(truncated(&header), (String::new(), n as u64, String::new(), 5));
    let some = [header, id(SEGMENT)].concat();
    assert_eq!(truncated(&some), (String::new(), n as u64, "Segment".into(), 1));
}

/// Cut at every byte: the complete frames, the end of the document, and the right kind of error.
#[test]
fn truncation_at_every_byte() {
    let group = master(BLOCK_GROUP, &[el(BLOCK, &payload(1, 9, 0x04, b"\x01gh")), uint(BLOCK_DURATION, 3)]);
    let tail =
        document(&[open(CLUSTER, &[uint(TIMESTAMP, 7), block(1, 0, b"e"), group]), tags(&[("a", "b")])]);
    let known =
        [ebml(), master(SEGMENT, &[master(CLUSTER, &[uint(TIMESTAMP, 6), block(2, 0, b"f")])])].concat();
    let data = [fragment(1, &[b"aa", b"bbb"]), known, tail].concat();
    let whole = events(&data);
    let mut clean = 0;
    for cut in 0..data.len() {
        let (events, error) = run_with(Demuxer::new(), [Bytes::copy_from_slice(&data[..cut])]);
        let expected = frames(&whole).into_iter().filter(|f| match &f.duration_ns {
            None => f.offset as usize + f.data.len() <= cut,
            Some(_) => find(&data, &uint(BLOCK_DURATION, 3), 0) as usize + 3 <= cut,
        });
        assert_eq!(frames(&events), expected.collect::<Vec<_>>(), "cut at {cut}");
        let (last, rest) = events.split_last().map_or((None, &[][..]), |(l, r)| (Some(l), r));
        assert_eq!(rest, &whole[..rest.len()], "cut at {cut}");
        assert!(matches!(last, None | Some(Event::DocumentEnd { .. })), "cut at {cut}: {last:?}");
        match error.map(|e| e.kind) {
            None => clean += 1,
            Some(ErrorKind::NotMatroska) => assert!(cut < 4),
            Some(ErrorKind::Truncated { missing }) => assert!(missing > 0 && cut >= 4),
            other => panic!("{other:?}"),
        }
    }
    // Between the elements of the two documents of unknown size, and between documents.
    assert_eq!(clean, 10 + 1 + 5);
}

#[test]
fn limits_are_named_and_passed_over() {
    let build = |f: fn(mkv_demux::Builder) -> mkv_demux::Builder| f(Demuxer::builder()).build();
    let nested = (0..9).fold(Vec::new(), |inner, _| master(SIMPLE_TAG, &[inner]));
    let encodings = master(0x6D80, &vec![master(0x6240, &[]); 3]);
    let uids = master(TARGETS, &vec![uint(TAG_TRACK_UID, 1); 3]);
    let in_tag = |inner: Vec<u8>| document(&[master(TAGS, &[master(TAG, &[inner])])]);
    let cases: [(Demuxer, Vec<u8>, &str, u64, u64); 7] = [
        (build(|b| b.max_depth(8)), in_tag(nested), "max_depth", 9, 8),
        (
            build(|b| b.max_frame_bytes(9)),
            document(&[open(CLUSTER, &[uint(TIMESTAMP, 1), block(1, 0, b"123456")])]),
            "max_frame_bytes",
            10,
            9,
        ),
        (build(|b| b.max_element_bytes(4)), document(&[info(&[])]), "max_element_bytes", 16, 4),
        (build(|b| b.max_tracks(1)), fragment(1, &[]), "max_tracks", 2, 1),
        (build(|b| b.max_tracks(2)), in_tag(uids), "max_tracks", 3, 2),
        (
            build(|b| b.max_encodings(2)),
            document(&[master(TRACKS, &[track(1, "", &[encodings])])]),
            "max_encodings",
            3,
            2,
        ),
        (
            build(|b| b.max_tag_bytes(20)),
            in_tag([simple_tag("a", "b"), simple_tag("c", "d")].concat()),
            "max_tag_bytes",
            22,
            20,
        ),
    ];
    for (demuxer, data, limit, value, max) in cases {
        let (events, error) = run_with(demuxer, pieces(&data, 3));
        assert_eq!(error.map(|e| e.kind), Some(ErrorKind::LimitExceeded { limit, value, max }));
        assert!(order(&events).ends_with('E'));
    }
}

#[test]
fn errors_read_well() {
    let (_, error) = damaged(&document(&[open(CLUSTER, &[block(1, 0, b"x")])]));
    assert_eq!(
        error.to_string(),
        "invalid block: a block before the Cluster's Timestamp (byte 48, in Segment/Cluster/SimpleBlock)"
    );
}
