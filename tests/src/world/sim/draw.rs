//! A seed becomes a call and its troubles.
//!
//! Whoever changes what is drawn changes what every seed means: [`VERSION`] counts that.

use std::collections::BTreeMap;

use engine::call::{Ambiguous, Config, MediaSegment, OnDoubt};
use engine::recogniser::RecogniserCause;
use engine::time::{Span, Time};
use fixtures::kinesis::{BLOCK_MS, CONTACT_ID, FOREIGN_CONTACT_ID};

use super::kinesis::{Fragment, Identity, Kinesis, Leg, Order, Stream};
use super::plan::{Blow, Death, Links, Plan};
use super::shop::Trouble;
use super::sound::{BURST, Said, WORD};
use super::{ears, shop, telephone};
use crate::world::{at, live};

/// Counts the changes of what a seed means.
pub const VERSION: u32 = 3;

/// First contact of the chain where the call is a later leg of it.
pub(super) const FIRST_CONTACT_ID: &str = "aaaaaaaa-2222-4333-8444-555555555555";

/// Blocks of a whole fragment.
const BLOCKS: u16 = 17;

pub(super) type Dice = fastrand::Rng;

/// True once in `n`.
pub(super) fn one_in(dice: &mut Dice, n: u32) -> bool {
    dice.u32(0..n) == 0
}

pub(super) fn draw(seed: u64) -> Plan {
    let mut dice = Dice::with_seed(seed ^ 0x6b76_7363_7269_6265);
    let end_ms = duration_ms(&mut dice);
    let mut faults = BTreeMap::new();
    let tracks = match dice.u8(0..10) {
        0 => [true, false],
        1 => [false, true],
        _ => [true, true],
    };
    let (kinesis, turns, segments) = stored(&mut dice, end_ms, tracks, &mut faults);
    let bounds: Vec<i64> = turns.iter().map(|t| t.from_ms).collect();
    let words = [0, 1].map(|p| if tracks[p] { talk(&mut dice, end_ms, &bounds) } else { Vec::new() });
    let consults = turns.iter().filter(|t| t.consult).map(|t| (t.from_ms, t.to_ms, t.contact.clone()));
    let consults: Vec<_> = consults.collect();
    let (telephone, notices) = telephone::draw(&mut dice, end_ms, consults.is_empty(), &mut faults);
    let faults_end_ms = end_ms + 5_000;
    let mut config = config(&mut dice, end_ms);
    let first_known = dice.bool();
    if let Some(live) = &mut config.live {
        live.resolve_key = first_known;
    }
    let later_leg = first_known && dice.bool();
    let key = if later_leg { FIRST_CONTACT_ID } else { CONTACT_ID }.to_owned();
    let mut over = Vec::new();
    if one_in(&mut dice, 4) {
        for turn in &turns {
            let last = turns.iter().filter(|t| t.contact == turn.contact).map(|t| t.to_ms).max();
            over.push((last.unwrap_or(end_ms) + dice.i64(0..4_000), turn.contact.clone()));
        }
        over.dedup();
    }
    let begin_ms = if one_in(&mut dice, 6) {
        *faults.entry("late start").or_default() += 1;
        dice.i64(0..(end_ms / 2).min(60_000))
    } else {
        dice.i64(-1500..1500)
    };
    let minutes = end_ms as f64 / 60_000.0;
    let mut unanswered = Vec::new();
    if one_in(&mut dice, 3) {
        unanswered.push(FOREIGN_CONTACT_ID.to_owned());
    }
    let deaths = deaths(&mut dice, minutes, end_ms);
    config.store = !deaths.is_empty() || one_in(&mut dice, 4);
    if one_in(&mut dice, 3) {
        config.on_doubt = OnDoubt::Open;
    }
    if config.store && one_in(&mut dice, 4) {
        config.ambiguous = Ambiguous::Drop;
    }
    let mut clock = Vec::new();
    if one_in(&mut dice, 6) {
        for _ in 0..dice.usize(1..4) {
            let most = *dice.choice([800, 30_000, 3_600_000].iter()).unwrap_or(&800);
            clock.push((dice.i64(-1_500..end_ms), dice.i64(-most..most)));
        }
        clock.sort_unstable();
    }
    let once = config.ambiguous == Ambiguous::Drop;
    let audio_end_ms = kinesis.audio_end_ms().map_or(end_ms, |ms| ms.min(end_ms));
    Plan {
        seed,
        clock,
        listens: dice.bool(),
        store: (
            if dice.bool() { 60 } else { dice.i64(60..3_000) },
            if dice.bool() { 0 } else { dice.u32(0..30) },
        ),
        deaths,
        end_ms,
        faults_end_ms,
        begin_ms,
        config,
        words,
        kinesis,
        consults,
        key,
        links: links(&mut dice),
        blows: blows(&mut dice, minutes, faults_end_ms),
        full: windows(&mut dice, minutes / 20.0, end_ms, 40_000),
        shop: shop_manner(&mut dice, &telephone, minutes, [audio_end_ms, end_ms], once),
        notices,
        segments,
        over,
        unanswered,
        resolve_ms: dice.i64(1..4_000),
        ears: ears::Manner {
            pause: Span::from_ms(dice.i64(300..800)),
            error_ms: if one_in(&mut dice, 3) { 400 } else { 20 },
            partials: !one_in(&mut dice, 4),
            ready_ms: dice.i64(1..800),
            late_ms: dice.i64(1..2_000),
        },
        faults,
    }
}

