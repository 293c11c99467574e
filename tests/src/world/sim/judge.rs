//! Whether the promises were kept. The judge knows the truth and looks only at what left the call.

use std::collections::BTreeMap;

use engine::recogniser::Party as Heard;
use engine::time::Span;
use fixtures::kinesis::START_EPOCH_MS;
use fixtures::tone::{BURST_MS, WORD_MS};

use super::{Closed, Said, Shop, Truth, Violation};
use crate::world::{World, at};

/// One block of audio, and the kit's own error.
const TOLERANCE_MS: i64 = 64 + 10;
/// So near the edge of a closed time a word may be heard in part: it is neither asked for nor forbidden.
const EDGE_MS: i64 = 300;
/// What was posted before its time was known to be closed is not posted again, whole utterance that it is.
const LATE_EDGE_MS: i64 = 2_000;

pub(super) fn judge(world: &World, truth: &Truth, shop: &Shop) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut broken = |promise, what: String| violations.push(Violation { promise, what });
    isolation(truth, shop, &mut broken);
    silence(world, truth, &mut broken);
    once(truth, shop, &mut broken);
    ids(shop, &mut broken);
    bounds(world, &mut broken);
    summary(world, shop, &mut broken);
    violations
}

type Broken<'a> = dyn FnMut(&'static str, String) + 'a;

/// P1: no word of another contact.
fn isolation(truth: &Truth, shop: &Shop, broken: &mut Broken<'_>) {
    for (_, post) in &shop.stored {
        let text = &post.message.content.0;
        if text.split_whitespace().any(|w| truth.foreign.iter().any(|f| f == w)) {
            broken("P1", format!("\"{text}\" was said by another contact"));
        }
    }
}

/// P2: no sample of a closed time leaves once it is known; no word of it is posted for the first time.
fn silence(world: &World, truth: &Truth, broken: &mut Broken<'_>) {
    for (left, chunk) in &world.chunks {
        let frames = chunk.pcm.chunks_exact(4).enumerate();
        let loud = frames.filter(|(_, f)| f.iter().any(|b| *b != 0)).map(|(n, _)| n);
        for n in loud {
            let sample = chunk.start + Span::from_samples(i64::try_from(n).unwrap_or(0), chunk.rate_hz);
            let escaped =
                |c: &&Closed| sample >= at(c.from_ms) && sample < at(c.to_ms) && *left > at(c.known_ms);
            if let Some(closed) = truth.closed.iter().find(escaped) {
                broken("P2", format!("sound of {} ms left although {closed:?}", (sample - at(0)).ms()));
                return;
            }
        }
    }
}

/// The words of what was stored, each id once, with the times at which they must have been said.
fn delivered(shop: &Shop) -> Vec<(Said, String)> {
    let mut seen = BTreeMap::new();
    for (_, post) in &shop.stored {
        seen.entry(post.message.message_id.clone()).or_insert(post);
    }
    let mut words = Vec::new();
    for (id, post) in seen {
        let customer = post.message.participant_id.ends_with("END_USER");
        let party = if customer { fixtures::Party::Customer } else { fixtures::Party::Agent };
        let start = post.message.start_time - START_EPOCH_MS;
        for (i, word) in post.message.content.0.split_whitespace().enumerate() {
            let at_ms = start + i64::try_from(i as u64 * WORD_MS).unwrap_or(0);
            words.push((Said { party, at_ms, word: word.to_owned() }, id.clone()));
        }
    }
    words
}

/// P3 and P4: every open word delivered once, at its time, by whom it was said; none invented.
fn once(truth: &Truth, shop: &Shop, broken: &mut Broken<'_>) {
    let mut delivered = delivered(shop);
    for said in &truth.words {
        let (from, to) = (said.at_ms, said.at_ms + i64::try_from(BURST_MS).unwrap_or(0));
        let near = |c: &Closed| {
            let edge = if c.known_ms > c.from_ms { LATE_EDGE_MS } else { EDGE_MS };
            from < c.to_ms + EDGE_MS && c.from_ms - edge < to
        };
        let inside = |c: &Closed| c.from_ms <= from && to <= c.to_ms;
        let matching = |(d, _): &(Said, String)| {
            d.party == said.party && d.word == said.word && (d.at_ms - said.at_ms).abs() <= TOLERANCE_MS
        };
        let found = delivered.iter().position(matching);
        match found {
            Some(index) => {
                let (_, id) = delivered.swap_remove(index);
                let first = shop.stored.iter().find(|(_, p)| p.message.message_id == id).map(|(t, _)| *t);
                let known = truth.closed.iter().find(|c| inside(c)).map(|c| at(c.known_ms));
                if known.zip(first).is_some_and(|(known, first)| first > known) {
                    broken("P2", format!("{said:?} was posted although it was known to be closed"));
                }
            }
            None if truth.closed.iter().any(near) => {}
            None => broken("P3", format!("{said:?} was not delivered")),
        }
    }
    for (said, _) in delivered {
        broken("P3", format!("{said:?} was delivered and not said then, or twice"));
    }
}

/// P3: one text under one id; in a Salesforce that does not deduplicate, no more doubles than were reported.
fn ids(shop: &Shop, broken: &mut Broken<'_>) {
    let mut texts = BTreeMap::new();
    for (_, post) in &shop.stored {
        let message = &post.message;
        let text = texts.entry(&message.message_id).or_insert(&message.content.0);
        if *text != &message.content.0 {
            broken("P3", format!("{} has two texts", message.message_id));
        }
    }
}

/// P6: what is held for a session that may fail is bounded.
fn bounds(world: &World, broken: &mut Broken<'_>) {
    if world.call.replay_bytes() > 90 * 32_000 + 3_200 {
        broken("P6", format!("{} bytes of replay", world.call.replay_bytes()));
    }
}

/// P7: the summary says what happened.
fn summary(world: &World, shop: &Shop, broken: &mut Broken<'_>) {
    let Some(summary) = &world.summary else {
        broken("P7", "there is no summary".to_owned());
        return;
    };
    let messages = &summary.messages;
    if !messages.undelivered.is_empty() {
        broken("P3", format!("{} messages are left over", messages.undelivered.len()));
    }
    let mut times: BTreeMap<&String, u64> = BTreeMap::new();
    for (_, post) in &shop.stored {
        *times.entry(&post.message.message_id).or_default() += 1;
    }
    let doubles: u64 = times.values().map(|n| n - 1).sum();
    let reported = messages.resent + shop.ambiguous;
    if doubles > reported {
        broken("P7", format!("{doubles} doubles, {reported} reported"));
    }
    let heard = |party: Heard| world.chunks.iter().flat_map(move |(_, c)| c.party(party)).any(|s| s != 0);
    if summary.start_time.is_none() && (heard(Heard::Customer) || heard(Heard::Agent)) {
        broken("P7", "sound left the call, and the summary knows of none".to_owned());
    }
}
