//! The engine of kvscribe: Amazon Connect audio in, Salesforce utterances out.
//!
//! The core, [`call`], is a pure state machine: it reads no clock, opens no socket, starts no thread. With
//! no feature enabled that is all there is. Features add what performs its outputs: `audio` the formats and
//! the driver that plays a recording through a call, `asr` the embedded recogniser, `shell` the live services:
//! AWS, Salesforce, the worker and the store.
//!
//! # The contract of a call
//!
//! Handle one [`call::Input`], then poll until [`call::Output::Wait`] or [`call::Output::Done`]. Time is an
//! argument of every input. While [`call::Call::wants_media`] is false, feed no media. What each output
//! asks for, and the input that answers it, is said at [`call::Output`].
//!
//! A driver that "recognises" one word and "posts" by accepting everything:
//!
//! ```
//! use engine::call::{Call, Config, ContactChoice, Input, MediaEnd, Outcome, Output, PcmBlock};
//! use engine::recogniser::{Capabilities, Party, RecogniserEvent, Segment, Word, WordTimes};
//! use engine::time::{Span, Time};
//!
//! let mut call = Call::new(Config::new(ContactChoice::First, "contact-1"), 42);
//! let now = Time::from_ms(1_571_360_125_131);
//! let second = PcmBlock { party: Party::Customer, start: now, rate_hz: 8000, pcm: vec![0; 16_000].into() };
//! let mut media = vec![Input::MediaEnded(MediaEnd::Complete), Input::Pcm(second)];
//! let mut posted = Vec::new();
//!
//! let summary = loop {
//!     match call.poll() {
//!         Output::OpenRecogniser(spec) => call.handle(
//!             now,
//!             Input::RecogniserReady {
//!                 session: spec.id,
//!                 capabilities: Capabilities::new(
//!                     "example",
//!                     false,
//!                     WordTimes::Measured { error_ms: 50 },
//!                     false,
//!                 ),
//!             },
//!         ),
//!         Output::Audio(chunk) => assert_eq!(chunk.samples(), 800), // 100 ms at 8 kHz
//!         Output::EndAudio { session } => {
//!             let (start, end) = (Span::from_ms(200), Span::from_ms(600));
//!             let words = vec![Word::new("Hello.", start, end)];
//!             let segment = Segment::new(session, Party::Customer, true, start, end, words);
//!             call.handle(now, Input::Recognised(RecogniserEvent::Segment(segment)));
//!             call.handle(now, Input::Recognised(RecogniserEvent::Ended { session }));
//!         }
//!         Output::Post(posts) => {
//!             for message in posts.into_iter().map(|p| p.message) {
//!                 let id = message.message_id.clone();
//!                 posted.push(message);
//!                 call.handle(now, Input::Posted { id, outcome: Outcome::Accepted });
//!             }
//!         }
//!         Output::Wait(_) => call.handle(now, media.pop().unwrap_or(Input::Tick)),
//!         Output::Done(summary) => break summary,
//!         _ => {}
//!     }
//! };
//!
//! assert_eq!(posted[0].participant_id, "contact-1END_USER");
//! assert_eq!(posted[0].start_time, 1_571_360_125_331);
//! assert_eq!(summary.messages.delivered, 1);
//! ```

pub mod call;
pub mod clock;
pub mod inspect;
pub mod recogniser;
pub mod time;

#[cfg(feature = "asr")]
pub mod asr;
#[cfg(feature = "audio")]
pub mod audio;
#[cfg(feature = "audio")]
pub mod offline;
#[cfg(feature = "shell")]
pub mod shell;
