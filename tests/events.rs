//! Events from outside: the built program, a gateway, a receiver of webhooks, and the plug pulled in
//! between.

#![expect(clippy::unwrap_used, reason = "the helpers are tests, too")]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use attachd::delivery::SigningSecret;
use attachd::wire::Code;
use serde_json::{Value, json};
use support::client::Client;
use support::gateway::Gateway;
use support::server::{Folder, Server, TIMEOUT};

const IMSI: &str = "3GPP-IMSI=234500000000001";
const ICCID: &str = "8944500000000000014";
const APN: &str = "Called-Station-Id=festival.iot";

fn report(server: &Server, gateway: &mut Gateway, status: &str, session: &str) {
    let (status, session) =
        (format!("Acct-Status-Type={status}"), format!("Acct-Session-Id={session}"));
    let lines = [&*status, &*session, IMSI, APN, "NAS-IP-Address=127.0.0.1"];
    gateway.ask(server.acct[0], Code::ACCOUNTING_REQUEST, &lines);
}

fn type_of(event: &Value) -> &str {
    event["eventType"].as_str().unwrap().trim_start_matches("endpoint").trim_end_matches("_v1")
}

/// Headers, in lower case, and body.
type Taken = (BTreeMap<String, String>, String);

/// Takes POSTs, and answers with the status that it is told to.
#[derive(Clone)]
struct HookReceiver {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    taken: Arc<Mutex<Vec<Taken>>>,
}

impl HookReceiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            status: Arc::new(AtomicU16::new(200)),
            taken: Arc::default(),
        };
        let own = receiver.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let own = own.clone();
                thread::spawn(move || own.serve(stream));
            }
        });
        receiver
    }

    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        loop {
            let mut headers = BTreeMap::new();
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).ok()?;
                let Some((name, value)) = line.trim_end().split_once(": ") else { break };
                headers.insert(name.to_ascii_lowercase(), value.to_owned());
            }
            let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
            reader.read_exact(&mut body).ok()?;
            let status = self.status.load(Ordering::Relaxed);
            if status == 200 {
                let body = String::from_utf8(body).ok()?;
                self.taken.lock().unwrap().push((headers, body));
            }
            let location = "Location: http://127.0.0.1:1/\r\n";
            write!(stream, "HTTP/1.1 {status} X\r\n{location}Content-Length: 0\r\n\r\n").ok()?;
        }
    }

    /// The events that it has taken, in order, each once.
    fn events(&self) -> Vec<Value> {
        let mut seen = Vec::new();
        let mut events = Vec::new();
        for (headers, body) in &*self.taken.lock().unwrap() {
            let event: Value = serde_json::from_str(body).unwrap();
            if event["eventId"].is_string() && !seen.contains(&headers["webhook-id"]) {
                seen.push(headers["webhook-id"].clone());
                events.push(event);
            }
        }
        events
    }
}

/// A handler, and a global map that leads these types to it.
fn subscribe(client: &Client<'_>, receiver: &HookReceiver, types: &[&str]) {
    let url = format!("http://{}/hook", receiver.address);
    client.write(
        "POST",
        "/EventHandlers",
        &json!({
            "name": "Hooks", "moniker": "hooks", "eventEndpointType": "webhook",
            "configurationData": {"webhookConfig": {"url": url, "bearerToken": "t0ken", "timeout": "5"}},
        }),
    );
    let subscriptions: Vec<Value> = types
        .iter()
        .map(
            |kind| json!({"eventEndpointId": "hooks", "eventTypeId": format!("endpoint{kind}_v1")}),
        )
        .collect();
    client.write(
        "POST",
        "/EventMaps",
        &json!({"name": "All", "moniker": "all", "eventScope": "global", "subscriptions": subscriptions}),
    );
}

