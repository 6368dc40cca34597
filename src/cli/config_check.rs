//! `trunkline config check`: everything that is wrong with a configuration, and how to mend it.

use std::process::ExitCode;

use crate::cli::out::Out;
use crate::cli::{ConfigCheckArgs, UNUSABLE, report};
use crate::config::{Config, ConfigSources};

/// The exit code under `--strict`, if there are warnings.
const WARNED: u8 = 1;

/// Checks the configuration that `serve` would use.
pub fn run(args: &ConfigCheckArgs) -> ExitCode {
    ExitCode::from(check(args, &args.config.sources(), &mut Out::stdout()))
}

fn check(args: &ConfigCheckArgs, sources: &ConfigSources, out: &mut Out) -> u8 {
    match Config::load(sources) {
        Ok((config, warnings)) => {
            if args.explain {
                report::explain(out, &config);
            }
            report::findings(out, &warnings);
            if args.strict && !warnings.is_empty() { WARNED } else { 0 }
        }
        Err(findings) => {
            report::findings(out, &findings);
            UNUSABLE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::out::Page;
    use crate::config::Environment;

    fn checked(args: ConfigCheckArgs, variables: &[(&str, &str)]) -> (u8, String) {
        let environment: Environment = variables.iter().copied().collect();
        let page = Page::default();
        let code = check(&args, &ConfigSources { environment, ..ConfigSources::default() }, &mut Out::to(page.clone()));
        (code, page.text())
    }

    #[test]
    fn warnings_are_told_and_do_not_fail_unless_they_should() {
        let (code, text) = checked(ConfigCheckArgs::default(), &[]);
        assert_eq!(code, 0);
        assert!(text.contains("warning: business") && text.contains("the service can start"), "{text}");
        assert_eq!(checked(ConfigCheckArgs { strict: true, ..Default::default() }, &[]).0, WARNED);
    }

    #[test]
    fn every_error_comes_with_its_remedy() {
        let (code, text) =
            checked(ConfigCheckArgs::default(), &[("TRUNKLINE__AGENT__PROVIDER", "openai"), ("TRUNKLINE__X", "1")]);
        assert_eq!(code, UNUSABLE);
        assert!(text.contains("2 errors") && text.contains("OPENAI_API_KEY"), "{text}");
        assert_eq!(text.matches("remedy:").count(), text.matches("from:").count());
    }

    #[test]
    fn explain_lists_settings_and_shows_no_secret() {
        let args = ConfigCheckArgs { explain: true, ..Default::default() };
        let (code, text) = checked(args, &[("OPENAI_API_KEY", "s3cr3t"), ("TRUNKLINE__LOG__LEVEL", "debug")]);
        assert_eq!(code, 0);
        assert!(text.contains("# the variable TRUNKLINE__LOG__LEVEL") && text.contains("(set, secret)"), "{text}");
        assert!(!text.contains("s3cr3t"), "{text}");
    }
}
