//! The conversation's items, and what is refused about them.

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};

use super::super::script::ErrorScript;
use super::Session;

pub(super) struct Item {
    pub(super) is_spoken: bool,
    pub(super) response: Option<String>,
    pub(super) bytes: u64,
}

pub(super) struct Call {
    pub(super) response: String,
    pub(super) is_answered: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub(super) async fn create_item(&mut self, event: &Value) {
        let mut item = event["item"].clone();
        let previous = event["previous_item_id"].as_str().map(str::to_owned).or_else(|| self.order.last().cloned());
        if let Some(wanted) = event["previous_item_id"].as_str()
            && wanted != "root"
            && !self.items.contains_key(wanted)
        {
            self.complain(format!("no item {wanted} to stand behind"));
            return self.error(&ErrorScript::new("invalid_request_error", "item_not_found"), Value::Null).await;
        }
        if let Some(call_id) = item["call_id"].as_str().map(str::to_owned) {
            let complaint = match self.calls.get_mut(&call_id) {
                None => Some(format!("an output for the unknown tool call {call_id}")),
                Some(call) if !self.ended.contains(&call.response) => {
                    Some(format!("an output for {call_id} before its response was done"))
                }
                Some(call) => {
                    let again = std::mem::replace(&mut call.is_answered, true);
                    again.then(|| format!("a second output for {call_id}"))
                }
            };
            if let Some(complaint) = complaint {
                self.complain(complaint);
                return self
                    .error(&ErrorScript::new("invalid_request_error", "invalid_tool_call_id"), Value::Null)
                    .await;
            }
        }
        let id = item["id"].as_str().map_or_else(|| self.log.id("item"), str::to_owned);
        if id.len() > 32 || self.items.contains_key(&id) {
            self.complain(format!("the item id {id} is too long or taken"));
        }
        item["id"] = json!(id);
        item["object"] = json!("realtime.item");
        item["status"] = json!("completed");
        self.keep(&id, Item { is_spoken: false, response: None, bytes: 0 });
        self.say(json!({ "type": "conversation.item.added", "item": item, "previous_item_id": previous })).await;
        self.say(json!({ "type": "conversation.item.done", "item": item, "previous_item_id": previous })).await;
    }

    pub(super) async fn truncate(&mut self, event: &Value) {
        let id = event["item_id"].as_str().unwrap_or_default();
        let end = event["audio_end_ms"].as_u64().unwrap_or_default();
        let per_ms = if self.says_ulaw() { 8 } else { 48 };
        let complaint = match self.items.get(id) {
            None => Some(format!("truncates the unknown item {id}")),
            Some(item) if !item.is_spoken => Some(format!("truncates {id}, which was not spoken")),
            Some(item) if item.bytes < end * per_ms => {
                Some(format!("truncates {id} at {end} ms, which has {} ms", item.bytes / per_ms))
            }
            Some(_) => None,
        };
        if let Some(complaint) = complaint {
            self.complain(complaint);
            return self.error(&ErrorScript::new("invalid_request_error", "invalid_value"), Value::Null).await;
        }
        self.say(
            json!({ "type": "conversation.item.truncated", "item_id": id, "content_index": 0, "audio_end_ms": end }),
        )
        .await;
    }

    pub(super) async fn delete(&mut self, event: &Value) {
        let id = event["item_id"].as_str().unwrap_or_default();
        if self.items.remove(id).is_none() {
            self.complain(format!("deletes the unknown item {id}"));
            return self.error(&ErrorScript::new("invalid_request_error", "item_not_found"), Value::Null).await;
        }
        self.order.retain(|known| known != id);
        self.say(json!({ "type": "conversation.item.deleted", "item_id": id })).await;
    }

    pub(super) fn keep(&mut self, id: &str, item: Item) {
        self.items.insert(id.to_owned(), item);
        self.order.push(id.to_owned());
    }
}
