//! What is wrong is told, all at once, with its remedy.

use std::path::Path;

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
        ("[agent]\nprovider = \"deepgram\"", "deepgram.api_key"),
        ("[deepgram]\nurl = \"ws://agent.deepgram.com/v1/agent/converse\"", "deepgram.url"),
        ("[deepgram]\nvoice = \" \"", "deepgram.voice"),
        ("[deepgram]\nkeep_alive_ms = 9500", "deepgram.keep_alive_ms"),
        ("[deepgram]\nconnect_timeout_ms = 9000", "silence.agent_ready_within_ms"),
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
fn an_asterisk_is_steered_only_with_a_password_and_where_its_audio_can_come() {
    let at = |url: &str| Start::with("TRUNKLINE__ASTERISK__ARI__URL", url);
    let here = "http://127.0.0.1:8088/ari";
    assert_eq!(at(here).error_paths(), ["asterisk.ari.password", "asterisk.audiosocket.enabled"]);
    let whole = |url: &str| {
        at(url).and("ASTERISK_ARI_PASSWORD", "s3cret").and("TRUNKLINE__ASTERISK__AUDIOSOCKET__ENABLED", "true")
    };
    let config = whole(here).config();
    assert_eq!(config.asterisk.ari.url.as_ref().unwrap().as_str(), "http://127.0.0.1:8088/ari");
    assert!(config.asterisk.ari.password.is_some());
    for (setting, value) in
        [("APP", "a,b"), ("TRANSFER_CONTEXT", "a b"), ("USERNAME", "a:b"), ("FORMAT", "ulaw"), ("DIAL", "PJSIP/1")]
    {
        let wrong = whole(here).and(&format!("TRUNKLINE__ASTERISK__ARI__{setting}"), value);
        assert_eq!(wrong.error_paths(), [format!("asterisk.ari.{}", setting.to_lowercase())], "{value}");
    }
    assert!(whole("http://pbx.example/ari").warns_of("asterisk.ari.url"));
    assert_eq!(whole("http://u:p@pbx.example/ari").error_paths(), ["asterisk.ari.url"]);
    assert_eq!(whole("ftp://pbx.example/ari").error_paths(), ["asterisk.ari.url"]);
}

#[test]
fn strangers_are_let_in_only_with_a_token_and_tls() {
    let open = Start::with("TRUNKLINE__HTTP__LISTEN", "0.0.0.0:8080");
    assert_eq!(open.error_paths(), ["twilio.auth_token", "http.public_url"]);
    let open = open.and("TWILIO_AUTH_TOKEN", "t0ken").and("TRUNKLINE__HTTP__PUBLIC_URL", "http://calls.example.com");
    assert_eq!(open.error_paths(), ["http.public_url"]);
    let open = Start::with("TRUNKLINE__HTTP__LISTEN", "0.0.0.0:8080")
        .and("TWILIO_AUTH_TOKEN", "t0ken")
        .and("TRUNKLINE__HTTP__PUBLIC_URL", "https://calls.example.com");
    assert_eq!(open.config().twilio_tokens().count(), 1);
    let unsigned = open.and("TRUNKLINE__TWILIO__VALIDATE_SIGNATURES", "false");
    assert_eq!(unsigned.error_paths(), ["twilio.validate_signatures"]);
}

#[test]
fn what_could_not_be_read_is_not_judged_besides() {
    let key = tempfile::NamedTempFile::new().unwrap();
    let both = Start::with("TWILIO_AUTH_TOKEN", "a").and("TWILIO_AUTH_TOKEN_FILE", key.path().to_str().unwrap());
    assert_eq!(both.error_paths(), ["twilio.auth_token"]);
    let public = both.and("TRUNKLINE__HTTP__LISTEN", "0.0.0.0:8080");
    let public = public.and("TRUNKLINE__HTTP__PUBLIC_URL", "https://calls.example.com");
    assert_eq!(public.error_paths(), ["twilio.auth_token"]);
    for start in [Start::with("TRUNKLINE_CONFIG", "/nowhere/x.toml"), Start::with_file("this is not toml")] {
        let findings = start.load().unwrap_err();
        assert!(findings.iter().all(|finding| finding.path != "business"), "{findings:#?}");
    }
}

#[test]
fn a_business_that_is_faulty_is_held_against_the_others_all_the_same() {
    let file = "[[business]]\nname = \"A\"\nnumber = \"*\"\n[[business]]\nname = \"A\"\nnumber = \"12\"\n\
                [[business]]\nname = \"B\"\nnumber = \"*\"\nlanguage = 3";
    let mut paths = Start::with_file(file).error_paths();
    paths.sort();
    assert_eq!(paths, ["business[1].name", "business[1].number", "business[2].language", "business[2].number"]);
    // What stands in for a faulty value is nobody's.
    let file = "[[business]]\nname = \"A\"\nnumber = \"12\"\n[[business]]\nname = \"B\"\nnumber = \"*\"";
    assert_eq!(Start::with_file(file).error_paths(), ["business[0].number"]);
}

#[test]
fn a_token_that_is_none_of_twilios_is_told_as_a_warning() {
    let warned = |token: &str| Start::with("TWILIO_AUTH_TOKEN", token).warns_of("twilio.auth_token");
    assert!(warned("x") && warned(&"g".repeat(32)) && warned(&"0".repeat(31)));
    assert!(!warned(&"0aF9".repeat(8)));
}

#[test]
fn what_the_receptionist_will_not_say_is_told_as_a_warning() {
    use std::os::unix::fs::symlink;
    let bakery = "[[business]]\nname = \"Bakery\"\nnumber = \"*\"\ngreeting = \"Bakery!\"\n";
    let folder = tempfile::tempdir().unwrap();
    let with = |text: &str| Start::with_file(text).and("PATH", folder.path().to_str().unwrap());
    let german = format!("{bakery}language = \"de\"");
    assert!(with(bakery).warns_of("business[0].greeting"));
    assert!(with("[local]\nspeech = \"flite\"").warns_of("local.speech"));
    symlink("/bin/sh", folder.path().join("flite")).unwrap();
    assert!(!with(bakery).warns_of("business[0].greeting") && with(&german).warns_of("business[0].greeting"));
    assert!(!with("[local]\nspeech = \"flite\"").warns_of("local.speech"));
    assert!(with(&format!("[local]\nspeech = \"clips\"\n{bakery}")).warns_of("business[0].greeting"));
    let piper = "[local]\nspeech = \"piper\"\npiper_model = \"/nowhere/voice.onnx\"";
    assert!(with(piper).warns_of("local.piper_model") && with(piper).warns_of("local.speech"));

    let prompted = format!("{bakery}prompt = \"You sell bread.\"");
    assert!(with(&prompted).warns_of("business[0].prompt") && !with(bakery).warns_of("business[0].prompt"));
    let openai = with(&prompted).and("TRUNKLINE__AGENT__PROVIDER", "openai").and("OPENAI_API_KEY", "k");
    assert!(!openai.warns_of("business[0].prompt") && !openai.warns_of("business[0].greeting"));
}

#[test]
fn a_carrier_that_is_to_record_and_can_not_be_asked_is_told_as_a_warning() {
    let (_, warnings) = Start::with("TRUNKLINE__RECORDING__POLICY", "carrier").load().unwrap();
    assert!(warnings.iter().any(|finding| finding.path == "recording.policy"));
    let (_, warnings) = Start::with("TRUNKLINE__RECORDING__POLICY", "own").load().unwrap();
    assert!(!warnings.iter().any(|finding| finding.path == "recording.policy"));
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
