//! What somebody complains of, and which faults of a call can be behind it.
//!
//! | symptom | what people say | checked, in this order |
//! |---|---|---|
//! | `no-audio` | nobody hears anybody | `internal-fault`, `agent-unavailable`, `wrong-audio`, `stream-lost`, `no-caller-audio`, `no-agent-audio` |
//! | `one-way` | one hears, the other doesn't | `wrong-audio`, `no-caller-audio`, `no-agent-audio`, `caller-silent`, `caller-audio-dropped` |
//! | `garbled` | words break up, or are noise | `wrong-audio`, `choppy`, `caller-audio-dropped`, `media-faults` |
//! | `echo` | the agent hears itself, and stops | `self-interruption`, `wrong-audio` |
//! | `interruption` | the agent talks on, or stops by itself | `slow-barge-in`, `self-interruption`, `caller-silent`, `caller-audio-dropped` |
//!
//! `self-interruption` is no [`Fault`]: it takes no points, since a cough does the same. It is shown where at least one
//! interruption, and half of them, were followed by no words of the caller.

use crate::engine::call::{CallStats, HangupCause, Speaker, Turn};

use super::Fault;

/// A complaint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symptom {
    /// Nobody hears anybody.
    NoAudio,
    /// One hears, the other doesn't.
    OneWay,
    /// Words break up, or are noise.
    Garbled,
    /// The agent hears itself.
    Echo,
    /// The agent talks on when it is interrupted, or stops by itself.
    Interruption,
}

/// What was looked at, and whether the call shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The name of what was looked for.
    pub word: &'static str,
    /// What it is.
    pub cause: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
    /// The figures that show it; `None` if nothing does.
    pub figures: Option<String>,
}

impl Symptom {
    /// Every symptom.
    pub const ALL: [Self; 5] = [Self::NoAudio, Self::OneWay, Self::Garbled, Self::Echo, Self::Interruption];

    /// Its name: lower case, with hyphens.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoAudio => "no-audio",
            Self::OneWay => "one-way",
            Self::Garbled => "garbled",
            Self::Echo => "echo",
            Self::Interruption => "interruption",
        }
    }

    /// What people say of it.
    pub const fn complaint(self) -> &'static str {
        match self {
            Self::NoAudio => "nobody hears anybody",
            Self::OneWay => "one hears, the other doesn't",
            Self::Garbled => "words break up, or are noise",
            Self::Echo => "the agent hears itself, and stops",
            Self::Interruption => "the agent talks on when it is interrupted, or stops by itself",
        }
    }

    /// The faults that can be behind it, besides that the agent may have interrupted itself.
    const fn faults(self) -> &'static [Fault] {
        use Fault::*;
        match self {
            Self::NoAudio => &[InternalFault, AgentUnavailable, WrongAudio, StreamLost, NoCallerAudio, NoAgentAudio],
            Self::OneWay => &[WrongAudio, NoCallerAudio, NoAgentAudio, CallerSilent, CallerAudioDropped],
            Self::Garbled => &[WrongAudio, Choppy, CallerAudioDropped, MediaFaults],
            Self::Echo => &[WrongAudio],
            Self::Interruption => &[SlowBargeIn, CallerSilent, CallerAudioDropped],
        }
    }
}

/// Looks through a call that is over for everything that can be behind a symptom.
pub fn look(symptom: Symptom, stats: &CallStats, cause: HangupCause, turns: &[Turn]) -> Vec<Check> {
    let mut checks: Vec<Check> = symptom
        .faults()
        .iter()
        .map(|fault| Check {
            word: fault.word(),
            cause: fault.cause(),
            remedy: fault.remedy(),
            figures: fault.find(stats, cause).map(|finding| finding.figures),
        })
        .collect();
    match symptom {
        Symptom::Echo => checks.insert(0, self_interruption(turns)),
        Symptom::Interruption => checks.insert(1, self_interruption(turns)),
        Symptom::NoAudio | Symptom::OneWay | Symptom::Garbled => {}
    }
    checks
}

