//! The streams that everyone reads: GetMedia's shape, and the same frames in one well-formed Segment.

/// A stream and what is in it.
pub struct Stream {
    pub bytes: bytes::Bytes,
    /// Where each document begins, and the end.
    pub documents: Vec<usize>,
    pub frames: u64,
    pub payload: u64,
}

const FRAME_BYTES: usize = 1024;
/// Frames of one GetMedia fragment: about a second of two tracks.
const FRAMES_A_DOCUMENT: usize = 34;

fn id(id: u32) -> Vec<u8> {
    id.to_be_bytes()[id.leading_zeros() as usize / 8..].to_vec()
}

fn el(element: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = id(element);
    match payload.len() {
        n if n < 127 => out.push(0x80 | n as u8),
        n if n < 16383 => out.extend((0x4000 | n as u16).to_be_bytes()),
        n => out.extend((0x0100_0000_0000_0000 | n as u64).to_be_bytes()),
    }
    out.extend(payload);
    out
}

fn unknown(element: u32) -> Vec<u8> {
    [id(element), vec![0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]].concat()
}

fn uint(element: u32, value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    el(element, &bytes[(value.leading_zeros() as usize / 8).min(7)..])
}

fn ebml() -> Vec<u8> {
    let children = [
        uint(0x4286, 1),
        uint(0x42F7, 1),
        uint(0x42F2, 4),
        uint(0x42F3, 8),
        el(0x4282, b"matroska"),
        uint(0x4287, 2),
        uint(0x4285, 2),
    ];
    el(0x1A45_DFA3, &children.concat())
}

fn info() -> Vec<u8> {
    let app = b"Kinesis Video Streams 1.0.0 / kvssdk";
    let children = [
        el(0x73A4, &[0x5A; 16]),
        uint(0x2A_D7B1, 1_000_000),
        el(0x7BA9, b"Kinesis Video Streams"),
        el(0x4D80, app),
        el(0x5741, app),
    ];
    el(0x1549_A966, &children.concat())
}

fn track(number: u64, name: &str, audio: bool) -> Vec<u8> {
    let mut children = [
        uint(0xD7, number),
        uint(0x73C5, number),
        uint(0x83, 2),
        el(0x536E, name.as_bytes()),
        el(0x86, b"A_AAC"),
        el(0x63A2, &[0x11, 0x90]),
    ]
    .concat();
    if audio {
        let rate = el(0xB5, &8000f32.to_be_bytes());
        children.extend(el(0xE1, &[rate, uint(0x9F, 1), uint(0x6264, 16)].concat()));
    }
    el(0xAE, &children)
}

fn tracks(audio: bool) -> Vec<u8> {
    let children = [track(1, "AUDIO_FROM_CUSTOMER", audio), track(2, "AUDIO_TO_CUSTOMER", audio)];
    el(0x1654_AE6B, &children.concat())
}

/// One tag in a Tags element of its own, as Kinesis Video Streams writes them.
fn tag(name: &str, value: &str) -> Vec<u8> {
    let simple = el(0x67C8, &[el(0x45A3, name.as_bytes()), el(0x4487, value.as_bytes())].concat());
    el(0x1254_C367, &el(0x7373, &simple))
}

fn block(track: u8, time: i16, noise: &mut u64) -> Vec<u8> {
    let [t0, t1] = time.to_be_bytes();
    let mut payload = vec![0x80 | track, t0, t1, 0x80];
    while payload.len() < 4 + FRAME_BYTES {
        *noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        payload.extend(&noise.to_be_bytes()[..4]);
    }
    el(0xA3, &payload)
}

/// The frames of document `n`.
fn blocks(n: usize, noise: &mut u64, out: &mut Vec<u8>) {
    let _ = n;
    for i in 0..FRAMES_A_DOCUMENT {
        out.extend(block(1 + (i % 2) as u8, (i / 2 * 64) as i16, noise));
    }
}

/// Concatenated documents of unknown size, tags before and after the frames.
pub fn kvs(bytes: usize) -> Stream {
    let (mut out, mut documents, mut noise) = (Vec::new(), Vec::new(), 1);
    let mut n = 0;
    while out.len() < bytes {
        documents.push(out.len());
        let number = format!("913438523331814323926820621{:020}", 7_437_001_234_567_890u64 + n as u64);
        let seconds = format!("{}.911", 1_726_677_687 + n);
        out.extend(ebml());
        out.extend(unknown(0x1853_8067));
        out.extend(info());
        out.extend(tracks(false));
        for (name, value) in [
            ("AWS_KINESISVIDEO_FRAGMENT_NUMBER", number.as_str()),
            ("AWS_KINESISVIDEO_SERVER_TIMESTAMP", &seconds),
            ("AWS_KINESISVIDEO_PRODUCER_TIMESTAMP", &seconds),
            ("ContactId", "3a1b6a52-6d6e-4c3e-9a4c-1f4a9a9d2f10"),
            ("InstanceId", "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"),
            ("MimeType", "audio/L16;rate=8000;channels=1;"),
            ("AUDIO_FROM_CUSTOMER", "1"),
            ("AUDIO_TO_CUSTOMER", "2"),
        ] {
            out.extend(tag(name, value));
        }
        out.extend(unknown(0x1F43_B675));
        out.extend(uint(0xE7, 1_726_677_687_758 + n as u64 * 1088));
        out.extend(uint(0xA7, 0));
        blocks(n, &mut noise, &mut out);
        out.extend(tag("AWS_KINESISVIDEO_MILLIS_BEHIND_NOW", "0"));
        out.extend(tag("AWS_KINESISVIDEO_CONTINUATION_TOKEN", &number));
        n += 1;
    }
    documents.push(out.len());
    stream(out, documents, n)
}

/// One document of known size, its Clusters too.
pub fn single(bytes: usize) -> Stream {
    let (mut body, mut noise) = ([info(), tracks(true)].concat(), 1);
    let mut n = 0;
    while body.len() < bytes {
        let mut cluster = uint(0xE7, n as u64 * 1088);
        blocks(n, &mut noise, &mut cluster);
        body.extend(el(0x1F43_B675, &cluster));
        n += 1;
    }
    let out = [ebml(), el(0x1853_8067, &body)].concat();
    let documents = vec![0, out.len()];
    stream(out, documents, n)
}

fn stream(out: Vec<u8>, documents: Vec<usize>, n: usize) -> Stream {
    let frames = (n * FRAMES_A_DOCUMENT) as u64;
    Stream { bytes: out.into(), documents, frames, payload: frames * FRAME_BYTES as u64 }
}
