//! Every shape a stream may have, by name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]
mod common;
use common::*;
use mkv_demux::{ContentEncoding, Event, TagValue, TrackKind};

const MS: i64 = 1_000_000;

#[test]
fn the_shape_of_get_media() {
    let one = fragment(1_726_677_687_758, &[b"aa", b"bb", b"cc"]);
    let data = [one.clone(), fragment(1_726_677_688_850, &[b"dd"])].concat();
    let events = events(&data);
    assert_eq!(order(&events), "DITTtCFFFtEDITTtCFtE");
    let all = frames(&events);
    assert_eq!(all.iter().map(|f| f.track).collect::<Vec<_>>(), [1, 2, 1, 1]);
    assert_eq!(all[2].timestamp_ns, (1_726_677_687_758 + 64) * MS);
    assert_eq!(all[3].data, "dd");
    for frame in &all {
        let at = usize::try_from(frame.offset).unwrap();
        assert_eq!(frame.data, data[at..at + frame.data.len()]);
    }
    assert!(events.contains(&Event::DocumentEnd { index: 0, offset: one.len() as u64 }));
    let Event::Info(info) = &events[1] else { panic!() };
    assert_eq!(info.uuid, Some([7; 16]));
    let Event::Track(track) = &events[3] else { panic!() };
    assert_eq!((track.number, track.uid, track.kind), (2, 102, TrackKind::Audio));
    assert_eq!(
        (track.name.as_deref(), &*track.codec_id, &*track.language),
        (Some("AUDIO_TO_CUSTOMER"), "A_AAC", "eng")
    );
}

#[test]
fn segments_and_clusters_of_known_size() {
    let cluster = |t| master(CLUSTER, &[uint(TIMESTAMP, t), block(1, 1, b"x")]);
    let doc = [ebml(), master(SEGMENT, &[info(&[]), cluster(10), cluster(20), tags(&[("a", "b")])])].concat();
    let events = events(&[doc.clone(), doc].concat());
    assert_eq!(order(&events), "DICFCFtEDICFCFtE");
    assert_eq!(frames(&events)[1].timestamp_ns, 21 * MS);
}

#[test]
fn several_clusters_of_unknown_size_and_mixed() {
    let cluster = |t| vec![uint(TIMESTAMP, t), block(1, 0, b"x")];
    let inner = [
        open(CLUSTER, &cluster(1)),
        master(CLUSTER, &cluster(2)),
        open(CLUSTER, &cluster(3)),
        tags(&[("a", "b")]),
    ];
    assert_eq!(order(&events(&document(&inner))), "DCFCFCFtE");
    // Also inside a Segment of known size.
    let doc = [ebml(), master(SEGMENT, &inner)].concat();
    let found = events(&[doc.clone(), doc].concat());
    assert_eq!(order(&found), "DCFCFCFtEDCFCFCFtE");
    let doc = [ebml(), master(SEGMENT, &inner[..3])].concat();
    assert_eq!(order(&events(&[doc.clone(), doc].concat())), "DCFCFCFEDCFCFCFE");
}

#[test]
fn a_cluster_event_names_its_offset_and_time() {
    let data = document(&[open(CLUSTER, &[uint(TIMESTAMP, 5)])]);
    let events = events(&data);
    let Event::Cluster(cluster) = events[1] else { panic!() };
    assert_eq!((cluster.offset, cluster.timestamp_ns), (find(&data, &id(CLUSTER), 0), 5 * MS));
    assert_eq!(order(&events), "DCE", "an empty cluster is fine");
}

#[test]
fn a_document_with_tags_only() {
    assert_eq!(order(&events(&document(&[tags(&[("a", "b"), ("c", "d")])]))), "DttE");
}

#[test]
fn what_does_not_matter_is_passed_over_anywhere() {
    let filling =
        [el(VOID, &[0; 300]), el(CRC, &[1, 2, 3, 4]), el(UNKNOWN, b"\x1A\x45\xDF\xA3"), el(VOID, b"")]
            .concat();
    let f = || filling.clone();
    let cluster =
        [f(), uint(TIMESTAMP, 1), uint(POSITION, 9), f(), uint(PREV_SIZE, 9), block(1, 0, b"x"), f()];
    let entry = master(TRACK_ENTRY, &[f(), uint(0xD7, 1), f(), master(0xE1, &[f(), uint(0x9F, 2)])]);
    let group = master(BLOCK_GROUP, &[f(), el(BLOCK, &payload(1, 0, 0, b"y")), f()]);
    let tag = master(
        TAGS,
        &[
            f(),
            master(
                TAG,
                &[f(), master(TARGETS, &[f()]), master(SIMPLE_TAG, &[f(), text(TAG_NAME, "n"), f()])],
            ),
        ],
    );
    let unread = [SEEK_HEAD, CUES, ATTACHMENTS, CHAPTERS].map(|id| el(id, b"not even elements"));
    let data = [
        ebml(),
        el(VOID, &[0; 9]),
        master(
            SEGMENT,
            &[
                f(),
                unread.concat(),
                info(&[f()]),
                master(TRACKS, &[f(), entry]),
                open(CLUSTER, &[cluster.concat(), group]),
                tag,
                f(),
            ],
        ),
        el(VOID, &[0; 9]),
        document(&[]),
    ];
    let found = events(&data.concat());
    assert_eq!(order(&found), "DITCFFtEDE");
    let Event::Track(track) = &found[2] else { panic!() };
    assert_eq!(track.audio.as_ref().unwrap().channels, 2);
}

