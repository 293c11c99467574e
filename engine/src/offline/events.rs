//! Telephony events recorded beside a call: one JSON object a line.

use std::io::{self, BufRead};

use crate::call::{EventSyntaxError, TelephonyEvent};

/// Why an events file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventsError {
    /// It cannot be read.
    #[error("cannot read line {line}")]
    Read {
        /// Line number from 1.
        line: usize,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A line is no event.
    #[error("line {line} is broken")]
    Syntax {
        /// Line number from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: EventSyntaxError,
    },
}

/// Longest line taken; an event has a few hundred bytes.
const MAX_LINE_BYTES: u64 = 64 << 10;

/// Reads an events file. Empty lines do not count; the order of the lines does not matter.
///
/// A broken line is an error and not passed over: it may be the one that closes the gate.
///
/// # Errors
/// The file cannot be read, or a line is not an event.
pub fn read_events(mut file: impl BufRead) -> Result<Vec<TelephonyEvent>, EventsError> {
    let mut events = Vec::new();
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        let read = io::Read::take(&mut file, MAX_LINE_BYTES).read_until(b'\n', &mut text);
        if read.map_err(|source| EventsError::Read { line, source })? == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&text);
        if !text.trim().is_empty() {
            events.push(
                TelephonyEvent::parse(text.trim()).map_err(|source| EventsError::Syntax { line, source })?,
            );
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_line_is_named_by_its_number() {
        let file = "{\"type\":\"hold\",\"at\":1}\n\n{\"type\":\"resume\",\"at\":2}\n{\"type\":\n";
        let error = read_events(file.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "line 4 is broken");
        let good = file.rsplit_once("{\"type\":\n").unwrap().0;
        assert_eq!(read_events(good.as_bytes()).unwrap().len(), 2);
    }

    #[test]
    fn an_endless_line_is_an_error_not_an_endless_buffer() {
        assert!(read_events(io::BufReader::new(io::Read::take(io::repeat(b'a'), 1 << 30))).is_err());
    }
}
