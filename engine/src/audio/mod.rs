//! Audio formats: from files and Matroska tracks to 16-bit samples of one party, and back to WAV.
//!
//! [`Recording`] reads anything that is not a Kinesis stream of plain PCM, block by block; [`WavWriter`]
//! writes; [`Resampler`] changes the rate; [`mod@format`] says what a track carries. This folder must never know
//! contacts, gates or transcripts: those are the call's. Nothing here reads a clock or starts a thread.

mod decoder;
mod error;
pub mod format;
mod lane;
mod matroska;
pub mod pcm;
mod plain;
mod recording;
pub mod resample;
mod wav;

pub use error::AudioError;
pub use format::Codec;
pub use recording::{Block, Recording, RecordingOptions, Source, Split};
pub use resample::Resampler;
pub use wav::{WavInfo, WavWriter};
