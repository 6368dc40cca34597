//! One call by ARI, from its caller's arrival in the application to the last thing that is taken away.
//!
//! Its audio is a call like any other, which the audio connection begins and ends; here is only what Asterisk must be told
//! before and after: who hears whom, and where the caller goes. That the audio is over says that the call is; that the
//! caller is gone, too. What was made is taken away, once, whichever of them comes first and however often.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::actors::call_registry::{AskFarewell, CarrierEnded, FarewellOf};
use crate::actors::call_status::ApplyStatus;
use crate::actors::metered::{ask, order};
use crate::clock;
use crate::engine::business::Business;
use crate::engine::call::Farewell;
use crate::engine::ids::{BusinessId, CallSid, PhoneNumber};
use crate::engine::status::{CallDirection, CallStatus, CarrierSource, Party, StatusChange};
use crate::engine::wire::ari::{AriChannel, ChannelState};
use crate::providers::ari::{AriError, MediaChannel, NewChannel};
use crate::telemetry::{Event, Refusal};

use super::ids::Ids;
use super::{AriParts, ExpectedCall, PlaceCall, Wishes};

/// How long the audio's channel may take to arrive in the application: Asterisk gives up connecting after 2 s.
const MEDIA_WITHIN: Duration = Duration::from_secs(5);
/// How long the audio may take to end after the caller has left, before its channel is taken away all the same.
const MEDIA_ENDS_WITHIN: Duration = Duration::from_secs(2);
/// The directory of calls does nothing but look up.
const REGISTRY_ANSWERS_WITHIN: Duration = Duration::from_secs(2);
/// The wait before something is asked for again that must be done; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// The longest.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// How often it is asked for: an hour, after which Asterisk is not the one that it was.
const ATTEMPTS: u32 = 360;

/// Where a call comes from.
pub(super) enum Origin {
    /// Somebody called us.
    Came(AriChannel),
    /// We call somebody; whoever wants it is told whether Asterisk took it.
    Placed { place: PlaceCall, taken: oneshot::Sender<Result<(), AriError>> },
}

/// Something that happened to one of a call's channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CallNews {
    /// It has come into the application.
    Arrived(AriChannel),
    /// It has left it, or is no more.
    Gone { channel: String, cause: u32 },
    /// Its state has changed.
    State(ChannelState),
}

