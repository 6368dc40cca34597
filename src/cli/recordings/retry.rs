//! Another try for what was given up.

use super::{PAGE, RetryArgs, progress};
use crate::cli::out::Out;
use crate::clock;
use crate::engine::ids::CallSid;
use crate::engine::recording::{RecordingId, RecordingState};
use crate::store::Store;
use crate::store::recordings::{Heard, Recording};

/// Those that are tried no more: at the carrier, and on the node that made them.
const GIVEN_UP: [RecordingState; 2] = [RecordingState::Failed, RecordingState::Unkept];

pub(super) fn retry(args: &RetryArgs, store: &Store, out: &mut Out) -> anyhow::Result<bool> {
    if !args.failed {
        let mut is_well = true;
        for call in &args.calls {
            is_well &= of_call(store, call, out)?;
        }
        return Ok(is_well);
    }
    let wanted = GIVEN_UP.map(|state| args.which.in_state(Some(state)));
    let mut total = 0;
    for wanted in &wanted {
        total += store.count_recordings(wanted)?;
    }
    let bar = progress::of_recordings(total);
    let (mut again, mut not_again) = (0u64, 0u64);
    for wanted in &wanted {
        let mut behind: Option<RecordingId> = None;
        loop {
            let page = store.recordings_behind(wanted, behind.as_ref(), PAGE)?;
            let Some(last) = page.last() else { break };
            behind = Some(last.id.clone());
            for recording in &page {
                match is_due_again(store, recording)? {
                    true => again += 1,
                    false => not_again += 1,
                }
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    out.line(format_args!("{again} recordings are due again; a node that runs fetches them"));
    if not_again > 0 {
        out.line(format_args!("{not_again} are being fetched already, or were made here and hold no sound"));
    }
    Ok(true)
}

/// One that was made here and holds nothing can't be had from anywhere.
fn is_due_again(store: &Store, recording: &Recording) -> anyhow::Result<bool> {
    match (&recording.id, recording.state) {
        (RecordingId::Own(_), RecordingState::Failed) => Ok(false),
        _ => Ok(store.want_recordings(&recording.call, clock::wall_micros())? == Heard::New),
    }
}

fn of_call(store: &Store, call: &CallSid, out: &mut Out) -> anyhow::Result<bool> {
    if store.recordings_of(call)?.is_empty() {
        out.line(format_args!("{call}: there is no recording of this call"));
        return Ok(false);
    }
    let (is_well, what) = match store.want_recordings(call, clock::wall_micros())? {
        Heard::New => (true, "is due again; a node that runs fetches it"),
        Heard::Known => (true, "is fetched already, or being fetched"),
        Heard::NoRecording | Heard::HasWords => (false, "has no recording that could be fetched"),
    };
    out.line(format_args!("{call}: {what}"));
    Ok(is_well)
}
