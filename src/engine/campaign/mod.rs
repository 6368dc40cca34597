//! A campaign: a list of people to be called, a few at a time, when the business may call them, each at most once.
//!
//! ```text
//!   lead:  queued ──▶ dialing ──▶ calling ──▶ completed, failed
//!             │          │           ▲            ▲
//!             │          └─▶ unknown ┴────────────┘ told by the carrier, found out, or given up
//!             └─▶ cancelled
//! ```
//!
//! A lead that was given up as one without a call, and whose call is told of after all, is `unknown` again until that has ended.
//!
//! | part | what it decides |
//! |---|---|
//! | [`Hours`] | when calls may be placed |
//! | [`Pace`] | whether the next call may be placed now |
//! | [`follow`] | what has become of a lead, by its job and its call |
//! | [`list`] | whether a list of leads can be called |
//!
//! A lead has one job ([`crate::engine::outbound`]) from its beginning, and a job is dialled once: so nobody is called
//! twice, whatever is lost on the way. Whoever was busy or did not answer is not called again.

mod follow;
mod hours;
pub mod list;
mod pace;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::ids::{BusinessId, CallSid, CampaignId, JobId, PhoneNumber};
use crate::engine::outbound::{OnMachine, OutboundOrder, UnknownWord, words};

pub use follow::{LeadNews, Outcome, Sighting, follow};
pub use hours::{Hours, Window, WindowError};
pub use pace::{Pace, Standing, Step};

/// How far a campaign has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CampaignState {
    /// Nobody has started it.
    Pending,
    /// Its leads are called.
    Running,
    /// Nobody else is called until it is resumed; calls that are alive go on.
    Paused,
    /// Every lead has been called.
    Completed,
    /// Nobody else is called any more; calls that are alive go on.
    Cancelled,
}

words!(CampaignState {
    Pending => "pending",
    Running => "running",
    Paused => "paused",
    Completed => "completed",
    Cancelled => "cancelled",
});

/// How far a lead has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeadState {
    /// Waits to be called.
    Queued,
    /// The carrier is being asked to call.
    Dialing,
    /// The call is there.
    Calling,
    /// The carrier was asked, and it is not known whether there is a call.
    Unknown,
    /// Somebody answered, and the call is over.
    Completed,
    /// Nobody answered, or there was no call.
    Failed,
    /// The campaign was cancelled before.
    Cancelled,
}

words!(LeadState {
    Queued => "queued",
    Dialing => "dialing",
    Calling => "calling",
    Unknown => "unknown",
    Completed => "completed",
    Failed => "failed",
    Cancelled => "cancelled",
});

impl LeadState {
    /// The states in which a lead has, or may have, a call.
    pub const OPEN: [Self; 3] = [Self::Dialing, Self::Calling, Self::Unknown];
}

/// What a campaign is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steering {
    /// Start, or go on.
    Resume,
    /// Call nobody else for now.
    Pause,
    /// Call nobody else.
    Cancel,
}

impl Steering {
    /// The state that it leads to.
    pub const fn to(self) -> CampaignState {
        match self {
            Self::Resume => CampaignState::Running,
            Self::Pause => CampaignState::Paused,
            Self::Cancel => CampaignState::Cancelled,
        }
    }

    /// The states from which it leads there.
    pub const fn from(self) -> &'static [CampaignState] {
        match self {
            Self::Resume => &[CampaignState::Pending, CampaignState::Paused],
            Self::Pause => &[CampaignState::Running],
            Self::Cancel => &[CampaignState::Pending, CampaignState::Running, CampaignState::Paused],
        }
    }
}

