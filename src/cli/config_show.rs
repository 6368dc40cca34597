//! `trunkline config show` and `trunkline config explain`: what is set, where from, and what it means.

use std::process::ExitCode;

use serde_json::json;

use crate::cli::out::Out;
use crate::cli::{ConfigExplainArgs, ConfigShowArgs, UNUSABLE, load_config, report};
use crate::config::{Config, ConfigSources, Explained, Source, describe};

/// Shows every setting that `serve` would use.
pub fn show(args: &ConfigShowArgs) -> ExitCode {
    let config = match load_config(&args.config.sources()) {
        Ok((config, _)) => config,
        Err(code) => return code,
    };
    let settings = config.explain().into_iter().filter(|setting| !args.changed || setting.source != Source::Shipped);
    let settings: Vec<Explained> = settings.collect();
    let mut out = Out::stdout();
    if args.json {
        for Explained { path, value, source } in settings {
            out.line(json!({ "path": path, "value": value, "source": source.to_string() }));
        }
    } else {
        report::settings(&mut out, &settings);
    }
    ExitCode::SUCCESS
}

/// Explains settings.
pub fn explain(args: &ConfigExplainArgs) -> ExitCode {
    ExitCode::from(explained(args, &args.config.sources(), &mut Out::stdout(), &mut Out::stderr()))
}

fn explained(args: &ConfigExplainArgs, sources: &ConfigSources, out: &mut Out, wrong: &mut Out) -> u8 {
    // Whoever mends a configuration that can't be used needs the words most.
    let config = Config::load(sources).ok().map(|(config, _)| config);
    let mut code = 0;
    for (number, path) in args.settings.iter().enumerate() {
        let described = match describe(path) {
            Ok(described) => described,
            Err(near) => {
                let meant = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                wrong.line(format_args!(
                    "{path}: there is no such setting{meant} `trunkline config show` lists them all"
                ));
                code = UNUSABLE;
                continue;
            }
        };
        if number > 0 {
            out.line("");
        }
        out.line(format_args!("{}\n\n{}", described.path, indented(&described.words)));
        let all = config.as_ref().map(Config::explain).unwrap_or_default();
        let is_it = |setting: &&Explained| setting.path == *path || plain(&setting.path) == described.path;
        let now: Vec<Explained> = all.iter().filter(is_it).cloned().collect();
        match (&config, described.holds.is_empty()) {
            (None, _) => out.line("\n  the configuration can't be used as it is: `trunkline config check` says why"),
            (Some(_), false) => {
                out.line("\n  It holds:");
                described.holds.iter().for_each(|inner| out.line(format_args!("    {inner}")));
            }
            (Some(_), true) => {
                out.line("\n  Now:");
                now.iter().for_each(|it| out.line(format_args!("    {} = {}   # {}", it.path, it.value, it.source)));
            }
        }
    }
    code
}

/// `business[0].name` as it is documented.
fn plain(path: &str) -> String {
    match (path.find('['), path.find(']')) {
        (Some(from), Some(to)) if from < to => format!("{}{}", &path[..from], &path[to + 1..]),
        _ => path.to_owned(),
    }
}

fn indented(words: &str) -> String {
    words.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::out::Page;
    use crate::config::Environment;

    fn asked(settings: &[&str], variables: &[(&str, &str)]) -> (u8, String, String) {
        let environment: Environment = variables.iter().copied().collect();
        let sources = ConfigSources { environment, ..ConfigSources::default() };
        let settings = settings.iter().map(|name| (*name).to_owned()).collect();
        let args = ConfigExplainArgs { settings, ..ConfigExplainArgs::default() };
        let (out, wrong) = (Page::default(), Page::default());
        let code = explained(&args, &sources, &mut Out::to(out.clone()), &mut Out::to(wrong.clone()));
        (code, out.text(), wrong.text())
    }

    #[test]
    fn a_setting_is_told_with_its_words_its_value_and_where_that_came_from() {
        let (code, text, wrong) = asked(&["log.level"], &[("TRUNKLINE__LOG__LEVEL", "debug")]);
        assert_eq!((code, wrong.as_str()), (0, ""));
        assert!(text.contains("Default \"info\"") && text.contains("log.level = \"debug\"   # the variable"), "{text}");
    }

    #[test]
    fn a_section_is_told_with_what_it_holds() {
        let (_, text, _) = asked(&["barge_in"], &[]);
        assert!(text.contains("barge_in.min_speech_ms"), "{text}");
    }

    #[test]
    fn every_business_is_told_of_and_no_secret() {
        let (_, text, _) = asked(&["business.name", "openai.api_key"], &[("OPENAI_API_KEY", "s3cr3t")]);
        assert!(text.contains("business[0].name = \"Reception\"") && text.contains("(set, secret)"), "{text}");
        assert!(!text.contains("s3cr3t"));
    }

    #[test]
    fn what_is_no_setting_is_told_and_fails_and_the_others_are_explained() {
        let (code, text, wrong) = asked(&["log.levle", "log.level"], &[]);
        assert_eq!(code, UNUSABLE);
        assert!(wrong.contains("did you mean log.level?") && text.contains("log.level"), "{wrong}{text}");
    }

    #[test]
    fn words_are_told_though_the_configuration_can_not_be_used() {
        let (code, text, _) = asked(&["log.level"], &[("TRUNKLINE__LOG__LEVEL", "loud")]);
        assert_eq!(code, 0);
        assert!(text.contains("Default \"info\"") && text.contains("config check"), "{text}");
    }
}
