//! OpenAI's Realtime interface, as a voice agent.
//!
//! One WebSocket per session carries JSON both ways ("Realtime" in OpenAI's API reference, the GA interface);
//! audio travels in it as base64, 24 kHz linear or µ-law.
//!
//! ```text
//! call ── AgentInput ──▶ driver ── order ──▶ session ── ClientEvent ──▶ leg ── WebSocket ──▶ vendor
//!                          │ frame ──▶ sound::Uplink ── append ─────────▶ │
//! call ◀─ AgentEvent ─── driver ◀─ Action ── session ◀─ ServerEvent ──── leg ◀─ WebSocket ── vendor
//!                          │ delta ──▶ sound::Downlink ──▶ Chunk
//! ```
//!
//! * `session` decides: a pure machine of the vendor's lifecycle, fed with messages, orders and its clock.
//! * `lifecycle` is its backbone: what may be sent when, as types. `responses` knows which response is in
//!   flight and what it brought, `history` what was said.
//! * `driver` does: one task per call. It also holds what outlives a session: the caller's audio, and the
//!   successor that takes over before the vendor's time limit.
//! * `sound` converts audio at the door; `format_check` finds out whether the vendor sends what it promised.
//! * `client_event` and `server_event` are the wire; `tools` what the agent may do besides speaking.
//!
//! The vendor's voice activity detector only proposes: with `turns = engine` it creates and interrupts no
//! response, and one that begins unasked is cancelled.

use std::sync::Arc;

use rustls::RootCertStore;

use crate::engine::audio::Rate;
use crate::engine::call::TurnOwner;

use super::{AgentBrief, AgentSession, VoiceAgent, session as link};

mod client_event;
mod connect;
mod driver;
mod format_check;
mod history;
mod leg;
mod lifecycle;
mod plan;
mod responses;
mod server_event;
mod session;
mod settings;
mod sound;
pub(super) mod tools;

pub use connect::OpenAiSetupError;
pub use settings::{AudioFormat, NoiseReduction, OpenAiSettings};

/// OpenAI Realtime: opens one session per call.
pub struct OpenAiRealtime {
    settings: Arc<OpenAiSettings>,
    gate: Arc<connect::Gate>,
}

impl OpenAiRealtime {
    /// Checks the settings and reads the system's root certificates; `SSL_CERT_FILE` names others.
    pub fn new(settings: OpenAiSettings) -> Result<Self, OpenAiSetupError> {
        let gate = Arc::new(connect::Gate::new(&settings, None)?);
        Ok(Self { settings: Arc::new(settings), gate })
    }

    /// The same, trusting only `roots`.
    pub fn with_roots(settings: OpenAiSettings, roots: RootCertStore) -> Result<Self, OpenAiSetupError> {
        let gate = Arc::new(connect::Gate::new(&settings, Some(roots))?);
        Ok(Self { settings: Arc::new(settings), gate })
    }
}

impl<R: Rate> VoiceAgent<R> for OpenAiRealtime {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn turns(&self) -> TurnOwner {
        self.settings.turns
    }

    fn open(&self, brief: AgentBrief) -> AgentSession<R> {
        let (session, desk) = link();
        tokio::spawn(driver::run(Arc::clone(&self.gate), Arc::clone(&self.settings), brief, desk));
        session
    }
}
