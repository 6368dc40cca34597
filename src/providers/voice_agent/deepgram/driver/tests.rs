//! A session over a real socket, with a vendor that takes nothing that the interface does not allow.

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::*;
use crate::engine::audio::Hz16k;
use crate::engine::business::Business;
use crate::engine::call::Ask;
use crate::engine::ids::ResponseId;
use crate::engine::prompt::{CallContext, Channel, PromptBuilder};
use crate::engine::status::CallDirection;
use crate::providers::voice_agent::deepgram::DeepgramAgent;
use crate::providers::voice_agent::{AgentOrder, AgentSession, VoiceAgent};

type Vendor = WebSocketStream<TcpStream>;

async fn open() -> (TcpListener, AgentSession<Hz16k>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/v1/agent/converse", listener.local_addr().unwrap());
    let settings = DeepgramSettings { url, keep_alive: Duration::from_millis(300), ..DeepgramSettings::default() };
    let business = Business::nameless(&"Bakery".parse().unwrap());
    let channel = Channel::Call(CallDirection::Inbound);
    let brief = AgentBrief {
        call: "CA00000000000000000000000000000001".parse().unwrap(),
        prompt: PromptBuilder { business: &business, channel }.build(&CallContext::default()),
        greeting: Some("Hello.".into()),
        language: "en-US".into(),
        voice: Some("aura-2-odd".into()),
        may_transfer: false,
        history: Vec::new(),
    };
    let agent = DeepgramAgent::new(settings, None).unwrap();
    (listener, agent.open(brief))
}

async fn answer(listener: &TcpListener) -> (Vendor, Value) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut vendor = accept_async(stream).await.unwrap();
    let settings = heard(&mut vendor).await;
    assert_eq!(settings["type"], "Settings", "nothing may come before the settings");
    (vendor, settings)
}

/// The next text; audio before it is left out.
async fn heard(vendor: &mut Vendor) -> Value {
    loop {
        if let Message::Text(text) = vendor.next().await.unwrap().unwrap() {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

async fn say(vendor: &mut Vendor, message: Value) {
    vendor.send(Message::text(message.to_string())).await.unwrap();
}

#[tokio::test]
async fn a_call_is_greeted_and_its_silence_is_bridged() {
    let (listener, mut session) = open().await;
    let (mut vendor, settings) = answer(&listener).await;
    assert_eq!(settings["audio"]["input"], json!({ "encoding": "linear16", "sample_rate": 16_000 }));
    assert!(session.link.hear(PcmFrame::silence()));
    say(&mut vendor, json!({ "type": "Welcome", "request_id": "x" })).await;
    say(&mut vendor, json!({ "type": "SettingsApplied" })).await;
    assert_eq!(session.events.recv().await, Some(AgentEvent::Ready { detects_turns: true }));
    assert!(session.link.hear(PcmFrame::silence()));
    let mut first = vendor.next().await.unwrap().unwrap();
    while first.is_text() {
        first = vendor.next().await.unwrap().unwrap();
    }
    assert_eq!(first, Message::binary(vec![0; 640]));
    let response = ResponseId::from_engine(1);
    assert!(session.link.order(AgentOrder::Respond { response, ask: Ask::Greeting }));
    let mut greeting = heard(&mut vendor).await;
    while greeting["type"] == "KeepAlive" {
        greeting = heard(&mut vendor).await;
    }
    assert_eq!(greeting, json!({ "type": "InjectAgentMessage", "message": "Hello.", "behavior": "queue" }));
    vendor.send(Message::binary(vec![1, 0, 2, 0])).await.unwrap();
    assert_eq!(session.events.recv().await, Some(AgentEvent::ResponseStarted(response)));
    assert!(matches!(session.events.recv().await, Some(AgentEvent::Audio { .. })));
    assert_eq!(heard(&mut vendor).await, json!({ "type": "KeepAlive" }));
    drop(vendor);
    assert!(matches!(session.events.recv().await, Some(AgentEvent::Lost { loss: AgentLoss::Dropped, .. })));
    assert_eq!(session.events.recv().await, None);
}

#[tokio::test]
async fn refused_settings_are_tried_once_more_in_plain() {
    let (listener, mut session) = open().await;
    for voice in ["aura-2-odd", "aura-2-thalia-en"] {
        let (mut vendor, settings) = answer(&listener).await;
        assert_eq!(settings["agent"]["speak"]["provider"]["model"], voice);
        say(&mut vendor, json!({ "type": "Error", "code": "INVALID_SETTINGS", "description": "no" })).await;
    }
    let lost = session.events.recv().await;
    assert!(matches!(lost, Some(AgentEvent::Lost { loss: AgentLoss::Refused, .. })), "{lost:?}");
}
