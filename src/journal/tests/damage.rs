//! Damage at rest: never silent, always named; and what can be read is read if that is wanted.

use proptest::prelude::*;
use std::time::Duration;

use super::faulty::FaultyDisk;
use super::owner::{State, TestOwner, recover_state};
use crate::journal::format::header::CLEAN_END;
use crate::journal::{OnDamage, OpenError, SyncMode};

/// A journal with a snapshot and several segments, and what is in it.
fn written(seed: u64, stopped_well: bool) -> (FaultyDisk, State) {
    let disk = FaultyDisk::new(seed);
    let (mut owner, _) = TestOwner::start(&disk, SyncMode::Commit).unwrap();
    for step in 0..60u64 {
        owner.change((step % 3) as usize, step % 20, &vec![step as u8; (step * 7 % 400) as usize]);
        (0..3).for_each(|worker| owner.submit(worker));
        owner.round(Duration::from_millis(10));
        if (20..27).contains(&step) {
            owner.advance_snapshot();
        }
    }
    let state = owner.state.clone();
    if stopped_well {
        owner.stop();
    }
    (disk, state)
}

/// A place in one of the files.
fn place(disk: &FaultyDisk, index: prop::sample::Index) -> (String, usize) {
    let image = disk.image();
    let mut offset = index.index(image.values().map(Vec::len).sum());
    for (name, octets) in image {
        if offset < octets.len() {
            return (name, offset);
        }
        offset -= octets.len();
    }
    unreachable!("the index is below the sum")
}

#[test]
fn the_journal_under_test_has_all_that_can_be_damaged() {
    let (disk, state) = written(1, true);
    let names: Vec<_> = disk.image().into_keys().collect();
    assert!(names.iter().filter(|name| name.starts_with("segment")).count() > 2, "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("snapshot")), "{names:?}");
    assert_eq!(recover_state(&disk, OnDamage::Refuse).unwrap().0, state);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_changed_octet_is_named(index: prop::sample::Index, mask in 1..=255u8) {
        let (disk, state) = written(1, true);
        let (name, offset) = place(&disk, index);
        disk.flip(&name, offset, mask);
        let refused = recover_state(&disk, OnDamage::Refuse).map(|(state, _)| state);
        match refused {
            // A changed format number is told apart from damage only by a newer program.
            Err(OpenError::Format { file, .. } | OpenError::Foreign { file }) => prop_assert!(offset < 10 && file.ends_with(&name)),
            Err(OpenError::Damage(damage)) => {
                prop_assert!(damage.file.ends_with(&name) && damage.offset <= offset as u64, "{damage} instead of {offset}");
            }
            Err(other) => prop_assert!(false, "{other}"),
            // Only the last group header has nothing that vouches for it, and no record of the
            // owner's.
            Ok(found) => prop_assert_eq!(found, state),
        }
    }

    #[test]
    fn and_the_rest_is_read_if_wanted(index: prop::sample::Index, mask in 1..=255u8) {
        let (disk, state) = written(1, true);
        let (name, offset) = place(&disk, index);
        disk.flip(&name, offset, mask);
        match recover_state(&disk, OnDamage::Continue) {
            Err(OpenError::Format { .. } | OpenError::Foreign { .. }) => prop_assert!(offset < 10),
            Err(other) => prop_assert!(false, "{other}"),
            Ok((found, recovery)) => {
                prop_assert!(found == state || !recovery.recovered.lost.is_empty());
                let missing = state.iter().filter(|(key, kept)| found.get(key) != Some(kept)).count();
                prop_assert!(missing <= 20, "one place costs a group of a segment, or a piece of the snapshot");
                prop_assert!(found.iter().all(|(key, kept)| kept.0 <= state[key].0));
            }
        }
    }

    #[test]
    fn after_a_kill_only_the_last_group_may_pass_for_a_torn_tail(index: prop::sample::Index, mask in 1..=255u8) {
        let (disk, state) = written(1, false);
        let (name, offset) = place(&disk, index);
        disk.flip(&name, offset, mask);
        if let Ok((found, recovery)) = recover_state(&disk, OnDamage::Refuse)
            && found != state
        {
            let cut = recovery.recovered.cut.expect("what is missing is reported");
            prop_assert!(cut.file.ends_with(&name) && cut.from <= offset as u64);
            prop_assert!(state.iter().filter(|(key, kept)| found.get(key) != Some(kept)).count() <= 1);
        }
    }

    #[test]
    fn a_file_that_was_copied_in_part_is_named(index: prop::sample::Index) {
        let (disk, _) = written(1, true);
        let (name, length) = place(&disk, index);
        disk.shorten(&name, length);
        // Without the note of an orderly end a start only knows less.
        if name != CLEAN_END {
            let error = recover_state(&disk, OnDamage::Refuse).map(|_| ()).unwrap_err();
            prop_assert!(error.to_string().contains(&name), "{error}");
        }
    }
}
