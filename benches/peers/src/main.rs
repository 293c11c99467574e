//! `mkv-demux` beside other demuxers and beside bare scans of the same bytes, in one run.
//!
//! In this folder:
//! `cargo run --release` prints the tables; `-- large` that of 1 GiB; `-- tiny` those of tiny pieces;
//! `-- instructions` counts instructions with valgrind; `-- memory` counts allocations and bytes held.
//! `-- write FILE` writes the GetMedia stream for other programs (`libavformat.c` beside this folder's manifest).
//! Words behind it choose rows. `cargo test --release` compares what everyone finds.
//!
//! Everyone counts frames and bytes and touches track, time and first payload byte of each; the rows take
//! turns in rounds, since times on a shared machine drift. Believe ratios, not nanoseconds.
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

#[cfg(test)]
mod agree;
mod ceiling;
#[cfg(test)]
#[path = "../../../mkv-demux/tests/common/mod.rs"]
mod common;
#[cfg(test)]
#[path = "../../../mkv-demux/tests/generate/mod.rs"]
mod generate;
mod memory;
mod others;
mod product;
mod stream;

use std::process::Command;
use std::time::Instant;

use bytes::Bytes;
pub use stream::Stream;

/// What a reader has seen.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub frames: u64,
    pub bytes: u64,
    /// What was touched, so that nothing is optimised away.
    pub sum: u64,
}

impl Seen {
    #[inline]
    pub fn frame(&mut self, track: u64, time: i64, data: &[u8]) {
        self.frames += 1;
        self.bytes += data.len() as u64;
        let first = data.first().copied().map_or(0, u64::from);
        self.sum = self.sum.wrapping_add(track ^ time as u64 ^ first);
    }

    /// A SimpleBlock's payload; without lacing, of a track below 127.
    #[inline]
    pub fn block(&mut self, cluster: u64, block: &[u8]) {
        let time = i64::from(i16::from_be_bytes([block[1], block[2]]));
        self.frame(u64::from(block[0] & 0x7F), cluster as i64 + time, &block[4..]);
    }

    /// Another value.
    #[inline]
    pub fn value(&mut self, value: &[u8]) {
        self.sum = self.sum.wrapping_add(value.len() as u64);
    }
}

/// What all rows of a table read.
struct Data {
    stream: Stream,
    pieces: Vec<Bytes>,
    piece: usize,
    room: Vec<u8>,
}

impl Data {
    fn new(stream: Stream, piece: usize) -> Self {
        let bytes = &stream.bytes;
        let pieces = (0..bytes.len()).step_by(piece).map(|at| bytes.slice(at..bytes.len().min(at + piece)));
        Self { pieces: pieces.collect(), stream, piece, room: Vec::new() }
    }
}

type Run = fn(&mut Data) -> Seen;

const ROWS: &[(&str, Run)] = &[
    ("ceiling: one read of each cache line", |d| ceiling::touch(&d.stream.bytes)),
    ("ceiling: tuned scan of a slice", |d| ceiling::tuned(&d.stream.bytes)),
    ("ceiling: naive scan of a slice", |d| ceiling::naive(&d.stream.bytes)),
    ("ceiling: pushed pieces, borrowed", |d| ceiling::push(&d.stream.bytes, d.piece)),
    ("ceiling: pushed pieces, sliced Bytes", |d| ceiling::push_sliced(&d.pieces)),
    ("ceiling: as before, pieces received", |d| ceiling::push_received(&d.stream.bytes, d.piece)),
    ("mkv-demux: borrowed", |d| product::lent(&d.pieces)),
    ("mkv-demux: sliced Bytes", |d| product::sliced(&d.pieces)),
    ("mkv-demux: borrowed, frames to Bytes", |d| product::kept(&d.pieces)),
    ("mkv-demux: borrowed, pieces received", |d| product::lent_received(&d.stream.bytes, d.piece)),
    ("mkv-demux: frames to Bytes, pieces received", |d| product::kept_received(&d.stream.bytes, d.piece)),
    ("mkv-demux: sliced, pieces received", |d| product::received(&d.stream.bytes, d.piece)),
    ("mkv 0.0.8", |d| others::mkv(&d.stream.bytes, d.piece)),
    ("mkv 0.0.8, bare element parser", |d| others::mkv_parser(&d.stream.bytes, d.piece)),
    ("webm-iterable 0.7.1", |d| others::webm_iterable(&d.stream.bytes)),
    ("ebml-iterable 0.7.1 TagDecoder", |d| others::ebml_iterable(&d.stream.bytes, d.piece)),
    ("matroska-demuxer 0.8.1, documents cut", |d| others::matroska_demuxer(&d.stream)),
    ("symphonia-format-mkv 0.6.1, documents cut", |d| others::symphonia(&d.stream)),
    ("ceiling: copy", |d| ceiling::copy(&d.stream.bytes, &mut d.room)),
];

