//! `attachd serve` as users meet it: the built program, real sockets, signals, exit codes.

#![expect(clippy::unwrap_used, reason = "the helpers are tests, too")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::net::UdpSocket;
use std::process::Command;
use std::thread;
use std::time::Duration;

use attachd::wire::Code;
use support::gateway::{Gateway, Reply};
use support::server::{Folder, Server, TIMEOUT};

const TILL: &str = "8944500000000000014";
const TILL_IMSI: &str = "3GPP-IMSI = 234500000000001";
const SUSPENDED_IMSI: &str = "3GPP-IMSI = 234500000000121";

/// A report about the first till.
fn report(gateway: &mut Gateway, server: &Server, status: &str, more: &[&str]) -> Reply {
    let status = format!("Acct-Status-Type = {status}");
    let lines =
        [&[TILL_IMSI, &status, "Acct-Session-Id = 0001", "Called-Station-Id = festival.iot"], more]
            .concat();
    gateway.ask(server.acct[0], Code::ACCOUNTING_REQUEST, &lines)
}

fn attach(gateway: &mut Gateway, server: &Server, who: &str) -> Reply {
    gateway.ask(server.auth[0], Code::ACCESS_REQUEST, &[who, "Called-Station-Id = festival.iot"])
}

fn network_state(server: &Server) -> u64 {
    server.endpoint(TILL)["networkState"]["key"].as_u64().unwrap()
}

