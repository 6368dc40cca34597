//! Speech programs, played by scripts that say what they were given.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn wanted(text: &str) -> Wanted {
    Wanted { text: text.into(), language: "en-US".into(), voice: None, hz: 8_000 }
}

/// A WAV file of one second.
fn wav(hz: u32, channels: u16, level: i16) -> Vec<u8> {
    let spec =
        hound::WavSpec { channels, sample_rate: hz, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    for n in 0..hz * u32::from(channels) {
        writer.write_sample(if n / 20 % 2 == 0 { level } else { -level }).unwrap();
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

/// A program that runs `script` and finds a WAV file of one second at `$0.wav`.
fn program(folder: &TempDir, script: &str, kind: Kind) -> Program {
    let path = folder.path().join("speaker");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.path().join("speaker.wav"), wav(22_050, 1, 1_000)).unwrap();
    Program::new(path, kind)
}

fn speech(folder: &TempDir, script: &str, kind: Kind) -> Speech {
    Speech::with(vec![program(folder, script, kind)], true)
}

/// The speech of a program that runs `script`, for the tests of its users.
pub(in super::super) fn scripted(folder: &TempDir, script: &str) -> Speech {
    speech(folder, script, Kind::Flite)
}

impl Speech {
    /// The same with less patience.
    pub(in super::super) fn limited(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }
}

#[test]
fn each_program_gets_the_text_and_a_voice_that_it_has() {
    let piper = || Kind::Piper { model: "/voices/anna.onnx".into() };
    #[rustfmt::skip]
    let table = [
        (Kind::Flite, "en-GB", None, vec!["-voice", "slt", "-t", "Hi; $(reboot)", "-o", "/dev/stdout"], false),
        (Kind::Flite, "en-GB", Some("rms"), vec!["-voice", "rms", "-t", "Hi; $(reboot)", "-o", "/dev/stdout"], false),
        (Kind::Flite, "en", Some("/etc/passwd"), vec!["-voice", "slt", "-t", "Hi; $(reboot)", "-o", "/dev/stdout"], false),
        (Kind::EspeakNg, "de-AT", None, vec!["-v", "de", "--stdin", "--stdout"], true),
        (Kind::EspeakNg, "de", Some("de+f2"), vec!["-v", "de+f2", "--stdin", "--stdout"], true),
        (Kind::EspeakNg, "de", Some("-x"), vec!["-v", "de", "--stdin", "--stdout"], true),
        (Kind::EspeakNg, "../x", None, vec!["-v", "en", "--stdin", "--stdout"], true),
        (piper(), "de", None, vec!["--output_file", "-", "--model", "/voices/anna.onnx"], true),
    ];
    for (kind, language, voice, arguments, is_read) in table {
        let program = Program::new("program", kind);
        let wanted = Wanted { language: language.into(), voice: voice.map(Into::into), ..wanted("Hi; $(reboot)") };
        assert_eq!(program.arguments(&wanted), (words(&arguments), is_read.then_some("Hi; $(reboot)")), "{program:?}");
    }
}

#[test]
fn without_a_choice_a_language_is_spoken_by_a_program_that_knows_it() {
    let speech = Speech::new(&LocalSettings { speech: SpeechChoice::Auto, piper_model: Some("m.onnx".into()) });
    let names = |language: &str| -> Vec<_> {
        speech.programs.iter().filter(|p| p.knows(language)).map(|p| p.path.to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("en-GB"), ["piper", "flite", "espeak-ng"]);
    assert_eq!(names("de-DE"), ["piper", "espeak-ng"]);
    assert!(!Speech::new(&LocalSettings { speech: SpeechChoice::Clips, piper_model: None }).has_program());
    for no_model in [None, Some(PathBuf::new())] {
        assert!(!Speech::new(&LocalSettings { speech: SpeechChoice::Piper, piper_model: no_model }).has_program());
    }
}

#[tokio::test]
async fn a_text_is_spoken_once_and_kept() {
    let folder = TempDir::new().unwrap();
    let speech = speech(&folder, "cat > $0.text; echo run >> $0.runs; cat $0.wav", Kind::EspeakNg);
    for _ in 0..3 {
        let spoken = speech.speak(wanted("Good morning.\nIt's us.")).await.unwrap().unwrap();
        assert_eq!(spoken.len(), 8_000, "one second at the rate of the call");
        let level = (spoken.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / 8_000.0).sqrt();
        assert!((2_700.0..3_600.0).contains(&level), "as loud as the clips: {level}");
    }
    assert_eq!(fs::read_to_string(folder.path().join("speaker.text")).unwrap(), "Good morning. It's us.\n");
    assert_eq!(fs::read_to_string(folder.path().join("speaker.runs")).unwrap(), "run\n");
}

#[tokio::test]
async fn a_program_that_fails_is_left_alone_after_a_while() {
    let folder = TempDir::new().unwrap();
    let speech = speech(&folder, "cat $0.wav; exit 1", Kind::Flite);
    for _ in 0..FAILURES {
        assert!(speech.has_program());
        assert_eq!(speech.speak(wanted("Good morning.")).await, Err(SpeechError::Failed));
    }
    assert!(!speech.has_program());
}

#[tokio::test]
async fn a_program_that_is_not_there_is_a_fault_only_if_it_was_chosen() {
    let missing = || vec![Program::new("/nowhere/flite", Kind::Flite)];
    let error = Speech::with(missing(), true).speak(wanted("Hi.")).await;
    assert_eq!(error, Err(SpeechError::Missing("/nowhere/flite".into())));
    assert_eq!(Speech::with(missing(), false).speak(wanted("Hi.")).await, Ok(None));
}

#[tokio::test]
async fn a_program_that_hangs_is_killed() {
    let folder = TempDir::new().unwrap();
    let script = "echo $$ > $0.pid; exec sleep 1000";
    let speech = speech(&folder, script, Kind::Flite).limited(Duration::from_millis(500));
    assert_eq!(speech.speak(wanted("Hi.")).await, Err(SpeechError::TooSlow));

    let pid = fs::read_to_string(folder.path().join("speaker.pid")).unwrap();
    let state = || fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    let is_alive = || !state().is_empty() && !state().contains(") Z ");
    for _ in 0..1_000 {
        if !is_alive() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the program lives on");
}

#[tokio::test]
async fn a_text_that_is_too_long_is_not_spoken() {
    let speech = Speech::with(vec![], true);
    assert_eq!(speech.speak(wanted(&"la ".repeat(400))).await, Err(SpeechError::TooLong(1_200)));
}

#[test]
fn sound_is_understood_at_the_rates_and_shapes_that_programs_write() {
    for (hz, channels) in [(8_000, 1), (16_000, 1), (22_050, 1), (44_100, 2)] {
        assert_eq!(understand(&wav(hz, channels, 1_000), 8_000).unwrap().len(), 8_000, "{hz} Hz, {channels}");
    }
    assert_eq!(understand(&wav(12_345, 1, 1_000), 8_000), Err(SpeechError::NotSound), "an unusual rate");
    assert_eq!(understand(&wav(16_000, 1, 0), 8_000), Err(SpeechError::NotSound), "silence");
    assert_eq!(understand(b"RIFF", 8_000), Err(SpeechError::NotSound));
}

#[test]
fn a_header_that_promises_more_than_comes_is_no_fault() {
    // espeak-ng writes to a pipe and can't know the length: it promises 2 GB.
    let mut endless = wav(22_050, 1, 1_000);
    endless[4..8].copy_from_slice(&0x7fff_f024u32.to_le_bytes());
    endless[40..44].copy_from_slice(&0x7fff_f000u32.to_le_bytes());
    assert_eq!(understand(&endless, 8_000).unwrap().len(), 8_000);
}

proptest! {
    #[test]
    fn no_output_of_a_program_makes_it_panic(bytes: Vec<u8>, at in 0usize..60, byte: u8) {
        let _ = understand(&bytes, 8_000);
        let mut broken = wav(8_000, 1, 1_000)[..200].to_vec();
        broken[at] = byte;
        let _ = understand(&broken, 8_000);
    }
}
