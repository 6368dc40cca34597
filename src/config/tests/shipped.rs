//! What the shipped file holds.

use super::*;
use crate::engine::business::Directory;

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
    assert_eq!(config.call_settings(None, config.openai.turns), CallSettings::default());
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
                assert!(comment.contains(&format!("Default {value}:")), "{key}: the comment names no default {value}");
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
    let file: toml::Table = DEFAULT_TOML.parse().unwrap();
    let of_a_business = file["business"][0].as_table().unwrap().len();
    assert_eq!(seen, shipped_paths(&file).len() + of_a_business, "{of_a_business} are a business's");
}

#[test]
fn the_documented_ranges_are_those_that_are_checked() {
    for (path, _, least, most) in super::super::check::ranges(&Config::default()) {
        let (section, key) = path.rsplit_once('.').unwrap();
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
    let directory = Directory::of(config.seeds());
    let business = directory.answering(Some(&"+15005550006".parse().unwrap())).unwrap();
    assert_eq!(business.id.as_str(), "Reception");
}
