//! One caller: dials, talks, hangs up; and everything that the carrier does for it.

use std::rc::Rc;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpStream;
use url::Url;

use super::fleet::Fleet;
use super::line::{End, Line, Names};
use super::upgrade::{self, UpgradeError};
use crate::cli::demo::twilio::{CallIdentity, CarrierError, Connect, Ringing, Signature, fresh_sid, sign};
use crate::clock;

/// The caller's number and the number called; both from the range that is kept for examples.
const CALLER: &str = "+14155550100";
const CALLED: &str = "+14155550199";
/// How long the server may take to close a stream after the caller has hung up.
const CLOSES_WITHIN: Duration = Duration::from_secs(5);

/// How one call is to be.
#[derive(Clone, Copy, Debug)]
pub struct CallPlan {
    /// How long it lasts; `None`: until the storm ends.
    pub length: Option<Duration>,
    /// Whether its sound is judged.
    pub is_measured: bool,
}

/// Why there was no call, or no good one.
enum Trouble {
    Refused,
    Failed(String),
}

/// Makes one call. Whether it went well.
pub async fn call(fleet: Rc<Fleet>, plan: CallPlan) -> bool {
    match try_call(&fleet, plan).await {
        Ok(()) => fleet.stats.borrow_mut().completed += 1,
        Err(trouble) => {
            match trouble {
                Trouble::Refused => fleet.stats.borrow_mut().refused += 1,
                Trouble::Failed(what) => fleet.stats.borrow_mut().error(what),
            }
            return false;
        }
    }
    true
}

