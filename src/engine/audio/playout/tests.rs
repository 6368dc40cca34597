use super::*;
use crate::engine::audio::{Hz8k, Hz16k, Hz24k, Hz48k};

mod any_deeds;
mod line;
mod vendors;

use line::Line;

const SETTINGS: PlayoutSettings =
    PlayoutSettings { preroll_ms: 100, low_water_ms: 60, lead_ms: 60, mark_every_ms: 100, max_queue_ms: 10_000 };

#[test]
fn a_response_that_comes_at_once_goes_out_with_its_lead_then_every_20_ms() {
    let mut line = Line::new(SETTINGS);
    line.push(1, 130);
    line.finish(1);
    line.run_until(1_000);
    assert_eq!(line.said(), "0:r1 0:r1 0:r1 20:r1 40:r1 40:r1:100 60:r1 80:r1 80:r1:130:end");
    assert!(line.playout.is_idle());
    assert_eq!(line.stats().underflow_events, 0);
}

#[test]
fn the_last_frame_is_padded_once() {
    let mut line = Line::new(SETTINGS);
    line.playout.push(line.now, response(1), &[7; 161]);
    line.finish(1);
    line.finish(1);
    line.run_until(100);
    assert_eq!(line.said(), "0:r1 0:r1 0:r1:20:end");
    let mut padded = [0; 160];
    padded[0] = 7;
    assert_eq!(line.frames[1].2.samples(), padded);
    line.finish(1);
    line.run_until(200);
    assert_eq!(line.frames.len(), 2, "an end told again ends nothing");
    assert!(line.playout.is_idle());
}

#[test]
fn a_response_without_audio_still_gives_its_last_mark_in_its_turn() {
    let mut line = Line::new(SETTINGS);
    line.push(1, 40);
    line.finish(2);
    line.run_until(90);
    assert_eq!(line.said(), "", "the first is not finished, and is held back");
    line.finish(1);
    line.run_until(200);
    assert_eq!(line.said(), "90:r1 90:r1 90:r1:40:end 90:r2:0:end");
}

#[test]
fn responses_play_one_after_the_other() {
    let mut line = Line::new(SETTINGS);
    line.push(1, 120);
    line.push(2, 120);
    line.push(1, 20);
    line.finish(2);
    line.finish(1);
    line.run_until(2_000);
    let order: Vec<_> = line.frames.iter().map(|(_, of, _)| of.to_string()).collect();
    assert_eq!(order, [vec!["r1"; 7], vec!["r2"; 6]].concat());
    assert_eq!(line.gaps_ms(), [0, 0, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20], "without a seam");
}

#[test]
fn one_that_dribbles_is_held_back() {
    let mut line = Line::new(SETTINGS);
    for _ in 0..20 {
        line.push(1, 20);
        line.run_until(line.ms() + 20);
    }
    line.finish(1);
    line.run_until(2_000);
    assert_eq!(line.frames[0].0, 100_000, "nothing is known of this agent");
    assert_eq!(line.stats().underflow_frames, 0);
    assert_eq!(line.frames.len(), 20);
}

#[test]
fn one_that_gets_stuck_is_held_back_no_longer_than_the_others() {
    let mut line = Line::new(SETTINGS);
    line.push(1, 60);
    assert_eq!(line.playout.next_due(), Some(CallTime::from_millis(100)));
    line.run_until(1_000);
    assert_eq!(line.frames[0].0, 100_000);
}

#[test]
fn one_that_bursts_ahead_of_real_time_soon_needs_no_preroll() {
    let mut line = Line::new(SETTINGS);
    for _ in 0..10 {
        line.push(1, 50);
        line.run_until(line.ms() + 5);
    }
    line.finish(1);
    line.run_until(1_000);
    line.push(2, 20);
    line.run_until(1_010);
    assert_eq!(line.frames.last().map(|(at, of, _)| (*at, *of)), Some((1_000_000, response(2))), "at once");
}

/// The second response was 30 ms late: what it would have needed, half as much again and a margin are held back.
#[test]
fn one_that_was_late_is_held_back_as_long_as_it_would_have_needed() {
    let mut line = Line::new(SETTINGS);
    for number in 1..=6 {
        let begins = line.ms();
        line.push(number, 100);
        line.run_until(begins + 130);
        line.push(number, 100);
        line.finish(number);
        line.run_until(begins + 1_000);
    }
    let first = |number| line.frames.iter().position(|(_, of, _)| *of == response(number)).unwrap();
    let held_back = |number: u32| line.frames[first(number)].0 - u64::from(number - 1) * 1_000_000;
    assert_eq!((1..=6).map(held_back).collect::<Vec<_>>(), [0, 40_000, 40_000, 40_000, 40_000, 40_000]);
    assert_eq!(line.stats().underflow_events, 1, "the first time only");
}

