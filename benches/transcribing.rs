//! What reading a recording of one hour takes and needs when the recogniser takes no time:
//! `cargo bench --bench transcribing`.
//!
//! The recording is stereo at 8 kHz, 16 bit, 115 MB: caller and agent speak in turn, four seconds of every six. The service with
//! OpenAI's interface is a process of its own on this machine, which reads each piece and answers at once, so that what it needs
//! is not counted. What is left is the way of the sound: looked through for speech, cut, brought to 16 kHz, sent, the words put
//! together.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use actix::System;
use hound::{SampleFormat, WavSpec, WavWriter};
use trunkline::clock;
use trunkline::providers::transcriber::{OpenAiCompatibleSettings, Sound, TranscriberSettings};

const HZ: u32 = 8_000;
const HOUR_S: u32 = 3_600;
/// What the service says of every piece.
const ANSWER: &str = r#"{"text":"two loaves please","segments":[{"start":0.2,"end":1.5,"text":" two loaves please","avg_logprob":-0.2,"no_speech_prob":0.01}]}"#;

fn main() {
    if std::env::args().any(|argument| argument == "--serve") {
        return serve();
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("hour.wav");
    write_hour(&file);
    let (mut service, url) = start_service();
    let settings = TranscriberSettings::OpenAiCompatible(OpenAiCompatibleSettings {
        url,
        api_key: None,
        models: vec!["whisper-1".to_owned()],
        prompt: String::new(),
        longest_piece: Duration::from_secs(600),
        at_once: 3,
        time_limit: Duration::from_secs(120),
    });
    let work = folder.path().join("work");
    forget_peak();
    let before = memory_kib("VmRSS:");
    let began = clock::now();
    let transcript = System::new().block_on(async {
        let transcriber = settings.open(work);
        transcriber.transcribe(&Sound { file: &file, language: "en-US" }).await.expect("the service answers")
    });
    let took = (clock::now() - began).as_secs_f64();
    let peak = memory_kib("VmHWM:");
    println!(
        "1 h, {} pieces, in {took:.2} s: {:.0} times as fast as it was spoken; at most {peak} KiB resident, {before} KiB before",
        transcript.segments.len(),
        f64::from(HOUR_S) / took,
    );
    service.kill().expect("it runs");
    service.wait().expect("it ends");
}

/// Two voices in turn: a buzz of 150 Hz that is there for four seconds of six, over the noise of a quiet line.
fn write_hour(file: &Path) {
    let spec = WavSpec { channels: 2, sample_rate: HZ, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut wav = WavWriter::create(file, spec).expect("a file");
    for n in 0..HOUR_S * HZ {
        let (turn, second) = (n / (6 * HZ), n / HZ % 6);
        let noise = (n.wrapping_mul(2_654_435_761) >> 28) as i16;
        let voice = if second < 4 { (n % (HZ / 150)) as i16 * 100 } else { 0 };
        let (caller, agent) = if turn.is_multiple_of(2) { (voice, 0) } else { (0, voice) };
        wav.write_sample(caller + noise).expect("the disk takes it");
        wav.write_sample(agent + noise).expect("the disk takes it");
    }
    wav.finalize().expect("the disk takes it");
}

/// This program again, as the service.
fn start_service() -> (Child, String) {
    let program = std::env::current_exe().expect("it runs");
    let mut child = Command::new(program).arg("--serve").stdout(Stdio::piped()).spawn().expect("it starts");
    let mut port = String::new();
    BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut port).expect("it says its port");
    (child, format!("http://127.0.0.1:{}/v1", port.trim()))
}

fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("it has one").port());
    for connection in listener.incoming().flatten() {
        std::thread::spawn(move || answer(connection));
    }
}

/// Reads requests and answers them, until whoever asks goes.
fn answer(connection: TcpStream) {
    let mut requests = BufReader::new(connection.try_clone().expect("a handle"));
    let mut connection = connection;
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            match requests.read_line(&mut line) {
                Ok(1..) => {}
                _ => return,
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().expect("a number");
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = (&mut requests).take(length);
        std::io::copy(&mut body, &mut std::io::sink()).expect("the whole request");
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", ANSWER.len());
        if connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(ANSWER.as_bytes())).is_err() {
            return;
        }
    }
}

/// The most that was resident is counted from now on.
fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux lets a process forget its peak");
}

fn memory_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
