//! The management API as programs meet it: the built program, a token, real connections. The calls
//! of the platform's Terraform provider are replayed as it makes them.

mod support;

use std::process::Command;

use attachd::wire::Code;
use serde_json::{Value, json};
use support::client::Client;
use support::gateway::Gateway;
use support::server::Folder;

/// What Terraform's provider does for a VSlice and a group: create, read back by the id, refresh by
/// the moniker, update, rename, delete.
#[test]
fn terraform_keeps_vslices_and_groups() {
    let folder = Folder::new();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "write");
    let vslice = json!({
        "name": "Terra & form", "moniker": "terra", "dnsServers": ["9.9.9.9", "1.1.1.1"],
        "dnsMode": "custom", "ipAddressFamily": "Ipv4", "subnetAddress": "100.70.0.0/16",
        "ipAllocationType": "static", "eventMap": "",
    });
    let id = client.write("POST", "/vslices", &vslice);
    let shown = client.data(&format!("/vslices/{}", id.as_str().unwrap()));
    assert_eq!(shown, client.data("//vslices/terra"), "by id and by moniker");
    for (key, wanted) in [
        ("id", id.clone()),
        ("name", json!("Terra & form")),
        ("moniker", json!("terra")),
        ("subnets", json!(["100.70.0.0/16"])),
        ("dnsServers", json!(["9.9.9.9", "1.1.1.1"])),
        ("eventMap", Value::Null),
        ("endpointGroupCount", json!(0)),
        ("endpointCount", json!(0)),
    ] {
        assert_eq!(shown[key], wanted, "{key}");
    }
    let family = json!({"key": 10, "moniker": "Ipv4", "name": "IPv4", "active": true});
    assert_eq!(shown["ipAddressFamily"], family, "spelled as it was written");
    let mode = json!({"key": 20, "moniker": "custom", "name": "Custom", "active": true});
    assert_eq!(shown["dnsMode"], mode);

    let group = json!({
        "name": "Tills", "moniker": "terra-tills", "eventMap": null, "routingPolicy": null,
        "steeringProfile": null, "regionalGatewayPolicy": "automatic",
        "ipAllocationType": "static", "vslice": "terra",
    });
    let group_id = client.write("POST", "/EndpointGroups", &group);
    let shown = client.data(&format!("/endpointgroups/{}", group_id.as_str().unwrap()));
    assert_eq!(shown["vslice"], json!({"id": id, "moniker": "terra", "name": "Terra & form"}));
    for absent in ["eventMap", "routingPolicy", "steeringProfile"] {
        assert!(shown[absent].is_null(), "{absent}");
    }
    assert_eq!(shown["regionalGatewayPolicy"]["moniker"], "automatic");
    assert_eq!(shown["endpointsAssigned"], 0);
    assert_eq!(client.data("/vslices/terra")["endpointGroupCount"], 1);

    // What Terraform does not know is set by others, and left alone by its updates.
    client.write("PATCH", "/endpointgroups/terra-tills", &json!({"apns": ["till.iot"]}));
    let mut renamed = group.clone();
    renamed["name"] = json!("All tills");
    renamed["id"] = group_id.clone();
    client.write("PUT", "/EndpointGroups/terra-tills", &renamed);
    let shown = client.data("/EndpointGroups/terra-tills");
    assert_eq!((&shown["name"], &shown["apns"]), (&json!("All tills"), &json!(["till.iot"])));

    // A new moniker comes as a PUT to it, with the id; references follow.
    let mut moved = vslice.clone();
    moved["moniker"] = json!("terra-two");
    moved["dnsServers"] = Value::Null;
    moved["dnsMode"] = json!("auto");
    client.call("PUT", "/vslices/terra-two", "", Some(&moved)).is_refused(
        200,
        "not-found",
        "Record not found",
    );
    moved["id"] = id.clone();
    assert_eq!(client.write("PUT", "/vslices/terra-two", &moved), id);
    let shown = client.data("/vslices/terra-two");
    assert_eq!((&shown["id"], &shown["dnsServers"]), (&id, &Value::Null));
    assert_eq!(client.data("/EndpointGroups/terra-tills")["vslice"]["moniker"], "terra-two");
    client.get("/vslices/terra").is_refused(200, "not-found", "Record not found");

    // Terraform's order: what refers goes first.
    client.delete("/vslices/terra-two").is_refused(
        200,
        "in-use",
        "VSlice terra-two is used by endpoint group terra-tills",
    );
    assert_eq!(client.delete("/EndpointGroups/terra-tills").json["data"], group_id);
    assert_eq!(client.delete("/vslices/terra-two").json["data"], id);
    let gone = client.get("/vslices/terra-two");
    assert_eq!(gone.json["messages"], json!(["Record not found"]), "exactly so, and alone");
    // A moniker is free at once.
    assert_ne!(client.write("POST", "/vslices", &vslice), id);
}

