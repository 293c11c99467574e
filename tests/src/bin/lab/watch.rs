//! What arrives in Salesforce, as it arrives.

use engine::time::Time;
use tests::emulators::LiveCall;
use tests::emulators::salesforce::{Arrivals, Fate, SalesforceServer};

/// Prints each utterance with the time it was spoken, and how long after its end it arrived.
pub(crate) async fn print(mut arrivals: Arrivals, call: &LiveCall) {
    while let Some(arrival) = arrivals.next().await {
        let spoken = (Time::from_ms(arrival.start_ms) - call.start).ms() as f64 / 1000.0;
        let after = (arrival.at - Time::from_ms(arrival.end_ms)).ms() as f64 / 1000.0;
        let who = if arrival.sender_type == "END_USER" { "customer" } else { "agent" };
        let fate = match arrival.fate {
            Fate::Stored | Fate::StoredAgain => "",
            Fate::Duplicate => ", again: a pause might have swallowed it",
            _ => ", not taken",
        };
        println!("{spoken:5.1} s  {who:<9} {}   (+{after:.1} s{fate})", arrival.content);
    }
}

/// Whether what was stored is as it should be: 0, else 1 with the reason.
pub(crate) fn verdict(salesforce: &SalesforceServer, call: &LiveCall) -> u8 {
    let state = salesforce.state();
    let stored = state.arrivals().iter().filter(|a| a.fate.stored()).count();
    let closed = call.truth.as_ref().map(|t| t.closed.clone()).unwrap_or_default();
    let slack = 500;
    let inside = |at: i64| closed.iter().any(|c| c.from_ms + slack < at && at < c.to_ms - slack);
    let leaked = state.arrivals().iter().filter(|a| inside(a.start_ms) || inside(a.end_ms)).count();
    if leaked > 0 {
        eprintln!("error: {leaked} utterances were spoken while nothing was to be heard");
        return 1;
    }
    if stored == 0 {
        eprintln!("error: Salesforce stored nothing");
        return 1;
    }
    println!("{stored} utterances are in Salesforce; nothing of the hold or the pause reached it");
    0
}
