//! How the machine's notes and the call's end are stored.

use serde_json::{Value, json};

use crate::engine::call::{CallStats, Farewell, HangupCause, Note};
use crate::engine::time::CallTime;
use crate::store::{CallEnd, CallEventRecord};

/// The timeline entry of a note.
pub(super) fn record(now: CallTime, at_micros: i64, note: &Note) -> CallEventRecord {
    let (who, what, ids) = describe(note);
    CallEventRecord { at_micros, call_ms: now.as_millis(), who: who.into(), what: what.into(), ids }
}

/// The record of a call's end.
pub(super) fn end(cause: HangupCause, farewell: Farewell, stats: CallStats, ended_at: i64) -> CallEnd {
    CallEnd { cause, farewell, stats, ended_at }
}

fn describe(note: &Note) -> (&'static str, &'static str, Value) {
    match note {
        Note::Answered => ("engine", "answered", json!({})),
        Note::AgentReady => ("agent", "ready", json!({})),
        Note::AgentLost(loss) => ("agent", "lost", json!({ "loss": format!("{loss:?}").to_lowercase() })),
        Note::AgentReconnecting => ("engine", "agent_reconnecting", json!({})),
        Note::Asked(response, ask) => {
            ("engine", "asked", json!({ "response": response.to_string(), "ask": format!("{ask:?}").to_lowercase() }))
        }
        Note::FirstAudio(response, after) => {
            ("agent", "first_audio", json!({ "response": response.to_string(), "after_ms": after.as_millis() as u64 }))
        }
        Note::BargeIn { response, heard, reaction } => {
            let (heard, reaction) = (heard.as_millis() as u64, reaction.as_micros() as f64 / 1_000.0);
            let ids = json!({ "response": response.to_string(), "heard_ms": heard, "reaction_ms": reaction });
            ("caller", "barge_in", ids)
        }
        Note::CallerSilent => ("caller", "silent", json!({})),
        Note::AgentOwesSpeech => ("agent", "owes_speech", json!({})),
        Note::Dtmf => ("caller", "dtmf", json!({})),
        Note::ToolCalled(tool) => ("agent", "tool_called", json!({ "tool": tool })),
        Note::MaximumLength => ("engine", "maximum_length", json!({})),
        Note::Ended(cause) => ("engine", "ended", json!({ "cause": cause.as_str() })),
    }
}