/// Sub-lists come twice, and null is told from an empty list.
#[test]
fn terraform_keeps_handlers_maps_and_policies() {
    let folder = Folder::new();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "write");
    let handler = json!({
        "name": "Hooks", "moniker": "hooks", "eventEndpointType": "webhook",
        "configurationData": {"webhookConfig": {
            "bearerToken": "s3cret", "username": null, "password": null, "timeout": "10",
            "url": "https://ops.example/hook",
        }},
    });
    let id = client.write("POST", "/EventHandlers", &handler);
    let shown = client.data("/EventHandlers/hooks");
    assert_eq!(shown["configurationData"], handler["configurationData"], "back exactly");
    assert_eq!(shown["summaryDescription"], "POST https://ops.example/hook");
    let reader = Client::new(&folder, &server, "read");
    let secret = &reader.data("/EventHandlers/hooks")["configurationData"]["webhookConfig"];
    assert!(secret["bearerToken"].is_null(), "secrets are not for readers");

    let one = json!([{"eventEndpointId": "hooks", "eventTypeId": "endpointauthenticated_v1"}]);
    let map = json!({"name": "Map A", "moniker": "map-a", "eventScope": "endpoint", "subscriptions": one});
    client.write("POST", "/EventMaps", &map);
    let again = client.write("POST", "/EventMaps/map-a/subscriptions", &one);
    assert_eq!(again.as_array().unwrap().len(), 1, "the second is \"make sure these are there\"");
    assert_eq!(again[0]["eventEndpointId"], id);
    assert_eq!(again[0]["eventHandler"]["moniker"], "hooks");
    let listed = client.data("/EventMaps/map-a/subscriptions");
    assert_eq!(listed[0]["eventEndpoint"]["type"], "webhook", "a text");
    assert_eq!(listed[0]["eventType"]["moniker"], "endpointauthenticated_v1");
    assert_eq!(listed[0]["eventMap"]["moniker"], "map-a");
    client.delete("/EventHandlers/hooks").is_refused(200, "in-use", "event map map-a");
    for (written, shown) in [(json!([]), json!([])), (Value::Null, Value::Null)] {
        client.write("PUT", "/EventMaps/map-a", &json!({"subscriptions": written}));
        assert_eq!(client.data("/EventMaps/map-a")["subscriptions"], shown);
    }

    let entries = json!([
        {"operatorId": null, "iso3": null, "steeringProfileEntryAction": "reject-hard"},
        {"operatorId": 60303, "iso3": "DZA", "steeringProfileEntryAction": "allow"},
    ]);
    let policy = json!({"name": "Home", "moniker": "home-only", "entries": entries});
    client.write("POST", "/OperatorPolicies", &policy);
    client.write("POST", "/OperatorPolicies/home-only/entries", &entries);
    let shown = client.data("/OperatorPolicies/home-only/entries");
    assert_eq!(shown.as_array().unwrap().len(), 2);
    assert!(shown[0]["operatorId"].is_null() && shown[0]["iso3"].is_null());
    assert_eq!((&shown[1]["operatorId"], &shown[1]["iso3"]), (&json!(60303), &json!("DZA")));
    assert_eq!(shown[0]["steeringProfileEntryAction"]["moniker"], "reject-hard");
    client.write("PUT", "/OperatorPolicies/home-only", &json!({"entries": [entries[1]]}));
    assert_eq!(client.data("/OperatorPolicies/home-only")["entries"].as_array().unwrap().len(), 1);
}