/// What is to be done, besides the leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignOrder {
    /// Whose calls they are.
    pub business: BusinessId,
    /// Its name for people.
    pub name: String,
    /// The number to show.
    pub from: PhoneNumber,
    /// How many of its calls may be alive at once; at least 1.
    pub concurrency: u32,
    /// From one dialling to the next, at least.
    pub spacing: Duration,
    /// When calls may be placed.
    pub hours: Hours,
    /// What the agent is told on each call.
    pub context: Vec<(String, String)>,
    /// What is done when a machine answers.
    pub on_machine: OnMachine,
    /// What is said to a machine.
    pub message: Option<String>,
}

impl CampaignOrder {
    /// The pace of its calls.
    pub fn pace(&self) -> Pace<'_> {
        Pace { concurrency: self.concurrency, spacing: self.spacing, hours: &self.hours }
    }

    /// The call to one of its leads. What is said of the lead wins over what is said on each call.
    pub fn call_to(&self, lead: &NewLead) -> OutboundOrder {
        let is_said = |name: &str| lead.variables.iter().any(|(own, _)| own == name);
        let common = self.context.iter().filter(|(name, _)| !is_said(name));
        OutboundOrder {
            business: self.business.clone(),
            to: lead.number.clone(),
            from: self.from.clone(),
            context: common.chain(&lead.variables).cloned().collect(),
            on_machine: self.on_machine,
            message: self.message.clone(),
            idempotency_key: None,
        }
    }
}

/// A campaign. Times are microseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    /// Which.
    pub id: CampaignId,
    /// What is to be done.
    pub order: CampaignOrder,
    /// How far it has come.
    pub state: CampaignState,
    /// When it was asked for.
    pub created_at: i64,
    /// When a node began to run it.
    pub started_at: Option<i64>,
    /// When it was completed or cancelled.
    pub ended_at: Option<i64>,
}

/// Somebody to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewLead {
    /// Whom to call.
    pub number: PhoneNumber,
    /// What the agent is told of this person or matter.
    pub variables: Vec<(String, String)>,
}

/// Somebody on a campaign's list. Times are microseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lead {
    /// The place in the list, from 1.
    pub position: u32,
    /// Whom to call, and what is known of them.
    pub lead: NewLead,
    /// The one job that may call them.
    pub job: JobId,
    /// How far it has come.
    pub state: LeadState,
    /// How often the carrier was asked to call: 0 or 1.
    pub attempts: u32,
    /// The call, once it is known.
    pub call_sid: Option<CallSid>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Why there was no call.
    pub error: Option<String>,
    /// The node that dialled.
    pub claimed_by: Option<String>,
    /// When the carrier was asked.
    pub dialled_at: Option<i64>,
    /// When it was known to be over.
    pub ended_at: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_as_what_it_stands_for() {
        assert!(CampaignState::ALL.iter().all(|value| value.as_str().parse() == Ok(*value)));
        assert!(LeadState::ALL.iter().all(|value| value.as_str().parse() == Ok(*value)));
        assert!(Outcome::ALL.iter().all(|value| value.as_str().parse() == Ok(*value)));
    }

    #[test]
    fn what_is_said_of_a_lead_wins_over_what_is_said_on_each_call() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let order = CampaignOrder {
            business: "Bakery".parse().unwrap(),
            name: "Autumn".to_owned(),
            from: "+15005550006".parse().unwrap(),
            concurrency: 3,
            spacing: Duration::ZERO,
            hours: Hours::always(),
            context: vec![pair("offer", "bread"), pair("customer", "nobody")],
            on_machine: OnMachine::Ignore,
            message: None,
        };
        let lead = NewLead { number: "+14155550100".parse().unwrap(), variables: vec![pair("customer", "Anna")] };
        assert_eq!(order.call_to(&lead).context, [pair("offer", "bread"), pair("customer", "Anna")]);
    }

    #[test]
    fn nothing_leads_out_of_an_end() {
        for end in [CampaignState::Completed, CampaignState::Cancelled] {
            for steering in [Steering::Resume, Steering::Pause, Steering::Cancel] {
                assert!(!steering.from().contains(&end));
            }
        }
    }
}
