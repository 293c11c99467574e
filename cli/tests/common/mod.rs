//! Runs the binary `transcribe` as a user does, with a bound on its time, and judges how it ended.
//!
//! The room knows nothing of what a run should print; that is each test's own matter.
#![allow(dead_code, reason = "each test file uses its share")]

pub(crate) mod calls;
pub(crate) mod words;

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

#[allow(unused_imports, reason = "each test file uses its share")]
pub(crate) use tempfile::{TempDir, tempdir};

/// A run that says nothing for so long hangs. Generous: tests share the machine with each other.
const LIMIT: Duration = Duration::from_secs(240);
/// The longest download of the model that is waited for.
const FETCH_LIMIT: Duration = Duration::from_secs(1200);

/// A run about to begin.
pub(crate) struct Run {
    pub(crate) command: Command,
    stdin: Option<Vec<u8>>,
    keep_stdin: bool,
}

/// A run that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    /// The exit code; `None` when a signal killed it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// A run with these arguments that needs no model.
pub(crate) fn bare<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_transcribe"));
    command.args(args);
    Run { command, stdin: None, keep_stdin: false }
}

/// A run with these arguments, with the model at hand.
pub(crate) fn transcribe<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Run {
    // Fetched before, where it is missing, so that no test sees the notes about it.
    static MODEL: LazyLock<()> = LazyLock::new(|| {
        bare(["model", "fetch"]).wait(FETCH_LIMIT).succeeds();
    });
    LazyLock::force(&MODEL);
    bare(args)
}

/// The same program under a limit of its address space in kibibytes.
pub(crate) fn limited<S: AsRef<OsStr>>(kib: u64, args: impl IntoIterator<Item = S>) -> Run {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(format!("ulimit -v {kib}; exec \"$0\" \"$@\""));
    command.arg(env!("CARGO_BIN_EXE_transcribe")).args(args);
    Run { command, stdin: None, keep_stdin: false }
}

/// A committed recording.
pub(crate) fn fixture(name: &str) -> PathBuf {
    fixtures::path(name)
}

