//! From what the emulators saw to delays. All times are of one clock.
//!
//! A chunk's samples are whole when the last fragment that holds any of them is; its tags have settled with
//! that fragment's last byte, since the last tag ends it. So that fragment releases the chunk.

use std::collections::HashMap;

use engine::time::{Span, Time};
use tests::emulators::kinesis::{Delivery, Options};
use tests::emulators::salesforce::Arrival;
use tests::emulators::transcribe::Record;

use crate::calls::{Call, FRAGMENT_SAMPLES};
use crate::stage::Stage;

/// Bytes of one sample of both parties.
const FRAME: usize = 4;
const RATE_HZ: u32 = fixtures::RATE_HZ;

/// Delays in order.
#[derive(Debug, Default)]
pub(crate) struct Delays(Vec<Span>);

impl Delays {
    fn sort(&mut self) {
        self.0.sort_unstable();
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The delay below which a share of all lies, ms.
    pub(crate) fn quantile_ms(&self, share: f64) -> Option<f64> {
        let last = self.0.len().checked_sub(1)?;
        let at = (share * self.0.len() as f64).ceil() as usize;
        self.0.get(at.saturating_sub(1).min(last)).map(|delay| delay.us() as f64 / 1000.0)
    }
}

/// A mean over samples.
#[derive(Debug, Default)]
pub(crate) struct Mean {
    sum_ms: f64,
    samples: f64,
}

impl Mean {
    fn add(&mut self, wait: Span, samples: usize) {
        self.sum_ms += wait.us() as f64 / 1000.0 * samples as f64;
        self.samples += samples as f64;
    }

    pub(crate) fn ms(&self) -> Option<f64> {
        (self.samples > 0.0).then(|| self.sum_ms / self.samples)
    }
}

/// Messages that are not as they should be.
#[derive(Debug, Default)]
pub(crate) struct Wrong {
    pub(crate) missing: usize,
    pub(crate) doubled: usize,
    /// Said by nobody in this call.
    pub(crate) invented: usize,
}

/// What a round came to.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Fragment handed out → chunk arrived, all chunks.
    pub(crate) chunks: Delays,
    /// The same, of the first chunk that each fragment releases.
    pub(crate) first: Delays,
    /// Final handed out → message arrived.
    pub(crate) posts: Delays,
    /// Fragment due → fragment handed out: the emulator's own delay, or that of a busy machine.
    pub(crate) late: Delays,
    /// From a sample's own time to its fragment.
    pub(crate) for_fragment: Mean,
    /// From a sample's fragment to that which releases its chunk.
    pub(crate) for_chunk: Mean,
    /// Calls with more than one session, or other audio than was played: their chunks are not measured.
    pub(crate) disturbed: usize,
    pub(crate) wrong: Wrong,
}

/// Works out the figures of everything that happened inside `window`.
pub(crate) fn of(stage: &Stage, calls: &[Call], window: (Time, Time)) -> Figures {
    let mut figures = Figures::default();
    let within = |at: Time| window.0 <= at && at < window.1;
    let kinesis = stage.kinesis.state();
    let delivered = delivered(kinesis.deliveries());
    let transcribe = stage.transcribe.state();
    let salesforce = stage.salesforce.state();
    let arrivals = by_text(salesforce.arrivals());
    let mut sessions = sessions(&transcribe.records(), calls);
    for (n, call) in calls.iter().enumerate() {
        let fragments = delivered.get(call.stream.as_str()).map(Vec::as_slice).unwrap_or_default();
        figures.late.0.extend(lateness(call, fragments).filter(|(at, _)| within(*at)).map(|(_, late)| late));
        let records = sessions.remove(&n).unwrap_or_default();
        match records.as_slice() {
            [one] if usize::try_from(one.frames) == Ok(call.samples()) => {
                figures.add_chunks(call, fragments, one, &within);
            }
            _ => figures.disturbed += 1,
        }
        for (at, text) in records.iter().flat_map(|r| &r.finals).filter(|(at, _)| within(*at)) {
            let arrival = arrivals.get(text.as_str()).and_then(|all| all.first());
            figures.posts.0.extend(arrival.map(|arrival| arrival.at - *at));
        }
        figures.judge(call, &arrivals);
    }
    let said: usize = calls.iter().map(|call| call.texts.len()).sum();
    let known = said - figures.wrong.missing + figures.wrong.doubled;
    figures.wrong.invented = salesforce.arrivals().len().saturating_sub(known);
    [&mut figures.chunks, &mut figures.first, &mut figures.posts, &mut figures.late]
        .into_iter()
        .for_each(Delays::sort);
    figures
}

