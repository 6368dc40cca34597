//! What live calls tell to whoever watches them: no actor, but what each call says as it goes on.
//!
//! A call that nobody watches reads one number and does nothing else. A watched one lays what it says into a ring that all
//! watchers share; nobody waits for them. A watcher that does not read loses the oldest and is told how many.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use thiserror::Error;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::engine::call::{HangupCause, Speaker, Turn};
use crate::engine::ids::{BusinessId, CallSid, ResponseId};
use crate::store::CallEventRecord;

/// How much is kept for a watcher that does not read: about 20 s of ten calls in which much is said.
const KEPT: usize = 1_024;
/// How many may watch at once. A console has one or two watchers; each costs a connection.
const MOST_WATCHERS: usize = 64;

/// Something that a live call tells.
#[derive(Clone, Copy, Debug)]
pub enum LiveNews<'a> {
    /// It has begun, at this moment: microseconds since 1970-01-01 UTC.
    Began { since: i64 },
    /// Somebody begins to speak, or the caller ends.
    Speech { speaker: Speaker, speaking: bool },
    /// The next piece of what the agent is about to say.
    Piece(ResponseId, &'a str),
    /// A turn that is over, with what was heard of it.
    Turn(&'a Turn),
    /// An entry of its timeline: barge-ins, silences, tools, a lost agent.
    Event(&'a CallEventRecord),
    /// It is over.
    Ended(HangupCause),
}

/// What a watcher is told.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveLine {
    /// Whose call it is.
    pub business: BusinessId,
    /// What it is: `began`, `speech`, `piece`, `turn`, `event` or `ended`.
    pub what: &'static str,
    /// All of it, as JSON.
    pub json: String,
}

/// What comes next to a watcher.
#[derive(Clone, Debug, PartialEq)]
pub enum Watched {
    /// The next thing that a call said.
    Line(Arc<LiveLine>),
    /// So many things were lost, because the watcher did not read.
    Missed(u64),
    /// No call tells anything any more.
    Over,
}

/// There are as many watchers as may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{MOST_WATCHERS} watch already; close another page that shows live calls")]
pub struct TooManyWatchers;

/// The feed of all calls of this node; a copy is the same feed.
#[derive(Clone)]
pub struct LiveFeed {
    lines: broadcast::Sender<Arc<LiveLine>>,
    watchers: Arc<AtomicUsize>,
}

/// Somebody who watches. Dropping it makes room for another.
pub struct Watcher {
    lines: broadcast::Receiver<Arc<LiveLine>>,
    watchers: Arc<AtomicUsize>,
}

impl Default for LiveFeed {
    fn default() -> Self {
        Self { lines: broadcast::Sender::new(KEPT), watchers: Arc::default() }
    }
}

impl LiveFeed {
    /// Tells what a call says, if anybody watches.
    pub fn tell(&self, business: &BusinessId, call: &CallSid, news: LiveNews<'_>) {
        if !self.is_watched() {
            return;
        }
        let (what, mut value) = describe(news);
        value["call_sid"] = call.as_str().into();
        value["business"] = business.as_str().into();
        let line = LiveLine { business: business.clone(), what, json: value.to_string() };
        self.lines.send(Arc::new(line)).ok(); // refused only if the last watcher has just left
    }

    /// Whether anybody watches.
    pub fn is_watched(&self) -> bool {
        self.watchers.load(Ordering::Relaxed) > 0
    }

    /// Watches from now on.
    ///
    /// # Errors
    /// There are as many watchers as may be.
    pub fn watch(&self) -> Result<Watcher, TooManyWatchers> {
        let count = |now| (now < MOST_WATCHERS).then_some(now + 1);
        self.watchers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count).map_err(|_| TooManyWatchers)?;
        Ok(Watcher { lines: self.lines.subscribe(), watchers: Arc::clone(&self.watchers) })
    }
}

impl Watcher {
    /// Waits for what comes next. Nothing is lost if the wait is given up.
    pub async fn next(&mut self) -> Watched {
        match self.lines.recv().await {
            Ok(line) => Watched::Line(line),
            Err(RecvError::Lagged(lost)) => Watched::Missed(lost),
            Err(RecvError::Closed) => Watched::Over,
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

fn describe(news: LiveNews<'_>) -> (&'static str, Value) {
    match news {
        LiveNews::Began { since } => ("began", json!({ "since": since })),
        LiveNews::Speech { speaker, speaking } => {
            ("speech", json!({ "speaker": speaker.as_str(), "speaking": speaking }))
        }
        LiveNews::Piece(response, text) => ("piece", json!({ "response": response.to_string(), "text": text })),
        LiveNews::Turn(turn) => ("turn", json!({ "turn": turn })),
        LiveNews::Event(event) => {
            let CallEventRecord { call_ms, who, what, ids, .. } = event;
            ("event", json!({ "call_ms": call_ms, "who": who, "what": what, "ids": ids }))
        }
        LiveNews::Ended(cause) => ("ended", json!({ "cause": cause.as_str() })),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn began(feed: &LiveFeed, since: i64) {
        let (business, call) = ("Bakery".parse().unwrap(), format!("CA{:032x}", 1).parse().unwrap());
        feed.tell(&business, &call, LiveNews::Began { since });
    }

    fn next(watcher: &mut Watcher) -> Option<Watched> {
        watcher.next().now_or_never()
    }

    fn since(watched: Option<Watched>) -> Option<i64> {
        let Some(Watched::Line(line)) = watched else { return None };
        serde_json::from_str::<Value>(&line.json).unwrap()["since"].as_i64()
    }

    #[test]
    fn every_watcher_is_told_in_order_and_of_nothing_that_was_before() {
        let feed = LiveFeed::default();
        began(&feed, 1);
        let (mut first, mut second) = (feed.watch().unwrap(), feed.watch().unwrap());
        (2..5).for_each(|at| began(&feed, at));
        for watcher in [&mut first, &mut second] {
            let told: Vec<i64> = std::iter::from_fn(|| since(next(watcher))).collect();
            assert_eq!(told, [2, 3, 4]);
        }
    }

    #[test]
    fn who_does_not_read_loses_the_oldest_and_is_told_while_others_lose_nothing() {
        let feed = LiveFeed::default();
        let (mut slow, mut quick) = (feed.watch().unwrap(), feed.watch().unwrap());
        let all = KEPT as i64 + 10;
        for at in 0..all {
            began(&feed, at);
            assert_eq!(since(next(&mut quick)), Some(at));
        }
        assert_eq!(next(&mut slow), Some(Watched::Missed(10)));
        let told: Vec<i64> = std::iter::from_fn(|| since(next(&mut slow))).collect();
        assert_eq!(told, (10..all).collect::<Vec<_>>());
    }

    #[test]
    fn there_are_only_so_many_watchers_and_one_who_leaves_makes_room() {
        let feed = LiveFeed::default();
        assert!(!feed.is_watched());
        let mut watchers: Vec<Watcher> = (0..MOST_WATCHERS).map(|_| feed.watch().unwrap()).collect();
        assert!(feed.watch().is_err());
        watchers.pop();
        watchers.push(feed.watch().unwrap());
        drop(watchers);
        assert!(!feed.is_watched());
        began(&feed, 1); // into nothing
    }
}
