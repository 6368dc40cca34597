use super::*;
use std::collections::BTreeSet;
use std::io::Write;

use proptest::prelude::*;
use secrecy::ExposeSecret;
use toml::{Table, Value};

use super::layers::{Layers, shipped_paths, value_at};

/// A start of the service, as a test describes it.
#[derive(Default)]
struct Start {
    file: Option<tempfile::NamedTempFile>,
    variables: Vec<(String, String)>,
    overrides: Vec<Override>,
}

impl Start {
    fn with_file(text: &str) -> Self {
        Self::default().and_file(text)
    }

    fn with(name: &str, value: &str) -> Self {
        Self::default().and(name, value)
    }

    fn and_file(mut self, text: &str) -> Self {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        self.file = Some(file);
        self
    }

    fn and(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn and_option(mut self, path: &'static str, value: &str, option: &'static str) -> Self {
        self.overrides.push(Override { path, value: value.to_owned(), option });
        self
    }

    fn load(&self) -> Result<(Config, Vec<Finding>), Vec<Finding>> {
        Config::load(&ConfigSources {
            file: self.file.as_ref().map(|file| file.path().to_owned()),
            environment: self.variables.iter().cloned().collect(),
            overrides: self.overrides.clone(),
        })
    }

    fn config(&self) -> Config {
        self.load().unwrap_or_else(|findings| panic!("{findings:#?}")).0
    }

    /// Path and problem of each error.
    fn errors(&self) -> Vec<(String, String)> {
        let findings = self.load().err().unwrap_or_default();
        let errors = findings.into_iter().filter(|finding| finding.severity == Severity::Error);
        errors.map(|finding| (finding.path, finding.problem)).collect()
    }

    fn error_paths(&self) -> Vec<String> {
        self.errors().into_iter().map(|(path, _)| path).collect()
    }

    /// What the only error says to do.
    fn remedy(&self) -> String {
        let findings = self.load().err().unwrap_or_default();
        let errors: Vec<_> = findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
        assert_eq!(errors.len(), 1, "{findings:#?}");
        errors[0].remedy.clone()
    }
}

fn explained(config: &Config) -> Vec<(String, String)> {
    config.explain().into_iter().map(|setting| (setting.path, setting.value)).collect()
}

mod shipped {
    use super::*;

    #[test]
    fn nothing_given_is_the_shipped_defaults() {
        let (config, findings) = Start::default().load().unwrap();
        assert_eq!(explained(&config), explained(&Config::default()));
        assert!(findings.iter().all(|finding| finding.severity == Severity::Warning));
    }

    #[test]
    fn the_defaults_of_the_engine_are_the_shipped_ones() {
        let config = Config::default();
        assert_eq!(config.vad, VadSettings::default());
        assert_eq!(config.endpoint, EndpointSettings::default());
        assert_eq!(config.playout, PlayoutSettings::default());
        assert_eq!(config.call_settings(None), CallSettings::default());
    }

    #[test]
    fn every_setting_stands_in_the_file_and_the_file_holds_nothing_else() {
        let file: Table = DEFAULT_TOML.parse().unwrap();
        let typed = Table::try_from(Config::default()).unwrap();
        let paths = |table: &Table| {
            let mut paths: BTreeSet<String> = shipped_paths(table).into_iter().collect();
            for entry in table["business"].as_array().unwrap() {
                paths.extend(entry.as_table().unwrap().keys().map(|key| format!("business.{key}")));
            }
            paths
        };
        assert_eq!(paths(&file), paths(&typed));
    }

