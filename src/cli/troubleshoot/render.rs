//! The story of a call, as a person reads it.

use serde_json::Value;

use super::Story;
use super::page::{WIDTH, clean, cut, labelled, millis_of};
use super::waterfall::{bar, waits};
use crate::engine::call::{CallStats, HangupCause, Speaker};
use crate::engine::quality::{Quality, judge};
use crate::engine::status::{CallRow, Party, Sourced};
use crate::store::{CallEnd, CallEventRecord, CallRecord};

/// How far to the right values stand.
const INDENT: usize = 16;

/// All of it.
pub(super) fn text(story: &Story) -> String {
    let record = &story.record;
    let quality = record.end.as_ref().map(|end| judge(&end.stats, end.cause));
    let mut page = header(record, quality.as_ref());
    page += &status(record);
    if let Some(end) = &record.end {
        page += &turns(record, end);
        page += &happenings(record);
        page += &figures(&end.stats);
    }
    page += &kept(story);
    if let Some(quality) = &quality {
        page += &findings(quality);
    }
    page
}

fn field(name: &str, value: &str) -> String {
    labelled(&format!("  {name}"), INDENT, value)
}

fn header(record: &CallRecord, quality: Option<&Quality>) -> String {
    let row = &record.row;
    let party = |party: &Option<Sourced<Party>>| {
        party.as_ref().map_or("somebody not known", |party| party.value.as_str()).to_owned()
    };
    let direction = row.direction.as_ref().map_or("", |direction| direction.value.as_str());
    let mut page = format!("Call {}\n", row.call_sid);
    page += &field("parties", &format!("{direction} from {} to {}", party(&row.from), party(&row.to)));
    page += &field("answered by", &answered_by(row, record.end.is_some()));
    page += &field("when", &millis_of(row.answered_at.unwrap_or(row.created_at)));
    let Some((end, quality)) = record.end.as_ref().zip(quality) else {
        page += &field("ended", row.status.as_str());
        return page + &field("verdict", "none: it never had a media stream, or its end is not in the database");
    };
    page += &field("length", &format!("{:.1} s from the answer to the end", end.stats.length.as_secs_f64()));
    page += &field("ended", &format!("{}: {}", end.cause.as_str(), in_words(end.cause)));
    page + &field("verdict", &format!("{}, {} of 100 points", quality.verdict.word(), quality.score))
}

fn answered_by(row: &CallRow, is_ours: bool) -> String {
    let business = row.business.as_ref().map(|business| business.value.as_str());
    match (&row.answered_by, business, is_ours) {
        (Some(found), Some(business), _) => format!("{}; the call is of business {business}", found.value.as_str()),
        (Some(found), None, _) => found.value.as_str().to_owned(),
        (None, Some(business), true) => format!("the agent of business {business}"),
        (None, Some(business), false) => format!("nobody here; the call is of business {business}"),
        (None, None, true) => "the agent".to_owned(),
        (None, None, false) => "nobody here".to_owned(),
    }
}

const fn in_words(cause: HangupCause) -> &'static str {
    match cause {
        HangupCause::CallerHungUp => "the caller hung up, or the carrier lost the line",
        HangupCause::StreamLost => "the media stream broke while the carrier held the line",
        HangupCause::MediaUnsupported => "the carrier sent audio of another kind than the call has",
        HangupCause::AgentHungUp => "the agent said goodbye",
        HangupCause::Transferred => "the agent handed the caller over to another number",
        HangupCause::CallerSilent => "nobody spoke, in spite of the reprompts",
        HangupCause::MaximumLength => "the longest allowed call was reached",
        HangupCause::AgentUnavailable => "the voice agent could not be reached, or did not come back",
        HangupCause::OperatorHungUp => "an operator, or the service's own stop, ended it",
        HangupCause::MachineAnswered => "a machine answered a call that was placed",
        HangupCause::Draining => "the service was stopping and the call did not end in time",
        HangupCause::InternalFault => "a fault of Trunkline",
    }
}

fn status(record: &CallRecord) -> String {
    let mut page = "\nStatus\n".to_owned();
    if record.history.is_empty() {
        page += "  the carrier told nothing\n";
    }
    for change in &record.history {
        let reason = change.reason.as_deref().map_or(String::new(), |reason| format!("  {}", clean(reason)));
        let line = format!(
            "  {}  {:<12} {}{reason}",
            millis_of(change.occurred_at),
            change.status.as_str(),
            change.source.as_str()
        );
        page += &(cut(line.trim_end(), WIDTH) + "\n");
    }
    page
}

