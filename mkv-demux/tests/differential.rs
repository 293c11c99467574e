//! Frame by frame against two other demuxers, libavformat (by `ffprobe`) and libmatroska (by `mkvinfo`): the same
//! tracks, times, keyframes, sizes and bytes, on generated files of every shape and on what the muxers of
//! ffmpeg, MKVToolNix and GStreamer write here and now.
//!
//! A tool that is not installed is passed over with a note, except where the environment says `CI=true`.
//! `MKV_DEMUX_FULL=1 cargo test -p mkv-demux --test differential` takes more files of each kind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test may fail"
)]
mod common;
mod tools;
use bytes::Bytes;
use common::*;
use mkv_demux::{Demuxer, Event, TrackKind};
use tools::*;

/// What this crate finds in one document, fed in odd pieces.
fn ours(data: &[u8]) -> Found {
    let (events, error) = run_with(Demuxer::new(), pieces(data, 1013));
    assert_eq!(error, None);
    let (mut found, mut block_ns) = (Found::default(), 0);
    for event in events {
        match event {
            Event::Track(track) => found.tracks.push(Known {
                number: track.number,
                delay_ns: i64::try_from(track.codec_delay_ns).unwrap(),
                encoded: !track.encodings.is_empty(),
                shown: matches!(track.kind, TrackKind::Audio | TrackKind::Video | TrackKind::Subtitle),
            }),
            Event::Info(info) => found.scale_ns = i64::try_from(info.timestamp_scale_ns).unwrap(),
            Event::Frame(frame) => {
                if frame.lace_index == 0 {
                    block_ns = frame.timestamp_ns;
                }
                found.frames.push(Seen {
                    track: frame.track,
                    // The others give the frames of a lace their block's time, or none.
                    time_ns: Some(block_ns),
                    first: frame.lace_index == 0,
                    key: Some(frame.keyframe),
                    size: frame.data.len(),
                    adler: Some(adler32(&frame.data)),
                });
            }
            Event::Gap(gap) => panic!("{gap:?}"),
            _ => {}
        }
    }
    found
}

/// Compares one file with all others that are there.
fn compare(name: &str, data: &[u8]) {
    let found = ours(data);
    assert!(!found.frames.is_empty(), "{name}: no frames");
    let file = Scratch::with(name, data);
    if let Some(theirs) = mkvinfo(&file) {
        assert_eq!(theirs.len(), found.frames.len(), "{name}: frames of mkvinfo");
        for (index, (theirs, ours)) in theirs.iter().zip(&found.frames).enumerate() {
            let ours = Seen { first: true, ..*ours };
            assert_eq!(*theirs, ours, "{name}: frame {index} of mkvinfo");
        }
    }
    if let Some(theirs) = ffprobe(&file) {
        let shown: Vec<&Known> = found.tracks.iter().filter(|track| track.shown).collect();
        let ours: Vec<&Seen> = found
            .frames
            .iter()
            .filter(|frame| shown.iter().any(|track| track.number == frame.track))
            .collect();
        assert_eq!(theirs.len(), ours.len(), "{name}: frames of ffprobe");
        for (index, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
            let track = shown[usize::try_from(theirs.track).unwrap()];
            assert_eq!(track.number, ours.track, "{name}: track of frame {index} of ffprobe");
            if !track.encoded {
                let adler = theirs.adler.or(ours.adler);
                assert_eq!((theirs.size, adler), (ours.size, ours.adler), "{name}: frame {index}");
            }
            if let (Some(theirs), Some(ours), true) = (theirs.time_ns, ours.time_ns, ours.first) {
                // It takes the codec's delay off in ticks, and prints microseconds.
                let off = (ours - track.delay_ns - theirs).abs();
                assert!(off <= found.scale_ns.max(1000), "{name}: frame {index}: {theirs} for {ours}");
            }
            if ours.first {
                assert_eq!(theirs.key, ours.key, "{name}: keyframe {index} of ffprobe");
            }
        }
    }
}

/// Small numbers, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn bytes(&mut self, len: u64) -> Vec<u8> {
        (0..len).map(|_| u8::try_from(self.roll(256)).unwrap()).collect()
    }
}

/// The body of a block with this lacing: 0 none, 1 Xiph, 2 fixed, 3 EBML.
fn laced(dice: &mut Dice, lacing: u64) -> Vec<u8> {
    // Of an EBML lace of one frame, which has no sizes, libmatroska reads one all the same.
    let count = dice.roll(5) + if lacing == 3 { 2 } else { 1 };
    let size = 2 * (1 + dice.roll(300));
    let sizes: Vec<u64> =
        (0..count).map(|_| if lacing == 2 { size } else { 2 * (1 + dice.roll(300)) }).collect();
    let mut body = vec![u8::try_from(count - 1).unwrap()];
    let (_, others) = sizes.split_last().unwrap();
    match lacing {
        0 => return dice.bytes(size),
        1 => others.iter().for_each(|size| {
            body.extend(vec![255; usize::try_from(size / 255).unwrap()]);
            body.push(u8::try_from(size % 255).unwrap());
        }),
        3 => others.iter().enumerate().for_each(|(index, size)| {
            let value = if index == 0 { *size } else { 8191 + size - others[index - 1] };
            body.extend((0x4000 | u16::try_from(value).unwrap()).to_be_bytes());
        }),
        _ => {}
    }
    body.extend(dice.bytes(sizes.iter().sum()));
    body
}