#[test]
fn events_are_listed_by_what_they_are_about() {
    let folder = Folder::new();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "write");
    let mut gateway = Gateway::facing(server.acct[0]);
    report(&server, &mut gateway, "Start", "S1");
    report(&server, &mut gateway, "Stop", "S1");
    client.write("POST", &format!("/endpoints/{ICCID}/suspend"), &json!({"reason": "lost"}));
    let path = format!("/events?iccid={ICCID}");
    server.until("the events are in the log", |_| client.get(&path).json["totalItems"] == 4);
    let page = client.get(&path).json;
    let types: Vec<&str> = page["data"].as_array().unwrap().iter().map(type_of).collect();
    let newest_first = [
        "forciblydetached",
        "provisioningstatussetsuspended",
        "datasessiondeleted",
        "datasessioncreated",
    ];
    assert_eq!(types, newest_first);
    assert!(page["earliest"].is_string(), "{page}");
    assert_eq!(page["data"][1]["detail"]["reason"], "lost");

    let first = client.get(&format!("{path}&order=asc&limit=3")).json;
    assert_eq!(type_of(&first["data"][0]), "datasessioncreated");
    let next = first["nextCursor"].as_str().unwrap();
    let second = client.get(&format!("{path}&order=asc&limit=3&cursor={next}")).json;
    assert_eq!(type_of(&second["data"][0]), "forciblydetached");
    assert_eq!(second["nextCursor"], Value::Null);

    for (query, expected) in [
        ("type=endpointdatasessioncreated_v1", 1),
        ("endpointGroup=epos", 4),
        ("vslice=camping", 0),
        ("to=2020-01-01T00:00:00Z", 0),
        ("from=2020-01-01T00:00:00Z", 4),
    ] {
        let page = client.get(&format!("/events?{query}")).json;
        assert_eq!(page["data"].as_array().unwrap().len(), expected, "{query}: {page}");
    }
    let own = client.data(&format!("/endpoints/{ICCID}/events"));
    assert_eq!(own.as_array().unwrap().len(), 4);
    assert_eq!(client.get("/events?type=endpointexploded_v1").status, 400);
    assert_eq!(client.get("/events?limit=1001").status, 400);
    let metrics = server.get("/metrics").1;
    assert!(
        metrics.contains("attachd_events_total{type=\"endpointdatasessioncreated_v1\"} 1"),
        "{metrics}"
    );

    let shown = Command::new(env!("CARGO_BIN_EXE_attachd"))
        .args(["events", "--url", &format!("http://{}", server.http), "--token", &client.token])
        .output()
        .unwrap();
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(text.lines().count() == 4 && text.contains("reason=lost"), "{text}");
}

#[test]
fn a_stream_shows_events_as_they_happen_and_resumes() {
    let folder = Folder::new();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "read");
    let mut gateway = Gateway::facing(server.acct[0]);
    let open = |more: &str| {
        let mut stream = TcpStream::connect(server.http).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        write!(
            stream,
            "GET /api/v1/events/stream?type=endpointdatasessioncreated_v1 HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{more}\r\n",
            server.http, client.token
        )
        .unwrap();
        let mut reader = BufReader::new(stream);
        until(&mut reader, ":");
        reader
    };
    let mut stream = open("");
    report(&server, &mut gateway, "Start", "S1");
    let id = until(&mut stream, "id: ");
    assert_eq!(until(&mut stream, "event: "), "endpointdatasessioncreated_v1");
    let event: Value = serde_json::from_str(&until(&mut stream, "data: ")).unwrap();
    assert_eq!(event["detail"]["acctSessionId"], "S1");
    drop(stream);

    report(&server, &mut gateway, "Stop", "S1");
    report(&server, &mut gateway, "Start", "S2");
    let mut stream = open(&format!("Last-Event-ID: {id}\r\n"));
    let event: Value = serde_json::from_str(&until(&mut stream, "data: ")).unwrap();
    assert_eq!(event["detail"]["acctSessionId"], "S2", "what happened meanwhile");

    let mut stream = open("Last-Event-ID: of-another-server\r\n");
    assert_eq!(until(&mut stream, "event: "), "gap");
    let ends: Value = serde_json::from_str(&until(&mut stream, "data: ")).unwrap();
    assert_eq!(ends["from"], "of-another-server");
}

/// The rest of the next line that begins so.
fn until(reader: &mut BufReader<TcpStream>, start: &str) -> String {
    loop {
        let mut line = String::new();
        assert!(reader.read_line(&mut line).unwrap() > 0, "the stream has ended");
        if let Some(rest) = line.trim_end().strip_prefix(start) {
            return rest.to_owned();
        }
    }
}

