use super::*;
use std::collections::BTreeSet;
use std::io::Write;

use proptest::prelude::*;
use secrecy::ExposeSecret;
use toml::{Table, Value};

use super::layers::{Layers, shipped_paths, value_at};

mod businesses;
mod faults;
mod layering;
mod secret;
mod shipped;
mod transcription;

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

    /// Whether it would start with a warning about this setting.
    fn warns_of(&self, path: &str) -> bool {
        let (_, warnings) = self.load().unwrap_or_else(|findings| panic!("{findings:#?}"));
        warnings.iter().any(|finding| finding.path == path)
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
