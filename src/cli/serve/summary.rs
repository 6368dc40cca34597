//! What a person wants to know when the service starts: what is ready, what is missing, what is probably not meant.

use std::net::SocketAddr;
use std::path::Path;

use crate::cli::out::Out;
use crate::config::{AgentProvider, Config, Finding, Source};
use crate::engine::business::{CalledNumber, Directory};
use crate::engine::wire::twiml::callback_url;
use crate::store::{DatabaseState, StoreHealth};

/// The lines, but for what is known only once the service runs.
pub(super) struct Summary {
    agent: String,
    has_console: bool,
    is_business_shipped: bool,
    twilio: Option<String>,
    missing: Vec<String>,
    warnings: Vec<String>,
}

impl Summary {
    pub(super) fn of(config: &Config, warnings: &[Finding]) -> Self {
        let is_shipped = |finding: &Finding| finding.path == "business" && finding.source == Source::Shipped;
        let has_no_token = config.twilio.auth_token.is_none();
        // These are said among the lines that are ready, or missing.
        let is_said = |finding: &Finding| is_shipped(finding) || finding.path == "twilio.auth_token" && has_no_token;
        let told = warnings.iter().filter(|finding| !is_said(finding));
        Self {
            agent: agent(config),
            has_console: config.console.enabled,
            is_business_shipped: warnings.iter().any(is_shipped),
            twilio: config.http.public_url.as_ref().map(|url| twilio(url.as_str())),
            missing: missing(config),
            warnings: told.map(Finding::in_one_line).collect(),
        }
    }

    pub(super) fn tell(
        &self,
        out: &mut Out,
        address: SocketAddr,
        store: &StoreHealth,
        admin_token: Option<&Path>,
        directory: &Directory,
    ) {
        out.line(format_args!("Trunkline listens on http://{address}"));
        let database = store.backend;
        let fault = match &store.database {
            DatabaseState::Up => None,
            DatabaseState::NotReady { error } | DatabaseState::Down { error } => Some(error),
        };
        if fault.is_none() {
            out.line(format_args!("  ready      database {database}"));
        }
        let api = format!("http://{address}/api/v1");
        match admin_token {
            Some(file) => out.line(format_args!(
                "  ready      API        {api} (the administrator's token lies in {})",
                file.display()
            )),
            None => out.line(format_args!("  ready      API        {api}")),
        }
        if self.has_console {
            out.line(format_args!("  ready      console    http://{address}/console"));
        }
        for line in std::iter::once(self.agent.clone()).chain(businesses(directory, self.is_business_shipped)) {
            out.line(format_args!("  ready      {line}"));
        }
        if let Some(line) = &self.twilio {
            out.line(format_args!("  Twilio     {line}"));
        }
        if let Some(error) = fault {
            let then = "calls are answered, and what they write waits on the disk";
            out.line(format_args!("  missing    database {database}: {error}; {then}"));
        }
        for line in &self.missing {
            out.line(format_args!("  missing    {line}"));
        }
        for line in &self.warnings {
            out.line(format_args!("  warning    {line}"));
        }
    }
}

/// Who speaks with callers, unless a business says otherwise.
fn agent(config: &Config) -> String {
    match config.agent.provider {
        AgentProvider::Local => {
            "agent      the built-in receptionist (agent.provider = \"openai\" for OpenAI Realtime)".to_owned()
        }
        AgentProvider::OpenAi => format!("agent      OpenAI Realtime, {}", config.openai.model),
        AgentProvider::Deepgram => format!(
            "agent      Deepgram's Voice Agent, {}, {}, {}",
            config.deepgram.listen_model, config.deepgram.think_model, config.deepgram.voice
        ),
    }
}

/// Who answers which numbers.
fn businesses(directory: &Directory, is_only_shipped: bool) -> impl Iterator<Item = String> {
    let is_only = directory.all().len() == 1;
    directory.all().map(move |business| {
        let number = |number| match number {
            &CalledNumber::Any if is_only && is_only_shipped => {
                "every number ([[business]] entries of your own replace this)"
            }
            CalledNumber::Any if is_only => "every number",
            CalledNumber::Any => "every other number",
            CalledNumber::Exact(number) => number.as_str(),
        };
        let numbers: Vec<&str> = business.profile.numbers.iter().map(number).collect();
        let numbers = if numbers.is_empty() { "no number".to_owned() } else { numbers.join(", ") };
        format!("business   {} answers {numbers}", business.profile.name)
    })
}

