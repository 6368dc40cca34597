//! What must be right before calls are sent here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::actors::asterisk::AriState;
use crate::actors::lateness::Overload;
use crate::http::health::Check;
use crate::store::{DatabaseState, Store};

/// The checks of this service. They read memory only.
pub(super) fn checks(
    store: Store,
    is_stopping: Arc<AtomicBool>,
    overload: Arc<Overload>,
    ari: Option<AriState>,
) -> Arc<dyn Fn() -> Vec<Check> + Send + Sync> {
    Arc::new(move || {
        let health = store.health();
        let database = match &health.database {
            DatabaseState::Up => Check { name: "database", ok: true, detail: health.backend.to_owned() },
            DatabaseState::NotReady { error } | DatabaseState::Down { error } => {
                Check { name: "database", ok: false, detail: error.clone() }
            }
        };
        let spool = Check {
            name: "spool",
            ok: health.spool_error.is_none(),
            detail: match &health.spool_error {
                Some(error) => error.clone(),
                None => format!("{} records wait for the database", health.spool_records_waiting),
            },
        };
        let (ok, detail) = match (is_stopping.load(Ordering::Relaxed), overload.is_on()) {
            (true, _) => (false, "the service is stopping"),
            (false, true) => (false, "live calls are served late or soon would be: new ones are refused"),
            (false, false) => (true, "new calls are taken"),
        };
        let calls = Check { name: "calls", ok, detail: detail.to_owned() };
        let mut checks = vec![database, spool, calls];
        checks.extend(ari.as_ref().map(|ari| match ari.fault() {
            None => Check { name: "asterisk_ari", ok: true, detail: format!("connected, {} calls", ari.calls()) },
            Some(error) => Check { name: "asterisk_ari", ok: false, detail: error },
        }));
        checks
    })
}
