//! Rules that one value alone can't break: ranges, and what settings demand of each other.

mod asterisk;
mod ranges;

use std::net::IpAddr;

use secrecy::ExposeSecret;
use url::{Host, Url};

use super::finding::Finding;
use super::recordings::is_host_or_ending;
use super::{AgentProvider, Config, DatabaseKind, LocalSpeech, RecordingsPlace, Source};

pub(super) use ranges::ranges;

/// Everything that is wrong with a configuration whose values are each of the right type. `indices` has the place in
/// the file of each business.
pub(super) fn check(config: &Config, indices: &[usize]) -> Vec<Finding> {
    let mut findings = Findings { config, list: Vec::new() };
    findings.ranges();
    findings.orders();
    findings.texts();
    findings.strangers();
    findings.services();
    findings.admin_token();
    findings.allowed_receivers();
    findings.recordings();
    findings.audiosocket();
    findings.ari();
    findings.businesses(indices);
    findings.list
}

struct Findings<'a> {
    config: &'a Config,
    list: Vec<Finding>,
}

impl Findings<'_> {
    fn error(&mut self, path: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.list.push(Finding::error(path, self.config.source(path), problem, remedy));
    }

    fn warning(&mut self, path: &str, problem: impl Into<String>, remedy: impl Into<String>) {
        self.list.push(Finding::warning(path, self.config.source(path), problem, remedy));
    }

    /// Each number within the range that `config/default.toml` says.
    fn ranges(&mut self) {
        for (path, value, least, most) in ranges(self.config) {
            if !(least..=most).contains(&value) {
                let shown = if value.fract() == 0.0 { value.to_string() } else { (value as f32).to_string() };
                self.error(path, format!("is {shown}"), format!("give {least} to {most}"));
            }
        }
        if self.config.vad.aggressiveness == 0 {
            let problem = "is 0: line echo is heard as speech, and the agent interrupts itself";
            self.warning("vad.aggressiveness", problem, "give 1, or 2 where callers are in noise");
        }
    }

    /// Numbers that must be smaller than others.
    fn orders(&mut self) {
        let config = self.config;
        let (silence, endpoint) = (&config.silence, &config.endpoint);
        for (smaller, its, larger, other) in [
            ("silence.filler_after_ms", silence.filler_after_ms, "silence.retry_after_ms", silence.retry_after_ms),
            ("silence.retry_after_ms", silence.retry_after_ms, "silence.give_up_after_ms", silence.give_up_after_ms),
            ("endpoint.hangover_ms", endpoint.hangover_ms, "endpoint.max_utterance_ms", endpoint.max_utterance_ms),
            ("playout.preroll_ms", config.playout.preroll_ms, "playout.max_queue_ms", config.playout.max_queue_ms),
            ("campaigns.heartbeat_s", config.campaigns.heartbeat_s, "campaigns.lease_s", config.campaigns.lease_s),
            (
                "openai.connect_timeout_ms",
                config.openai.connect_timeout_ms,
                "silence.agent_ready_within_ms",
                silence.agent_ready_within_ms,
            ),
            (
                "deepgram.connect_timeout_ms",
                config.deepgram.connect_timeout_ms,
                "silence.agent_ready_within_ms",
                silence.agent_ready_within_ms,
            ),
        ] {
            if its >= other {
                let problem = format!("is {other}, and {smaller} is {its}");
                self.error(larger, problem, format!("give {larger} more than {smaller}"));
            }
        }
    }

    /// Texts that can't be empty.
    fn texts(&mut self) {
        let config = self.config;
        for (path, is_empty) in [
            ("data_dir", config.data_dir.as_os_str().is_empty()),
            ("openai.model", config.openai.model.trim().is_empty()),
            ("openai.voice", config.openai.voice.trim().is_empty()),
            ("deepgram.listen_model", config.deepgram.listen_model.trim().is_empty()),
            ("deepgram.think_provider", config.deepgram.think_provider.trim().is_empty()),
            ("deepgram.think_model", config.deepgram.think_model.trim().is_empty()),
            ("deepgram.voice", config.deepgram.voice.trim().is_empty()),
        ] {
            if is_empty {
                self.error(path, "is empty", "give a value, or leave the setting out to have its default");
            }
        }
        if config.local.speech == LocalSpeech::Piper && config.local.piper_model.as_os_str().is_empty() {
            let remedy = "name piper's voice file (….onnx), or choose another local.speech";
            self.error("local.piper_model", "is empty, and local.speech is piper", remedy);
        }
    }

    /// What must hold before strangers can reach the service.
    fn strangers(&mut self) {
        let config = self.config;
        let listen = config.http.listen;
        if listen.ip().is_loopback() {
            if !config.twilio.validate_signatures {
                let problem = "is false: whoever reaches this address can place calls";
                self.warning("twilio.validate_signatures", problem, "use it for trials only");
            }
        } else {
            self.open_to_strangers(&listen.to_string());
        }
        match &config.http.public_url {
            Some(url) => self.public_url(url),
            None if config.twilio.auth_token.is_some() => {
                let problem = "is empty: signatures are checked over the address in the request, which a proxy changes";
                self.warning("http.public_url", problem, "give the address that Twilio calls");
            }
            None => {}
        }
    }

    fn open_to_strangers(&mut self, listen: &str) {
        let config = self.config;
        let why = format!("while http.listen is {listen}, where strangers can reach it");
        let or = "or listen on 127.0.0.1";
        if config.twilio.auth_token.is_none() {
            let remedy = format!("set the variable TWILIO_AUTH_TOKEN or TWILIO_AUTH_TOKEN_FILE, {or}");
            self.error("twilio.auth_token", format!("is not set, {why}"), remedy);
        }
        if config.http.public_url.as_ref().is_none_or(|url| url.scheme() != "https") {
            let remedy = format!("give the https:// address under which Twilio reaches you, {or}");
            self.error("http.public_url", format!("is no https:// address, {why}"), remedy);
        }
        if !config.twilio.validate_signatures {
            self.error("twilio.validate_signatures", format!("is false, {why}"), format!("set it to true, {or}"));
        }
    }

    fn public_url(&mut self, url: &Url) {
        let is_bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        if !matches!(url.scheme(), "http" | "https") || !is_bare || url.host().is_none() {
            let remedy = "give it as in https://calls.example.com, without user, query or fragment";
            self.error("http.public_url", "is not the plain address of a web server", remedy);
        }
    }

    /// The services that calls need.
    fn services(&mut self) {
        let config = self.config;
        self.safe_url("openai.url", &config.openai.url, "wss", "ws");
        self.safe_url("deepgram.url", &config.deepgram.url, "wss", "ws");
        self.safe_url("twilio.api_url", &config.twilio.api_url, "https", "http");
        if config.agent.provider == AgentProvider::OpenAi && config.openai.api_key.is_none() {
            let remedy = "set the variable OPENAI_API_KEY or OPENAI_API_KEY_FILE, or agent.provider to \"local\"";
            self.error("openai.api_key", "is not set, and agent.provider is openai", remedy);
        }
        if config.agent.provider == AgentProvider::Deepgram && config.deepgram.api_key.is_none() {
            let remedy = "set the variable DEEPGRAM_API_KEY or DEEPGRAM_API_KEY_FILE, or agent.provider to \"local\"";
            self.error("deepgram.api_key", "is not set, and agent.provider is deepgram", remedy);
        }
        for (path, token) in [
            ("twilio.auth_token", &config.twilio.auth_token),
            ("twilio.auth_token_previous", &config.twilio.auth_token_previous),
        ] {
            if token.as_ref().is_some_and(|token| !is_twilios(token.expose_secret())) {
                let problem =
                    "is not 32 hexadecimal digits, as Twilio's tokens are: what can be guessed protects nothing";
                self.warning(path, problem, "copy the Auth Token from Twilio's console");
            }
        }
        if config.twilio.auth_token.is_none() {
            let remedy = "to take calls from Twilio, set the variable TWILIO_AUTH_TOKEN or TWILIO_AUTH_TOKEN_FILE";
            if config.twilio.auth_token_previous.is_some() {
                self.error("twilio.auth_token", "is not set, but twilio.auth_token_previous is", remedy);
            } else if config.http.listen.ip().is_loopback() && config.twilio.validate_signatures {
                self.warning("twilio.auth_token", "is not set: every webhook is refused as unsigned", remedy);
            }
        }
        if config.database_url().kind() == DatabaseKind::Postgres && !cfg!(feature = "postgres") {
            let remedy = "build with `--features postgres`, or use sqlite:path";
            self.error("database.url", "names PostgreSQL, which this build does not have", remedy);
        }
    }

    /// A token that somebody thought of is the one thing here that could be guessed.
    fn admin_token(&mut self) {
        let Some(token) = &self.config.api.admin_token else { return };
        let token = token.expose_secret();
        let is_text = token.bytes().all(|byte| byte.is_ascii_graphic());
        if token.len() < 32 || !is_text {
            let problem = "is shorter than 32 characters, or holds others than letters, digits and signs of ASCII";
            self.error("api.admin_token", problem, "make one with `openssl rand -hex 32`");
        }
    }

    /// Who may be told of events though nobody outside could reach them.
    fn allowed_receivers(&mut self) {
        for text in self.config.webhooks.allowed().filter(|text| !is_network_or_host(text)) {
            let remedy = "give networks as in 10.0.0.0/8, addresses and hosts, separated by commas";
            self.error("webhooks.allow_private", format!("{text:?} is neither a network nor a host"), remedy);
        }
    }

    /// A carrier that is to record must be known, and must know where to tell of it.
    fn recording_carrier(&mut self) {
        let (twilio, policy) = (&self.config.twilio, self.config.recording.policy);
        let can_ask =
            twilio.account_sid.is_some() && twilio.auth_token.is_some() && self.config.http.public_url.is_some();
        if policy.asks_carrier() && !can_ask {
            let problem =
                format!("is {:?}, and no carrier can be asked: such calls are not recorded by it", policy.as_str());
            let remedy = "set twilio.account_sid, TWILIO_AUTH_TOKEN and http.public_url, or choose \"own\" or \"off\"";
            self.warning("recording.policy", problem, remedy);
        }
    }

    /// Where recordings come from, and where they go.
    fn recordings(&mut self) {
        let recordings = &self.config.recordings;
        for text in recordings.hosts().filter(|text| !is_host_or_ending(text)) {
            let remedy = "give hosts as in api.twilio.com and ends of names as in *.twilio.com, separated by commas";
            self.error("recordings.allowed_hosts", format!("{text:?} is neither a host nor the end of names"), remedy);
        }
        self.recording_carrier();
        if !matches!(self.config.recordings_place(), RecordingsPlace::Bucket { .. }) {
            return;
        }
        let is_name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !is_name(&recordings.s3_region) {
            self.error("recordings.s3_region", "is no name of a region", "give it as in \"eu-central-1\"");
        }
        for (path, is_missing, variable) in [
            ("recordings.s3_access_key_id", recordings.s3_access_key_id.is_empty(), "AWS_ACCESS_KEY_ID"),
            ("recordings.s3_secret_access_key", recordings.s3_secret_access_key.is_none(), "AWS_SECRET_ACCESS_KEY"),
        ] {
            if is_missing {
                let remedy =
                    format!("set the variable {variable} or {variable}_FILE, or recordings.store_url to a directory");
                self.error(path, "is not set, and recordings.store_url is a bucket", remedy);
            }
        }
        match &recordings.s3_endpoint {
            Some(url) if !matches!(url.scheme(), "http" | "https") || url.host().is_none() => {
                let remedy = "give it as in https://minio.example:9000, or leave it empty for AWS";
                self.error("recordings.s3_endpoint", "is not the address of a web server", remedy);
            }
            Some(url) if url.scheme() == "http" && !is_loopback(url) => {
                let problem = "is http://: what callers said travels where others can read it";
                self.warning("recordings.s3_endpoint", problem, "give an https:// address");
            }
            _ => {}
        }
    }

    fn safe_url(&mut self, path: &str, url: &Url, safe: &str, local: &str) {
        let is_safe = url.scheme() == safe || url.scheme() == local && is_loopback(url);
        if !is_safe || url.host().is_none() {
            let remedy = format!("give a {safe}:// address; {local}:// only for 127.0.0.1");
            let problem = format!("is {}://: a key would travel where others can read it", url.scheme());
            self.error(path, problem, remedy);
        }
        if !url.username().is_empty() || url.password().is_some() {
            self.error(path, "holds a user or a password", "leave it out; secrets have variables of their own");
        }
    }

    fn businesses(&mut self, indices: &[usize]) {
        let config = self.config;
        if config.business.is_empty() {
            self.warning("business", "there is none: every call is refused", "give a [[business]] with a number");
        }
        if config.source("business") == Source::Shipped {
            let problem = "only the shipped business Reception, which answers every number";
            self.warning("business", problem, "give a [[business]] of your own in a file that --config names");
        }
        for (place, business) in indices.iter().zip(&config.business) {
            let at = format!("business[{place}]");
            for fault in business.seed().profile.faults(&config.agents()) {
                self.error(&format!("{at}.{}", setting(&fault.field)), fault.problem, fault.remedy);
            }
        }
    }
}

/// The setting of a `[[business]]` that holds this field of a business.
fn setting(field: &str) -> &str {
    match field {
        "prompts.inbound" => "prompt",
        "prompts.outbound" => "prompt_outbound",
        "prompts.whatsapp" => "prompt_whatsapp",
        "limits.calls" => "max_calls",
        "limits.outbound" => "max_outbound_calls",
        other => other,
    }
}

fn is_twilios(token: &str) -> bool {
    token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether it is an address, or an address and how many of its bits count.
fn is_network(text: &str) -> bool {
    is_network_or_host(text) && text.split('/').next().is_some_and(|address| address.parse::<IpAddr>().is_ok())
}

/// Whether it is an address, an address and how many of its bits count, or the name of a host.
fn is_network_or_host(text: &str) -> bool {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    match (address.parse::<IpAddr>(), bits) {
        (Ok(_), None) => true,
        (Ok(address), Some(bits)) => {
            bits.parse().is_ok_and(|bits: u8| bits <= if address.is_ipv4() { 32 } else { 128 })
        }
        (Err(_), None) => matches!(Host::parse(text), Ok(Host::Domain(_))),
        (Err(_), Some(_)) => false,
    }
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => IpAddr::V4(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::V6(ip).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
