//! What the carrier says about a call, and the one row that it adds up to.
//!
//! Webhooks come late, twice, in any order, and on any node. So a [`CallRow`] isn't a state that events
//! drive forward; it is the sum of what was said, made by an operation that is commutative, associative
//! and idempotent. Any permutation and any repetition of the same [`StatusChange`]s gives the same row.
//!
//! | field | how two values become one |
//! |---|---|
//! | status | the higher [`CallStatus::rank`] |
//! | duration | the longer; 0 says nothing |
//! | direction, parent call, business, from, to | the smaller (source rank, value): set once, whoever came first |
//! | answered by | one that is known before `unknown`, then the smaller (source rank, value) |
//! | how long that took to find out | the shorter |
//! | created, answered, ended | the earliest time |
//! | updated | the latest time |
//!
//! Whoever stores changes keeps each of them as history too, once per [`StatusChange::history_key`].
//!
//! ```
//! use trunkline::engine::status::{fold, CallStatus, CarrierSource, StatusChange};
//!
//! let call = "CA00000000000000000000000000000001".parse()?;
//! let ended = StatusChange::new(call, CallStatus::Completed, CarrierSource::StatusCallback, 2_000_000);
//! let rang = StatusChange { status: CallStatus::Ringing, occurred_at: 1_000_000, ..ended.clone() };
//!
//! let row = fold(Some(fold(None, &ended)), &rang);
//! assert_eq!(row.status, CallStatus::Completed);
//! assert_eq!((row.created_at, row.ended_at), (1_000_000, Some(2_000_000)));
//! # Ok::<(), trunkline::engine::ids::IdError>(())
//! ```

mod answered_by;
mod call_status;
mod change;
mod direction;
mod party;
mod row;

pub use answered_by::{AnsweredBy, UnknownFinding};
pub use call_status::{CallStatus, UnknownStatus};
pub use change::{CarrierSource, StatusChange};
pub use direction::{CallDirection, UnknownDirection};
pub use party::Party;
pub use row::{CallRow, Sourced, fold, merge};

#[cfg(test)]
mod tests;
