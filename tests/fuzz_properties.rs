//! Every reader of octets that others write, fed with anything, and with the corpus of `fuzz/`
//! damaged: nothing panics.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers are tests too")]

#[path = "support/entry_points.rs"]
mod entry_points;

use std::fs;
use std::path::Path;

use entry_points::ENTRY_POINTS;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// The seeds of one reader, by name of file.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// What may happen to a seed.
#[derive(Clone, Debug)]
enum Damage {
    Set(Index, u8),
    Cut(Index),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Repeat(Index, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, octet)| Damage::Set(at, octet)),
        1 => any::<Index>().prop_map(Damage::Cut),
        2 => (any::<Index>(), vec(any::<u8>(), 1..20)).prop_map(|(at, octets)| Damage::Insert(at, octets)),
        2 => (any::<Index>(), 1usize..20).prop_map(|(at, count)| Damage::Remove(at, count)),
        1 => (any::<Index>(), 1usize..60).prop_map(|(at, count)| Damage::Repeat(at, count)),
    ]
}

fn damaged(mut octets: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages.iter().filter(|_| !octets.is_empty()).cloned().collect::<Vec<_>>() {
        if octets.is_empty() {
            break;
        }
        let length = octets.len();
        match damage {
            Damage::Set(at, octet) => octets[at.index(length)] = octet,
            Damage::Cut(at) => octets.truncate(at.index(length)),
            Damage::Insert(at, more) => {
                drop(octets.splice(at.index(length)..at.index(length), more));
            }
            Damage::Remove(at, count) => {
                drop(octets.drain(at.index(length)..(at.index(length) + count).min(length)));
            }
            Damage::Repeat(at, count) => {
                let part =
                    octets[at.index(length)..(at.index(length) + count).min(length)].to_vec();
                drop(octets.splice(at.index(length)..at.index(length), part));
            }
        }
    }
    octets
}

/// A corpus that nothing reads to its end would prove little: each seed is read once as it is.
#[test]
fn every_seed_is_read() {
    for (name, read) in ENTRY_POINTS {
        let seeds = corpus(name);
        assert!(!seeds.is_empty(), "{name} has no corpus");
        for seed in seeds {
            read(&seed);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_are_read_without_a_panic(octets in vec(any::<u8>(), 0..400)) {
        for (_, read) in ENTRY_POINTS {
            read(&octets);
        }
    }

    #[test]
    fn damaged_seeds_are_read_without_a_panic(seed in any::<Index>(), damages in vec(damage(), 1..6)) {
        for (name, read) in ENTRY_POINTS {
            let seeds = corpus(name);
            read(&damaged(seeds[seed.index(seeds.len())].clone(), &damages));
        }
    }
}
