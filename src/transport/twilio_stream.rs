//! Twilio Media Streams: the WebSocket of one call.
//!
//! [`accept`] answers the upgrade, if it is signed. The actor of the socket stays thin, since the HTTP server
//! polls it and it freezes, timers and all, when its peer stops reading: it reads what comes. The call lives
//! beside it, in its own actor, and writes into a bounded `outbox` that goes out behind the actor's back; frames
//! pass in both directions without an envelope.
//!
//! A socket's life: `connected`, then `start` within the time limit, with the token from our own TwiML. Token
//! valid, call reserved in the directory, token claimed for all nodes: the call starts. Frames and keys that
//! come in the meantime are kept.

mod body;
mod door;
mod outbox;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use actix::prelude::*;
use actix_http::ws::{Codec, Item, ProtocolError};
use actix_web::error::ErrorForbidden;
use actix_web::http::header::SEC_WEBSOCKET_PROTOCOL;
use actix_web::{HttpRequest, HttpResponse, web};
use actix_web_actors::ws::{CloseCode, CloseReason, Message as Frame, WebsocketContext, handshake_with_protocols};
use tokio::sync::oneshot;

use crate::actors::call::{AnsweredCall, CallActor, CallerAudio, DtmfPressed, MarkHeard, MediaClosed, StreamEnd};
use crate::engine::audio::g711::decode_ulaw;
use crate::engine::audio::{FRAME_MS, Framer, Hz8k, Rate};
use crate::engine::ids::{Digit, Mark};
use crate::engine::wire::auth::RequestTarget;
use crate::engine::wire::media_stream::{
    AUDIO_BUFFER, AudioBuffer, MAX_MESSAGE_BYTES, Received, Sequence, SequenceCheck, StreamDecodeError, StreamEncoder,
    StreamMessage, StreamStart, Track, decode,
};
use crate::engine::wire::signature::Payload;
use crate::telemetry::{Event, Refusal};

use body::{FromCarrier, ToCarrier};
pub use door::{FindNotes, StreamDoor};
use outbox::{Outbox, StreamPort};

/// The only WebSocket subprotocol that Twilio names.
const SUBPROTOCOL: &str = "audio.twilio.com";
/// [`FRAME_MS`], as stamps are counted.
const FRAME_MS_I64: i64 = FRAME_MS as i64;
/// How much of the caller is kept while the call is being admitted: 5 s.
const EARLY_FRAMES: usize = 250;
/// … and so many keys: more than anybody presses in that time.
const EARLY_KEYS: usize = 50;
/// In how many pieces one message may come.
const MOST_FRAGMENTS: usize = 64;
/// How many messages that make no sense are borne before the socket is closed.
const MOST_FAULTS: u64 = 1_000;

/// Answers the upgrade of a media socket: 101 if it is signed and speaks our protocol, else 403 or 400.
pub async fn accept(
    request: HttpRequest,
    body: web::Payload,
    door: web::Data<StreamDoor>,
) -> Result<HttpResponse, actix_web::Error> {
    let connection = request.connection_info().clone();
    let scheme = if connection.scheme() == "https" { "wss" } else { "ws" };
    let path_and_query = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let target = RequestTarget { scheme, host: connection.host(), path_and_query };
    let signature = request.headers().get("X-Twilio-Signature").and_then(|value| value.to_str().ok());
    if !door.auth.is_valid(target, signature, Payload::None) {
        door.telemetry.record(Event::CallRefused { why: Refusal::BadSignature });
        return Err(ErrorForbidden("X-Twilio-Signature is missing or does not fit this address"));
    }
    let offered = request.headers().get(SEC_WEBSOCKET_PROTOCOL).map(|value| value.to_str().unwrap_or_default());
    let speaks_ours = offered.is_none_or(|list| list.split(',').any(|name| name.trim() == SUBPROTOCOL));
    if !speaks_ours {
        return Ok(HttpResponse::BadRequest().body(format!("the only subprotocol here is {SUBPROTOCOL}")));
    }
    let codec = Codec::new().max_size(door.max_message_bytes.min(MAX_MESSAGE_BYTES));
    let mut response = handshake_with_protocols(&request, &[SUBPROTOCOL])?;
    let outbox = Outbox::default();
    let stream = TwilioStream::new(door.into_inner(), outbox.clone());
    let socket = Box::pin(WebsocketContext::with_codec(stream, FromCarrier(body), codec));
    Ok(response.streaming(ToCarrier { socket, outbox }))
}

