//! Event-stream framing: prelude, headers, payload, two checksums.
//!
//! Written from the public description ("Amazon Transcribe Developer Guide: event stream encoding"), so that
//! the SDK's own framing meets another's. It knows nothing of what the messages mean.

use bytes::{Buf, Bytes, BytesMut};

/// A message beyond this is damage.
const MAX_MESSAGE: usize = 1 << 20;
/// Prelude with its checksum, and the message's checksum.
const OVERHEAD: usize = 16;

/// Value of a header, of the kinds that occur.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Type 7.
    Text(String),
    /// Type 6.
    Bytes(Bytes),
    /// Type 8: milliseconds since the epoch.
    Timestamp(i64),
    /// Types 0 to 5 and 9, which nobody needs here.
    Other(u8),
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// Headers in order.
    pub headers: Vec<(String, Value)>,
    /// Payload.
    pub payload: Bytes,
}

impl Message {
    /// A message with text headers.
    #[must_use]
    pub fn new(headers: &[(&str, &str)], payload: impl Into<Bytes>) -> Self {
        let text = |(name, value): &(&str, &str)| ((*name).to_owned(), Value::Text((*value).to_owned()));
        Self { headers: headers.iter().map(text).collect(), payload: payload.into() }
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&Value> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// A text header.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.header(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The message in bytes. Values of kind `Other` are left out.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let headers = encode_headers(&self.headers);
        let total = OVERHEAD + headers.len() + self.payload.len();
        let mut out = Vec::with_capacity(total);
        out.extend(length(total));
        out.extend(length(headers.len()));
        out.extend(crc32fast::hash(&out).to_be_bytes());
        out.extend(headers);
        out.extend_from_slice(&self.payload);
        out.extend(crc32fast::hash(&out).to_be_bytes());
        Bytes::from(out)
    }
}

/// A length as four bytes. Nothing here comes near four gigabytes.
fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes()
}

/// Headers in bytes.
#[must_use]
pub fn encode_headers(headers: &[(String, Value)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in headers {
        let (kind, bytes): (u8, Vec<u8>) = match value {
            Value::Text(text) => (7, sized(text.as_bytes())),
            Value::Bytes(bytes) => (6, sized(bytes)),
            Value::Timestamp(ms) => (8, ms.to_be_bytes().to_vec()),
            Value::Other(_) => continue,
        };
        out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        out.extend(name.as_bytes().iter().take(usize::from(u8::MAX)));
        out.push(kind);
        out.extend(bytes);
    }
    out
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    let mut out = len.to_be_bytes().to_vec();
    out.extend(bytes.iter().take(usize::from(len)));
    out
}

/// Takes bytes in any pieces and gives messages.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: BytesMut,
}

impl Decoder {
    /// Takes bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Nothing of a message is waiting for its rest.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next whole message.
    ///
    /// # Errors
    /// Says what is wrong with the bytes; nothing after it can be trusted.
    pub fn poll(&mut self) -> Result<Option<Message>, &'static str> {
        let Some(prelude) = self.buffer.get(..12) else { return Ok(None) };
        let mut fields = prelude;
        let (total, headers, sum) = (fields.get_u32(), fields.get_u32(), fields.get_u32());
        if crc32fast::hash(&prelude[..8]) != sum {
            return Err("prelude checksum");
        }
        let (total, headers) = (total as usize, headers as usize);
        if !(OVERHEAD..=MAX_MESSAGE).contains(&total) || headers > total - OVERHEAD {
            return Err("message length");
        }
        if self.buffer.len() < total {
            return Ok(None);
        }
        let message = self.buffer.split_to(total).freeze();
        let mut sum = &message[total - 4..];
        if crc32fast::hash(&message[..total - 4]) != sum.get_u32() {
            return Err("message checksum");
        }
        let payload = message.slice(12 + headers..total - 4);
        let headers = decode_headers(message.slice(12..12 + headers)).ok_or("headers")?;
        Ok(Some(Message { headers, payload }))
    }
}

/// Reads headers; `None` when they are cut short.
fn decode_headers(mut bytes: Bytes) -> Option<Vec<(String, Value)>> {
    let mut headers = Vec::new();
    while !bytes.is_empty() {
        let len = usize::from(bytes.try_get_u8().ok()?);
        let name = String::from_utf8(take(&mut bytes, len)?.to_vec()).ok()?;
        let kind = bytes.try_get_u8().ok()?;
        let value = match kind {
            6 | 7 => {
                let len = usize::from(bytes.try_get_u16().ok()?);
                let value = take(&mut bytes, len)?;
                if kind == 6 {
                    Value::Bytes(value)
                } else {
                    Value::Text(String::from_utf8(value.to_vec()).ok()?)
                }
            }
            8 => Value::Timestamp(bytes.try_get_i64().ok()?),
            _ => {
                let len = match kind {
                    0 | 1 => 0,
                    2 => 1,
                    3 => 2,
                    4 => 4,
                    5 => 8,
                    9 => 16,
                    _ => return None,
                };
                take(&mut bytes, len)?;
                Value::Other(kind)
            }
        };
        headers.push((name, value));
    }
    Some(headers)
}

fn take(bytes: &mut Bytes, len: usize) -> Option<Bytes> {
    (bytes.len() >= len).then(|| bytes.split_to(len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        let mut message = Message::new(&[(":message-type", "event")], &b"payload"[..]);
        message.headers.push((":date".into(), Value::Timestamp(1_700_000_000_000)));
        message.headers.push((":chunk-signature".into(), Value::Bytes(Bytes::from_static(&[7; 32]))));
        message
    }

    #[test]
    fn an_empty_message_has_its_published_bytes() {
        let bytes = Message::default().encode();
        assert_eq!(bytes[..], [0, 0, 0, 16, 0, 0, 0, 0, 5, 194, 72, 235, 125, 152, 200, 255]);
    }

    #[test]
    fn any_split_gives_the_message() {
        let bytes = message().encode();
        for cut in 0..bytes.len() {
            let mut decoder = Decoder::default();
            decoder.feed(&bytes[..cut]);
            assert_eq!(decoder.poll(), Ok(None));
            decoder.feed(&bytes[cut..]);
            assert_eq!(decoder.poll(), Ok(Some(message())));
            assert!(decoder.is_empty());
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_is_noticed() {
        let bytes = message().encode();
        for at in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 4;
            let mut decoder = Decoder::default();
            decoder.feed(&damaged);
            assert!(decoder.poll().is_err(), "byte {at}");
        }
    }
}
