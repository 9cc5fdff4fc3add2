//! From the stock to the network, as programs meet it: SIMs that exist and are no endpoints, and
//! whoever knows their activation codes (PROTOCOL 12).

#![expect(clippy::unwrap_used, reason = "the helpers are tests, too")]

mod support;

use std::process::Command;

use attachd::wire::Code;
use serde_json::{Value, json};
use support::client::{Answer, Client, token};
use support::gateway::Gateway;
use support::server::{Folder, Server};

const STOCK: &str = "iccid,imsi,msisdn,activation_code\n\
    8944500000000900015,234500000900001,447700900001,K7QF-22PD\n\
    8944500000000900023,234500000900002;901670000900002,,8H3M-XW4R\n\
    8944500000000900031,234500000900003,,7VQK-91LC\n";
const FIRST: &str = "8944500000000900015";
const SECOND: &str = "8944500000000900023";
const THIRD: &str = "8944500000000900031";
/// In no stock.
const FOREIGN: &str = "8944500000000900049";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("inventory/stock.csv", STOCK);
    folder
}

/// What a gateway hears that asks for a SIM: its address, or why not.
fn attach(server: &Server, imsi: &str) -> String {
    let mut gateway = Gateway::facing(server.auth[0]);
    let imsi = format!("3GPP-IMSI = {imsi}");
    let reply = gateway.ask(server.auth[0], Code::ACCESS_REQUEST, &[&imsi]);
    match reply.value("Reply-Message") {
        Some(reason) => reason.trim_matches('"').to_owned(),
        None => reply.value("Framed-IP-Address").unwrap().to_owned(),
    }
}

fn activate(client: &Client<'_>, iccid: &str, code: &str, group: Option<&str>) -> Answer {
    let mut body = json!({"iccid": iccid, "activationCode": code, "name": "till 900"});
    if let Some(group) = group {
        body["endpointGroup"] = json!(group);
    }
    client.call("POST", "/endpoints", "", Some(&body))
}

fn stock(client: &Client<'_>) -> Vec<String> {
    let shown = client.data("/stock");
    let iccids = shown.as_array().unwrap().iter().map(|sim| sim["iccid"].as_str().unwrap());
    let mut iccids: Vec<String> = iccids.map(str::to_owned).collect();
    iccids.sort();
    iccids
}

#[test]
fn a_sim_is_activated_with_its_code_once_and_for_all() {
    let folder = folder();
    // Every start finds a snapshot and what was recorded behind it.
    folder.edit("attachd.toml", "[http]", "[journal]\nsnapshot_mib = 0\n[http]");
    let server = folder.serve();
    let client = Client::new(&folder, &server, "write");
    assert_eq!(stock(&client), [FIRST, SECOND, THIRD]);
    let shown = client.data(&format!("/stock/{FIRST}"));
    assert_eq!((&shown["msisdn"], &shown["lastAttempt"]), (&json!("447700900001"), &Value::Null));
    assert!(!shown.to_string().contains("K7QF"), "{shown}");

    assert_eq!(attach(&server, "234500000900001"), "endpoint-unknown");
    let shown = client.data(&format!("/stock/{FIRST}"));
    assert_eq!(shown["lastAttempt"]["reason"], "endpoint-unknown", "{shown}");

    let done = activate(&client, FIRST, "K7QF-22PD", Some("epos"));
    assert_eq!((done.status, &done.json["success"]), (200, &json!(true)), "{}", done.json);
    let shown = client.data(&format!("/endpoints/{}", done.json["data"].as_str().unwrap()));
    assert_eq!(shown["iccid"], FIRST, "{shown}");
    assert_eq!(shown["imsis"], json!(["234500000900001"]), "{shown}");
    assert_eq!(shown["provisioningState"]["key"], 50, "{shown}");
    assert!(attach(&server, "234500000900001").starts_with("100.64."));
    assert_eq!(stock(&client), [SECOND, THIRD]);
    // Without a group it waits for one; by the command line.
    let done = Command::new(env!("CARGO_BIN_EXE_attachd"))
        .args(["endpoint", "activate", SECOND, "--code", "8H3M-XW4R"])
        .args(["--url", &format!("http://{}", server.http)])
        .env("ATTACHD_TOKEN", &client.token)
        .output()
        .unwrap();
    let table = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success() && table.contains("pending"), "{table}");
    assert_eq!(attach(&server, "901670000900002"), "endpoint-pending");

    // The code is void, whatever happens to the server and to the line.
    let is_void = |client: &Client<'_>| {
        let again = activate(client, FIRST, "K7QF-22PD", Some("epos"));
        again.is_refused(409, "state", "there is such an endpoint already");
        assert_eq!(stock(client), [THIRD]);
    };
    is_void(&client);
    server.kill();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "admin");
    is_void(&client);
    folder.edit("inventory/stock.csv", "447700900001", "447700900009");
    assert_eq!(client.call("POST", "/server/reload", "", None).status, 200);
    is_void(&client);
    assert!(attach(&server, "234500000900001").starts_with("100.64."));
    client.call("POST", &format!("/endpoints/{FIRST}/terminate"), "", None);
    is_void(&client);
    client.call("POST", &format!("/endpoints/{FIRST}/reinstate"), "", None);
    let shown = client.data(&format!("/endpoints/{FIRST}"));
    assert_eq!(shown["provisioningState"]["key"], 30, "a reinstatement needs no code");
}

