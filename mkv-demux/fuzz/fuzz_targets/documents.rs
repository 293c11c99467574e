//! Streams built from elements: documents of GetMedia's shape and others, sound in most places, with sizes that
//! lie, elements in the wrong place and cut tails in some. What raw bytes hardly reach lies close here:
//! laces, groups, repeated headers, tags at the ends of pieces, checksums.
//!
//! In `mkv-demux`, on a stable toolchain:
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run documents -- -max_len=600 -max_total_time=30`
#![no_main]

mod check;

use arbitrary::Arbitrary;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    documents: Vec<Document>,
    /// Indexes of documents, in the order of the stream: so that they repeat.
    order: [u8; 4],
    lengths: [u8; 5],
    until: u16,
    /// Bytes cut from the end.
    cut: u8,
}

#[derive(Arbitrary, Debug)]
struct Document {
    /// Widths of ids and sizes, where the header gives them.
    widths: Option<(u8, u8)>,
    webm: bool,
    segment: Size,
    children: Vec<Element>,
}

/// How an element's size is written.
#[derive(Arbitrary, Debug, Clone, Copy)]
enum Size {
    Shortest,
    Eight,
    Unknown,
    /// Wrong by so much.
    Lie(i8),
}

#[derive(Arbitrary, Debug)]
enum Element {
    Master(Master, Size, Vec<Element>),
    /// A master with a CRC-32 at its front, right or not.
    Summed(Master, bool, Vec<Element>),
    Uint(Uint, u64),
    Text(Text, Vec<u8>),
    Float(u8, f64),
    Block {
        simple: bool,
        track: u8,
        time: i16,
        flags: u8,
        data: Vec<u8>,
    },
    Xiph(Vec<u8>),
    Ebml(Vec<u8>),
    Fixed(u8, u8),
    /// A Tags with one Tag with one SimpleTag.
    LoneTag(Vec<u8>, Vec<u8>),
    Void(u8),
    Raw(Vec<u8>),
}

macro_rules! ids {
    ($name:ident: $($variant:ident = $id:literal),*) => {
        #[derive(Arbitrary, Debug, Clone, Copy)]
        enum $name { $($variant),* }
        impl $name {
            fn id(self) -> u32 {
                match self { $(Self::$variant => $id),* }
            }
        }
    };
}

ids!(Master: Info = 0x1549_A966, Tracks = 0x1654_AE6B, TrackEntry = 0xAE, Audio = 0xE1, Video = 0xE0,
    Encodings = 0x6D80, Encoding = 0x6240, Compression = 0x5034, Cluster = 0x1F43_B675, Group = 0xA0,
    Tags = 0x1254_C367, Tag = 0x7373, Targets = 0x63C0, SimpleTag = 0x67C8, Cues = 0x1C53_BB6B,
    Segment = 0x1853_8067, Ebml = 0x1A45_DFA3);
ids!(Uint: Scale = 0x2A_D7B1, Number = 0xD7, Uid = 0x73C5, Type = 0x83, Default = 0x23_E383, Channels = 0x9F,
    Depth = 0x6264, Timestamp = 0xE7, Duration = 0x9B, Reference = 0xFB, TagUid = 0x63C5, Position = 0xA7,
    Order = 0x5031, Scope = 0x5032, Algo = 0x4254);
ids!(Text: Name = 0x536E, Language = 0x22_B59C, Bcp = 0x22_B59D, Codec = 0x86, Private = 0x63A2, Title = 0x7BA9,
    Uuid = 0x73A4, TagName = 0x45A3, TagString = 0x4487, TagBinary = 0x4485, Settings = 0x4255);

fn id(out: &mut Vec<u8>, id: u32) {
    out.extend(&id.to_be_bytes()[id.leading_zeros() as usize / 8..]);
}

fn element(out: &mut Vec<u8>, element: u32, size: Size, payload: &[u8]) {
    id(out, element);
    let len = payload.len() as u64;
    match size {
        Size::Unknown => out.push(0xFF),
        Size::Shortest if len < 127 => out.push(0x80 | len as u8),
        Size::Lie(by) => {
            out.extend((1 << 56 | len.wrapping_add_signed(by.into()) & ((1 << 56) - 1)).to_be_bytes())
        }
        _ => out.extend((1 << 56 | len).to_be_bytes()),
    }
    out.extend(payload);
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 },
        )
    })
}

fn block(out: &mut Vec<u8>, simple: bool, head: [u8; 4], body: &[u8]) {
    element(out, if simple { 0xA3 } else { 0xA1 }, Size::Shortest, &[&head[..], body].concat());
}

fn write(out: &mut Vec<u8>, what: &Element, depth: u8) {
    // Output stays small whatever the input asks for.
    if out.len() > 20_000 || depth > 9 {
        return;
    }
    let inside = |children: &[Element]| {
        let mut body = Vec::new();
        children.iter().for_each(|child| write(&mut body, child, depth + 1));
        body
    };
    match what {
        Element::Master(master, size, children) => element(out, master.id(), *size, &inside(children)),
        Element::Summed(master, right, children) => {
            let mut body = inside(children);
            let crc = crc32(&body).wrapping_add(u32::from(!right));
            body.splice(..0, [0xBF, 0x84].into_iter().chain(crc.to_le_bytes()));
            element(out, master.id(), Size::Shortest, &body);
        }
        Element::Uint(uint, value) => {
            let bytes = value.to_be_bytes();
            element(out, uint.id(), Size::Shortest, &bytes[value.leading_zeros() as usize / 8..]);
        }
        Element::Text(text, value) => element(out, text.id(), Size::Shortest, value),
        Element::Float(which, value) => {
            let id = [0x4489, 0xB5, 0x78B5, 0x4461][usize::from(which % 4)];
            element(out, id, Size::Shortest, &value.to_be_bytes());
        }
        Element::Block { simple, track, time, flags, data } => {
            let [t0, t1] = time.to_be_bytes();
            block(out, *simple, [0x80 | track % 3, t0, t1, *flags], data);
        }
        Element::Xiph(sizes) => {
            let sizes = &sizes[..sizes.len().min(8)];
            let total = sizes.iter().map(|size| usize::from(*size % 100)).sum::<usize>();
            let lace =
                [&[sizes.len() as u8][..], &sizes.iter().map(|s| s % 100).collect::<Vec<_>>()].concat();
            block(out, true, [0x81, 0, 1, 0x82], &[lace, vec![b'x'; total + 3]].concat());
        }
        Element::Ebml(steps) => {
            let steps = &steps[..steps.len().min(8)];
            let lace = [
                &[steps.len() as u8 + 1, 0x80 | 20][..],
                &steps.iter().map(|s| 0x80 | s % 127).collect::<Vec<_>>(),
            ];
            block(out, true, [0x82, 0, 2, 0x86], &[lace.concat(), vec![b'e'; 300]].concat());
        }
        Element::Fixed(count, size) => {
            let frames = vec![b'f'; (usize::from(count % 9) + 1) * usize::from(size % 50)];
            block(out, true, [0x81, 0xFF, 0xFF, 0x84], &[vec![count % 9], frames].concat());
        }
        Element::LoneTag(name, value) => {
            let (mut simple, mut tag, mut tags) = (Vec::new(), Vec::new(), Vec::new());
            element(&mut simple, 0x45A3, Size::Shortest, name);
            element(&mut simple, 0x4487, Size::Shortest, value);
            element(&mut tag, 0x67C8, Size::Shortest, &simple);
            element(&mut tags, 0x7373, Size::Shortest, &tag);
            element(out, 0x1254_C367, Size::Shortest, &tags);
        }
        Element::Void(len) => element(out, 0xEC, Size::Shortest, &vec![0; usize::from(*len)]),
        Element::Raw(bytes) => out.extend(bytes),
    }
}

fn document(out: &mut Vec<u8>, document: &Document) {
    let mut header = Vec::new();
    if let Some((id, size)) = document.widths {
        element(&mut header, 0x42F2, Size::Shortest, &[id % 10]);
        element(&mut header, 0x42F3, Size::Shortest, &[size % 10]);
    }
    let doc_type: &[u8] = if document.webm { b"webm" } else { b"matroska" };
    element(&mut header, 0x4282, Size::Shortest, doc_type);
    element(out, 0x1A45_DFA3, Size::Shortest, &header);
    let mut body = Vec::new();
    document.children.iter().for_each(|child| write(&mut body, child, 0));
    element(out, 0x1853_8067, document.segment, &body);
}

fuzz_target!(|input: Input| {
    let mut data = Vec::new();
    for index in input.order {
        if let Some(which) = input.documents.get(usize::from(index) % input.documents.len().max(1)) {
            document(&mut data, which);
        }
    }
    data.truncate(data.len() - data.len().min(usize::from(input.cut)));
    check::check(&Bytes::from(data), input.lengths, usize::from(input.until));
});