/// Most calls are short, some take minutes, a few take hours.
fn duration_ms(dice: &mut Dice) -> i64 {
    match dice.u32(0..100) {
        0..60 => dice.i64(10_000..180_000),
        60..85 => dice.i64(180_000..900_000),
        85..95 => dice.i64(900_000..3_600_000),
        95..99 => dice.i64(3_600_000..10_800_000),
        _ => dice.i64(10_800_000..18_000_000),
    }
}

fn config(dice: &mut Dice, end_ms: i64) -> Config {
    let mut config = live();
    if let Some(policy) = &mut config.live {
        policy.idle_end = Span::from_s(dice.i64(120..240));
        if one_in(dice, 4) {
            policy.rotate_after = Span::from_s(dice.i64(5..120));
            policy.rotate_at_last = policy.rotate_after + Span::from_s(dice.i64(10..600));
        }
        if one_in(dice, 8) {
            policy.close_session_after = None;
        }
        if one_in(dice, 8) {
            policy.catch_up_percent = 120 + dice.u32(0..200);
        }
        if one_in(dice, 8) && end_ms > 600_000 {
            policy.replay = Span::from_s(120);
        }
    }
    config.chunk = Span::from_ms(*dice.choice([50, 100, 100, 100, 200].iter()).unwrap_or(&100));
    config
}

/// Who the audio belongs to from when to when.
struct Turn {
    from_ms: i64,
    to_ms: i64,
    contact: String,
    consult: bool,
}

