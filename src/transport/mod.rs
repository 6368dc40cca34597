//! Sockets that carry a call's audio. Each turns a carrier's bytes into messages for the call's actor, and the
//! actor's frames, marks and clears into bytes; none of them decides anything about the call.

pub mod admission;
pub mod audiosocket;
pub mod browser;
pub mod twilio_stream;
