//! A service with two businesses, one of them Hebrew, and somebody who has logged in to its console.

use std::path::Path;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use trunkline::clock;
use trunkline::config::{Business, CalledNumber};
use trunkline::engine::call::{HangupCause, Speaker, Turn};
use trunkline::store::CallEnd;

use crate::calls;
use crate::chromium::Chromium;
use crate::http_service::{Answer, Asked as _, Caller, Request, ask};
use crate::service::{INTERRUPTION, PATIENCE, Service, ms, until};
use crate::twilio_rest::TwilioRestFake;

pub const ADMIN: &str = "an-administrators-token-for-tests-only";
/// The number of [`HEBREW`]; the one of every test is the reception's.
pub const BAKERY: &str = "+14155550171";
/// A business's name, from right to left.
pub const HEBREW: &str = "מאפיית הלחם";

pub struct World {
    pub browser: Chromium,
    pub service: Service,
    _carrier: TwilioRestFake,
}

/// How the Hebrew call ended: something went wrong.
pub fn broken() -> CallEnd {
    CallEnd { cause: HangupCause::StreamLost, ..calls::end() }
}

impl World {
    /// Nobody is logged in yet; `None` where there is no browser.
    pub async fn new() -> Option<Self> {
        let browser = Chromium::with(Path::new("/dev/null")).await?;
        let mut carrier = None;
        let service = Service::with(|config| {
            let token = config.twilio.auth_token.as_ref().unwrap().expose_secret().to_owned();
            let rest = TwilioRestFake::start(config.twilio.account_sid.as_ref().unwrap().as_str(), &token);
            config.twilio.api_url = rest.url.parse().unwrap();
            carrier = Some(rest);
            config.api.admin_token = Some(ADMIN.into());
            config.api.requests_per_minute = 100_000.try_into().unwrap();
            config.api.read_timeout_ms = 30_000;
            let reception = config.business.pop().unwrap();
            config.business.push(Business {
                name: HEBREW.parse().unwrap(),
                number: CalledNumber::Exact(BAKERY.parse().unwrap()),
                greeting: Some("שלום, הגעתם למאפיית הלחם.".to_owned()),
                prompt: "ענה בעברית, בקצרה ובאדיבות.".to_owned(),
                language: "he-IL".to_owned(),
                ..reception.clone()
            });
            config.business.push(reception);
        });
        Some(Self { browser, service, _carrier: carrier.unwrap() })
    }

    /// Somebody logs in with this token.
    pub async fn logs_in(&self, token: &str) {
        self.browser.goes_to(&format!("http://{}/console", self.service.address())).await;
        self.browser.sees("Log in").await;
        self.browser.types("input[name=token]", token).await;
        self.browser.clicks("form button").await;
        self.browser.sees_in("#who", "Log out").await;
    }

    /// Goes to a page of the console and waits for its title.
    pub async fn opens(&self, place: &str, title: &str) {
        self.browser.script(&format!("location.hash = {place:?}; return null")).await;
        self.browser.sees_in("h1", title).await;
    }

    /// Waits until a script returns `true`.
    pub async fn comes_true(&self, script: &str) {
        let until = clock::now() + PATIENCE;
        loop {
            let found = self.browser.script(script).await;
            if found == Value::Bool(true) {
                return;
            }
            assert!(clock::now() < until, "not true: {script}: {found}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub async fn api(&self, token: &str, method: &'static str, path: &str, body: Value) -> Answer {
        let request = Request::new(method, &format!("/api/v1{path}"))
            .with("Authorization", &format!("Bearer {token}"))
            .with("Content-Type", "application/json");
        ask(self.service.address(), &Request { body: body.to_string().into(), ..request }).await
    }

    pub async fn viewer(&self) -> String {
        let made = self.api(ADMIN, "POST", "/tokens", json!({ "name": "the wall", "scope": "viewer" })).await;
        made.json()["text"].as_str().unwrap_or_else(|| panic!("{made:?}")).to_owned()
    }

    /// A call whose greeting was interrupted, with its recording; its name.
    pub async fn interrupted_call(&self) -> String {
        let service = &self.service;
        let call = service.call().await;
        call.wait_until_agent_has_spoken_for(ms(1_200), PATIENCE).await.unwrap();
        call.speak(INTERRUPTION).await.unwrap();
        call.wait_until_agent_has_spoken_for(ms(1_000), PATIENCE).await.unwrap();
        let (report, facts) = service.hang_up(call).await;
        assert_eq!(facts.stats().barge_ins, 1);
        let sid = report.call.call_sid;
        let (store, parsed) = (service.store(), sid.parse().unwrap());
        until("the recording is kept", || {
            store.recordings_of(&parsed).unwrap().iter().any(|recording| recording.file.is_some())
        })
        .await;
        sid
    }

    /// A call in Hebrew that has turns and no recording; its name.
    pub async fn hebrew_call(&self) -> String {
        let caller = Caller::of(BAKERY);
        let service = &self.service;
        assert_eq!(service.webhook(caller.voice()).await.status, 200);
        assert_eq!(service.webhook(caller.status("completed", &[("CallDuration", "9")])).await.status, 204);
        let mut writer = service.store().turn_writer(caller.sid()).unwrap();
        for (number, speaker, text, heard) in [
            (1, Speaker::Agent, "שלום, הגעתם למאפיית הלחם. במה אפשר לעזור?", "שלום, הגעתם למאפיית"),
            (2, Speaker::Caller, "אני רוצה להזמין שתי חלות ליום שישי.", "אני רוצה להזמין שתי חלות ליום שישי."),
        ] {
            let interrupted = text != heard;
            let (text, heard_text) = (text.to_owned(), heard.to_owned());
            writer.turn(Turn { number, speaker, text, heard_text, interrupted, ..calls::turn(number) });
        }
        writer.end(broken());
        assert!(service.store().flush(PATIENCE));
        caller.call_sid
    }

    /// So many calls of which only their end is known.
    pub async fn finished_calls(&self, count: usize) {
        for _ in 0..count {
            let told = self.service.webhook(Caller::new().status("completed", &[("CallDuration", "7")])).await;
            assert_eq!(told.status, 204);
        }
    }

    /// The page as wide as this, in the light or in the dark.
    pub async fn is_shown(&self, width: u32, height: u32, scheme: &str) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.browser.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.browser.devtools("Emulation.setEmulatedMedia", media).await;
    }
}
