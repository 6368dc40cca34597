//! The caller interrupts.

use std::time::Duration;

use trunkline::cli::demo::twilio::{Observed, PhoneCall};
use trunkline::config::OpenAiAudio;
use trunkline::engine::call::{Speaker, TurnOwner};

use crate::fake_openai::{Answer, Command, FakeOpenAi, Script, SessionLog, Then};
use crate::openai_service::{Ended, GREETING, PATIENCE, Service, times_said, voice, zero_of};

const MS: Duration = Duration::from_millis(1);
/// From the vendor's report to `clear` in the carrier's hands.
const AT_ONCE: Duration = Duration::from_millis(60);
/// The same, when the machine has better things to do.
const WHEN_BUSY: Duration = Duration::from_millis(500);
/// How long our own detector hears speech before it interrupts, and the frames on the way to it.
const OWN_DETECTOR: Duration = Duration::from_millis(350);
const LONG: &str = "We open at nine in the morning and close at six in the evening, every day of the week but \
                    Sunday, when we only open for those who have ordered their bread the day before.";

/// Waits until so much was heard since the last `clear`, and since `from`.
async fn heard_since_clear(call: &PhoneCall, from: Duration, length: Duration) {
    call.wait_for("sound after the last clear", PATIENCE, |observed, now| {
        let since = observed.ear.clears.last().map_or(from, |clear| clear.at.max(from));
        let first = observed.ear.heard().iter().find(|heard| heard.at >= since)?;
        (now >= first.at + length).then_some(())
    })
    .await
    .unwrap();
}

/// How much of the audio that began at `from` the ear had heard at the `number`th clear.
fn heard_before_clear(ended: &Ended, number: usize, from: Duration) -> Duration {
    let clear = ended.report.clears[number].at;
    let heard = ended.report.heard.iter().filter(|heard| heard.at >= from && heard.at < clear);
    heard.map(|heard| heard.audio.len() as u32).sum::<u32>() * MS / 8
}

/// After each clear nothing is heard before the next response has begun; nor does a mark of a cleared one come.
fn assert_cleared_for_good(ended: &Ended, log: &SessionLog, zero: Duration) {
    let begun = times_said(log, "response.created", zero);
    for clear in &ended.report.clears {
        let resumed = clear.next_audio_after.map(|after| clear.at + after);
        let next = begun.iter().find(|begun| **begun > clear.at);
        assert!(resumed.is_none_or(|resumed| next.is_some_and(|next| *next < resumed)), "{clear:?}\n{}", ended.journal);
        let response = |name: &str| name.split(':').next().unwrap_or_default().to_owned();
        for cleared in &clear.marks {
            let again = ended.report.marks.iter().find(|m| m.at > clear.at && response(&m.name) == response(cleared));
            assert!(again.is_none(), "{again:?}\n{}", ended.journal);
        }
    }
}

/// From the vendor's report of speech to the clear that followed it.
fn reactions(ended: &Ended, log: &SessionLog, zero: Duration) -> Vec<Duration> {
    let reports = times_said(log, "input_audio_buffer.speech_started", zero);
    let clears = ended.report.clears.iter();
    clears.map(|clear| clear.at - *reports.iter().rfind(|at| **at <= clear.at).expect("nobody spoke")).collect()
}

fn print_reactions(mut reactions: Vec<Duration>) -> (Duration, Duration) {
    reactions.sort();
    let (median, slowest) = (reactions[reactions.len() / 2], reactions[reactions.len() - 1]);
    println!("speech_started to clear, {} times: median {median:.1?}, slowest {slowest:.1?}", reactions.len());
    (median, slowest)
}

