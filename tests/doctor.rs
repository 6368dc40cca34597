//! `trunkline doctor`: both addresses of a number, looked at and mended.

#[path = "support/program.rs"]
mod program;
#[path = "support/twilio_rest/mod.rs"]
mod twilio_rest;

use program::{Ended, trunkline};
use trunkline::cli::demo::twilio::fresh_sid;
use twilio_rest::{Asked, TwilioRestFake};

const TOKEN: &str = "f0e1d2c3b4a5968778695a4b3c2d1e0f";
const NUMBER: &str = "+15005550006";

fn doctor(fake: &TwilioRestFake, account: &str, token: &str, more: &[&str]) -> Ended {
    trunkline(&[&["doctor"], more].concat())
        .env("TWILIO_ACCOUNT_SID", account)
        .env("TWILIO_AUTH_TOKEN", token)
        .env("TRUNKLINE__TWILIO__API_URL", &fake.url)
        .env("TRUNKLINE__HTTP__PUBLIC_URL", "https://calls.example.com/")
        .ends()
}

#[test]
fn a_number_whose_addresses_are_wrong_is_told_and_mended() {
    let account = fresh_sid("AC");
    let fake = TwilioRestFake::start(&account, TOKEN);
    let number = fake.owns(NUMBER, "https://demo.twilio.com/welcome", "");
    let told = doctor(&fake, &account, TOKEN, &[]);
    assert_eq!(told.code, 1, "{told:?}");
    for words in [NUMBER, "https://demo.twilio.com/welcome", "the status callback is not set", "doctor --fix"] {
        assert!(told.out.contains(words), "{words} in {}", told.out);
    }
    assert_eq!(fake.count(Asked::SetNumber), 0, "nothing is changed unasked");

    let mended = doctor(&fake, &account, TOKEN, &["--fix"]);
    assert_eq!(mended.code, 0, "{mended:?}");
    assert_eq!(fake.number(&number, "voice_url"), "https://calls.example.com/twilio/voice");
    assert_eq!(fake.number(&number, "status_callback"), "https://calls.example.com/twilio/status#rc=5&rp=all");
    let again = doctor(&fake, &account, TOKEN, &[]);
    assert_eq!((again.code, again.out.contains("all is well")), (0, true), "{again:?}");
    assert!(!again.out.contains(TOKEN) && !again.err.contains(TOKEN));
}

#[test]
fn what_is_missing_or_refused_is_told_with_its_remedy() {
    let nothing = trunkline(&["doctor"]).ends();
    assert_eq!(nothing.code, 1, "{nothing:?}");
    for words in ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TRUNKLINE__HTTP__PUBLIC_URL", "3 things are wrong"] {
        assert!(nothing.out.contains(words), "{words} in {}", nothing.out);
    }
    let account = fresh_sid("AC");
    let fake = TwilioRestFake::start(&account, TOKEN);
    let refused = doctor(&fake, &account, "wrong", &[]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.out.contains("refused the account's credentials"), "{refused:?}");
    let none = doctor(&fake, &account, TOKEN, &[]);
    assert_eq!((none.code, none.out.contains("the Twilio account has no number")), (1, true), "{none:?}");
}
