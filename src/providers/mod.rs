//! Services that we call: one trait per need, one file per vendor.
#![warn(missing_docs)]

pub mod carrier;
mod https;
pub mod recording_source;
pub mod recording_store;
pub mod transcriber;
pub mod voice_agent;
pub mod webhook_receiver;
