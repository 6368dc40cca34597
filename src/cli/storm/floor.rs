//! The floor: what no engine can be cheaper than. A bare pass-through between a carrier and OpenAI's Realtime.
//!
//! It answers every call, opens the vendor's session, passes each message of audio on as it comes, and a
//! `clear` when the vendor hears the caller begin. No pacing, no marks, no detector, no turns, no record, no
//! signature: whatever an engine costs above it is what those cost. It is written as one would write it with
//! tokio-tungstenite and serde, one task a call, on one thread.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, accept_async_with_config, connect_async_with_config};

use super::stamp::Audio;
use super::upgrade::read_head;
use crate::cli::out::Out;
use crate::engine::audio::{Hz8k, Hz24k, Resampler, g711};

/// Small, for there are two sockets a call.
const BUFFER: usize = 8 << 10;

/// Serves until it is killed.
pub fn run(listen: SocketAddr, vendor: &str, audio: Audio) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await?;
        Out::stderr().line(format_args!("the floor listens on http://{}", listener.local_addr()?));
        let serve = async {
            loop {
                if let Ok((socket, _)) = listener.accept().await {
                    tokio::spawn(serve(socket, vendor.to_owned(), audio));
                }
            }
        };
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            () = serve => {}
            _ = terminate.recv() => {}
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn serve(mut socket: TcpStream, vendor: String, audio: Audio) {
    let mut begin = [0; 4];
    let is_media = matches!(socket.peek(&mut begin).await, Ok(4) if &begin == b"GET ");
    if socket.set_nodelay(true).is_err() {
        return;
    }
    // A call that breaks is over; whoever made it counts it.
    if is_media {
        carry(socket, &vendor, audio).await.ok();
    } else {
        answer(&mut socket).await.ok();
    }
}

/// Answers a webhook.
async fn answer(socket: &mut TcpStream) -> std::io::Result<()> {
    let head = read_head(socket).await?;
    let length = head.header("Content-Length").and_then(|length| length.parse().ok()).unwrap_or(0_usize);
    let mut body = vec![0; length.min(1 << 16).saturating_sub(head.rest.len())];
    socket.read_exact(&mut body).await?;
    let answer = if head.first_line().contains("/twilio/voice") {
        let host = head.header("Host").unwrap_or_default();
        let twiml = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?><Response><Connect><Stream url="ws://{host}/twilio/media"/></Connect></Response>"#
        );
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{twiml}",
            twiml.len()
        )
    } else {
        "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".to_owned()
    };
    socket.write_all(answer.as_bytes()).await
}

#[derive(Deserialize)]
struct FromCarrier<'a> {
    event: &'a str,
    #[serde(borrow, rename = "streamSid")]
    stream_sid: Option<&'a str>,
    #[serde(borrow)]
    media: Option<Media<'a>>,
}

#[derive(Deserialize)]
struct Media<'a> {
    payload: &'a str,
}

#[derive(Deserialize)]
struct FromVendor<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    delta: Option<Cow<'a, str>>,
}

type VendorSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// One call.
struct Call {
    carrier: WebSocketStream<TcpStream>,
    vendor: VendorSocket,
    stream_sid: String,
    format: Format,
}

/// How audio is converted, where it must be.
enum Format {
    Same,
    Linear { up: Box<Resampler<Hz8k, Hz24k>>, down: Box<Resampler<Hz24k, Hz8k>> },
}

async fn carry(socket: TcpStream, vendor: &str, audio: Audio) -> Result<(), Error> {
    let config = WebSocketConfig::default().read_buffer_size(BUFFER).write_buffer_size(0);
    let carrier = accept_async_with_config(socket, Some(config)).await?;
    let (vendor, _) = connect_async_with_config(vendor, Some(config), true).await?;
    let format = match audio {
        Audio::Pcmu => Format::Same,
        // Of Deepgram nothing is passed through.
        Audio::Pcm24 | Audio::Pcm8 => {
            Format::Linear { up: Box::new(Resampler::new()), down: Box::new(Resampler::new()) }
        }
    };
    let mut call = Call { carrier, vendor, stream_sid: String::new(), format };
    call.vendor.send(Message::text(session_update(audio))).await?;
    loop {
        tokio::select! {
            message = call.carrier.next() => match message {
                Some(Ok(Message::Text(text))) => if !call.carrier_said(&text).await? { break },
                Some(Ok(Message::Close(_))) | None => break,
                Some(message) => drop(message?),
            },
            message = call.vendor.next() => match message {
                Some(Ok(Message::Text(text))) => call.vendor_said(&text).await?,
                Some(Ok(Message::Close(_))) | None => break,
                Some(message) => drop(message?),
            },
        }
    }
    call.vendor.close(None).await.ok();
    call.carrier.close(None).await
}

