//! An orderly end is noted: what is missing afterwards was there.

use std::fs::{self, OpenOptions};
use std::path::Path;

use crate::journal::{
    FramedRecord, Journal, JournalOptions, OnDamage, OpenError, RecordKind, RecoveryReport,
    Unreadable,
};

const NOTE: &str = "clean-end";

fn open(folder: &Path, on_damage: OnDamage) -> Result<(Journal, RecoveryReport), OpenError> {
    let mut applier = |_: FramedRecord<'_>| Ok::<(), Unreadable>(());
    Journal::open(folder, JournalOptions::default(), on_damage, &mut [&mut applier])
}

/// A server that writes records and ends in order.
fn live(folder: &Path) {
    let (journal, _) = open(folder, OnDamage::Refuse).unwrap();
    let mut submitter = journal.submitter(std::sync::Arc::new(|| {}));
    for key in 0..10 {
        let mut batch = submitter.batch();
        batch.put(RecordKind(1), key, 1, |buffer| buffer.extend_from_slice(&[7; 100])).unwrap();
        let _ = submitter.submit(batch);
    }
    journal.close().unwrap();
}

fn last_segment(folder: &Path) -> std::path::PathBuf {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("segment-"));
    names.sort();
    names.pop().unwrap()
}

#[test]
fn it_is_noted_until_the_next_segment_is_begun() {
    let folder = tempfile::tempdir().unwrap();
    live(folder.path());
    assert!(folder.path().join(NOTE).exists());
    let (journal, recovered) = open(folder.path(), OnDamage::Refuse).unwrap();
    assert_eq!((recovered.records(), recovered.cut), (10, None));
    assert!(!folder.path().join(NOTE).exists());
    drop(journal);
}

#[test]
fn a_last_segment_that_was_removed_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    (0..2).for_each(|_| live(folder.path()));
    let last = last_segment(folder.path());
    fs::remove_file(&last).unwrap();
    let refused = open(folder.path(), OnDamage::Refuse).unwrap_err();
    assert!(
        matches!(&refused, OpenError::Missing { file } if *file == last.display().to_string()),
        "{refused}"
    );
    let (_, recovered) = open(folder.path(), OnDamage::Continue).unwrap();
    assert_eq!((recovered.records(), recovered.lost.len()), (10, 1));
}

#[test]
fn a_last_segment_that_was_cut_anywhere_is_damaged() {
    for cut in [1, 31, 100, 700] {
        let folder = tempfile::tempdir().unwrap();
        live(folder.path());
        let last = OpenOptions::new().write(true).open(last_segment(folder.path())).unwrap();
        let octets = last.metadata().unwrap().len() - cut;
        last.set_len(octets).unwrap();
        let refused = open(folder.path(), OnDamage::Refuse).unwrap_err();
        assert!(matches!(refused, OpenError::Damage(_)), "{cut} octets less: {refused}");
        let (_, recovered) = open(folder.path(), OnDamage::Continue).unwrap();
        assert!(!recovered.lost.is_empty() && recovered.cut.is_none(), "{cut} octets less");
    }
}