#[test]
fn wrong_unknown_and_foreign_look_the_same_and_guessing_ends() {
    let folder = folder();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "write");
    let mut told = Vec::new();
    // Wrong; of a SIM that nobody has; of an endpoint that was never in the stock.
    let till = "8944500000000000014";
    for (iccid, code) in [(FIRST, "7VQK-91LC"), (FOREIGN, "K7QF-22PD"), (till, "K7QF-22PD")] {
        let refused = activate(&client, iccid, code, Some("epos"));
        refused.is_refused(422, "activation", "ICCID and activation code do not belong together");
        told.push(refused.json);
    }
    assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
    for _ in 1..5 {
        activate(&client, FIRST, "0000-0000", None).is_refused(422, "activation", "");
    }
    let limited = activate(&client, FIRST, "K7QF-22PD", None);
    limited.is_refused(429, "limit", "too many wrong activation codes");
    assert!(limited.head.contains("retry-after: 3"), "{}", limited.head);
    // Another SIM is activated as before; a token that guesses much is stopped for a minute.
    assert_eq!(activate(&client, SECOND, "8H3M-XW4R", None).status, 200);
    let items: Vec<Value> = (0..20)
        .map(|number| {
            let iccid = format!("89445000000009{number:05}");
            json!({"iccid": iccid, "activationCode": "0000-0000"})
        })
        .collect();
    let batch = client.call("POST", "/endpoints/batch", "", Some(&json!({"items": items})));
    batch.is_refused(429, "limit", "too many wrong activation codes");
    activate(&client, THIRD, "7VQK-91LC", None).is_refused(429, "limit", "");
    let other = Client { server: &server, token: token(&folder, "other", "write") };
    server.until("the token is known", |_| other.get("/apitokens/verify").status == 200);
    assert_eq!(activate(&other, THIRD, "7VQK-91LC", None).status, 200);
}

