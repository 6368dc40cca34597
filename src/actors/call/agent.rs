//! The call and its voice agent: opening and closing the session, orders in, events out.

use std::time::Duration;

use actix::AsyncContext as _;

use crate::actors::metered::Metered;
use crate::engine::audio::CallRate;
use crate::engine::call::{AgentLoss, Detector, Input};
use crate::providers::voice_agent::{AgentBrief, AgentEvent, AgentOrder, AgentSession};
use crate::telemetry::Event;

use super::{AgentSaid, CallActor, Said};

impl<R: CallRate> CallActor<R> {
    pub(super) fn connect_agent(&mut self, ctx: &mut Metered<Self>) {
        self.session += 1;
        let brief = AgentBrief { history: self.history.clone(), ..self.plan.brief.clone() };
        let AgentSession { link, mut events } = self.plan.agent.open(brief);
        self.agent = Some(link);
        let (call, session) = (ctx.address(), self.session);
        actix_rt::spawn(async move {
            while let Some(event) = events.recv().await {
                if call.send(AgentSaid { session, event }).await.is_err() {
                    return; // the call is over; dropping `events` tells the agent
                }
            }
            // A session that ends without a word has broken; if it said so, the call no longer listens to it.
            let lost = AgentEvent::Lost { loss: AgentLoss::Dropped, detail: "the session ended".to_owned() };
            call.do_send(AgentSaid { session, event: lost });
        });
    }

    pub(super) fn order_agent(&mut self, order: AgentOrder) {
        let Some(agent) = &self.agent else { return };
        // A session that is over says so itself, and why.
        if !agent.order(order) && !agent.is_over() {
            self.agent = None;
            self.session += 1;
            self.told.push_back((Input::AgentLost(AgentLoss::Stalled), None));
        }
    }

    pub(super) fn close_agent(&mut self) {
        self.agent = None;
        self.session += 1;
    }

    pub(super) fn agent_said(&mut self, event: AgentEvent<R>, ctx: &mut Metered<Self>) {
        let input = match event {
            AgentEvent::Lost { .. } if self.leaving.is_some() => return self.leave(ctx),
            AgentEvent::Ready { detects_turns } => Input::AgentReady { detects_turns },
            AgentEvent::Lost { loss, detail } => {
                self.close_agent();
                let (call, agent) = (&self.plan.call, self.plan.agent.name());
                self.plan.telemetry.record(Event::AgentLost { call, agent, loss, detail: &detail });
                Input::AgentLost(loss)
            }
            AgentEvent::ResponseStarted(response) => Input::ResponseStarted(response),
            AgentEvent::Audio { response, chunk } => {
                let length = chunk.length();
                return self.tell_with(Input::AgentAudio { response, length }, Some(chunk), ctx);
            }
            AgentEvent::Text { response, text } => {
                self.plan.media.said(Said::Piece(response, &text));
                Input::AgentText { response, text }
            }
            AgentEvent::ResponseEnded { response, outcome } => Input::ResponseEnded { response, outcome },
            AgentEvent::CallerSpeechStarted => Input::CallerSpeechStarted { by: Detector::Vendor, ago: Duration::ZERO },
            AgentEvent::CallerSpeechEnded => Input::CallerSpeechEnded { by: Detector::Vendor, ago: Duration::ZERO },
            AgentEvent::CallerText { text, confidence } => Input::CallerText { text, confidence },
            AgentEvent::MessageTaken(chunk) => {
                self.messages += 1;
                let length = chunk.length();
                self.plan.files.all.message::<R>(&self.plan.call, self.messages, chunk.samples);
                Input::MessageTaken { length }
            }
            AgentEvent::ToolCalled(call) => Input::ToolCalled(call),
            AgentEvent::Counted(counter) => {
                return self.plan.telemetry.record(Event::AgentCounted { agent: self.plan.agent.name(), counter });
            }
        };
        self.tell(input, ctx);
    }
}
