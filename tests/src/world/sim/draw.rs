//! A seed becomes a call and its troubles.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use engine::call::{EventKind, MediaAction, MediaCause, MediaError, TelephonyEvent};
use engine::recogniser::{Action, RecogniserCause, RecogniserError};
use engine::time::Span;
use fixtures::Party;
use fixtures::kinesis::{FRAGMENT_MS, Shape};
use fixtures::tone::{Script, VOCABULARY, WORD_MS};

use super::{Closed, Said, Shop, Truth, salesforce};
use crate::world::{Cut, Outside, World, at, live, stored};

/// What another contact says on the same stream; nobody else ever says it.
const FOREIGN: &str = "zero";

pub(super) fn draw(seed: u64) -> (World, Truth, Rc<RefCell<Shop>>) {
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut truth = Truth { foreign: vec![FOREIGN.to_owned()], ..Truth::default() };
    let seconds = *dice.choice([10, 20, 40, 60, 90, 150].iter()).unwrap_or(&30);
    let script = talk(&mut dice, seconds, &mut truth);
    let mut fragments = stored(&Shape::default(), &script, seconds * 1000);
    // The stream is reused: another call a few seconds later.
    if dice.bool() {
        let serial = 10_000;
        let after = i64::try_from(seconds).unwrap_or(0) * 1000 + dice.i64(2_000..20_000);
        let mut other = Shape { first_serial: serial, ..Shape::foreign() };
        other.start_ms += after;
        let word = Script::new().say(Party::Customer, 500, FOREIGN).say(Party::Agent, 2_000, FOREIGN);
        fragments.extend(stored(&other, &word, 6_000));
    }
    let mut config = live();
    if let Some(policy) = &mut config.live {
        policy.idle_end = Span::from_s(dice.i64(40..90));
        if dice.u8(0..4) == 0 {
            policy.rotate_after = Span::from_s(dice.i64(5..40));
            policy.rotate_at_last = policy.rotate_after + Span::from_s(600);
        }
    }
    let mut world = World::with_seed(config, fragments, seed);
    if dice.u8(0..5) == 0 {
        world.now = at(dice.i64(0..i64::try_from(seconds).unwrap_or(1) * 500));
        *truth.faults.entry("late start").or_default() += 1;
    }
    world.ready_after = Span::from_ms(dice.i64(0..600));
    world.answer_after = Span::from_ms(dice.i64(0..400));
    world.result_after = Span::from_ms(dice.i64(0..1500));
    let end_ms = i64::try_from(seconds).unwrap_or(0) * 1000;
    cuts(&mut dice, &mut world, &mut truth, end_ms);
    failures(&mut dice, &mut world, &mut truth, end_ms);
    gates(&mut dice, &mut world, &mut truth, end_ms);
    let shop = Rc::new(RefCell::new(Shop::default()));
    let trouble = *dice.choice([0.0, 0.1, 0.4].iter()).unwrap_or(&0.0);
    *truth.faults.entry("posts in trouble, percent").or_default() += (trouble * 100.0) as u64;
    let faults_end = at(end_ms + 20_000);
    let closed = truth.closed.clone();
    salesforce(&mut world, &shop, closed, fastrand::Rng::with_seed(seed ^ 0x5a5a), faults_end, trouble);
    (world, truth, shop)
}

/// Both parties talk, at times over each other. Between two utterances of one lie at least 900 ms.
fn talk(dice: &mut fastrand::Rng, seconds: usize, truth: &mut Truth) -> Script {
    let words: Vec<&str> = VOCABULARY.iter().flatten().copied().filter(|w| *w != FOREIGN).collect();
    let mut script = Script::new();
    for party in [Party::Customer, Party::Agent] {
        if dice.u8(0..8) == 0 {
            continue;
        }
        let mut at_ms = dice.u64(300..3_000);
        while at_ms + 3_000 < seconds as u64 * 1000 {
            let count = dice.usize(1..7);
            let said: Vec<&str> = (0..count).map(|_| words[dice.usize(..words.len())]).collect();
            script = script.say(party, at_ms, &said.join(" "));
            for (i, word) in said.iter().enumerate() {
                let at_ms = i64::try_from(at_ms + i as u64 * WORD_MS).unwrap_or(0);
                truth.words.push(Said { party, at_ms, word: (*word).to_owned() });
            }
            at_ms += count as u64 * WORD_MS + dice.u64(900..4_000);
        }
    }
    script
}

