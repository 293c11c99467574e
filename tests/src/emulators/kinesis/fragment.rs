//! Cuts a recorded stream into the fragments it was delivered in.

use bytes::Bytes;
use engine::time::{Span, Time};
use mkv_demux::{Demuxer, Event};

/// Length of a block in a Connect stream: what the last block of a fragment adds to its length.
const BLOCK: Span = Span::from_ms(64);

/// One fragment: a whole Matroska document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// Fragment number, where it is tagged.
    pub number: Option<String>,
    /// Server time, where it is tagged.
    pub server: Option<Time>,
    /// Producer time: the tag, else the first block.
    pub producer: Time,
    /// From the first block to the end of the last.
    pub length: Span,
    /// The document.
    pub bytes: Bytes,
}

/// Cuts a stream at its documents. What lies between two documents belongs to the one before.
///
/// # Errors
/// When there is no document at all.
pub fn cut(bytes: impl Into<Bytes>) -> Result<Vec<Fragment>, mkv_demux::Error> {
    let bytes = bytes.into();
    let mut demuxer = Demuxer::new();
    demuxer.feed(bytes.clone());
    demuxer.finish();
    let mut found: Vec<(usize, Fragment)> = Vec::new();
    let mut range: Option<(Time, Time)> = None;
    loop {
        let event = match demuxer.poll() {
            Ok(Some(event)) => event,
            Ok(None) => break,
            // A cut tail still has the documents before.
            Err(_) if !found.is_empty() => break,
            Err(error) => return Err(error),
        };
        match event {
            Event::Document(document) => {
                let offset = usize::try_from(document.offset).unwrap_or(usize::MAX).min(bytes.len());
                let (producer, length) = (Time::MIN, Span::ZERO);
                found.push((
                    offset,
                    Fragment { number: None, server: None, producer, length, bytes: Bytes::new() },
                ));
                range = None;
            }
            Event::Tag(tag) => {
                let Some((_, fragment)) = found.last_mut() else { continue };
                let Some(value) = tag.string() else { continue };
                match tag.name.as_str() {
                    "AWS_KINESISVIDEO_FRAGMENT_NUMBER" => fragment.number = Some(value.to_owned()),
                    "AWS_KINESISVIDEO_SERVER_TIMESTAMP" => fragment.server = seconds(value),
                    "AWS_KINESISVIDEO_PRODUCER_TIMESTAMP" => {
                        fragment.producer = seconds(value).unwrap_or(fragment.producer);
                    }
                    _ => {}
                }
            }
            Event::Frame(frame) => {
                let Some((_, fragment)) = found.last_mut() else { continue };
                let at = Time::from_ns(frame.timestamp_ns);
                let (from, to) = range.unwrap_or((at, at));
                range = Some((from.min(at), to.max(at)));
                fragment.length = to.max(at) - from.min(at) + BLOCK;
                if fragment.producer == Time::MIN {
                    fragment.producer = at;
                }
            }
            _ => {}
        }
    }
    Ok(sliced(&bytes, found))
}

/// Gives each fragment its bytes: up to the next one. One without any time has that of the end before it.
fn sliced(bytes: &Bytes, found: Vec<(usize, Fragment)>) -> Vec<Fragment> {
    let ends: Vec<usize> = found.iter().skip(1).map(|(at, _)| *at).chain([bytes.len()]).collect();
    let mut before = Time::MIN;
    let whole = |((at, mut fragment), end): ((usize, Fragment), usize)| {
        fragment.bytes = bytes.slice(at..end);
        if fragment.producer == Time::MIN {
            fragment.producer = before;
        }
        before = fragment.producer + fragment.length;
        fragment
    };
    found.into_iter().zip(ends).map(whole).collect()
}

/// Decimal seconds as they stand in the tags.
fn seconds(text: &str) -> Option<Time> {
    let seconds: f64 = text.parse().ok()?;
    seconds.is_finite().then(|| Time::from_us((seconds * 1e6).round() as i64))
}
