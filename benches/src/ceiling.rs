//! The ceiling: what reading element headers costs when nothing is promised.
//!
//! The whole stream lies in memory as one slice; ids and sizes are believed, nothing is checked, nothing is
//! said, and blocks are counted without a look at their headers. A demuxer that may be fed in pieces, must
//! survive any bytes and says what it found cannot be faster, so the ratio to it tells what those promises
//! cost on the machine of the day.

use crate::demux::Count;

/// Counts the SimpleBlocks of a well-formed stream and their payload bytes. Lacing is not understood.
///
/// # Panics
/// If the stream is not well formed.
#[must_use]
pub fn scan(stream: &[u8]) -> Count {
    const EBML: u32 = 0x1A45_DFA3;
    const SEGMENT: u32 = 0x1853_8067;
    const CLUSTER: u32 = 0x1F43_B675;
    const SIMPLE_BLOCK: u32 = 0xA3;
    /// Track number, time and flags in front of the frame.
    const BLOCK_HEADER_BYTES: usize = 4;

    let mut count = Count::default();
    let mut at = 0;
    while at < stream.len() {
        let id_bytes = stream[at].leading_zeros() as usize + 1;
        let id = big_endian(&stream[at..at + id_bytes]) as u32;
        at += id_bytes;
        let size_bytes = stream[at].leading_zeros() as usize + 1;
        let size = big_endian(&stream[at..at + size_bytes]) & !(1 << (7 * size_bytes));
        at += size_bytes;
        match id {
            SEGMENT | CLUSTER => {}
            _ => {
                at += size as usize;
                match id {
                    EBML => count.documents += 1,
                    SIMPLE_BLOCK => {
                        count.frames += 1;
                        count.payload_bytes += size - BLOCK_HEADER_BYTES as u64;
                    }
                    _ => {}
                }
            }
        }
    }
    count
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams;

    #[test]
    fn it_finds_what_is_there() {
        for stream in [streams::get_media(3), streams::single_segment()] {
            let count = scan(&stream.bytes);
            assert_eq!((count.frames, count.payload_bytes), (stream.frames, stream.payload_bytes));
        }
    }
}