#[test]
fn a_till_attaches_and_the_views_follow() {
    let folder = Folder::new();
    let server = folder.serve();
    let mut gateway = Gateway::facing(server.auth[0]);
    assert_eq!(server.get("/livez").0, 200);
    assert_eq!(server.get("/readyz"), (200, r#"{"status":"ready","reasons":[]}"#.to_owned()));
    assert_eq!(network_state(&server), 20);

    let accept = attach(&mut gateway, &server, TILL_IMSI);
    assert_eq!(accept.code, Code::ACCESS_ACCEPT);
    assert!(accept.says("Framed-IP-Address = 100.64.0.16"), "{:?}", accept.attributes);
    assert_eq!(network_state(&server), 30);

    let class = format!("Class = {}", accept.value("Class").unwrap());
    let start = report(
        &mut gateway,
        &server,
        "Start",
        &["Framed-IP-Address = 100.64.0.16", &class, "3GPP-RAT-Type = NB-IoT"],
    );
    assert_eq!((start.code, start.octets.len()), (Code::ACCOUNTING_RESPONSE, 20));
    assert_eq!(network_state(&server), 40);
    report(
        &mut gateway,
        &server,
        "Interim-Update",
        &["Acct-Input-Octets = 1000", "Acct-Output-Octets = 2000"],
    );

    let till = server.endpoint(TILL);
    assert_eq!(till["iccid"], TILL);
    assert_eq!(till["provisioningState"]["key"], 50);
    assert_eq!(
        till["networkState"],
        serde_json::json!({ "key": 40, "moniker": "active", "name": "Active" })
    );
    assert_eq!(till["endpointGroup"]["moniker"], "epos");
    assert_eq!(till["vslice"]["moniker"], "festival");
    assert_eq!(till["ipAddresses"][0]["ip"], "100.64.0.16");
    let session = &till["sessions"][0];
    assert_eq!(session["acctSessionId"], "0001");
    assert_eq!(session["gateway"], "pgw-01");
    assert_eq!(session["ratType"], serde_json::json!({ "key": 8, "name": "NB-IoT" }));
    assert_eq!(
        (session["inputOctets"].as_u64(), session["outputOctets"].as_u64()),
        (Some(1000), Some(2000))
    );
    let listed = server.json(&format!("/api/v1/sessions?iccid={TILL}"));
    assert_eq!((listed["success"].as_bool(), listed["totalItems"].as_u64()), (Some(true), Some(1)));
    // The list also says whose each is.
    let mut listed = listed["data"][0].clone();
    assert_eq!(
        (&listed["iccid"], &listed["vslice"]["moniker"]),
        (&TILL.into(), &"festival".into())
    );
    let keys = listed.as_object_mut().unwrap();
    keys.retain(|key, _| session.get(key).is_some());
    assert_eq!(listed, *session);

    report(
        &mut gateway,
        &server,
        "Stop",
        &["Acct-Terminate-Cause = User-Request", "3GPP-Session-Stop-Indicator = 255"],
    );
    assert_eq!(network_state(&server), 30);
    assert_eq!(server.endpoint(TILL)["sessions"][0]["terminateCause"], "User-Request");

    let reject = attach(&mut gateway, &server, SUSPENDED_IMSI);
    assert_eq!(reject.code, Code::ACCESS_REJECT);
    assert!(reject.says("Reply-Message = \"endpoint-suspended\""), "{:?}", reject.attributes);

    let (status, body) = server.get("/api/v1/endpoints/8944500000009999999");
    assert_eq!((status, body.contains("\"Record not found\"")), (404, true), "{body}");
    assert_eq!(server.get("/nowhere").0, 404);

    let ended = server.terminate();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
}

/// INTERFACES: names and labels; a contract with dashboards.
const METRICS: &[(&str, &[&str])] = &[
    ("radius_requests_total", &["gateway", "code"]),
    ("radius_responses_total", &["gateway", "code"]),
    ("radius_dropped_total", &["reason"]),
    ("radius_dropped_total", &["gateway", "reason"]),
    ("radius_duplicates_total", &["code"]),
    ("radius_request_duration_seconds_bucket", &["code", "le"]),
    ("radius_request_duration_seconds_sum", &["code"]),
    ("radius_request_duration_seconds_count", &["code"]),
    ("radius_socket_drops_total", &["listener"]),
    ("attachd_rejects_total", &["reason"]),
    ("attachd_accounting_total", &["status"]),
    ("attachd_endpoints", &["provisioning_state"]),
    ("attachd_endpoints_network", &["network_state"]),
    ("attachd_sessions", &["vslice"]),
    ("attachd_sessions_closed_total", &["cause"]),
    ("attachd_state_refused_total", &["event"]),
    ("attachd_pool_addresses", &["vslice", "subnet", "state"]),
    ("attachd_pool_allocations_total", &["vslice"]),
    ("attachd_pool_failures_total", &["vslice"]),
    ("attachd_address_conflicts_total", &["vslice"]),
    ("attachd_journal_commit_seconds_bucket", &["le"]),
    ("attachd_journal_commit_seconds_count", &[]),
    ("attachd_journal_records_total", &[]),
    ("attachd_journal_bytes", &[]),
    ("attachd_build_info", &["version"]),
    ("attachd_reloads_total", &["outcome"]),
    ("attachd_reload_timestamp_seconds", &[]),
    ("attachd_api_request_duration_seconds_count", &[]),
    ("process_cpu_seconds_total", &[]),
    ("process_max_fds", &[]),
    ("process_open_fds", &[]),
    ("process_resident_memory_bytes", &[]),
    ("process_start_time_seconds", &[]),
    ("process_threads", &[]),
    ("process_virtual_memory_bytes", &[]),
];

/// Every series: its name and the names of its labels.
fn series(exposition: &str) -> BTreeMap<&str, BTreeSet<Vec<&str>>> {
    let mut series: BTreeMap<&str, BTreeSet<Vec<&str>>> = BTreeMap::new();
    for line in exposition.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (metric, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = metric.split_once('{').unwrap_or((metric, ""));
        let labels =
            labels.trim_end_matches('}').split("\",").filter_map(|label| label.split_once('='));
        series.entry(name).or_default().insert(labels.map(|(name, _)| name).collect());
    }
    series
}

#[test]
fn every_metric_is_there_with_its_labels() {
    let folder = Folder::new();
    let server = folder.serve();
    let mut gateway = Gateway::facing(server.auth[0]);
    attach(&mut gateway, &server, TILL_IMSI);
    attach(&mut gateway, &server, SUSPENDED_IMSI);
    report(&mut gateway, &server, "Start", &[]);
    let mut broken = gateway.request(Code::ACCOUNTING_REQUEST, &["Acct-Status-Type = Start"]);
    broken[10] ^= 1;
    assert!(gateway.hears_nothing(server.acct[0], &broken));

    let (status, exposition) = server.get("/metrics");
    assert_eq!(status, 200);
    let found = series(&exposition);
    for (name, _) in METRICS {
        let wanted: BTreeSet<_> = METRICS
            .iter()
            .filter(|(other, _)| other == name)
            .map(|(_, labels)| labels.to_vec())
            .collect();
        assert_eq!(found.get(name), Some(&wanted), "{name}");
        let family =
            name.trim_end_matches("_bucket").trim_end_matches("_sum").trim_end_matches("_count");
        assert!(exposition.contains(&format!("# TYPE {family} ")), "{family} has no type");
        assert!(exposition.contains(&format!("# HELP {family} ")), "{family} has no help");
    }
    for line in [
        "radius_requests_total{gateway=\"pgw-01\",code=\"Access-Request\"} 2",
        "radius_responses_total{gateway=\"pgw-01\",code=\"Access-Reject\"} 1",
        "radius_dropped_total{gateway=\"pgw-01\",reason=\"bad-authenticator\"} 1",
        "attachd_rejects_total{reason=\"endpoint-suspended\"} 1",
        "attachd_accounting_total{status=\"start\"} 1",
        "attachd_sessions{vslice=\"festival\"} 1",
        "attachd_endpoints{provisioning_state=\"suspended\"} 8",
        "attachd_endpoints_network{network_state=\"active\"} 1",
        "attachd_pool_addresses{vslice=\"festival\",subnet=\"100.65.0.0/20\",state=\"reserved\"} 3",
    ] {
        server.until(line, |server| server.has_metric(line));
    }
    for secret in [TILL, "234500000000001", "100.64.0.16", "testing123"] {
        assert!(!exposition.contains(secret), "a label tells {secret}");
    }
}

#[test]
fn a_retransmission_gets_the_same_octets_whichever_worker_has_it() {
    let folder = Folder::new();
    folder.edit("attachd.toml", "workers = 2", "workers = 4");
    let server = folder.serve();
    // Several ports, so that the kernel spreads them over the workers.
    for _ in 0..8 {
        let mut gateway = Gateway::facing(server.auth[0]);
        let request = gateway.request(Code::ACCESS_REQUEST, &[TILL_IMSI]);
        let first = gateway.send(server.auth[0], &request).octets;
        assert_eq!(gateway.send(server.auth[0], &request).octets, first);
    }
    let line = "radius_duplicates_total{code=\"Access-Request\"} 8";
    server.until(line, |server| server.has_metric(line));
}

#[test]
fn status_server_is_answered_on_both_ports() {
    let folder = Folder::new();
    let server = folder.serve();
    let mut gateway = Gateway::facing(server.auth[0]);
    assert_eq!(gateway.ask(server.auth[0], Code::STATUS_SERVER, &[]).code, Code::ACCESS_ACCEPT);
    assert_eq!(
        gateway.ask(server.acct[0], Code::STATUS_SERVER, &[]).code,
        Code::ACCOUNTING_RESPONSE
    );
}

#[test]
fn several_listeners_of_both_families() {
    if UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("this machine has no IPv6: nothing to see");
        return;
    }
    let folder = Folder::with(
        "[radius]\nauth = [\"127.0.0.1:0\", \"[::1]:0\"]\nacct = [\"127.0.0.1:0\", \"[::1]:0\"]\nworkers = 2\n\
         [http]\nlisten = \"127.0.0.1:0\"\n\
         [[gateway]]\nname = \"four\"\nsource = \"127.0.0.0/8\"\nsecret = \"testing123\"\n\
         [[gateway]]\nname = \"six\"\nsource = \"::1\"\nsecret = \"testing123\"\n",
    );
    let server = folder.serve();
    assert_eq!((server.auth.len(), server.acct.len()), (2, 2));
    for (auth, acct, name) in [(0, 0, "four"), (1, 1, "six")] {
        let mut gateway = Gateway::facing(server.auth[auth]);
        let accept = gateway.ask(server.auth[auth], Code::ACCESS_REQUEST, &[TILL_IMSI]);
        assert!(accept.says("Framed-IP-Address = 100.64.0.16"), "{:?}", accept.attributes);
        let lines = [TILL_IMSI, "Acct-Status-Type = Start", "Acct-Session-Id = 0001"];
        assert_eq!(
            gateway.ask(server.acct[acct], Code::ACCOUNTING_REQUEST, &lines).code,
            Code::ACCOUNTING_RESPONSE
        );
        let line = format!("radius_requests_total{{gateway=\"{name}\",code=\"Access-Request\"}} 1");
        server.until(&line, |server| server.has_metric(&line));
    }
}

/// How many reloads were refused so far.
fn refusals(server: &Server) -> usize {
    server.log().matches("nothing was reloaded").count()
}

#[test]
fn a_reload_is_whole_or_nothing() {
    let folder = Folder::new();
    let server = folder.serve();
    let mut gateway = Gateway::facing(server.auth[0]);
    assert_eq!(attach(&mut gateway, &server, SUSPENDED_IMSI).code, Code::ACCESS_REJECT);

    // One line of many is wrong: the good ones beside it do not come into force.
    let csv = "inventory/endpoints.csv";
    let row =
        "8944500000000001210,234500000000121,447700000121,suspended,epos,,,till 121 in repair";
    folder.edit(csv, row, &row.replace("suspended", "active"));
    folder.edit(csv, "active,epos,,,till 2\n", "active,nowhere,,,till 2\n");
    server.signal("HUP");
    server.until("the refusal is logged", |server| refusals(server) == 1);
    assert_eq!(attach(&mut gateway, &server, SUSPENDED_IMSI).code, Code::ACCESS_REJECT);

    folder.edit(csv, "active,nowhere,,,till 2\n", "active,epos,,,till 2\n");
    folder.edit("attachd.toml", "[http]", "[[gateway]]\nname = \"renamed\"\nsource = \"127.0.0.0/8\"\nsecret = \"testing123\"\n[http]");
    server.signal("HUP");
    let active = "attachd_endpoints{provisioning_state=\"suspended\"} 7";
    server.until(active, |server| server.has_metric(active));
    assert_eq!(attach(&mut gateway, &server, SUSPENDED_IMSI).code, Code::ACCESS_ACCEPT);
    let line = "radius_responses_total{gateway=\"renamed\",code=\"Access-Accept\"} 1";
    server.until(line, |server| server.has_metric(line));

    // A configuration that cannot be read changes nothing either.
    folder.write("attachd.toml", "what = is this");
    server.signal("HUP");
    server.until("the refusal is logged", |server| refusals(server) == 2);
    assert_eq!(attach(&mut gateway, &server, SUSPENDED_IMSI).code, Code::ACCESS_ACCEPT);

    let ended = server.terminate();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("nowhere"), "{}", ended.stderr);
}

