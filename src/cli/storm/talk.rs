//! What a caller does: a script, and where the caller is in it.
//!
//! ```text
//! listen speak=2000 listen speak=2000 interrupt=1000
//! ```
//!
//! * `listen`: until the agent has begun to speak and has finished.
//! * `speak=MS`: so many milliseconds of speech.
//! * `interrupt=MS`: let the agent speak for so long, then speak over it.
//! * `wait=MS`: silence.
//!
//! The script is played again and again until the call's length is reached.

use std::str::FromStr;
use std::time::{Duration, Instant};

use thiserror::Error;

/// What is played unless another script is given.
pub const DEFAULT: &str = "listen speak=2000 listen speak=2000 interrupt=1000";

/// How long the agent may be silent within its turn.
const BREATH: Duration = Duration::from_millis(400);
/// How long a caller waits for the agent.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an interruption is.
const INTERRUPTION_FRAMES: usize = 75;
/// The length of a caller's frame, in milliseconds.
const FRAME_MS: u64 = 20;

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Hear the agent out.
    Listen,
    /// Say so many frames.
    Speak(usize),
    /// Hear the agent for so long, then speak over it.
    Interrupt(Duration),
    /// Say nothing.
    Wait(Duration),
}

/// Everything that a caller does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Talk(Vec<Step>);

/// A script that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is none of listen, speak=MS, interrupt=MS, wait=MS")]
pub struct TalkError(String);

impl FromStr for Talk {
    type Err = TalkError;

    fn from_str(text: &str) -> Result<Self, TalkError> {
        let steps: Result<Vec<Step>, TalkError> = text.split_whitespace().map(step).collect();
        let steps = steps?;
        if steps.is_empty() { Err(TalkError(String::new())) } else { Ok(Self(steps)) }
    }
}

fn step(word: &str) -> Result<Step, TalkError> {
    let wrong = || TalkError(word.to_owned());
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    let millis = || value.parse().ok().filter(|millis| (20..=60_000).contains(millis)).ok_or_else(wrong);
    match name {
        "listen" if value.is_empty() => Ok(Step::Listen),
        "speak" => Ok(Step::Speak((millis()? / FRAME_MS) as usize)),
        "interrupt" => Ok(Step::Interrupt(Duration::from_millis(millis()?))),
        "wait" => Ok(Step::Wait(Duration::from_millis(millis()?))),
        _ => Err(wrong()),
    }
}

/// What the caller knows of the agent.
#[derive(Clone, Copy, Debug)]
pub struct AgentHeard {
    /// When its last turn began.
    pub began: Option<Instant>,
    /// For how long it has been silent; zero while it is heard.
    pub quiet_for: Duration,
}

/// What the caller does in the next 20 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Silence,
    /// The frame at this place of the caller's speech.
    Speech {
        /// Which frame.
        frame: usize,
        /// Whether it is the first.
        is_first: bool,
        /// Whether it is the last.
        is_last: bool,
        /// Whether it speaks over the agent.
        is_interruption: bool,
    },
    /// Nothing: the agent did not speak in time, and is waited for no longer.
    GaveUp,
}

/// A caller in the middle of a script.
#[derive(Debug)]
pub struct Talker {
    step: usize,
    doing: Doing,
}

#[derive(Debug)]
enum Doing {
    Beginning,
    Listening { since: Instant },
    Speaking { frame: usize, frames: usize, is_interruption: bool },
    Interrupting { since: Instant, after: Duration },
    Waiting { until: Instant },
}

impl Talker {
    /// At the beginning.
    pub fn new() -> Self {
        Self { step: 0, doing: Doing::Beginning }
    }

    /// The caller's next 20 ms.
    pub fn next(&mut self, talk: &Talk, now: Instant, agent: AgentHeard) -> Next {
        match &mut self.doing {
            Doing::Beginning => {
                self.begin(talk, now);
                return self.next_of_begun(now, agent);
            }
            Doing::Listening { since } => {
                let has_spoken = agent.began.is_some_and(|began| began >= *since);
                if has_spoken && agent.quiet_for >= BREATH {
                    self.advance(talk);
                } else if !has_spoken && now.saturating_duration_since(*since) > PATIENCE {
                    self.advance(talk);
                    return Next::GaveUp;
                }
            }
            Doing::Interrupting { since, after } => {
                let begun = agent.began.filter(|began| *began >= *since);
                let is_speaking = begun.is_some() && agent.quiet_for.is_zero();
                if begun.is_some_and(|began| now.saturating_duration_since(began) >= *after) {
                    self.doing =
                        Doing::Speaking { frame: 0, frames: INTERRUPTION_FRAMES, is_interruption: is_speaking };
                } else if begun.is_none() && now.saturating_duration_since(*since) > PATIENCE {
                    self.advance(talk);
                    return Next::GaveUp;
                }
            }
            Doing::Waiting { until } if *until <= now => self.advance(talk),
            Doing::Waiting { .. } => {}
            Doing::Speaking { .. } => return self.speak(talk),
        }
        Next::Silence
    }

    fn next_of_begun(&mut self, now: Instant, agent: AgentHeard) -> Next {
        match self.doing {
            Doing::Speaking { .. } => self.next(&Talk(Vec::new()), now, agent),
            _ => Next::Silence,
        }
    }

    fn speak(&mut self, talk: &Talk) -> Next {
        let Doing::Speaking { frame, frames, is_interruption } = &mut self.doing else { return Next::Silence };
        let (said, is_interruption) = (*frame, *is_interruption);
        let is_last = said + 1 >= *frames;
        *frame += 1;
        if is_last {
            self.advance(talk);
        }
        Next::Speech { frame: said, is_first: said == 0, is_last, is_interruption }
    }

