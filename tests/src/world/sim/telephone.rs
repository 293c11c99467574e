//! Hold, pause and conference as they happen, and as they are heard of: late, twice, never, by a wrong clock.

use std::collections::BTreeMap;

use engine::call::{EventKind, GateSource, TelephonyEvent};
use fixtures::kinesis::{CONTACT_ID, FOREIGN_CONTACT_ID};

use super::draw::{Dice, one_in};
use super::plan::Notice;
use crate::world::at;

const CUSTOMER: &str = "+14155550100";
const THIRD: &str = "+14155550111";

/// What can be done next.
#[derive(Debug, Default)]
struct State {
    third: bool,
    held: [bool; 2],
    paused: bool,
}

impl State {
    /// Draws the next thing that happens; opening again is likelier than closing further.
    fn next(&mut self, dice: &mut Dice, conferences: bool) -> Option<(EventKind, Option<&'static str>)> {
        let closed = self.held != [false; 2] || self.paused;
        let names = [CUSTOMER, THIRD];
        Some(match dice.u8(0..12) {
            0..5 if closed => {
                if self.paused && dice.bool() || self.held == [false; 2] {
                    self.paused = false;
                    (EventKind::ResumeRecording, None)
                } else {
                    let who = if self.held[0] { 0 } else { 1 };
                    self.held[who] = false;
                    (EventKind::Resume, Some(names[who]))
                }
            }
            0 | 1 | 5 | 6 if !self.held[0] => {
                self.held[0] = true;
                (EventKind::Hold, Some(CUSTOMER))
            }
            2 | 3 | 7 if !self.paused => {
                self.paused = true;
                (EventKind::PauseRecording, None)
            }
            4 | 8 if !self.third => {
                self.third = true;
                (EventKind::ParticipantAdded, Some(THIRD))
            }
            8 if !self.held[1] => {
                self.held[1] = true;
                (EventKind::Hold, Some(THIRD))
            }
            9 if self.third && self.held[0] != self.held[1] => {
                self.held.swap(0, 1);
                (EventKind::Swap, None)
            }
            10 if self.third && conferences => {
                self.held = [false; 2];
                (EventKind::Conference, None)
            }
            11 if self.third => {
                (self.third, self.held[1]) = (false, false);
                (EventKind::ParticipantRemoved, Some(THIRD))
            }
            _ => return None,
        })
    }
}

type Truth = Vec<(i64, TelephonyEvent)>;

/// Draws what happens on the telephone, and what is heard of it.
pub(super) fn draw(
    dice: &mut Dice,
    end_ms: i64,
    conferences: bool,
    faults: &mut BTreeMap<&'static str, u64>,
) -> (Truth, Vec<Notice>) {
    let (mut truth, mut notices) = (Vec::new(), Vec::new());
    if one_in(dice, 3) {
        return (truth, notices);
    }
    let mut strike = |kind: &'static str| *faults.entry(kind).or_default() += 1;
    let connected = TelephonyEvent::new(EventKind::CallConnected, Some(at(0))).participant(CUSTOMER);
    truth.push((0, connected));
    let longest = *dice.choice([8_000, 25_000, 90_000].iter()).unwrap_or(&25_000);
    let mut now = dice.i64(1_000..20_000);
    let mut state = State::default();
    // An agent's clock that is wrong is wrong all the time.
    let skew = if one_in(dice, 5) { dice.i64(-45_000..45_000) } else { dice.i64(-300..300) };
    while now < end_ms {
        if let Some((kind, who)) = state.next(dice, conferences) {
            let mut event = TelephonyEvent::new(kind, Some(at(now)));
            event.participant = who.map(str::to_owned);
            truth.push((now, event));
        }
        let closed = state.held != [false; 2] || state.paused;
        now += if closed { dice.i64(800..longest) } else { dice.i64(2_000..longest * 2) };
    }
    if skew.abs() > 1_000 {
        strike("gate: clock of the browser wrong");
    }
    let careless = *dice.choice([0, 0, 1, 4].iter()).unwrap_or(&0);
    for (happened, event) in &truth {
        let mut event = event.clone();
        let mut delay = dice.i64(10..400);
        if dice.u8(0..20) < careless * 2 {
            strike("gate: event late");
            delay = dice.i64(400..12_000);
        }
        if dice.u8(0..100) < careless {
            strike("gate: event missing");
            continue;
        }
        event.at = (!one_in(dice, 10)).then(|| at(happened + skew));
        event.call_id = dice.bool().then(|| CONTACT_ID.to_owned());
        let at_ms = happened + delay;
        let notice = Notice { at_ms, source: GateSource::Toolkit, event };
        if dice.u8(0..20) < careless * 2 {
            strike("gate: event twice");
            notices.push(Notice { at_ms: at_ms + dice.i64(1..3_000), ..notice.clone() });
        }
        notices.push(notice);
    }
    for _ in 0..if one_in(dice, 5) { 2 } else { 0 } {
        strike("gate: event of another call");
        let mut event = TelephonyEvent::new(EventKind::Hold, None).participant(CUSTOMER);
        event.call_id = Some(FOREIGN_CONTACT_ID.to_owned());
        notices.push(Notice { at_ms: dice.i64(0..end_ms), source: GateSource::Toolkit, event });
    }
    notices.sort_by_key(|n| n.at_ms);
    (truth, notices)
}
