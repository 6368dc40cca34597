//! Deepgram's Voice Agent interface, as a voice agent.
//!
//! One WebSocket per session: JSON as text messages, audio as binary ones, linear at the call's own rate both ways,
//! so nothing is converted. The vendor's model listens, answers and is interrupted by itself: turns belong to it.
//!
//! * `session` decides: a pure machine, fed with messages, orders and its clock.
//! * `driver` does: one task per call.
//! * `client_message` and `server_message` are the wire; `connect` opens it.

use std::sync::Arc;

use rustls::RootCertStore;

use crate::engine::audio::Rate;
use crate::engine::call::TurnOwner;

use super::{AgentBrief, AgentSession, VoiceAgent, session as link};

mod client_message;
mod connect;
mod driver;
mod server_message;
mod session;
mod settings;

pub use connect::DeepgramSetupError;
pub use settings::DeepgramSettings;

/// Deepgram's Voice Agent: opens one session per call.
pub struct DeepgramAgent {
    settings: Arc<DeepgramSettings>,
    gate: Arc<connect::Gate>,
}

impl DeepgramAgent {
    /// Checks the settings. Certificates are those of the system unless `roots` are given.
    pub fn new(settings: DeepgramSettings, roots: Option<RootCertStore>) -> Result<Self, DeepgramSetupError> {
        let gate = Arc::new(connect::Gate::new(&settings, roots)?);
        Ok(Self { settings: Arc::new(settings), gate })
    }
}

impl<R: Rate> VoiceAgent<R> for DeepgramAgent {
    fn name(&self) -> &'static str {
        "deepgram"
    }

    fn turns(&self) -> TurnOwner {
        TurnOwner::Vendor
    }

    fn open(&self, brief: AgentBrief) -> AgentSession<R> {
        let (session, desk) = link();
        tokio::spawn(driver::run(Arc::clone(&self.gate), Arc::clone(&self.settings), brief, desk));
        session
    }
}