#[test]
fn a_webhook_gets_signed_events_in_order() {
    let folder = Folder::new();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "admin");
    let receiver = HookReceiver::start();
    let types = [
        "datasessioncreated",
        "datasessiondeleted",
        "provisioningstatussetsuspended",
        "authenticated",
    ];
    subscribe(&client, &receiver, &types);
    let mut gateway = Gateway::facing(server.acct[0]);
    gateway.ask(server.auth[0], Code::ACCESS_REQUEST, &[IMSI, APN]);
    report(&server, &mut gateway, "Start", "S1");
    report(&server, &mut gateway, "Stop", "S1");
    client.write("POST", &format!("/endpoints/{ICCID}/suspend"), &json!({}));
    server.until("all are delivered", |_| receiver.events().len() == 4);
    let found = receiver.events();
    let found: Vec<&str> = found.iter().map(type_of).collect();
    let expected = [
        "authenticated",
        "datasessioncreated",
        "datasessiondeleted",
        "provisioningstatussetsuspended",
    ];
    assert_eq!(found, expected);

    let secret = client.data("/EventHandlers/hooks/secret")["secret"].as_str().unwrap().to_owned();
    let signing = SigningSecret::parse(&secret).unwrap();
    for (at, (headers, body)) in receiver.taken.lock().unwrap().iter().enumerate() {
        let seconds = headers["webhook-timestamp"].parse().unwrap();
        let expected = signing.sign(&headers["webhook-id"], seconds, body.as_bytes());
        assert_eq!(headers["webhook-signature"], expected);
        assert_eq!(headers["attachd-sequence"], (at + 1).to_string());
        assert_eq!(headers["authorization"], "Bearer t0ken");
    }

    let rotated = client.call("POST", "/EventHandlers/hooks/secret/rotate", "", None).json;
    assert_eq!(rotated["data"]["previous"], secret, "{rotated}");
    let tested = client.call("POST", "/EventHandlers/hooks/test", "", None).json;
    assert_eq!(tested["data"]["status"], 200, "{tested}");
    let taken = receiver.taken.lock().unwrap().last().cloned().unwrap();
    assert_eq!(taken.1, "{\"message\":\"webhook test\"}");
    assert!(taken.0["webhook-signature"].contains(" v1,"), "both secrets sign: {:?}", taken.0);
}

#[test]
fn what_is_refused_is_a_dead_letter_and_can_be_sent_again() {
    let folder = Folder::new();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "write");
    let receiver = HookReceiver::start();
    receiver.status.store(302, Ordering::Relaxed);
    subscribe(&client, &receiver, &["datasessioncreated"]);
    let mut gateway = Gateway::facing(server.acct[0]);
    report(&server, &mut gateway, "Start", "S1");
    let path = "/EventHandlers/hooks/deadLetters";
    server.until("it is given up", |_| client.data(path).as_array().unwrap().len() == 1);
    let letter = client.data(path)[0].clone();
    assert_eq!((&letter["error"], &letter["tries"]), (&json!("HTTP 302"), &json!(3)));
    assert_eq!(letter["event"]["detail"]["acctSessionId"], "S1");
    receiver.status.store(200, Ordering::Relaxed);
    let id = letter["eventId"].as_str().unwrap();
    client.write("POST", &format!("{path}/{id}/redeliver"), &json!({}));
    server.until("it is delivered", |_| receiver.events().len() == 1);
    assert_eq!(client.data(path), json!([]));
}

/// Killed at any moment, every event of what was acknowledged arrives, and in order.
#[test]
fn no_event_of_what_was_acknowledged_is_lost_by_a_crash() {
    let folder = Folder::new();
    let receiver = HookReceiver::start();
    let mut server = folder.serve();
    let client = Client::new(&folder, &server, "write");
    subscribe(&client, &receiver, &["datasessioncreated", "datasessiondeleted"]);
    drop(client);
    let mut expected = Vec::new();
    for round in 0..5 {
        let mut gateway = Gateway::facing(server.acct[0]);
        for nth in 0..4 {
            let session = format!("S{round}-{nth}");
            report(&server, &mut gateway, "Start", &session);
            report(&server, &mut gateway, "Stop", &session);
            expected.push(session);
        }
        server.kill();
        server = folder.serve();
    }
    let sessions = || {
        let events = receiver.events();
        let of = |event: &Value| {
            (
                type_of(event).to_owned(),
                event["detail"]["acctSessionId"].as_str().unwrap().to_owned(),
            )
        };
        events.iter().map(of).collect::<Vec<_>>()
    };
    server.until("all are delivered", |_| sessions().len() >= 2 * expected.len());
    let wanted: Vec<(String, String)> = expected
        .iter()
        .flat_map(|session| {
            ["datasessioncreated", "datasessiondeleted"]
                .map(|kind| (kind.to_owned(), session.clone()))
        })
        .collect();
    assert_eq!(sessions(), wanted);
}
