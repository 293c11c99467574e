//! Connections to Kinesis: how they fare, and what they give piece by piece.

use bytes::Bytes;
use engine::call::{Input, MediaCause, MediaEnd, MediaRequest};
use engine::time::{Span, Time};

use super::super::kinesis::{Connection, Fate, Identity, LONGEST, in_band_error, refusal};
use super::{Later, Life};
use crate::world::at;

impl Life<'_> {
    pub(super) fn connect(&mut self, request: &MediaRequest) {
        self.tally.connections += 1;
        let plan = self.plan;
        let ready = self.now + Span::from_ms(self.dice.i64(1..=plan.links.connect_ms));
        let fate = self.fate();
        if let Fate::Refused(cause) = fate {
            self.connection = None;
            self.tally.strike(fate.name().unwrap_or("media"));
            *self.tally.ended.entry(cause).or_default() += 1;
            self.soon(ready, Later::Input(Input::MediaEnded(MediaEnd::Lost(refusal(cause)))));
            return;
        }
        let (stream, mut next) = plan.kinesis.seek(&request.stream, &request.from, self.now);
        self.tell(|| format!("{request:?} begins at fragment {next}"));
        if self.faulty && next > 0 && self.dice.f64() < plan.links.repeats {
            self.tally.strike("media: fragment repeated");
            next -= 1;
        }
        let rest = Bytes::new();
        let (opened, given) = (self.now, 0);
        self.connection = Some(Connection {
            stream,
            next,
            given,
            fate,
            opened,
            ready,
            rest,
            breaks: false,
            part_end_ms: None,
            mute: false,
            ends: false,
            tells: false,
            given_up: false,
        });
    }

    pub(super) fn fate(&mut self) -> Fate {
        let links = &self.plan.links;
        let dice = &mut self.dice;
        if !self.faulty {
            return Fate::Lasts;
        }
        if dice.f64() < links.refused {
            let causes =
                [MediaCause::Connection, MediaCause::Limit, MediaCause::Service, MediaCause::Endpoint];
            return Fate::Refused(causes[dice.usize(..causes.len())]);
        }
        let Some(life) = links.life else { return Fate::Lasts };
        let after = dice.u32(0..life * 2);
        match dice.u8(0..12) {
            0..3 => Fate::End(after),
            3..6 => Fate::Reset(after, dice.u8(..)),
            6 => Fate::Stall(after),
            7 => Fate::Noise(after),
            8 | 9 => {
                let ids = ["3002", "5000", "4503"];
                Fate::InBand(after, ids[dice.usize(..ids.len())], dice.bool())
            }
            _ => Fate::Lasts,
        }
    }

    /// The open connection gives what comes next.
    pub(super) fn give(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        if !connection.rest.is_empty() {
            return self.give_piece();
        }
        if connection.breaks || connection.ends {
            let (cause, end) = if connection.breaks {
                (MediaCause::Connection, MediaEnd::Truncated("connection reset".into()))
            } else {
                (MediaCause::EndOfStream, MediaEnd::Complete)
            };
            if !connection.given_up {
                *self.tally.ended.entry(cause).or_default() += 1;
            }
            if let Some(ms) = connection.part_end_ms {
                self.read = self.read.max(at(ms));
            }
            self.connection = None;
            return self.handle(Input::MediaEnded(end));
        }
        let struck = match connection.fate {
            Fate::End(n) | Fate::Stall(n) | Fate::Noise(n) | Fate::InBand(n, ..) => connection.given >= n,
            Fate::Reset(n, _) => connection.given >= n,
            _ => false,
        };
        let old = self.now >= connection.opened + LONGEST;
        let Some(fragment) = self.plan.kinesis.streams[connection.stream].fragments.get(connection.next)
        else {
            if old {
                self.tally.strike("media: 45-minute cut");
            }
            connection.ends = true;
            return;
        };
        if old {
            connection.ends = true;
            return self.tally.strike("media: 45-minute cut");
        }
        if struck {
            self.tally.strike(connection.fate.name().unwrap_or("media"));
            match std::mem::replace(&mut connection.fate, Fate::Lasts) {
                Fate::End(_) => connection.ends = true,
                Fate::Reset(_, part) => {
                    let document = self.plan.kinesis.document(fragment, &self.plan.words);
                    connection.rest = document.slice(..document.len() * usize::from(part) / 256);
                    let end_ms = self.plan.kinesis.end_of_part_ms(fragment, &connection.rest);
                    connection.part_end_ms = end_ms.max(connection.part_end_ms);
                    connection.breaks = true;
                }
                Fate::Stall(_) => connection.mute = true,
                Fate::Noise(_) => {
                    connection.rest = self.noise.clone();
                    connection.mute = true;
                }
                Fate::InBand(_, id, ends) => {
                    connection.rest = in_band_error(id);
                    connection.tells = true;
                    (connection.ends, connection.mute) = (ends, !ends);
                }
                Fate::Lasts | Fate::Refused(_) => {}
            }
            return;
        }
        connection.rest = self.plan.kinesis.document(fragment, &self.plan.words);
        connection.next += 1;
        connection.given += 1;
        self.give_piece();
    }

    /// The next piece of a fragment, cut anywhere.
    pub(super) fn give_piece(&mut self) {
        let Some(connection) = &mut self.connection else { return };
        let length = match self.plan.links.pieces {
            0 => connection.rest.len(),
            _ if self.dice.u16(0..2_000) == 0 => 1,
            most => self.dice.usize(1..=most),
        };
        let piece = connection.rest.split_to(length.min(connection.rest.len()));
        let fragments = &self.plan.kinesis.streams[connection.stream].fragments;
        if let Some(ms) = connection.part_end_ms.take_if(|_| !connection.breaks) {
            self.read = self.read.max(at(ms));
        }
        // Another contact's audio tells the time of the media too.
        if let (true, Some(last)) = (connection.rest.is_empty(), connection.next.checked_sub(1)) {
            let end_ms = fragments[last].end_ms();
            if fragments[last].identity == Identity::Tagless && !connection.breaks {
                connection.part_end_ms = Some(end_ms);
            } else {
                self.read = self.read.max(at(end_ms));
            }
        }
        connection.ready = self.now + Span::from_us(self.dice.i64(0..3_000));
        let read = self.read;
        let (length, shown) = (piece.len(), (read.max(at(0)) - at(0)).ms());
        self.tell(|| format!("gives {length} bytes, read until {shown}"));
        if !self.plan.clock.is_empty() && read > Time::MIN {
            self.ahead = self.ahead.max(read - self.clock());
        }
        let Some(connection) = &mut self.connection else { return };
        // What still comes over a connection that was given up is not read.
        if !connection.given_up {
            self.tally.media_bytes += piece.len() as u64;
            self.tally.in_band += u64::from(connection.tells && connection.rest.is_empty());
        }
        self.handle(Input::Media(piece));
    }
}
