//! demo
pub mod twilio;
