//! A carrier that has recordings, or says that it has: each address answers what the test wrote down for it, in turn, the last
//! answer from then on. What is not written down is 404.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// How much of the body is sent.
    pub sent: usize,
    /// Whether the connection then stays open, with nothing on it.
    pub hangs: bool,
    /// Whether the body's length is not said before.
    pub is_chunked: bool,
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let sent = body.len();
        Self { status, headers: vec![], body, sent, hangs: false, is_chunked: false }
    }

    pub fn sound(body: &[u8]) -> Self {
        Self::new(200, body).with("content-type", "audio/x-wav")
    }

    pub fn leading_to(target: &str) -> Self {
        Self::new(302, "").with("location", target)
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Only so much is sent, and the connection is closed.
    pub fn cut_after(self, sent: usize) -> Self {
        Self { sent, ..self }
    }

    /// Only so much is sent, and nothing else happens.
    pub fn hanging_after(self, sent: usize) -> Self {
        Self { sent, hangs: true, ..self }
    }

    pub fn chunked(self) -> Self {
        Self { is_chunked: true, ..self }
    }
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    /// With the query.
    pub path: String,
    /// Whether the account's password came with it.
    pub has_password: bool,
}

#[derive(Default)]
struct Book {
    answers: HashMap<String, VecDeque<Answer>>,
    requests: Vec<Request>,
    otherwise: Option<Otherwise>,
}

/// Answers a method and an address with its query.
type Otherwise = Box<dyn Fn(&str, &str) -> Answer + Send>;

pub struct FakeRecordings {
    pub url: String,
    book: Arc<Mutex<Book>>,
}

impl FakeRecordings {
    /// Serves on a thread of its own, so that the test's may be as busy as it likes.
    pub fn start(account: &str, password: &str) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let book = Arc::<Mutex<Book>>::default();
        let own = Arc::clone(&book);
        let password = format!("Basic {}", STANDARD.encode(format!("{account}:{password}")));
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((connection, _)) = listener.accept().await {
                    tokio::spawn(serve(connection, Arc::clone(&own), password.clone()));
                }
            });
        });
        Self { url, book }
    }

    /// What this address (with its query) answers to `GET` from now on.
    pub fn on(&self, path: &str, answers: impl IntoIterator<Item = Answer>) {
        self.on_method("GET", path, answers);
    }

    pub fn on_method(&self, method: &str, path: &str, answers: impl IntoIterator<Item = Answer>) {
        let answers = answers.into_iter().collect();
        self.book.lock().unwrap().answers.insert(format!("{method} {path}"), answers);
    }

    /// What every other address answers.
    pub fn otherwise(&self, answer: Answer) {
        self.otherwise_by(move |_, _| answer.clone());
    }

    /// … where that is not the same for all.
    pub fn otherwise_by(&self, answer: impl Fn(&str, &str) -> Answer + Send + 'static) {
        self.book.lock().unwrap().otherwise = Some(Box::new(answer));
    }

    /// What came so far.
    pub fn requests(&self) -> Vec<Request> {
        self.book.lock().unwrap().requests.clone()
    }

    /// Where they went.
    pub fn asked_for(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.path).collect()
    }
}

async fn serve(mut connection: TcpStream, book: Arc<Mutex<Book>>, password: String) {
    let mut raw = Vec::new();
    let head = loop {
        if let Some(end) = raw.windows(4).position(|end| end == b"\r\n\r\n") {
            break String::from_utf8(raw[..end + 4].to_vec()).unwrap();
        }
        if connection.read_buf(&mut raw).await.unwrap_or(0) == 0 {
            return;
        }
    };
    // Who answers and hangs up while the other one still speaks is not heard.
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    while raw.len() < head.len() + length.unwrap_or(0) {
        if connection.read_buf(&mut raw).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let given = head.lines().filter_map(|line| line.split_once(": "));
    let given = given.filter(|(name, _)| name.eq_ignore_ascii_case("authorization")).map(|(_, value)| value).next();
    assert!(given.is_none_or(|given| given == password), "a wrong password: {head}");
    let answer = {
        let mut book = book.lock().unwrap();
        let has_password = given.is_some();
        book.requests.push(Request { method: method.clone(), path: path.clone(), has_password });
        let otherwise = book.otherwise.as_ref().map(|answer| answer(&method, &path));
        match book.answers.get_mut(&format!("{method} {path}")) {
            Some(answers) if answers.len() > 1 => answers.pop_front().unwrap(),
            Some(answers) => answers.front().expect("an answer is written down").clone(),
            None => otherwise.unwrap_or_else(|| Answer::new(404, r#"{"code": 20404, "status": 404}"#)),
        }
    };
    send(&mut connection, &answer).await;
    if answer.hangs {
        std::future::pending::<()>().await;
    }
}

/// A client that has seen enough hangs up, which is no fault.
async fn send(connection: &mut TcpStream, answer: &Answer) {
    let mut head = format!("HTTP/1.1 {} x\r\nconnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match (answer.is_chunked, answer.status) {
        (_, 204) => head.push_str("\r\n"),
        (true, _) => head.push_str("transfer-encoding: chunked\r\n\r\n"),
        (false, _) => head.push_str(&format!("content-length: {}\r\n\r\n", answer.body.len())),
    }
    if connection.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    for piece in answer.body[..answer.sent].chunks(50_000) {
        let framed = match answer.is_chunked {
            true => [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat(),
            false => piece.to_vec(),
        };
        if connection.write_all(&framed).await.is_err() {
            return;
        }
    }
    if answer.is_chunked && answer.sent == answer.body.len() {
        connection.write_all(b"0\r\n\r\n").await.ok();
    }
}

/// A WAV file of silence: 16 bits at 8 kHz.
pub fn wav(channels: u16, samples: u32) -> Vec<u8> {
    let frame = 2 * channels;
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0".to_vec();
    file.extend(channels.to_le_bytes());
    file.extend(8_000u32.to_le_bytes());
    file.extend((8_000 * u32::from(frame)).to_le_bytes());
    file.extend(frame.to_le_bytes());
    file.extend([16, 0]);
    file.extend(b"data");
    file.extend((u32::from(frame) * samples).to_le_bytes());
    file.resize(44 + usize::from(frame) * samples as usize, 0);
    file
}

/// An MP3 file: frames of 32 kbit/s at 22.05 kHz, mono, 26 ms each.
pub fn mp3(frames: usize) -> Vec<u8> {
    let mut frame = vec![0xff, 0xf3, 0x40, 0xc0];
    frame.resize(104, 0x55);
    frame.repeat(frames)
}
