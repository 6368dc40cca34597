//! Whole conversations: orders in, events out. Nothing here waits for time, except where it says so.

use std::f64::consts::PI;

use tempfile::TempDir;

use super::*;
use crate::engine::audio::{
    Edge, EndpointSettings, Endpointer, FRAME_MS, Hz8k, Hz24k, PcmFrame, Vad, VadSettings, g711,
};
use crate::engine::business::Business;
use crate::engine::ids::Digit;
use crate::engine::prompt::{CallContext, Channel, PromptBuilder};
use crate::engine::status::CallDirection;
use crate::providers::voice_agent::local::tts::scripted;
use crate::providers::voice_agent::local::{Greeting, LocalAgent, LocalSettings, SpeechChoice};
use crate::providers::voice_agent::{AgentSession, VoiceAgent};

#[tokio::test]
async fn a_caller_leaves_a_message_and_it_is_confirmed() {
    let mut call = TestCall::<Hz8k>::answered(false).await;
    call.respond(Ask::Greeting).await;
    assert_eq!(
        call.words(),
        "Hello. Thank you for calling. Please tell me how I can help you. \
         Or press one to leave a message, two to be called back."
    );

    call.caller_speaks(3_000).await;
    call.respond(Ask::Answer).await;
    assert_eq!(
        call.words(),
        "Thank you. I have noted that. Is there anything else? If not, press pound, or just hang up."
    );
    let message = call.message().expect("the message was kept");
    assert!((3_000..=3_600).contains(&(message.length().as_millis())), "{:?}", message.length());
    assert_eq!(call.tool(), None);

    call.caller_speaks(700).await;
    call.respond(Ask::Answer).await;
    assert_eq!(call.words(), "Thank you for your call. Goodbye.");
    assert_eq!(call.message(), None, "\"no, thanks\" is no message");
    assert_eq!(call.tool(), Some(Tool::HangUp));
}

#[tokio::test]
async fn the_demo_s_recorded_caller_is_heard_with_our_own_detector() {
    #[rustfmt::skip]
    let table: [(&[u8], u128); 3] = [
        (include_bytes!("../../../../cli/demo/voices/message.ulaw"), 4_400),
        (include_bytes!("../../../../cli/demo/voices/interruption.ulaw"), 2_300),
        (include_bytes!("../../../../cli/demo/voices/goodbye.ulaw"), 2_600),
    ];
    for (ulaw, ms) in table {
        let mut call = TestCall::<Hz8k>::answered(false).await;
        call.respond(Ask::Greeting).await;
        assert_eq!(call.caller_plays(ulaw).await, 1, "one utterance");
        call.respond(Ask::Answer).await;
        let kept = call.message().expect("it was noted").length().as_millis();
        assert!((ms - 400..=ms + 600).contains(&kept), "{kept} of {ms} ms");
    }
}

#[tokio::test]
async fn a_caller_chooses_by_key() {
    for (key, words, tool) in [
        ('2', "I have noted that you would like to be called back. Thank you for your call. Goodbye.", Tool::HangUp),
        ('0', "I am connecting you.", Tool::Transfer(None)),
        ('#', "Thank you for your call. Goodbye.", Tool::HangUp),
    ] {
        let mut call = TestCall::<Hz8k>::answered(true).await;
        call.respond(Ask::Greeting).await;
        call.order(AgentOrder::Dtmf(Digit::try_from(key).unwrap()));
        call.respond(Ask::Answer).await;
        assert_eq!((call.words(), call.tool()), (words.to_owned(), Some(tool)), "key {key}");
    }
}

#[tokio::test]
async fn a_silent_caller_is_asked_twice_and_then_let_go() {
    let mut call = TestCall::<Hz8k>::answered(false).await;
    call.respond(Ask::Greeting).await;
    for _ in 0..2 {
        call.respond(Ask::Reprompt).await;
        assert!(call.words().starts_with("I did not hear anything."));
        assert_eq!(call.tool(), None);
    }
    call.respond(Ask::Reprompt).await;
    assert_eq!((call.words().as_str(), call.tool()), ("Thank you for your call. Goodbye.", Some(Tool::HangUp)));
    assert_eq!(call.message(), None);
}

#[tokio::test]
async fn the_pound_key_ends_a_message_while_the_caller_still_counts_as_speaking() {
    let mut call = TestCall::<Hz8k>::answered(false).await;
    call.respond(Ask::Greeting).await;
    call.order(AgentOrder::CallerSpeech { speaking: true });
    call.voice(2_000, 8_000).await;
    call.order(AgentOrder::Dtmf(Digit::try_from('#').unwrap()));
    call.respond(Ask::Answer).await;
    call.order(AgentOrder::CallerSpeech { speaking: false });
    assert_eq!(call.words(), "Thank you. I have noted that. Thank you for your call. Goodbye.");
    assert!(call.message().is_some());
}

