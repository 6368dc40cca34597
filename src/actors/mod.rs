//! actors

pub mod call_status;