    #[test]
    fn every_setting_is_documented_with_its_default_and_its_unit() {
        let (mut comment, mut seen) = (String::new(), 0);
        for line in DEFAULT_TOML.lines() {
            match line.split_once(" = ") {
                _ if line.starts_with('#') => comment.push_str(line.trim_start_matches('#')),
                Some((key, value)) => {
                    assert!(
                        comment.contains(&format!("Default {value}:")),
                        "{key}: the comment names no default {value}"
                    );
                    let unit = match key.rsplit('_').next() {
                        Some("ms") => "Milliseconds",
                        Some("s") => "Seconds",
                        Some("bytes") => "Bytes",
                        _ => "",
                    };
                    assert!(comment.contains(unit), "{key}: the comment does not say {unit}");
                    seen += 1;
                }
                None => comment.clear(),
            }
            if line.contains(" = ") && !line.starts_with('#') {
                comment.clear();
            }
        }
        assert_eq!(seen, shipped_paths(&DEFAULT_TOML.parse().unwrap()).len() + 7, "7 are a business's");
    }

    #[test]
    fn the_documented_ranges_are_those_that_are_checked() {
        for (path, _, least, most) in super::super::check::ranges(&Config::default()) {
            let (section, key) = path.split_once('.').unwrap();
            let section = DEFAULT_TOML.split_once(&format!("\n[{section}]\n")).unwrap().1;
            let above = section.split_once(&format!("\n{key} = ")).unwrap().0;
            let comment: Vec<&str> = above.lines().rev().take_while(|line| line.starts_with('#')).collect();
            let comment = comment.join(" ");
            assert!(comment.contains(&most.to_string()), "{path}: {least} to {most}");
        }
    }

    #[test]
    fn a_start_says_that_reception_answers_every_number() {
        let (config, warnings) = Start::default().load().unwrap();
        assert!(warnings.iter().any(|finding| finding.path == "business" && finding.problem.contains("Reception")));
        let business = config.business_for(&"+15005550006".parse().unwrap()).unwrap();
        assert_eq!(business.name.as_str(), "Reception");
    }
}

mod layering {
    use super::*;

    #[test]
    fn what_is_given_later_wins() {
        let file = "[log]\nlevel = \"debug\"\n[barge_in]\nmin_speech_ms = 300";
        let start = Start::with_file(file);
        assert_eq!(start.config().log.level, LogLevel::Debug);
        assert_eq!(start.config().barge_in.min_speech_ms, 300);
        let start =
            start.and("TRUNKLINE__BARGE_IN__MIN_SPEECH_MS", " 350 ").and("TRUNKLINE__HTTP__LISTEN", "127.0.0.1:1");
        assert_eq!(start.config().barge_in.min_speech_ms, 350);
        let start = start.and_option("http.listen", "[::1]:2", "--listen");
        assert_eq!(start.config().http.listen.to_string(), "[::1]:2");
    }

    #[test]
    fn a_variable_may_name_the_file_and_the_command_line_wins_over_it() {
        let named = Start::with_file("[database]\npool = 7");
        let path = named.file.as_ref().unwrap().path().to_str().unwrap();
        assert_eq!(Start::with("TRUNKLINE_CONFIG", path).config().database.pool, 7);
        let both = Start::with_file("[database]\npool = 8").and("TRUNKLINE_CONFIG", path);
        assert_eq!(both.config().database.pool, 8);
    }

    #[test]
    fn a_text_that_looks_like_a_number_stays_a_text() {
        assert_eq!(Start::with("TRUNKLINE__OPENAI__VOICE", "123").config().openai.voice, "123");
        let start = Start::with("OPENAI_API_KEY", "0123456789");
        assert_eq!(start.config().openai.api_key.unwrap().expose_secret(), "0123456789");
    }

