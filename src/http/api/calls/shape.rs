//! Calls, as the interface shows them.

use serde::Serialize;
use utoipa::ToSchema;

use super::words::{SummaryJson, TranscriptJson};
use crate::actors::call_registry::LiveCall;
use crate::engine::call::{Farewell, Turn};
use crate::engine::quality::{Finding, Quality, judge};
use crate::engine::status::{CallRow, Sourced, StatusChange};
use crate::http::api::value::{
    After, BusinessName, CallName, Cause, Direction, FaultName, Moment, Side, Status, VerdictWord, Weight,
};
use crate::store::{CallEnd, CallEventRecord, CallRecord};

/// A call: the sum of everything that the carrier said about it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Call)]
pub struct CallJson {
    /// Its name at the carrier.
    #[schema(value_type = CallName)]
    call_sid: String,
    /// Whose call it is; `null` where nobody is configured for the called number.
    #[schema(value_type = Option<BusinessName>)]
    business: Option<String>,
    /// Which way it goes; `null` until the carrier says so.
    #[schema(value_type = Option<Direction>)]
    direction: Option<&'static str>,
    /// How far it has come, in the carrier's words; `rejected` is our own refusal.
    #[schema(value_type = Status)]
    status: &'static str,
    /// The calling party: a number in E.164, an address, or `anonymous`.
    from: Option<String>,
    /// The called party.
    to: Option<String>,
    /// The call whose transfer made this one.
    #[schema(value_type = Option<CallName>)]
    parent_call_sid: Option<String>,
    /// How long it lasted, in seconds; 0 until the carrier says so.
    duration_s: u32,
    /// Who or what answered a call that the service placed: `human`, `machine_start`, `machine_end_beep`,
    /// `machine_end_silence`, `machine_end_other`, `fax`, `unknown`; `null` if nobody was asked to find out.
    answered_by: Option<&'static str>,
    /// How long it took to find that out, in milliseconds.
    machine_detection_ms: Option<u32>,
    /// The earliest time of which anything is known.
    created_at: Moment,
    /// When somebody had answered.
    answered_at: Option<Moment>,
    /// When it was over.
    ended_at: Option<Moment>,
    /// The latest time of which anything is known.
    updated_at: Moment,
}

/// A call with everything that is known of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CallRecord)]
pub struct CallRecordJson {
    /// The call.
    call: CallJson,
    /// How it ended; `null` while it goes on, and of a call that never had a media stream.
    end: Option<EndJson>,
    /// What was said, in order.
    turns: Vec<TurnJson>,
    /// The words that are kept; `null` until they are settled.
    transcript: Option<TranscriptJson>,
    /// What it was about; `null` while nobody has tried to say so.
    summary: Option<SummaryJson>,
    /// What the carrier said, by the time at which it happened.
    history: Vec<StatusEventJson>,
    /// What happened, in order.
    timeline: Vec<TimelineJson>,
}

/// A call, as a webhook tells of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ToldCall)]
pub struct ToldCallJson {
    /// The call.
    call: CallJson,
    /// How it ended; `null` of a call that never had a media stream.
    end: Option<EndJson>,
    /// What was said, in order.
    turns: Vec<TurnJson>,
    /// The words that are kept; `null` until they are settled.
    transcript: Option<TranscriptJson>,
    /// What it was about; `null` while nobody has tried to say so.
    summary: Option<SummaryJson>,
    /// Whether the turns and the transcript are too long for a webhook, so that there are none here.
    turns_left_out: bool,
}

impl ToldCallJson {
    /// The call of this record; with its turns, or without.
    pub fn of(record: &CallRecord, with_turns: bool) -> Self {
        let turns = record.turns.iter().filter(|_| with_turns);
        Self {
            call: record.row.clone().into(),
            end: record.end.clone().map(Into::into),
            turns: turns.cloned().map(Into::into).collect(),
            transcript: record.transcript.clone().filter(|_| with_turns).map(Into::into),
            summary: record.summary.clone().map(Into::into),
            turns_left_out: !with_turns,
        }
    }
}

