//! The events of a contact: one file, one line each, `<sum> <time> <id> <hexadecimal body>`.
//!
//! Lines are only ever added. One that a crash left half is not read, and taken away by whoever adds the next.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::shell::store::{Entry, StoreError, hex};
use crate::time::Time;

use super::disk::{self, fault};

/// A log takes no more bytes than this: no call has as many events.
const MAX_BYTES: u64 = 64 << 20;

/// What stands in a log behind a place.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) entries: Vec<Entry>,
    /// Behind the last whole line.
    pub(super) end: u64,
    /// Whole lines that cannot be believed.
    pub(super) damaged: usize,
}

/// Reads all whole lines from this byte on.
pub(super) fn read(path: &Path, from: u64) -> Result<Lines, StoreError> {
    let reading = || {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = reading().map_err(StoreError::file("read", path))?;
    let mut lines = Lines { end: from, ..Lines::default() };
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        let Some(whole) = line.strip_suffix(b"\n") else { break };
        lines.end += line.len() as u64;
        match parse(whole) {
            Some(entry) => lines.entries.push(entry),
            None => lines.damaged += 1,
        }
    }
    Ok(lines)
}

/// Adds an event, unless its id is there. Durable on return, or not there at all.
pub(super) fn add(path: &Path, entry: &Entry) -> Result<(), StoreError> {
    let lines = read(path, 0)?;
    if lines.entries.iter().any(|known| known.id == entry.id) {
        return Ok(());
    }
    let text = format!("{} {} {}", entry.at.us(), entry.id, hex::encode(&entry.body));
    let line = format!("{} {text}\n", disk::sum(text.as_bytes()));
    if lines.end + line.len() as u64 > MAX_BYTES {
        let full = io::Error::new(io::ErrorKind::FileTooLarge, "the log is as long as a log may be");
        return Err(StoreError::file("add an event to", path)(full));
    }
    let adding = |file: &mut File| {
        // What stands there is half a line.
        file.set_len(lines.end)?;
        file.seek(SeekFrom::Start(lines.end))?;
        fault::write(file, line.as_bytes())?;
        file.sync_all()
    };
    let opened = disk::private().write(true).create(true).truncate(false).open(path);
    let mut file = opened.map_err(StoreError::file("open", path))?;
    let added = adding(&mut file);
    if added.is_err() {
        // Where this fails too, it is half a line to the next reader.
        let _ = file.set_len(lines.end);
    }
    added.map_err(StoreError::file("add an event to", path))?;
    match path.parent() {
        Some(folder) if lines.end == 0 => disk::sync_folder(folder),
        _ => Ok(()),
    }
}

fn parse(line: &[u8]) -> Option<Entry> {
    let (sum, text) = str::from_utf8(line).ok()?.split_once(' ')?;
    if disk::sum(text.as_bytes()) != sum {
        return None;
    }
    let mut parts = text.split(' ');
    let at = Time::from_us(parts.next()?.parse().ok()?);
    let id = parts.next()?.to_owned();
    let body = hex::decode(parts.next()?)?;
    Some(Entry { id, at, body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn entry(id: &str) -> Entry {
        Entry { id: id.to_owned(), at: Time::from_ms(5), body: format!("body of {id}").into_bytes() }
    }

    fn ids(path: &Path) -> Vec<String> {
        read(path, 0).unwrap().entries.into_iter().map(|e| e.id).collect()
    }

    #[test]
    fn a_torn_last_line_is_not_read_and_gives_way_to_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        for id in ["a", "b"] {
            add(&path, &entry(id)).unwrap();
        }
        let whole = fs::read(&path).unwrap();
        let first = whole.iter().position(|b| *b == b'\n').unwrap() + 1;
        for length in first..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert_eq!(ids(&path), ["a"], "torn at {length}");
            add(&path, &entry("c")).unwrap();
            assert_eq!(ids(&path), ["a", "c"], "torn at {length}");
        }
    }

    #[test]
    fn a_damaged_line_costs_none_but_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        for id in ["a", "b", "c"] {
            add(&path, &entry(id)).unwrap();
        }
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
        let lines = read(&path, 0).unwrap();
        assert_eq!((lines.entries.len(), lines.damaged), (2, 1));
        add(&path, &entry("d")).unwrap();
        assert_eq!(ids(&path), ["a", "c", "d"]);
    }

    #[test]
    fn a_full_disk_takes_no_event_and_loses_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        add(&path, &entry("a")).unwrap();
        for room in 0..20 {
            fault::ROOM.set(room);
            let error = add(&path, &entry("b")).unwrap_err().to_string();
            assert!(error.contains("make room") && error.contains("events"), "{error}");
            fault::ROOM.set(usize::MAX);
            assert_eq!(ids(&path), ["a"]);
        }
        add(&path, &entry("b")).unwrap();
        assert_eq!(ids(&path), ["a", "b"]);
    }
}
