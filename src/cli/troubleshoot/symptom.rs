//! One complaint, and what of a call can be behind it.

use serde_json::{Value, json};

use super::Story;
use super::page::labelled;
use crate::engine::quality::{Check, Symptom, look};

/// How far to the right values stand.
const INDENT: usize = 24;

/// What was looked at, what the call shows first.
fn checks(story: &Story, symptom: Symptom) -> Result<Vec<Check>, String> {
    let record = &story.record;
    let Some(end) = &record.end else {
        return Err("it never had a media stream, or its end is not in the database: there are no figures to look at"
            .to_owned());
    };
    let mut checks = look(symptom, &end.stats, end.cause, &record.turns);
    checks.sort_by_key(|check| check.figures.is_none());
    Ok(checks)
}

/// For a person.
pub(super) fn text(story: &Story, symptom: Symptom) -> Result<String, String> {
    let checks = checks(story, symptom)?;
    let mut page = format!("Call {}\nSymptom {}: {}\n", story.record.row.call_sid, symptom.word(), symptom.complaint());
    for check in &checks {
        let (name, seen) = match &check.figures {
            Some(figures) => {
                (format!("  YES {}", check.word), format!("{} ({figures}). {}", check.cause, check.remedy))
            }
            None => (format!("  no  {}", check.word), check.cause.to_owned()),
        };
        page += &labelled(&name, INDENT, &seen);
    }
    if checks.iter().all(|check| check.figures.is_none()) {
        page += &labelled(
            "  so",
            INDENT,
            "the figures of this call show none of it: listen to the recording, and look at the carrier's side",
        );
    }
    Ok(page)
}

/// For a program: one object in one line.
pub(super) fn json(story: &Story, symptom: Symptom) -> Result<String, String> {
    let check = |check: &Check| {
        json!({ "check": check.word, "is_shown": check.figures.is_some(), "figures": check.figures, "cause": check.cause,
            "remedy": check.remedy })
    };
    let checks: Vec<Value> = checks(story, symptom)?.iter().map(check).collect();
    let call = story.record.row.call_sid.to_string();
    Ok(format!("{}\n", json!({ "call_sid": call, "symptom": symptom.word(), "checks": checks })))
}
