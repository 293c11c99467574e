//! The formats results are printed in. Each hears the same news and prints its own shape of it.

mod json;
mod jsonl;
mod subtitles;
mod text;

use std::io::{self, Write};

use engine::call::{Message, Report, Summary, Utterance};
use engine::time::Time;

use crate::args::Format;

/// A format. It is told of everything in the order in which it becomes final; what it prints is flushed at
/// once, so that whoever reads along reads along.
pub(crate) trait Printer {
    /// The first sample of the call was taken at this time.
    fn started(&mut self, start: Time) {
        let _ = start;
    }
    /// An utterance is final.
    fn utterance(&mut self, out: &mut dyn Write, utterance: &Utterance) -> io::Result<()> {
        let _ = (out, utterance);
        Ok(())
    }
    /// Its message is posted.
    fn message(&mut self, out: &mut dyn Write, message: &Message) -> io::Result<()> {
        let _ = (out, message);
        Ok(())
    }
    /// Other news.
    fn report(&mut self, report: &Report) {
        let _ = report;
    }
    /// The call is over.
    fn finish(&mut self, out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
        let _ = (out, summary);
        Ok(())
    }
}

/// The printer of a format.
pub(crate) fn printer(format: Format, colour: bool) -> Box<dyn Printer> {
    match format {
        Format::Text => Box::new(text::Text::new(colour)),
        Format::Jsonl => Box::new(jsonl::Jsonl),
        Format::Json => Box::new(json::Json::default()),
        Format::Srt => Box::new(subtitles::Subtitles::srt()),
        Format::Vtt => Box::new(subtitles::Subtitles::vtt()),
    }
}