/// The caller lets the agent say 1.2 s of a long answer, and asks something else.
async fn interrupts_an_answer(audio: OpenAiAudio, turns: TurnOwner, is_generating: bool) {
    let long = Answer { in_real_time: is_generating, chunk: 100 * MS, late: 3, ..Answer::saying(LONG) };
    let answers = vec![Answer::saying(GREETING), long, Answer::saying("Of course.")];
    let transcripts = vec!["When do you open?".to_owned(), "Do you have rye bread?".to_owned()];
    let fake = FakeOpenAi::start(Script { answers, transcripts, listens: true, ..Script::default() }).await;
    let service = Service::start(&fake.url, |config| (config.openai.audio, config.openai.turns) = (audio, turns));
    let call = service.call().await;
    let zero = zero_of(&call, &fake);
    service.until_turn(&call, GREETING).await;
    call.speak(&voice(700 * MS)).await.unwrap();
    let asked_at = call.now();
    heard_since_clear(&call, asked_at, 1_200 * MS).await;
    call.speak(&voice(900 * MS)).await.unwrap();
    service.until_turn(&call, "Of course.").await;
    let ended = service.hang_up(call).await;
    fake.assert_content();

    let (log, journal) = (&fake.sessions()[0], &ended.journal);
    assert_eq!(ended.report.clears.len(), 1, "{journal}");
    // Whichever detector was first: from the caller's first sound to the agent's last.
    let reaction = ended.report.barge_in_reactions()[0];
    println!("the caller's onset to silence in the ear: {reaction:.1?}");
    assert!(reaction <= OWN_DETECTOR + WHEN_BUSY, "{reaction:?}\n{journal}");
    assert_cleared_for_good(&ended, log, zero);
    let cancels = log.heard_of("response.cancel").len();
    // A vendor that owns the turns has stopped by itself by then, or is told to.
    let is_right = if turns == TurnOwner::Vendor { cancels <= 1 } else { cancels == usize::from(is_generating) };
    assert!(is_right, "{cancels} cancels\n{journal}");

    let heard = heard_before_clear(&ended, 0, asked_at);
    let cuts = log.heard_of("conversation.item.truncate");
    assert_eq!(cuts.len(), 1, "{journal}");
    let told = cuts[0]["audio_end_ms"].as_u64().unwrap() as u32 * MS;
    println!("heard {heard:.1?}, told the vendor {told:.1?}");
    assert!(told <= heard && told + 150 * MS >= heard, "heard {heard:?}, told {told:?}\n{journal}");

    let turn = ended.turns.iter().find(|turn| turn.interrupted).expect("one turn was interrupted");
    let letters = (heard.as_millis() / 65) as usize;
    let words = |text: &str| text.split_whitespace().count();
    let wanted = words(&LONG[..letters]);
    assert!(words(&turn.heard_text).abs_diff(wanted) <= 1, "{:?} for {wanted} words\n{journal}", turn.heard_text);

    let wanted = [
        format!("agent: {GREETING}"),
        "caller: When do you open?".to_owned(),
        format!("agent: {}|{}", turn.heard_text, &turn.text[turn.heard_text.len()..]),
        "caller: Do you have rye bread?".to_owned(),
        "agent: Of course.".to_owned(),
    ];
    assert_eq!(ended.conversation(), wanted, "{journal}");
    assert_eq!(ended.stats.barge_ins, 1);
    assert_eq!(ended.stats.vad_frames, ended.stats.caller_frames);
}

#[tokio::test]
async fn an_answer_is_interrupted_while_it_is_generated_and_when_it_only_plays() {
    use OpenAiAudio::{Pcm24, Pcmu};
    use TurnOwner::{Engine, Vendor};
    tokio::join!(
        interrupts_an_answer(Pcmu, Engine, true),
        interrupts_an_answer(Pcm24, Engine, true),
        interrupts_an_answer(Pcmu, Engine, false),
        interrupts_an_answer(Pcm24, Engine, false),
        interrupts_an_answer(Pcmu, Vendor, true),
        interrupts_an_answer(Pcm24, Vendor, false),
    );
}

