//! What a frame costs in allocations on its way through the real service: socket, call, agent, playout, socket.

#[path = "support/raw_stream.rs"]
#[allow(dead_code, reason = "each test binary uses its own part")]
mod raw_stream;
#[path = "support/service.rs"]
mod service;

use std::alloc::System;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use raw_stream::RawStream;
use serde_json::json;
use service::{CALLED, CALLER, Service, ms};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use trunkline::cli::demo::twilio::{CallIdentity, fresh_sid};
use trunkline::engine::recording::RecordingPolicy;

/// One test in this binary, so that nobody but the service allocates meanwhile.
#[global_allocator]
static ALLOCATIONS: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How many allocations 20 ms of a call may cost, a frame each way and the agent's work on them: seen is a quarter of one.
const MOST: f64 = 1.0;
/// How many times 20 ms are counted together.
const FRAMES: usize = 10;
/// How often. The piece with the fewest counts: in the others the service also does what it does by the clock, as
/// looking for edits of businesses.
const PIECES: usize = 8;

#[tokio::test]
async fn a_frame_each_way_costs_less_than_one_allocation_in_the_whole_service() {
    let service = Service::with(|config| {
        config.recording.policy = RecordingPolicy::Off;
        config.journal.enabled = false;
        config.http.workers = 1;
    });
    let ringing = service.carrier.ring(CallIdentity::fresh(CALLER, CALLED)).await.unwrap();
    let connect = ringing.stream().unwrap();
    let mut stream = RawStream::open(&service, connect).await;
    let parameters: serde_json::Map<_, _> =
        connect.parameters.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let start = json!({
        "event": "start",
        "start": {
            "accountSid": service.carrier.account_sid(), "streamSid": fresh_sid("MZ"),
            "callSid": ringing.call.call_sid, "tracks": ["inbound"],
            "mediaFormat": { "encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1 },
            "customParameters": parameters,
        },
    });
    stream.says(start.to_string()).await;
    stream.hears_the_agent().await;

    let mut caller = Caller::on(stream.into_socket());
    (0..10).for_each(|_| caller.goes_on());
    let pieces = [(); PIECES].map(|()| {
        let (heard, region) = (caller.heard, Region::new(ALLOCATIONS));
        (0..FRAMES).for_each(|_| caller.goes_on());
        let change = region.change();
        ((change.allocations + change.reallocations) as f64 / FRAMES as f64, caller.heard - heard)
    });
    let heard: usize = pieces.iter().map(|(_, heard)| heard).sum();
    assert!(heard >= PIECES * FRAMES / 2, "the agent spoke meanwhile: {heard} frames");
    let each = pieces.iter().filter(|(_, heard)| *heard >= FRAMES / 2).map(|(each, _)| *each).fold(f64::MAX, f64::min);
    println!("{each:.2} allocations for each 20 ms, of {pieces:?}");
    assert!(each <= MOST, "{each:.2} allocations for each 20 ms");
}

/// A silent caller who allocates nothing.
struct Caller {
    socket: TcpStream,
    frame: Vec<u8>,
    received: Vec<u8>,
    heard: usize,
}

impl Caller {
    fn on(socket: TcpStream) -> Self {
        // The agent's next frame paces the caller; where none comes, time does.
        socket.set_read_timeout(Some(ms(20))).unwrap();
        let text = json!({ "event": "media", "media": { "timestamp": "5", "payload": STANDARD.encode([0xFF; 160]) } });
        let text = text.to_string();
        // A text of less than 64 KiB, masked with zeros: RFC 6455, section 5.2.
        let length = u16::try_from(text.len()).unwrap().to_be_bytes();
        let frame = [&[0x81, 0x80 | 126], &length[..], &[0; 4], text.as_bytes()].concat();
        Self { socket, frame, received: vec![0; 64 * 1024], heard: 0 }
    }

    /// Sends a frame and hears what there is.
    fn goes_on(&mut self) {
        self.socket.write_all(&self.frame).unwrap();
        match self.socket.read(&mut self.received) {
            Ok(bytes) => {
                let media = b"\"event\":\"media\"";
                self.heard += self.received[..bytes].windows(media.len()).filter(|window| window == media).count();
            }
            Err(error) => assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}"),
        }
    }
}
