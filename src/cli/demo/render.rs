//! The report as a person reads it.

use std::fmt::Write as _;

use super::report::DemoReport;
use crate::engine::call::{Speaker, Turn};

/// The whole report; it ends with the verdict.
pub fn render(report: &DemoReport) -> String {
    let mut text = String::new();
    // Writing into a string never fails.
    write(&mut text, report).ok();
    text
}

fn write(text: &mut String, report: &DemoReport) -> std::fmt::Result {
    let call = &report.carrier.call;
    writeln!(text, "\nThe call {} from {} to {}\n", call.call_sid, call.from, call.to)?;
    writeln!(text, "  {:>6}   {:>6}   who", "from", "to")?;
    for turn in &report.turns {
        write_turn(text, turn)?;
    }
    writeln!(text)?;
    for (name, value) in figures(report) {
        writeln!(text, "  {name:<14} {value}")?;
    }
    writeln!(text)?;
    let width = report.promises.iter().map(|promise| promise.name.chars().count()).max().unwrap_or_default();
    for promise in &report.promises {
        let mark = if promise.held { "kept  " } else { "BROKEN" };
        writeln!(text, "  {mark}  {:<width$}  {}", promise.name, promise.detail)?;
    }
    writeln!(text, "\nVerdict: {}.", report.verdict)
}

fn write_turn(text: &mut String, turn: &Turn) -> std::fmt::Result {
    let [from, to] = [turn.started_ms, turn.ended_ms].map(|time| f64::from(time) / 1_000.0);
    let words = if turn.text.is_empty() { "(no words recognised)" } else { &turn.text };
    writeln!(text, "  {from:6.2} – {to:6.2}   {:<7} {words}", turn.speaker.as_str())?;
    if turn.speaker == Speaker::Caller {
        return Ok(());
    }
    let heard = match (turn.heard_text.as_str(), turn.interrupted) {
        ("", _) => "nothing".to_owned(),
        (heard, false) if heard.trim_end() == turn.text.trim_end() => "all of it".to_owned(),
        (heard, false) => format!("{heard:?}"),
        (heard, true) => format!("{heard:?}, then interrupted"),
    };
    writeln!(text, "  {:17}   {:<7} heard: {heard}", "", "")
}

fn figures(report: &DemoReport) -> [(&'static str, String); 9] {
    let figures = &report.figures;
    let ms = |time: Option<u64>| time.map_or("not seen".to_owned(), |time| format!("{time} ms"));
    let all = |times: &[u64]| match times {
        [] => "not seen".to_owned(),
        times => times.iter().map(|time| format!("{time} ms")).collect::<Vec<_>>().join(", "),
    };
    [
        ("first audio", format!("{} after the media stream's start", ms(figures.first_audio_ms))),
        ("answers", format!("{} after the caller's last word", all(&figures.answers_ms))),
        (
            "barge-in",
            format!(
                "{} from the caller's first sound to silence in the ear; {} from the detector to the clear",
                all(&figures.barge_in_ear_ms),
                ms(figures.barge_in_engine_ms)
            ),
        ),
        ("underflows", format!("{} ({} frames)", figures.underflow_events, figures.underflow_frames)),
        ("sent ahead", format!("at most {} ms", figures.most_ahead_ms)),
        (
            "final status",
            format!("{}, {} s, {}", report.status, report.duration_s, report.cause.as_deref().unwrap_or("no cause")),
        ),
        ("recording", report.recording.as_ref().map_or("none".to_owned(), |path| path.display().to_string())),
        ("kept in", report.data_dir.as_ref().map_or("nowhere".to_owned(), |dir| dir.display().to_string())),
        ("wall time", format!("{:.1} s", report.wall_ms as f64 / 1_000.0)),
    ]
}