/// Each refusal with its status, its code, and words that say what to write instead.
#[test]
fn what_is_wrong_is_told_with_pointer_and_remedy() {
    let folder = Folder::new();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "write");
    let vslice = |key: &str, value: Value| {
        let mut body = json!({"name": "V", "moniker": "v", "subnetAddress": "10.9.0.0/16"});
        body[key] = value;
        body
    };
    for (path, body, code, message) in [
        ("/vslices", vslice("moniker", json!("a_b")), "invalid", "/moniker: "),
        ("/vslices", vslice("moniker", json!("V")), "invalid", "write 1 to 30 of a-z, 0-9 and -"),
        (
            "/vslices",
            vslice("moniker", json!("festival")),
            "moniker-taken",
            "is already used by VSlice",
        ),
        (
            "/vslices",
            vslice("subnetAddress", json!("10.1.2.3/16")),
            "invalid",
            "/subnetAddress: 10.1.2.3/16 has host bits; the network is 10.1.0.0/16",
        ),
        (
            "/vslices",
            vslice("ipAddressFamily", json!("ipv6")),
            "unsupported",
            "/ipAddressFamily: IPv6",
        ),
        ("/vslices", vslice("colour", json!("red")), "unknown-key", "/colour: unknown key"),
        ("/vslices", vslice("name", json!(7)), "invalid", "/name: a number where a text is wanted"),
        (
            "/vslices",
            vslice("eventMap", json!("no-map")),
            "reference",
            "/eventMap: there is no event map",
        ),
        (
            "/endpointgroups",
            json!({"name": "G", "moniker": "g", "vslice": "festivl"}),
            "reference",
            "/vslice: there is no VSlice \\\"festivl\\\"",
        ),
        (
            "/endpointgroups",
            json!({"name": "G", "moniker": "g", "vslice": "festival", "routingPolicy": "fw"}),
            "unsupported",
            "does not route packets",
        ),
        ("/routingpolicies", json!({"name": "R"}), "unsupported", "does not route packets"),
        ("/regionalpolicies", json!({"name": "R"}), "unsupported", "automatic"),
    ] {
        client.call("POST", path, "", Some(&body)).is_refused(200, code, message);
    }
    assert_eq!(client.data("/routingtargets"), json!([]));
    assert_eq!(client.data("/RegionalPolicies/automatic")["isFixed"], true);
    client.get("/vslices/").is_refused(200, "moniker-missing", "reads by moniker");
    client.get("/nothing").is_refused(404, "no-such-path", "/api/v1/nothing");
    client.call("PATCH", "/vslices", "", Some(&json!({}))).is_refused(405, "method", "PATCH");

    let problem = client.call(
        "POST",
        "/vslices",
        "Accept: application/problem+json\r\n",
        Some(&vslice("moniker", json!("festival"))),
    );
    assert_eq!(problem.status, 409);
    assert!(problem.head.contains("content-type: application/problem+json"), "{}", problem.head);
    assert_eq!(problem.json["type"], "urn:attachd:problem:moniker-taken");
}

#[test]
fn a_version_is_shown_demanded_and_spared() {
    let folder = Folder::new();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "write");
    let shown = client.get("/vslices/festival");
    let version = shown.json["data"]["version"].as_u64().unwrap();
    assert!(shown.head.contains(&format!("etag: \"{version}\"")), "{}", shown.head);
    let known = format!("If-None-Match: \"{version}\"\r\n");
    assert_eq!(client.call("GET", "/vslices/festival", &known, None).status, 304);
    let name = json!({"name": "Festival, changed"});
    let expected = |version: u64| format!("If-Match: \"{version}\"\r\n");
    client.call("PUT", "/vslices/festival", &expected(version - 1), Some(&name)).is_refused(
        412,
        "precondition",
        "version is",
    );
    let changed = client.call("PUT", "/vslices/festival", &expected(version), Some(&name));
    assert_eq!(changed.status, 200, "{}", changed.json);
    assert!(client.data("/vslices/festival")["version"].as_u64().unwrap() > version);
}

