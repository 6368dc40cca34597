//! Whatever is done in whatever order, every sample is played in order or accounted for.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_sample_is_played_in_order_or_accounted_for(
        deeds in prop::collection::vec(deed(), 1..60),
        lead_ms in 0..300u32,
        preroll_ms in 0..200u32,
        low_water_ms in 0..200u32,
    ) {
        let mut line = Line::new(PlayoutSettings { lead_ms, preroll_ms, low_water_ms, mark_every_ms: 100, max_queue_ms: 150 });
        // The samples of a response are numbered, so that their order shows.
        let mut pushed = [0i16; 4];
        for deed in deeds {
            match deed {
                Deed::Push(of, samples) => {
                    let next = &mut pushed[of as usize];
                    let numbered: Vec<i16> = (*next + 1..=*next + samples as i16).collect();
                    *next += samples as i16;
                    line.playout.push(line.now, response(of), &numbered);
                    line.run_until(line.ms());
                }
                Deed::Finish(of) => line.finish(of),
                Deed::Clear => {
                    let (frames, marks) = (line.frames.len(), line.marks.len());
                    line.playout.clear(line.now);
                    line.ear = line.ear.min(line.now);
                    line.breaks.push(line.frames.len());
                    line.run_until(line.ms());
                    prop_assert_eq!((line.frames.len(), line.marks.len()), (frames, marks));
                    prop_assert!(line.playout.is_idle());
                }
                Deed::Wait(ms) => line.run_until(line.ms() + ms),
                Deed::Stall(ms) => line.jump_to(line.ms() + ms),
            }
        }
        let stats = line.stats();
        let waiting = line.playout.queued().as_micros() as u64 * 8 / 1_000;
        prop_assert_eq!(
            stats.received_samples,
            stats.played_samples + stats.dropped_samples + stats.late_samples + stats.cleared_samples + waiting
        );
        prop_assert_eq!(stats.frames, line.frames.len() as u64);

        for of in 0..4 {
            let heard: Vec<i16> = line.frames.iter().filter(|(_, whose, _)| *whose == response(of))
                .flat_map(|(.., frame)| frame.samples()).filter(|&&sample| sample != 0).copied().collect();
            // What was dropped or cleared leaves holes; what is there only ever goes forward.
            prop_assert!(heard.is_sorted_by(|a, b| a < b));
        }
        // Silence stands only behind the last samples of a response.
        for (index, (.., frame)) in line.frames.iter().enumerate() {
            let real = frame.samples().iter().filter(|&&sample| sample != 0).count();
            prop_assert!(frame.samples()[..real].iter().all(|&sample| sample != 0));
            prop_assert!(real == 160 || line.ends.contains(&(index + 1)));
        }
        let real = line.frames.iter().flat_map(|(.., frame)| frame.samples()).filter(|&&s| s != 0).count();
        prop_assert_eq!(real as u64, stats.played_samples);
        prop_assert!(line.worst_ahead <= Duration::from_millis(lead_ms.clamp(20, 200).into()) + Duration::from_millis(5));
        line.check_gaps((lead_ms.min(200) / 20).max(1) as usize);
    }
}

#[derive(Clone, Debug)]
enum Deed {
    Push(u32, usize),
    Finish(u32),
    Clear,
    Wait(u64),
    Stall(u64),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => (0..4u32, 1..530usize).prop_map(|(of, samples)| Deed::Push(of, samples)),
        2 => (0..4u32).prop_map(Deed::Finish),
        1 => Just(Deed::Clear),
        6 => (1..150u64).prop_map(Deed::Wait),
        1 => (1..300u64).prop_map(Deed::Stall),
    ]
}
