//! A JSON document laid over a profile: what is left out stays as it is, `null` takes it away.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{CalledNumber, FieldFault, Profile, PromptTexts, TimeZone};
use crate::engine::ids::PhoneNumber;

/// The fields that a document may have.
pub const FIELDS: [&str; 13] = [
    "name",
    "numbers",
    "greeting",
    "language",
    "voice",
    "agent",
    "prompts",
    "variables",
    "limits",
    "time_zone",
    "transfer_to",
    "webhook_url",
    "recording",
];

/// The profile with the document's fields in place of its own. `agents` has the names of the voice agents that may be
/// asked for.
///
/// # Errors
/// Everything that is wrong, at once: fields that nobody knows, values of the wrong kind, rules that are broken.
pub fn merged(profile: &Profile, document: &Map<String, Value>, agents: &[&str]) -> Result<Profile, Vec<FieldFault>> {
    let mut edit = Edit { profile: profile.clone(), faults: Vec::new() };
    for (field, value) in document {
        edit.lay(field, value);
    }
    let Edit { profile, mut faults } = edit;
    // A field that could not be read kept its old value, which is not to be complained of.
    let is_read = |fault: &FieldFault, faults: &[FieldFault]| faults.iter().all(|other| other.field != fault.field);
    let broken: Vec<FieldFault> = profile.faults(agents).into_iter().filter(|fault| is_read(fault, &faults)).collect();
    faults.extend(broken);
    if faults.is_empty() { Ok(profile) } else { Err(faults) }
}

impl Profile {
    /// The fields in which it differs from another, as in `numbers` or `prompts.inbound`.
    pub fn differs_in(&self, other: &Self) -> Vec<&'static str> {
        let (own, its) = (&self.prompts, &other.prompts);
        let fields = [
            ("name", self.name != other.name),
            ("numbers", self.numbers != other.numbers),
            ("greeting", self.greeting != other.greeting),
            ("language", self.language != other.language),
            ("voice", self.voice != other.voice),
            ("agent", self.agent != other.agent),
            ("prompts.inbound", own.inbound != its.inbound),
            ("prompts.outbound", own.outbound != its.outbound),
            ("prompts.whatsapp", own.whatsapp != its.whatsapp),
            ("variables", self.variables != other.variables),
            ("limits", self.limits != other.limits),
            ("time_zone", self.time_zone != other.time_zone),
            ("transfer_to", self.transfer_to != other.transfer_to),
            ("webhook_url", self.webhook_url != other.webhook_url),
            ("recording", self.recording != other.recording),
        ];
        fields.into_iter().filter_map(|(field, differs)| differs.then_some(field)).collect()
    }
}

struct Edit {
    profile: Profile,
    faults: Vec<FieldFault>,
}

impl Edit {
    fn lay(&mut self, field: &str, value: &Value) {
        match field {
            "name" => {
                if let Some(name) = self.given_text(field, value) {
                    self.profile.name = name;
                }
            }
            "numbers" => self.numbers(value),
            "greeting" => {
                if let Some(greeting) = self.text(field, value) {
                    self.profile.greeting = greeting;
                }
            }
            "language" => {
                if let Some(language) = self.given_text(field, value) {
                    self.profile.language = language;
                }
            }
            "voice" => {
                if let Some(voice) = self.text(field, value) {
                    self.profile.voice = voice;
                }
            }
            "agent" => {
                if let Some(agent) = self.text(field, value) {
                    self.profile.agent = agent;
                }
            }
            "prompts" => self.prompts(value),
            "variables" => self.variables(value),
            "limits" => self.limits(value),
            "time_zone" => self.time_zone(value),
            "transfer_to" => self.transfer_to(value),
            "webhook_url" => self.webhook_url(value),
            "recording" => self.recording(value),
            unknown => self.unknown(unknown, &FIELDS),
        }
    }

    fn fault(&mut self, field: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) {
        self.faults.push(FieldFault::new(field, problem, remedy));
    }

    fn unknown(&mut self, field: &str, known: &[&str]) {
        self.fault(field, "is no field of a business", format!("use one of {}", known.join(", ")));
    }

    /// A text or nothing; `None` if it is neither, which is told.
    fn text(&mut self, field: &str, value: &Value) -> Option<Option<String>> {
        match value {
            Value::Null => Some(None),
            // An empty text says as much as none.
            Value::String(text) => Some(Some(text.clone()).filter(|text| !text.trim().is_empty())),
            _ => {
                self.fault(field, format!("is {}, not a text", kind(value)), "give a text in quotes, or null");
                None
            }
        }
    }