#[test]
fn pcm_may_hold_the_magic_and_whole_documents() {
    let inner = fragment(5, &[b"zz"]);
    let found = events(&fragment(1, &[&inner, &id(EBML), &id(CLUSTER)]));
    assert_eq!(order(&found), "DITTtCFFFtE");
    assert_eq!(frames(&found)[0].data, inner);
}

#[test]
fn other_timestamp_scales_and_negative_times() {
    let info = master(INFO, &[uint(0x2A_D7B1, 125_000)]);
    let cluster = open(CLUSTER, &[uint(TIMESTAMP, 8000), block(1, -512, b"x"), block(1, i16::MIN, b"y")]);
    let found = events(&document(&[info, cluster]));
    assert_eq!(frames(&found)[0].timestamp_ns, (8000 - 512) * 125_000);
    assert_eq!(frames(&found)[1].timestamp_ns, (8000 - 32768) * 125_000);
    // The scale belongs to its document.
    let second = document(&[open(CLUSTER, &[uint(TIMESTAMP, 3)])]);
    let found = events(&[document(&[master(INFO, &[uint(0x2A_D7B1, 5)])]), second].concat());
    assert!(found.iter().any(|e| matches!(e, Event::Cluster(c) if c.timestamp_ns == 3 * MS)));
}

#[test]
fn times_saturate() {
    let found = events(&document(&[open(CLUSTER, &[uint(TIMESTAMP, u64::MAX), block(1, 1, b"x")])]));
    assert_eq!(frames(&found)[0].timestamp_ns, i64::MAX);
}

fn laced(flags: u8, body: &[u8]) -> Vec<u8> {
    let tracks = master(TRACKS, &[track(1, "a", &[uint(0x23_E383, 20 * MS as u64)])]);
    document(&[tracks, open(CLUSTER, &[uint(TIMESTAMP, 100), el(SIMPLE_BLOCK, &payload(1, 5, flags, body))])])
}

#[test]
fn all_lacings() {
    let xiph = [&[2, 255, 1, 3][..], &[b'a'; 256], b"bbb", b"c"].concat();
    // Sizes 256, 256 - 253 = 3 (biased by 8191), and the rest.
    let delta = (8191u16 - 253) | 0x4000;
    let ebml = [&[2, 0x41, 0x00], &delta.to_be_bytes()[..], &[b'a'; 256], b"bbb", b"c"].concat();
    for (flags, body) in [(0x82, xiph), (0x86, ebml)] {
        let data = laced(flags, &body);
        let found = events(&data);
        let all = frames(&found);
        assert_eq!(all.iter().map(|f| f.data.len()).collect::<Vec<_>>(), [256, 3, 1]);
        assert_eq!(all.iter().map(|f| f.timestamp_ns / MS).collect::<Vec<_>>(), [105, 125, 145]);
        assert_eq!(
            all.iter().map(|f| (f.lace_index, f.lace_count)).collect::<Vec<_>>(),
            [(0, 3), (1, 3), (2, 3)]
        );
        assert_eq!(all[1].data, "bbb");
        assert_eq!(all[1].offset, find(&data, b"bbb", 0));
    }
    let found = events(&laced(0x84, b"\x02aabbcc"));
    assert_eq!(frames(&found).iter().map(|f| &f.data[..]).collect::<Vec<_>>(), [b"aa", b"bb", b"cc"]);
    let found = events(&laced(0x84, b"\x00whole"));
    assert_eq!((frames(&found)[0].lace_count, &frames(&found)[0].data[..]), (1, &b"whole"[..]));
    let found = events(&laced(0x82, &[255; 1].iter().chain(&[0; 255]).copied().collect::<Vec<_>>()));
    assert_eq!(frames(&found).len(), 256, "256 empty frames");
}

