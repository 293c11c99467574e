//! Short calls that cost little to recognise.

use std::path::PathBuf;

use tempfile::TempDir;

use fixtures::kinesis::{CONTACT_ID, Shape, Written};
use fixtures::speech::{Placement, compose, read_clip};
use fixtures::{Party, Pcm};

/// Epoch time of the first sample of every call here.
pub(crate) const START_MS: i64 = fixtures::kinesis::START_EPOCH_MS;
/// Their contact.
pub(crate) const CONTACT: &str = CONTACT_ID;

/// A spoken clip of `fixtures/data/voices`.
pub(crate) fn voice(name: &str) -> Vec<i16> {
    read_clip(&fixtures::path(&format!("voices/{name}.wav"))).unwrap()
}

/// Two short sentences: the agent's "And the security code, please?" from 0.4 s on, the customer's "It is
/// seven three eight." from 3.9 s on; 6.5 s in all.
pub(crate) fn spoken() -> Pcm {
    let agent = Placement { party: Party::Agent, start_ms: 400, clip: voice("p02") };
    let customer = Placement { party: Party::Customer, start_ms: 3900, clip: voice("p03") };
    compose(&[agent, customer], 6500)
}

/// [`spoken`] as Kinesis delivers it.
pub(crate) fn short_call() -> Written {
    Shape::default().write(&spoken())
}

/// [`short_call`] as a file of this name.
pub(crate) fn short_call_in(dir: &TempDir) -> PathBuf {
    super::file(dir, "short.mkv", short_call().bytes)
}

/// Only the agent's sentence; 2.8 s.
pub(crate) fn agent_alone() -> Written {
    let agent = Placement { party: Party::Agent, start_ms: 300, clip: voice("p02") };
    Shape::default().write(&compose(&[agent], 2800))
}

/// Only the customer's sentence, of another contact: what stands on a stream before it is used again.
pub(crate) fn foreign_call() -> Written {
    let customer = Placement { party: Party::Customer, start_ms: 300, clip: voice("p03") };
    Shape { start_ms: START_MS - 60_000, ..Shape::foreign() }.write(&compose(&[customer], 2400))
}

/// A WAV file of 8 kHz with these channels, first left.
pub(crate) fn wav(channels: &[&[i16]]) -> Vec<u8> {
    let count = u16::try_from(channels.len()).unwrap();
    let frames = channels.iter().map(|c| c.len()).max().unwrap_or(0);
    let mut data = Vec::new();
    for frame in 0..frames {
        for channel in channels {
            data.extend(channel.get(frame).copied().unwrap_or(0).to_le_bytes());
        }
    }
    let mut wav = b"RIFF".to_vec();
    wav.extend(u32::try_from(36 + data.len()).unwrap().to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend(1_u16.to_le_bytes());
    wav.extend(count.to_le_bytes());
    wav.extend(8000_u32.to_le_bytes());
    wav.extend((16_000 * u32::from(count)).to_le_bytes());
    wav.extend((2 * count).to_le_bytes());
    wav.extend(16_u16.to_le_bytes());
    wav.extend(b"data");
    wav.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    wav.extend(data);
    wav
}
