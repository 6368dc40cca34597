//! What the vendor says to us.
//!
//! A message is read twice: for its `type`, then for the few fields of that type that matter to a call.
//! Texts are borrowed from the message where they carry no escapes; base64 never does, so an audio delta is
//! read without a copy.

use std::borrow::Cow;

use serde::Deserialize;

use crate::engine::ids::ResponseId;

mod body;
mod echo;
mod vendor_error;

use body::{Created, ErrorBody, ItemBody, OutputItemBody, ResponseBody, SessionBody, TranscribedBody, TranscriptBody};

pub(super) use echo::Echo;
pub(super) use vendor_error::{VendorError, clean};

/// One message of the vendor.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ServerEvent<'a> {
    /// The session exists, with the vendor's defaults.
    SessionCreated {
        /// When the vendor will close it, in seconds since 1970 by the vendor's clock.
        expires_at: Option<i64>,
    },
    /// The session's settings as they are now.
    SessionUpdated(Echo),
    /// Something that we sent made no sense, or the vendor has a problem.
    Error(VendorError),
    /// The vendor's detector heard the caller begin.
    SpeechStarted,
    /// … and finish.
    SpeechStopped,
    /// The caller's utterance became an item of the conversation.
    Committed { item_id: Cow<'a, str> },
    /// The words of a caller's item.
    Transcribed { item_id: Cow<'a, str>, text: String, confidence: Option<f32> },
    /// There are no words for a caller's item.
    NotTranscribed { item_id: Cow<'a, str> },
    /// A response began.
    ResponseCreated { vendor_id: Cow<'a, str>, tag: Option<ResponseId> },
    /// A response got another item, of this type.
    ItemAdded { vendor_id: Cow<'a, str>, item_id: Cow<'a, str>, is_message: bool },
    /// A response's tool call is complete.
    ToolCalled { vendor_id: Cow<'a, str>, call_id: String, name: String, arguments: String },
    /// Audio, base64.
    Audio(AudioDelta<'a>),
    /// Words of a response's audio.
    Transcript { vendor_id: Cow<'a, str>, delta: Cow<'a, str> },
    /// A response is over.
    ResponseDone { vendor_id: Cow<'a, str>, status: Status, error: VendorError },
    /// A message that means nothing to a call.
    Irrelevant,
    /// A message that we don't know, or can't read.
    Unknown,
}

/// A piece of a response's audio.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct AudioDelta<'a> {
    #[serde(borrow)]
    pub(super) response_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) item_id: Cow<'a, str>,
    #[serde(default)]
    pub(super) content_index: u32,
    #[serde(borrow)]
    pub(super) delta: Cow<'a, str>,
}

/// How a response ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Completed,
    Cancelled,
    Incomplete,
    #[default]
    #[serde(other)]
    Failed,
}

impl<'a> ServerEvent<'a> {
    /// Reads one message. What can't be read is [`ServerEvent::Unknown`].
    pub(super) fn parse(text: &'a str) -> Self {
        serde_json::from_str::<Head<'a>>(text).and_then(|head| body(&head.kind, text)).unwrap_or(Self::Unknown)
    }
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

fn body<'a>(kind: &str, text: &'a str) -> Result<ServerEvent<'a>, serde_json::Error> {
    Ok(match kind {
        "response.output_audio.delta" => ServerEvent::Audio(serde_json::from_str(text)?),
        "response.output_audio_transcript.delta" => {
            let TranscriptBody { response_id, delta } = serde_json::from_str(text)?;
            ServerEvent::Transcript { vendor_id: response_id, delta }
        }
        "session.created" => {
            let body: SessionBody<Created> = serde_json::from_str(text)?;
            ServerEvent::SessionCreated { expires_at: body.session.expires_at }
        }
        "session.updated" => ServerEvent::SessionUpdated(serde_json::from_str::<SessionBody<Echo>>(text)?.session),
        "error" => ServerEvent::Error(serde_json::from_str::<ErrorBody>(text)?.error),
        "input_audio_buffer.speech_started" => ServerEvent::SpeechStarted,
        "input_audio_buffer.speech_stopped" => ServerEvent::SpeechStopped,
        "input_audio_buffer.committed" => {
            ServerEvent::Committed { item_id: serde_json::from_str::<ItemBody<'a>>(text)?.item_id }
        }
        "conversation.item.input_audio_transcription.completed" => transcribed(serde_json::from_str(text)?),
        "conversation.item.input_audio_transcription.failed" => {
            ServerEvent::NotTranscribed { item_id: serde_json::from_str::<ItemBody<'a>>(text)?.item_id }
        }
        "response.created" => {
            let ResponseBody { response } = serde_json::from_str(text)?;
            ServerEvent::ResponseCreated { vendor_id: response.id, tag: response.metadata.and_then(|m| m.tag()) }
        }
        "response.done" => {
            let ResponseBody { response } = serde_json::from_str(text)?;
            let error = response.status_details.and_then(|details| details.error).unwrap_or_default();
            ServerEvent::ResponseDone { vendor_id: response.id, status: response.status.unwrap_or_default(), error }
        }
        "response.output_item.added" => {
            let OutputItemBody { response_id, item } = serde_json::from_str(text)?;
            let is_message = item.kind == "message";
            ServerEvent::ItemAdded { vendor_id: response_id, item_id: item.id, is_message }
        }
        "response.output_item.done" => tool_call(serde_json::from_str(text)?),
        known if IRRELEVANT.contains(&known) => ServerEvent::Irrelevant,
        _ => ServerEvent::Unknown,
    })
}

/// Messages whose content we get elsewhere, or don't want.
const IRRELEVANT: [&str; 27] = [
    "conversation.created",
    "conversation.item.added",
    "conversation.item.created",
    "conversation.item.deleted",
    "conversation.item.done",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.segment",
    "conversation.item.retrieved",
    "conversation.item.truncated",
    "input_audio_buffer.cleared",
    "input_audio_buffer.dtmf_event_received",
    "input_audio_buffer.timeout_triggered",
    "output_audio_buffer.cleared",
    "output_audio_buffer.started",
    "output_audio_buffer.stopped",
    "rate_limits.updated",
    "response.content_part.added",
    "response.content_part.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.output_text.delta",
    "response.output_text.done",
    "mcp_list_tools.in_progress",
    "mcp_list_tools.completed",
    "mcp_list_tools.failed",
];

fn transcribed(body: TranscribedBody<'_>) -> ServerEvent<'_> {
    ServerEvent::Transcribed { confidence: body.confidence(), item_id: body.item_id, text: body.transcript }
}

fn tool_call(body: OutputItemBody<'_>) -> ServerEvent<'_> {
    match (body.item.kind.as_ref(), body.item.call_id, body.item.name) {
        ("function_call", Some(call_id), Some(name)) => ServerEvent::ToolCalled {
            vendor_id: body.response_id,
            call_id,
            name,
            arguments: body.item.arguments.unwrap_or_default(),
        },
        _ => ServerEvent::Irrelevant,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_audio_delta_is_read_without_a_copy() {
        let text = r#"{"type":"response.output_audio.delta","event_id":"e","response_id":"r","item_id":"i","output_index":0,"content_index":1,"delta":"AAAA"}"#;
        let ServerEvent::Audio(delta) = ServerEvent::parse(text) else { panic!("not audio") };
        assert!(matches!(delta.delta, Cow::Borrowed("AAAA")));
        assert_eq!((delta.response_id.as_ref(), delta.content_index), ("r", 1));
    }

    #[test]
    fn escapes_are_read_too() {
        let text = r#"{"type":"response.output_audio_transcript.delta","response_id":"r","delta":"\u00e4 \"b\""}"#;
        let wanted = ServerEvent::Transcript { vendor_id: "r".into(), delta: "ä \"b\"".into() };
        assert_eq!(ServerEvent::parse(text), wanted);
        let text = r#"{"type":"response.output_audio.delta","response_id":"r","item_id":"i","delta":"AA\/A"}"#;
        let ServerEvent::Audio(delta) = ServerEvent::parse(text) else { panic!("not audio") };
        assert_eq!(delta.delta, "AA/A");
    }

    #[test]
    fn what_is_missing_or_strange_is_unknown_and_not_a_panic() {
        let strange = [
            "",
            "null",
            "{}",
            r#"{"type":7}"#,
            r#"{"type":"response.done"}"#,
            r#"{"type":"response.created","response":{"id":1}}"#,
            r#"{"type":"error","error":"no"}"#,
            r#"{"type":"response.audio.delta","delta":"AAAA"}"#,
        ];
        for text in strange {
            assert_eq!(ServerEvent::parse(text), ServerEvent::Unknown, "{text}");
        }
        assert_eq!(ServerEvent::parse(r#"{"type":"rate_limits.updated","rate_limits":[]}"#), ServerEvent::Irrelevant);
    }

    #[test]
    fn an_error_repeats_identifiers_only() {
        let text = r#"{"type":"error","error":{"type":"invalid_request_error","code":"invalid_api_key",
            "message":"Incorrect API key provided: sk-abc","param":"call +15005550006 \"Ann\"","event_id":null}}"#;
        let ServerEvent::Error(error) = ServerEvent::parse(text) else { panic!("not an error") };
        assert!(error.is_final());
        assert_eq!(error.describe(), "invalid_request_error / invalid_api_key / call15005550006Ann");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String, kind in "[a-z_.]{0,40}") {
            let _ = ServerEvent::parse(&text);
            let _ = ServerEvent::parse(&format!(r#"{{"type":"{kind}","delta":{text:?}}}"#));
        }
    }
}
