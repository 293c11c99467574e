//! One seed, one life of a call: drawn with everything that can go wrong, lived in virtual time, judged by one
//! who knows every word said, by whom, when, and when nothing was to be heard.
//!
//! Read it in this order: [`plan`](self) says what is drawn, `draw` and `telephone` draw it; `kinesis`, `ears` and
//! `shop` are the services; `life` lets it happen; `oracle` judges each output as it comes, `judge` the whole.

mod draw;
mod ears;
mod gates;
mod judge;
mod kinesis;
mod life;
mod oracle;
mod plan;
mod ranges;
mod seeds;
mod shop;
mod sound;
mod tally;
mod telephone;

use std::collections::BTreeMap;

pub use draw::VERSION;
pub use seeds::REGRESSIONS;

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which: `P1` to `P7`.
    pub promise: &'static str,
    /// How.
    pub what: String,
}

/// What one seed came to.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Length of the call, milliseconds.
    pub duration_ms: i64,
    /// Words that were said.
    pub words: u64,
    /// Those of them that did not arrive, by the reason.
    pub missing: BTreeMap<&'static str, u64>,
    /// Faults that struck, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Promises broken; the first of them.
    pub violations: Vec<Violation>,
    /// Further violations.
    pub more: usize,
    /// What happened, for people: times in milliseconds from the beginning. Empty unless asked for.
    pub story: Vec<String>,
}

/// Lives the call of this seed and judges it; with its story if `tell`.
#[must_use]
pub fn live_and_judge(seed: u64, tell: bool) -> Verdict {
    let plan = draw::draw(seed);
    let mut life = life::Life::new(&plan, tell);
    life.run();
    judge::judge(&mut life);
    let mut faults = std::mem::take(&mut life.tally.faults);
    for (kind, n) in &life.shop.struck {
        *faults.entry(kind).or_default() += n;
    }
    let story = story(&plan, &mut life);
    Verdict {
        duration_ms: plan.end_ms,
        words: plan.words.iter().map(|w| w.len() as u64).sum(),
        faults,
        missing: std::mem::take(&mut life.tally.missing),
        more: life.oracle.more,
        violations: std::mem::take(&mut life.oracle.violations),
        story,
    }
}

fn story(plan: &plan::Plan, life: &mut life::Life<'_>) -> Vec<String> {
    let Some(mut lines) = life.story.take() else { return Vec::new() };
    for (party, words) in plan.words.iter().enumerate() {
        lines.extend(words.iter().map(|w| (w.at_ms, format!("  {party} says {}", w.text()))));
    }
    let ms = |t: engine::time::Time| (t - super::at(0)).ms().min(i64::from(u32::MAX));
    lines.extend(plan.shop.paused.iter().map(|(f, t)| (ms(*f), format!("paused until {}", ms(*t)))));
    lines.extend(life.oracle.known.closed.iter().map(|(f, t)| (ms(*f), format!("closed until {}", ms(*t)))));
    lines.extend(life.oracle.exposed().iter().map(|(f, t)| (ms(f), format!("exposed until {}", ms(t)))));
    lines.extend(
        plan.kinesis.legs.iter().map(|l| (i64::MIN, format!("leg {} foreign: {}", l.contact, l.foreign))),
    );
    lines.sort_by_key(|(at, _)| *at);
    let mut story: Vec<String> = lines.into_iter().map(|(at, line)| format!("{at:>8} {line}")).collect();
    story.push(format!("{:#?}", life.summary));
    story
}
