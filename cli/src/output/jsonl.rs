//! One Salesforce message a line, exactly as it would be posted.

use std::io::{self, Write};

use engine::call::Message;

use super::Printer;

pub(super) struct Jsonl;

impl Printer for Jsonl {
    fn message(&mut self, out: &mut dyn Write, message: &Message) -> io::Result<()> {
        serde_json::to_writer(&mut *out, message)?;
        writeln!(out)
    }
}
