//! The same frames, tracks, times and bytes as webm-iterable, on generated documents of every shape and on rows of
//! them; and as all the others on the streams of the comparison, so that nobody is fast by leaving out.

use bytes::Bytes;
use mkv_demux::{Demuxer, Event};
use webm_iterable::WebmIterator;
use webm_iterable::matroska_spec::{Block, MatroskaSpec, SimpleBlock};

use crate::generate::{Dice, a_document};
use crate::{Data, ROWS, Seen, stream};

/// Track, time in nanoseconds and payload.
type Frame = (u64, i64, Vec<u8>);

fn ours(data: &[u8], piece: usize) -> Vec<Frame> {
    let (mut demuxer, mut frames, mut block_ns) = (Demuxer::new(), Vec::new(), 0);
    let mut poll = |demuxer: &mut Demuxer| {
        while let Some(event) = demuxer.poll().unwrap() {
            assert!(!matches!(event, Event::Gap(_)), "{event:?}");
            if let Event::Frame(frame) = event {
                if frame.lace_index == 0 {
                    block_ns = frame.timestamp_ns;
                }
                frames.push((frame.track, block_ns, frame.data.to_vec()));
            }
        }
    };
    for piece in data.chunks(piece) {
        demuxer.feed(Bytes::copy_from_slice(piece));
        poll(&mut demuxer);
    }
    demuxer.finish();
    poll(&mut demuxer);
    frames
}

fn webm_iterable(data: &[u8]) -> Vec<Frame> {
    let (mut frames, mut cluster, mut scale) = (Vec::new(), 0, 1_000_000);
    let mut source = data;
    for tag in WebmIterator::new(&mut source, &[]) {
        let mut take = |track: u64, time: i16, block: Vec<Vec<u8>>| {
            let time_ns = (cluster + i64::from(time)) * scale;
            frames.extend(block.into_iter().map(|frame| (track, time_ns, frame)));
        };
        let tag = tag.unwrap();
        match &tag {
            MatroskaSpec::TimestampScale(value) => scale = *value as i64,
            MatroskaSpec::Timestamp(value) => cluster = *value as i64,
            MatroskaSpec::SimpleBlock(_) => {
                let block = SimpleBlock::try_from(&tag).unwrap();
                let data = block.read_frame_data().unwrap();
                take(block.track, block.timestamp, data.iter().map(|frame| frame.data.to_vec()).collect());
            }
            MatroskaSpec::Block(_) => {
                let block = Block::try_from(&tag).unwrap();
                let data = block.read_frame_data().unwrap();
                take(block.track, block.timestamp, data.iter().map(|frame| frame.data.to_vec()).collect());
            }
            _ => {}
        }
    }
    frames
}

fn seeds() -> std::ops::Range<u64> {
    0..if std::env::var_os("MKV_DEMUX_FULL").is_some() { 3000 } else { 200 }
}

#[test]
fn generated_documents() {
    for seed in seeds() {
        let data = a_document(&mut Dice(seed));
        let ours = ours(&data, 777);
        assert!(!ours.is_empty());
        assert!(ours == webm_iterable(&data), "document {seed}");
    }
}

#[test]
fn rows_of_generated_documents() {
    for seed in seeds().step_by(5) {
        let mut dice = Dice(seed);
        let data: Vec<u8> = (0..4).flat_map(|_| a_document(&mut dice)).collect();
        assert!(ours(&data, 4099) == webm_iterable(&data), "row {seed}");
    }
}

#[test]
fn the_streams_of_the_comparison() {
    for (shape, stream) in [("kvs", stream::kvs(3 << 20)), ("single", stream::single(3 << 20))] {
        assert!(ours(&stream.bytes, 64 * 1024) == webm_iterable(&stream.bytes), "{shape}");
        let mut data = Data::new(stream, 64 * 1024);
        for (name, run) in ROWS {
            let seen = run(&mut data);
            let whole = (data.stream.frames, data.stream.payload);
            let scans = !name.contains("copy") && !name.contains("cache line");
            assert!(
                !scans || (seen.frames, seen.bytes) == whole,
                "{name} sees {seen:?} of {whole:?} in {shape}"
            );
        }
        // What was touched is the same for all ways of use, names of tags included.
        let touched: Vec<Seen> = ROWS
            .iter()
            .filter(|(name, _)| name.starts_with("mkv-demux"))
            .map(|(_, run)| run(&mut data))
            .collect();
        assert!(touched.windows(2).all(|pair| pair[0] == pair[1]), "{shape}: {touched:?}");
    }
}