/// Who may do what; and what is open before the first token.
#[test]
fn a_token_and_its_role_decide() {
    let folder = Folder::new();
    let server = folder.serve();
    let nobody = Client { server: &server, token: "0".repeat(32) };
    let till = "/endpoints/8944500000000000014";
    assert_eq!(nobody.get(till).status, 200, "open on this machine until there is a token");
    nobody.get("/vslices").is_refused(401, "unauthenticated", "no or unknown token");
    let reader = Client::new(&folder, &server, "read");
    assert_eq!(reader.get("/vslices").status, 200);
    assert_eq!(
        reader.get("/ApiTokens/Verify").json["messages"],
        json!(["token \"read\" works: role read, never expires"])
    );
    let body = json!({"name": "V", "moniker": "v"});
    reader.call("POST", "/vslices", "", Some(&body)).is_refused(
        403,
        "forbidden",
        "token \\\"read\\\" has role read; this needs write",
    );
    nobody.get(till).is_refused(401, "unauthenticated", "no or unknown token");
    assert_eq!(server.get("/metrics").0, 200, "metrics and health stay open");
}

/// A write was answered, so it is there after a crash, with its id, and a reload leaves it alone.
#[test]
fn what_was_answered_survives_a_crash_and_a_reload() {
    let folder = Folder::new();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "write");
    let body = json!({
        "name": "Kept", "moniker": "kept", "subnetAddress": "10.9.0.0/16", "ipAddressFamily": "ipv4",
    });
    let id = client.write("POST", "/vslices", &body);
    client.write(
        "POST",
        "/vslices/kept/subnets",
        &json!({"cidr": "10.10.0.0/24", "ipAllocationType": "pooled"}),
    );
    client.write("PUT", "/vslices/festival", &json!({"name": "Renamed"}));
    let before = client.data("/vslices/kept");
    let token = client.token;
    server.kill();
    let server = folder.serve();
    let client = Client { server: &server, token };
    assert_eq!(client.data(&format!("/vslices/{}", id.as_str().unwrap())), before);
    assert_eq!(before["subnets"], json!(["10.9.0.0/16", "10.10.0.0/24"]));
    server.signal("HUP");
    server.until("reloaded", |server| server.log().contains("reloaded"));
    assert_eq!(client.data("/vslices/kept"), before);
    assert_eq!(client.data("/vslices/festival")["name"], "Renamed");
    let pools = client.data("/vslices/kept/subnets");
    assert_eq!(pools[1]["free"], 253, "{pools}");
    let removed = client.delete("/vslices/kept/subnets/10.10.0.0/24");
    assert_eq!(removed.json["success"], true, "{}", removed.json);
}

const TILL: &str = "8944500000000000014";

/// The life of a SIM, step by step, each with what it leads to.
#[test]
fn an_endpoint_is_suspended_resumed_moved_and_ended() {
    let folder = Folder::new();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "admin");
    let step = |word: &str, body: Option<&Value>| {
        client.call("POST", &format!("/endpoints/{TILL}/{word}"), "", body)
    };
    let till = client.data(&format!("/endpoints/{TILL}"));
    let uuid = till["id"].as_str().unwrap();
    for id in [uuid, "imsi:234500000000001", "MSISDN:447700000001"] {
        assert_eq!(client.data(&format!("/endpoints/{id}"))["iccid"], TILL, "{id}");
    }
    client.get("/endpoints/imsi:999999999999999").is_refused(404, "not-found", "Record not found");

    let suspended = step("suspend", Some(&json!({"reason": "stolen"})));
    assert_eq!(suspended.json["data"]["provisioningState"]["key"], 60, "{}", suspended.json);
    let till = client.data(&format!("/endpoints/{TILL}"));
    assert_eq!((&till["stateReason"], &till["origin"]), (&json!("stolen"), &json!("file")));
    let again = step("suspend", None);
    assert_eq!(again.json["messages"], json!(["already suspended"]));
    assert_eq!(
        again.head.lines().find(|line| line.starts_with("etag")),
        suspended.head.lines().find(|line| line.starts_with("etag"))
    );
    step("reinstate", None).is_refused(409, "state", "suspended");

    let body = json!({"name": "till one", "reference": "inv-7", "tags": ["bar", "east"]});
    client.write("PATCH", &format!("/endpoints/{TILL}"), &body);
    let till = client.data(&format!("/endpoints/{TILL}"));
    assert_eq!((&till["reference"], &till["tags"]), (&json!("inv-7"), &json!(["bar", "east"])));
    assert_eq!(till["provisioningState"]["key"], 60, "a change of names is none of the state");

    assert_eq!(step("resume", None).json["data"]["provisioningState"]["key"], 50);
    client.write("PATCH", &format!("/endpoints/{TILL}"), &json!({"endpointGroup": null}));
    assert_eq!(client.data(&format!("/endpoints/{TILL}"))["provisioningState"]["key"], 30);
    client.write("PATCH", &format!("/endpoints/{TILL}"), &json!({"endpointGroup": "epos"}));
    assert_eq!(client.data(&format!("/endpoints/{TILL}"))["provisioningState"]["key"], 50);
    let outside = json!({"staticIp": "10.0.0.1"});
    client
        .call("PATCH", &format!("/endpoints/{TILL}"), "", Some(&outside))
        .is_refused(422, "address", "10.0.0.1");
    assert_eq!(step("terminate", None).json["data"]["provisioningState"]["key"], 70);
    step("resume", None).is_refused(409, "state", "reinstate it first");
    assert_eq!(step("reinstate", None).json["data"]["provisioningState"]["key"], 30);

    // What was answered is there after a crash.
    let before = client.data(&format!("/endpoints/{TILL}"));
    let token = client.token.clone();
    server.kill();
    let server = folder.serve();
    let client = Client { server: &server, token };
    assert_eq!(client.data(&format!("/endpoints/{TILL}")), before);
}

