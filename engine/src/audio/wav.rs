//! WAV files of one party, with the call they belong to written inside.
//!
//! The header is brought up to date every few seconds, so that a file cut off by a crash still opens; the
//! LIST/INFO chunk comes at the end, when the file is finished. It must never know what the samples are.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavSpec};

use super::error::AudioError;

/// Data that a RIFF file can hold, with room for the LIST chunk: sizes are 32 bits.
const MAX_DATA_BYTES: u64 = u32::MAX as u64 - 64 * 1024;
/// The header is written anew after this many samples.
const FLUSH_SAMPLES: u64 = 1 << 16;
/// No INFO text needs more.
const MAX_INFO_BYTES: usize = 4096;

/// What a WAV file says about itself (RIFF LIST/INFO).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WavInfo {
    /// `INAM`, the name: the contact id.
    pub name: String,
    /// `ICRD`, the creation date: the wall-clock time of the first sample, RFC 3339.
    pub created: String,
    /// `ICMT`, a comment.
    pub comment: String,
}

/// Writes 16-bit mono WAV as a stream.
pub struct WavWriter {
    inner: Option<hound::WavWriter<BufWriter<File>>>,
    path: PathBuf,
    info: WavInfo,
    samples: u64,
    max_samples: u64,
}

impl WavWriter {
    /// Creates the file, or empties it.
    ///
    /// # Errors
    /// The file cannot be created.
    pub fn create(path: impl AsRef<Path>, rate_hz: u32, info: WavInfo) -> Result<Self, AudioError> {
        let path = path.as_ref().to_owned();
        let spec = WavSpec {
            channels: 1,
            sample_rate: rate_hz,
            bits_per_sample: 16,
            sample_format: SampleFormat::Int,
        };
        let file = File::create(&path).map_err(|e| failed(&path, e))?;
        let inner = hound::WavWriter::new(BufWriter::new(file), spec).map_err(|e| failed(&path, plain(e)))?;
        Ok(Self { inner: Some(inner), path, info, samples: 0, max_samples: MAX_DATA_BYTES / 2 })
    }

    /// Appends samples.
    ///
    /// # Errors
    /// The disk is full or failed, or the file would pass 4 GB; what was written before stays readable.
    pub fn write(&mut self, samples: &[i16]) -> Result<(), AudioError> {
        let after = self.samples + samples.len() as u64;
        if after > self.max_samples {
            return Err(AudioError::WavFull { path: self.path.clone() });
        }
        let path = &self.path;
        let Some(inner) = &mut self.inner else { return Ok(()) };
        for sample in samples {
            inner.write_sample(*sample).map_err(|e| failed(path, plain(e)))?;
        }
        if self.samples / FLUSH_SAMPLES != after / FLUSH_SAMPLES {
            inner.flush().map_err(|e| failed(path, plain(e)))?;
        }
        self.samples = after;
        Ok(())
    }

    /// Samples written so far.
    #[must_use]
    pub const fn samples(&self) -> u64 {
        self.samples
    }

    /// Brings the header up to date and adds the LIST/INFO chunk. A writer that is dropped instead leaves
    /// a valid file without that chunk.
    ///
    /// # Errors
    /// The disk is full or failed.
    pub fn finish(mut self) -> Result<(), AudioError> {
        let Some(inner) = self.inner.take() else { return Ok(()) };
        inner.finalize().map_err(|e| failed(&self.path, plain(e)))?;
        append_info(&self.path, &list_chunk(&self.info)).map_err(|e| failed(&self.path, e))
    }
}

impl std::fmt::Debug for WavWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WavWriter {{ {}, samples: {} }}", self.path.display(), self.samples)
    }
}

/// Adds a chunk at the end of a RIFF file and mends the size in its header.
fn append_info(path: &Path, chunk: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut end = file.seek(SeekFrom::End(0))?;
    if end % 2 == 1 {
        file.write_all(&[0])?; // chunks begin at even offsets
        end += 1;
    }
    file.write_all(chunk)?;
    let size = end + chunk.len() as u64 - 8;
    let size = u32::try_from(size).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    file.seek(SeekFrom::Start(4))?;
    file.write_all(&size.to_le_bytes())?;
    file.sync_data()
}

