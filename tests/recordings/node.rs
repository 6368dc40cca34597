//! A node: the real supervisor and its workers on threads of their own, with doors that lead to the played world.

use std::fs;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Addr, System};
use futures_util::future::LocalBoxFuture;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use trunkline::actors::metered;
use trunkline::actors::recording_supervisor::{
    GiveBack, Look, RecordingDoors, RecordingSupervisor, SupervisorParts, SupervisorSettings,
};
use trunkline::engine::call::Speaker;
use trunkline::engine::ids::RecordingSid;
use trunkline::engine::recording::SoundFormat;
use trunkline::engine::recording::ledger::{Backoff, Rules};
use trunkline::engine::transcript::{Segment, Transcript};
use trunkline::providers::recording_source::{FetchError, Fetched, RecordingSource, WantedRecording};
use trunkline::providers::recording_store::{KeepError, RecordingStore, SoundBytes};
use trunkline::providers::transcriber::{Sound, TranscribeError, Transcriber};
use trunkline::store::Store;
use trunkline::store::transcripts::CallSummary;
use trunkline::telemetry::Telemetry;

/// How a node is set.
#[derive(Clone, Debug)]
pub struct Setting {
    pub name: String,
    /// Where the world is.
    pub world: SocketAddr,
    /// Where recordings are kept, for all nodes, and files lie meanwhile.
    pub folder: PathBuf,
    pub lease: Duration,
    pub first_pause: Duration,
    pub tries: u32,
    pub downloads: usize,
    pub transcriptions: usize,
}

impl Setting {
    pub fn new(name: &str, world: SocketAddr, folder: &Path) -> Self {
        Self {
            name: name.to_owned(),
            world,
            folder: folder.to_owned(),
            lease: Duration::from_secs(30),
            first_pause: Duration::from_millis(50),
            tries: 5,
            downloads: 8,
            transcriptions: 4,
        }
    }
}

/// A running node.
pub struct Node {
    pub supervisor: Addr<RecordingSupervisor>,
    pub telemetry: Telemetry,
    system: System,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Node {
    pub fn start(store: Store, setting: Setting) -> Self {
        let telemetry = Telemetry::silent();
        let (tell, told) = std::sync::mpsc::channel();
        let figures = telemetry.clone();
        let thread = std::thread::spawn(move || {
            let system = System::new();
            system.block_on(async {
                let here = actix::Arbiter::current();
                let supervisor = RecordingSupervisor::start(parts(store, setting, figures), &here, &here);
                tell.send((supervisor, System::current())).unwrap();
            });
            system.run().unwrap();
        });
        let (supervisor, system) = told.recv().unwrap();
        Self { supervisor, telemetry, system, thread: Some(thread) }
    }

    /// There may be something to do.
    pub fn nudge(&self) {
        metered::order(&self.supervisor, Look);
    }

    /// Gives back what it is doing.
    pub fn give_back(&self) {
        let supervisor = self.supervisor.clone();
        let (tell, told) = std::sync::mpsc::channel();
        self.system.arbiter().spawn(async move {
            supervisor.send(GiveBack).await.unwrap();
            tell.send(()).unwrap();
        });
        told.recv_timeout(crate::databases::DEADLINE).unwrap();
    }

    /// A figure of its page, 0 if it has none of the name.
    pub fn figure(&self, name: &str) -> u64 {
        let page = self.telemetry.render();
        let value = page.lines().find_map(|line| {
            line.strip_prefix("trunkline_")?.strip_prefix(name)?.strip_prefix(' ')?.parse::<f64>().ok()
        });
        value.unwrap_or(0.0) as u64
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.system.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().ok(); // its panic was printed
        }
    }
}

pub fn rules(setting: &Setting) -> Rules {
    let backoff = Backoff { first: setting.first_pause, longest: setting.first_pause * 4, tries: setting.tries };
    let await_recording = Duration::from_secs(600);
    Rules { fetch: backoff, transcribe: backoff, await_recording, transcribes: true, summarises: true }
}

fn parts(store: Store, setting: Setting, telemetry: Telemetry) -> SupervisorParts {
    let settings = SupervisorSettings {
        rules: rules(&setting),
        lease: setting.lease,
        look_every: Duration::from_millis(50),
        downloads: setting.downloads,
        transcriptions: setting.transcriptions,
        work_dir: setting.folder.join("work").join(&setting.name),
    };
    let (world, shelf) = (setting.world, setting.folder.join("shelf"));
    fs::create_dir_all(&shelf).unwrap();
    let doors = move || RecordingDoors {
        source: Some(Rc::new(PlayedCarrier(world))),
        files: Rc::new(PlainFolder(shelf)),
        summarise: Some(Rc::new(|words, _| {
            let summary = Some(format!("{} lines", words.text.lines().count()));
            Box::pin(async move { Ok(CallSummary { summary, fields: None, model: None, error: None, at: 0 }) })
        })),
        language: Rc::new(|_| "en-US".to_owned()),
    };
    let transcriber = Arc::new(move || Box::new(PlayedRecogniser(world)) as Box<dyn Transcriber>);
    SupervisorParts {
        store,
        doors: Box::new(doors),
        transcriber: Some(transcriber),
        settings,
        node: setting.name.as_str().into(),
        telemetry,
    }
}

/// What the world answered, and the connection, which is kept until that is put to use.
struct Said {
    word: String,
    /// How long the sound is said to be.
    length: usize,
    sound: String,
    lines: BufReader<TcpStream>,
}

