//! What a call is made of, each part as something that can be done again and again: for the clock and for the counter
//! of instructions alike.

use std::hint::black_box;

use trunkline::engine::audio::{
    EndpointSettings, Endpointer, Hz8k, Hz24k, PcmFrame, Playout, PlayoutSettings, Resampler, Vad, VadSettings,
};
use trunkline::engine::business::{Business, Profile};
use trunkline::engine::call::journal::Journal;
use trunkline::engine::call::{CallMachine, Output};
use trunkline::engine::ids::{CallSid, ResponseId, StreamSid};
use trunkline::engine::prompt::{CallContext, Channel, PromptBuilder};
use trunkline::engine::status::{CallDirection, CallRow, CallStatus, CarrierSource, StatusChange, fold};
use trunkline::engine::time::CallTime;
use trunkline::engine::wire::form::Form;
use trunkline::engine::wire::media_stream::{AUDIO_BUFFER, StreamEncoder, decode};
use trunkline::engine::wire::signature::{Payload, Signer};
use trunkline::engine::wire::token::{MediaClaims, MediaTokens};
use trunkline::engine::wire::webhook::VoiceWebhook;

/// Does one thing once.
pub type Part = Box<dyn FnMut()>;

/// Makes a part ready.
pub type Make = fn() -> Part;

/// Each part by its name.
pub const PARTS: &[(&str, Make)] = &[
    ("ulaw_decode", ulaw_decode),
    ("ulaw_encode", ulaw_encode),
    ("vad", vad),
    ("endpointer", endpointer),
    ("resample_8_to_24", resample_8_to_24),
    ("resample_24_to_8", resample_24_to_8),
    ("playout", playout),
    ("media_decode", media_decode),
    ("media_encode", media_encode),
    ("webhook_form", webhook_form),
    ("signature", signature),
    ("media_token", media_token),
    ("status_fold", status_fold),
    ("call_machine", call_machine),
    ("prompt", prompt),
];

const CALLER: &[u8] = include_bytes!("../../tests/golden/audio/caller.ulaw");
const MEDIA: &str = include_str!("../../tests/golden/media_stream/media.json");
const VOICE: &[u8] = include_bytes!("../../tests/golden/webhooks/voice_inbound.form");
const JOURNAL: &str = include_str!("../../tests/golden/journals/interruption_key_goodbye.txt");

const URL: &str = "https://calls.example.com/twilio/voice";
const CALL: &str = "CA0123456789abcdef0123456789abcdef";

/// The caller's frames, over and over.
struct Frames(Vec<PcmFrame<Hz8k>>, usize);

impl Frames {
    fn new() -> Self {
        Self(CALLER.as_chunks::<160>().0.iter().map(PcmFrame::from_ulaw).collect(), 0)
    }

    fn next(&mut self) -> &PcmFrame<Hz8k> {
        self.1 = (self.1 + 1) % self.0.len();
        &self.0[self.1]
    }
}

fn ulaw_decode() -> Part {
    let frame: [u8; 160] = std::array::from_fn(|at| CALLER[8_000 + at]);
    Box::new(move || {
        black_box(PcmFrame::<Hz8k>::from_ulaw(black_box(&frame)));
    })
}

fn ulaw_encode() -> Part {
    let mut caller = Frames::new();
    Box::new(move || {
        black_box(caller.next().to_ulaw());
    })
}

fn vad() -> Part {
    let (mut caller, mut vad) = (Frames::new(), Vad::<Hz8k>::new(&VadSettings::default()));
    Box::new(move || {
        black_box(vad.judge(caller.next()));
    })
}

/// Fifty frames that the detector judged: what one of them costs is too little to be counted alone.
fn endpointer() -> Part {
    let (mut caller, mut vad) = (Frames::new(), Vad::<Hz8k>::new(&VadSettings::default()));
    let voices: Vec<_> = (0..50).map(|_| vad.judge(caller.next())).collect();
    let mut endpointer = Endpointer::new(&EndpointSettings::default());
    Box::new(move || {
        for voice in &voices {
            black_box(endpointer.hear(black_box(voice)));
        }
    })
}

fn resample_8_to_24() -> Part {
    let (mut caller, mut up) = (Frames::new(), Resampler::<Hz8k, Hz24k>::new());
    Box::new(move || {
        black_box(up.process_frame(caller.next()));
    })
}

fn resample_24_to_8() -> Part {
    let (mut caller, mut up, mut down) = (Frames::new(), Resampler::new(), Resampler::<Hz24k, Hz8k>::new());
    let wide: PcmFrame<Hz24k> = (0..40).map(|_| up.process_frame(caller.next())).last().unwrap_or(PcmFrame::silence());
    Box::new(move || {
        black_box(down.process_frame(black_box(&wide)));
    })
}

