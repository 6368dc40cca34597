//! axe-core, somebody else's judge of whether a page can be used without seeing it or without a mouse.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::chromium::Chromium;

const PACKAGE: &str = "axe-core@4.14.1";

/// Its text, installed under `target/` if need be; `None`, with a word, where it can't be.
pub fn text() -> Option<String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(PACKAGE);
    let file = folder.join("node_modules/axe-core/axe.min.js");
    if !file.exists() {
        std::fs::create_dir_all(&folder).unwrap();
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", PACKAGE]);
        npm.current_dir(&folder).stdin(Stdio::null()).stdout(Stdio::null());
        // Said below, by the file that is not there.
        npm.status().ok();
    }
    match std::fs::read_to_string(&file) {
        Ok(text) => Some(text),
        Err(_) => {
            crate::skip::skipped(
                "what axe-core says of the console: it can't be installed (npm, and its registry, are needed)",
            );
            None
        }
    }
}

/// Fails if it finds something serious on the page that the browser shows.
pub async fn finds_nothing_serious(browser: &Chromium, axe: &str, page: &str) {
    browser.script(axe).await;
    let found = browser
        .script(
            "return axe.run(document).then(({violations, passes}) => ({ passed: passes.length, serious: violations
                .filter(({impact}) => impact === 'serious' || impact === 'critical')
                .map(({id, help, nodes}) => ({id, help, where: nodes.map((node) => node.html.slice(0, 300))})) }))",
        )
        .await;
    assert!(found["passed"].as_u64().is_some_and(|passed| passed > 5), "{page}: it looked at something: {found}");
    assert_eq!(found["serious"], Value::Array(vec![]), "{page}: {found:#}");
}
