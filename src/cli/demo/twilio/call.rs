//! A call in progress: what the caller does, and what is waited for.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::call_report::{CallReport, EndedBy};
use super::carrier::CallIdentity;
use super::carrier_error::CarrierError;
use super::complaint::Complaint;
use super::ear::Span;
use super::http::Answer;
use super::line::{End, Observed, Order, Shared};
use super::ringing::Ringing;
use super::twiml::Verb;
use std::sync::Arc;

/// Pauses within the agent's speech that don't end it.
const BREATH: Duration = Duration::from_millis(300);
/// Silence of this length ends the agent's speech even if silence is what it sends.
const LONG_SILENCE: Duration = Duration::from_millis(1_500);

/// A call whose media stream is open. Its frames flow by themselves, on their own clock.
///
/// Dropping it cuts the connection.
pub struct PhoneCall {
    pub(super) ringing: Ringing,
    pub(super) stream_sid: String,
    pub(super) shared: Arc<Shared>,
    pub(super) orders: mpsc::UnboundedSender<Order>,
    pub(super) callbacks: Vec<JoinHandle<Option<Complaint>>>,
}

impl PhoneCall {
    /// Which call it is.
    pub fn identity(&self) -> &CallIdentity {
        &self.ringing.call
    }

    /// Which media stream carries it.
    pub fn stream_sid(&self) -> &str {
        &self.stream_sid
    }

    /// Time since the stream's start.
    pub fn now(&self) -> Duration {
        self.shared.now()
    }

    /// Says this µ-law audio; ready when it has been said, with the time at which it was.
    pub async fn speak(&self, audio: &[u8]) -> Result<Span, CarrierError> {
        let (spoken, when) = oneshot::channel();
        self.order(Order::Speak(audio.to_vec(), spoken));
        when.await.map_err(|_| CarrierError::StreamEnded { waiting_for: "the caller's words to be said" })
    }

    /// Says this µ-law audio and does not wait.
    pub fn begin_to_speak(&self, audio: &[u8]) {
        self.order(Order::Speak(audio.to_vec(), oneshot::channel().0));
    }

    /// Presses a key.
    pub fn press(&self, digit: char) {
        self.order(Order::Press(digit));
    }

    /// Sends a text message that the carrier would not send.
    pub fn send_text(&self, text: impl Into<String>) {
        self.order(Order::Text(text.into()));
    }

    /// Sends a binary message, which the carrier never does.
    pub fn send_binary(&self, bytes: impl Into<Vec<u8>>) {
        self.order(Order::Binary(bytes.into()));
    }

    /// Makes the next message's sequence number wrong by so much.
    pub fn jump_sequence(&self, by: i64) {
        self.order(Order::JumpSequence(by));
    }

    /// Sends `stop` and leaves the socket open.
    pub fn stop_early(&self) {
        self.order(Order::Stop);
    }

    /// Looks at what was seen so far.
    pub fn look<T>(&self, look: impl FnOnce(&Observed) -> T) -> T {
        look(&self.shared.observed())
    }

    /// Waits until `seen` finds what it looks for; it is given the time since the stream's start.
    pub async fn wait_for<T>(
        &self,
        waiting_for: &'static str,
        within: Duration,
        mut seen: impl FnMut(&Observed, Duration) -> Option<T>,
    ) -> Result<T, CarrierError> {
        let mut changes = self.shared.changes();
        let found = async {
            loop {
                {
                    let observed = self.shared.observed();
                    if let Some(found) = seen(&observed, self.shared.now()) {
                        return Ok(found);
                    }
                    if observed.end.is_some() {
                        return Err(CarrierError::StreamEnded { waiting_for });
                    }
                }
                changes.changed().await.map_err(|_| CarrierError::StreamEnded { waiting_for })?;
            }
        };
        timeout(within, found).await.unwrap_or(Err(CarrierError::TimedOut { waiting_for, within }))
    }

    /// Waits until the agent has been heard for this long without a pause, after the time `after`.
    pub async fn wait_until_agent_has_spoken_for(
        &self,
        length: Duration,
        within: Duration,
    ) -> Result<(), CarrierError> {
        self.wait_for("the agent to speak", within, |observed, now| {
            (observed.ear.sounding_for(now, BREATH) >= length).then_some(())
        })
        .await
    }

