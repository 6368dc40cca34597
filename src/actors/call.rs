//! One call: the actor that owns its machine, its audio path and its voice agent's session.
//!
//! It lives on the thread of its media socket, so that audio never crosses threads. It decides nothing: it
//! tells [`CallMachine`] what happened and does what the machine answers. What comes in:
//!
//! | message | from | sent by |
//! |---|---|---|
//! | [`CallerAudio`] | the transport, every 20 ms | [`CallerLine`]: a full line drops the frame and counts it |
//! | [`DtmfPressed`], [`MarkHeard`], [`MediaClosed`] | the transport | `do_send` |
//! | [`HangUp`], [`EndSeen`] | the registry | `do_send` |
//! | [`AgentSaid`] | the session's events | `send`, so that a busy call slows its agent down |
//!
//! After the end the actor stays for a moment: it closes the media stream, and if the carrier shows no sign
//! of the end within [`END_SEEN_WITHIN`], it asks the carrier's REST interface to hang up, at most once.

mod agent;
mod audio_path;
mod ending;
mod hang_up;
mod line;
mod plan;
mod pulse;
mod sound;
mod timeline;

use std::collections::VecDeque;
use std::sync::Arc;

use actix::prelude::*;

use crate::actors::metered::{Metered, MeteredActor};
use crate::clock::CallClock;
use crate::engine::audio::CallRate;
use crate::engine::call::{CallMachine, CallStats, Farewell, HangupCause, Input, Output, Speaker, journal};
use crate::engine::ids::{Digit, Mark, ResponseId};
use crate::engine::time::CallTime;
use crate::providers::voice_agent::{AgentEvent, AgentLink, AgentOrder, Chunk};
use crate::telemetry::Event;

use audio_path::{AudioPath, CarrierTime};
pub use hang_up::END_SEEN_WITHIN;
use hang_up::HangUpToken;
use line::CallerEar;
pub use line::{CallerAudio, CallerLine};
pub use plan::{CallPlan, FilesOfCall, MediaPort, Phrases, Said, SoundSettings};
use pulse::{Alarm, Pulse};

/// A call, as its transport holds it: the caller's frames go down the line, all else into the mailbox.
pub struct AnsweredCall<R: CallRate> {
    /// The actor.
    pub address: Addr<CallActor<R>>,
    /// The frames' way.
    pub line: CallerLine<R>,
}

/// The caller pressed a key.
#[derive(Message)]
#[rtype(result = "()")]
pub struct DtmfPressed(pub Digit);

/// A mark came back from the carrier.
#[derive(Message)]
#[rtype(result = "()")]
pub struct MarkHeard(pub Mark);

/// The media stream is closed, by the carrier or because it broke; its [`CallerLine`] is dropped next. Carries what
/// made no sense on it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct MediaClosed {
    /// Why.
    pub end: StreamEnd,
    /// Messages that made no sense, since the stream began.
    pub faults: u64,
    /// Caller frames that this call's line refused.
    pub refused_frames: u64,
}

/// Why a call has no media stream any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// The carrier said that it is over: the caller has left.
    CallerLeft,
    /// It broke, or we had to close it: the caller may still be there.
    Lost,
}

/// Somebody outside of the call wants it to end.
#[derive(Message, Clone, Copy)]
#[rtype(result = "()")]
pub struct HangUp(pub HangupCause);

/// The carrier has shown that the call is over.
#[derive(Message, Clone, Copy)]
#[rtype(result = "()")]
pub struct EndSeen;

/// The session with the voice agent has something to tell.
#[derive(Message)]
#[rtype(result = "()")]
pub struct AgentSaid<R: CallRate> {
    session: u32,
    event: AgentEvent<R>,
}

