//! For people: when, who, what; and a line where the gate closed and opened.

use std::collections::VecDeque;
use std::io::{self, Write};

use engine::call::{Report, Summary, Utterance};
use engine::recogniser::Party;
use engine::time::Time;

use super::Printer;

pub(super) struct Text {
    colour: bool,
    start: Time,
    /// Gate lines wait until an utterance that begins later comes, so that the text is in the order of time.
    edges: VecDeque<(Time, String)>,
}

impl Text {
    pub(super) fn new(colour: bool) -> Self {
        Self { colour, start: Time::default(), edges: VecDeque::new() }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// `mm:ss.t` from the call's first sample.
    fn clock(&self, at: Time) -> String {
        let tenths = (at - self.start).ms().max(0) / 100;
        let (m, s) = (tenths / 600, tenths / 10 % 60);
        self.paint("2", &format!("{m:02}:{s:02}.{}", tenths % 10))
    }

    fn edges_before(&mut self, out: &mut dyn Write, at: Time) -> io::Result<()> {
        while self.edges.front().is_some_and(|(edge, _)| *edge <= at) {
            let Some((at, what)) = self.edges.pop_front() else { break };
            writeln!(out, "{}  {}", self.clock(at), self.paint("35", &format!("--- {what} ---")))?;
        }
        Ok(())
    }
}

impl Printer for Text {
    fn started(&mut self, start: Time) {
        self.start = start;
    }

    fn utterance(&mut self, out: &mut dyn Write, utterance: &Utterance) -> io::Result<()> {
        self.edges_before(out, utterance.start)?;
        let who = match utterance.party {
            Party::Customer => self.paint("36", "customer"),
            Party::Agent => self.paint("32", "agent   "),
        };
        writeln!(out, "{}  {who}  {}", self.clock(utterance.start), utterance.message.content.0)
    }

    fn report(&mut self, report: &Report) {
        let edge = match report {
            Report::GateClosed { at, hold: true, pause: false } => (*at, "on hold: silent from here"),
            Report::GateClosed { at, hold: false, .. } => (*at, "recording paused: silent from here"),
            Report::GateClosed { at, .. } => (*at, "on hold and recording paused: silent from here"),
            Report::GateOpened { at } => (*at, "open again"),
            _ => return,
        };
        let place = self.edges.partition_point(|(at, _)| *at <= edge.0);
        self.edges.insert(place, (edge.0, edge.1.to_owned()));
    }

    fn finish(&mut self, out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
        let end = summary.end_time.map_or(Time::MAX, Time::from_ms);
        self.edges_before(out, end)
    }
}
