//! A telephone on the other side of an Asterisk: SIPp rings and hangs up, the sound is the test's own.
//!
//! SIPp is steered by a request of the test's within its call (`INFO`: hang up). The media socket is the test's, so that
//! what is said and heard can be looked at frame by frame.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use trunkline::clock;
use trunkline::engine::audio::g711::{decode_ulaw, encode_ulaw};
use trunkline::engine::audio::{Hz8k, Hz16k, Resampler};

use super::{Asterisk, free_port};

/// How long a test waits for what must come; long enough for a machine that builds something else meanwhile.
const PATIENCE: Duration = Duration::from_secs(40);
/// Louder than silence, and what codecs and resamplers make of it.
const VOICED: u16 = 256;
/// Of RFC 4733.
const KEYS: &str = "0123456789*#ABCD";
const KEY_TYPE: u8 = 101;

/// How a telephone speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// µ-law at 8 kHz.
    Narrow,
    /// 16-bit linear at 16 kHz.
    Wide,
}

impl Codec {
    const fn payload_type(self) -> u8 {
        match self {
            Self::Narrow => 0,
            Self::Wide => 118,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Narrow => "PCMU/8000",
            Self::Wide => "L16/16000",
        }
    }

    /// Samples in 20 ms.
    const fn frame(self) -> usize {
        match self {
            Self::Narrow => 160,
            Self::Wide => 320,
        }
    }

    fn encode(self, samples: &[i16]) -> Vec<u8> {
        match self {
            Self::Narrow => {
                let mut bytes = vec![0; samples.len()];
                encode_ulaw(samples, &mut bytes);
                bytes
            }
            Self::Wide => samples.iter().flat_map(|sample| sample.to_be_bytes()).collect(),
        }
    }

    fn decode(self, bytes: &[u8]) -> Vec<i16> {
        match self {
            Self::Narrow => {
                let mut samples = vec![0; bytes.len()];
                decode_ulaw(bytes, &mut samples);
                samples
            }
            Self::Wide => bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_be_bytes(*pair)).collect(),
        }
    }
}

/// What the telephone has heard.
#[derive(Default)]
pub struct Heard {
    /// For each packet, whether somebody spoke in it.
    pub packets: Vec<bool>,
    /// How many were sent.
    pub sent: usize,
    /// Packets of another codec than was agreed.
    pub foreign: usize,
}

enum Say {
    Samples(Vec<i16>),
    Key(char),
}

/// One telephone, in one call.
pub struct Phone {
    codec: Codec,
    sipp: Child,
    port: u16,
    call_id: String,
    folder: TempDir,
    heard: Arc<Mutex<Heard>>,
    mouth: mpsc::UnboundedSender<Say>,
}

impl Phone {
    /// Calls this extension of an Asterisk, from this number.
    pub async fn dials(asterisk: &Asterisk, extension: &str, from: &str, codec: Codec) -> Self {
        let to = format!("sip:{extension}@{}", asterisk.sip());
        Self::start(codec, free_port(), |at| caller(at, &to, from, codec), Some(asterisk.sip())).await
    }

    /// Waits at this port to be called, and answers.
    pub async fn answers_at(port: u16, codec: Codec) -> Self {
        Self::start(codec, port, |at| callee(at, codec), None).await
    }

    async fn start(codec: Codec, port: u16, scenario: impl FnOnce(u16) -> String, to: Option<SocketAddr>) -> Self {
        let folder = tempfile::Builder::new().prefix("trunkline-phone-").tempdir().unwrap();
        let media = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let call_id = format!("call-{port}-{}", media.local_addr().unwrap().port());
        let path = folder.path().join("scenario.xml");
        fs::write(&path, scenario(media.local_addr().unwrap().port())).unwrap();
        let log = fs::File::create(folder.path().join("sipp.log")).unwrap();
        let mut command = Command::new("sipp");
        command.arg("-sf").arg(&path).current_dir(folder.path());
        command.args(["-m", "1", "-i", "127.0.0.1", "-nostdin", "-trace_logs", "-log_file", "said.log"]);
        command.args(["-trace_err", "-error_file", "error.log", "-p", &port.to_string()]);
        command.args(["-cp", &free_port().to_string(), "-cid_str", &call_id]);
        if let Some(to) = to {
            command.arg(to.to_string());
        }
        let sipp = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (mouth, says) = mpsc::unbounded_channel();
        let said = folder.path().join("said.log");
        tokio::spawn(carry(codec, media, said, says, Arc::clone(&heard)));
        Self { codec, sipp, port, call_id, folder, heard, mouth }
    }

    /// The caller says this, µ-law at 8 kHz, in the telephone's own codec.
    pub fn speaks(&self, ulaw: &[u8]) {
        let mut samples = vec![0; ulaw.len()];
        decode_ulaw(ulaw, &mut samples);
        if self.codec == Codec::Wide {
            let mut wide = Vec::new();
            Resampler::<Hz8k, Hz16k>::new().process(&samples, &mut wide);
            samples = wide;
        }
        self.mouth.send(Say::Samples(samples)).unwrap();
    }

