//! Disconnect and CoA (RFC 5176) from outside: the built server on one side, a gateway with habits
//! of its own on the other (std2 7, G-13 to G-32). What takes minutes is tested on a virtual clock,
//! in `src/dynamic_authorization`.

#![expect(clippy::unwrap_used, reason = "the helpers are tests, too")]

mod support;

use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::SystemTime;

use attachd::wire::dictionary::Dictionary;
use attachd::wire::{Code, Datagram, Encoder, LONGEST, Secret, number};
use serde_json::{Value, json};
use support::client::Client;
use support::gateway::{Gateway, SECRET};
use support::server::{Folder, Server};

const ICCID: &str = "8944500000000000014";
const IMSI: &str = "234500000000001";

/// What a gateway answers to a Disconnect-Request or CoA-Request.
#[derive(Clone, Copy)]
enum Habit {
    Ack,
    Nak(u32),
    /// Error-Cause while it is asked by 3GPP attributes, ACK otherwise.
    NakForKeys(u32),
    Silence,
    /// Replies that nobody may believe, and the ACK only to the second copy.
    Forgeries,
}

/// The other side of the packets: it keeps what it was told.
struct Responder {
    address: SocketAddr,
    told: Arc<Mutex<Vec<Vec<u8>>>>,
    habit: Arc<Mutex<Habit>>,
}

impl Responder {
    fn start(habit: Habit) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let responder = Self {
            address: socket.local_addr().unwrap(),
            told: Arc::default(),
            habit: Arc::new(Mutex::new(habit)),
        };
        let (told, habit) = (Arc::clone(&responder.told), Arc::clone(&responder.habit));
        thread::spawn(move || {
            let mut room = [0; LONGEST];
            while let Ok((length, from)) = socket.recv_from(&mut room) {
                let request = room[..length].to_vec();
                let habit = *habit.lock().unwrap();
                let is_copy = told.lock().unwrap().contains(&request);
                told.lock().unwrap().push(request.clone());
                for reply in replies(&request, habit, is_copy) {
                    socket.send_to(&reply, from).unwrap();
                }
            }
        });
        responder
    }

    fn be(&self, habit: Habit) {
        *self.habit.lock().unwrap() = habit;
    }

    /// The requests so far, copies apart, each as lines `Name = value`.
    fn requests(&self) -> Vec<Vec<String>> {
        let told = self.told.lock().unwrap();
        let mut distinct: Vec<&Vec<u8>> = Vec::new();
        for request in told.iter() {
            if !distinct.contains(&request) {
                distinct.push(request);
            }
        }
        distinct.into_iter().map(|request| lines(request)).collect()
    }
}

fn lines(octets: &[u8]) -> Vec<String> {
    let datagram = Datagram::frame(octets).unwrap();
    assert_eq!(datagram.verify_request(&Secret::new(SECRET)), Ok(()));
    let lines = datagram.readable(Dictionary::default()).lines();
    lines.iter().map(|line| format!("{} = {}", line.name, line.value)).collect()
}

