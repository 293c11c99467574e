//! The demuxers of others, each in the way that suits it best. Whoever cannot read a row of documents gets
//! them cut.

use std::cell::Cell;
use std::io::Cursor;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use ebml_iterable::TagDecoder;
use mkv::elements::database::{Class, id_to_class};
use mkv::elements::midlevel::MidlevelParser;
use mkv::elements::parser::{BinaryChunkStatus, Event, EventsHandler, Parser, SimpleContent};
use mkv::events::{MatroskaDemuxer, MatroskaEventHandler, MatroskaFrame};
use symphonia_core::formats::{FormatOptions, FormatReader as _};
use symphonia_core::io::{MediaSourceStream, MediaSourceStreamOptions};
use webm_iterable::WebmIterator;
use webm_iterable::matroska_spec::MatroskaSpec;

use crate::{Seen, Stream};

/// mkv: its element parser, blocks read by hand.
#[derive(Default)]
struct Mkv {
    seen: Seen,
    class: Option<Class>,
    cluster: u64,
    block: Vec<u8>,
}

impl EventsHandler for Mkv {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Begin(info) => {
                self.class = Some(id_to_class(info.id));
                self.block.clear();
            }
            Event::Data(SimpleContent::Unsigned(time)) if self.class == Some(Class::Timecode) => {
                self.cluster = time;
            }
            Event::Data(SimpleContent::Binary(data, status)) if self.class == Some(Class::SimpleBlock) => {
                if status == BinaryChunkStatus::Full {
                    self.seen.block(self.cluster, data);
                    return;
                }
                self.block.extend_from_slice(data);
                if status == BinaryChunkStatus::Last {
                    self.seen.block(self.cluster, &self.block);
                }
            }
            Event::Data(SimpleContent::Text(text)) => self.seen.value(text.as_bytes()),
            _ => {}
        }
    }
}

pub fn mkv_parser(bytes: &[u8], piece: usize) -> Seen {
    let (mut parser, mut found) = (mkv::elements::parser::new(), Mkv::default());
    for piece in bytes.chunks(piece) {
        parser.feed_bytes(piece, &mut found);
    }
    found.seen
}

/// mkv: its demuxer, which has no way back to its handler.
#[derive(Default, Clone)]
struct Shared(Rc<Cell<Seen>>);

impl MatroskaEventHandler for Shared {
    fn frame_encountered(&mut self, frame: MatroskaFrame) {
        let mut seen = self.0.get();
        for data in &frame.buffers {
            seen.frame(frame.track_number as u64, frame.timecode_nanoseconds as i64, data);
        }
        self.0.set(seen);
    }

    fn segment_tracks(&mut self, _: &Rc<mkv::elements::Element>) {}
}

pub fn mkv(bytes: &[u8], piece: usize) -> Seen {
    let mut parser = mkv::elements::parser::new();
    let seen = Shared::default();
    let mut found = MidlevelParser::new(MatroskaDemuxer::new(seen.clone()));
    for piece in bytes.chunks(piece) {
        parser.feed_bytes(piece, &mut found);
    }
    seen.0.get()
}

fn tag(tag: MatroskaSpec, cluster: &mut u64, seen: &mut Seen) {
    match tag {
        MatroskaSpec::Timestamp(time) => *cluster = time,
        MatroskaSpec::SimpleBlock(data) => seen.block(*cluster, &data),
        MatroskaSpec::TagName(name) => seen.value(name.as_bytes()),
        _ => {}
    }
}

pub fn webm_iterable(bytes: &[u8]) -> Seen {
    let (mut seen, mut cluster) = (Seen::default(), 0);
    let mut source = bytes;
    for found in WebmIterator::new(&mut source, &[]) {
        tag(found.expect("sound"), &mut cluster, &mut seen);
    }
    seen
}

pub fn ebml_iterable(bytes: &[u8], piece: usize) -> Seen {
    let (mut seen, mut cluster) = (Seen::default(), 0);
    let (mut decoder, mut input) = (TagDecoder::<MatroskaSpec>::new(&[]), BytesMut::new());
    for piece in bytes.chunks(piece) {
        input.extend_from_slice(piece);
        while let Some(found) = decoder.decode(&mut input).expect("sound") {
            tag(found.tag, &mut cluster, &mut seen);
        }
    }
    while let Some(found) = decoder.decode_eof(&mut input).expect("sound") {
        tag(found.tag, &mut cluster, &mut seen);
    }
    seen
}

fn documents(stream: &Stream) -> impl Iterator<Item = Bytes> {
    stream.documents.windows(2).map(|ends| stream.bytes.slice(ends[0]..ends[1]))
}

pub fn matroska_demuxer(stream: &Stream) -> Seen {
    let (mut seen, mut frame) = (Seen::default(), matroska_demuxer::Frame::default());
    for document in documents(stream) {
        let Ok(mut file) = matroska_demuxer::MatroskaFile::open(Cursor::new(&document[..])) else {
            continue;
        };
        while file.next_frame(&mut frame).unwrap_or(false) {
            seen.frame(frame.track, frame.timestamp as i64, &frame.data);
        }
    }
    seen
}

pub fn symphonia(stream: &Stream) -> Seen {
    let mut seen = Seen::default();
    for document in documents(stream) {
        let source =
            MediaSourceStream::new(Box::new(Cursor::new(document)), MediaSourceStreamOptions::default());
        let Ok(mut reader) = symphonia_format_mkv::MkvReader::try_new(source, FormatOptions::default())
        else {
            continue;
        };
        while let Ok(Some(packet)) = reader.next_packet() {
            seen.frame(u64::from(packet.track_id), packet.pts.get(), &packet.data);
        }
    }
    seen
}
