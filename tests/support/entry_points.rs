//! Where octets of others enter: one function for each reader. What holds for any input is asserted
//! inside; nothing may panic.
//!
//! `tests/fuzz_properties.rs` feeds them on stable, `fuzz/` with libFuzzer.

use std::fs;
use std::path::Path;

use attachd::config::Config;
use attachd::journal::{FramedRecord, Journal, OnDamage, RecordKind, Unreadable};
use attachd::printable;
use attachd::provisioning::{Inventory, export};
use attachd::record::Record;
use attachd::simulator::scenario;
use attachd::wire::dictionary::Dictionary;
use attachd::wire::tgpp::{TimeZone, UserLocation};
use attachd::wire::{Attributes, Datagram, Secret, extended};

/// Takes in any octets; a panic is a fault.
type Reader = fn(&[u8]);

/// Every reader by the name of its corpus.
pub(super) const ENTRY_POINTS: [(&str, Reader); 9] = [
    ("frame", frame),
    ("attributes", attributes),
    ("extended", extended_attributes),
    ("location", location),
    ("record", record),
    ("header", header),
    ("csv", csv),
    ("inventory", inventory),
    ("config", config),
];

/// A datagram, as it comes from a socket: framed, verified, and shown.
pub(super) fn frame(octets: &[u8]) {
    let Ok(datagram) = Datagram::frame(octets) else { return };
    assert!(datagram.octets().len() <= octets.len());
    let _ = datagram.verify_request(&Secret::new(b"secret"));
    let shown = datagram.readable(Dictionary::default()).to_string();
    assert!(shown.chars().all(|c| c == '\n' || printable::is_printable(c)), "{shown:?}");
}

/// The attributes of a packet, or what stands in a vendor's.
pub(super) fn attributes(octets: &[u8]) {
    if let Some(attributes) = Attributes::within(octets) {
        let taken: usize = attributes.map(|attribute| 2 + attribute.value.len()).sum();
        assert_eq!(taken, octets.len());
    }
}

/// Extended and long extended attributes, put together (RFC 6929).
pub(super) fn extended_attributes(octets: &[u8]) {
    if let Some(attributes) = Attributes::within(octets) {
        let made: usize = extended(attributes).iter().map(|extended| extended.octets.len()).sum();
        assert!(made <= octets.len());
    }
}

/// What 3GPP packs into octets.
pub(super) fn location(octets: &[u8]) {
    let _ = TimeZone::decode(octets).map(|zone| zone.to_string());
    if let Some(location) = UserLocation::decode(octets) {
        assert!(location.areas().count() > 0 || octets.len() == 1);
        assert!(location.to_string().chars().all(printable::is_printable));
    }
}

/// The payload of a record; the first octet is its kind, the next eight are its key.
pub(super) fn record(octets: &[u8]) {
    let Some((head, payload)) = octets.split_at_checked(9) else { return };
    let key = u64::from_le_bytes(head[1..].try_into().unwrap_or_default());
    let _ = Record::read(&FramedRecord { kind: RecordKind(head[0]), key, version: 1, payload });
}

/// A file of the journal, from its header on: as a segment and as a snapshot.
pub(super) fn header(octets: &[u8]) {
    for name in ["segment-000000000001", "snapshot-000000000001"] {
        in_folder(|folder| {
            write(&folder.join(name), octets);
            let mut take = |entry: FramedRecord<'_>| -> Result<(), Unreadable> {
                Record::read(&entry).map(drop)
            };
            for on_damage in [OnDamage::Refuse, OnDamage::Continue] {
                let _ = Journal::read(folder, on_damage, std::slice::from_mut(&mut take))
                    .map_err(|error| error.to_string());
            }
        });
    }
}

const CATALOG: &str = r#"
[[vslice]]
moniker = "iot"
name = "IoT"
[[vslice.subnet]]
cidr = "100.64.0.0/24"
allocation = "static"
[[group]]
moniker = "epos"
name = "ePos"
vslice = "iot"
allocation = "static"
"#;

/// `endpoints.csv`. What loads can be exported, and loads again.
pub(super) fn csv(octets: &[u8]) {
    load_inventory(CATALOG.as_bytes(), octets);
}

/// `inventory.toml`.
pub(super) fn inventory(octets: &[u8]) {
    load_inventory(octets, b"iccid\n");
}

fn load_inventory(catalog: &[u8], endpoints: &[u8]) {
    in_folder(|folder| {
        write(&folder.join("inventory.toml"), catalog);
        write(&folder.join("endpoints.csv"), endpoints);
        match Inventory::load(folder) {
            Ok(inventory) => {
                let copy = folder.join("copy");
                let written = export(
                    &copy,
                    &inventory.catalog,
                    inventory.endpoints.iter().map(|(iccid, endpoint)| (*iccid, endpoint)),
                );
                assert!(written.is_ok(), "{written:?}");
                let again = Inventory::load(&copy).unwrap_or_else(|problems| {
                    panic!("what was exported does not load: {problems}")
                });
                assert_eq!(again.endpoints.len(), inventory.endpoints.len());
            }
            Err(problems) => assert!(!problems.to_string().is_empty()),
        }
    });
}

/// `attachd.toml`, and a scenario of the simulator.
pub(super) fn config(octets: &[u8]) {
    in_folder(|folder| {
        let file = folder.join("file.toml");
        write(&file, octets);
        let _ = Config::load(Some(&file)).map_err(|problems| problems.to_string());
        let _ = scenario::load(&file.to_string_lossy(), &[]).map_err(|error| error.to_string());
    });
}

fn in_folder(act: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("a temporary folder: {error}"));
    act(folder.path());
}

fn write(file: &Path, octets: &[u8]) {
    fs::write(file, octets).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}