    #[test]
    fn every_setting_can_be_set_by_a_variable() {
        let shipped: Table = DEFAULT_TOML.parse().unwrap();
        for path in shipped_paths(&shipped) {
            let text = match value_at(&shipped, &path).unwrap() {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let variable = format!("TRUNKLINE__{}", path.to_uppercase().replace('.', "__"));
            let config = Start::with(&variable, &text).config();
            assert_eq!(config.source(&path), Source::Variable(variable));
            assert_eq!(explained(&config), explained(&Config::default()));
        }
    }

    #[test]
    fn explain_says_where_each_value_came_from() {
        let config =
            Start::with_file("\n[log]\nlevel = \"warn\"").and("TRUNKLINE__VAD__CONFIDENCE_THRESHOLD", "0.7").config();
        let settings = config.explain();
        let find = |path: &str| settings.iter().find(|setting| setting.path == path).unwrap().clone();
        assert!(matches!(find("log.level").source, Source::File { line: 3, .. }));
        assert_eq!(find("vad.confidence_threshold").value, "0.7");
        assert!(matches!(find("vad.confidence_threshold").source, Source::Variable(_)));
        assert_eq!(find("playout.lead_ms").source, Source::Shipped);
    }

    #[test]
    fn directories_follow_data_dir_unless_they_are_named() {
        let config = Start::with("TRUNKLINE__DATA_DIR", "/srv/calls").and("TRUNKLINE__SPOOL__DIR", "/spool").config();
        assert_eq!(config.database_url().expose(), "sqlite:/srv/calls/trunkline.db");
        assert_eq!(config.recordings_dir(), Path::new("/srv/calls/recordings"));
        assert_eq!(config.spool_dir(), Path::new("/spool"));
    }
}

mod faults {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let start = Start::with_file(
            "colour = 1\n[http]\nlisten = \"localhost\"\nlistn = 1\n[vad]\naggressiveness = 9\n[log]\nlevel = \"loud\"\n\
             [playout]\nlead_ms = -1\npreroll_ms = \"soon\"",
        )
        .and("TRUNKLINE__DATABASE__POOL", "many")
        .and("TRUNKLINE__NOWHERE", "1");
        let mut paths = start.error_paths();
        paths.sort();
        assert_eq!(
            paths,
            [
                "colour",
                "database.pool",
                "http.listen",
                "http.listn",
                "log.level",
                "nowhere",
                "playout.lead_ms",
                "playout.preroll_ms",
                "vad.aggressiveness",
            ]
        );
    }

    #[test]
    fn a_finding_names_the_line_the_value_and_the_remedy() {
        let start = Start::with_file("[http]\n\nlisten = \"localhost\"");
        let findings = start.load().unwrap_err();
        let text = findings[0].to_string();
        assert!(text.contains("error: http.listen") && text.contains("localhost"), "{text}");
        assert!(text.contains("line 3") && text.contains("127.0.0.1:8080"), "{text}");
    }

    #[test]
    fn an_unknown_key_is_answered_with_the_nearest_known_one() {
        assert!(Start::with_file("[http]\nlistn = \"127.0.0.1:1\"").remedy().contains("http.listen?"));
        assert!(Start::with("TRUNKLINE__HTTP__LISTN", "x").remedy().contains("TRUNKLINE__HTTP__LISTEN?"));
        let business = "[[business]]\nname = \"A\"\nnumber = \"*\"\ngreting = \"Hello\"";
        assert!(Start::with_file(business).remedy().contains("business[0].greeting?"));
    }