/// What happens to connections.
fn cuts(dice: &mut fastrand::Rng, world: &mut World, truth: &mut Truth, end_ms: i64) {
    let error = |id: &str| Shape {
        more_tags: vec![
            ("AWS_KINESISVIDEO_ERROR_ID".into(), id.into()),
            ("AWS_KINESISVIDEO_ERROR_CODE".into(), "as drawn".into()),
        ],
        ..Shape::default()
    };
    let noise: Bytes = (0..3000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 | 1).collect();
    let many = dice.usize(0..6);
    for _ in 0..many {
        let fragments = usize::try_from(end_ms / FRAGMENT_MS).unwrap_or(1).max(2);
        let after = dice.usize(0..fragments / 2 + 1);
        let refuse = |cause| Cut::Refuse(MediaError::new(cause, MediaAction::Retry, "as drawn"));
        let (name, cut) = match dice.u8(0..8) {
            0 => ("end of stream", Cut::End(after)),
            1 => ("reset", Cut::Break(after)),
            2 => ("stall", Cut::Stall(after)),
            3 => ("garbage", Cut::Garbage(after, noise.clone())),
            4 => {
                let document = stored(&error("5000"), &Script::new(), 100)[0].bytes.clone();
                ("in-band error", Cut::Garbage(after, document))
            }
            5 => ("connection refused", refuse(MediaCause::Connection)),
            6 => ("connection limit", refuse(MediaCause::Limit)),
            _ => ("service error", refuse(MediaCause::Service)),
        };
        *truth.faults.entry(name).or_default() += 1;
        world.cuts.push(cut);
    }
}

/// What happens to sessions.
fn failures(dice: &mut fastrand::Rng, world: &mut World, truth: &mut Truth, end_ms: i64) {
    for _ in 0..dice.usize(0..5) {
        let causes = [
            ("session limit", RecogniserCause::Limit),
            ("session reset", RecogniserCause::Connection),
            ("session error", RecogniserCause::Internal),
            ("session ended early", RecogniserCause::EndedEarly),
        ];
        let (name, cause) = causes[dice.usize(..causes.len())];
        let error = RecogniserError::new(cause, Action::Retry, "as drawn");
        *truth.faults.entry(name).or_default() += 1;
        world.outside.push((at(dice.i64(0..end_ms + 5_000)), Outside::Fail(error)));
    }
}

/// Hold and pause, one after another; some events come late, some twice.
fn gates(dice: &mut fastrand::Rng, world: &mut World, truth: &mut Truth, end_ms: i64) {
    let mut from_ms = dice.i64(2_000..20_000);
    while dice.u8(0..3) > 0 && from_ms + 8_000 < end_ms {
        let to_ms = from_ms + dice.i64(1_500..20_000);
        let (close, open) = if dice.bool() {
            (EventKind::Hold, EventKind::Resume)
        } else {
            (EventKind::PauseRecording, EventKind::ResumeRecording)
        };
        let late = if dice.u8(0..4) == 0 { dice.i64(0..4_000) } else { 0 };
        let later = if dice.u8(0..4) == 0 { dice.i64(0..2_000) } else { 0 };
        let known_ms = from_ms + late;
        let closed = Closed { from_ms, known_ms, to_ms: (to_ms + later).max(known_ms + 1) };
        if late > 0 {
            *truth.faults.entry("closing event late").or_default() += 1;
        }
        let event = |kind: &EventKind, ms| TelephonyEvent::new(kind.clone(), Some(at(ms))).participant("c");
        world.event(known_ms, event(&close, from_ms));
        if dice.u8(0..5) == 0 {
            *truth.faults.entry("event twice").or_default() += 1;
            world.event(known_ms + 5, event(&close, from_ms));
        }
        world.event(closed.to_ms, event(&open, to_ms));
        truth.closed.push(closed);
        from_ms = closed.to_ms + dice.i64(3_000..25_000);
    }
}