    fn advance(&mut self, talk: &Talk) {
        self.step = (self.step + 1) % talk.0.len().max(1);
        self.doing = Doing::Beginning;
    }

    fn begin(&mut self, talk: &Talk, now: Instant) {
        self.doing = match talk.0.get(self.step).copied().unwrap_or(Step::Listen) {
            Step::Listen => Doing::Listening { since: now },
            Step::Speak(frames) => Doing::Speaking { frame: 0, frames, is_interruption: false },
            Step::Interrupt(after) => Doing::Interrupting { since: now, after },
            Step::Wait(length) => Doing::Waiting { until: now + length },
        };
    }
}

/// The caller's speech, cut into frames of base64 that were made once.
#[derive(Debug)]
pub struct Clip {
    speech: Vec<String>,
    silence: String,
}

/// The demo's caller, from the first loud frame on.
const SPEECH: &[u8] = include_bytes!("../demo/voices/message.ulaw");
/// Where the words begin, in frames.
const SPEECH_BEGINS: usize = 4;
/// A loud frame: speech's end is where the last one is.
const LOUD: f64 = 700.0;

impl Clip {
    /// The clip.
    pub fn new() -> Self {
        use crate::cli::demo::twilio::ulaw::{FRAME_BYTES, SILENCE};
        use base64::Engine as _;
        let base64 = |frame: &[u8]| base64::engine::general_purpose::STANDARD.encode(frame);
        let frames = SPEECH.chunks_exact(FRAME_BYTES).skip(SPEECH_BEGINS);
        Self { speech: frames.map(base64).collect(), silence: base64(&[SILENCE; FRAME_BYTES]) }
    }

    /// The frame at this place of speech that is `is_last` frames away from its end; after the clip's end it
    /// begins anew. Speech ends loudly, whatever its length, so that its end is known to a frame.
    pub fn speech(&self, frame: usize, is_last: bool) -> &str {
        let frame = if is_last { self.loud_before(frame) } else { frame };
        &self.speech[frame % self.speech.len()]
    }

    /// A frame in which nothing is said.
    pub fn silence(&self) -> &str {
        &self.silence
    }

    fn loud_before(&self, frame: usize) -> usize {
        let is_loud = |frame: &usize| {
            let at = (SPEECH_BEGINS + frame % self.speech.len()) * 160;
            crate::cli::demo::twilio::ulaw::level(&SPEECH[at..at + 160]) > LOUD
        };
        (0..=frame).rev().find(is_loud).unwrap_or(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn scripts_are_read_and_nonsense_is_refused() {
        let wait = |millis| Duration::from_millis(millis);
        let talk: Talk = "listen speak=2000 interrupt=800 wait=40".parse().unwrap();
        assert_eq!(talk.0, [Step::Listen, Step::Speak(100), Step::Interrupt(wait(800)), Step::Wait(wait(40))]);
        assert!(DEFAULT.parse::<Talk>().is_ok());
        for wrong in ["", "sing", "speak", "speak=x", "speak=0", "listen=3", "wait=-1"] {
            assert!(wrong.parse::<Talk>().is_err(), "{wrong}");
        }
    }

    /// What is done in each frame: `.` silence, `s` speech, `i` speech over the agent, `!` gave up. The agent speaks where there is `#`.
    fn play(script: &str, agent: &str) -> String {
        let (talk, mut talker, began) = (script.parse::<Talk>().unwrap(), Talker::new(), clock::now());
        let (mut turn, mut heard_last) = (None, None);
        let mut was_speaking = false;
        let mut done = String::new();
        for (frame, agent) in agent.chars().enumerate() {
            let now = began + Duration::from_millis(20) * frame as u32;
            if agent == '#' {
                turn = if was_speaking { turn } else { Some(now) };
                heard_last = Some(now);
            }
            was_speaking = agent == '#';
            let quiet_for = heard_last.map_or(Duration::ZERO, |last| now - last);
            done.push(match talker.next(&talk, now, AgentHeard { began: turn, quiet_for }) {
                Next::Silence => '.',
                Next::Speech { is_interruption: true, .. } => 'i',
                Next::Speech { .. } => 's',
                Next::GaveUp => '!',
            });
        }
        done
    }

    #[test]
    fn a_caller_hears_the_agent_out_before_speaking() {
        let agent = format!("...####{}", ".".repeat(30));
        let done = play("listen speak=60", &agent);
        let quiet = "...####..................".len() + 2;
        assert_eq!(done.find('s'), Some(quiet), "{done}");
        assert_eq!(done.matches('s').count(), 3, "{done}");
    }

    #[test]
    fn an_interruption_begins_while_the_agent_speaks() {
        let done = play("interrupt=60", &format!("..{}", "#".repeat(100)));
        assert_eq!(done.find('i'), Some(6), "{done}");
        assert_eq!(done.matches('i').count(), INTERRUPTION_FRAMES);
    }

    #[test]
    fn nobody_waits_for_ever() {
        let done = play("listen speak=20", &".".repeat(600));
        assert_eq!((done.find('!'), done.find('s')), (Some(501), Some(502)), "{}", &done[490..]);
    }

    #[test]
    fn speech_ends_with_a_loud_frame_and_has_no_pause_that_ends_a_turn() {
        let clip = Clip::new();
        for frames in [50, 75, 100, 150] {
            let last = clip.loud_before(frames - 1);
            assert!(frames - 1 - last < 15, "{frames}: {last}");
        }
        assert_eq!(clip.speech(0, false).len(), clip.silence().len());
    }
}
