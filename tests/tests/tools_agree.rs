//! `inspect` agrees with other makers' readers on what other makers' writers wrote: ffmpeg and mkvmerge
//! write, ffprobe and mkvinfo read, frame by frame.
//!
//! These tests need ffmpeg and mkvtoolnix. Where CI is `true` a missing tool is a failure; elsewhere the
//! tests say so and pass, for `inspect.rs` always checks the committed files against recorded counts.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::LazyLock;

use bytes::Bytes;
use engine::inspect::{Inspection, Inspector};
use mkv_demux::{ContentEncoding, Demuxer, Event, Frame, Track};
use serde_json::Value;
use tempfile::TempDir;

/// Programs and the Debian packages they come in.
const TOOLS: [(&str, &str, &str); 4] = [
    ("ffmpeg", "-version", "ffmpeg"),
    ("ffprobe", "-version", "ffmpeg"),
    ("mkvmerge", "--version", "mkvtoolnix"),
    ("mkvinfo", "--version", "mkvtoolnix"),
];

/// Three seconds of sound, pictures, and both; pictures at 25 a second.
const SOUND: &str = "-f lavfi -i sine=frequency=300:sample_rate=48000:duration=3";
const PICTURE: &str = "-f lavfi -i testsrc=size=64x48:rate=25:duration=3";

/// ffmpeg's list of encoders, or why nothing can be tested.
static ENCODERS: LazyLock<Result<String, String>> = LazyLock::new(|| {
    for (tool, version, package) in TOOLS {
        let ran = Command::new(tool).arg(version).stdout(Stdio::null()).stderr(Stdio::null()).status();
        if !ran.is_ok_and(|status| status.success()) {
            return Err(format!("{tool} is missing: install the Debian package {package}"));
        }
    }
    Ok(String::from_utf8(run("ffmpeg", ["-v", "quiet", "-encoders"])).unwrap())
});

/// Whether there is everything a test needs; says what is missing, and fails for it under CI.
fn can_use(encoders: &str) -> bool {
    let missing = match &*ENCODERS {
        Err(why) => Some(why.clone()),
        Ok(known) => encoders
            .split_whitespace()
            .find(|name| !known.lines().any(|line| line.split_whitespace().nth(1) == Some(*name)))
            .map(|name| format!("ffmpeg has no encoder {name}: install the Debian package ffmpeg")),
    };
    if let Some(why) = missing {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{why}");
        println!("not tested: {why}");
        return false;
    }
    true
}

/// Runs a program; its standard output. mkvmerge ends with 1 where it has warned.
fn run<A: AsRef<OsStr>>(program: &str, args: impl IntoIterator<Item = A>) -> Vec<u8> {
    let output = Command::new(program).args(args).env("LC_ALL", "C").stdin(Stdio::null()).output().unwrap();
    let warned = program == "mkvmerge" && output.status.code() == Some(1);
    let said = [String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)];
    assert!(output.status.success() || warned, "{program} failed: {}", said.concat());
    output.stdout
}

/// Has ffmpeg write a file.
fn ffmpeg(dir: &TempDir, name: &str, args: &str) -> PathBuf {
    let path = dir.path().join(name);
    let mut all: Vec<&OsStr> = ["-nostdin", "-v", "error", "-y"].map(OsStr::new).to_vec();
    all.extend(args.split_whitespace().map(OsStr::new));
    all.push(path.as_os_str());
    run("ffmpeg", all);
    path
}

/// Has ffmpeg write to a pipe, where nothing can be filled in later.
fn ffmpeg_piped(dir: &TempDir, name: &str, args: &str) -> PathBuf {
    let path = dir.path().join(name);
    let args = format!("-nostdin -v error {args} pipe:1");
    std::fs::write(&path, run("ffmpeg", args.split_whitespace())).unwrap();
    path
}

