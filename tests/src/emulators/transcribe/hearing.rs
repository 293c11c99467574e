//! The seam between a session and whatever makes words of its audio. It knows neither the wire nor JSON.

use engine::time::Span;

use super::request::Request;

/// Makes words of the audio of sessions.
pub trait Listener: Send + Sync + std::fmt::Debug {
    /// Begins to listen to a session. It gets silence that ends a segment; whoever finds segments by himself
    /// may pass it over.
    fn open(&self, request: &Request, pause: Span) -> Box<dyn Hearing>;
}

/// Listens to one session. Dropping it ends all work for it.
pub trait Hearing: Send + std::fmt::Debug {
    /// Takes interleaved samples of the session's channels. Never blocks.
    ///
    /// # Errors
    /// When it cannot take more, or has failed: the session is lost.
    fn hear(&mut self, samples: &[i16]) -> Result<(), String>;

    /// The audio is over.
    fn end(&mut self);

    /// What was understood since the last call, each channel in order.
    ///
    /// # Errors
    /// When it has failed: the session is lost.
    fn poll(&mut self) -> Result<Vec<Speech>, String>;

    /// After [`Hearing::end`]: everything has been told.
    fn is_done(&self) -> bool;

    /// How soon to poll again, where words come by themselves and not with the audio.
    fn look(&self) -> Option<Span> {
        None
    }
}

/// A stretch of speech on one channel. Times count from the start of the session.
#[derive(Debug, Clone, PartialEq)]
pub struct Speech {
    /// The channel.
    pub channel: usize,
    /// It will be told again, with more words or others.
    pub partial: bool,
    /// Start of the speech.
    pub start: Span,
    /// End of the speech.
    pub end: Span,
    /// The words, at least one.
    pub words: Vec<Said>,
}

/// A word. Its time counts from the start of the session.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// As shown, with the punctuation behind it.
    pub text: String,
    /// Start.
    pub start: Span,
    /// End.
    pub end: Span,
    /// 0 to 1, where it is known.
    pub confidence: Option<f32>,
    /// A space stands before it unless it is the first.
    pub space_before: bool,
}
