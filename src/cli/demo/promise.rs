//! What the demo promises of a call, each with the figure that keeps or breaks it.

use std::time::Duration;

use serde::Serialize;

use super::report::{Figures, agent_turns};
use super::server::CallFacts;
use super::twilio::CallReport;
use super::wav_check::{WavError, WavFindings};
use crate::engine::call::{Speaker, Turn};

/// From the call's arrival to the webhook's answer, in milliseconds; Twilio's callers hear silence meanwhile.
const WEBHOOK_MS: u64 = 350;
/// From the stream's start to the first sound, in milliseconds.
const FIRST_AUDIO_MS: u64 = 1_600;
/// From the caller's first sound to silence in the ear, in milliseconds: 250 until the detector believes it, one
/// frame on the way to it, 60 until `clear` is on the wire, and what a busy machine adds.
const BARGE_IN_EAR_MS: u64 = 600;
/// From the caller's onset to `clear`: the 250 ms that our own detector must hear speech (`barge_in.min_speech_ms`),
/// one frame, and 60 ms for the decision to reach the wire.
const BARGE_IN_ENGINE_MS: u64 = 250 + 20 + 60;
/// The most audio that a barge-in may have to take back, in milliseconds, and what a busy machine adds.
const AHEAD_MS: u64 = 200 + 40;
/// From the end of the caller's words to the answer, in milliseconds.
const ANSWER_MS: u64 = 2_000;
/// After a `clear` nothing of the same response comes; the caller goes on speaking for longer than this.
const AFTER_CLEAR: Duration = Duration::from_millis(500);
/// From the caller's hang-up to the server's closed socket.
const CLOSED: Duration = Duration::from_secs(2);
/// Wall time of it all.
const WALL: Duration = Duration::from_secs(30);

/// One promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Promise {
    /// What is promised.
    pub name: &'static str,
    /// Whether it was kept.
    pub held: bool,
    /// What was seen.
    pub detail: String,
}

/// What the promises are judged by.
pub struct Evidence<'a> {
    pub carrier: &'a CallReport,
    pub facts: &'a CallFacts,
    pub figures: &'a Figures,
    pub wav: &'a Result<WavFindings, WavError>,
    pub wall: Duration,
}

/// Every promise, judged.
pub fn judge(evidence: &Evidence<'_>) -> Vec<Promise> {
    let mut promises = vec![];
    promises.extend(at_the_carrier(evidence));
    promises.extend(in_the_ear(evidence));
    promises.extend(in_the_record(evidence));
    promises
}

fn at_the_carrier(Evidence { carrier, figures, wall, .. }: &Evidence<'_>) -> [Promise; 4] {
    let complaints: Vec<String> = carrier.complaints.iter().map(ToString::to_string).collect();
    let closed = carrier.server_closed_after;
    [
        promise("the carrier has nothing to complain of", complaints.is_empty(), list(&complaints)),
        within("the voice webhook answers in time", Some(figures.webhook_ms), WEBHOOK_MS),
        promise(
            "the server closes its socket within 2 s of the caller's hang-up",
            closed.is_some_and(|after| after <= CLOSED),
            closed.map_or("it did not".to_owned(), |after| format!("{} ms", after.as_millis())),
        ),
        promise("all of it takes less than 30 s", *wall < WALL, format!("{:.1} s", wall.as_secs_f64())),
    ]
}

fn in_the_ear(Evidence { carrier, figures, .. }: &Evidence<'_>) -> [Promise; 9] {
    let barge_ins = figures.barge_in_ear_ms.len();
    let gaps: Vec<String> = carrier
        .gaps
        .iter()
        .map(|gap| format!("{} ms at {:.2} s", gap.length().as_millis(), gap.from.as_secs_f64()))
        .collect();
    let unanswered = carrier.unanswered_marks();
    let resumed: Vec<Duration> = carrier.clears.iter().filter_map(|clear| clear.next_audio_after).collect();
    let slowest = figures.answers_ms.iter().max().copied();
    [
        within("the caller hears the agent soon", figures.first_audio_ms, FIRST_AUDIO_MS),
        promise("the caller interrupts the agent once", barge_ins == 1, format!("{barge_ins} times")),
        within(
            "the agent falls silent when it is interrupted",
            figures.barge_in_ear_ms.iter().max().copied(),
            BARGE_IN_EAR_MS,
        ),
        promise(
            "nothing of the interrupted response is sent after the clear",
            resumed.iter().all(|after| *after >= AFTER_CLEAR) && resumed_responses(carrier).is_empty(),
            match (resumed_responses(carrier).first(), resumed.first()) {
                (Some(response), _) => format!("{response} went on"),
                (None, Some(after)) => format!("the next audio came {} ms later", after.as_millis()),
                (None, None) => "no audio came".to_owned(),
            },
        ),
        promise(
            "both utterances are answered",
            figures.answers_ms.len() >= 2 && slowest.is_some_and(|slowest| slowest <= ANSWER_MS),
            format!("{} answers, the slowest after {} ms", figures.answers_ms.len(), slowest.unwrap_or_default()),
        ),
        promise("the agent's speech has no gap over 60 ms", gaps.is_empty(), list(&gaps)),
        promise(
            "no frame of the agent was missing when it was due",
            figures.underflow_events == 0,
            format!("{} underflows, {} frames", figures.underflow_events, figures.underflow_frames),
        ),
        within("little is sent ahead of the caller's ear", Some(figures.most_ahead_ms), AHEAD_MS),
        promise(
            "every mark was answered",
            unanswered == 0 && !carrier.marks.is_empty(),
            format!("{} marks, {unanswered} unanswered", carrier.marks.len()),
        ),
    ]
}

