//! What the operator changed in the files stays changed, also when the plug is pulled right after.

#![expect(clippy::unwrap_used, reason = "the helpers are tests, too")]

mod support;

use std::process::Command;

use attachd::wire::Code;
use serde_json::{Value, json};
use support::gateway::{Gateway, Reply};
use support::server::{Folder, Server};

const TILL: &str = "8944500000000000014";
const ROW: &str = "8944500000000000014,234500000000001,447700000001,active,epos,,,till 1\n";
const ENDPOINTS: &str = "inventory/endpoints.csv";

#[test]
fn an_endpoint_gone_from_the_files_is_kept_until_it_is_pruned() {
    let folder = Folder::new();
    let server = folder.serve();
    let address = open_session(&server);
    folder.edit(ENDPOINTS, ROW, "");
    reload(&server, "gone=1");
    assert_eq!(addresses(&server), [address.as_str()]);
    server.kill();

    let server = folder.serve();
    assert!(
        server.log().contains("1 endpoints are no longer in the inventory and are kept"),
        "{}",
        server.log()
    );
    assert!(server.endpoint(TILL)["sessions"][0]["endedAt"].is_null());
    assert_eq!(
        attach(&server).value("Framed-IP-Address"),
        Some(address.as_str()),
        "it is served as before"
    );
    server.kill();

    let server = folder.serve_with(&["--prune"]);
    assert_eq!(server.get(&format!("/api/v1/endpoints/{TILL}")).0, 404);
    assert!(attach(&server).says("Reply-Message = \"endpoint-unknown\""));
    server.kill();

    let server = folder.serve();
    assert!(!server.log().contains("are kept"), "{}", server.log());
    assert_eq!(server.get(&format!("/api/v1/endpoints/{TILL}")).0, 404);
}

#[test]
fn a_file_that_lost_its_lines_prunes_the_fleet_only_if_that_is_insisted_on() {
    let folder = Folder::new();
    let server = folder.serve();
    let address = open_session(&server);
    server.kill();
    folder.write(ENDPOINTS, "iccid\n");

    let server = folder.serve_with(&["--prune"]);
    assert!(
        server
            .log()
            .contains("to prune would remove 356 of 356 endpoints, more than a tenth of the fleet"),
        "{}",
        server.log()
    );
    assert_eq!(
        attach(&server).value("Framed-IP-Address"),
        Some(address.as_str()),
        "the last good inventory is in force"
    );
    server.kill();

    let server = folder.serve_with(&["--prune=force"]);
    assert_eq!(server.get(&format!("/api/v1/endpoints/{TILL}")).0, 404);
}

#[test]
fn a_group_gone_from_the_files_is_told_at_each_reload_and_start_until_it_is_pruned() {
    const CATALOG: &str = "inventory/inventory.toml";
    const FURTHER: &str = "[[group]]\nmoniker = \"spare\"\nvslice = \"camping\"\n\n";
    const TOLD: &str = "inventory/inventory.toml: group spare is gone from the file and kept; put it back, or reload with --prune";
    let folder = Folder::new();
    folder.edit(CATALOG, "[[group]]", &format!("{FURTHER}[[group]]"));
    let server = folder.serve();
    open_session(&server);
    folder.edit(CATALOG, FURTHER, "");
    reload(&server, "gone=0");
    assert!(server.log().contains(TOLD), "{}", server.log());
    server.kill();

    let server = folder.serve();
    assert!(server.log().contains(TOLD), "{}", server.log());
    assert!(
        server.endpoint(TILL)["sessions"][0]["endedAt"].is_null(),
        "the other groups are what they were"
    );
    server.kill();

    let server = folder.serve_with(&["--prune"]);
    assert!(!server.log().contains("is gone from the file"), "{}", server.log());
}

