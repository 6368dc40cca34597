//! store

pub mod call_files;