fn in_the_record(Evidence { carrier, facts, figures, wav, .. }: &Evidence<'_>) -> [Promise; 7] {
    let caller_turns = facts.turns.iter().filter(|turn| turn.speaker == Speaker::Caller).count();
    let cause = facts.end.as_ref().map_or("none", |(cause, _)| cause.as_str());
    let seconds = carrier.length.as_secs_f64().ceil() as u32;
    let unheard: Vec<String> = agent_turns(&facts.turns).filter(|turn| !was_heard(turn, carrier)).map(when).collect();
    let interrupted: Vec<&Turn> = agent_turns(&facts.turns).filter(|turn| turn.interrupted).collect();
    let cut =
        |turn: &&Turn| turn.heard_text.len() < turn.text.len() && turn.text.starts_with(turn.heard_text.trim_end());
    [
        promise(
            "both utterances of the caller are stored as turns",
            caller_turns >= 2,
            format!("{caller_turns} turns"),
        ),
        promise(
            "the caller heard every stored turn of the agent",
            unheard.is_empty() && agent_turns(&facts.turns).count() >= 3,
            format!("{} turns; not heard: {}", agent_turns(&facts.turns).count(), list(&unheard)),
        ),
        promise(
            "the interrupted turn holds only what was heard",
            interrupted.len() == 1 && interrupted.iter().all(cut),
            interrupted.first().map_or("no turn is marked as interrupted".to_owned(), |turn| {
                format!("{:?} of {:?}", turn.heard_text, turn.text)
            }),
        ),
        within("the engine clears quickly after the caller has begun", figures.barge_in_engine_ms, BARGE_IN_ENGINE_MS),
        promise(
            "the call is stored as completed, with its length",
            facts.status == "completed" && facts.duration_s == seconds,
            format!("{:?}, {} s; the carrier counted {seconds} s", facts.status, facts.duration_s),
        ),
        promise("the caller is known to have hung up", cause == "caller_hung_up", cause.to_owned()),
        promise(
            "the recording holds each voice where it spoke, and silence elsewhere",
            wav.as_ref().is_ok_and(|found| found.caller.is_right() && found.agent.is_right()),
            match wav {
                Ok(found) => format!(
                    "caller: speech from {:.0}, silence to {:.0}; agent: speech from {:.0}, silence to {:.0}",
                    found.caller.quietest_speech,
                    found.caller.loudest_silence,
                    found.agent.quietest_speech,
                    found.agent.loudest_silence
                ),
                Err(error) => error.to_string(),
            },
        ),
    ]
}

/// The responses whose marks were cleared and of which marks came again. The engine's mark names begin with
/// the response, up to the colon.
fn resumed_responses(carrier: &CallReport) -> Vec<String> {
    let response = |mark: &str| mark.split(':').next().unwrap_or_default().to_owned();
    let came_after = |name: &str, at: Duration| {
        carrier.marks.iter().any(|mark| mark.at > at && response(&mark.name) == response(name))
    };
    let cleared = carrier.clears.iter().flat_map(|clear| clear.marks.iter().map(move |name| (name, clear.at)));
    cleared.filter(|(name, at)| came_after(name, *at)).map(|(name, _)| response(name)).collect()
}

/// Whether the ear heard something while the turn says that the agent spoke.
fn was_heard(turn: &Turn, carrier: &CallReport) -> bool {
    let (from, to) = (Duration::from_millis(turn.started_ms.into()), Duration::from_millis(turn.ended_ms.into()));
    carrier.agent_sounds().iter().any(|sound| sound.from < to && from < sound.to)
}

fn when(turn: &Turn) -> String {
    format!("turn {} at {:.2} s", turn.number, f64::from(turn.started_ms) / 1_000.0)
}

fn within(name: &'static str, figure: Option<u64>, limit: u64) -> Promise {
    let seen = figure.map_or("not seen".to_owned(), |figure| format!("{figure} ms"));
    promise(name, figure.is_some_and(|figure| figure <= limit), format!("{seen}, at most {limit} ms"))
}

fn promise(name: &'static str, held: bool, detail: String) -> Promise {
    Promise { name, held, detail }
}

fn list(things: &[String]) -> String {
    if things.is_empty() { "none".to_owned() } else { things.join("; ") }
}
