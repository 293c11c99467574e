//! The tools of others: what they find in a file, and files that they write.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// One frame, as everyone can tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Track number; for ffprobe the index of the stream.
    pub(crate) track: u64,
    pub(crate) time_ns: Option<i64>,
    /// The first or only frame of its block.
    pub(crate) first: bool,
    pub(crate) key: Option<bool>,
    pub(crate) size: usize,
    /// ffprobe gives none for a packet with side data.
    pub(crate) adler: Option<u32>,
}

/// What must be known about a track to compare its frames.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) number: u64,
    pub(crate) delay_ns: i64,
    /// Its frames are stored otherwise than they are shown.
    pub(crate) encoded: bool,
    /// libavformat gives it a stream.
    pub(crate) shown: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) tracks: Vec<Known>,
    pub(crate) scale_ns: i64,
    pub(crate) frames: Vec<Seen>,
}

pub(crate) fn full() -> bool {
    std::env::var_os("MKV_DEMUX_FULL").is_some()
}

/// RFC 1950 section 9.
pub(crate) fn adler32(data: &[u8]) -> u32 {
    let step = |(a, b): (u32, u32), byte: &u8| {
        let a = (a + u32::from(*byte)) % 65521;
        (a, (b + a) % 65521)
    };
    let (a, b) = data.iter().fold((1, 0), step);
    b << 16 | a
}

/// A file of this test run, removed when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn named(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("{}-{}-{name}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique))
    }

    pub(crate) fn with(name: &str, data: &[u8]) -> Self {
        let file = Self::named(&format!("{name}.mkv"));
        std::fs::write(&file.0, data).unwrap();
        file
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It need not exist.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Runs a tool; nothing where it is not installed, which is a failure in continuous integration.
fn tool(name: &str, args: &[&str]) -> Option<Output> {
    match Command::new(name).args(args).env("LC_ALL", "C.UTF-8").stdin(Stdio::null()).output() {
        Ok(output) => Some(output),
        Err(error) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{name}: {error}");
            eprintln!("note: {name} is not installed, nothing is compared with it");
            None
        }
    }
}

/// Runs a tool that must succeed, and gives what it prints.
fn printed(name: &str, args: &[&str]) -> Option<String> {
    let output = tool(name, args)?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // mkvmerge ends with 1 after warnings.
    let fine = output.status.success() || name == "mkvmerge" && output.status.code() == Some(1);
    assert!(fine, "{name} {args:?}: {out}{err}");
    Some(out.into_owned())
}

fn field<'a>(line: &'a str, name: &str, end: char) -> Option<&'a str> {
    let rest = &line[line.find(name)? + name.len()..];
    Some(rest.split(end).next().unwrap_or(rest))
}

/// Frames by libmatroska. Of a time it knows the block's. (Its summary would be easier to read, but lacks a
/// BlockGroup that ends a Cluster of unknown size.)
pub(crate) fn mkvinfo(file: &Scratch) -> Option<Vec<Seen>> {
    let text = printed("mkvinfo", &["-a", "-c", file.path()])?;
    let mut frames: Vec<Seen> = Vec::new();
    let (mut block, mut from) = (None, 0);
    for line in text.lines() {
        let wrong = || panic!("mkvinfo: {line}");
        if line.contains("+ Simple block: ") || line.contains("+ Block: ") {
            // A Block is a keyframe until a reference is seen.
            let key = line.contains(": key, ") || line.contains("+ Block: ");
            let track = field(line, "track number ", ',').and_then(|track| track.parse().ok());
            let time = field(line, "timestamp ", ' ').and_then(nanos);
            block = Some((track.unwrap_or_else(wrong), time, key));
            from = frames.len();
        } else if line.contains("+ Frame with size ") {
            let (track, time_ns, key) = block.unwrap_or_else(|| panic!("mkvinfo: {line}"));
            let size = field(line, "size ", ' ').and_then(|size| size.parse().ok());
            let adler = field(line, "adler: 0x", ')').and_then(hexadecimal);
            let size = size.unwrap_or_else(|| panic!("mkvinfo: {line}"));
            frames.push(Seen { track, time_ns, first: true, key: Some(key), size, adler });
        } else if line.contains("+ Reference block: ") {
            frames[from..].iter_mut().for_each(|frame| frame.key = Some(false));
        }
    }
    Some(frames)
}

/// A time as hours, minutes and seconds with nine places.
fn nanos(time: &str) -> Option<i64> {
    let [hours, minutes, seconds] = time.split(':').collect::<Vec<_>>()[..] else {
        return None;
    };
    let (seconds, nanos) = seconds.split_once('.')?;
    let whole = |text: &str| text.parse::<i64>().ok();
    let seconds = whole(hours)? * 3600 + whole(minutes)? * 60 + whole(seconds)?;
    Some(seconds * 1_000_000_000 + whole(nanos)?)
}