/// A snapshot says whose inventory it is; without one the files are read and compared, which costs
/// nothing if they are small.
#[test]
fn files_that_have_not_changed_are_not_read_again() {
    const UNCHANGED: &str = "the inventory has not changed";
    let folder = Folder::new();
    folder.edit("attachd.toml", "[http]", "[journal]\nsnapshot_mib = 0\n[http]");
    let server = folder.serve();
    let address = open_session(&server);
    server.until("a snapshot", |server| server.log().contains("snapshot written"));
    server.kill();

    let server = folder.serve();
    assert!(
        server.log().contains(UNCHANGED)
            && server.log().contains("VSlice camping has no pooled subnet"),
        "{}",
        server.log()
    );
    assert_eq!(addresses(&server), [address.as_str()]);
    assert_eq!(attach(&server).value("Framed-IP-Address"), Some(address.as_str()));
    become_(&folder, &server, "active", "suspended");
    server.kill();

    let server = folder.serve();
    assert!(
        server.log().contains("inventory adopted"),
        "the snapshot is of other files: {}",
        server.log()
    );
    assert!(attach(&server).says("Reply-Message = \"endpoint-suspended\""));
    server.kill();

    folder.edit(ENDPOINTS, &ROW.replace("active", "suspended"), ROW);
    let server = folder.serve();
    assert!(server.log().contains("changed=1"), "{}", server.log());
    server.kill();

    let server = folder.serve_with(&["--prune"]);
    assert!(!server.log().contains(UNCHANGED), "{}", server.log());
}

#[test]
fn a_suspended_endpoint_stays_suspended_and_keeps_its_address() {
    let folder = Folder::new();
    let server = folder.serve();
    let address = open_session(&server);
    become_(&folder, &server, "active", "suspended");
    server.kill();

    let server = folder.serve();
    let till = server.endpoint(TILL);
    assert_eq!(
        (till["provisioningState"]["key"].as_u64(), till["networkState"]["key"].as_u64()),
        (Some(60), Some(20))
    );
    let session = &till["sessions"][0];
    assert_eq!(session["state"]["moniker"], "ending", "its gateway has it still");
    assert_eq!(session["endingReason"], "barred");
    assert!(attach(&server).says("Reply-Message = \"endpoint-suspended\""));
    become_(&folder, &server, "suspended", "active");
    server.kill();

    let server = folder.serve();
    assert_eq!(attach(&server).value("Framed-IP-Address"), Some(address.as_str()));
}

#[test]
fn a_terminated_endpoint_comes_back_only_when_it_is_reinstated() {
    let folder = Folder::new();
    let server = folder.serve();
    open_session(&server);
    become_(&folder, &server, "active", "terminated");
    server.kill();

    let server = folder.serve();
    assert!(attach(&server).says("Reply-Message = \"endpoint-terminated\""));
    let address = |server: &Server| server.endpoint(TILL)["ipAddresses"][0]["state"].clone();
    assert_eq!(address(&server), "in-use", "its gateway has the session still");
    report(&server, "Stop");
    assert_eq!(address(&server), "held", "it is given back");
    server.kill();

    // The last good inventory stays in force (PROTOCOL 11).
    folder.edit(ENDPOINTS, ",terminated,", ",active,");
    let server = folder.serve();
    let problem = format!(
        "inventory/endpoints.csv:2: endpoint {TILL}: an endpoint that is terminated cannot be assigned to a group; reinstate it first; write the state `reinstated`"
    );
    assert!(server.log().contains(&problem), "{}", server.log());
    assert!(
        !server.log().contains("another endpoint's"),
        "its own address is not another's: {}",
        server.log()
    );
    assert!(attach(&server).says("Reply-Message = \"endpoint-terminated\""));
    let (status, readiness) = server.get("/readyz");
    assert!(
        status == 200
            && readiness.contains("\"degraded\"")
            && readiness.contains("the files were refused"),
        "{readiness}"
    );
    let metrics = server.get("/metrics").1;
    assert!(metrics.contains("attachd_reloads_total{outcome=\"refused\"} 1"), "{metrics}");
    server.kill();

    folder.edit(ENDPOINTS, ROW, &ROW.replace(",active,epos,", ",reinstated,,"));
    let server = folder.serve();
    assert!(attach(&server).says("Reply-Message = \"endpoint-pending\""));
    server.kill();

    folder.edit(ENDPOINTS, ",reinstated,,", ",active,epos,");
    let server = folder.serve();
    assert_eq!(attach(&server).code, Code::ACCESS_ACCEPT);
}

