//! The calls that are played: both parties speak in turn, some 40 % of the time, and no two utterances of a
//! round begin with the same three words, so that each can be found again wherever it goes.

use std::io;

use engine::time::{Span, Time};
use fixtures::Party;
use fixtures::kinesis::{BLOCK_SAMPLES, BLOCKS_PER_FRAGMENT, FRAGMENT_MS, Shape};
use fixtures::noise::Lcg;
use fixtures::tone::{Script, VOCABULARY, WORD_MS};
use tests::emulators::LiveCall;
use tests::emulators::kinesis::Fragment;

/// Samples of each party in a fragment.
pub(crate) const FRAGMENT_SAMPLES: usize = BLOCK_SAMPLES * BLOCKS_PER_FRAGMENT;
/// Before the first word, and behind the last.
const EDGE_MS: u64 = 700;

/// One call.
pub(crate) struct Call {
    pub(crate) contact: String,
    pub(crate) stream: String,
    /// Time of its first sample.
    pub(crate) start: Time,
    pub(crate) fragments: Vec<Fragment>,
    /// What is said in it.
    pub(crate) texts: Vec<String>,
}

impl Call {
    /// Time behind its last sample.
    pub(crate) fn end(&self) -> Time {
        self.fragments.last().map_or(self.start, |f| f.producer + f.length)
    }

    /// Samples of each party.
    pub(crate) fn samples(&self) -> usize {
        self.fragments.len() * FRAGMENT_SAMPLES
    }
}

/// When the calls of a round begin, and how long all of them last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Calls at once.
    pub(crate) calls: usize,
    /// The first one begins.
    pub(crate) from: Time,
    /// From here to there the others begin.
    pub(crate) ramp: Span,
    /// All last at least until then.
    pub(crate) until: Time,
}

/// Makes the calls of a round.
pub(crate) fn generate(plan: Plan) -> io::Result<Vec<Call>> {
    let mut serial = 0;
    let of_call = |n| {
        let mut dice = Lcg::new(n as u64 + 1);
        let call = i64::try_from(n * 1000 / plan.calls).unwrap_or(0);
        // Their fragments must not come at the same instants.
        let phase = i64::from(dice.next_u16()) * FRAGMENT_MS / 65_536;
        let start = plan.from + Span::from_ms(plan.ramp.ms() * call / 1000 + phase);
        let fragments = ((plan.until - start).ms() / FRAGMENT_MS + 1).max(1);
        let length_ms = usize::try_from(fragments * FRAGMENT_MS).unwrap_or(0);
        let script = talk(&mut dice, &mut serial, length_ms as u64);
        let contact = format!("{n:08x}-2222-4333-8444-555555555555");
        let mut shape = Shape { contact_id: contact.clone(), ..Shape::default() };
        shape.segment_uuid[..8].copy_from_slice(&(n as u64).to_be_bytes());
        let pcm = script.render(length_ms).map_err(io::Error::other)?;
        let live = LiveCall::generated(&shape, &pcm, start)?;
        Ok(Call {
            stream: format!("arn:aws:kinesisvideo:eu-west-2:123456789012:stream/load-{n}/1571360000000"),
            contact,
            start: live.start,
            fragments: live.fragments,
            texts: script.lines.into_iter().map(|line| line.words).collect(),
        })
    };
    (0..plan.calls).map(of_call).collect()
}

/// Who says what when.
fn talk(dice: &mut Lcg, serial: &mut usize, length_ms: u64) -> Script {
    let mut script = Script::new();
    let mut at = EDGE_MS + u64::from(dice.next_u16()) * 2000 / 65_536;
    loop {
        let more = usize::from(dice.next_u16()) * 8 / 65_536;
        let spoken_ms = (3 + more as u64) * WORD_MS;
        if at + spoken_ms + EDGE_MS > length_ms {
            return script;
        }
        let mut words = number(*serial).to_vec();
        words.extend((0..more).map(|_| word(usize::from(dice.next_u16()))));
        *serial += 1;
        let party = if dice.next_u16() < 32_768 { Party::Customer } else { Party::Agent };
        script = script.say(party, at, &words.join(" "));
        // One and a half times as long a pause in the mean; never so short that two utterances become one.
        let pause_ms = spoken_ms * (50 + u64::from(dice.next_u16()) * 200 / 65_536) / 100;
        at += spoken_ms + pause_ms.max(800);
    }
}

fn word(n: usize) -> &'static str {
    VOCABULARY[n / 7 % 7][n % 7]
}

/// A number as three words.
fn number(n: usize) -> [&'static str; 3] {
    [word(n / 49 / 49 % 49), word(n / 49 % 49), word(n % 49)]
}