thread_local! {
    /// Where the audio of the message is put that is being read.
    static AUDIO: RefCell<AudioBuffer> = const { RefCell::new(AUDIO_BUFFER) };
}

/// The actor of one media socket.
pub struct TwilioStream {
    door: Arc<StreamDoor>,
    state: State,
    /// How the stream is over, if it is: lost, until the carrier says that it is over. Outlives the socket.
    end: Rc<Cell<StreamEnd>>,
    outbox: Outbox,
    framer: Framer<Hz8k>,
    sequence: SequenceCheck,
    fragments: Vec<u8>,
    fragment_count: usize,
    faults: u64,
    senseless: u64,
    refused_frames: u64,
    /// How far the carrier's stream had come when its call began: milliseconds.
    began_ms: i64,
}

enum State {
    /// `start` has not come yet.
    Waiting,
    /// The call is being reserved and claimed.
    Admitting { early: Vec<CallerAudio<Hz8k>>, keys: Vec<Digit> },
    /// The call is alive.
    Live { call: AnsweredCall<Hz8k> },
    /// Nothing more is taken.
    Closed,
}

type Ctx = WebsocketContext<TwilioStream>;

impl TwilioStream {
    fn new(door: Arc<StreamDoor>, outbox: Outbox) -> Self {
        Self {
            door,
            state: State::Waiting,
            end: Rc::new(Cell::new(StreamEnd::Lost)),
            outbox,
            framer: Framer::default(),
            sequence: SequenceCheck::default(),
            fragments: Vec::new(),
            fragment_count: 0,
            faults: 0,
            senseless: 0,
            refused_frames: 0,
            began_ms: 0,
        }
    }

    fn read(&mut self, text: &str, ctx: &mut Ctx) {
        AUDIO.with_borrow_mut(|audio| self.read_into(audio, text, ctx));
    }

    fn read_into(&mut self, audio: &mut AudioBuffer, text: &str, ctx: &mut Ctx) {
        let Received { sequence, message } = match decode(text, audio) {
            Ok(received) => received,
            Err(StreamDecodeError::Refused(_)) if matches!(self.state, State::Waiting) => {
                return self.refuse(Refusal::BadToken, ctx);
            }
            Err(error) => return self.fault(fault_word(&error), ctx),
        };
        if let Some(number) = sequence
            && self.sequence.observe(number) != Sequence::InOrder
        {
            // The number is wrong, the message is not: it is read all the same.
            self.faults += 1;
            self.door.telemetry.record(Event::MediaFault { kind: "out_of_order" });
        }
        match message {
            StreamMessage::Media(media) if media.track == Track::Inbound => {
                self.hear(media.payload, media.timestamp_ms, ctx);
            }
            StreamMessage::Media(_) => self.fault("outbound_track", ctx),
            StreamMessage::Mark { name } => match name.parse() {
                Ok(mark) => self.mark(mark),
                Err(_) => self.fault("unknown_mark", ctx),
            },
            StreamMessage::Dtmf { digit } => self.press(digit, ctx),
            StreamMessage::Start(start) => self.start(*start, ctx),
            StreamMessage::Stop => {
                self.end.set(StreamEnd::CallerLeft);
                self.close(CloseCode::Normal, "the call is over", ctx);
            }
            StreamMessage::Connected { .. } => {}
            StreamMessage::Unknown { .. } => self.fault("unknown_event", ctx),
        }
    }

    // === the start

