//! A media socket that is driven frame by frame, for what no carrier's library would send.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::{WebSocketStream, client_async};
use trunkline::cli::demo::twilio::{Connect, sign};

use crate::service::{PATIENCE, Service, auth_token};

pub struct RawStream(WebSocketStream<TcpStream>);

impl RawStream {
    /// Opens the stream that the TwiML asks for, signed.
    pub async fn open(service: &Service, connect: &Connect) -> Self {
        let mut request = connect.url.as_str().into_client_request().unwrap();
        let signature = sign(auth_token(&service.config), &connect.url, &[]);
        request.headers_mut().insert("X-Twilio-Signature", signature.parse().unwrap());
        request.headers_mut().insert("X-Forwarded-Proto", "https".parse().unwrap());
        let connection = TcpStream::connect(service.address()).await.unwrap();
        Self(client_async(request, connection).await.unwrap().0)
    }

    /// Sends one text message.
    #[allow(dead_code, reason = "each test binary uses its own part")]
    pub async fn says(&mut self, text: String) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// The socket itself, on which whoever takes it speaks WebSocket byte by byte.
    #[allow(dead_code, reason = "each test binary uses its own part")]
    pub fn into_socket(self) -> std::net::TcpStream {
        let socket = self.0.into_inner().into_std().unwrap();
        socket.set_nonblocking(false).unwrap();
        socket
    }

    /// Sends one text message in so many frames, with a ping between.
    pub async fn in_fragments(&mut self, text: &str, pieces: usize) {
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(text.len().div_ceil(pieces)).collect();
        for (number, piece) in pieces.iter().enumerate() {
            self.frame(piece, number == 0, number + 1 == pieces.len()).await;
            self.0.send(Message::Ping(Default::default())).await.unwrap();
        }
    }

    /// Sends these messages so that they arrive together.
    pub async fn at_once(&mut self, texts: &[String]) {
        for text in texts {
            self.0.feed(Message::text(text.as_str())).await.unwrap();
        }
        self.0.flush().await.unwrap();
    }

    /// Sends frames of one message that does not end, until it is refused.
    pub async fn without_an_end(&mut self, piece: &str, pieces: usize) {
        for number in 0..pieces {
            self.frame(piece.as_bytes(), number == 0, false).await;
        }
    }

    async fn frame(&mut self, bytes: &[u8], is_first: bool, is_last: bool) {
        let opcode = OpCode::Data(if is_first { Data::Text } else { Data::Continue });
        let frame = Frame::message(bytes.to_vec(), opcode, is_last);
        self.0.send(Message::Frame(frame)).await.unwrap();
    }

    /// Waits for the first sound of the agent.
    pub async fn hears_the_agent(&mut self) {
        let heard = async {
            while let Some(message) = self.0.next().await {
                if message.unwrap().to_text().is_ok_and(|text| text.contains("\"media\"")) {
                    return;
                }
            }
            panic!("the socket was closed");
        };
        in_time(heard).await;
    }

    /// Reads until the service closes the socket; with which code.
    pub async fn close_code(mut self) -> Option<u16> {
        let closed = async {
            while let Some(message) = self.0.next().await {
                if let Ok(Message::Close(frame)) = message {
                    return frame.map(|frame| frame.code.into());
                }
            }
            None
        };
        in_time(closed).await
    }
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    let limit: Duration = PATIENCE;
    tokio::time::timeout(limit, what).await.expect("the service does it in time")
}
