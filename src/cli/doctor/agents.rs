//! Whether a vendor takes its key and its settings: a session is opened as for a call, and closed again. Nothing is said in it.

use std::time::Duration;

use tokio::time::timeout;

use crate::app;
use crate::cli::out::Out;
use crate::config::Config;
use crate::engine::audio::Hz8k;
use crate::engine::business::Business;
use crate::engine::call::AgentLoss;
use crate::engine::ids::CallSid;
use crate::engine::prompt::{CallContext, Channel, PromptBuilder};
use crate::engine::status::CallDirection;
use crate::providers::voice_agent::{AgentBrief, AgentEvent, VoiceAgent};

use super::complain;

/// How long a session may take; longer than the limits of every agent.
const OPENS_WITHIN: Duration = Duration::from_secs(20);
/// No call: a carrier's names are random.
const NO_CALL: &str = "CA00000000000000000000000000000000";

/// How many things are wrong. Looks at the vendors' agents that the configuration chooses, for all calls or for a business.
pub(super) async fn examine(config: &Config, out: &mut Out) -> usize {
    let vendors = match app::vendors(config) {
        Ok(vendors) => vendors,
        Err(error) => {
            complain(out, &format!("{error:#}"), "`trunkline serve` does not start", "correct the setting");
            return 1;
        }
    };
    let mut wrong = 0;
    for (agent, business) in vendors {
        let name = agent.name();
        match open(&*agent, &business).await {
            Ok(()) => out.line(format_args!("ok      {name}: a session opens")),
            Err((what, remedy)) => {
                wrong += 1;
                let consequence = "its callers hear an apology";
                complain(out, &format!("{name} gives no session: {what}"), consequence, &remedy);
            }
        }
    }
    wrong
}

/// Opens a session for a business; what went wrong, and the remedy.
async fn open(agent: &dyn VoiceAgent<Hz8k>, business: &Business) -> Result<(), (String, String)> {
    let channel = Channel::Call(CallDirection::Inbound);
    let brief = AgentBrief {
        call: NO_CALL.parse::<CallSid>().expect("32 digits behind CA"),
        prompt: PromptBuilder { business, channel }.build(&CallContext::default()),
        greeting: business.profile.greeting.clone(),
        language: business.profile.language.clone(),
        voice: business.profile.voice.clone(),
        may_transfer: business.profile.transfer_to.is_some(),
        history: Vec::new(),
    };
    let mut session = agent.open(brief);
    let key = format!("{}_API_KEY", agent.name().to_uppercase());
    let unreachable = format!("check the network and {}.url, and try again", agent.name());
    let told = async {
        while let Some(event) = session.events.recv().await {
            match event {
                AgentEvent::Ready { .. } => return Ok(()),
                AgentEvent::Lost { loss: AgentLoss::Refused, detail } => {
                    return Err((detail, format!("check {key}, and the models and the voice in [{}]", agent.name())));
                }
                AgentEvent::Lost { detail, .. } => return Err((detail, unreachable.clone())),
                _ => {}
            }
        }
        Err(("it ended without a word".to_owned(), unreachable.clone()))
    };
    let told = timeout(OPENS_WITHIN, told).await;
    told.unwrap_or_else(|_| Err(("no answer in time".to_owned(), unreachable.clone())))
}
