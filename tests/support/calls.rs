//! Calls, and what is said about them.
#![allow(dead_code, reason = "each test binary uses its own part")]

use trunkline::engine::call::{CallStats, Farewell, HangupCause, Speaker, Turn};
use trunkline::engine::ids::CallSid;
use trunkline::engine::status::{CallDirection, CallStatus, CarrierSource, StatusChange};
use trunkline::store::{CallEnd, CallEventRecord};

pub fn call(n: u32) -> CallSid {
    format!("CA{n:032x}").parse().unwrap()
}

pub fn change(call: &CallSid, status: CallStatus, source: CarrierSource, at: i64) -> StatusChange {
    StatusChange::new(call.clone(), status, source, at)
}

/// Everything that carriers say about an ordinary inbound call.
pub fn life_of(call: &CallSid) -> Vec<StatusChange> {
    use {CallStatus as S, CarrierSource as C};
    vec![
        StatusChange {
            direction: Some(CallDirection::Inbound),
            business: Some("Reception".parse().unwrap()),
            from: Some("+15005550006".parse().unwrap()),
            to: Some("+15005550001".parse().unwrap()),
            ..change(call, S::Initiated, C::VoiceWebhook, 1_000_000)
        },
        StatusChange { sequence: Some(0), ..change(call, S::Ringing, C::StatusCallback, 1_100_000) },
        StatusChange {
            business: Some("Elsewhere".parse().unwrap()),
            ..change(call, S::InProgress, C::StreamStart, 2_000_000)
        },
        StatusChange {
            sequence: Some(3),
            duration_s: Some(42),
            direction: Some(CallDirection::Outbound),
            reason: Some("a\0b".to_owned()),
            ..change(call, S::Completed, C::StatusCallback, 44_000_000)
        },
        change(call, S::Completed, C::StreamEnded, 43_900_000),
    ]
}

pub fn turn(number: u32) -> Turn {
    Turn {
        number,
        speaker: if number % 2 == 1 { Speaker::Agent } else { Speaker::Caller },
        text: format!("sentence {number}: naïve – 你好"),
        heard_text: format!("sentence {number}"),
        confidence: number.is_multiple_of(2).then_some(0.875),
        started_ms: number * 1_000,
        ended_ms: number * 1_000 + 500,
        interrupted: number.is_multiple_of(3),
    }
}

pub fn event(n: u32) -> CallEventRecord {
    CallEventRecord {
        at_micros: 1_000 + i64::from(n),
        call_ms: n,
        who: "caller".into(),
        what: "barge_in".into(),
        ids: serde_json::json!({ "response": format!("r{n}"), "heard_ms": n }),
    }
}

pub fn end() -> CallEnd {
    CallEnd {
        cause: HangupCause::Transferred,
        farewell: Farewell::Dial("+15005550009".parse().unwrap()),
        stats: CallStats { caller_frames: 7, turns: 3, ..CallStats::default() },
        ended_at: 44_000_001,
    }
}
