//! Recordings of calls: which there are, how far each has come, where it lies.
//!
//! | file | what it is |
//! |---|---|
//! | `rows` | the table |
//! | `entry` | what is to be done about a call, as the ledger knows it |
//! | `news` | what is heard, by whomever |
//! | `work` | what a node does that holds an entry: takes it, prolongs its lease, says what came of it |
//! | `finish` | what that changes: recordings, words, summaries |
//! | `read`, `list` | questions |
//! | `keep` | which have been kept for long enough |

mod entry;
mod finish;
mod keep;
mod list;
mod news;
mod read;
mod rows;
mod work;

use serde::{Deserialize, Serialize};

use crate::engine::ids::{BusinessId, CallSid};
use crate::engine::recording::{RecordingId, RecordingState};

pub use finish::{Finished, WorkAnswer};
pub use keep::KeptRecordings;
pub use list::RecordingFilter;
pub use news::{Heard, RecordingReport};
pub(super) use news::{hear_of_ends, hear_report};
pub(super) use read::all_of;
pub use work::{Lease, Room, WorkPlace};

/// A recording of a call. Times are microseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Its name; who made it, too.
    pub id: RecordingId,
    /// Of which call.
    pub call: CallSid,
    /// Whose call that is, as far as it was known when the recording was.
    pub business: Option<BusinessId>,
    /// Where the carrier says it lies.
    pub url: Option<String>,
    /// How far it has come.
    pub state: RecordingState,
    /// Where it is kept; `None` while it is not, and when it is deleted.
    pub file: Option<KeptFile>,
    /// How long it is.
    pub length_ms: Option<u32>,
    /// How many channels it has.
    pub channels: Option<u32>,
    /// Why it was not fetched, or not read.
    pub error: Option<String>,
    /// When it was first heard of.
    pub created_at: i64,
    /// When it came into the store.
    pub fetched_at: Option<i64>,
    /// When words were made of it, or none found in it.
    pub read_at: Option<i64>,
    /// When it was deleted.
    pub deleted_at: Option<i64>,
}

/// A file in the store of recordings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFile {
    /// Under which it is kept.
    pub key: String,
    /// What it is, by its content.
    pub content_type: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its content, in lower-case hexadecimal digits.
    pub sha256: String,
}