    #[test]
    fn each_rule_is_kept() {
        for (file, path) in [
            ("http = 3", "http"),
            ("[log.level]\nx = 1", "log.level"),
            ("data_dir = \"\"", "data_dir"),
            ("[http]\nlisten = \"127.0.0.1:8080\"\npublic_url = \"calls.example.com\"", "http.public_url"),
            ("[http]\npublic_url = \"https://x.example/?a=1\"", "http.public_url"),
            ("[openai]\nurl = \"ws://api.openai.com/v1/realtime\"", "openai.url"),
            ("[openai]\nurl = \"https://api.openai.com/v1/realtime\"", "openai.url"),
            ("[openai]\nmodel = \"\"", "openai.model"),
            ("[openai]\nvad_threshold = 1.5", "openai.vad_threshold"),
            ("[openai]\nconnect_timeout_ms = 9000", "silence.agent_ready_within_ms"),
            ("[openai]\naudio = \"mp3\"", "openai.audio"),
            ("[twilio]\napi_url = \"http://api.twilio.com\"", "twilio.api_url"),
            ("[twilio]\naccount_sid = \"AC1\"", "twilio.account_sid"),
            ("[agent]\nprovider = \"openai\"", "openai.api_key"),
            ("[local]\nspeech = \"piper\"", "local.piper_model"),
            ("[database]\nurl = \"mysql://h/x\"", "database.url"),
            ("[playout]\nlead_ms = 201", "playout.lead_ms"),
            ("[playout]\npreroll_ms = 2000\nmax_queue_ms = 1500", "playout.max_queue_ms"),
            ("[vad]\naggressiveness = 4", "vad.aggressiveness"),
            ("[vad]\nconfidence_threshold = nan", "vad.confidence_threshold"),
            ("[vad]\nenergy_threshold = 0", "vad.energy_threshold"),
            ("[silence]\nfiller_after_ms = 5000", "silence.retry_after_ms"),
            ("[silence]\nretry_after_ms = 9000", "silence.give_up_after_ms"),
            ("[endpoint]\nhangover_ms = 5000\nmax_utterance_ms = 4000", "endpoint.max_utterance_ms"),
            ("[media]\nstart_timeout_ms = 0", "media.start_timeout_ms"),
            ("business = 3", "business"),
            ("[[business]]\nnumber = \"*\"", "business[0].name"),
            ("[[business]]\nname = \"A\"", "business[0].number"),
            ("[[business]]\nname = \"A\"\nnumber = \"12345\"", "business[0].number"),
            ("[[business]]\nname = \"A\"\nnumber = \"*\"\nlanguage = \"\"", "business[0].language"),
            (
                "[[business]]\nname = \"A\"\nnumber = \"+15005550006\"\ntransfer_to = \"+15005550006\"",
                "business[0].transfer_to",
            ),
            (
                "[[business]]\nname = \"A\"\nnumber = \"*\"\n[[business]]\nname = \"A\"\nnumber = \"+15005550006\"",
                "business[1].name",
            ),
            (
                "[[business]]\nname = \"A\"\nnumber = \"*\"\n[[business]]\nname = \"B\"\nnumber = \"*\"",
                "business[1].number",
            ),
            (
                "[[business]]\nname = \"A\"\nnumber = \"+15005550006\"\n[[business]]\nname = \"B\"\nnumber = \"+15005550006\"",
                "business[1].number",
            ),
            ("this is not toml", "(file)"),
        ] {
            assert_eq!(Start::with_file(file).error_paths(), [path], "{file}");
        }
    }

    #[test]
    fn a_local_address_may_do_without_tls() {
        let file = "[openai]\nurl = \"ws://127.0.0.1:9/v1\"\n[twilio]\napi_url = \"http://localhost:9\"";
        assert_eq!(Start::with_file(file).config().openai.url.as_str(), "ws://127.0.0.1:9/v1");
    }

    #[test]
    fn strangers_are_let_in_only_with_a_token_and_tls() {
        let open = Start::with("TRUNKLINE__HTTP__LISTEN", "0.0.0.0:8080");
        assert_eq!(open.error_paths(), ["twilio.auth_token", "http.public_url"]);
        let open =
            open.and("TWILIO_AUTH_TOKEN", "t0ken").and("TRUNKLINE__HTTP__PUBLIC_URL", "http://calls.example.com");
        assert_eq!(open.error_paths(), ["http.public_url"]);
        let open = Start::with("TRUNKLINE__HTTP__LISTEN", "0.0.0.0:8080")
            .and("TWILIO_AUTH_TOKEN", "t0ken")
            .and("TRUNKLINE__HTTP__PUBLIC_URL", "https://calls.example.com");
        assert_eq!(open.config().twilio_tokens().count(), 1);
        let unsigned = open.and("TRUNKLINE__TWILIO__VALIDATE_SIGNATURES", "false");
        assert_eq!(unsigned.error_paths(), ["twilio.validate_signatures"]);
    }

