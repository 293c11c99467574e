//! What only files can suffer: a torn write, a full disk, a reader who should not be.

use std::fs;
use std::path::{Path, PathBuf};

use super::disk::fault::ROOM;
use super::folder::{Folder, Locked};
use crate::shell::store::{Acquisition, Claim, Cursor, Entry, Held};
use crate::time::{Span, Time};

const CONTACT: &str = "11111111-2222-4333-8444-555555555555";
const START: &[u8] = b"{}";

/// A folder, and a time of its own.
struct Kit {
    root: tempfile::TempDir,
}

impl Kit {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.root.path().join(CONTACT)
    }

    fn at<T>(&self, s: i64, work: impl FnOnce(&Locked<'_>) -> T) -> T {
        let folder = Folder::new(self.path());
        let locked = folder.lock(Time::from_ms(s * 1000), true).unwrap().expect("nobody else is here");
        work(&locked)
    }

    fn acquire(&self, s: i64) -> Acquisition {
        let claim = Claim::begin("test", Span::from_s(10), START);
        self.at(s, |locked| locked.acquire(CONTACT, &claim)).unwrap()
    }

    fn held(&self, s: i64) -> Held {
        match self.acquire(s) {
            Acquisition::Acquired(held) => *held,
            other => panic!("{other:?}"),
        }
    }

    /// A call with two checkpoints, and whoever held it has died.
    fn with_checkpoints() -> Self {
        let kit = Self::new();
        let held = kit.held(1);
        for (sequence, text) in [(1, "first"), (2, "second")] {
            kit.at(2, |locked| locked.save(&held.lease, sequence, text.as_bytes())).unwrap();
        }
        kit
    }

    fn checkpoint(&self) -> Option<String> {
        self.held(20).before?.checkpoint.map(|bytes| String::from_utf8(bytes).unwrap())
    }
}

#[test]
fn a_torn_checkpoint_gives_way_to_the_one_before_and_then_to_none() {
    let kit = Kit::with_checkpoints();
    assert_eq!(kit.checkpoint().as_deref(), Some("second"));
    let newest = kit.path().join("checkpoint");
    let bytes = fs::read(&newest).unwrap();
    for length in [0, 5, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&newest, &bytes[..length]).unwrap();
        assert_eq!(kit.checkpoint().as_deref(), Some("first"), "torn at {length}");
    }
    // A torn one does not take the place of the good one before.
    let held = kit.held(21);
    fs::write(&newest, b"torn").unwrap();
    kit.at(22, |locked| locked.save(&held.lease, 3, b"third")).unwrap();
    fs::write(&newest, b"torn").unwrap();
    drop(held);
    assert_eq!(kit.checkpoint().as_deref(), Some("first"));
    fs::remove_file(kit.path().join("checkpoint.previous")).unwrap();
    assert_eq!(kit.checkpoint(), None);
}

#[test]
fn a_crash_between_the_two_moves_of_a_replacement_loses_nothing_stored() {
    let kit = Kit::with_checkpoints();
    fs::rename(kit.path().join("checkpoint"), kit.path().join("checkpoint.previous")).unwrap();
    fs::write(kit.path().join("checkpoint.new"), b"half").unwrap();
    assert_eq!(kit.checkpoint().as_deref(), Some("second"));
}

#[test]
fn a_full_disk_says_what_to_do_keeps_all_that_was_stored_and_the_lease() {
    let kit = Kit::with_checkpoints();
    let held = kit.held(20);
    for room in [0, 1, 60, 120] {
        ROOM.set(room);
        let error = kit.at(21, |locked| locked.save(&held.lease, 3, &[b'x'; 500])).unwrap_err();
        assert!(matches!(error.action(), crate::shell::store::StoreAction::Retry));
        let text = error.to_string();
        assert!(text.contains("make room") && text.contains(CONTACT), "{text}");
        assert!(!kit.path().join("checkpoint.new").exists(), "half a file takes room");
        ROOM.set(0);
        kit.at(21, |locked| locked.renew(&held.lease)).expect("to renew needs no room");
        let late =
            kit.at(30, |locked| locked.acquire(CONTACT, &Claim::begin("other", Span::from_s(10), START)));
        assert!(matches!(late, Ok(Acquisition::HeldBy { .. })), "it was renewed: {late:?}");
        ROOM.set(usize::MAX);
    }
    kit.at(31, |locked| locked.save(&held.lease, 3, b"third")).unwrap();
    drop(held);
    assert_eq!(kit.checkpoint().as_deref(), Some("third"));
}

