//! A small element writer, and a runner that cuts the input into pieces.
#![allow(dead_code, reason = "each test file uses its part")]

use bytes::Bytes;
use mkv_demux::{Demuxer, Error, Event, EventRef, Frame, Tag};

pub(crate) const EBML: u32 = 0x1A45_DFA3;
pub(crate) const DOC_TYPE: u32 = 0x4282;
pub(crate) const VOID: u32 = 0xEC;
pub(crate) const CRC: u32 = 0xBF;
pub(crate) const SEGMENT: u32 = 0x1853_8067;
pub(crate) const SEEK_HEAD: u32 = 0x114D_9B74;
pub(crate) const CUES: u32 = 0x1C53_BB6B;
pub(crate) const ATTACHMENTS: u32 = 0x1941_A469;
pub(crate) const CHAPTERS: u32 = 0x1043_A770;
pub(crate) const INFO: u32 = 0x1549_A966;
pub(crate) const TRACKS: u32 = 0x1654_AE6B;
pub(crate) const TRACK_ENTRY: u32 = 0xAE;
pub(crate) const CLUSTER: u32 = 0x1F43_B675;
pub(crate) const TIMESTAMP: u32 = 0xE7;
pub(crate) const POSITION: u32 = 0xA7;
pub(crate) const PREV_SIZE: u32 = 0xAB;
pub(crate) const SIMPLE_BLOCK: u32 = 0xA3;
pub(crate) const BLOCK_GROUP: u32 = 0xA0;
pub(crate) const BLOCK: u32 = 0xA1;
pub(crate) const BLOCK_DURATION: u32 = 0x9B;
pub(crate) const REFERENCE_BLOCK: u32 = 0xFB;
pub(crate) const TAGS: u32 = 0x1254_C367;
pub(crate) const TAG: u32 = 0x7373;
pub(crate) const TARGETS: u32 = 0x63C0;
pub(crate) const TAG_TRACK_UID: u32 = 0x63C5;
pub(crate) const SIMPLE_TAG: u32 = 0x67C8;
pub(crate) const TAG_NAME: u32 = 0x45A3;
pub(crate) const TAG_STRING: u32 = 0x4487;
pub(crate) const TAG_BINARY: u32 = 0x4485;
/// An id that no specification gives a meaning.
pub(crate) const UNKNOWN: u32 = 0x4DBC;

pub(crate) fn id(id: u32) -> Vec<u8> {
    let bytes = id.to_be_bytes();
    bytes[id.leading_zeros() as usize / 8..].to_vec()
}

/// An element whose size takes eight bytes and may be a lie.
pub(crate) fn head(element: u32, size: u64) -> Vec<u8> {
    let mut out = id(element);
    out.extend((size | 1 << 56).to_be_bytes());
    out
}

pub(crate) fn el(element: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = id(element);
    match payload.len() {
        n if n < 127 => out.push(0x80 | n as u8),
        n if n < 16383 => out.extend((0x4000 | n as u16).to_be_bytes()),
        n => out.extend((0x1000_0000 | n as u32).to_be_bytes()),
    }
    out.extend(payload);
    out
}

/// A master of known size.
pub(crate) fn master(element: u32, children: &[Vec<u8>]) -> Vec<u8> {
    el(element, &children.concat())
}

/// A master of unknown size.
pub(crate) fn open(element: u32, children: &[Vec<u8>]) -> Vec<u8> {
    [id(element), vec![0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], children.concat()].concat()
}

pub(crate) fn uint(element: u32, value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    el(element, &bytes[(value.leading_zeros() as usize / 8).min(7)..])
}

pub(crate) fn text(element: u32, value: &str) -> Vec<u8> {
    el(element, value.as_bytes())
}

pub(crate) fn ebml() -> Vec<u8> {
    master(EBML, &[uint(0x4286, 1), text(DOC_TYPE, "matroska"), uint(0x4287, 4)])
}

pub(crate) fn payload(track: u8, time: i16, flags: u8, data: &[u8]) -> Vec<u8> {
    let t = time.to_be_bytes();
    [&[0x80 | track, t[0], t[1], flags], data].concat()
}

pub(crate) fn block(track: u8, time: i16, data: &[u8]) -> Vec<u8> {
    el(SIMPLE_BLOCK, &payload(track, time, 0x80, data))
}

pub(crate) fn track(number: u64, name: &str, more: &[Vec<u8>]) -> Vec<u8> {
    let fields = [
        uint(0xD7, number),
        uint(0x73C5, number + 100),
        uint(0x83, 2),
        text(0x536E, name),
        text(0x86, "A_AAC"),
    ];
    master(TRACK_ENTRY, &[fields.concat(), more.concat()])
}

pub(crate) fn simple_tag(name: &str, value: &str) -> Vec<u8> {
    master(SIMPLE_TAG, &[text(TAG_NAME, name), text(TAG_STRING, value)])
}

pub(crate) fn tags(pairs: &[(&str, &str)]) -> Vec<u8> {
    let all: Vec<_> = pairs.iter().map(|(name, value)| simple_tag(name, value)).collect();
    master(TAGS, &[master(TAG, &all)])
}