/// A LIST chunk of type INFO. Empty texts are left out.
fn list_chunk(info: &WavInfo) -> Vec<u8> {
    let mut body = b"INFO".to_vec();
    for (id, text) in [(b"INAM", &info.name), (b"ICRD", &info.created), (b"ICMT", &info.comment)] {
        let mut text = text.clone().into_bytes();
        text.truncate(MAX_INFO_BYTES);
        if text.is_empty() {
            continue;
        }
        text.push(0);
        let size = text.len() as u32; // at most MAX_INFO_BYTES + 1
        body.extend_from_slice(id);
        body.extend_from_slice(&size.to_le_bytes());
        body.extend_from_slice(&text);
        if text.len() % 2 == 1 {
            body.push(0);
        }
    }
    let size = body.len() as u32; // three texts of at most MAX_INFO_BYTES
    [b"LIST".as_slice(), &size.to_le_bytes(), &body].concat()
}

fn failed(path: &Path, source: io::Error) -> AudioError {
    AudioError::Write { path: path.to_owned(), source }
}

fn plain(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> WavInfo {
        WavInfo {
            name: "contact-1".to_owned(),
            created: "2019-10-18T00:02:05.131Z".to_owned(),
            comment: String::new(),
        }
    }

    /// The chunks of a RIFF file, with the size in its header checked.
    fn chunks(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
        let size = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        assert_eq!((&bytes[..4], &bytes[8..12]), (b"RIFF".as_slice(), b"WAVE".as_slice()));
        assert_eq!(size(4), bytes.len() - 8);
        let (mut at, mut found) = (12, Vec::new());
        while at < bytes.len() {
            let end = at + 8 + size(at + 4);
            found.push((String::from_utf8(bytes[at..at + 4].to_vec()).unwrap(), bytes[at + 8..end].to_vec()));
            at = end + end % 2;
        }
        found
    }

    #[test]
    fn samples_and_the_call_are_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("customer.wav");
        let mut writer = WavWriter::create(&path, 8000, info()).unwrap();
        writer.write(&[1, -2, 3]).unwrap();
        writer.write(&[i16::MAX]).unwrap();
        writer.finish().unwrap();
        let found = chunks(&std::fs::read(&path).unwrap());
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["fmt ", "data", "LIST"]);
        assert_eq!(found[2].1, b"INFOINAM\x0a\0\0\0contact-1\0ICRD\x19\0\0\x002019-10-18T00:02:05.131Z\0\0");
        let mut reader = hound::WavReader::open(&path).unwrap();
        assert_eq!(reader.spec().sample_rate, 8000);
        assert_eq!(reader.samples::<i16>().map(Result::unwrap).collect::<Vec<_>>(), [1, -2, 3, i16::MAX]);
    }

    #[test]
    fn a_file_is_valid_when_closed_early_or_cut_off_by_a_crash() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.wav");
        let mut writer = WavWriter::create(&path, 8000, info()).unwrap();
        writer.write(&vec![7; 100_000]).unwrap();
        // As after a crash: what is on the disk now.
        let crashed = dir.path().join("crashed.wav");
        std::fs::copy(&path, &crashed).unwrap();
        assert_eq!(hound::WavReader::open(&crashed).unwrap().len(), 100_000);
        drop(writer);
        assert_eq!(chunks(&std::fs::read(&path).unwrap()).len(), 2);
        assert_eq!(hound::WavReader::open(&path).unwrap().len(), 100_000);
    }

    #[test]
    fn failures_name_the_file_and_four_gigabytes_are_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let error = WavWriter::create(dir.path().join("no/such.wav"), 8000, info()).unwrap_err().to_string();
        assert!(error.contains("no/such.wav"), "{error}");
        let path = dir.path().join("full.wav");
        let mut writer = WavWriter::create(&path, 8000, info()).unwrap();
        writer.max_samples = 4;
        writer.write(&[1, 2, 3]).unwrap();
        let error = writer.write(&[4, 5]).unwrap_err().to_string();
        assert!(error.contains("full.wav is full: a WAV file holds at most 4 GB"), "{error}");
        writer.finish().unwrap();
        assert_eq!(hound::WavReader::open(&path).unwrap().len(), 3);
    }
}