/// One call.
pub struct CallActor<R: CallRate> {
    plan: CallPlan<R>,
    clock: CallClock,
    machine: CallMachine,
    audio: AudioPath<R>,
    agent: Option<AgentLink<R>>,
    session: u32,
    history: Vec<(Speaker, String)>,
    told: VecDeque<(Input, Option<Chunk<R>>)>,
    outputs: Vec<Output>,
    playing: Option<ResponseId>,
    ear: Option<CallerEar<R>>,
    alarm: Alarm,
    /// When the playout is due, and since when that is known.
    tick: Option<(CallTime, CallTime)>,
    watch_at: CallTime,
    carrier_time: CarrierTime,
    last_frame_at: CallTime,
    unread_frames: u32,
    messages: u32,
    stats: CallStats,
    /// How the media stream is over, once it is: lost, unless the carrier said otherwise.
    stream_end: StreamEnd,
    leaving: Option<StreamEnd>,
    is_over: bool,
    hang_up: Option<HangUpToken>,
}

impl<R: CallRate> CallActor<R> {
    /// Starts a call whose media stream was just authenticated, on this thread.
    pub fn answer(plan: CallPlan<R>) -> AnsweredCall<R> {
        let (line, ear) = line::line(Arc::clone(&plan.meter));
        let address = Metered::create(Arc::clone(&plan.meter), |_| Self {
            clock: CallClock::start(),
            machine: CallMachine::new(plan.settings.clone()),
            audio: AudioPath::new(&plan.audio),
            agent: None,
            session: 0,
            history: Vec::new(),
            told: VecDeque::new(),
            outputs: Vec::new(),
            playing: None,
            ear: Some(ear),
            alarm: Alarm::new(),
            tick: None,
            watch_at: CallTime::START,
            carrier_time: CarrierTime::default(),
            last_frame_at: CallTime::START,
            unread_frames: 0,
            messages: 0,
            stats: CallStats::default(),
            stream_end: StreamEnd::Lost,
            leaving: None,
            is_over: false,
            hang_up: Some(HangUpToken::new(plan.call.clone(), plan.carrier.clone(), plan.telemetry.clone())),
            plan,
        });
        AnsweredCall { address, line }
    }

    fn tell(&mut self, input: Input, ctx: &mut Metered<Self>) {
        self.tell_with(input, None, ctx);
    }

    fn tell_with(&mut self, input: Input, chunk: Option<Chunk<R>>, ctx: &mut Metered<Self>) {
        self.told.push_back((input, chunk));
        self.tell_all(ctx);
    }

    /// Tells the machine everything that waits, in order. What it wants done may bring new inputs; they wait
    /// behind the others.
    fn tell_all(&mut self, ctx: &mut Metered<Self>) {
        while let Some((input, chunk)) = self.told.pop_front() {
            let now = self.clock.now();
            if let Some(journal) = &self.plan.files.journal {
                journal.line(journal::input_line(now, &input));
            }
            let mut outputs = std::mem::take(&mut self.outputs);
            self.machine.handle(now, input, &mut outputs);
            for output in outputs.drain(..) {
                if let Some(journal) = &self.plan.files.journal {
                    journal.line(journal::output_line(now, &output));
                }
                self.perform(now, output, chunk.as_ref(), ctx);
            }
            self.outputs = outputs;
        }
        self.wake_in_time();
    }

    fn perform(&mut self, now: CallTime, output: Output, chunk: Option<&Chunk<R>>, ctx: &mut Metered<Self>) {
        match output {
            Output::ConnectAgent => self.connect_agent(ctx),
            Output::AskAgent { response, ask } => self.order_agent(AgentOrder::Respond { response, ask }),
            Output::CancelResponse(response) => self.order_agent(AgentOrder::Cancel(response)),
            Output::Truncate { response, heard } => self.order_agent(AgentOrder::Truncate { response, heard }),
            Output::Play(response) => self.play(now, response, chunk),
            Output::Drop(_) => {}
            Output::FinishPlayout(response) => self.audio.playout.finish(now, response),
            Output::ClearPlayout => self.clear_playout(now),
            Output::Say { response, phrase } => self.say(response, (self.plan.phrases)(phrase)),
            Output::PassDtmf(digit) => self.order_agent(AgentOrder::Dtmf(digit)),
            Output::AnswerTool { call_id, result } => self.order_agent(AgentOrder::ToolResult { call_id, result }),
            Output::CloseAgent => self.close_agent(),
            Output::StoreTurn(turn) => self.store_turn(turn),
            Output::Note(note) => self.note(now, note),
            Output::EndCall { cause, farewell } => self.end(now, cause, farewell, ctx),
        }
    }
}