#[tokio::test]
async fn a_cancelled_response_stops_at_once_and_is_asked_again() {
    let mut call = TestCall::<Hz24k>::answered(true).await;
    call.respond(Ask::Greeting).await;
    let whole = call.audio_ms();

    let mut call = TestCall::<Hz24k>::answered(true).await;
    let greeting = call.ask(Ask::Greeting);
    // The call is slow: the session has filled the channel and waits.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    call.order(AgentOrder::Cancel(greeting));
    call.order(AgentOrder::Truncate { response: greeting, heard: Duration::from_millis(800) });
    tokio::task::yield_now().await;
    call.until_ended(greeting).await;
    assert_eq!(call.outcome, Some(ResponseOutcome::Cancelled));
    assert!(call.audio_ms() < whole, "{} of {whole} ms", call.audio_ms());

    call.caller_speaks(600).await;
    call.respond(Ask::Answer).await;
    assert_eq!(call.words(), "Please tell me how I can help you.", "the question was not heard");
    assert_eq!(call.message(), None);
}

#[tokio::test]
async fn a_call_that_takes_nothing_can_still_cancel() {
    // Three greetings are more than the channel holds: the third can't be handed over.
    let mut call = TestCall::<Hz8k>::answered(true).await;
    let responses: Vec<_> = (0..4).map(|_| call.ask(Ask::Greeting)).collect();
    call.order(AgentOrder::Cancel(responses[3]));
    tokio::task::yield_now().await;
    let mut ended = Vec::new();
    while ended.len() < responses.len() {
        call.next().await;
        if let Some(AgentEvent::ResponseEnded { response, outcome }) = call.seen.last() {
            ended.push((*response, *outcome));
        }
    }
    let expected: Vec<_> = responses.into_iter().map(|response| (response, ResponseOutcome::Cancelled)).collect();
    assert_eq!(ended, expected, "a new response ends the one before it, and the last was cancelled");
}

#[tokio::test]
async fn a_cancel_of_a_response_that_is_over_changes_nothing() {
    let mut call = TestCall::<Hz8k>::answered(false).await;
    let greeting = call.respond(Ask::Greeting).await;
    call.order(AgentOrder::Cancel(greeting));
    call.caller_speaks(800).await;
    call.respond(Ask::Answer).await;
    assert!(call.words().starts_with("Thank you. I have noted that."));
}

#[tokio::test]
async fn a_goodbye_that_was_cut_off_before_it_was_sent_hangs_up_nobody() {
    let mut call = TestCall::<Hz8k>::answered(false).await;
    call.order(AgentOrder::Dtmf(Digit::try_from('#').unwrap()));
    let goodbye = call.ask(Ask::Answer);
    call.order(AgentOrder::Cancel(goodbye));
    call.until_ended(goodbye).await;
    assert_eq!((call.tool(), call.outcome), (None, Some(ResponseOutcome::Cancelled)));
}

#[tokio::test]
async fn a_caller_who_hangs_up_in_the_middle_of_a_message_has_left_it() {
    let mut call = TestCall::<Hz8k>::answered(false).await;
    call.respond(Ask::Greeting).await;
    call.order(AgentOrder::CallerSpeech { speaking: true });
    call.voice(2_000, 8_000).await;
    let AgentSession { link, mut events } = call.session;
    drop(link);
    let mut messages = 0;
    while let Some(event) = events.recv().await {
        messages += u32::from(matches!(event, AgentEvent::MessageTaken(_)));
    }
    assert_eq!(messages, 1, "and then the session ends");
}

#[tokio::test]
async fn every_utterance_is_told_to_have_no_words() {
    let mut call = TestCall::<Hz8k>::answered(false).await;
    call.respond(Ask::Greeting).await;
    call.caller_speaks(800).await;
    call.respond(Ask::Answer).await;
    let is_empty = |event: &&AgentEvent<Hz8k>| matches!(event, AgentEvent::CallerText { text, .. } if text.is_empty());
    assert_eq!(call.seen.iter().filter(is_empty).count(), 1);
}

#[tokio::test]
async fn a_refused_transfer_goes_on_with_the_conversation() {
    let mut call = TestCall::<Hz8k>::answered(true).await;
    call.order(AgentOrder::Dtmf(Digit::try_from('0').unwrap()));
    call.respond(Ask::Answer).await;
    let id = call.seen.iter().find_map(|event| match event {
        AgentEvent::ToolCalled(tool) => Some(tool.call_id.clone()),
        _ => None,
    });
    call.order(AgentOrder::ToolResult { call_id: id.unwrap(), result: ToolResult::Refused("no number".into()) });
    call.respond(Ask::Answer).await;
    assert_eq!(call.words(), "I am sorry, nobody is free now. Please tell me how I can help you.");
}

