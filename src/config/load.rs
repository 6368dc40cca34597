//! From the defaults, a file, the environment and the command line to one checked [`Config`].

use std::path::PathBuf;

use super::Config;
use super::check::check;
use super::environment::Environment;
use super::finding::{Finding, Severity, Source};
use super::layers::{Layers, PREFIX};
use super::secrets::{self, SECRETS};
use super::{speech, transcription, typed};

/// Names the file of settings, where the command line does not.
const FILE_VARIABLE: &str = "TRUNKLINE_CONFIG";

/// Settings with a well-known variable of their own, which may also be in a file that `…_FILE` names.
const WELL_KNOWN: [(&str, &str); 3] = [
    ("twilio.account_sid", "TWILIO_ACCOUNT_SID"),
    ("database.url", "DATABASE_URL"),
    ("recordings.s3_access_key_id", "AWS_ACCESS_KEY_ID"),
];

/// Where a configuration comes from, besides the shipped defaults.
#[derive(Clone, Debug, Default)]
pub struct ConfigSources {
    /// The file that the command line names; without one, the variable `TRUNKLINE_CONFIG` may name one.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Environment,
    /// What the command line sets; it wins over everything else.
    pub overrides: Vec<Override>,
}

/// One setting that the command line sets.
#[derive(Clone, Debug)]
pub struct Override {
    /// The setting, as in `http.listen`.
    pub path: &'static str,
    /// Its value, as typed.
    pub value: String,
    /// The option, as in `--listen`.
    pub option: &'static str,
}

impl Config {
    /// Reads and checks a configuration as a whole.
    ///
    /// With the configuration come the warnings. Errors come all at once, warnings among them.
    pub fn load(sources: &ConfigSources) -> Result<(Self, Vec<Finding>), Vec<Finding>> {
        let mut layers = Layers::shipped();
        lay_file(&mut layers, sources);
        lay_variables(&mut layers, &sources.environment);
        lay_well_known(&mut layers, &sources.environment);
        for given in &sources.overrides {
            layers.lay_text(given.path, &given.value, Source::Option(given.option));
        }
        let (mut config, indices) = typed::read(&mut layers);
        config.read_secrets(&sources.environment, &mut layers);
        config.sources = layers.sources;

        let mut findings = layers.findings;
        let environment = &sources.environment;
        let judged = [
            check(&config, &indices),
            speech::check(&config, &indices, environment),
            transcription::check(&config, environment),
        ];
        let judged = judged.concat();
        let unread: Vec<String> = findings.iter().map(|finding| finding.path.clone()).collect();
        findings.extend(judged.into_iter().filter(|finding| !unread.iter().any(|path| hides(path, finding))));
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        if findings.iter().any(|finding| finding.severity == Severity::Error) {
            return Err(findings);
        }
        Ok((config, findings))
    }

    fn read_secrets(&mut self, environment: &Environment, layers: &mut Layers) {
        for secret in SECRETS {
            match secrets::read(secret.path, secret.variable, environment) {
                Ok(Some((value, source))) => {
                    *(secret.slot)(self) = Some(value.into());
                    layers.sources.insert(secret.path.to_owned(), source);
                }
                Ok(None) => {}
                Err(finding) => layers.findings.push(finding),
            }
        }
    }
}

/// Whether a finding judges only what stands there instead of a value that could not be read at `path`, and was told.
fn hides(path: &str, finding: &Finding) -> bool {
    finding.path == path || path == "(file)" && finding.path == "business"
}

fn lay_file(layers: &mut Layers, sources: &ConfigSources) {
    let (path, source) = match (&sources.file, sources.environment.get(FILE_VARIABLE)) {
        (Some(path), _) => (path.clone(), Source::Option("--config")),
        (None, Some(path)) => (PathBuf::from(path), Source::Variable(FILE_VARIABLE.to_owned())),
        (None, None) => return,
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => layers.lay_file(&path, &text),
        Err(error) => {
            let problem = format!("{}: {error}", path.display());
            let remedy = "name a file that exists and can be read, or none: every setting has a default";
            layers.findings.push(Finding::error("(file)", source, problem, remedy));
        }
    }
}

fn lay_variables(layers: &mut Layers, environment: &Environment) {
    for (name, value) in environment.under(PREFIX) {
        let path = name.to_lowercase().replace("__", ".");
        layers.lay_text(&path, value, Source::Variable(format!("{PREFIX}{name}")));
    }
}

fn lay_well_known(layers: &mut Layers, environment: &Environment) {
    for (path, variable) in WELL_KNOWN {
        let (value, source) = match secrets::read(path, variable, environment) {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(finding) => {
                layers.findings.push(finding);
                continue;
            }
        };
        if let Source::Variable(other) = layers.source(path) {
            let problem = format!("{variable} and {other} both set it");
            layers.findings.push(Finding::error(path, source, problem, format!("unset {other}")));
            continue;
        }
        layers.lay_text(path, &value, source);
    }
}
