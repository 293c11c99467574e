//! The last judgement of a call: what of all that was said arrived, and whether the summary tells the truth.

use std::collections::{HashMap, HashSet};

use engine::call::{Ambiguous, EndReason, MediaCause, MessageSummary, Summary};
use engine::time::{Span, Time};

use super::Violation;
use super::life::Life;
use super::oracle::Oracle;
use super::ranges::Ranges;
use super::shop::Shop;
use crate::world::at;

/// What was acknowledged so long ago is not sent again.
const PROVISIONAL: Span = Span::from_s(15);

pub(super) fn judge(life: &mut Life<'_>) {
    life.oracle.settle();
    let Some(summary) = life.summary.take() else { return };
    let ended = matches!(summary.end, EndReason::Idle | EndReason::StopStreaming | EndReason::ContactsEnded);
    if !ended {
        life.oracle.broken("P3", format!("the call ended with {:?}", summary.end));
    }
    delivered(life, &summary);
    posts(life, &summary);
    taken(life, &summary);
    gate(life, &summary);
    exposure(life, &summary);
    if life.tally.lives == 1 {
        messages(life, &summary);
        media(life, &summary);
        sessions(life, &summary);
    } else {
        // What a worker counted and had not stored when it died is in no summary.
        let died = life.tally.lives - 1;
        if summary.resumed == 0 || summary.resumed > died {
            life.oracle
                .broken("P7", format!("{} lives before it in the summary, {died} in truth", summary.resumed));
        }
        let promises = ["P1", "P2", "P3", "P4", "P7"];
        let first = life.oracle.violations.iter().find(|v| promises.contains(&v.promise)).cloned();
        if let Some(Violation { promise, what }) = first {
            life.oracle.broken("P5", format!("in a call of {} lives, {promise}: {what}", life.tally.lives));
        }
    }
    life.summary = Some(summary);
}

/// P3: every open word arrived, once.
fn delivered(life: &mut Life<'_>, summary: &Summary) {
    let Life { oracle, shop, ears, tally, .. } = life;
    let plan = oracle.plan;
    // Where audio ends in the middle of speech, a recogniser that is wrong by more than the pause between two words
    // leaves it open which of them it heard: the word there may be missing, or come twice.
    let vague = Span::from_ms(2 * i64::from(plan.ears.error_ms) + 400);
    let torn = |party: usize, from: Time, to: Time| {
        let cuts = || ears.cuts.iter().filter(|(p, _)| *p == party);
        plan.ears.error_ms > 80 && cuts().any(|(_, at)| *at - vague <= to && from <= *at + vague)
    };
    if !summary.messages.undelivered.is_empty() {
        let n = summary.messages.undelivered.len();
        oracle.broken("P3", format!("{n} messages are left over"));
    }
    let (stored, exposed) = (oracle.stored(), oracle.exposed());
    let Arrivals { arrived, tried, twice } = arrivals(oracle, shop, torn);
    let mut missing = Vec::new();
    // What was about to be posted when a worker died is listed, where nothing may stand there twice.
    let once = plan.config.ambiguous == Ambiguous::Drop;
    let wide = Span::from_ms(oracle.tolerance_ms());
    let given_up: Vec<_> = summary
        .messages
        .refused
        .values()
        // Of an utterance that was closed in part, and may be there already, no part is posted under another id.
        .filter(|message| once || message.why.contains("withdrawn"))
        .map(|m| (m.party.channel(), Time::from_ms(m.start_time), Time::from_ms(m.end_time)))
        .collect();
    let listed = |party: usize, from: Time, to: Time| {
        given_up.iter().any(|(p, f, t)| *p == party && *f - wide <= from && to <= *t + wide)
    };
    let error = Span::from_ms(i64::from(plan.ears.error_ms));
    // A word this near to what had left before it was known to be closed may be cut with it: it may be heard
    // later than it was by the recogniser's error, and what is cut is wider than the exposure by as much.
    let margin = error + error + Span::from_ms(5);
    let assumed = oracle.assumed.intersection(&oracle.known.closed);
    for party in 0..2 {
        for (index, word) in plan.words[party].iter().enumerate() {
            let (from, to) = Oracle::interval(*word);
            let whole = stored.measure(from, to) == to - from;
            let open = oracle.known.within(from, to).next().is_none()
                && oracle.zeroed.measure(from, to) == Span::ZERO;
            let near = [&exposed, &oracle.reopened, &assumed]
                .iter()
                .any(|closed| closed.measure(from - margin, to + margin) > Span::ZERO);
            let messages = tried[party].get(&index);
            let excused =
                |ids: &Vec<&str>| ids.iter().any(|id| excuse(oracle, &shop.swallowed, &exposed, summary, id));
            let why = if arrived[party].contains_key(&index) {
                continue;
            } else if !whole {
                "not in the stream"
            } else if !open {
                "closed"
            } else if near {
                "near what was closed late, or opened again"
            } else if torn(party, from, to) {
                "where a session was cut off, by a recogniser that is 400 ms wrong"
            } else if listed(party, from, to) {
                "listed as refused"
            } else if messages.is_some_and(excused) {
                "thrown away in a pause of which nobody heard in time"
            } else {
                let posted = messages
                    .map_or_else(|| "never posted".to_owned(), |ids| format!("posted as {}", ids.join(", ")));
                let (text, ms) = (word.text(), word.at_ms);
                missing.push(format!("\"{text}\", said by {party} at {ms} ms, did not arrive: {posted}"));
                "lost"
            };
            *tally.missing.entry(why).or_default() += 1;
        }
    }
    for what in missing.into_iter().chain(twice) {
        oracle.broken("P3", what);
    }
}

