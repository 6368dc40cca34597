//! Twilio's REST interface, strict: it checks credentials, paths and every form field, keeps calls and numbers, and can
//! be slow, silent, faulty, or lie about what it did. What breaks its rules fails the test when it is dropped.
//!
//! It runs on a thread of its own, so that it answers while a test blocks.
#![allow(dead_code, reason = "each test binary uses its own part")]

mod answers;
mod http;
mod rules;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use trunkline::cli::demo::twilio::fresh_sid;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    Place,
    Change,
    Fetch,
    List,
    Numbers,
    SetNumber,
    Record,
}

/// How one request is not answered as it should be.
#[derive(Clone, Debug)]
pub enum Fault {
    /// No answer ever; it is done all the same, or not.
    Silent { is_done: bool },
    /// It is done, and answered after this time.
    Late(Duration),
    /// Another status; it is done all the same, or not.
    Status { status: u16, body: &'static str, retry_after: Option<u32>, is_done: bool },
    /// It is done, and the answer is no JSON.
    Garbage,
}

impl Fault {
    /// This status, and nothing is done.
    pub fn status(status: u16) -> Self {
        Self::Status { status, body: "{}", retry_after: None, is_done: false }
    }

    /// This status, though it is done.
    pub fn lie(status: u16) -> Self {
        Self::Status { status, body: "{}", retry_after: None, is_done: true }
    }
}

/// A call at the carrier, with everything that it was placed with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlacedCall {
    pub sid: String,
    pub from: String,
    pub to: String,
    pub status: String,
    pub direction: String,
    pub duration: Option<u32>,
    pub answered_by: Option<String>,
    /// When it was made: microseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// The form that placed it.
    pub form: Vec<(String, String)>,
    /// The forms that changed it.
    pub changes: Vec<Vec<(String, String)>>,
}

impl PlacedCall {
    /// A field of the form that placed it.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    fn is_over(&self) -> bool {
        ["completed", "busy", "failed", "no-answer", "canceled"].contains(&self.status.as_str())
    }
}

#[derive(Debug, Default)]
struct State {
    account_sid: String,
    auth_token: String,
    calls: BTreeMap<String, PlacedCall>,
    numbers: BTreeMap<String, BTreeMap<String, String>>,
    faults: BTreeMap<Asked, VecDeque<Fault>>,
    asked: BTreeMap<Asked, usize>,
    recordings: Vec<(String, String)>,
    violations: Vec<String>,
}

/// The carrier's REST interface.
pub struct TwilioRestFake {
    pub url: String,
    state: Arc<Mutex<State>>,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl TwilioRestFake {
    /// Listens for this account.
    pub fn start(account_sid: &str, auth_token: &str) -> Self {
        let state = State { account_sid: account_sid.into(), auth_token: auth_token.into(), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let serve = async {
                    while let Ok((connection, _)) = listener.accept().await {
                        tokio::spawn(http::serve(connection, Arc::clone(&shared)));
                    }
                };
                tokio::select! {
                    () = serve => {}
                    _ = stopped => {}
                }
            });
        });
        let address = told.recv().unwrap();
        Self { url: format!("http://{address}"), state, _stop: stop }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The account owns this number, with these addresses; the carrier's name for it.
    pub fn owns(&self, number: &str, voice_url: &str, status_callback: &str) -> String {
        let sid = fresh_sid("PN");
        let fields = [
            ("sid", sid.as_str()),
            ("phone_number", number),
            ("voice_url", voice_url),
            ("voice_method", "POST"),
            ("status_callback", status_callback),
            ("status_callback_method", "POST"),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.state().numbers.insert(sid.clone(), fields.into());
        sid
    }

    /// A field of a number, by its sid.
    pub fn number(&self, sid: &str, field: &str) -> String {
        self.state().numbers[sid].get(field).cloned().unwrap_or_default()
    }

    /// A call of which the carrier knows, that it did not get from us.
    pub fn knows(&self, call: PlacedCall) {
        self.state().calls.insert(call.sid.clone(), call);
    }

    /// Changes what the carrier knows of a call.
    pub fn set(&self, sid: &str, change: impl FnOnce(&mut PlacedCall)) {
        change(self.state().calls.get_mut(sid).unwrap_or_else(|| panic!("no call {sid}")));
    }

    /// What the next such requests meet, in order.
    pub fn fail(&self, asked: Asked, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.entry(asked).or_default().extend(faults);
    }

    /// Every call, in the order of their sids.
    pub fn calls(&self) -> Vec<PlacedCall> {
        self.state().calls.values().cloned().collect()
    }

    /// How often this was asked.
    pub fn count(&self, asked: Asked) -> usize {
        self.state().asked.get(&asked).copied().unwrap_or_default()
    }

    /// The calls that are recorded, each with the address that is told of it.
    pub fn recordings(&self) -> Vec<(String, String)> {
        self.state().recordings.clone()
    }

    /// What was asked against the rules; taking it forgives it.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.state().violations)
    }
}

impl Drop for TwilioRestFake {
    fn drop(&mut self) {
        let violations = self.take_violations();
        assert!(std::thread::panicking() || violations.is_empty(), "against Twilio's rules: {violations:#?}");
    }
}

/// An answer as Twilio gives it.
struct Answer {
    status: u16,
    body: Value,
}