    fn given_text(&mut self, field: &str, value: &Value) -> Option<String> {
        match value {
            Value::String(text) => Some(text.trim().to_owned()),
            _ => {
                self.fault(field, format!("is {}, not a text", kind(value)), "give a text in quotes");
                None
            }
        }
    }

    fn object<'v>(&mut self, field: &str, value: &'v Value) -> Option<&'v Map<String, Value>> {
        if value.as_object().is_none() {
            self.fault(field, format!("is {}, not an object", kind(value)), "give an object in braces");
        }
        value.as_object()
    }

    fn numbers(&mut self, value: &Value) {
        let Value::Array(entries) = value else {
            let problem = format!("is {}, not a list", kind(value));
            return self.fault("numbers", problem, "give a list in brackets, as in [\"+15005550006\"]");
        };
        let mut numbers = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            match entry.as_str().map(str::parse::<CalledNumber>) {
                Some(Ok(number)) => numbers.push(number),
                Some(Err(_)) | None => {
                    let remedy = "give it in E.164 as in \"+15005550006\", or \"*\" for every number that nobody has";
                    self.fault(format!("numbers[{index}]"), "is no telephone number", remedy);
                }
            }
        }
        self.profile.numbers = numbers;
    }

    fn prompts(&mut self, value: &Value) {
        let Some(fields) = self.object("prompts", value) else { return };
        for (field, value) in fields {
            let path = format!("prompts.{field}");
            if !["inbound", "outbound", "whatsapp"].contains(&field.as_str()) {
                self.unknown(&path, &["prompts.inbound", "prompts.outbound", "prompts.whatsapp"]);
                continue;
            }
            let Some(text) = self.text(&path, value) else { continue };
            let PromptTexts { inbound, outbound, whatsapp } = &mut self.profile.prompts;
            match field.as_str() {
                "inbound" => *inbound = text,
                "outbound" => *outbound = text,
                _ => *whatsapp = text,
            }
        }
    }

    /// All of them are replaced: a variable that is left out is gone.
    fn variables(&mut self, value: &Value) {
        let Some(fields) = self.object("variables", value) else { return };
        let mut variables = BTreeMap::new();
        for (name, value) in fields {
            match value {
                Value::String(text) => drop(variables.insert(name.clone(), text.clone())),
                other => {
                    let problem = format!("is {}, not a text", kind(other));
                    self.fault(
                        format!("variables.{name}"),
                        problem,
                        "give a text in quotes, or leave the variable out",
                    );
                }
            }
        }
        self.profile.variables = variables;
    }

    fn limits(&mut self, value: &Value) {
        let Some(fields) = self.object("limits", value) else { return };
        for (field, value) in fields {
            let path = format!("limits.{field}");
            let limit = match value {
                Value::Null => Some(None),
                value => value.as_u64().and_then(|limit| u32::try_from(limit).ok()).map(Some),
            };
            match (field.as_str(), limit) {
                ("calls", Some(limit)) => self.profile.limits.calls = limit,
                ("outbound", Some(limit)) => self.profile.limits.outbound = limit,
                ("calls" | "outbound", None) => {
                    self.fault(path, "is no number of calls", "give a whole number, or null for no limit");
                }
                _ => self.unknown(&path, &["limits.calls", "limits.outbound"]),
            }
        }
    }

    fn time_zone(&mut self, value: &Value) {
        match value.as_str().map(str::parse::<TimeZone>) {
            Some(Ok(zone)) => self.profile.time_zone = zone,
            Some(Err(_)) | None => {
                self.fault("time_zone", "is no time zone", "give IANA's name of it, as in \"Europe/Berlin\"");
            }
        }
    }

    fn transfer_to(&mut self, value: &Value) {
        match (value, value.as_str().map(str::parse::<PhoneNumber>)) {
            (Value::Null, _) => self.profile.transfer_to = None,
            (_, Some(Ok(number))) => self.profile.transfer_to = Some(number),
            (_, Some(Err(_)) | None) => {
                self.fault("transfer_to", "is no telephone number", "give it in E.164 as in \"+15005550006\", or null");
            }
        }
    }

    /// What address it may be is a rule of the profile.
    fn webhook_url(&mut self, value: &Value) {
        match value {
            Value::Null => self.profile.webhook_url = None,
            Value::String(url) => self.profile.webhook_url = Some(url.clone()),
            other => {
                self.fault("webhook_url", format!("is {}, not a text", kind(other)), "give an https address, or null")
            }
        }
    }

    fn recording(&mut self, value: &Value) {
        match (value, value.as_str().map(str::parse)) {
            (Value::Null, _) => self.profile.recording = None,
            (_, Some(Ok(policy))) => self.profile.recording = Some(policy),
            (_, Some(Err(_)) | None) => {
                let remedy = "give \"off\", \"carrier\", \"own\" or \"both\", or null for the service's setting";
                self.fault("recording", "does not say who records", remedy);
            }
        }
    }
}

