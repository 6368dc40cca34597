use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;
use crate::actors::metered::ask;

/// A call that tells why it is hung up.
struct Call(UnboundedSender<HangupCause>);

impl Actor for Call {
    type Context = Context<Self>;
}

impl Handler<HangUp> for Call {
    type Result = ();

    fn handle(&mut self, HangUp(cause): HangUp, _: &mut Context<Self>) {
        self.0.send(cause).unwrap();
    }
}

impl Handler<EndSeen> for Call {
    type Result = ();

    fn handle(&mut self, EndSeen: EndSeen, _: &mut Context<Self>) {}
}

async fn reserved(registry: &Addr<CallRegistry>, n: u32) -> Result<Reservation, NotRegistered> {
    let call = LiveCall {
        call: format!("CA{n:032x}").parse().unwrap(),
        business: "Bakery".parse().unwrap(),
        direction: CallDirection::Inbound,
        since: 0,
    };
    ask(registry, ReserveCall(call), Duration::from_secs(10)).await.unwrap()
}

fn starts(reservation: &Reservation) -> UnboundedReceiver<HangupCause> {
    let (tell, told) = unbounded_channel();
    let call = Call(tell).start();
    reservation.started(call.clone().recipient(), call.recipient());
    told
}

#[actix_rt::test]
async fn a_call_that_starts_while_all_are_ended_is_ended_too() {
    let registry = CallRegistry::start(Telemetry::for_tests());
    let (one, other) = (reserved(&registry, 1).await.unwrap(), reserved(&registry, 2).await.unwrap());
    let mut alive = starts(&one);
    order(&registry, Drain);
    order(&registry, EndAll(HangupCause::Draining));
    let mut late = starts(&other);
    assert_eq!((alive.recv().await, late.recv().await), (Some(HangupCause::Draining), Some(HangupCause::Draining)));
    assert_eq!(reserved(&registry, 3).await.err(), Some(NotRegistered::Draining));
}

#[actix_rt::test]
async fn a_call_that_the_carrier_has_ended_before_it_starts_is_ended_when_it_does() {
    let registry = CallRegistry::start(Telemetry::for_tests());
    let reservation = reserved(&registry, 1).await.unwrap();
    order(&registry, CarrierEnded(reservation.call.clone()));
    assert_eq!(starts(&reservation).recv().await, Some(HangupCause::CallerHungUp));
}
