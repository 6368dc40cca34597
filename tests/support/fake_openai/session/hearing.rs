//! The caller's audio, and where speech begins and ends in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};

use super::super::sound::{self, Edge};
use super::{Item, Session};

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub(super) fn hears_ulaw(&self) -> bool {
        self.settings["audio"]["input"]["format"]["type"] == "audio/pcmu"
    }

    pub(super) async fn append(&mut self, event: &Value) {
        let Ok(bytes) = STANDARD.decode(event["audio"].as_str().unwrap_or_default()) else {
            return self.complain("audio that is not base64");
        };
        let is_ulaw = self.hears_ulaw();
        if bytes.is_empty() || (!is_ulaw && bytes.len() % 2 != 0) {
            self.complain(format!("{} bytes of audio", bytes.len()));
        }
        let samples = sound::samples(&bytes, is_ulaw);
        self.log.heard_audio(&samples, is_ulaw);
        if !self.log.listens() {
            return;
        }
        let silence_ms =
            self.settings["audio"]["input"]["turn_detection"]["silence_duration_ms"].as_u64().unwrap_or(500);
        for edge in self.ears.hear(&samples, if is_ulaw { 160 } else { 480 }, silence_ms) {
            match edge {
                Edge::Started { at_ms } => self.speech_started(at_ms).await,
                Edge::Stopped { at_ms } => self.speech_stopped(at_ms).await,
            }
        }
    }

    pub(super) async fn speech_started(&mut self, at_ms: u64) {
        let item = self.log.id("item");
        self.utterance = Some(item.clone());
        self.say(json!({ "type": "input_audio_buffer.speech_started", "audio_start_ms": at_ms, "item_id": item }))
            .await;
        if self.settings["audio"]["input"]["turn_detection"]["interrupt_response"] == true && self.active.is_some() {
            self.end_response("cancelled", json!({ "type": "cancelled", "reason": "turn_detected" })).await;
        }
    }

    pub(super) async fn speech_stopped(&mut self, at_ms: u64) {
        let Some(item) = self.utterance.take() else { return };
        let previous = self.order.last().cloned();
        self.say(json!({ "type": "input_audio_buffer.speech_stopped", "audio_end_ms": at_ms, "item_id": item })).await;
        self.say(json!({ "type": "input_audio_buffer.committed", "item_id": item, "previous_item_id": previous }))
            .await;
        let content = json!([{ "type": "input_audio", "transcript": null }]);
        let object = json!({ "id": item, "object": "realtime.item", "type": "message", "role": "user",
            "status": "completed", "content": content });
        self.say(json!({ "type": "conversation.item.added", "item": object, "previous_item_id": previous })).await;
        self.say(json!({ "type": "conversation.item.done", "item": object, "previous_item_id": previous })).await;
        self.keep(&item, Item { is_spoken: false, response: None, bytes: 0 });
        let creates = self.settings["audio"]["input"]["turn_detection"]["create_response"] == true;
        if creates && self.active.is_none() {
            self.begin_response(Value::Null).await;
        }
        let words = self.log.next_transcript();
        let delta = json!({ "type": "conversation.item.input_audio_transcription.delta", "item_id": item,
            "content_index": 0, "delta": words });
        self.say(delta).await;
        let wants_logprobs = self.settings["include"].as_array().is_some_and(|include| !include.is_empty());
        let logprobs = if wants_logprobs {
            json!([{ "token": "a", "bytes": [97], "logprob": -0.1 }, { "token": "b", "bytes": [98], "logprob": -0.3 }])
        } else {
            Value::Null
        };
        let usage = json!({ "type": "tokens", "input_tokens": 10, "output_tokens": 4, "total_tokens": 14,
            "input_token_details": { "audio_tokens": 10, "text_tokens": 0 } });
        self.say(json!({ "type": "conversation.item.input_audio_transcription.completed", "item_id": item,
            "content_index": 0, "transcript": words, "logprobs": logprobs, "usage": usage }))
            .await;
    }
}