/// How a call ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CallEnd)]
struct EndJson {
    /// Who ended it, and why.
    #[schema(value_type = Cause)]
    cause: &'static str,
    /// What the carrier was told to do then.
    #[schema(value_type = After)]
    farewell: &'static str,
    /// When.
    ended_at: Moment,
    /// From the answer to the end, in milliseconds.
    length_ms: u64,
    /// From the answer to the first words of the agent, in milliseconds.
    first_audio_ms: Option<u64>,
    /// From the end of what the caller said to the first words of the answer, in milliseconds, on average.
    response_mean_ms: Option<u64>,
    /// How often the caller interrupted the agent.
    barge_ins: u32,
    /// How often the agent was lost.
    agent_losses: u32,
    /// Frames of 20 ms that came from the caller.
    caller_frames: u64,
    /// … of which so many did not reach the agent.
    dropped_frames: u64,
    /// Frames of 20 ms that were missing inside of answers.
    underflow_frames: u64,
    /// How good the call was.
    quality: QualityJson,
}

/// How good a call was, by its figures and its end.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CallQuality)]
struct QualityJson {
    /// 0 to 100.
    #[schema(maximum = 100)]
    score: u8,
    /// What that means: `EXCELLENT` from 90, `GOOD` from 75, `FAIR` from 50, `POOR` from 25, `CRITICAL` below.
    #[schema(value_type = VerdictWord)]
    verdict: &'static str,
    /// What went wrong and is explained by nothing else; empty of a good call.
    findings: Vec<FindingJson>,
}

/// One thing that went wrong on a call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CallFinding)]
struct FindingJson {
    /// Its name.
    #[schema(value_type = FaultName)]
    fault: &'static str,
    /// How much it matters.
    #[schema(value_type = Weight)]
    severity: &'static str,
    /// Points that it took from the score.
    #[schema(minimum = 1, maximum = 100)]
    points: u8,
    /// The figures it rests on, for a person.
    figures: String,
    /// What is wrong.
    cause: &'static str,
    /// What followed for the caller.
    consequence: &'static str,
    /// What to do.
    remedy: &'static str,
}

/// One turn of the conversation. Times are on the call's own clock, from the answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Turn)]
struct TurnJson {
    /// From 1, in the order in which turns were finished.
    number: u32,
    /// `caller` or `agent`.
    #[schema(value_type = Side)]
    speaker: &'static str,
    /// The words; of the agent everything that it meant to say.
    text: String,
    /// The words that the caller heard.
    heard_text: String,
    /// How sure the recogniser was, 0 to 1.
    confidence: Option<f32>,
    /// When it began, in milliseconds.
    started_ms: u32,
    /// When it ended, in milliseconds.
    ended_ms: u32,
    /// Whether the caller cut it short.
    interrupted: bool,
}

/// Something that the carrier said.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StatusEvent)]
struct StatusEventJson {
    /// How far the call had come.
    #[schema(value_type = Status)]
    status: &'static str,
    /// How we heard of it, as in `status_callback`.
    source: &'static str,
    /// When.
    occurred_at: Moment,
    /// How long the call lasted, in seconds.
    duration_s: Option<u32>,
    /// What was given as the reason.
    reason: Option<String>,
}

/// Something that happened on a call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TimelineEvent)]
struct TimelineJson {
    /// When.
    at: Moment,
    /// When on the call's clock, in milliseconds.
    call_ms: u32,
    /// Who did it, as in `caller`, `agent`, `engine`.
    who: String,
    /// What, as in `barge_in`.
    what: String,
    /// The names and figures that belong to it.
    ids: serde_json::Value,
}

/// The calls that are alive on this node.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LiveCalls)]
pub struct LiveCallsJson {
    /// The oldest first.
    items: Vec<LiveCallJson>,
}

/// A call that is alive on this node.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LiveCall)]
struct LiveCallJson {
    /// Which call.
    #[schema(value_type = CallName)]
    call_sid: String,
    /// Whose.
    #[schema(value_type = BusinessName)]
    business: String,
    /// Who called whom.
    #[schema(value_type = Direction)]
    direction: &'static str,
    /// When its media stream began.
    since: Moment,
}

/// A call that is being ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HangingUp)]
pub struct HangingUpJson {
    /// Which call.
    #[schema(value_type = CallName)]
    pub call_sid: String,
}