#[test]
fn an_agent_that_was_out_for_a_while_is_not_held_back_for_that() {
    let mut line = Line::new(SETTINGS);
    line.push(1, 50);
    line.push(1, 400);
    line.push(1, 50);
    line.run_until(1_000);
    line.push(1, 20);
    line.finish(1);
    line.run_until(2_000);
    line.push(2, 20);
    line.run_until(2_100);
    assert_eq!(line.frames.last().map(|(at, of, _)| (*at, *of)), Some((2_000_000, response(2))));
}

#[test]
fn missing_frames_are_counted_where_the_caller_misses_them() {
    let mut line = Line::new(SETTINGS);
    line.push(1, 100);
    line.run_until(99);
    assert_eq!(line.stats().underflow_frames, 0, "the ear is busy until 100");
    line.run_until(165);
    line.push(1, 40);
    line.run_until(400);
    line.finish(1);
    // Due from 100 to 220 and missing; then two frames heard until 265, and nothing until the end at 400.
    let stats = line.stats();
    assert_eq!((stats.underflow_events, stats.underflow_frames), (2, 7 + 7));
    assert_eq!(line.frames[5].0, 225_000, "what comes after a hole is held back for 60 ms, so that it is the only one");
    assert_eq!(line.frames[6].0, 240_000, "and no burst after it");
    line.run_until(1_000);
    assert_eq!(line.stats().underflow_frames, 14, "nothing is due after the end");
    assert_eq!(line.stats().stalls, 0);
}

#[test]
fn audio_that_comes_when_it_is_due_is_not_missing() {
    let mut line = Line::new(SETTINGS);
    line.push(1, 100);
    line.run_until(99);
    line.jump_to(100);
    line.push(1, 20);
    line.run_until(110);
    assert_eq!(line.stats().underflow_frames, 0);
}

#[test]
fn before_the_start_after_a_clear_and_in_silence_nothing_is_missing() {
    let mut line = Line::new(SETTINGS);
    line.run_until(500);
    line.push(1, 40);
    line.run_until(600);
    line.push(1, 80);
    line.run_until(650);
    line.playout.clear(line.now);
    line.run_until(3_000);
    assert_eq!(line.stats().underflow_events, 0);
}

#[test]
fn after_a_clear_nothing_of_it_comes_out() {
    let mut line = Line::new(SETTINGS);
    line.push(1, 1_010);
    line.finish(1);
    line.push(2, 300);
    line.run_until(210);
    let sent = line.frames.len();
    let cleared = line.playout.clear(line.now);
    assert_eq!(cleared, Cleared { frames: 51 - sent as u32 + 15, unheard: Duration::from_millis(50) });
    assert!(line.playout.is_idle());
    assert_eq!((line.playout.queued(), line.playout.next_due()), (Duration::ZERO, None));
    line.finish(1);
    line.finish(2);
    line.run_until(3_000);
    assert_eq!(line.frames.len(), sent);
    assert!(!line.said().contains("end"), "nor their last marks");
}

#[test]
fn the_reply_after_an_interruption_starts_with_a_lead_of_its_own() {
    let mut line = Line::new(SETTINGS);
    line.push(1, 1_000);
    line.run_until(205);
    line.playout.clear(line.now);
    line.push(2, 1_000);
    line.run_until(226);
    let reply: Vec<_> = line.frames.iter().filter(|(_, of, _)| *of == response(2)).map(|(at, ..)| at / 1_000).collect();
    assert_eq!(reply, [205, 205, 205, 225]);
}

#[test]
fn after_a_stall_of_ours_two_frames_go_out_and_no_burst_until_the_lead_is_back() {
    let mut line = Line::new(SETTINGS);
    line.push(1, 3_000);
    line.run_until(200);
    line.jump_to(500);
    line.run_until(1_500);
    let gaps = line.gaps_ms();
    assert_eq!(&gaps[..12], [0, 0, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20]);
    assert_eq!(&gaps[12..21], [300, 0, 15, 15, 15, 15, 20, 20, 20]);
    assert!(gaps[21..].iter().all(|&gap| gap == 20), "{gaps:?}");
    assert_eq!(line.stats().stalls, 1);
    assert_eq!(line.stats().underflow_frames, 0, "the agent was not late");
    assert!(line.playout.ahead(line.now) >= Duration::from_millis(40), "the lead is back");
}

