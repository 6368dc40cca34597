//! Any input at all.

use super::*;

/// Any input at all, with few response numbers so that they meet.
pub(in crate::engine::call) fn any_input() -> impl Strategy<Value = Input> {
    let response =
        || prop_oneof![(1u32..8).prop_map(ResponseId::from_engine), (1u32..3).prop_map(ResponseId::from_vendor)];
    let length = || (0u64..2_000_000).prop_map(Duration::from_micros);
    let mark = || {
        (response(), 0u32..3_000, any::<bool>()).prop_map(|(response, position_ms, is_last)| Mark {
            response,
            position_ms,
            is_last,
        })
    };
    let loss = prop_oneof![
        Just(AgentLoss::Refused),
        Just(AgentLoss::Unreachable),
        Just(AgentLoss::Dropped),
        Just(AgentLoss::Stalled)
    ];
    let outcome = || {
        prop_oneof![Just(ResponseOutcome::Completed), Just(ResponseOutcome::Cancelled), Just(ResponseOutcome::Failed)]
    };
    let detector = || prop_oneof![Just(Detector::Own), Just(Detector::Vendor)];
    let any_tool = prop_oneof![
        Just(Tool::HangUp),
        Just(Tool::Transfer(None)),
        Just(Tool::Transfer(Some("+15550100".parse().unwrap()))),
        ".{0,8}".prop_map(|complaint| Tool::Unusable { complaint })
    ];
    prop_oneof![
        1 => Just(Input::Answered),
        4 => any::<bool>().prop_map(|detects_turns| Input::AgentReady { detects_turns }),
        1 => loss.prop_map(Input::AgentLost),
        6 => response().prop_map(Input::ResponseStarted),
        12 => (response(), length()).prop_map(|(response, length)| Input::AgentAudio { response, length }),
        6 => (response(), ".{0,12}").prop_map(|(response, text)| Input::AgentText { response, text }),
        8 => (response(), outcome()).prop_map(|(response, outcome)| Input::ResponseEnded { response, outcome }),
        8 => (detector(), length()).prop_map(|(by, ago)| Input::CallerSpeechStarted { by, ago }),
        8 => (detector(), length()).prop_map(|(by, ago)| Input::CallerSpeechEnded { by, ago }),
        4 => (".{0,8}", prop::option::of(0f32..1.0))
            .prop_map(|(text, confidence)| Input::CallerText { text, confidence }),
        1 => length().prop_map(|length| Input::MessageTaken { length }),
        1 => ("[a-z]{1,4}", prop::option::of(response()), any_tool)
            .prop_map(|(call_id, response, tool)| Input::ToolCalled(ToolCall { call_id, response, tool })),
        2 => Just(Input::DtmfPressed(Digit::try_from('5').unwrap())),
        8 => response().prop_map(Input::PlayoutStarted),
        8 => mark().prop_map(Input::MarkSent),
        8 => mark().prop_map(Input::MarkHeard),
        10 => Just(Input::Deadline),
    ]
}
