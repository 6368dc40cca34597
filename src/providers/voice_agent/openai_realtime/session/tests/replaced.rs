//! Sessions that are changed or replaced while the call goes on.

use super::*;
use crate::engine::prompt::SPEECH_RECOGNITION;

#[test]
fn another_format_is_confirmed_like_the_first_one() {
    let mut desk = Desk::new(|settings| settings.audio = AudioFormat::Pcmu);
    desk.hear(json!({ "type": "session.created", "session": {} }));
    let echo = desk.echo();
    assert_eq!(desk.hear(echo), ["decode Pcmu", "tell ready", "hear Pcmu"]);
    desk.respond(1);
    desk.begin("a", 1);
    desk.audio("a", "i");
    assert_eq!(lines(desk.session.fall_back(desk.now)), ["count FormatFallback", "send session.update"]);
    // 4,800 bytes are 100 ms now, and what is wanted meanwhile waits.
    assert_eq!(desk.order(AgentOrder::Cancel(r(1))), [""; 0]);
    assert_eq!(desk.audio("a", "i"), ["play r1"]);
    let echo = desk.echo();
    assert_eq!(desk.hear(echo), ["hear Pcm24", "send response.cancel a"]);
    desk.done("a", "cancelled");
    let heard = Duration::from_millis(250);
    assert_eq!(desk.order(AgentOrder::Truncate { response: r(1), heard }), [""; 0]);
    // One warning per session.
    assert_eq!(lines(desk.session.fall_back(desk.now)), ["send session.update"]);
}

#[test]
fn a_voice_that_was_heard_is_not_named_again() {
    let mut desk = Desk::new(|settings| settings.audio = AudioFormat::Pcmu);
    let voice = |actions: Actions<Hz8k>| match actions.into_iter().next_back() {
        Some(Action::Send(event)) => {
            let event: Value = serde_json::from_str(&event.to_json()).unwrap();
            assert_eq!(event.pointer("/session/audio/output/format/type"), Some(&json!("audio/pcm")));
            assert!(event.pointer("/session/audio/input/noise_reduction").is_some(), "everything else is named");
            event.pointer("/session/audio/output/voice").is_some()
        }
        other => panic!("{other:?}"),
    };
    desk.hear(json!({ "type": "session.created", "session": {} }));
    let echo = desk.echo();
    desk.hear(echo);
    assert!(voice(desk.session.fall_back(desk.now)));
    let echo = desk.echo();
    desk.hear(echo);
    desk.respond(1);
    desk.begin("a", 1);
    desk.audio("a", "i");
    assert!(!voice(desk.session.fall_back(desk.now)));
}

#[test]
fn a_change_of_session_waits_until_the_callers_words_are_there() {
    let mut desk = Desk::ready();
    let item = "item_1";
    let events = [
        json!({ "type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": item }),
        json!({ "type": "input_audio_buffer.speech_stopped", "audio_end_ms": 900, "item_id": item }),
        json!({ "type": "input_audio_buffer.committed", "item_id": item, "previous_item_id": null }),
    ];
    assert!(desk.session.is_quiet());
    for event in events {
        desk.hear(event.clone());
        assert!(!desk.session.is_quiet(), "{event}");
    }
    desk.hear(json!({ "type": "conversation.item.input_audio_transcription.completed", "item_id": item,
        "content_index": 0, "transcript": "When do you open?" }));
    assert!(desk.session.is_quiet());
}

#[test]
fn what_the_transcription_was_told_is_nothing_that_the_caller_said() {
    let mut desk = Desk::ready();
    let mut written = |transcript: &str| {
        desk.hear(json!({ "type": "conversation.item.input_audio_transcription.completed", "item_id": "item_1",
            "content_index": 0, "transcript": transcript }))
    };
    let told = |text: &str| [format!("tell CallerText {{ text: {text:?}, confidence: None }}")];
    assert_eq!(written(&format!("{SPEECH_RECOGNITION}\n")), told(""));
    assert_eq!(written("Only what is said."), told("Only what is said."));
}

#[test]
fn a_successor_goes_on_from_what_was_said() {
    let mut history = History::new(&[(Speaker::Caller, "Hello.".to_owned())]);
    history.agent_began(r(1));
    history.agent_said(r(1), "Good morning to you.");
    history.agent_lasted(r(1), 2 * SECOND);
    let mut desk = Desk::ready();
    let told = lines(desk.session.succeed(history, 0));
    assert_eq!(told, ["send conversation.item.create", "send conversation.item.create"]);
    let truncate = AgentOrder::Truncate { response: r(1), heard: SECOND };
    assert_eq!(
        desk.order(truncate.clone()),
        ["send conversation.item.delete before_1", "send conversation.item.create"]
    );
    assert_eq!(desk.order(truncate), [""; 0]);
}
