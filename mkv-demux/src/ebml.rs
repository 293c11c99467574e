//! EBML's own grammar (RFC 8794): variable-size integers, element headers, values, and the EBML header.
//!
//! It must never know Matroska beyond the two document types it accepts, nor where in the stream it reads.

use bytes::Bytes;

use crate::{Text, ids};

/// Largest EBML header that is believed. Real ones have 20 to 50 bytes.
pub(crate) const MAX_EBML_HEADER_BYTES: usize = 4096;
/// Longest element header: 8 bytes id, 8 bytes size.
pub(crate) const MAX_HEADER_BYTES: usize = 16;

/// Longest id and size a document may use (`EBMLMaxIDLength`, `EBMLMaxSizeLength`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Widths {
    pub(crate) id: usize,
    pub(crate) size: usize,
}

impl Widths {
    /// What holds for the EBML header itself, and by default (RFC 8794 sections 11.2.4 and 11.2.5).
    pub(crate) const DEFAULT: Self = Self { id: 4, size: 8 };
}

/// Id and size of one element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) id: u64,
    /// Bytes of the header itself.
    pub(crate) len: usize,
    /// Bytes of the payload; `None` is the reserved value "unknown".
    pub(crate) size: Option<u64>,
}

/// Why no header could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoHeader {
    /// `need` bytes, counted from the element's start, tell more; without an id, they tell the id.
    Short { need: usize, id: Option<u64> },
    /// These bytes are no element header.
    Invalid { reason: &'static str, id: Option<u64> },
}

/// Reads the header at the start of `buf`, of which `room` bytes belong to the parent.
#[inline(always)]
pub(crate) fn header(buf: &[u8], room: u64, widths: Widths) -> Result<Header, NoHeader> {
    match buf.first_chunk().and_then(|window| sound_header(window, room, widths)) {
        Some(header) => Ok(header),
        None => judged_header(buf, room, widths),
    }
}

/// The header at the start of `window` where nothing is wrong with it: without a loop and with few branches.
#[inline(always)]
pub(crate) fn sound_header(window: &[u8; MAX_HEADER_BYTES], room: u64, widths: Widths) -> Option<Header> {
    // Branches on the lengths, which repeat from element to element, let the processor run ahead to the next
    // header; lengths that are computed would make it wait.
    let [a, b, c, d, ..] = *window;
    let (id, rest, id_len) = match a {
        0x80.. => (u64::from(a), window.get(1..)?, 1),
        0x40.. => (u64::from(u16::from_be_bytes([a, b])), window.get(2..)?, 2),
        0x20.. => (u64::from(u32::from_be_bytes([0, a, b, c])), window.get(3..)?, 3),
        0x10.. => (u64::from(u32::from_be_bytes([a, b, c, d])), window.get(4..)?, 4),
        _ => return None,
    };
    let (size, size_len) = sound_size(rest.first_chunk()?)?;
    let len = id_len + size_len;
    if !valid_id(id, id_len) || size_len > widths.size || len as u64 > room {
        return None;
    }
    Some(Header { id, len, size })
}

/// Value and length of the variable-size integer at the start of `window`; no value means unknown.
#[inline(always)]
pub(crate) fn sound_size(window: &[u8; 8]) -> Option<(Option<u64>, usize)> {
    let [a, b, c, d, ..] = *window;
    let (size, len) = match a {
        0x80.. => (u64::from(a & 0x7F), 1),
        0x40.. => (u64::from(u16::from_be_bytes([a & 0x3F, b])), 2),
        0x20.. => (u64::from(u32::from_be_bytes([0, a & 0x1F, b, c])), 3),
        0x10.. => (u64::from(u32::from_be_bytes([a & 0x0F, b, c, d])), 4),
        1.. => {
            let len = vint_len(a);
            (u64::from_be_bytes(*window) >> (64 - 8 * len) & data_mask(len), len)
        }
        0 => return None,
    };
    Some(((size != data_mask(len)).then_some(size), len))
}