impl Call {
    /// Whether the call goes on.
    async fn carrier_said(&mut self, text: &str) -> Result<bool, Error> {
        let Ok(message) = serde_json::from_str::<FromCarrier<'_>>(text) else { return Ok(true) };
        match (message.event, message.media) {
            ("media", Some(media)) => {
                let audio = match &mut self.format {
                    Format::Same => Cow::Borrowed(media.payload),
                    Format::Linear { up, .. } => Cow::Owned(to_linear(up, media.payload)),
                };
                let append = format!(r#"{{"type":"input_audio_buffer.append","audio":"{audio}"}}"#);
                self.vendor.send(Message::text(append)).await?;
            }
            ("start", _) => self.stream_sid = message.stream_sid.unwrap_or_default().to_owned(),
            ("stop", _) => return Ok(false),
            _ => {}
        }
        Ok(true)
    }

    async fn vendor_said(&mut self, text: &str) -> Result<(), Error> {
        let Ok(message) = serde_json::from_str::<FromVendor<'_>>(text) else { return Ok(()) };
        let stream_sid = &self.stream_sid;
        match (message.kind, message.delta) {
            ("response.output_audio.delta", Some(delta)) => {
                let payload = match &mut self.format {
                    Format::Same => delta,
                    Format::Linear { down, .. } => Cow::Owned(to_mulaw(down, &delta)),
                };
                let media =
                    format!(r#"{{"event":"media","streamSid":"{stream_sid}","media":{{"payload":"{payload}"}}}}"#);
                self.carrier.send(Message::text(media)).await
            }
            ("input_audio_buffer.speech_started", _) => {
                self.carrier.send(Message::text(format!(r#"{{"event":"clear","streamSid":"{stream_sid}"}}"#))).await
            }
            ("response.created", _) => {
                // Each response is a sound of its own.
                if let Format::Linear { down, .. } = &mut self.format {
                    down.reset();
                }
                Ok(())
            }
            ("session.updated", _) => self.vendor.send(Message::text(r#"{"type":"response.create"}"#)).await,
            _ => Ok(()),
        }
    }
}

fn to_linear(up: &mut Resampler<Hz8k, Hz24k>, base64: &str) -> String {
    let mulaw = STANDARD.decode(base64).unwrap_or_default();
    let mut samples = vec![0; mulaw.len()];
    g711::decode_ulaw(&mulaw, &mut samples);
    let mut linear = Vec::new();
    up.process(&samples, &mut linear);
    STANDARD.encode(linear.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<u8>>())
}

fn to_mulaw(down: &mut Resampler<Hz24k, Hz8k>, base64: &str) -> String {
    let bytes = STANDARD.decode(base64).unwrap_or_default();
    let linear: Vec<i16> = bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let mut samples = Vec::new();
    down.process(&linear, &mut samples);
    let mut mulaw = vec![0; samples.len()];
    g711::encode_ulaw(&samples, &mut mulaw);
    STANDARD.encode(mulaw)
}

fn session_update(audio: Audio) -> String {
    let format = match audio {
        Audio::Pcmu => json!({ "type": "audio/pcmu" }),
        Audio::Pcm24 | Audio::Pcm8 => json!({ "type": "audio/pcm", "rate": 24_000 }),
    };
    let turns = json!({ "type": "server_vad", "create_response": true, "interrupt_response": true,
        "silence_duration_ms": 600 });
    json!({ "type": "session.update", "session": { "type": "realtime", "instructions": "Be friendly.", "audio": {
        "input": { "format": format, "turn_detection": turns, "transcription": { "model": "gpt-4o-mini-transcribe" } },
        "output": { "format": format, "voice": "marin" },
    } } })
    .to_string()
}
