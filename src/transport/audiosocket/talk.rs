//! The part of a connection in which there is a call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::actors::call::{
    AnsweredCall, CallActor, CallerAudio, DtmfPressed, HangUp, MarkHeard, MediaClosed, StreamEnd,
};
use crate::actors::call_registry::Reservation;
use crate::clock;
use crate::engine::audio::{FRAME, Framer, PcmFrame};
use crate::engine::call::HangupCause;
use crate::engine::ids::Digit;
use crate::engine::wire::audiosocket::{AudioKind, AudioSocketError, SocketMessage, encode_audio};
use crate::telemetry::Event;
use crate::transport::admission::{Admission, MakePlan};

use super::door::{Over, SocketDoor};
use super::outbox::Outbox;
use super::wire::{Came, Wire};

/// The least time between two frames after one that was late: two that come together would be heard as one.
const CLOSEST: Duration = Duration::from_millis(15);
/// How many messages that make no sense are borne before the call is ended.
const MOST_FAULTS: u64 = 1_000;
/// How long a call may take to end once its connection broke.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

/// A call that begins.
pub(super) struct Began {
    pub wire: Wire,
    pub door: Arc<SocketDoor>,
    pub admission: Admission,
    pub reservation: Reservation,
    /// What was pressed before.
    pub keys: Vec<Digit>,
    /// Since when it is a call: microseconds since 1970-01-01 UTC.
    pub since: i64,
}

/// Carries a call at rate `R` until it is over.
pub(super) async fn run<R: AudioKind>(began: Began, plan: &MakePlan<R>) {
    let Began { mut wire, door, admission, reservation, keys, since } = began;
    let (name, outbox) = (admission.call.clone(), Outbox::new());
    let call = CallActor::answer(plan(admission, reservation, Box::new(outbox.clone())));
    keys.into_iter().for_each(|key| call.address.do_send(DtmfPressed(key)));
    let mut talk = Talk {
        call,
        outbox: outbox.clone(),
        framer: Framer::new(),
        samples: Vec::new(),
        faults: 0,
        refused_frames: 0,
        is_refused: false,
        door: Arc::clone(&door),
    };
    let end = talk.carry(&mut wire).await;
    let Talk { call, faults, refused_frames, .. } = talk;
    if let Some(end) = end {
        call.address.do_send(MediaClosed { end, faults, refused_frames });
    }
    drop(call); // the line ends: the call hears the frames that still wait, then nothing
    match end {
        None => wire.hang_up().await,
        Some(StreamEnd::CallerLeft) => {}
        // The call ends by itself, and as a broken one, before it is told that it is over.
        Some(StreamEnd::Lost) => drop(tokio::time::timeout(ENDS_WITHIN, outbox.closed()).await),
    }
    door.over(&name, since, Over::Completed);
}

struct Talk<R: AudioKind> {
    call: AnsweredCall<R>,
    outbox: Outbox<R>,
    framer: Framer<R>,
    samples: Vec<i16>,
    faults: u64,
    refused_frames: u64,
    /// Whether the call was ended for what its audio is.
    is_refused: bool,
    door: Arc<SocketDoor>,
}

impl<R: AudioKind> Talk<R> {
    /// Reads and writes until one side has had enough: how the stream ended, or `None` if the call wants it closed.
    async fn carry(&mut self, wire: &mut Wire) -> Option<StreamEnd> {
        let mut due = clock::now();
        loop {
            if let Some(end) = self.read(wire) {
                return Some(end);
            }
            tokio::select! {
                biased;
                () = self.outbox.closed() => return None,
                () = tokio::time::sleep_until(due.into()) => {
                    if let Err(end) = self.tick(wire) {
                        return Some(stream_end(end));
                    }
                    due = next_due(due, clock::now());
                }
                came = wire.fill() => match came {
                    Came::More => {}
                    end => {
                        self.read(wire); // what came before the end
                        return Some(stream_end(end));
                    }
                },
            }
        }
    }

