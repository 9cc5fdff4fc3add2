//! `attachd inspect` and `attachd export` on a journal as a server leaves it.

#![expect(clippy::unwrap_used, reason = "the helpers are tests, too")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use attachd::identity::{GatewayId, GroupId, Iccid, VsliceId};
use attachd::journal::{Batch, FramedRecord, Journal, JournalOptions, OnDamage};
use attachd::network::{
    Bearer, EndpointState, EventTime, Lease, LeaseKind, LeasePhase, Nas, NetworkState, Session,
    Status,
};
use attachd::provisioning::{Inventory, Revision};
use attachd::record::RecordSink;
use attachd::time::Timestamp;
use serde_json::{Value, json};

const TILL: &str = "8944500000000000014";

/// Exit code, standard output, standard error.
fn attachd(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_attachd")).args(arguments).output().unwrap();
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn inventory() -> Inventory {
    Inventory::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/festival")).unwrap()
}

fn state(version: u64) -> EndpointState {
    let now = Timestamp::from_secs(1_790_000_000 + version);
    let ip = "100.64.0.16".parse().unwrap();
    let bearer = Bearer {
        acct_session_id: "S1".into(),
        input: 100 * version,
        output: 5,
        event_time: now,
        status: Status::Interim,
    };
    let began = EventTime::at(Timestamp::from_secs(1_790_000_000));
    let mut session =
        Session::new(GatewayId::new(0), &Nas::numbered(0xc0a8_010a), bearer, began, now);
    session.ip = Some(ip);
    session.set_apn("festival.iot");
    let lease = Lease {
        group: GroupId::new(0),
        vslice: VsliceId::new(0),
        ip: ip.into(),
        kind: LeaseKind::Static,
        phase: LeasePhase::InUse,
    };
    EndpointState {
        last_activity: now,
        version,
        sessions: [session].into_iter().collect(),
        leases: [lease].into_iter().collect(),
        ..EndpointState::new(NetworkState::Active)
    }
}

/// A journal with the festival's inventory and two records of one till.
fn write_journal(folder: &Path) {
    let inventory = inventory();
    let till = Iccid::parse(TILL.as_bytes()).unwrap();
    write(folder, |batch| {
        let catalog = &inventory.catalog;
        for object in catalog.objects() {
            batch.put_object(&object).unwrap();
        }
        batch.put_gateway(GatewayId::new(0), "pgw-01").unwrap();
        for (iccid, endpoint) in &inventory.endpoints {
            batch
                .put_provisioned(
                    *iccid,
                    Revision { version: 1, ..Revision::default() },
                    Some(endpoint),
                )
                .unwrap();
        }
        batch.put_endpoint(till, &state(1)).unwrap();
    });
    write(folder, |batch| {
        batch.put_endpoint(till, &state(2)).unwrap();
        batch
            .put_note(
                Timestamp::from_secs(1_790_000_003),
                Some(till),
                "start",
                Some("endpoint-suspended"),
            )
            .unwrap();
    });
}

fn write(folder: &Path, put: impl FnOnce(&mut Batch)) {
    let (journal, _) = Journal::open(
        folder,
        JournalOptions::default(),
        OnDamage::Refuse,
        &mut [|_: FramedRecord<'_>| Ok(())],
    )
    .unwrap();
    let mut submitter = journal.submitter(Arc::new(|| {}));
    let mut batch = submitter.batch();
    put(&mut batch);
    let ticket = submitter.submit(batch);
    assert!(submitter.wait(ticket, Duration::from_secs(30)));
    journal.close().unwrap();
}

#[test]
fn files_and_counts() {
    let folder = tempfile::tempdir().unwrap();
    write_journal(folder.path());
    let data_dir = folder.path().to_str().unwrap();

    let (exit, shown, complaint) = attachd(&["inspect", data_dir, "--json"]);
    assert_eq!((exit, complaint.as_str()), (0, ""));
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let (endpoints, groups, vslices) = (
        inventory().endpoints.len(),
        inventory().catalog.groups().count(),
        inventory().catalog.vslices().count(),
    );
    let kinds = json!({"endpoint": 2, "gateway": 1, "group": groups, "note": 1, "policy": 1, "provisioned": endpoints, "vslice": vslices});
    assert_eq!(shown["kinds"], kinds);
    assert_eq!(shown["files"].as_array().unwrap().len(), 2);
    assert_eq!((&shown["damage"], &shown["tornTail"]), (&json!([]), &Value::Null));

    let (exit, table, _) = attachd(&["inspect", data_dir]);
    assert_eq!(exit, 0);
    assert!(
        table.starts_with("FILE                  RECORDS  OCTETS\nsegment-000000000001"),
        "{table}"
    );
}

#[test]
fn the_records_of_one_endpoint() {
    let folder = tempfile::tempdir().unwrap();
    write_journal(folder.path());
    let data_dir = folder.path().to_str().unwrap();

    let (exit, shown, _) = attachd(&["inspect", data_dir, "--iccid", TILL, "--json"]);
    assert_eq!(exit, 0);
    let records: Vec<Value> =
        shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        records.iter().map(|record| record["kind"].as_str().unwrap()).collect::<Vec<_>>(),
        ["provisioned", "endpoint", "endpoint", "note"]
    );
    let newest = &records[2];
    assert_eq!(
        (&newest["version"], &newest["sessions"][0]["gateway"]),
        (&2.into(), &"pgw-01".into())
    );
    assert_eq!(newest["ipAddresses"][0]["vslice"], "festival");
    assert_eq!(newest["networkState"]["moniker"], "active");

    let (_, text, _) = attachd(&["inspect", data_dir, "--iccid", TILL]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[1].starts_with(&format!("endpoint iccid {TILL}  lastActivity 2026-")), "{text}");
    assert!(lines[2].contains("ipAddress") || lines[3].contains("ipAddress"), "{text}");
    assert!(lines.last().unwrap().ends_with("refused endpoint-suspended  what start"), "{text}");
}

#[test]
fn damage_is_shown_and_told_by_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    write_journal(folder.path());
    let segment = folder.path().join("segment-000000000001");
    let mut octets = fs::read(&segment).unwrap();
    octets[100] ^= 1;
    fs::write(&segment, octets).unwrap();
    let (exit, shown, _) = attachd(&["inspect", folder.path().to_str().unwrap()]);
    assert_eq!(exit, 3);
    assert!(shown.contains(&format!("damage: {}: ", segment.display())), "{shown}");
    assert!(shown.contains("octets at offset 72: no readable record"), "{shown}");
}

