//! What must be right before calls are sent here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::http::health::Check;
use crate::store::{DatabaseState, Store};

/// The checks of this service. They read memory only.
pub(super) fn checks(store: Store, is_stopping: Arc<AtomicBool>) -> Arc<dyn Fn() -> Vec<Check> + Send + Sync> {
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
        let is_stopping = is_stopping.load(Ordering::Relaxed);
        let detail = if is_stopping { "the service is stopping" } else { "new calls are taken" };
        let calls = Check { name: "calls", ok: !is_stopping, detail: detail.to_owned() };
        vec![database, spool, calls]
    })
}
