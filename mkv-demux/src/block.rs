//! The inside of a SimpleBlock or Block: its head and the sizes of a lace (RFC 9559 section 10).
//!
//! It must never know clusters, times or where the bytes come from.

use crate::ebml::{be, data_mask, vint_len};

/// Longest head: 8 bytes of track number, 2 of time, 1 of flags.
pub(crate) const MAX_HEAD_BYTES: usize = 11;

/// The flags that say how a block is laced.
pub(crate) const LACING: u8 = 0x06;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lacing {
    None,
    Xiph,
    Fixed,
    Ebml,
}

/// What stands before the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Bytes of the head itself.
    pub(crate) len: usize,
    pub(crate) track: u64,
    /// Ticks relative to the Cluster's Timestamp.
    pub(crate) time: i16,
    pub(crate) flags: Flags,
}

/// The last byte of a block's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flags(pub(crate) u8);

impl Flags {
    /// Keyframe flag; meant for SimpleBlocks only.
    #[inline]
    pub(crate) fn keyframe(self) -> bool {
        self.0 & 0x80 != 0
    }

    #[inline]
    pub(crate) fn invisible(self) -> bool {
        self.0 & 0x08 != 0
    }

    /// Discardable flag; meant for SimpleBlocks only.
    #[inline]
    pub(crate) fn discardable(self) -> bool {
        self.0 & 0x01 != 0
    }

    #[inline]
    pub(crate) fn lacing(self) -> Lacing {
        match self.0 & LACING {
            0 => Lacing::None,
            2 => Lacing::Xiph,
            4 => Lacing::Fixed,
            _ => Lacing::Ebml,
        }
    }
}

/// Reads the head of a block whose payload is complete; `payload` holds its start, at least
/// [`MAX_HEAD_BYTES`] of it or all.
#[inline]
pub(crate) fn head(payload: &[u8]) -> Result<Head, &'static str> {
    const SHORT: &str = "a block too short for its head";
    let first = *payload.first().ok_or(SHORT)?;
    let number_len = vint_len(first);
    if number_len > 8 {
        return Err("not a track number");
    }
    let [t0, t1, flags] = *payload.get(number_len..number_len + 3).ok_or(SHORT)? else {
        return Err(SHORT);
    };
    let track = be(&payload[..number_len]) & data_mask(number_len);
    if track == 0 || track == data_mask(number_len) {
        return Err("not a track number");
    }
    Ok(Head { len: number_len + 3, track, time: i16::from_be_bytes([t0, t1]), flags: Flags(flags) })
}

/// Reads a lace: `bytes` starts behind the head, and `len` bytes of the block are left there. Puts the
/// frames' sizes into `sizes` and returns the length of the lace's own head.
pub(crate) fn lace(
    lacing: Lacing,
    mut bytes: impl Iterator<Item = u8>,
    len: usize,
    sizes: &mut Vec<usize>,
) -> Result<usize, &'static str> {
    sizes.clear();
    let mut reader = Reader { bytes: &mut bytes, left: len };
    let count = usize::from(reader.byte()?) + 1;
    match lacing {
        Lacing::None => return Err("not a lace"),
        Lacing::Xiph => xiph(&mut reader, count, sizes)?,
        Lacing::Ebml => ebml(&mut reader, count, sizes)?,
        Lacing::Fixed => {
            if !reader.left.is_multiple_of(count) {
                return Err("a lace of fixed size that does not divide evenly");
            }
            sizes.resize(count, reader.left / count);
            return Ok(1);
        }
    }
    // The last frame has what the others leave.
    let others = sizes.iter().try_fold(0usize, |sum, size| sum.checked_add(*size));
    let head = len - reader.left;
    let last =
        others.and_then(|others| reader.left.checked_sub(others)).ok_or("a lace longer than its block")?;
    sizes.push(last);
    Ok(head)
}

/// Takes bytes of the block and no more.
struct Reader<'a, I> {
    bytes: &'a mut I,
    left: usize,
}

