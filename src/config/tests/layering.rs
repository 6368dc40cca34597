//! Which source of a setting wins, and what is told of it.

use std::path::Path;

use super::*;

#[test]
fn what_is_given_later_wins() {
    let file = "[log]\nlevel = \"debug\"\n[barge_in]\nmin_speech_ms = 300";
    let start = Start::with_file(file);
    assert_eq!(start.config().log.level, LogLevel::Debug);
    assert_eq!(start.config().barge_in.min_speech_ms, 300);
    let start = start.and("TRUNKLINE__BARGE_IN__MIN_SPEECH_MS", " 350 ").and("TRUNKLINE__HTTP__LISTEN", "127.0.0.1:1");
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
    assert_eq!(config.spool_dir(), Path::new("/spool"));
}
