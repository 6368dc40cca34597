//! The task behind one call's agent: moves messages between the call, the sessions and their sockets.
//!
//! It decides nothing that [`Session`] can decide. What is left to it is what spans sessions: the caller's
//! audio while nobody may have it, the successor that is opened before a session's time is up, the end.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::engine::audio::{FRAME, PcmFrame, Rate};
use crate::engine::call::{AgentCounter, AgentLoss, ResponseOutcome};
use crate::engine::ids::ResponseId;
use crate::providers::voice_agent::{AgentBrief, AgentDesk, AgentEvent, AgentInput, Receiver};

use super::connect::{Gate, NotOpened};
use super::history::History;
use super::leg::{Leg, News};
use super::plan::Plan;
use super::server_event::ServerEvent;
use super::session::{Action, Session};
use super::settings::{AudioFormat, OpenAiSettings};
use super::sound::{Downlink, Uplink};

mod wait;

/// How many inputs are taken at a time; audio among them becomes one message.
const INPUTS_AT_A_TIME: usize = 32;

/// Runs the agent of one call until the call or the vendor ends it.
pub(super) async fn run<R: Rate>(
    gate: Arc<Gate>,
    settings: Arc<OpenAiSettings>,
    brief: AgentBrief,
    desk: AgentDesk<R>,
) {
    let AgentDesk { mut inputs, events } = desk;
    let mut driver = Driver::new(gate, settings, &brief);
    drop(brief);
    {
        let mut alarm = pin!(sleep_until(far()));
        let mut no_listener = pin!(events.closed());
        while driver.tell_what_fits(&events) && !driver.is_over {
            let is_full = !driver.outbox.is_empty();
            tokio::select! {
                biased;
                call_goes_on = poll_fn(|cx| driver.poll(cx, &mut inputs, alarm.as_mut())) => if !call_goes_on { break },
                place = events.reserve(), if is_full => match (place, driver.outbox.pop_front()) {
                    (Ok(place), Some(event)) => place.send(event),
                    _ => break,
                },
                () = &mut no_listener => break,
            }
        }
    }
    driver.finish(inputs, events).await;
}

type Inputs<R> = Receiver<AgentInput<R>>;

struct Driver<R: Rate> {
    gate: Arc<Gate>,
    plan: Arc<Plan>,
    current: Leg<R>,
    /// The current session's successor.
    next: Option<Leg<R>>,
    /// When a successor is to be opened.
    renew_at: Option<Instant>,
    outbox: VecDeque<AgentEvent<R>>,
    /// The way up; `None` while the vendor may not have audio.
    uplink: Option<Uplink<R>>,
    /// What the caller said while there was no way up.
    kept: VecDeque<PcmFrame<R>>,
    /// The last frames that went up: what a detector wants to hear before an onset.
    recent: VecDeque<PcmFrame<R>>,
    downlink: Downlink<R>,
    /// The response that speaks, and how many letters it spoke.
    letters: Option<(ResponseId, usize)>,
    fell_back: bool,
    is_over: bool,
}

impl<R: Rate> Driver<R> {
    fn new(gate: Arc<Gate>, settings: Arc<OpenAiSettings>, brief: &AgentBrief) -> Self {
        let plan = Plan::new(settings, brief);
        let format = plan.settings.audio;
        let session = Session::new(Arc::clone(&plan), format, History::new(&brief.history), 0);
        Self {
            current: Leg::dial(Arc::clone(&gate), &plan.settings, session),
            gate,
            plan,
            next: None,
            renew_at: None,
            outbox: VecDeque::new(),
            uplink: None,
            kept: VecDeque::new(),
            recent: VecDeque::new(),
            downlink: Downlink::new(format),
            letters: None,
            fell_back: false,
            is_over: false,
        }
    }

    fn time_passed(&mut self, may_read: bool) {
        if may_read {
            let now = self.current.now();
            let actions = self.current.session.expire(now);
            self.perform(actions, None);
            if !self.is_over
                && let Err(NotOpened { loss, detail }) = self.current.watch()
            {
                self.lose(loss, detail);
            }
        }
        if let Some(next) = &mut self.next {
            let (now, watched) = (next.now(), next.watch());
            let actions = next.session.expire(now);
            self.perform_next(actions);
            if watched.is_err() {
                self.give_up_next();
            }
        }
        if self.renew_at.is_some_and(|at| at <= Instant::now()) {
            self.renew_at = None;
            if self.next.is_none() {
                self.open_next(self.current.session.format());
            }
        }
    }

