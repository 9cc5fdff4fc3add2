//! What the server shows of itself, its gateways and all sessions, as programs ask for it.

#![expect(clippy::unwrap_used, reason = "the helpers are tests, too")]

mod support;

use attachd::wire::Code;
use serde_json::{Value, json};
use support::client::Client;
use support::gateway::Gateway;
use support::server::{Folder, Server};

/// One session for each of the first endpoints of the festival.
fn begin_sessions(server: &Server, count: u32) {
    let mut gateway = Gateway::facing(server.auth[0]);
    for at in 1..=count {
        let imsi = format!("3GPP-IMSI = 23450000000{at:04}");
        let accept = gateway.ask(
            server.auth[0],
            Code::ACCESS_REQUEST,
            &[&imsi, "Called-Station-Id = festival.iot"],
        );
        let address = format!("Framed-IP-Address = {}", accept.value("Framed-IP-Address").unwrap());
        let (id, status) = (format!("Acct-Session-Id = S{at}"), "Acct-Status-Type = Start");
        let apn = "Called-Station-Id = festival.iot";
        let start = [imsi.as_str(), apn, status, &id, &address];
        gateway.ask(server.acct[0], Code::ACCOUNTING_REQUEST, &start);
    }
}

#[test]
fn sessions_of_all_endpoints_are_paged_and_filtered() {
    let folder = Folder::new();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "read");
    begin_sessions(&server, 5);
    let mut seen = Vec::new();
    let mut path = "/sessions?limit=2".to_owned();
    loop {
        let page = client.get(&path);
        assert_eq!(
            (page.status, page.json["totalItems"].as_u64()),
            (200, Some(5)),
            "{}",
            page.json
        );
        let shown = page.json["data"].as_array().unwrap();
        assert!(shown.len() <= 2);
        seen.extend(shown.iter().map(|one| one["iccid"].as_str().unwrap().to_owned()));
        let Some(next) = page.json["nextCursor"].as_str() else { break };
        path = format!("/sessions?limit=2&cursor={next}");
    }
    seen.sort();
    let known: Vec<_> = folder_iccids().into_iter().take(5).collect();
    assert_eq!(seen, known, "each once");

    let one = client.data(&format!("/sessions?iccid={}", known[0]));
    let ip = one[0]["ip"].as_str().unwrap();
    assert_eq!(one[0]["vslice"]["moniker"], "festival");
    for (query, count) in [
        (format!("ip={ip}"), 1),
        ("vslice=festival&state=open".to_owned(), 5),
        ("endpointGroup=epos&apn=FESTIVAL.iot".to_owned(), 5),
        ("endpointGroup=other".to_owned(), 0),
        ("state=ended".to_owned(), 0),
        ("startedAfter=2020-01-01T00:00:00Z".to_owned(), 5),
        ("startedAfter=2999-01-01T00:00:00Z".to_owned(), 0),
        (format!("iccid={}&state=ended", known[0]), 0),
    ] {
        let shown = client.data(&format!("/sessions?{query}"));
        assert_eq!(shown.as_array().unwrap().len(), count, "{query}: {shown}");
    }
    for query in ["state=closed", "ip=x", "cursor=1", "offset=1", "limit=1001"] {
        assert_eq!(client.get(&format!("/sessions?{query}")).status, 400, "{query}");
    }
    let of_one = client.data(&format!("/endpoints/{}/sessions", known[0]));
    assert_eq!(of_one[0]["id"], one[0]["id"]);
}

fn folder_iccids() -> Vec<String> {
    let path = format!("{}/fixtures/festival/endpoints.csv", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().skip(1).map(|line| line.split(',').next().unwrap().to_owned()).collect()
}

#[test]
fn gateways_are_shown_with_what_was_heard_of_them_and_without_secrets() {
    let folder = Folder::new();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "read");
    let all = client.get("/gateways");
    assert_eq!((all.status, &all.json["totalItems"]), (200, &json!(1)), "{}", all.json);
    let name = all.json["data"][0]["name"].as_str().unwrap().to_owned();
    let path = format!("/gateways/{name}");
    let before = client.data(&path);
    assert!(before["lastHeard"].is_null() && before["restartedAt"].is_null(), "{before}");
    assert_eq!(before["messageAuthenticatorLearnt"], false);

    begin_sessions(&server, 3);
    let mut gateway = Gateway::facing(server.acct[0]);
    let after = client.data(&path);
    assert_eq!(after["openSessions"], 3, "{after}");
    assert_eq!(after["requests"], json!({"Access-Request": 3, "Accounting-Request": 3}));
    assert_eq!(after["messageAuthenticatorLearnt"], true);
    assert!(after["lastHeard"].is_string() && after["source"][0].is_string(), "{after}");
    assert!(!after.to_string().contains("testing123"));
    gateway.ask(server.acct[0], Code::ACCOUNTING_REQUEST, &["Acct-Status-Type = Accounting-On"]);
    assert!(client.data(&path)["restartedAt"].is_string());

    client.get("/gateways/nobody").is_refused(404, "not-found", "Record not found");
    assert_eq!(client.get("/gateways?filter=name:zzz").json["totalItems"], 0);
    assert_eq!(client.get("/gateways?filter=secret:t").status, 400);
    let nobody = Client::without_token(&server).get("/gateways");
    nobody.is_refused(401, "unauthenticated", "no or unknown token");
}

#[test]
fn the_server_says_how_much_there_is() {
    let folder = Folder::new();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "read");
    begin_sessions(&server, 2);
    let shown = client.data("/server");
    assert_eq!(shown["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(shown["readiness"]["status"], "ready");
    let counts = &shown["counts"];
    assert_eq!(counts["openSessions"], 2, "{counts}");
    assert_eq!(counts["endpoints"], Value::from(folder_iccids().len()));
    assert_eq!((&counts["vslices"], &counts["gateways"]), (&json!(2), &json!(1)), "{counts}");
    assert!(shown["uptimeS"].is_u64() && shown["startedAt"].is_string(), "{shown}");
}
