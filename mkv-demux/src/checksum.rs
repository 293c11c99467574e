//! CRC-32 elements: the content of a master against the checksum at its front (RFC 8794 section 11.3.1).
//!
//! It must never know what the bytes mean; it counts masters by their depth alone.

use crate::demuxer::{Demuxer, Flow};
use crate::ebml::{self, Header, MAX_HEADER_BYTES, Widths};
use crate::event::ChecksumMismatch;
use crate::ids;

/// The IEEE polynomial, reflected, eight bytes at a time.
const TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0u32; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = before >> 8 ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}

/// A checksum under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crc32(u32);

impl Crc32 {
    pub(crate) const NEW: Self = Self(u32::MAX);

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let at = |table: usize, value: u32| TABLES[table][(value & 0xFF) as usize];
        let (eights, rest) = bytes.as_chunks::<8>();
        for &[a, b, c, d, e, f, g, h] in eights {
            let low = self.0 ^ u32::from_le_bytes([a, b, c, d]);
            let high = u32::from_le_bytes([e, f, g, h]);
            self.0 = at(7, low)
                ^ at(6, low >> 8)
                ^ at(5, low >> 16)
                ^ at(4, low >> 24)
                ^ at(3, high)
                ^ at(2, high >> 8)
                ^ at(1, high >> 16)
                ^ at(0, high >> 24);
        }
        for byte in rest {
            self.0 = self.0 >> 8 ^ at(0, self.0 ^ u32::from(*byte));
        }
    }

    pub(crate) fn value(self) -> u32 {
        !self.0
    }
}

/// The checksum of a whole stretch.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = Crc32::NEW;
    crc.update(bytes);
    crc.value()
}

/// A master whose content is being summed up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Check {
    /// Open masters, this one included.
    pub(crate) depth: usize,
    pub(crate) stored: u32,
    pub(crate) crc: Crc32,
}

impl Demuxer {
    /// A CRC-32 at the front of the innermost master, which has a size.
    pub(crate) fn checksum(&mut self, header: Header, size: u64) -> Flow {
        if !self.limits.verify_checksums || size != 4 {
            return self.skip(header, size);
        }
        let mut scratch = [0; MAX_HEADER_BYTES + 8];
        let stored = match self.small_value(header, size, &mut scratch) {
            Ok(bytes) => bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)),
            Err(flow) => return flow,
        };
        self.advance(header.len + 4);
        self.checks.push(Check { depth: self.stack.len(), stored, crc: Crc32::NEW });
        Flow::Go
    }

    /// The innermost master is over: what is wrong with its checksum.
    pub(crate) fn mismatch(&mut self) -> Option<ChecksumMismatch> {
        let depth = self.stack.len();
        let check = self.checks.pop_if(|check| check.depth == depth)?;
        let (stored, computed) = (check.stored, check.crc.value());
        let offset = self.stack.last()?.start;
        (stored != computed).then(|| ChecksumMismatch { offset, path: self.path(&[]), stored, computed })
    }

    /// What is wrong with the checksum of an EBML header, given from its first child on.
    pub(crate) fn header_mismatch(&self, offset: u64, content: &[u8]) -> Option<ChecksumMismatch> {
        let header = ebml::header(content, content.len() as u64, Widths::DEFAULT).ok()?;
        if !self.limits.verify_checksums || header.id != ids::CRC_32 || header.size != Some(4) {
            return None;
        }
        let (stored, rest) = content.get(header.len..)?.split_first_chunk()?;
        let (stored, computed) = (u32::from_le_bytes(*stored), crc32(rest));
        let path = self.path(&[ids::EBML]);
        (stored != computed).then_some(ChecksumMismatch { offset, path, stored, computed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_catalogue() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn pieces_of_any_length_give_the_same() {
        let bytes: Vec<u8> = (0..200u8).collect();
        for cut in 0..bytes.len() {
            let mut crc = Crc32::NEW;
            crc.update(&bytes[..cut]);
            crc.update(&bytes[cut..]);
            assert_eq!(crc.value(), crc32(&bytes));
        }
    }
}