#[tokio::test]
async fn the_business_s_own_greeting_is_spoken_where_a_program_can() {
    let folder = TempDir::new().unwrap();
    let agent = LocalAgent { speech: Arc::new(scripted(&folder, "cat $0.wav")) };
    let mut call = TestCall::<Hz8k>::of(&agent, false).await;
    call.respond(Ask::Greeting).await;
    assert!(call.words().starts_with("Reception, good morning. Please tell me how I can help you."));
    assert_eq!(call.counted(), 0);
}

#[tokio::test]
async fn a_greeting_that_was_prepared_needs_no_program_any_more() {
    let folder = TempDir::new().unwrap();
    let agent = LocalAgent { speech: Arc::new(scripted(&folder, "cat $0.wav")) };
    let AgentBrief { greeting, language, voice, .. } = brief(false);
    agent.prepare::<Hz8k>(vec![Greeting { text: greeting.unwrap(), language, voice }]).await;
    std::fs::remove_file(folder.path().join("speaker")).unwrap();
    let mut call = TestCall::<Hz8k>::of(&agent, false).await;
    call.respond(Ask::Greeting).await;
    assert!(call.words().starts_with("Reception, good morning. Please tell me how I can help you."));
}

#[tokio::test]
async fn a_program_that_fails_or_hangs_costs_the_caller_nothing_but_the_own_words() {
    // The second is killed at the program's own limit, the third outlasts the caller's patience: 1 s of real time.
    for (script, limit_ms) in [("exit 1", 10_000), ("exec sleep 1000", 50), ("exec sleep 1000", 10_000)] {
        let folder = TempDir::new().unwrap();
        let speech = scripted(&folder, script).limited(Duration::from_millis(limit_ms));
        let agent = LocalAgent { speech: Arc::new(speech) };
        let mut call = TestCall::<Hz8k>::of(&agent, false).await;
        call.respond(Ask::Greeting).await;
        assert!(call.words().starts_with("Hello. Thank you for calling. Please tell me"), "{script}");
        assert_eq!(call.counted(), 1, "{script}");
    }
}

#[tokio::test]
async fn a_greeting_can_be_cancelled_while_it_is_being_made() {
    let folder = TempDir::new().unwrap();
    let agent = LocalAgent { speech: Arc::new(scripted(&folder, "exec sleep 1000")) };
    let mut call = TestCall::<Hz8k>::of(&agent, false).await;
    let greeting = call.ask(Ask::Greeting);
    call.order(AgentOrder::Cancel(greeting));
    call.until_ended(greeting).await;
    assert_eq!((call.outcome, call.audio_ms()), (Some(ResponseOutcome::Cancelled), 0));
}

#[test]
fn words_are_spread_over_the_sound_in_their_order() {
    assert_eq!(words_by_chunk("one two six", 3), ["one", "two", "six"].map(String::from));
    assert_eq!(words_by_chunk("one two", 1), ["one two"]);
    assert_eq!(words_by_chunk("one", 4).concat(), "one");
    assert_eq!(words_by_chunk("  ", 2), ["", ""]);
    assert!(words_by_chunk("one", 0).is_empty());
}

/// A call with one agent session, and what it has seen of it.
struct TestCall<R: Rate> {
    session: AgentSession<R>,
    seen: Vec<AgentEvent<R>>,
    responses: u32,
    outcome: Option<ResponseOutcome>,
}

impl<R: Rate> TestCall<R> {
    async fn answered(may_transfer: bool) -> Self {
        let agent = LocalAgent::new(&LocalSettings { speech: SpeechChoice::Clips, piper_model: None });
        Self::of(&agent, may_transfer).await
    }

    async fn of(agent: &LocalAgent, may_transfer: bool) -> Self {
        let session = agent.open(brief(may_transfer));
        let mut call = Self { session, seen: vec![], responses: 0, outcome: None };
        call.next().await;
        assert!(matches!(call.seen[..], [AgentEvent::Ready { detects_turns: false }]));
        call
    }

    fn order(&self, order: AgentOrder) {
        assert!(self.session.link.order(order));
    }

    fn ask(&mut self, ask: Ask) -> ResponseId {
        self.responses += 1;
        self.seen.clear();
        let response = ResponseId::from_engine(self.responses);
        self.order(AgentOrder::Respond { response, ask });
        response
    }

    /// Asks for a response and takes all of it.
    async fn respond(&mut self, ask: Ask) -> ResponseId {
        let response = self.ask(ask);
        self.until_ended(response).await;
        assert_eq!(self.outcome, Some(ResponseOutcome::Completed));
        response
    }