/// Whoever starts a server may signal it before it is ready; a reload then comes after the start,
/// and the end is in order.
#[test]
fn a_signal_that_comes_early_is_answered() {
    let folder = Folder::new();
    for signal in ["HUP", "TERM"] {
        let (server, _) = Server::spawn(&mut folder.command());
        server.until("the log has begun", |server| !server.log().is_empty());
        server.signal(signal);
        if signal == "HUP" {
            server.until("reloaded", |server| server.log().contains("reloaded"));
            server.signal("TERM");
        }
        let ended = server.ended();
        assert_eq!(ended.status.code(), Some(0), "{signal}: {}", ended.stderr);
    }
}

/// The configuration is a pipe that nobody writes to: the server has done nothing yet but to open
/// it when the signals come.
#[test]
fn a_hangup_in_the_first_moments_does_not_end_it() {
    let folder = Folder::new();
    let path = folder.path("attachd.toml");
    let settings = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let (mut server, stdout) = Server::spawn(&mut folder.command());
    // Returns when the server has opened it for reading.
    let mut pipe = fs::OpenOptions::new().write(true).open(&path).unwrap();
    server.signals("HUP", 20);
    pipe.write_all(&settings).unwrap();
    // Before the pipe ends: whoever reads the configuration next reads a file.
    fs::remove_file(&path).unwrap();
    fs::write(&path, &settings).unwrap();
    drop(pipe);
    server.read_addresses(&stdout.recv_timeout(TIMEOUT).unwrap());
    assert_eq!(server.get("/readyz").0, 200);
    assert_eq!(server.terminate().status.code(), Some(0));
}

