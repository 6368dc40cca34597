//! Who is called.

use super::*;
use crate::engine::business::{CallLimits, CalledNumber};

const TWO: &str = "[[business]]\nname = \"Bakery\"\nnumber = \"+15005550006\"\ngreeting = \"Bakery!\"\n\
                   [[business]]\nname = \"Office\"\nnumber = \"*\"\ntransfer_to = \"+15005550001\"";

#[test]
fn what_a_business_leaves_out_has_the_default() {
    let config = Start::with_file(TWO).config();
    let [bakery, office] = &config.seeds()[..] else { panic!("there are two") };
    assert_eq!((bakery.id.as_str(), bakery.profile.name.as_str()), ("Bakery", "Bakery"));
    assert_eq!(bakery.profile.greeting.as_deref(), Some("Bakery!"));
    assert_eq!((bakery.profile.language.as_str(), bakery.profile.time_zone.name()), ("en-US", "UTC"));
    assert!(bakery.profile.prompts.inbound.as_deref().unwrap().contains("take a message"));
    assert_eq!((&bakery.profile.prompts.outbound, &bakery.profile.agent), (&None, &None));
    assert_eq!((bakery.profile.limits, office.profile.limits), (CallLimits::default(), CallLimits::default()));
    assert_eq!(office.profile.numbers, [CalledNumber::Any]);
    assert_eq!(office.profile.greeting, None);
}

#[test]
fn each_fault_of_a_business_names_its_setting() {
    let faults = |line: &str| {
        let file = format!("[[business]]\nname = \"Bakery\"\nnumber = \"*\"\n{line}");
        let findings = Start::with_file(&file).load().unwrap_err();
        let errors = findings.into_iter().filter(|finding| finding.severity == Severity::Error);
        errors.map(|finding| finding.path).collect::<Vec<_>>()
    };
    assert_eq!(faults("prompt = \"We are at {{street}}.\""), ["business[0].prompt"]);
    assert_eq!(faults("prompt_outbound = \"{{street}}\""), ["business[0].prompt_outbound"]);
    assert_eq!(faults("variables = { street = \"None\" }"), ["business[0].variables.street"]);
    assert_eq!(faults("time_zone = \"Mars\""), ["business[0].time_zone"]);
    assert_eq!(faults("agent = \"openai\""), ["business[0].agent"], "there is no key");
    assert_eq!(faults("max_calls = 100001"), ["business[0].max_calls"]);
    assert_eq!(faults("max_calls = 2\nmax_outbound_calls = 3"), ["business[0].max_outbound_calls"]);
    assert_eq!(faults("max_calls = -1"), ["business[0].max_calls"]);
    let file = "[[business]]\nname = \"Bakery\"\nnumber = \"*\"\nprompt = \"{{street}}\"\nvariables = { street = \"Mill Lane 5\" }";
    assert_eq!(Start::with_file(file).config().seeds()[0].profile.variables["street"], "Mill Lane 5");
}

#[test]
fn a_business_may_have_limits_of_its_own() {
    let file = format!("{TWO}\nmax_calls = 5\nmax_outbound_calls = 2");
    let config = Start::with_file(&file).config();
    let [bakery, office] = &config.seeds()[..] else { panic!("there are two") };
    assert_eq!(bakery.profile.limits, CallLimits::default());
    assert_eq!(office.profile.limits, CallLimits { calls: Some(5), outbound: Some(2) });
}
