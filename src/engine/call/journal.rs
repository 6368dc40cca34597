//! The journal of a call: every input with its time, one line each, so that the call can be replayed.
//!
//! The first line is `trunkline-call 1` and the call's [`CallSettings`] as JSON. Each line after it is the
//! time in microseconds on the call's clock, a space, and either an input or, behind `>`, an output of the
//! machine as it was done then (Rust's debug form, for comparison). Texts are JSON strings.
//!
//! ```text
//! trunkline-call 1 {"barge_in":{…},…}
//! 0 answered
//! 0 > Note(Answered)
//! 81034 agent-ready detects-turns
//! 902311 agent-audio r1 200000
//! 902399 playout-started r1
//! 1002399 mark-sent r1:100
//! 4100200 speech-started own 60000
//! ```
//!
//! | line | input |
//! |---|---|
//! | `answered`, `media-closed`, `stream-lost`, `deadline` | the same |
//! | `agent-ready [detects-turns]` | `AgentReady` |
//! | `agent-lost refused\|unreachable\|dropped\|stalled` | `AgentLost` |
//! | `response-started R` | `ResponseStarted` |
//! | `agent-audio R MICROS` | `AgentAudio` |
//! | `agent-text R "…"` | `AgentText` |
//! | `response-ended R completed\|cancelled\|failed` | `ResponseEnded` |
//! | `speech-started own\|vendor MICROS`, `speech-ended …` | `CallerSpeechStarted`, `CallerSpeechEnded`; the time is `ago` |
//! | `caller-text CONFIDENCE\|- "…"` | `CallerText` |
//! | `message-taken MICROS` | `MessageTaken` |
//! | `tool {"call_id":…,"response":…,"hang_up":true}` | `ToolCalled`; or `"transfer": number or null`, or `"unusable": complaint` |
//! | `dtmf KEY` | `DtmfPressed` |
//! | `playout-started R`, `mark-sent R:MS[:end]`, `mark-heard R:MS[:end]` | the same |
//! | `hang-up CAUSE` | `HangUp` |

use std::time::Duration;

use serde_json::{Value, json};
use thiserror::Error;

use crate::engine::ids::Digit;
use crate::engine::time::CallTime;

use super::event::{AgentLoss, Detector, Input, Output, ResponseOutcome, Tool, ToolCall};
use super::hangup::HangupCause;
use super::machine::CallMachine;
use super::settings::CallSettings;

const HEADER: &str = "trunkline-call 1 ";

/// Why a journal can't be replayed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JournalError {
    /// The first line is not a journal's.
    #[error("the first line is not that of a call journal of version 1")]
    Header,
    /// A line can't be read.
    #[error("line {line}: {problem}")]
    Line {
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// The first line of a journal.
pub fn header(settings: &CallSettings) -> String {
    let settings = serde_json::to_string(settings).expect("settings are plain data");
    format!("{HEADER}{settings}")
}

/// The line of an input.
pub fn input_line(now: CallTime, input: &Input) -> String {
    let text = |text: &str| Value::from(text).to_string();
    let what = match input {
        Input::Answered => "answered".to_owned(),
        Input::AgentReady { detects_turns: true } => "agent-ready detects-turns".to_owned(),
        Input::AgentReady { detects_turns: false } => "agent-ready".to_owned(),
        Input::AgentLost(loss) => format!("agent-lost {}", word_of(&LOSSES, loss)),
        Input::ResponseStarted(response) => format!("response-started {response}"),
        Input::AgentAudio { response, length } => format!("agent-audio {response} {}", length.as_micros()),
        Input::AgentText { response, text: words } => format!("agent-text {response} {}", text(words)),
        Input::ResponseEnded { response, outcome } => {
            format!("response-ended {response} {}", word_of(&OUTCOMES, outcome))
        }
        Input::CallerSpeechStarted { by, ago } => {
            format!("speech-started {} {}", word_of(&DETECTORS, by), ago.as_micros())
        }
        Input::CallerSpeechEnded { by, ago } => format!("speech-ended {} {}", word_of(&DETECTORS, by), ago.as_micros()),
        Input::CallerText { text: words, confidence: Some(confidence) } => {
            format!("caller-text {confidence} {}", text(words))
        }
        Input::CallerText { text: words, confidence: None } => format!("caller-text - {}", text(words)),
        Input::MessageTaken { length } => format!("message-taken {}", length.as_micros()),
        Input::ToolCalled(call) => format!("tool {}", tool_json(call)),
        Input::DtmfPressed(digit) => format!("dtmf {}", digit.as_char()),
        Input::PlayoutStarted(response) => format!("playout-started {response}"),
        Input::MarkSent(mark) => format!("mark-sent {mark}"),
        Input::MarkHeard(mark) => format!("mark-heard {mark}"),
        Input::MediaClosed => "media-closed".to_owned(),
        Input::StreamLost => "stream-lost".to_owned(),
        Input::HangUp(cause) => format!("hang-up {cause}"),
        Input::Deadline => "deadline".to_owned(),
    };
    format!("{} {what}", now.as_micros())
}

/// The line of an output.
pub fn output_line(now: CallTime, output: &Output) -> String {
    format!("{} > {output:?}", now.as_micros())
}

/// A journal, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Journal {
    /// What the machine was built with.
    pub settings: CallSettings,
    /// What it was told, and when.
    pub inputs: Vec<(CallTime, Input)>,
    /// What it answered then: output lines, in order.
    pub outputs: Vec<String>,
}