#[test]
fn endpoints_are_listed_page_by_page_and_searched() {
    let folder = Folder::new();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "read");
    let all = client.get("/endpoints?limit=1000").json;
    let total = all["totalItems"].as_u64().unwrap();
    assert_eq!(all["data"].as_array().unwrap().len() as u64, total);
    assert!(all["nextCursor"].is_null() && all["data"][0].get("sessions").is_none());

    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("/endpoints?limit=37&cursor={cursor}")).json;
        assert_eq!(page["totalItems"], total);
        let iccids = page["data"].as_array().unwrap().iter().map(|one| one["iccid"].clone());
        seen.extend(iccids.map(|iccid| iccid.as_str().unwrap().to_owned()));
        match page["nextCursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(seen.len() as u64, total);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len() as u64, total, "none twice");

    let count = |query: &str| client.get(&format!("/endpoints?{query}")).json["totalItems"].clone();
    for (query, wanted) in [
        (format!("filter=iccid:{TILL}"), 1),
        ("filter=imsi:234500000000001".to_owned(), 1),
        ("filter=imsi:234500000000001,provisioningState:suspended".to_owned(), 0),
        ("filter=name:till%201,msisdn:447700000001".to_owned(), 1),
        ("q=447700000001".to_owned(), 1),
        ("filter=networkState:40".to_owned(), 0),
        ("filter=country:DE".to_owned(), 0),
        ("filter=ratType:NB-IoT".to_owned(), 0),
        ("filter=msisdn:4477000000,name:till%201,provisioningState:active".to_owned(), 11),
        ("filter=lastActivityAfter:2020-01-01T00:00:00Z".to_owned(), 0),
        ("filter=lastActivityBefore:2020-01-01".to_owned(), 0),
    ] {
        assert_eq!(count(&query), wanted, "{query}");
    }
    for bad in ["filter=colour:red", "offset=5", "sortBy=asc(name)", "cursor=zz", "limit=1001"] {
        assert_eq!(client.get(&format!("/endpoints?{bad}")).status, 400, "{bad}");
    }
}

