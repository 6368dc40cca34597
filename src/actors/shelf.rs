//! Recordings for whoever plays them: the store of recordings, as one thread sees it. No actor: each thread that serves
//! requests has a shelf of its own, and nothing here has a state.

use std::fmt;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use crate::providers::recording_store::RecordingStore;

pub use crate::providers::recording_store::{KeepError, SoundBytes};

/// Makes the shelf of a thread, on that thread.
pub type MakeShelf = Arc<dyn Fn() -> Shelf + Send + Sync>;

/// Where recordings can be read.
#[derive(Clone)]
pub struct Shelf(Rc<dyn RecordingStore>);

impl Shelf {
    /// The recordings of this store.
    pub fn of(store: Rc<dyn RecordingStore>) -> Self {
        Self(store)
    }

    /// A range of a recording's bytes, in pieces. What is wrong from the start, as that there is none, is told at once, and
    /// not by the first piece.
    ///
    /// # Errors
    /// There is none under this key, or the store can't give it.
    pub async fn read(&self, key: &str, bytes: Range<u64>) -> Result<SoundBytes, KeepError> {
        self.0.read(key, bytes).await
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shelf")
    }
}
