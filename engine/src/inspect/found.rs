//! What an inspection says: the types behind `transcribe inspect --json`. Field names are camelCase there.

use std::collections::BTreeMap;

use serde::Serialize;

/// Everything found. Offsets are bytes from the start of the stream; field names are camelCase in JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Inspection {
    /// EBML documents. A GetMedia stream has one for each fragment.
    pub documents: u64,
    /// One entry for each document, but for those that [`super::Inspector::take_fragments`] gave out before.
    pub fragments: Vec<FragmentInfo>,
    /// Distinct tracks, in order of appearance.
    pub tracks: Vec<TrackInfo>,
    /// Frames of all tracks; each frame of a laced block counts.
    pub frames: u64,
    /// Bytes of all frames.
    pub payload_bytes: u64,
    /// Contacts that tags name, in order of appearance.
    pub contacts: Vec<String>,
    /// Missing or damaged media.
    pub gaps: Vec<GapInfo>,
    /// Offset of the element inside which the stream ends; absent if it ends properly.
    pub truncated_at: Option<u64>,
    /// What is wrong, one sentence each.
    pub errors: Vec<String>,
}

/// One document.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FragmentInfo {
    /// `AWS_KINESISVIDEO_FRAGMENT_NUMBER`, 44 to 47 digits.
    pub number: Option<String>,
    /// The contact: of its own tags, else of an earlier document with the same SegmentUUID.
    pub contact_id: Option<String>,
    /// The contact was inferred, the document itself names none.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub contact_inherited: bool,
    /// `AWS_KINESISVIDEO_PRODUCER_TIMESTAMP` as it is written: decimal seconds since the epoch.
    pub producer_timestamp: Option<String>,
    /// Time of the first frame, epoch ms for Connect streams, else from the document's start.
    pub start_ms: Option<i64>,
    /// Frames of all tracks.
    pub frames: u64,
    /// Bytes of these frames.
    pub bytes: u64,
    /// Offset of the document.
    pub offset: u64,
    /// Its frames by track.
    pub tracks: Vec<FragmentTrack>,
    /// Its tags by name, the last value of each; at most 64 of them, long ones cut.
    pub tags: BTreeMap<String, String>,
}

/// One track of one document.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FragmentTrack {
    /// `TrackNumber`.
    pub number: u64,
    /// Frames.
    pub frames: u64,
    /// Bytes of these frames.
    pub bytes: u64,
}

/// One track.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TrackInfo {
    /// `TrackNumber`.
    pub number: u64,
    /// `Name`.
    pub name: Option<String>,
    /// `audio`, `video`, `subtitle`, …
    pub kind: &'static str,
    /// `CodecID`, which Connect gets wrong.
    pub codec_id: String,
    /// What the frames really are, as far as it can be told.
    pub format: String,
    /// Frames of the track.
    pub frames: u64,
    /// Bytes of these frames.
    pub payload_bytes: u64,
    /// How far its blocks lie from where the one before ended; for PCM only.
    pub jitter: Option<Jitter>,
    /// How loud it is; for PCM that is not silent.
    pub level: Option<Level>,
}

/// How regular the times of a track's blocks are. Holes of 10 ms and more count as gaps, not here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Jitter {
    /// Mean distance from where the block was expected, ms.
    pub mean_ms: f64,
    /// Greatest distance, ms.
    pub max_ms: f64,
}

/// How loud a track is, in decibels below full scale: 0 is the loudest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Level {
    /// Root mean square over the whole track.
    pub rms_dbfs: f64,
    /// Loudest sample.
    pub peak_dbfs: f64,
}

/// Missing or damaged media.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum GapInfo {
    /// No frame of any PCM track covers this time.
    Missing {
        /// Start, ms, in the stream's own time.
        from_ms: i64,
        /// End, ms.
        to_ms: i64,
    },
    /// Bytes that are no elements.
    Damaged {
        /// First of them.
        from_byte: u64,
        /// Behind the last of them.
        to_byte: u64,
    },
}
