//! What an answer brings, step by step.

use std::collections::VecDeque;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};

use super::super::script::{Answer, End, Then};
use super::super::sound;
use super::Session;

pub(super) enum Step {
    Say(Value),
    Audio { item: String, bytes: u64, event: Value },
    Wait(Duration),
    Then(Then),
    Item(Value),
    End(End),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Everything that the answer brings, step by step.
    pub(super) fn plan(&self, response: &str, answer: &Answer) -> VecDeque<Step> {
        let mut steps = VecDeque::new();
        let mut chunks = 0;
        for (output_index, text) in answer.texts.iter().enumerate() {
            self.plan_speech(&mut steps, response, answer, (output_index, text), &mut chunks);
        }
        for (number, (name, arguments)) in answer.tools.iter().enumerate() {
            self.plan_tool(&mut steps, response, answer.texts.len() + number, (name, arguments));
        }
        steps.push_back(Step::End(answer.end.clone()));
        steps
    }

    pub(super) fn plan_speech(
        &self,
        steps: &mut VecDeque<Step>,
        response: &str,
        answer: &Answer,
        (output_index, text): (usize, &str),
        chunks: &mut usize,
    ) {
        let item = self.log.id("item");
        let is_ulaw = self.says_ulaw();
        let audio = sound::speak(answer.pitch, answer.length, is_ulaw);
        let object = |status: &str, content: Value| {
            json!({ "id": item, "object": "realtime.item", "type": "message", "status": status, "role": "assistant",
                "content": content })
        };
        let place = |mut event: Value| {
            event["response_id"] = json!(response);
            event["item_id"] = json!(item);
            event["output_index"] = json!(output_index);
            event["content_index"] = json!(0);
            event
        };
        steps.push_back(Step::Item(json!({ "type": "response.output_item.added", "response_id": response,
            "output_index": output_index, "item": object("in_progress", json!([])) })));
        steps.push_back(Step::Say(json!({ "type": "conversation.item.added", "previous_item_id": null,
            "item": object("in_progress", json!([])) })));
        let part = json!({ "type": "audio", "transcript": "" });
        steps.push_back(Step::Say(place(json!({ "type": "response.content_part.added", "part": part }))));
        let bytes_per_ms = if is_ulaw { 8 } else { 48 };
        let size = (answer.chunk.as_millis() as usize * bytes_per_ms).max(1) - usize::from(answer.ragged);
        let words: Vec<&str> = text.split_inclusive(' ').collect();
        let pieces: Vec<&[u8]> = audio.chunks(size).collect();
        let mut spoken = 0;
        for (number, piece) in pieces.iter().enumerate() {
            if answer.then.is_some_and(|(after, _)| after == *chunks) {
                steps.extend(answer.then.map(|(_, then)| Step::Then(then)));
            }
            // Speech runs at an even number of letters per second; a word comes when it begins.
            let letters = text.len() * (number + 1) / pieces.len();
            let begins = |word: usize| words[..word].iter().map(|word| word.len()).sum::<usize>();
            let upto = (spoken..words.len()).find(|word| begins(*word) >= letters).unwrap_or(words.len());
            if upto > spoken {
                let delta = words[spoken..upto].concat();
                steps.push_back(Step::Say(place(
                    json!({ "type": "response.output_audio_transcript.delta", "delta": delta }),
                )));
                spoken = upto;
            }
            let event = place(json!({ "type": "response.output_audio.delta", "delta": STANDARD.encode(piece) }));
            steps.push_back(Step::Audio { item: item.clone(), bytes: piece.len() as u64, event });
            if answer.in_real_time {
                steps.push_back(Step::Wait(answer.chunk));
            }
            *chunks += 1;
        }
        if answer.then.is_some_and(|(after, _)| after == *chunks) {
            steps.extend(answer.then.map(|(_, then)| Step::Then(then)));
        }
        steps.push_back(Step::Say(place(json!({ "type": "response.output_audio.done" }))));
        steps.push_back(Step::Say(place(
            json!({ "type": "response.output_audio_transcript.done", "transcript": text }),
        )));
        let part = json!({ "type": "audio", "transcript": text });
        steps.push_back(Step::Say(place(json!({ "type": "response.content_part.done", "part": part }))));
        let content = json!([{ "type": "output_audio", "transcript": text }]);
        steps.push_back(Step::Say(json!({ "type": "conversation.item.done", "previous_item_id": null,
            "item": object("completed", content.clone()) })));
        steps.push_back(Step::Item(json!({ "type": "response.output_item.done", "response_id": response,
            "output_index": output_index, "item": object("completed", content) })));
    }

    pub(super) fn plan_tool(
        &self,
        steps: &mut VecDeque<Step>,
        response: &str,
        output_index: usize,
        (name, arguments): (&str, &str),
    ) {
        let (item, call_id) = (self.log.id("item"), self.log.id("call"));
        let object = |status: &str, arguments: &str| {
            json!({ "id": item, "object": "realtime.item", "type": "function_call", "status": status, "name": name,
                "call_id": call_id, "arguments": arguments })
        };
        let place = |mut event: Value| {
            event["response_id"] = json!(response);
            event["item_id"] = json!(item);
            event["output_index"] = json!(output_index);
            event["call_id"] = json!(call_id);
            event
        };
        steps.push_back(Step::Item(json!({ "type": "response.output_item.added", "response_id": response,
            "output_index": output_index, "item": object("in_progress", "") })));
        steps.push_back(Step::Say(place(
            json!({ "type": "response.function_call_arguments.delta", "delta": arguments }),
        )));
        steps.push_back(Step::Say(place(json!({ "type": "response.function_call_arguments.done", "name": name,
            "arguments": arguments }))));
        steps.push_back(Step::Item(json!({ "type": "response.output_item.done", "response_id": response,
            "output_index": output_index, "item": object("completed", arguments) })));
    }
}
