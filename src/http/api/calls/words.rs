//! The words of a call, how far the work on its recordings has come, and asking for either.

use actix_web::web::{self, Json};
use actix_web::{HttpResponse, Responder};
use serde::Serialize;
use utoipa::ToSchema;

use crate::actors::recording_supervisor::RecordingDesk;
use crate::engine::ids::CallSid;
use crate::engine::transcript::Segment;
use crate::http::api::Api;
use crate::http::api::body::named;
use crate::http::api::caller::Caller;
use crate::http::api::problem::Problem;
use crate::http::api::value::{CallName, Moment};
use crate::store::recordings::{Heard, Recording, WorkPlace};
use crate::store::transcripts::{CallSummary, FinalTranscript, TranscriptDecision};

/// The words of a call and where they come from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Transcript)]
pub struct TranscriptJson {
    /// All of them, a line for each stretch of one person's words; empty if there are none.
    text: String,
    /// `realtime`: the turns of the call; `recording`; `failed`: there are none.
    source: &'static str,
    /// The same with speakers and times.
    segments: Vec<SegmentJson>,
    /// Which recogniser wrote them, if they come from a recording.
    model: Option<String>,
    /// When that was decided.
    decided_at: Moment,
    /// Why these.
    reason: String,
}

/// A stretch of one person's words.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TranscriptSegment)]
struct SegmentJson {
    /// `caller`, `agent`; `null` where the recording doesn't keep the two apart.
    speaker: Option<&'static str>,
    /// Where it begins, in milliseconds, in the recording or on the call's clock.
    start_ms: u32,
    /// Where it ends.
    end_ms: u32,
    /// The words.
    text: String,
    /// The recogniser's confidence, 0 to 1.
    confidence: Option<f32>,
}

/// What a call was about.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CallSummary)]
pub struct SummaryJson {
    /// In a few sentences; `null` if it could not be made.
    summary: Option<String>,
    /// Named fields that were found in it.
    fields: Option<serde_json::Value>,
    /// Which model made it.
    model: Option<String>,
    /// Why it was not made.
    error: Option<String>,
    /// When.
    at: Moment,
}

/// The words of a call, and how far the work on them has come.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WordsOfCall)]
pub(super) struct WordsJson {
    /// The words; `null` until they are settled.
    transcript: Option<TranscriptJson>,
    /// What the call was about; `null` while nobody has tried, or is to.
    summary: Option<SummaryJson>,
    /// What was decided about the words, in order.
    decisions: Vec<DecisionJson>,
    /// Its recordings, in the order in which they were heard of.
    recordings: Vec<RecordingJson>,
    /// What is to be done next; `null` if nothing was heard of recordings, nor of the call's end.
    work: Option<WorkJson>,
}

/// A decision about the words of a call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TranscriptDecision)]
struct DecisionJson {
    /// When.
    at: Moment,
    /// In a word: `realtime`, `recording`, `failed`, `no_words`, `not_fetched`, `not_transcribed`, `skipped`.
    decision: String,
    /// Why.
    reason: String,
}

/// A recording of a call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Recording)]
struct RecordingJson {
    /// Its name: the carrier's, or the call's for the one that was made here.
    id: String,
    /// `started`, `announced`, `fetched`, `failed`, `unkept` (made here, and not in the store), `absent`, `expired`.
    state: &'static str,
    /// What it is, once it is here.
    content_type: Option<String>,
    /// Its size.
    bytes: Option<u64>,
    /// How long it is, in milliseconds.
    length_ms: Option<u32>,
    /// How many channels it has.
    channels: Option<u32>,
    /// Why it was not fetched, or not read.
    error: Option<String>,
    /// When it was heard of.
    created_at: Moment,
    /// When it came here.
    fetched_at: Option<Moment>,
}

/// What is to be done about a call.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecordingWork)]
struct WorkJson {
    /// `waiting`, `fetching`, `transcribing`, `settling`, `summarising`, `settled`.
    step: &'static str,
    /// When.
    next_at: Moment,
    /// How often it was tried.
    tries: u32,
    /// Which node is at it.
    node: Option<String>,
    /// Why the last try failed.
    reason: Option<String>,
}

/// What was asked for is done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecordingAsked)]
struct AskedJson {
    /// Of which call.
    #[schema(value_type = CallName)]
    call_sid: String,
    /// Whether that makes work; if not, it is being done, or was.
    is_new: bool,
}

/// The words of a call, and how far the work on them has come.
///
/// Asking starts nothing.
#[utoipa::path(get, path = "/calls/{call_sid}/transcript", tag = "calls", operation_id = "show_transcript",
    params(("call_sid" = String, Path, description = "Which call.", pattern = "^CA[0-9a-fA-F]{32}$")),
    responses(
        (status = 200, description = "What there is.", body = WordsJson),
        (status = 404, response = crate::http::api::describe::NotFound),
    ),
)]
pub(super) async fn show(
    caller: Caller,
    path: web::Path<String>,
    api: web::Data<Api>,
) -> Result<Json<WordsJson>, Problem> {
    let call = visible(&caller, &path, &api).await?;
    let words = api.ask(move |store| {
        Ok(WordsJson {
            transcript: store.transcript(&call)?.map(Into::into),
            summary: store.call_summary(&call)?.map(Into::into),
            decisions: store.transcript_decisions(&call)?.into_iter().map(Into::into).collect(),
            recordings: store.recordings_of(&call)?.into_iter().map(Into::into).collect(),
            work: store.recording_work_of(&call)?.map(Into::into),
        })
    });
    Ok(Json(words.await?))
}