    /// The caller presses a key.
    pub fn presses(&self, key: char) {
        self.mouth.send(Say::Key(key)).unwrap();
    }

    /// The caller hangs up.
    pub async fn hangs_up(&mut self) {
        let call_id = match self.said("call ") {
            Some(named) => named,
            None => self.call_id.clone(),
        };
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let ask = format!(
            "INFO sip:phone@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK1\r\nFrom: <sip:t@127.0.0.1>;tag=1\r\n\
             To: <sip:phone@127.0.0.1>;tag=2\r\nCall-ID: {call_id}\r\nCSeq: 9 INFO\r\nContent-Length: 0\r\n\r\n",
            socket.local_addr().unwrap()
        );
        socket.send_to(ask.as_bytes(), (Ipv4Addr::LOCALHOST, self.port)).await.unwrap();
        self.is_over().await;
    }

    /// Waits until the call is over, by whomever.
    pub async fn is_over(&mut self) {
        assert!(self.ends().await, "SIPp complains:\n{}", self.complaints());
    }

    /// Waits for the end: whether all was as it should be.
    pub async fn ends(&mut self) -> bool {
        let deadline = clock::now() + PATIENCE;
        loop {
            if let Some(status) = self.sipp.try_wait().unwrap() {
                return status.success();
            }
            assert!(clock::now() < deadline, "the telephone's call does not end\n{}", self.complaints());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What SIPp wrote behind this.
    fn said(&self, begin: &str) -> Option<String> {
        let said = fs::read_to_string(self.folder.path().join("said.log")).ok()?;
        said.lines().find_map(|line| line.strip_prefix(begin)).map(|rest| rest.trim().to_owned())
    }

    fn complaints(&self) -> String {
        fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }

    /// Looks at what was heard so far.
    pub fn heard<T>(&self, look: impl FnOnce(&Heard) -> T) -> T {
        look(&self.heard.lock().unwrap())
    }

    /// Waits until what was heard is so.
    pub async fn until(&self, what: &str, is_so: impl Fn(&Heard) -> bool) {
        let deadline = clock::now() + PATIENCE;
        while !self.heard(&is_so) {
            let packets = self.heard(|heard| heard.packets.len());
            assert!(clock::now() < deadline, "waited in vain until {what}; {packets} packets\n{}", self.complaints());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until somebody has said so much since that packet.
    pub async fn until_spoken_to(&self, since: usize, millis: usize) {
        let is_so = |heard: &Heard| heard.packets.iter().skip(since).filter(|voiced| **voiced).count() >= millis / 20;
        self.until(&format!("the agent has spoken for {millis} ms"), is_so).await;
    }

    /// Waits until somebody has said something, and then nothing for a while: how many packets came.
    pub async fn until_told_something(&self, since: usize) -> usize {
        self.until_spoken_to(since, 200).await;
        self.until("it is quiet", |heard| heard.packets.iter().rev().take(30).all(|voiced| !voiced)).await;
        self.heard(|heard| heard.packets.len())
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        self.sipp.kill().ok();
        self.sipp.wait().ok();
    }
}

/// Speaks and listens as long as there is a telephone.
async fn carry(
    codec: Codec,
    media: UdpSocket,
    said: std::path::PathBuf,
    mut says: mpsc::UnboundedReceiver<Say>,
    heard: Arc<Mutex<Heard>>,
) {
    let peer = loop {
        let said = fs::read_to_string(&said).unwrap_or_default();
        let port = said.lines().find_map(|line| line.strip_prefix("media ")?.trim().parse::<u16>().ok());
        if let Some(port) = port {
            break SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        }
        if says.is_closed() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let mut line = Line { codec, sequence: 0, stamp: 0, samples: Vec::new(), keys: Vec::new() };
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let mut packet = [0; 2_048];
    loop {
        tokio::select! {
            say = says.recv() => match say {
                None => return,
                Some(Say::Samples(samples)) => line.samples.extend(samples),
                Some(Say::Key(key)) => line.keys.push((KEYS.find(key).unwrap() as u8, 0)),
            },
            _ = ticks.tick() => {
                for packet in line.next() {
                    media.send_to(&packet, peer).await.ok();
                }
                heard.lock().unwrap().sent += 1;
            }
            came = media.recv_from(&mut packet) => {
                let Ok((bytes, _)) = came else { continue };
                let mut heard = heard.lock().unwrap();
                match packet[1] & 0x7f {
                    kind if kind == codec.payload_type() => {
                        let samples = codec.decode(&packet[12..bytes]);
                        heard.packets.push(samples.iter().any(|sample| sample.unsigned_abs() > VOICED));
                    }
                    KEY_TYPE => {}
                    _ => heard.foreign += 1,
                }
            }
        }
    }
}

/// What the telephone says next.
struct Line {
    codec: Codec,
    sequence: u16,
    stamp: u32,
    samples: Vec<i16>,
    /// Keys that are being pressed, one after the other, and how many packets said so already.
    keys: Vec<(u8, u16)>,
}

impl Line {
    fn next(&mut self) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        if let Some((key, said)) = self.keys.first_mut() {
            let (event, is_end) = (*key, *said >= 5);
            *said += 1;
            let (is_first, length) = (*said == 1, (*said).min(6) * 160);
            let [high, low] = length.to_be_bytes();
            let payload = [event, if is_end { 0x8a } else { 0x0a }, high, low];
            let is_last = *said == 8;
            packets.push(self.packet(KEY_TYPE, is_first, &payload));
            if is_last {
                self.keys.remove(0);
                self.stamp += 8 * self.codec.frame() as u32;
            }
            return packets;
        }
        let frame = self.codec.frame();
        let mut samples: Vec<i16> = self.samples.drain(..frame.min(self.samples.len())).collect();
        samples.resize(frame, 0);
        let payload = self.codec.encode(&samples);
        packets.push(self.packet(self.codec.payload_type(), false, &payload));
        self.stamp += frame as u32;
        packets
    }

    fn packet(&mut self, kind: u8, is_marked: bool, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, kind | if is_marked { 0x80 } else { 0 }];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.stamp.to_be_bytes());
        packet.extend(0x7457_4e4b_u32.to_be_bytes());
        packet.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        packet
    }
}

fn sdp(media: u16, codec: Codec) -> String {
    let (kind, name) = (codec.payload_type(), codec.name());
    format!(
        "v=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {media} RTP/AVP {kind} {KEY_TYPE}\n\
         a=rtpmap:{kind} {name}\na=rtpmap:{KEY_TYPE} telephone-event/8000\na=fmtp:{KEY_TYPE} 0-16\na=ptime:20\na=sendrecv\n"
    )
}

/// Rings; talks until the other side hangs up or the test wants to.
fn caller(media: u16, to: &str, from: &str, codec: Codec) -> String {
    let (via, head) = (
        "Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]",
        format!("From: <sip:{from}@[local_ip]:[local_port]>;tag=[pid]-[call_number]"),
    );
    let request = |method: &str, number: u32, tag: &str, more: &str| {
        format!(
            "<send retrans=\"500\"><![CDATA[\n{method} {to} SIP/2.0\n{via}\n{head}\nTo: <{to}>{tag}\nCall-ID: [call_id]\n\
             CSeq: {number} {method}\nContact: <sip:phone@[local_ip]:[local_port]>\nMax-Forwards: 70\n{more}\n]]></send>\n"
        )
    };
    let offer = format!("Content-Type: application/sdp\nContent-Length: [len]\n\n{}", sdp(media, codec));
    let none = "Content-Length: 0\n";
    let invite = request("INVITE", 1, "", &offer);
    let ack = request("ACK", 1, "[peer_tag_param]", none).replace(" retrans=\"500\"", "");
    let bye = request("BYE", 2, "[peer_tag_param]", none);
    let steer = steer(&bye);
    format!(
        r#"<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="caller">
{invite}<recv response="100" optional="true"/>
<recv response="180" optional="true"/>
<recv response="183" optional="true"/>
<recv response="200" rrs="true"><action>{TAKE_PORT}</action></recv>
{ack}{steer}</scenario>
"#
    )
}

/// Is rung, and answers.
fn callee(media: u16, codec: Codec) -> String {
    let head = "[last_Via:]\n[last_From:]\n[last_To:];tag=[pid]-[call_number]\n[last_Call-ID:]\n[last_CSeq:]\n\
                Contact: <sip:phone@[local_ip]:[local_port]>\n";
    let answer = sdp(media, codec);
    let bye = "<send retrans=\"500\"><![CDATA[\nBYE [next_url] SIP/2.0\n\
               Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]\nFrom: <sip:phone@[local_ip]>;tag=[pid]-[call_number]\n\
               To: [$3]\nCall-ID: [call_id]\nCSeq: 2 BYE\nMax-Forwards: 70\nContent-Length: 0\n\n]]></send>\n";
    let steer = steer(bye);
    format!(
        r#"<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="callee">
<recv request="INVITE" rrs="true"><action>
<ereg regexp="From:[ ]*(.*)" search_in="hdr" header="From:" assign_to="3"/>
<log message="call [call_id]"/>{TAKE_PORT}</action></recv>
<send><![CDATA[
SIP/2.0 180 Ringing
{head}Content-Length: 0

]]></send>
<send retrans="500"><![CDATA[
SIP/2.0 200 OK
{head}Content-Type: application/sdp
Content-Length: [len]

{answer}
]]></send>
<recv request="ACK"/>
{steer}</scenario>
"#
    )
}

/// Writes down the port where the other side listens.
const TAKE_PORT: &str = r#"<ereg regexp="m=audio ([0-9]+)" search_in="msg" assign_to="1,2"/>
<log message="media [$2]"/>"#;

/// Waits for the other side's end of the call, or for the test's.
fn steer(bye: &str) -> String {
    format!(
        r#"<recv request="INFO" optional="true" next="1"/>
<recv request="BYE"/>
<send next="2"><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
<label id="1"/>
{bye}<recv response="200"/>
<label id="2"/>
<Reference variables="1"/>
"#
    )
}
