//! The caller's voice.

use std::time::Duration;

use super::script::Scenario;

/// What the caller of the demo says, and when.
pub fn scenario() -> Scenario<'static> {
    todo!()
}