/// The checks come in a fixed order, each on no more bytes than it needs, so that the answer is the same
/// however the bytes arrive.
#[cold]
#[inline(never)]
fn judged_header(buf: &[u8], room: u64, widths: Widths) -> Result<Header, NoHeader> {
    let Some(&first) = buf.first() else {
        return Err(NoHeader::Short { need: 1, id: None });
    };
    let id_len = vint_len(first);
    if id_len > widths.id {
        return Err(NoHeader::Invalid { reason: "not an element id", id: None });
    }
    if id_len as u64 >= room {
        return Err(NoHeader::Invalid { reason: "the element's header reaches past its parent", id: None });
    }
    let Some(id_bytes) = buf.get(..id_len) else {
        return Err(NoHeader::Short { need: id_len, id: None });
    };
    let id = be(id_bytes);
    if !valid_id(id, id_len) {
        return Err(NoHeader::Invalid { reason: "not an element id", id: None });
    }
    let Some(&first) = buf.get(id_len) else {
        return Err(NoHeader::Short { need: id_len + 1, id: Some(id) });
    };
    let size_len = vint_len(first);
    if size_len > widths.size {
        return Err(NoHeader::Invalid { reason: "not an element size", id: Some(id) });
    }
    let len = id_len + size_len;
    if len as u64 > room {
        return Err(NoHeader::Invalid {
            reason: "the element's header reaches past its parent",
            id: Some(id),
        });
    }
    let Some(size_bytes) = buf.get(id_len..len) else {
        return Err(NoHeader::Short { need: len, id: Some(id) });
    };
    let mask = data_mask(size_len);
    let size = be(size_bytes) & mask;
    Ok(Header { id, len, size: (size != mask).then_some(size) })
}

/// Length in bytes of the variable-size integer that starts with `first`; 9 where there is none.
#[inline]
pub(crate) fn vint_len(first: u8) -> usize {
    first.leading_zeros() as usize + 1
}

/// The data bits of a variable-size integer of `len` bytes.
#[inline]
pub(crate) fn data_mask(len: usize) -> u64 {
    (1u64 << (7 * len.min(8))) - 1
}

/// An id must use the shortest form, and neither all zeros nor all ones (RFC 8794 section 5).
#[inline]
fn valid_id(id: u64, len: usize) -> bool {
    let mask = data_mask(len);
    let data = id & mask;
    // All ones of the next shorter form do not fit there, as they are reserved.
    let shortest = if len == 1 { 1 } else { data_mask(len - 1) };
    data != mask && data >= shortest
}

/// A big-endian number of at most 8 bytes.
#[inline]
pub(crate) fn be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// A float element of 0, 4 or 8 bytes (RFC 8794 section 7.3); `None` where it is empty.
pub(crate) fn float(bytes: &[u8]) -> Option<f64> {
    if let Ok(four) = bytes.try_into() {
        Some(f64::from(f32::from_be_bytes(four)))
    } else {
        bytes.try_into().ok().map(f64::from_be_bytes)
    }
}

/// What an EBML header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DocumentHeader {
    /// Bytes of the whole element.
    pub(crate) len: usize,
    /// Bytes of its own header.
    pub(crate) head: usize,
    pub(crate) doc_type: &'static str,
    pub(crate) widths: Widths,
}

/// Why no EBML header could be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoDocument {
    /// At least so many bytes are necessary.
    Short(usize),
    /// This is not the header of a Matroska document.
    Invalid(String),
}

/// Reads the EBML header at the start of `buf`; its id has been seen.
pub(crate) fn document_header(buf: &[u8]) -> Result<DocumentHeader, NoDocument> {
    let header = match header(buf, u64::MAX, Widths::DEFAULT) {
        Ok(header) => header,
        Err(NoHeader::Short { need, .. }) => return Err(NoDocument::Short(need)),
        Err(NoHeader::Invalid { reason, .. }) => return Err(NoDocument::Invalid(reason.into())),
    };
    let size = match header.size.map(usize::try_from) {
        Some(Ok(size)) if size <= MAX_EBML_HEADER_BYTES => size,
        Some(_) => {
            let reason = format!("an EBML header of more than {MAX_EBML_HEADER_BYTES} bytes");
            return Err(NoDocument::Invalid(reason));
        }
        None => return Err(NoDocument::Invalid("an EBML header of unknown size".into())),
    };
    let len = header.len + size;
    let Some(body) = buf.get(header.len..len) else {
        return Err(NoDocument::Short(len));
    };
    let mut found = DocumentHeader { len, head: header.len, doc_type: "", widths: Widths::DEFAULT };
    let mut doc_type = Text::default();
    let mut at = 0;
    while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
        at += header_child(rest, &mut found, &mut doc_type).map_err(NoDocument::Invalid)?;
    }
    match doc_type.as_str() {
        "matroska" => Ok(DocumentHeader { doc_type: "matroska", ..found }),
        "webm" => Ok(DocumentHeader { doc_type: "webm", ..found }),
        "" => Err(NoDocument::Invalid("the EBML header has no DocType".into())),
        other => Err(NoDocument::Invalid(format!("DocType {other:?} is neither matroska nor webm"))),
    }
}