    fn take(&mut self, first: AgentInput<R>, cx: &mut Context<'_>, inputs: &mut Inputs<R>) {
        self.take_one(first);
        for _ in 1..INPUTS_AT_A_TIME {
            let Poll::Ready(Some(input)) = inputs.poll_recv(cx) else { break };
            self.take_one(input);
        }
        self.send_audio();
    }

    fn take_one(&mut self, input: AgentInput<R>) {
        match input {
            AgentInput::CallerAudio(frame) => self.hear(frame),
            AgentInput::Order(order) => {
                self.send_audio();
                let now = self.current.now();
                let actions = self.current.session.order(now, order);
                self.perform(actions, None);
            }
        }
    }

    fn hear(&mut self, frame: PcmFrame<R>) {
        match &mut self.uplink {
            Some(uplink) => {
                uplink.push(&frame);
                let padding = Duration::from_millis(u64::from(self.plan.settings.prefix_padding_ms));
                keep(&mut self.recent, frame, padding);
            }
            None => keep(&mut self.kept, frame, self.plan.settings.keep_audio),
        }
    }

    fn send_audio(&mut self) {
        if let Some(message) = self.uplink.as_mut().and_then(Uplink::message) {
            self.current.send_audio(message);
        }
    }

    fn current_said(&mut self, news: Result<News, NotOpened>) {
        match news {
            Ok(News::Opened | News::Alive) => {}
            Ok(News::Message(text)) => {
                let event = ServerEvent::parse(&text);
                let now = self.current.now();
                let actions = self.current.session.handle(now, &event);
                self.perform(actions, Some(&event));
            }
            Err(NotOpened { loss, detail }) => self.lose(loss, detail),
        }
    }

    fn next_said(&mut self, news: Result<News, NotOpened>) {
        let Some(next) = &mut self.next else { return };
        match news {
            Ok(News::Opened | News::Alive) => {}
            Ok(News::Message(text)) => {
                let now = next.now();
                let actions = next.session.handle(now, &ServerEvent::parse(&text));
                self.perform_next(actions);
            }
            Err(_) => self.give_up_next(),
        }
    }

    fn perform(&mut self, actions: Vec<Action<R>>, event: Option<&ServerEvent<'_>>) {
        for action in actions {
            match action {
                Action::Send(event) => self.current.send(event.to_json()),
                Action::Tell(event) => self.tell(event),
                Action::Play(response) => {
                    if let Some(ServerEvent::Audio(delta)) = event {
                        self.play(response, &delta.delta);
                    }
                }
                Action::Hear(format) => self.open_uplink(format),
                Action::Decode(format) => self.downlink = Downlink::new(format),
                Action::Replace(format) => {
                    self.next = None;
                    self.open_next(format);
                }
                Action::Lose { loss, detail } => return self.lose(loss, detail),
            }
        }
    }

    /// What a successor does before it is one: it talks with the vendor, not with the call.
    fn perform_next(&mut self, actions: Vec<Action<R>>) {
        for action in actions {
            match (action, &mut self.next) {
                (Action::Send(event), Some(next)) => next.send(event.to_json()),
                (Action::Tell(AgentEvent::Counted(counter)), _) => self.tell(AgentEvent::Counted(counter)),
                (Action::Lose { .. }, _) => return self.give_up_next(),
                _ => {}
            }
        }
    }

    fn tell(&mut self, event: AgentEvent<R>) {
        match &event {
            AgentEvent::Ready { .. } => self.plan_renewal(),
            AgentEvent::Text { response, text } => {
                let spoken = self.letters.filter(|(known, _)| known == response).map_or(0, |(_, letters)| letters);
                self.letters = Some((*response, spoken + text.chars().count()));
            }
            AgentEvent::ResponseEnded { response, .. } => self.finish_audio(*response),
            AgentEvent::Counted(AgentCounter::FormatFallback) if std::mem::replace(&mut self.fell_back, true) => return,
            _ => {}
        }
        self.outbox.push_back(event);
    }

    fn play(&mut self, response: ResponseId, base64: &str) {
        match self.downlink.push(response, base64) {
            Ok(decoded) => {
                self.outbox.extend(decoded.chunk.map(|chunk| AgentEvent::Audio { response, chunk }));
                if decoded.lied {
                    self.fall_back();
                }
            }
            Err(_) => self.outbox.push_back(AgentEvent::Counted(AgentCounter::VendorError)),
        }
    }