#[test]
fn a_folder_without_data_is_the_wrong_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("file"), "").unwrap();
    fs::create_dir(path("empty")).unwrap();
    fs::create_dir(path("photographs")).unwrap();
    fs::write(path("photographs/me.jpeg"), "cheese").unwrap();
    let cases = [
        ("file", "is no folder; data_dir must name one"),
        ("missing", "cannot open the data folder"),
        ("empty", "holds no data of attachd"),
        ("photographs", "holds no data of attachd"),
    ];
    for (name, said) in cases {
        let (data, target) = (path(name), path("target"));
        let verbs: [&[&str]; 4] = [
            &["inspect", &data],
            &["inspect", "--data-dir", &data, "--json"],
            &["inspect", &data, "--records"],
            &["export", &target, "--data-dir", &data],
        ];
        for arguments in verbs {
            let (exit, shown, complaint) = attachd(arguments);
            assert_eq!(
                (exit, shown.as_str(), complaint.lines().count()),
                (2, "", 1),
                "{arguments:?}: {complaint}"
            );
            assert!(complaint.contains(said), "{arguments:?}: {complaint}");
        }
        assert!(!Path::new(&target).exists(), "nothing is exported from {name}");
    }
}

#[test]
fn what_is_written_is_for_its_owner_only() {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = tempfile::tempdir().unwrap();
    let (data_dir, target) = (folder.path().join("new/data"), folder.path().join("exported"));
    write_journal(&data_dir);
    assert_eq!(mode(&data_dir), 0o700);
    assert_eq!(mode(&folder.path().join("new")) & 0o500, 0o500);
    let arguments = ["export", target.to_str().unwrap(), "--data-dir", data_dir.to_str().unwrap()];
    assert_eq!(attachd(&arguments).0, 0);
    for name in ["inventory.toml", "endpoints.csv"] {
        assert_eq!(mode(&target.join(name)), 0o600, "{name}");
    }
}

#[test]
fn an_export_replaces_an_inventory_only_by_force() {
    let folder = tempfile::tempdir().unwrap();
    let (data_dir, target) = (folder.path().join("data"), folder.path().join("exported"));
    write_journal(&data_dir);
    fs::create_dir(&target).unwrap();
    for (name, text) in [("endpoints.csv.gz", "old"), ("notes.txt", "mine")] {
        fs::write(target.join(name), text).unwrap();
    }
    let arguments = ["export", target.to_str().unwrap(), "--data-dir", data_dir.to_str().unwrap()];
    let (exit, _, complaint) = attachd(&arguments);
    assert_eq!(exit, 1);
    assert!(
        complaint.contains("is there already; choose an empty folder, or --force"),
        "{complaint}"
    );

    let (exit, _, complaint) = attachd(&[&arguments[..], &["--force"]].concat());
    assert_eq!(exit, 0, "{complaint}");
    let mut names: Vec<_> = fs::read_dir(&target)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["endpoints.csv", "inventory.toml", "notes.txt"]);
    assert_eq!(Inventory::load(&target).unwrap().catalog, inventory().catalog);
}

#[test]
fn the_inventory_comes_back_as_files() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    write_journal(&data_dir);
    let target = folder.path().join("exported");
    let arguments = ["export", target.to_str().unwrap(), "--data-dir", data_dir.to_str().unwrap()];
    let (exit, said, _) = attachd(&arguments);
    assert_eq!(exit, 0);
    let before = inventory();
    assert_eq!(
        said,
        format!("{} endpoints written to {}\n", before.endpoints.len(), target.display())
    );
    let after = Inventory::load(&target).unwrap();
    assert_eq!(after.catalog, before.catalog);
    let sorted = |inventory: Inventory| {
        let mut endpoints = inventory.endpoints;
        endpoints.sort_by_key(|(iccid, _)| *iccid);
        endpoints
    };
    let mut wanted = sorted(before);
    // The address that it was given automatically is its own: a server that starts on these files
    // does not move it.
    let till = wanted.iter_mut().find(|(iccid, _)| iccid.to_string() == TILL).unwrap();
    till.1.static_ip = Some("100.64.0.16".parse().unwrap());
    assert!(sorted(after) == wanted);

    let (exit, _, complaint) = attachd(&arguments);
    assert_eq!(exit, 1);
    assert!(complaint.contains("is there already; choose an empty folder"), "{complaint}");
}
