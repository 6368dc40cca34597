//! The way from an Asterisk's events to the controller: connected for ever, and how that stands.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix::Addr;

use crate::actors::metered::order;
use crate::engine::wire::ari::AriEvent;
use crate::providers::ari::Ari;
use crate::telemetry::{Event, Telemetry};

use super::{AriController, AriNews};

/// The wait after a connection that was lost, or could not be made; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// The longest.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How the connection stands, for whoever asks. Cheap to clone.
#[derive(Clone)]
pub struct AriState(Arc<State>);

struct State {
    /// Why it is not connected, if it is not.
    fault: Mutex<Option<String>>,
    calls: AtomicUsize,
}

impl Default for AriState {
    fn default() -> Self {
        let fault = Mutex::new(Some("not connected yet".to_owned()));
        Self(Arc::new(State { fault, calls: AtomicUsize::new(0) }))
    }
}

impl AriState {
    /// Why no calls come, if none do.
    pub fn fault(&self) -> Option<String> {
        self.0.fault.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many calls have channels or bridges there.
    pub fn calls(&self) -> usize {
        self.0.calls.load(Ordering::Relaxed)
    }

    fn set(&self, fault: Option<String>) {
        *self.0.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    pub(super) fn count(&self, calls: usize) {
        self.0.calls.store(calls, Ordering::Relaxed);
    }
}

/// Listens to an Asterisk as long as there is a thread for it.
pub(super) async fn listen(ari: Arc<dyn Ari>, controller: Addr<AriController>, state: AriState, telemetry: Telemetry) {
    let mut wait = FIRST_WAIT;
    loop {
        let fault = match ari.events().await {
            Err(error) => error,
            Ok(mut events) => {
                wait = FIRST_WAIT;
                state.set(None);
                telemetry.record(Event::AriConnected);
                order(&controller, AriNews::Connected);
                loop {
                    match events.next().await {
                        Ok(Ok(AriEvent::Other)) => {}
                        Ok(Ok(event)) => order(&controller, AriNews::Event(event)),
                        Ok(Err(fault)) => telemetry.record(Event::AriFailed { error: &fault.to_string() }),
                        Err(error) => break error,
                    }
                }
            }
        };
        let fault = fault.to_string();
        telemetry.record(Event::AriLost { error: &fault });
        state.set(Some(fault));
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}
