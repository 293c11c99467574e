//! What happens at the agent's desk: hold, pause and the end of the call, each at its time, to `transcribe
//! call` as the toolkit's page component sends it, and to Salesforce itself.

use std::io;
use std::net::SocketAddr;

use fixtures::events::Event;
use fixtures::kinesis::CONTACT_ID;
use tests::emulators::salesforce::SalesforceServer;
use tests::emulators::{Clock, LiveCall};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Plays the events of the call.
pub(crate) async fn ring(call: &LiveCall, gate: SocketAddr, salesforce: &SalesforceServer) {
    let clock = Clock::real();
    for event in &call.events {
        clock.wait(engine::time::Time::from_ms(event.at)).await;
        match event.kind.as_str() {
            "hold" | "pauserecording" => salesforce.state().pause(CONTACT_ID, true),
            "resume" | "resumerecording" => salesforce.state().pause(CONTACT_ID, false),
            _ => {}
        }
        let offset = (engine::time::Time::from_ms(event.at) - call.start).ms() as f64 / 1000.0;
        match event.kind.as_str() {
            "hold" => println!("{offset:5.1} s  --- on hold: nothing may be heard ---"),
            "pauserecording" => println!("{offset:5.1} s  --- recording paused: nothing may be heard ---"),
            "resume" | "resumerecording" => println!("{offset:5.1} s  --- open again ---"),
            "callended" => println!("{offset:5.1} s  --- the agent hangs up ---"),
            _ => {}
        }
        if let Err(error) = send(gate, event).await {
            eprintln!("error: {} was not taken: {error}", event.kind);
        }
    }
}

async fn send(gate: SocketAddr, event: &Event) -> io::Result<()> {
    let body = serde_json::to_string(event).map_err(io::Error::other)?;
    let mut stream = TcpStream::connect(gate).await?;
    let request = format!(
        "POST /v1/calls/{CONTACT_ID}/events HTTP/1.1\r\nHost: {gate}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let first = answer.lines().next().unwrap_or_default();
    if first.contains(" 202 ") { Ok(()) } else { Err(io::Error::other(first.to_owned())) }
}
