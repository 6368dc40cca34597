//! A service with a strict carrier, and an operator who makes campaigns.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::BTreeSet;

use secrecy::ExposeSecret;
use serde_json::{Value, json};
use trunkline::cli::demo::twilio::{CallIdentity, PhoneCall};
use trunkline::clock;
use trunkline::config::Config;

use super::webhook::{OURS, number, status_fields};
use crate::databases::Database;
use crate::http_service::{Answer, Asked as _, Request, ask};
use crate::service::{PATIENCE, PUBLIC_URL, Service, ms};
use crate::twilio_rest::{PlacedCall, TwilioRestFake};

pub const ADMIN: &str = "an-administrators-token-of-these-tests";

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

pub struct Desk {
    pub fake: TwilioRestFake,
    pub service: Service,
}

impl Desk {
    pub fn start(database: &Database, change: impl FnOnce(&mut Config)) -> Self {
        let mut fake = None;
        let service = Service::with(|config| {
            let token = config.twilio.auth_token.as_ref().unwrap().expose_secret().to_owned();
            let rest = TwilioRestFake::start(config.twilio.account_sid.as_ref().unwrap().as_str(), &token);
            rest.owns(OURS, "", "");
            config.twilio.api_url = rest.url.parse().unwrap();
            config.database.url = Some(database.url.parse().unwrap());
            config.spool.dir = database.spool("a");
            config.api.admin_token = Some(ADMIN.into());
            config.business[0].number = OURS.parse().unwrap();
            config.calls.max_outbound_per_business = 0;
            config.campaigns.spacing_ms = 0;
            fake = Some(rest);
            change(config);
        });
        Self { fake: fake.unwrap(), service }
    }

    pub async fn api(&self, method: &'static str, path: &str, body: Option<Value>) -> Answer {
        self.ask_as(ADMIN, method, path, body).await
    }

    /// The same with somebody's token.
    pub async fn ask_as(&self, token: &str, method: &'static str, path: &str, body: Option<Value>) -> Answer {
        let request = Request::new(method, &format!("/api/v1{path}")).with("Authorization", &format!("Bearer {token}"));
        let request = match body {
            Some(body) => {
                Request { body: body.to_string().into_bytes(), ..request.with("Content-Type", "application/json") }
            }
            None => request,
        };
        ask(self.service.address(), &request).await
    }

    /// Makes a campaign of this many leads; the answer must have this status.
    pub async fn try_make(&self, more: Value, leads: usize, status: u16) -> Value {
        let list: Vec<Value> = (0..leads).map(|n| json!({ "number": number(n) })).collect();
        let mut body = json!({ "business": "Reception", "name": "Autumn" });
        if leads > 0 {
            body["leads"] = json!(list);
        }
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let answer = self.api("POST", "/campaigns", Some(body)).await;
        assert_eq!(answer.status, status, "{answer:?}");
        answer.json()
    }

    pub async fn make(&self, more: Value, leads: usize) -> Value {
        self.try_make(more, leads, 201).await
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.api("GET", path, None).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    /// Every lead, read in small pages.
    pub async fn leads(&self, id: &Value) -> Vec<Value> {
        let (mut leads, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/campaigns/{}/leads?limit=3{cursor}", id.as_str().unwrap());
            let page = self.get(&path).await;
            leads.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return leads,
            }
        }
    }

    /// Waits until a campaign has this state.
    pub async fn becomes(&self, id: &Value, state: &str) -> Value {
        self.until(id, state, |campaign| campaign["state"] == state).await
    }

    /// Waits until a campaign is as it should be.
    pub async fn until(&self, id: &Value, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let deadline = clock::now() + PATIENCE;
        loop {
            let now = self.get(&format!("/campaigns/{}", id.as_str().unwrap())).await;
            if is_so(&now) {
                return now;
            }
            assert!(clock::now() < deadline, "waited in vain for {what}: {now}");
            tokio::time::sleep(ms(50)).await;
        }
    }

    /// Waits for the call that the carrier places after `before` others.
    pub async fn next_call(&self, before: usize) -> PlacedCall {
        let deadline = clock::now() + PATIENCE;
        loop {
            let mut calls = self.fake.calls();
            calls.sort_by_key(|call| call.to.clone()); // the order of the list
            if let Some(call) = calls.into_iter().nth(before) {
                return call;
            }
            assert!(clock::now() < deadline, "waited in vain for the call after {before} others");
            tokio::time::sleep(ms(20)).await;
        }
    }

    /// The one call that was placed to this number.
    pub fn call_to(&self, number: &str) -> PlacedCall {
        let calls: Vec<PlacedCall> = self.fake.calls().into_iter().filter(|call| call.to == number).collect();
        let [call] = calls.try_into().unwrap_or_else(|calls| panic!("one call: {calls:?}"));
        call
    }

    /// The numbers that were called.
    pub fn called(&self) -> BTreeSet<String> {
        self.fake.calls().into_iter().map(|call| call.to).collect()
    }

    /// The carrier's webhook about a call that it placed.
    pub async fn tell(&self, call: &PlacedCall, status: &str) {
        let url = call.field("StatusCallback").unwrap();
        let target = url.split('#').next().unwrap().strip_prefix(PUBLIC_URL).unwrap();
        let fields = status_fields(call, self.service.config.twilio.account_sid.as_ref().unwrap().as_str(), status);
        let answer = self.service.webhook(Request::form(target, &fields)).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        self.fake.set(&call.sid, |call| status.clone_into(&mut call.status));
    }

    /// Somebody answers a call: its media stream is open.
    pub async fn answer(&self, call: &PlacedCall) -> PhoneCall {
        let identity = CallIdentity { call_sid: call.sid.clone(), from: OURS.into(), to: call.to.clone() };
        let ringing = self.service.carrier.answered(identity, call.field("Url").unwrap()).await.unwrap();
        ringing.connect(Default::default()).await.unwrap()
    }
}
