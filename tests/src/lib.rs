//! The test kit: a recogniser that hears tone words, and calls played from bytes.
//!
//! The tone recogniser decodes the audio that really reached it, so a test knows exactly what left the call,
//! when, and on which channel.

#[cfg(feature = "emulators")]
pub mod dynamodb;
#[cfg(feature = "emulators")]
pub mod emulators;
#[cfg(feature = "emulators")]
pub mod live;
#[cfg(feature = "emulators")]
pub mod tools;
pub mod world;

#[cfg(feature = "emulators")]
mod played;
#[cfg(feature = "lab")]
pub mod product;
mod recogniser;

#[cfg(feature = "emulators")]
pub use played::{Bytewise, Played, play, play_media};
pub use recogniser::{ToneOptions, ToneRecogniser};
