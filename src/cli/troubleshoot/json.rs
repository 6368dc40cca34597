//! A call, for a program: as the interface for operators shows it, and what it does not show there.

use serde_json::{Value, json};

use super::Story;
use super::waterfall::waits;
use crate::engine::call::CallStats;
use crate::http::api::calls::CallRecordJson;

/// One object in one line.
pub(super) fn of(story: Story) -> Result<String, String> {
    let Story { record, recordings } = story;
    let waits: Vec<Value> = waits(&record.turns, &record.events)
        .into_iter()
        .zip(&record.turns)
        .filter_map(|(wait, turn)| Some(json!({ "turn": turn.number, "wait_ms": wait? })))
        .collect();
    let figures = record.end.as_ref().map(|end| figures(&end.stats));
    let recordings: Vec<Value> = recordings
        .iter()
        .map(|recording| {
            json!({
                "recording_id": recording.id.to_string(),
                "made_by": recording.id.made_by().as_str(),
                "state": recording.state.as_str(),
                "length_ms": recording.length_ms,
                "error": recording.error,
            })
        })
        .collect();
    let mut call = serde_json::to_value(CallRecordJson::from(record)).map_err(|error| error.to_string())?;
    call["waits"] = waits.into();
    call["figures"] = figures.into();
    call["recordings"] = recordings.into();
    Ok(format!("{call}\n"))
}

/// The figures that the interface leaves out.
fn figures(stats: &CallStats) -> Value {
    json!({
        "forwarded_frames": stats.forwarded_frames,
        "agent_frames": stats.agent_frames,
        "underflow_events": stats.underflow_events,
        "vad_frames": stats.vad_frames,
        "vad_speech_frames": stats.vad_speech_frames,
        "media_faults": stats.media_faults,
        "barge_in_slowest_ms": stats.barge_in_slowest.map(|time| time.as_millis() as u64),
        "unanswered_responses": stats.unanswered_responses,
    })
}
