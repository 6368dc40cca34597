//! The agent's tools: what it is offered, what its calls mean, how they are answered.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::call::{Tool, ToolResult};

/// The tools of a session.
pub(in crate::providers::voice_agent) fn offered(may_transfer: bool) -> Value {
    let hang_up = json!({
        "type": "function",
        "name": "hang_up",
        "description": "End the telephone call. Say goodbye first, in the same answer.",
        "parameters": { "type": "object", "properties": {}, "additionalProperties": false },
    });
    if !may_transfer {
        return json!([hang_up]);
    }
    let number = json!({
        "type": "string",
        "description": "Whom to connect, in E.164, as in +15005550006. Leave it out for the business's own number.",
    });
    let transfer = json!({
        "type": "function",
        "name": "transfer",
        "description": "Hand the caller over to a human. Say so first, in the same answer.",
        "parameters": { "type": "object", "properties": { "number": number }, "additionalProperties": false },
    });
    json!([hang_up, transfer])
}

/// What a call of tool `name` means. Arguments that we did not offer make it unusable; the complaint is for
/// the agent to read.
pub(in crate::providers::voice_agent) fn parse(name: &str, arguments: &str, may_transfer: bool) -> Tool {
    match name {
        "hang_up" => match read::<NoArguments>(arguments) {
            Ok(NoArguments {}) => Tool::HangUp,
            Err(complaint) => Tool::Unusable { complaint },
        },
        "transfer" if may_transfer => match read::<TransferArguments>(arguments) {
            Ok(TransferArguments { number: None }) => Tool::Transfer(None),
            Ok(TransferArguments { number: Some(number) }) => match number.parse() {
                Ok(number) => Tool::Transfer(Some(number)),
                Err(error) => Tool::Unusable { complaint: format!("number {error}") },
            },
            Err(complaint) => Tool::Unusable { complaint },
        },
        "transfer" => Tool::Unusable { complaint: "this call cannot be transferred".to_owned() },
        _ => Tool::Unusable { complaint: "there is no such tool".to_owned() },
    }
}

/// What the agent reads as the outcome of its call.
pub(in crate::providers::voice_agent) fn output(result: &ToolResult) -> String {
    match result {
        ToolResult::Done => json!({ "ok": true }).to_string(),
        ToolResult::Refused(why) => json!({ "ok": false, "error": why }).to_string(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoArguments {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TransferArguments {
    #[serde(default)]
    number: Option<String>,
}

/// Models write no arguments as an empty text now and then.
fn read<'a, T: Deserialize<'a>>(arguments: &'a str) -> Result<T, String> {
    let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
    serde_json::from_str(arguments).map_err(|error| format!("the arguments are wrong: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_strictly() {
        let number = "+15005550006".parse().unwrap();
        let unusable = |complaint: &str| Tool::Unusable { complaint: complaint.to_owned() };
        let table = [
            ("hang_up", "{}", true, Tool::HangUp),
            ("hang_up", "", false, Tool::HangUp),
            ("transfer", "{}", true, Tool::Transfer(None)),
            ("transfer", r#"{"number":null}"#, true, Tool::Transfer(None)),
            ("transfer", r#"{"number":"+15005550006"}"#, true, Tool::Transfer(Some(number))),
            ("transfer", "{}", false, unusable("this call cannot be transferred")),
            ("order_pizza", "{}", true, unusable("there is no such tool")),
        ];
        for (name, arguments, may_transfer, wanted) in table {
            assert_eq!(parse(name, arguments, may_transfer), wanted, "{name} {arguments}");
        }
        for (name, arguments) in [
            ("hang_up", r#"{"now":true}"#),
            ("hang_up", "[1]"),
            ("transfer", r#"{"number":"the boss"}"#),
            ("transfer", "{"),
        ] {
            assert!(matches!(parse(name, arguments, true), Tool::Unusable { .. }), "{name} {arguments}");
        }
    }

    #[test]
    fn a_refusal_says_why() {
        assert_eq!(
            output(&ToolResult::Refused("nobody \"there\"".into())),
            r#"{"error":"nobody \"there\"","ok":false}"#
        );
    }
}
