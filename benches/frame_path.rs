//! What one frame of 20 ms costs on its way through a call, step by step and as a whole: nanoseconds per frame.
//!
//! `cargo bench --bench frame_path`. The sound is the caller of `tests/golden/audio`, over and over.

use divan::{AllocProfiler, Bencher, black_box};
use trunkline::engine::audio::{
    EndpointSettings, Endpointer, Hz8k, Hz24k, PcmFrame, Playout, PlayoutSettings, Resampler, Step, Vad, VadSettings,
    Voice, WireTape,
};
use trunkline::engine::ids::ResponseId;
use trunkline::engine::time::CallTime;

/// Shows allocations beside the time: none, but for what a queue takes when it begins.
#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

#[divan::bench]
fn step_1_decode(bencher: Bencher) {
    let mut caller = Frames::new();
    bencher.bench_local(|| PcmFrame::from_ulaw(black_box(caller.next())));
}

#[divan::bench]
fn step_2_vad(bencher: Bencher) {
    let (mut caller, mut vad) = (Frames::new(), Vad::<Hz8k>::new(&VadSettings::default()));
    bencher.bench_local(|| vad.judge(black_box(caller.next_frame())));
}

#[divan::bench]
fn step_3_endpointer(bencher: Bencher) {
    let mut endpointer = Endpointer::new(&EndpointSettings::default());
    let mut frame = 0u32;
    bencher.bench_local(|| {
        frame += 1;
        endpointer.hear(black_box(&Voice { is_speech: frame & 64 == 0, confidence: 0.9, level: 1_000 }))
    });
}

#[divan::bench]
fn step_4_resample_8_to_24(bencher: Bencher) {
    let (mut caller, mut up) = (Frames::new(), Resampler::<Hz8k, Hz24k>::new());
    bencher.bench_local(|| up.process_frame(black_box(caller.next_frame())));
}

#[divan::bench]
fn step_5_resample_24_to_8(bencher: Bencher) {
    let (wide, mut down) = (wide_frame(), Resampler::<Hz24k, Hz8k>::new());
    bencher.bench_local(|| down.process_frame(black_box(&wide)));
}

#[divan::bench]
fn step_6_encode(bencher: Bencher) {
    let mut caller = Frames::new();
    bencher.bench_local(|| black_box(caller.next_frame()).to_ulaw());
}

/// A frame of 160 samples pushed, and one sent, at its time.
#[divan::bench]
fn playout_tick(bencher: Bencher) {
    let (mut caller, mut playout) = (Frames::new(), Playout::<Hz8k>::new(&PlayoutSettings::default()));
    let response = ResponseId::from_engine(1);
    playout.push(CallTime::START, response, &[1; 8_000]);
    let mut at = 0;
    bencher.bench_local(|| {
        at += 20;
        let now = CallTime::from_millis(at);
        playout.push(now, response, caller.next_frame().samples());
        let mut last = None;
        while let Some(step) = playout.poll(now) {
            last = Some(step);
        }
        last
    });
}

/// A frame of each side laid on the tape, and taken off again.
#[divan::bench]
fn tape(bencher: Bencher) {
    let (mut caller, mut tape) = (Frames::new(), WireTape::<Hz8k>::new());
    let mut taken = Vec::with_capacity(16_000);
    let mut at = 0;
    bencher.bench_local(|| {
        at += 20;
        let now = CallTime::from_millis(at);
        tape.caller(now, caller.next_frame());
        tape.agent(now, caller.next_frame());
        taken.clear();
        tape.take(&mut taken);
        taken.len()
    });
}

/// Both directions of a call whose agent speaks 24 kHz: decode, judge, find utterances, up; down, queue, pace, encode.
#[divan::bench]
fn whole_path(bencher: Bencher) {
    let mut caller = Frames::new();
    let mut vad = Vad::<Hz8k>::new(&VadSettings::default());
    let mut endpointer = Endpointer::new(&EndpointSettings::default());
    let (mut up, mut down) = (Resampler::<Hz8k, Hz24k>::new(), Resampler::<Hz24k, Hz8k>::new());
    let mut playout = Playout::<Hz8k>::new(&PlayoutSettings::default());
    let response = ResponseId::from_engine(1);
    let mut at = 0;
    bencher.bench_local(|| {
        at += 20;
        let now = CallTime::from_millis(at);
        let frame = PcmFrame::from_ulaw(black_box(caller.next()));
        let edge = endpointer.hear(&vad.judge(&frame));
        let to_agent = up.process_frame(&frame);
        let from_agent = down.process_frame(black_box(&to_agent));
        playout.push(now, response, from_agent.samples());
        let mut sent = [0; 160];
        while let Some(step) = playout.poll(now) {
            if let Step::Frame { frame, .. } = step {
                sent = frame.to_ulaw();
            }
        }
        (edge, sent)
    });
}

/// The caller's frames, without end, as they come from the wire and decoded.
struct Frames {
    bytes: Vec<[u8; 160]>,
    frames: Vec<PcmFrame<Hz8k>>,
    next: usize,
}

impl Frames {
    fn new() -> Self {
        let bytes = include_bytes!("../tests/golden/audio/caller.ulaw").as_chunks::<160>().0.to_vec();
        let frames = bytes.iter().map(PcmFrame::from_ulaw).collect();
        Self { bytes, frames, next: 0 }
    }

    fn next(&mut self) -> &[u8; 160] {
        self.next = (self.next + 1) % self.bytes.len();
        &self.bytes[self.next]
    }

    fn next_frame(&mut self) -> &PcmFrame<Hz8k> {
        self.next = (self.next + 1) % self.frames.len();
        &self.frames[self.next]
    }
}

fn wide_frame() -> PcmFrame<Hz24k> {
    let mut caller = Frames::new();
    let mut up = Resampler::new();
    (0..40).map(|_| up.process_frame(caller.next_frame())).last().unwrap_or(PcmFrame::silence())
}
