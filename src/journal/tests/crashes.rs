//! Random traffic, faults, snapshots and power cuts: what was acknowledged is there afterwards, and
//! nothing else than was written.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::faulty::{Faults, FaultyDisk};
use super::owner::{State, TestOwner, recover_state};
use crate::journal::{OnDamage, SyncMode};

#[derive(Clone, Debug)]
enum Act {
    Change { worker: usize, key: u64, size: usize },
    Submit { worker: usize },
    Round { millis: u64 },
    Snapshot,
    FillSpare,
    Faults { write: u32, sync: u32, name: u32 },
    Full(bool),
    Crash,
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        40 => (0..3usize, 0..24u64, 0..700usize).prop_map(|(worker, key, size)| Act::Change { worker, key, size }),
        20 => (0..3usize).prop_map(|worker| Act::Submit { worker }),
        20 => (0..40u64).prop_map(|millis| Act::Round { millis }),
        10 => Just(Act::Snapshot),
        10 => Just(Act::FillSpare),
        3 => (0..300u32, 0..300u32, 0..300u32).prop_map(|(write, sync, name)| Act::Faults { write, sync, name }),
        2 => any::<bool>().prop_map(Act::Full),
        2 => Just(Act::Crash),
        1 => Just(Act::Restart),
    ]
}

/// Every payload ever written under a key and version, and not yet lost for good.
type History = BTreeMap<(u64, u64), Vec<u8>>;

fn payload(step: usize, size: usize) -> Vec<u8> {
    step.to_le_bytes().iter().copied().cycle().take(size + 8).collect()
}

/// After a crash: everything acknowledged, nothing invented, and the same again from the second
/// recovery.
fn check(disk: &FaultyDisk, acknowledged: &BTreeMap<u64, u64>, history: &mut History) -> State {
    let (state, recovery) = recover_state(disk, OnDamage::Refuse).unwrap();
    for (key, version) in acknowledged {
        let found = state.get(key).map_or(0, |kept| kept.0);
        assert!(
            found >= *version,
            "key {key}: version {version} was acknowledged, {found} was recovered"
        );
    }
    for (key, (version, payload)) in &state {
        assert_eq!(history.get(&(*key, *version)), Some(payload), "key {key} version {version}");
    }
    let (again, second) = recover_state(disk, OnDamage::Refuse).unwrap();
    assert_eq!(
        (again, second.recovered),
        (state.clone(), recovery.recovered),
        "looking changes nothing"
    );
    // Versions that were lost are given out again, with other contents: the old ones must never
    // come back.
    history.retain(|(key, version), _| state.get(key).is_some_and(|kept| *version <= kept.0));
    state
}

fn run(seed: u64, mode: SyncMode, acts: &[Act]) {
    let disk = FaultyDisk::new(seed);
    let mut history = History::new();
    let (mut owner, _) = TestOwner::start(&disk, mode).unwrap();
    for (step, act) in acts.iter().enumerate() {
        match act {
            Act::Change { worker, key, size } => {
                let payload = payload(step, *size);
                owner.change(*worker, *key, &payload);
                history.insert((*key, owner.state[key].0), payload);
            }
            Act::Submit { worker } => owner.submit(*worker),
            Act::Round { millis } => {
                owner.round(Duration::from_millis(*millis));
            }
            Act::Snapshot => owner.advance_snapshot(),
            Act::FillSpare => owner.fill_spare(),
            Act::Faults { write, sync, name } => {
                disk.set_faults(Faults {
                    short_write: 500,
                    write_error: *write,
                    sync_error: *sync,
                    name_error: *name,
                });
            }
            Act::Full(full) => disk.set_full(*full),
            Act::Crash | Act::Restart => {
                // With syncs on a timer, an acknowledgement says that the kernel has it: it
                // survives a killed process, but no power cut, nor a kill while what the disk
                // refused waits to be written again.
                let may_lose =
                    mode != SyncMode::Commit && (matches!(act, Act::Crash) || owner.is_failing());
                let acknowledged =
                    if may_lose { BTreeMap::new() } else { owner.acknowledged.clone() };
                drop(owner);
                disk.set_faults(Faults::default());
                disk.set_full(false);
                if matches!(act, Act::Crash) {
                    disk.crash();
                }
                let state = check(&disk, &acknowledged, &mut history);
                (owner, _) = TestOwner::start(&disk, mode).unwrap();
                assert_eq!(owner.state, state);
                disk.crash();
                let (again, second) = recover_state(&disk, OnDamage::Refuse).unwrap();
                assert_eq!(
                    (again, second.recovered.cut),
                    (state, None),
                    "a recovery is durable, and recovered to the same"
                );
                if !may_lose {
                    owner.acknowledged = acknowledged;
                }
            }
        }
    }
    // When the disk is well again, everything that was ever submitted gets there without a restart.
    disk.set_faults(Faults::default());
    disk.set_full(false);
    (0..3).for_each(|worker| owner.submit(worker));
    owner.round(Duration::from_secs(60));
    assert!(!owner.is_failing());
    let expected = owner.state.clone();
    assert_eq!(owner.acknowledged.len(), expected.len().min(owner.acknowledged.len()));
    owner.stop();
    disk.crash();
    let (state, _) = recover_state(&disk, OnDamage::Refuse).unwrap();
    assert_eq!(state, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_acknowledged_survives(seed: u64, acts in prop::collection::vec(act(), 1..250)) {
        run(seed, SyncMode::Commit, &acts);
    }

    #[test]
    fn and_with_syncs_on_a_timer_it_survives_a_kill(seed: u64, acts in prop::collection::vec(act(), 1..250)) {
        run(seed, SyncMode::Interval(Duration::from_millis(50)), &acts);
    }
}
