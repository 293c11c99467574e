//! The loop that performs a call's outputs for a recording.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::call::{
    Call, ContactFacts, GateSource, Input, Message, Outcome, Output, Report, Summary, TelephonyEvent,
};
use crate::recogniser::{AudioChunk, Recogniser, RecogniserEvent};
use crate::time::Time;

use super::source::{Media, SourceError};

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes read from the source.
    pub bytes_read: u64,
    /// Start of the recording's audio.
    pub start: Option<Time>,
    /// Audio handed to the recogniser up to here.
    pub heard: Option<Time>,
    /// Speech recognised up to here.
    pub recognised: Option<Time>,
}

/// Who is told what happens. Errors end the run.
pub trait Listener {
    /// A message, as it would be posted.
    ///
    /// # Errors
    /// It cannot be written.
    fn message(&mut self, message: &Message) -> io::Result<()>;
    /// News of the call.
    ///
    /// # Errors
    /// It cannot be written.
    fn report(&mut self, report: &Report) -> io::Result<()>;
    /// Audio on its way to the recogniser, gates applied.
    ///
    /// # Errors
    /// It cannot be written.
    fn audio(&mut self, chunk: &AudioChunk) -> io::Result<()> {
        let _ = chunk;
        Ok(())
    }
    /// How far the run has come.
    fn progress(&mut self, progress: &Progress) {
        let _ = progress;
    }
}

/// Why a run could not be finished.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// The recording cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The results cannot be written.
    #[error("cannot write the result")]
    Output(#[source] io::Error),
}

/// Plays `source` through `call`: all `events` first, then the media. Once `interrupt` is set, the call is
/// stopped and what is final is still delivered.
///
/// # Errors
/// The source cannot be read or the listener cannot write. A recogniser that fails ends the call instead,
/// and the summary says why.
pub fn play(
    call: Call,
    source: &mut dyn Media,
    events: Vec<TelephonyEvent>,
    recogniser: &mut dyn Recogniser,
    listener: &mut dyn Listener,
    interrupt: &AtomicBool,
) -> Result<Summary, DriverError> {
    Player {
        call,
        source,
        recogniser,
        listener,
        interrupt,
        stopping: false,
        now: Time::default(),
        progress: Progress::default(),
    }
    .run(events)
}

struct Player<'a> {
    call: Call,
    source: &'a mut dyn Media,
    recogniser: &'a mut dyn Recogniser,
    listener: &'a mut dyn Listener,
    interrupt: &'a AtomicBool,
    stopping: bool,
    now: Time,
    progress: Progress,
}

impl Player<'_> {
    fn run(mut self, events: Vec<TelephonyEvent>) -> Result<Summary, DriverError> {
        for event in events {
            self.handle(Input::Gate(GateSource::Toolkit, event));
        }
        loop {
            match self.call.poll() {
                Output::Wait(deadline) => self.wait(deadline)?,
                Output::Done(summary) => return Ok(*summary),
                output => self.perform(output).map_err(DriverError::Output)?,
            }
        }
    }

    fn handle(&mut self, input: Input) {
        self.call.handle(self.now, input);
    }

    fn perform(&mut self, output: Output) -> io::Result<()> {
        match output {
            // Nobody can be asked about a recording's contacts: each stands for itself.
            Output::Resolve(id) => {
                let facts = ContactFacts::first_of_its_chain(&id);
                self.handle(Input::Contact { id, facts });
            }
            Output::OpenRecogniser(spec) => {
                let session = spec.id;
                let answer = match self.recogniser.open(&spec) {
                    Ok(capabilities) => Input::RecogniserReady { session, capabilities },
                    Err(error) => Input::RecogniserLost { session, error },
                };
                self.handle(answer);
            }
            Output::Audio(chunk) => {
                self.listener.audio(&chunk)?;
                self.progress.start.get_or_insert(chunk.start);
                self.progress.heard = Some(chunk.start);
                let session = chunk.session;
                if let Err(error) = self.recogniser.audio(chunk) {
                    self.handle(Input::RecogniserLost { session, error });
                }
                self.listen(session, false);
                self.listener.progress(&self.progress);
            }
            Output::EndAudio { session } => self.end_audio(session),
            Output::Post(posts) => {
                for message in posts.into_iter().map(|p| p.message) {
                    self.listener.message(&message)?;
                    self.progress.recognised = Some(Time::from_ms(message.end_time));
                    self.listener.progress(&self.progress);
                    self.handle(Input::Posted { id: message.message_id, outcome: Outcome::Accepted });
                }
            }
            Output::Report(report) => self.listener.report(&report)?,
            Output::Store(checkpoint) => self.handle(Input::Stored(checkpoint.sequence)),
            _ => {}
        }
        Ok(())
    }

    /// Ends a session's audio. When interrupted, only what is final already still counts.
    fn end_audio(&mut self, session: u32) {
        if self.stopping {
            while self.listen(session, false) {}
            self.handle(Input::Recognised(RecogniserEvent::Ended { session }));
        } else if let Err(error) = self.recogniser.end(session) {
            self.handle(Input::RecogniserLost { session, error });
        }
    }

    /// Passes on what the recogniser says; false if it had nothing to say.
    fn listen(&mut self, session: u32, wait: bool) -> bool {
        match self.recogniser.poll(wait) {
            Ok(Some(event)) => {
                self.handle(Input::Recognised(event));
                true
            }
            Ok(None) => false,
            Err(error) => {
                self.handle(Input::RecogniserLost { session, error });
                true
            }
        }
    }

    /// The call waits: for the recogniser's news and media, else for the recogniser, else for time.
    fn wait(&mut self, deadline: Time) -> Result<(), DriverError> {
        if self.interrupt.load(Ordering::Relaxed) && !std::mem::replace(&mut self.stopping, true) {
            self.handle(Input::Stop);
            return Ok(());
        }
        if self.call.wants_media() {
            // What is recognised already must not wait for audio that may be long in coming.
            if self.listen(0, false) {
                return Ok(());
            }
            let input = self.source.next_input()?;
            if self.interrupt.load(Ordering::Relaxed) {
                // What ended the reading may have been the interrupt itself.
                return Ok(());
            }
            self.progress.bytes_read = self.source.bytes_read();
            self.handle(input);
            self.listener.progress(&self.progress);
        } else if !self.listen(0, true) {
            self.now = if deadline == Time::MAX { self.now } else { self.now.max(deadline) };
            self.handle(Input::Tick);
        }
        Ok(())
    }
}
