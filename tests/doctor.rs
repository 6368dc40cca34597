//! `trunkline doctor`: both addresses of a number, looked at and mended.

#[macro_use]
#[path = "support/databases.rs"]
mod databases;
#[path = "support/fake_deepgram/mod.rs"]
mod fake_deepgram;
#[path = "support/fake_openai/mod.rs"]
mod fake_openai;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/program.rs"]
mod program;
#[path = "support/skip.rs"]
mod skip;
#[path = "support/twilio_rest/mod.rs"]
mod twilio_rest;

use databases::Database;
use fake_deepgram::{FakeDeepgram, KEY, OnSettings, Script};
use program::{Ended, trunkline};
use trunkline::cli::demo::twilio::fresh_sid;
use trunkline::engine::business::Profile;
use trunkline::store::businesses::Editor;
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

/// What is said of a Deepgram that is as in `script` and is shown this key.
async fn of_deepgram(script: Script, key: &'static str) -> (Ended, FakeDeepgram) {
    let fake = FakeDeepgram::start(script).await;
    let url = fake.url.clone();
    let told = tokio::task::spawn_blocking(move || {
        trunkline(&["doctor"])
            .env("TRUNKLINE__AGENT__PROVIDER", "deepgram")
            .env("DEEPGRAM_API_KEY", key)
            .env("TRUNKLINE__DEEPGRAM__URL", &url)
            .ends()
    });
    (told.await.unwrap(), fake)
}

#[tokio::test]
async fn the_vendor_of_the_agent_is_asked_for_a_session() {
    let (well, fake) = of_deepgram(Script::default(), KEY).await;
    assert!(well.out.contains("ok      deepgram: a session opens"), "{well:?}");
    fake.until("the end of the session", |sessions| sessions.len() == 1 && sessions[0].is_over).await;
    fake.assert_content();
    assert!(fake.sessions()[0].heard.iter().all(|message| message["type"] == "Settings"), "nothing is said in it");

    let (no_key, _) = of_deepgram(Script::default(), "dg-wrong").await;
    let refuses = Script { settings: vec![OnSettings::Refuse("INVALID_SETTINGS"); 2], ..Script::default() };
    let (refused, _) = of_deepgram(refuses, KEY).await;
    for (told, why, remedy) in
        [(no_key, "HTTP 401", "check DEEPGRAM_API_KEY"), (refused, "INVALID_SETTINGS", "the models and the voice in")]
    {
        assert_eq!(told.code, 1, "{told:?}");
        assert!(told.out.contains("deepgram gives no session") && told.out.contains(why), "{told:?}");
        assert!(told.out.contains(remedy) && !told.out.contains("dg-"), "{told:?}");
    }
}

on_both_databases! {
    the_numbers_of_businesses_in_the_database_are_looked_at_and_those_of_deleted_ones_are_not
}

fn the_numbers_of_businesses_in_the_database_are_looked_at_and_those_of_deleted_ones_are_not(database: Database) {
    let account = fresh_sid("AC");
    let fake = TwilioRestFake::start(&account, TOKEN);
    fake.owns(NUMBER, "https://calls.example.com/twilio/voice", "");
    let file = database.folder.path().join("own.toml");
    let of_file = "[[business]]\nname = \"Office\"\nnumber = \"+15005550001\"\n\
                   [[business]]\nname = \"Closed\"\nnumber = \"+15005550002\"\n";
    std::fs::write(&file, of_file).unwrap();
    let ask = || {
        trunkline(&["doctor", "--config", file.to_str().unwrap()])
            .env("TWILIO_ACCOUNT_SID", &account)
            .env("TWILIO_AUTH_TOKEN", TOKEN)
            .env("TRUNKLINE__TWILIO__API_URL", &fake.url)
            .env("TRUNKLINE__HTTP__PUBLIC_URL", "https://calls.example.com/")
            .env("DATABASE_URL", &database.url)
            .ends()
    };
    let before = ask();
    for words in
        ["+15005550001 of the business Office is no number", "+15005550002 of the business Closed is no number"]
    {
        assert!(before.out.contains(words), "{words} in {before:?}");
    }
    assert_eq!((before.code, before.out.contains(&format!("ok      {NUMBER}"))), (1, false), "{before:?}");

    // The service makes its tables; a business is made and another deleted while it runs.
    let (store, _writer) = database.open("a");
    databases::until("the database answers", || store.ping().is_ok());
    let mut writer = store.business_writer();
    let editor = Editor { by: "test", at: 1 };
    let numbers = |number: &str| vec![number.parse().unwrap()];
    let made = Profile { numbers: numbers(NUMBER), ..Profile::named("Bakery Miller") };
    writer.create(&"biz_7".parse().unwrap(), &made, editor).unwrap();
    let closed = "Closed".parse().unwrap();
    let version = writer.create(&closed, &Profile::named("Closed"), editor).unwrap().business.version;
    writer.delete(&closed, version, editor).unwrap();
    let told = ask();
    assert_eq!(told.code, 1, "{told:?}");
    let whose = format!("{NUMBER} (business Bakery Miller (biz_7)): the status callback is not set");
    for words in [&whose, "+15005550001 of the business Office is no number", "2 things are wrong"] {
        assert!(told.out.contains(words), "{words} in {told:?}");
    }
    assert!(!told.out.contains("+15005550002"), "nobody has that any more: {told:?}");
}

#[test]
fn a_database_that_does_not_answer_is_told_and_the_files_numbers_are_looked_at() {
    let account = fresh_sid("AC");
    let fake = TwilioRestFake::start(&account, TOKEN);
    fake.owns(NUMBER, "https://calls.example.com/twilio/voice", "https://calls.example.com/twilio/status");
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.db");
    std::fs::write(&broken, "this is no database, and long enough to be seen as none").unwrap();
    let told = trunkline(&["doctor"])
        .env("TWILIO_ACCOUNT_SID", &account)
        .env("TWILIO_AUTH_TOKEN", TOKEN)
        .env("TRUNKLINE__TWILIO__API_URL", &fake.url)
        .env("TRUNKLINE__HTTP__PUBLIC_URL", "https://calls.example.com/")
        .env("DATABASE_URL", &format!("sqlite:{}", broken.display()))
        .ends();
    assert_eq!(told.code, 1, "{told:?}");
    for words in
        ["can't be read from the database", &format!("ok      {NUMBER} (business Reception)"), "1 thing is wrong"]
    {
        assert!(told.out.contains(words), "{words} in {told:?}");
    }
}
