//! One seed, one life of a call: drawn with everything that can go wrong, lived in virtual time, judged by one
//! who knows every word said, by whom, when, and when nothing was to be heard.

mod draw;
mod judge;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use engine::call::{Outcome, Post, RetryCause};
use engine::time::Time;
use fixtures::Party;

use super::World;

/// One word as it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// By whom.
    pub party: Party,
    /// From when, milliseconds from the beginning of the call.
    pub at_ms: i64,
    /// What.
    pub word: String,
}

/// A time in which nothing was to be heard, milliseconds from the beginning of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// From when it was true.
    pub from_ms: i64,
    /// When the call heard of it.
    pub known_ms: i64,
    /// When the call heard that it was over.
    pub to_ms: i64,
}

/// What the world knows and the call does not.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    /// Every word of this call, in order of time.
    pub words: Vec<Said>,
    /// Every closed time.
    pub closed: Vec<Closed>,
    /// Words that another contact said on the same stream.
    pub foreign: Vec<String>,
    /// Faults drawn, by kind.
    pub faults: BTreeMap<&'static str, u64>,
}

/// What Salesforce has.
#[derive(Debug, Default)]
pub struct Shop {
    /// Messages stored, in order of arrival; more than one of an id where it does not deduplicate.
    pub stored: Vec<(Time, Post)>,
    /// Posts whose answer was lost although they were stored.
    pub ambiguous: u64,
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which: `P1` to `P7`.
    pub promise: &'static str,
    /// How.
    pub what: String,
}

/// What one seed came to.
#[derive(Debug)]
pub struct Verdict {
    /// Length of the call, milliseconds.
    pub duration_ms: i64,
    /// Faults that struck, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Promises broken.
    pub violations: Vec<Violation>,
    /// What was drawn and what came of it, for people: times in milliseconds from the beginning.
    pub story: Vec<String>,
}

/// Lives the call of this seed and judges it.
#[must_use]
pub fn live_and_judge(seed: u64) -> Verdict {
    let (mut world, truth, shop) = draw::draw(seed);
    world.run();
    let violations = judge::judge(&world, &truth, &shop.borrow());
    let duration_ms = world.summary.as_ref().map_or(0, |s| s.audio.duration_ms);
    let story = story(&world, &truth, &shop.borrow());
    Verdict { duration_ms, faults: truth.faults, violations, story }
}

fn story(world: &World, truth: &Truth, shop: &Shop) -> Vec<String> {
    let ms = |t: Time| (t - super::at(0)).ms();
    let mut lines: Vec<(i64, String)> = Vec::new();
    lines.extend(truth.words.iter().map(|w| (w.at_ms, format!("said by {:?}: {}", w.party, w.word))));
    lines.extend(truth.closed.iter().map(|c| (c.from_ms, format!("{c:?}"))));
    lines.extend(world.reports.iter().map(|(t, r)| (ms(*t), format!("{r:?}"))));
    lines.extend(shop.stored.iter().map(|(t, p)| {
        let message = &p.message;
        let start = ms(Time::from_ms(message.start_time));
        (ms(*t), format!("stored {} from {start}: {}", message.participant_id, message.content.0))
    }));
    let summary = world.summary.as_ref().map(|s| format!("{:?} ambiguous: {}", s.messages, shop.ambiguous));
    lines.push((i64::MAX, summary.unwrap_or_default()));
    lines.sort_by_key(|(t, _)| *t);
    lines.into_iter().map(|(t, line)| format!("{t:>7} {line}")).collect()
}

/// Salesforce as the worse reading has it: what arrives in a pause is acknowledged and thrown away.
fn salesforce(
    world: &mut World,
    shop: &Rc<RefCell<Shop>>,
    closed: Vec<Closed>,
    mut dice: fastrand::Rng,
    faults_end: Time,
    trouble: f64,
) {
    let shop = Rc::clone(shop);
    world.outcome = Box::new(move |now, post| {
        let at_ms = (now - super::at(0)).ms();
        let fault = now < faults_end && dice.f64() < trouble;
        let paused = closed.iter().any(|c| (c.from_ms..c.to_ms).contains(&at_ms));
        if fault {
            match dice.u32(0..5) {
                0 => return Outcome::Retry { cause: RetryCause::RateLimited },
                1 => return Outcome::Retry { cause: RetryCause::Server },
                2 => return Outcome::Retry { cause: RetryCause::NoConversation },
                3 if !paused => {
                    // Taken, and the answer is lost.
                    let mut shop = shop.borrow_mut();
                    shop.stored.push((now, post.clone()));
                    shop.ambiguous += 1;
                    return Outcome::Retry { cause: RetryCause::Network };
                }
                _ => return Outcome::Retry { cause: RetryCause::Network },
            }
        }
        if !paused {
            shop.borrow_mut().stored.push((now, post.clone()));
        }
        Outcome::Accepted
    });
}
