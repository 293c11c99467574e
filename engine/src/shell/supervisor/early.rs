//! Gate events of calls that are not known yet: they come before the call, or to be asked for in vain.

use std::collections::HashMap;

use crate::call::{GateSource, TelephonyEvent};
use crate::time::{Span, Time};

/// An event is kept for so long.
const AGE: Span = Span::from_s(3600);
/// Events kept of one contact: no call has as many before it begins.
const MAX_OF_CONTACT: usize = 256;
/// Contacts with events kept.
const MAX_CONTACTS: usize = 4096;

/// Events by contact, with the time of their arrival.
#[derive(Debug, Default)]
pub(super) struct Early {
    kept: HashMap<String, Vec<(Time, GateSource, TelephonyEvent)>>,
}

impl Early {
    /// Keeps an event; false where there is no room.
    pub(super) fn keep(
        &mut self,
        contact: &str,
        now: Time,
        source: GateSource,
        event: TelephonyEvent,
    ) -> bool {
        if !self.kept.contains_key(contact) && self.kept.len() >= MAX_CONTACTS {
            self.kept.retain(|_, events| events.last().is_some_and(|(at, ..)| now - *at < AGE));
            if self.kept.len() >= MAX_CONTACTS {
                return false;
            }
        }
        let events = self.kept.entry(contact.to_owned()).or_default();
        events.retain(|(at, ..)| now - *at < AGE);
        if events.len() >= MAX_OF_CONTACT {
            return false;
        }
        events.push((now, source, event));
        true
    }

    /// The events kept of a contact, in the order in which they came.
    pub(super) fn take(&mut self, contact: &str) -> Vec<(Time, GateSource, TelephonyEvent)> {
        self.kept.remove(contact).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::EventKind;

    fn keep(early: &mut Early, contact: &str, s: i64) -> bool {
        let event = TelephonyEvent::new(EventKind::Hold, None);
        early.keep(contact, Time::from_ms(s * 1000), GateSource::Toolkit, event)
    }

    #[test]
    fn events_wait_an_hour_and_no_contact_takes_all_the_room() {
        let mut early = Early::default();
        assert!(keep(&mut early, "old", 0) && keep(&mut early, "old", 4000));
        assert_eq!(early.take("old").len(), 1, "the first was too old");
        assert_eq!((0..1000).filter(|_| keep(&mut early, "eager", 1)).count(), MAX_OF_CONTACT);
        let others = (0..5000).filter(|i| keep(&mut early, &i.to_string(), 2)).count();
        assert_eq!(others, MAX_CONTACTS - 1);
        assert!(keep(&mut early, "late", 5000), "what is too old makes room");
    }
}
