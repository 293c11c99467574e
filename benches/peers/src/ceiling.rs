//! How fast it could be: bare scans of the same bytes that judge nothing and can only read these streams.

use bytes::{Bytes, BytesMut};

use crate::Seen;

fn size(bytes: &[u8], at: usize) -> (usize, u64) {
    let first = bytes[at];
    let len = first.leading_zeros() as usize + 1;
    let mut value = u64::from(first) & ((1u64 << (8 - len)) - 1);
    for byte in &bytes[at + 1..at + len] {
        value = value << 8 | u64::from(*byte);
    }
    (len, value)
}

/// Byte by byte as one would write it first; goes into Segments and Clusters, and passes over the rest.
pub fn naive(bytes: &[u8]) -> Seen {
    let (mut seen, mut at, mut cluster) = (Seen::default(), 0, 0);
    while at < bytes.len() {
        let id_len = bytes[at].leading_zeros() as usize + 1;
        let id = bytes[at..at + id_len].iter().fold(0u32, |id, byte| id << 8 | u32::from(*byte));
        let (size_len, len) = size(bytes, at + id_len);
        at += id_len + size_len;
        match id {
            0x1853_8067 | 0x1F43_B675 => continue,
            0xE7 => cluster = bytes[at..at + len as usize].iter().fold(0, |t, b| t << 8 | u64::from(*b)),
            0xA3 => seen.block(cluster, &bytes[at..at + len as usize]),
            _ => {}
        }
        at += len as usize;
    }
    seen
}

/// Id and size by one load, as long as 16 bytes are there.
#[inline]
fn header(bytes: &[u8], at: usize) -> Option<(u32, usize, u64)> {
    let window: &[u8; 16] = bytes.get(at..)?.first_chunk()?;
    let id_len = window[0].leading_zeros() as usize + 1;
    let id = u32::from_be_bytes(*window.first_chunk()?) >> (32 - 8 * id_len.min(4));
    let rest = u64::from_be_bytes(*window.get(id_len.min(4)..)?.first_chunk()?);
    let size_len = rest.leading_zeros() as usize + 1;
    Some((id, id_len + size_len, (rest << size_len) >> (64 - 7 * size_len)))
}

/// The same job as [`naive`], one load for each header and blocks first.
pub fn tuned(bytes: &[u8]) -> Seen {
    let (mut seen, mut at, mut cluster) = (Seen::default(), 0, 0);
    while let Some((id, head, len)) = header(bytes, at) {
        at += head;
        if id == 0xA3 {
            seen.block(cluster, &bytes[at..at + len as usize]);
        } else if id == 0x1853_8067 || id == 0x1F43_B675 {
            continue;
        } else if id == 0xE7 {
            cluster = bytes[at..at + len as usize].iter().fold(0, |t, b| t << 8 | u64::from(*b));
        }
        at += len as usize;
    }
    seen
}

/// The same job as the product's, without judging anything: goes into Info, Tracks and Tags down to each
/// value, and takes pieces. What crosses two pieces is copied.
#[derive(Default)]
pub struct Push {
    /// The start of an element that is not complete.
    left: Vec<u8>,
    cluster: u64,
    seen: Seen,
}

impl Push {
    pub fn feed(&mut self, piece: &[u8]) {
        self.feed_with(piece, |seen, track, time, data| seen.frame(track, time, data));
    }

    /// As [`feed`](Self::feed), each frame as `Bytes` of its own.
    pub fn feed_bytes(&mut self, piece: &Bytes) {
        self.feed_with(piece, |seen, track, time, data| {
            let inside = piece.as_ptr_range().contains(&data.as_ptr());
            let data = if inside { piece.slice_ref(data) } else { Bytes::copy_from_slice(data) };
            seen.frame(track, time, &data);
        });
    }

    fn feed_with(&mut self, mut piece: &[u8], take: impl Fn(&mut Seen, u64, i64, &[u8])) {
        while !self.left.is_empty() {
            // Elements of the last piece's end are completed, one by one.
            let want = self.wanted().saturating_sub(self.left.len()).max(1).min(piece.len());
            let (more, rest) = piece.split_at(want);
            self.left.extend_from_slice(more);
            piece = rest;
            let left = std::mem::take(&mut self.left);
            let used = self.scan(&left, &take);
            self.left = left;
            self.left.drain(..used);
            if piece.is_empty() {
                return;
            }
        }
        let used = self.scan(piece, &take);
        self.left.extend_from_slice(&piece[used..]);
    }

    fn wanted(&self) -> usize {
        match header(&self.left, 0) {
            Some((_, head, len)) => head + len as usize,
            None => 16,
        }
    }

    fn scan(&mut self, bytes: &[u8], take: &impl Fn(&mut Seen, u64, i64, &[u8])) -> usize {
        let mut at = 0;
        while let Some((id, head, len)) = header(bytes, at) {
            let (start, len) = (at + head, len as usize);
            match id {
                0xA3 => {
                    let Some(block) = bytes.get(start..start + len) else {
                        return at;
                    };
                    let time = i64::from(i16::from_be_bytes([block[1], block[2]]));
                    take(&mut self.seen, u64::from(block[0] & 0x7F), self.cluster as i64 + time, &block[4..]);
                    at = start + len;
                }
                // The EBML header, Segment, Info, Tracks, TrackEntry, Audio, Tags, Tag, SimpleTag, Cluster.
                0x1A45_DFA3 | 0x1853_8067 | 0x1549_A966 | 0x1654_AE6B | 0xAE | 0xE1 | 0x1254_C367
                | 0x7373 | 0x67C8 | 0x1F43_B675 => at = start,
                _ => {
                    let Some(value) = bytes.get(start..start + len) else {
                        return at;
                    };
                    match id {
                        0xE7 => self.cluster = value.iter().fold(0, |t, b| t << 8 | u64::from(*b)),
                        _ => self.seen.value(value),
                    }
                    at = start + len;
                }
            }
        }
        at
    }

    pub fn end(mut self) -> Seen {
        // The header needs 16 bytes in sight; the last element is shorter.
        let padded = [&self.left[..], &[0xEC; 16]].concat();
        let mut left = std::mem::take(&mut self.left);
        left.clear();
        self.scan(&padded, &|seen, track, time, data| seen.frame(track, time, data));
        self.seen
    }
}

pub fn push(bytes: &[u8], piece: usize) -> Seen {
    let mut push = Push::default();
    bytes.chunks(piece).for_each(|piece| push.feed(piece));
    push.end()
}

pub fn push_sliced(pieces: &[Bytes]) -> Seen {
    let mut push = Push::default();
    pieces.iter().for_each(|piece| push.feed_bytes(piece));
    push.end()
}

pub fn push_received(bytes: &[u8], piece: usize) -> Seen {
    let mut push = Push::default();
    for piece in bytes.chunks(piece) {
        push.feed_bytes(&BytesMut::from(piece).freeze());
    }
    push.end()
}

/// Nothing but a copy of the bytes.
pub fn copy(bytes: &[u8], room: &mut Vec<u8>) -> Seen {
    room.resize(bytes.len(), 0);
    room.copy_from_slice(bytes);
    std::hint::black_box(&room);
    Seen::default()
}

/// Nothing but one read of every cache line.
pub fn touch(bytes: &[u8]) -> Seen {
    let sum = bytes.iter().step_by(64).fold(0u64, |sum, byte| sum.wrapping_add(u64::from(*byte)));
    Seen { sum, ..Seen::default() }
}
