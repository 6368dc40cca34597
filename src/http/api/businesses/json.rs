//! What businesses look like outside.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{Array, ArrayBuilder, Object, ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};

use crate::engine::business::{CallLimits, CalledNumber, PromptTexts};
use crate::engine::ids::BusinessId;
use crate::engine::recording::RecordingPolicy;
use crate::http::api::page::{Cursor, Limit};
use crate::http::api::value::{BusinessName, Moment, Number, PageCursor};
use crate::store::businesses::{BusinessVersion, StoredBusiness};

/// A business.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Business)]
pub(super) struct BusinessJson {
    /// Its id, under which its calls are stored. It never changes.
    id: String,
    /// Grows by each edit.
    version: u32,
    /// The name, as callers hear it.
    name: String,
    /// The numbers that its callers dial, in E.164; `*` takes every number that nobody else has.
    numbers: Vec<String>,
    /// The first words of a call, spoken as they are.
    greeting: Option<String>,
    /// The language to speak, as a BCP 47 tag.
    language: String,
    /// The voice, in the vendor's words.
    voice: Option<String>,
    /// The voice agent; `null` means the service's setting.
    agent: Option<String>,
    /// What the agent is told.
    prompts: PromptsJson,
    /// What `{{name}}` in the prompts stands for.
    variables: BTreeMap<String, String>,
    /// How many calls at once.
    limits: LimitsJson,
    /// Where the business is, by IANA's name.
    time_zone: String,
    /// The number to which callers can be handed over.
    transfer_to: Option<String>,
    /// Where events are to be sent.
    webhook_url: Option<String>,
    /// Who records its calls: `off`, `carrier`, `own`, `both`; `null` means the service's setting.
    recording: Option<&'static str>,
    /// Whether the configuration's file named it first.
    seeded: bool,
    /// Whether it was edited since; the configuration's file has no say then.
    edited: bool,
    /// When it was made.
    created_at: Moment,
    /// When it was changed last.
    updated_at: Moment,
}

/// What the agent is told, for each way of speaking; none ever stands in for another.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Prompts)]
pub(super) struct PromptsJson {
    /// For calls that come in.
    #[schema(max_length = 32768)]
    inbound: Option<String>,
    /// For calls that the service places.
    #[schema(max_length = 32768)]
    outbound: Option<String>,
    /// For messages.
    #[schema(max_length = 32768)]
    whatsapp: Option<String>,
}

/// How many calls at once; `null` means no limit of the business's own.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Limits)]
pub(super) struct LimitsJson {
    /// In both directions together.
    #[schema(minimum = 1, maximum = 100000)]
    calls: Option<u32>,
    /// Calls that the service places.
    #[schema(minimum = 1, maximum = 100000)]
    outbound: Option<u32>,
}