/// "auto": whoever has sent a Message-Authenticator once is asked for one from then on.
#[test]
fn who_has_signed_once_is_asked_to_sign_after_a_restart_too() {
    // Without credentials it would have to be signed in any case (RFC 3579 3.3).
    const WITH_PASSWORD: [&str; 2] = [TILL_IMSI, "User-Password = anything"];
    for is_orderly in [true, false] {
        let folder = Folder::new();
        let server = folder.serve();
        let mut gateway = Gateway::facing(server.auth[0]);
        let unsigned = gateway.unsigned_access_request(&WITH_PASSWORD);
        assert!(!gateway.hears_nothing(server.auth[0], &unsigned), "nobody has signed yet");
        assert_eq!(attach(&mut gateway, &server, TILL_IMSI).code, Code::ACCESS_ACCEPT);
        if is_orderly {
            server.terminate();
        } else {
            // The record of it follows within a round of housekeeping.
            thread::sleep(Duration::from_secs(2));
            server.kill();
        }
        let server = folder.serve();
        let unsigned = gateway.unsigned_access_request(&WITH_PASSWORD);
        assert!(gateway.hears_nothing(server.auth[0], &unsigned), "orderly: {is_orderly}");
        let metrics = server.get("/metrics").1;
        assert!(
            metrics.lines().any(|line| line.contains("missing-message-authenticator")
                && line.starts_with("radius_dropped_total")
                && line.ends_with(" 1")),
            "{metrics}"
        );
        assert_eq!(attach(&mut gateway, &server, TILL_IMSI).code, Code::ACCESS_ACCEPT);
    }
}

