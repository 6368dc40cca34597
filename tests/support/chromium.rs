//! A real browser without a window, driven over WebDriver (W3C), with a microphone that plays a file.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http_service::{Request, ask};
use crate::service::PATIENCE;
use trunkline::clock;

/// The name under which WebDriver hands elements over.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub struct Chromium {
    driver: Child,
    address: SocketAddr,
    session: String,
    /// What the browser writes.
    _profile: TempDir,
}

impl Chromium {
    /// With `microphone`, a WAV, which is played once from the moment at which a page asks for it; `None`, with a word,
    /// where there is no browser.
    pub async fn with(microphone: &Path) -> Option<Self> {
        let driver = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let is_there = |program: &str| Command::new(program).arg("--version").output().is_ok();
        let (Ok(mut driver), true) = (driver, is_there("chromium")) else {
            crate::skip::skipped("the console in a browser: chromium or its driver is missing (chromium-driver)");
            return None;
        };
        let port = port(&mut driver);
        let profile = TempDir::new().unwrap();
        let mut browser = Self {
            driver,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            session: String::new(),
            _profile: profile,
        };
        let options = json!({ "args": [
            "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1000,1000",
            "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
            "--autoplay-policy=no-user-gesture-required",
            format!("--use-file-for-fake-audio-capture={}%noloop", microphone.display()),
            format!("--user-data-dir={}", browser._profile.path().display()),
        ] });
        let wanted =
            json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "goog:chromeOptions": options } } });
        let session = browser.order("POST", "/session", &wanted).await;
        browser.session = format!("/session/{}", session["sessionId"].as_str().unwrap());
        Some(browser)
    }

    pub async fn goes_to(&self, url: &str) {
        self.tell("/url", &json!({ "url": url })).await;
    }

    /// What a script returns.
    pub async fn script(&self, script: &str) -> Value {
        self.tell("/execute/sync", &json!({ "script": script, "args": [] })).await
    }

    /// Waits until there is such a text on the page.
    pub async fn sees(&self, text: &str) {
        self.sees_in("body", text).await;
    }

    /// … within what the selector names.
    pub async fn sees_in(&self, selector: &str, text: &str) {
        let until = clock::now() + PATIENCE;
        loop {
            let there = self.script(&format!("return document.querySelector({selector:?})?.innerText ?? ''")).await;
            if there.as_str().is_some_and(|there| there.contains(text)) {
                return;
            }
            assert!(clock::now() < until, "{text:?} is not in {selector}:\n{}", there.as_str().unwrap_or_default());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub async fn clicks(&self, selector: &str) {
        let element = self.element(selector).await;
        self.tell(&format!("/element/{element}/click"), &json!({})).await;
    }

    pub async fn types(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        self.tell(&format!("/element/{element}/clear"), &json!({})).await;
        self.tell(&format!("/element/{element}/value"), &json!({ "text": text })).await;
    }

    /// Keeps a picture of the page, to be looked at.
    pub async fn picture(&self, name: &str) {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let picture = self.order("GET", &format!("{}/screenshot", self.session), &Value::Null).await;
        let png = STANDARD.decode(picture.as_str().unwrap()).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), png).unwrap();
    }

    async fn element(&self, selector: &str) -> String {
        let found = self.tell("/element", &json!({ "using": "css selector", "value": selector })).await;
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    async fn tell(&self, what: &str, how: &Value) -> Value {
        self.order("POST", &format!("{}{what}", self.session), how).await
    }

    async fn order(&self, method: &'static str, path: &str, body: &Value) -> Value {
        let request = Request::new(method, path)
            .with("Host", &self.address.to_string())
            .with("Content-Type", "application/json; charset=utf-8");
        let body = if body.is_null() { Vec::new() } else { body.to_string().into() };
        let answer = ask(self.address, &Request { body, ..request }).await;
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
        answer.json()["value"].clone()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Told to end, the driver ends its browser, too; killed, it would leave it behind.
        let told = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.driver.id())]).status();
        if !told.is_ok_and(|told| told.success()) {
            self.driver.kill().ok();
        }
        self.driver.wait().ok();
    }
}

/// The port that the driver chose, as it says.
fn port(driver: &mut Child) -> u16 {
    let said = BufReader::new(driver.stdout.take().unwrap());
    let line = said.lines().map_while(Result::ok).find(|line| line.contains("successfully on port "));
    let line = line.expect("the driver says where it listens");
    line.rsplit("on port ").next().unwrap().trim_end_matches('.').trim().parse().unwrap()
}
