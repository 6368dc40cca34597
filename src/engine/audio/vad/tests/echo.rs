//! A caller's telephone that returns the agent's voice: quieter, later, by whole calls.

use super::*;

/// A line that returns what the agent says.
#[derive(Clone, Copy, Debug)]
struct Telephone {
    /// How loud the echo is, in decibels beside the agent.
    echo_db: f32,
    delay_ms: usize,
    /// How far ahead of the ear the agent's frames are sent.
    lead_frames: usize,
}

impl Telephone {
    /// What comes from it while the agent says this, in µ-law as on the wire, with the caller's own voice.
    fn line(&self, agent: &[i16], caller: &[i16], noise: f32) -> Vec<i16> {
        let gain = 10f32.powf(self.echo_db / 20.0);
        let delay = self.delay_ms * 8;
        let mut line = hiss(noise, agent.len());
        for (at, sample) in line.iter_mut().enumerate() {
            let mut echo = 0.0;
            // A small room: three reflections behind the direct sound.
            for (later, part) in [(0, 0.8), (37, 0.4), (90, -0.3), (210, 0.2)] {
                echo += part * f32::from(at.checked_sub(delay + later).map_or(0, |at| agent[at]));
            }
            let caller = caller.get(at).copied().map_or(0.0, f32::from);
            let sum = f32::from(*sample) + gain * echo + caller;
            *sample = sum.clamp(-32_768.0, 32_767.0) as i16;
        }
        let mut bytes = vec![0; line.len()];
        g711::encode_ulaw(&line, &mut bytes);
        recording(&bytes)
    }

    /// At which frames utterances begin.
    fn begins(&self, agent: &[i16], caller: &[i16], noise: f32) -> Vec<usize> {
        let mut vad = Vad::<Hz8k>::new(&VadSettings::default());
        let mut endpointer = Endpointer::new(&EndpointSettings::default());
        let line = self.line(agent, caller, noise);
        let mut sent = agent.chunks_exact(160);
        sent.by_ref().take(self.lead_frames).for_each(|frame| vad.agent_plays(&frame_of(frame)));
        let mut begins = vec![];
        for (at, frame) in line.chunks_exact(160).enumerate() {
            sent.next().into_iter().for_each(|frame| vad.agent_plays(&frame_of(frame)));
            let edge = endpointer.hear(&vad.judge(&frame_of(frame)));
            if edge == Some(Edge::Started) {
                begins.push(at);
            }
        }
        begins
    }
}

/// The agent for eleven seconds, with pauses.
fn agent_speaks(loudness: f32) -> Vec<i16> {
    let sentence = scaled(&recording(AGENT), loudness);
    (0..3).flat_map(|n| [sentence.clone(), vec![0; 3_200 * n]].concat()).collect()
}

#[test]
fn an_echo_of_20_to_6_db_below_the_agent_after_50_to_400_ms_is_never_the_caller() {
    for loudness in [0.5, 1.0, 2.0] {
        let agent = agent_speaks(loudness);
        for (echo_db, delay_ms) in
            [(-20.0, 57), (-16.0, 93), (-12.0, 300), (-9.0, 245), (-6.0, 50), (-6.0, 199), (-6.0, 400)]
        {
            let telephone = Telephone { echo_db, delay_ms, lead_frames: 3 };
            assert_eq!(telephone.begins(&agent, &[], 20.0), [0; 0], "an agent {loudness} times as loud, {telephone:?}");
        }
    }
}

/// … and one at half the usual level within 300 ms.
#[test]
fn a_caller_who_speaks_over_agent_and_echo_is_heard_as_soon_as_on_a_silent_line() {
    let agent = agent_speaks(1.0);
    for (loudness, latest) in [(1.0, 1), (0.5, 15)] {
        for (echo_db, delay_ms, start) in
            [(-90.0, 100, 1_200), (-20.0, 160, 2_800), (-9.0, 57, 4_700), (-6.0, 351, 1_900), (-6.0, 128, 6_100)]
        {
            let telephone = Telephone { echo_db, delay_ms, lead_frames: 3 };
            let voice = [vec![0; start * 8], scaled(&recording(CALLER), loudness)].concat();
            let alone = Telephone { echo_db: -90.0, ..telephone }.begins(&vec![0; agent.len()], &voice, 20.0)[0];
            let began = telephone.begins(&agent, &voice, 20.0)[0];
            assert!(
                (alone.saturating_sub(1)..=alone + latest).contains(&began),
                "{telephone:?}: {began}, alone {alone}"
            );
        }
    }
}
