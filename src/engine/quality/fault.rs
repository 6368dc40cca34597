//! What can be wrong with a call, how its figures show it, and what to do.

use std::time::Duration;

use crate::engine::call::{CallStats, HangupCause};

use super::Finding;

/// How much a fault matters, by the points it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Fewer than 25 points.
    Minor,
    /// From 25 points.
    Major,
    /// From 60 points: there was no conversation.
    Fatal,
}

/// A fault of a call. The table is in the documentation of [`super`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // each is a row of that table
pub enum Fault {
    InternalFault,
    WrongAudio,
    AgentUnavailable,
    StreamLost,
    AgentLost,
    NoCallerAudio,
    NoAgentAudio,
    CallerSilent,
    CallerAudioDropped,
    Choppy,
    SlowFirstAudio,
    SlowAnswers,
    SlowBargeIn,
    MediaFaults,
}

impl Severity {
    /// Every severity, the mildest first.
    pub const ALL: [Self; 3] = [Self::Minor, Self::Major, Self::Fatal];

    /// Its name, in lower case.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Fatal => "fatal",
        }
    }
}

impl Finding {
    /// How much it matters.
    pub const fn severity(&self) -> Severity {
        match self.points {
            60.. => Severity::Fatal,
            25.. => Severity::Major,
            _ => Severity::Minor,
        }
    }
}

impl Fault {
    /// Every fault, in the order of findings.
    pub const ALL: [Self; 14] = [
        Self::InternalFault,
        Self::WrongAudio,
        Self::AgentUnavailable,
        Self::StreamLost,
        Self::AgentLost,
        Self::NoCallerAudio,
        Self::NoAgentAudio,
        Self::CallerSilent,
        Self::CallerAudioDropped,
        Self::Choppy,
        Self::SlowFirstAudio,
        Self::SlowAnswers,
        Self::SlowBargeIn,
        Self::MediaFaults,
    ];