fn a_block(dice: &mut Dice, tracks: u64) -> Vec<u8> {
    let track = u8::try_from(1 + dice.roll(tracks)).unwrap();
    let lacing = dice.roll(4);
    let flags = u8::try_from(lacing << 1).unwrap();
    let time = i16::try_from(dice.roll(3000)).unwrap() - 1000;
    if dice.roll(3) > 0 {
        let key = u8::try_from(dice.roll(2) << 7).unwrap();
        return el(SIMPLE_BLOCK, &payload(track, time, flags | key, &laced(dice, lacing)));
    }
    let mut children = vec![el(BLOCK, &payload(track, time, flags, &laced(dice, lacing)))];
    if dice.roll(2) == 0 {
        children.push(uint(BLOCK_DURATION, 5));
    }
    if dice.roll(2) == 0 {
        children.push(el(REFERENCE_BLOCK, &[0xFE]));
    }
    master(BLOCK_GROUP, &children)
}

/// Of what may stand anywhere: libmatroska searches for the next element it knows behind one it does not.
fn filling(dice: &mut Dice) -> Vec<u8> {
    match dice.roll(4) {
        0 => el(VOID, &vec![0; usize::try_from(dice.roll(200)).unwrap()]),
        1 => el(VOID, &[]),
        _ => Vec::new(),
    }
}

fn a_document(dice: &mut Dice) -> Vec<u8> {
    let tracks = 1 + dice.roll(3);
    let scale = [1_000_000, 1_000_000, 100_000, 20_833][usize::try_from(dice.roll(4)).unwrap()];
    let entry = |number: u64| {
        let rate = el(0xB5, &8000f32.to_be_bytes());
        let audio = master(0xE1, &[rate, uint(0x9F, 1), uint(0x6264, 16)]);
        let fields =
            [uint(0xD7, number), uint(0x73C5, number), uint(0x83, 2), text(0x86, "A_PCM/INT/LIT"), audio];
        master(TRACK_ENTRY, &fields)
    };
    let mut children = vec![
        master(INFO, &[uint(0x2A_D7B1, scale), text(0x4D80, "test"), text(0x5741, "test")]),
        filling(dice),
        master(TRACKS, &(1..=tracks).map(entry).collect::<Vec<_>>()),
    ];
    if dice.roll(2) == 0 {
        children.push(tags(&[("before", "1")]));
    }
    let mut time = if dice.roll(3) == 0 { 1_726_677_687_758 } else { 2000 };
    for _ in 0..1 + dice.roll(4) {
        let mut inside = vec![uint(TIMESTAMP, time), filling(dice)];
        if dice.roll(2) == 0 {
            inside.push(uint(PREV_SIZE, 100));
        }
        for _ in 0..1 + dice.roll(8) {
            inside.extend([a_block(dice, tracks), filling(dice)]);
        }
        let sized = dice.roll(2) == 0;
        children.push(if sized { master(CLUSTER, &inside) } else { open(CLUSTER, &inside) });
        time += 2500;
    }
    if dice.roll(2) == 0 {
        children.push(tags(&[("after", "2")]));
    }
    [ebml(), if dice.roll(2) == 0 { master(SEGMENT, &children) } else { open(SEGMENT, &children) }].concat()
}

#[test]
fn generated_files_of_every_shape() {
    for seed in 0..if full() { 300 } else { 20 } {
        compare(&format!("generated-{seed}"), &a_document(&mut Dice(seed)));
    }
}

/// Each document of a row as a file of its own has the frames that the row has.
#[test]
fn rows_of_documents() {
    let documents: Vec<Vec<u8>> = (1000..1005).map(|seed| a_document(&mut Dice(seed))).collect();
    let row = ours(&documents.concat());
    let alone: Vec<Seen> = documents.iter().flat_map(|document| ours(document).frames).collect();
    assert_eq!(row.frames, alone);
    compare("row-of-one", &documents[0]);
}

#[test]
fn what_ffmpeg_writes() {
    for (name, data) in ffmpeg_files() {
        compare(&name, &data);
    }
}

#[test]
fn what_mkvmerge_writes() {
    for (name, data) in mkvmerge_files() {
        compare(&name, &data);
    }
}

#[test]
fn what_gstreamer_writes() {
    for (name, data) in gstreamer_files() {
        compare(&name, &data);
    }
}

/// A stream that is still being written, read to where it is.
#[test]
fn a_live_stream_cut_anywhere_gives_the_frames_before() {
    let Some(data) = ffmpeg("live-cut", "mkv", &["-c:a", "libopus", "-c:v", "libvpx", "-live", "1"]) else {
        return;
    };
    let whole = ours(&data).frames;
    for cut in (0..data.len()).step_by(997) {
        let mut demuxer = Demuxer::new();
        demuxer.feed(Bytes::copy_from_slice(&data[..cut]));
        let events: Vec<Event> = std::iter::from_fn(|| demuxer.poll().unwrap()).collect();
        let sizes: Vec<usize> = frames(&events).iter().map(|frame| frame.data.len()).collect();
        let expected: Vec<usize> = whole.iter().take(sizes.len()).map(|frame| frame.size).collect();
        assert_eq!(sizes, expected, "cut at {cut}");
    }
}
