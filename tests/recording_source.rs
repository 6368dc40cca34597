//! Recordings are fetched from a carrier that has them, has them not yet, or says what is not true.

#[path = "support/fake_recordings.rs"]
mod fake_recordings;

use std::path::{Path, PathBuf};
use std::time::Duration;

use fake_recordings::{Answer, FakeRecordings, mp3, wav};
use sha2::{Digest as _, Sha256};
use trunkline::engine::recording::SoundFormat;
use trunkline::providers::recording_source::{
    BreakerSettings, FetchError, Fetched, RecordingSource, TwilioRecordings, TwilioRecordingsSettings, WantedRecording,
};

const ACCOUNT: &str = "AC00000000000000000000000000000002";
const PASSWORD: &str = "secret";
const CALL: &str = "CA00000000000000000000000000000001";
const PARENT: &str = "CA00000000000000000000000000000009";
const RECORDING: &str = "RE00000000000000000000000000000003";

/// A carrier, who fetches from it, and where to.
struct Desk {
    carrier: FakeRecordings,
    folder: tempfile::TempDir,
    settings: TwilioRecordingsSettings,
}

impl Desk {
    fn open() -> Self {
        let carrier = FakeRecordings::start(ACCOUNT, PASSWORD);
        let settings = TwilioRecordingsSettings {
            api_url: carrier.url.parse().unwrap(),
            account: ACCOUNT.parse().unwrap(),
            auth_token: PASSWORD.to_owned().into(),
            allowed_hosts: vec!["*.twilio.com".parse().unwrap()],
            answer_within: Duration::from_secs(30),
            look_again_after: Duration::from_millis(1),
            fetch_within: Duration::from_secs(60),
            most_bytes: 64 << 20,
            breaker: BreakerSettings { failures: 3, pause: Duration::from_secs(600) },
        };
        Self { carrier, folder: tempfile::tempdir().unwrap(), settings }
    }

    fn source(&self) -> TwilioRecordings {
        TwilioRecordings::new(self.settings.clone())
    }

    fn place(&self) -> PathBuf {
        self.folder.path().join("incoming").join("RE.wav")
    }

    async fn fetch(&self) -> Result<Fetched, FetchError> {
        self.source().fetch(&wanted(), &self.place()).await
    }

