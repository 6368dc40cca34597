//! Campaigns: kept, read, and run by one node at a time.
//!
//! | part | who may use it |
//! |---|---|
//! | `asked` | the interface: keeps a campaign with all of its leads or not at all, reads, steers |
//! | `run` | the node that holds the campaign's lease, a [`CampaignLease`], which each write proves |
//!
//! A node holds a campaign until a time; another takes it once that is over, under a fence of its own, one higher. Each write
//! of a run begins by changing the campaign's row where the fence is still its own: a node that was held up and does not know
//! yet that another took over writes nothing. The nodes' clocks are compared; one that is ahead takes a campaign early, which
//! does no harm. One write is not the run's: a call that is told of after its lead was given up opens the lead again, and the
//! campaign has work again.

mod asked;
mod rows;
mod run;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::engine::campaign::{Campaign, LeadState, Outcome, Standing};
use crate::engine::ids::{CallSid, CampaignId};

pub(super) use run::follow_again;

/// A campaign's place in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CampaignPlace(pub i64, pub CampaignId);

impl From<&Campaign> for CampaignPlace {
    fn from(campaign: &Campaign) -> Self {
        Self(campaign.created_at, campaign.id.clone())
    }
}

/// How many leads of a campaign have come how far; states in which there are none are left out.
pub type LeadCounts = Vec<(LeadState, u32)>;

/// The right to run a campaign, until another node takes it.
#[derive(Debug)]
pub struct CampaignLease {
    campaign: Campaign,
    node: Arc<str>,
    fence: i64,
}

impl CampaignLease {
    /// Which campaign, as it was when it was taken.
    pub fn campaign(&self) -> &Campaign {
        &self.campaign
    }

    /// Whether another run of it came before this one.
    pub fn is_taken_over(&self) -> bool {
        self.fence > 1
    }
}

/// How a run stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advance {
    /// How the campaign stands.
    pub standing: Standing,
    /// The leads that have just ended.
    pub ended: Vec<LeadEnd>,
    /// Whether nothing is left to do; the lease is given back then.
    pub is_over: bool,
}

/// A lead has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeadEnd {
    /// The call, if there was one.
    pub call_sid: Option<CallSid>,
    /// How.
    pub outcome: Outcome,
}
