//! Audio formats: from files and Matroska tracks to 16-bit samples of one party, and back to WAV.
//!
//! This room knows encodings, sampling rates and containers. It must never know contacts, gates or
//! transcripts: those are the call's. Nothing here reads a clock or starts a thread.

pub mod resample;

pub use resample::Resampler;
