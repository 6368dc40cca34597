//! The connection: bytes to messages, frames to bytes. Reading never waits for writing, nor the other way round.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::engine::wire::audiosocket::{AudioSocketError, Decoded, SocketMessage, decode, encode_hang_up};

/// How much of what comes is kept while a call is being admitted: 5 s at 48 kHz.
const MOST_BYTES: usize = 512 * 1024;
/// Room for what one poll reads.
const ROOM_BYTES: usize = 8 * 1024;
/// How long Asterisk may take to close its side, after we have closed ours.
const CLOSES_WITHIN: Duration = Duration::from_secs(1);

/// One connection.
pub(super) struct Wire {
    socket: TcpStream,
    input: BytesMut,
    output: Vec<u8>,
    /// How much of `output` is sent.
    sent: usize,
}

/// How much came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// Something.
    More,
    /// Nothing comes any more: Asterisk has closed, which is how it hangs up. It resets the connection if something of
    /// ours lies unread there.
    HungUp,
    /// Nothing comes any more: the connection broke.
    Lost,
}

impl Wire {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self { socket, input: BytesMut::new(), output: Vec::new(), sent: 0 }
    }

    /// Waits until something comes, if there is room for it; forever, if not. Nothing is lost if the wait is given up.
    pub(super) async fn fill(&mut self) -> Came {
        if self.input.len() >= MOST_BYTES {
            return std::future::pending().await;
        }
        self.input.reserve(ROOM_BYTES);
        match self.socket.read_buf(&mut self.input).await {
            Ok(0) => Came::HungUp,
            Ok(_) => Came::More,
            Err(error) => came(&error),
        }
    }

    /// Shows the next message to `read`, if all of it has come, and is done with it.
    pub(super) fn next<T>(&mut self, read: impl FnOnce(Result<SocketMessage<'_>, AudioSocketError>) -> T) -> Option<T> {
        let Decoded { message, length } = decode(&self.input)?;
        let seen = read(message);
        self.input.advance(length);
        Some(seen)
    }

    /// The next message without being done with it.
    pub(super) fn peek(&self) -> Option<Result<SocketMessage<'_>, AudioSocketError>> {
        decode(&self.input).map(|decoded| decoded.message)
    }

    /// Whether nothing waits to be read.
    pub(super) fn is_empty(&self) -> bool {
        self.input.is_empty()
    }

    /// Whether everything that was to be sent is.
    pub(super) fn is_flushed(&self) -> bool {
        self.sent == self.output.len()
    }

    /// Sends what `write` lays down, in one piece, as far as the connection takes it now; the rest with [`Wire::flush`].
    /// To be called when everything before is sent.
    pub(super) fn send(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Came> {
        self.output.clear();
        self.sent = 0;
        write(&mut self.output);
        self.flush()
    }

    /// Sends what is left, as far as the connection takes it now.
    pub(super) fn flush(&mut self) -> Result<(), Came> {
        while !self.is_flushed() {
            match self.socket.try_write(&self.output[self.sent..]) {
                Ok(0) => return Err(Came::HungUp),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(came(&error)),
            }
        }
        Ok(())
    }

    /// Says that the connection ends, and waits a moment until Asterisk has read that: a connection that is closed while
    /// something lies unread is reset, and Asterisk would take the call for broken.
    pub(super) async fn hang_up(mut self) {
        let goodbye = async {
            self.socket.write_all(&self.output[self.sent..]).await?;
            self.socket.write_all(&encode_hang_up()).await?;
            self.socket.shutdown().await?;
            loop {
                self.input.clear();
                if self.socket.read_buf(&mut self.input).await? == 0 {
                    return Ok::<(), io::Error>(());
                }
            }
        };
        // Whether it was read or not: the connection is closed now.
        tokio::time::timeout(CLOSES_WITHIN, goodbye).await.ok();
    }
}

fn came(error: &io::Error) -> Came {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => Came::HungUp,
        _ => Came::Lost,
    }
}
