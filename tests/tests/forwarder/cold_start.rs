//! How long a payload waits for a function that has yet to start. A measurement, not a test: run it by name,
//! with `--ignored --nocapture`; `TRANSCRIBE_BINARY` names the binary, else it is this one.

use std::process::Command;
use std::time::Duration;

use tokio::time::Instant;

use crate::world::{CONTACT, Function, Manner, TOKEN, Worker, payload};

const RUNS: usize = 20;

#[tokio::test]
#[ignore = "it measures"]
async fn from_the_start_of_the_process_to_the_answered_invocation() {
    let worker = Worker::start(Manner::Say(202)).await;
    let url = worker.url();
    let environment = [("KVSCRIBE_FORWARD_WORKER_URLS", url.as_str()), ("KVSCRIBE_FORWARD_TOKEN", TOKEN)];
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let started = Instant::now();
        let function = match std::env::var_os("TRANSCRIBE_BINARY") {
            Some(binary) => {
                let mut command = Command::new(binary);
                command.arg("lambda");
                Function::of(command, &environment).await
            }
            None => Function::start(&environment).await,
        };
        function.good(&payload(CONTACT, "1")).await;
        cold.push(started.elapsed());
        let invoked = Instant::now();
        function.good(&payload(CONTACT, "1")).await;
        warm.push(invoked.elapsed());
    }
    println!("cold start {}; warm {}", figures(&mut cold), figures(&mut warm));
}

fn figures(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let ms = |n: usize| times[n].as_secs_f64() * 1e3;
    format!("{:.1} ms median, {:.1} ms worst of {RUNS}", ms(RUNS / 2), ms(RUNS - 1))
}