#[test]
fn two_sessions_of_one_name_have_each_an_id_of_its_own() {
    let folder = Folder::new();
    let server = folder.serve();
    let mut gateway = Gateway::facing(server.auth[0]);
    for status in ["Start", "Stop", "Start"] {
        report(&mut gateway, &server, status, &[]);
    }
    let sessions = server.json(&format!("/api/v1/sessions?iccid={TILL}"))["data"].clone();
    assert_eq!(sessions[0]["acctSessionId"], sessions[1]["acctSessionId"]);
    assert_ne!(sessions[0]["id"], sessions[1]["id"]);
}

/// What was acknowledged is there again: after an orderly end, and after a sudden one.
#[test]
fn what_was_answered_survives() {
    let folder = Folder::new();
    for (round, orderly) in [true, false, true].into_iter().enumerate() {
        let server = folder.serve();
        if round > 0 {
            let till = server.endpoint(TILL);
            assert_eq!(till["networkState"]["key"], 40);
            assert_eq!(till["sessions"][0]["inputOctets"], round * 1000);
            assert_eq!(till["ipAddresses"][0]["state"], "in-use");
        }
        let mut gateway = Gateway::facing(server.auth[0]);
        let accept = attach(&mut gateway, &server, TILL_IMSI);
        assert!(accept.says("Framed-IP-Address = 100.64.0.16"), "{:?}", accept.attributes);
        let octets = format!("Acct-Input-Octets = {}", (round + 1) * 1000);
        report(
            &mut gateway,
            &server,
            "Interim-Update",
            &[&octets, "Framed-IP-Address = 100.64.0.16"],
        );
        let ended = if orderly { server.terminate() } else { server.kill() };
        assert_eq!(ended.status.code(), orderly.then_some(0), "{}", ended.stderr);
    }
}

#[test]
fn what_is_wrong_is_said_and_nothing_is_served() {
    let cases: [(&str, i32, &[&str]); 4] = [
        ("[radius]\nauht = [\"127.0.0.1:0\"]\n", 2, &["attachd.toml:2", "auht"]),
        (
            "[radius]\nduplicate_lifetime_s = 99\nworkers = -1\n",
            2,
            &["attachd.toml:2", "attachd.toml:3"],
        ),
        // The secret that everybody knows is for this machine only.
        ("[radius]\nauth = [\"0.0.0.0:0\"]\n", 2, &["testing123", "0.0.0.0:0"]),
        (
            "[radius]\nauth = [\"127.0.0.1:0\"]\nacct = [\"127.0.0.1:0\"]\n[http]\nlisten = \"127.0.0.1:0\"\n[inventory]\npath = \"nowhere\"\n",
            2,
            &["nowhere"],
        ),
    ];
    for (settings, exit, words) in cases {
        let ended = Folder::with(settings).refuses();
        assert_eq!(ended.status.code(), Some(exit), "{settings}: {}", ended.stderr);
        for word in words {
            assert!(
                ended.stderr.contains(word),
                "{settings}: nothing about {word} in: {}",
                ended.stderr
            );
        }
    }
    let folder = Folder::new();
    folder.edit("inventory/endpoints.csv", "8944500000000000014", "8944500000000000015");
    let ended = folder.refuses();
    assert_eq!(ended.status.code(), Some(2));
    assert!(ended.stderr.contains("endpoints.csv:2"), "{}", ended.stderr);
}

