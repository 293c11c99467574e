//! Who holds the gate closed: the algebra of hold, pause, swap and conference, without any time.

use std::collections::BTreeSet;

use super::super::config::HoldGate;
use super::super::telephony::EventKind;
use super::GateSource;

/// A participant as events name it; phone numbers by their digits, so that spelling does not matter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    /// The event named nobody.
    Nameless,
    /// After a swap, one of the participants; not known which.
    OneOfThem,
    Named(String),
}

/// What an event did to the holders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Holders may have changed, or the event concerns none.
    Done,
    /// It said again what was so already.
    Repeated,
    /// An opening without its closing.
    UnmatchedOpen,
}

/// The holders at one moment.
#[derive(Debug, Clone)]
pub(super) struct Holders {
    mode: HoldGate,
    customer: Option<Who>,
    known: BTreeSet<Who>,
    held: BTreeSet<(GateSource, Who)>,
    paused: BTreeSet<GateSource>,
}

impl Holders {
    pub(super) fn new(mode: HoldGate, customer: Option<&str>) -> Self {
        let customer = customer.map(|c| who(Some(c)));
        Self {
            mode,
            known: customer.iter().cloned().collect(),
            customer,
            held: BTreeSet::new(),
            paused: BTreeSet::new(),
        }
    }

    pub(super) fn on_hold(&self) -> bool {
        match (self.mode, &self.customer) {
            (HoldGate::Customer, Some(customer)) => {
                self.held.iter().any(|(_, w)| w == customer || !matches!(w, Who::Named(_)))
            }
            _ => !self.held.is_empty(),
        }
    }

    pub(super) fn paused(&self) -> bool {
        !self.paused.is_empty()
    }

    pub(super) fn apply(
        &mut self,
        source: GateSource,
        kind: &EventKind,
        participant: Option<&str>,
    ) -> Effect {
        let who = who(participant);
        match kind {
            EventKind::Hold => {
                self.know(&who);
                repeated_unless(self.held.insert((source, who)))
            }
            EventKind::Resume => self.resume(source, &who),
            EventKind::PauseRecording => repeated_unless(self.paused.insert(source)),
            EventKind::ResumeRecording => {
                if self.paused.remove(&source) {
                    Effect::Done
                } else {
                    Effect::UnmatchedOpen
                }
            }
            EventKind::Swap => {
                self.swap(source);
                Effect::Done
            }
            EventKind::Conference => {
                self.held.retain(|(s, _)| *s != source);
                Effect::Done
            }
            EventKind::ParticipantRemoved => {
                if matches!(who, Who::Named(_)) {
                    self.held.remove(&(source, who.clone()));
                    self.known.remove(&who);
                }
                Effect::Done
            }
            EventKind::CallStarted | EventKind::CallConnected => {
                self.know(&who);
                if matches!(who, Who::Named(_)) {
                    self.customer.get_or_insert(who);
                }
                Effect::Done
            }
            EventKind::ParticipantAdded => {
                self.know(&who);
                Effect::Done
            }
            EventKind::CallEnded
            | EventKind::Mute
            | EventKind::Unmute
            | EventKind::WrapUpEnded
            | EventKind::Unknown(_) => Effect::Done,
        }
    }

    fn know(&mut self, who: &Who) {
        if matches!(who, Who::Named(_)) {
            self.known.insert(who.clone());
        }
    }

    /// Opens the hold of this participant. Where one side is not named, or a swap left open who is held, a
    /// single hold of the same source is the one meant.
    fn resume(&mut self, source: GateSource, who: &Who) -> Effect {
        if self.held.remove(&(source, who.clone())) {
            return Effect::Done;
        }
        let mut mine = self.held.iter().filter(|(s, _)| *s == source);
        let only = match (mine.next(), mine.next()) {
            (Some(one), None) if *who == Who::Nameless || !matches!(one.1, Who::Named(_)) => one.clone(),
            _ => return Effect::UnmatchedOpen,
        };
        self.held.remove(&only);
        Effect::Done
    }

    /// One participant leaves hold while the other enters it. With exactly two known the other is known
    /// too; else all that is certain is that one of them is held.
    fn swap(&mut self, source: GateSource) {
        let mine: Vec<Who> = self.held.iter().filter(|(s, _)| *s == source).map(|(_, w)| w.clone()).collect();
        let other = match (mine.as_slice(), self.known.len()) {
            ([one @ Who::Named(_)], 2) => self.known.iter().find(|w| *w != one).cloned(),
            ([] | [_], _) => None,
            // Two or more are held, and they exchange places among themselves.
            _ => return,
        };
        self.held.retain(|(s, _)| *s != source);
        self.held.insert((source, other.unwrap_or(Who::OneOfThem)));
    }
}

fn repeated_unless(new: bool) -> Effect {
    if new { Effect::Done } else { Effect::Repeated }
}

