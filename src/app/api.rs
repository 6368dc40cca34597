//! The interface for operators, and what keeps its tokens fresh.

use std::time::Duration;

use actix_web::web;

use crate::http::api::Api;
use crate::store::StoreError;

/// Reads the tokens again and again for as long as the interface is there. Needs an event loop on this thread.
pub(super) fn keep_fresh(api: &web::Data<Api>) {
    let every = Duration::from_millis(api.settings.token_refresh_ms.into());
    let api = api.clone();
    actix_rt::spawn(async move {
        let mut tick = tokio::time::interval(every);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await; // the first at once
            api.throttle.forget_old();
            let book = api.clone();
            match web::block(move || book.tokens.refresh(&book.store)).await {
                // An absent database was told by the store; the book stays as it is.
                Ok(Ok(()) | Err(StoreError::Unavailable(_) | StoreError::Busy(_))) => {}
                Ok(Err(error)) => api.say_failed("tokens", &error.to_string()),
                Err(_) => return, // the service ends
            }
        }
    });
}