#[test]
fn diff_lists_what_the_files_have_otherwise_and_check_asks_the_data_folder() {
    let folder = Folder::new();
    let server = folder.serve();
    assert_eq!(differences(&folder), json!([]));
    folder.edit(ENDPOINTS, ROW, "");
    reload(&server, "gone=1");
    let found =
        json!([{"kind": "endpoint", "id": TILL, "origin": "file", "what": "is not in the files"}]);
    assert_eq!(differences(&folder), found);
    assert!(server.get("/metrics").1.contains("attachd_inventory_differs 1"));
    folder.edit(ENDPOINTS, "name\n", &format!("name\n{}", ROW.replace(",active,", ",terminated,")));
    reload(&server, "changed=1");
    server.kill();

    let check =
        || attachd(&folder, &["check", "--config", "attachd.toml", "--data-dir", "attachd-data"]);
    assert_eq!(check().0, 0);
    folder.edit(ENDPOINTS, ",terminated,epos,,,till 1", ",active,epos,,,till 1");
    let found = json!([{"kind": "endpoint", "id": TILL, "origin": "file", "what": "state: terminated, in the files active"}]);
    assert_eq!(differences(&folder), found);
    let (exit, _, problems) = check();
    assert!(
        exit == 2
            && problems.contains("inventory/endpoints.csv:2: endpoint")
            && problems.contains("reinstated"),
        "{exit} {problems}"
    );
}

fn differences(folder: &Folder) -> Value {
    let (exit, listed, problems) =
        attachd(folder, &["diff", "--config", "attachd.toml", "--output", "json"]);
    assert_eq!(exit, 0, "{problems}");
    serde_json::from_str(&listed).unwrap()
}

/// Runs a command in the folder: its exit code, standard output and standard error.
fn attachd(folder: &Folder, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attachd"));
    let output = command.current_dir(folder.path("")).args(arguments).output().unwrap();
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Changes the state in the file, and loads it.
fn become_(folder: &Folder, server: &Server, from: &str, to: &str) {
    folder.edit(ENDPOINTS, &ROW.replace("active", from), &ROW.replace("active", to));
    reload(server, "changed=1");
}

fn reload(server: &Server, told: &str) {
    server.signal("HUP");
    server.until(told, |server| {
        server.log().lines().any(|line| line.contains("reloaded") && line.contains(told))
    });
}

/// Returns the address.
fn open_session(server: &Server) -> String {
    let address = attach(server).value("Framed-IP-Address").unwrap().to_owned();
    report(server, "Start");
    address
}

fn report(server: &Server, status: &str) {
    let lines = [
        &format!("Attachd-ICCID = {TILL}"),
        &format!("Acct-Status-Type = {status}"),
        "Acct-Session-Id = 0001",
    ];
    Gateway::facing(server.acct[0]).ask(server.acct[0], Code::ACCOUNTING_REQUEST, &lines);
}

fn attach(server: &Server) -> Reply {
    Gateway::facing(server.auth[0]).ask(
        server.auth[0],
        Code::ACCESS_REQUEST,
        &[&format!("Attachd-ICCID = {TILL}")],
    )
}

fn addresses(server: &Server) -> Vec<String> {
    let till = server.endpoint(TILL);
    till["ipAddresses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|address| address["ip"].as_str().unwrap().to_owned())
        .collect()
}
