//! What the carrier knows of a call when it is over.

use std::time::Duration;

use serde::Serialize;

use super::carrier::CallIdentity;
use super::complaint::Complaint;
use super::ear::{Cleared, Heard, Span, as_ms, sounds};
use super::twiml::Verb;

/// Pauses within a sentence that do not part it.
pub const BREATH: Duration = Duration::from_millis(400);
/// A mark that is due so shortly before the end may cross with it.
const LAST_WORD: Duration = Duration::from_millis(100);

/// Who ended the media stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The caller hung up.
    Caller,
    /// The server closed the socket, or its side of the connection broke.
    Server,
    /// The connection was cut without a word.
    LineCut,
}

/// One mark of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MarkSeen {
    /// Its name.
    pub name: String,
    /// When it came.
    #[serde(skip)]
    pub at: Duration,
    /// When what came before it is heard, unless it is cleared.
    #[serde(skip)]
    pub due: Duration,
    /// When it was answered.
    #[serde(skip)]
    pub answered: Option<Duration>,
    /// Whether a `clear` threw away what lay before it.
    pub cleared: bool,
}

/// A call as the carrier saw it; all times since the stream's `start`.
#[derive(Clone, Debug, Serialize)]
pub struct CallReport {
    /// Which call.
    #[serde(flatten)]
    pub call: CallIdentity,
    /// Its media stream.
    pub stream_sid: String,
    /// How long the voice webhook took.
    #[serde(rename = "webhook_ms", serialize_with = "as_ms")]
    pub webhook: Duration,
    /// Who ended the stream.
    pub ended_by: EndedBy,
    /// The server's close code, if it sent one.
    pub close_code: Option<u16>,
    /// From the stream's start to its end.
    #[serde(rename = "length_ms", serialize_with = "as_ms")]
    pub length: Duration,
    /// After the caller's hang-up: how long the server took to close its side; `None` if it did not.
    #[serde(skip)]
    pub server_closed_after: Option<Duration>,
    /// Frames of 20 ms sent to the server.
    pub frames_sent: u64,
    /// `media` messages received.
    pub frames_received: u64,
    /// Pauses over 60 ms inside the agent's speech.
    pub gaps: Vec<Span>,
    /// Frames closer than 15 ms to the one before, though speech did not begin.
    pub crowded_frames: u64,
    /// The most audio that ever waited to be heard.
    #[serde(rename = "most_ahead_ms", serialize_with = "as_ms")]
    pub most_ahead: Duration,
    /// Every `clear`.
    pub clears: Vec<Cleared>,
    /// Every mark.
    pub marks: Vec<MarkSeen>,
    /// What the server was told to do with the caller when it had ended the stream.
    pub farewell: Vec<Verb>,
    /// The HTTP status with which the last status callback was answered.
    pub status_answer: Option<u16>,
    /// What the server did wrong.
    pub complaints: Vec<Complaint>,
    /// What the caller heard.
    #[serde(skip)]
    pub heard: Vec<Heard>,
    /// What the caller said.
    #[serde(skip)]
    pub said: Vec<Heard>,
}

impl CallReport {
    /// From when to when the caller heard the agent.
    pub fn agent_sounds(&self) -> Vec<Span> {
        sounds(&self.heard, BREATH)
    }

    /// From when to when the caller spoke.
    pub fn caller_sounds(&self) -> Vec<Span> {
        sounds(&self.said, BREATH)
    }

    /// When the first sound of the agent was heard.
    pub fn first_audio(&self) -> Option<Duration> {
        self.agent_sounds().first().map(|sound| sound.from)
    }

    /// For each time that the caller began to speak while the agent was heard and was cut short: from the
    /// caller's first sound to the agent's last.
    pub fn barge_in_reactions(&self) -> Vec<Duration> {
        let fine = sounds(&self.heard, Duration::from_millis(100));
        let caller = self.caller_sounds();
        let cut_by = |clear: &Cleared| {
            let onset = caller.iter().rfind(|sound| sound.from <= clear.at)?.from;
            let last = fine.iter().rfind(|sound| sound.from <= clear.at)?.to;
            (last > onset).then(|| last - onset)
        };
        self.clears.iter().filter_map(cut_by).collect()
    }

    /// Marks that were never answered though the caller stayed long enough to hear what lay before them.
    pub fn unanswered_marks(&self) -> usize {
        let missed = |mark: &&MarkSeen| mark.answered.is_none() && mark.due + LAST_WORD < self.length;
        self.marks.iter().filter(missed).count()
    }
}