impl Figures {
    fn add_chunks(
        &mut self,
        call: &Call,
        fragments: &[Option<Time>],
        record: &Record,
        within: &impl Fn(Time) -> bool,
    ) {
        let handed_out = |fragment: usize| fragments.get(fragment).copied().flatten();
        let (mut from, mut before) = (0, None);
        for (at, bytes) in &record.audio {
            let to = from + bytes / FRAME;
            let last = to.saturating_sub(1) / FRAGMENT_SAMPLES;
            let is_first = before.replace(last) != Some(last);
            if let Some(released) = handed_out(last).filter(|at| within(*at)) {
                self.chunks.0.push(*at - released);
                if is_first {
                    self.first.0.push(*at - released);
                }
                for (fragment, from, to) in parts(from, to) {
                    let Some(whole) = handed_out(fragment) else { continue };
                    let middle = call.start + samples((from + to) / 2);
                    self.for_fragment.add(whole - middle, to - from);
                    self.for_chunk.add(released - whole, to - from);
                }
            }
            from = to;
        }
    }

    /// Everything that was said must be in Salesforce, once, under the call's key.
    fn judge(&mut self, call: &Call, arrivals: &HashMap<&str, Vec<&Arrival>>) {
        for text in &call.texts {
            let found = arrivals.get(text.as_str()).map(Vec::as_slice).unwrap_or_default();
            match found.iter().filter(|a| a.key == call.contact && a.fate.stored()).count() {
                0 => self.wrong.missing += 1,
                more => self.wrong.doubled += more - 1,
            }
        }
    }
}

/// The fragments that samples from `from` to `to` lie in, with the samples of each.
fn parts(from: usize, to: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (from / FRAGMENT_SAMPLES..to.div_ceil(FRAGMENT_SAMPLES)).map(move |fragment| {
        let start = fragment * FRAGMENT_SAMPLES;
        (fragment, from.max(start), to.min(start + FRAGMENT_SAMPLES))
    })
}

fn samples(count: usize) -> Span {
    Span::from_samples(i64::try_from(count).unwrap_or(i64::MAX), RATE_HZ)
}

/// When each fragment of each stream was first handed out.
fn delivered(deliveries: &[Delivery]) -> HashMap<&str, Vec<Option<Time>>> {
    let mut streams: HashMap<&str, Vec<Option<Time>>> = HashMap::new();
    for delivery in deliveries {
        let fragments = streams.entry(&delivery.stream).or_default();
        if fragments.len() <= delivery.index {
            fragments.resize(delivery.index + 1, None);
        }
        fragments[delivery.index].get_or_insert(delivery.at);
    }
    streams
}

/// When each fragment was handed out, and how long after it was due.
fn lateness(call: &Call, fragments: &[Option<Time>]) -> impl Iterator<Item = (Time, Span)> {
    let ingestion = Options::default().ingestion;
    let due = move |fragment: usize| call.start + samples((fragment + 1) * FRAGMENT_SAMPLES) + ingestion;
    fragments.iter().enumerate().filter_map(move |(n, at)| at.map(|at| (at, at - due(n))))
}

/// The sessions of each call, known by what was said in them.
fn sessions<'a>(records: &[&'a Record], calls: &[Call]) -> HashMap<usize, Vec<&'a Record>> {
    let mut speaker = HashMap::new();
    for (n, call) in calls.iter().enumerate() {
        speaker.extend(call.texts.iter().map(|text| (text.as_str(), n)));
    }
    let mut sessions: HashMap<usize, Vec<&Record>> = HashMap::new();
    for record in records {
        let call = record.finals.iter().find_map(|(_, text)| speaker.get(text.as_str()));
        if let Some(call) = call {
            sessions.entry(*call).or_default().push(record);
        }
    }
    sessions
}

fn by_text(arrivals: &[Arrival]) -> HashMap<&str, Vec<&Arrival>> {
    let mut texts: HashMap<&str, Vec<&Arrival>> = HashMap::new();
    for arrival in arrivals {
        texts.entry(arrival.content.as_str()).or_default().push(arrival);
    }
    texts
}
