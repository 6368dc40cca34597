//! What live calls tell, as it happens: server-sent events for whoever is logged in or has a token.
//!
//! The first event is `snapshot`: the calls that are alive here. Then comes what they tell, and what new ones do. A watcher
//! who did not read is told `missed`, and then gets a snapshot again. One that connects anew gets a snapshot, too: nothing
//! is kept for it meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::Stream;
use futures_util::stream::unfold;
use serde_json::{Value, json};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::actors::call_registry::ListLiveCalls;
use crate::actors::live_feed::{LiveFeed, Watched, Watcher};
use crate::actors::metered;
use crate::http::api::Api;
use crate::http::api::caller::Caller;
use crate::http::api::problem::Problem;

use super::door;

/// How long the directory of calls may take to answer.
const REGISTRY_ANSWERS_WITHIN: Duration = Duration::from_secs(1);
/// How often it is looked whether the watcher may go on, and the service does.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After so many looks a line is sent that says nothing, so that no proxy takes the connection for dead.
const LOOKS_A_BEAT: u32 = 15;

/// What watching needs.
pub struct LiveDesk {
    /// What calls tell.
    pub feed: LiveFeed,
    /// Whether the service is stopping: then the streams end.
    pub is_stopping: Arc<AtomicBool>,
}

/// `GET /console/live`: the stream.
pub async fn watch(
    request: HttpRequest,
    api: web::Data<Api>,
    desk: web::Data<LiveDesk>,
) -> Result<HttpResponse, Problem> {
    let caller = door::watching(&request, &api)?;
    let watcher = desk.feed.watch().map_err(|error| Problem::unavailable(error.to_string()))?;
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watching = Watching { request, api, desk, caller, watcher, looks, silent_looks: 0, is_behind: true };
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(watching.events()))
}

struct Watching {
    request: HttpRequest,
    api: web::Data<Api>,
    desk: web::Data<LiveDesk>,
    caller: Caller,
    watcher: Watcher,
    looks: Interval,
    silent_looks: u32,
    /// Whether it needs a snapshot before anything else.
    is_behind: bool,
}

impl Watching {
    fn events(self) -> impl Stream<Item = Result<Bytes, actix_web::Error>> {
        unfold(self, |mut watching| async move { Some((Ok(watching.next().await?), watching)) })
    }

    /// The next event; `None`: the stream is over.
    async fn next(&mut self) -> Option<Bytes> {
        if std::mem::take(&mut self.is_behind) {
            return self.snapshot().await;
        }
        loop {
            tokio::select! {
                biased;
                _ = self.looks.tick() => {
                    if self.desk.is_stopping.load(Ordering::Relaxed) || !door::may_go_on(&self.request, &self.api, &self.caller) {
                        return None;
                    }
                    self.silent_looks += 1;
                    if self.silent_looks >= LOOKS_A_BEAT {
                        self.silent_looks = 0;
                        return Some(Bytes::from_static(b":\n\n"));
                    }
                }
                watched = self.watcher.next() => match watched {
                    Watched::Line(line) if self.caller.sees(Some(&line.business)) => return Some(event(line.what, &line.json)),
                    Watched::Line(_) => {}
                    Watched::Missed(lost) => {
                        self.is_behind = true;
                        // How much others said is no business of one business.
                        let lost = self.caller.business().is_none().then_some(lost);
                        return Some(event("missed", &json!({ "lost": lost }).to_string()));
                    }
                    Watched::Over => return None,
                },
            }
        }
    }

    /// The calls that are alive now. It was watched before they are asked for, so that none is missed between.
    async fn snapshot(&self) -> Option<Bytes> {
        let live = metered::ask(&self.api.registry, ListLiveCalls, REGISTRY_ANSWERS_WITHIN).await.ok()?;
        let seen = live.into_iter().filter(|call| self.caller.sees(Some(&call.business)));
        let calls = seen.map(|call| {
            let (business, direction) = (call.business.as_str(), call.direction.as_str());
            json!({ "call_sid": call.call.as_str(), "business": business, "direction": direction, "since": call.since })
        });
        Some(event("snapshot", &json!({ "calls": calls.collect::<Vec<Value>>() }).to_string()))
    }
}

/// One event. JSON on one line has no line break of its own.
fn event(what: &str, json: &str) -> Bytes {
    format!("event: {what}\ndata: {json}\n\n").into()
}
