//! What is wrong with a configuration, told so that it can be mended.

use std::fmt;
use std::path::PathBuf;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, but is probably not meant.
    Warning,
    /// The service can't start with it.
    Error,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `config/default.toml`, built in.
    Shipped,
    /// A file of the operator's.
    File {
        /// Which file.
        path: PathBuf,
        /// The line of the key, from 1; 0 where none can be named.
        line: usize,
    },
    /// An environment variable.
    Variable(String),
    /// A file that an environment variable names.
    SecretFile(String),
    /// An option of the command line.
    Option(&'static str),
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The setting, as in `http.listen` or `business[1].number`.
    pub path: String,
    /// Where its value came from.
    pub source: Source,
    /// What is wrong, with the offending value unless that is a secret.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl Finding {
    /// Something that keeps the service from starting.
    pub fn error(path: &str, source: Source, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        let severity = Severity::Error;
        Self { severity, path: path.to_owned(), source, problem: problem.into(), remedy: remedy.into() }
    }

    /// Something that is probably not meant.
    pub fn warning(path: &str, source: Source, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(path, source, problem, remedy) }
    }

    /// The finding in one line, for a log.
    pub fn in_one_line(&self) -> String {
        format!("{} ({}): {}; {}", self.path, self.source, self.problem, self.remedy)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shipped => f.write_str("the shipped default"),
            Self::File { path, line: 0 } => write!(f, "{}", path.display()),
            Self::File { path, line } => write!(f, "{}, line {line}", path.display()),
            Self::Variable(name) => write!(f, "the variable {name}"),
            Self::SecretFile(name) => write!(f, "the file that {name} names"),
            Self::Option(name) => write!(f, "the option {name}"),
        }
    }
}

impl fmt::Display for Finding {
    /// Three lines: what, where from, what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}: {}", self.severity, self.path, self.problem)?;
        writeln!(f, "   from: {}", self.source)?;
        write!(f, " remedy: {}", self.remedy)
    }
}
