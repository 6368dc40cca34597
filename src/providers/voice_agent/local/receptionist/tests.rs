use proptest::prelude::*;

use super::Clip::*;
use super::*;

/// What a caller does between two replies, and what the call asks for.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The call begins.
    Greeting,
    /// The caller says something of so many milliseconds.
    Says(u64),
    /// The caller presses a key.
    Presses(char),
    /// The caller presses a key while speaking for so many milliseconds.
    SaysAndPresses(u64, char),
    /// The caller stays silent.
    Silent,
    /// The last reply is cut short before its question; nothing is said yet.
    CutShort,
    /// The handing over is refused.
    Refused,
    /// The call asks once more.
    Again,
}

use Step::{Again, CutShort, Greeting, Presses, Refused, Says, SaysAndPresses, Silent};

fn take(receptionist: &mut Receptionist, step: Step) -> Option<Reply> {
    let ask = match step {
        Greeting => Ask::Greeting,
        Says(ms) => {
            receptionist.spoke(Duration::from_millis(ms));
            Ask::Answer
        }
        Presses(key) => {
            receptionist.pressed(Digit::try_from(key).unwrap());
            Ask::Answer
        }
        SaysAndPresses(ms, key) => {
            receptionist.spoke(Duration::from_millis(ms));
            receptionist.pressed(Digit::try_from(key).unwrap());
            Ask::Answer
        }
        Silent => Ask::Reprompt,
        CutShort => {
            receptionist.interrupted(false);
            return None;
        }
        Refused => {
            receptionist.refused();
            Ask::Answer
        }
        Again => Ask::Again,
    };
    Some(receptionist.reply(&ask))
}

/// The last reply after these steps.
fn after(may_transfer: bool, steps: &[Step]) -> Reply {
    let mut receptionist = Receptionist::new(may_transfer);
    steps.iter().filter_map(|&step| take(&mut receptionist, step)).last().unwrap()
}

#[test]
fn each_turn_of_the_conversation_has_its_answer() {
    #[rustfmt::skip]
    let table: &[(&[Step], &[Clip], Then, bool)] = &[
        // The first words of the caller are a message; a short answer or silence then ends the call.
        (&[Greeting, Says(3_000)], &[Noted, AnythingElse, Otherwise], Then::Listen, true),
        (&[Greeting, Says(800)], &[Noted, AnythingElse, Otherwise], Then::Listen, true),
        (&[Greeting, Says(100)], &[HowCanIHelp], Then::Listen, false),
        (&[Greeting, Says(3_000), Says(900)], &[Goodbye], Then::HangUp, false),
        (&[Greeting, Says(3_000), Says(2_000)], &[Noted, Goodbye], Then::HangUp, true),
        (&[Greeting, Says(3_000), Silent], &[Goodbye], Then::HangUp, false),
        (&[Greeting, Says(3_000), Presses('#')], &[Goodbye], Then::HangUp, false),
        // Keys.
        (&[Greeting, Presses('1')], &[LeaveMessage, WhenFinished], Then::Listen, false),
        (&[Greeting, Presses('1'), Says(500)], &[Noted, AnythingElse, Otherwise], Then::Listen, true),
        (&[Greeting, Presses('1'), SaysAndPresses(4_000, '#')], &[Noted, Goodbye], Then::HangUp, true),
        (&[Greeting, Presses('2')], &[CallBack, Goodbye], Then::HangUp, false),
        (&[Greeting, SaysAndPresses(2_000, '2')], &[Noted, CallBack, Goodbye], Then::HangUp, true),
        (&[Greeting, Presses('0')], &[NobodyFree, HowCanIHelp], Then::Listen, false),
        (&[Greeting, Presses('*')], &[Goodbye], Then::HangUp, false),
        (&[Greeting, Presses('7')], &[UnknownKey, HowCanIHelp, Menu], Then::Listen, false),
        // Silence.
        (&[Greeting, Silent], &[NotHeard, HowCanIHelp, Menu], Then::Listen, false),
        (&[Greeting, Silent, Silent], &[NotHeard, HowCanIHelp], Then::Listen, false),
        (&[Greeting, Silent, Silent, Silent], &[Goodbye], Then::HangUp, false),
        (&[Greeting, Silent, Silent, Presses('7'), Silent], &[NotHeard, HowCanIHelp, Menu], Then::Listen, false),
        (&[Greeting, Presses('1'), Silent], &[NotHeard, LeaveMessage], Then::Listen, false),
        // A question that was not heard was not asked.
        (&[Greeting, CutShort, Says(600)], &[HowCanIHelp], Then::Listen, false),
        (&[Greeting, CutShort, Says(3_000)], &[Noted, AnythingElse, Otherwise], Then::Listen, true),
        (&[Greeting, Says(3_000), CutShort, Says(600)], &[AnythingElse], Then::Listen, false),
        (&[Greeting, Says(3_000), CutShort, Says(2_000)], &[Noted, AnythingElse], Then::Listen, true),
        (&[Greeting, Says(3_000), CutShort, Says(2_000), Says(600)], &[Goodbye], Then::HangUp, false),
        (&[Greeting, Presses('1'), CutShort, Says(600)], &[LeaveMessage], Then::Listen, false),
        // The goodbye itself is talked over.
        (&[Greeting, Presses('#'), CutShort, Says(600)], &[Goodbye], Then::HangUp, false),
        (&[Greeting, Presses('#'), CutShort, Says(2_000)], &[Noted, Goodbye], Then::HangUp, true),
        // Once more.
        (&[Greeting, Says(3_000), Again], &[Noted, AnythingElse, Otherwise], Then::Listen, false),
        (&[Greeting, Presses('#'), Again], &[Goodbye], Then::HangUp, false),
    ];
    for (steps, clips, then, keep) in table {
        let reply = after(false, steps);
        let lines: Vec<Line> = clips.iter().copied().map(Line::Fixed).collect();
        assert_eq!((reply.lines, reply.then, reply.keep), (lines, *then, *keep), "{steps:?}");
    }
}

