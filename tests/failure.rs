//! When the disk fails, or the data folder is not what it should be: the built program says so, and
//! acknowledges nothing it cannot keep.

#![expect(clippy::unwrap_used, reason = "the helpers are tests, too")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::Duration;

use attachd::wire::Code;
use support::fleet::Fleet;
use support::gateway::Gateway;
use support::server::{Folder, Server};

const DATA: &str = "attachd-data";
const TILL: &str = "8944500000000000014";
const AWHILE: Duration = Duration::from_millis(300);

#[test]
fn a_full_disk_silences_it_until_there_is_room_again() {
    let (mut fleet, folder) = Fleet::new(1);
    let server = folder.serve();
    fleet.busy_while(&server, || thread::sleep(AWHILE));
    let before = fleet.acknowledged();
    assert!(before > 0);

    server.limit_files(Some(1));
    fleet.busy_while(&server, || {
        server.until("it is not ready", |server| server.get("/readyz").0 == 503);
        thread::sleep(AWHILE);
    });
    assert_eq!(fleet.acknowledged(), before, "nothing is acknowledged that cannot be kept");
    let (status, reasons) = server.get("/readyz");
    assert!(
        status == 503
            && reasons.contains("the journal cannot write")
            && reasons.contains("File too large"),
        "{reasons}"
    );
    assert_eq!(server.get("/livez").0, 200);
    assert!(counter(&server, "radius_dropped_total{gateway=\"pgw-01\",reason=\"journal\"}") > 0);
    assert!(counter(&server, "attachd_journal_failures_total") > 0);
    let mut gateway = Gateway::facing(server.auth[0]);
    let status_server = gateway.request(Code::STATUS_SERVER, &[]);
    assert!(
        gateway.hears_nothing(server.auth[0], &status_server),
        "RFC 5997 4.2: who cannot serve is silent"
    );
    let of_nobody = gateway.request(Code::ACCESS_REQUEST, &["User-Name = nobody"]);
    assert!(
        gateway.hears_nothing(server.auth[0], &of_nobody),
        "a reject would send the device away; silence sends the gateway to another server"
    );

    server.limit_files(None);
    server.until("it is ready again", |server| server.get("/readyz").0 == 200);
    assert!(fleet.repeat_unanswered(&server) > 0, "every retransmission is answered");
    fleet.check(&server);
    fleet.busy_while(&server, || thread::sleep(AWHILE));
    server.kill();
    let server = folder.serve();
    fleet.check(&server);
    assert!(fleet.repeat_unanswered(&server) <= fleet.lanes());
}

#[test]
fn what_is_synced_in_intervals_outlives_the_process() {
    let (mut fleet, folder) = Fleet::new(2);
    folder.edit("attachd.toml", "[journal]", "[journal]\nsync = \"interval\"\ninterval_ms = 60000");
    for _ in 0..3 {
        let server = folder.serve();
        fleet.check(&server);
        fleet.repeat_unanswered(&server);
        fleet.busy_while(&server, || {
            thread::sleep(AWHILE);
            server.signal("KILL");
        });
        assert!(server.ended().stderr.contains("journal read"));
    }
    fleet.check(&folder.serve());
}

#[test]
fn a_data_folder_that_cannot_be_used_is_left_as_it_is() {
    let file = Folder::new();
    file.write(DATA, "precious");
    assert_eq!(refusal(&file), "error: DATA: is no folder; data_dir must name one");
    assert_eq!(fs::read_to_string(file.path(DATA)).unwrap(), "precious");

    // Nobody may make files in it, not even root.
    let read_only = Folder::new();
    read_only.edit("attachd.toml", "[radius]", "data_dir = \"/proc/tty\"\n[radius]");
    let said = refusal(&read_only);
    assert!(said.starts_with("error: /proc/tty: cannot write in the data folder: "), "{said}");

    let newer = three_lives();
    change(&newer, "segment-000000000002", |octets| {
        octets[8] = 2;
        let checksum = crc32fast::hash(&octets[..36]);
        octets[36..40].copy_from_slice(&checksum.to_le_bytes());
    });
    assert_eq!(
        refusal(&newer),
        "error: DATA/segment-000000000002 has format 2, and this attachd reads format 1; use the version that wrote it"
    );

    let half_copied = three_lives();
    fs::remove_file(half_copied.path("attachd-data/segment-000000000002")).unwrap();
    assert_eq!(
        refusal(&half_copied),
        "error: DATA/segment-000000000002 is missing: the folder is not complete; bring the file back, or continue without it with --repair"
    );

    let taken = Folder::new();
    let server = taken.serve();
    let (ended, before) = (taken.refuses(), contents(&taken).len());
    assert_eq!(ended.status.code(), Some(1));
    let pid = fs::read_to_string(taken.path("attachd-data/pid")).unwrap();
    let wanted = format!(
        "error: {}: in use by process {}; stop it first\n",
        taken.path(DATA).display(),
        pid.trim()
    );
    assert_eq!(ended.stderr, wanted);
    attach(&server);
    assert_eq!(contents(&taken).len(), before);
}