/// Has mkvmerge write a file; words of `args` that start with `@` are files of the folder.
fn mkvmerge(dir: &TempDir, name: &str, args: &str) -> PathBuf {
    let path = dir.path().join(name);
    let mut all = vec!["-q".to_owned(), "-o".to_owned(), path.to_str().unwrap().to_owned()];
    all.extend(args.split_whitespace().map(|word| match word.strip_prefix('@') {
        Some(file) => dir.path().join(file).to_str().unwrap().to_owned(),
        None => word.to_owned(),
    }));
    run("mkvmerge", all);
    path
}

/// What the product finds in a file.
struct Ours {
    inspection: Inspection,
    tracks: Vec<Arc<Track>>,
    frames: Vec<Frame>,
}

fn ours(path: &Path) -> Ours {
    let bytes = Bytes::from(std::fs::read(path).unwrap());
    let (mut inspector, mut demuxer) = (Inspector::new(), Demuxer::new());
    for at in (0..bytes.len()).step_by(4096) {
        let piece = bytes.slice(at..bytes.len().min(at + 4096));
        inspector.feed(piece.clone());
        demuxer.feed(piece);
    }
    demuxer.finish();
    let (mut tracks, mut frames) = (Vec::<Arc<Track>>::new(), Vec::new());
    // An error is in the inspection too, where the tests look.
    while let Ok(Some(event)) = demuxer.poll() {
        match event {
            Event::Track(track) if tracks.iter().all(|t| t.number != track.number) => tracks.push(track),
            Event::Frame(frame) => frames.push(frame),
            _ => {}
        }
    }
    Ours { inspection: inspector.finish(), tracks, frames }
}

/// Compares a whole file with all three readers.
fn agree(path: &Path) {
    let ours = ours(path);
    let found = &ours.inspection;
    assert_eq!((found.documents, found.truncated_at), (1, None), "{path:?}");
    assert!(found.errors.is_empty() && found.gaps.is_empty() && found.contacts.is_empty(), "{found:#?}");
    assert!(found.frames > 0, "{path:?} is empty");
    agree_with_mkvinfo(path, &ours);
    agree_with_mkvmerge(path, &ours);
    agree_with_ffprobe(path, &ours);
}

/// Track, size and checksum of every frame in order, and the exact time of every block.
fn agree_with_mkvinfo(path: &Path, ours: &Ours) {
    let said = run("mkvinfo", [OsStr::new("--ui-language"), "en_US".as_ref(), "-s".as_ref(), path.as_ref()]);
    let said = String::from_utf8(said).unwrap();
    let theirs: Vec<&str> = said.lines().filter(|line| line.contains(" frame, track ")).collect();
    assert_eq!(ours.frames.len(), theirs.len(), "{path:?}: frames");
    for (frame, line) in ours.frames.iter().zip(theirs) {
        let field = |name: &str| {
            let found = line.split(", ").find_map(|part| part.strip_prefix(name)?.strip_prefix(' '));
            found.unwrap_or_else(|| panic!("no {name} in {line:?}"))
        };
        assert_eq!(frame.track.to_string(), field("track"), "{path:?}: {line}");
        assert_eq!(frame.data.len().to_string(), field("size"), "{path:?}: {line}");
        assert_eq!(format!("0x{:08x}", adler32(&frame.data)), field("adler"), "{path:?}: {line}");
        // mkvinfo gives all frames of a lace the time of their block.
        if frame.lace_index == 0 {
            assert_eq!(frame.timestamp_ns, nanoseconds(field("timestamp")), "{path:?}: {line}");
        }
    }
}

