//! Rules that one value alone can't break: ranges, and what settings demand of each other.

use std::net::IpAddr;

use secrecy::ExposeSecret;
use url::{Host, Url};

use super::finding::Finding;
use super::recordings::is_host_or_ending;
use super::{AgentProvider, Config, DatabaseKind, LocalSpeech, RecordingsPlace, Source};

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
        self.safe_url("twilio.api_url", &config.twilio.api_url, "https", "http");
        if config.agent.provider == AgentProvider::OpenAi && config.openai.api_key.is_none() {
            let remedy = "set the variable OPENAI_API_KEY or OPENAI_API_KEY_FILE, or agent.provider to \"local\"";
            self.error("openai.api_key", "is not set, and agent.provider is openai", remedy);
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

    /// Who may bring calls from a PBX.
    fn audiosocket(&mut self) {
        let own = &self.config.asterisk.audiosocket;
        for text in own.allowed().filter(|text| !is_network(text)) {
            let remedy = "give networks as in 10.0.0.0/8 and addresses, separated by commas";
            self.error("asterisk.audiosocket.allow", format!("{text:?} is no network and no address"), remedy);
        }
        let advertised = own.advertise.trim();
        let has_port = advertised
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse().is_ok_and(|port: u16| port > 0));
        let is_plain = advertised.bytes().all(|byte| byte.is_ascii_graphic() && !b",()".contains(&byte));
        if !(advertised.is_empty() || has_port && is_plain) {
            let remedy = "give a host and a port as in trunkline.lan:8090, or leave it empty";
            self.error("asterisk.audiosocket.advertise", format!("{advertised:?} is no host with a port"), remedy);
        }
        if own.enabled && !own.listen.ip().is_loopback() && own.allowed().any(|text| text.ends_with("/0")) {
            let problem = "lets everybody who reaches the socket place calls";
            self.warning("asterisk.audiosocket.allow", problem, "name the addresses of your PBX");
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

/// Each number with the least and the most it may be, as `config/default.toml` says.
pub(super) fn ranges(config: &Config) -> Vec<(&'static str, f64, f64, f64)> {
    let Config {
        http,
        api,
        database,
        openai,
        vad,
        endpoint,
        playout,
        barge_in,
        silence,
        limits,
        calls,
        campaigns,
        media,
        asterisk,
        webhooks,
        recordings,
        recording,
        transcription,
        summary,
        ..
    } = config;
    let mut ranges: Vec<(&'static str, f64, f64, f64)> = vec![("http.workers", http.workers as f64, 0.0, 256.0)];
    let mut range = |path, value: f64, least: u32, most: u32| ranges.push((path, value, least.into(), most.into()));

    range("http.max_connections", http.max_connections as f64, 1, 100_000);
    range("http.request_timeout_ms", http.request_timeout_ms.into(), 1_000, 60_000);
    range("http.max_body_bytes", http.max_body_bytes as f64, 1_024, 1_048_576);
    range("http.drain_ms", http.drain_ms.into(), 0, 3_600_000);
    range("api.requests_per_minute", api.requests_per_minute.get().into(), 1, 1_000_000);
    range("api.strangers_per_minute", api.strangers_per_minute.get().into(), 1, 1_000_000);
    range("api.max_body_bytes", api.max_body_bytes as f64, 1_024, 67_108_864);
    range("api.read_timeout_ms", api.read_timeout_ms.into(), 100, 60_000);
    range("api.token_refresh_ms", api.token_refresh_ms.into(), 100, 600_000);
    range("database.pool", database.pool.into(), 1, 100);
    range("database.connect_timeout_ms", database.connect_timeout_ms.into(), 1, 60_000);
    range("database.patience_ms", database.patience_ms.into(), 1, 5_000);
    range("openai.vad_threshold", openai.vad_threshold.into(), 0, 1);
    range("openai.vad_prefix_ms", openai.vad_prefix_ms.into(), 0, 2_000);
    range("openai.vad_silence_ms", openai.vad_silence_ms.into(), 100, 5_000);
    range("openai.connect_timeout_ms", openai.connect_timeout_ms.into(), 100, 30_000);
    range("openai.renew_before_ms", openai.renew_before_ms.into(), 1_000, 600_000);
    range("vad.aggressiveness", vad.aggressiveness.into(), 0, 3);
    range("vad.energy_threshold", vad.energy_threshold.into(), 1, 32_767);
    range("vad.confidence_threshold", vad.confidence_threshold.into(), 0, 1);
    range("endpoint.start_ms", endpoint.start_ms.into(), 20, 1_000);
    range("endpoint.hangover_ms", endpoint.hangover_ms.into(), 100, 5_000);
    range("endpoint.max_utterance_ms", endpoint.max_utterance_ms.into(), 1_000, 300_000);
    range("playout.preroll_ms", playout.preroll_ms.into(), 0, 2_000);
    range("playout.lead_ms", playout.lead_ms.into(), 20, 200);
    range("playout.mark_every_ms", playout.mark_every_ms.into(), 20, 5_000);
    range("playout.max_queue_ms", playout.max_queue_ms.into(), 1_000, 3_600_000);
    range("barge_in.min_speech_ms", barge_in.min_speech_ms.into(), 20, 5_000);
    range("barge_in.initial_protection_ms", barge_in.initial_protection_ms.into(), 0, 5_000);
    range("barge_in.greeting_protection_ms", barge_in.greeting_protection_ms.into(), 0, 5_000);
    range("barge_in.cooldown_ms", barge_in.cooldown_ms.into(), 0, 5_000);
    range("barge_in.post_playout_protection_ms", barge_in.post_playout_protection_ms.into(), 0, 5_000);
    range("silence.filler_after_ms", silence.filler_after_ms.into(), 100, 60_000);
    range("silence.give_up_after_ms", silence.give_up_after_ms.into(), 100, 60_000);
    range("silence.agent_ready_within_ms", silence.agent_ready_within_ms.into(), 500, 60_000);
    range("silence.caller_reprompt_after_ms", silence.caller_reprompt_after_ms.into(), 1_000, 600_000);
    range("silence.caller_reprompts", silence.caller_reprompts.into(), 0, 20);
    range("limits.max_call_ms", limits.max_call_ms.into(), 1_000, 14_400_000);
    range("limits.drain_ms", limits.drain_ms.into(), 100, 60_000);
    range("limits.transcript_wait_ms", limits.transcript_wait_ms.into(), 100, 60_000);
    range("limits.mark_wait_ms", limits.mark_wait_ms.into(), 500, 60_000);
    range("limits.max_utterance_ms", limits.max_utterance_ms.into(), 5_000, 300_000);
    range("limits.dtmf_pause_ms", limits.dtmf_pause_ms.into(), 0, 10_000);
    range("limits.max_agent_turns", limits.max_agent_turns.into(), 1, 100);
    range("calls.max", calls.max.into(), 0, 100_000);
    range("calls.max_per_business", calls.max_per_business.into(), 0, 100_000);
    range("calls.max_outbound_per_business", calls.max_outbound_per_business.into(), 0, 100_000);
    range("calls.lease_s", calls.lease_s.into(), 10, 3_600);
    range("calls.sweep_every_s", calls.sweep_every_s.into(), 1, 3_600);
    range("calls.ring_s", calls.ring_s.into(), 5, 600);
    range("calls.resolve_after_s", calls.resolve_after_s.into(), 1, 600);
    range("campaigns.concurrency", campaigns.concurrency.into(), 1, 1_000);
    range("campaigns.spacing_ms", campaigns.spacing_ms.into(), 0, 3_600_000);
    range("campaigns.max_leads", campaigns.max_leads.into(), 1, 50_000);
    range("campaigns.lease_s", campaigns.lease_s.into(), 3, 600);
    range("campaigns.heartbeat_s", campaigns.heartbeat_s.into(), 1, 200);
    range("campaigns.unknown_s", campaigns.unknown_s.into(), 30, 86_400);
    range("media.start_timeout_ms", media.start_timeout_ms.into(), 100, 30_000);
    range("media.token_max_age_s", media.token_max_age_s.into(), 10, 3_600);
    range("media.max_message_bytes", media.max_message_bytes as f64, 4_096, 65_536);
    range("media.idle_timeout_ms", media.idle_timeout_ms.into(), 1_000, 600_000);
    range("media.max_lateness_ms", media.max_lateness_ms.into(), 0, 1_000);
    let audiosocket = &asterisk.audiosocket;
    range("asterisk.audiosocket.handshake_ms", audiosocket.handshake_ms.into(), 100, 30_000);
    range("asterisk.audiosocket.bind_s", audiosocket.bind_s.into(), 5, 3_600);
    range("asterisk.audiosocket.max_connections", audiosocket.max_connections.into(), 1, 100_000);
    range("asterisk.audiosocket.connects_per_second", audiosocket.connects_per_second.get().into(), 1, 10_000);
    range("webhooks.timeout_ms", webhooks.timeout_ms.into(), 100, 60_000);
    range("webhooks.first_retry_ms", webhooks.first_retry_ms.into(), 100, 3_600_000);
    range("webhooks.longest_retry_ms", webhooks.longest_retry_ms.into(), 100, 86_400_000);
    range("webhooks.give_up_after_s", webhooks.give_up_after_s.into(), 1, 2_592_000);
    range("webhooks.max_in_flight", webhooks.max_in_flight.into(), 1, 1_000);
    range("webhooks.max_in_flight_per_business", webhooks.max_in_flight_per_business.into(), 1, 1_000);
    range("webhooks.max_body_bytes", webhooks.max_body_bytes as f64, 4_096, 16_777_216);
    range("webhooks.secret_overlap_s", webhooks.secret_overlap_s.into(), 0, 2_592_000);
    range("webhooks.keep_s", webhooks.keep_s.into(), 3_600, 315_360_000);
    range("transcription.workers", transcription.workers.into(), 1, 32);
    range("transcription.at_once", transcription.at_once.into(), 1, 32);
    range("transcription.max_piece_s", transcription.max_piece_s.into(), 10, 780);
    range("transcription.timeout_s", transcription.timeout_s.into(), 1, 1_800);
    range("summary.timeout_ms", summary.timeout_ms.into(), 1_000, 600_000);
    range("recordings.answer_timeout_ms", recordings.answer_timeout_ms.into(), 100, 600_000);
    range("recordings.fetch_timeout_s", recordings.fetch_timeout_s.into(), 1, 86_400);
    range("recordings.max_bytes", recordings.max_bytes.into(), 65_536, 4_294_967_295);
    range("recordings.host_failures", recordings.host_failures.into(), 1, 1_000);
    range("recordings.host_pause_s", recordings.host_pause_s.into(), 1, 3_600);
    range("recordings.keep_s", recordings.keep_s.into(), 0, 315_360_000);
    range("recordings.quota_mb", recordings.quota_mb.into(), 0, 1_000_000_000);
    range("recordings.sweep_every_s", recordings.sweep_every_s.into(), 1, 86_400);
    range("recordings.downloads", recordings.downloads.into(), 1, 64);
    range("recordings.tries", recordings.tries.into(), 1, 20);
    range("recordings.first_retry_s", recordings.first_retry_s.into(), 1, 3_600);
    range("recordings.longest_retry_s", recordings.longest_retry_s.into(), 1, 86_400);
    range("recordings.await_s", recordings.await_s.into(), 0, 86_400);
    range("recordings.lease_s", recordings.lease_s.into(), 6, 3_600);
    range("recording.min_free_mb", recording.min_free_mb.into(), 0, 1_000_000);
    ranges
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
