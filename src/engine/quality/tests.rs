use std::time::Duration;

use proptest::prelude::*;

use crate::engine::call::{CallStats, HangupCause};

use super::{Fault, Verdict, judge};

fn good_call() -> CallStats {
    CallStats {
        length: Duration::from_secs(60),
        caller_frames: 3000,
        forwarded_frames: 3000,
        agent_frames: 1500,
        vad_frames: 3000,
        vad_speech_frames: 900,
        turns: 10,
        barge_ins: 1,
        barge_in_slowest: Some(Duration::from_millis(60)),
        first_audio: Some(Duration::from_millis(700)),
        response_total: Duration::from_secs(4),
        responses: 5,
        ..CallStats::default()
    }
}

fn names(stats: &CallStats, cause: HangupCause) -> Vec<&'static str> {
    judge(stats, cause).findings.iter().map(|finding| finding.fault.word()).collect()
}

#[test]
fn a_good_call_is_excellent_and_has_no_finding() {
    let quality = judge(&good_call(), HangupCause::CallerHungUp);
    assert_eq!((quality.score, quality.verdict), (100, Verdict::Excellent));
    assert_eq!(quality.findings, []);
}

#[test]
fn each_planted_fault_is_named_by_its_own_finding_and_by_no_other() {
    use HangupCause as End;
    type Plant = fn(&mut CallStats);
    let planted: [(&str, End, Plant); 14] = [
        ("internal-fault", End::InternalFault, |_| {}),
        ("wrong-audio", End::MediaUnsupported, |s| (s.media_faults, s.agent_frames) = (40, 0)),
        ("agent-unavailable", End::AgentUnavailable, |s| (s.agent_losses, s.agent_frames) = (3, 0)),
        ("stream-lost", End::StreamLost, |_| {}),
        ("agent-lost", End::CallerHungUp, |s| (s.agent_losses, s.dropped_frames) = (1, 100)),
        ("no-caller-audio", End::CallerSilent, |s| {
            (s.caller_frames, s.forwarded_frames, s.vad_frames, s.vad_speech_frames) = (0, 0, 0, 0);
        }),
        ("no-agent-audio", End::CallerHungUp, |s| (s.agent_frames, s.first_audio) = (0, None)),
        ("caller-silent", End::CallerSilent, |s| s.vad_speech_frames = 0),
        ("caller-audio-dropped", End::CallerHungUp, |s| (s.dropped_frames, s.forwarded_frames) = (60, 2940)),
        ("choppy", End::CallerHungUp, |s| s.underflow_frames = 100),
        ("slow-first-audio", End::CallerHungUp, |s| s.first_audio = Some(Duration::from_secs(4))),
        ("slow-answers", End::CallerHungUp, |s| s.response_total = Duration::from_secs(15)),
        ("slow-barge-in", End::CallerHungUp, |s| s.barge_in_slowest = Some(Duration::from_millis(800))),
        ("media-faults", End::CallerHungUp, |s| s.media_faults = 2),
    ];
    for (name, cause, plant) in planted {
        let mut stats = good_call();
        plant(&mut stats);
        assert_eq!(names(&stats, cause), [name]);
        assert!(judge(&stats, cause).score < 100, "{name} costs nothing");
    }
}

#[test]
fn the_verdict_changes_exactly_at_its_limits() {
    let words = [0, 24, 25, 49, 50, 74, 75, 89, 90, 100].map(|score| Verdict::of(score).word());
    let expected = ["CRITICAL", "CRITICAL", "POOR", "POOR", "FAIR", "FAIR", "GOOD", "GOOD", "EXCELLENT", "EXCELLENT"];
    assert_eq!(words, expected);
}

fn any_call() -> impl Strategy<Value = CallStats> {
    let frames = (0..4000_u64, 0..400_u64, 0..4000_u64, 0..400_u64, 0..3000_u64, 0..3_u64);
    let times = (0..90_u64, 0..9000_u64, 0..60_000_u64, 1..9_u32, 0..2000_u64);
    (frames, times, 0..5_u32, 0..20_u64).prop_map(|(frames, times, agent_losses, media_faults)| CallStats {
        caller_frames: frames.0 + frames.1,
        forwarded_frames: frames.0,
        dropped_frames: frames.1,
        agent_frames: frames.2,
        underflow_frames: frames.3,
        vad_frames: frames.4,
        vad_speech_frames: frames.5,
        length: Duration::from_secs(times.0),
        first_audio: Some(Duration::from_millis(times.1)),
        response_total: Duration::from_millis(times.2),
        responses: times.3,
        barge_in_slowest: Some(Duration::from_millis(times.4)),
        agent_losses,
        media_faults,
        ..CallStats::default()
    })
}

proptest! {
    #[test]
    fn a_worse_figure_never_gives_a_better_score(
        stats in any_call(), which in 0..8_usize, by in 1..3000_u64, cause in prop::sample::select(&HangupCause::ALL[..])
    ) {
        let mut worse = stats.clone();
        let later = Duration::from_millis(by);
        match which {
            0 => { worse.dropped_frames += by; worse.caller_frames += by; }
            1 => worse.underflow_frames += by,
            2 => worse.first_audio = worse.first_audio.map(|time| time + later),
            3 => worse.response_total += later,
            4 => worse.barge_in_slowest = worse.barge_in_slowest.map(|time| time + later),
            5 => worse.agent_losses += by as u32,
            6 => worse.media_faults += by,
            _ => worse.vad_speech_frames = 0,
        }
        // Dropped frames are frames that came: a caller of whom none came is another fault.
        prop_assume!(which != 0 || stats.caller_frames > 0);
        prop_assert!(judge(&worse, cause).score <= judge(&stats, cause).score);
    }

    #[test]
    fn findings_stand_in_one_order_each_once(
        stats in any_call(), cause in prop::sample::select(&HangupCause::ALL[..])
    ) {
        let quality = judge(&stats, cause);
        let places: Vec<_> = quality.findings.iter()
            .map(|finding| Fault::ALL.iter().position(|fault| *fault == finding.fault)).collect();
        prop_assert!(places.is_sorted_by(|a, b| a < b));
        prop_assert_eq!(quality.findings.is_empty(), quality.score == 100);
    }
}
