//! Rules that a business must keep.

use super::variables::is_name;
use super::{BUILT_IN, CalledNumber, Profile, is_placeholder, template};

/// The longest prompt that is taken, in characters.
///
/// 32,768: a vendor takes about half as many tokens, and a prompt that a caller waits for is a tenth of that.
pub const LONGEST_PROMPT: usize = 32_768;
/// The longest name, in characters: it is spoken.
const LONGEST_NAME: usize = 64;
/// The longest greeting, in characters: about a minute of speech.
const LONGEST_GREETING: usize = 1_000;
/// The longest value of a variable, in characters.
const LONGEST_VALUE: usize = 1_000;
/// More numbers than any business has.
const MOST_NUMBERS: usize = 1_000;
/// More variables than any prompt needs.
const MOST_VARIABLES: usize = 100;
/// More calls at once than any node carries.
const MOST_CALLS: u32 = 100_000;
/// The longest address of a webhook, in bytes.
const LONGEST_URL: usize = 2_048;

/// What is wrong with one field of a business.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldFault {
    /// The field, as in `numbers[1]` or `prompts.inbound`.
    pub field: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl FieldFault {
    /// This is wrong with the field, and that would mend it.
    pub fn new(field: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into(), remedy: remedy.into() }
    }
}

impl Profile {
    /// Everything that is wrong with it. `agents` has the names of the voice agents that may be asked for.
    pub fn faults(&self, agents: &[&str]) -> Vec<FieldFault> {
        let mut faults = Faults(Vec::new());
        faults.name(&self.name);
        faults.numbers(self);
        faults.voice(self, agents);
        faults.prompts(self);
        faults.variables(self);
        faults.limits(self);
        faults.webhook(self.webhook_url.as_deref());
        faults.0
    }
}

struct Faults(Vec<FieldFault>);

impl Faults {
    fn add(&mut self, field: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(FieldFault::new(field, problem, remedy));
    }

    fn name(&mut self, name: &str) {
        if name.trim().is_empty() {
            self.add("name", "is empty", "give the name that callers hear");
        } else if name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
            self.add("name", "is no name", format!("give 1 to {LONGEST_NAME} characters without control characters"));
        } else if is_placeholder(name) {
            self.add(
                "name",
                format!("is {name:?}, which stands for a missing name"),
                "give the name that callers hear",
            );
        }
    }

    fn numbers(&mut self, profile: &Profile) {
        let numbers = &profile.numbers;
        if numbers.len() > MOST_NUMBERS {
            self.add("numbers", format!("has {} entries", numbers.len()), format!("give at most {MOST_NUMBERS}"));
        }
        let listed = numbers.iter().enumerate().take(MOST_NUMBERS);
        for (index, number) in listed.filter(|(index, number)| numbers[..*index].contains(number)) {
            self.add(format!("numbers[{index}]"), format!("{number} stands there twice"), "give each number once");
        }
        let own = profile.transfer_to.clone().map(CalledNumber::Exact);
        if own.is_some_and(|own| numbers.contains(&own)) {
            let problem = "is the business's own number: callers would go round in circles";
            self.add("transfer_to", problem, "give the number of a person, or leave it out");
        }
    }

    fn voice(&mut self, profile: &Profile, agents: &[&str]) {
        let greeting = profile.greeting.as_deref().unwrap_or("none at all");
        let problem = format!("has {} characters", greeting.chars().count());
        if greeting.chars().count() > LONGEST_GREETING {
            self.add("greeting", problem, format!("give at most {LONGEST_GREETING}"));
        }
        if profile.greeting.is_some() && template::names(greeting).next().is_some() {
            self.add("greeting", "holds {{…}}, and is spoken as it is", "write the words themselves");
        }
        if !is_language_tag(&profile.language) {
            let remedy = "give a BCP 47 tag, as in en-US or de";
            self.add("language", format!("{:?} is no language", profile.language), remedy);
        }
        let is_no_voice =
            |voice: &str| voice.trim().is_empty() || voice.len() > 128 || voice.chars().any(char::is_control);
        if profile.voice.as_deref().is_some_and(is_no_voice) {
            self.add("voice", "is no voice", "give the vendor's name of it, or leave it out");
        }
        if let Some(agent) = profile.agent.as_deref().filter(|agent| !agents.contains(agent)) {
            let remedy = format!("give one of {}, or leave it out", agents.join(", "));
            self.add("agent", format!("{agent:?} is no voice agent of this service"), remedy);
        }
    }

    fn prompts(&mut self, profile: &Profile) {
        let prompts = &profile.prompts;
        for (field, text) in [
            ("prompts.inbound", &prompts.inbound),
            ("prompts.outbound", &prompts.outbound),
            ("prompts.whatsapp", &prompts.whatsapp),
        ] {
            let Some(text) = text else { continue };
            let length = text.chars().count();
            if length > LONGEST_PROMPT {
                self.add(field, format!("has {length} characters"), format!("give at most {LONGEST_PROMPT}"));
            }
            let mut unknown: Vec<&str> =
                template::names(text).filter(|name| profile.variable(name).is_none()).collect();
            unknown.sort_unstable();
            unknown.dedup();
            for name in unknown {
                let remedy = format!("give variables.{name}, or use one of {}", BUILT_IN.join(", "));
                self.add(field, format!("{{{{{name}}}}} stands for nothing"), remedy);
            }
        }
    }

    fn variables(&mut self, profile: &Profile) {
        let count = profile.variables.len();
        if count > MOST_VARIABLES {
            self.add("variables", format!("has {count} entries"), format!("give at most {MOST_VARIABLES}"));
        }
        for (name, value) in &profile.variables {
            let field = format!("variables.{name}");
            if BUILT_IN.contains(&name.as_str()) {
                self.add(&field, "is a name that every business has", "choose another name");
            } else if !is_name(name) {
                let remedy = "give a small letter, then small letters, digits and _, at most 32 in all";
                self.add(&field, "is no name of a variable", remedy);
            }
            if value.chars().count() > LONGEST_VALUE {
                self.add(
                    &field,
                    format!("has {} characters", value.chars().count()),
                    format!("give at most {LONGEST_VALUE}"),
                );
            } else if is_placeholder(value) {
                self.add(
                    &field,
                    format!("{value:?} stands for a missing value"),
                    "give the value, or leave the variable out",
                );
            }
        }
    }

    fn limits(&mut self, profile: &Profile) {
        for (field, limit) in [("limits.calls", profile.limits.calls), ("limits.outbound", profile.limits.outbound)] {
            if let Some(limit) = limit.filter(|limit| !(1..=MOST_CALLS).contains(limit)) {
                self.add(field, format!("is {limit}"), format!("give 1 to {MOST_CALLS}, or leave it out for no limit"));
            }
        }
        if let (Some(calls), Some(outbound)) = (profile.limits.calls, profile.limits.outbound)
            && outbound > calls
        {
            let problem = format!("is {outbound}, more than limits.calls, which is {calls}");
            self.add("limits.outbound", problem, "give no more than limits.calls");
        }
    }

    /// Only the form; where it leads is checked when something is sent there.
    fn webhook(&mut self, url: Option<&str>) {
        let Some(url) = url else { return };
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let is_plain = url.len() <= LONGEST_URL && url.bytes().all(|byte| byte.is_ascii_graphic());
        if host.is_empty() || host.contains('@') || rest.contains('#') || !is_plain {
            let remedy =
                "give an address as in https://example.com/calls, without a user and without #, or leave it out";
            self.add("webhook_url", "is no web address", remedy);
        }
    }
}