    fn finish_audio(&mut self, response: ResponseId) {
        let letters = self.letters.filter(|(known, _)| *known == response).map_or(0, |(_, letters)| letters);
        let decoded = self.downlink.finish(response, letters);
        self.outbox.extend(decoded.chunk.map(|chunk| AgentEvent::Audio { response, chunk }));
        if decoded.lied {
            self.fall_back();
        }
    }

    /// The vendor's audio is not what was agreed. The caller is kept from it until it has agreed to linear.
    fn fall_back(&mut self) {
        self.send_audio();
        self.uplink = None;
        let now = self.current.now();
        let actions = self.current.session.fall_back(now);
        self.perform(actions, None);
    }

    fn open_uplink(&mut self, format: AudioFormat) {
        let mut uplink = Uplink::new(format);
        for frame in self.kept.drain(..) {
            uplink.push(&frame);
        }
        self.uplink = Some(uplink);
        self.send_audio();
    }

    fn plan_renewal(&mut self) {
        let settings = &self.plan.settings;
        let ends = self.current.ends(settings.session_limit);
        let left = ends.saturating_duration_since(Instant::now());
        // A session that lives shorter than the notice is renewed at half of its life.
        let notice = settings.session_renew_before.min(left / 2);
        self.renew_at = Some(ends - notice);
    }

    fn open_next(&mut self, format: AudioFormat) {
        let session = Session::new(Arc::clone(&self.plan), format, History::default(), 0);
        self.next = Some(Leg::dial(Arc::clone(&self.gate), &self.plan.settings, session));
    }

    fn give_up_next(&mut self) {
        self.next = None;
        self.renew_at = Some(Instant::now() + self.plan.settings.renew_retry);
    }

    fn next_is_ready(&self) -> bool {
        self.next.as_ref().is_some_and(|next| next.session.is_ready())
    }

    fn swap_if_quiet(&mut self) {
        if self.next_is_ready() && self.current.session.is_quiet() {
            self.swap();
        }
    }

    /// The successor takes over: it is told what was said, and hears the caller from a little before.
    fn swap(&mut self) {
        let Some(next) = self.next.take() else { return };
        self.send_audio();
        let mut old = std::mem::replace(&mut self.current, next);
        for response in old.session.abandon() {
            self.tell(AgentEvent::ResponseEnded { response, outcome: ResponseOutcome::Failed });
        }
        let (history, vendors_own) = old.session.so_far();
        tokio::spawn(old.close());
        let actions = self.current.session.succeed(history, vendors_own);
        self.perform(actions, None);
        let format = self.current.session.format();
        self.downlink = Downlink::new(format);
        let unheard = std::mem::take(&mut self.kept);
        self.kept = std::mem::take(&mut self.recent);
        self.kept.extend(unheard);
        self.open_uplink(format);
        self.plan_renewal();
        self.tell(AgentEvent::Counted(AgentCounter::Renewed));
    }

    /// The current session is gone: its successor takes over if there is one, else the agent is lost.
    fn lose(&mut self, loss: AgentLoss, detail: String) {
        if self.next_is_ready() {
            return self.swap();
        }
        for response in self.current.session.abandon() {
            self.tell(AgentEvent::ResponseEnded { response, outcome: ResponseOutcome::Failed });
        }
        self.outbox.push_back(AgentEvent::Lost { loss, detail });
        self.is_over = true;
    }

    /// Tells what is left to tell, as long as the call is there, and closes the sockets.
    async fn finish(self, mut inputs: Inputs<R>, events: mpsc::Sender<AgentEvent<R>>) {
        let (current, next, outbox, is_over) = (self.current, self.next, self.outbox, self.is_over);
        let telling = async move {
            if is_over {
                for event in outbox {
                    if events.send(event).await.is_err() {
                        break;
                    }
                }
            }
        };
        let telling = async {
            tokio::select! {
                () = telling => {}
                () = async { while inputs.recv().await.is_some() {} } => {}
            }
        };
        let closing_next = async {
            if let Some(next) = next {
                next.close().await;
            }
        };
        tokio::join!(telling, current.close(), closing_next);
    }
}

/// Adds a frame to a queue that holds no more than `length` of sound; the oldest goes.
fn keep<R: Rate>(queue: &mut VecDeque<PcmFrame<R>>, frame: PcmFrame<R>, length: Duration) {
    queue.push_back(frame);
    let most = length.as_millis().div_ceil(FRAME.as_millis()) as usize;
    while queue.len() > most {
        queue.pop_front();
    }
}

/// Never, as far as a call is concerned: for a timer that is not armed.
fn far() -> Instant {
    Instant::now() + Duration::from_secs(86_400)
}