fn turns(record: &CallRecord, end: &CallEnd) -> String {
    let mut page = "\nTurns: seconds since the answer; wait in ms, from when the turn was due\n".to_owned();
    if record.turns.is_empty() {
        return page + "  nobody said anything\n";
    }
    let length = end.stats.length.as_millis() as u64;
    for (turn, wait) in record.turns.iter().zip(waits(&record.turns, &record.events)) {
        let [from, to] = [turn.started_ms, turn.ended_ms].map(|ms| f64::from(ms) / 1_000.0);
        let waited = wait.map_or(String::new(), |wait| wait.to_string());
        let who = turn.speaker.as_str();
        page += &format!("  {from:>7.2} {to:>7.2} {waited:>6}  {who:<6} |{}|\n", bar(turn, wait, length));
        let words = if turn.text.trim().is_empty() { "(no words recognised)" } else { turn.text.trim() };
        page += &(cut(&format!("{:27}{}", "", clean(words)), WIDTH) + "\n");
        if turn.speaker == Speaker::Agent && turn.heard_text.trim() != turn.text.trim() {
            let why = if turn.interrupted { "cut short" } else { "not all heard" };
            let heard = clean(turn.heard_text.trim());
            page += &(cut(&format!("{:27}{why}; heard: {heard}", ""), WIDTH) + "\n");
        }
    }
    page
}

/// Interruptions, and what was wrong with the agent.
fn happenings(record: &CallRecord) -> String {
    let number = |event: &CallEventRecord, name: &str| event.ids.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    let line = |event: &CallEventRecord| {
        let what = match event.what.as_ref() {
            "barge_in" => format!(
                "after {:.0} ms of the agent's words, decided in {:.0} ms",
                number(event, "heard_ms"),
                number(event, "reaction_ms")
            ),
            "lost" => format!("lost: {}", event.ids.get("loss").and_then(Value::as_str).unwrap_or("not known why")),
            "agent_reconnecting" => "is being connected again".to_owned(),
            "owes_speech" => "did not say what it owed in time".to_owned(),
            _ => return None,
        };
        Some((event.what == "barge_in", format!("  {:>7.2} {}\n", f64::from(event.call_ms) / 1_000.0, clean(&what))))
    };
    let all: Vec<(bool, String)> = record.events.iter().filter_map(line).collect();
    let section = |title: &str, of_caller: bool| {
        let lines: String = all.iter().filter(|(is, _)| *is == of_caller).map(|(_, line)| line.as_str()).collect();
        format!("\n{title}\n{}", if lines.is_empty() { "  none\n" } else { &lines })
    };
    section("Interruptions", true) + &section("Errors of the agent", false)
}

fn figures(stats: &CallStats) -> String {
    let ms =
        |time: Option<std::time::Duration>| time.map_or("none".to_owned(), |time| format!("{} ms", time.as_millis()));
    let mut page = "\nFigures: frames of 20 ms\n".to_owned();
    page += &field(
        "from caller",
        &format!("{}, of which {} did not reach the agent", stats.caller_frames, stats.dropped_frames),
    );
    page += &field("speech", &format!("{} of the {} that were judged", stats.vad_speech_frames, stats.vad_frames));
    page += &field("to caller", &stats.agent_frames.to_string());
    page +=
        &field("underflows", &format!("{} times, {} frames missing", stats.underflow_events, stats.underflow_frames));
    page += &field("media faults", &stats.media_faults.to_string());
    page += &field("first audio", &ms(stats.first_audio));
    let mean = stats.response_total.checked_div(stats.responses);
    page + &field("answers", &format!("{} in the mean, over {}", ms(mean), stats.responses))
}

/// What is kept of the call.
fn kept(story: &Story) -> String {
    let mut page = "\nKept\n".to_owned();
    if story.recordings.is_empty() {
        page += &field("recording", "none is known");
    }
    for recording in &story.recordings {
        let length = recording.length_ms.map_or(String::new(), |ms| format!(", {:.1} s", f64::from(ms) / 1_000.0));
        let error = recording.error.as_deref().map_or(String::new(), |error| format!(": {error}"));
        let made_by = recording.id.made_by().as_str();
        page += &field("recording", &format!("{} (made by {made_by}){length}{error}", recording.state.as_str()));
    }
    page += &field(
        "transcript",
        &match &story.record.transcript {
            Some(words) => format!("{}: {}", words.source.as_str(), words.reason),
            None => "not settled".to_owned(),
        },
    );
    page + &field(
        "summary",
        &match &story.record.summary {
            Some(made) => made.error.as_deref().map_or("made".to_owned(), |error| format!("not made: {error}")),
            None => "nobody has tried".to_owned(),
        },
    )
}

fn findings(quality: &Quality) -> String {
    let mut page = "\nFindings\n".to_owned();
    if quality.findings.is_empty() {
        return page + "  none: nothing is wrong with this call\n";
    }
    for finding in &quality.findings {
        let points = if finding.points == 1 { "point" } else { "points" };
        let (name, severity) = (finding.fault.word(), finding.severity().word());
        page += &labelled("", 2, &format!("{name}: {severity}, {} {points}; {}", finding.points, finding.figures));
        page += &field("  cause", finding.fault.cause());
        page += &field("  so", finding.fault.consequence());
        page += &field("  remedy", finding.fault.remedy());
    }
    page
}