    async fn until_ended(&mut self, response: ResponseId) {
        self.events_until(
            |call| matches!(call.seen.last(), Some(AgentEvent::ResponseEnded { response: of, .. }) if *of == response),
        )
        .await;
        let mut stages = self.seen.iter().filter_map(|event| match event {
            AgentEvent::ResponseStarted(of) if *of == response => Some(0),
            AgentEvent::Audio { response: of, .. } if *of == response => Some(1),
            AgentEvent::ResponseEnded { response: of, .. } if *of == response => Some(2),
            _ => None,
        });
        assert!(stages.by_ref().is_sorted(), "started, audio, ended");
        self.outcome = self.seen.iter().rev().find_map(|event| match event {
            AgentEvent::ResponseEnded { outcome, .. } => Some(*outcome),
            _ => None,
        });
    }

    async fn events_until(&mut self, mut is_enough: impl FnMut(&Self) -> bool) {
        while !is_enough(self) {
            self.next().await;
        }
    }

    async fn next(&mut self) {
        let event = self.session.events.recv().await.expect("the session goes on");
        self.seen.push(event);
    }

    /// The caller speaks for so long; our detector notices after 60 ms, and the end after 600 ms.
    async fn caller_speaks(&self, ms: u32) {
        self.voice(60, 8_000).await;
        self.order(AgentOrder::CallerSpeech { speaking: true });
        self.voice(ms - 60, 8_000).await;
        self.voice(600, 20).await;
        self.order(AgentOrder::CallerSpeech { speaking: false });
    }

    async fn voice(&self, ms: u32, level: i16) {
        for _ in 0..ms / FRAME_MS {
            let samples: Vec<i16> = (0..R::FRAME_SAMPLES)
                .map(|n| (f64::from(level) * (2.0 * PI * 400.0 * n as f64 / f64::from(R::HZ)).sin()) as i16)
                .collect();
            assert!(self.session.link.hear(PcmFrame::from_samples(&samples).unwrap()));
            tokio::task::yield_now().await;
        }
    }

    fn words(&self) -> String {
        let pieces = self.seen.iter().filter_map(|event| match event {
            AgentEvent::Text { text, .. } => Some(text.as_str()),
            _ => None,
        });
        pieces.collect()
    }

    fn audio_ms(&self) -> u128 {
        let chunks = self.seen.iter().filter_map(|event| match event {
            AgentEvent::Audio { chunk, .. } => Some(chunk.length().as_millis()),
            _ => None,
        });
        chunks.sum()
    }

    fn counted(&self) -> usize {
        self.seen.iter().filter(|event| matches!(event, AgentEvent::Counted(AgentCounter::VendorError))).count()
    }

    fn message(&self) -> Option<Chunk<R>> {
        self.seen.iter().find_map(|event| match event {
            AgentEvent::MessageTaken(message) => Some(message.clone()),
            _ => None,
        })
    }

    fn tool(&self) -> Option<Tool> {
        self.seen.iter().find_map(|event| match event {
            AgentEvent::ToolCalled(call) => Some(call.tool.clone()),
            _ => None,
        })
    }
}

impl TestCall<Hz8k> {
    /// The caller's recorded words, then silence; the detector's edges go to the agent. How many utterances
    /// there were.
    async fn caller_plays(&self, ulaw: &[u8]) -> u32 {
        let mut vad = Vad::<Hz8k>::new(&VadSettings::default());
        let mut endpointer = Endpointer::new(&EndpointSettings::default());
        let silence = [g711::ULAW_SILENCE; 8_000];
        let mut utterances = 0;
        for bytes in [&silence[..], ulaw, &silence[..]].concat().as_chunks::<160>().0 {
            let frame = PcmFrame::from_ulaw(bytes);
            assert!(self.session.link.hear(frame));
            match endpointer.hear(&vad.judge(&frame)) {
                Some(Edge::Started) => self.order(AgentOrder::CallerSpeech { speaking: true }),
                Some(Edge::Ended) => {
                    utterances += 1;
                    self.order(AgentOrder::CallerSpeech { speaking: false });
                }
                None => {}
            }
            tokio::task::yield_now().await;
        }
        utterances
    }
}

fn brief(may_transfer: bool) -> AgentBrief {
    let business = Business::nameless(&"Reception".parse().unwrap());
    let channel = Channel::Call(CallDirection::Inbound);
    AgentBrief {
        call: format!("CA{}", "0".repeat(32)).parse().unwrap(),
        prompt: PromptBuilder { business: &business, channel }.build(&CallContext::default()),
        greeting: Some("Reception, good morning.".into()),
        language: "en-US".into(),
        voice: None,
        may_transfer,
        history: vec![],
    }
}