#[test]
fn the_stock_is_filled_by_administrators_and_by_files() {
    let folder = folder();
    let server = folder.serve();
    let admin = Client::new(&folder, &server, "admin");
    let writer = Client::new(&folder, &server, "write");
    let body = json!({"items": [
        {"iccid": FOREIGN, "imsi": "234500000900004", "activationCode": "PPPP-2222"},
    ]});
    writer.call("POST", "/stock", "", Some(&body)).is_refused(403, "forbidden", "needs admin");
    assert_eq!(admin.write("POST", "/stock", &body), json!({"added": 1}));
    assert_eq!(stock(&writer), [FIRST, SECOND, THIRD, FOREIGN]);
    let wrong = json!({"items": [
        {"iccid": "8944500000000900056", "activationCode": "GOOD-CODE"},
        {"iccid": "8944500000000000014", "activationCode": "GOOD-CODE"},
    ]});
    let refused = admin.call("POST", "/stock", "", Some(&wrong));
    refused.is_refused(422, "invalid", "/items/1: there is such an endpoint already");
    assert_eq!(stock(&writer).len(), 4, "all or none");
    let missing = json!({"items": [{"iccid": FIRST, "code": "x"}]});
    let refused = admin.call("POST", "/stock", "", Some(&missing));
    refused.is_refused(422, "invalid", "/items/0/activationCode: missing");

    let csv = "iccid,activation_code\n8944500000000900064,CSV1-CSV1\n";
    assert_eq!(admin.send_csv("/stock", csv).json["data"], json!({"added": 1}));
    let refused = admin.send_csv("/stock", "iccid,activation_code\n8944,CSV1-CSV1\n");
    refused.is_refused(422, "invalid", "stock.csv:2: iccid:");
    assert_eq!(activate(&writer, "8944500000000900064", "CSV1-CSV1", None).status, 200);

    // Page by page; by filter.
    let page = admin.get("/stock?limit=3");
    let cursor = page.json["nextCursor"].as_str().unwrap().to_owned();
    assert_eq!(
        (page.json["data"].as_array().unwrap().len(), &page.json["totalItems"]),
        (3, &json!(4))
    );
    let last = admin.get(&format!("/stock?limit=3&cursor={cursor}"));
    assert_eq!(last.json["data"].as_array().unwrap().len(), 1);
    let found = admin.data("/stock?filter=imsi:234500000900004");
    assert_eq!((found.as_array().unwrap().len(), &found[0]["iccid"]), (1, &json!(FOREIGN)));

    assert_eq!(admin.delete(&format!("/stock/{FOREIGN}")).status, 200);
    admin.delete(&format!("/stock/{FOREIGN}")).is_refused(404, "not-found", "Record not found");
    activate(&writer, FOREIGN, "PPPP-2222", None).is_refused(422, "activation", "");
    // What the file no longer names is kept, until it is pruned.
    folder.write("inventory/stock.csv", "iccid,activation_code\n8944500000000900072,NEWS-NEWS\n");
    assert_eq!(admin.call("POST", "/server/reload", "", None).status, 200);
    assert_eq!(stock(&admin), [FIRST, SECOND, THIRD, "8944500000000900072"]);
}

#[test]
fn many_sims_are_activated_at_once_or_none() {
    let folder = folder();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "write");
    let item = |iccid: &str, code: &str| json!({"iccid": iccid, "activationCode": code, "endpointGroup": "epos"});
    let (good, bad) = (item(FIRST, "K7QF-22PD"), item(SECOND, "0000-0000"));
    let refused = client.call("POST", "/endpoints/batch", "", Some(&json!({"items": [good, bad]})));
    refused.is_refused(422, "invalid", "/items/1: ICCID and activation code");
    assert_eq!(stock(&client).len(), 3);
    let dry = json!({"dryRun": true, "items": [good, bad]});
    let rows = client.write("POST", "/endpoints/batch", &dry);
    assert_eq!((&rows[0]["ok"], &rows[1]["ok"]), (&json!(true), &json!(false)), "{rows}");
    assert_eq!(rows[1]["code"], "activation");
    assert_eq!(stock(&client).len(), 3, "a dry run does nothing");
    let each = json!({"atomic": false, "items": [good, bad]});
    let rows = client.write("POST", "/endpoints/batch", &each);
    assert_eq!((&rows[0]["ok"], &rows[1]["ok"]), (&json!(true), &json!(false)), "{rows}");
    assert_eq!(stock(&client), [SECOND, THIRD]);
    // Without a code it is an import, which is an administrator's.
    let without = json!({"items": [{"iccid": FOREIGN, "endpointGroup": "epos"}]});
    let refused = client.call("POST", "/endpoints/batch", "", Some(&without));
    refused.is_refused(403, "forbidden", "needs admin");
    let admin = Client::new(&folder, &server, "admin");
    let csv = "iccid,imsi,group,name\n8944500000000900049,234500000900004,epos,till 904\n";
    let done = admin.send_csv("/endpoints/batch", csv);
    assert_eq!((done.status, &done.json["data"][0]["ok"]), (200, &json!(true)), "{}", done.json);
    assert!(attach(&server, "234500000900004").starts_with("100.64."));
    let refused = admin.send_csv("/endpoints/batch", "iccid,group\n8944500000000900080,nowhere\n");
    refused.is_refused(422, "invalid", "endpoints.csv:2: group: there is no group");
}