/// A frame of 160 samples pushed, and one sent, at its time.
fn playout() -> Part {
    let (mut caller, mut playout) = (Frames::new(), Playout::<Hz8k>::new(&PlayoutSettings::default()));
    let response = ResponseId::from_engine(1);
    playout.push(CallTime::START, response, &[1; 8_000]);
    let mut at = 0;
    Box::new(move || {
        at += 20;
        let now = CallTime::from_millis(at);
        playout.push(now, response, caller.next().samples());
        while let Some(step) = playout.poll(now) {
            black_box(step);
        }
    })
}

/// A `media` message of the carrier.
fn media_decode() -> Part {
    let mut audio = AUDIO_BUFFER;
    Box::new(move || {
        let received = decode(black_box(MEDIA), &mut audio);
        assert!(black_box(received).is_ok());
    })
}

/// A `media` message of ours.
fn media_encode() -> Part {
    let stream: StreamSid = "MZfedcba9876543210fedcba9876543210".parse().expect("it is one");
    let (encoder, mut message) = (StreamEncoder::new(&stream), String::with_capacity(1_024));
    Box::new(move || {
        message.clear();
        encoder.media(black_box(&CALLER[8_000..8_160]), &mut message);
        black_box(message.len());
    })
}

/// A voice webhook, from its body to its fields.
fn webhook_form() -> Part {
    Box::new(|| {
        let form = Form::from_urlencoded(black_box(VOICE)).expect("it is one");
        assert!(black_box(VoiceWebhook::from_form(&form)).is_ok());
    })
}

/// The signature of a voice webhook.
fn signature() -> Part {
    let form = Form::from_urlencoded(VOICE).expect("it is one");
    let signer = Signer::new(b"f0e1d2c3b4a5968778695a4b3c2d1e0f");
    let header = signer.sign(URL, &form);
    Box::new(move || assert!(signer.is_valid(black_box(&header), URL, Payload::Form(&form))))
}

/// A media token, issued and verified.
fn media_token() -> Part {
    let tokens = MediaTokens::new(b"f0e1d2c3b4a5968778695a4b3c2d1e0f");
    let call: CallSid = CALL.parse().expect("it is one");
    let claims = MediaClaims {
        business: "Reception".parse().expect("it is a name"),
        direction: CallDirection::Inbound,
        from: Some("+15005550006".parse().expect("it is a number")),
        to: Some("+15005550001".parse().expect("it is a number")),
    };
    Box::new(move || {
        let token = tokens.issue(&call, 1_800_000_000, &claims);
        let verified = tokens.verify(black_box(&token), &call, 1_800_000_001, std::time::Duration::from_secs(300));
        assert!(black_box(verified).is_ok());
    })
}

/// The row of a call, from all that a carrier says about it.
fn status_fold() -> Part {
    let call: CallSid = CALL.parse().expect("it is one");
    let change = |status, source, at| StatusChange::new(call.clone(), status, source, at);
    let changes = [
        StatusChange {
            direction: Some(CallDirection::Inbound),
            business: Some("Reception".parse().expect("it is a name")),
            from: Some("+15005550006".parse().expect("it is a number")),
            to: Some("+15005550001".parse().expect("it is a number")),
            ..change(CallStatus::Ringing, CarrierSource::VoiceWebhook, 1_000_000)
        },
        change(CallStatus::InProgress, CarrierSource::StreamStart, 2_000_000),
        StatusChange {
            duration_s: Some(42),
            ..change(CallStatus::Completed, CarrierSource::StatusCallback, 44_000_000)
        },
        change(CallStatus::Completed, CarrierSource::StreamEnded, 43_900_000),
    ];
    Box::new(move || {
        let row = changes.iter().fold(None::<CallRow>, |row, change| Some(fold(row, black_box(change))));
        black_box(row);
    })
}

/// A whole call as its machine lives it, from a journal: turns, marks, an interruption, what was heard of each
/// response, the goodbye.
fn call_machine() -> Part {
    let journal = Journal::parse(JOURNAL).expect("it is one");
    let mut outputs: Vec<Output> = Vec::with_capacity(64);
    Box::new(move || {
        let mut machine = CallMachine::new(journal.settings.clone());
        for (now, input) in &journal.inputs {
            machine.handle(*now, input.clone(), &mut outputs);
            outputs.clear();
        }
        assert!(machine.has_ended());
    })
}

/// The prompt of a call, from the business's words to what is sent.
fn prompt() -> Part {
    let mut profile = Profile::named("Corner Bakery");
    profile.prompts.inbound =
        Some("You take orders for {{goods}}. We are open until six every day but Sunday.".to_owned());
    profile.variables.insert("goods".to_owned(), "bread".to_owned());
    let business = Business { id: "bakery".parse().expect("it is a name"), version: 1, profile };
    let call = CallContext::default();
    Box::new(move || {
        let builder = PromptBuilder { business: &business, channel: Channel::Call(CallDirection::Inbound) };
        black_box(builder.build(black_box(&call)));
    })
}