const MIB: usize = 1 << 20;

fn rows(names: &[String]) -> Vec<(&'static str, Run)> {
    let chosen = |row: &str| names.is_empty() || names.iter().any(|name| row.contains(name.as_str()));
    ROWS.iter().copied().filter(|(row, _)| chosen(row)).collect()
}

/// Best and median nanoseconds a frame of each row, and what it saw.
fn time(data: &mut Data, rows: &[(&'static str, Run)], rounds: usize) -> Vec<(f64, f64, Seen)> {
    let mut times = vec![Vec::new(); rows.len()];
    let mut seen = vec![Seen::default(); rows.len()];
    for _ in 0..rounds {
        for (row, (_, run)) in rows.iter().enumerate() {
            // The row before may have left the caches to others.
            std::hint::black_box(run(data));
            let start = Instant::now();
            seen[row] = std::hint::black_box(run(data));
            times[row].push(start.elapsed().as_nanos() as f64 / data.stream.frames as f64);
        }
    }
    let middle = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        (times[0], times[times.len() / 2])
    };
    times.into_iter().map(middle).zip(seen).map(|((best, median), seen)| (best, median, seen)).collect()
}

fn note(seen: Seen, stream: &Stream) -> String {
    match (seen.frames, seen.bytes) {
        (0, 0) => String::new(),
        found if found == (stream.frames, stream.payload) => String::new(),
        (frames, _) => format!("saw {frames} of {} frames", stream.frames),
    }
}

fn table(title: &str, mut data: Data, names: &[String], rounds: usize) {
    println!("\n{title}: {} bytes, {} frames, {rounds} rounds", data.stream.bytes.len(), data.stream.frames);
    println!("{:44}{:>9}{:>9}{:>9}  ", "ns a frame", "best", "median", "× ours");
    let rows = rows(names);
    let times = time(&mut data, &rows, rounds);
    let best = |name: &str| rows.iter().position(|(row, _)| *row == name).map(|row| times[row].0);
    let ours = best("mkv-demux: borrowed").or_else(|| best("mkv-demux: borrowed, pieces received"));
    let ratios = targets(&best);
    for ((name, _), (best, median, seen)) in rows.iter().zip(times) {
        let ratio = ours.map_or(f64::NAN, |ours| best / ours);
        println!("{name:44}{best:9.1}{median:9.1}{ratio:9.2}  {}", note(seen, &data.stream));
    }
    ratios.iter().for_each(|line| println!("{line}"));
}

/// Of the best times, which a busy machine spoils least: how many times as fast as the fastest demuxer of others that reads a row of documents as it
/// comes, and how many times as slow as the scan that does the same job.
fn targets(best: &dyn Fn(&str) -> Option<f64>) -> Vec<String> {
    let demuxers = ["mkv 0.0.8", "webm-iterable 0.7.1", "ebml-iterable 0.7.1 TagDecoder"];
    let peer = demuxers.into_iter().filter_map(best).min_by(f64::total_cmp);
    let ways = [
        ("mkv-demux: borrowed", "ceiling: pushed pieces, borrowed"),
        ("mkv-demux: borrowed, frames to Bytes", "ceiling: pushed pieces, sliced Bytes"),
        ("mkv-demux: sliced Bytes", "ceiling: pushed pieces, sliced Bytes"),
        ("mkv-demux: frames to Bytes, pieces received", "ceiling: as before, pieces received"),
        ("mkv-demux: sliced, pieces received", "ceiling: as before, pieces received"),
    ];
    let line = |(way, ceiling): (&str, &str)| {
        let (ours, peer, ceiling) = (best(way)?, peer?, best(ceiling)?);
        Some(format!("{way:44}{:6.1}× the fastest peer, {:5.2} of its ceiling", peer / ours, ours / ceiling))
    };
    ways.into_iter().filter_map(line).collect()
}

/// Instructions a frame: the same run on a stream and on one twice as long, under valgrind.
fn instructions(names: &[String]) {
    let count = |row: &str, shape: &str, mib: usize| {
        let exe = std::env::current_exe().expect("a path");
        let out = Command::new("valgrind")
            .args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"])
            .arg(exe)
            .args(["once", row, shape, &mib.to_string()])
            .output()
            .expect("valgrind is installed");
        let text = String::from_utf8_lossy(&out.stderr).into_owned();
        let line = text.lines().find(|line| line.contains("refs:")).expect("a count");
        let digits: String =
            line.rsplit(':').next().unwrap_or("").chars().filter(char::is_ascii_digit).collect();
        digits.parse::<f64>().expect("a number")
    };
    println!("\n{:44}{:>9}{:>9}", "instructions a frame", "KVS", "single");
    for (name, _) in rows(names) {
        print!("{name:44}");
        for shape in ["kvs", "single"] {
            let per = |mib| count(name, shape, mib) - count("none", shape, mib);
            let frames = (made(shape, 4).frames - made(shape, 2).frames) as f64;
            print!("{:9.1}", (per(4) - per(2)) / frames);
        }
        println!();
    }
}

fn made(shape: &str, mib: usize) -> Stream {
    if shape == "kvs" { stream::kvs(mib * MIB) } else { stream::single(mib * MIB) }
}

fn once(args: &[String]) {
    let [name, shape, mib] = args else {
        panic!("once ROW SHAPE MIB");
    };
    let mut data = Data::new(made(shape, mib.parse().expect("a number")), 64 * 1024);
    let times = std::env::var("TIMES").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    for (_, run) in ROWS.iter().filter(|(row, _)| row == name) {
        for _ in 0..times {
            std::hint::black_box(run(&mut data));
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let names = args.get(1..).unwrap_or_default();
    match args.first().map(String::as_str) {
        Some("once") => once(names),
        Some("instructions") => instructions(names),
        Some("memory") => memory::report(),
        Some("write") => {
            let path = names.first().expect("write FILE [MIB]");
            let mib = names.get(1).map_or(19, |mib| mib.parse().expect("a number"));
            std::fs::write(path, stream::kvs(mib * MIB).bytes).expect("room for a file");
        }
        Some("large") => {
            table("GetMedia, 1 GiB, 64 KiB pieces", Data::new(stream::kvs(1024 * MIB), 64 * 1024), names, 7);
        }
        Some("tiny") => {
            let rows = [
                &["mkv-demux: borrowed, p", "mkv-demux: sliced, p", "mkv 0", "ebml-it"].map(String::from),
                names,
            ]
            .concat();
            for piece in [1, 7, 188, 4096] {
                let data = Data::new(stream::kvs(2 * MIB), piece);
                table(&format!("GetMedia, pieces of {piece}"), data, &rows, 5);
            }
        }
        _ => {
            table("GetMedia, 64 KiB pieces", Data::new(stream::kvs(19 * MIB), 64 * 1024), &args, 31);
            table("one Segment, 64 KiB pieces", Data::new(stream::single(19 * MIB), 64 * 1024), &args, 31);
        }
    }
}
