//! Calls that an Asterisk brings, or places for us, by its REST interface (ARI).
//!
//! ```text
//!   events' socket ── link ──▶ AriController ── by channel ──▶ one task and mailbox per call ── requests ──▶ Asterisk
//! ```
//!
//! The controller knows which channels and bridges belong to which call, and nothing else. A call's task ([`call`]) does one
//! thing after the other: so nothing that happens to a call overtakes anything else that does.
//!
//! Events are not repeated: what happened while nobody was connected is found out by looking. On each connection the
//! controller asks for all channels and bridges. Calls whose caller is gone are told so, channels and bridges of ours that
//! belong to no call are taken away, and callers who wait in the application and have no call get one.

mod call;
mod carrier;
mod expected;
mod ids;
mod link;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix::prelude::*;
use tokio::sync::{mpsc, oneshot};

use crate::actors::business_keeper::Businesses;
use crate::actors::call_registry::CallRegistry;
use crate::actors::call_status::CallStatusActor;
use crate::actors::capacity::Capacity;
use crate::actors::lateness::Overload;
use crate::actors::metered::{MailboxFigures, Metered, MeteredActor, order};
use crate::engine::ids::{BusinessId, CallSid, PhoneNumber};
use crate::engine::wire::ari::{AriChannel, AriEvent};
use crate::engine::wire::audiosocket::{CallUuid, UuidSeal};
use crate::providers::ari::{Ari, AriError};
use crate::telemetry::{Event, Telemetry};

use call::{AriCall, CallNews, Origin};
pub use carrier::AriCarrier;
pub use expected::{ExpectedCall, ExpectedCalls, Wishes};
use ids::Ids;
pub use link::AriState;

/// What calls by ARI are made of.
pub struct AriParts {
    /// Asterisk.
    pub ari: Arc<dyn Ari>,
    /// The application for whose calls we are there.
    pub app: String,
    /// Where Asterisk brings their audio: a host and a port.
    pub media_host: String,
    /// How, in Asterisk's words.
    pub media_format: &'static str,
    /// Where in the dialplan callers are handed over.
    pub transfer_context: Option<String>,
    /// Whose calls there can be.
    pub businesses: Businesses,
    /// Whose calls are that name nobody; `None` means the business that answers every number.
    pub usual_business: Option<BusinessId>,
    /// How many.
    pub capacity: Capacity,
    /// Where a call's status goes.
    pub status: Addr<CallStatusActor>,
    /// Which calls are alive.
    pub registry: Addr<CallRegistry>,
    /// The audio connection asks here whose call it brings.
    pub expected: ExpectedCalls,
    /// Makes their UUIDs.
    pub seal: UuidSeal,
    /// Whether live calls are served late already.
    pub overload: Arc<Overload>,
    /// Whether the service is stopping.
    pub is_stopping: Arc<AtomicBool>,
    /// Logs and figures.
    pub telemetry: Telemetry,
}

/// Something that the events' socket has brought, or that has become of it.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) enum AriNews {
    /// It is connected: what happened before is not known.
    Connected,
    /// Asterisk told something.
    Event(AriEvent),
}

/// What there is in an Asterisk, as asked for after a connection was made.
#[derive(Message)]
#[rtype(result = "()")]
struct Standing {
    channels: Vec<AriChannel>,
    bridges: Vec<String>,
    /// The callers of calls that there were when it was asked.
    callers: Vec<String>,
}

/// Places a call: answered once Asterisk has taken it, or refused.
#[derive(Message)]
#[rtype(result = "Result<CallSid, AriError>")]
pub(super) struct PlaceCall {
    /// Whom to call over what.
    pub endpoint: String,
    /// Whom to call.
    pub to: PhoneNumber,
    /// What is shown.
    pub from: PhoneNumber,
    /// Whose call it is.
    pub business: BusinessId,
    /// What the agent is told of the person or the matter.
    pub notes: Vec<(String, String)>,
    /// How long it may ring.
    pub ring_for: Duration,
}

/// Ends a call, wherever it is. One that is over is no error.
#[derive(Message)]
#[rtype(result = "Result<(), AriError>")]
pub(super) struct EndCall(pub CallSid);

/// Whether a call is there.
#[derive(Message)]
#[rtype(result = "bool")]
pub(super) struct FindCall(pub CallSid);

/// A call's channels and bridge are gone.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct CallGone(Ids);

