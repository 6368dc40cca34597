use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn wav(channels: u16, data_length: u32, sound: &[u8]) -> Vec<u8> {
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0".to_vec();
    file.extend(channels.to_le_bytes());
    file.extend(8_000u32.to_le_bytes());
    file.extend((16_000 * u32::from(channels)).to_le_bytes());
    file.extend([2 * channels as u8, 0, 16, 0]);
    file.extend(b"data");
    file.extend(data_length.to_le_bytes());
    file.extend(sound);
    file
}

/// Frames of 32 kbit/s at 22.05 kHz, mono, as Twilio's: 104 bytes, 26.12 ms.
fn mp3(frames: usize) -> Vec<u8> {
    let mut frame = vec![0xff, 0xf3, 0x40, 0xc0];
    frame.resize(104, 0x55);
    frame.repeat(frames)
}

fn judge(bytes: &[u8]) -> Result<Content, NotSound> {
    let mut check = ContentCheck::new();
    check.feed(bytes);
    check.finish()
}

fn seconds(length: f64, format: SoundFormat, channels: u16) -> impl Fn(Result<Content, NotSound>) -> bool {
    move |judged| {
        judged.is_ok_and(|content| {
            let is_near = (content.length.as_secs_f64() - length).abs() < 0.001;
            is_near && content.format == format && content.channels == channels
        })
    }
}

#[test]
fn a_wav_file_sounds_as_long_as_it_says() {
    assert!(seconds(1.5, SoundFormat::Wav, 1)(judge(&wav(1, 24_000, &[0; 24_000]))));
    assert!(seconds(1.0, SoundFormat::Wav, 2)(judge(&wav(2, 32_000, &[0; 32_000]))));
    // A list of names before the sound, and another one behind it, cut.
    let mut with_lists = wav(2, 32_000, &[0; 32_000]);
    with_lists.splice(36..36, *b"LIST\x03\0\0\0abc\0");
    with_lists.extend(*b"LIST\xff\0\0\0ab");
    assert!(seconds(1.0, SoundFormat::Wav, 2)(judge(&with_lists)));
}

#[test]
fn a_wav_file_that_was_written_without_knowing_its_end_sounds_to_its_end() {
    for unknown in [u32::MAX, 0x7fff_ffff - 36] {
        assert!(seconds(0.5, SoundFormat::Wav, 1)(judge(&wav(1, unknown, &[0; 8_000]))), "{unknown}");
    }
}

#[test]
fn what_stops_too_early_is_cut() {
    let whole = wav(1, 24_000, &[0; 24_000]);
    for length in [12, 20, 43, 44, 45, whole.len() - 1] {
        assert_eq!(judge(&whole[..length]), Err(NotSound::Cut), "{length}");
    }
    let whole = mp3(40);
    for length in [12, 103, 105, 4_000] {
        assert_eq!(judge(&whole[..length]), Err(NotSound::Cut), "{length}");
    }
}

#[test]
fn the_padding_behind_an_odd_number_of_bytes_may_be_left_out() {
    for sound in [&[0; 7_999][..], &[0; 8_000]] {
        assert!(seconds(0.5, SoundFormat::Wav, 1)(judge(&wav(1, 7_999, sound))));
    }
    assert_eq!(judge(&wav(1, 7_999, &[0; 7_998])), Err(NotSound::Cut));
}

#[test]
fn an_mp3_file_sounds_as_long_as_its_frames() {
    assert!(seconds(2.612, SoundFormat::Mp3, 1)(judge(&mp3(100))));
    let mut tagged = b"ID3\x04\0\0\0\0\x01\x01".to_vec();
    tagged.resize(10 + 129, 0);
    tagged.extend(mp3(100));
    tagged.extend([&b"TAG"[..], &[0; 125]].concat());
    assert!(seconds(2.612, SoundFormat::Mp3, 1)(judge(&tagged)));
    // MPEG-1, 128 kbit/s, 44.1 kHz, joint stereo: 417 bytes, 26.12 ms.
    let mut frame = vec![0xff, 0xfb, 0x90, 0x64];
    frame.resize(417, 0);
    assert!(seconds(0.261, SoundFormat::Mp3, 2)(judge(&frame.repeat(10))));
}

#[test]
fn what_is_no_recording_is_refused_whatever_it_calls_itself() {
    for answer in [
        &b""[..],
        b"RIFF",
        br#"{"code": 20404, "message": "The requested resource was not found", "status": 404}"#,
        b"<?xml version='1.0'?><TwilioResponse/>",
        b"<!DOCTYPE html><html><body>Bad Gateway</body></html>",
        b"RIFF\0\0\0\0AVI LIST\0\0\0\0",
        &[0; 4_096],
        &[0xff; 4_096],
    ] {
        assert_eq!(judge(answer), Err(NotSound::Unknown), "{:?}", String::from_utf8_lossy(answer));
    }
}

#[test]
fn a_recording_of_nothing_and_one_that_makes_no_sense_are_refused() {
    assert_eq!(judge(&wav(1, 0, &[])), Err(NotSound::Silent));
    assert!(matches!(judge(&wav(0, 8_000, &[0; 8_000])), Err(NotSound::Broken(_))));
    let early = b"RIFF\0\0\0\0WAVEdata\x04\0\0\0abcd".to_vec();
    assert!(matches!(judge(&early), Err(NotSound::Broken(_))));
    let odd = b"RIFF\0\0\0\0WAVEfmt \xff\xff\xff\xff0123456789".to_vec();
    assert!(matches!(judge(&odd), Err(NotSound::Broken(_))));
    let mut torn = mp3(10);
    torn[104 * 5] = 0;
    assert!(matches!(judge(&torn), Err(NotSound::Broken(_))));
}

proptest! {
    #[test]
    fn it_does_not_matter_in_which_pieces_it_comes(
        lengths in vec(1usize..3_000, 1..60),
        channels in 1u16..3,
        sound in 0usize..20_000,
        lost in 0usize..3,
        is_mp3 in any::<bool>(),
    ) {
        let mut file = if is_mp3 { mp3(sound / 104) } else { wav(channels, sound as u32, &vec![7; sound]) };
        file.truncate(file.len().saturating_sub(lost));
        let mut check = ContentCheck::new();
        let mut rest = &file[..];
        for length in lengths.iter().cycle() {
            let (piece, further) = rest.split_at(rest.len().min(*length));
            check.feed(piece);
            rest = further;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(check.finish(), judge(&file));
    }

    #[test]
    fn no_bytes_make_it_panic_or_hold_more_than_a_few(
        start in proptest::sample::select(vec![&b""[..], b"RIFF\0\0\0\0WAVE", b"ID3", b"\xff\xf3\x40\xc0"]),
        bytes in vec(any::<u8>(), 0..600),
    ) {
        let mut check = ContentCheck::new();
        for piece in [start, &bytes].concat().chunks(7) {
            check.feed(piece);
            prop_assert!(check.held.len() <= 129);
        }
        check.finish().ok();
    }
}
