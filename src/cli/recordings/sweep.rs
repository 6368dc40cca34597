//! Deletes what has been kept for long enough, without waiting for the service to do it.

use std::time::Duration;

use super::{PAGE, SweepArgs, progress};
use crate::app;
use crate::cli::out::Out;
use crate::cli::telemetry;
use crate::clock;
use crate::config::Config;
use crate::engine::recording::RecordingId;
use crate::store::Store;

pub(super) fn sweep(args: &SweepArgs, config: &Config, store: &Store, out: &mut Out) -> anyhow::Result<bool> {
    if args.dry_run {
        return would_go(config, store, out);
    }
    let spinner = progress::of_unknown("deleting recordings whose time is over");
    // What can't be deleted is said by its lines.
    let (telemetry, _guard) = telemetry::start(config);
    let swept = actix::System::new().block_on(app::sweep_recordings(config, store.clone(), telemetry))?;
    spinner.finish_and_clear();
    out.line(format_args!("{} recordings are deleted, {} could not be", swept.deleted, swept.failed));
    if !swept.is_whole {
        out.line(
            "it ended early: the carrier, the store or the database did not answer; what is left is tried again later",
        );
    }
    Ok(swept.is_whole && swept.failed == 0)
}

/// What would go for its age.
fn would_go(config: &Config, store: &Store, out: &mut Out) -> anyhow::Result<bool> {
    let keep = Duration::from_secs(config.recordings.keep_s.into());
    if keep.is_zero() {
        out.line("nothing: recordings.keep_s is 0, which keeps them for good");
        return Ok(true);
    }
    let before = clock::wall_micros() - keep.as_micros() as i64;
    let (mut count, mut behind) = (0u64, None::<RecordingId>);
    loop {
        let page = store.recordings_past(before, behind.as_ref(), PAGE)?;
        let Some(last) = page.last() else { break };
        behind = Some(last.id.clone());
        for recording in &page {
            count += 1;
            out.line(format_args!("{} {}", recording.call, recording.id));
        }
    }
    out.line(format_args!("{count} recordings would be deleted for their age"));
    Ok(true)
}