/// All or nothing, and exactly as many as expected.
#[test]
fn many_endpoints_are_changed_at_once_or_none() {
    let folder = Folder::new();
    let server = folder.serve();
    let admin = Client::new(&folder, &server, "admin");
    let one =
        |iccid: &str, imsi: &str| json!({"iccid": iccid, "imsi": imsi, "endpointGroup": "epos"});
    let good = one("8944500000000900000", "234500000900000");
    let taken = one("8944500000000900018", "234500000000001");
    let both = json!({"items": [good, taken]});
    admin.call("POST", "/endpoints/batch", "", Some(&both)).is_refused(
        422,
        "invalid",
        "/items/1: the IMSI belongs to",
    );
    admin.get("/endpoints/8944500000000900000").is_refused(404, "not-found", "Record not found");
    let dry = admin.write("POST", "/endpoints/batch", &json!({"dryRun": true, "items": [good]}));
    assert_eq!(
        dry,
        json!([{"row": 0, "iccid": "8944500000000900000", "ok": true, "code": null, "message": null}])
    );
    admin.get("/endpoints/8944500000000900000").is_refused(404, "not-found", "Record not found");
    let loose = json!({"atomic": false, "items": [good, taken]});
    let rows = admin.write("POST", "/endpoints/batch", &loose);
    assert_eq!((&rows[0]["ok"], &rows[1]["ok"]), (&json!(true), &json!(false)), "{rows}");
    assert_eq!(admin.data("/endpoints/8944500000000900000")["provisioningState"]["key"], 50);

    let of_group = "filter=endpointGroup:epos";
    let count = admin.get(&format!("/endpoints?{of_group}")).json["totalItems"].as_u64().unwrap();
    let action = |expect: u64| json!({"action": "suspend", "filter": "endpointGroup:epos,provisioningState:active", "expect": expect});
    admin.call("POST", "/endpoints/actions", "", Some(&action(count + 1000))).is_refused(
        409,
        "precondition",
        "endpoints match",
    );
    let active = format!("/endpoints?{of_group},provisioningState:active");
    let active = admin.get(&active).json["totalItems"].as_u64().unwrap();
    assert!(active > 1, "{active}");
    let done = admin.write("POST", "/endpoints/actions", &action(active));
    assert_eq!(done["changed"], active);
    let suspended = format!("/endpoints?{of_group},provisioningState:suspended");
    assert!(admin.get(&suspended).json["totalItems"].as_u64().unwrap() >= active);
}

/// The same for people, by the command line.
#[test]
fn the_command_line_does_what_the_api_does() {
    let folder = Folder::new();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "admin");
    let run = |arguments: &[&str]| {
        let ran = Command::new(env!("CARGO_BIN_EXE_attachd"))
            .arg("endpoint")
            .args(arguments)
            .env("ATTACHD_URL", format!("http://{}", server.http))
            .env("ATTACHD_TOKEN", &client.token)
            .output()
            .unwrap();
        let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
        (ran.status.code().unwrap(), text(ran.stdout), text(ran.stderr))
    };
    let (exit, table, told) = run(&["suspend", TILL, "--reason", "lost"]);
    assert_eq!(exit, 0, "{told}");
    assert!(table.contains("suspended") && table.contains("till 1"), "{table}");
    let (_, _, told) = run(&["suspend", "imsi:234500000000001"]);
    assert!(told.contains("already suspended"), "{told}");
    let (exit, json, _) = run(&["show", TILL, "--output", "json"]);
    let shown: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((exit, &shown[0]["stateReason"]), (0, &json!("lost")));
    assert_eq!(run(&["resume", TILL]).0, 0);
    let (exit, table, _) = run(&["list", "--filter", "endpointGroup:epos", "--limit", "2"]);
    assert!(
        exit == 0 && table.lines().filter(|line| line.contains("89445")).count() == 2,
        "{table}"
    );
    let (exit, _, told) = run(&["show", "8944500000000999999"]);
    assert!(exit == 1 && told.contains("Record not found"), "{told}");
    let (exit, _, told) = run(&["move", TILL, "--group", "nowhere"]);
    assert!(exit == 2 && told.contains("there is no endpoint group"), "{told}");
    let (exit, _, told) = run(&["show", "100.64.0.16"]);
    assert!(exit == 1 && told.contains("--vslice"), "{told}");
    let refused = Command::new(env!("CARGO_BIN_EXE_attachd"))
        .args(["endpoint", "list", "--url", &format!("http://{}", server.http)])
        .env_remove("ATTACHD_TOKEN")
        .output()
        .unwrap();
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("attachd token create"), "{told}");
}

