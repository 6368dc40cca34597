//! The engine's own work on a frame allocates nothing: from the carrier's message to the caller's ear and back.

use std::alloc::System;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use trunkline::engine::audio::g711::decode_ulaw;
use trunkline::engine::audio::{
    EndpointSettings, Endpointer, Framer, Hz8k, Hz24k, PcmFrame, Playout, PlayoutSettings, Resampler, Step, Vad,
    VadSettings,
};
use trunkline::engine::ids::ResponseId;
use trunkline::engine::time::CallTime;
use trunkline::engine::wire::media_stream::{AUDIO_BUFFER, AudioBuffer, StreamEncoder, StreamMessage, decode};

/// One test in this binary, so that nobody else allocates meanwhile.
#[global_allocator]
static ALLOCATIONS: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const STREAM: &str = "MZ18ad3ab5a668481ce02b83e7395059f0";

#[test]
fn nothing_is_allocated_for_a_frame_on_the_whole_path() {
    let spoken = include_bytes!("golden/audio/caller.ulaw").as_chunks::<160>().0;
    let messages: Vec<String> = spoken.iter().map(|mulaw| media(mulaw)).collect();
    let mut path = Path::new();
    let (first, steady) = messages.split_at(50);
    first.iter().for_each(|message| path.carry(message));

    let region = Region::new(ALLOCATIONS);
    steady.iter().for_each(|message| path.carry(message));
    let change = region.change();

    assert!(path.sent >= steady.len() && path.edges > 0, "{} frames, {} edges", path.sent, path.edges);
    assert_eq!((change.allocations, change.reallocations), (0, 0), "in {} frames", steady.len());
}

fn media(mulaw: &[u8]) -> String {
    let payload = STANDARD.encode(mulaw);
    format!(
        r#"{{"event":"media","sequenceNumber":"4","media":{{"track":"inbound","chunk":"2","timestamp":"5","payload":"{payload}"}},"streamSid":"{STREAM}"}}"#
    )
}

/// What one call holds for its sound. The agent says what the caller said, by way of 24 kHz.
struct Path {
    audio: AudioBuffer,
    framer: Framer<Hz8k>,
    vad: Vad<Hz8k>,
    endpointer: Endpointer,
    up: Resampler<Hz8k, Hz24k>,
    down: Resampler<Hz24k, Hz8k>,
    playout: Playout<Hz8k>,
    encoder: StreamEncoder,
    message: String,
    at: CallTime,
    sent: usize,
    edges: usize,
}

impl Path {
    fn new() -> Self {
        Self {
            audio: AUDIO_BUFFER,
            framer: Framer::new(),
            vad: Vad::new(&VadSettings::default()),
            endpointer: Endpointer::new(&EndpointSettings::default()),
            up: Resampler::new(),
            down: Resampler::new(),
            playout: Playout::new(&PlayoutSettings::default()),
            encoder: StreamEncoder::new(&STREAM.parse().unwrap()),
            message: String::new(),
            at: CallTime::START,
            sent: 0,
            edges: 0,
        }
    }

    fn carry(&mut self, message: &str) {
        let received = decode(message, &mut self.audio).unwrap();
        let StreamMessage::Media(media) = received.message else { panic!("{message}") };
        let mut samples = [0; 160];
        decode_ulaw(media.payload, &mut samples);
        let mut frame = PcmFrame::silence();
        self.framer.push(&samples, |whole| frame = *whole);

        self.edges += usize::from(self.endpointer.hear(&self.vad.judge(&frame)).is_some());
        let from_agent = self.down.process_frame(&self.up.process_frame(&frame));

        self.at = self.at + std::time::Duration::from_millis(20);
        self.playout.push(self.at, ResponseId::from_engine(1), from_agent.samples());
        while let Some(step) = self.playout.poll(self.at) {
            if let Step::Frame { frame, .. } = step {
                self.message.clear();
                self.encoder.media(&frame.to_ulaw(), &mut self.message);
                self.sent += 1;
            }
        }
    }
}
