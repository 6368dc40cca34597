//! The interface for operators and integrators: JSON under `/api/v1`.
//!
//! | file | what it is |
//! |---|---|
//! | `guard` | the door: token, limits, the form of every answer |
//! | `caller` | who asks, and what they may |
//! | `body`, `page` | what requests say and how long lists are answered |
//! | `problem` | how it is said that something can't be done |
//! | `reading` | questions to the database that may take too long |
//! | `describe`, `viewer` | the OpenAPI document, and a page that shows it |
//! | `calls`, `recordings`, `asterisk`, `businesses`, `campaigns`, `webhooks`, `tokens` | the things themselves, one file each |
//!
//! A new thing is a file with a [`Part`] (its routes, and their description) and a line in [`PARTS`]. Its handlers take a
//! [`Caller`](caller::Caller), and give a value that can be written as JSON or a [`Problem`]:
//!
//! ```ignore
//! #[utoipa::path(get, path = "/things", tag = "things", params(Asked), responses((status = 200, body = Page<Thing>)))]
//! async fn list(caller: Caller, Query(asked): Query<Asked>, api: web::Data<Api>) -> Result<Json<Page<Thing>>, Problem>
//! ```

pub mod asterisk;
pub mod body;
pub mod businesses;
pub mod caller;
pub mod calls;
pub mod campaigns;
pub mod describe;
pub mod guard;
pub mod page;
pub mod problem;
mod random;
pub mod reading;
mod recordings;
pub mod throttle;
pub mod token;
pub mod token_book;
mod tokens;
mod value;
pub mod viewer;
pub mod webhooks;

use actix::Addr;
use actix_web::dev::HttpServiceFactory;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Resource, Route, guard as matching};
use secrecy::SecretString;

use crate::actors::call_registry::CallRegistry;
use crate::config::ApiSettings;
use crate::http::console::session::SessionBook;
use crate::store::Store;
use crate::telemetry::{Event, Telemetry};

use problem::Problem;
use reading::Reads;
use throttle::Throttle;
use token_book::TokenBook;

/// What the interface needs.
pub struct Api {
    /// Limits and times.
    pub settings: ApiSettings,
    /// The database.
    pub store: Store,
    /// Which calls are alive here.
    pub registry: Addr<CallRegistry>,
    /// Who may ask.
    pub tokens: TokenBook,
    /// Who has logged in.
    pub sessions: SessionBook,
    /// How often.
    pub throttle: Throttle,
    /// Logs and figures.
    pub telemetry: Telemetry,
    reads: Reads,
    document: String,
}

impl Api {
    /// The interface of this node. `connections` is how many the database's readers share.
    pub fn new(
        settings: ApiSettings,
        admin: &SecretString,
        sessions: SessionBook,
        store: Store,
        connections: u32,
        registry: Addr<CallRegistry>,
        telemetry: Telemetry,
    ) -> Self {
        Self {
            throttle: Throttle::new(settings.requests_per_minute, settings.strangers_per_minute),
            reads: Reads::new(connections),
            tokens: TokenBook::new(admin),
            sessions,
            document: describe::document(),
            settings,
            store,
            registry,
            telemetry,
        }
    }
}

impl Api {
    /// Says and counts a fault of ours, of this request or of what the interface does by itself.
    pub fn say_failed(&self, request_id: &str, error: &str) {
        self.telemetry.record(Event::ApiFailed { request_id, error });
    }
}

/// A part of the interface.
pub struct Part {
    /// Adds its routes.
    pub routes: fn(&mut ServiceConfig),
    /// What the OpenAPI document says of them.
    pub document: fn() -> utoipa::openapi::OpenApi,
}

/// Every part, in the order of the document.
const PARTS: &[Part] = &[
    calls::PART,
    asterisk::PART,
    tokens::PART,
    businesses::PART,
    campaigns::PART,
    webhooks::PART,
    recordings::PART,
    describe::PART,
];

/// Everything under `/api/v1`.
pub fn scope() -> impl HttpServiceFactory {
    web::scope("/api/v1")
        .wrap(from_fn(guard::guard))
        .configure(|config| PARTS.iter().for_each(|part| (part.routes)(config)))
        .default_service(web::to(|| async { Err::<HttpResponse, _>(Problem::not_found("path")) }))
}

/// A path that knows these methods and no others.
pub fn resource(path: &str, allowed: &'static str) -> Resource {
    let refuse = move || async move { Err::<HttpResponse, _>(Problem::method_not_allowed(allowed)) };
    web::resource(path).default_service(web::to(refuse))
}

/// A path that can only be read, by what `route` leads to.
pub fn by_get(path: &str, route: impl Fn() -> Route) -> Resource {
    resource(path, "GET, HEAD").route(get(route()))
}

/// Leads `GET` there, and `HEAD`.
pub fn get(route: Route) -> Route {
    route.guard(matching::Any(matching::Get()).or(matching::Head()))
}
