//! A data folder that cannot be used: one clear line, and nothing changed.

use std::path::Path;
use std::time::Duration;

use super::faulty::FaultyDisk;
use super::owner::{State, TestOwner, keep, on, recover_state};
use crate::journal::{
    FramedRecord, Journal, JournalOptions, OnDamage, OpenError, SyncMode, Unreadable,
};

/// Three segments, the snapshot of none.
fn three_segments() -> (FaultyDisk, State) {
    let disk = FaultyDisk::new(7);
    let mut state = State::new();
    for key in 0..3 {
        let (mut owner, _) = TestOwner::start(&disk, SyncMode::Commit).unwrap();
        owner.change(0, key, b"payload");
        owner.submit(0);
        owner.round(Duration::ZERO);
        state = owner.state.clone();
        owner.stop();
    }
    (disk, state)
}

fn refused(disk: &FaultyDisk) -> String {
    let before = disk.image();
    let mut applier = |_: FramedRecord<'_>| Ok(());
    let outcome = Journal::open_on(
        &on(disk),
        JournalOptions::default(),
        OnDamage::Refuse,
        std::slice::from_mut(&mut applier),
    );
    assert_eq!(disk.image(), before, "nothing changed");
    outcome.unwrap_err().to_string()
}

#[test]
fn a_newer_format() {
    let (disk, _) = three_segments();
    disk.flip("segment-000000000002", 8, 1 ^ 2);
    // Its checksum is another one, too.
    disk.flip("segment-000000000002", 36, 1);
    assert_eq!(
        refused(&disk),
        "disk/segment-000000000002 has format 2, and this attachd reads format 1; use the version that wrote it"
    );
}

#[test]
fn a_file_of_another_program() {
    let (disk, _) = three_segments();
    disk.flip("segment-000000000003", 0, 1);
    disk.flip("segment-000000000003", 36, 1);
    assert_eq!(
        refused(&disk),
        "disk/segment-000000000003 is no file of a journal, though it has the name of one; move it away"
    );
}

#[test]
fn a_missing_segment() {
    for (number, records_left) in [(1, 2), (2, 2)] {
        let (disk, state) = three_segments();
        let name = format!("segment-{number:012}");
        disk.lose(&name);
        assert_eq!(
            refused(&disk),
            format!(
                "disk/{name} is missing: the folder is not complete; bring the file back, or continue without it with --repair"
            )
        );
        let (found, recovery) = recover_state(&disk, OnDamage::Continue).unwrap();
        assert_eq!(found.len(), records_left);
        assert!(found.iter().all(|(key, kept)| state[key] == *kept));
        assert_eq!(
            recovery.recovered.lost[0].to_string(),
            format!("disk/{name}: the file is missing")
        );
    }
}

#[test]
fn a_damaged_middle() {
    let (disk, _) = three_segments();
    disk.flip("segment-000000000002", 100, 1);
    assert_eq!(
        refused(&disk),
        "disk/segment-000000000002 is damaged at offset 72: no readable record; restore the file, or continue from what is readable with --repair"
    );
    let (found, recovery) = recover_state(&disk, OnDamage::Continue).unwrap();
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [0, 2]);
    assert_eq!(
        recovery.recovered.lost[0].to_string(),
        "disk/segment-000000000002: 31 octets at offset 72: no readable record"
    );
}

#[test]
fn a_record_that_the_owner_cannot_read() {
    let (disk, _) = three_segments();
    let run = |on_damage| {
        let mut state = State::new();
        let mut applier = |entry: FramedRecord<'_>| {
            if entry.key == 1 {
                return Err(Unreadable("an unknown kind of record"));
            }
            keep(&mut state, entry);
            Ok(())
        };
        let storage = on(&disk);
        let outcome = Journal::open_on(
            &storage,
            JournalOptions::default(),
            on_damage,
            std::slice::from_mut(&mut applier),
        );
        outcome.map(|(journal, recovered)| (journal.snapshot_is_due(), recovered.lost, state))
    };
    let error = run(OnDamage::Refuse).unwrap_err().to_string();
    assert!(
        error.starts_with(
            "disk/segment-000000000002 is damaged at offset 72: an unknown kind of record"
        ),
        "{error}"
    );
    let (snapshot_is_due, lost, state) = run(OnDamage::Continue).unwrap();
    assert!(snapshot_is_due, "until then every start would need to be told to continue");
    assert_eq!(lost.len(), 1);
    assert_eq!(state.len(), 2);
}

#[test]
fn a_disk_that_takes_nothing() {
    let (disk, _) = three_segments();
    disk.set_full(true);
    assert!(refused(&disk).starts_with("disk/segment-000000000004: "));
}

#[test]
fn a_folder_where_nothing_can_be_written() {
    // Not even root writes there, so the test means the same for everybody.
    let error = Journal::open(
        Path::new("/proc/self/task"),
        JournalOptions::default(),
        OnDamage::Refuse,
        &mut [|_: FramedRecord<'_>| Ok(())],
    );
    assert!(matches!(error, Err(OpenError::NotWritable { .. })), "{error:?}");
}
