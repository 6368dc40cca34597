//! What the caller does: listens to the greeting, speaks, interrupts the answer, says goodbye and hangs up.

use std::time::Duration;

use super::progress::Progress;
use super::twilio::{CallReport, CarrierError, FakeTwilio};

/// How long each step may take before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(12);
/// Speech of this length is an answer that has begun.
const BEGUN: Duration = Duration::from_millis(100);
/// The caller waits for so much silence before taking the turn.
const POLITE: Duration = Duration::from_millis(400);
/// From the caller's last word to the receiver on the hook.
const HANG_UP_AFTER: Duration = Duration::from_millis(300);

/// What the caller says, as µ-law, and when the agent is interrupted.
#[derive(Clone, Copy, Debug)]
pub struct Scenario<'a> {
    /// After the greeting.
    pub message: &'a [u8],
    /// Into the answer.
    pub interruption: &'a [u8],
    /// After the second answer.
    pub goodbye: &'a [u8],
    /// How much of the answer is let through before it is interrupted.
    pub interrupt_after: Duration,
}

/// Plays the whole call.
pub async fn play(
    carrier: &FakeTwilio,
    from: &str,
    to: &str,
    scenario: &Scenario<'_>,
    progress: &mut Progress,
) -> Result<CallReport, CarrierError> {
    progress.say("a call comes in: the voice webhook is asked");
    let call = carrier.inbound_call(from, to).await?;
    progress.say("the webhook's TwiML was accepted, the media stream is open");
    call.wait_until_agent_has_spoken_for(BEGUN, PATIENCE).await?;
    progress.say("the agent greets the caller");
    call.wait_until_agent_is_quiet_for(POLITE, PATIENCE).await?;
    progress.say("the greeting was heard, the caller speaks");
    call.speak(scenario.message).await?;
    progress.say("the caller has spoken, the agent owes an answer");
    call.wait_until_agent_has_spoken_for(scenario.interrupt_after, PATIENCE).await?;
    progress.say("the agent answers, the caller interrupts");
    call.speak(scenario.interruption).await?;
    progress.say("the interruption is over, the agent owes another answer");
    call.wait_until_agent_has_spoken_for(BEGUN, PATIENCE).await?;
    progress.say("the agent answers");
    call.wait_until_agent_is_quiet_for(POLITE, PATIENCE).await?;
    progress.say("the answer was heard, the caller says goodbye");
    call.speak(scenario.goodbye).await?;
    tokio::time::sleep(HANG_UP_AFTER).await;
    progress.say("the caller hangs up");
    call.hang_up().await
}