/// Frames by libavformat, neither parsed nor filled in.
pub(crate) fn ffprobe(file: &Scratch) -> Option<Vec<Seen>> {
    let args = ["-v", "error", "-fflags", "+nofillin+noparse", "-show_packets", "-show_data_hash", "adler32"];
    let text = printed("ffprobe", &[&args[..], &["-of", "compact=p=0", file.path()]].concat())?;
    let frame = |line: &str| {
        let time = field(line, "pts_time=", '|')?;
        Some(Seen {
            track: field(line, "stream_index=", '|')?.parse().ok()?,
            time_ns: if time == "N/A" { None } else { Some(micros(time)? * 1000) },
            first: true,
            key: Some(field(line, "flags=", '|')?.starts_with('K')),
            size: field(line, "|size=", '|')?.parse().ok()?,
            adler: field(line, "data_hash=adler32:", '|').and_then(hexadecimal),
        })
    };
    let lines = text.lines().filter(|line| line.contains("stream_index="));
    Some(lines.map(|line| frame(line).unwrap_or_else(|| panic!("ffprobe: {line}"))).collect())
}

fn hexadecimal(text: &str) -> Option<u32> {
    u32::from_str_radix(text.trim(), 16).ok()
}

fn micros(time: &str) -> Option<i64> {
    let (negative, time) = time.strip_prefix('-').map_or((false, time), |time| (true, time));
    let (seconds, micros) = time.split_once('.')?;
    let value = seconds.parse::<i64>().ok()? * 1_000_000 + micros.parse::<i64>().ok()?;
    Some(if negative { -value } else { value })
}

/// What ffmpeg writes of two seconds of a tone and a moving picture.
pub(crate) fn ffmpeg(name: &str, extension: &str, args: &[&str]) -> Option<Vec<u8>> {
    let out = Scratch::named(&format!("{name}.{extension}"));
    let tone = ["-v", "error", "-y", "-f", "lavfi", "-i", "sine=d=2:r=48000"];
    let picture = ["-f", "lavfi", "-i", "testsrc=d=2:s=64x48:r=10"];
    let words = Scratch::named(&format!("{name}.srt"));
    std::fs::write(
        &words.0,
        "1\n00:00:00,200 --> 00:00:00,900\nHello\n\n2\n00:00:01,000 --> 00:00:01,500\nworld\n",
    )
    .unwrap();
    let words = ["-i", words.path()];
    // Without a picture in the arguments, tone alone.
    let inputs = match (args.contains(&"-c:v"), args.contains(&"-c:s")) {
        (false, false) => [&tone[..], &["-map", "0"]].concat(),
        (true, false) => [&tone[..], &picture, &["-map", "0", "-map", "1"]].concat(),
        _ => [&tone[..], &picture, &words, &["-map", "0", "-map", "1", "-map", "2"]].concat(),
    };
    printed("ffmpeg", &[&inputs[..], args, &[out.path()]].concat())?;
    Some(std::fs::read(&out.0).unwrap())
}

pub(crate) fn ffmpeg_files() -> Vec<(String, Vec<u8>)> {
    let short: &[(&str, &str, &[&str])] = &[
        ("webm-opus-vp8", "webm", &["-c:a", "libopus", "-c:v", "libvpx"]),
        ("live-flac", "mkv", &["-c:a", "flac", "-live", "1"]),
        ("aac-subtitles", "mkv", &["-c:a", "aac", "-c:v", "mjpeg", "-c:s", "srt"]),
        ("clusters-of-200ms", "mkv", &["-c:a", "pcm_s16le", "-cluster_time_limit", "200"]),
    ];
    let long: &[(&str, &str, &[&str])] = &[
        ("webm-live", "webm", &["-c:a", "libvorbis", "-c:v", "libvpx-vp9", "-live", "1"]),
        ("webm-dash", "webm", &["-c:a", "libopus", "-dash", "1"]),
        ("mp3", "mkv", &["-c:a", "libmp3lame"]),
        ("ac3-ass", "mkv", &["-c:a", "ac3", "-c:v", "mpeg4", "-c:s", "ass"]),
        ("cues-in-front", "mkv", &["-c:a", "flac", "-c:v", "libvpx", "-cues_to_front", "1"]),
        ("room-for-an-index", "mkv", &["-c:a", "aac", "-reserve_index_space", "5000"]),
        ("clusters-of-1000-bytes", "mkv", &["-c:a", "libopus", "-cluster_size_limit", "1000"]),
        ("checksums", "mkv", &["-c:a", "libopus", "-write_crc32", "1"]),
        ("no-checksums", "mkv", &["-c:a", "libopus", "-write_crc32", "0"]),
        (
            "tagged",
            "mkv",
            &["-c:a", "flac", "-metadata", "title=Gr\u{fc}n", "-metadata", "comment=many words"],
        ),
        ("bit-exact", "mkv", &["-c:a", "pcm_s24le", "-fflags", "+bitexact", "-flags", "+bitexact"]),
    ];
    let all = short.iter().chain(long.iter().filter(|_| full()));
    all.filter_map(|(name, extension, args)| Some(((*name).to_owned(), ffmpeg(name, extension, args)?)))
        .collect()
}