fn reply(request: &[u8], code: Code, write: impl FnOnce(&mut Encoder<'_>)) -> Vec<u8> {
    let mut buffer = vec![0; LONGEST];
    let mut encoder = Encoder::new(&mut buffer, code, request[1]);
    write(&mut encoder);
    let authenticator = request[4..20].try_into().unwrap();
    let length = encoder.finish_reply(&Secret::new(SECRET), &authenticator).unwrap();
    buffer.truncate(length);
    buffer
}

fn replies(request: &[u8], habit: Habit, is_copy: bool) -> Vec<Vec<u8>> {
    let (ack, nak) = match Code(request[0]) {
        Code::COA_REQUEST => (Code::COA_ACK, Code::COA_NAK),
        _ => (Code::DISCONNECT_ACK, Code::DISCONNECT_NAK),
    };
    let acked = |code| reply(request, code, |encoder| _ = encoder.message_authenticator());
    let refused = |cause| {
        reply(request, nak, |encoder| {
            encoder.integer(number::ERROR_CAUSE, cause).attribute(number::REPLY_MESSAGE, b"busy");
        })
    };
    match habit {
        Habit::Silence => Vec::new(),
        Habit::Ack => vec![acked(ack)],
        Habit::Nak(cause) => vec![refused(cause)],
        Habit::NakForKeys(cause) => {
            let by_imsi = lines(request).iter().any(|line| line.starts_with("3GPP-IMSI"));
            vec![if by_imsi { refused(cause) } else { acked(ack) }]
        }
        Habit::Forgeries => {
            // X1, X2, X3, X4 and X7.
            let mut wrong_authenticator = acked(ack);
            wrong_authenticator[7] ^= 1;
            let mut wrong_integrity = acked(ack);
            *wrong_integrity.last_mut().unwrap() ^= 1;
            let mut unasked = acked(ack);
            unasked[1] = unasked[1].wrapping_add(99);
            let stale = reply(request, ack, |encoder| {
                _ = encoder.integer(number::EVENT_TIMESTAMP, now() - 400);
            });
            let wrong_code = acked(Code::COA_ACK);
            let mut all = vec![wrong_authenticator, wrong_integrity, unasked, stale, wrong_code];
            if is_copy {
                all.push(acked(ack));
            }
            all
        }
    }
}

fn now() -> u32 {
    #[expect(clippy::disallowed_methods, reason = "the server's clock is the real one, too")]
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    since.as_secs() as u32
}

/// attachd with a token, a gateway that reports to it, and one that it tells.
struct Scene {
    folder: Folder,
    responder: Responder,
}

impl Scene {
    fn new(habit: Habit) -> Self {
        Self::with(habit, "")
    }

    fn with(habit: Habit, more: &str) -> Self {
        let responder = Responder::start(habit);
        let folder = Folder::with(&format!(
            "[radius]\nauth = [\"127.0.0.1:0\"]\nacct = [\"127.0.0.1:0\"]\nworkers = 2\n\
             [http]\nlisten = \"127.0.0.1:0\"\n\
             [sessions]\ndisconnect_grace_s = 1\n\
             [[gateway]]\nname = \"pgw-01\"\nsource = \"127.0.0.0/8\"\nsecret = \"testing123\"\n\
             dynamic_authorization = \"{}\"\n{more}",
            responder.address.port()
        ));
        Self { folder, responder }
    }
}

const SESSION: [&str; 4] = [
    "3GPP-IMSI = 234500000000001",
    "Acct-Session-Id = S-0001",
    "NAS-IP-Address = 192.0.2.10",
    "NAS-Identifier = pgw.example",
];

fn report(server: &Server, status: &str, more: &[&str]) {
    let mut gateway = Gateway::facing(server.acct[0]);
    let status = format!("Acct-Status-Type = {status}");
    let lines: Vec<&str> =
        SESSION.into_iter().chain([&*status]).chain(more.iter().copied()).collect();
    let reply = gateway.ask(server.acct[0], Code::ACCOUNTING_REQUEST, &lines);
    assert_eq!(reply.code, Code::ACCOUNTING_RESPONSE);
}

/// What a gateway hears that asks for the SIM: nothing, or why not.
fn attach(server: &Server) -> Option<String> {
    let mut gateway = Gateway::facing(server.auth[0]);
    let reply = gateway.ask(server.auth[0], Code::ACCESS_REQUEST, &[SESSION[0]]);
    reply.value("Reply-Message").map(|text| text.trim_matches('"').to_owned())
}

fn session(client: &Client<'_>) -> Value {
    client.data(&format!("/endpoints/imsi:{IMSI}"))["sessions"][0].clone()
}

fn tell(client: &Client<'_>, what: &str, body: &Value) -> Value {
    let id = session(client)["id"].as_str().unwrap().to_owned();
    client.write("POST", &format!("/endpoints/{ICCID}/sessions/{id}/{what}"), body)
}

/// G-13, G-15, G-27: first the new state, then the packet; the Stop ends the session.
#[test]
fn who_is_suspended_is_disconnected() {
    let scene = Scene::new(Habit::Ack);
    let server = scene.folder.serve();
    let client = Client::new(&scene.folder, &server, "admin");
    assert_eq!(attach(&server), None);
    report(&server, "Start", &["Framed-IP-Address = 100.64.0.200"]);
    let done = client.write("POST", &format!("/endpoints/{ICCID}/suspend"), &json!({}));
    assert_eq!(done["disconnects"][0]["result"], "ack", "{done}");
    assert_eq!(done["closed"], 1);
    assert_eq!(attach(&server).as_deref(), Some("endpoint-suspended"));

    let requests = scene.responder.requests();
    let said = &requests[0];
    assert_eq!(requests.len(), 1);
    assert!(said[0].starts_with("Message-Authenticator"), "{said:?}");
    let has = |start: &str| said.iter().any(|line| line.starts_with(start));
    for start in [
        "NAS-IP-Address = 192.0.2.10",
        "NAS-Identifier = \"pgw.example\"",
        "Acct-Session-Id = \"S-0001\"",
        "3GPP-IMSI = \"234500000000001\"",
        "3GPP-Teardown-Indicator = ",
        "Event-Timestamp = ",
    ] {
        assert!(has(start), "{start} is not in {said:?}");
    }
    assert!(!has("Service-Type") && !has("State"), "{said:?}");
    let shown = session(&client);
    assert_eq!(
        (&shown["state"]["moniker"], &shown["endingPhase"]),
        (&json!("ending"), &json!("acknowledged"))
    );
    report(&server, "Stop", &["Acct-Terminate-Cause = Admin-Reset", "Acct-Input-Octets = 77"]);
    let shown = session(&client);
    assert_eq!(
        (&shown["state"]["moniker"], &shown["endingPhase"], &shown["inputOctets"]),
        (&json!("ended"), &Value::Null, &json!(77))
    );
}

/// POL-13: a session that moves where its policy does not let it is ended after the grace.
#[test]
fn who_moves_out_of_the_policy_is_disconnected() {
    let scene = Scene::with(Habit::Ack, "[policy]\ngrace_s = 1\n");
    scene.folder.edit(
        "inventory/inventory.toml",
        "moniker = \"epos\"\n",
        "moniker = \"epos\"\npolicy = \"on-site\"\n",
    );
    let server = scene.folder.serve();
    let client = Client::new(&scene.folder, &server, "admin");
    assert_eq!(attach(&server), None);
    report(&server, "Start", &["3GPP-SGSN-MCC-MNC = 23415"]);
    report(&server, "Interim-Update", &["3GPP-SGSN-MCC-MNC = 20801"]);
    server.until("the grace is over", |_| !scene.responder.requests().is_empty());
    let said = &scene.responder.requests()[0];
    assert!(said.iter().any(|line| line == "Acct-Session-Id = \"S-0001\""), "{said:?}");
    report(&server, "Stop", &["3GPP-SGSN-MCC-MNC = 20801"]);
    server.until("it has ended", |_| session(&client)["state"]["moniker"] == "ended");
}

/// G-16: no Stop comes; a late one adds its counters.
#[test]
fn without_a_stop_the_session_ends_after_the_grace() {
    let scene = Scene::new(Habit::Ack);
    let server = scene.folder.serve();
    let client = Client::new(&scene.folder, &server, "admin");
    attach(&server);
    report(&server, "Start", &[]);
    let answer = tell(&client, "disconnect", &json!({"reason": "lost"}));
    assert_eq!((&answer["result"], &answer["tries"]), (&json!("ack"), &json!(1)), "{answer}");
    assert_eq!(session(&client)["state"]["moniker"], "open");
    server.until("the grace is over", |_| session(&client)["state"]["moniker"] == "ended");
    assert_eq!(session(&client)["closeCause"], "disconnected");
    report(&server, "Stop", &["Acct-Input-Octets = 5"]);
    assert_eq!(session(&client)["inputOctets"], 5);
    assert!(server.has_metric("attachd_sessions_closed_total{cause=\"disconnected\"} 1"));
}

/// G-18 and G-23: a session that is not there, and a refusal that nobody knows.
#[test]
fn a_refusal_is_told_with_its_number_and_message() {
    let scene = Scene::new(Habit::Nak(999));
    let server = scene.folder.serve();
    let client = Client::new(&scene.folder, &server, "admin");
    attach(&server);
    report(&server, "Start", &[]);
    let answer = tell(&client, "disconnect", &json!({}));
    assert_eq!(
        (&answer["result"], &answer["errorCause"]["key"], &answer["replyMessage"]),
        (&json!("nak"), &json!(999), &json!("busy"))
    );
    assert_eq!(session(&client)["endingPhase"], "failed");

    scene.responder.be(Habit::Nak(503));
    let answer = tell(&client, "disconnect", &json!({}));
    assert_eq!(answer["errorCause"]["name"], "Session-Context-Not-Found");
    let shown = session(&client);
    assert_eq!(
        (&shown["closeCause"], &shown["endingPhase"]),
        (&json!("not-on-gateway"), &Value::Null)
    );
}

/// G-19: a gateway that does not know the keys is asked by others, and this is remembered.
#[test]
fn the_keys_that_a_gateway_knows_are_learnt_for_ever() {
    let scene = Scene::new(Habit::NakForKeys(401));
    let server = scene.folder.serve();
    let client = Client::new(&scene.folder, &server, "admin");
    attach(&server);
    report(&server, "Start", &[]);
    let answer = tell(&client, "disconnect", &json!({}));
    assert_eq!((&answer["result"], &answer["tries"]), (&json!("ack"), &json!(2)), "{answer}");
    report(&server, "Stop", &[]);
    let token = client.token.clone();
    server.kill();

    let server = scene.folder.serve();
    let client = Client { server: &server, token };
    attach(&server);
    report(&server, "Start", &["Acct-Multi-Session-Id = second"]);
    let sessions = client.data(&format!("/endpoints/{ICCID}"))["sessions"].clone();
    let open = sessions.as_array().unwrap().iter().find(|one| one["state"]["moniker"] == "open");
    let id = open.unwrap()["id"].as_str().unwrap();
    let answer =
        client.write("POST", &format!("/endpoints/{ICCID}/sessions/{id}/disconnect"), &json!({}));
    assert_eq!((&answer["result"], &answer["tries"]), (&json!("ack"), &json!(1)), "{answer}");
}

/// G-22: what nobody may believe changes nothing, and the next copy is answered.
#[test]
fn forged_replies_are_ignored_and_counted() {
    let scene = Scene::new(Habit::Forgeries);
    let server = scene.folder.serve();
    let client = Client::new(&scene.folder, &server, "admin");
    attach(&server);
    report(&server, "Start", &[]);
    let answer = tell(&client, "disconnect", &json!({}));
    assert_eq!((&answer["result"], &answer["tries"]), (&json!("ack"), &json!(2)), "{answer}");
    assert_eq!(scene.responder.requests().len(), 1, "copies are the same octets");
    let ignored = "attachd_dynamic_authorization_total{gateway=\"pgw-01\",kind=\"disconnect\",\
                   outcome=\"ignored\"}";
    let metrics = server.get("/metrics").1;
    assert!(metrics.lines().any(|line| line.starts_with(ignored)), "{metrics}");
}

/// G-24 and G-28.
#[test]
fn two_wishes_are_one_packet_and_silence_is_pending() {
    let scene = Scene::new(Habit::Silence);
    let server = scene.folder.serve();
    let client = Client::new(&scene.folder, &server, "admin");
    attach(&server);
    report(&server, "Start", &[]);
    let id = session(&client)["id"].as_str().unwrap().to_owned();
    let path = format!("/endpoints/{ICCID}/sessions/{id}/disconnect?wait=1");
    let results = thread::scope(|scope| {
        let wishes = [0, 1].map(|_| scope.spawn(|| client.write("POST", &path, &json!({}))));
        wishes.map(|wish| wish.join().unwrap()["result"].clone())
    });
    assert_eq!(results, [json!("pending"), json!("pending")]);
    assert_eq!(scene.responder.requests().len(), 1);
    assert_eq!(session(&client)["endingPhase"], "requested");
}

#[test]
fn a_gateway_that_is_not_asked_or_not_there_is_told_so() {
    let folder = Folder::new();
    let server = folder.serve();
    let client = Client::new(&folder, &server, "admin");
    attach(&server);
    report(&server, "Start", &[]);
    assert_eq!(tell(&client, "disconnect", &json!({}))["result"], "no-coa-address");
    let done = client.write("POST", &format!("/endpoints/{ICCID}/suspend"), &json!({}));
    assert_eq!(done["disconnects"][0]["result"], "no-coa-address", "{done}");
    assert_eq!(session(&client)["state"]["moniker"], "ending");
    drop(server);

    // A port that nobody listens on.
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let scene = Scene::new(Habit::Ack);
    let settings = std::fs::read_to_string(scene.folder.path("attachd.toml")).unwrap();
    let other = settings.replace(&scene.responder.address.port().to_string(), &port.to_string());
    scene.folder.write("attachd.toml", &other);
    let server = scene.folder.serve();
    let client = Client::new(&scene.folder, &server, "admin");
    attach(&server);
    report(&server, "Start", &[]);
    let done = client.write("POST", &format!("/endpoints/{ICCID}/suspend"), &json!({}));
    assert_eq!(done["disconnects"][0]["result"], "unreachable", "{done}");
    assert_eq!(attach(&server).as_deref(), Some("endpoint-suspended"), "it is done all the same");
}

/// G-26: what was not answered is asked again, as a new packet.
#[test]
fn what_waits_for_an_answer_is_asked_again_after_a_crash() {
    let scene = Scene::new(Habit::Silence);
    let server = scene.folder.serve();
    let client = Client::new(&scene.folder, &server, "admin");
    attach(&server);
    report(&server, "Start", &[]);
    let done = client.write("POST", &format!("/endpoints/{ICCID}/suspend"), &json!({}));
    assert_eq!(done["disconnects"][0]["result"], "pending", "{done}");
    let token = client.token.clone();
    server.kill();
    scene.responder.be(Habit::Ack);
    let server = scene.folder.serve();
    let client = Client { server: &server, token };
    server.until("it was asked again", |_| scene.responder.requests().len() == 2);
    server.until("the gateway has agreed", |_| {
        session(&client)["endingPhase"] == "acknowledged"
            || session(&client)["state"]["moniker"] == "ended"
    });
}

/// G-29.
#[test]
fn a_session_is_changed() {
    let scene = Scene::new(Habit::Ack);
    let server = scene.folder.serve();
    let client = Client::new(&scene.folder, &server, "admin");
    attach(&server);
    report(&server, "Start", &[]);
    let wish = json!({"sessionTimeoutS": 3600, "idleTimeoutS": 600, "filterId": "slow"});
    assert_eq!(tell(&client, "coa", &wish)["result"], "ack");
    let said = scene.responder.requests().remove(0);
    for line in ["Session-Timeout = 3600", "Idle-Timeout = 600", "Filter-Id = \"slow\""] {
        assert!(said.iter().any(|said| said == line), "{line} is not in {said:?}");
    }
    scene.responder.be(Habit::Nak(401));
    let answer = tell(&client, "coa", &json!({"interimIntervalS": 60}));
    assert_eq!((&answer["result"], &answer["errorCause"]["key"]), (&json!("nak"), &json!(401)));
    assert_eq!(session(&client)["state"]["moniker"], "open");
}
