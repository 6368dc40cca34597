//! The pure part: what a call is, decided without a clock, a socket, a file, a database, a log or an actor.
//!
//! Everything here is `(now, input) → outputs`. Time arrives as [`time::CallTime`], so a call can be
//! replayed from a text file faster than it was spoken.
#![warn(missing_docs)]

pub mod admission;
pub mod audio;
pub mod business;
pub mod call;
pub mod campaign;
pub mod capacity;
pub mod delivery;
pub mod ids;
pub mod outbound;
pub mod prompt;
pub mod quality;
pub mod recording;
pub mod status;
pub mod time;
pub mod transcript;
pub mod wire;