async fn try_call(fleet: &Rc<Fleet>, plan: CallPlan) -> Result<(), Trouble> {
    if fleet.is_pbx {
        return try_pbx_call(fleet, plan).await;
    }
    let ringing = fleet.carrier.ring(CallIdentity::fresh(CALLER, CALLED)).await?;
    fleet.stats.borrow_mut().webhook.record(ringing.answered_after);
    let Some(stream) = ringing.stream().cloned() else { return Err(Trouble::Refused) };
    let names = Names {
        account: fleet.carrier.account_sid().to_owned(),
        call: ringing.call.call_sid.clone(),
        stream: fresh_sid("MZ"),
    };
    let (socket, early) = open(fleet, &stream.url).await?;
    let (reader, writer) = socket.into_split();
    let parameters: serde_json::Map<_, _> =
        stream.parameters.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let start = json!({
        "accountSid": names.account, "streamSid": names.stream, "callSid": names.call, "tracks": ["inbound"],
        "mediaFormat": { "encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1 },
        "customParameters": parameters,
    });
    let line = Line::new(fleet, writer, names.clone(), &start, plan.length, plan.is_measured);
    fleet.join(&line);
    fleet.stats.borrow_mut().started += 1;
    let told = tokio::task::spawn_local(tell_stream(Rc::clone(fleet), stream.clone(), names.clone(), "stream-started"));
    hear_out(fleet, &line, reader, early).await;
    fleet.left();
    // It has long been told, or its failure was counted.
    told.await.ok();
    finish(fleet, &ringing, &stream, &names, &line).await
}

/// Makes one call as Asterisk does, from a dialplan that makes up the UUID.
async fn try_pbx_call(fleet: &Rc<Fleet>, plan: CallPlan) -> Result<(), Trouble> {
    let broken = |error: std::io::Error| Trouble::Failed(format!("the AudioSocket: {error}"));
    let socket = TcpStream::connect(fleet.address).await.map_err(broken)?;
    socket.set_nodelay(true).map_err(broken)?;
    let (reader, writer) = socket.into_split();
    let names = Names { account: String::new(), call: fresh_sid("CA"), stream: String::new() };
    let line = Line::new(fleet, writer, names, &json!(null), plan.length, plan.is_measured);
    fleet.join(&line);
    fleet.stats.borrow_mut().started += 1;
    hear_out(fleet, &line, reader, Vec::new()).await;
    fleet.left();
    match line.end() {
        Some(End::Caller) => Ok(()),
        // Before a word was said: there was no room.
        Some(End::Server) if !line.was_answered() => Err(Trouble::Refused),
        Some(End::Server) => Err(Trouble::Failed("the server ended the call".to_owned())),
        Some(End::Broken) | None => Err(Trouble::Failed("the connection broke".to_owned())),
    }
}

/// Opens the media socket as the TwiML says.
async fn open(fleet: &Fleet, url: &str) -> Result<(TcpStream, Vec<u8>), Trouble> {
    let broken = |error: &dyn std::fmt::Display| Trouble::Failed(format!("the media socket: {error}"));
    let parsed = Url::parse(url).map_err(|error| broken(&error))?;
    let host = match parsed.port() {
        Some(port) => format!("{}:{port}", parsed.host_str().unwrap_or_default()),
        None => parsed.host_str().unwrap_or_default().to_owned(),
    };
    let scheme = if parsed.scheme() == "wss" { "https" } else { "http" };
    let signature = sign(&fleet.token, url, &[]);
    let headers =
        [("User-Agent", "Twilio.TmeWs/1.0"), ("X-Forwarded-Proto", scheme), ("X-Twilio-Signature", signature.as_str())];
    let mut socket = TcpStream::connect(fleet.address).await.map_err(|error| broken(&error))?;
    socket.set_nodelay(true).map_err(|error| broken(&error))?;
    match upgrade::request(&mut socket, &host, parsed.path(), &headers).await {
        Ok(early) => Ok((socket, early)),
        Err(UpgradeError::Refused(_)) => Err(Trouble::Refused),
        Err(error) => Err(broken(&error)),
    }
}

/// Hears the agent until the stream is over; a server that does not close after the caller's end is left.
async fn hear_out(fleet: &Fleet, line: &Line, reader: tokio::net::tcp::OwnedReadHalf, early: Vec<u8>) {
    let patience = async {
        loop {
            tokio::time::sleep(CLOSES_WITHIN).await;
            if line.end().is_some() {
                tokio::time::sleep(CLOSES_WITHIN).await;
                fleet.stats.borrow_mut().error("the server did not close the stream");
                return;
            }
        }
    };
    tokio::select! {
        () = line.listen(fleet, reader, early) => {}
        () = patience => {}
    }
}

async fn finish(
    fleet: &Rc<Fleet>,
    ringing: &Ringing,
    stream: &Connect,
    names: &Names,
    line: &Line,
) -> Result<(), Trouble> {
    let end = line.end();
    if end == Some(End::Server)
        && let Some(action) = &stream.action
    {
        let fields = fleet.carrier.call_fields(&ringing.call, "in-progress");
        fleet.carrier.post("the action request", action, &fields, Signature::Valid).await?;
    }
    tell_stream(Rc::clone(fleet), stream.clone(), names.clone(), "stream-stopped").await;
    let seconds = line.length().as_secs_f64().ceil() as u64;
    let answer = fleet.carrier.status_callback(&ringing.call, "completed", Some(seconds)).await?;
    match end {
        _ if !answer.is_success() => Err(Trouble::Failed(format!("the status callback: HTTP {}", answer.status))),
        Some(End::Caller) => Ok(()),
        Some(End::Server) => Err(Trouble::Failed("the server ended the call".to_owned())),
        Some(End::Broken) | None => Err(Trouble::Failed("the stream broke".to_owned())),
    }
}

/// Tells the stream's own callback what happened to it.
async fn tell_stream(fleet: Rc<Fleet>, stream: Connect, names: Names, event: &'static str) {
    let Some(callback) = stream.status_callback else { return };
    let timestamp = jiff::Timestamp::from_microsecond(clock::wall_micros()).unwrap_or_default().to_string();
    let fields = [
        ("AccountSid", names.account),
        ("CallSid", names.call),
        ("StreamSid", names.stream.clone()),
        ("StreamName", names.stream),
        ("StreamEvent", event.to_owned()),
        ("Timestamp", timestamp),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let answer = fleet.carrier.post("a stream callback", &callback, &fields, Signature::Valid).await;
    match answer {
        Ok(answer) if answer.is_success() => {}
        Ok(answer) => fleet.stats.borrow_mut().error(format!("a stream callback: HTTP {}", answer.status)),
        Err(error) => fleet.stats.borrow_mut().error(error.to_string()),
    }
}

impl From<CarrierError> for Trouble {
    fn from(error: CarrierError) -> Self {
        Self::Failed(error.to_string())
    }
}
