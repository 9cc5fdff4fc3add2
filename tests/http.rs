//! HTTP as operators and their programs meet it: the built program, real connections.

#![expect(clippy::unwrap_used, reason = "the helpers are tests, too")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Output};
use std::time::Duration;

use attachd::wire::Code;
use serde_json::Value;
use support::gateway::Gateway;
use support::server::{Folder, Server};

const TILL: &str = "8944500000000000014";

/// What was answered.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        assert!(self.head.contains("content-type: application/json"), "{}", self.head);
        serde_json::from_str(&self.body).unwrap()
    }

    fn is_refused_as(&self, status: u16, code: &str) -> bool {
        let body = self.json();
        let has_reason = body["messages"][0].as_str().is_some_and(|message| !message.is_empty());
        self.status == status
            && body["success"] == false
            && body["code"] == code
            && body["data"].is_null()
            && has_reason
    }
}

/// Says this to the server, and hears it out.
fn say(server: SocketAddr, words: &str) -> Answer {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(words.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

fn ask(server: &Server, method: &str, path: &str, headers: &str) -> Answer {
    say(server.http, &format!("{method} {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"))
}

/// As programs do.
fn plainly(server: &Server, method: &str, path: &str) -> Answer {
    ask(server, method, path, "Host: localhost\r\n")
}

fn attachd(arguments: &[&str], url: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_attachd"))
        .args(arguments)
        .env("ATTACHD_URL", url)
        .output()
        .unwrap()
}

#[test]
fn every_refusal_has_its_status_and_the_envelope() {
    let folder = Folder::new();
    let server = folder.serve();
    let till = format!("/api/v1/endpoints/{TILL}");
    let twice = format!("/api/v1/sessions?iccid={TILL}&iccid={TILL}");
    let unknown = format!("/api/v1/sessions?iccid={TILL}&colour=red");
    for (method, path, status, code) in [
        ("GET", "/nowhere", 404, "no-such-path"),
        ("GET", "/api/v1/nowhere", 404, "no-such-path"),
        ("GET", "/api/v1/endpoints/8944500000000000999", 404, "not-found"),
        ("GET", &twice, 400, "invalid"),
        ("GET", &unknown, 400, "unknown-key"),
        ("DELETE", &till, 405, "method"),
        ("POST", "/metrics", 405, "method"),
        ("GET", "/api/v1/server/reload", 405, "method"),
    ] {
        let answer = plainly(&server, method, path);
        assert!(
            answer.is_refused_as(status, code),
            "{method} {path}: {} {}",
            answer.status,
            answer.body
        );
        assert_eq!(
            answer.head.contains("allow: "),
            status == 405,
            "{method} {path}: {}",
            answer.head
        );
    }
}

#[test]
fn content_types_are_right_and_head_is_get_without_a_body() {
    let folder = Folder::new();
    let server = folder.serve();
    let till = format!("/api/v1/endpoints/{TILL}");
    for (path, kind) in [
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8"),
        ("/livez", "text/plain; charset=utf-8"),
        ("/readyz", "application/json"),
        (&till, "application/json"),
    ] {
        let (get, head) = (plainly(&server, "GET", path), plainly(&server, "HEAD", path));
        assert_eq!((get.status, head.status, head.body.as_str()), (200, 200, ""), "{path}");
        for answer in [&get, &head] {
            assert!(
                answer.head.contains(&format!("content-type: {kind}")),
                "{path}: {}",
                answer.head
            );
        }
    }
    assert_eq!(plainly(&server, "GET", "/readyz").body, r#"{"status":"ready","reasons":[]}"#);
}

/// A page in a browser that has made its own name point to 127.0.0.1 sends that name.
#[test]
fn a_foreign_name_or_page_gets_nothing_from_a_loopback_listener() {
    let folder = Folder::new();
    let server = folder.serve();
    let till = format!("/api/v1/endpoints/{TILL}");
    for path in ["/metrics", "/readyz", &till] {
        for host in ["evil.example", "evil.example:8080", "localhost.evil.example", "192.0.2.1"] {
            let answer = ask(&server, "GET", path, &format!("Host: {host}\r\n"));
            assert!(
                answer.is_refused_as(403, "forbidden"),
                "{host} {path}: {} {}",
                answer.status,
                answer.body
            );
        }
        for host in
            ["localhost", "LocalHost:1", "127.0.0.1", "[::1]:8080", &server.http.to_string()]
        {
            assert_eq!(
                ask(&server, "GET", path, &format!("Host: {host}\r\n")).status,
                200,
                "{host} {path}"
            );
        }
    }
    assert_eq!(ask(&server, "GET", "/livez", "").status, 400);
    assert_eq!(ask(&server, "GET", "/livez", "Host: localhost\r\nHost: localhost\r\n").status, 400);
    assert_eq!(ask(&server, "GET", "http://evil.example/livez", "Host: localhost\r\n").status, 403);

    let before = reloads(&server, "applied");
    for origin in ["http://evil.example", "null"] {
        let answer = ask(
            &server,
            "POST",
            "/api/v1/server/reload",
            &format!("Host: localhost\r\nOrigin: {origin}\r\n"),
        );
        assert!(answer.is_refused_as(403, "forbidden"), "{origin}: {}", answer.status);
    }
    assert_eq!(reloads(&server, "applied"), before);
}

fn reloads(server: &Server, outcome: &str) -> String {
    let name = format!("attachd_reloads_total{{outcome=\"{outcome}\"}} ");
    let exposition = server.get("/metrics").1;
    exposition.lines().find_map(|line| line.strip_prefix(&name)).unwrap().to_owned()
}

/// Six hundred that never finish a request once kept the health check out for 75 seconds.
#[test]
fn slow_connections_do_not_silence_the_health_check() {
    let folder = Folder::new();
    let server = folder.serve();
    let mut crowd = Vec::new();
    for _ in 0..600 {
        let mut stream = TcpStream::connect(server.http).unwrap();
        // Some are sent away meanwhile.
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost:");
        crowd.push(stream);
    }
    for _ in 0..3 {
        let mut stream = TcpStream::connect(server.http).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(4))).unwrap();
        stream
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it is answered at once");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[test]
fn a_reload_is_asked_for_and_its_outcome_told() {
    let folder = Folder::new();
    let server = folder.serve();
    let url = format!("http://{}", server.http);
    assert_eq!(
        (reloads(&server, "applied").as_str(), reloads(&server, "refused").as_str()),
        ("0", "0")
    );

    folder.edit(
        "inventory/endpoints.csv",
        "active,epos,,,till 2\n",
        "active,epos,,,the second till\n",
    );
    let done = attachd(&["reload"], &url);
    let said = String::from_utf8(done.stdout).unwrap();
    assert_eq!((done.status.code(), said.lines().count()), (Some(0), 1), "{said}");
    assert!(said.starts_with("reloaded: 1 gateways; endpoints: 0 added, 1 changed, 0 "), "{said}");

    folder.edit(
        "inventory/endpoints.csv",
        "active,epos,,,the second till\n",
        "active,nowhere,,,the second till\n",
    );
    let refused = attachd(&["reload"], &url);
    let complaint = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(
        (refused.status.code(), refused.stdout.as_slice()),
        (Some(2), &b""[..]),
        "{complaint}"
    );
    assert!(complaint.contains("endpoints.csv:3") && complaint.contains("nowhere"), "{complaint}");
    assert!(complaint.ends_with("nothing was reloaded, for the reasons above\n"), "{complaint}");
    assert_eq!(
        (reloads(&server, "applied").as_str(), reloads(&server, "refused").as_str()),
        ("1", "1")
    );
    assert!(plainly(&server, "POST", "/api/v1/server/reload").is_refused_as(422, "invalid"));

    folder.edit(
        "inventory/endpoints.csv",
        "active,nowhere,,,the second till\n",
        "active,epos,,,the second till\n",
    );
    let json = attachd(&["reload", "--output", "json", "--url", &url], "http://127.0.0.1:1");
    let applied: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((applied["changed"].as_u64(), applied["durable"].as_bool()), (Some(0), Some(true)));

    let nobody = attachd(&["reload"], "http://127.0.0.1:1");
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8(nobody.stderr).unwrap().contains("http://127.0.0.1:1"));
}

#[test]
fn an_empty_listener_switches_http_off() {
    let folder = Folder::new();
    folder.edit("attachd.toml", "[http]\nlisten = \"127.0.0.1:0\"", "[http]\nlisten = \"\"");
    let server = folder.serve();
    assert_eq!(server.http.port(), 0, "the ready line names no HTTP address");
    let mut gateway = Gateway::facing(server.auth[0]);
    assert_eq!(gateway.ask(server.auth[0], Code::STATUS_SERVER, &[]).code, Code::ACCESS_ACCEPT);
    assert_eq!(server.terminate().status.code(), Some(0));
}

#[test]
fn beyond_loopback_http_is_refused_unless_it_is_meant() {
    let folder = Folder::new();
    folder.edit(
        "attachd.toml",
        "[http]\nlisten = \"127.0.0.1:0\"",
        "[http]\nlisten = \"0.0.0.0:0\"",
    );
    let refused = folder.refuses();
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        refused.stderr.contains("0.0.0.0:0 is not loopback")
            && refused.stderr.contains("insecure = true"),
        "{}",
        refused.stderr
    );
}

#[test]
fn the_exposition_is_sorted_complete_from_the_start_and_knows_other_names() {
    let folder = Folder::new();
    folder.edit("attachd.toml", "[http]\n", "[http]\nfreeradius_metrics = true\n");
    let server = folder.serve();
    let exposition = server.get("/metrics").1;
    for line in [
        "radius_requests_total{gateway=\"pgw-01\",code=\"Access-Request\"} 0",
        "radius_requests_total{gateway=\"pgw-01\",code=\"Accounting-Request\"} 0",
        "radius_responses_total{gateway=\"pgw-01\",code=\"Access-Reject\"} 0",
        "attachd_reloads_total{outcome=\"refused\"} 0",
        "freeradius_total_access_requests 0",
        "freeradius_queue_len_auth 0",
    ] {
        assert!(exposition.lines().any(|have| have == line), "no {line} in {exposition}");
    }
    let names: Vec<&str> = exposition
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    assert!(names.is_sorted(), "{names:?}");
    let series = |text: &str| {
        text.lines()
            .filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        series(&exposition),
        series(&server.get("/metrics").1),
        "the same series in the same order"
    );

    let mut gateway = Gateway::facing(server.auth[0]);
    gateway.ask(server.auth[0], Code::ACCESS_REQUEST, &["3GPP-IMSI = 234500000000001"]);
    let line = "freeradius_total_access_accepts 1";
    server.until(line, |server| server.has_metric(line));
    server.endpoint(TILL);
    let line = "attachd_api_requests_total{path=\"/api/v1/endpoints/{id}\",status=\"200\"} 1";
    server.until(line, |server| server.has_metric(line));
}
