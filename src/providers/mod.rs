//! Services that we call: one trait per need, one file per vendor.
#![warn(missing_docs)]

pub mod ari;
pub mod carrier;
mod convert;
mod https;
pub mod recording_source;
pub mod recording_store;
pub mod summariser;
pub mod transcriber;
mod vendor_http;
pub mod voice_agent;
pub mod webhook_receiver;