/// Fetches the recordings of a call now, also those that were given up.
#[utoipa::path(post, path = "/calls/{call_sid}/recording/fetch", tag = "calls", operation_id = "fetch_recording",
    params(("call_sid" = String, Path, description = "Which call.", pattern = "^CA[0-9a-fA-F]{32}$")),
    responses(
        (status = 202, description = "They are fetched, or were.", body = AskedJson),
        (status = 404, response = crate::http::api::describe::NotFound),
        (status = 409, response = crate::http::api::describe::Conflict),
    ),
)]
pub(super) async fn fetch(
    caller: Caller,
    path: web::Path<String>,
    api: web::Data<Api>,
    desk: web::Data<RecordingDesk>,
) -> Result<impl Responder, Problem> {
    caller.may_change()?;
    let call = visible(&caller, &path, &api).await?;
    let heard = desk.fetch(call.clone()).await?;
    accepted(&call, heard)
}

/// Makes the words of a call now, if it has none.
#[utoipa::path(post, path = "/calls/{call_sid}/recording/transcribe", tag = "calls", operation_id = "transcribe_recording",
    params(("call_sid" = String, Path, description = "Which call.", pattern = "^CA[0-9a-fA-F]{32}$")),
    responses(
        (status = 202, description = "They are made.", body = AskedJson),
        (status = 404, response = crate::http::api::describe::NotFound),
        (status = 409, response = crate::http::api::describe::Conflict),
    ),
)]
pub(super) async fn transcribe(
    caller: Caller,
    path: web::Path<String>,
    api: web::Data<Api>,
    desk: web::Data<RecordingDesk>,
) -> Result<impl Responder, Problem> {
    caller.may_change()?;
    let call = visible(&caller, &path, &api).await?;
    let heard = desk.transcribe(call.clone()).await?;
    accepted(&call, heard)
}

/// The call that is asked about, if the caller may know of it.
async fn visible(caller: &Caller, path: &web::Path<String>, api: &Api) -> Result<CallSid, Problem> {
    let call: CallSid = named("call", path)?;
    let sid = call.clone();
    let row = api.ask(move |store| store.call(&sid)).await?;
    caller.visible("call", row, super::owner)?;
    Ok(call)
}

fn accepted(call: &CallSid, heard: Heard) -> Result<HttpResponse, Problem> {
    match heard {
        Heard::NoRecording => Err(Problem::conflict("the call has no recording that could be fetched")),
        Heard::HasWords => Err(Problem::conflict("the call has its words already: see its transcript")),
        Heard::New | Heard::Known => {
            let asked = AskedJson { call_sid: call.to_string(), is_new: heard == Heard::New };
            Ok(HttpResponse::Accepted().json(asked))
        }
    }
}

impl From<FinalTranscript> for TranscriptJson {
    fn from(words: FinalTranscript) -> Self {
        Self {
            text: words.text,
            source: words.source.as_str(),
            segments: words.segments.into_iter().map(Into::into).collect(),
            model: words.model,
            decided_at: Moment(words.decided_at),
            reason: words.reason,
        }
    }
}

impl From<Segment> for SegmentJson {
    fn from(segment: Segment) -> Self {
        Self {
            speaker: segment.speaker.map(|speaker| speaker.as_str()),
            start_ms: segment.start_ms,
            end_ms: segment.end_ms,
            text: segment.text,
            confidence: segment.confidence,
        }
    }
}

impl From<CallSummary> for SummaryJson {
    fn from(made: CallSummary) -> Self {
        let CallSummary { summary, fields, model, error, at } = made;
        Self { summary, fields, model, error, at: Moment(at) }
    }
}

impl From<TranscriptDecision> for DecisionJson {
    fn from(made: TranscriptDecision) -> Self {
        Self { at: Moment(made.at), decision: made.decision, reason: made.reason }
    }
}

impl From<Recording> for RecordingJson {
    fn from(recording: Recording) -> Self {
        let (content_type, bytes) = recording.file.map(|file| (file.content_type, file.bytes)).unzip();
        Self {
            id: recording.id.to_string(),
            state: recording.state.as_str(),
            content_type,
            bytes,
            length_ms: recording.length_ms,
            channels: recording.channels,
            error: recording.error,
            created_at: Moment(recording.created_at),
            fetched_at: recording.fetched_at.map(Moment),
        }
    }
}

impl From<WorkPlace> for WorkJson {
    fn from(work: WorkPlace) -> Self {
        Self {
            step: work.step.as_str(),
            next_at: Moment(work.next_at),
            tries: work.tries,
            node: work.node,
            reason: work.reason,
        }
    }
}
