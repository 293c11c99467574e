//! Bytes made smaller: raw deflate.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

/// Nothing that is stored is longer; what claims to be is not ours.
const MAX_BYTES: u64 = 256 << 20;

/// The packed bytes.
pub(super) fn pack(plain: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(plain);
    encoder.finish().unwrap_or_default()
}

/// What was packed; `None` where it was not, or is longer than anything may be.
pub(super) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    DeflateDecoder::new(packed).take(MAX_BYTES).read_to_end(&mut plain).ok()?;
    ((plain.len() as u64) < MAX_BYTES).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back_smaller_and_rubbish_does_not() {
        let plain = "hello again ".repeat(1000).into_bytes();
        let packed = pack(&plain);
        assert!(packed.len() < plain.len() / 20);
        assert_eq!(unpack(&packed), Some(plain));
        assert_eq!(unpack(&pack(b"")), Some(Vec::new()));
        assert_eq!(unpack(&packed[..packed.len() / 2]), None);
        assert_eq!(unpack(b"\xff\xff\xff"), None);
    }
}
