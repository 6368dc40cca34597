//! Recordings, played: range by range, in constant memory, to whom they belong; and those that are made here, which are as
//! long as their call and hold what was on the wire.

#[path = "support/http_service.rs"]
mod http_service;
#[path = "playback/moved.rs"]
mod moved;
#[path = "support/service.rs"]
mod service;

use std::fs;
use std::path::{Path, PathBuf};

use http_service::{Asked as _, Caller};
use serde_json::Value;
use service::{PATIENCE, Service, ms, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use trunkline::cli::demo::twilio::{Heard, ulaw};
use trunkline::engine::ids::CallSid;
use trunkline::engine::recording::{RecordingId, RecordingState};
use trunkline::store::recordings::{KeptFile, RecordingReport};

const ADMIN: &str = "an-administrators-token-for-tests-only";
/// 2020-11-03, when the calls of these tests were over.
const LONG_AGO: i64 = 1_604_398_530_000_000;

fn start() -> Service {
    Service::with(|config| {
        config.api.admin_token = Some(ADMIN.into());
        config.api.requests_per_minute = 100_000.try_into().unwrap();
        config.api.read_timeout_ms = 30_000;
    })
}

/// What the service answers, byte by byte.
struct Played {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Played {
    fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.head))
    }
}

async fn connect(service: &Service, method: &str, path: &str, token: &str, headers: &[(&str, &str)]) -> TcpStream {
    let mut head = format!("{method} /api/v1/calls/{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
    head.push_str(&format!("Authorization: Bearer {token}\r\n"));
    headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    let mut socket = TcpStream::connect(service.address()).await.unwrap();
    socket.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
    socket
}

async fn ask_as(service: &Service, method: &str, path: &str, token: &str, headers: &[(&str, &str)]) -> Played {
    let mut socket = connect(service, method, path, token, headers).await;
    let mut received = Vec::new();
    tokio::time::timeout(PATIENCE, socket.read_to_end(&mut received)).await.unwrap().unwrap();
    let end = received.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(received[..end].to_vec()).unwrap();
    let status = head[9..12].parse().unwrap();
    Played { status, head, body: received[end + 4..].to_vec() }
}

async fn ask(service: &Service, method: &str, path: &str, headers: &[(&str, &str)]) -> Played {
    ask_as(service, method, path, ADMIN, headers).await
}

async fn get(service: &Service, path: &str) -> Played {
    ask(service, "GET", path, &[]).await
}

/// A call that was over long ago, of the business that answers every number.
async fn a_call(service: &Service) -> CallSid {
    let caller = Caller::new();
    assert_eq!(service.webhook(caller.voice()).await.status, 200);
    assert_eq!(service.webhook(caller.status("completed", &[("CallDuration", "7")])).await.status, 204);
    caller.sid()
}

fn told(service: &Service, report: &RecordingReport) {
    service.store().hear_of_recording(report, LONG_AGO).unwrap();
}

fn place(service: &Service, key: &str) -> PathBuf {
    let path = service.folder.path().join("recordings").join(key);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    path
}

/// A carrier's recording of a call, of these bytes.
fn kept(service: &Service, call: &CallSid, id: &str, bytes: &[u8]) -> RecordingId {
    let id: RecordingId = id.parse().unwrap();
    let key = format!("2020/11/{id}.wav");
    fs::write(place(service, &key), bytes).unwrap();
    let file =
        KeptFile { key, content_type: "audio/wav".to_owned(), bytes: bytes.len() as u64, sha256: "ab".repeat(32) };
    let report = RecordingReport::new(id.clone(), call.clone(), RecordingState::Fetched);
    told(service, &RecordingReport { file: Some(file), ..report });
    id
}

fn a_sid() -> String {
    trunkline::cli::demo::twilio::fresh_sid("RE")
}

#[tokio::test]
async fn every_range_is_answered_as_the_standard_says() {
    let service = start();
    let call = a_call(&service).await;
    let bytes: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
    let id = kept(&service, &call, &a_sid(), &bytes);
    let path = format!("{call}/recording");

    let whole = get(&service, &path).await;
    assert_eq!((whole.status, whole.body == bytes), (200, true));
    let name = format!("inline; filename=\"{id}.wav\"");
    let tag = format!("\"{}\"", "ab".repeat(32));
    for (header, value) in [
        ("Content-Type", "audio/wav"),
        ("Content-Length", "200000"),
        ("Accept-Ranges", "bytes"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Disposition", &name),
        ("ETag", &tag),
    ] {
        assert_eq!(whole.header(header), Some(value), "{}", whole.head);
    }

    // What browsers ask: the beginning to its end, two bytes to find out whether ranges are understood, the end, a place to jump to.
    for (range, first, last) in [
        ("bytes=0-", 0, 199_999),
        ("bytes=0-1", 0, 1),
        ("bytes=-500", 199_500, 199_999),
        ("bytes=-999999999", 0, 199_999),
        ("bytes=65535-65536", 65_535, 65_536),
        ("bytes=131072-", 131_072, 199_999),
        ("bytes=199999-999999999999", 199_999, 199_999),
    ] {
        for headers in [vec![("Range", range)], vec![("Range", range), ("If-Range", tag.as_str())]] {
            let part = ask(&service, "GET", &path, &headers).await;
            let content_range = format!("bytes {first}-{last}/200000");
            assert_eq!((part.status, part.header("Content-Range")), (206, Some(content_range.as_str())), "{range}");
            let length = (last - first + 1).to_string();
            assert_eq!(part.header("Content-Length"), Some(length.as_str()), "{range}");
            assert!(part.body == bytes[first..=last], "{range}");
            assert_eq!(part.header("Content-Type"), Some("audio/wav"));
        }
    }
    // What makes no sense, asks for several parts, or for a part of something else, gives the whole.
    for headers in [
        vec![("Range", "bytes=2-1")],
        vec![("Range", "seconds=0-1")],
        vec![("Range", "bytes=0-1,5-6")],
        vec![("Range", "\u{fc}")],
        vec![("Range", "bytes=0-1"), ("If-Range", "\"another\"")],
        vec![("Range", "bytes=0-1"), ("If-Range", "Tue, 03 Nov 2020 10:15:30 GMT")],
    ] {
        let played = ask(&service, "GET", &path, &headers).await;
        assert_eq!((played.status, played.body.len()), (200, 200_000), "{headers:?}");
    }
    for range in ["bytes=200000-", "bytes=-0", "bytes=999999999999999999999-"] {
        let refused = ask(&service, "GET", &path, &[("Range", range)]).await;
        assert_eq!((refused.status, refused.header("Content-Range")), (416, Some("bytes */200000")), "{range}");
        assert_eq!(refused.json()["type"], "urn:trunkline:problem:range-not-satisfiable");
    }
    // HEAD says the same and sends nothing; it knows no ranges.
    for headers in [vec![], vec![("Range", "bytes=0-1")], vec![("Range", "bytes=200000-")]] {
        let head = ask(&service, "HEAD", &path, &headers).await;
        assert_eq!((head.status, head.header("Content-Length")), (200, Some("200000")), "{headers:?}");
        assert_eq!((head.body.len(), head.header("Accept-Ranges")), (0, Some("bytes")));
    }
    assert_eq!(ask(&service, "PUT", &path, &[]).await.status, 405);
}

#[tokio::test]
async fn a_recording_is_its_businesss_and_of_two_the_carriers_is_played() {
    let service = start();
    let call = a_call(&service).await;
    kept(&service, &call, &a_sid(), b"the carrier's");
    fs::write(place(&service, "own.wav"), b"our own").unwrap();
    let file =
        KeptFile { key: "own.wav".to_owned(), content_type: "audio/wav".to_owned(), bytes: 7, sha256: "cd".repeat(32) };
    let own = RecordingReport::new(RecordingId::Own(call.clone()), call.clone(), RecordingState::Fetched);
    told(&service, &RecordingReport { file: Some(file), ..own });

    let path = format!("{call}/recording");
    assert_eq!(get(&service, &path).await.body, b"the carrier's");
    assert_eq!(get(&service, &format!("{path}?made_by=own")).await.body, b"our own");
    assert_eq!(get(&service, &format!("{path}?made_by=carrier")).await.body, b"the carrier's");
    assert_eq!(get(&service, &format!("{path}?made_by=me")).await.status, 422);

    assert_eq!(ask_as(&service, "GET", &path, "no-token", &[]).await.status, 401);
    for (new, status) in [
        (serde_json::json!({ "name": "own", "scope": "business", "business": "Reception" }), 200),
        (serde_json::json!({ "name": "other", "scope": "business", "business": "Florist" }), 404),
        (serde_json::json!({ "name": "looks", "scope": "viewer" }), 200),
    ] {
        let request = http_service::Request::new("POST", "/api/v1/tokens")
            .with("Authorization", &format!("Bearer {ADMIN}"))
            .with("Content-Type", "application/json");
        let body = new.to_string().into_bytes();
        let made = http_service::ask(service.address(), &http_service::Request { body, ..request }).await;
        if made.status != 201 {
            assert_eq!((made.status, status), (422, 404), "a business that is not there has no token: {made:?}");
            continue;
        }
        let token = made.json()["text"].as_str().unwrap().to_owned();
        assert_eq!(ask_as(&service, "GET", &path, &token, &[]).await.status, status, "{new}");
        assert_eq!(
            ask_as(&service, "GET", &format!("{path}/peaks"), &token, &[]).await.status,
            match status {
                200 => 409, // it is no WAV
                other => other,
            }
        );
    }
}

#[tokio::test]
async fn why_there_is_nothing_to_play_is_said() {
    let service = start();
    let say = |played: &Played| (played.status, played.json()["detail"].as_str().unwrap().to_owned());
    let unknown = get(&service, "CA00000000000000000000000000000000/recording").await;
    assert_eq!(say(&unknown), (404, "there is no such call".to_owned()));

    let open = Caller::new();
    assert_eq!(service.webhook(open.voice()).await.status, 200);
    let going_on = get(&service, &format!("{}/recording", open.call_sid)).await;
    assert_eq!((say(&going_on).0, going_on.header("Retry-After")), (409, Some("10")));

    for (state, error, status, words) in [
        (None, None, 404, "no such recording"),
        (Some(RecordingState::Started), None, 409, "not fetched yet"),
        (Some(RecordingState::Announced), None, 409, "not fetched yet"),
        (Some(RecordingState::Absent), None, 404, "no such recording"),
        (Some(RecordingState::Failed), Some("the carrier answered 500"), 404, "the carrier answered 500"),
        (Some(RecordingState::Expired), None, 410, "deleted"),
    ] {
        let call = a_call(&service).await;
        if let Some(state) = state {
            let report = RecordingReport::new(a_sid().parse().unwrap(), call.clone(), state);
            told(&service, &RecordingReport { error: error.map(str::to_owned), ..report });
        }
        for path in [format!("{call}/recording"), format!("{call}/recording/peaks")] {
            let played = get(&service, &path).await;
            let (told, detail) = say(&played);
            assert!(told == status && detail.contains(words), "{state:?}: {told} {detail}");
            assert_eq!(played.header("Retry-After").is_some(), status == 409, "{state:?}");
            assert_eq!(played.header("Cache-Control"), Some("no-store"));
        }
    }

    // The file is gone though the database knows it.
    let call = a_call(&service).await;
    let id = kept(&service, &call, &a_sid(), b"gone");
    fs::remove_file(place(&service, &format!("2020/11/{id}.wav"))).unwrap();
    let (status, detail) = say(&get(&service, &format!("{call}/recording")).await);
    assert!(status == 404 && detail.contains("the store has no such recording"), "{detail}");
}

/// Left the caller, right the agent: the samples of a recording of ours, and its length in milliseconds.
fn sound(path: &Path) -> ([Vec<i16>; 2], u64) {
    let mut wav = hound::WavReader::open(path).unwrap();
    assert_eq!((wav.spec().channels, wav.spec().sample_rate), (2, 8_000));
    let samples: Vec<i16> = wav.samples().map(Result::unwrap).collect();
    let channel = |n: usize| samples.iter().skip(n).step_by(2).copied().collect();
    ([channel(0), channel(1)], samples.len() as u64 / 16)
}

fn energy(samples: impl IntoIterator<Item = i16>) -> f64 {
    samples.into_iter().map(|sample| f64::from(sample).powi(2)).sum()
}

fn on_the_wire(heard: &[Heard]) -> f64 {
    energy(heard.iter().flat_map(|heard| heard.audio.iter().map(|code| ulaw::decode(*code))))
}

#[tokio::test]
async fn our_own_recording_is_as_long_as_its_call_holds_what_was_on_the_wire_and_is_found_like_any_other() {
    let service = start();
    let call = service.call().await;
    call.wait_until_agent_is_quiet_for(ms(400), PATIENCE).await.unwrap();
    let words: Vec<u8> = (0..8_000u32).map(|n| ulaw::encode(((n % 80) as i16 - 40) * 200)).collect();
    call.speak(&words).await.unwrap();
    call.speak(&[0xff; 800]).await.unwrap();
    let (report, facts) = service.hang_up(call).await;
    assert_eq!(report.complaints, []);
    let sid: CallSid = report.call.call_sid.parse().unwrap();
    let id = RecordingId::Own(sid.clone());
    let store = service.store();
    until("the database knows it", || store.recording(&id).unwrap().is_some()).await;
    let known = store.recording(&id).unwrap().unwrap();
    assert_eq!((known.state, known.channels, known.error), (RecordingState::Fetched, Some(2), None));

    let ([caller, agent], length_ms) = sound(&facts.recording);
    let stats = facts.end.unwrap().stats;
    let call_ms = stats.length.as_millis() as u64;
    assert!(length_ms.abs_diff(call_ms) <= 20, "the recording has {length_ms} ms, the call {call_ms}");
    assert_eq!(known.length_ms.map(u64::from), Some(length_ms));
    for (side, recorded, wire) in
        [("caller", energy(caller), on_the_wire(&report.said)), ("agent", energy(agent), on_the_wire(&report.heard))]
    {
        assert!(wire > 0.0 && (recorded / wire - 1.0).abs() < 0.02, "{side}: {recorded} of {wire}");
    }

    let path = format!("{sid}/recording");
    let played = get(&service, &path).await;
    assert_eq!((played.status, played.header("Content-Type")), (200, Some("audio/wav")));
    assert!(played.body == fs::read(&facts.recording).unwrap());
    let peaks = get(&service, &format!("{path}/peaks?slices=100")).await.json();
    assert_eq!((peaks["made_by"].as_str(), peaks["length_ms"].as_u64()), (Some("own"), Some(length_ms)));
    let channels: Vec<Vec<u16>> = serde_json::from_value(peaks["channels"].clone()).unwrap();
    assert!(channels.len() == 2 && channels.iter().all(|peaks| peaks.len() == 100), "{channels:?}");
    assert!(channels.iter().all(|peaks| peaks.iter().any(|peak| *peak > 50)), "both are seen to speak: {channels:?}");
    for slices in ["0", "4001", "many"] {
        assert_eq!(get(&service, &format!("{path}/peaks?slices={slices}")).await.status, 422, "{slices}");
    }
}

#[tokio::test]
async fn what_a_killed_process_recorded_is_found_at_the_next_start() {
    let (sid, empty): (CallSid, CallSid) = (
        trunkline::cli::demo::twilio::fresh_sid("CA").parse().unwrap(),
        trunkline::cli::demo::twilio::fresh_sid("CA").parse().unwrap(),
    );
    let service = Service::with(|config| {
        let folder = config.data_dir.join("recordings");
        fs::create_dir_all(&folder).unwrap();
        write_wav(&folder.join(format!("{sid}.wav")), 80_000);
        write_wav(&folder.join(format!("{empty}.wav")), 0);
        fs::write(folder.join("notes.txt"), "somebody else's").unwrap();
    });
    let store = service.store();
    let known = |call: &CallSid| store.recording(&RecordingId::Own(call.clone())).unwrap();
    until("both are known", || known(&sid).is_some() && known(&empty).is_some()).await;
    let found = known(&sid).unwrap();
    assert_eq!((found.state, found.length_ms), (RecordingState::Fetched, Some(10_000)));
    assert!(found.error.unwrap().contains("killed"));
    assert_eq!(known(&empty).unwrap().state, RecordingState::Failed);
}

#[tokio::test]
async fn a_recording_that_can_not_be_kept_holds_up_no_other() {
    let sids = [(); 2].map(|()| trunkline::cli::demo::twilio::fresh_sid("CA").parse::<CallSid>().unwrap());
    let [stuck, good] = sids.clone();
    let service = Service::with(|config| {
        let (folder, kept) = (config.data_dir.join("recordings"), config.data_dir.join("kept"));
        fs::create_dir_all(&folder).unwrap();
        for (sid, at) in [(&stuck, 1_000), (&good, 2_000)] {
            let path = folder.join(format!("{sid}.wav"));
            write_wav(&path, 80_000);
            let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(at);
            fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
        }
        // Where the older one belongs lies something that nothing can be put in the place of.
        fs::create_dir_all(kept.join(format!("own/{stuck}.wav/x"))).unwrap();
        config.recordings.store_url = Some(format!("file:{}", kept.display()).parse().unwrap());
        config.recordings.first_retry_s = 1;
        config.recordings.tries = 20;
    });
    let store = service.store();
    let state = |call: &CallSid| store.recording(&RecordingId::Own(call.clone())).unwrap().map(|known| known.state);
    until("the other is known", || state(&good).is_some()).await;
    assert_eq!(state(&good), Some(RecordingState::Fetched));
    assert_eq!(state(&stuck), Some(RecordingState::Started), "it is neither kept nor given up");
    fs::remove_dir_all(service.folder.path().join(format!("kept/own/{stuck}.wav"))).unwrap();
    until("it is kept at last", || state(&stuck) == Some(RecordingState::Fetched)).await;
}

/// A stereo WAV of silence: so many samples of each channel.
fn write_wav(path: &Path, samples: u32) {
    let bytes = samples * 4;
    let mut head = Vec::new();
    head.extend(b"RIFF");
    head.extend((36 + bytes).to_le_bytes());
    head.extend(b"WAVEfmt ");
    head.extend(16u32.to_le_bytes());
    for field in [1u16, 2] {
        head.extend(field.to_le_bytes());
    }
    for field in [8_000u32, 32_000] {
        head.extend(field.to_le_bytes());
    }
    for field in [4u16, 16] {
        head.extend(field.to_le_bytes());
    }
    head.extend(b"data");
    head.extend(bytes.to_le_bytes());
    fs::write(path, &head).unwrap();
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(44 + u64::from(bytes)).unwrap();
}

/// How much memory this process had at most, in bytes. The service runs in it.
fn most_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
}

#[tokio::test]
async fn an_hour_is_played_and_drawn_in_constant_memory() {
    const HOUR: u32 = 3_600 * 8_000;
    let service = start();
    let call = a_call(&service).await;
    let id: RecordingId = a_sid().parse().unwrap();
    let (key, bytes) = (format!("2020/11/{id}.wav"), 44 + u64::from(HOUR) * 4);
    write_wav(&place(&service, &key), HOUR);
    let file = KeptFile { key, content_type: "audio/wav".to_owned(), bytes, sha256: "ef".repeat(32) };
    told(
        &service,
        &RecordingReport { file: Some(file), ..RecordingReport::new(id, call.clone(), RecordingState::Fetched) },
    );
    let path = format!("{call}/recording");
    get(&service, &format!("{path}/peaks?slices=1")).await; // whatever is made once is made now

    let before = most_memory();
    // Some ask and don't listen: what they don't take is not kept for them.
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(connect(&service, "GET", &path, ADMIN, &[]).await);
    }
    let mut socket = connect(&service, "GET", &path, ADMIN, &[]).await;
    let (mut received, mut piece) = (0u64, vec![0; 64 * 1_024]);
    loop {
        match tokio::time::timeout(PATIENCE, socket.read(&mut piece)).await.unwrap().unwrap() {
            0 => break,
            read => received += read as u64,
        }
    }
    assert!(received > bytes, "all of it came, with its head: {received} of {bytes}");
    let peaks = get(&service, &format!("{path}/peaks")).await.json();
    assert_eq!((peaks["length_ms"].as_u64(), peaks["channels"][0].as_array().unwrap().len()), (Some(3_600_000), 800));
    let grown = most_memory() - before;
    assert!(grown < 16 << 20, "{grown} bytes more than before, for a file of {bytes}");
    drop(silent);
}
