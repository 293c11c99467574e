//! One object for programs: contact, utterances with their words, gates, summary.

use std::io::{self, Write};

use engine::call::{GateInterval, Message, Summary, Utterance, UtteranceWord};
use engine::recogniser::Party;
use serde::Serialize;

use super::Printer;

#[derive(Default)]
pub(super) struct Json {
    utterances: Vec<Said>,
}

#[derive(Serialize)]
struct Said {
    party: Party,
    #[serde(flatten)]
    message: Message,
    words: Vec<UtteranceWord>,
}

#[derive(Serialize)]
struct Whole<'a> {
    contact: &'a str,
    utterances: &'a [Said],
    gates: &'a [GateInterval],
    summary: &'a Summary,
}

impl Printer for Json {
    fn utterance(&mut self, _out: &mut dyn Write, utterance: &Utterance) -> io::Result<()> {
        self.utterances.push(Said {
            party: utterance.party,
            message: utterance.message.clone(),
            words: utterance.words.clone(),
        });
        Ok(())
    }

    fn finish(&mut self, out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
        self.utterances.sort_by_key(|said| said.message.start_time);
        let whole = Whole {
            contact: &summary.contact,
            utterances: &self.utterances,
            gates: &summary.gate.intervals,
            summary,
        };
        serde_json::to_writer_pretty(&mut *out, &whole)?;
        writeln!(out)
    }
}
