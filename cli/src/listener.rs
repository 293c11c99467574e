//! Hears the run: prints results, tells news, writes the WAV files, moves the progress bar.

use std::io::{self, Write};

use engine::call::{Message, Report, Summary};
use engine::offline::{Listener, Progress};
use engine::recogniser::AudioChunk;
use engine::time::Time;

use crate::console::Console;
use crate::output::Printer;
use crate::wav::Wav;

pub(crate) struct Ears<'a> {
    pub(crate) console: &'a mut Console,
    /// The file of `--output`; without it results go to standard output.
    pub(crate) file: Option<Box<dyn Write>>,
    pub(crate) printer: Box<dyn Printer>,
    pub(crate) wav: Option<Wav>,
    pub(crate) start: Option<Time>,
    pub(crate) contact: String,
}

impl Ears<'_> {
    /// Prints with the progress bar out of the way and flushes, so that whoever reads along reads along.
    fn print(
        &mut self,
        print: impl FnOnce(&mut dyn Printer, &mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let printer = self.printer.as_mut();
        if let Some(file) = &mut self.file {
            print(printer, file.as_mut())?;
            return file.flush();
        }
        // One write for each result: a line is there whole or not at all.
        let mut text = Vec::new();
        print(printer, &mut text)?;
        if text.is_empty() {
            return Ok(());
        }
        self.console.print(&text)
    }

    /// The run is over: the rest is printed, the files are closed.
    pub(crate) fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        self.print(|printer, out| printer.finish(out, summary))?;
        self.wav.take().map_or(Ok(()), Wav::finish)
    }
}

impl Listener for Ears<'_> {
    fn message(&mut self, message: &Message) -> io::Result<()> {
        self.print(|printer, out| printer.message(out, message))
    }

    fn report(&mut self, report: &Report) -> io::Result<()> {
        match report {
            Report::Utterance(utterance) => {
                return self.print(|printer, out| printer.utterance(out, utterance));
            }
            Report::Contact { id, ours: true } => self.contact.clone_from(id),
            _ => {}
        }
        if let Some(news) = news(report) {
            self.console.detail(&news);
        }
        self.printer.report(report);
        Ok(())
    }

    fn audio(&mut self, chunk: &AudioChunk) -> io::Result<()> {
        if self.start.is_none() {
            self.start = Some(chunk.start);
            self.printer.started(chunk.start);
        }
        let contact = &self.contact;
        self.wav.as_mut().map_or(Ok(()), |wav| wav.write(contact, chunk))
    }

    fn progress(&mut self, progress: &Progress) {
        let since = |at: Option<Time>| match (progress.start, at) {
            (Some(start), Some(at)) => (at - start).ms().max(0) / 1000,
            _ => 0,
        };
        self.console.set_bar(progress.bytes_read, || {
            let (heard, done) = (since(progress.heard), since(progress.recognised));
            format!("heard {}:{:02}, words to {}:{:02}", heard / 60, heard % 60, done / 60, done % 60)
        });
    }
}

/// What `--verbose` says of an event.
fn news(report: &Report) -> Option<String> {
    let ms = |at: &Time| at.ms();
    Some(match report {
        Report::Contact { id, ours } => {
            format!("contact {id}: {}", if *ours { "of this call" } else { "foreign" })
        }
        Report::GateClosed { at, hold, pause } => {
            format!("gate closed at {} (hold: {hold}, pause: {pause})", ms(at))
        }
        Report::GateOpened { at } => format!("gate open at {}", ms(at)),
        Report::Exposed { total_ms } => format!("{total_ms} ms of closed audio had already been heard"),
        Report::EventIgnored { kind, why } => format!("event \"{kind}\" ignored: {why}"),
        Report::Gap { party, from, to } => {
            format!("{party}: {} ms without audio at {}, silence instead", (*to - *from).ms(), ms(from))
        }
        Report::Jump { from, to } => format!("the media's clock jumps from {} to {}", ms(from), ms(to)),
        Report::Damage(error) => format!("{error}"),
        Report::InBandError(error) => format!("GetMedia reported {}: {}", error.id.unwrap_or(0), error.code),
        Report::Dropped { reason, bytes, what } => format!("{bytes} bytes let go ({reason:?}): {what}"),
        _ => return None,
    })
}
