//! A recording played through a call: the file command's performer of the call's outputs.
//!
//! The driver is a plain loop: no event loop, no clock. Its time is virtual and moves only when the call
//! waits for nothing but time.

mod driver;
mod events;
mod source;

pub use driver::{DriverError, Listener, Progress, play};
pub use events::{EventsError, read_events};
pub use source::{Media, Source, SourceError, SourceOptions};
