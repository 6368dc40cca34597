//! Going on where another session ended: what was said is said again, as items of ours.

use std::time::Duration;

use crate::engine::audio::Rate;
use crate::engine::call::Speaker;
use crate::engine::ids::ResponseId;

use super::super::client_event::ClientEvent;
use super::super::history::{History, Source};
use super::super::lifecycle::Confirmed;
use super::{Action, Actions, Session};

/// An item in which a response of an earlier session was retold.
#[derive(Debug)]
pub(super) struct Retold {
    response: ResponseId,
    item_id: String,
    /// The item before it.
    after: Option<String>,
}

impl<R: Rate> Session<R> {
    /// Takes the place of an earlier session: goes on with what was said, and says it to the vendor. Nothing
    /// happens before the session is ready.
    pub(in super::super) fn succeed(&mut self, history: History, vendors_own: u32) -> Actions<R> {
        self.history = history;
        self.vendors_own = vendors_own;
        self.phase.confirmed().map(|proof| self.retell(proof)).unwrap_or_default()
    }

    pub(super) fn truncate_retold(&mut self, proof: Confirmed, response: ResponseId, heard: Duration) -> Actions<R> {
        let Some(at) = self.retold.iter().position(|retold| retold.response == response) else {
            return Vec::new();
        };
        let Some(left) = self.history.agent_heard(response, heard) else { return Vec::new() };
        let Retold { item_id, after, .. } = self.retold.remove(at);
        let mut events = vec![ClientEvent::delete(proof, &item_id)];
        if !left.trim().is_empty() {
            let (after, agent) = (after.as_deref(), Speaker::Agent);
            events.push(ClientEvent::said_before(proof, &format!("{item_id}_cut"), after, agent, &left));
        }
        events.into_iter().map(Action::Send).collect()
    }

    /// Says everything said so far to a vendor that has not heard it.
    pub(super) fn retell(&mut self, proof: Confirmed) -> Actions<R> {
        let mut actions = Vec::new();
        let mut after: Option<String> = None;
        for (number, entry) in self.history.entries().enumerate() {
            let item_id = format!("before_{number}");
            let event = ClientEvent::said_before(proof, &item_id, after.as_deref(), entry.speaker(), &entry.text);
            actions.push(Action::Send(event));
            if let Source::Agent { response, .. } = entry.source {
                self.retold.push(Retold { response, item_id: item_id.clone(), after: after.take() });
            }
            after = Some(item_id);
        }
        actions
    }
}