/// Knows which channels and bridges belong to which call.
pub struct AriController {
    parts: Arc<AriParts>,
    state: AriState,
    /// The mailbox of each call, by its channels and its bridge.
    routes: HashMap<String, mpsc::UnboundedSender<CallNews>>,
    /// The channel of the other person of each call.
    callers: HashMap<CallSid, String>,
    /// The callers of calls that ended since it was asked what there is.
    gone: HashSet<String>,
}

impl AriController {
    /// Starts it, and the listening, on a thread of somebody's choice.
    pub fn start(parts: AriParts, arbiter: &ArbiterHandle) -> (Addr<Self>, AriState) {
        let (parts, state) = (Arc::new(parts), AriState::default());
        let meter = MailboxFigures::of::<Self>(&parts.telemetry);
        let told = state.clone();
        let controller = Metered::create_in(arbiter, meter, move |_| Self {
            parts,
            state: told,
            routes: HashMap::new(),
            callers: HashMap::new(),
            gone: HashSet::new(),
        });
        (controller, state)
    }

    /// A caller is here: their call begins, unless they have one.
    fn begin(&mut self, caller: AriChannel, ctx: &mut Metered<Self>) {
        let Some(uuid) = self.uuid() else { return };
        if !self.routes.contains_key(&caller.id) {
            let ids = Ids::new(&self.parts.app, caller.id.clone(), uuid);
            self.carry(ids, Origin::Came(caller), ctx);
        }
    }

    /// A UUID that no call has had; none, where the system has no random bytes.
    fn uuid(&self) -> Option<CallUuid> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).ok()?;
        Some(self.parts.seal.issue(random))
    }

    fn carry(&mut self, ids: Ids, origin: Origin, ctx: &mut Metered<Self>) {
        let (mailbox, news) = mpsc::unbounded_channel();
        for id in [&ids.caller, &ids.media, &ids.bridge] {
            self.routes.insert(id.clone(), mailbox.clone());
        }
        self.callers.insert(ids.uuid.call_sid(), ids.caller.clone());
        self.state.count(self.callers.len());
        let (parts, controller) = (Arc::clone(&self.parts), ctx.address());
        actix_rt::spawn(async move {
            let over = Over { controller, ids: ids.clone() };
            AriCall::new(parts, ids, news).run(origin).await;
            drop(over);
        });
    }

    fn tell(&self, channel: &str, news: CallNews) {
        if let Some(mailbox) = self.routes.get(channel) {
            mailbox.send(news).ok(); // a call that is over hears nothing
        }
    }

    fn ask_what_there_is(&mut self, ctx: &mut Metered<Self>) {
        self.gone.clear();
        let callers = self.callers.values().cloned().collect();
        let (ari, controller, telemetry) = (Arc::clone(&self.parts.ari), ctx.address(), self.parts.telemetry.clone());
        actix_rt::spawn(async move {
            let found: Result<_, AriError> = async { Ok((ari.channels().await?, ari.bridges().await?)) }.await;
            match found {
                Ok((channels, bridges)) => order(&controller, Standing { channels, bridges, callers }),
                // It is asked again once the next connection is made.
                Err(error) => telemetry.record(Event::AriFailed { error: &error.to_string() }),
            }
        });
    }

    /// Takes away what belongs to no call.
    fn take_away(&self, channels: Vec<String>, bridges: Vec<String>) {
        let (ari, telemetry) = (Arc::clone(&self.parts.ari), self.parts.telemetry.clone());
        actix_rt::spawn(async move {
            for channel in channels {
                note(&telemetry, ari.hang_up(&channel).await);
            }
            for bridge in bridges {
                note(&telemetry, ari.drop_bridge(&bridge).await);
            }
        });
    }
}

/// Tells the controller that a call is gone, however its task ended.
struct Over {
    controller: Addr<AriController>,
    ids: Ids,
}

impl Drop for Over {
    fn drop(&mut self) {
        order(&self.controller, CallGone(self.ids.clone()));
    }
}

fn note<T>(telemetry: &Telemetry, outcome: Result<T, AriError>) {
    if let Err(error) = outcome {
        telemetry.record(Event::AriFailed { error: &error.to_string() });
    }
}

impl Actor for AriController {
    type Context = Metered<Self>;

    fn started(&mut self, ctx: &mut Metered<Self>) {
        let (ari, telemetry) = (Arc::clone(&self.parts.ari), self.parts.telemetry.clone());
        actix_rt::spawn(link::listen(ari, ctx.address(), self.state.clone(), telemetry));
    }
}

impl MeteredActor for AriController {
    const KIND: &'static str = "ari_controller";

