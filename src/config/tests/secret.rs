//! Secrets are read, and never shown.

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
        !format!("{:?}", ConfigSources { environment: all().variables.into_iter().collect(), ..Default::default() })
            .contains(SECRET)
    );
    assert!(config.explain().iter().any(|setting| setting.path == "openai.api_key" && setting.value.contains("set")));
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
    for variable in [
        "OPENAI_API_KEY",
        "TWILIO_AUTH_TOKEN",
        "TWILIO_AUTH_TOKEN_PREVIOUS",
        "TRANSCRIPTION_API_KEY",
        "DEEPGRAM_API_KEY",
        "SUMMARY_API_KEY",
    ] {
        let start = Start::with("TWILIO_AUTH_TOKEN", "a");
        let start = if variable == "TWILIO_AUTH_TOKEN" { Start::default() } else { start };
        let config = start.and(&format!("{variable}_FILE"), path).config();
        let read = match variable {
            "OPENAI_API_KEY" => config.openai.api_key,
            "TWILIO_AUTH_TOKEN" => config.twilio.auth_token,
            "TRANSCRIPTION_API_KEY" => config.transcription.api_key,
            "DEEPGRAM_API_KEY" => config.deepgram.api_key,
            "SUMMARY_API_KEY" => config.summary.api_key,
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