    fn start(&mut self, start: StreamStart, ctx: &mut Ctx) {
        if !matches!(self.state, State::Waiting) {
            return self.fault("second_start", ctx);
        }
        let admission = match self.door.admit(&start) {
            Ok(admission) => admission,
            Err(why) => return self.refuse(why, ctx),
        };
        self.state = State::Admitting { early: Vec::new(), keys: Vec::new() };
        let port = StreamPort::new(StreamEncoder::new(&start.stream_sid), self.outbox.clone(), ctx.address());
        let (door, end, (admitted, wait)) = (Arc::clone(&self.door), Rc::clone(&self.end), oneshot::channel());
        // Not a future of this socket's: once the call is claimed it is a call, and its end is told, even if the
        // caller has left by then.
        actix_rt::spawn(async move {
            let call = match door.reserve(&admission).await {
                Ok(reservation) => {
                    let admission = door.informed(admission).await;
                    Ok(CallActor::answer((door.plan)(admission, reservation, Box::new(port))))
                }
                Err(why) => Err(why),
            };
            if let Err(Ok(call)) = admitted.send(call) {
                call.address.do_send(MediaClosed { end: end.get(), faults: 0, refused_frames: 0 });
            }
        });
        ctx.spawn(wait.into_actor(self).map(|admitted, stream, ctx| match admitted {
            Ok(Ok(call)) => stream.begin(call),
            Ok(Err(why)) => stream.refuse(why, ctx),
            Err(_) => stream.close(CloseCode::Error, "the call could not begin", ctx),
        }));
    }

    fn begin(&mut self, call: AnsweredCall<Hz8k>) {
        if let State::Admitting { early, keys } = &mut self.state {
            let mut early = std::mem::take(early);
            // What came while the call was being admitted was spoken before it began.
            self.began_ms =
                early.last().and_then(|audio| audio.carrier_ms).map_or(0, |millis| millis.saturating_add(FRAME_MS_I64));
            early.iter_mut().for_each(|audio| {
                audio.carrier_ms = audio.carrier_ms.map(|millis| millis.saturating_sub(self.began_ms))
            });
            call.line.begin_with(early);
            for digit in keys.drain(..) {
                call.address.do_send(DtmfPressed(digit));
            }
            self.state = State::Live { call };
        }
    }

    fn refuse(&mut self, why: Refusal, ctx: &mut Ctx) {
        self.door.telemetry.record(Event::CallRefused { why });
        self.close(CloseCode::Policy, "refused", ctx);
    }

    // === what comes

    fn hear(&mut self, payload: &[u8], stamp_ms: Option<u64>, ctx: &mut Ctx) {
        if matches!(self.state, State::Waiting) {
            return self.fault("media_before_start", ctx);
        }
        let stamp_ms = stamp_ms.and_then(|millis| i64::try_from(millis).ok());
        let mut carrier_ms = stamp_ms.map(|millis| millis.saturating_sub(self.began_ms));
        let (state, refused) = (&mut self.state, &mut self.refused_frames);
        for mulaw in payload.chunks(Hz8k::FRAME_SAMPLES) {
            let mut samples = [0; Hz8k::FRAME_SAMPLES];
            decode_ulaw(mulaw, &mut samples);
            self.framer.push(&samples[..mulaw.len()], |frame| {
                let audio = CallerAudio { frame: *frame, carrier_ms };
                carrier_ms = carrier_ms.map(|millis| millis.saturating_add(FRAME_MS_I64));
                match state {
                    State::Live { call } => *refused += u64::from(!call.line.offer(audio)),
                    State::Admitting { early, .. } if early.len() < EARLY_FRAMES => early.push(audio),
                    State::Admitting { .. } => *refused += 1,
                    State::Waiting | State::Closed => {}
                }
            });
        }
    }

    fn press(&mut self, digit: Digit, ctx: &mut Ctx) {
        match &mut self.state {
            State::Live { call } => call.address.do_send(DtmfPressed(digit)),
            State::Admitting { keys, .. } if keys.len() < EARLY_KEYS => keys.push(digit),
            State::Admitting { .. } => self.fault("too_many_keys", ctx),
            State::Waiting => self.fault("key_before_start", ctx),
            State::Closed => {}
        }
    }

    /// Before the call is there, nothing of it can have been heard.
    fn mark(&self, mark: Mark) {
        if let State::Live { call } = &self.state {
            call.address.do_send(MarkHeard(mark));
        }
    }

    /// A message that makes no sense: counted, and the call goes on, unless nothing else comes.
    fn fault(&mut self, kind: &'static str, ctx: &mut Ctx) {
        self.faults += 1;
        self.senseless += 1;
        self.door.telemetry.record(Event::MediaFault { kind });
        if self.senseless > MOST_FAULTS {
            self.close(CloseCode::Policy, "too many messages that make no sense", ctx);
        }
    }