/// The call's media: its legs one after another, on one stream or two, and strangers before and behind.
fn stored(
    dice: &mut Dice,
    end_ms: i64,
    tracks: [bool; 2],
    faults: &mut BTreeMap<&'static str, u64>,
) -> (Kinesis, Vec<Turn>, Vec<(i64, MediaSegment)>) {
    let mut legs: Vec<Leg> = Vec::new();
    let mut turns = Vec::new();
    let stranger = |legs: &mut Vec<Leg>| {
        legs.push(Leg::new(FOREIGN_CONTACT_ID, 200 + legs.len() as u8, tracks, true));
        legs.len() - 1
    };
    let mut serial = dice.u64(0..1000);
    let mut stream = Writer { fragments: Vec::new(), ingest_ms: dice.i64(80..600) };
    if one_in(dice, 3) {
        let leg = stranger(&mut legs);
        let last = if dice.bool() { -500 } else { dice.i64(-20_000..-3_000) };
        let first = last - dice.i64(2_000..30_000);
        stream.run(dice, leg, first, last, &mut serial, None);
    }
    let mut cuts: Vec<i64> = Vec::new();
    if end_ms > 30_000 && one_in(dice, 4) {
        cuts = (0..dice.usize(1..4)).map(|_| dice.i64(10_000..end_ms - 10_000)).collect();
        cuts.sort_unstable();
        cuts.dedup_by(|b, a| *b - *a < 8_000);
    }
    let second_stream = !cuts.is_empty() && one_in(dice, 3);
    let consults = !second_stream && one_in(dice, 3);
    let mut streams = Vec::new();
    let mut segments = Vec::new();
    let mut from = 0;
    for (i, to) in cuts.iter().copied().chain([end_ms]).enumerate() {
        let consult = consults && i % 2 == 1 && to < end_ms;
        let contact = match (i, consult, consults) {
            (0, ..) => CONTACT_ID.to_owned(),
            (_, true, _) => format!("{i}0000000-cccc-4333-8444-555555555555"),
            // Behind a consult the call itself goes on.
            (_, false, true) => CONTACT_ID.to_owned(),
            _ => format!("{i}0000000-aaaa-4333-8444-555555555555"),
        };
        legs.push(Leg::new(&contact, i as u8 + 1, tracks, false));
        let leg = legs.len() - 1;
        let end = stream.run(dice, leg, from, to, &mut serial, Some(faults));
        turns.push(Turn { from_ms: from, to_ms: end, contact, consult });
        from = end + if one_in(dice, 3) { 0 } else { dice.i64(64..2_500) };
        if second_stream && i == 0 && to < end_ms {
            // A gap may be the last of it. The call waits for what follows from the end of its audio on.
            let end = stream.fragments.last().map_or(end, |last| last.end_ms().min(end));
            if dice.bool() {
                stream.stop(leg, &mut serial);
            }
            if dice.bool() {
                let leg = stranger(&mut legs);
                let begin = end + dice.i64(2_000..20_000);
                stream.run(dice, leg, begin, begin + 6_000, &mut serial, None);
            }
            from = end + dice.i64(500..6_000);
            let ingest_ms = stream.ingest_ms;
            let fragments =
                std::mem::replace(&mut stream, Writer { fragments: Vec::new(), ingest_ms }).fragments;
            streams.push(Stream { arn: "arn:one".into(), fragments });
            let segment = MediaSegment::new("arn:two", Some(at(from)), None);
            segments.push((from + dice.i64(-400..3_000), segment));
        }
    }
    let leg = turns.len() - 1 + legs.iter().take_while(|l| l.foreign).count();
    let leg = leg.min(legs.len() - 1);
    if one_in(dice, 3) && !legs[leg].foreign {
        stream.stop(leg, &mut serial);
    }
    if dice.bool() {
        let leg = stranger(&mut legs);
        let begin = stream.fragments.last().map_or(0, Fragment::end_ms) + dice.i64(2_000..20_000);
        let end = begin + dice.i64(2_000..20_000);
        stream.run(dice, leg, begin, end, &mut serial, None);
    }
    let arn = if streams.is_empty() { "arn:one" } else { "arn:two" };
    streams.push(Stream { arn: arn.into(), fragments: stream.fragments });
    (Kinesis { legs, streams, tracks }, turns, segments)
}

/// Puts fragments behind each other.
struct Writer {
    fragments: Vec<Fragment>,
    ingest_ms: i64,
}

impl Writer {
    /// A leg's fragments; faults only where they are counted. Returns where its audio ends.
    fn run(
        &mut self,
        dice: &mut Dice,
        leg: usize,
        from_ms: i64,
        to_ms: i64,
        serial: &mut u64,
        faults: Option<&mut BTreeMap<&'static str, u64>>,
    ) -> i64 {
        let faulty = faults.is_some();
        let mut count: BTreeMap<&'static str, u64> = BTreeMap::new();
        let mut strike = |kind: &'static str| *count.entry(kind).or_default() += 1;
        let rate = if faulty { *dice.choice([0, 200, 400, 1_000].iter()).unwrap_or(&0) } else { 0 };
        let rare = |dice: &mut Dice, part: u32| rate > 0 && one_in(dice, rate * part / 10 + 1);
        let (mut start, mut nameless, mut first, mut late_until) = (from_ms, 0, true, i64::MIN);
        let order =
            *dice.choice([Order::Alternating, Order::AgentFirst].iter()).unwrap_or(&Order::Alternating);
        while start < to_ms {
            *serial += 1 + u64::from(one_in(dice, 20));
            let mut blocks = BLOCKS;
            if rare(dice, 10) {
                blocks = dice.u16(1..BLOCKS);
                strike("media: short fragment");
            }
            let left = u16::try_from(((to_ms - start) / BLOCK_MS).max(1)).unwrap_or(u16::MAX);
            let mut fragment = Fragment {
                at_ms: 0,
                start_ms: start,
                blocks: blocks.min(left),
                leg,
                serial: *serial,
                order: if one_in(dice, 30) { Order::OneAfterTheOther } else { order },
                identity: if one_in(dice, 3) { Identity::After } else { Identity::Before },
                stop: false,
            };
            start = fragment.end_ms();
            if !first && rare(dice, 15) {
                strike("media: gap");
                // Mostly one fragment is missing, at times seconds are.
                let missing = if one_in(dice, 6) { dice.i64(2_000..20_000) } else { 0 };
                start += missing / BLOCK_MS * BLOCK_MS;
                continue;
            }
            if (first || nameless > 0 || rare(dice, 4)) && nameless < 2 && faulty && dice.u8(0..3) == 0 {
                nameless += 1;
                strike("media: identity missing");
                fragment.identity = if one_in(dice, 3) { Identity::Tagless } else { Identity::Missing };
            } else {
                nameless = 0;
                first = false;
            }
            if rare(dice, 25) {
                strike("media: late");
                late_until = start + dice.i64(2_000..15_000);
            }
            let before = self.fragments.last().map_or(i64::MIN, |f| f.at_ms);
            let late = late_until.min(start + 15_000);
            fragment.at_ms = (start + self.ingest_ms + dice.i64(0..120)).max(before).max(late);
            self.fragments.push(fragment);
        }
        if let Some(faults) = faults {
            for (kind, n) in count {
                *faults.entry(kind).or_default() += n;
            }
        }
        start
    }