    #[test]
    fn aggressiveness_0_is_told_as_a_warning() {
        let (_, warnings) = Start::with("TRUNKLINE__VAD__AGGRESSIVENESS", "0").load().unwrap();
        assert!(warnings.iter().any(|finding| finding.path == "vad.aggressiveness"));
    }

    #[test]
    fn a_file_that_is_not_there_is_told() {
        assert_eq!(Start::with("TRUNKLINE_CONFIG", "/nowhere/x.toml").error_paths(), ["(file)"]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_file_makes_loading_panic(text in "(\\[{0,2}(http|business|log|x)\\]{0,2}\n|[a-z_.]{1,12} ?= ?[-0-9a-z\"*+.]{0,9}\n){0,8}") {
            let mut layers = Layers::shipped();
            layers.lay_file(Path::new("x.toml"), &text);
            let (config, indices) = super::super::typed::read(&mut layers);
            super::super::check::check(&config, &indices);
        }

        #[test]
        fn no_variable_makes_loading_panic(name in "(HTTP|LOG|BUSINESS|_|__|LISTEN|LEVEL|X){0,5}", value: String) {
            Start::with(&format!("TRUNKLINE__{name}"), &value).load().ok();
        }
    }
}

mod businesses {
    use super::*;

    const TWO: &str = "[[business]]\nname = \"Bakery\"\nnumber = \"+15005550006\"\ngreeting = \"Bakery!\"\n\
                       [[business]]\nname = \"Office\"\nnumber = \"*\"\ntransfer_to = \"+15005550001\"";

    #[test]
    fn a_number_of_its_own_wins_over_the_catch_all() {
        let config = Start::with_file(TWO).config();
        assert_eq!(config.business_for(&"+15005550006".parse().unwrap()).unwrap().name.as_str(), "Bakery");
        assert_eq!(config.business_for(&"+15005550009".parse().unwrap()).unwrap().name.as_str(), "Office");
        assert_eq!(config.business[0].language, "en-US");
        assert_eq!(config.business[0].greeting.as_deref(), Some("Bakery!"));
        assert_eq!(config.business[1].greeting, None);
    }

    #[test]
    fn without_a_catch_all_unknown_numbers_have_nobody() {
        let config = Start::with_file("[[business]]\nname = \"Bakery\"\nnumber = \"+15005550006\"").config();
        assert_eq!(config.business_for(&"+15005550009".parse().unwrap()), None);
        assert_eq!(Start::with_file("business = []").config().business_for(&"+15005550009".parse().unwrap()), None);
    }
}

mod secret {
    use super::*;

    const SECRET: &str = "s3cr3tV4lue";

    fn all() -> Start {
        Start::with("TWILIO_AUTH_TOKEN", SECRET)
            .and("TWILIO_AUTH_TOKEN_PREVIOUS", SECRET)
            .and("OPENAI_API_KEY", SECRET)
            .and("DATABASE_URL", &format!("sqlite:x.db?key={SECRET}"))
    }

    #[test]
    fn a_secret_is_never_shown() {
        let config = all().config();
        assert_eq!(config.twilio.auth_token.as_ref().unwrap().expose_secret(), SECRET);
        assert!(!format!("{config:?}").contains(SECRET));
        assert!(!format!("{:?}", config.explain()).contains(SECRET));
        assert!(!toml::to_string(&config).unwrap().contains(SECRET));
        assert!(
            !format!(
                "{:?}",
                ConfigSources { environment: all().variables.into_iter().collect(), ..Default::default() }
            )
            .contains(SECRET)
        );
        assert!(
            config.explain().iter().any(|setting| setting.path == "openai.api_key" && setting.value.contains("set"))
        );
    }