/// Number, kind, name, codec and audio settings of every track, and what the inspector adds up for it.
fn agree_with_mkvmerge(path: &Path, ours: &Ours) {
    let said: Value = serde_json::from_slice(&run("mkvmerge", ["-J".as_ref(), path.as_os_str()])).unwrap();
    let theirs = said["tracks"].as_array().unwrap();
    assert_eq!(ours.inspection.tracks.len(), theirs.len(), "{path:?}: tracks");
    assert_eq!(ours.tracks.len(), theirs.len(), "{path:?}: tracks");
    for ((found, track), their) in ours.inspection.tracks.iter().zip(&ours.tracks).zip(theirs) {
        let properties = &their["properties"];
        assert_eq!(properties["number"], found.number, "{path:?}");
        assert_eq!(properties["codec_id"], found.codec_id.as_str(), "{path:?}");
        assert_eq!(properties["track_name"].as_str(), found.name.as_deref(), "{path:?}");
        assert_eq!(their["type"].as_str().unwrap().trim_end_matches('s'), found.kind, "{path:?}");
        if let Some(audio) = &track.audio {
            assert_eq!(properties["audio_channels"], audio.channels, "{path:?}");
            let rate_hz = properties["audio_sampling_frequency"].as_f64();
            assert_eq!(rate_hz, Some(audio.sampling_frequency_hz), "{path:?}");
        }
        let frames = ours.frames.iter().filter(|frame| frame.track == found.number);
        let bytes: usize = frames.clone().map(|frame| frame.data.len()).sum();
        assert_eq!((found.frames, found.payload_bytes), (frames.count() as u64, bytes as u64), "{path:?}");
    }
}

/// Size and time of every packet of every stream. ffprobe undoes header stripping and takes the codec's
/// delay off the times.
fn agree_with_ffprobe(path: &Path, ours: &Ours) {
    let args = ["-v", "error", "-show_packets", "-show_streams", "-of", "json"].map(OsStr::new);
    let said = run("ffprobe", args.into_iter().chain([path.as_os_str()]));
    let said: Value = serde_json::from_slice(&said).unwrap();
    let mut packets: BTreeMap<u64, Vec<&Value>> = BTreeMap::new();
    for packet in said["packets"].as_array().unwrap() {
        packets.entry(packet["stream_index"].as_u64().unwrap()).or_default().push(packet);
    }
    let streams = said["streams"].as_array().unwrap().iter();
    let streams: Vec<&Value> = streams.filter(|s| s["codec_type"] != "attachment").collect();
    assert_eq!(ours.tracks.len(), streams.len(), "{path:?}: streams");
    for (track, stream) in ours.tracks.iter().zip(streams) {
        let frames: Vec<&Frame> = ours.frames.iter().filter(|f| f.track == track.number).collect();
        let packets = packets.remove(&stream["index"].as_u64().unwrap()).unwrap_or_default();
        assert_eq!(frames.len(), packets.len(), "{path:?}: packets of track {}", track.number);
        for (frame, packet) in frames.into_iter().zip(packets) {
            packet_agrees(path, track, frame, packet);
        }
    }
}

fn packet_agrees(path: &Path, track: &Track, frame: &Frame, packet: &Value) {
    let size = packet["size"].as_str().unwrap();
    match track.encodings.as_slice() {
        [] => assert_eq!(frame.data.len().to_string(), size, "{path:?}: {packet}"),
        [ContentEncoding::HeaderStripping(front)] => {
            assert_eq!((front.len() + frame.data.len()).to_string(), size, "{path:?}: {packet}");
        }
        // The size is that of what was compressed.
        [ContentEncoding::Compression(0)] => {}
        other => panic!("{path:?}: {other:?}"),
    }
    // Without a DefaultDuration only the first frame of a lace has a time.
    if frame.lace_index == 0 || track.default_duration_ns.is_some() {
        // Video for Windows has no presentation times; its packets have decoding times alone.
        let theirs_s = packet["pts_time"].as_str().or_else(|| packet["dts_time"].as_str()).unwrap();
        let theirs_s: f64 = theirs_s.parse().unwrap();
        let ours_ns = frame.timestamp_ns - i64::try_from(track.codec_delay_ns).unwrap();
        let off_ms = ours_ns as f64 / 1e6 - theirs_s * 1e3;
        // ffprobe rounds to ticks, at most 1 ms where there are laces, anew for each frame of a lace.
        let allowed_ms = f64::from(1 + frame.lace_index);
        assert!(off_ms.abs() <= allowed_ms, "{path:?}: {off_ms} ms off at {packet}");
    }
}

