//! Where news of recordings is taken, and what somebody wants of them: it goes into the database, and the supervisor of this node is
//! told to look.

use actix::Addr;

use super::{Look, RecordingSupervisor};
use crate::actors::metered;
use crate::clock;
use crate::engine::ids::CallSid;
use crate::store::recordings::{Heard, RecordingReport};
use crate::store::{Store, StoreError};
use crate::telemetry::{Event, RecordingsEvent, Telemetry};

/// Takes news and wishes. Cheap to clone.
#[derive(Clone)]
pub struct RecordingDesk {
    store: Store,
    /// Who does the work here; another node may be faster.
    supervisor: Option<Addr<RecordingSupervisor>>,
    telemetry: Telemetry,
}

impl RecordingDesk {
    /// Takes them for this supervisor.
    pub fn new(store: Store, supervisor: Option<Addr<RecordingSupervisor>>, telemetry: Telemetry) -> Self {
        Self { store, supervisor, telemetry }
    }

    /// Keeps what is told of a recording; answered when it is in the database or on the disk.
    pub async fn hear(&self, report: RecordingReport) -> Result<(), StoreError> {
        let heard = self.blocking(move |store| store.hear_of_recording(&report, clock::wall_micros())).await?;
        self.tell(heard);
        Ok(())
    }

    /// Somebody wants the recordings of a call.
    pub async fn fetch(&self, call: CallSid) -> Result<Heard, StoreError> {
        let heard = self.blocking(move |store| store.want_recordings(&call, clock::wall_micros())).await?;
        self.tell(Some(heard));
        Ok(heard)
    }

    /// Somebody wants the words of a call.
    pub async fn transcribe(&self, call: CallSid) -> Result<Heard, StoreError> {
        let heard = self.blocking(move |store| store.want_transcript(&call, clock::wall_micros())).await?;
        self.tell(Some(heard));
        Ok(heard)
    }

    fn tell(&self, heard: Option<Heard>) {
        let result = match heard {
            Some(Heard::New) => "new",
            Some(Heard::Known | Heard::NoRecording | Heard::HasWords) => "known",
            None => "spooled",
        };
        self.telemetry.record(Event::Recordings(RecordingsEvent::Triggered { result }));
        if let (Some(Heard::New | Heard::Known), Some(supervisor)) = (heard, &self.supervisor) {
            metered::order(supervisor, Look);
        }
    }

    /// Goes on when whoever asked has gone away.
    async fn blocking<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.store.clone();
        actix_rt::task::spawn_blocking(move || change(&store)).await.unwrap_or(Err(StoreError::Stopping))
    }
}