    fn fragment(&mut self, item: Item, ctx: &mut Ctx) {
        let (bytes, is_first, is_last) = match &item {
            Item::FirstText(bytes) => (bytes, true, false),
            Item::FirstBinary(_) => return self.fault("binary", ctx),
            Item::Continue(bytes) => (bytes, false, false),
            Item::Last(bytes) => (bytes, false, true),
        };
        if is_first {
            self.fragments.clear();
            self.fragment_count = 0;
        }
        self.fragment_count += 1;
        let longest = self.door.max_message_bytes.min(MAX_MESSAGE_BYTES);
        if self.fragment_count > MOST_FRAGMENTS || self.fragments.len() + bytes.len() > longest {
            self.fragments.clear();
            self.fault("oversized", ctx);
            return self.close(CloseCode::Size, "the message is too long", ctx);
        }
        self.fragments.extend_from_slice(bytes);
        if is_last {
            let whole = std::mem::take(&mut self.fragments);
            match std::str::from_utf8(&whole) {
                Ok(text) => self.read(text, ctx),
                Err(_) => self.fault("not_utf8", ctx),
            }
        }
    }

    // === the end

    fn close(&mut self, code: CloseCode, why: &str, ctx: &mut Ctx) {
        self.leave();
        ctx.close(Some(CloseReason { code, description: Some(why.to_owned()) }));
        ctx.stop();
    }

    /// Tells the call, once, that its stream is over.
    fn leave(&mut self) {
        self.outbox.close();
        if let State::Live { call } = std::mem::replace(&mut self.state, State::Closed) {
            let (end, faults, refused_frames) = (self.end.get(), self.faults, self.refused_frames);
            call.address.do_send(MediaClosed { end, faults, refused_frames });
        }
    }
}

/// The kind of fault, as it is counted.
fn fault_word(error: &StreamDecodeError) -> &'static str {
    match error {
        StreamDecodeError::TooLong(_) => "oversized",
        StreamDecodeError::NotJson => "not_json",
        StreamDecodeError::Missing(_) => "missing_field",
        StreamDecodeError::Malformed(_) => "malformed_field",
        StreamDecodeError::PayloadTooLong => "oversized_payload",
        StreamDecodeError::Refused(_) => "second_start",
    }
}

impl Actor for TwilioStream {
    type Context = Ctx;

    fn started(&mut self, ctx: &mut Ctx) {
        ctx.run_later(self.door.start_timeout, |stream, ctx| {
            if matches!(stream.state, State::Waiting) {
                stream.refuse(Refusal::StartTimeout, ctx);
            }
        });
    }

    fn stopped(&mut self, _: &mut Ctx) {
        self.leave();
    }
}

impl StreamHandler<Result<Frame, ProtocolError>> for TwilioStream {
    fn handle(&mut self, frame: Result<Frame, ProtocolError>, ctx: &mut Ctx) {
        match frame {
            Ok(Frame::Text(text)) => self.read(&text, ctx),
            Ok(Frame::Binary(_)) => self.fault("binary", ctx),
            Ok(Frame::Continuation(item)) => self.fragment(item, ctx),
            Ok(Frame::Ping(bytes)) => ctx.pong(&bytes),
            Ok(Frame::Pong(_) | Frame::Nop) => {}
            Ok(Frame::Close(reason)) => {
                if reason.is_some_and(|reason| reason.code == CloseCode::Normal) {
                    self.end.set(StreamEnd::CallerLeft);
                }
                self.close(CloseCode::Normal, "", ctx);
            }
            Err(ProtocolError::Overflow) => {
                self.fault("oversized", ctx);
                self.close(CloseCode::Size, "the message is too long", ctx);
            }
            Err(_) => {
                self.fault("protocol", ctx);
                self.close(CloseCode::Protocol, "not a WebSocket frame", ctx);
            }
        }
    }
}

/// The call wants its stream closed.
#[derive(Message)]
#[rtype(result = "()")]
struct CloseStream;

impl Handler<CloseStream> for TwilioStream {
    type Result = ();

    fn handle(&mut self, CloseStream: CloseStream, ctx: &mut Ctx) {
        self.state = State::Closed; // the call knows: it asked for it
        self.close(CloseCode::Normal, "the call is over", ctx);
    }
}