fn who(participant: Option<&str>) -> Who {
    let Some(text) = participant.map(str::trim).filter(|p| !p.is_empty()) else {
        return Who::Nameless;
    };
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let phone = digits.len() >= 5 && !text.chars().any(char::is_alphabetic);
    Who::Named(if phone { digits } else { text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use EventKind::{CallConnected, Conference, Hold, ParticipantAdded, ParticipantRemoved, Resume, Swap};

    const UI: GateSource = GateSource::Toolkit;
    const A: Option<&str> = Some("+14155550100");
    const B: Option<&str> = Some("+14155550111");

    fn run(mode: HoldGate, events: &[(EventKind, Option<&str>)]) -> (Vec<bool>, Vec<Effect>) {
        let mut h = Holders::new(mode, None);
        events
            .iter()
            .map(|(kind, p)| {
                let effect = h.apply(UI, kind, *p);
                (h.on_hold() || h.paused(), effect)
            })
            .unzip()
    }

    #[test]
    fn each_holder_must_let_go() {
        let (closed, _) = run(HoldGate::Any, &[(Hold, A), (Hold, B), (Resume, A), (Resume, B)]);
        assert_eq!(closed, [true, true, true, false]);
    }

    #[test]
    fn hold_and_pause_are_apart() {
        let (closed, _) = run(
            HoldGate::Any,
            &[(Hold, A), (EventKind::PauseRecording, None), (Resume, A), (EventKind::ResumeRecording, None)],
        );
        assert_eq!(closed, [true, true, true, false]);
    }

    #[test]
    fn an_unmatched_opening_opens_nothing() {
        let (closed, effects) = run(HoldGate::Any, &[(Resume, A), (Hold, A), (Resume, B), (Resume, A)]);
        assert_eq!(closed, [false, true, true, false]);
        assert_eq!(effects[0], Effect::UnmatchedOpen);
        assert_eq!(effects[2], Effect::UnmatchedOpen);
    }

    #[test]
    fn a_doubled_hold_is_one_hold() {
        let (closed, effects) = run(HoldGate::Any, &[(Hold, A), (Hold, A), (Resume, A)]);
        assert_eq!(closed, [true, true, false]);
        assert_eq!(effects[1], Effect::Repeated);
    }

    #[test]
    fn numbers_match_however_they_are_spelt() {
        let (closed, _) =
            run(HoldGate::Any, &[(Hold, Some("+1 (415) 555-0100")), (Resume, Some("14155550100"))]);
        assert_eq!(closed, [true, false]);
    }

    #[test]
    fn a_nameless_resume_opens_the_only_hold_but_never_one_of_two() {
        assert_eq!(run(HoldGate::Any, &[(Hold, A), (Resume, None)]).0, [true, false]);
        assert_eq!(run(HoldGate::Any, &[(Hold, A), (Hold, B), (Resume, None)]).0, [true, true, true]);
    }

    #[test]
    fn conference_takes_all_off_hold() {
        assert_eq!(run(HoldGate::Any, &[(Hold, A), (Hold, B), (Conference, None)]).0, [true, true, false]);
    }

    #[test]
    fn a_participant_who_leaves_takes_his_hold_along() {
        assert_eq!(run(HoldGate::Any, &[(Hold, A), (ParticipantRemoved, A)]).0, [true, false]);
        assert_eq!(run(HoldGate::Any, &[(Hold, A), (ParticipantRemoved, B)]).0, [true, true]);
    }

    #[test]
    fn a_swap_keeps_one_on_hold() {
        let both_known = [(CallConnected, A), (ParticipantAdded, B), (Hold, A), (Swap, None)];
        let mut then = both_known.to_vec();
        then.extend([(Resume, A), (Resume, B)]);
        let (closed, effects) = run(HoldGate::Any, &then);
        assert_eq!(closed, [false, false, true, true, true, false]);
        assert_eq!(effects[4], Effect::UnmatchedOpen, "A left hold by the swap");

        // Not known who the other is: closed until somebody is resumed.
        assert_eq!(run(HoldGate::Any, &[(Hold, A), (Swap, None), (Resume, B)]).0, [true, true, false]);
        assert_eq!(run(HoldGate::Any, &[(Swap, None)]).0, [true], "a swap means that one is on hold");
    }

    #[test]
    fn customer_mode_lets_the_others_hold() {
        let events = [(CallConnected, A), (ParticipantAdded, B), (Hold, B), (Swap, None), (Swap, None)];
        assert_eq!(run(HoldGate::Customer, &events).0, [false, false, false, true, false]);
        // Not known who the customer is: any hold closes.
        assert_eq!(run(HoldGate::Customer, &[(Hold, B)]).0, [true]);
        // Known, but the event names nobody.
        assert_eq!(run(HoldGate::Customer, &[(CallConnected, A), (Hold, None)]).0, [false, true]);
    }

    #[test]
    fn sources_do_not_open_each_other() {
        let mut h = Holders::new(HoldGate::Any, None);
        h.apply(UI, &Hold, A);
        h.apply(GateSource::AgentEvents, &Hold, A);
        h.apply(UI, &Resume, A);
        assert!(h.on_hold());
        h.apply(GateSource::AgentEvents, &Resume, A);
        assert!(!h.on_hold());
    }
}