impl Journal {
    /// Reads a journal. A last line that was cut off (the process died) is left out.
    ///
    /// # Errors
    ///
    /// The first line that can't be read, with its number.
    pub fn parse(text: &str) -> Result<Self, JournalError> {
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut lines = complete.lines().enumerate();
        let (_, first) = lines.next().ok_or(JournalError::Header)?;
        let settings = first.strip_prefix(HEADER).ok_or(JournalError::Header)?;
        let settings = serde_json::from_str(settings).map_err(|_| JournalError::Header)?;
        let mut journal = Self { settings, inputs: Vec::new(), outputs: Vec::new() };
        for (index, line) in lines {
            let fault = |problem| JournalError::Line { line: index + 1, problem };
            let (time, what) = line.split_once(' ').ok_or(fault("no time and word"))?;
            let time = CallTime::from_micros(time.parse().map_err(|_| fault("the time is not a number"))?);
            match what.starts_with("> ") {
                true => journal.outputs.push(line.to_owned()),
                false => journal.inputs.push((time, parse_input(what).map_err(fault)?)),
            }
        }
        Ok(journal)
    }

    /// Runs a fresh machine through the inputs; the output lines that it gives.
    pub fn replay(&self) -> Vec<String> {
        let mut machine = CallMachine::new(self.settings.clone());
        let mut outputs = Vec::new();
        let mut lines = Vec::new();
        for (now, input) in &self.inputs {
            machine.handle(*now, input.clone(), &mut outputs);
            lines.extend(outputs.drain(..).map(|output| output_line(*now, &output)));
        }
        lines
    }
}

const LOSSES: [(&str, AgentLoss); 4] = [
    ("refused", AgentLoss::Refused),
    ("unreachable", AgentLoss::Unreachable),
    ("dropped", AgentLoss::Dropped),
    ("stalled", AgentLoss::Stalled),
];
const OUTCOMES: [(&str, ResponseOutcome); 3] = [
    ("completed", ResponseOutcome::Completed),
    ("cancelled", ResponseOutcome::Cancelled),
    ("failed", ResponseOutcome::Failed),
];
const DETECTORS: [(&str, Detector); 2] = [("own", Detector::Own), ("vendor", Detector::Vendor)];

fn word_of<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    words.iter().find(|(_, named)| named == value).expect("each value has its word").0
}

