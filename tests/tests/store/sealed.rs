//! What is encrypted: nothing can be read in the files, and a wrong key destroys nothing.

use std::path::Path;
use std::sync::Arc;

use engine::shell::secrets::SecretText;
use engine::shell::store::{
    Acquisition, Claim, Cursor, Directory, Entry, Held, Seal, Sealed, Store, StoreError,
};
use engine::time::Time;

use crate::kit::{KEEP, START, TTL};

const CALL: &str = "11111111-2222-4333-8444-555555555555";

fn open(root: &Path, key: Option<&str>) -> Sealed<Directory> {
    let seal = key.map_or(Seal::none(), |digit| Seal::new(&SecretText::new(digit.repeat(64))).unwrap());
    Sealed::new(Directory::new(root, KEEP, Arc::new(engine::shell::clock::now)), seal)
}

async fn acquire(store: &Sealed<Directory>) -> Result<Held, StoreError> {
    let claim = Claim::begin("a", TTL, START);
    match store.acquire(CALL, claim).await? {
        Acquisition::Acquired(held) => Ok(*held),
        other => panic!("{other:?}"),
    }
}

/// All that any file holds.
fn bytes(folder: &Path) -> Vec<u8> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { bytes(&path) } else { std::fs::read(path).unwrap() }).collect()
}

#[tokio::test]
async fn what_was_said_cannot_be_read_in_any_file_and_a_wrong_key_destroys_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let right = open(folder.path(), Some("a"));
    let held = acquire(&right).await.unwrap();
    right.save(&held.lease, 1, b"the words that were said").await.unwrap();
    let event = Entry::new(Time::from_ms(1), "the number +14155550100");
    right.add_event(CALL, &event).await.unwrap();
    right.release(&held.lease).await.unwrap();
    let all = bytes(folder.path());
    let digits: String = b"+1415".iter().map(|b| format!("{b:02x}")).collect();
    for text in ["words", "+1415", &digits, "voiceCallId"] {
        assert!(!all.windows(text.len()).any(|w| w == text.as_bytes()), "{text} can be read");
    }
    for (key, said) in [(Some("b"), "another [store] key"), (None, "set [store] key")] {
        let wrong = open(folder.path(), key);
        let error = acquire(&wrong).await.unwrap_err().to_string();
        assert!(error.contains(said) && error.contains(CALL), "{error}");
        let error = wrong.events(CALL, Cursor::default()).await.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    let held = acquire(&right).await.expect("whoever has the key goes on at once");
    assert_eq!(held.start, START);
    assert_eq!(held.before.unwrap().checkpoint.unwrap(), b"the words that were said");
    assert_eq!(right.events(CALL, Cursor::default()).await.unwrap().0, [event]);
}

#[tokio::test]
async fn what_was_stored_before_there_was_a_key_is_still_read() {
    let folder = tempfile::tempdir().unwrap();
    let plain = open(folder.path(), None);
    let held = acquire(&plain).await.unwrap();
    plain.save(&held.lease, 1, b"{\"plain\":1}").await.unwrap();
    plain.release(&held.lease).await.unwrap();
    let held = acquire(&open(folder.path(), Some("a"))).await.unwrap();
    assert_eq!(held.before.unwrap().checkpoint.unwrap(), b"{\"plain\":1}");
}
