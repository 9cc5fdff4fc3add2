//! A whole server over real sockets of the loopback interface, with its journal on disk.

use std::io::{IoSlice, Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::Value;

use super::*;
use crate::identity::GatewayId;
use crate::journal::{
    AppendFile, Apply, FramedRecord, JournalFolder, JournalOptions, OnDamage, Storage, Stored,
};
use crate::provisioning::Prune;
use crate::radius::tests::test_server::{request as request_packet, *};
use crate::radius::{DynamicAuthorization, GatewaySettings, Requirement};
use crate::record::Record;
use crate::server::Reloaded;
use crate::wire::number::attachd::DEFAULT_VENDOR;
use crate::wire::number::value::acct_status_type;
use crate::wire::{Code, LONGEST};

fn settings() -> ServerSettings {
    let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
    ServerSettings {
        auth: vec![free],
        acct: vec![free],
        tls: None,
        workers: 2,
        duplicate_lifetime: Duration::from_secs(30),
        reject_delay: Duration::ZERO,
        vendor: DEFAULT_VENDOR,
        vendor_attributes: false,
        http: Some(free),
        http_tls: None,
        freeradius_metrics: false,
        dashboard: true,
        gateways: vec![loopback("pgw")],
        mask_identities: true,
    }
}

fn loopback(name: &str) -> GatewaySettings {
    GatewaySettings {
        name: name.to_owned(),
        sources: vec!["127.0.0.0/8".parse().unwrap()],
        secrets: vec![Box::from(*b"xyzzy5461")],
        tls_names: Vec::new(),
        require_message_authenticator: Requirement::Auto,
        limit_proxy_state: true,
        absent_is_released: false,
        rate_limit: 0,
        dynamic_authorization: DynamicAuthorization::default(),
    }
}

/// A running server.
struct Running {
    auth: SocketAddr,
    acct: SocketAddr,
    http: SocketAddr,
    gateway: UdpSocket,
    stop: tokio::sync::oneshot::Sender<()>,
    common: Arc<ServerContext>,
    thread: JoinHandle<Result<(), ServeError>>,
}

impl Running {
    fn start(settings: ServerSettings, journal: Journal, reload: Reload) -> Self {
        let shell = Server::open(settings).unwrap();
        let address = |wanted| {
            shell.sockets[0]
                .iter()
                .find(|(listener, _)| listener.port == wanted)
                .unwrap()
                .1
                .address()
        };
        let (auth, acct, http) =
            (address(Port::Auth), address(Port::Acct), shell.http.as_ref().unwrap().address);
        assert_eq!(get(http, "/livez").0, 200);
        assert_eq!(get(http, "/readyz").0, 503, "nothing is loaded yet");

        let (stop, stopped) = tokio::sync::oneshot::channel();
        let (started, starting) = mpsc::channel();
        let thread = thread::spawn(move || {
            let aaa = Arc::into_inner(aaa()).unwrap();
            shell.serve_until(aaa, journal, Vec::new(), reload, |common| {
                started.send(common).unwrap();
                async { stopped.await.map_err(io::Error::other) }
            })
        });
        let common = starting.recv().unwrap();
        let gateway = UdpSocket::bind("127.0.0.1:0").unwrap();
        gateway.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        Self { auth, acct, http, gateway, stop, common, thread }
    }

    fn ask(&self, to: SocketAddr, request: &[u8]) -> Vec<u8> {
        self.gateway.send_to(request, to).unwrap();
        let mut reply = vec![0; LONGEST];
        let (len, from) = self.gateway.recv_from(&mut reply).unwrap();
        assert_eq!(from, to);
        reply.truncate(len);
        reply
    }

    fn json(&self, path: &str) -> (u16, Value) {
        let (status, body) = get(self.http, path);
        (status, serde_json::from_str(&body).unwrap())
    }

    fn metric(&self, line: &str) -> bool {
        get(self.http, "/metrics").1.lines().any(|have| have == line)
    }

    fn stop(self) -> Result<(), ServeError> {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap()
    }
}

fn get(http: SocketAddr, path: &str) -> (u16, String) {
    request(http, "GET", path)
}

fn request(http: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(http).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn no_reload() -> Reload {
    Box::new(|| Err(vec!["there is nothing to reload".to_owned()]))
}

#[test]
fn a_session_is_served_shown_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let running =
        Running::start(settings(), open(folder.path(), |_: FramedRecord<'_>| Ok(())), no_reload());

    let asked = access(1, TILL);
    verified(&running.ask(running.auth, &asked), Code::ACCESS_ACCEPT, &asked);
    let started = start(2, TILL);
    let receipt = running.ask(running.acct, &started);
    verified(&receipt, Code::ACCOUNTING_RESPONSE, &started);
    assert_eq!(running.ask(running.acct, &started), receipt, "a retransmission");
    assert_eq!(
        running.json("/readyz"),
        (200, serde_json::json!({ "status": "ready", "reasons": [] }))
    );

    let (status, shown) = running.json("/api/v1/endpoints/8944500000000000014");
    assert_eq!(status, 200);
    let endpoint = &shown["data"];
    assert_eq!(endpoint["imsis"], serde_json::json!(["234500000000001"]));
    assert_eq!(
        endpoint["provisioningState"],
        serde_json::json!({"key": 50, "moniker": "active", "name": "Active"})
    );
    assert_eq!(
        endpoint["networkState"],
        serde_json::json!({"key": 40, "moniker": "active", "name": "Active"})
    );
    assert_eq!(
        endpoint["endpointGroup"],
        serde_json::json!({"moniker": "epos", "name": "ePos terminals"})
    );
    assert_eq!(
        endpoint["ipAddresses"],
        serde_json::json!([{"vslice": "festival", "ip": "100.64.0.2", "allocation": "static", "state": "in-use"}])
    );
    assert_eq!(endpoint["sessions"][0]["gateway"], "pgw");
    assert_eq!(endpoint["sessions"][0]["endedAt"], Value::Null);
    let (_, list) = running.json("/api/v1/sessions?iccid=8944500000000000014");
    assert_eq!(
        (&list["totalItems"], &list["limit"], &list["offset"]),
        (&1.into(), &100.into(), &0.into())
    );
    assert_eq!(list["data"][0]["acctSessionId"], "S1");

    let stopped = accounting(3, TILL, acct_status_type::STOP);
    verified(&running.ask(running.acct, &stopped), Code::ACCOUNTING_RESPONSE, &stopped);
    for line in [
        "radius_requests_total{gateway=\"pgw\",code=\"Access-Request\"} 1",
        "radius_responses_total{gateway=\"pgw\",code=\"Accounting-Response\"} 3",
        "radius_duplicates_total{code=\"Accounting-Request\"} 1",
        "attachd_accounting_total{status=\"stop\"} 1",
        "attachd_sessions_closed_total{cause=\"stop\"} 1",
        "attachd_endpoints_network{network_state=\"idle\"} 1",
        "attachd_pool_addresses{vslice=\"festival\",subnet=\"100.64.0.0/16\",state=\"leased\"} 1",
        "radius_request_duration_seconds_count{code=\"Access-Request\"} 1",
    ] {
        assert!(running.metric(line), "{line}\n{}", get(running.http, "/metrics").1);
    }
    running.stop().unwrap();

    let mut records = Vec::new();
    drop(open(folder.path(), |entry: FramedRecord<'_>| {
        records.push(Record::read(&entry)?);
        Ok(())
    }));
    assert!(records.contains(&Record::Gateway { id: GatewayId::new(0), name: "pgw".to_owned() }));
    let versions =
        records.iter().filter(|record| matches!(record, Record::Endpoint { .. })).count();
    assert_eq!(versions, 3, "attached, opened, closed");
}

fn open(folder: &Path, applier: impl Apply) -> Journal {
    Journal::open(folder, JournalOptions::default(), OnDamage::Refuse, &mut [applier]).unwrap().0
}

#[test]
fn the_views_say_what_is_wrong_with_a_question() {
    let running = Running::start(settings(), Journal::in_memory(), no_reload());
    for (path, status, code, message) in [
        ("/api/v1/endpoints/8944500000000000999", 404, "not-found", "Record not found"),
        ("/api/v1/endpoints/till", 404, "not-found", "Record not found"),
        ("/api/v1/endpoints/%ff", 404, "not-found", "Record not found"),
        (
            "/api/v1/endpoints/8944500000000000014?x=1",
            400,
            "unknown-key",
            "unknown parameter \"x\"; this path takes none",
        ),
        (
            "/api/v1/sessions?iccid=till",
            400,
            "invalid",
            "an ICCID has 19 or 20 digits and begins with 89",
        ),
        (
            "/api/v1/sessions?offset=1",
            400,
            "invalid",
            "sessions are paged by cursor, not by offset: take nextCursor",
        ),
        (
            "/api/v1/sessions?iccid=8944500000000000014&limit=all",
            400,
            "invalid",
            "limit is a whole number from 0 to 1000",
        ),
        (
            "/api/v1/sessions?iccid=8944500000000000014&iccid=8944500000000000014",
            400,
            "invalid",
            "the parameter iccid is given twice; give it once",
        ),
        (
            "/api/v1/sessions?icid=8944500000000000014",
            400,
            "unknown-key",
            "unknown parameter \"icid\"; known are iccid, vslice, endpointGroup, gateway, apn, ip, state, startedAfter, limit, offset, cursor",
        ),
        ("/api/v1/nothing", 404, "no-such-path", "there is no path /api/v1/nothing here"),
    ] {
        let expected = serde_json::json!({"success": false, "messages": [message], "code": code, "data": null});
        assert_eq!(running.json(path), (status, expected), "{path}");
    }
    running.stop().unwrap();
}

#[test]
fn a_reload_is_whole_or_nothing() {
    let mut answers = vec![
        Err(vec!["attachd.toml:3: unknown key".to_owned()]),
        Ok(Reloaded {
            tls: None,
            gateways: vec![loopback("pgw-2")],
            inventory: inventory(),
            prune: Prune::No,
        }),
    ];
    answers.reverse();
    let reload: Reload = Box::new(move || answers.pop().unwrap());
    let running = Running::start(settings(), Journal::in_memory(), reload);
    let reload = || running.common.reloads.request().blocking_recv().unwrap();
    let ask = |identifier| running.ask(running.auth, &access(identifier, TILL));
    assert_eq!(reload(), Err(vec!["attachd.toml:3: unknown key".to_owned()]));
    ask(1);
    let applied = reload().unwrap();
    assert_eq!((applied.changed, applied.gateways, applied.durable), (0, 1, true));
    ask(2);
    assert!(running.metric("radius_requests_total{gateway=\"pgw\",code=\"Access-Request\"} 1"));
    assert!(running.metric("radius_requests_total{gateway=\"pgw-2\",code=\"Access-Request\"} 1"));
    running.stop().unwrap();
}

#[test]
fn an_address_in_use_is_named_with_a_remedy() {
    let holder = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let error =
        Server::open(ServerSettings { acct: vec![taken], ..settings() }).err().unwrap().to_string();
    assert!(error.starts_with(&format!("cannot listen on {taken} (acct): ")), "{error}");
    assert!(error.ends_with("; stop what listens there, or choose another address"), "{error}");
    let same = ServerSettings { auth: vec![taken], acct: vec![taken], ..settings() };
    drop(holder);
    assert!(Server::open(same).is_err(), "one address cannot be both");
}

/// Were a datagram found by the sweep only, each would take half a second or more.
#[test]
fn a_datagram_wakes_its_worker() {
    let running = Running::start(settings(), Journal::in_memory(), no_reload());
    let clock = Clock::start();
    for identifier in 0..10 {
        running.ask(running.auth, &access(identifier, STOLEN));
        running.ask(running.acct, &start(identifier, TILL));
    }
    assert!(clock.now().running < Duration::from_secs(5));
    running.stop().unwrap();
}

/// From the request on, and on a worker that sleeps: the alarm that wakes it is not early.
#[test]
fn a_reject_is_held_back_for_no_less_than_the_delay() {
    const DELAY: Duration = Duration::from_millis(60);
    let server = Running::start(
        ServerSettings { reject_delay: DELAY, ..settings() },
        Journal::in_memory(),
        no_reload(),
    );
    let clock = Clock::start();
    let asked = clock.now().running;
    let reply = server.ask(server.auth, &access(1, STOLEN));
    let took = clock.now().running.checked_sub(asked).unwrap();
    assert_eq!(Code(reply[0]), Code::ACCESS_REJECT);
    assert!(took >= DELAY, "{took:?}");
    server.stop().unwrap();
}

#[test]
fn two_servers_live_side_by_side_in_one_process() {
    let first = Running::start(settings(), Journal::in_memory(), no_reload());
    let second = Running::start(settings(), Journal::in_memory(), no_reload());
    first.ask(first.auth, &access(1, STOLEN));
    assert!(first.metric("attachd_rejects_total{reason=\"endpoint-suspended\"} 1"));
    assert!(second.metric("attachd_rejects_total{reason=\"endpoint-suspended\"} 0"));
    first.stop().unwrap();
    second.ask(second.auth, &access(1, STOLEN));
    second.stop().unwrap();
}

/// A folder whose disk takes no sync while somebody holds it.
struct Hanging {
    folder: JournalFolder,
    held: Arc<Mutex<()>>,
}

struct HangingFile(Box<dyn AppendFile>, Arc<Mutex<()>>);

impl AppendFile for HangingFile {
    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write(slices)
    }

    fn sync(&mut self) -> io::Result<()> {
        drop(self.1.lock());
        self.0.sync()
    }
}

impl Storage for Hanging {
    fn list(&self) -> io::Result<Vec<Stored>> {
        self.folder.list()
    }

    fn read(&self, name: &str, offset: u64) -> io::Result<Box<dyn io::Read + Send>> {
        Storage::read(&self.folder, name, offset)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn AppendFile>> {
        Ok(Box::new(HangingFile(self.folder.create(name)?, Arc::clone(&self.held))))
    }

    fn overwrite(&self, name: &str) -> io::Result<Box<dyn AppendFile>> {
        Ok(Box::new(HangingFile(self.folder.overwrite(name)?, Arc::clone(&self.held))))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.folder.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.folder.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.folder.sync_directory()
    }

    fn describe(&self, name: &str) -> String {
        self.folder.describe(name)
    }
}

#[test]
fn a_disk_that_hangs_is_told_and_status_server_is_silent_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let held = Arc::new(Mutex::new(()));
    let storage: Arc<dyn Storage> = Arc::new(Hanging {
        folder: JournalFolder::open(folder.path()).unwrap(),
        held: Arc::clone(&held),
    });
    let mut applier = |_: FramedRecord<'_>| Ok(());
    let (journal, _) = Journal::open_on(
        &storage,
        JournalOptions::default(),
        OnDamage::Refuse,
        &mut [&mut applier],
    )
    .unwrap();
    let running = Running::start(settings(), journal, no_reload());
    verified(&running.ask(running.auth, &status(1)), Code::ACCESS_ACCEPT, &status(1));

    let hangs = held.lock();
    running.gateway.send_to(&start(2, TILL), running.acct).unwrap();
    let not_ready = || running.json("/readyz").0 == 503;
    until("the disk is known to hang", not_ready);
    let told = running.json("/readyz").1.to_string();
    assert!(told.contains("the journal has waited for the disk for 1."), "{told}");
    running.gateway.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    running.gateway.send_to(&status(3), running.auth).unwrap();
    assert!(
        running.gateway.recv_from(&mut [0; LONGEST]).is_err(),
        "RFC 5997 4.2: who cannot serve is silent"
    );

    drop(hangs);
    running.gateway.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut receipt = [0; LONGEST];
    let (len, _) = running.gateway.recv_from(&mut receipt).unwrap();
    verified(&receipt[..len], Code::ACCOUNTING_RESPONSE, &start(2, TILL));
    until("it is ready again", || !not_ready());
    running.stop().unwrap();
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..500 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("not so after ten seconds: {what}");
}

#[test]
fn a_lack_of_descriptors_is_told_as_what_it_is() {
    let error = io::Error::from_raw_os_error(Errno::MFILE.raw_os_error());
    let told = ServeError::Bind { what: "auth", address: ([127, 0, 0, 1], 1812).into(), error }
        .to_string();
    assert!(
        told.ends_with("allow more open files (ulimit -n, or LimitNOFILE= of the service)"),
        "{told}"
    );
    let error = io::Error::from_raw_os_error(Errno::NFILE.raw_os_error());
    assert!(ServeError::System(error).to_string().contains("allow more open files"));
}

fn status(identifier: u8) -> Vec<u8> {
    request_packet(Code::STATUS_SERVER, identifier, |packet| _ = packet.message_authenticator())
}
