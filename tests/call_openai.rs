//! Whole calls with OpenAI: the real service between a carrier and a vendor that are played, over real sockets.

#[path = "support/fake_openai/mod.rs"]
mod fake_openai;
#[path = "support/openai_service.rs"]
mod openai_service;

#[path = "call_openai/barge_in.rs"]
mod barge_in;
#[path = "call_openai/endings.rs"]
mod endings;
#[path = "call_openai/faults.rs"]
mod faults;
#[path = "call_openai/sessions.rs"]
mod sessions;
#[path = "call_openai/talk.rs"]
mod talk;
