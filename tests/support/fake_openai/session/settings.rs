//! `session.update`, as the script wants it answered.

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};

use super::super::script::{ErrorScript, Update};
use super::Session;

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub(super) async fn update(&mut self, event: &Value) {
        let update = self.script.updates.get(self.updates).cloned().unwrap_or(Update::Accept);
        self.updates += 1;
        if self.has_spoken && event["session"].pointer("/audio/output/voice").is_some() {
            self.complain("a voice after audio");
            let error = ErrorScript::new("invalid_request_error", "cannot_update_voice");
            return self.error(&error, event["event_id"].clone()).await;
        }
        match update {
            Update::Refuse(error) => return self.error(&error, event["event_id"].clone()).await,
            Update::Ignore => return,
            Update::Accept | Update::EchoInstead(..) => {}
        }
        merge(&mut self.settings, &event["session"]);
        let mut echo = self.settings.clone();
        match update {
            Update::EchoInstead(pointer, value) => {
                *echo.pointer_mut(pointer).expect("the script names a field that is there") = value;
            }
            _ => self.is_confirmed = true,
        }
        self.say(json!({ "type": "session.updated", "session": echo })).await;
    }
}

/// Objects are merged, everything else replaced; a format is one thing.
fn merge(old: &mut Value, new: &Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in new {
                let slot = old.entry(key.clone()).or_insert(Value::Null);
                if key == "format" { *slot = value.clone() } else { merge(slot, value) }
            }
        }
        (old, new) => *old = new.clone(),
    }
}
