//! Services that say in short what a call was about.

mod openai_chat;

use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use thiserror::Error;

use crate::engine::transcript::{CallSummary, SpokenText};

use super::vendor_http::{Meaning, VendorError};
pub use openai_chat::{OpenAiChat, OpenAiChatSettings};

/// Sums calls up. A call may take a minute; none blocks the thread, and dropping it ends the work.
pub trait Summariser {
    /// What a call was about. Of a call in which nobody said anything there is no [`SpokenText`], and so no summary.
    fn summarise<'a>(&'a self, call: CallWords<'a>) -> LocalBoxFuture<'a, Result<CallSummary, SummariseError>>;
}

/// What is summed up.
#[derive(Clone, Copy, Debug)]
pub struct CallWords<'a> {
    /// The final transcript.
    pub transcript: SpokenText<'a>,
    /// The language of the call, as a BCP 47 tag; the summary is in it.
    pub language: &'a str,
}

/// Why there is no summary. No message repeats a secret or what was said.
#[derive(Debug, Error)]
pub enum SummariseError {
    /// The service doesn't let us.
    #[error("the summariser refuses us ({0}): check its key, its address and its model")]
    Refused(u16),
    /// The service is away or overloaded.
    #[error("the summariser doesn't answer: {reason}")]
    Away {
        /// What happened.
        reason: String,
        /// When it wants to be asked again, if it said so.
        retry_after: Option<Duration>,
    },
    /// It can't do this, or the model won't.
    #[error("the summariser can't sum this up: {0}")]
    Unusable(String),
    /// What it answered is not what was asked for.
    #[error("the summariser's answer is not what was asked for: {0}")]
    Odd(String),
}

impl SummariseError {
    /// Whether asking again later may help. A model that answered oddly may do better another time.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::Odd(_))
    }
}

impl From<VendorError> for SummariseError {
    fn from(error: VendorError) -> Self {
        match (error.meaning(), &error) {
            (Meaning::Refused, VendorError::Status { status, .. }) => Self::Refused(*status),
            (Meaning::Unusable, _) => Self::Unusable(error.to_string()),
            (_, VendorError::Unreadable(why)) => Self::Odd(why.clone()),
            _ => Self::Away { reason: error.to_string(), retry_after: error.retry_after() },
        }
    }
}