#[test]
fn a_full_disk_at_the_start_begins_nothing_and_takes_nothing() {
    let kit = Kit::new();
    let claim = Claim::begin("test", Span::from_s(10), START);
    for room in [0, 70, 200] {
        ROOM.set(room);
        let full = kit.at(1, |locked| locked.acquire(CONTACT, &claim)).unwrap_err().to_string();
        ROOM.set(usize::MAX);
        assert!(full.contains("make room"), "{full}");
    }
    assert!(kit.held(2).before.is_none(), "it begins now");
    let kit = Kit::with_checkpoints();
    ROOM.set(10);
    assert!(kit.at(20, |locked| locked.acquire(CONTACT, &claim)).is_err());
    ROOM.set(usize::MAX);
    assert_eq!(kit.checkpoint().as_deref(), Some("second"));
}

#[test]
fn whoever_holds_the_call_is_gone_as_soon_as_his_process_is() {
    let kit = Kit::new();
    let held = kit.held(1);
    let Acquisition::HeldBy { owner, until } = kit.acquire(2) else { panic!("it is held") };
    assert_eq!((owner.as_str(), until), ("test", Time::from_ms(11_000)));
    // The system closes the files of a process that ends.
    drop(held);
    let before = kit.held(3).before.expect("it was held before");
    assert_eq!(before.died, Time::from_ms(1_000), "his last sign of life");
}

#[test]
fn a_damaged_record_of_a_call_is_left_as_it_is() {
    let kit = Kit::with_checkpoints();
    let record = kit.path().join("call");
    fs::write(&record, b"rubbish\n").unwrap();
    let claim = Claim::begin("test", Span::from_s(10), START);
    let error = kit.at(20, |locked| locked.acquire(CONTACT, &claim)).unwrap_err().to_string();
    assert!(error.contains("damaged") && error.contains("call"), "{error}");
    assert_eq!(fs::read(&record).unwrap(), b"rubbish\n");
}

#[test]
fn another_contact_in_the_folder_is_not_taken_for_this_one() {
    let kit = Kit::with_checkpoints();
    let claim = Claim::begin("test", Span::from_s(10), START);
    let error = kit.at(20, |locked| locked.acquire("another", &claim)).unwrap_err().to_string();
    assert!(error.contains("another contact"), "{error}");
}

#[cfg(unix)]
#[test]
fn files_and_folders_are_for_this_user_alone() {
    use std::os::unix::fs::PermissionsExt;

    fn all(path: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.clone());
            if path.is_dir() {
                all(&path, found);
            }
        }
    }
    let kit = Kit { root: tempfile::tempdir().unwrap() };
    let held = kit.held(1);
    for sequence in [1, 2] {
        kit.at(2, |locked| locked.save(&held.lease, sequence, b"{}")).unwrap();
    }
    kit.at(2, |locked| locked.add_event(&Entry::new(Time::from_ms(1), "{}"))).unwrap();
    let mut found = Vec::new();
    all(kit.root.path(), &mut found);
    let names: Vec<_> = found.iter().filter_map(|p| p.file_name()?.to_str()).collect();
    for name in [CONTACT, "call", "start", "checkpoint", "checkpoint.previous", "events", "lock"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    for path in found {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
}

#[test]
fn events_can_be_read_while_another_holds_the_folder() {
    let kit = Kit::new();
    kit.at(1, |locked| locked.add_event(&Entry::new(Time::from_ms(1), "{}"))).unwrap();
    kit.at(2, |_| {
        let (entries, _) = Folder::new(kit.path()).events(Cursor::default()).unwrap();
        assert_eq!(entries.len(), 1);
    });
}