    /// What lies in the folder of what comes.
    fn files(&self) -> Vec<PathBuf> {
        let Ok(entries) = self.place().parent().unwrap().read_dir() else { return vec![] };
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

fn wanted() -> WantedRecording {
    WantedRecording { call: CALL.parse().unwrap(), parent: None, recording: RECORDING.parse().unwrap(), url: None }
}

fn path(recording: &str, form: &str) -> String {
    format!("/2010-04-01/Accounts/{ACCOUNT}/Recordings/{recording}{form}")
}

/// The addresses of the recording, in the order in which they are asked.
fn forms() -> [String; 4] {
    [".wav?RequestedChannels=2", ".wav", ".mp3", ""].map(|form| path(RECORDING, form))
}

fn list_path(call: &str) -> String {
    format!("/2010-04-01/Accounts/{ACCOUNT}/Calls/{call}/Recordings.json")
}

#[actix_rt::test]
async fn a_recording_comes_with_both_voices_apart_and_is_on_the_disk() {
    let desk = Desk::open();
    // More than is written at once, and more than one packet.
    let sound = wav(2, 300_000);
    desk.carrier.on(&forms()[0], [Answer::sound(&sound)]);
    let fetched = desk.fetch().await.unwrap();
    assert_eq!((fetched.format, fetched.bytes), (SoundFormat::Wav, sound.len() as u64));
    assert_eq!(fetched.length, Some(Duration::from_millis(37_500)));
    assert_eq!(fetched.sha256, <[u8; 32]>::from(Sha256::digest(&sound)));
    assert_eq!(std::fs::read(desk.place()).unwrap(), sound);
    assert_eq!(desk.files(), [desk.place()]);
    let requests = desk.carrier.requests();
    assert!(requests.len() == 1 && requests[0].has_password, "{requests:?}");
}

#[actix_rt::test]
async fn what_is_not_there_yet_is_asked_for_once_more() {
    let desk = Desk::open();
    desk.carrier.on(&forms()[0], [Answer::new(404, "{}"), Answer::sound(&wav(2, 8_000)).chunked()]);
    desk.fetch().await.unwrap();
    assert_eq!(desk.carrier.asked_for(), [forms()[0].clone(), forms()[0].clone()]);
}

#[actix_rt::test]
async fn what_is_nowhere_is_not_there() {
    let desk = Desk::open();
    assert!(matches!(desk.fetch().await, Err(FetchError::NotThere)));
    let [first, rest @ ..] = forms();
    assert_eq!(desk.carrier.asked_for(), [&[first.clone(), first], &rest[..]].concat());
    assert!(desk.files().is_empty());
}

#[actix_rt::test]
async fn an_answer_that_is_no_recording_leads_to_the_next_address() {
    let sound = wav(1, 8_000);
    let html = format!("<html>{}</html>", "x".repeat(2_000));
    for lie in [
        Answer::new(500, "{}"),
        Answer::new(200, html).with("content-type", "audio/x-wav"),
        Answer::sound(b"RIFF"),
        Answer::sound(&sound).cut_after(9_000),
        Answer::sound(&sound).chunked().cut_after(9_000),
        Answer::sound(&sound[..9_000]),
        Answer::new(204, ""),
    ] {
        let desk = Desk::open();
        desk.carrier.on(&forms()[0], [lie.clone()]);
        desk.carrier.on(&forms()[1], [lie.clone()]);
        desk.carrier.on(&forms()[2], [Answer::sound(&mp3(100))]);
        let fetched = desk.fetch().await.unwrap_or_else(|error| panic!("{error} after {lie:?}"));
        assert_eq!((fetched.format, fetched.bytes), (SoundFormat::Mp3, 10_400));
        assert_eq!(desk.files(), [desk.place()], "{lie:?}");
    }
}

#[actix_rt::test]
async fn nothing_is_left_of_what_breaks_off_everywhere() {
    let desk = Desk::open();
    for form in forms() {
        desk.carrier.on(&form, [Answer::sound(&wav(1, 8_000)).cut_after(9_000)]);
    }
    let outcome = desk.fetch().await;
    assert!(matches!(outcome, Err(FetchError::Broken(_))), "{outcome:?}");
    assert!(desk.files().is_empty());
}

#[actix_rt::test]
async fn a_password_that_is_refused_is_not_shown_again() {
    for status in [401, 403] {
        let desk = Desk::open();
        desk.carrier.on(&forms()[0], [Answer::new(status, "{}")]);
        let outcome = desk.fetch().await;
        assert!(matches!(outcome, Err(FetchError::Refused(told)) if told == status), "{outcome:?}");
        assert_eq!(desk.carrier.requests().len(), 1);
    }
}

#[actix_rt::test]
async fn a_redirect_is_followed_without_the_password_to_a_host_that_is_allowed() {
    let mut desk = Desk::open();
    let media = FakeRecordings::start(ACCOUNT, PASSWORD);
    desk.settings.allowed_hosts.push("127.0.0.1".parse().unwrap());
    desk.carrier.on(&forms()[0], [Answer::leading_to("/moved")]);
    desk.carrier.on("/moved", [Answer::leading_to(&format!("{}/media?signature=1", media.url))]);
    media.on("/media?signature=1", [Answer::sound(&wav(2, 8_000))]);
    desk.fetch().await.unwrap();
    assert!(desk.carrier.requests().iter().all(|request| request.has_password));
    assert!(media.requests().iter().all(|request| !request.has_password));
    assert_eq!((desk.carrier.requests().len(), media.requests().len()), (2, 1));
    // Its refusal says nothing of our password.
    media.on("/media?signature=1", [Answer::new(403, "expired")]);
    std::fs::remove_file(desk.place()).unwrap();
    let outcome = desk.fetch().await;
    assert!(matches!(outcome, Err(FetchError::Carrier { status: 403, .. })), "{outcome:?}");
}

#[actix_rt::test]
async fn nobody_is_asked_who_is_not_allowed() {
    let desk = Desk::open();
    let stranger = FakeRecordings::start(ACCOUNT, PASSWORD);
    desk.carrier.on(&forms()[0], [Answer::leading_to(&stranger.url)]);
    let led = desk.fetch().await;
    assert!(matches!(&led, Err(FetchError::ForbiddenHost(host)) if host == "127.0.0.1"), "{led:?}");
    for announced in [stranger.url.as_str(), "https://evil.example/RE", "//evil.example/RE", "http://169.254.169.254/"]
    {
        let wanted = WantedRecording { url: Some(announced.to_owned()), ..wanted() };
        let announced = desk.source().fetch(&wanted, &desk.place()).await;
        assert!(matches!(announced, Err(FetchError::ForbiddenHost(_))), "{announced:?}");
    }
    assert!(stranger.requests().is_empty());
    assert_eq!(desk.carrier.requests().len(), 1);
}

#[actix_rt::test]
async fn redirects_that_go_round_end() {
    let desk = Desk::open();
    for form in forms() {
        desk.carrier.on(&form, [Answer::leading_to("/round")]);
    }
    desk.carrier.on("/round", [Answer::leading_to("/round")]);
    let outcome = desk.fetch().await;
    assert!(matches!(outcome, Err(FetchError::Broken(_))), "{outcome:?}");
    assert_eq!(desk.carrier.requests().len(), 4 * 6);
}

#[actix_rt::test]
async fn an_answer_that_stops_coming_is_given_up() {
    let mut desk = Desk::open();
    desk.settings.answer_within = Duration::from_millis(300);
    desk.carrier.on(&forms()[0], [Answer::sound(&wav(2, 8_000)).hanging_after(5_000)]);
    desk.carrier.on(&forms()[1], [Answer::sound(&wav(1, 8_000))]);
    assert_eq!(desk.fetch().await.unwrap().bytes, 16_044);
    assert_eq!(desk.files(), [desk.place()]);
}

#[actix_rt::test]
async fn a_fetch_takes_no_longer_than_it_may_and_leaves_nothing() {
    let mut desk = Desk::open();
    desk.settings.fetch_within = Duration::from_millis(500);
    desk.carrier.on(&forms()[0], [Answer::sound(&wav(2, 200_000)).hanging_after(600_000)]);
    let outcome = desk.fetch().await;
    assert!(matches!(outcome, Err(FetchError::Broken(_))), "{outcome:?}");
    // What was being written at that moment is deleted by who writes.
    while !desk.files().is_empty() {
        tokio::task::yield_now().await;
    }
}

#[actix_rt::test]
async fn what_is_too_large_is_not_taken() {
    let mut desk = Desk::open();
    desk.settings.most_bytes = 100_000;
    for (form, answer) in forms().iter().zip([
        Answer::sound(&wav(2, 100_000)).hanging_after(0),
        Answer::sound(&wav(1, 100_000)).chunked(),
        Answer::sound(&mp3(200)),
    ]) {
        desk.carrier.on(form, [answer]);
    }
    assert_eq!(desk.fetch().await.unwrap().format, SoundFormat::Mp3);
    assert_eq!(desk.files(), [desk.place()]);
}

#[actix_rt::test]
async fn a_host_that_fails_again_and_again_is_left_alone() {
    let desk = Desk::open();
    for form in forms() {
        desk.carrier.on(&form, [Answer::new(503, "")]);
    }
    let source = desk.source();
    for _ in 0..3 {
        let outcome = source.fetch(&wanted(), &desk.place()).await;
        assert!(matches!(outcome, Err(FetchError::Carrier { status: 503, .. })), "{outcome:?}");
    }
    let outcome = source.fetch(&wanted(), &desk.place()).await;
    assert!(matches!(outcome, Err(FetchError::LeftAlone(_))), "{outcome:?}");
    assert_eq!(desk.carrier.requests().len(), 3 * 4);
}

#[actix_rt::test]
async fn a_host_that_wants_fewer_requests_gets_none_for_as_long_as_it_says() {
    let desk = Desk::open();
    desk.carrier.on(&forms()[0], [Answer::new(429, "").with("retry-after", "90")]);
    let source = desk.source();
    let outcome = source.fetch(&wanted(), &desk.place()).await;
    let wait = Some(Duration::from_secs(90));
    assert!(
        matches!(&outcome, Err(FetchError::Carrier { status: 429, retry_after }) if *retry_after == wait),
        "{outcome:?}"
    );
    let outcome = source.fetch(&wanted(), &desk.place()).await;
    assert!(matches!(outcome, Err(FetchError::LeftAlone(_))), "{outcome:?}");
    assert_eq!(desk.carrier.requests().len(), 1);
}

#[actix_rt::test]
async fn the_parents_recording_will_do_where_the_call_has_none() {
    let desk = Desk::open();
    let other = "RE00000000000000000000000000000008";
    let list = |recordings: &str| Answer::new(200, format!(r#"{{"recordings": [{recordings}]}}"#));
    let of_parent =
        format!(r#"{{"sid": "RE{:032}", "status": "processing"}}, {{"sid": "{other}", "status": "completed"}}"#, 7);
    desk.carrier.on(&list_path(PARENT), [list(&of_parent)]);
    desk.carrier.on(&path(other, ".wav"), [Answer::sound(&wav(1, 8_000))]);
    let wanted = WantedRecording { parent: Some(PARENT.parse().unwrap()), ..wanted() };
    // It is only not there yet.
    desk.carrier
        .on(&list_path(CALL), [list(&format!(r#"{{"sid": "{RECORDING}", "status": "processing"}}"#)), list("")]);
    let outcome = desk.source().fetch(&wanted, &desk.place()).await;
    assert!(matches!(outcome, Err(FetchError::NotThere)), "{outcome:?}");
    assert!(!desk.carrier.asked_for().contains(&list_path(PARENT)));
    // It has none.
    assert_eq!(desk.source().fetch(&wanted, &desk.place()).await.unwrap().bytes, 16_044);
}

#[actix_rt::test]
async fn a_file_that_is_there_is_not_written_over() {
    let desk = Desk::open();
    desk.carrier.on(&forms()[0], [Answer::sound(&wav(2, 8_000))]);
    desk.fetch().await.unwrap();
    assert!(matches!(desk.fetch().await, Err(FetchError::Disk(_))));
    assert_eq!(std::fs::read(desk.place()).unwrap(), wav(2, 8_000));
}

#[actix_rt::test]
async fn a_disk_that_takes_nothing_is_told() {
    let desk = Desk::open();
    desk.carrier.on(&forms()[0], [Answer::sound(&wav(2, 8_000))]);
    // /dev/full would be no file beside its place; a folder that can't be made will do.
    let outcome = desk.source().fetch(&wanted(), Path::new("/proc/recordings/RE.wav")).await;
    assert!(matches!(outcome, Err(FetchError::Disk(_))), "{outcome:?}");
    assert_eq!(desk.carrier.requests().len(), 1);
}

#[actix_rt::test]
async fn to_delete_twice_is_to_delete_once() {
    let desk = Desk::open();
    let at = path(RECORDING, ".json");
    desk.carrier.on_method("DELETE", &at, [Answer::new(204, ""), Answer::new(404, "{}"), Answer::new(401, "{}")]);
    let (source, recording) = (desk.source(), RECORDING.parse().unwrap());
    source.delete(&recording).await.unwrap();
    source.delete(&recording).await.unwrap();
    assert!(matches!(source.delete(&recording).await, Err(FetchError::Refused(401))));
    assert!(desk.carrier.requests().iter().all(|it| it.has_password && it.method == "DELETE" && it.path == at));
}