    /// Waits until the agent's speech has come and is over: nothing more of it to hear for `quiet`.
    pub async fn wait_until_agent_is_quiet_for(&self, quiet: Duration, within: Duration) -> Result<(), CarrierError> {
        self.wait_for("the agent to finish", within, |observed, now| {
            let silence = observed.ear.quiet_for(now)?;
            let finished = silence >= quiet && (observed.ear.idle_for(now) >= quiet || silence >= LONG_SILENCE);
            finished.then_some(())
        })
        .await
    }

    /// The caller hangs up: `stop`, the socket is closed, the status callback follows.
    ///
    /// Nobody asks the `<Connect action>` how to go on: the call is over.
    pub async fn hang_up(self) -> Result<CallReport, CarrierError> {
        self.order(Order::HangUp);
        self.ended(Duration::from_secs(10)).await
    }

    /// The connection is cut without a word, as when a network fails; the status callback follows.
    pub async fn cut_the_line(self) -> Result<CallReport, CarrierError> {
        self.order(Order::Cut);
        self.ended(Duration::from_secs(10)).await
    }

    /// The connection is cut without a word, and the caller is still there: the carrier asks the `<Connect action>` how
    /// to go on.
    pub async fn lose_the_stream(self) -> Result<CallReport, CarrierError> {
        self.order(Order::Cut);
        let end = self.wait_for("the stream to end", Duration::from_secs(10), |observed, _| observed.end).await?;
        let farewell = self.ask_how_to_go_on().await;
        self.conclude(end, farewell).await
    }

    /// Waits until the stream is over, does what the server then wants, and reports.
    ///
    /// Where the server ended it, the `<Connect action>` is asked how to go on and obeyed.
    pub async fn ended(self, within: Duration) -> Result<CallReport, CarrierError> {
        let end = self.wait_for("the stream to end", within, |observed, _| observed.end).await?;
        let mut farewell = Vec::new();
        if end.by == EndedBy::Server {
            farewell = self.ask_how_to_go_on().await;
        }
        self.conclude(end, farewell).await
    }

    /// Tells of the end and reports.
    async fn conclude(mut self, end: End, farewell: Vec<Verb>) -> Result<CallReport, CarrierError> {
        self.ringing.stream_event("stream-stopped", &self.stream_sid, &mut self.callbacks);
        let seconds = end.at.as_secs_f64().ceil() as u64;
        let answer = self.ringing.carrier.status_callback(&self.ringing.call, "completed", Some(seconds)).await;
        let status_answer = match answer {
            Ok(answer) => {
                self.expect_success("the status callback", &answer);
                Some(answer.status)
            }
            Err(error) => {
                self.complain("the status callback", error.to_string());
                None
            }
        };
        for callback in std::mem::take(&mut self.callbacks) {
            let complaint = callback.await.unwrap_or_else(|error| {
                Some(Complaint::Webhook { what: "a stream callback".into(), answer: error.to_string() })
            });
            self.shared.observed().complaints.extend(complaint);
        }
        Ok(self.report(end, farewell, status_answer))
    }

    async fn ask_how_to_go_on(&self) -> Vec<Verb> {
        match self.ringing.ask_action().await {
            Ok(verbs) => verbs,
            Err(error) => {
                self.complain("the action request", error.to_string());
                Vec::new()
            }
        }
    }

    fn expect_success(&self, what: &str, answer: &Answer) {
        if !answer.is_success() {
            self.complain(what, format!("HTTP {}", answer.status));
        }
    }

    fn complain(&self, what: &str, answer: String) {
        self.shared.observed().complaints.push(Complaint::Webhook { what: what.to_owned(), answer });
    }

    fn order(&self, order: Order) {
        // After the stream's end nobody obeys; whoever waits learns of the end.
        self.orders.send(order).ok();
    }

    fn report(self, end: End, farewell: Vec<Verb>, status_answer: Option<u16>) -> CallReport {
        let observed = std::mem::take(&mut *self.shared.observed());
        CallReport {
            call: self.ringing.call,
            stream_sid: self.stream_sid,
            webhook: self.ringing.answered_after,
            ended_by: end.by,
            close_code: end.close_code,
            length: end.at,
            server_closed_after: end.server_closed_after,
            frames_sent: observed.frames_sent,
            frames_received: observed.frames_received,
            heard: observed.ear.heard().to_vec(),
            gaps: observed.ear.gaps,
            crowded_frames: observed.ear.crowded_frames,
            most_ahead: observed.ear.most_ahead,
            clears: observed.ear.clears,
            marks: observed.marks,
            farewell,
            status_answer,
            complaints: observed.complaints,
            said: observed.said,
        }
    }
}