/// Why a call did not begin.
enum NoCall {
    /// The caller has left.
    CallerLeft,
    /// We refuse it.
    Refused(Refusal, &'static str),
    /// It can't be connected.
    Failed(String),
    /// Nobody has answered it; why, by ITU-T Q.850.
    Unanswered(u32),
    /// Asterisk did not take it: there is no such call.
    NotTaken,
}

impl NoCall {
    /// Of something that was asked about the caller's own channel: who is not there has left.
    fn of_caller(error: AriError) -> Self {
        match error {
            AriError::NotFound => Self::CallerLeft,
            error => error.into(),
        }
    }
}

impl From<AriError> for NoCall {
    fn from(error: AriError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// How a call ended.
enum End {
    CallerLeft,
    MediaOver,
}

/// One call.
pub(super) struct AriCall {
    parts: Arc<AriParts>,
    ids: Ids,
    news: UnboundedReceiver<CallNews>,
    call: CallSid,
    is_caller_gone: bool,
    is_media_gone: bool,
}

impl AriCall {
    pub(super) fn new(parts: Arc<AriParts>, ids: Ids, news: UnboundedReceiver<CallNews>) -> Self {
        let call = ids.uuid.call_sid();
        Self { parts, ids, news, call, is_caller_gone: false, is_media_gone: false }
    }

    /// Carries it until nothing of it is left.
    pub(super) async fn run(mut self, origin: Origin) {
        let begun = match origin {
            Origin::Came(caller) => self.begin(caller).await,
            Origin::Placed { place, taken } => self.place(place, taken).await,
        };
        let since = clock::wall_micros();
        let has_begun = match begun {
            Err(NoCall::NotTaken) => return,
            Ok(()) => {
                match self.end().await {
                    End::CallerLeft => self.caller_left().await,
                    End::MediaOver => self.part().await,
                }
                self.parts.expected.take(&self.ids.uuid).is_none()
            }
            Err(why) => {
                self.turn_away(why).await;
                false
            }
        };
        self.clean_up().await;
        let seconds = u32::try_from((clock::wall_micros() - since).max(0) / 1_000_000).unwrap_or(u32::MAX);
        let over = StatusChange { duration_s: Some(seconds), ..self.change(CallStatus::Completed, CarrierSource::Ari) };
        // A call that was refused, or could not be connected, has another end on record, which this does not change.
        if has_begun {
            order(&self.parts.status, ApplyStatus(over));
        }
        order(&self.parts.registry, CarrierEnded(self.call.clone()));
        self.parts.capacity.over(&self.call);
    }

    /// A caller is here: whose call it is, whether there is room, and then both hear each other.
    async fn begin(&mut self, caller: AriChannel) -> Result<(), NoCall> {
        let (business, wishes) = self.whose(&caller).await?;
        let (from, to) = (party(&caller.caller), party(&caller.extension));
        order(
            &self.parts.status,
            ApplyStatus(StatusChange {
                direction: Some(CallDirection::Inbound),
                business: Some(business.clone()),
                from: from.clone(),
                to: to.clone(),
                ..self.change(CallStatus::Initiated, CarrierSource::Ari)
            }),
        );
        self.find_room(&business).await?;
        let number = |party: Option<Party>| -> Option<PhoneNumber> { party?.number().cloned() };
        let expected = ExpectedCall {
            business,
            direction: CallDirection::Inbound,
            from: number(from),
            to: number(to),
            notes: Vec::new(),
            wishes,
        };
        self.connect(expected, caller.state).await
    }

    /// Has somebody called, waits until they answer, and then both hear each other. The slot is the asker's to keep.
    async fn place(&mut self, place: PlaceCall, taken: oneshot::Sender<Result<(), AriError>>) -> Result<(), NoCall> {
        let channel = NewChannel {
            channel: self.ids.caller.clone(),
            endpoint: place.endpoint,
            caller: place.from.as_str().to_owned(),
            args: "placed".to_owned(),
            ring_s: place.ring_for.as_secs(),
        };
        let ari = Arc::clone(&self.parts.ari);
        if let Err(error) = ari.place(&channel).await {
            if error.outcome_is_unknown() {
                // It may be there: nobody must be rung up for nothing.
                self.insist(async || ari.hang_up(&self.ids.caller).await).await;
            }
            taken.send(Err(error)).ok(); // whoever asked is gone
            return Err(NoCall::NotTaken);
        }
        taken.send(Ok(())).ok();
        let state = self.answered().await?;
        let wishes = Wishes { can_transfer: self.parts.transfer_context.is_some(), ..Wishes::default() };
        let expected = ExpectedCall {
            business: place.business,
            direction: CallDirection::Outbound,
            from: Some(place.from),
            to: Some(place.to),
            notes: place.notes,
            wishes,
        };
        self.connect(expected, state).await
    }

    /// Waits until somebody answers a call that we placed.
    async fn answered(&mut self) -> Result<ChannelState, NoCall> {
        loop {
            match self.next().await {
                CallNews::Arrived(channel) if channel.id == self.ids.caller => return Ok(channel.state),
                CallNews::Gone { channel, cause } if channel == self.ids.caller => {
                    return Err(NoCall::Unanswered(cause));
                }
                CallNews::State(ChannelState::Ringing) => {
                    let rings = self.change(CallStatus::Ringing, CarrierSource::Ari);
                    order(&self.parts.status, ApplyStatus(rings));
                }
                _ => {}
            }
        }
    }

    /// Lets the other person and the agent hear each other.
    async fn connect(&mut self, expected: ExpectedCall, state: ChannelState) -> Result<(), NoCall> {
        self.parts.expected.expect(self.ids.uuid, expected);
        let ari = Arc::clone(&self.parts.ari);
        if state != ChannelState::Up {
            ari.answer(&self.ids.caller).await.map_err(NoCall::of_caller)?;
        }
        ari.make_bridge(&self.ids.bridge).await?;
        ari.join(&self.ids.bridge, &self.ids.caller).await.map_err(NoCall::of_caller)?;
        let media = MediaChannel {
            channel: self.ids.media.clone(),
            uuid: self.ids.uuid.to_string(),
            host: self.parts.media_host.clone(),
            format: self.parts.media_format,
        };
        ari.make_media(&media).await?;
        // Before it has arrived, it can't be put into a bridge.
        match timeout(MEDIA_WITHIN, self.media_arrives()).await {
            Ok(arrived) => arrived?,
            Err(_) => return Err(NoCall::Failed("the channel of its audio did not arrive".to_owned())),
        }
        ari.join(&self.ids.bridge, &self.ids.media).await?;
        Ok(())
    }

    /// Whose call it is, and what the dialplan wants of it.
    async fn whose(&self, caller: &AriChannel) -> Result<(BusinessId, Wishes), NoCall> {
        let variable = |name| self.parts.ari.variable(&self.ids.caller, name);
        let (named, agent, greeting) =
            tokio::try_join!(variable("AI_AGENT"), variable("AI_PROVIDER"), variable("AI_GREETING"))?;
        let businesses = self.parts.businesses.now();
        let called = caller.extension.parse().ok();
        let business: Option<&Arc<Business>> = match (&named, &self.parts.usual_business) {
            (Some(named), _) => named.parse().ok().and_then(|id| businesses.get(&id)),
            (None, Some(usual)) => businesses.get(usual),
            (None, None) => businesses.answering(called.as_ref()),
        };
        let business = business.ok_or(NoCall::Refused(Refusal::UnknownNumber, "no business answers such a call"))?;
        let can_transfer = self.parts.transfer_context.is_some();
        Ok((business.id.clone(), Wishes { agent, greeting, can_transfer }))
    }

    async fn find_room(&self, business: &BusinessId) -> Result<(), NoCall> {
        if self.parts.is_stopping.load(Ordering::Relaxed) {
            return Err(NoCall::Refused(Refusal::Draining, "the service is stopping"));
        }
        let room = self.parts.capacity.find_room(&self.call, business, &self.parts.overload);
        room.await.map_err(|(refusal, reason)| NoCall::Refused(refusal, reason))
    }

    async fn media_arrives(&mut self) -> Result<(), NoCall> {
        loop {
            match self.next().await {
                CallNews::Arrived(channel) if channel.id == self.ids.media => return Ok(()),
                _ if self.is_caller_gone => return Err(NoCall::CallerLeft),
                _ if self.is_media_gone => return Err(NoCall::Failed("its audio was refused".to_owned())),
                _ => {}
            }
        }
    }

    /// Waits for the end of one of both.
    async fn end(&mut self) -> End {
        loop {
            match (self.is_caller_gone, self.is_media_gone) {
                (true, _) => return End::CallerLeft,
                (false, true) => return End::MediaOver,
                (false, false) => {}
            }
            self.next().await;
        }
    }

    /// The next news. The controller lives as long as any call: its mailbox never closes.
    async fn next(&mut self) -> CallNews {
        let Some(news) = self.news.recv().await else { return std::future::pending().await };
        if let CallNews::Gone { channel, .. } = &news {
            self.is_caller_gone |= *channel == self.ids.caller;
            self.is_media_gone |= *channel == self.ids.media;
        }
        news
    }

    /// The caller has left: the call ends, its connection with it, and then the channel of its audio is gone.
    async fn caller_left(&mut self) {
        order(&self.parts.registry, CarrierEnded(self.call.clone()));
        let gone = async {
            while !self.is_media_gone {
                self.next().await;
            }
        };
        timeout(MEDIA_ENDS_WITHIN, gone).await.ok();
    }

    /// The audio is over, and the caller still there: what the call's end has in store for them.
    async fn part(&mut self) {
        let farewell = AskFarewell { call: self.call.clone(), is_over: false };
        let farewell = ask(&self.parts.registry, farewell, REGISTRY_ANSWERS_WITHIN).await;
        let ari = Arc::clone(&self.parts.ari);
        if let (Ok(FarewellOf::Ended(Farewell::Dial(number))), Some(context)) = (farewell, &self.parts.transfer_context)
        {
            match ari.go_on(&self.ids.caller, Some((context, number.as_str()))).await {
                // From here on the caller is the dialplan's, and nothing here touches them.
                Ok(()) | Err(AriError::NotFound) => return,
                Err(error) if error.outcome_is_unknown() && self.has_left().await => return,
                Err(error) => self.failed(&error),
            }
        }
        self.insist(async || ari.hang_up(&self.ids.caller).await).await;
    }

    /// Whether the caller is no longer in the application.
    async fn has_left(&self) -> bool {
        let channels = self.parts.ari.channels().await;
        channels.is_ok_and(|channels| {
            !channels.iter().any(|channel| channel.id == self.ids.caller && channel.is_in(&self.parts.app))
        })
    }

    /// The call does not begin: the dialplan may know something else for the caller.
    async fn turn_away(&mut self, why: NoCall) {
        self.parts.expected.take(&self.ids.uuid);
        let change = match why {
            NoCall::CallerLeft => StatusChange {
                reason: Some("the caller left before the call began".to_owned()),
                ..self.change(CallStatus::Canceled, CarrierSource::Ari)
            },
            NoCall::Refused(refusal, reason) => {
                self.parts.telemetry.record(Event::CallRefused { why: refusal });
                let change = self.change(CallStatus::Rejected, CarrierSource::Refusal);
                StatusChange { reason: Some(reason.to_owned()), ..change }
            }
            NoCall::NotTaken => return,
            NoCall::Unanswered(cause) => StatusChange {
                reason: Some(format!("Q.850 cause {cause}")),
                ..self.change(unanswered(cause), CarrierSource::Ari)
            },
            NoCall::Failed(reason) => {
                self.parts.telemetry.record(Event::AriFailed { error: &reason });
                StatusChange { reason: Some(reason), ..self.change(CallStatus::Failed, CarrierSource::Ari) }
            }
        };
        order(&self.parts.status, ApplyStatus(change));
        if !self.is_caller_gone {
            let ari = Arc::clone(&self.parts.ari);
            let went = ari.go_on(&self.ids.caller, None).await;
            if !matches!(went, Ok(()) | Err(AriError::NotFound)) {
                self.insist(async || ari.hang_up(&self.ids.caller).await).await;
            }
        }
    }

    /// Takes away what was made.
    async fn clean_up(&self) {
        let ari = &self.parts.ari;
        if !self.is_media_gone {
            self.insist(async || ari.hang_up(&self.ids.media).await).await;
        }
        self.insist(async || ari.drop_bridge(&self.ids.bridge).await).await;
    }

    /// Asks for something until it is done.
    async fn insist(&self, what: impl AsyncFn() -> Result<(), AriError>) {
        let mut wait = FIRST_WAIT;
        for _ in 0..ATTEMPTS {
            match what().await {
                Ok(()) | Err(AriError::NotFound) => return,
                Err(error) => self.failed(&error),
            }
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    fn failed(&self, error: &AriError) {
        self.parts.telemetry.record(Event::AriFailed { error: &error.to_string() });
    }

    fn change(&self, status: CallStatus, source: CarrierSource) -> StatusChange {
        StatusChange::new(self.call.clone(), status, source, clock::wall_micros())
    }
}

/// What a call has come to that nobody answered, by ITU-T Q.850.
const fn unanswered(cause: u32) -> CallStatus {
    match cause {
        17 => CallStatus::Busy,
        // No such number, no route, refused, out of order, not allowed, no channel, …
        1..=3 | 20..=22 | 27..=29 | 31.. => CallStatus::Failed,
        _ => CallStatus::NoAnswer,
    }
}

fn party(text: &str) -> Option<Party> {
    let text = text.trim();
    (!text.is_empty() && !text.contains(char::is_control)).then(|| Party::from(text.to_owned()))
}