pub(crate) fn mkvmerge_files() -> Vec<(String, Vec<u8>)> {
    let short: &[(&str, &[&str])] = &[
        ("laced", &[]),
        ("laced-xiph", &["--engage", "lacing_xiph"]),
        ("laced-ebml-no-simple-blocks", &["--engage", "lacing_ebml", "--engage", "no_simpleblocks"]),
    ];
    let long: &[(&str, &[&str])] = &[
        ("not-laced-no-cues", &["--disable-lacing", "--no-cues"]),
        ("cluster-in-seek-head", &["--clusters-in-meta-seek", "--cluster-length", "300ms"]),
        ("five-blocks-a-cluster", &["--cluster-length", "5"]),
        ("fine-times", &["--timestamp-scale", "100000"]),
        ("coarse-times", &["--timestamp-scale", "2000000"]),
        ("zlib", &["--compression", "0:zlib", "--compression", "1:zlib"]),
        ("headers-twice", &["--engage", "write_headers_twice"]),
        ("no-meta-seek", &["--engage", "no_meta_seek", "--title", "a title"]),
        ("webm", &["--webm"]),
    ];
    let sources: Vec<Vec<u8>> = [
        ffmpeg("merge-opus", "webm", &["-c:a", "libopus", "-c:v", "libvpx"]),
        ffmpeg("merge-mp3", "mkv", &["-c:a", "libmp3lame", "-c:v", "mjpeg", "-c:s", "srt"]),
        ffmpeg("merge-pcm", "mkv", &["-c:a", "pcm_s16le"]),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut files = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let source = Scratch::with("source", source);
        for (name, args) in short.iter().chain(long.iter().filter(|_| full())) {
            // Only Opus and VP8 may stand in a WebM file.
            if *name == "webm" && index > 0 {
                continue;
            }
            let out = Scratch::named(&format!("merged-{name}.mkv"));
            let args = [&["-q", "-o", out.path()], *args, &[source.path()]].concat();
            if printed("mkvmerge", &args).is_some() {
                files.push((format!("{name}-{index}"), std::fs::read(&out.0).unwrap()));
            }
        }
    }
    files
}

pub(crate) fn gstreamer_files() -> Vec<(String, Vec<u8>)> {
    let tone = "audiotestsrc num-buffers=40 ! audio/x-raw,format=S16LE,rate=48000,channels=1";
    let picture = "videotestsrc num-buffers=15 ! video/x-raw,width=64,height=48,framerate=10/1";
    let short = [
        ("live", format!("{tone} ! matroskamux streamable=true ! filesink location=OUT")),
        ("seekable", format!("{tone} ! matroskamux ! filesink location=OUT")),
    ];
    let long = [
        ("flac", format!("{tone} ! flacenc ! matroskamux streamable=true ! filesink location=OUT")),
        ("opus", format!("{tone} ! opusenc ! webmmux ! filesink location=OUT")),
        (
            "webm-live",
            format!(
                "{picture} ! vp8enc ! webmmux name=m streamable=true ! filesink location=OUT {tone} ! opusenc ! m."
            ),
        ),
        (
            "two-tracks",
            format!(
                "{tone} ! matroskamux name=m min-index-interval=100000000 ! filesink location=OUT {tone} ! m."
            ),
        ),
        ("old", format!("{tone} ! matroskamux version=1 ! filesink location=OUT")),
    ];
    let mut files = Vec::new();
    for (name, line) in short.iter().chain(long.iter().filter(|_| full())) {
        let out = Scratch::named(&format!("gst-{name}.mkv"));
        let line = line.replace("OUT", out.path());
        let args: Vec<&str> = ["-q"].into_iter().chain(line.split(' ')).collect();
        if printed("gst-launch-1.0", &args).is_some() {
            files.push((format!("gst-{name}"), std::fs::read(&out.0).unwrap()));
        }
    }
    files
}