#[test]
fn the_greeting_is_the_business_s_and_offers_what_there_is() {
    let alone = [Line::Greeting, Line::Fixed(HowCanIHelp), Line::Fixed(Menu)];
    assert_eq!(after(false, &[Greeting]).lines, alone);
    assert_eq!(after(true, &[Greeting]).lines, [&alone[..], &[Line::Fixed(MenuPerson)]].concat());
    assert_eq!(after(true, &[Greeting]).question, 1, "the question is heard before the keys are told");
}

#[test]
fn key_0_hands_the_caller_over_and_a_refusal_is_told() {
    let reply = after(true, &[Greeting, Presses('0')]);
    assert_eq!((reply.lines, reply.then), (vec![Line::Fixed(Connecting)], Then::Transfer));

    let reply = after(true, &[Greeting, Presses('0'), Refused]);
    assert_eq!((reply.lines, reply.then), (vec![Line::Fixed(NobodyFree), Line::Fixed(HowCanIHelp)], Then::Listen));
}

#[test]
fn what_the_caller_said_meanwhile_goes_before_a_repetition() {
    let mut receptionist = Receptionist::new(false);
    receptionist.reply(&Ask::Greeting);
    receptionist.spoke(Duration::from_secs(3));
    assert!(receptionist.reply(&Ask::Again).keep);
}

#[test]
fn a_caller_who_leaves_after_a_message_has_left_it() {
    let mut receptionist = Receptionist::new(false);
    receptionist.reply(&Ask::Greeting);
    assert!(!receptionist.would_keep());
    receptionist.spoke(Duration::from_secs(2));
    assert!(receptionist.would_keep());
    receptionist.reply(&Ask::Answer);
    assert!(!receptionist.would_keep(), "it is kept once");
}

fn any_step() -> impl Strategy<Value = Step> {
    let key = prop::sample::select("0123456789*#ABCD".chars().collect::<Vec<_>>());
    prop_oneof![
        Just(Greeting),
        (0u64..6_000).prop_map(Says),
        key.clone().prop_map(Presses),
        (0u64..6_000, key).prop_map(|(ms, key)| SaysAndPresses(ms, key)),
        Just(Silent),
        Just(CutShort),
        Just(Refused),
        Just(Again),
    ]
}

proptest! {
    #[test]
    fn whatever_the_caller_does_there_is_an_answer(may_transfer: bool,
                                                   steps in proptest::collection::vec(any_step(), 1..30)) {
        let mut receptionist = Receptionist::new(may_transfer);
        for &step in &steps {
            let is_message = matches!(step, Says(ms) | SaysAndPresses(ms, _) if ms > 1_200);
            let Some(reply) = take(&mut receptionist, step) else { continue };
            prop_assert!(reply.question < reply.lines.len());
            prop_assert!(may_transfer || reply.then != Then::Transfer);
            prop_assert_eq!(reply.lines.contains(&Line::Fixed(Goodbye)), reply.then == Then::HangUp);
            prop_assert!(!is_message || reply.keep, "a message is never lost: {:?}", step);
            prop_assert!(reply.lines.len() <= 5);
        }
        // Silence ends every conversation.
        let replies: Vec<_> = (0..3).filter_map(|_| take(&mut receptionist, Silent)).collect();
        prop_assert!(replies.iter().any(|reply| reply.then == Then::HangUp));
    }
}
