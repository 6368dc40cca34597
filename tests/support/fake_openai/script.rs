//! What a fake OpenAI does: data, written by the test.

use std::time::Duration;

use serde_json::Value;

/// Everything that the fake will do.
#[derive(Clone, Debug)]
pub struct Script {
    /// How each connection behaves, in order; the last one's behaviour is repeated.
    pub sessions: Vec<SessionScript>,
    /// What each `response.create` (or the vendor's own detector) brings, in order, over all sessions; the last one
    /// is repeated.
    pub answers: Vec<Answer>,
    /// What each utterance of the caller is understood as, in order, over all sessions; the last one is repeated.
    pub transcripts: Vec<String>,
    /// Whether the energy of what is heard makes `speech_started` and `speech_stopped`.
    pub listens: bool,
    /// Whether every byte of the caller is kept. A load generator wants not.
    pub keeps_audio: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            sessions: vec![SessionScript::default()],
            answers: vec![Answer::default()],
            transcripts: vec!["When do you open?".to_owned()],
            listens: false,
            keeps_audio: true,
        }
    }
}

/// How one connection behaves.
#[derive(Clone, Debug, Default)]
pub struct SessionScript {
    /// Refuses the upgrade with this status and body.
    pub refuse_upgrade: Option<(u16, String)>,
    /// Says nothing at all after the upgrade.
    pub mute: bool,
    /// How long `session.created` takes.
    pub created_after: Duration,
    /// Instead of `session.created`: this error, then a close with this code.
    pub refuse_session: Option<(ErrorScript, u16)>,
    /// What each `session.update` brings, in order; after the last one they are accepted.
    pub updates: Vec<Update>,
    /// How long the session lives: told as `expires_at`, and kept.
    pub lifetime: Option<Duration>,
    /// Confirms `audio/pcmu` and sends 24 kHz linear.
    pub lies: bool,
}

/// What a `session.update` brings.
#[derive(Clone, Debug)]
pub enum Update {
    /// It is done and echoed.
    Accept,
    /// An error.
    Refuse(ErrorScript),
    /// It is done, and the echo says this (by JSON pointer into `session`) instead.
    EchoInstead(&'static str, Value),
    /// Nothing.
    Ignore,
}

/// An error of the vendor.
#[derive(Clone, Debug)]
pub struct ErrorScript {
    pub kind: &'static str,
    pub code: &'static str,
}

impl ErrorScript {
    pub const fn new(kind: &'static str, code: &'static str) -> Self {
        Self { kind, code }
    }
}

/// What a response brings.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The words of each spoken item; one item is the usual thing.
    pub texts: Vec<String>,
    /// How long the audio of each item lasts.
    pub length: Duration,
    /// The pitch of the audio, in Hz.
    pub pitch: f64,
    /// How much audio stands in one delta.
    pub chunk: Duration,
    /// One chunk per its own length; otherwise everything at once.
    pub in_real_time: bool,
    /// Cuts the base64 of deltas at places where no byte ends, and samples in half.
    pub ragged: bool,
    /// Tool calls: name and arguments.
    pub tools: Vec<(String, String)>,
    /// After how many chunks something else happens.
    pub then: Option<(usize, Then)>,
    /// How many more chunks come after a cancel, before its end.
    pub late: usize,
    /// How it ends.
    pub end: End,
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            texts: vec!["We open at nine in the morning.".to_owned()],
            length: Duration::from_millis(2_000),
            pitch: 220.0,
            chunk: Duration::from_millis(200),
            in_real_time: false,
            ragged: false,
            tools: Vec::new(),
            then: None,
            late: 0,
            end: End::Completed,
        }
    }
}

impl Answer {
    /// These words, with audio of a length that fits them.
    pub fn saying(text: &str) -> Self {
        let length = Duration::from_millis(text.chars().count() as u64 * 65);
        Self { texts: vec![text.to_owned()], length, ..Self::default() }
    }

    /// The same, and then a tool call.
    pub fn calling(mut self, name: &str, arguments: &str) -> Self {
        self.tools.push((name.to_owned(), arguments.to_owned()));
        self
    }

    /// The same, except that after `chunks` deltas this happens.
    pub fn then(mut self, chunks: usize, then: Then) -> Self {
        self.then = Some((chunks, then));
        self
    }
}

/// What happens within a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It waits to be cancelled, or for [`Command::GoOn`].
    Hold,
    /// The vendor says nothing more, to anything.
    Stall,
    /// The connection is cut, without a close frame.
    Drop,
}

/// How a response ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Completed,
    /// With this error code.
    Failed(&'static str),
    /// The longest response was reached.
    Incomplete,
}

/// What a test makes a live session do.
#[derive(Clone, Debug)]
pub enum Command {
    /// The detector hears the caller begin.
    SpeechStarted,
    /// … and finish; the words come after.
    SpeechStopped,
    /// This message, as it is.
    Say(Value),
    /// A held response goes on.
    GoOn,
    /// Close, with code and reason.
    Close(u16, &'static str),
    /// Cut the connection.
    Drop,
    /// Stop reading and writing, and keep the connection.
    Freeze,
}
