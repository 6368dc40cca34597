//! The names that a call's channels and its bridge have in an Asterisk.

use crate::engine::wire::audiosocket::CallUuid;

/// The names of what belongs to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ids {
    pub uuid: CallUuid,
    pub caller: String,
    pub media: String,
    pub bridge: String,
}

impl Ids {
    pub(super) fn new(app: &str, caller: String, uuid: CallUuid) -> Self {
        Self { uuid, caller, media: format!("{app}-media-{uuid}"), bridge: format!("{app}-bridge-{uuid}") }
    }

    /// Those of a call that we place.
    pub(super) fn placed(app: &str, uuid: CallUuid) -> Self {
        Self::new(app, format!("{app}-out-{uuid}"), uuid)
    }

    /// Whether this channel or bridge was made here, for a call of this application.
    pub(super) fn is_ours(app: &str, id: &str) -> bool {
        let kind = id.strip_prefix(app).and_then(|rest| rest.strip_prefix('-'));
        kind.is_some_and(|kind| ["media-", "bridge-", "out-"].iter().any(|begin| kind.starts_with(begin)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_for_calls_of_this_application_is_known_by_its_name_and_nothing_else_is() {
        let ids = Ids::placed("trunkline", CallUuid::from_bytes([7; 16]));
        for id in [&ids.caller, &ids.media, &ids.bridge] {
            assert!(Ids::is_ours("trunkline", id), "{id}");
            assert!(!Ids::is_ours("trunk", id) && !Ids::is_ours("trunkline-2", id), "{id}");
        }
        for id in ["1732500000.12", "trunkline", "trunkline-", "trunkline-2-media-1", "media-1", ""] {
            assert!(!Ids::is_ours("trunkline", id), "{id}");
        }
    }
}
