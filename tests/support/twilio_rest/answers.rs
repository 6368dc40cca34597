//! What is done, and what is answered.

use jiff::Timestamp;
use serde_json::{Value, json};
use trunkline::cli::demo::twilio::fresh_sid;
use trunkline::clock;

use super::http::Request;
use super::{Answer, Asked, PlacedCall, State, rules};

/// What the request asks for, if it is known.
pub(super) fn asked(request: &Request) -> Option<Asked> {
    let parts: Vec<&str> = request.path.trim_end_matches(".json").split('/').collect();
    match (request.method.as_str(), parts.as_slice()) {
        ("POST", ["Calls"]) => Some(Asked::Place),
        ("GET", ["Calls"]) => Some(Asked::List),
        ("POST", ["Calls", _]) => Some(Asked::Change),
        ("GET", ["Calls", _]) => Some(Asked::Fetch),
        ("POST", ["Calls", _, "Recordings"]) => Some(Asked::Record),
        ("GET", ["IncomingPhoneNumbers"]) => Some(Asked::Numbers),
        ("POST", ["IncomingPhoneNumbers", _]) => Some(Asked::SetNumber),
        _ => None,
    }
}

/// An error as Twilio words it.
pub(super) fn refusal(status: u16, code: u32) -> Answer {
    Answer { status, body: json!({ "code": code, "message": "refused", "status": status }) }
}

/// Does what is asked, if the rules allow it.
pub(super) fn do_it(state: &mut State, request: &Request) -> Answer {
    let Some(kind) = asked(request) else {
        state.violations.push(format!("{} {}: no such thing", request.method, request.path));
        return refusal(404, 20404);
    };
    let (rules, fields) = match kind {
        Asked::Place => (rules::PLACE, &request.form),
        Asked::Change => (rules::CHANGE, &request.form),
        Asked::Record => (rules::RECORD, &request.form),
        Asked::SetNumber => (rules::SET_NUMBER, &request.form),
        Asked::List => (rules::LIST, &request.query),
        Asked::Numbers => (rules::NUMBERS, &request.query),
        Asked::Fetch => (&[][..], &request.query),
    };
    let broken = rules::broken(rules, fields);
    if !broken.is_empty() {
        state.violations.extend(broken.iter().map(|what| format!("{kind:?}: {what}")));
        return refusal(400, 21201);
    }
    let sid = request.path.trim_end_matches(".json").split('/').nth(1).unwrap_or_default().to_owned();
    match kind {
        Asked::Place => place(state, request),
        Asked::Change => change(state, &sid, request),
        Asked::Fetch => state.calls.get(&sid).map_or_else(|| refusal(404, 20404), |call| done(200, of_call(call))),
        Asked::List => list(state, request),
        Asked::Record => record(state, &sid, request),
        Asked::Numbers => numbers(state, request),
        Asked::SetNumber => set_number(state, &sid, request),
    }
}

fn done(status: u16, body: Value) -> Answer {
    Answer { status, body }
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

fn place(state: &mut State, request: &Request) -> Answer {
    let of = |name| field(&request.form, name).unwrap_or_default().to_owned();
    let is_ours = |number: &str| state.numbers.values().any(|fields| fields["phone_number"] == number);
    if !is_ours(&of("From")) {
        return refusal(400, 21210); // not a number of the account
    }
    let call = PlacedCall {
        sid: fresh_sid("CA"),
        from: of("From"),
        to: of("To"),
        status: "queued".to_owned(),
        direction: "outbound-api".to_owned(),
        created_at: clock::wall_micros() / 1_000_000 * 1_000_000,
        form: request.form.clone(),
        ..PlacedCall::default()
    };
    let body = of_call(&call);
    state.calls.insert(call.sid.clone(), call);
    done(201, body)
}

fn change(state: &mut State, sid: &str, request: &Request) -> Answer {
    let Some(call) = state.calls.get_mut(sid) else { return refusal(404, 20404) };
    if call.is_over() {
        return refusal(400, 21220);
    }
    call.changes.push(request.form.clone());
    if field(&request.form, "Status").is_some() {
        call.status = "completed".to_owned();
    }
    done(200, of_call(call))
}

fn record(state: &mut State, sid: &str, request: &Request) -> Answer {
    match state.calls.get(sid) {
        None => refusal(404, 20404),
        Some(call) if call.is_over() => refusal(400, 21220),
        Some(_) => {
            let told = field(&request.form, "RecordingStatusCallback").unwrap_or_default();
            state.recordings.push((sid.to_owned(), told.to_owned()));
            done(201, json!({ "sid": fresh_sid("RE"), "call_sid": sid, "status": "in-progress" }))
        }
    }
}

fn list(state: &State, request: &Request) -> Answer {
    let is_meant = |call: &&PlacedCall| {
        field(&request.query, "To").is_none_or(|to| to == call.to)
            && field(&request.query, "From").is_none_or(|from| from == call.from)
    };
    let calls: Vec<Value> = state.calls.values().filter(is_meant).map(of_call).collect();
    done(200, json!({ "calls": calls, "next_page_uri": null }))
}

fn numbers(state: &State, request: &Request) -> Answer {
    let sought = field(&request.query, "PhoneNumber");
    let numbers = state.numbers.values().filter(|fields| sought.is_none_or(|sought| fields["phone_number"] == sought));
    done(200, json!({ "incoming_phone_numbers": numbers.collect::<Vec<_>>(), "next_page_uri": null }))
}

fn set_number(state: &mut State, sid: &str, request: &Request) -> Answer {
    let Some(number) = state.numbers.get_mut(sid) else { return refusal(404, 20404) };
    for (name, value) in &request.form {
        let stored = match name.as_str() {
            "VoiceUrl" => "voice_url",
            "VoiceMethod" => "voice_method",
            "StatusCallback" => "status_callback",
            _ => "status_callback_method",
        };
        number.insert(stored.to_owned(), value.clone());
    }
    done(200, json!(number))
}

fn of_call(call: &PlacedCall) -> Value {
    let created = Timestamp::from_microsecond(call.created_at).unwrap();
    let created = jiff::fmt::rfc2822::to_string(&created.to_zoned(jiff::tz::TimeZone::UTC)).unwrap();
    json!({
        "sid": call.sid, "status": call.status, "direction": call.direction, "from": call.from, "to": call.to,
        "duration": call.duration.map(|seconds| seconds.to_string()), "answered_by": call.answered_by,
        "date_created": created, "start_time": null, "end_time": call.is_over().then_some(created.as_str()),
        "parent_call_sid": null,
    })
}
