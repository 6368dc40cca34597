//! The part of a socket in which there is a call.

use std::sync::Arc;
use std::time::Duration;

use actix_http::ws::CloseCode;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::actors::call::{AnsweredCall, CallActor, CallerAudio, DtmfPressed, MarkHeard, MediaClosed, StreamEnd};
use crate::actors::call_registry::Reservation;
use crate::clock;
use crate::engine::audio::{FRAME_MS, Framer, Hz16k, Level, PcmFrame, Rate};
use crate::engine::wire::browser::{FromBrowser, ToBrowser, decode, decode_audio};
use crate::telemetry::Event;
use crate::transport::admission::Admission;

use super::door::BrowserDoor;
use super::outbox::Outbox;
use super::wire::{Came, Wire};

/// How often the browser is told how loud both sides are: often enough for a meter, and a sign that we are there.
const LEVELS_EVERY: Duration = Duration::from_millis(100);
/// How many messages that make no sense are borne before the socket is closed.
const MOST_FAULTS: u64 = 1_000;
/// How long a call may take to end once its socket is over.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// Carries a call until it is over.
pub(super) async fn run(
    mut wire: Wire,
    outbox: Outbox,
    door: Arc<BrowserDoor>,
    admission: Admission,
    reservation: Reservation,
) {
    let (name, since) = (admission.call.clone(), clock::wall_micros());
    let (rate_hz, frame_ms) = (Hz16k::HZ, FRAME_MS);
    outbox.tell(&ToBrowser::Ready { call_sid: &name, business: &admission.business, rate_hz, frame_ms });
    let call = CallActor::answer((door.plan)(admission, reservation, Box::new(outbox.clone())));
    let mut talk = Talk { call, outbox: outbox.clone(), door: Arc::clone(&door), ear: Ear::default() };
    let end = talk.carry(&mut wire).await;
    let Talk { call, ear: Ear { faults, refused_frames, .. }, .. } = talk;
    if let Some(end) = end {
        call.address.do_send(MediaClosed { end, faults, refused_frames });
    }
    drop(call); // the line ends: the call hears the frames that still wait, then nothing
    if end.is_some() && !outbox.is_gone() {
        // It ends by itself, and says why, before the socket is closed.
        timeout(ENDS_WITHIN, outbox.closed()).await.ok();
    }
    outbox.close(CloseCode::Normal);
    door.over(&name, since);
}

struct Talk {
    call: AnsweredCall<Hz16k>,
    outbox: Outbox,
    door: Arc<BrowserDoor>,
    ear: Ear,
}

/// What is heard of the caller.
#[derive(Default)]
struct Ear {
    framer: Framer<Hz16k>,
    samples: Vec<i16>,
    is_muted: bool,
    /// The loudest frame since the browser was told, as the rms of its samples.
    level: u32,
    faults: u64,
    refused_frames: u64,
}

impl Talk {
    /// Reads until one side has had enough: how the socket ended, or `None` if the call wants it closed.
    async fn carry(&mut self, wire: &mut Wire) -> Option<StreamEnd> {
        let mut levels = interval(LEVELS_EVERY);
        levels.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let outbox = self.outbox.clone();
        loop {
            tokio::select! {
                biased;
                () = outbox.closed() => return outbox.is_gone().then_some(StreamEnd::Lost),
                _ = levels.tick() => self.tell_levels(),
                came = wire.next() => {
                    if let Some(end) = self.take(came) {
                        return Some(end);
                    }
                }
            }
            if self.ear.faults > MOST_FAULTS {
                return Some(StreamEnd::Lost);
            }
        }
    }

    fn take(&mut self, came: Came) -> Option<StreamEnd> {
        match came {
            Came::Sound(bytes) => self.hear(&bytes),
            Came::Text(text) => match std::str::from_utf8(&text).map(decode) {
                Ok(Ok(FromBrowser::Mark(mark))) => self.call.address.do_send(MarkHeard(mark)),
                Ok(Ok(FromBrowser::Digit(digit))) => self.call.address.do_send(DtmfPressed(digit)),
                Ok(Ok(FromBrowser::Mute(is_muted))) => self.ear.is_muted = is_muted,
                Ok(Ok(FromBrowser::HangUp)) => return Some(StreamEnd::CallerLeft),
                Ok(Ok(FromBrowser::Start(_))) => self.fault("second_start"),
                Ok(Err(_)) => self.fault("malformed_field"),
                Err(_) => self.fault("not_utf8"),
            },
            Came::Ping(bytes) => self.outbox.pong(&bytes),
            Came::Closed => return Some(StreamEnd::CallerLeft),
            Came::Lost => return Some(StreamEnd::Lost),
        }
        None
    }

    fn hear(&mut self, bytes: &[u8]) {
        let Ear { framer, samples, is_muted, level, refused_frames, .. } = &mut self.ear;
        samples.clear();
        let is_whole = decode_audio(bytes, samples);
        let line = &self.call.line;
        framer.push(samples, |frame| {
            let frame = if *is_muted { PcmFrame::silence() } else { *frame };
            *level = (*level).max(Level::of(&frame).rms);
            *refused_frames += u64::from(!line.offer(CallerAudio { frame, carrier_ms: None }));
        });
        if !is_whole {
            self.fault("odd_audio");
        }
    }

    fn tell_levels(&mut self) {
        let [caller_dbfs, agent_dbfs] = [std::mem::take(&mut self.ear.level), self.outbox.level()].map(dbfs);
        self.outbox.tell(&ToBrowser::Levels { caller_dbfs, agent_dbfs });
    }

    /// A message that makes no sense: counted, and the call goes on, unless nothing else comes.
    fn fault(&mut self, kind: &'static str) {
        self.ear.faults += 1;
        self.door.telemetry.record(Event::MediaFault { kind });
    }
}

fn dbfs(rms: u32) -> i32 {
    Level { rms, peak: rms }.dbfs().round() as i32
}