impl<R: CallRate> Actor for CallActor<R> {
    type Context = Metered<Self>;

    fn started(&mut self, ctx: &mut Metered<Self>) {
        let (call, business, agent) = (&self.plan.call, &self.plan.business, self.plan.agent.name());
        self.plan.telemetry.record(Event::CallBegan { call, business, agent });
        if let Some(journal) = &self.plan.files.journal {
            journal.line(journal::header(&self.plan.settings));
        }
        if let Some(reservation) = &self.plan.reservation {
            reservation.started(ctx.address().recipient(), ctx.address().recipient());
        }
        if let Some(ear) = self.ear.take() {
            ctx.spawn(Pulse(ear));
        }
        self.tell(Input::Answered, ctx);
    }

    fn stopped(&mut self, ctx: &mut Metered<Self>) {
        self.end(self.clock.now(), HangupCause::InternalFault, Farewell::Apologise, ctx);
    }
}

impl<R: CallRate> MeteredActor for CallActor<R> {
    const KIND: &'static str = "call";

    /// A panic ends this call and no other: the caller gets an apology from the carrier.
    fn panicked(&mut self, _message: &str, ctx: &mut Metered<Self>) {
        self.close_agent();
        self.end(self.clock.now(), HangupCause::InternalFault, Farewell::Apologise, ctx);
    }
}

impl<R: CallRate> Handler<AgentSaid<R>> for CallActor<R> {
    type Result = ();

    fn handle(&mut self, AgentSaid { session, event }: AgentSaid<R>, ctx: &mut Metered<Self>) {
        if session == self.session && !self.is_over {
            self.agent_said(event, ctx);
        }
    }
}

impl<R: CallRate> Handler<DtmfPressed> for CallActor<R> {
    type Result = ();

    fn handle(&mut self, DtmfPressed(digit): DtmfPressed, ctx: &mut Metered<Self>) {
        self.tell(Input::DtmfPressed(digit), ctx);
    }
}

impl<R: CallRate> Handler<MarkHeard> for CallActor<R> {
    type Result = ();

    fn handle(&mut self, MarkHeard(mark): MarkHeard, ctx: &mut Metered<Self>) {
        self.tell(Input::MarkHeard(mark), ctx);
    }
}

impl<R: CallRate> Handler<MediaClosed> for CallActor<R> {
    type Result = ();

    /// The figures, and how the stream ended; that it did is said by the line's end, behind the frames that still wait in it.
    fn handle(&mut self, closed: MediaClosed, _: &mut Metered<Self>) {
        self.stats.media_faults = closed.faults;
        self.stats.caller_frames += closed.refused_frames;
        self.stats.dropped_frames += closed.refused_frames;
        self.stream_end = closed.end;
    }
}

impl<R: CallRate> Handler<HangUp> for CallActor<R> {
    type Result = ();

    fn handle(&mut self, HangUp(cause): HangUp, ctx: &mut Metered<Self>) {
        match cause {
            HangupCause::CallerHungUp => self.stream_is_over(StreamEnd::CallerLeft, ctx),
            HangupCause::StreamLost => self.stream_is_over(StreamEnd::Lost, ctx),
            _ if self.leaving.is_some() => {} // the end is under way
            cause => self.tell(Input::HangUp(cause), ctx),
        }
    }
}

impl<R: CallRate> Handler<EndSeen> for CallActor<R> {
    type Result = ();

    /// The carrier knows that the call is over: nothing needs to be hung up.
    fn handle(&mut self, EndSeen: EndSeen, ctx: &mut Metered<Self>) {
        self.hang_up = None;
        if self.is_over {
            ctx.stop();
        }
    }
}