/// Nanoseconds of `HH:MM:SS.nnnnnnnnn`.
fn nanoseconds(time: &str) -> i64 {
    let (clock, fraction) = time.split_once('.').unwrap();
    let seconds = clock.split(':').fold(0, |all, part| all * 60 + part.parse::<i64>().unwrap());
    seconds * 1_000_000_000 + fraction.parse::<i64>().unwrap()
}

/// The checksum of RFC 1950, as mkvinfo shows it.
fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    b << 16 | a
}

#[test]
fn on_audio_of_every_codec() {
    let dir = TempDir::new().unwrap();
    for (name, encoder, args) in [
        ("pcm-mono.mkv", "pcm_s16le", "-ar 8000"),
        ("pcm-stereo.mkv", "pcm_s16le", "-ar 44100 -ac 2"),
        ("pcm-float.mkv", "pcm_f32le", "-ar 16000"),
        ("flac.mkv", "flac", "-ac 2"),
        ("aac.mkv", "aac", ""),
        ("aac-stereo.mka", "aac", "-ar 44100 -ac 2 -metadata creation_time=2026-01-05T10:00:00Z"),
        ("opus.mkv", "libopus", "-ac 2"),
        ("opus.webm", "libopus", "-frame_duration 60"),
        ("vorbis.mkv", "libvorbis", ""),
        ("mp3.mkv", "libmp3lame", "-ar 22050"),
        ("ac3.mkv", "ac3", "-write_crc32 0"),
    ] {
        if can_use(encoder) {
            agree(&ffmpeg(&dir, name, &format!("{SOUND} {args} -c:a {encoder}")));
        }
    }
}

#[test]
fn on_streams_whose_end_was_not_known() {
    let dir = TempDir::new().unwrap();
    if !can_use("aac libopus pcm_s16le") {
        return;
    }
    let live = format!("{SOUND} -c:a aac -live 1 -cluster_time_limit 500");
    agree(&ffmpeg(&dir, "live.mkv", &live));
    agree(&ffmpeg_piped(&dir, "piped.mkv", &format!("{SOUND} -c:a aac -f matroska")));
    agree(&ffmpeg_piped(
        &dir,
        "piped.webm",
        &format!("{SOUND} -c:a libopus -cluster_size_limit 3000 -f webm"),
    ));
    let piped = ffmpeg_piped(&dir, "piped-live.mkv", &format!("{SOUND} -c:a pcm_s16le -live 1 -f matroska"));
    agree(&piped);
    agree(&ffmpeg(&dir, "index-in-front.mkv", &format!("{SOUND} -c:a aac -reserve_index_space 4096")));
}

#[test]
fn on_pictures_subtitles_and_several_tracks() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("s.srt"), SUBTITLES).unwrap();
    let srt = format!("-i {}", dir.path().join("s.srt").to_str().unwrap());
    for (name, encoders, args) in [
        ("vp8-opus.webm", "libvpx libopus", format!("{PICTURE} {SOUND} -c:v libvpx -c:a libopus")),
        ("alpha.webm", "libvpx", format!("{PICTURE} -pix_fmt yuva420p -auto-alt-ref 0 -c:v libvpx")),
        ("h264-aac.mkv", "libx264 aac", format!("{PICTURE} {SOUND} -c:v libx264 -bf 2 -c:a aac")),
        ("mpeg4-srt.mkv", "mpeg4 srt", format!("{PICTURE} {srt} -c:v mpeg4 -c:s srt")),
        ("mp3-ass.mkv", "libmp3lame ass", format!("{SOUND} {srt} -c:a libmp3lame -c:s ass")),
        (
            "two-parties.mkv",
            "pcm_s16le",
            format!(
                "{SOUND} {SOUND} -map 0 -map 1 -ar 8000 -c:a pcm_s16le \
                 -metadata:s:a:0 title=AUDIO_FROM_CUSTOMER -metadata:s:a:1 title=AUDIO_TO_CUSTOMER"
            ),
        ),
    ] {
        if can_use(encoders) {
            agree(&ffmpeg(&dir, name, &args));
        }
    }
}

