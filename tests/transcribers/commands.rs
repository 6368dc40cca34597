//! Recognisers that are programs: small ones of our own, and a real one.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use actix::Arbiter;
use tokio::sync::oneshot;
use trunkline::actors::transcription_worker::{Transcribe, TranscriptionWorker};
use trunkline::app::transcripts;
use trunkline::config::{Config, ConfigSources, Override};
use trunkline::engine::call::Speaker::{Agent, Caller};
use trunkline::engine::transcript::Transcript;
use trunkline::providers::transcriber::{self, CommandSettings, Sound, TranscribeError, TranscriberSettings};
use trunkline::telemetry::Telemetry;

use crate::skip::skipped;
use crate::sounds;

async fn words(command: &str, file: &Path, time_limit: Duration) -> Result<Transcript, TranscribeError> {
    let command = command.parse().unwrap();
    let settings = CommandSettings { command, longest_piece: Duration::from_secs(600), time_limit };
    let work = file.with_file_name("work");
    transcriber::sweep(&work).unwrap();
    let recogniser = TranscriberSettings::Command(settings).open(work.clone());
    let outcome = recogniser.transcribe(&Sound { file, language: "en-US" }).await;
    assert_eq!(fs::read_dir(work).unwrap().count(), 0, "nothing is left of what was said");
    outcome
}

fn call(folder: &Path) -> std::path::PathBuf {
    let file = folder.join("call.wav");
    sounds::write(&file, 8_000, 8_000, &[&[(1_000, 2_000, 500)], &[(4_000, 6_000, 300)]]);
    file
}

const LONG: Duration = Duration::from_secs(60);

#[actix_web::test]
async fn a_program_is_given_each_stretch_of_each_channel() {
    let folder = tempfile::tempdir().unwrap();
    let file = call(folder.path());
    // It says how many bytes it was given: 1.4 s and 2.4 s of 16 kHz, with a header of 44; and in which language.
    let transcript = words(r#"sh -c 'wc -c < "$0"; echo "$1"' {file} {language}"#, &file, LONG).await.unwrap();
    let said: Vec<_> = transcript.segments.iter().map(|s| (s.speaker, s.start_ms, s.text.as_str())).collect();
    assert_eq!(said, [(Some(Caller), 800, "44844 en"), (Some(Agent), 3_800, "76844 en")]);
    assert_eq!(transcript.model, "sh");
}

#[actix_web::test]
async fn a_program_that_says_nothing_heard_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(words("true {file}", &call(folder.path()), LONG).await.unwrap().segments, []);
}

#[actix_web::test]
async fn a_program_that_is_missing_fails_or_hangs_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = call(folder.path());
    for (command, limit, told) in [
        ("no-such-recogniser {file}", LONG, "no-such-recogniser is not installed"),
        ("sh -c 'exit 3' {file}", LONG, "sh failed (exit status: 3)"),
        ("sh -c 'exec sleep 3600' {file}", Duration::from_millis(200), "it took too long"),
    ] {
        let error = words(command, &file, limit).await.unwrap_err();
        assert_eq!(error.to_string(), format!("the recogniser's program: {told}"));
        assert!(error.may_pass());
    }
}

const SENTENCES: [&str; 2] =
    ["the quick brown fox jumps over the lazy dog", "please call me back tomorrow morning at nine"];

#[actix_web::test]
async fn what_flite_says_at_16_khz_comes_back_as_text() {
    let programs = ["flite", "pocketsphinx_continuous"];
    let is_there = |program: &&str| Command::new(program).arg("--help").output().is_ok();
    if !programs.iter().all(is_there) {
        return skipped("a recogniser that is a real one: flite or pocketsphinx is missing");
    }
    let folder = tempfile::tempdir().unwrap();
    let spoken = SENTENCES.map(|sentence| {
        let wav = folder.path().join("spoken.wav");
        let said = Command::new("flite").args(["-voice", "slt", "-t", sentence, "-o"]).arg(&wav).status().unwrap();
        assert!(said.success());
        let reader = hound::WavReader::new(Cursor::new(fs::read(wav).unwrap())).unwrap();
        assert_eq!((reader.spec().channels, reader.spec().sample_rate), (1, 16_000));
        reader.into_samples::<i16>().map(Result::unwrap).collect::<Vec<i16>>()
    });
    let (file, agent_at) = two_channels(folder.path(), &spoken);

    let transcript = words_of_a_worker(&file).await;
    println!("pocketsphinx heard\n{}", transcript.text());

    let speakers: Vec<_> = transcript.segments.iter().map(|segment| segment.speaker).collect();
    assert_eq!(speakers, [Some(Caller), Some(Agent)]);
    assert!(transcript.segments[1].start_ms.abs_diff(agent_at) < 600, "{transcript:?}");
    for (segment, sentence) in transcript.segments.iter().zip(SENTENCES) {
        let heard: Vec<&str> = segment.text.split(' ').collect();
        let words: Vec<&str> = sentence.split(' ').collect();
        let found = words.iter().filter(|word| heard.contains(word)).count();
        assert!(found * 3 >= words.len() * 2, "of {sentence:?} it heard {:?}", segment.text);
    }
    assert_eq!(transcript.model, "pocketsphinx_continuous");
}

/// The words that a worker of the service makes of a file, with the command that is shipped.
async fn words_of_a_worker(file: &Path) -> Transcript {
    let data_dir = file.with_file_name("data").to_string_lossy().into_owned();
    let set = |path, value: &str| Override { path, value: value.to_owned(), option: "--test" };
    let overrides = vec![set("data_dir", &data_dir), set("transcription.provider", "command")];
    let (config, _) = Config::load(&ConfigSources { overrides, ..ConfigSources::default() }).unwrap();
    let recogniser = transcripts::recogniser(&config).unwrap().unwrap();
    let arbiter = Arbiter::new();
    let worker = TranscriptionWorker::start(recogniser, &Telemetry::silent(), &arbiter.handle());
    let (_wants, wanted) = oneshot::channel();
    let job = Transcribe { file: file.to_owned(), language: "en-US".to_owned(), wanted };
    let transcript = worker.send(job).await.unwrap().unwrap();
    assert_eq!(fs::read_dir(config.transcription_dir()).unwrap().count(), 0, "nothing is left of what was said");
    arbiter.stop();
    transcript
}

/// The caller speaks after a second, the agent two seconds after that.
fn two_channels(folder: &Path, spoken: &[Vec<i16>; 2]) -> (std::path::PathBuf, u32) {
    let file = folder.join("call.wav");
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&file, spec).unwrap();
    let (caller_at, agent_at) = (16_000, 16_000 + spoken[0].len() + 32_000);
    for n in 0..agent_at + spoken[1].len() + 32_000 {
        let at = |voice: &[i16], begin: usize| n.checked_sub(begin).and_then(|n| voice.get(n)).copied().unwrap_or(0);
        writer.write_sample(at(&spoken[0], caller_at)).unwrap();
        writer.write_sample(at(&spoken[1], agent_at)).unwrap();
    }
    writer.finalize().unwrap();
    (file, (agent_at / 16) as u32)
}