    /// The end of streaming is announced behind the audio.
    fn stop(&mut self, leg: usize, serial: &mut u64) {
        let Some(last) = self.fragments.last() else { return };
        *serial += 1;
        let start_ms = last.end_ms();
        self.fragments.push(Fragment {
            at_ms: last.at_ms + 300,
            start_ms,
            blocks: 2,
            leg,
            serial: *serial,
            order: Order::Alternating,
            identity: Identity::Before,
            stop: true,
        });
    }
}

/// One party talks, between pauses of 0.9 s and more; no utterance spans a change of contact.
fn talk(dice: &mut Dice, end_ms: i64, bounds: &[i64]) -> Vec<Said> {
    let mut words: Vec<Said> = Vec::new();
    let brisk = dice.bool();
    let mut at_ms = dice.i64(300..2_500);
    // A party may say nothing for up to an hour.
    let silent = end_ms > 240_000 && one_in(dice, 5);
    let length = dice.i64(end_ms / 8..=(end_ms / 4)).min(3_600_000);
    let silence_from = dice.i64(0..end_ms);
    loop {
        let count = match dice.u8(0..10) {
            0 | 1 => 1,
            2..8 => dice.i64(2..8),
            _ => dice.i64(8..13),
        };
        let end = at_ms + count * WORD;
        if let Some(bound) = bounds.iter().find(|b| **b - 1_500 < end && at_ms < **b + 1_500 && **b > 0) {
            at_ms = bound + 1_500 + dice.i64(0..400);
            continue;
        }
        if end + 700 > end_ms {
            return words;
        }
        for i in 0..count {
            // No word twice within a few seconds, so that it is known which one was heard.
            let lately = &words[words.len().saturating_sub(24)..];
            let word = loop {
                let word = dice.u8(0..49);
                if lately.iter().all(|w| w.word != word) {
                    break word;
                }
            };
            words.push(Said { at_ms: at_ms + i * WORD, word });
        }
        at_ms = end - WORD + BURST + dice.i64(900..if brisk || silent { 2_400 } else { 4_400 });
        if silent && at_ms > silence_from && at_ms < silence_from + length {
            at_ms = silence_from + length;
        }
    }
}

fn links(dice: &mut Dice) -> Links {
    Links {
        life: *dice.choice([None, Some(30), Some(60), Some(150), Some(400)].iter()).unwrap_or(&None),
        refused: *dice.choice([0.0, 0.1, 0.4].iter()).unwrap_or(&0.0),
        repeats: *dice.choice([0.0, 0.0, 0.3].iter()).unwrap_or(&0.0),
        pieces: *dice.choice([0, 0, 16_384, 4_096].iter()).unwrap_or(&0),
        connect_ms: dice.i64(5..900),
    }
}

