//! Services that we call: one trait per need, one file per vendor.
#![warn(missing_docs)]

pub mod carrier;
pub mod voice_agent;
pub mod webhook_receiver;