#[test]
fn a_lace_without_default_duration_keeps_the_block_time() {
    let body = el(SIMPLE_BLOCK, &payload(1, 5, 0x84, b"\x01ab"));
    let found = events(&document(&[open(CLUSTER, &[uint(TIMESTAMP, 100), body])]));
    assert_eq!(frames(&found).iter().map(|f| f.timestamp_ns / MS).collect::<Vec<_>>(), [105, 105]);
}

#[test]
fn block_groups() {
    let key = master(BLOCK_GROUP, &[el(BLOCK, &payload(1, 0, 0x08, b"x")), uint(BLOCK_DURATION, 7)]);
    let other =
        master(BLOCK_GROUP, &[el(REFERENCE_BLOCK, &[0xFF]), el(BLOCK, &payload(1, 1, 0x85, b"\x01yz"))]);
    let empty = master(BLOCK_GROUP, &[]);
    let simple = el(SIMPLE_BLOCK, &payload(1, 2, 0x09, b"w"));
    let found = events(&document(&[open(CLUSTER, &[uint(TIMESTAMP, 1), key, other, empty, simple])]));
    let all = frames(&found);
    assert_eq!(all.iter().map(|f| f.keyframe).collect::<Vec<_>>(), [true, false, false, false]);
    assert_eq!(all.iter().map(|f| f.duration_ns).collect::<Vec<_>>(), [Some(7_000_000), None, None, None]);
    assert_eq!(all.iter().map(|f| f.invisible).collect::<Vec<_>>(), [true, false, false, true]);
    assert_eq!(all.iter().map(|f| f.discardable).collect::<Vec<_>>(), [false, false, false, true]);
}

#[test]
fn nested_tags_targets_and_binary_values() {
    let nested = master(SIMPLE_TAG, &[text(TAG_NAME, "out"), simple_tag("in", "2"), text(TAG_STRING, "1")]);
    let binary = master(SIMPLE_TAG, &[text(TAG_NAME, "bin"), el(TAG_BINARY, &[1, 2])]);
    let none = master(SIMPLE_TAG, &[text(TAG_NAME, "none")]);
    let targets = master(TARGETS, &[uint(TAG_TRACK_UID, 5), uint(TAG_TRACK_UID, 300)]);
    let data = document(&[master(TAGS, &[master(TAG, &[targets, nested, binary]), master(TAG, &[none])])]);
    let found = events(&data);
    let all = tags_of(&found);
    assert_eq!(all.iter().map(|t| &*t.name).collect::<Vec<_>>(), ["in", "out", "bin", "none"]);
    assert_eq!((all[0].string(), all[1].string(), all[2].string()), (Some("2"), Some("1"), None));
    assert_eq!(all[2].value, TagValue::Binary([1u8, 2].to_vec().into()));
    assert_eq!(all[3].string(), Some(""));
    assert_eq!((&all[2].track_uids[..], &all[3].track_uids[..]), (&[5, 300][..], &[][..]));
    assert_eq!(all[0].offset, find(&data, &id(SIMPLE_TAG), 1));
}

#[test]
fn empty_elements_stand_for_their_defaults() {
    let audio = master(0xE1, &[el(0xB5, b""), el(0x9F, b""), el(0x78B5, b"")]);
    let entry = master(TRACK_ENTRY, &[el(0xD7, b""), el(0x22_B59C, b""), el(0x536E, b""), audio]);
    let info = master(INFO, &[el(0x2A_D7B1, b""), el(0x4461, b""), el(0x4489, b"")]);
    let found = events(&document(&[info, master(TRACKS, &[entry]), open(CLUSTER, &[el(TIMESTAMP, b"")])]));
    let Event::Info(info) = &found[1] else { panic!() };
    assert_eq!((info.timestamp_scale_ns, info.date_utc_ns, info.duration), (1_000_000, Some(0), Some(0.0)));
    let Event::Track(track) = &found[2] else { panic!() };
    assert_eq!((track.number, &*track.language, track.name.as_deref()), (0, "eng", Some("")));
    let audio = track.audio.as_ref().unwrap();
    assert_eq!((audio.sampling_frequency_hz, audio.channels), (8000.0, 1));
    assert_eq!(audio.output_sampling_frequency_hz, None);
}

