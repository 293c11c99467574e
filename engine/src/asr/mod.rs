//! The embedded recogniser: speech to words on this machine, without a service.
//!
//! Read it as the audio travels: [`Embedded`] takes a session's chunks, `vad` finds each party's speech
//! (`tone` keeps melodies out), `worker` hands the utterances to threads, `mel` and `decode` make words of
//! them, `words` times them, and `session` lets them leave in order. [`model`] keeps the files.
//!
//! This folder must never know contacts, gates or wall-clock time.

mod checkpoint;
mod decode;
mod embedded;
mod loaded;
mod mel;
pub mod model;
mod session;
mod tokens;
mod tone;
mod vad;
pub mod vocabulary_filter;
mod words;
mod worker;

pub use embedded::{Embedded, EmbeddedOptions, Stats};
pub use loaded::Model;
pub use vocabulary_filter::VocabularyFilter;