/// What a value is, in JSON's words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn laid(document: Value) -> Result<Profile, Vec<String>> {
        let base = Profile::named("Bakery");
        let fields = |faults: Vec<FieldFault>| faults.into_iter().map(|fault| fault.field).collect();
        merged(&base, document.as_object().unwrap(), &["local"]).map_err(fields)
    }

    #[test]
    fn what_is_left_out_stays_and_null_takes_away() {
        let whole = json!({
            "name": "Miller", "numbers": ["+15005550006", "*"], "greeting": "Miller!", "language": "de", "voice": "marin",
            "agent": "local", "prompts": { "inbound": "Sell {{goods}}.", "whatsapp": "Write." },
            "variables": { "goods": "bread", "year": "1987" }, "limits": { "calls": 5, "outbound": 3 },
            "time_zone": "europe/berlin", "transfer_to": "+15005550009", "webhook_url": "https://miller.example/calls",
            "recording": "both",
        });
        let first = laid(whole).unwrap();
        assert_eq!(serde_json::to_value(&first).unwrap()["time_zone"], "Europe/Berlin");
        assert_eq!(first.variables["year"], "1987");
        let document = json!({ "greeting": null, "prompts": { "whatsapp": "" }, "limits": { "outbound": null } });
        let second = merged(&first, document.as_object().unwrap(), &["local"]).unwrap();
        let mut expected = first.clone();
        expected.greeting = None;
        expected.prompts.whatsapp = None;
        expected.limits.outbound = None;
        assert_eq!(second, expected);
        assert_eq!(second.differs_in(&first), ["greeting", "prompts.whatsapp", "limits"]);
        let everything = first.differs_in(&Profile::named("Bakery"));
        assert!(FIELDS.iter().all(|field| everything.iter().any(|name| name.starts_with(field))), "{everything:?}");
        assert_eq!(merged(&first, &Map::new(), &["local"]), Ok(first));
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let wrong = json!({
            "nmae": "x", "name": 7, "numbers": ["+15005550006", "12", 5], "greeting": [], "agent": "hal",
            "prompts": { "inbound": "{{street}}", "sms": "x" }, "variables": { "a": null, "B": "x", "c": "None" },
            "limits": { "calls": -1, "x": 1, "outbound": 1.5 }, "time_zone": "Mars", "transfer_to": "5", "language": null,
            "webhook_url": "ftp://x", "recording": true,
        });
        let mut told = laid(wrong).unwrap_err();
        told.sort();
        let mut expected = [
            "nmae",
            "name",
            "numbers[1]",
            "numbers[2]",
            "greeting",
            "agent",
            "prompts.inbound",
            "prompts.sms",
            "variables.a",
            "variables.B",
            "variables.c",
            "limits.calls",
            "limits.x",
            "limits.outbound",
            "time_zone",
            "transfer_to",
            "language",
            "webhook_url",
            "recording",
        ];
        expected.sort_unstable();
        assert_eq!(told, expected);
        assert_eq!(
            laid(json!({ "prompts": [], "variables": "x", "limits": null, "numbers": {}, "recording": "some" }))
                .unwrap_err()
                .len(),
            5
        );
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::hash_map("[a-z]{0,8}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_a_sound_profile_or_a_list_of_faults(
            values in proptest::collection::vec((proptest::sample::select(&FIELDS[..]), any_json()), 0..5)
        ) {
            let document = values.into_iter().map(|(field, value)| (field.to_owned(), value)).collect();
            match merged(&Profile::named("Bakery"), &document, &["local"]) {
                Ok(profile) => prop_assert_eq!(profile.faults(&["local"]), vec![]),
                Err(faults) => prop_assert!(!faults.is_empty()),
            }
        }

        #[test]
        fn a_profile_written_as_json_gives_the_same_profile(
            name in "[A-Z][a-z]{3,12} Bakery", inbound in proptest::option::of("[A-Za-z][a-z .]{0,40}"), calls in proptest::option::of(1u32..99)
        ) {
            let mut profile = Profile::named(name);
            profile.prompts.inbound = inbound;
            profile.limits.calls = calls;
            let document = serde_json::to_value(&profile).unwrap();
            prop_assert_eq!(merged(&Profile::named("Other"), document.as_object().unwrap(), &[]), Ok(profile));
        }
    }
}
