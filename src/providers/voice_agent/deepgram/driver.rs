//! The task behind one call's agent: moves messages between the call, the session and its socket.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::engine::audio::{FRAME, PcmFrame, Rate, append_pcm_bytes};
use crate::engine::call::AgentLoss;
use crate::providers::voice_agent::{AgentBrief, AgentDesk, AgentEvent, AgentInput};

use super::client_message::{self, Attempt};
use super::connect::{Gate, Socket};
use super::server_message::ServerMessage;
use super::session::{Action, Session};
use super::settings::DeepgramSettings;

#[cfg(test)]
mod tests;

/// How often limits are looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long a vendor that does not read may hold a message up.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// How long the closing of a socket may take.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

/// Why a session ended.
enum End {
    /// The call is over.
    Call,
    /// The vendor did not take the settings.
    Refused(String),
    Lost(AgentLoss, String),
}

/// Runs the agent of one call until the call or the vendor ends it. Settings that are refused are tried once more,
/// without what they can do without.
pub(super) async fn run<R: Rate>(
    gate: Arc<Gate>,
    settings: Arc<DeepgramSettings>,
    brief: AgentBrief,
    mut desk: AgentDesk<R>,
) {
    let mut kept = VecDeque::new();
    let mut end = End::Call;
    for attempt in [Attempt::Full, Attempt::Plain] {
        end = one_session(&gate, &settings, &brief, attempt, &mut kept, &mut desk).await;
        if !matches!(end, End::Refused(_)) {
            break;
        }
    }
    let (loss, detail) = match end {
        End::Call => return,
        End::Refused(code) => (AgentLoss::Refused, format!("the settings were refused: {code}")),
        End::Lost(loss, detail) => (loss, detail),
    };
    let AgentDesk { inputs, events } = desk;
    drop(inputs);
    // A call that is over wants no news.
    events.send(AgentEvent::Lost { loss, detail }).await.ok();
}

async fn one_session<R: Rate>(
    gate: &Gate,
    settings: &DeepgramSettings,
    brief: &AgentBrief,
    attempt: Attempt,
    kept: &mut VecDeque<PcmFrame<R>>,
    desk: &mut AgentDesk<R>,
) -> End {
    let socket = tokio::select! {
        opened = gate.open(settings.connect_timeout) => match opened {
            Ok(socket) => socket,
            Err((loss, detail)) => return End::Lost(loss, detail),
        },
        () = desk.events.closed() => return End::Call,
    };
    let mut line = Line { socket, events: desk.events.clone() };
    let session = Session::new(settings, brief.greeting.clone(), brief.may_transfer);
    let end = match line.send(Message::text(client_message::settings(settings, brief, R::HZ, attempt))).await {
        Ok(()) => talk(&mut line, session, settings, kept, desk).await,
        Err(end) => end,
    };
    // Whoever does not answer the close is left alone.
    timeout(CLOSE_LIMIT, line.socket.close(None)).await.ok();
    end
}

async fn talk<R: Rate>(
    line: &mut Line<R>,
    mut session: Session,
    settings: &DeepgramSettings,
    kept: &mut VecDeque<PcmFrame<R>>,
    desk: &mut AgentDesk<R>,
) -> End {
    let opened = Instant::now();
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let done = tokio::select! {
            input = desk.inputs.recv() => match input {
                None => Err(End::Call),
                Some(AgentInput::CallerAudio(frame)) if session.is_ready() => {
                    session.sent_audio(opened.elapsed());
                    line.send_audio(&frame).await
                }
                Some(AgentInput::CallerAudio(frame)) => {
                    keep(kept, frame, settings.keep_audio);
                    Ok(())
                }
                Some(AgentInput::Order(order)) => line.perform(session.order(opened.elapsed(), order)).await,
            },
            message = line.socket.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let actions = session.handle(opened.elapsed(), ServerMessage::parse(&text));
                    let done = line.perform(actions).await;
                    if session.is_ready() { line.send_kept(done, kept).await } else { done }
                }
                Some(Ok(Message::Binary(bytes))) => line.perform(session.audio(opened.elapsed(), &bytes)).await,
                Some(Ok(Message::Close(_))) | None => Err(dropped("the vendor closed the session")),
                Some(Ok(_)) => Ok(()),
                Some(Err(_)) => Err(dropped("the connection broke")),
            },
            _ = look.tick() => {
                if !session.is_ready() && opened.elapsed() >= settings.confirm_timeout {
                    Err(End::Lost(AgentLoss::Unreachable, "the settings were not confirmed in time".to_owned()))
                } else {
                    line.perform(session.expire(opened.elapsed())).await
                }
            },
            () = line.events.closed() => Err(End::Call),
        };
        if let Err(end) = done {
            return end;
        }
    }
}

/// The newest frames that last no longer than `limit`.
fn keep<R: Rate>(kept: &mut VecDeque<PcmFrame<R>>, frame: PcmFrame<R>, limit: Duration) {
    kept.push_back(frame);
    while FRAME * kept.len() as u32 > limit {
        kept.pop_front();
    }
}

fn dropped(detail: &str) -> End {
    End::Lost(AgentLoss::Dropped, detail.to_owned())
}

/// The ways to the vendor and to the call.
struct Line<R: Rate> {
    socket: Socket,
    events: mpsc::Sender<AgentEvent<R>>,
}

impl<R: Rate> Line<R> {
    async fn perform(&mut self, actions: Vec<Action<R>>) -> Result<(), End> {
        for action in actions {
            match action {
                Action::Send(text) => self.send(Message::text(text)).await?,
                Action::Tell(event) => self.events.send(event).await.map_err(|_| End::Call)?,
                Action::Refused(code) => return Err(End::Refused(code)),
                Action::Lose(loss, detail) => return Err(End::Lost(loss, detail)),
            }
        }
        Ok(())
    }

    async fn send_kept(&mut self, done: Result<(), End>, kept: &mut VecDeque<PcmFrame<R>>) -> Result<(), End> {
        done?;
        while let Some(frame) = kept.pop_front() {
            self.send_audio(&frame).await?;
        }
        Ok(())
    }

    async fn send_audio(&mut self, frame: &PcmFrame<R>) -> Result<(), End> {
        let mut bytes = Vec::with_capacity(frame.samples().len() * 2);
        append_pcm_bytes(frame.samples(), &mut bytes);
        self.send(Message::binary(bytes)).await
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(WRITE_LIMIT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(dropped("the connection broke")),
            Err(_) => Err(dropped("the vendor does not read")),
        }
    }
}