/// Whether it looks like a BCP 47 tag: parts of 1 to 8 letters or digits, the first of them letters.
pub fn is_language_tag(text: &str) -> bool {
    let is_part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let first = text.split('-').next().unwrap_or_default();
    text.len() <= 64
        && text.split('-').all(is_part)
        && first.bytes().all(|byte| byte.is_ascii_alphabetic())
        && first.len() > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::business::CallLimits;

    const AGENTS: &[&str] = &["local", "openai"];

    fn fields(change: impl FnOnce(&mut Profile)) -> Vec<String> {
        let mut profile = Profile::named("Bakery");
        change(&mut profile);
        let faults = profile.faults(AGENTS);
        assert!(faults.iter().all(|fault| !fault.problem.is_empty() && !fault.remedy.is_empty()));
        faults.into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn a_name_is_enough() {
        assert_eq!(Profile::named("Bakery").faults(AGENTS), []);
    }

    #[test]
    fn each_rule_names_its_field() {
        assert_eq!(fields(|p| p.name = " ".to_owned()), ["name"]);
        assert_eq!(fields(|p| p.name = "None".to_owned()), ["name"]);
        assert_eq!(fields(|p| p.name = "a".repeat(65)), ["name"]);
        let number = || "+15005550006".parse::<CalledNumber>().unwrap();
        assert_eq!(fields(|p| p.numbers = vec![number(), CalledNumber::Any, number()]), ["numbers[2]"]);
        let in_circles = |p: &mut Profile| {
            p.numbers = vec![number()];
            p.transfer_to = Some("+15005550006".parse().unwrap());
        };
        assert_eq!(fields(in_circles), ["transfer_to"]);
        assert_eq!(fields(|p| p.greeting = Some("a".repeat(1_001))), ["greeting"]);
        assert_eq!(fields(|p| p.greeting = Some("Hello {{name}}".to_owned())), ["greeting"]);
        assert_eq!(fields(|p| p.language = "English, please".to_owned()), ["language"]);
        assert_eq!(fields(|p| p.voice = Some("\n".to_owned())), ["voice"]);
        assert_eq!(fields(|p| p.agent = Some("hal".to_owned())), ["agent"]);
        assert_eq!(fields(|p| p.prompts.outbound = Some("a".repeat(LONGEST_PROMPT + 1))), ["prompts.outbound"]);
        assert_eq!(fields(|p| p.prompts.inbound = Some("{{street}}, {{street}}".to_owned())), ["prompts.inbound"]);
        assert_eq!(fields(|p| p.limits = CallLimits { calls: Some(0), outbound: None }), ["limits.calls"]);
        assert_eq!(fields(|p| p.limits = CallLimits { calls: Some(3), outbound: Some(4) }), ["limits.outbound"]);
        for url in ["http://", "https://", "https://a@b/", "https://a b", "https://a/#b", "ftp://a"] {
            assert_eq!(fields(|p| p.webhook_url = Some(url.to_owned())), ["webhook_url"], "{url}");
        }
    }

    #[test]
    fn a_variable_has_a_name_and_a_value() {
        let with = |name: &str, value: &str| {
            fields(|p| {
                p.variables.insert(name.to_owned(), value.to_owned());
                p.prompts.inbound = Some("We are at {{street}}, {{business_name}}.".to_owned());
                p.variables.entry("street".to_owned()).or_insert_with(|| "Mill Lane 5".to_owned());
            })
        };
        assert_eq!(with("street", "Mill Lane 6"), Vec::<String>::new());
        for no_value in ["None", "test", "{{street}}", ""] {
            assert_eq!(with("street", no_value), ["variables.street"], "{no_value:?}");
        }
        assert_eq!(with("business_name", "Other"), ["variables.business_name"]);
        assert_eq!(with("Street", "x"), ["variables.Street"]);
        assert_eq!(with("owner", &"a".repeat(1_001)), ["variables.owner"]);
    }
}