const SUBTITLES: &str =
    "1\n00:00:00,500 --> 00:00:01,200\nHello.\n\n2\n00:00:01,500 --> 00:00:02,000\nBye.\n";
const CHAPTERS: &str = "CHAPTER01=00:00:00.000\nCHAPTER01NAME=One\n";

#[test]
fn on_whatever_mkvmerge_makes_of_them() {
    let dir = TempDir::new().unwrap();
    if !can_use("aac ac3 flac libmp3lame mpeg4 pcm_s16le") {
        return;
    }
    for (name, args) in [
        ("aac.mka", "-c:a aac"),
        ("ac3.mka", "-c:a ac3"),
        ("flac.mka", "-ac 2 -c:a flac"),
        ("mp3.mka", "-c:a libmp3lame"),
        ("pcm.mka", "-ar 8000 -c:a pcm_s16le"),
    ] {
        ffmpeg(&dir, name, &format!("{SOUND} {args}"));
    }
    ffmpeg(&dir, "picture.avi", &format!("{PICTURE} -c:v mpeg4 -bf 2"));
    std::fs::write(dir.path().join("s.srt"), SUBTITLES).unwrap();
    std::fs::write(dir.path().join("chapters.txt"), CHAPTERS).unwrap();
    for (name, args) in [
        ("laced-aac.mkv", "@aac.mka"),
        ("laced-ac3.mkv", "@ac3.mka"),
        ("flac.mkv", "@flac.mka"),
        ("mp3.mkv", "@mp3.mka"),
        ("pcm.mkv", "@pcm.mka"),
        ("xiph-lacing.mkv", "--engage lacing_xiph @aac.mka"),
        ("ebml-lacing.mkv", "--engage lacing_ebml @ac3.mka"),
        ("not-laced.mkv", "--disable-lacing @aac.mka"),
        ("no-cues.mkv", "--no-cues @aac.mka"),
        ("clusters-in-meta-seek.mkv", "--clusters-in-meta-seek --cluster-length 4 @aac.mka"),
        ("headers-twice.mkv", "--engage write_headers_twice @mp3.mka"),
        ("block-groups.mkv", "--engage no_simpleblocks @flac.mka"),
        ("fine-ticks.mkv", "--timestamp-scale 10000 @aac.mka"),
        ("coarse-ticks.mkv", "--timestamp-scale 10000000 @mp3.mka"),
        ("delayed.mkv", "--sync 0:1500 @aac.mka"),
        ("joined.mkv", "@aac.mka + @aac.mka"),
        ("header-stripped.mkv", "--compression 0:mpeg4_p2 @picture.avi @mp3.mka"),
        ("zlib.mkv", "--compression 0:zlib @pcm.mka"),
        ("all.mkv", "--chapters @chapters.txt --attach-file @s.srt @picture.avi @aac.mka @flac.mka @s.srt"),
    ] {
        agree(&mkvmerge(&dir, name, args));
    }
}

#[test]
fn on_how_much_of_a_cut_file_is_complete() {
    let dir = TempDir::new().unwrap();
    if !can_use("aac") {
        return;
    }
    let whole = ffmpeg(&dir, "whole.mkv", &format!("{SOUND} -c:a aac -cluster_time_limit 700"));
    let live = ffmpeg_piped(&dir, "live.mkv", &format!("{SOUND} -c:a aac -live 1 -f matroska"));
    let laced = mkvmerge(&dir, "laced.mkv", "--engage no_simpleblocks @whole.mkv");
    for path in [whole, live, laced] {
        let bytes = std::fs::read(&path).unwrap();
        for percent in [20, 55, 90] {
            let cut = path.with_extension(format!("cut-at-{percent}.mkv"));
            std::fs::write(&cut, &bytes[..bytes.len() * percent / 100]).unwrap();
            let ours = ours(&cut);
            assert!(ours.inspection.truncated_at.is_some(), "{cut:?}");
            agree_with_mkvinfo(&cut, &ours);
            agree_with_ffprobe(&cut, &ours);
        }
    }
}
