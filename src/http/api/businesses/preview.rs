//! What an agent would be told now, byte for byte.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::web::{self, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::clock;
use crate::engine::business::FieldFault;
use crate::engine::campaign::list::wrong_variables;
use crate::engine::ids::{BusinessId, PhoneNumber};
use crate::engine::prompt::{CallContext, Channel, PromptBuilder, SPEECH_RECOGNITION};
use crate::http::api::body::{Body, named};
use crate::http::api::caller::Caller;
use crate::http::api::calls::place::context_schema;
use crate::http::api::problem::Problem;
use crate::http::api::value::{Moment, Number};

use super::{BusinessDoor, refused};

/// Which prompt is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PreviewRequest {
    /// Of which prompt.
    channel: ChannelName,
    /// Who calls, in E.164.
    #[schema(value_type = Option<Number>)]
    from: Option<String>,
    /// Who is called, in E.164.
    #[schema(value_type = Option<Number>)]
    to: Option<String>,
    /// When; now, if it is left out.
    at: Option<Moment>,
    /// What is known of the person or the matter, as in the `context` of a call.
    #[serde(default)]
    #[schema(schema_with = context_schema, required = false)]
    notes: BTreeMap<String, String>,
    /// Fields of the business as they would be, in the form in which they are edited: nothing is changed by asking.
    #[serde(default)]
    #[schema(value_type = Object, required = false)]
    changes: Map<String, Value>,
}

/// A prompt's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum ChannelName {
    /// For calls that come in.
    Inbound,
    /// For calls that the service places.
    Outbound,
    /// For messages.
    WhatsApp,
}

/// A prompt as an agent would get it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PromptPreview {
    /// Which prompt it is.
    channel: ChannelName,
    /// Of which version of the business.
    version: u32,
    /// The whole text.
    prompt: String,
    /// How long it is, in characters.
    characters: usize,
    /// Whether the business has no words of its own for this, so that the minimal ones stand in their place.
    is_minimal: bool,
    /// Whether the business's own words were too long and end early.
    is_cut: bool,
    /// What the model that writes down the caller's words is told; the same for everybody. Messages have none.
    speech_recognition: Option<&'static str>,
}

/// Shows what an agent would be told now, byte for byte, without any call.
#[utoipa::path(post, path = "/businesses/{id}/prompt/preview", tag = "businesses", operation_id = "preview_prompt",
    params(("id" = String, Path, description = "Which business.")),
    request_body = PreviewRequest,
    responses(
        (status = 200, description = "The prompt.", body = PromptPreview),
        (status = 404, response = crate::http::api::describe::NotFound),
    ),
)]
pub(super) async fn preview(
    caller: Caller,
    path: web::Path<String>,
    Body(asked): Body<PreviewRequest>,
    door: web::Data<BusinessDoor>,
) -> Result<Json<PromptPreview>, Problem> {
    let id: BusinessId = named("business", &path)?;
    let business = door.businesses.now().get(&id).cloned();
    let business = caller.visible("business", business, |business| Some(&business.id))?;
    let mut business = business;
    if !asked.changes.is_empty() {
        let profile = door.merged(&business.profile, &asked.changes).map_err(refused)?;
        Arc::make_mut(&mut business).profile = profile;
    }
    let call = asked.context()?;
    let channel = asked.channel.into();
    let builder = PromptBuilder { business: &business, channel };
    let foundation = builder.foundation();
    let prompt = builder.complete(&foundation, &call).as_str().to_owned();
    Ok(Json(PromptPreview {
        channel: asked.channel,
        version: business.version,
        characters: prompt.chars().count(),
        prompt,
        is_minimal: foundation.is_minimal(),
        is_cut: foundation.is_cut(),
        speech_recognition: matches!(channel, Channel::Call(_)).then_some(SPEECH_RECOGNITION),
    }))
}

impl PreviewRequest {
    /// The call that it describes, or everything that is wrong with it.
    fn context(&self) -> Result<CallContext, Problem> {
        let mut faults = Vec::new();
        let mut number = |field: &str, given: &Option<String>| {
            let number = given.as_ref().map(|text| text.parse::<PhoneNumber>()).transpose();
            number.unwrap_or_else(|error| {
                faults.push(FieldFault::new(field, error.to_string(), "give it as in +15005550006, or leave it out"));
                None
            })
        };
        let (from, to) = (number("from", &self.from), number("to", &self.to));
        let at = self.at.map_or_else(clock::wall_micros, |at| at.0);
        let notes: Vec<_> = self.notes.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        if let Some(problem) = wrong_variables(&notes) {
            faults.push(FieldFault::new("notes", problem, "give what a call could be given"));
        }
        if faults.is_empty() { Ok(CallContext { from, to, at: Some(at), notes }) } else { Err(refused(faults)) }
    }
}

impl From<ChannelName> for Channel {
    fn from(name: ChannelName) -> Self {
        use crate::engine::status::CallDirection::{Inbound, Outbound};
        match name {
            ChannelName::Inbound => Self::Call(Inbound),
            ChannelName::Outbound => Self::Call(Outbound),
            ChannelName::WhatsApp => Self::WhatsApp,
        }
    }
}