pub(crate) fn info(more: &[Vec<u8>]) -> Vec<u8> {
    let fields = [el(0x73A4, &[7; 16]), uint(0x2A_D7B1, 1_000_000), text(0x7BA9, "title")];
    master(INFO, &[fields.concat(), more.concat()])
}

/// The shape that `GetMedia` sends: unknown sizes, tags before and after the Cluster.
pub(crate) fn fragment(time_ms: u64, data: &[&[u8]]) -> Vec<u8> {
    let tracks = master(TRACKS, &[track(1, "AUDIO_FROM_CUSTOMER", &[]), track(2, "AUDIO_TO_CUSTOMER", &[])]);
    let mut cluster = vec![uint(TIMESTAMP, time_ms), uint(POSITION, 0)];
    for (i, data) in data.iter().enumerate() {
        cluster.push(block(1 + (i % 2) as u8, (i / 2 * 64) as i16, data));
    }
    let children =
        [info(&[]), tracks, tags(&[("ContactId", "c-1")]), open(CLUSTER, &cluster), tags(&[("TOKEN", "42")])];
    [ebml(), open(SEGMENT, &children)].concat()
}

/// A document of unknown size with these children of the Segment.
pub(crate) fn document(children: &[Vec<u8>]) -> Vec<u8> {
    [ebml(), open(SEGMENT, children)].concat()
}

/// Events and the error of a stream.
pub(crate) type Outcome = (Vec<Event>, Option<Error>);

/// Feeds `pieces` and polls after each; checks on the way what holds for every stream.
pub(crate) fn run_with(demuxer: Demuxer, pieces: impl IntoIterator<Item = Bytes>) -> Outcome {
    run_by(Demuxer::poll, demuxer, pieces)
}

/// As [`run_with`], by borrowed events.
pub(crate) fn run_lent(demuxer: Demuxer, pieces: impl IntoIterator<Item = Bytes>) -> Outcome {
    run_by(|demuxer| Ok(demuxer.poll_ref()?.map(EventRef::into_owned)), demuxer, pieces)
}

fn run_by(
    poll: impl Fn(&mut Demuxer) -> Result<Option<Event>, Error>,
    mut demuxer: Demuxer,
    pieces: impl IntoIterator<Item = Bytes>,
) -> Outcome {
    let mut events = Vec::new();
    let mut error = None;
    let mut position = 0;
    for piece in pieces.into_iter().map(Some).chain([None]) {
        match piece {
            Some(piece) => demuxer.feed(piece),
            None => demuxer.finish(),
        }
        loop {
            match poll(&mut demuxer) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(e) => assert_eq!(error.replace(e), None, "a second error"),
            }
            assert!(demuxer.position() >= position, "position went back");
            position = demuxer.position();
        }
    }
    assert_eq!(demuxer.poll(), Ok(None));
    assert_eq!(demuxer.buffered(), 0);
    (events, error)
}

pub(crate) fn pieces(data: &[u8], size: usize) -> Vec<Bytes> {
    data.chunks(size).map(Bytes::copy_from_slice).collect()
}

/// The outcome, checked to be the same in one piece and byte by byte.
pub(crate) fn run(data: &[u8]) -> Outcome {
    let whole = run_with(Demuxer::new(), [Bytes::copy_from_slice(data)]);
    let bytewise = run_with(Demuxer::new(), pieces(data, 1));
    assert_eq!(whole, bytewise, "a split changed the outcome");
    let lent = run_lent(Demuxer::new(), [Bytes::copy_from_slice(data)]);
    assert_eq!(whole, lent, "borrowed events are others");
    whole
}

/// The events of a stream without a fault.
pub(crate) fn events(data: &[u8]) -> Vec<Event> {
    let (events, error) = run(data);
    assert_eq!(error, None);
    assert!(!events.iter().any(|e| matches!(e, Event::Gap(_))), "{events:?}");
    events
}

pub(crate) fn frames(events: &[Event]) -> Vec<&Frame> {
    events.iter().filter_map(|e| if let Event::Frame(f) = e { Some(f) } else { None }).collect()
}

pub(crate) fn tags_of(events: &[Event]) -> Vec<&Tag> {
    events.iter().filter_map(|e| if let Event::Tag(t) = e { Some(t) } else { None }).collect()
}

/// One letter per event, for the order: D I T C F t E G.
pub(crate) fn order(events: &[Event]) -> String {
    let letter = |e: &Event| match e {
        Event::Document(_) => 'D',
        Event::Info(_) => 'I',
        Event::Track(_) => 'T',
        Event::Cluster(_) => 'C',
        Event::Frame(_) => 'F',
        Event::Tag(_) => 't',
        Event::DocumentEnd { .. } => 'E',
        Event::Gap(_) => 'G',
        _ => '?',
    };
    events.iter().map(letter).collect()
}

/// Offset of the `n`th (from 0) occurrence of `needle`.
pub(crate) fn find(data: &[u8], needle: &[u8], n: usize) -> u64 {
    let mut hits = data.windows(needle.len()).enumerate().filter(|(_, w)| *w == needle);
    hits.nth(n).expect("needle is there").0 as u64
}