/// Which message holds a word, by party and index of the word.
struct Arrivals<'a> {
    /// Those that are stored.
    arrived: [HashMap<usize, &'a str>; 2],
    /// Those that were posted; one that was cut is another.
    tried: [HashMap<usize, Vec<&'a str>>; 2],
    /// Words that are stored in two.
    twice: Vec<String>,
}

fn arrivals<'a>(
    oracle: &'a Oracle<'_>,
    shop: &Shop,
    torn: impl Fn(usize, Time, Time) -> bool,
) -> Arrivals<'a> {
    let mut all = Arrivals { arrived: Default::default(), tried: Default::default(), twice: Vec::new() };
    for (id, sent) in &oracle.sent {
        for word in &sent.words {
            all.tried[sent.party].entry(*word).or_default().push(id);
            if shop.stored.contains_key(id)
                && let Some(other) = all.arrived[sent.party].insert(*word, id)
                && !torn(sent.party, sent.from, sent.to)
            {
                let ms = (sent.from - at(0)).ms();
                all.twice.push(format!("a word of {ms} is in {id} and in {other}"));
            }
        }
    }
    all.twice.sort();
    all
}

/// Whether there is a good reason why a message that was posted is not stored.
fn excuse(
    oracle: &Oracle<'_>,
    swallowed: &std::collections::BTreeMap<String, Time>,
    exposed: &Ranges,
    summary: &Summary,
    id: &str,
) -> bool {
    let Some(sent) = oracle.sent.get(id) else { return false };
    let error = Span::from_ms(i64::from(oracle.plan.ears.error_ms) + 5);
    // Part of it was closed when it was known too late, or counted as closed for a while: it is not sent a second time.
    let within = |closed: &Ranges| closed.measure(sent.from - error, sent.to + error) > Span::ZERO;
    let touched = within(exposed) || within(&oracle.reopened);
    if summary.messages.refused.contains_key(id) {
        // It may have been taken, and is not to be sent again: it is listed.
        return touched || oracle.plan.config.ambiguous == Ambiguous::Drop;
    }
    let Some((acknowledged, closed)) = sent.acknowledged else { return false };
    if !swallowed.contains_key(id) {
        return false;
    }
    // Salesforce threw it away in a pause of which the call heard nothing, or heard too late.
    let heard = oracle.closings.iter().any(|k| acknowledged <= *k && *k <= acknowledged + PROVISIONAL);
    touched || (!closed && !heard)
}