#[test]
fn two_servers_do_not_share_an_address() {
    let folder = Folder::new();
    let server = folder.serve();
    for (from, taken) in
        [("auth = [\"127.0.0.1:0\"]", server.auth[0]), ("listen = \"127.0.0.1:0\"", server.http)]
    {
        let other = Folder::new();
        other.edit("attachd.toml", from, &from.replace("127.0.0.1:0", &taken.to_string()));
        let ended = other.refuses();
        assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
        assert!(ended.stderr.contains(&taken.to_string()), "{}", ended.stderr);
    }
    // Nor a journal: two writers would tear it.
    let ended = folder.refuses();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("attachd-data"), "{}", ended.stderr);
}

/// Whoever reads the log may stall: the pipe is full before the first line.
#[test]
fn a_log_that_nobody_reads_does_not_stop_it() {
    const PIPE: usize = 1 << 16;
    let folder = Folder::new();
    let (unread, mut log) = std::io::pipe().unwrap();
    log.write_all(&vec![b'.'; PIPE]).unwrap();
    let (mut server, stdout) = Server::spawn_with_log(folder.command().stderr(log));
    server.read_addresses(&stdout.recv_timeout(TIMEOUT).unwrap());
    let mut gateway = Gateway::facing(server.auth[0]);
    for who in [TILL_IMSI, SUSPENDED_IMSI, "3GPP-IMSI = 999999999999999"] {
        attach(&mut gateway, &server, who);
    }
    assert_eq!(server.get("/readyz").0, 200);
    assert_eq!(server.terminate().status.code(), Some(0));
    drop(unread);
}

#[test]
fn many_hangups_are_few_reloads_and_none_delays_the_end() {
    let folder = Folder::new();
    let server = folder.serve();
    let reloads = |server: &Server| server.log().matches("reloaded lines").count();
    server.signals("HUP", 200);
    server.until("reloaded", |server| reloads(server) > 0);
    server.signals("HUP", 200);
    let ended = server.terminate();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
    let count = ended.stderr.matches("reloaded lines").count();
    assert!((1..=3).contains(&count), "{count} reloads for two bursts\n{}", ended.stderr);
}

#[test]
fn a_data_folder_that_is_removed_is_told() {
    let folder = Folder::new();
    let server = folder.serve();
    fs::remove_dir_all(folder.path("attachd-data")).unwrap();
    server.until("it is not ready", |server| server.get("/readyz").0 == 503);
    let reasons = server.get("/readyz").1;
    assert!(reasons.contains("the journal's files are gone from the data folder"), "{reasons}");
    let mut gateway = Gateway::facing(server.auth[0]);
    let asked = gateway.request(Code::STATUS_SERVER, &[]);
    assert!(gateway.hears_nothing(server.auth[0], &asked));
}

/// A cost that grows with the square of the gateways would be minutes here.
#[test]
fn thirty_thousand_gateways_are_no_trouble() {
    let folder = Folder::new();
    let mut settings = fs::read_to_string(folder.path("attachd.toml")).unwrap();
    settings += "[[gateway]]\nname = \"here\"\nsource = \"127.0.0.0/8\"\nsecret = \"testing123\"\n";
    for number in 0..30_000u32 {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + number);
        // Short secrets: each is worth a warning, which has a line of its own.
        let names = format!(
            "name = \"gateway-{number}\"\nsource = \"{address}\"\nsecret = \"short{number}\"\n"
        );
        settings.extend(["[[gateway]]\n", &names]);
    }
    folder.write("attachd.toml", &settings);
    let server = folder.serve();
    let mut gateway = Gateway::facing(server.auth[0]);
    assert_eq!(attach(&mut gateway, &server, TILL_IMSI).code, Code::ACCESS_ACCEPT);
}