/// Stretches drawn over a call: `mean` of them, each up to `longest_ms`.
fn windows(dice: &mut Dice, mean: f64, end_ms: i64, longest_ms: i64) -> Vec<(i64, i64)> {
    let count = (mean + dice.f64()) as usize;
    let mut all: Vec<(i64, i64)> = (0..count)
        .map(|_| {
            let from = dice.i64(0..end_ms);
            (from, (from + dice.i64(1_000..longest_ms)).min(end_ms + 5_000))
        })
        .collect();
    all.sort_unstable();
    all
}

fn blows(dice: &mut Dice, minutes: f64, faults_end_ms: i64) -> Vec<(i64, Blow)> {
    use RecogniserCause::{Conflict, Connection, EndedEarly, Internal, Limit, Stalled, Unavailable};
    let rate = *dice.choice([0.0, 0.1, 0.3, 0.6, 1.5].iter()).unwrap_or(&0.0);
    let mut blows: Vec<(i64, Blow)> = (0..(minutes * rate + dice.f64() * 2.0) as usize)
        .map(|_| {
            // At any moment, also behind the end of the audio, while the call ends.
            let at_ms = dice.i64(0..faults_end_ms);
            let causes = [Limit, Connection, EndedEarly, Internal, Unavailable, Conflict, Stalled];
            let cause = causes[dice.usize(..causes.len())];
            let deaf = one_in(dice, 6);
            (at_ms, if deaf { Blow::Deaf(dice.i64(3_000..30_000)) } else { Blow::Fails(cause) })
        })
        .collect();
    for _ in 0..if rate > 0.0 { dice.usize(0..3) } else { 0 } {
        blows.push((faults_end_ms - dice.i64(0..8_000), Blow::Fails(Connection)));
    }
    blows.sort_by_key(|(at, _)| *at);
    blows
}

/// Workers die in one of three calls, in some of them again and again, also while they are coming back.
fn deaths(dice: &mut Dice, minutes: f64, end_ms: i64) -> Vec<Death> {
    if !one_in(dice, 3) {
        return Vec::new();
    }
    let rate = *dice.choice([0.05, 0.2, 1.0].iter()).unwrap_or(&0.2);
    let longest = *dice.choice([3_000, 20_000, 100_000].iter()).unwrap_or(&3_000);
    let mut deaths: Vec<Death> = (0..1 + (minutes * rate * 2.0 * dice.f64()) as usize)
        .map(|_| Death {
            at_ms: dice.i64(-500..end_ms + 5_000),
            outputs: if one_in(dice, 4) { dice.u32(0..4) } else { dice.u32(0..60) },
            behind: dice.bool(),
            lease: one_in(dice, 4),
            absent_ms: dice.i64(50..longest),
            stored: dice.bool(),
        })
        .collect();
    deaths.sort_by_key(|d| d.at_ms);
    deaths
}

fn shop_manner(
    dice: &mut Dice,
    telephone: &[(i64, engine::call::TelephonyEvent)],
    minutes: f64,
    [audio_end_ms, end_ms]: [i64; 2],
    once: bool,
) -> shop::Manner {
    let events: Vec<_> = telephone.iter().map(|(ms, e)| (at(*ms), e.clone())).collect();
    let kinds = [Trouble::Outage, Trouble::Limit, Trouble::Server, Trouble::NoConversation];
    let often = *dice.choice([0.0, 0.05, 0.2].iter()).unwrap_or(&0.0);
    let longest = if end_ms > 900_000 { 240_000 } else { 45_000 };
    let mut windows: Vec<(Time, Time, Trouble)> = windows(dice, minutes * often, end_ms, longest)
        .into_iter()
        .map(|(from, to)| (at(from), at(to), kinds[dice.usize(..kinds.len())]))
        .collect();
    if one_in(dice, 6) {
        // Records can appear late.
        windows.push((at(-100_000), at(dice.i64(3_000..60_000).min(end_ms)), Trouble::NoConversation));
    }
    shop::Manner {
        deduplicates: dice.bool(),
        // Where nothing may stand there twice, an answer is taken at its word.
        fails_behind: !once,
        says_paused: one_in(dice, 3),
        windows,
        trouble: *dice.choice([0.0, 0.03, 0.1, 0.4].iter()).unwrap_or(&0.0),
        faults_end: at(end_ms + 5_000),
        // The pause of a call that is over is over.
        paused: super::gates::truth(&events, at(audio_end_ms + 1_000)),
        answer_ms: dice.i64(1..400),
    }
}
