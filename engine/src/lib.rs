//! The engine of kvscribe.

pub mod recogniser;
pub mod time;

#[cfg(feature = "asr")]
pub mod asr;
#[cfg(feature = "audio")]
pub mod audio;
