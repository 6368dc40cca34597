//! What came of the demo's call: what the carrier saw, what the server wrote down, and whether they agree.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::promise::{self, Promise};
use super::server::CallFacts;
use super::twilio::{CallReport, Span};
use super::wav_check::{WavError, WavFindings};
use crate::engine::call::{Speaker, Turn};

/// Everything about the call, for a person or a program.
#[derive(Clone, Debug, Serialize)]
pub struct DemoReport {
    /// One sentence.
    pub verdict: String,
    /// Whether every promise was kept.
    pub kept: bool,
    /// Each promise.
    pub promises: Vec<Promise>,
    /// Wall time of the call and everything around it.
    pub wall_ms: u64,
    /// The turns as they are stored.
    pub turns: Vec<Turn>,
    /// The figures.
    pub figures: Figures,
    /// The call's status, in the carrier's words.
    pub status: String,
    /// The length that the carrier reported, in seconds.
    pub duration_s: u32,
    /// Who ended the call and why.
    pub cause: Option<String>,
    /// Where the WAV of the call lies.
    pub recording: Option<PathBuf>,
    /// What is on it.
    pub wav: Option<WavFindings>,
    /// Where everything lies that the server kept; it stays there.
    pub data_dir: Option<PathBuf>,
    /// When the agent was heard, since the stream's start.
    pub agent_heard: Vec<Span>,
    /// When the caller spoke.
    pub caller_spoke: Vec<Span>,
    /// The call as the carrier saw it.
    pub carrier: CallReport,
}

/// What was measured, in milliseconds where nothing else is said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// How long the voice webhook took.
    pub webhook_ms: u64,
    /// From the stream's start to the first sound in the caller's ear.
    pub first_audio_ms: Option<u64>,
    /// For each interruption: from the caller's first sound to silence in the caller's ear.
    pub barge_in_ear_ms: Vec<u64>,
    /// The slowest interruption in the engine: from the detector's report to `clear`.
    pub barge_in_engine_ms: Option<u64>,
    /// From the end of the caller's words to the first sound of the answer.
    pub answers_ms: Vec<u64>,
    /// Times at which a frame was due inside a response and there was none.
    pub underflow_events: u64,
    /// … the frames that were missing.
    pub underflow_frames: u64,
    /// The most audio that ever waited to be heard.
    pub most_ahead_ms: u64,
}

impl DemoReport {
    /// Puts everything together and judges it.
    pub fn new(carrier: CallReport, facts: CallFacts, wav: Result<WavFindings, WavError>, wall: Duration) -> Self {
        let figures = Figures::new(&carrier, &facts);
        let promises =
            promise::judge(&promise::Evidence { carrier: &carrier, facts: &facts, figures: &figures, wav: &wav, wall });
        let broken = promises.iter().filter(|promise| !promise.held).count();
        let verdict = match broken {
            0 => format!("every promise was kept, all {} of them", promises.len()),
            1 => format!("1 of {} promises was broken", promises.len()),
            _ => format!("{broken} of {} promises were broken", promises.len()),
        };
        Self {
            verdict,
            kept: broken == 0,
            promises,
            wall_ms: millis(wall),
            turns: facts.turns,
            figures,
            status: facts.status,
            duration_s: facts.duration_s,
            cause: facts.end.map(|(cause, _)| cause.to_string()),
            recording: facts.recording,
            wav: wav.ok(),
            data_dir: None,
            agent_heard: carrier.agent_sounds(),
            caller_spoke: carrier.caller_sounds(),
            carrier,
        }
    }

    /// One JSON object, in one line.
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string(self);
        json.map_or_else(|error| failure_json(&error.to_string()), |json| json + "\n")
    }
}

/// The JSON object of a demo that could not be played.
pub fn failure_json(error: &str) -> String {
    format!("{}\n", serde_json::json!({ "verdict": error, "kept": false, "promises": [] }))
}

impl Figures {
    fn new(carrier: &CallReport, facts: &CallFacts) -> Self {
        let stats = facts.end.as_ref().map(|(_, stats)| stats.clone()).unwrap_or_default();
        Self {
            webhook_ms: millis(carrier.webhook),
            first_audio_ms: carrier.first_audio().map(millis),
            barge_in_ear_ms: carrier.barge_in_reactions().into_iter().map(millis).collect(),
            barge_in_engine_ms: stats.barge_in_slowest.map(millis),
            answers_ms: answers(&carrier.caller_sounds(), &carrier.agent_sounds()),
            underflow_events: stats.underflow_events,
            underflow_frames: stats.underflow_frames,
            most_ahead_ms: millis(carrier.most_ahead),
        }
    }
}

/// How long each utterance of the caller waited for the agent to begin, where the agent did before the next one.
fn answers(caller: &[Span], agent: &[Span]) -> Vec<u64> {
    let next_of = |index: usize| caller.get(index + 1).map_or(Duration::MAX, |next| next.from);
    let waits = caller.iter().enumerate().filter_map(|(index, spoken)| {
        let answer = agent.iter().find(|sound| sound.from >= spoken.to && sound.from < next_of(index))?;
        Some(millis(answer.from - spoken.to))
    });
    waits.collect()
}

/// The agent's turns.
pub fn agent_turns(turns: &[Turn]) -> impl Iterator<Item = &Turn> {
    turns.iter().filter(|turn| turn.speaker == Speaker::Agent)
}

fn millis(time: Duration) -> u64 {
    time.as_millis() as u64
}
