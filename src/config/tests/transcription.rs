//! Who puts recordings into words, and who sums calls up.

use super::*;
use crate::config::TranscriptionProvider;

const KEY: &str = "s3cr3tV4lue";

fn openai() -> Start {
    Start::with("TRUNKLINE__TRANSCRIPTION__PROVIDER", "openai")
}

#[test]
fn the_usual_address_and_models_are_the_vendors() {
    let config = openai().and("OPENAI_API_KEY", KEY).config();
    let own = &config.transcription;
    assert_eq!(own.address().unwrap().as_str(), "https://api.openai.com/v1");
    assert_eq!(own.models(), ["gpt-4o-transcribe", "whisper-1"]);
    let own = Start::with("TRUNKLINE__TRANSCRIPTION__PROVIDER", "deepgram")
        .and("DEEPGRAM_API_KEY", KEY)
        .and("TRUNKLINE__TRANSCRIPTION__MODELS", " nova-3-medical ,, ")
        .config()
        .transcription;
    assert_eq!(own.address().unwrap().as_str(), "https://api.deepgram.com/v1");
    assert_eq!(own.models(), ["nova-3-medical"]);
    let none = Start::default().config();
    assert_eq!((none.transcription.provider, none.transcription.address()), (TranscriptionProvider::None, None));
    assert!(!none.summary.is_wanted());
}

#[test]
fn openais_key_is_given_to_openai_alone() {
    let here = openai().and("OPENAI_API_KEY", KEY).and("TRUNKLINE__SUMMARY__MODEL", "gpt-5-mini").config();
    assert!(here.transcription_key().is_some() && here.summary_key().is_some());
    let elsewhere = || {
        openai()
            .and("OPENAI_API_KEY", KEY)
            .and("TRUNKLINE__TRANSCRIPTION__URL", "https://words.example.com/v1")
            .and("TRUNKLINE__SUMMARY__URL", "https://words.example.com/v1")
    };
    let config = elsewhere().config();
    assert!(config.transcription_key().is_none() && config.summary_key().is_none());
    let config = elsewhere().and("TRANSCRIPTION_API_KEY", "own").and("SUMMARY_API_KEY", "own").config();
    assert_eq!(config.transcription_key().unwrap().expose_secret(), "own");
    assert_eq!(config.summary_key().unwrap().expose_secret(), "own");
}

#[test]
fn a_service_without_the_key_that_it_needs_is_told() {
    assert!(openai().remedy().contains("TRANSCRIPTION_API_KEY"));
    assert!(Start::with("TRUNKLINE__TRANSCRIPTION__PROVIDER", "deepgram").remedy().contains("DEEPGRAM_API_KEY"));
    assert!(Start::with("TRUNKLINE__SUMMARY__MODEL", "gpt-5-mini").remedy().contains("SUMMARY_API_KEY"));
    openai().and("TRUNKLINE__TRANSCRIPTION__URL", "http://127.0.0.1:8000/v1").config();
}

#[test]
fn words_and_keys_do_not_travel_in_the_open() {
    let url = "TRUNKLINE__TRANSCRIPTION__URL";
    let open = openai().and("TRANSCRIPTION_API_KEY", KEY).and(url, "http://words.example.com/v1");
    assert!(open.remedy().contains("https://"));
    let (_, warnings) = openai().and(url, "http://words.example.com/v1").load().unwrap();
    assert!(warnings.iter().any(|finding| finding.path == "transcription.url"));
    for odd in ["ftp://words.example.com", "https://me:pass@words.example.com/v1", "https://words.example.com/v1?x=1"] {
        let findings = openai().and("TRANSCRIPTION_API_KEY", KEY).and(url, odd).load().unwrap_err();
        assert!(findings.iter().any(|finding| finding.path == "transcription.url"), "{odd}");
    }
}

#[test]
fn a_command_must_say_what_it_listens_to_and_be_installed() {
    let command = |text| Start::with("TRUNKLINE__TRANSCRIPTION__COMMAND", text);
    for odd in ["recognise", "recognise 'x {file}", ""] {
        let findings = command(odd).load().unwrap_err();
        assert!(findings.iter().any(|finding| finding.path == "transcription.command"), "{odd}: {findings:?}");
    }
    let missing = command("no-such-recogniser {file}").and("TRUNKLINE__TRANSCRIPTION__PROVIDER", "command");
    let (_, warnings) = missing.load().unwrap();
    assert!(warnings.iter().any(|finding| finding.problem.contains("no-such-recogniser, which is not installed")));
}

#[test]
fn fields_are_names() {
    let fields = |text| {
        Start::with("OPENAI_API_KEY", KEY).and("TRUNKLINE__SUMMARY__MODEL", "m").and("TRUNKLINE__SUMMARY__FIELDS", text)
    };
    assert_eq!(fields(" name, call_back ,").config().summary.fields(), ["name", "call_back"]);
    assert!(fields("").config().summary.fields().is_empty());
    for odd in ["first name", "city, city", "größe"] {
        assert!(fields(odd).remedy().contains("names of letters"), "{odd}");
    }
}