#[test]
fn a_torn_tail_is_cut_and_told() {
    let folder = three_lives();
    let tail = folder.files(DATA).into_iter().rfind(|name| name.starts_with("segment-")).unwrap();
    change(&folder, &tail, |octets| octets.extend([0x5a; 100]));
    let server = folder.serve();
    assert!(
        server.log().contains(
            "a torn tail was cut off: what was being written when the process was killed"
        ),
        "{}",
        server.log()
    );
    assert!(server.log().contains(&format!("{tail}: 100 octets at offset ")), "{}", server.log());
    assert_eq!(server.endpoint(TILL)["sessions"][0]["acctSessionId"], "0001");
}

#[test]
fn damage_in_the_middle_is_refused_or_repaired_by_order() {
    let folder = three_lives();
    let first = contents(&folder).remove("segment-000000000001").unwrap();
    change(&folder, "segment-000000000001", |octets| octets[first.len() / 2] ^= 1);
    let said = refusal(&folder);
    assert!(said.starts_with("error: DATA/segment-000000000001 is damaged at offset "), "{said}");
    assert!(
        said.ends_with("restore the file, or continue from what is readable with --repair"),
        "{said}"
    );

    let server = folder.serve_with(&["--repair"]);
    assert!(server.log().contains("lost for good: "), "{}", server.log());
    assert!(server.log().contains("segment-000000000001: "), "{}", server.log());
    assert_eq!(
        server.endpoint(TILL)["sessions"][0]["acctSessionId"],
        "0001",
        "what was written after the damage is there"
    );
    server.until("a snapshot has taken the place of the damage", |server| {
        server.log().contains("snapshot written")
    });
    server.kill();
    let server = folder.serve();
    assert!(!server.log().contains("lost"), "{}", server.log());
    assert_eq!(server.endpoint(TILL)["sessions"][0]["acctSessionId"], "0001");
}

/// A folder in which three servers were killed one after the other; a segment each, and a session
/// of the first till.
fn three_lives() -> Folder {
    let folder = Folder::new();
    for _ in 0..3 {
        let server = folder.serve();
        attach(&server);
        server.kill();
    }
    folder
}

fn attach(server: &Server) {
    let mut gateway = Gateway::facing(server.auth[0]);
    let who = format!("Attachd-ICCID = {TILL}");
    assert_eq!(
        gateway.ask(server.auth[0], Code::ACCESS_REQUEST, &[&who]).code,
        Code::ACCESS_ACCEPT
    );
    gateway.ask(
        server.acct[0],
        Code::ACCOUNTING_REQUEST,
        &[&who, "Acct-Status-Type = Start", "Acct-Session-Id = 0001"],
    );
}

/// The one line with which it ends, and that nothing in its data folder has changed.
fn refusal(folder: &Folder) -> String {
    let before = contents(folder);
    let ended = folder.refuses();
    assert_eq!(
        (ended.status.code(), ended.stderr.lines().count()),
        (Some(1), 1),
        "{}",
        ended.stderr
    );
    assert_eq!(contents(folder), before, "nothing has changed");
    ended.stderr.trim_end().replace(folder.path(DATA).to_str().unwrap(), "DATA")
}

fn contents(folder: &Folder) -> BTreeMap<String, Vec<u8>> {
    if !folder.path(DATA).is_dir() {
        return BTreeMap::new();
    }
    // Who died last stands in a file of his; it tells nothing. What is read from the journal has
    // folders of its own.
    let files = folder.files(DATA).into_iter().filter(|name| name != "pid");
    let files = files.map(|name| (folder.path(DATA).join(&name), name));
    files
        .filter(|(path, _)| path.is_file())
        .map(|(path, name)| (name, fs::read(path).unwrap()))
        .collect()
}

fn change(folder: &Folder, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let path = folder.path(DATA).join(name);
    let mut octets = fs::read(&path).unwrap();
    change(&mut octets);
    fs::write(path, octets).unwrap();
}

fn counter(server: &Server, name: &str) -> u64 {
    let metrics = server.get("/metrics").1;
    metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0)
}
