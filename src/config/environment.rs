//! The environment variables that the service was started with, as a value.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// Where programs are looked for if the variable PATH does not say.
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Environment variables by name. Tests make their own; [`Environment::of_process`] is the real one.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// What the process was started with. The only place that reads it.
    ///
    /// Text that is not UTF-8 keeps a replacement character, which no setting accepts.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect()
    }

    /// The value of a variable. One that is set to nothing counts as not set: container tools pass those on.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
    }

    /// Whether a program is installed: where PATH finds it, or under its own path.
    pub fn has_program(&self, program: &str) -> bool {
        if program.contains('/') {
            return Path::new(program).is_file();
        }
        let path = self.get("PATH").unwrap_or(USUAL_PATH);
        std::env::split_paths(path).any(|folder| folder.join(program).is_file())
    }

    /// Every variable whose name begins with `prefix`, with the rest of its name.
    pub fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Environment {
    /// The number of variables only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment({} variables)", self.0.len())
    }
}
