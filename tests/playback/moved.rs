//! What is left of a recording that was being moved into the store when the process was killed.

use super::*;

#[tokio::test]
async fn what_was_moved_into_the_store_and_not_told_is_told_after_the_next_start_and_kept_once() {
    let sid: CallSid = trunkline::cli::demo::twilio::fresh_sid("CA").parse().unwrap();
    let service = Service::with(|config| {
        let (folder, kept) = (config.data_dir.join("recordings"), config.data_dir.join("kept"));
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(kept.join("own")).unwrap();
        // It was killed between moving it and telling of it, and another time between giving it a second name and moving it.
        write_wav(&folder.join(format!("{sid}.wav")), 8_000);
        write_wav(&kept.join(format!("own/{sid}.wav")), 8_000);
        fs::write(folder.join(format!("{sid}.moving")), "of an earlier try").unwrap();
        config.recordings.store_url = Some(format!("file:{}", kept.display()).parse().unwrap());
    });
    let store = service.store();
    let known = || store.recording(&RecordingId::Own(sid.clone())).unwrap();
    until("it is known", || known().is_some()).await;
    assert_eq!(known().unwrap().file.unwrap().key, format!("own/{sid}.wav"));
    let folder = service.folder.path();
    until("it is kept once", || !folder.join(format!("recordings/{sid}.wav")).exists()).await;
    assert!(!folder.join(format!("recordings/{sid}.moving")).exists());
    assert_eq!(fs::metadata(folder.join(format!("kept/own/{sid}.wav"))).unwrap().len(), 32_044);
}