    /// What it knows of calls is whole after each message: it goes on.
    fn panicked(&mut self, _message: &str, _: &mut Metered<Self>) {}
}

impl Handler<AriNews> for AriController {
    type Result = ();

    fn handle(&mut self, news: AriNews, ctx: &mut Metered<Self>) {
        let event = match news {
            AriNews::Connected => return self.ask_what_there_is(ctx),
            AriNews::Event(event) => event,
        };
        match event {
            AriEvent::StasisStart { channel, .. } if self.routes.contains_key(&channel.id) => {
                self.tell(&channel.id.clone(), CallNews::Arrived(channel));
            }
            // The audio of a call that is over by now.
            AriEvent::StasisStart { channel, .. } if Ids::is_ours(&self.parts.app, &channel.id) => {
                self.take_away(vec![channel.id], Vec::new());
            }
            AriEvent::StasisStart { channel, .. } => self.begin(channel, ctx),
            AriEvent::StasisEnd { channel } => self.tell(&channel.clone(), CallNews::Gone { channel, cause: 0 }),
            AriEvent::Destroyed { channel, cause } => {
                self.tell(&channel.clone(), CallNews::Gone { channel, cause });
            }
            AriEvent::StateChanged { channel, state } => self.tell(&channel, CallNews::State(state)),
            AriEvent::Replaced => {
                let error = "another connection has taken the application over: each node needs one of its own";
                self.parts.telemetry.record(Event::AriFailed { error });
            }
            AriEvent::Other => {}
        }
    }
}

impl Handler<Standing> for AriController {
    type Result = ();

    fn handle(&mut self, Standing { channels, bridges, callers }: Standing, ctx: &mut Metered<Self>) {
        let there: HashSet<&str> = channels.iter().map(|channel| channel.id.as_str()).collect();
        for caller in callers.iter().filter(|caller| !there.contains(caller.as_str())) {
            self.tell(caller, CallNews::Gone { channel: caller.clone(), cause: 0 });
        }
        let app = self.parts.app.clone();
        let is_nobodys = |id: &String| Ids::is_ours(&app, id) && !self.routes.contains_key(id);
        let lost_channels = channels.iter().map(|channel| &channel.id).filter(|id| is_nobodys(id)).cloned().collect();
        let lost_bridges = bridges.into_iter().filter(|id| is_nobodys(id)).collect();
        self.take_away(lost_channels, lost_bridges);
        for channel in channels {
            if channel.is_in(&app) && !Ids::is_ours(&app, &channel.id) && !self.gone.contains(&channel.id) {
                self.begin(channel, ctx);
            }
        }
    }
}

impl Handler<CallGone> for AriController {
    type Result = ();

    fn handle(&mut self, CallGone(ids): CallGone, _: &mut Metered<Self>) {
        for id in [&ids.caller, &ids.media, &ids.bridge] {
            self.routes.remove(id);
        }
        self.callers.remove(&ids.uuid.call_sid());
        self.state.count(self.callers.len());
        self.gone.insert(ids.caller);
    }
}

impl Handler<PlaceCall> for AriController {
    type Result = ResponseFuture<Result<CallSid, AriError>>;

    fn handle(&mut self, place: PlaceCall, ctx: &mut Metered<Self>) -> Self::Result {
        let Some(uuid) = self.uuid() else {
            return Box::pin(async { Err(AriError::Unreachable("no random bytes for its name".to_owned())) });
        };
        let (taken, is_taken) = oneshot::channel();
        self.carry(Ids::placed(&self.parts.app, uuid), Origin::Placed { place, taken }, ctx);
        Box::pin(async move {
            let lost = |_| AriError::NoAnswer("the call's task ended".to_owned());
            is_taken.await.map_err(lost)?.map(|()| uuid.call_sid())
        })
    }
}

impl Handler<EndCall> for AriController {
    type Result = ResponseFuture<Result<(), AriError>>;

    fn handle(&mut self, EndCall(call): EndCall, _: &mut Metered<Self>) -> Self::Result {
        let (channel, ari) = (self.callers.get(&call).cloned(), Arc::clone(&self.parts.ari));
        Box::pin(async move {
            match channel {
                Some(channel) => ari.hang_up(&channel).await,
                None => Ok(()),
            }
        })
    }
}

impl Handler<FindCall> for AriController {
    type Result = bool;

    fn handle(&mut self, FindCall(call): FindCall, _: &mut Metered<Self>) -> bool {
        self.callers.contains_key(&call)
    }
}
