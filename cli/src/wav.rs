//! `--wav DIR`: what was heard, one file a party, silent where the gate was closed.

use std::io;
use std::path::{Path, PathBuf};

use engine::audio::{WavInfo, WavWriter};
use engine::recogniser::{AudioChunk, Party};
use engine::time::Time;

pub(crate) struct Wav {
    dir: PathBuf,
    open: Vec<(Party, WavWriter)>,
    start: Option<Time>,
}

impl Wav {
    /// Writes into `dir`, which is made where it is missing.
    pub(crate) fn in_dir(dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        Ok(Self { dir: dir.to_owned(), open: Vec::new(), start: None })
    }

    pub(crate) fn write(&mut self, contact: &str, chunk: &AudioChunk) -> io::Result<()> {
        if self.start.is_none() {
            self.start = Some(chunk.start);
            for party in chunk.channels.parties() {
                let info = WavInfo {
                    name: contact.to_owned(),
                    created: rfc3339(chunk.start),
                    comment: format!("{party} of contact {contact}, first sample at {} ms", chunk.start.ms()),
                };
                let path = self.dir.join(format!("{party}.wav"));
                let writer = WavWriter::create(path, chunk.rate_hz, info).map_err(io::Error::other)?;
                self.open.push((*party, writer));
            }
        }
        let start = self.start.unwrap_or(chunk.start);
        let position = u64::try_from((chunk.start - start).samples(chunk.rate_hz)).unwrap_or(0);
        for (party, writer) in &mut self.open {
            // Where the media's clock jumped, the file stays in step with it.
            while writer.samples() < position {
                let missing = usize::try_from(position - writer.samples()).unwrap_or(usize::MAX).min(1 << 16);
                writer.write(&vec![0; missing]).map_err(io::Error::other)?;
            }
            let samples: Vec<i16> = chunk.party(*party).collect();
            writer.write(&samples).map_err(io::Error::other)?;
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> io::Result<()> {
        self.open.into_iter().try_for_each(|(_, writer)| writer.finish().map_err(io::Error::other))
    }
}

fn rfc3339(at: Time) -> String {
    jiff::Timestamp::from_millisecond(at.ms()).map_or_else(|_| at.ms().to_string(), |t| t.to_string())
}
