//! The console: pages for operators under `/console`, in the program itself, and the session that they work with.
//!
//! | route | answer |
//! |---|---|
//! | `GET /console`, `GET /console/<file>` | the page, and what it loads; the same for everybody |
//! | `POST /console/login` | `{"token": …}` → a session, as a cookie |
//! | `GET /console/session` | who is logged in, and the text that must be shown with every change |
//! | `POST /console/logout` | the end of the session |
//! | `GET /console/call` | the WebSocket of a call ([`crate::transport::browser`]) |
//!
//! Everything that the pages show they ask of `/api/v1`, which takes the session as it takes the token that it came from.

pub mod assets;
pub mod door;
pub mod session;

use actix_web::web::{self, PayloadConfig, ServiceConfig};

use super::only;

/// The longest body of a login: many times the longest token.
const MAX_LOGIN_BYTES: usize = 8 * 1_024;

/// The routes of the console, but for its calls: they are added by whoever knows the transports.
pub fn routes(config: &mut ServiceConfig) {
    config
        .service(
            only("POST", "/console/login")
                .app_data(PayloadConfig::new(MAX_LOGIN_BYTES))
                .route(web::post().to(door::log_in)),
        )
        .service(only("POST", "/console/logout").route(web::post().to(door::log_out)))
        .service(only("GET", "/console/session").route(web::get().to(door::show)))
        .configure(assets::routes);
}
