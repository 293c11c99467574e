//! Files that are there whole or not at all, and say so when they are damaged.
//!
//! A framed file is one line of text, `kvscribe <kind> 1 <number> <time> <bytes> <sha256>`, and the content. It is
//! written beside its place, made durable, and then moved there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};

use crate::shell::store::{StoreError, hex};
use crate::time::Time;

/// No file of a call is larger; what is is not ours.
const MAX_BYTES: u64 = 256 << 20;
/// Digits of a check sum.
const SUM_DIGITS: usize = 32;

/// What a framed file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Framed {
    /// Counts the states of the file.
    pub(super) number: u64,
    /// When it was written.
    pub(super) at: Time,
    pub(super) content: Vec<u8>,
}

/// What became of reading a file.
pub(super) enum Content {
    Good(Framed),
    Missing,
    /// Why it cannot be believed.
    Damaged(&'static str),
}

/// The first half of the SHA-256 of this content, as digits.
pub(super) fn sum(content: &[u8]) -> String {
    let mut text = hex::encode(digest(&SHA256, content).as_ref());
    text.truncate(SUM_DIGITS);
    text
}

/// Makes a folder for this user alone, and those above it. A folder that is there is left as it is.
pub(super) fn make_folder(path: &Path) -> Result<(), StoreError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(StoreError::file("make the folder", path))
}

/// Options that make files for this user alone.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// What is in a folder stays in it.
pub(super) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    // Elsewhere a folder cannot be opened, and its entries are durable with the files.
    if cfg!(unix) {
        let synced = File::open(path).and_then(|folder| folder.sync_all());
        synced.map_err(StoreError::file("make durable what is in", path))?;
    }
    Ok(())
}

/// Puts a framed file in its place. What was there before goes to `keep`, if that is given.
pub(super) fn put(path: &Path, kind: &str, framed: &Framed, keep: Option<&Path>) -> Result<(), StoreError> {
    let beside = path.with_extension("new");
    let head = format!(
        "kvscribe {kind} 1 {} {} {} {}\n",
        framed.number,
        framed.at.us(),
        framed.content.len(),
        sum(&framed.content)
    );
    let written = write(&beside, &[head.as_bytes(), &framed.content]);
    if let Err(error) = written {
        // Half a file takes room that is missing already.
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    if let Some(keep) = keep {
        match fs::rename(path, keep) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::file("keep a copy of", path)(error));
            }
            _ => {}
        }
    }
    fs::rename(&beside, path).map_err(StoreError::file("replace", path))?;
    path.parent().map_or(Ok(()), sync_folder)
}

fn write(path: &Path, parts: &[&[u8]]) -> Result<(), StoreError> {
    let writing = || {
        let mut file = private().write(true).create(true).truncate(true).open(path)?;
        for part in parts {
            fault::write(&mut file, part)?;
        }
        file.sync_all()
    };
    writing().map_err(StoreError::file("write", path))
}

/// Reads a framed file.
pub(super) fn get(path: &Path, kind: &str) -> Result<Content, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::Missing),
        Err(error) => return Err(StoreError::file("open", path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(StoreError::file("read", path))?;
    Ok(parse(&bytes, kind).map_or_else(Content::Damaged, Content::Good))
}

fn parse(bytes: &[u8], kind: &str) -> Result<Framed, &'static str> {
    let end = bytes.iter().take(256).position(|b| *b == b'\n').ok_or("its first line is torn")?;
    let (head, content) = (&bytes[..end], &bytes[end + 1..]);
    let head = str::from_utf8(head).map_err(|_| "its first line is no text")?;
    let odd = "its first line is not one of this version";
    let parts: Vec<&str> = head.split(' ').collect();
    let ["kvscribe", found, "1", number, at, length, check] = parts[..] else { return Err(odd) };
    if found != kind {
        return Err("it is another kind of file");
    }
    let number = number.parse().map_err(|_| odd)?;
    let at = Time::from_us(at.parse().map_err(|_| odd)?);
    if length.parse() != Ok(content.len()) {
        return Err("it is torn");
    }
    if sum(content) != check {
        return Err("its check sum is wrong");
    }
    Ok(Framed { number, at, content: content.to_vec() })
}

/// Removes a file that may be missing.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::file("remove", path)(error)),
        _ => Ok(()),
    }
}

/// The name of a contact's folder. Ids come from outside: what could lead elsewhere, or be one with another on a
/// file system that knows no case, becomes a digest.
pub(super) fn folder_name(contact: &str) -> PathBuf {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if contact.len() <= 64 && contact.bytes().all(plain) {
        return contact.into();
    }
    format!("~{}", hex::encode(digest(&SHA256, contact.as_bytes()).as_ref())).into()
}

/// A disk that is full, for tests.
pub(super) mod fault {
    use std::fs::File;
    use std::io::{self, Write};

    #[cfg(test)]
    thread_local! {
        /// So many bytes can still be written by this thread.
        pub(in super::super) static ROOM: std::cell::Cell<usize> = const { std::cell::Cell::new(usize::MAX) };
    }

    #[cfg(not(test))]
    pub(in super::super) fn write(file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    #[cfg(test)]
    pub(in super::super) fn write(file: &mut File, bytes: &[u8]) -> io::Result<()> {
        let room = ROOM.get();
        let fits = bytes.len().min(room);
        file.write_all(&bytes[..fits])?;
        if room != usize::MAX {
            ROOM.set(room - fits);
        }
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_or_known_to_be_damaged_wherever_it_is_torn_or_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let framed = Framed { number: 7, at: Time::from_us(-3), content: b"one\ntwo".to_vec() };
        put(&path, "checkpoint", &framed, None).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(parse(&bytes, "checkpoint"), Ok(framed));
        assert!(parse(&bytes, "start").is_err());
        for length in 0..bytes.len() {
            assert!(parse(&bytes[..length], "checkpoint").is_err(), "torn at {length}");
        }
        for at in bytes.len() - 7..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(parse(&changed, "checkpoint").is_err(), "changed at {at}");
        }
    }

    #[test]
    fn no_contact_leads_out_of_the_folder_or_into_anothers() {
        let plain = "11111111-2222-4333-8444-555555555555";
        assert_eq!(folder_name(plain), Path::new(plain));
        let long = "a".repeat(65);
        for odd in ["..", ".", "a/../../b", "/etc", "A-1", "a\0b", "é", "~", "a.b", long.as_str()] {
            let name = folder_name(odd);
            let text = name.to_str().unwrap();
            assert!(text.len() == 65 && text.starts_with('~'), "{odd}: {text}");
        }
        assert_ne!(folder_name("A-1"), folder_name("a-1"));
    }
}
