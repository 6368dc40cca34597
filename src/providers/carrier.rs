//! The carrier's REST interface.
