//! Text as the stream holds it: valid UTF-8 that shares the memory of the bytes it was cut from.
//!
//! It must never know elements or offsets.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use bytes::Bytes;

/// A string of the stream. It reads like a `&str`; cloning it copies nothing.
///
/// It may be a slice of a fed piece and keep that piece alive, as frames do: turn it into a `String` to hold
/// it for long.
///
/// ```
/// use mkv_demux::Text;
///
/// let name = Text::from("MimeType");
/// assert_eq!(name, "MimeType");
/// assert!(name.starts_with("Mime"));
/// let kept: String = name.into();
/// # assert_eq!(kept, "MimeType");
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(Bytes);

impl Text {
    /// A string element's payload: up to the first zero byte (RFC 8794 section 7.5), broken UTF-8 replaced.
    /// Shares the memory of `bytes` where nothing must be replaced.
    pub(crate) fn of(mut bytes: Bytes) -> Self {
        match fixed(&bytes) {
            Fixed::AsItIs => {}
            Fixed::Shorter(len) => bytes.truncate(len),
            Fixed::Replaced(text) => bytes = text.into(),
        }
        Self(bytes)
    }

    /// Takes bytes that are known to be UTF-8; others would read as empty.
    pub(crate) fn known(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The memory it lies in.
    pub(crate) fn source(&self) -> &Bytes {
        &self.0
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        utf8(&self.0)
    }
}

/// The text of bytes that were checked before.
pub(crate) fn utf8(bytes: &[u8]) -> &str {
    // Cheaper than it looks, and it keeps the crate free of `unsafe`.
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// What must be done to a string element's payload to be text.
pub(crate) enum Fixed {
    AsItIs,
    /// Only so many bytes are text.
    Shorter(usize),
    Replaced(String),
}

/// Judges a string element's payload: it ends at the first zero byte, and broken UTF-8 is replaced.
#[inline]
pub(crate) fn fixed(bytes: &[u8]) -> Fixed {
    if plain(bytes) { Fixed::AsItIs } else { unusual(bytes) }
}

/// Whether all bytes are ASCII and none is zero: eight at a time, the last eight perhaps twice.
#[inline]
pub(crate) fn plain(bytes: &[u8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let Some(last) = bytes.last_chunk() else {
        return bytes.iter().all(|byte| (1..0x80).contains(byte));
    };
    // Taking 1 from each byte sets the highest bit of one that was zero.
    let unusual = |word: &[u8; 8]| {
        let word = u64::from_ne_bytes(*word);
        word | word.wrapping_sub(ONES)
    };
    let (words, _) = bytes.as_chunks();
    words.iter().fold(unusual(last), |found, word| found | unusual(word)) & ONES << 7 == 0
}

#[cold]
fn unusual(bytes: &[u8]) -> Fixed {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    match String::from_utf8_lossy(&bytes[..end]) {
        std::borrow::Cow::Borrowed(_) if end == bytes.len() => Fixed::AsItIs,
        std::borrow::Cow::Borrowed(_) => Fixed::Shorter(end),
        std::borrow::Cow::Owned(text) => Fixed::Replaced(text),
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.as_str().to_owned()
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<Text> for str {
    fn eq(&self, other: &Text) -> bool {
        other == self
    }
}

impl PartialEq<Text> for &str {
    fn eq(&self, other: &Text) -> bool {
        other == self
    }
}

impl PartialEq<Text> for String {
    fn eq(&self, other: &Text) -> bool {
        other == self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_at_zero_and_replaces_what_is_broken() {
        for (bytes, text) in [
            (&b"plain"[..], "plain"),
            (b"", ""),
            (b"ends\0here", "ends"),
            (b"\0", ""),
            ("Gr\u{fc}n".as_bytes(), "Gr\u{fc}n"),
            (b"a\xFFb", "a\u{FFFD}b"),
            (b"a\xFFb\0\xFF", "a\u{FFFD}b"),
            (b"\x7F\x01", "\x7F\x01"),
            (b"twelve byte\0", "twelve byte"),
            (b"\0welve bytes", ""),
            (b"eight\0byt", "eight"),
            (b"\x80elve bytes", "\u{FFFD}elve bytes"),
            (b"twelve byte\x80", "twelve byte\u{FFFD}"),
        ] {
            assert_eq!(Text::of(Bytes::copy_from_slice(bytes)), text, "{bytes:?}");
        }
    }

    #[test]
    fn sound_text_is_not_copied() {
        let bytes = Bytes::from(vec![b'x'; 50]);
        assert_eq!(Text::of(bytes.clone()).as_ptr(), bytes.as_ptr());
    }
}
