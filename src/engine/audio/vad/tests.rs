//! The recordings are those of `tests/golden/audio`; their README says how they were made.

mod echo;

use super::*;
use crate::engine::audio::{
    Edge, EndpointSettings, Endpointer, Hz8k, Hz16k, Hz24k, Hz32k, Hz48k, Rate, Resampler, g711,
};

const CALLER: &[u8] = include_bytes!("../../../../tests/golden/audio/caller.ulaw");
const CALLER_IN_NOISE: &[u8] = include_bytes!("../../../../tests/golden/audio/caller_in_noise.ulaw");
const NOISE: &[u8] = include_bytes!("../../../../tests/golden/audio/noise.ulaw");
const AGENT: &[u8] = include_bytes!("../../../../tests/golden/audio/agent.ulaw");

#[test]
fn confidence_is_as_the_reference_counts_it() {
    for (webrtc, level, expected) in [
        (false, 0, 0.2),
        (false, 699, 0.2),
        (true, 699, 0.4),
        (true, 700, 0.7333),
        (true, 1_400, 0.8667),
        (true, 2_100, 1.0),
        (true, 20_000, 1.0),
        (false, 700, 0.1333),
        (false, 20_000, 0.4),
    ] {
        let counted = confidence(webrtc, level, 700);
        assert!((counted - expected).abs() < 0.001, "webrtc {webrtc}, level {level}: {counted}");
    }
}

#[test]
fn a_caller_is_heard_and_a_silent_line_is_not() {
    let (frames, edges) = judge(&after_a_second(&recording(CALLER)));
    assert_eq!(edges, [Edge::Started, Edge::Ended], "one sentence, one utterance");
    assert!(!frames[..50].contains(&true), "nothing is heard before the first word");
    assert!(frames[50..75].contains(&true), "the first word is heard");
}

#[test]
fn a_caller_in_a_noisy_street_is_heard_and_the_street_is_not() {
    let line: Vec<i16> = [NOISE, CALLER_IN_NOISE, NOISE, NOISE].iter().flat_map(|part| recording(part)).collect();
    assert_eq!(judge(&line).1, [Edge::Started, Edge::Ended]);
    assert_eq!(judge(&recording(NOISE).repeat(5)).1, []);
}

#[test]
fn hiss_is_not_speech_however_loud() {
    for level in [20.0, 130.0, 230.0, 400.0, 1_000.0, 3_000.0, 8_000.0] {
        let (frames, edges) = judge(&hiss(level, 80_000));
        assert_eq!(edges, [], "hiss at {level}");
        assert!(frames.iter().filter(|&&is_speech| is_speech).count() <= 5);
    }
}

/// Hiss that begins within a call may be taken for speech once, until it is known: at most a second.
#[test]
fn hiss_that_begins_within_a_call_is_learnt_within_a_second() {
    for level in [400.0, 1_000.0, 3_000.0] {
        let (frames, _) = judge(&after_a_second(&hiss(level, 40_000)));
        assert!(!frames[102..].contains(&true), "hiss at {level} after a second of it");
    }
}

/// A caller 10 dB below the network's nominal level says a word of 150 ms, a hundred times.
#[test]
fn a_word_of_150_ms_from_a_quiet_caller_is_always_heard() {
    let caller = scaled(&recording(CALLER), 0.316);
    let words = loudest_stretches(&caller, 1_200, 100);
    for background in [vec![0; 16_000], hiss(40.0, 16_000)] {
        let heard = words.iter().filter(|word| {
            let mut line = background.clone();
            for (sample, voice) in line[8_000..].iter_mut().zip(word.iter()) {
                *sample = sample.saturating_add(*voice);
            }
            judge(&line).1.contains(&Edge::Started)
        });
        assert_eq!(heard.count(), 100);
    }
}

/// The agent's own voice, 20 dB down, as a line without echo cancelling returns it after 200 ms.
#[test]
fn the_echo_of_the_agent_is_not_the_caller() {
    for loudness in [1.0, 2.0, 4.0] {
        let agent = scaled(&recording(AGENT), loudness).repeat(5);
        let mut echo = vec![0; 1_600];
        echo.extend(scaled(&agent, 0.1));
        let mut vad = Vad::<Hz8k>::new(&VadSettings::default());
        let mut endpointer = Endpointer::new(&EndpointSettings::default());
        let mut agent = agent.chunks_exact(160);
        let edges = echo.chunks_exact(160).filter_map(|frame| {
            agent.next().into_iter().for_each(|played| vad.agent_plays(&frame_of(played)));
            endpointer.hear(&vad.judge(&PcmFrame::from_samples(frame).unwrap()))
        });
        assert_eq!(edges.count(), 0, "an agent {loudness} times as loud as nominal");
    }
}

/// Without being told what the agent plays, the echo of a nominal voice opens an utterance now and then.
#[test]
fn an_echo_20_db_down_alone_opens_at_most_five_utterances() {
    let echo = scaled(&recording(AGENT), 0.1).repeat(5);
    let started = judge(&echo).1.iter().filter(|&&edge| edge == Edge::Started).count();
    assert!(started <= 5, "{started}");
}