#[tokio::test]
async fn a_caller_who_goes_on_while_the_model_thinks_is_answered_once() {
    let thinks = Answer::default().then(0, Then::Hold);
    let answers = vec![Answer::saying(GREETING), thinks, Answer::saying("Rye, at nine.")];
    let transcripts = vec!["Do you have bread?".to_owned(), "I mean rye, at nine.".to_owned()];
    let fake = FakeOpenAi::start(Script { answers, transcripts, listens: true, ..Script::default() }).await;
    let service = Service::with_audio(&fake, OpenAiAudio::Pcmu);
    let call = service.call().await;
    service.until_turn(&call, GREETING).await;
    call.speak(&voice(700 * MS)).await.unwrap();
    fake.until("the thinking", |sessions| sessions[0].said_of("response.created").len() == 2).await;
    call.speak(&voice(700 * MS)).await.unwrap();
    service.until_turn(&call, "Rye, at nine.").await;
    let ended = service.hang_up(call).await;
    fake.assert_content();
    let (log, journal) = (&fake.sessions()[0], &ended.journal);
    assert_eq!(log.heard_of("response.cancel").len(), 1, "{journal}");
    assert_eq!(log.said_of("response.created").len(), 3, "{journal}");
    assert_eq!(ended.turns_of(Speaker::Caller).len(), 2, "{journal}");
    let answers: Vec<_> = ended.turns_of(Speaker::Agent).iter().map(|turn| turn.heard_text.clone()).collect();
    assert_eq!(answers, [GREETING, "Rye, at nine."], "{journal}");
}

#[tokio::test]
async fn fifty_interruptions_in_one_call_are_all_obeyed() {
    const TIMES: usize = 50;
    let answer = |number: usize| match number {
        0 => Answer::saying(GREETING),
        TIMES.. => Answer::saying("At last."),
        // Every second one is still being generated when it is interrupted.
        n => Answer { then: n.is_multiple_of(2).then_some((10, Then::Hold)), ..Answer::saying(LONG) },
    };
    let answers = (0..=TIMES).map(answer).collect();
    let fake = FakeOpenAi::start(Script { answers, keeps_audio: false, ..Script::default() }).await;
    let service = Service::start(&fake.url, |config| {
        config.barge_in.cooldown_ms = 0;
        config.barge_in.initial_protection_ms = 0;
        config.barge_in.greeting_protection_ms = 0;
    });
    let call = service.call().await;
    let zero = zero_of(&call, &fake);
    for time in 1..=TIMES {
        heard_since_clear(&call, Duration::ZERO, 120 * MS).await;
        fake.command(Command::SpeechStarted);
        let cleared = |observed: &Observed, _| (observed.ear.clears.len() == time).then_some(());
        call.wait_for("the clear", PATIENCE, cleared).await.unwrap();
        fake.command(Command::SpeechStopped);
    }
    service.until_turn(&call, "At last.").await;
    let ended = service.hang_up(call).await;
    fake.assert_content();

    let (log, journal) = (&fake.sessions()[0], &ended.journal);
    assert_eq!((ended.stats.barge_ins as usize, ended.report.clears.len()), (TIMES, TIMES), "{journal}");
    let (median, slowest) = print_reactions(reactions(&ended, log, zero));
    assert!(median <= AT_ONCE && slowest <= WHEN_BUSY, "median {median:?}, slowest {slowest:?}\n{journal}");
    assert_cleared_for_good(&ended, log, zero);
    // The greeting, which is short, is over before it is interrupted; of the others half are.
    assert_eq!(log.heard_of("response.cancel").len(), TIMES / 2 - 1, "{journal}");
    let cut = log.heard_of("conversation.item.truncate").len() + log.heard_of("conversation.item.delete").len();
    assert_eq!(cut, TIMES, "{journal}");
    assert_eq!(log.said.iter().filter(|(_, event)| event["type"] == "error").count(), 0);
    let agents = ended.turns_of(Speaker::Agent);
    assert_eq!(agents.len(), TIMES + 1, "{journal}");
    assert_eq!(agents.iter().filter(|turn| turn.interrupted).count(), TIMES);
    assert_eq!(agents.last().map(|turn| turn.heard_text.as_str()), Some("At last."));
    assert_eq!(ended.turns_of(Speaker::Caller).len(), TIMES);
}