impl<I: Iterator<Item = u8>> Reader<'_, I> {
    fn byte(&mut self) -> Result<u8, &'static str> {
        const SHORT: &str = "a block too short for its lace";
        self.left = self.left.checked_sub(1).ok_or(SHORT)?;
        self.bytes.next().ok_or(SHORT)
    }
}

/// Each size but the last is a run of 255s and a smaller byte.
fn xiph<I: Iterator<Item = u8>>(
    reader: &mut Reader<'_, I>,
    count: usize,
    sizes: &mut Vec<usize>,
) -> Result<(), &'static str> {
    for _ in 1..count {
        let mut size = 0usize;
        loop {
            let byte = reader.byte()?;
            size += usize::from(byte);
            if byte != 255 {
                break;
            }
        }
        sizes.push(size);
    }
    Ok(())
}

/// The first size is a variable-size integer, each further one but the last a signed difference.
fn ebml<I: Iterator<Item = u8>>(
    reader: &mut Reader<'_, I>,
    count: usize,
    sizes: &mut Vec<usize>,
) -> Result<(), &'static str> {
    const RANGE: &str = "a frame size in a lace is out of range";
    let mut size = 0i64;
    for index in 1..count {
        let first = reader.byte()?;
        let len = vint_len(first);
        if len > 8 {
            return Err("a size in a lace is not a number");
        }
        let mut raw = u64::from(first);
        for _ in 1..len {
            raw = raw << 8 | u64::from(reader.byte()?);
        }
        // Up to 56 bits of data: neither the value nor the sum can overflow.
        let value = i64::try_from(raw & data_mask(len)).map_err(|_| RANGE)?;
        let middle = i64::try_from(data_mask(len) >> 1).map_err(|_| RANGE)?;
        size = if index == 1 { value } else { size.saturating_add(value - middle) };
        sizes.push(usize::try_from(size).map_err(|_| RANGE)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(lacing: Lacing, bytes: &[u8], len: usize) -> Result<(usize, Vec<usize>), &'static str> {
        let mut sizes = Vec::new();
        let padded = bytes.iter().copied().chain(std::iter::repeat(0));
        lace(lacing, padded, len, &mut sizes).map(|head| (head, sizes))
    }

    #[test]
    fn the_examples_of_the_specification() {
        // RFC 9559 section 10.3: frames of 800, 500 and 1000 bytes.
        let xiph = [2, 255, 255, 255, 35, 255, 245];
        assert_eq!(sizes(Lacing::Xiph, &xiph, 7 + 2300), Ok((7, vec![800, 500, 1000])));
        let ebml = [2, 0x43, 0x20, 0x5E, 0xD3];
        assert_eq!(sizes(Lacing::Ebml, &ebml, 5 + 2300), Ok((5, vec![800, 500, 1000])));
        assert_eq!(sizes(Lacing::Fixed, &[2], 1 + 2400), Ok((1, vec![800; 3])));
    }

    #[test]
    fn laces_that_do_not_fit() {
        assert!(sizes(Lacing::Fixed, &[2], 1 + 2401).is_err());
        assert!(sizes(Lacing::Xiph, &[1, 10], 2 + 9).is_err());
        assert!(sizes(Lacing::Xiph, &[1, 255, 255], 3).is_err());
        assert!(sizes(Lacing::Ebml, &[2, 0x81, 0x80], 100).is_err(), "1 - 63 is negative");
        assert!(sizes(Lacing::Ebml, &[1, 0x00], 100).is_err());
        assert!(sizes(Lacing::Fixed, &[], 0).is_err());
    }

    #[test]
    fn heads() {
        let h = head(&[0x81, 0xFF, 0xFE, 0x89]).unwrap();
        assert_eq!((h.len, h.track, h.time), (4, 1, -2));
        assert!(h.flags.keyframe() && h.flags.invisible() && h.flags.discardable());
        assert_eq!(head(&[0x40, 0x02, 0, 1, 0]).unwrap().track, 2);
        assert!(head(&[0x80, 0, 0, 0]).is_err(), "track 0");
        assert!(head(&[0x81, 0, 0]).is_err(), "too short");
        assert!(head(&[0x00, 0, 0, 0]).is_err(), "no number");
        assert!(head(&[]).is_err());
    }
}
