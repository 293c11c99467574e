//! SubRip and WebVTT: times from the call's first sample.

use std::io::{self, Write};

use engine::call::Utterance;
use engine::recogniser::Party;
use engine::time::{Span, Time};

use super::Printer;

pub(super) struct Subtitles {
    vtt: bool,
    start: Time,
    count: u64,
}

impl Subtitles {
    pub(super) fn srt() -> Self {
        Self { vtt: false, start: Time::default(), count: 0 }
    }

    pub(super) fn vtt() -> Self {
        Self { vtt: true, ..Self::srt() }
    }

    fn header(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.vtt && self.count == 0 { writeln!(out, "WEBVTT\n") } else { Ok(()) }
    }
}

impl Printer for Subtitles {
    fn started(&mut self, start: Time) {
        self.start = start;
    }

    fn utterance(&mut self, out: &mut dyn Write, utterance: &Utterance) -> io::Result<()> {
        self.header(out)?;
        self.count += 1;
        let point = if self.vtt { '.' } else { ',' };
        let (from, to) = (utterance.start - self.start, utterance.end - self.start);
        let speaker = match utterance.party {
            Party::Customer => "Customer",
            Party::Agent => "Agent",
        };
        let text = &utterance.message.content.0;
        writeln!(out, "{}\n{} --> {}", self.count, clock(from, point), clock(to, point))?;
        if self.vtt {
            // The characters with a meaning in WebVTT cue text.
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            writeln!(out, "<v {speaker}>{text}\n")
        } else {
            writeln!(out, "{speaker}: {text}\n")
        }
    }

    fn finish(&mut self, out: &mut dyn Write, _: &engine::call::Summary) -> io::Result<()> {
        self.header(out)
    }
}

/// `hh:mm:ss.mmm`, with `point` before the milliseconds.
fn clock(offset: Span, point: char) -> String {
    let ms = offset.ms().max(0);
    let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{h:02}:{m:02}:{s:02}{point}{:03}", ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_formats_want_them() {
        assert_eq!(clock(Span::from_ms(3_723_004), ','), "01:02:03,004");
        assert_eq!(clock(Span::from_ms(-5), '.'), "00:00:00.000");
    }
}
