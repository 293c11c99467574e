//! What a user must be told after a run: everything that was not as he may think.

use engine::call::{DropReason, EndReason, Summary};

use crate::console::Console;

/// Says on standard error what is remarkable about a run.
pub(crate) fn tell(name: &str, contact_chosen: bool, summary: &Summary, console: &mut Console) {
    let others: Vec<&str> =
        summary.contacts.iter().filter(|c| **c != summary.contact).map(String::as_str).collect();
    if !others.is_empty() && !contact_chosen {
        console.note(&format!(
            "{name} holds several contacts; this is {}. Others: {} (choose with --contact-id)",
            summary.contact,
            others.join(", ")
        ));
    }
    if let Some(truncated) = &summary.media.truncated {
        console.warning(&format!("{name} is cut short, and what came before is transcribed: {truncated}"));
    }
    if summary.media.damages > 0 {
        console.warning(&format!(
            "{name} is damaged in {} places, which were passed over (-v names them)",
            summary.media.damages
        ));
    }
    for error in &summary.media.in_band_errors {
        console.warning(&format!("{name}: the stream reports error {error}"));
    }
    drops(name, summary, console);
    gate(summary, console);
    // A recogniser that failed has not looked.
    let heard = !matches!(summary.end, EndReason::RecogniserFailed(_));
    if heard && summary.start_time.is_some() && summary.recogniser.finals == 0 {
        console.note(&format!("{name}: no speech was found"));
    }
}

fn drops(name: &str, summary: &Summary, console: &mut Console) {
    for (reason, dropped) in &summary.drops {
        let what = match reason {
            DropReason::ForeignContact => continue,
            DropReason::UnresolvedContact => "of contacts nobody knows",
            DropReason::NoIdentity => "names no contact in a stream that does",
            DropReason::UnknownTrack => "is of tracks that are neither party's",
            DropReason::UnsupportedFormat => "is in a format that is not understood",
            DropReason::RateChanged => "has another sampling rate than the call",
            DropReason::RepeatedAudio => "was there already",
            DropReason::TimeJump => "has a time far from all other",
            DropReason::FragmentTooLarge => "came in a fragment larger than the limit",
            DropReason::Stopped => "had not been heard when the run was stopped",
            _ => "was let go",
        };
        console.warning(&format!(
            "{name}: {} bytes of audio left out because it {what} (-v says more)",
            dropped.bytes
        ));
    }
}

fn gate(summary: &Summary, console: &mut Console) {
    let gate = &summary.gate;
    if gate.closed_at_end {
        console.warning("the gate never opened again: everything behind the last closing event is silent");
    }
    let counts = [
        (gate.unmatched_opens, "end a hold or pause that never began"),
        (gate.unknown_events, "are of a type that is not known"),
        (gate.events_of_other_calls, "are about another call"),
        (gate.untimed_events, "have no \"at\""),
        (
            gate.events_beyond_limit,
            "are more than a call may have; the gate is closed from the first of them",
        ),
    ];
    for (count, what) in counts {
        if count > 0 {
            console.warning(&format!("{count} of {} telephony events {what}", gate.events));
        }
    }
}

/// Why there was nothing to transcribe.
pub(crate) fn no_audio(name: &str, wanted: Option<&str>, summary: &Summary) -> String {
    match wanted {
        Some(id) if !summary.contacts.is_empty() && !summary.contacts.iter().any(|c| c == id) => {
            format!("contact {id} is not in {name}, which holds: {}", summary.contacts.join(", "))
        }
        _ => match summary.drops.keys().find(|reason| **reason != DropReason::ForeignContact) {
            Some(reason) => format!(
                "{name} holds no audio that could be used ({reason:?}); `transcribe inspect {name}` shows what it holds"
            ),
            None => format!("{name} holds no audio; `transcribe inspect {name}` shows what it holds"),
        },
    }
}
