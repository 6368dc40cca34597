use super::*;
use proptest::prelude::*;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn tone(millis: usize) -> Vec<u8> {
    (0..millis * BYTES_PER_MS).map(|n| if n % 8 < 4 { 0x90 } else { 0x10 }).collect()
}

fn silence(millis: usize) -> Vec<u8> {
    vec![ulaw::SILENCE; millis * BYTES_PER_MS]
}

fn names(echoes: &[Echo]) -> Vec<(&str, bool)> {
    echoes.iter().map(|echo| (echo.name.as_str(), echo.cleared)).collect()
}

#[test]
fn a_mark_is_reached_when_the_audio_before_it_was_heard_however_early_it_came() {
    let mut ear = Ear::default();
    ear.play(ms(100), tone(500));
    ear.mark(ms(100), "end".into());
    assert_eq!(ear.next_mark(), Some(ms(600)));
    assert_eq!(ear.reached(ms(599)), []);
    assert_eq!(names(&ear.reached(ms(600))), [("end", false)]);
    ear.mark(ms(700), "at once".into());
    assert_eq!(ear.next_mark(), Some(ms(700)), "nothing is before it");
}

#[test]
fn a_clear_ends_the_sound_and_answers_every_mark_in_order() {
    let mut ear = Ear::default();
    ear.play(ms(0), tone(100));
    ear.mark(ms(0), "heard".into());
    ear.play(ms(0), tone(900));
    ear.mark(ms(0), "one".into());
    ear.mark(ms(0), "two".into());
    assert_eq!(names(&ear.clear(ms(250))), [("heard", false), ("one", true), ("two", true)]);
    assert_eq!(ear.sounds(ms(20)), [Span { from: ms(0), to: ms(250) }]);
    assert_eq!(ear.clears[0].thrown_away, ms(750));
    assert_eq!(ear.clears[0].marks, ["one", "two"]);
    assert!(ear.play(ms(800), tone(20)));
    assert_eq!(ear.clears[0].next_audio_after, Some(ms(550)));
    assert!(ear.gaps.is_empty(), "the pause after a clear is no gap");
}

#[test]
fn audio_sent_ahead_is_heard_without_a_pause_and_the_lead_is_known() {
    let mut ear = Ear::default();
    for frame in 0..10 {
        ear.play(ms(frame * 5), tone(20));
    }
    assert_eq!(ear.sounds(ms(1)), [Span { from: ms(0), to: ms(200) }]);
    assert_eq!(ear.most_ahead, ms(155));
}

#[test]
fn a_pause_inside_speech_is_a_gap_and_a_long_one_is_an_end() {
    let mut ear = Ear::default();
    for at in [0, 80, 180, 900] {
        ear.play(ms(at), tone(20));
    }
    assert_eq!(ear.gaps, [Span { from: ms(100), to: ms(180) }], "60 ms are no gap, 80 are, 700 are an end");
}

#[test]
fn a_burst_is_counted_unless_speech_begins_with_it() {
    let mut ear = Ear::default();
    for _ in 0..10 {
        ear.play(ms(0), tone(20));
    }
    assert_eq!(ear.crowded_frames, 0);
    for at in [100, 120, 140] {
        ear.play(ms(at), tone(20));
    }
    assert_eq!(ear.crowded_frames, 0, "in step");
    ear.play(ms(141), tone(20));
    ear.play(ms(142), tone(20));
    assert_eq!(ear.crowded_frames, 2);
}

#[test]
fn silence_is_heard_but_is_no_sound() {
    let mut ear = Ear::default();
    ear.play(ms(0), silence(100));
    assert_eq!(ear.quiet_for(ms(50)), None);
    ear.play(ms(100), tone(100));
    ear.play(ms(200), silence(100));
    assert_eq!(ear.sounds(ms(20)), [Span { from: ms(100), to: ms(200) }]);
    assert_eq!(ear.quiet_for(ms(150)), Some(ms(0)));
    assert_eq!(ear.quiet_for(ms(280)), Some(ms(80)));
    assert_eq!(ear.sounding_for(ms(150), ms(50)), ms(50));
    assert_eq!(ear.sounding_for(ms(280), ms(50)), ms(0));
    assert_eq!((ear.idle_for(ms(280)), ear.idle_for(ms(350))), (ms(0), ms(50)));
}

#[test]
fn ten_minutes_are_the_most_that_is_kept() {
    let mut ear = Ear::default();
    assert!(ear.play(ms(0), silence(601_000)));
    assert!(!ear.play(ms(0), silence(20)));
    assert!(ear.play(ms(2_000), silence(20)));
}

proptest! {
    #[test]
    fn marks_are_answered_exactly_once_and_in_order(steps in prop::collection::vec((0u64..50, 0u8..4, 0usize..60), 0..80)) {
        let mut ear = Ear::default();
        let (mut now, mut sent, mut answered) = (ms(0), Vec::new(), Vec::new());
        for (wait, what, size) in steps {
            now += ms(wait);
            answered.extend(ear.reached(now));
            match what {
                0 => {
                    sent.push(format!("m{}", sent.len()));
                    ear.mark(now, sent[sent.len() - 1].clone());
                }
                1 => answered.extend(ear.clear(now)),
                _ => { ear.play(now, tone(size)); }
            }
        }
        answered.extend(ear.reached(now + ms(100_000)));
        prop_assert_eq!(answered.into_iter().map(|echo| echo.name).collect::<Vec<_>>(), sent);
        prop_assert!(ear.heard().windows(2).all(|pair| pair[0].end() <= pair[1].at), "two things are never heard at once");
    }
}
