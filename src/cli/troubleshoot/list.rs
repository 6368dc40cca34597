//! The newest calls, a line each.

use serde_json::json;

use super::page::{clean, seconds_of};
use crate::engine::quality::judge;
use crate::store::PeekedCall;

/// A line of 80 columns for each call; the newest first.
pub(super) fn as_text(calls: &[PeekedCall]) -> String {
    calls.iter().map(|call| line(call) + "\n").collect()
}

/// One JSON object for each line.
pub(super) fn as_json(calls: &[PeekedCall]) -> String {
    calls.iter().map(|call| object(call).to_string() + "\n").collect()
}

fn line(call: &PeekedCall) -> String {
    let row = &call.row;
    let judged = match &call.end {
        Some((cause, stats)) => {
            let quality = judge(stats, *cause);
            format!("{:<9} {:>3}", quality.verdict.word(), quality.score)
        }
        None => format!("{:<13}", row.status.as_str()),
    };
    let business = row.business.as_ref().map_or("-", |business| business.value.as_str());
    // 20 + 1 + 34 + 1 + 13 + 1: what is left of 80.
    let business: String = clean(business).chars().take(10).collect();
    format!("{} {} {judged} {business}", seconds_of(row.created_at), row.call_sid).trim_end().to_owned()
}

fn object(call: &PeekedCall) -> serde_json::Value {
    let row = &call.row;
    let quality = call.end.as_ref().map(|(cause, stats)| judge(stats, *cause));
    json!({
        "call_sid": row.call_sid.to_string(),
        "business": row.business.as_ref().map(|business| business.value.as_str()),
        "status": row.status.as_str(),
        "created_at": seconds_of(row.created_at),
        "cause": call.end.as_ref().map(|(cause, _)| cause.as_str()),
        "verdict": quality.as_ref().map(|quality| quality.verdict.word()),
        "score": quality.as_ref().map(|quality| quality.score),
    })
}
