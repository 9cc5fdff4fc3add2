//! A segment made ready beforehand: written over instead of made longer, and its zeros are no
//! contents.

use std::time::Duration;

use super::faulty::{Faults, FaultyDisk};
use super::owner::{SEGMENT, TestOwner, recover_state};
use crate::journal::disk::spare::NAME;
use crate::journal::{OnDamage, OpenError, SyncMode};

/// An owner whose first segment is well begun, so that the next is asked for.
fn well_begun() -> (FaultyDisk, TestOwner) {
    let disk = FaultyDisk::new(1);
    let (mut owner, _) = TestOwner::start(&disk, SyncMode::Commit).unwrap();
    write(&mut owner, 1, 600);
    (disk, owner)
}

fn write(owner: &mut TestOwner, key: u64, octets: usize) {
    owner.change(0, key, &vec![7; octets]);
    owner.submit(0);
    owner.round(Duration::from_millis(10));
}

fn fill_segment(owner: &mut TestOwner) {
    (10..16).for_each(|key| write(owner, key, 600));
}

fn sizes(disk: &FaultyDisk) -> Vec<(String, u64)> {
    disk.image().into_iter().map(|(name, octets)| (name, octets.len() as u64)).collect()
}

#[test]
fn the_next_segment_is_written_over_it() {
    let (disk, mut owner) = well_begun();
    owner.fill_spare();
    owner.fill_spare();
    let made_ready = SEGMENT + 512;
    assert_eq!(sizes(&disk)[1], (NAME.to_owned(), made_ready));
    fill_segment(&mut owner);
    let second = ("segment-000000000002".to_owned(), made_ready);
    assert_eq!(sizes(&disk)[1], second);
    write(&mut owner, 20, 200);
    assert_eq!(sizes(&disk)[1..], [second]);
    let state = owner.state.clone();
    drop(owner);
    disk.crash();
    let (found, recovery) = recover_state(&disk, OnDamage::Refuse).unwrap();
    assert_eq!((found, recovery.recovered.cut), (state, None), "zeros are no torn tail");
}

#[test]
fn without_one_a_file_is_made() {
    let (disk, mut owner) = well_begun();
    fill_segment(&mut owner);
    assert!(sizes(&disk)[1].1 < 100, "{:?}", sizes(&disk));
}

#[test]
fn one_that_cannot_be_filled_is_asked_for_again_in_the_next_segment() {
    let (disk, mut owner) = well_begun();
    disk.set_faults(Faults { sync_error: 1000, ..Faults::default() });
    owner.fill_spare();
    disk.set_faults(Faults::default());
    owner.fill_spare();
    assert_eq!(disk.image().len(), 1, "once is enough, and nothing is left behind");
    fill_segment(&mut owner);
    write(&mut owner, 20, 600);
    owner.fill_spare();
    assert!(disk.image().contains_key(NAME));
}

#[test]
fn one_that_somebody_removed_is_not_missed() {
    let (disk, mut owner) = well_begun();
    owner.fill_spare();
    disk.lose(NAME);
    fill_segment(&mut owner);
    write(&mut owner, 20, 200);
    assert!(!owner.is_failing() && owner.acknowledged.contains_key(&20));
}

#[test]
fn one_left_behind_is_removed_by_the_next_start() {
    let (disk, owner) = well_begun();
    owner.fill_spare();
    drop(owner);
    let (_owner, _) = TestOwner::start(&disk, SyncMode::Commit).unwrap();
    assert!(!disk.image().contains_key(NAME));
}

#[test]
fn a_torn_tail_in_it_ends_where_the_zeros_begin() {
    let (disk, mut owner) = well_begun();
    owner.fill_spare();
    fill_segment(&mut owner);
    let before = owner.state.clone();
    write(&mut owner, 20, 200);
    drop(owner);
    let name = "segment-000000000002";
    let written = disk.image()[name].iter().rposition(|octet| *octet != 0).unwrap();
    disk.flip(name, written, 1);
    let (found, recovery) = recover_state(&disk, OnDamage::Refuse).unwrap();
    assert_eq!(found, before);
    let cut = recovery.recovered.cut.unwrap();
    assert!(cut.to == Some(written as u64 + 1) && cut.from < written as u64, "{cut}");
}

#[test]
fn damage_in_it_is_damage() {
    let (disk, mut owner) = well_begun();
    owner.fill_spare();
    fill_segment(&mut owner);
    write(&mut owner, 20, 200);
    write(&mut owner, 21, 200);
    drop(owner);
    let name = "segment-000000000002";
    disk.flip(name, 100, 1);
    let refused = recover_state(&disk, OnDamage::Refuse).map(|_| ());
    assert!(
        matches!(&refused, Err(OpenError::Damage(damage)) if damage.file.ends_with(name)),
        "{refused:?}"
    );
    let (found, recovery) = recover_state(&disk, OnDamage::Continue).unwrap();
    assert!(!found.contains_key(&20) && found.contains_key(&21));
    assert_eq!(recovery.recovered.lost.len(), 1);
}
