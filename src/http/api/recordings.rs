//! The recording of a call: to be played, range by range as browsers do, and its outline, for whoever draws it.
//!
//! Nothing here ever starts work: whether a recording is fetched is decided elsewhere, and asking for one that is not there
//! yet says so. An hour of sound needs no more memory than a second, for it goes from the store to the socket in pieces.

mod choice;

use actix_web::body::SizedStream;
use actix_web::http::Method;
use actix_web::http::header::{ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_RANGE, ETAG, HeaderName, IF_RANGE, RANGE};
use actix_web::web::{self, Json, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

use crate::actors::shelf::{KeepError, Shelf};
use crate::clock;
use crate::engine::audio::Peaks;
use crate::engine::ids::CallSid;
use crate::engine::recording::SoundFormat;
use crate::engine::wire::byte_range::{Wanted, wanted};
use crate::store::recordings::{KeptFile, Recording};
use crate::telemetry::Event;

use super::body::{Query, named};
use super::caller::Caller;
use super::problem::Problem;
use super::value::{CallName, described};
use super::{Api, Part, by_get};
use choice::{Choice, choose};

/// This part of the interface.
pub const PART: Part = Part { routes, document: Document::openapi };

fn routes(config: &mut ServiceConfig) {
    config
        .service(by_get("/calls/{call_sid}/recording", || web::route().to(play)))
        .service(by_get("/calls/{call_sid}/recording/peaks", || web::route().to(peaks)));
}

#[derive(OpenApi)]
#[openapi(paths(play, peaks), tags((name = "recordings", description = "What calls sounded like.")))]
struct Document;

/// Which recording of the call is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// The one that the carrier made, or the service's own; left out: the carrier's, if there is one.
    #[param(value_type = Option<Maker>)]
    made_by: Option<Maker>,
}

/// Who made a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Maker {
    /// The carrier.
    Carrier,
    /// This service, at the wire: the caller left, the agent right.
    Own,
}

/// How fine an outline is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AskedPeaks {
    /// The one that the carrier made, or the service's own; left out: the carrier's, if there is one.
    #[param(value_type = Option<Maker>)]
    made_by: Option<Maker>,
    /// How many slices the recording is cut into: 800 unless told.
    #[serde(default)]
    #[param(inline, required = false)]
    slices: Slices,
}

/// How many slices an outline has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u16")]
struct Slices(u16);

/// A wide screen has no more dots side by side.
const MOST_SLICES: u16 = 4_000;

impl Default for Slices {
    fn default() -> Self {
        Self(800)
    }
}

impl TryFrom<u16> for Slices {
    type Error = String;

    fn try_from(given: u16) -> Result<Self, String> {
        match given {
            1..=MOST_SLICES => Ok(Self(given)),
            _ => Err(format!("give 1 to {MOST_SLICES}")),
        }
    }
}

described!(Slices: utoipa::openapi::ObjectBuilder::new()
    .schema_type(utoipa::openapi::Type::Integer)
    .minimum(Some(1))
    .maximum(Some(MOST_SLICES))
    .default(Some(serde_json::json!(800)))
    .build());

/// The outline of a recording.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Peaks)]
struct PeaksJson {
    /// Of which call.
    #[schema(value_type = CallName)]
    call_sid: String,
    /// Who made the recording.
    made_by: Maker,
    /// How long it is, in milliseconds.
    length_ms: u64,
    /// Of each channel, the loudest sample of each slice: 0 to 1000, which is full scale.
    channels: Vec<Vec<u16>>,
}

/// The recording of a call, as it sounded.
///
/// With a header `Range` of one range, that part of it (206). While the call goes on and until its recording is fetched the
/// answer is 409 with the header `Retry-After`; 410 says that its time is over. Where a call has two, the carrier's is given.
#[utoipa::path(get, path = "/calls/{call_sid}/recording", tag = "recordings", operation_id = "play_recording",
    params(("call_sid" = String, Path, description = "Which call.", pattern = "^CA[0-9a-fA-F]{32}$"), Asked),
    responses(
        (status = 200, description = "All of it.", content((Vec<u8> = "audio/wav"), (Vec<u8> = "audio/mpeg"))),
        (status = 206, description = "The part that was asked for.", content((Vec<u8> = "audio/wav"), (Vec<u8> = "audio/mpeg"))),
        (status = 404, response = super::describe::NotFound),
        (status = 409, response = super::describe::NotYet),
        (status = 410, response = super::describe::Gone),
        (status = 416, response = super::describe::RangeNotSatisfiable),
    ),
)]
async fn play(
    caller: Caller,
    path: web::Path<String>,
    Query(asked): Query<Asked>,
    api: web::Data<Api>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (call, recording, file) = kept(&caller, &path, asked.made_by, &api).await?;
    let tag = format!("\"{}\"", file.sha256);
    let part = match part(&request, &tag, file.bytes) {
        Wanted::Whole => None,
        Wanted::Part(range) => Some(range),
        Wanted::Nothing => return Err(Problem::range_not_satisfiable(file.bytes)),
    };
    let range = part.clone().unwrap_or(0..file.bytes);
    let length = range.end - range.start;
    let mut response = match &part {
        None => HttpResponse::Ok(),
        Some(range) => {
            let mut partial = HttpResponse::PartialContent();
            let content_range = format!("bytes {}-{}/{}", range.start, range.end - 1, file.bytes);
            partial.insert_header((CONTENT_RANGE, content_range));
            partial
        }
    };
    let ending = if file.content_type == SoundFormat::Mp3.content_type() { SoundFormat::Mp3 } else { SoundFormat::Wav };
    response
        .content_type(file.content_type.as_str())
        .insert_header((ACCEPT_RANGES, "bytes"))
        .insert_header((ETAG, tag))
        .insert_header((CONTENT_DISPOSITION, format!("inline; filename=\"{}.{}\"", recording.id, ending.extension())));
    if request.method() == Method::HEAD {
        return Ok(response.body(SizedStream::new(length, stream::empty::<Result<web::Bytes, KeepError>>())));
    }
    let pieces = shelf(&request)?.read(&file.key, range).await.map_err(not_read)?;
    let telemetry = api.telemetry.clone();
    let pieces = pieces.inspect_err(move |error| {
        telemetry.record(Event::PlaybackBroken { call: &call, error: &error.to_string() });
    });
    Ok(response.body(SizedStream::new(length, pieces)))
}

