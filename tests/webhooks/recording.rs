//! What the carrier says about recordings.

use trunkline::engine::recording::{RecordingState, Step};

use crate::http_service::{Asked, Caller, Request};
use crate::{databases, service};

const RECORDING: &str = "RE0123456789abcdef0123456789abcdef";

fn told(caller: &Caller, status: &str) -> Request {
    let url = "https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/RE1";
    let more = [
        ("RecordingSid", RECORDING),
        ("RecordingStatus", status),
        ("RecordingUrl", url),
        ("RecordingDuration", "42"),
        ("RecordingChannels", "2"),
    ];
    Request::form("/twilio/recording", &caller.fields("completed", &more))
}

#[tokio::test]
async fn a_recording_that_is_told_many_times_is_one_and_makes_one_piece_of_work() {
    let service = service(|_| {});
    let (caller, store) = (Caller::new(), service.store());
    databases::until("the database answers", || store.ping().is_ok());
    for status in ["in-progress", "completed", "completed", "in-progress"] {
        assert_eq!(service.webhook(told(&caller, status)).await.status, 204);
    }
    let recordings = store.recordings_of(&caller.sid()).unwrap();
    assert_eq!(recordings.len(), 1);
    let recording = &recordings[0];
    assert_eq!(
        (recording.id.to_string().as_str(), recording.length_ms, recording.channels),
        (RECORDING, Some(42_000), Some(2))
    );
    // Nobody answers at the carrier's address of these tests, or nobody may ask: it is to be fetched still.
    assert_eq!(recording.state, RecordingState::Announced);
    let is_due = || store.recording_work_of(&caller.sid()).unwrap().is_some_and(|work| work.step == Step::Fetch);
    databases::until("it is due", is_due);
    assert!(service.metric("recording_triggers_total{result=\"known\"}") >= 2.0);
}

#[tokio::test]
async fn a_recording_is_told_signed_and_in_words_that_are_known() {
    let service = service(|_| {});
    let caller = Caller::new();
    assert_eq!(service.webhook(told(&caller, "perhaps")).await.status, 400);
    let unsigned = crate::http_service::ask(service.address(), &told(&caller, "completed")).await;
    assert_eq!(unsigned.status, 403);
    assert_eq!(service.store().recordings_of(&caller.sid()), Ok(vec![]));
}
