//! One pass of the demuxer over the long call, for tools that count instead of time:
//!
//! ```text
//! cargo build -p benches --profile bench --example demux_once
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='benches::demux::sliced*' \
//!     target/release/examples/demux_once
//! ```
//!
//! The figure counts `benches::demux::sliced` alone; writing the stream is left out.

use benches::{demux, streams};

fn main() -> Result<(), mkv_demux::Error> {
    let single = std::env::args().nth(1).is_some_and(|shape| shape == "single");
    let stream = if single { streams::single_segment() } else { streams::get_media(streams::FRAGMENTS) };
    let count = demux::sliced(&stream)?;
    assert_eq!((count.frames, count.payload_bytes), (stream.frames, stream.payload_bytes));
    Ok(())
}
