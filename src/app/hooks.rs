//! Outgoing webhooks: who sends them, where they may go, and what they say.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};

use crate::actors::webhook_sender::{SenderSettings, WebhookSender};
use crate::config::{Config, WebhookSettings};
use crate::engine::delivery::Retries;
use crate::http::api::businesses::RefuseReceiver;
use crate::http::api::webhooks::{HookDoor, body_of};
use crate::providers::webhook_receiver::{Allowed, HttpReceiver, Reach};
use crate::store::Store;
use crate::telemetry::Telemetry;

/// Starts the sender of this node on this thread.
pub(super) fn start(config: &Config, store: Store, telemetry: Telemetry) -> anyhow::Result<HookDoor> {
    let webhooks = &config.webhooks;
    let settings = settings(webhooks);
    let receiver = Rc::new(HttpReceiver::new(reach(webhooks)?, settings.time_limit, HttpReceiver::system_roots()));
    WebhookSender::start(store, receiver, Arc::new(body_of), settings, telemetry);
    Ok(HookDoor { overlap: Duration::from_secs(webhooks.secret_overlap_s.into()) })
}

/// What says why webhooks may not go to an address.
pub(super) fn refuse_receiver(config: &Config) -> anyhow::Result<RefuseReceiver> {
    let reach = reach(&config.webhooks)?;
    Ok(Arc::new(move |url: &str| reach.admit(url).err().map(|error| error.to_string())))
}

fn reach(webhooks: &WebhookSettings) -> anyhow::Result<Reach> {
    let allowed = webhooks.allowed().map(|text| text.parse().map_err(|error| anyhow!("{text:?} {error}")));
    Ok(Reach::new(allowed.collect::<anyhow::Result<Vec<Allowed>>>().context("webhooks.allow_private")?))
}

fn settings(webhooks: &WebhookSettings) -> SenderSettings {
    SenderSettings {
        retries: Retries {
            first_pause: Duration::from_millis(webhooks.first_retry_ms.into()),
            longest_pause: Duration::from_millis(webhooks.longest_retry_ms.into()),
            give_up_after: Duration::from_secs(webhooks.give_up_after_s.into()),
        },
        time_limit: Duration::from_millis(webhooks.timeout_ms.into()),
        places: webhooks.max_in_flight as usize,
        per_business: webhooks.max_in_flight_per_business as usize,
        max_body_bytes: webhooks.max_body_bytes,
        keep: Duration::from_secs(webhooks.keep_s.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConfigSources, Environment};

    #[test]
    fn what_the_configuration_takes_as_allowed_can_be_allowed() {
        for (text, is_taken) in [
            ("", true),
            ("10.0.0.0/8, ::1, hooks.internal", true),
            ("fd00::/8,192.168.1.1,", true),
            ("10.0.0.0/33", false),
            ("http://hooks.internal/", false),
            ("hooks.internal/8", false),
            ("a b", false),
        ] {
            let environment: Environment = [("TRUNKLINE__WEBHOOKS__ALLOW_PRIVATE", text)].into_iter().collect();
            let loaded = Config::load(&ConfigSources { environment, ..ConfigSources::default() });
            assert_eq!(loaded.is_ok(), is_taken, "{text}");
            let webhooks = WebhookSettings { allow_private: text.to_owned(), ..Config::default().webhooks };
            assert_eq!(reach(&webhooks).is_ok(), is_taken, "{text}");
        }
    }
}
