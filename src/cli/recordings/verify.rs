//! Whether what is kept is what was stored.

use futures_util::StreamExt as _;
use indicatif::ProgressBar;
use sha2::{Digest, Sha256};

use super::{PAGE, VerifyArgs, progress};
use crate::app;
use crate::cli::out::Out;
use crate::config::Config;
use crate::engine::recording::{RecordingId, RecordingState};
use crate::providers::recording_store::{KeepError, RecordingStore};
use crate::store::Store;
use crate::store::recordings::{KeptFile, RecordingFilter};

pub(super) fn verify(args: &VerifyArgs, config: &Config, store: &Store, out: &mut Out) -> anyhow::Result<bool> {
    let wanted = args.which.in_state(Some(RecordingState::Fetched));
    let bar = progress::of_bytes(bytes(store, &wanted)?);
    let (mut right, mut wrong) = (0u64, 0u64);
    actix::System::new().block_on(async {
        let recordings = app::recording_store(config)?;
        let mut behind: Option<RecordingId> = None;
        loop {
            let page = store.recordings_behind(&wanted, behind.as_ref(), PAGE)?;
            let Some(last) = page.last() else { return anyhow::Ok(()) };
            behind = Some(last.id.clone());
            for recording in &page {
                let Some(file) = &recording.file else { continue };
                match fault(&*recordings, file, &bar).await {
                    None => right += 1,
                    Some(fault) => {
                        wrong += 1;
                        bar.suspend(|| out.line(format_args!("{}: {fault} ({})", recording.call, file.key)));
                    }
                }
            }
        }
    })?;
    bar.finish_and_clear();
    out.line(format_args!("{right} recordings are as they were stored, {wrong} are not"));
    Ok(wrong == 0)
}

/// How much there is to read.
fn bytes(store: &Store, wanted: &RecordingFilter) -> anyhow::Result<u64> {
    let (mut bytes, mut behind) = (0, None);
    loop {
        let page = store.recordings_behind(wanted, behind.as_ref(), PAGE)?;
        let Some(last) = page.last() else { return Ok(bytes) };
        behind = Some(last.id.clone());
        bytes += page.iter().filter_map(|recording| recording.file.as_ref()).map(|file| file.bytes).sum::<u64>();
    }
}

/// What is wrong with a file, if something is.
async fn fault(recordings: &dyn RecordingStore, file: &KeptFile, bar: &ProgressBar) -> Option<String> {
    let size = match recordings.size(&file.key).await {
        Ok(size) if size == file.bytes => size,
        Ok(size) => return Some(format!("it has {size} bytes, not {}", file.bytes)),
        Err(KeepError::Absent) => return Some("it is not in the store".to_owned()),
        Err(error) => return Some(format!("it can't be read: {error}")),
    };
    let mut pieces = match recordings.read(&file.key, 0..size).await {
        Ok(pieces) => pieces,
        Err(error) => return Some(format!("it can't be read: {error}")),
    };
    let mut hash = Sha256::new();
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => {
                hash.update(&piece);
                bar.inc(piece.len() as u64);
            }
            Err(error) => return Some(format!("it can't be read: {error}")),
        }
    }
    let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    (found != file.sha256).then(|| "its content has changed".to_owned())
}
