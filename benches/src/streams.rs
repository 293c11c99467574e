//! The media: one call in the two shapes a demuxer meets.

use bytes::Bytes;
use fixtures::Pcm;
use fixtures::kinesis::{BLOCK_SAMPLES, BLOCKS_PER_FRAGMENT, Shape};
use fixtures::noise::Lcg;

/// Size of a push, bytes: what one read of a busy socket gives.
pub const PUSH_BYTES: usize = 64 << 10;

/// Fragments of the long call: about 19 MB, 9 min 34 s.
pub const FRAGMENTS: usize = 528;

/// Clusters of the long call as a single Segment. Block times have 16 bits, so at 1 ms ticks a Cluster
/// holds at most 500 blocks of a party; this makes 374.
const CLUSTERS: usize = 24;

/// A stream and what it holds.
#[derive(Debug, Clone)]
pub struct Stream {
    /// The bytes, in one allocation: pushes are slices of it.
    pub bytes: Bytes,
    /// Frames in it, of both parties.
    pub frames: u64,
    /// Bytes of these frames.
    pub payload_bytes: u64,
    /// Length of the call, milliseconds.
    pub duration_ms: i64,
}

impl Stream {
    /// The stream in pushes of [`PUSH_BYTES`], without copying.
    pub fn pushes(&self) -> impl Iterator<Item = Bytes> + '_ {
        let len = self.bytes.len();
        (0..len).step_by(PUSH_BYTES).map(move |at| self.bytes.slice(at..len.min(at + PUSH_BYTES)))
    }

    fn written(shape: &Shape, pcm: &Pcm) -> Self {
        let written = shape.write(pcm);
        let found = written.inspect();
        let samples = pcm.customer.len().max(pcm.agent.len());
        Self {
            bytes: written.bytes.into(),
            frames: found.frames,
            payload_bytes: found.payload_bytes,
            duration_ms: (samples / fixtures::SAMPLES_PER_MS) as i64,
        }
    }
}

/// The call as Kinesis GetMedia delivers it: a document for each 1.088 s, sizes unknown, tags around the
/// audio, 34 frames in each.
#[must_use]
pub fn get_media(fragments: usize) -> Stream {
    Stream::written(&Shape::default(), &noise(fragments))
}

/// The same call as one document: a single Segment of large Clusters.
#[must_use]
pub fn single_segment() -> Stream {
    let shape = Shape {
        blocks_per_fragment: BLOCKS_PER_FRAGMENT * FRAGMENTS,
        clusters: CLUSTERS,
        known_cluster_size: true,
        known_segment_size: true,
        ..Shape::default()
    };
    Stream::written(&shape, &noise(FRAGMENTS))
}

/// Noise for both parties, in whole fragments: nothing in it compresses or repeats.
fn noise(fragments: usize) -> Pcm {
    let samples = fragments * BLOCKS_PER_FRAGMENT * BLOCK_SAMPLES;
    let mut lcg = Lcg::new(19);
    Pcm { customer: lcg.noise(samples, 8000), agent: lcg.noise(samples, 8000) }
}
