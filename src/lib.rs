//! Trunkline: an actor-model call engine.
//!
//! It answers telephone calls with an AI voice agent, lets the caller interrupt, keeps the one true
//! record of each call and tells its operators what happened.
//!
//! ```text
//!  phone (Twilio, PBX, browser)         carrier HTTP                operator
//!           │ media                          │ webhooks                 │
//!   ┌───────▼────────┐               ┌───────▼────────┐           ┌─────▼─────┐
//!   │ transport      │               │ http           │           │ cli       │
//!   └──┬──────────▲──┘               └──┬──────────┬──┘           └─────┬─────┘
//!  CallerAudio  MediaOut            ApplyStatus  LiveCalls             app
//!   ┌──▼──────────┴──┐               ┌──▼─────┐ ┌──▼──────────┐
//!   │ actors::call   │               │ call_  │ │ call_       │
//!   │ one per call   │               │ status │ │ registry    │
//!   └──┬──────────▲──┘               └──┬─────┘ └─────────────┘
//!    Input      Output            StatusWriter
//!   ┌──▼──────────┴──┐               ┌──▼─────┐
//!   │ engine::call   │               │ store  │
//!   │ engine::audio  │               └────────┘
//!   └────────────────┘
//!     call ⇄ providers::voice_agent
//! ```
//!
//! That is a call that comes in. [`actors`] lists everybody else: who keeps businesses and their prompts, counts calls, places
//! them, runs campaigns, asks about calls whose end nobody told, has them recorded, sees to their recordings and words, tells an Asterisk
//! whom to connect, and tells businesses what happened. [`engine::quality`] judges a call that is over.
//!
//! Layers, bottom-up; each may import only what stands above it in this list:
//!
//! * [`engine`]: pure. No clock, socket, file, database, log or actor; everything is `(now, input) → outputs`.
//! * [`clock`], [`config`], [`store`], [`providers`], [`telemetry`]: time, settings, the database, the services that we call, what we say about ourselves.
//! * [`actors`]: who owns which state, and in what order things happen.
//! * [`transport`], [`http`]: sockets that carry a call's audio; webhooks, health, metrics, the interface for operators and its console.
//! * [`app`], then [`cli`]: wiring, and the command line.
//!
//! Where to start reading: [`engine::call`], then [`actors::call`], then [`app`].
#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::print_stdout, clippy::let_underscore_must_use)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::print_stdout, clippy::let_underscore_must_use))]

pub mod actors;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod engine;
pub mod http;
pub mod providers;
pub mod store;
pub mod telemetry;
pub mod transport;
