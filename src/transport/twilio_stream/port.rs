//! The call's way to its socket.

use actix::prelude::*;

use crate::actors::call::MediaPort;
use crate::engine::audio::{Hz8k, PcmFrame};
use crate::engine::ids::Mark;

use super::TwilioStream;

/// What the call sends to the carrier.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) enum ToCarrier {
    /// 20 ms of agent audio, µ-law.
    Frame([u8; 160]),
    /// A mark behind the audio so far.
    Mark(Mark),
    /// Throw away what was sent and not played.
    Clear,
    /// Close the socket.
    Close,
}

/// The socket, as the call sees it. It is the only sender, so the mailbox's limit holds.
pub(super) struct StreamPort(Addr<TwilioStream>);

impl StreamPort {
    pub fn new(stream: Addr<TwilioStream>) -> Self {
        Self(stream)
    }
}

impl MediaPort<Hz8k> for StreamPort {
    /// A socket that its peer does not read refuses frames, so that nothing piles up.
    fn frame(&self, frame: &PcmFrame<Hz8k>) -> bool {
        self.0.try_send(ToCarrier::Frame(frame.to_ulaw())).is_ok()
    }

    fn mark(&self, mark: Mark) {
        self.0.do_send(ToCarrier::Mark(mark));
    }

    fn clear(&self) {
        self.0.do_send(ToCarrier::Clear);
    }

    fn close(&self) {
        self.0.do_send(ToCarrier::Close);
    }
}
