//! The product as a program of its own, and the few words of HTTP that a test speaks to it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::PATIENCE;
use super::lab::Lab;

/// A program that runs; it is killed when this is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    /// Standard error so far.
    stderr: watch::Receiver<String>,
    reading: JoinHandle<String>,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; absent if a signal killed it.
    pub code: Option<i32>,
    /// Everything on standard output.
    pub stdout: String,
    /// Everything on standard error.
    pub stderr: String,
}

impl Program {
    /// Starts `binary` with these arguments, the lab's settings behind them, and an environment that has the
    /// lab's credentials and nothing else but `more`. `stdin` is all it can read.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn start(
        binary: impl AsRef<Path>,
        arguments: &[&str],
        settings: &[String],
        more: &[(&str, &str)],
        stdin: &str,
    ) -> Self {
        let mut command = Command::new(binary.as_ref());
        command.args(arguments).env_clear().envs(Lab::environment()).envs(more.iter().copied());
        command.args(settings.iter().flat_map(|s| ["--set", s.as_str()]));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the program starts");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(stdin.as_bytes()).await.expect("the program reads");
        drop(input);
        let mut output = child.stdout.take().expect("a pipe");
        let errors = child.stderr.take().expect("a pipe");
        let (shown, stderr) = watch::channel(String::new());
        let reading = tokio::spawn(async move {
            let mut lines = BufReader::new(errors).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                shown.send_modify(|all| {
                    all.push_str(&line);
                    all.push('\n');
                });
            }
            let mut text = String::new();
            let _ = output.read_to_string(&mut text).await;
            text
        });
        Self { child, stderr, reading }
    }

    /// Waits until a line of standard error holds this text; the line.
    ///
    /// # Panics
    /// When it never does.
    pub async fn says(&mut self, text: &str) -> String {
        let waited = tokio::time::timeout(PATIENCE, self.stderr.wait_for(|all| all.contains(text))).await;
        let all = waited.ok().and_then(Result::ok).map(|all| all.clone());
        let line = all.as_ref().and_then(|all| all.lines().find(|line| line.contains(text)));
        line.unwrap_or_else(|| panic!("it never said {text:?}: {}", *self.stderr.borrow())).to_owned()
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Asks it to end, as an orchestrator does.
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub async fn terminate(&self) {
        self.signal("TERM").await;
    }

    /// Sends it a signal: `STOP` puts it to sleep, `CONT` wakes it up.
    ///
    /// # Panics
    /// When the signal cannot be sent.
    pub async fn signal(&self, name: &str) {
        // Every shell has it built in.
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.id())).status().await;
        assert!(sent.expect("a shell").success());
    }

    /// Kills it, as nothing can be prepared for.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it is killed");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn ended(mut self) -> Ended {
        let waited = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let Ok(status) = waited else { panic!("it did not end: {}", *self.stderr.borrow()) };
        let status = status.expect("its status is known");
        let stdout = self.reading.await.expect("its output is read");
        Ended { code: status.code(), stdout, stderr: self.stderr.borrow().clone() }
    }
}

impl Ended {
    /// Fails with everything it said unless it ended with this code.
    ///
    /// # Panics
    /// When it ended with another code.
    #[must_use]
    pub fn with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// The lines of standard error that are JSON objects: the log, and a summary if it was asked for.
    #[must_use]
    pub fn json_lines(&self) -> Vec<Value> {
        self.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

/// What a worker answers.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// The body.
    pub text: String,
    /// The body, where it is JSON.
    pub body: Value,
}

/// One HTTP request on a connection of its own.
///
/// # Panics
/// When there is no answer.
pub async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> Answer {
    let token = token.map(|t| format!("Authorization: Bearer {t}\r\n")).unwrap_or_default();
    let body = body.map(Value::to_string).unwrap_or_default();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n{token}{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let asking = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(text.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        std::io::Result::Ok(String::from_utf8_lossy(&answer).into_owned())
    };
    let answer = tokio::time::timeout(PATIENCE, asking).await.expect("an answer in time").expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
    Answer { status, text: body.to_owned(), body: serde_json::from_str(body).unwrap_or_default() }
}