/// Reads one child of the EBML header and returns its length.
fn header_child(rest: &[u8], found: &mut DocumentHeader, doc_type: &mut Text) -> Result<usize, String> {
    let child = match header(rest, rest.len() as u64, Widths::DEFAULT) {
        Ok(child) => child,
        Err(NoHeader::Invalid { reason, .. }) => return Err(reason.into()),
        Err(NoHeader::Short { .. }) => return Err("a child of the EBML header is cut off".into()),
    };
    let payload = child
        .size
        .and_then(|size| usize::try_from(size).ok())
        .and_then(|size| rest.get(child.len..child.len.checked_add(size)?))
        .ok_or("a child reaches past the end of the EBML header")?;
    let end = child.len + payload.len();
    if child.id == ids::DOC_TYPE {
        // No known name is longer; the rest of a longer one is of no use, not even in the message.
        *doc_type = Text::of(Bytes::copy_from_slice(&payload[..payload.len().min(32)]));
        return Ok(end);
    }
    if !matches!(child.id, ids::EBML_READ_VERSION | ids::EBML_MAX_ID_LENGTH | ids::EBML_MAX_SIZE_LENGTH) {
        return Ok(end);
    }
    if payload.len() > 8 {
        return Err("a number of more than 8 bytes in the EBML header".into());
    }
    let value = (!payload.is_empty()).then(|| be(payload));
    let width = |v: u64| usize::try_from(v).unwrap_or(8).min(8);
    match (child.id, value) {
        (_, None) => {}
        (ids::EBML_READ_VERSION, Some(v)) if v > 1 => {
            return Err(format!("EBMLReadVersion {v}, only 1 is known"));
        }
        (ids::EBML_MAX_ID_LENGTH, Some(v)) if v < 4 => {
            return Err(format!("EBMLMaxIDLength {v}, at least 4"));
        }
        (ids::EBML_MAX_ID_LENGTH, Some(v)) => found.widths.id = width(v),
        (ids::EBML_MAX_SIZE_LENGTH, Some(0)) => return Err("EBMLMaxSizeLength 0".into()),
        (ids::EBML_MAX_SIZE_LENGTH, Some(v)) => found.widths.size = width(v),
        _ => {}
    }
    Ok(end)
}

/// The innermost element that is cut off in an incomplete EBML header: its offset in `buf`, and the ids
/// from the outside in.
pub(crate) fn innermost_in_header(buf: &[u8]) -> (usize, Vec<u64>) {
    let Ok(outer) = header(buf, u64::MAX, Widths::DEFAULT) else {
        return (0, vec![ids::EBML]);
    };
    let mut at = outer.len;
    while at < buf.len() {
        match header(&buf[at..], u64::MAX, Widths::DEFAULT) {
            Ok(Header { id, len, size: Some(size) }) => {
                let end = (at as u64).saturating_add(len as u64).saturating_add(size);
                match usize::try_from(end) {
                    Ok(end) if end <= buf.len() => at = end,
                    _ => return (at, vec![ids::EBML, id]),
                }
            }
            Err(NoHeader::Short { id: Some(id), .. }) => return (at, vec![ids::EBML, id]),
            Err(NoHeader::Short { id: None, .. }) => return (at, vec![ids::EBML]),
            _ => break,
        }
    }
    (0, vec![ids::EBML])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_headers_of_every_width() {
        let h = |b: &[u8]| header(b, u64::MAX, Widths::DEFAULT);
        assert_eq!(h(&[0xA3, 0x85]), Ok(Header { id: 0xA3, len: 2, size: Some(5) }));
        assert_eq!(h(&[0xA3, 0xFF]), Ok(Header { id: 0xA3, len: 2, size: None }));
        let long = [0x1F, 0x43, 0xB6, 0x75, 0x01, 0, 0, 0, 1, 0, 0, 2];
        assert_eq!(h(&long), Ok(Header { id: 0x1F43_B675, len: 12, size: Some(0x0100_0002) }));
        for n in 0..long.len() {
            assert!(matches!(h(&long[..n]), Err(NoHeader::Short { need, .. }) if need > n));
        }
    }

    #[test]
    fn refuses_ids_that_are_reserved_or_not_shortest() {
        for id in [&[0x80, 0x80][..], &[0xFF, 0x80], &[0x40, 0x7E, 0x80], &[0x7F, 0xFF, 0x80], &[0x00, 0x80]]
        {
            assert!(
                matches!(header(id, 99, Widths::DEFAULT), Err(NoHeader::Invalid { id: None, .. })),
                "{id:x?}"
            );
        }
        // 0x7F in two bytes is right: in one byte it would be the reserved all-ones.
        assert!(header(&[0x40, 0x7F, 0x80], 99, Widths::DEFAULT).is_ok());
    }

    #[test]
    fn floats_have_three_widths() {
        assert_eq!(float(&[]), None);
        assert_eq!(float(&8000f32.to_be_bytes()), Some(8000.0));
        assert_eq!(float(&44100f64.to_be_bytes()), Some(44100.0));
    }
}
