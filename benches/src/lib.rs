//! What the benchmarks measure, apart from the measuring: the streams, the loops and the ceiling.
//!
//! - [`streams`] writes the media.
//! - [`demux`] runs the demuxer over it, and [`ceiling`] what no demuxer can beat.
//! - [`call`] plays it through a call.
//!
//! It must never read a clock: criterion times, callgrind counts, and the tests here prove that what is
//! timed does the work.
#![forbid(unsafe_code)]

pub mod call;
pub mod ceiling;
pub mod demux;
pub mod streams;