#[test]
fn the_caller_is_heard_over_the_agent() {
    let mut vad = Vad::<Hz8k>::new(&VadSettings::default());
    let agent = recording(AGENT);
    let mut heard = 0;
    for (caller, agent) in recording(CALLER).chunks_exact(160).zip(agent.chunks_exact(160)) {
        vad.agent_plays(&frame_of(agent));
        heard += u32::from(vad.judge(&PcmFrame::from_samples(caller).unwrap()).is_speech);
    }
    assert!(heard > 60, "{heard} frames of 163");
}

#[test]
fn one_call_does_not_hear_the_other() {
    let (caller, noise) = (recording(CALLER), hiss(3_000.0, 26_160));
    let mut alone = Vad::<Hz8k>::new(&VadSettings::default());
    let mut beside = Vad::<Hz8k>::new(&VadSettings::default());
    let mut other = Vad::<Hz8k>::new(&VadSettings { aggressiveness: 3, ..VadSettings::default() });
    for (frame, noise) in caller.chunks_exact(160).zip(noise.chunks_exact(160)) {
        let frame = PcmFrame::from_samples(frame).unwrap();
        let expected = alone.judge(&frame);
        other.judge(&PcmFrame::from_samples(noise).unwrap());
        other.agent_plays(&frame_of(&[9_000; 160]));
        assert_eq!(beside.judge(&frame), expected);
    }
}

/// A call at the agent's 24 kHz is judged at 8 kHz: every frame, without a fault, and the sentence is heard.
#[test]
fn a_call_at_24_khz_is_judged_after_resampling() {
    let line = after_a_second(&recording(CALLER));
    let mut wide = vec![];
    Resampler::<Hz8k, Hz24k>::new().process(&line, &mut wide);
    let mut resampler = Resampler::<Hz24k, Hz8k>::new();
    let mut narrow = vec![];
    for frame in wide.chunks_exact(480) {
        narrow.extend_from_slice(resampler.process_frame(&PcmFrame::<Hz24k>::from_samples(frame).unwrap()).samples());
    }
    let (frames, edges) = judge(&narrow);
    assert_eq!(frames.len(), line.len() / 160);
    assert_eq!(edges, [Edge::Started, Edge::Ended]);
}

#[test]
fn every_rate_that_has_a_detector_hears_the_caller() {
    fn check<R: VadRate + Rate>() {
        let mut wide = vec![];
        Resampler::<Hz8k, R>::new().process(&after_a_second(&recording(CALLER)), &mut wide);
        for aggressiveness in 0..=4 {
            let mut vad = Vad::<R>::new(&VadSettings { aggressiveness, ..VadSettings::default() });
            let heard = wide
                .chunks_exact(R::FRAME_SAMPLES)
                .filter(|frame| vad.judge(&PcmFrame::from_samples(frame).unwrap()).is_speech);
            assert!(heard.count() > 60, "{} Hz, aggressiveness {aggressiveness}", R::HZ);
        }
    }
    check::<Hz8k>();
    check::<Hz16k>();
    check::<Hz32k>();
    check::<Hz48k>();
}

/// What the default detector and endpointer say about a line at 8 kHz.
fn judge(line: &[i16]) -> (Vec<bool>, Vec<Edge>) {
    let mut vad = Vad::<Hz8k>::new(&VadSettings::default());
    let mut endpointer = Endpointer::new(&EndpointSettings::default());
    let mut edges = vec![];
    let judge = |frame| {
        let voice = vad.judge(&PcmFrame::from_samples(frame).unwrap());
        edges.extend(endpointer.hear(&voice));
        voice.is_speech
    };
    (line.chunks_exact(160).map(judge).collect(), edges)
}

fn frame_of(samples: &[i16]) -> PcmFrame<Hz8k> {
    PcmFrame::from_samples(samples).unwrap()
}

fn recording(bytes: &[u8]) -> Vec<i16> {
    let mut samples = vec![];
    g711::append_ulaw(bytes, &mut samples);
    samples
}

/// A second of silence before and after.
fn after_a_second(sound: &[i16]) -> Vec<i16> {
    [&[0; 8_000], sound, &[0; 8_000]].concat()
}

fn scaled(sound: &[i16], gain: f32) -> Vec<i16> {
    sound.iter().map(|&sample| (f32::from(sample) * gain) as i16).collect()
}

/// White noise of this rms, always the same.
fn hiss(rms: f32, length: usize) -> Vec<i16> {
    let mut seed = 1u32;
    let mut next = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..length).map(|_| (next() * rms * 3f32.sqrt()) as i16).collect()
}

/// Stretches of this length that begin every 8 ms of the sound, the loudest of them.
fn loudest_stretches(sound: &[i16], length: usize, count: usize) -> Vec<&[i16]> {
    let mut stretches: Vec<&[i16]> = sound.windows(length).step_by(64).collect();
    stretches.sort_by_key(|stretch| std::cmp::Reverse(Level::of_samples(stretch).rms));
    stretches.truncate(count);
    stretches
}