async fn ask(world: SocketAddr, question: String) -> std::io::Result<Said> {
    let mut lines = BufReader::new(TcpStream::connect(world).await?);
    lines.write_all(question.as_bytes()).await?;
    let mut head = String::new();
    lines.read_line(&mut head).await?;
    let [word, length, comes] = head.split_whitespace().collect::<Vec<_>>()[..] else {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    };
    let mut sound = vec![0; comes.parse().unwrap()];
    lines.read_exact(&mut sound).await?;
    let (word, length) = (word.to_owned(), length.parse().unwrap());
    Ok(Said { word, length, sound: String::from_utf8(sound).unwrap(), lines })
}

impl Said {
    fn is_whole(&self) -> bool {
        self.sound.len() == self.length
    }

    /// Lets go of the world, which knows it when this returns.
    async fn done(mut self) {
        if self.lines.write_all(b"done\n").await.is_ok() {
            self.lines.read_u8().await.ok(); // the world may be gone with its test
        }
    }
}

struct PlayedCarrier(SocketAddr);

impl PlayedCarrier {
    async fn get(&self, wanted: &WantedRecording, file: &Path) -> Result<Fetched, FetchError> {
        let broken = |error: std::io::Error| FetchError::Broken(error.to_string());
        let question = format!("fetch {} {}\n", wanted.recording, wanted.call);
        let said = ask(self.0, question).await.map_err(broken)?;
        let fetched = match said.word.as_str() {
            "trouble" => Err(FetchError::Carrier { status: 503, retry_after: None }),
            "refused" => Err(FetchError::Refused(401)),
            _ if !said.is_whole() => Err(FetchError::Broken("it stopped in the middle".to_owned())),
            _ if !said.sound.starts_with("RIFF") => Err(FetchError::NotSound("HTML".to_owned())),
            _ => {
                fs::OpenOptions::new().write(true).create_new(true).open(file)?;
                fs::write(file, &said.sound)?;
                let (format, bytes) = (SoundFormat::Wav, said.length as u64);
                Ok(Fetched { format, bytes, sha256: [7; 32], length: Some(Duration::from_secs(1)), channels: 2 })
            }
        };
        said.done().await;
        fetched
    }
}

impl RecordingSource for PlayedCarrier {
    fn fetch<'a>(
        &'a self,
        wanted: &'a WantedRecording,
        file: &'a Path,
    ) -> LocalBoxFuture<'a, Result<Fetched, FetchError>> {
        Box::pin(self.get(wanted, file))
    }

    fn delete<'a>(&'a self, _: &'a RecordingSid) -> LocalBoxFuture<'a, Result<(), FetchError>> {
        unreachable!("nothing is deleted here")
    }
}

/// A folder that all nodes share.
struct PlainFolder(PathBuf);

impl RecordingStore for PlainFolder {
    fn put<'a>(&'a self, key: &'a str, file: &'a Path) -> LocalBoxFuture<'a, Result<(), KeepError>> {
        let place = self.0.join(key);
        Box::pin(async move {
            fs::create_dir_all(place.parent().unwrap())?;
            Ok(fs::rename(file, place)?)
        })
    }

    fn size<'a>(&'a self, _: &'a str) -> LocalBoxFuture<'a, Result<u64, KeepError>> {
        unreachable!("nobody plays it here")
    }

    fn read<'a>(&'a self, _: &'a str, _: Range<u64>) -> LocalBoxFuture<'a, Result<SoundBytes, KeepError>> {
        unreachable!("nobody plays it here")
    }

    fn copy_to<'a>(&'a self, key: &'a str, file: &'a Path) -> LocalBoxFuture<'a, Result<(), KeepError>> {
        let place = self.0.join(key);
        Box::pin(async move {
            match fs::copy(place, file) {
                Ok(_) => Ok(()),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(KeepError::Absent),
                Err(error) => Err(error.into()),
            }
        })
    }

    fn delete<'a>(&'a self, _: &'a str) -> LocalBoxFuture<'a, Result<(), KeepError>> {
        unreachable!("nothing is deleted here")
    }
}

/// Reads what the carrier wrote into the file: whose recording it is.
struct PlayedRecogniser(SocketAddr);

impl PlayedRecogniser {
    async fn read(&self, file: &Path) -> Result<Transcript, TranscribeError> {
        let content = fs::read_to_string(file)?;
        let call = content.strip_prefix("RIFF ").ok_or_else(|| TranscribeError::Unusable("no sound".to_owned()))?;
        let away = |reason: String| TranscribeError::Away { reason, retry_after: None };
        let said = ask(self.0, format!("read {call}\n")).await.map_err(|error| away(error.to_string()))?;
        let text = match said.word.as_str() {
            "refused" => Err(TranscribeError::Refused(401)),
            "ok" if said.is_whole() && said.sound.starts_with("RIFF") => Ok(format!("this is what was said on {call}")),
            _ => Err(away("trouble".to_owned())),
        };
        said.done().await;
        let text = text?;
        let speaker = Some(Speaker::Caller);
        let segments = vec![Segment { speaker, start_ms: 0, end_ms: 5_000, text, confidence: Some(0.9) }];
        Ok(Transcript { segments, model: "played".to_owned() })
    }
}

impl Transcriber for PlayedRecogniser {
    fn transcribe<'a>(&'a self, sound: &'a Sound<'a>) -> LocalBoxFuture<'a, Result<Transcript, TranscribeError>> {
        Box::pin(self.read(sound.file))
    }
}
