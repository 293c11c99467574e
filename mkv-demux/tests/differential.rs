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
mod generate;
mod tools;
use bytes::Bytes;
use common::*;
use generate::{Dice, a_document};
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
