//! What comes from the browser: bytes to messages.

use actix_http::ws::{CloseCode, OpCode, Parser};
use actix_web::web;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;

use crate::engine::wire::browser::{MAX_AUDIO_BYTES, MAX_TEXT_BYTES};

/// The longest message.
const MAX_BYTES: usize = if MAX_AUDIO_BYTES > MAX_TEXT_BYTES { MAX_AUDIO_BYTES } else { MAX_TEXT_BYTES };

/// The browser's half of one socket.
pub(super) struct Wire {
    payload: web::Payload,
    input: BytesMut,
    /// A message that comes in pieces, and what it is.
    pieces: Option<(OpCode, BytesMut)>,
    is_over: bool,
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// A text message.
    Text(Bytes),
    /// A binary message: sound.
    Sound(Bytes),
    /// A question whether we are there.
    Ping(Bytes),
    /// The browser closed the socket.
    Closed,
    /// The socket broke, or what came on it is no WebSocket's: nothing more comes.
    Lost,
}

impl Wire {
    pub(super) fn new(payload: web::Payload) -> Self {
        Self { payload, input: BytesMut::new(), pieces: None, is_over: false }
    }

    /// Waits for the next message. Nothing is lost if the wait is given up.
    pub(super) async fn next(&mut self) -> Came {
        loop {
            if self.is_over {
                return Came::Lost;
            }
            match self.parse() {
                Ok(Some(came)) => return came,
                Ok(None) => {}
                Err(NoWebSocket) => self.is_over = true,
            }
            if !self.is_over {
                match self.payload.next().await {
                    Some(Ok(bytes)) => self.input.extend_from_slice(&bytes),
                    Some(Err(_)) | None => self.is_over = true,
                }
            }
        }
    }

    /// The next message, if all of it is there.
    fn parse(&mut self) -> Result<Option<Came>, NoWebSocket> {
        while let Some((is_last, code, payload)) =
            Parser::parse(&mut self.input, true, MAX_BYTES).map_err(|_| NoWebSocket)?
        {
            let payload = payload.unwrap_or_default();
            match code {
                OpCode::Text | OpCode::Binary if self.pieces.is_some() => return Err(NoWebSocket),
                OpCode::Text | OpCode::Binary if is_last => return Ok(Some(whole(code, payload))),
                OpCode::Text | OpCode::Binary => self.pieces = Some((code, payload)),
                OpCode::Continue => {
                    let (code, mut so_far) = self.pieces.take().ok_or(NoWebSocket)?;
                    if so_far.len() + payload.len() > MAX_BYTES {
                        return Err(NoWebSocket);
                    }
                    so_far.extend_from_slice(&payload);
                    if is_last {
                        return Ok(Some(whole(code, so_far)));
                    }
                    self.pieces = Some((code, so_far));
                }
                OpCode::Ping => return Ok(Some(Came::Ping(payload.freeze()))),
                OpCode::Pong => {}
                OpCode::Close => {
                    self.is_over = true;
                    return Ok(Some(close(&payload)));
                }
                OpCode::Bad => return Err(NoWebSocket),
            }
        }
        Ok(None)
    }
}

/// What came is not what a WebSocket carries, or too much of it.
struct NoWebSocket;

fn whole(code: OpCode, bytes: BytesMut) -> Came {
    match code {
        OpCode::Text => Came::Text(bytes.freeze()),
        _ => Came::Sound(bytes.freeze()),
    }
}

/// A page that is closed says that it goes away; everything else is a fault.
fn close(payload: &[u8]) -> Came {
    match Parser::try_parse_close_payload(payload).map(|reason| reason.map(|reason| reason.code)) {
        Ok(None | Some(CloseCode::Normal | CloseCode::Away)) => Came::Closed,
        Ok(Some(_)) | Err(_) => Came::Lost,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Everything that is read of these bytes, cut into chunks of this length, until the end.
    fn read(bytes: &[u8], chunk: usize) -> Vec<Came> {
        let (mut wire, mut all) = (wire(), Vec::new());
        for chunk in bytes.chunks(chunk.max(1)) {
            wire.input.extend_from_slice(chunk);
            loop {
                match wire.parse() {
                    Ok(Some(came)) => all.push(came),
                    Ok(None) => break,
                    Err(NoWebSocket) => {
                        all.push(Came::Lost);
                        return all;
                    }
                }
            }
        }
        all
    }

    fn wire() -> Wire {
        use actix_web::FromRequest as _;
        let (request, mut body) = actix_web::test::TestRequest::default().to_http_parts();
        let payload = futures_util::FutureExt::now_or_never(web::Payload::from_request(&request, &mut body));
        Wire::new(payload.unwrap().unwrap())
    }

    fn message(code: OpCode, is_last: bool, bytes: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        Parser::write_message(&mut out, bytes, code, is_last, true);
        out
    }

    #[test]
    fn messages_come_whole_however_the_connection_cuts_them() {
        let mut bytes = message(OpCode::Text, true, b"{}");
        bytes.extend(message(OpCode::Binary, false, &[1; 400]));
        bytes.extend(message(OpCode::Ping, true, b"?"));
        bytes.extend(message(OpCode::Continue, false, &[2; 200]));
        bytes.extend(message(OpCode::Continue, true, &[3; 40]));
        bytes.extend(message(OpCode::Close, true, &[0x03, 0xe9]));
        let sound = [[1; 400].as_slice(), &[2; 200], &[3; 40]].concat();
        for chunk in [1, 2, 7, 100, 10_000] {
            let came = read(&bytes, chunk);
            let expected = [
                Came::Text(Bytes::from_static(b"{}")),
                Came::Ping(Bytes::from_static(b"?")),
                Came::Sound(sound.clone().into()),
                Came::Closed,
            ];
            assert_eq!(came, expected, "chunks of {chunk}");
        }
    }

    #[test]
    fn what_no_browser_sends_ends_the_socket() {
        let unmasked = {
            let mut out = BytesMut::new();
            Parser::write_message(&mut out, b"{}", OpCode::Text, true, false);
            out
        };
        let second_begin = [message(OpCode::Text, false, b"{"), message(OpCode::Text, true, b"}")].concat();
        let endless = [message(OpCode::Binary, false, &[0; 9_000]), message(OpCode::Continue, false, &[0; 9_000])];
        for bytes in [
            unmasked.to_vec(),
            message(OpCode::Continue, true, b"}").to_vec(),
            message(OpCode::Binary, true, &[0; MAX_BYTES + 1]).to_vec(),
            second_begin,
            endless.concat(),
        ] {
            assert_eq!(read(&bytes, 1_000), [Came::Lost]);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), chunk in 1usize..64) {
            read(&bytes, chunk);
        }
    }
}
