//! One of the actors that make words of recordings: it owns a recogniser and does one recording at a time.
//!
//! Whoever asks holds the other end of [`Transcribe::wanted`]: when that is dropped, for the lease on the work was lost or the service
//! stops, the recognition ends in the middle.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use actix_rt::ArbiterHandle;
use futures_util::FutureExt;
use tokio::sync::oneshot;

use crate::actors::metered::{MailboxFigures, Metered, MeteredActor};
use crate::engine::transcript::Transcript;
use crate::providers::transcriber::{Sound, TranscribeError, Transcriber};
use crate::telemetry::{Event, Telemetry};

/// Makes the recogniser of one worker, on the worker's own thread.
pub type MakeTranscriber = Arc<dyn Fn() -> Box<dyn Transcriber> + Send + Sync>;

/// Make words of a recording.
#[derive(Message)]
#[rtype(result = "Result<Transcript, TranscribeError>")]
pub struct Transcribe {
    /// The file, on this disk.
    pub file: PathBuf,
    /// The language that is spoken, as a BCP 47 tag.
    pub language: String,
    /// Ends the work when the other end is dropped.
    pub wanted: oneshot::Receiver<()>,
}

/// Makes words of recordings.
pub struct TranscriptionWorker {
    transcriber: Rc<dyn Transcriber>,
    telemetry: Telemetry,
}

impl TranscriptionWorker {
    /// Starts one on another thread.
    pub fn start(make: MakeTranscriber, telemetry: &Telemetry, arbiter: &ArbiterHandle) -> Addr<Self> {
        let (meter, telemetry) = (MailboxFigures::of::<Self>(telemetry), telemetry.clone());
        Metered::create_in(arbiter, meter, move |_| Self { transcriber: make().into(), telemetry })
    }
}

impl Handler<Transcribe> for TranscriptionWorker {
    type Result = AtomicResponse<Self, Result<Transcript, TranscribeError>>;

    /// Atomic: one at a time.
    fn handle(&mut self, job: Transcribe, _: &mut Metered<Self>) -> Self::Result {
        let transcriber = Rc::clone(&self.transcriber);
        let Transcribe { file, language, wanted } = job;
        let work = async move {
            let sound = Sound { file: &file, language: &language };
            tokio::select! {
                words = AssertUnwindSafe(transcriber.transcribe(&sound)).catch_unwind() => Some(words),
                _ = wanted => None,
            }
        };
        AtomicResponse::new(Box::pin(work.into_actor(self).map(|words, this, _| match words {
            Some(Ok(words)) => words,
            Some(Err(_)) => {
                // A recording that brings a panic is not read by trying again.
                this.telemetry.record(Event::PanicCaught { actor: Self::KIND, message: "in a recogniser" });
                Err(TranscribeError::Unusable("a fault of ours".to_owned()))
            }
            None => Err(TranscribeError::Unusable("nobody wants it any more".to_owned())),
        })))
    }
}

impl Actor for TranscriptionWorker {
    type Context = Metered<Self>;
}

impl MeteredActor for TranscriptionWorker {
    const KIND: &'static str = "transcription_worker";

    /// It holds nothing of the recording that brought the panic.
    fn panicked(&mut self, _message: &str, _ctx: &mut Metered<Self>) {}
}