/// What is to be set at the number. Twilio tries a callback again only if its URL asks for that.
fn twilio(public_url: &str) -> String {
    let url = public_url.trim_end_matches('/');
    format!("voice URL {url}/twilio/voice, status URL {}", callback_url(&format!("{url}/twilio/status")))
}

fn missing(config: &Config) -> Vec<String> {
    let mut missing = Vec::new();
    if config.twilio.auth_token.is_none() {
        missing.push("Twilio: set TWILIO_AUTH_TOKEN; until then every webhook is refused".to_owned());
    }
    if config.twilio.account_sid.is_none() {
        let why = "so that a call which does not end can be hung up";
        missing.push(format!("Twilio's REST interface: set TWILIO_ACCOUNT_SID, {why}"));
    }
    if config.http.public_url.is_none() {
        let urls = twilio("<public_url>");
        missing.push(format!(
            "http.public_url: the https:// address at which Twilio reaches this service; then set the number's {urls}"
        ));
    }
    missing
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::cli::demo::twilio::FakeTwilio;
    use crate::config::{ConfigSources, Environment};
    use crate::engine::wire::twiml::RETRY_OVERRIDES;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is said of this file and these variables, with a database in this state.
    fn said(file: &str, variables: &[(&str, &str)], database: DatabaseState) -> String {
        let mut given = tempfile::NamedTempFile::new().unwrap();
        given.write_all(file.as_bytes()).unwrap();
        let environment: Environment = variables.iter().copied().collect();
        let path = (!file.is_empty()).then(|| given.path().to_owned());
        let sources = ConfigSources { file: path, environment, ..ConfigSources::default() };
        let (config, warnings) = Config::load(&sources).unwrap();
        let store = StoreHealth {
            backend: "postgres",
            database,
            spool_records_waiting: 0,
            spool_error: None,
            journal_records_waiting: 0,
            records_rejected: 0,
            records_lost: 0,
        };
        let page = Page::default();
        let address = SocketAddr::from(([127, 0, 0, 1], 8080));
        let directory = Directory::of(config.business.iter().map(|business| business.seed()));
        Summary::of(&config, &warnings).tell(&mut Out::to(page.clone()), address, &store, None, &directory);
        let text = page.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn the_status_url_is_the_one_that_twilio_tries_again() {
        let public_url = "https://calls.example.com";
        let carrier = FakeTwilio::new(public_url, "token", "AC00112233445566778899aabbccddeeff").unwrap();
        let text = said("", &[("TRUNKLINE__HTTP__PUBLIC_URL", public_url)], DatabaseState::Up);
        assert!(text.contains(&format!("status URL {}\n", carrier.status_url())), "{text}");
        let text = said("", &[], DatabaseState::Up);
        assert!(text.contains(&format!("<public_url>/twilio/status{RETRY_OVERRIDES}\n")), "{text}");
        let readme = include_str!("../../../README.md");
        assert!(readme.contains(&format!("`{}`", carrier.status_url())), "the README says the same");
    }

    #[test]
    fn a_database_that_is_away_is_not_called_ready() {
        let text = said("", &[], DatabaseState::NotReady { error: "connection refused".to_owned() });
        assert!(!text.contains("ready      database"), "{text}");
        assert!(text.contains("  missing    database postgres: connection refused; calls are answered"), "{text}");
        assert!(said("", &[], DatabaseState::Up).contains("  ready      database postgres\n"));
    }

    #[test]
    fn only_the_shipped_business_is_to_be_replaced() {
        let hint = "entries of your own replace this";
        assert!(said("", &[], DatabaseState::Up).contains(hint));
        let own = "[[business]]\nname = \"Bakery\"\nnumber = \"*\"";
        let text = said(own, &[], DatabaseState::Up);
        assert!(text.contains("business   Bakery answers every number\n") && !text.contains(hint), "{text}");
    }

    #[test]
    fn what_is_not_said_otherwise_is_a_warning() {
        let text = said("business = []", &[], DatabaseState::Up);
        assert!(text.contains("  warning    business"), "{text}");
        assert!(said("", &[("TWILIO_AUTH_TOKEN", "x")], DatabaseState::Up).contains("  warning    twilio.auth_token"));
        let bakery = "[[business]]\nname = \"Bakery\"\nnumber = \"*\"\ngreeting = \"Bakery!\"\nprompt = \"Bread.\"";
        let text = said(bakery, &[("PATH", "/nowhere")], DatabaseState::Up);
        assert!(text.contains("warning    business[0].greeting") && text.contains("warning    business[0].prompt"));
        assert_eq!(said("", &[], DatabaseState::Up).matches("warning").count(), 0);
    }
}