fn value_of<T: Copy>(words: &[(&'static str, T)], word: &str) -> Result<T, &'static str> {
    words.iter().find(|(known, _)| *known == word).map(|(_, value)| *value).ok_or("an unknown word")
}

fn tool_json(call: &ToolCall) -> Value {
    let mut object = json!({ "call_id": call.call_id, "response": call.response.map(|r| r.to_string()) });
    let (key, value) = match &call.tool {
        Tool::HangUp => ("hang_up", json!(true)),
        Tool::Transfer(number) => ("transfer", json!(number)),
        Tool::Unusable { complaint } => ("unusable", json!(complaint)),
    };
    object[key] = value;
    object
}

fn parse_tool(text: &str) -> Result<ToolCall, &'static str> {
    let object: Value = serde_json::from_str(text).map_err(|_| "the tool call is not JSON")?;
    let response = match object["response"].as_str() {
        None => None,
        Some(name) => Some(name.parse().map_err(|_| "not a response")?),
    };
    let tool = match (&object["hang_up"], object.get("transfer"), object["unusable"].as_str()) {
        (Value::Bool(true), _, _) => Tool::HangUp,
        (_, Some(Value::Null), _) => Tool::Transfer(None),
        (_, Some(Value::String(number)), _) => Tool::Transfer(Some(number.parse().map_err(|_| "not a number")?)),
        (_, _, Some(complaint)) => Tool::Unusable { complaint: complaint.to_owned() },
        _ => return Err("an unknown tool"),
    };
    let call_id = object["call_id"].as_str().ok_or("a tool call without call_id")?.to_owned();
    Ok(ToolCall { call_id, response, tool })
}

fn parse_input(what: &str) -> Result<Input, &'static str> {
    let (word, rest) = what.split_once(' ').unwrap_or((what, ""));
    let response = |text: &str| text.parse().map_err(|_| "not a response");
    let micros = |text: &str| text.parse().map(Duration::from_micros).map_err(|_| "not a number of microseconds");
    let pair = || rest.split_once(' ').ok_or("a part is missing");
    let string = |text: &str| serde_json::from_str::<String>(text).map_err(|_| "not a JSON string");
    Ok(match word {
        "answered" => Input::Answered,
        "agent-ready" => Input::AgentReady { detects_turns: rest == "detects-turns" },
        "agent-lost" => Input::AgentLost(value_of(&LOSSES, rest)?),
        "response-started" => Input::ResponseStarted(response(rest)?),
        "agent-audio" => Input::AgentAudio { response: response(pair()?.0)?, length: micros(pair()?.1)? },
        "agent-text" => Input::AgentText { response: response(pair()?.0)?, text: string(pair()?.1)? },
        "response-ended" => {
            Input::ResponseEnded { response: response(pair()?.0)?, outcome: value_of(&OUTCOMES, pair()?.1)? }
        }
        "speech-started" => {
            Input::CallerSpeechStarted { by: value_of(&DETECTORS, pair()?.0)?, ago: micros(pair()?.1)? }
        }
        "speech-ended" => Input::CallerSpeechEnded { by: value_of(&DETECTORS, pair()?.0)?, ago: micros(pair()?.1)? },
        "caller-text" => {
            let (confidence, text) = pair()?;
            let confidence = match confidence {
                "-" => None,
                number => Some(number.parse().map_err(|_| "not a confidence")?),
            };
            Input::CallerText { text: string(text)?, confidence }
        }
        "message-taken" => Input::MessageTaken { length: micros(rest)? },
        "tool" => Input::ToolCalled(parse_tool(rest)?),
        "dtmf" => {
            let key = rest.chars().next().ok_or("no key")?;
            Input::DtmfPressed(Digit::try_from(key).map_err(|_| "not a key")?)
        }
        "playout-started" => Input::PlayoutStarted(response(rest)?),
        "mark-sent" => Input::MarkSent(rest.parse().map_err(|_| "not a mark")?),
        "mark-heard" => Input::MarkHeard(rest.parse().map_err(|_| "not a mark")?),
        "media-closed" => Input::MediaClosed,
        "stream-lost" => Input::StreamLost,
        "hang-up" => {
            let cause = HangupCause::ALL.into_iter().find(|cause| cause.as_str() == rest);
            Input::HangUp(cause.ok_or("not a cause")?)
        }
        "deadline" => Input::Deadline,
        _ => return Err("an unknown word"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::call::machine::tests::any_input;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_input_survives_its_line(input in any_input(), micros in 0u64..1 << 50) {
            let line = input_line(CallTime::from_micros(micros), &input);
            let (_, what) = line.split_once(' ').unwrap();
            prop_assert_eq!(parse_input(what), Ok(input));
        }

        #[test]
        fn a_replayed_call_says_the_same(inputs in prop::collection::vec((0u64..2_000_000, any_input()), 0..60)) {
            let mut machine = CallMachine::new(CallSettings::default());
            let mut text = header(&CallSettings::default()) + "\n";
            let mut outputs = Vec::new();
            let mut now = CallTime::START;
            for (pause, input) in inputs {
                now = now + Duration::from_micros(pause);
                text += &(input_line(now, &input) + "\n");
                machine.handle(now, input, &mut outputs);
                for output in outputs.drain(..) {
                    text += &(output_line(now, &output) + "\n");
                }
            }
            let journal = Journal::parse(&text).unwrap();
            prop_assert_eq!(journal.replay(), journal.outputs);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text: String, tail in "[0-9]{1,5} [a-z-]{1,12} .{0,20}\n") {
            let _ = Journal::parse(&text);
            let _ = Journal::parse(&format!("{}\n{tail}", header(&CallSettings::default())));
        }
    }

    #[test]
    fn every_end_survives_its_line() {
        let told = HangupCause::ALL.map(Input::HangUp);
        for input in [Input::MediaClosed, Input::StreamLost].into_iter().chain(told) {
            let line = input_line(CallTime::START, &input);
            assert_eq!(parse_input(line.strip_prefix("0 ").unwrap()), Ok(input));
        }
    }

    #[test]
    fn a_line_that_was_cut_off_is_left_out_and_a_wrong_one_is_named() {
        let start = header(&CallSettings::default()) + "\n0 answered\n";
        assert_eq!(Journal::parse(&(start.clone() + "20 dead")).unwrap().inputs.len(), 1);
        let wrong = JournalError::Line { line: 3, problem: "an unknown word" };
        assert_eq!(Journal::parse(&(start + "20 dead\n")), Err(wrong));
        assert_eq!(Journal::parse("hello\n"), Err(JournalError::Header));
    }
}
