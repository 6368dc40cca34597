//! What the built-in receptionist won't do, though the configuration asks for it: it needs a program to speak words of
//! yours, and it reads no prompt.

use super::business::take_a_message;
use super::environment::Environment;
use super::finding::Finding;
use super::{AgentProvider, Business, Config, LocalSpeech};

/// What callers will not hear. `indices` has the place in the file of each business.
pub(super) fn check(config: &Config, indices: &[usize], environment: &Environment) -> Vec<Finding> {
    let is_usual = config.agent.provider == AgentProvider::Local;
    let is_receptionist = |business: &Business| business.agent.as_deref().map_or(is_usual, |agent| agent == "local");
    if !is_usual && !config.business.iter().any(is_receptionist) {
        return Vec::new();
    }
    let is_installed = |program: &str| environment.has_program(program);
    let mut findings = Vec::new();
    let mut warn = |at: &str, problem: String, remedy: &str| {
        findings.push(Finding::warning(at, config.source(at), problem, remedy));
    };
    let model = &config.local.piper_model;
    let has_model = !model.as_os_str().is_empty();
    if has_model && !model.is_file() {
        let problem = format!("{}: there is no such file, so piper says nothing", model.display());
        warn("local.piper_model", problem, "name piper's voice file (….onnx)");
    }
    if let Some(program) = chosen(config.local.speech)
        && !is_installed(program)
    {
        let problem = format!("is {program}, which is not installed: callers hear the built-in recordings");
        warn("local.speech", problem, "install the program where PATH finds it, or choose another local.speech");
    }
    for (place, business) in indices.iter().zip(&config.business).filter(|(_, business)| is_receptionist(business)) {
        if business.greeting.is_some() && !may_speak(config.local.speech, business, has_model, &is_installed) {
            let problem = "is spoken by no program: callers hear the built-in greeting instead".to_owned();
            let remedy = "install espeak-ng (or flite for English, or piper with a local.piper_model), with local.speech \
                          at auto, or leave the greeting out";
            warn(&format!("business[{place}].greeting"), problem, remedy);
        }
        if !business.prompt.trim().is_empty() && business.prompt != take_a_message() {
            let problem = "is not read by the built-in receptionist".to_owned();
            warn(&format!("business[{place}].prompt"), problem, "set agent.provider to \"openai\", or leave it out");
        }
    }
    findings
}

/// The program that the operator chose.
fn chosen(speech: LocalSpeech) -> Option<&'static str> {
    match speech {
        LocalSpeech::Auto | LocalSpeech::Clips => None,
        LocalSpeech::Flite => Some("flite"),
        LocalSpeech::EspeakNg => Some("espeak-ng"),
        LocalSpeech::Piper => Some("piper"),
    }
}

/// Whether there is a program for the words of this business; one that was chosen and is missing is told once, not for
/// each business.
fn may_speak(speech: LocalSpeech, business: &Business, has_model: bool, is_installed: &dyn Fn(&str) -> bool) -> bool {
    let is_english = business.language.split('-').next().is_some_and(|first| first.eq_ignore_ascii_case("en"));
    match speech {
        LocalSpeech::Auto => {
            is_installed("espeak-ng") || is_english && is_installed("flite") || has_model && is_installed("piper")
        }
        LocalSpeech::Clips => false,
        LocalSpeech::Flite | LocalSpeech::EspeakNg | LocalSpeech::Piper => true,
    }
}
