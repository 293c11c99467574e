//! The table and what is to be known about it.

use std::fmt::Write as _;

use crate::figures::Delays;
use crate::round::Row;
use crate::usage;

/// One row a number of calls.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "
       byte in → chunk out, ms                          final in → post out, ms   a sample waits, ms   processors busy                memory
calls     p50     p99     max  first p50     p99  inside      p50     p99     max   fragment     chunk   product emulators  others       MB   kB a call   of it replay
",
    );
    for row in rows {
        let figures = &row.figures;
        let (chunks, first, posts) = (&figures.chunks, &figures.first, &figures.posts);
        let memory = &row.memory;
        let each = |bytes: u64| bytes as f64 / 1000.0 / row.calls.max(1) as f64;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:5} {} {} {}  {:>9} {} {:>7}  {} {} {}   {:>8}  {:>8}   {:7.2} {:9.2} {:7.2}  {:7.0}   {:9.0}   {:12.0}",
            row.calls,
            at(chunks, 0.5),
            at(chunks, 0.99),
            at(chunks, 1.0),
            at(first, 0.5).trim(),
            at(first, 0.99),
            row.inside.1.map_or("-".to_owned(), |s| format!("≤{}", s * 1000.0)),
            at(posts, 0.5),
            at(posts, 0.99),
            at(posts, 1.0),
            ms(figures.for_fragment.ms()),
            ms(figures.for_chunk.ms()),
            row.cpu.product,
            row.cpu.emulators,
            row.cpu.others(),
            memory.mean as f64 / 1e6,
            each(memory.mean.saturating_sub(memory.before)),
            each(memory.replay),
        );
    }
    text.push('\n');
    for row in rows {
        let figures = &row.figures;
        let _ = writeln!(
            text,
            "{} calls: {} chunks, {} posts; {} calls disturbed; the emulator's fragments {} ms late (p99 {}); \
             {:.0} MB before the first call",
            row.calls,
            figures.chunks.count(),
            figures.posts.count(),
            figures.disturbed,
            at(&figures.late, 0.5).trim(),
            at(&figures.late, 0.99).trim(),
            row.memory.before as f64 / 1e6,
        );
    }
    let _ = write!(
        text,
        "\n{} processors for product, emulators and everybody else.\n{NOTES}",
        usage::processors()
    );
    text
}

fn at(delays: &Delays, share: f64) -> String {
    format!("{:>7}", ms(delays.quantile_ms(share)))
}

fn ms(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |ms| format!("{ms:.1}"))
}

const NOTES: &str = "\
byte in → chunk out   from the emulated Kinesis handing a fragment's last byte to its socket to the chunk's arrival
                      in the emulated Transcribe: TLS on both sides and the emulators' own work are in it. A
                      fragment releases 11 chunks at once, which leave one behind the other; `first` is the first
                      of them. `inside` is the product's own histogram of the same, p99: bytes read to first
                      audio handed to the session.
final in → post out   from the final result handed to the socket to the arrival of the message's whole request.
a sample waits        from its own time to the end of its fragment (half of 1,088 ms and 150 ms of ingestion, both
                      given by the emulator as the service has them), and for the rest of its chunk in the next.
others                what else the machine does: where it leaves no processor free, p99 and max are its doing.
memory                resident; per call, less that before the first one, so that a single call also pays for what
                      all share. Bounds of one call: the replay ring live.replay_s × 32 kB (2.9 MB), of which
                      some 8 s are in use, since a silent party is final only up to 10 s ago; audio that waits for
                      the recogniser, live.max_waiting_audio_ms and transcribe.queue_ms × 32 B (0.3 MB each); a
                      fragment, call.max_fragment_bytes (16 MB; as Connect makes them 35 kB), and three pieces of
                      the socket behind it; the messages of the last 15 s, for pauses that become known late; messages that
                      wait, call.max_outbox; and three connections with TLS.
";