/// How loud the recording of a call is, slice by slice. Only 16-bit WAV is drawn.
#[utoipa::path(get, path = "/calls/{call_sid}/recording/peaks", tag = "recordings", operation_id = "draw_recording",
    params(("call_sid" = String, Path, description = "Which call.", pattern = "^CA[0-9a-fA-F]{32}$"), AskedPeaks),
    responses(
        (status = 200, description = "Its outline.", body = PeaksJson),
        (status = 404, response = super::describe::NotFound),
        (status = 409, response = super::describe::NotYet),
        (status = 410, response = super::describe::Gone),
    ),
)]
async fn peaks(
    caller: Caller,
    path: web::Path<String>,
    Query(asked): Query<AskedPeaks>,
    api: web::Data<Api>,
    request: HttpRequest,
) -> Result<Json<PeaksJson>, Problem> {
    let (call, recording, file) = kept(&caller, &path, asked.made_by, &api).await?;
    let mut pieces = shelf(&request)?.read(&file.key, 0..file.bytes).await.map_err(not_read)?;
    let mut peaks = Peaks::new(asked.slices.0.into());
    let not_drawn =
        |why: crate::engine::audio::NoPeaks| Problem::conflict(format!("the recording can't be drawn: {why}"));
    while let Some(piece) = pieces.next().await {
        peaks.read(&piece.map_err(not_read)?).map_err(not_drawn)?;
        // Calls live on this thread, too: their turn, after some tens of microseconds of this.
        tokio::task::yield_now().await;
    }
    let outline = peaks.finish().map_err(not_drawn)?;
    Ok(Json(PeaksJson {
        call_sid: call.to_string(),
        made_by: Maker::of(&recording),
        length_ms: outline.length.as_millis() as u64,
        channels: outline.channels,
    }))
}

/// The recording of the call that this path names, and where it is kept.
async fn kept(
    caller: &Caller,
    path: &web::Path<String>,
    made_by: Option<Maker>,
    api: &Api,
) -> Result<(CallSid, Recording, KeptFile), Problem> {
    let call: CallSid = named("call", path)?;
    let sid = call.clone();
    let found = api.ask(move |store| Ok((store.call(&sid)?, store.recordings_of(&sid)?))).await?;
    let row = caller.visible("call", found.0, |row| row.business.as_ref().map(|business| &business.value))?;
    let meant = found.1.into_iter().filter(|recording| made_by.is_none_or(|maker| maker == Maker::of(recording)));
    match choose(&row, meant.collect(), clock::wall_micros()) {
        Choice::Play(recording, file) => Ok((call, *recording, file)),
        Choice::NotYet { why, after } => Err(Problem::not_yet(why, after)),
        Choice::Expired => Err(Problem::gone("the recording's time was over, and it was deleted")),
        Choice::Lost(why) => Err(Problem::not_found_because(format!("the recording could not be fetched: {why}"))),
        Choice::None => Err(Problem::not_found("recording of this call")),
    }
}

/// What of the recording is asked for. Only `GET` knows ranges (RFC 9110, 14.2), and one with `If-Range` wants a part of
/// what it has already, or the whole of something else.
fn part(request: &HttpRequest, tag: &str, length: u64) -> Wanted {
    let header = |name: HeaderName| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    match (header(RANGE), header(IF_RANGE)) {
        (Some(_), Some(seen)) if seen != tag => Wanted::Whole,
        (Some(range), _) if request.method() == Method::GET => wanted(range, length),
        _ => Wanted::Whole,
    }
}

fn shelf(request: &HttpRequest) -> Result<&Shelf, Problem> {
    request.app_data::<Shelf>().ok_or_else(|| Problem::internal("this thread has no shelf of recordings"))
}

/// What is said when the store can't give what the database says it has.
fn not_read(error: KeepError) -> Problem {
    match error {
        KeepError::Absent => Problem::not_found_because(
            "the store has no such recording; where it is a directory, ask the node that has the file".to_owned(),
        ),
        KeepError::Away(why) => Problem::unavailable(format!("the store of recordings doesn't answer: {why}")),
        KeepError::Disk(_) | KeepError::Refused { .. } => Problem::internal(error.to_string()),
    }
}

impl Maker {
    fn of(recording: &Recording) -> Self {
        match recording.id.made_by() {
            crate::engine::recording::MadeBy::Carrier => Self::Carrier,
            crate::engine::recording::MadeBy::Own => Self::Own,
        }
    }
}
