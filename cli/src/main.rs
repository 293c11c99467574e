//! The binary `transcribe`.

fn main() -> std::process::ExitCode {
    cli::run(std::env::args_os(), cli::Io::of_process())
}
