//! Hanging up at the carrier: at most once, and only if closing the media stream did not do it.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::ids::CallSid;
use crate::providers::carrier::Carrier;
use crate::telemetry::{Event, Telemetry};

/// How long the carrier may take to show that the call is over, after we closed the media stream.
///
/// 5 s: Twilio asks for the `<Connect action>` within a fraction of one; each second more is billed.
pub const END_SEEN_WITHIN: Duration = Duration::from_secs(5);

/// The right to hang up one call by the carrier's REST interface. Using it consumes it.
pub(super) struct HangUpToken {
    call: CallSid,
    carrier: Option<Arc<dyn Carrier>>,
    telemetry: Telemetry,
}

impl HangUpToken {
    pub(super) fn new(call: CallSid, carrier: Option<Arc<dyn Carrier>>, telemetry: Telemetry) -> Self {
        Self { call, carrier, telemetry }
    }

    /// Asks the carrier to end the call. A call that is over already is no error.
    pub(super) async fn hang_up(self) {
        let Some(carrier) = self.carrier else { return };
        if let Err(error) = carrier.hang_up(&self.call).await {
            self.telemetry.record(Event::CarrierFailed { call: &self.call, error: &error.to_string() });
        }
    }
}
