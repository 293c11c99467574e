//! `transcribe doctor`: could a live call succeed? One line for each thing that was looked at.

use std::fmt::Write;

use anyhow::Context;
use engine::shell::doctor::{Asked, Finding, Health, examine};

use crate::args::DoctorArgs;
use crate::console::Console;
use crate::failure::Failure;

use super::{block_on, prepare};

pub(crate) fn run(args: &DoctorArgs, console: &mut Console) -> Result<(), Failure> {
    let config = prepare(&args.config())?;
    let asked = Asked { stream: args.stream.clone(), instance: args.instance.clone() };
    let findings = block_on(async { examine(&config, &asked).await.map_err(Failure::setup) })?;
    console.print(lines(&findings).as_bytes()).context("cannot write the findings")?;
    let failed = findings.iter().filter(|f| f.health == Health::Failed).count();
    match failed {
        0 => Ok(()),
        1 => Err(Failure::job("one check failed: live calls cannot succeed yet")),
        n => Err(Failure::job(format!("{n} checks failed: live calls cannot succeed yet"))),
    }
}

fn lines(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{finding}");
    }
    text
}
