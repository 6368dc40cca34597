//! Rows of businesses as the tables hold them.

use diesel::prelude::*;

use crate::engine::business::{Business, CallLimits, Profile, PromptTexts};

use super::{BusinessVersion, Editor, StoredBusiness, id_of};
use crate::store::error::Fault;
use crate::store::rows::{json, number, parsed, storable};
use crate::store::schema::{business_numbers, business_versions, businesses};

/// One row of `businesses`.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = businesses, primary_key(id), treat_none_as_null = true)]
pub(super) struct BusinessRow {
    pub id: String,
    pub version: i64,
    name: String,
    numbers_json: String,
    greeting: Option<String>,
    language: String,
    voice: Option<String>,
    agent: Option<String>,
    prompt_inbound: Option<String>,
    prompt_outbound: Option<String>,
    prompt_whatsapp: Option<String>,
    variables_json: String,
    max_calls: Option<i64>,
    max_outbound: Option<i64>,
    time_zone: String,
    transfer_to: Option<String>,
    webhook_url: Option<String>,
    recording: Option<String>,
    pub seeded: bool,
    pub edited: bool,
    pub created_at: i64,
    pub updated_at: i64,
    pub deleted_at: Option<i64>,
}

impl BusinessRow {
    /// The row of a new business.
    pub fn new(business: &Business, editor: Editor<'_>) -> Result<Self, Fault> {
        let profile = &business.profile;
        let text = |text: &Option<String>| text.as_deref().map(storable);
        Ok(Self {
            id: business.id.as_str().to_owned(),
            version: business.version.into(),
            name: storable(&profile.name),
            numbers_json: json(&profile.numbers)?,
            greeting: text(&profile.greeting),
            language: storable(&profile.language),
            voice: text(&profile.voice),
            agent: text(&profile.agent),
            prompt_inbound: text(&profile.prompts.inbound),
            prompt_outbound: text(&profile.prompts.outbound),
            prompt_whatsapp: text(&profile.prompts.whatsapp),
            variables_json: json(&profile.variables)?,
            max_calls: profile.limits.calls.map(i64::from),
            max_outbound: profile.limits.outbound.map(i64::from),
            time_zone: profile.time_zone.name().to_owned(),
            transfer_to: profile.transfer_to.as_ref().map(|number| number.as_str().to_owned()),
            webhook_url: text(&profile.webhook_url),
            recording: profile.recording.map(|policy| policy.as_str().to_owned()),
            seeded: false,
            edited: true,
            created_at: editor.at,
            updated_at: editor.at,
            deleted_at: None,
        })
    }

    /// The row with another profile, one version later.
    pub fn with(&self, profile: &Profile, editor: Editor<'_>) -> Result<Self, Fault> {
        let id = id_of(&self.id)?;
        let business = Business { id, version: self.next_version()?, profile: profile.clone() };
        let Self { seeded, created_at, .. } = *self;
        Ok(Self { seeded, created_at, ..Self::new(&business, editor)? })
    }

    /// The row as the configuration's file says it.
    pub fn seeded(self) -> Self {
        Self { seeded: true, edited: false, ..self }
    }

    /// The row of one that is deleted at this time.
    pub fn deleted(self, at: i64) -> Self {
        Self { deleted_at: Some(at), ..self }
    }

    pub fn next_version(&self) -> Result<u32, Fault> {
        number(self.version + 1, "businesses.version")
    }

    pub fn into_stored(self) -> Result<StoredBusiness, Fault> {
        let limit = |stored: Option<i64>, field| stored.map(|stored| number(stored, field)).transpose();
        let profile = Profile {
            name: self.name,
            numbers: from_json(&self.numbers_json, "businesses.numbers_json")?,
            greeting: self.greeting,
            language: self.language,
            voice: self.voice,
            agent: self.agent,
            prompts: PromptTexts {
                inbound: self.prompt_inbound,
                outbound: self.prompt_outbound,
                whatsapp: self.prompt_whatsapp,
            },
            variables: from_json(&self.variables_json, "businesses.variables_json")?,
            limits: CallLimits {
                calls: limit(self.max_calls, "businesses.max_calls")?,
                outbound: limit(self.max_outbound, "businesses.max_outbound")?,
            },
            time_zone: parsed(&self.time_zone, "businesses.time_zone")?,
            transfer_to: self.transfer_to.map(|text| parsed(&text, "businesses.transfer_to")).transpose()?,
            webhook_url: self.webhook_url,
            recording: self.recording.map(|text| parsed(&text, "businesses.recording")).transpose()?,
        };
        let business = Business { id: id_of(&self.id)?, version: number(self.version, "businesses.version")?, profile };
        Ok(StoredBusiness {
            business,
            is_seeded: self.seeded,
            is_edited: self.edited,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// One row of `business_numbers`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = business_numbers)]
pub(super) struct NumberRow {
    pub number: String,
    pub business: String,
}

/// One row of `business_versions`.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = business_versions)]
pub(super) struct VersionRow {
    business: String,
    version: i64,
    changed_at: i64,
    changed_by: String,
    changed_json: String,
    prompt_inbound: Option<String>,
    prompt_outbound: Option<String>,
    prompt_whatsapp: Option<String>,
    variables_json: String,
}

impl VersionRow {
    /// What the row says from now on, and what of it is new.
    pub fn new(row: &BusinessRow, changed: &[&str], editor: Editor<'_>) -> Result<Self, Fault> {
        Ok(Self {
            business: row.id.clone(),
            version: row.version,
            changed_at: editor.at,
            changed_by: storable(editor.by),
            changed_json: json(&changed)?,
            prompt_inbound: row.prompt_inbound.clone(),
            prompt_outbound: row.prompt_outbound.clone(),
            prompt_whatsapp: row.prompt_whatsapp.clone(),
            variables_json: row.variables_json.clone(),
        })
    }

    pub fn into_version(self) -> Result<BusinessVersion, Fault> {
        Ok(BusinessVersion {
            version: number(self.version, "business_versions.version")?,
            changed_at: self.changed_at,
            changed_by: self.changed_by,
            changed: from_json(&self.changed_json, "business_versions.changed_json")?,
            prompts: PromptTexts {
                inbound: self.prompt_inbound,
                outbound: self.prompt_outbound,
                whatsapp: self.prompt_whatsapp,
            },
            variables: from_json(&self.variables_json, "business_versions.variables_json")?,
        })
    }
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str, field: &'static str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|_| Fault::Corrupt(field))
}