#[test]
fn info_and_track_in_full() {
    let info = info(&[
        el(0x4461, &(-5i64).to_be_bytes()),
        el(0x4489, &1.5f32.to_be_bytes()),
        text(0x4D80, "m\0\0"),
        el(0x5741, b"\xFFw"),
    ]);
    let encoding = |order, more: Vec<u8>| master(0x6240, &[uint(0x5031, order), more]);
    let encodings = master(
        0x6D80,
        &[
            encoding(2, uint(0x5033, 1)),
            encoding(0, master(0x5034, &[uint(0x4254, 3), el(0x4255, b"hd")])),
            encoding(1, master(0x5034, &[])),
        ],
    );
    let audio = master(0xE1, &[el(0xB5, &44100f64.to_be_bytes()), uint(0x6264, 24)]);
    let video = master(0xE0, &[uint(0xB0, 640), uint(0xBA, 480)]);
    let more = [
        el(0x63A2, &[0x11, 0x90]),
        uint(0x56AA, 9),
        text(0x22_B59D, "de-AT"),
        text(0x22_B59C, "ger"),
        audio,
        video,
        encodings,
    ];
    let found = events(&document(&[info, master(TRACKS, &[track(3, "n", &more)])]));
    let Event::Info(info) = &found[1] else { panic!() };
    assert_eq!(
        (info.date_utc_ns, info.duration, info.title.as_deref()),
        (Some(-5), Some(1.5), Some("title"))
    );
    assert_eq!((info.muxing_app.as_deref(), info.writing_app.as_deref()), (Some("m"), Some("\u{FFFD}w")));
    let Event::Track(t) = &found[2] else { panic!() };
    assert_eq!(
        (t.codec_private.as_deref(), t.codec_delay_ns, &*t.language),
        (Some(&[0x11, 0x90][..]), 9, "de-AT")
    );
    let audio = t.audio.as_ref().unwrap();
    assert_eq!((audio.sampling_frequency_hz, audio.bit_depth), (44100.0, Some(24)));
    assert_eq!(t.video.as_ref().map(|v| (v.pixel_width, v.pixel_height)), Some((640, 480)));
    let stripped = ContentEncoding::HeaderStripping(b"hd"[..].into());
    assert_eq!(t.encodings, [stripped, ContentEncoding::Compression(0), ContentEncoding::Encryption]);
}

#[test]
fn long_ids_where_the_header_allows_them() {
    let header = |id_length| master(EBML, &[uint(0x42F2, id_length), text(DOC_TYPE, "webm")]);
    let five = [0x08, 0x11, 0x22, 0x33, 0x44, 0x81, 0x00].to_vec();
    let body = open(SEGMENT, &[five, tags(&[("a", "b")])]);
    assert_eq!(order(&events(&[header(5), body.clone()].concat())), "DtE");
    let (found, error) = run(&[header(4), body].concat());
    assert_eq!((order(&found).as_str(), error.unwrap().path.as_str()), ("DE", "Segment"));
}

#[test]
fn shorter_sizes_where_the_header_demands_them() {
    let header = master(EBML, &[uint(0x42F3, 2), text(DOC_TYPE, "matroska")]);
    let short = [id(SEGMENT), vec![0xFF], tags(&[("a", "b")])].concat();
    // The next document's header is not bound by it.
    let next = [head(EBML, 11), text(DOC_TYPE, "matroska"), open(SEGMENT, &[])].concat();
    assert_eq!(order(&events(&[header.clone(), short, next].concat())), "DtEDE");
    let (found, error) = run(&[header, open(SEGMENT, &[])].concat());
    assert_eq!((found.len(), error.unwrap().path.as_str()), (0, "Segment"));
}

/// Found by fuzzing: a Duration that is no number is equal to nothing, itself included.
#[test]
fn floats_that_are_no_length_say_nothing() {
    for odd in [f64::NAN, f64::INFINITY, -1.0] {
        let audio = master(0xE1, &[el(0xB5, &odd.to_be_bytes()), el(0x78B5, &odd.to_be_bytes())]);
        let tracks = master(TRACKS, &[track(1, "a", &[audio])]);
        let all = events(&document(&[info(&[el(0x4489, &odd.to_be_bytes())]), tracks]));
        let Event::Info(info) = &all[1] else { panic!("{all:?}") };
        let Event::Track(track) = &all[2] else { panic!("{all:?}") };
        let audio = track.audio.as_ref().expect("an Audio master");
        assert_eq!(info.duration, None);
        assert_eq!((audio.sampling_frequency_hz, audio.output_sampling_frequency_hz), (8000.0, None));
    }
}

/// A demuxer and what it says may move between threads, and an event is cheap to move.
#[test]
fn events_move_freely() {
    fn free<T: Send + Sync + 'static>() {}
    free::<mkv_demux::Demuxer>();
    free::<Event>();
    free::<mkv_demux::Error>();
    let size = size_of::<Result<Option<Event>, mkv_demux::Error>>();
    assert!(size <= 104, "{size}");
}
