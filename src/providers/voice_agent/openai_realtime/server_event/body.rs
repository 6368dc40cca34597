//! The messages' bodies: of each the few fields that matter to a call.

use std::borrow::Cow;

use serde::Deserialize;

use crate::engine::ids::ResponseId;

use super::super::client_event::RESPONSE_TAG;
use super::{Status, VendorError};

#[derive(Deserialize)]
pub(super) struct TranscriptBody<'a> {
    #[serde(borrow)]
    pub(super) response_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) delta: Cow<'a, str>,
}

#[derive(Deserialize)]
pub(super) struct SessionBody<T> {
    pub(super) session: T,
}

#[derive(Deserialize)]
pub(super) struct Created {
    #[serde(default)]
    pub(super) expires_at: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct ErrorBody {
    pub(super) error: VendorError,
}

#[derive(Deserialize)]
pub(super) struct ItemBody<'a> {
    #[serde(borrow)]
    pub(super) item_id: Cow<'a, str>,
}

#[derive(Deserialize)]
pub(super) struct TranscribedBody<'a> {
    #[serde(borrow)]
    pub(super) item_id: Cow<'a, str>,
    pub(super) transcript: String,
    #[serde(default)]
    logprobs: Option<Vec<LogProb>>,
}

#[derive(Deserialize)]
struct LogProb {
    logprob: f64,
}

impl TranscribedBody<'_> {
    /// The geometric mean of the tokens' probabilities.
    pub(super) fn confidence(&self) -> Option<f32> {
        let tokens = self.logprobs.as_ref().filter(|tokens| !tokens.is_empty())?;
        let sum: f64 = tokens.iter().map(|token| token.logprob).sum();
        let mean = (sum / tokens.len() as f64).exp();
        mean.is_finite().then_some(mean.clamp(0.0, 1.0) as f32)
    }
}

#[derive(Deserialize)]
pub(super) struct ResponseBody<'a> {
    #[serde(borrow)]
    pub(super) response: ResponseObject<'a>,
}

#[derive(Deserialize)]
pub(super) struct ResponseObject<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(default)]
    pub(super) status: Option<Status>,
    #[serde(default)]
    pub(super) status_details: Option<StatusDetails>,
    #[serde(default)]
    pub(super) metadata: Option<Metadata>,
}

#[derive(Deserialize)]
pub(super) struct StatusDetails {
    #[serde(default)]
    pub(super) error: Option<VendorError>,
}

#[derive(Deserialize)]
pub(super) struct Metadata {
    #[serde(default)]
    trunkline_response: Option<String>,
}

impl Metadata {
    pub(super) fn tag(self) -> Option<ResponseId> {
        // The field's name is the key that we send: one of them can't change alone.
        const _: () = assert!(RESPONSE_TAG.len() == "trunkline_response".len());
        self.trunkline_response?.parse().ok()
    }
}

#[derive(Deserialize)]
pub(super) struct OutputItemBody<'a> {
    #[serde(borrow)]
    pub(super) response_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) item: OutputItem<'a>,
}

#[derive(Deserialize)]
pub(super) struct OutputItem<'a> {
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Cow<'a, str>,
    #[serde(default)]
    pub(super) call_id: Option<String>,
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) arguments: Option<String>,
}
