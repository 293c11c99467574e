//! What `inspect` finds in each recording is what its writer knows it wrote.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use bytes::Bytes;
use engine::inspect::{GapInfo, Inspection, Inspector};
use fixtures::manifest::{Gap, Inspect};

fn inspect(bytes: Vec<u8>) -> Inspection {
    let mut inspector = Inspector::new();
    let bytes = Bytes::from(bytes);
    for at in (0..bytes.len()).step_by(64 << 10) {
        inspector.feed(bytes.slice(at..bytes.len().min(at + (64 << 10))));
    }
    inspector.finish()
}

fn check(file: &str, found: &Inspection, truth: &Inspect) {
    assert_eq!(found.documents, truth.documents, "{file}");
    assert_eq!((found.frames, found.payload_bytes), (truth.frames, truth.payload_bytes), "{file}");
    assert_eq!(found.contacts, truth.contacts, "{file}");
    assert_eq!(found.truncated_at.is_some(), truth.truncated, "{file}: {:?}", found.errors);
    let mut tracks: Vec<_> = found
        .tracks
        .iter()
        .map(|t| (t.number, t.name.clone(), t.codec_id.clone(), t.frames, t.payload_bytes))
        .collect();
    tracks.sort();
    let wanted: Vec<_> = truth
        .tracks
        .iter()
        .map(|t| (t.number, t.name.clone(), t.codec_id.clone(), t.frames, t.payload_bytes))
        .collect();
    assert_eq!(tracks, wanted, "{file}");
    let gaps: Vec<Gap> = found
        .gaps
        .iter()
        .map(|gap| match *gap {
            GapInfo::Missing { from_ms, to_ms } => Gap::Missing { from_ms, to_ms },
            GapInfo::Damaged { from_byte, to_byte } => Gap::Damaged { from_byte, to_byte },
            _ => unreachable!("no other kind"),
        })
        .collect();
    assert_eq!(gaps, truth.gaps, "{file}");
    if truth.fragments.is_empty() {
        return;
    }
    assert_eq!(found.fragments.len(), truth.fragments.len(), "{file}");
    for (f, t) in found.fragments.iter().zip(&truth.fragments) {
        assert_eq!(f.number, t.number, "{file}");
        assert_eq!(f.contact_id, t.contact_id, "{file}: {:?}", f.number);
        assert_eq!(f.contact_inherited, t.contact_id.is_some() && !t.contact_tagged, "{file}");
        assert_eq!(f.producer_timestamp, t.producer_timestamp, "{file}");
        assert_eq!((f.frames, f.bytes), (t.frames, t.bytes), "{file}: {:?}", f.number);
    }
}

#[test]
fn every_recording_is_what_its_manifest_says() {
    let manifest = fixtures::manifest::load().unwrap();
    let mut seen = 0;
    for entry in &manifest.files {
        let Some(truth) = &entry.inspect else { continue };
        seen += 1;
        check(&entry.file, &inspect(std::fs::read(fixtures::path(&entry.file)).unwrap()), truth);
    }
    assert!(seen >= 30, "only {seen} recordings were inspected");
}
