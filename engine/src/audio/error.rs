//! What can be wrong with a recording or its way to disk, and what to do about it.

use std::io;
use std::path::PathBuf;

use super::resample::ResampleError;

/// Why audio could not be read or written. Each message says what to do where something can be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AudioError {
    /// The source could not be read.
    #[error("cannot read the recording: {0}")]
    Read(#[source] io::Error),
    /// The source is empty.
    #[error("the recording is empty")]
    Empty,
    /// The format is none of those that are known.
    #[error(
        "not a recording that can be read ({0}); convert it, for example with `ffmpeg -i IN -c:a flac out.flac`"
    )]
    Unrecognised(String),
    /// The Matroska structure is damaged before any audio.
    #[error("the Matroska file cannot be read: {0}")]
    Matroska(mkv_demux::Error),
    /// There is no audio in it.
    #[error("the recording has no audio track{0}")]
    NoAudio(String),
    /// The codec is not supported.
    #[error(
        "audio codec {codec} is not supported{reason}; convert it, for example with `ffmpeg -i in.mkv -c:a flac out.mkv`"
    )]
    Codec {
        /// The codec, as the container names it.
        codec: String,
        /// What is missing, where the codec as such is known.
        reason: String,
    },
    /// There are more channels than parties.
    #[error(
        "the recording has {0} channels, but a call has one or two; choose or mix them, for example with `ffmpeg -i IN -ac 2 out.wav`"
    )]
    Channels(usize),
    /// There are more audio tracks than parties, and their names do not say which are meant.
    #[error(
        "the recording has {0} audio tracks, but a call has one or two; choose them, for example with `ffmpeg -i IN -map 0:a:0 -map 0:a:1 -c copy out.mkv`"
    )]
    Tracks(usize),
    /// The sampling rate is not supported, or resampling failed.
    #[error(transparent)]
    Resample(#[from] ResampleError),
    /// Every packet was refused by the decoder.
    #[error("nothing in the recording could be decoded as {codec}: {reason}")]
    NothingDecodes {
        /// The codec.
        codec: String,
        /// What the decoder said first.
        reason: String,
    },
    /// A file could not be written.
    #[error("cannot write {path}: {source}", path = .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A WAV file cannot hold more.
    #[error("{path} is full: a WAV file holds at most 4 GB", path = .path.display())]
    WavFull {
        /// The file.
        path: PathBuf,
    },
}
