//! Findings and settings of a configuration, as a person reads them.

use crate::cli::out::Out;
use crate::config::{Config, Explained, Finding, Severity};

/// Every finding, with what to do about it, and a last line that sums up.
pub fn findings(out: &mut Out, findings: &[Finding]) {
    for finding in findings {
        out.line(finding);
        out.line("");
    }
    out.line(summary(findings));
}

/// How many errors and warnings there are, in words.
pub fn summary(findings: &[Finding]) -> String {
    let count = |severity, word: &str| match findings.iter().filter(|finding| finding.severity == severity).count() {
        1 => format!("1 {word}"),
        many => format!("{many} {word}s"),
    };
    let (errors, warnings) = (count(Severity::Error, "error"), count(Severity::Warning, "warning"));
    let verdict = match findings.iter().map(|finding| finding.severity).max() {
        Some(Severity::Error) => "the service can't start with this configuration",
        Some(Severity::Warning) => "the service can start",
        None => "all is well",
    };
    format!("{errors}, {warnings}: {verdict}")
}

/// Every setting with its value and where it came from.
pub fn explain(out: &mut Out, config: &Config) {
    settings(out, &config.explain());
    out.line("");
}

/// These settings with their values and where they came from.
pub fn settings(out: &mut Out, settings: &[Explained]) {
    let width = settings.iter().map(|setting| setting.path.len()).max().unwrap_or_default();
    for setting in settings {
        out.line(format_args!("{:width$} = {}   # {}", setting.path, setting.value, setting.source));
    }
}
