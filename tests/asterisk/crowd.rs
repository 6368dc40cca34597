//! Many calls: at once, and one after the other.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use crate::ari::{connected, dialplan, nothing_is_left, steering};
use crate::asterisk::Asterisk;
use crate::asterisk::phone::{Codec, Phone};
use crate::service::{Service, until};
use crate::{CALLER, new_call, settled};

/// Files, sockets among them, that this process has open, but for the database's, of which there come to be as many as may.
fn open_files() -> Vec<String> {
    let files = fs::read_dir("/proc/self/fd").unwrap();
    let names = files.filter_map(|file| Some(fs::read_link(file.ok()?.path()).ok()?.display().to_string()));
    names.filter(|name| !name.contains("trunkline.db")).collect()
}

#[tokio::test]
async fn twenty_calls_at_once_each_have_a_record_of_their_own() {
    let Some(asterisk) = Asterisk::start(&dialplan()).await else { return };
    let service = steering(&asterisk, |_| {});
    connected(&service).await;
    let calls = (0..20).map(|_| async {
        let mut phone = Phone::dials(&asterisk, "trunkline", CALLER, Codec::Narrow).await;
        phone.until_spoken_to(0, 500).await;
        phone.hangs_up().await;
        phone.heard(|heard| assert_eq!(heard.foreign, 0));
    });
    futures_util::future::join_all(calls).await;
    let mut known = BTreeSet::new();
    for _ in 0..20 {
        let call = new_call(&service, &mut known).await;
        settled(&service, &call).await.assert_whole();
    }
    nothing_is_left(&asterisk).await;
    assert_eq!(service.metric("calls_live"), 0.0);
    service.stops_at_once().await;
}

/// Files that a service may open at any time besides its calls'.
const FEW: usize = 5;

/// One short call after the other; so many.
async fn one_after_the_other(count: usize) {
    let Some(asterisk) = Asterisk::start(&dialplan()).await else { return };
    let service = steering(&asterisk, |_| {});
    connected(&service).await;
    one(&asterisk, &service).await;
    let before = open_files();
    for _ in 0..count {
        one(&asterisk, &service).await;
    }
    nothing_is_left(&asterisk).await;
    until("each call's actor is gone", || service.metric("calls_live") == 0.0).await;
    // A few more or less may be the service's own; a call that left one behind would leave them all.
    let most = before.len() + FEW;
    for _ in 0..100 {
        if open_files().len() <= most {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let after = open_files();
    assert!(after.len() <= most, "of {} files {} are left open: {after:#?}", before.len(), after.len());
    assert_eq!(service.metric("ari_failures_total"), 0.0);
    service.stops_at_once().await;
}

async fn one(asterisk: &Asterisk, service: &Service) {
    let mut phone = Phone::dials(asterisk, "trunkline", CALLER, Codec::Narrow).await;
    phone.until_spoken_to(0, 100).await;
    phone.hangs_up().await;
    until("the call is over", || service.metric("calls_live") == 0.0).await;
}

#[tokio::test]
async fn ten_calls_one_after_the_other_leave_nothing_behind() {
    one_after_the_other(10).await;
}

#[tokio::test]
#[ignore = "takes minutes: TRUNKLINE_LONG=1 tests/run.sh"]
async fn two_hundred_calls_one_after_the_other_leave_nothing_behind() {
    one_after_the_other(200).await;
}
