//! What the database says of the files in the folder where recordings are made. Everything here blocks.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_rt::task::spawn_blocking;
use actix_rt::time::sleep;

use super::files::removed;
use super::{IN_THE_STORE, KeptWhere, PAUSES_S};
use crate::engine::ids::CallSid;
use crate::engine::recording::{RecordingId, RecordingState};
use crate::store::call_files::RecordingDone;
use crate::store::recordings::Recording;
use crate::store::{Store, StoreError};

/// What an earlier process left behind.
#[derive(Default)]
pub(super) struct Found {
    /// What nobody knows of, the oldest first, or what is to be tried again.
    pub untold: Vec<RecordingDone>,
    /// What was given up.
    pub unkept: Vec<CallSid>,
}

/// What there is in the folder; asked until the database answers.
pub(super) async fn left_behind(folder: &Path, kept: KeptWhere, store: &Store, before: i64) -> Found {
    let mut pauses = PAUSES_S.into_iter();
    loop {
        let (folder, store) = (folder.to_owned(), store.clone());
        // Else it can't be told either; and the store says by itself that it is away.
        if let Ok(Ok(found)) = spawn_blocking(move || untold(&folder, kept, &store, before)).await {
            return found;
        }
        let pause = pauses.next().unwrap_or(PAUSES_S[PAUSES_S.len() - 1]);
        sleep(Duration::from_secs(pause)).await;
    }
}

/// What there is in the folder. What was moved and told, and has its first name still, loses it; so does what was given up and whose
/// time is over.
pub(super) fn untold(folder: &Path, kept: KeptWhere, store: &Store, before: i64) -> Result<Found, StoreError> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(Found::default()) };
    let written_at =
        |modified: SystemTime| modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64);
    let mut files: Vec<(i64, CallSid)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let call = entry.file_name().to_str()?.strip_suffix(".wav")?.parse().ok()?;
            Some((written_at(entry.metadata().ok()?.modified().ok()?), call))
        })
        .filter(|(at, _)| *at < before)
        .collect();
    files.sort();
    let mut found = Found::default();
    for (_, call) in files {
        match store.recording(&RecordingId::Own(call.clone()))? {
            None => {
                let error = Some("the service was killed before it told of this recording".to_owned());
                found.untold.push(RecordingDone { call, error });
            }
            Some(told) if told.state == RecordingState::Started => {
                found.untold.push(RecordingDone { call, error: None });
            }
            Some(told) if told.state == RecordingState::Unkept => found.unkept.push(call),
            Some(told) if kept == KeptWhere::InTheStore && is_elsewhere(&told) => {
                // What can't be deleted now is found again by the next start.
                removed(&folder.join(format!("{call}.wav"))).ok();
            }
            Some(_) => {}
        }
    }
    Ok(found)
}

/// Which of those that were given up are so no more, and whether they are wanted again. Whose time is over loses its file.
pub(super) fn settled(folder: &Path, store: &Store, unkept: Vec<CallSid>) -> Result<Vec<(CallSid, bool)>, StoreError> {
    let mut settled = Vec::new();
    for call in unkept {
        let state = store.recording(&RecordingId::Own(call.clone()))?.map(|told| told.state);
        let is_wanted = match state {
            // That it was given up may still lie in the spool.
            None | Some(RecordingState::Unkept) => continue,
            Some(RecordingState::Started) => true,
            Some(RecordingState::Expired) => {
                // One that can't be deleted is tried with the next look.
                if removed(&folder.join(format!("{call}.wav"))).is_err() {
                    continue;
                }
                false
            }
            Some(_) => false,
        };
        settled.push((call, is_wanted));
    }
    Ok(settled)
}

/// Whether a recording was moved into the store, or was deleted there since.
fn is_elsewhere(told: &Recording) -> bool {
    match &told.file {
        Some(file) => file.key.starts_with(IN_THE_STORE),
        None => told.state == RecordingState::Expired,
    }
}
