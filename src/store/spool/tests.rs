use super::*;
use crate::engine::call::{Speaker, Turn};
use crate::store::record::MediaClaim;
use proptest::prelude::*;

const BIG: u64 = 1 << 20;

#[test]
fn what_was_kept_is_read_back_in_order_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), BIG).unwrap();
    spool.append(&[record(1), record(2)]).unwrap();
    spool.append(&[record(3)]).unwrap();
    drop(spool);

    let spool = Spool::open(dir.path(), BIG).unwrap();
    assert_eq!(spool.waiting(), 3);
    spool.append(&[record(4)]).unwrap();
    assert_eq!(drain(&spool), [record(1), record(2), record(3), record(4)]);
    assert_eq!(spool.waiting(), 0);
    assert!(spool.oldest().is_none());
}

#[test]
fn a_long_outage_fills_several_segments() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), 200).unwrap();
    let records: Vec<Record> = (1..=20).map(record).collect();
    for record in &records {
        spool.append(std::slice::from_ref(record)).unwrap();
    }
    assert!(spool.sealed().len() > 3);
    assert_eq!(drain(&spool), records);
}

#[test]
fn records_that_come_while_a_segment_is_written_go_to_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), BIG).unwrap();
    spool.append(&[record(1)]).unwrap();
    let first = spool.oldest().unwrap();
    spool.append(&[record(2)]).unwrap();
    assert_eq!(spool.read(&first).unwrap().records, [record(1)]);
    spool.remove(&first).unwrap();
    assert_eq!(spool.waiting(), 1);
    assert_eq!(drain(&spool), [record(2)]);
}

#[test]
fn two_processes_never_share_a_spool() {
    let dir = tempfile::tempdir().unwrap();
    let first = Spool::open(dir.path(), BIG).unwrap();
    assert!(matches!(Spool::open(dir.path(), BIG), Err(StoreError::SpoolInUse { .. })));
    drop(first);
    assert!(Spool::open(dir.path(), BIG).is_ok());
}

#[test]
fn a_full_disk_refuses_the_record_and_keeps_what_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), BIG).unwrap();
    spool.append(&[record(1)]).unwrap();
    spool.oldest().unwrap();
    // The next segment is a device that is always full.
    std::os::unix::fs::symlink("/dev/full", dir.path().join("full")).unwrap();
    spool.state().active = Some(Active::on(dir.path().join("full")));

    let refused = spool.append(&[record(2)]).unwrap_err();
    assert!(refused.is_retryable() && refused.to_string().contains("No space left"), "{refused}");
    assert_eq!(spool.waiting(), 1);
    spool.append(&[record(3)]).expect("another file is tried the next time");
    assert_eq!(drain(&spool), [record(1), record(3)]);
}

#[test]
fn a_spool_that_was_taken_away_is_an_error_and_not_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool");
    let spool = Spool::open(&path, BIG).unwrap();
    std::fs::remove_dir_all(&path).unwrap();
    assert!(matches!(spool.append(&[record(1)]), Err(StoreError::Spool(_))));
    assert!(matches!(spool.set_aside(&record(1), "no"), Err(StoreError::Spool(_))));
    assert_eq!(spool.waiting(), 0);
}

#[test]
fn a_whole_line_that_is_no_record_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let mut lines = vec![];
    line::encode(r#"{"kind":"of a later version"}"#, &mut lines);
    lines.extend_from_slice(b"0123456789abcdef {\"kind\":\"damaged\"}\n");
    std::fs::write(dir.path().join("00000000000000000001.spool"), &lines).unwrap();

    let spool = Spool::open(dir.path(), BIG).unwrap();
    let contents = spool.read(&spool.oldest().unwrap()).unwrap();
    assert_eq!((contents.records.len(), contents.unreadable.len()), (0, 2));
}

#[test]
fn whatever_byte_a_crash_cuts_the_file_at_every_whole_line_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(dir.path(), BIG).unwrap();
    let records: Vec<Record> = (1..=6).map(record).collect();
    let mut ends = vec![];
    for record in &records {
        spool.append(std::slice::from_ref(record)).unwrap();
        ends.push(spool.state().active.as_ref().unwrap().bytes);
    }
    let bytes = std::fs::read(spool.oldest().unwrap().path).unwrap();
    drop(spool);

    for cut in 0..=bytes.len() {
        let path = dir.path().join("cut");
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let contents = segment::read(&path).unwrap();
        let acknowledged = ends.iter().filter(|end| **end <= cut as u64).count();
        // A line that lacks only its line feed is whole; nobody was told so, and it is no loss to have it.
        let read = contents.records.len();
        assert!(read == acknowledged || (read == acknowledged + 1 && ends[acknowledged] == cut as u64 + 1), "{cut}");
        assert_eq!(contents.records, records[..read]);
        assert!(contents.unreadable.is_empty(), "a torn last line is no finding");
    }
}

proptest! {
    #[test]
    fn any_record_comes_back_as_it_was_kept(text: String, heard_text: String, number: u32, confidence in prop::option::of(0f32..=1.0)) {
        let turn = Turn { number, speaker: Speaker::Agent, text, heard_text, confidence, started_ms: 1, ended_ms: 2, interrupted: true };
        let record = Record::Turn { call: call(), turn };
        let json = serde_json::to_string(&record).unwrap();
        prop_assert!(!json.contains('\n'));
        prop_assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), record);
    }
}

fn drain(spool: &Spool) -> Vec<Record> {
    let mut records = vec![];
    while let Some(segment) = spool.oldest() {
        records.extend(spool.read(&segment).unwrap().records);
        spool.remove(&segment).unwrap();
    }
    records
}

fn record(n: i64) -> Record {
    Record::MediaClaim { claim: MediaClaim { call: call(), node: format!("node\n{n}"), at: n } }
}

fn call() -> crate::engine::ids::CallSid {
    "CA00000000000000000000000000000001".parse().unwrap()
}
