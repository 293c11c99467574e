//! How long a payload waits for a forwarder that has yet to start: from the start of the process to the
//! answered invocation, through an emulated Lambda runtime interface and to a worker on loopback.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use http::Response;
use hyper::body::Incoming;
use tests::emulators::runtime::{Answer, RuntimeServer};
use tests::emulators::{Dropped, Outgoing, Reply, Server, ServerOptions, Service, read_body};
use tokio::time::Instant;

const RUNS: usize = 20;
const PAYLOAD: &str = r#"{"streamARN":"arn:aws:kinesisvideo:us-west-2:123456789012:stream/scv/1571360000000",
    "startFragmentNum":"1","audioStartTimestamp":"1571360125131","voiceCallId":"cold-start"}"#;

/// A worker that takes every call.
struct Worker;

impl Service for Worker {
    async fn call(&self, request: http::Request<Incoming>) -> Result<Reply, Dropped> {
        read_body(request.into_body(), 1 << 20).await?;
        let answer = Response::builder().status(202).body(Outgoing::whole("{}"));
        answer.map_err(|_| Dropped)
    }
}

fn main() -> ExitCode {
    if let Err(code) = tests::product::arguments() {
        return code;
    }
    match tokio::runtime::Runtime::new().and_then(|runtime| runtime.block_on(measure())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure() -> io::Result<()> {
    let worker = Server::start(ServerOptions::default(), Worker).await?;
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let runtime = RuntimeServer::start(Duration::from_secs(20)).await?;
        let started = Instant::now();
        let _process = tests::product::transcribe()?
            .arg("lambda")
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", runtime.address())
            .env("AWS_LAMBDA_FUNCTION_NAME", "kvsTranscriber")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("KVSCRIBE_FORWARD_WORKER_URLS", worker.url())
            .env("KVSCRIBE_LOG_LEVEL", "error")
            .kill_on_drop(true)
            .spawn()?;
        invoke(&runtime).await?;
        cold.push(started.elapsed());
        let again = Instant::now();
        invoke(&runtime).await?;
        warm.push(again.elapsed());
    }
    println!("from the start of the process to the answered invocation: {}", figures(&mut cold));
    println!("an invocation of a process that runs: {}", figures(&mut warm));
    Ok(())
}

async fn invoke(runtime: &RuntimeServer) -> io::Result<()> {
    match runtime.invoke(PAYLOAD.to_owned()).await.answer {
        Answer::Response(_) => Ok(()),
        error @ Answer::Error { .. } => Err(io::Error::other(format!("{error:?}"))),
    }
}

fn figures(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let ms = |n: usize| times.get(n).map_or(f64::NAN, |t| t.as_secs_f64() * 1e3);
    format!("{:.1} ms median, {:.1} ms worst of {}", ms(times.len() / 2), ms(times.len() - 1), times.len())
}