/// Interruptions after which the caller said nothing: a cough, a noise, or the agent's own voice that came back. The last turn of
/// a call was cut short by its end.
fn self_interruption(turns: &[Turn]) -> Check {
    let interrupted = turns.windows(2).filter(|two| two[0].speaker == Speaker::Agent && two[0].interrupted);
    let is_wordless = |two: &&[Turn]| two[1].speaker == Speaker::Agent || two[1].text.trim().is_empty();
    let (all, wordless) = (interrupted.clone().count(), interrupted.filter(is_wordless).count());
    Check {
        word: "self-interruption",
        cause: "the agent was interrupted by something that held no words: noise, or its own voice coming back",
        remedy: "listen to the recording; if it is echo, let the PBX or the telephone cancel it, else raise \
                 barge_in.min_speech_ms or vad.aggressiveness",
        figures: (wordless > 0 && wordless * 2 >= all)
            .then(|| format!("{wordless} of {all} interruptions were followed by no words of the caller")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn turn(speaker: Speaker, text: &str, interrupted: bool) -> Turn {
        let (text, heard_text) = (text.to_owned(), text.to_owned());
        Turn { number: 1, speaker, text, heard_text, confidence: None, started_ms: 0, ended_ms: 1, interrupted }
    }

    fn shown(symptom: Symptom, stats: &CallStats, cause: HangupCause, turns: &[Turn]) -> Vec<&'static str> {
        let checks = look(symptom, stats, cause, turns);
        checks.into_iter().filter(|check| check.figures.is_some()).map(|check| check.word).collect()
    }

    fn well() -> CallStats {
        CallStats {
            length: Duration::from_secs(20),
            caller_frames: 1_000,
            forwarded_frames: 1_000,
            vad_frames: 1_000,
            vad_speech_frames: 300,
            agent_frames: 500,
            ..CallStats::default()
        }
    }

    #[test]
    fn a_call_that_is_well_shows_nothing_whatever_is_complained_of() {
        for symptom in Symptom::ALL {
            assert_eq!(shown(symptom, &well(), HangupCause::CallerHungUp, &[]), [""; 0], "{symptom:?}");
        }
    }

    #[test]
    fn each_symptom_finds_what_is_behind_it() {
        use Symptom::*;
        let ended = HangupCause::CallerHungUp;
        let deaf = CallStats { caller_frames: 0, forwarded_frames: 0, ..well() };
        let choppy = CallStats { underflow_frames: 100, ..well() };
        let slow = CallStats { barge_in_slowest: Some(Duration::from_secs(2)), ..well() };
        assert_eq!(shown(OneWay, &deaf, ended, &[]), ["no-caller-audio"]);
        assert_eq!(shown(NoAudio, &well(), HangupCause::AgentUnavailable, &[]), ["agent-unavailable"]);
        assert_eq!(shown(Garbled, &choppy, ended, &[]), ["choppy"]);
        assert_eq!(shown(Garbled, &well(), HangupCause::MediaUnsupported, &[]), ["wrong-audio"]);
        assert_eq!(shown(Interruption, &slow, ended, &[]), ["slow-barge-in"]);
    }

    #[test]
    fn an_agent_that_hears_itself_is_told_from_one_that_is_interrupted() {
        let (agent, caller) =
            (|| turn(Speaker::Agent, "We open at", true), |words| turn(Speaker::Caller, words, false));
        let ended = HangupCause::CallerHungUp;
        let echo = [agent(), caller(""), agent(), agent()];
        assert_eq!(shown(Symptom::Echo, &well(), ended, &echo), ["self-interruption"]);
        assert_eq!(shown(Symptom::Echo, &well(), ended, &[agent()]), [""; 0], "the caller hung up");
        let talk = [agent(), caller("When?"), agent(), caller("Thanks."), agent(), caller("")];
        assert_eq!(shown(Symptom::Echo, &well(), ended, &talk), [""; 0], "one cough in three");
    }
}