/// What is explained is what a gateway is told, whatever the fault.
#[test]
fn why_says_what_a_gateway_is_told() {
    let folder = Folder::new();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "admin");
    let path = format!("/endpoints/{TILL}");
    let told = |apn: &str| {
        let why = client.data(&format!("{path}/why?apn={apn}&gateway=here"));
        let apn = format!("Called-Station-Id = {apn}");
        let mut gateway = Gateway::facing(server.auth[0]);
        let imsi = "3GPP-IMSI = 234500000000001";
        let reply = gateway.ask(server.auth[0], Code::ACCESS_REQUEST, &[imsi, &apn]);
        let reason =
            reply.value("Reply-Message").unwrap_or("accepted").trim_matches('"').to_owned();
        (why, reason)
    };
    let expect = |apn: &str, reason: &str, check: &str| {
        let (why, told) = told(apn);
        let explained = why["reason"].as_str().unwrap_or("accepted");
        assert_eq!((explained, told.as_str()), (reason, reason), "{why}");
        let steps = why["steps"].as_array().unwrap();
        let last = steps.last().unwrap();
        assert_eq!(
            (&last["check"], &last["passed"]),
            (&json!(check), &json!(reason == "accepted"))
        );
        assert_eq!(steps[0]["check"], "gateway");
    };
    expect("festival.iot", "accepted", "address");
    expect("elsewhere.iot", "apn-not-allowed", "apn");
    client.write("PATCH", "/endpointgroups/epos", &json!({"enabled": false}));
    expect("festival.iot", "group-invalid", "group");
    client.write("PATCH", "/endpointgroups/epos", &json!({"enabled": true}));
    client.call("POST", &format!("{path}/suspend"), "", None);
    expect("festival.iot", "endpoint-suspended", "state");
    client.write("PATCH", &path, &json!({"endpointGroup": null}));
    expect("festival.iot", "endpoint-pending", "state");
    client.call("POST", &format!("{path}/terminate"), "", None);
    expect("festival.iot", "endpoint-terminated", "state");
    let last = client.data(&format!("{path}/why"))["lastRefusals"].clone();
    let reasons: Vec<&str> =
        last.as_array().unwrap().iter().map(|one| one["reason"].as_str().unwrap()).collect();
    let wanted = [
        "endpoint-terminated",
        "endpoint-pending",
        "endpoint-suspended",
        "group-invalid",
        "apn-not-allowed",
    ];
    assert_eq!(reasons, wanted, "{last}");
    let unknown = client.data(&format!("{path}/why?gateway=nobody"));
    assert_eq!(unknown["steps"][0]["passed"], false, "{unknown}");
    client.get("/endpoints/8944500000000999999/why").is_refused(
        404,
        "not-found",
        "Record not found",
    );
}

/// Whoever writes at the same time as others undoes nothing of theirs.
#[test]
fn writes_at_the_same_time_are_all_kept() {
    let folder = Folder::new();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "write");
    let keys = ["sessionTimeoutS", "idleTimeoutS", "interimIntervalS"];
    for round in 1..=5_u64 {
        std::thread::scope(|scope| {
            for key in keys {
                let client = &client;
                let body = json!({key: 600 + round});
                scope.spawn(move || client.write("PATCH", "/endpointgroups/epos", &body));
            }
            for number in 0..4 {
                let client = &client;
                let body = json!({"cidr": format!("10.{round}.{number}.0/24")});
                scope.spawn(move || client.write("POST", "/vslices/festival/subnets", &body));
            }
        });
        let group = client.data("/endpointgroups/epos");
        for key in keys {
            assert_eq!(group[key], json!(600 + round), "{key}: {group}");
        }
        let subnets = client.data("/vslices/festival/subnets");
        let shown = subnets.to_string();
        for number in 0..4 {
            assert!(shown.contains(&format!("10.{round}.{number}.0/24")), "{shown}");
        }
    }
}