/// Writes a file into a folder of a test.
pub(crate) fn file(dir: &TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// Files of a folder by name.
pub(crate) fn names_in(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Keys of a JSON object by name.
pub(crate) fn keys(object: &serde_json::Value) -> Vec<&str> {
    let mut keys: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

impl Run {
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Standard input holds this and ends.
    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Runs to the end.
    pub(crate) fn done(self) -> Done {
        self.wait(LIMIT)
    }

    /// Runs to the end with standard output going there: nothing of it comes back.
    pub(crate) fn done_to(mut self, stdout: impl Into<Stdio>) -> Done {
        self.command.stdout(stdout);
        self.begin().done(LIMIT)
    }

    /// Begins the run. Its standard input is a pipe that stays open until the run is over.
    pub(crate) fn start(mut self) -> Running {
        self.command.stdout(Stdio::piped());
        self.stdin.get_or_insert_default();
        self.keep_stdin = true;
        self.begin()
    }

    fn wait(mut self, limit: Duration) -> Done {
        self.command.stdout(Stdio::piped());
        self.begin().done(limit)
    }

    fn begin(mut self) -> Running {
        self.command.stderr(Stdio::piped());
        self.command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = self.command.spawn().unwrap();
        let (sender, pieces) = sync_channel(16);
        let streams = usize::from(child.stdout.is_some()) + 1;
        if let Some(stdout) = child.stdout.take() {
            forward(stdout, Stream::Out, sender.clone());
        }
        forward(child.stderr.take().unwrap(), Stream::Err, sender);
        let stdin = self.stdin.and_then(|bytes| feed(child.stdin.take()?, bytes, self.keep_stdin));
        Running { child, _stdin: stdin, pieces, streams, out: Vec::new(), err: Vec::new() }
    }
}

#[derive(Clone, Copy)]
enum Stream {
    Out,
    Err,
}

/// Writes to the standard input of a run, which ends behind it, or when the receiver is dropped.
fn feed(mut pipe: ChildStdin, bytes: Vec<u8>, keep: bool) -> Option<Receiver<ChildStdin>> {
    let (handover, fed) = sync_channel(1);
    std::thread::spawn(move || {
        // A run may end without reading everything.
        let _ = pipe.write_all(&bytes);
        let _ = handover.send(pipe);
    });
    keep.then_some(fed)
}

/// Sends on what a stream of the run says; nothing at its end.
fn forward(mut from: impl Read + Send + 'static, stream: Stream, to: SyncSender<(Stream, Vec<u8>)>) {
    std::thread::spawn(move || {
        loop {
            let mut piece = vec![0; 4096];
            let read = from.read(&mut piece).unwrap_or(0);
            piece.truncate(read);
            if to.send((stream, piece)).is_err() || read == 0 {
                return;
            }
        }
    });
}

/// A run in the middle.
pub(crate) struct Running {
    child: Child,
    /// Standard input is open as long as this is here.
    _stdin: Option<Receiver<ChildStdin>>,
    pieces: Receiver<(Stream, Vec<u8>)>,
    /// Streams that have not ended.
    streams: usize,
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Running {
    /// Waits until a whole line stands on standard output.
    pub(crate) fn first_line(&mut self) {
        while !self.out.contains(&b'\n') {
            assert!(self.streams > 0, "it ended without a line: {}", String::from_utf8_lossy(&self.err));
            self.listen(LIMIT);
        }
    }

    /// What Ctrl-C sends.
    pub(crate) fn interrupt(&self) {
        let sent = Command::new("kill").arg("-INT").arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end, with standard input still open.
    pub(crate) fn end(self) -> Done {
        self.done(LIMIT)
    }

    fn listen(&mut self, limit: Duration) {
        let Ok((stream, piece)) = self.pieces.recv_timeout(limit) else {
            self.child.kill().unwrap();
            panic!("it hangs, having said: {}", String::from_utf8_lossy(&self.err));
        };
        if piece.is_empty() {
            self.streams -= 1;
        }
        match stream {
            Stream::Out => self.out.extend(piece),
            Stream::Err => self.err.extend(piece),
        }
    }

    fn done(mut self, limit: Duration) -> Done {
        while self.streams > 0 {
            self.listen(limit);
        }
        // Both streams have ended, so the process has.
        let code = self.child.wait().unwrap().code();
        let done = Done { code, stdout: self.out, stderr: String::from_utf8_lossy(&self.err).into_owned() };
        assert!(!done.stderr.contains("panicked"), "{done:?}");
        done
    }
}

impl Done {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap()
    }

    /// Each line of standard output as a JSON object.
    pub(crate) fn json_lines(&self) -> Vec<serde_json::Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Exit code 0.
    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }

    /// Exit code 0, and a warning or note on standard error with these words; no error.
    #[track_caller]
    pub(crate) fn succeeds_saying(self, words: &[&str]) -> Self {
        let done = self.succeeds();
        assert!(!done.stderr.contains("error:"), "{}", done.stderr);
        for word in words {
            assert!(done.stderr.contains(word), "{word:?} is not in {:?}", done.stderr);
        }
        done
    }

    /// This exit code, and nothing on standard error but one line with these words.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.stderr.lines().count(), 1, "{:?}", self.stderr);
        self.fails_after_notes(code, words)
    }

    /// This exit code, and one error line with these words behind whatever notes there were.
    #[track_caller]
    pub(crate) fn fails_after_notes(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        let errors = self.stderr.lines().filter(|line| line.starts_with("error: ")).count();
        let last = self.stderr.lines().last().unwrap_or_default();
        assert!(errors == 1 && last.starts_with("error: "), "{:?}", self.stderr);
        for word in words {
            assert!(last.contains(word), "{word:?} is not in {last:?}");
        }
        self
    }
}