    /// Reads every message that has come; whether one of them is the end.
    fn read(&mut self, wire: &mut Wire) -> Option<StreamEnd> {
        while let Some(end) = wire.next(|message| self.take(message)) {
            if end.is_some() {
                return end;
            }
        }
        None
    }

    fn take(&mut self, message: Result<SocketMessage<'_>, AudioSocketError>) -> Option<StreamEnd> {
        match message {
            Ok(SocketMessage::Audio { rate, bytes }) if rate == R::RATE => self.hear(bytes),
            Ok(SocketMessage::Audio { .. }) => self.refuse_media("rate_changed"),
            Ok(SocketMessage::Digit(digit)) => self.call.address.do_send(DtmfPressed(digit)),
            Ok(SocketMessage::HangUp) => return Some(StreamEnd::CallerLeft),
            Ok(SocketMessage::Id(_)) => self.fault("second_uuid"),
            Err(AudioSocketError::Digit) => self.fault("unknown_key"),
            Err(AudioSocketError::Id(_)) => self.fault("second_uuid"),
            Err(AudioSocketError::Rate(_)) => self.refuse_media("unsupported_rate"),
            Err(AudioSocketError::Kind(_)) => self.refuse_media("unknown_kind"),
        }
        None
    }

    fn hear(&mut self, bytes: &[u8]) {
        let (pairs, rest) = bytes.as_chunks::<2>();
        if !rest.is_empty() {
            self.fault("odd_audio");
        }
        self.samples.clear();
        self.samples.extend(pairs.iter().map(|pair| i16::from_le_bytes(*pair)));
        let (line, refused) = (&self.call.line, &mut self.refused_frames);
        self.framer.push(&self.samples, |frame| {
            *refused += u64::from(!line.offer(CallerAudio { frame: *frame, carrier_ms: None }));
        });
    }

    /// A message that makes no sense: counted, and the call goes on, unless nothing else comes.
    fn fault(&mut self, kind: &'static str) {
        self.faults += 1;
        self.door.telemetry.record(Event::MediaFault { kind });
        if self.faults > MOST_FAULTS {
            self.end();
        }
    }

    /// Audio of another kind than the call has: the call can't go on.
    fn refuse_media(&mut self, kind: &'static str) {
        if !self.is_refused {
            self.fault(kind);
            self.end();
        }
    }

    fn end(&mut self) {
        self.is_refused = true;
        self.call.address.do_send(HangUp(HangupCause::MediaUnsupported));
    }

    /// What is due every 20 ms: the marks that were passed, then a frame, of silence where there is nothing to say.
    fn tick(&mut self, wire: &mut Wire) -> Result<(), Came> {
        wire.flush()?;
        if !wire.is_flushed() {
            return Ok(()); // Asterisk does not read: what waits goes on waiting, and the call sees it
        }
        while let Some(mark) = self.outbox.next_mark() {
            self.call.address.do_send(MarkHeard(mark));
        }
        let frame = self.outbox.next_frame().unwrap_or(PcmFrame::silence());
        wire.send(|out| encode_audio(&frame, out))
    }
}

/// On an absolute clock, but not in a burst after a tick that was late.
fn next_due(due: Instant, now: Instant) -> Instant {
    (due + FRAME).max(now + CLOSEST)
}

fn stream_end(came: Came) -> StreamEnd {
    match came {
        Came::Lost => StreamEnd::Lost,
        Came::HungUp | Came::More => StreamEnd::CallerLeft,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_that_was_late_is_not_made_up_for_by_a_burst() {
        let (start, ms) = (clock::now(), Duration::from_millis);
        assert_eq!(next_due(start, start), start + ms(20));
        assert_eq!(next_due(start, start + ms(3)), start + ms(20), "the clock is kept");
        assert_eq!(next_due(start, start + ms(100)), start + ms(115));
    }
}
