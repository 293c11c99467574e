//! Any bytes.
//!
//! In `mkv-demux`, on a stable toolchain (the fuzzer's instrumentation is a compiler flag that is otherwise
//! reserved to nightly):
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run splits -- -dict=fuzz/ids.dict -max_len=3000 -max_total_time=30`
#![no_main]

mod check;

use arbitrary::Arbitrary;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    /// Whether a sound header is put in front, so that the fuzzer starts inside a document.
    header: bool,
    /// Whether the same bytes follow once more, so that it meets what comes after damage, and repetition.
    twice: bool,
    /// Lengths of the pieces, over and over; 0 is an empty push.
    lengths: [u8; 5],
    /// Where the stream is looked at before it has ended.
    until: u16,
    data: &'a [u8],
}

const HEADER: &[u8] = b"\x1A\x45\xDF\xA3\x8B\x42\x82\x88matroska\x18\x53\x80\x67\xFF";

fuzz_target!(|input: Input<'_>| {
    let mut data = Vec::new();
    for _ in 0..=usize::from(input.twice) {
        data.extend(input.header.then_some(HEADER).unwrap_or_default());
        data.extend(input.data);
    }
    check::check(&Bytes::from(data), input.lengths, usize::from(input.until));
});