/// While nothing can be recorded, nobody is told that something is not there.
#[test]
fn a_server_that_cannot_record_never_says_that_a_record_is_not_there() {
    let folder = Folder::new();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "admin");
    let paths = ["/vslices/nowhere", "/eventhandlers/nobody", "/endpoints/8944500000000999999"];
    server.limit_files(Some(1));
    client.call("POST", &format!("/endpoints/{TILL}/suspend"), "", None);
    server.until("it is not ready", |server| server.get("/readyz").0 == 503);
    for path in paths {
        for method in ["GET", "DELETE", "PUT"] {
            let answer = client.call(method, path, "", Some(&json!({"name": "x"})));
            let told = answer.json.to_string();
            assert!(!told.contains("Record not found"), "{method} {path}: {told}");
        }
        client.get(path).is_refused(503, "not-ready", "");
    }
    server.limit_files(None);
    server.until("it is ready again", |server| server.get("/readyz").0 == 200);
    assert!(paths.iter().all(|path| client.get(path).json["code"] == "not-found"));
}

/// Once there are tokens, a reload needs one.
#[test]
fn a_reload_needs_a_token_once_there_is_one() {
    let folder = Folder::new();
    let server = folder.serve();
    let open = Client::without_token(&server);
    assert_eq!(open.call("POST", "/server/reload", "", None).status, 200, "no token exists");
    let reader = Client::new(&folder, &server, "read");
    open.call("POST", "/server/reload", "", None).is_refused(401, "unauthenticated", "token");
    reader.call("POST", "/server/reload", "", None).is_refused(403, "forbidden", "needs write");
    let writer = Client::new(&folder, &server, "write");
    assert_eq!(writer.call("POST", "/server/reload", "", None).status, 200);
}

/// By address, now and at an instant; after the session, as long as it is remembered.
#[test]
#[allow(clippy::disallowed_methods, reason = "a test over real sockets")]
fn who_has_an_address_and_who_had_it() {
    let folder = Folder::new();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "read");
    let mut gateway = Gateway::facing(server.acct[0]);
    let session = ["3GPP-IMSI = 234500000000001", "Acct-Session-Id = S1"];
    let mut report = |status: &str, stamp: &str| {
        let status = format!("Acct-Status-Type = {status}");
        let stamp = format!("Event-Timestamp = {stamp}");
        let address = "Framed-IP-Address = 100.64.0.16";
        let attributes = [&status, session[0], session[1], address, &stamp];
        gateway.ask(server.acct[0], Code::ACCOUNTING_REQUEST, &attributes);
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let began = now.as_secs() - 120;
    report("Start", &began.to_string());
    let path = "/addresses?vslice=festival&address=100.64.0.16";
    let at = |seconds: u64| {
        let time = attachd::time::Timestamp::from_secs(seconds).to_string();
        client.data(&format!("{path}&at={time}"))
    };
    let told = |found: &Value| {
        let found = found.as_array().unwrap();
        assert!(found.len() <= 1, "{found:?}");
        found.first().map(|one| {
            let text = |key: &str| one[key].as_str().unwrap_or("-").to_owned();
            format!(
                "{} {} {} {}",
                text("iccid"),
                text("state"),
                text("source"),
                text("acctSessionId")
            )
        })
    };
    let owner = |state: &str| Some(format!("{TILL} {state} session S1"));
    assert_eq!(told(&client.data(path)), owner("open"));
    assert_eq!((told(&at(began + 60)), told(&at(began - 60))), (owner("open"), None));
    report("Stop", &(began + 90).to_string());
    // The address is static: it stays the till's.
    assert_eq!(told(&client.data(path)), Some(format!("{TILL} leased lease -")));
    assert_eq!((told(&at(began + 60)), told(&at(began + 100))), (owner("ended"), None));
    assert_eq!(client.data("/addresses?vslice=festival&address=100.64.9.9"), json!([]));
    client.get("/addresses?vslice=festivl&address=1.2.3.4").is_refused(400, "invalid", "festivl");
    client.get("/addresses?address=till").is_refused(400, "invalid", "no IP address");
    let run = |address: &str| {
        let done = Command::new(env!("CARGO_BIN_EXE_attachd"))
            .args(["who", address, "--vslice", "festival"])
            .args(["--url", &format!("http://{}", server.http)])
            .env("ATTACHD_TOKEN", &client.token)
            .output()
            .unwrap();
        (done.status.code().unwrap(), String::from_utf8(done.stdout).unwrap())
    };
    let (exit, table) = run("100.64.0.16");
    assert!(exit == 0 && table.contains(TILL), "{table}");
    assert_eq!(run("100.64.9.9").0, 3);
}