macro_rules! editable {
    ($(#[$doc:meta])* $name:ident, $as:ident, { $($(#[$attr:meta])* $own:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        #[schema(as = $as)]
        #[expect(dead_code, reason = "it says what the document may hold; the engine reads it, to tell all faults at once")]
        pub(super) struct $name {
            $($(#[$attr])* $own: $type,)*
            /// The numbers that its callers dial, in E.164; `*` takes every number that nobody else has.
            #[schema(schema_with = numbers_schema, required = false)]
            numbers: Option<Vec<String>>,
            /// The first words of a call, spoken as they are.
            #[schema(max_length = 1000)]
            greeting: Option<String>,
            /// The language to speak, as a BCP 47 tag.
            #[schema(required = false, value_type = String, pattern = "^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,6}$", example = "en-US")]
            language: Option<String>,
            /// The voice, in the vendor's words.
            #[schema(max_length = 128)]
            voice: Option<String>,
            /// The voice agent, as in `openai`; `null` means the service's setting.
            agent: Option<String>,
            /// What the agent is told. `{{business_name}}`, `{{business_number}}`, `{{transfer_number}}` and the variables
            /// are filled in. What is left out stays.
            #[schema(required = false, value_type = PromptsJson)]
            prompts: Option<PromptsJson>,
            /// What `{{name}}` in the prompts stands for; all of them are replaced.
            #[schema(schema_with = variables_schema, required = false)]
            variables: Option<BTreeMap<String, String>>,
            /// How many calls at once. What is left out stays.
            #[schema(required = false, value_type = LimitsJson)]
            limits: Option<LimitsJson>,
            /// Where the business is, by IANA's name.
            #[schema(required = false, value_type = String, example = "Europe/Berlin")]
            time_zone: Option<String>,
            /// The number to which callers can be handed over, in E.164.
            #[schema(value_type = Option<Number>)]
            transfer_to: Option<String>,
            /// Where events are to be sent: an https address.
            #[schema(max_length = 2048, pattern = "^https://[!-~]+$")]
            webhook_url: Option<String>,
            /// Who records its calls: nobody, the carrier, this service, or both; `null` means the service's setting.
            #[schema(pattern = "^(off|carrier|own|both)$")]
            recording: Option<String>,
        }
    };
}

editable!(
    /// A business that is asked for.
    NewBusiness, NewBusiness, {
        /// The name, as callers hear it.
        #[schema(value_type = BusinessName)]
        name: String,
    }
);
editable!(
    /// What is to be changed of a business.
    BusinessEdit, BusinessEdit, {
        /// The version that the editor has seen.
        #[schema(minimum = 1)]
        version: u32,
        /// The name, as callers hear it.
        #[schema(required = false, value_type = BusinessName)]
        name: Option<String>,
    }
);

/// What a business's agent was told under one version.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PromptVersion)]
pub(super) struct PromptVersionJson {
    /// Which version of the business.
    version: u32,
    /// From when on.
    changed_at: Moment,
    /// Who made it: a token's id, `admin`, or `configuration`.
    changed_by: String,
    /// The fields that differ from the version before, as in `prompts.inbound`; or `created`.
    changed: Vec<String>,
    /// The prompts.
    prompts: PromptsJson,
    /// The variables.
    variables: BTreeMap<String, String>,
}

/// Numbers, in the document.
fn numbers_schema() -> Array {
    let number = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^(\\*|\\+[1-9][0-9]{1,14})$"));
    ArrayBuilder::new().items(number).max_items(Some(1_000)).unique_items(true).build()
}

/// Variables, in the document.
fn variables_schema() -> Object {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let name = text().pattern(Some("^[a-z][a-z0-9_]{0,31}$"));
    let value = text().min_length(Some(1)).max_length(Some(1_000));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property_names(Some(name))
        .additional_properties(Some(value))
        .examples([serde_json::json!({ "goods": "bread" })])
        .build()
}

/// Which businesses are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AskedBusinesses {
    /// How many businesses a page holds.
    #[serde(default)]
    #[param(inline, required = false)]
    pub limit: Limit,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<PageCursor>, inline)]
    pub cursor: Option<Cursor<BusinessId>>,
}

/// Which versions are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AskedVersions {
    /// How many versions a page holds.
    #[serde(default)]
    #[param(inline, required = false)]
    pub limit: Limit,
    /// The `next_cursor` of the page before.
    #[param(value_type = Option<PageCursor>, inline)]
    pub cursor: Option<Cursor<u32>>,
}

/// Which version is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichVersion {
    /// The version that the editor has seen.
    #[param(minimum = 1)]
    pub version: u32,
}

impl From<StoredBusiness> for BusinessJson {
    fn from(stored: StoredBusiness) -> Self {
        let profile = stored.business.profile;
        Self {
            id: stored.business.id.as_str().to_owned(),
            version: stored.business.version,
            name: profile.name,
            numbers: profile.numbers.iter().map(CalledNumber::to_string).collect(),
            greeting: profile.greeting,
            language: profile.language,
            voice: profile.voice,
            agent: profile.agent,
            prompts: profile.prompts.into(),
            variables: profile.variables,
            limits: profile.limits.into(),
            time_zone: profile.time_zone.to_string(),
            transfer_to: profile.transfer_to.map(String::from),
            webhook_url: profile.webhook_url,
            recording: profile.recording.map(RecordingPolicy::as_str),
            seeded: stored.is_seeded,
            edited: stored.is_edited,
            created_at: Moment(stored.created_at),
            updated_at: Moment(stored.updated_at),
        }
    }
}

impl From<BusinessVersion> for PromptVersionJson {
    fn from(version: BusinessVersion) -> Self {
        Self {
            version: version.version,
            changed_at: Moment(version.changed_at),
            changed_by: version.changed_by,
            changed: version.changed,
            prompts: version.prompts.into(),
            variables: version.variables,
        }
    }
}

impl From<PromptTexts> for PromptsJson {
    fn from(texts: PromptTexts) -> Self {
        Self { inbound: texts.inbound, outbound: texts.outbound, whatsapp: texts.whatsapp }
    }
}

impl From<CallLimits> for LimitsJson {
    fn from(limits: CallLimits) -> Self {
        Self { calls: limits.calls, outbound: limits.outbound }
    }
}