/// P3: where what may have been taken is not to be sent again, nothing stands there twice. Nothing is refused, but
/// for that reason.
fn posts(life: &mut Life<'_>, summary: &Summary) {
    let Life { oracle, shop, .. } = life;
    let once = oracle.plan.config.ambiguous == Ambiguous::Drop;
    let mut wrong = Vec::new();
    for (id, stored) in shop.stored.iter().filter(|(_, s)| s.times > 1) {
        if once && oracle.sent.get(id).is_some_and(|s| s.accepted == 0) {
            wrong.push(format!("{id} stands there {} times", stored.times));
        }
    }
    wrong.sort();
    for what in wrong {
        oracle.broken("P3", what);
    }
    if !once && summary.messages.refused.values().any(|m| !m.why.contains("withdrawn")) {
        oracle.broken("P3", format!("refused: {:?}", summary.messages.refused));
    }
}

/// P7: what was taken, also by workers that died since. What may have been thrown away and is not sent again is listed
/// instead.
fn taken(life: &mut Life<'_>, summary: &Summary) {
    let Life { oracle, .. } = life;
    let MessageSummary { delivered, refused, .. } = &summary.messages;
    let taken =
        oracle.sent.iter().filter(|(id, s)| s.accepted > 0 && !refused.contains_key(*id)).count() as u64;
    if *delivered != taken {
        oracle.broken("P7", format!("messages delivered: {delivered} in the summary, {taken} in truth"));
    }
}

/// P3, P7: one text under one id, and no more doubles than were reported; posts and answers as counted.
fn messages(life: &mut Life<'_>, summary: &Summary) {
    let Life { oracle, shop, tally, .. } = life;
    let messages = &summary.messages;
    let mut wrong = Vec::new();
    let doubles: u64 = shop.stored.values().map(|s| s.times - 1).sum();
    if doubles > messages.resent + messages.ambiguous + oracle.resent_in_doubt {
        let (resent, ambiguous) = (messages.resent, messages.ambiguous);
        wrong.push((
            "P3",
            format!("{doubles} doubles, {resent} sent again and {ambiguous} that may have been there"),
        ));
    }
    let resent = tally.accepted - oracle.sent.values().filter(|s| s.accepted > 0).count() as u64;
    for (what, said, true_) in [
        ("messages sent again", messages.resent, resent),
        ("posts tried again", messages.retries, tally.retries),
        ("posts that found it paused", messages.paused, tally.paused),
    ] {
        if said != true_ {
            wrong.push(("P7", format!("{what}: {said} in the summary, {true_} in truth")));
        }
    }
    if messages.not_taken != tally.not_taken {
        wrong.push((
            "P7",
            format!("posts not taken: {:?}, in truth {:?}", messages.not_taken, tally.not_taken),
        ));
    }
    for (promise, what) in wrong {
        oracle.broken(promise, what);
    }
}

/// P7: connections and bytes.
fn media(life: &mut Life<'_>, summary: &Summary) {
    let Life { oracle, tally, .. } = life;
    let media = &summary.media;
    let opened: u64 = media.selectors.values().sum();
    for (what, said, true_) in
        [("connections", opened, tally.connections), ("bytes of media", media.bytes, tally.media_bytes)]
    {
        if said != true_ {
            oracle.broken("P7", format!("{what}: {said} in the summary, {true_} in truth"));
        }
    }
    // An error that was told inside the response is the cause of its end.
    let told = media.reconnects.get(&MediaCause::InBand).copied().unwrap_or(0);
    if told > tally.in_band || media.in_band_errors.len() as u64 > tally.in_band {
        let said = media.in_band_errors.len();
        oracle.broken(
            "P7",
            format!("errors in the stream: {told} ends, {said} told, {} in truth", tally.in_band),
        );
    }
    for cause in [MediaCause::Connection, MediaCause::Limit, MediaCause::Service, MediaCause::Endpoint] {
        let said = media.reconnects.get(&cause).copied().unwrap_or(0);
        let true_ = tally.ended.get(&cause).copied().unwrap_or(0);
        if said != true_ {
            oracle.broken(
                "P7",
                format!("connections ended by {cause:?}: {said} in the summary, {true_} in truth"),
            );
        }
    }
    let said = media.reconnects.get(&MediaCause::EndOfStream).copied().unwrap_or(0);
    let true_ = tally.ended.get(&MediaCause::EndOfStream).copied().unwrap_or(0);
    if said > true_ || said + told < true_ {
        oracle.broken("P7", format!("connections that ended: {said} in the summary, {true_} in truth"));
    }
}

