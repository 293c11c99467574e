//! Moves a recorded stream in time, byte for byte the same otherwise: Cluster timestamps and the tags that tell
//! time. It walks elements by their sizes and never looks into payload.

use engine::time::Span;
use fixtures::mkv::id;

/// Masters whose children are walked; their sizes may be unknown.
const ENTERED: [u32; 6] = [id::SEGMENT, id::INFO, id::CLUSTER, id::TAGS, id::TAG, id::SIMPLE_TAG];
/// Tags that tell time, in decimal seconds (GetMedia).
const TIMES: [&[u8]; 2] = [b"AWS_KINESISVIDEO_SERVER_TIMESTAMP", b"AWS_KINESISVIDEO_PRODUCER_TIMESTAMP"];
/// TimestampScale where none is written.
const MILLISECOND_NS: u64 = 1_000_000;

/// The stream, later by `shift`. Fragment numbers and everything else stay.
///
/// # Errors
/// Says where and why it cannot be done: damage, a checksum, or a time that needs more bytes than it has.
pub fn restamp(bytes: &[u8], shift: Span) -> Result<Vec<u8>, String> {
    let mut out = bytes.to_vec();
    let (mut at, mut scale_ns, mut name) = (0, MILLISECOND_NS, Vec::new());
    while at < bytes.len() {
        let wrong = |what: &str| format!("byte {at}: {what}");
        let (element, content, size) = head(bytes, at).ok_or_else(|| wrong("no element"))?;
        if element == id::EBML {
            (scale_ns, name) = (MILLISECOND_NS, Vec::new());
        }
        if ENTERED.contains(&element) {
            at = content;
            continue;
        }
        let end = size.and_then(|size| content.checked_add(size)).filter(|end| *end <= bytes.len());
        let end = end.ok_or_else(|| wrong("an element without end"))?;
        let value = &bytes[content..end];
        let moved = match element {
            id::CRC_32 => return Err(wrong("a checksum would no longer hold")),
            id::TIMESTAMP_SCALE => {
                scale_ns = number(value).max(1);
                None
            }
            id::TAG_NAME => {
                name = value.to_vec();
                None
            }
            id::TIMESTAMP => {
                let ticks = shift.us() * 1000 / i64::try_from(scale_ns).unwrap_or(i64::MAX);
                let moved = number(value).saturating_add_signed(ticks).to_be_bytes();
                let width = value.len().min(moved.len());
                let (high, low) = moved.split_at(moved.len() - width);
                if high.iter().any(|byte| *byte != 0) {
                    return Err(wrong("the timestamp needs more bytes"));
                }
                Some(low.to_vec())
            }
            id::TAG_STRING if TIMES.contains(&name.as_slice()) => {
                let moved = seconds(value, shift).ok_or_else(|| wrong("no decimal seconds"))?;
                Some(moved.into_bytes())
            }
            _ => None,
        };
        if let Some(moved) = moved {
            if moved.len() != value.len() {
                return Err(wrong("the time needs another number of bytes"));
            }
            out[content..end].copy_from_slice(&moved);
        }
        at = end;
    }
    Ok(out)
}

/// Id of the element at a place, where its content begins, and its size; `None` for an unknown one.
fn head(bytes: &[u8], at: usize) -> Option<(u32, usize, Option<usize>)> {
    let id_len = bytes.get(at)?.leading_zeros() as usize + 1;
    let element = bytes.get(at..at + id_len).filter(|_| id_len <= 4)?;
    let element = element.iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
    let at = at + id_len;
    let size_len = bytes.get(at)?.leading_zeros() as usize + 1;
    let size = bytes.get(at..at + size_len).filter(|_| size_len <= 8)?;
    let value = number(size);
    let all_ones = (1 << (7 * size_len)) - 1;
    let value = value & all_ones;
    let known = (value != all_ones).then(|| usize::try_from(value).unwrap_or(usize::MAX));
    Some((element, at + size_len, known))
}

/// A big-endian number.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// Decimal seconds with three places, later by `shift`.
fn seconds(text: &[u8], shift: Span) -> Option<String> {
    let (whole, part) = std::str::from_utf8(text).ok()?.split_once('.')?;
    let part = part.parse::<i64>().ok().filter(|_| part.len() == 3)?;
    let ms = whole.parse::<i64>().ok()?.checked_mul(1000)? + part + shift.ms();
    Some(format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000)))
}