#[test]
fn timers_that_fire_late_do_not_make_the_grid_drift() {
    for lead_ms in [0, 20, 60, 200, 900] {
        let mut line = Line::new(PlayoutSettings { lead_ms, ..SETTINGS });
        line.push(1, 8_000);
        line.finish(1);
        line.lateness_us = 3_000;
        line.run_until(20_000);
        let (first, last) = (line.frames[0].0, line.frames[399].0);
        let lead = u64::from(lead_ms.clamp(20, 200)) * 1_000;
        let expected = 8_000_000 - lead;
        assert!((last - first).abs_diff(expected) <= 3_000, "lead {lead_ms}: {} µs", last - first);
        assert_eq!(line.stats().stalls, 0);
    }
}

#[test]
fn a_thread_that_is_always_late_sends_as_fast_as_the_caller_hears() {
    let mut line = Line::new(SETTINGS);
    line.push(1, 8_000);
    line.finish(1);
    line.lateness_us = 19_000;
    line.run_until(20_000);
    let last = line.frames[399].0;
    assert!((7_940_000..=7_960_000).contains(&last), "{last} µs");
    assert_eq!(line.stats().stalls, 0);
}

#[test]
fn marks_tell_how_much_of_a_response_lies_before_them() {
    let mut line = Line::new(PlayoutSettings { mark_every_ms: 50, ..SETTINGS });
    line.push(1, 200);
    line.finish(1);
    line.run_until(1_000);
    let marks: Vec<_> = line.marks.iter().map(|(_, mark)| mark.to_string()).collect();
    assert_eq!(marks, ["r1:60", "r1:100", "r1:160", "r1:200:end"]);
}

#[test]
fn a_filler_does_not_wait_for_the_response_whose_silence_it_fills() {
    let mut line = Line::new(SETTINGS);
    line.push(1, 200);
    line.run_until(1_000);
    line.push(2, 100);
    line.finish(2);
    line.run_until(1_200);
    line.push(1, 40);
    line.finish(1);
    line.run_until(2_000);
    let order: Vec<_> = line.frames.iter().map(|(_, of, _)| of.to_string()).collect();
    assert_eq!(order, [vec!["r1"; 10], vec!["r2"; 5], vec!["r1"; 2]].concat());
    assert_eq!(line.marks.last().map(|(_, mark)| mark.to_string()), Some("r1:240:end".into()));
    assert_eq!(line.stats().underflow_frames, 41, "due from 200 to 1,000 ms; none while the filler played");
}

#[test]
fn a_short_hole_in_a_response_does_not_let_the_next_one_in() {
    let mut line = Line::new(SETTINGS);
    line.push(1, 100);
    line.push(2, 100);
    line.finish(2);
    line.run_until(290);
    line.push(1, 40);
    line.finish(1);
    line.run_until(1_000);
    let order: Vec<_> = line.frames.iter().map(|(_, of, _)| of.to_string()).collect();
    assert_eq!(order, [vec!["r1"; 7], vec!["r2"; 5]].concat());
}

#[test]
fn a_queue_that_is_full_drops_and_counts() {
    let mut line = Line::new(PlayoutSettings { max_queue_ms: 1_000, ..SETTINGS });
    line.push(1, 900);
    line.push(1, 900);
    assert_eq!(line.playout.queued(), Duration::from_millis(1_000));
    line.finish(1);
    line.push(1, 10);
    line.run_until(3_000);
    let stats = line.stats();
    assert_eq!((stats.dropped_samples, stats.late_samples, stats.frames), (6_400, 80, 50));
}

#[test]
fn every_rate_is_paced_alike() {
    fn check<R: Rate>() {
        let mut playout = Playout::<R>::new(&SETTINGS);
        playout.push(CallTime::START, response(1), &vec![1; R::HZ as usize * 130 / 1_000]);
        playout.finish(CallTime::START, response(1));
        let (mut frames, mut marks) = (vec![], vec![]);
        while let Some(due) = playout.next_due() {
            while let Some(step) = playout.poll(due) {
                match step {
                    Step::Frame { .. } => frames.push(due.as_millis()),
                    Step::Mark(mark) => marks.push(mark.position_ms),
                }
            }
        }
        assert_eq!((frames, marks), (vec![0, 0, 0, 20, 40, 60, 80], vec![100, 130]), "{} Hz", R::HZ);
    }
    check::<Hz8k>();
    check::<Hz16k>();
    check::<Hz24k>();
    check::<Hz48k>();
}

fn response(number: u32) -> ResponseId {
    ResponseId::from_engine(number)
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
