//! engine/wire