/// P7: sessions and results.
fn sessions(life: &mut Life<'_>, summary: &Summary) {
    let Life { oracle, tally, .. } = life;
    let said = &summary.recogniser;
    for (what, said, true_) in [
        ("sessions", said.sessions, tally.sessions),
        // A final result that ends where its session's audio was cut off in speech counts as a partial one.
        ("results", said.finals + said.partials + said.stray, tally.finals + tally.partials),
    ] {
        if said != true_ {
            oracle.broken("P7", format!("{what}: {said} in the summary, {true_} in truth"));
        }
    }
    if said.finals + said.stray + tally.late_finals < tally.finals
        || said.finals > tally.finals
        || said.words > tally.words
    {
        let what = format!("final results: {} in the summary, {} in truth", said.finals, tally.finals);
        oracle.broken("P7", what);
    }
    if said.failures != tally.failures {
        oracle.broken("P7", format!("sessions failed: {:?}, in truth {:?}", said.failures, tally.failures));
    }
}

/// P7: gate events, whoever took them.
fn gate(life: &mut Life<'_>, summary: &Summary) {
    let Life { oracle, tally, .. } = life;
    let said = &summary.gate;
    let known = &oracle.known;
    // Another life has the stamps of the log alone, and may find other events far from them.
    let skewed = if tally.lives > 1 { said.skewed_events } else { known.skewed };
    let counts = [
        ("gate events", said.events, known.taken),
        ("events repeated", said.repeated_events, known.repeated),
        ("openings without a closing", said.unmatched_opens, known.unmatched),
        ("skewed events", said.skewed_events, skewed),
        ("events of other calls", said.events_of_other_calls, known.other_calls),
    ];
    for (what, said, true_) in counts {
        if said != true_ {
            oracle.broken("P7", format!("{what}: {said} in the summary, {true_} in truth"));
        }
    }
}

/// P7: what escaped. Nobody knows what a worker let go or posted right before it died: all that may have left counts,
/// and never less than did.
fn exposure(life: &mut Life<'_>, summary: &Summary) {
    let Life { oracle, tally, .. } = life;
    let died = tally.lives > 1;
    let said = &summary.gate;
    let exposed = oracle.exposed();
    // To the sample, but for the edges of each piece.
    let (total, pieces) = exposed.iter().fold((Span::ZERO, 1), |(sum, n), (f, t)| (sum + (t - f), n + 1));
    let more = said.exposed_ms - total.ms();
    if more.abs() > pieces + oracle.doubtful_ms && (more < 0 || !died) {
        let what = format!("exposed: {} ms in the summary, {} ms in truth", said.exposed_ms, total.ms());
        oracle.broken("P7", what);
    }
    let error = Span::from_ms(i64::from(oracle.plan.ears.error_ms) + 5);
    // A word in two messages counts once, unless the recogniser heard it at two times.
    let (mut sure, mut most) = (HashSet::new(), 0);
    for sent in oracle.sent.values() {
        for word in &sent.words {
            let (from, to) = Oracle::interval(oracle.plan.words[sent.party][*word]);
            let (first, last) = oracle.audible(from, to);
            if first + error < last - error && exposed.measure(first + error, last - error) > Span::ZERO {
                sure.insert((sent.party, *word));
            }
            most += u64::from(exposed.measure(from - error, to + error) > Span::ZERO);
        }
    }
    // Read again by stamps of a clock behind the media, what was long open counts as closed: its words are not known
    // any more.
    let read_again = died && !oracle.plan.clock.is_empty();
    let least = if read_again { 0 } else { sure.len() as u64 };
    if said.exposed_words < least || (said.exposed_words > most && !died) {
        let what =
            format!("words exposed: {} in the summary, {least} to {most} in truth", said.exposed_words);
        oracle.broken("P7", what);
    }
}