    /// Its name: lower case, with hyphens.
    pub const fn word(self) -> &'static str {
        self.texts()[0]
    }

    /// What is wrong.
    pub const fn cause(self) -> &'static str {
        self.texts()[1]
    }

    /// What followed for the caller.
    pub const fn consequence(self) -> &'static str {
        self.texts()[2]
    }

    /// What to do.
    pub const fn remedy(self) -> &'static str {
        self.texts()[3]
    }

    /// The faults that follow from this one and need no finding of their own.
    pub(super) const fn explains(self) -> &'static [Self] {
        match self {
            Self::WrongAudio => &[Self::NoCallerAudio, Self::NoAgentAudio, Self::CallerSilent, Self::MediaFaults],
            Self::InternalFault => &[Self::NoCallerAudio, Self::NoAgentAudio],
            Self::AgentUnavailable => &[
                Self::AgentLost,
                Self::NoAgentAudio,
                Self::CallerAudioDropped,
                Self::SlowFirstAudio,
                Self::SlowAnswers,
            ],
            Self::AgentLost => &[Self::NoAgentAudio, Self::CallerAudioDropped],
            Self::NoCallerAudio => &[Self::CallerSilent],
            _ => &[],
        }
    }

    /// The finding, if the figures show this fault.
    pub(super) fn find(self, stats: &CallStats, cause: HangupCause) -> Option<Finding> {
        let ended_by = |of: HangupCause, points: u8| {
            (cause == of).then(|| (points, format!("the call ended so after {:.1} s", stats.length.as_secs_f64())))
        };
        let (points, figures) = match self {
            Self::InternalFault => ended_by(HangupCause::InternalFault, 80),
            Self::WrongAudio => ended_by(HangupCause::MediaUnsupported, 80),
            Self::AgentUnavailable => ended_by(HangupCause::AgentUnavailable, 80),
            Self::StreamLost => ended_by(HangupCause::StreamLost, 40),
            Self::AgentLost => {
                let points = 15 * stats.agent_losses.min(3) as u8;
                (points > 0).then(|| (points, format!("lost {} times", stats.agent_losses)))
            }
            Self::NoCallerAudio => silent_for(stats.caller_frames, stats.length, 3),
            Self::NoAgentAudio => silent_for(stats.agent_frames, stats.length, 5),
            Self::CallerSilent => (stats.vad_frames >= 500 && stats.vad_speech_frames == 0)
                .then(|| (30, format!("no speech in {} frames", stats.vad_frames))),
            Self::CallerAudioDropped => share(stats.dropped_frames, stats.forwarded_frames),
            Self::Choppy => share(stats.underflow_frames, stats.agent_frames),
            Self::SlowFirstAudio => stats.first_audio.and_then(|time| slow(time, (3000, 10), (6000, 30))),
            Self::SlowAnswers => {
                stats.response_total.checked_div(stats.responses).and_then(|mean| slow(mean, (2000, 15), (4000, 35)))
            }
            Self::SlowBargeIn => stats.barge_in_slowest.and_then(|time| slow(time, (500, 10), (1000, 25))),
            Self::MediaFaults => {
                let points = match stats.media_faults {
                    0 => 0,
                    1..10 => 5,
                    _ => 20,
                };
                (points > 0).then(|| (points, format!("messages without sense: {}", stats.media_faults)))
            }
        }?;
        Some(Finding { fault: self, points, figures })
    }

    /// Name, cause, consequence, remedy.
    const fn texts(self) -> [&'static str; 4] {
        match self {
            Self::InternalFault => [
                "internal-fault",
                "a fault of Trunkline ended the call",
                "the caller was cut off",
                "look for errors in the log at the time of the call, and report them",
            ],
            Self::WrongAudio => [
                "wrong-audio",
                "the carrier sent audio of another kind than the call has",
                "the call was ended, since nobody would have understood anything",
                "let the carrier or the dialplan send the encoding and rate that the call was set up with",
            ],
            Self::AgentUnavailable => [
                "agent-unavailable",
                "the voice agent could not be reached, or did not come back",
                "nobody answered the caller",
                "check the vendor's key, address, quota and state",
            ],
            Self::StreamLost => [
                "stream-lost",
                "the media stream broke while the carrier held the line",
                "the caller was cut off",
                "check the network and the proxy between the carrier and this service, and the proxy's time limits",
            ],
            Self::AgentLost => [
                "agent-lost",
                "the connection to the voice agent was lost during the call",
                "the caller waited while it was made again",
                "check the vendor's state and the network to it",
            ],
            Self::NoCallerAudio => [
                "no-caller-audio",
                "no audio came from the caller's side",
                "the agent never heard the caller",
                "check that the carrier streams the caller's track, and that no firewall holds it back",
            ],
            Self::NoAgentAudio => [
                "no-agent-audio",
                "no audio was sent to the caller",
                "the caller heard nothing",
                "check that the agent has a greeting and a voice, and that its vendor sends audio",
            ],
            Self::CallerSilent => [
                "caller-silent",
                "audio came from the caller's side, but no speech",
                "the agent had nothing to answer",
                "listen to the recording: a muted microphone, or speech too quiet for the detector",
            ],
            Self::CallerAudioDropped => [
                "caller-audio-dropped",
                "frames of the caller did not reach the agent",
                "the agent missed words",
                "check the load of this machine and the network to the vendor",
            ],
            Self::Choppy => [
                "choppy",
                "the agent's audio came later than it was due",
                "the caller heard gaps inside of sentences",
                "check the network to the vendor and the load of this machine",
            ],
            Self::SlowFirstAudio => [
                "slow-first-audio",
                "the first audio of the agent came late",
                "the caller heard silence after the answer",
                "check how long the vendor takes to connect and to begin",
            ],
            Self::SlowAnswers => [
                "slow-answers",
                "the agent's answers began late",
                "the caller waited after each utterance",
                "check the vendor's model and its tools: a faster model, or fewer and quicker tools",
            ],
            Self::SlowBargeIn => [
                "slow-barge-in",
                "the agent went on speaking when it was interrupted",
                "both spoke at once",
                "check the load of this machine",
            ],
            Self::MediaFaults => [
                "media-faults",
                "messages on the media socket made no sense",
                "what they carried was lost",
                "check what stands between the carrier and this service",
            ],
        }
    }
}

fn silent_for(frames: u64, length: Duration, seconds: u64) -> Option<(u8, String)> {
    (frames == 0 && length >= Duration::from_secs(seconds))
        .then(|| (60, format!("no frame in {:.1} s", length.as_secs_f64())))
}

/// `bad` frames beside `good` ones: 1 % and 5 % of both together count.
fn share(bad: u64, good: u64) -> Option<(u8, String)> {
    let all = u128::from(bad) + u128::from(good);
    let hundredfold = u128::from(bad) * 100;
    let points = match () {
        () if bad == 0 || hundredfold < all => return None,
        () if hundredfold < all * 5 => 10,
        () => 30,
    };
    Some((points, format!("{bad} of {all} frames")))
}

/// `(milliseconds, points)` of what is slow and of what is far too slow.
fn slow(time: Duration, slow: (u128, u8), far_too_slow: (u128, u8)) -> Option<(u8, String)> {
    let millis = time.as_millis();
    let (_, points) = [far_too_slow, slow].into_iter().find(|(limit, _)| millis >= *limit)?;
    Some((points, format!("{millis} ms")))
}
