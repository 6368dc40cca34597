//! What there is.

use jiff::Timestamp;
use serde_json::json;

use super::ListArgs;
use crate::cli::out::Out;
use crate::store::Store;
use crate::store::recordings::Recording;

pub(super) fn list(args: &ListArgs, store: &Store, out: &mut Out) -> anyhow::Result<bool> {
    let wanted = args.which.in_state(args.state);
    let recordings = store.newest_recordings(&wanted, args.limit)?;
    if args.json {
        recordings.iter().for_each(|recording| out.line(as_json(recording)));
        return Ok(true);
    }
    for recording in &recordings {
        out.line(as_line(recording));
    }
    let all = store.count_recordings(&wanted)?;
    out.line(format_args!("{} of {all} recordings", recordings.len()));
    Ok(true)
}

fn as_line(recording: &Recording) -> String {
    let seconds = recording.length_ms.map_or("-".to_owned(), |millis| format!("{} s", millis / 1_000));
    let kilobytes = recording.file.as_ref().map_or("-".to_owned(), |file| format!("{} kB", file.bytes.div_ceil(1_000)));
    let business = recording.business.as_ref().map_or("-", |business| business.as_str());
    let line = format!(
        "{}  {}  {:<7}  {:<9}  {seconds:>7}  {kilobytes:>9}  {business}",
        time(recording.created_at),
        recording.call,
        recording.id.made_by(),
        recording.state,
    );
    match &recording.error {
        Some(error) => format!("{line}: {error}"),
        None => line,
    }
}

fn as_json(recording: &Recording) -> serde_json::Value {
    let file = recording.file.as_ref();
    json!({
        "recording_id": recording.id.to_string(),
        "call_sid": recording.call.to_string(),
        "business": recording.business.as_ref().map(|business| business.as_str()),
        "made_by": recording.id.made_by().as_str(),
        "state": recording.state.as_str(),
        "length_ms": recording.length_ms,
        "channels": recording.channels,
        "key": file.map(|file| &file.key),
        "content_type": file.map(|file| &file.content_type),
        "bytes": file.map(|file| file.bytes),
        "sha256": file.map(|file| &file.sha256),
        "error": recording.error,
        "created_at": time(recording.created_at),
        "fetched_at": recording.fetched_at.map(time),
        "deleted_at": recording.deleted_at.map(time),
    })
}

fn time(micros: i64) -> String {
    Timestamp::from_microsecond(micros).map_or_else(|_| "-".to_owned(), |at| format!("{at:.0}"))
}