impl From<CallRow> for CallJson {
    fn from(row: CallRow) -> Self {
        Self {
            call_sid: row.call_sid.to_string(),
            business: text(&row.business, |business| business.as_str()),
            direction: row.direction.map(|direction| direction.value.as_str()),
            status: row.status.as_str(),
            from: text(&row.from, |party| party.as_str()),
            to: text(&row.to, |party| party.as_str()),
            parent_call_sid: text(&row.parent_call_sid, |sid| sid.as_str()),
            duration_s: row.duration_s,
            answered_by: row.answered_by.map(|found| found.value.as_str()),
            machine_detection_ms: row.machine_detection_ms,
            created_at: Moment(row.created_at),
            answered_at: row.answered_at.map(Moment),
            ended_at: row.ended_at.map(Moment),
            updated_at: Moment(row.updated_at),
        }
    }
}

impl From<CallRecord> for CallRecordJson {
    fn from(record: CallRecord) -> Self {
        Self {
            call: record.row.into(),
            end: record.end.map(Into::into),
            turns: record.turns.into_iter().map(Into::into).collect(),
            transcript: record.transcript.map(Into::into),
            summary: record.summary.map(Into::into),
            history: record.history.into_iter().map(Into::into).collect(),
            timeline: record.events.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<CallEnd> for EndJson {
    fn from(end: CallEnd) -> Self {
        let millis = |time: std::time::Duration| time.as_millis() as u64;
        Self {
            cause: end.cause.as_str(),
            farewell: farewell(&end.farewell),
            ended_at: Moment(end.ended_at),
            length_ms: millis(end.stats.length),
            first_audio_ms: end.stats.first_audio.map(millis),
            response_mean_ms: end.stats.response_total.checked_div(end.stats.responses).map(millis),
            barge_ins: end.stats.barge_ins,
            agent_losses: end.stats.agent_losses,
            caller_frames: end.stats.caller_frames,
            dropped_frames: end.stats.dropped_frames,
            underflow_frames: end.stats.underflow_frames,
            quality: judge(&end.stats, end.cause).into(),
        }
    }
}

impl From<Quality> for QualityJson {
    fn from(quality: Quality) -> Self {
        Self {
            score: quality.score,
            verdict: quality.verdict.word(),
            findings: quality.findings.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Finding> for FindingJson {
    fn from(finding: Finding) -> Self {
        Self {
            fault: finding.fault.word(),
            severity: finding.severity().word(),
            points: finding.points,
            figures: finding.figures,
            cause: finding.fault.cause(),
            consequence: finding.fault.consequence(),
            remedy: finding.fault.remedy(),
        }
    }
}

impl From<Turn> for TurnJson {
    fn from(turn: Turn) -> Self {
        Self {
            number: turn.number,
            speaker: turn.speaker.as_str(),
            text: turn.text,
            heard_text: turn.heard_text,
            confidence: turn.confidence,
            started_ms: turn.started_ms,
            ended_ms: turn.ended_ms,
            interrupted: turn.interrupted,
        }
    }
}

impl From<StatusChange> for StatusEventJson {
    fn from(change: StatusChange) -> Self {
        Self {
            status: change.status.as_str(),
            source: change.source.as_str(),
            occurred_at: Moment(change.occurred_at),
            duration_s: change.duration_s,
            reason: change.reason,
        }
    }
}

impl From<CallEventRecord> for TimelineJson {
    fn from(event: CallEventRecord) -> Self {
        Self {
            at: Moment(event.at_micros),
            call_ms: event.call_ms,
            who: event.who.into_owned(),
            what: event.what.into_owned(),
            ids: event.ids,
        }
    }
}

impl FromIterator<LiveCall> for LiveCallsJson {
    fn from_iter<I: IntoIterator<Item = LiveCall>>(calls: I) -> Self {
        let item = |call: LiveCall| LiveCallJson {
            call_sid: call.call.to_string(),
            business: call.business.to_string(),
            direction: call.direction.as_str(),
            since: Moment(call.since),
        };
        Self { items: calls.into_iter().map(item).collect() }
    }
}

fn text<T>(value: &Option<Sourced<T>>, as_str: impl Fn(&T) -> &str) -> Option<String> {
    value.as_ref().map(|sourced| as_str(&sourced.value).to_owned())
}

const fn farewell(farewell: &Farewell) -> &'static str {
    match farewell {
        Farewell::HangUp => "hang_up",
        Farewell::Dial(_) => "dial",
        Farewell::Apologise => "apologise",
    }
}