    #[test]
    fn a_finding_about_a_secret_does_not_show_it() {
        let spaced = format!("Bearer {SECRET}");
        for start in [
            Start::with_file(&format!("[openai]\napi_key = \"{SECRET}\"")),
            Start::with_file(&format!("[openai]\napi_key = {SECRET}")),
            Start::with_file(&format!("[twilio]\nauth_tokn = \"{SECRET}\"")),
            Start::with("TRUNKLINE__OPENAI__API_KEY", SECRET),
            Start::with("OPENAI_API_KEY", &spaced),
            Start::with("DATABASE_URL", &format!("mysql://user:{SECRET}@h/x")),
            Start::with_file(&format!("[database]\nurl = \"host=h password={SECRET}\"")),
            all().and("TWILIO_AUTH_TOKEN_FILE", "/run/secrets/token"),
            Start::with_file(&format!("[openai]\nurl = \"wss://user:{SECRET}@h/v1\"")),
        ] {
            let findings = start.load().unwrap_err();
            let text: String = findings.iter().map(|finding| format!("{finding}{finding:?}")).collect();
            assert!(!text.contains(SECRET), "{text}");
        }
    }

    #[test]
    fn a_secret_is_no_setting() {
        assert!(Start::with("TRUNKLINE__OPENAI__API_KEY", SECRET).remedy().contains("OPENAI_API_KEY"));
        assert!(Start::with_file("[twilio]\nauth_token = \"x\"").remedy().contains("TWILIO_AUTH_TOKEN"));
    }

    #[test]
    fn a_secret_may_be_in_a_file_but_not_in_both_places() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{SECRET}").unwrap();
        let path = file.path().to_str().unwrap();
        for variable in ["OPENAI_API_KEY", "TWILIO_AUTH_TOKEN", "TWILIO_AUTH_TOKEN_PREVIOUS"] {
            let start = Start::with("TWILIO_AUTH_TOKEN", "a");
            let start = if variable == "TWILIO_AUTH_TOKEN" { Start::default() } else { start };
            let config = start.and(&format!("{variable}_FILE"), path).config();
            let read = match variable {
                "OPENAI_API_KEY" => config.openai.api_key,
                "TWILIO_AUTH_TOKEN" => config.twilio.auth_token,
                _ => config.twilio.auth_token_previous,
            };
            assert_eq!(read.unwrap().expose_secret(), SECRET, "{variable}");
        }
        let both = Start::with("OPENAI_API_KEY", "a").and("OPENAI_API_KEY_FILE", path);
        assert_eq!(both.error_paths(), ["openai.api_key"]);
        let missing = Start::with("OPENAI_API_KEY_FILE", "/nowhere/key");
        assert_eq!(missing.error_paths(), ["openai.api_key"]);
    }

    #[test]
    fn the_well_known_variables_win_over_the_file_and_clash_with_the_other_variable() {
        let sid = format!("AC{}", "0f".repeat(16));
        let start = Start::with_file("[database]\nurl = \"sqlite:a.db\"")
            .and("DATABASE_URL", "sqlite:b.db")
            .and("TWILIO_ACCOUNT_SID", &sid);
        assert_eq!(start.config().database_url().expose(), "sqlite:b.db");
        assert_eq!(start.config().twilio.account_sid.unwrap().as_str(), sid);
        assert_eq!(start.and("TRUNKLINE__DATABASE__URL", "sqlite:c.db").error_paths(), ["database.url"]);
    }

    #[test]
    fn a_variable_set_to_nothing_is_not_set() {
        assert!(Start::with("OPENAI_API_KEY", "").config().openai.api_key.is_none());
    }

    #[test]
    fn both_tokens_are_accepted_while_the_token_is_changed() {
        let config = Start::with("TWILIO_AUTH_TOKEN", "new").and("TWILIO_AUTH_TOKEN_PREVIOUS", "old").config();
        let tokens: Vec<&str> = config.twilio_tokens().map(|token| token.expose_secret()).collect();
        assert_eq!(tokens, ["new", "old"]);
        assert_eq!(Start::with("TWILIO_AUTH_TOKEN_PREVIOUS", "old").error_paths(), ["twilio.auth_token"]);
    }
}
