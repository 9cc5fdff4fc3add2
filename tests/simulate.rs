//! The simulator as scripts meet it: the built program over real sockets, its exit codes, its
//! files.

#![allow(clippy::unwrap_used, reason = "the helpers are tests, too")]

mod responder;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use attachd::time::Timestamp;
use responder::{Fault, Responder};
use serde_json::Value;

/// A responder on two ports of this machine, until it is dropped.
struct Server {
    auth: SocketAddr,
    acct: SocketAddr,
    over: Arc<AtomicBool>,
}

impl Server {
    #[allow(clippy::disallowed_methods, reason = "a test over real sockets")]
    fn start(fault: Option<Fault>) -> Self {
        let sockets = [0, 0].map(|port| UdpSocket::bind(("127.0.0.1", port)).unwrap());
        let [auth, acct] = [&sockets[0], &sockets[1]].map(|socket| socket.local_addr().unwrap());
        let over = Arc::new(AtomicBool::new(false));
        let (stop, began) = (over.clone(), Instant::now());
        thread::spawn(move || {
            let mut responder = Responder::new(b"testing123", fault);
            let mut buffer = [0; 4096];
            for socket in &sockets {
                socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            }
            while !stop.load(Ordering::Relaxed) {
                for socket in &sockets {
                    let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
                    let now = Timestamp::EPOCH + began.elapsed();
                    for sent in
                        responder.handle(now, from, socket.local_addr().unwrap(), &buffer[..len])
                    {
                        socket.send_to(&sent.octets, from).unwrap();
                    }
                }
            }
        });
        Self { auth, acct, over }
    }

    fn targets(&self) -> Vec<String> {
        vec![
            "--auth".into(),
            self.auth.to_string(),
            "--acct".into(),
            self.acct.to_string(),
            "--http".into(),
            "none".into(),
        ]
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

const SCENARIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/simulate/referee.toml");
const BAD_KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/simulate/bad-key.toml");
const SHORT: &str = "phase=[{ name = \"steady\", kind = \"steady\", rate = 60, for_s = 2 }, { name = \"drain\", kind = \"drain\", for_s = 1 }]";

fn simulate(scenario: &str, arguments: &[String]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_attachd"))
        .args(["simulate", scenario])
        .args(arguments)
        .output()
        .unwrap()
}

fn short(server: &Server, more: &[&str]) -> Vec<String> {
    let mut arguments = server.targets();
    arguments.extend(
        ["--set", SHORT, "--set", "fleet.*.session_s=0.5", "--set", "expect.hold_s=0"]
            .map(ToOwned::to_owned),
    );
    // A busy test machine may be late; that is not what is tested.
    arguments.extend(["--set", "tolerance_ms=5000", "--threads", "2"].map(ToOwned::to_owned));
    arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    arguments
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

#[test]
fn a_run_over_real_sockets_passes_and_leaves_its_files() {
    let server = Server::start(None);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let names = ["run.json", "run.html", "run.hgrm", "run.pcap"].map(file);
    let more = [
        "--json",
        &names[0],
        "--html",
        &names[1],
        "--hdr",
        &names[2],
        "--pcap",
        &names[3],
        "--set",
        "habits.wrong_secret=0",
    ];
    let run = simulate(SCENARIO, &short(&server, &more));
    assert_eq!(run.status.code(), Some(0), "{}{}", text(&run.stdout), text(&run.stderr));
    assert!(
        text(&run.stdout).contains("referee  0 violations") && text(&run.stderr).contains("steady")
    );

    let report: Value = serde_json::from_str(&fs::read_to_string(&names[0]).unwrap()).unwrap();
    let schema: Value = serde_json::from_str(&fs::read_to_string(schema_path()).unwrap()).unwrap();
    conforms(&report, &schema, &schema, "report");
    assert_eq!(report["verdict"], "passed");
    assert!(report["attaches"].as_u64() > Some(50));
    assert!(!report.to_string().contains("testing123"), "secrets are masked");
    let page = fs::read_to_string(&names[1]).unwrap();
    assert!(
        page.contains("<svg")
            && page.contains("passed")
            && !page.contains("<script")
            && !page.contains("http://"),
        "self-contained"
    );
    assert!(fs::read_to_string(&names[2]).unwrap().contains("Percentile"));
    let decoded = Command::new(env!("CARGO_BIN_EXE_attachd"))
        .args(["decode", &names[3], "--secret", "testing123"])
        .output()
        .unwrap();
    assert!(text(&decoded.stdout).contains("Access-Accept"));

    let compared = Command::new(env!("CARGO_BIN_EXE_attachd"))
        .args(["report", &names[0], &names[0]])
        .output()
        .unwrap();
    assert_eq!(compared.status.code(), Some(0));
    assert!(
        text(&compared.stdout).contains("attaches/s") && text(&compared.stdout).contains("+0.0 %")
    );
}

#[test]
fn a_fault_ends_with_3_and_is_shown_with_its_packets() {
    let server = Server::start(Some(Fault::AcceptsSuspended));
    let run = simulate(SCENARIO, &short(&server, &[]));
    let shown = text(&run.stdout);
    assert_eq!(run.status.code(), Some(3), "{shown}");
    assert!(
        shown.contains("accepted an endpoint that must be refused")
            && shown.contains("Access-Accept, identifier"),
        "{shown}"
    );
}

#[test]
fn a_target_that_never_answers_ends_with_4() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let arguments = [
        "--auth",
        &address,
        "--acct",
        &address,
        "--set",
        "target.patience_s=1",
        "--progress",
        "none",
    ]
    .map(ToOwned::to_owned);
    let run = simulate(SCENARIO, &arguments);
    assert_eq!(run.status.code(), Some(4), "{}", text(&run.stderr));
    assert!(text(&run.stdout).contains("has not given one valid answer"));
}

#[test]
fn an_interrupted_run_still_leaves_its_files() {
    for signal in ["INT", "TERM"] {
        let server = Server::start(None);
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let names = ["run.json", "run.html", "run.hgrm", "run.pcap"].map(file);
        let more = [
            "--json",
            &names[0],
            "--html",
            &names[1],
            "--hdr",
            &names[2],
            "--pcap",
            &names[3],
            "--set",
            "phase.0.for_s=600",
        ];
        let mut command = Command::new(env!("CARGO_BIN_EXE_attachd"));
        command
            .args(["simulate", SCENARIO])
            .args(short(&server, &more))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut run = command.spawn().unwrap();
        // The headline, and the first second.
        let mut progress = BufReader::new(run.stderr.take().unwrap()).lines();
        let seen: Vec<String> = progress.by_ref().take(2).map(Result::unwrap).collect();
        assert!(seen[1].contains("steady"), "{seen:?}");
        let sent = Command::new("sh")
            .arg("-c")
            .arg(format!("kill -{signal} {}", run.id()))
            .status()
            .unwrap();
        assert!(sent.success());
        progress.for_each(drop);
        let ended = run.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(130), "{signal}: {}", text(&ended.stdout));
        assert!(text(&ended.stdout).trim_end().ends_with("interrupted"));
        let report: Value = serde_json::from_str(&fs::read_to_string(&names[0]).unwrap()).unwrap();
        assert_eq!(
            (&report["verdict"], &report["ending"]),
            (&"interrupted".into(), &"interrupted".into())
        );
        assert!(report["total"]["answered"].as_u64() > Some(0));
        assert!(fs::read_to_string(&names[1]).unwrap().contains("interrupted"));
        assert!(fs::read_to_string(&names[2]).unwrap().contains("inf"));
        assert!(fs::metadata(&names[3]).unwrap().len() > 1000, "a capture with packets in it");
    }
}

/// What a machine cannot do must not be laid at the server's door.
#[test]
fn a_generator_that_does_not_keep_its_schedule_fails_the_run() {
    let server = Server::start(None);
    for (change, expected) in
        [("tolerance_ms=0", "behind schedule: "), ("fleet.*.session_s=100", "starved: ")]
    {
        // Nine endpoints, and sixty arrivals a second.
        let run =
            simulate(SCENARIO, &short(&server, &["--set", "fleet.*.count=3", "--set", change]));
        let shown = text(&run.stdout);
        assert_eq!(run.status.code(), Some(3), "{shown}");
        assert!(
            shown.contains(expected) && shown.contains("THE GENERATOR DID NOT KEEP ITS SCHEDULE"),
            "{shown}"
        );
    }
}

#[test]
fn what_is_wrong_with_a_scenario_is_said_with_its_place() {
    for (scenario, arguments, expected) in [
        (
            BAD_KEY,
            &[][..],
            "bad-key.toml:4: losst: unknown field `losst`, expected one of `roaming`",
        ),
        ("nonsense", &[], "nonsense: neither a file nor one of smoke, steady"),
        (
            SCENARIO,
            &["--set", "habits.lost=2"],
            "--set habits.lost: must be a share between 0 and 1",
        ),
        (
            SCENARIO,
            &["--set", "phase.0.kind=calm"],
            "unknown variant `calm`, expected one of `ramp`, `steady`",
        ),
        (SCENARIO, &["--set", "habits"], "a change is KEY=VALUE"),
        (
            "storm",
            &["--rate", "5"],
            "--rate and --duration are for steady phases, and storm has none",
        ),
    ] {
        let run = simulate(
            scenario,
            &arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<String>>(),
        );
        let said = text(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{said}");
        assert!(
            said.contains(expected) && said.lines().count() == 1,
            "{said}\nshould contain: {expected}"
        );
    }
}

#[test]
fn a_rate_is_that_of_steady_phases_and_the_end_of_ramps() {
    let printed = simulate(
        "smoke",
        &["--rate", "7", "--duration", "9", "--print-scenario"].map(ToOwned::to_owned),
    );
    let scenario: toml::Table = text(&printed.stdout).parse().unwrap();
    let of_phase = |index: usize, key: &str| scenario["phase"][index][key].as_float();
    assert_eq!(
        [of_phase(0, "to"), of_phase(0, "for_s"), of_phase(1, "rate"), of_phase(1, "for_s")],
        [Some(7.0), Some(3.0), Some(7.0), Some(9.0)]
    );
}

#[test]
fn a_report_that_cannot_be_written_is_known_before_the_run() {
    let run = simulate(SCENARIO, &["--json", "/nonexistent/run.json"].map(ToOwned::to_owned));
    assert_eq!((run.status.code(), text(&run.stdout).as_str()), (Some(1), ""));
    assert!(text(&run.stderr).contains("/nonexistent/run.json cannot be written"));
}

fn schema_path() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/simulate/report.schema.json"))
}

/// As much of JSON Schema as the schema uses.
fn conforms(value: &Value, schema: &Value, root: &Value, place: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).unwrap();
        return conforms(value, target, root, place);
    }
    if let Some(only) = schema.get("const") {
        assert_eq!(value, only, "{place}");
    }
    if let Some(allowed) = schema["enum"].as_array() {
        assert!(allowed.contains(value), "{place}: {value}");
    }
    let is_right = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    };
    assert!(is_right, "{place}: {value} is no {}", schema["type"]);
    for name in schema["required"].as_array().into_iter().flatten() {
        assert!(value.get(name.as_str().unwrap()).is_some(), "{place}.{name} is missing");
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        let inside = &schema["properties"][name];
        assert!(
            !inside.is_null() || schema["additionalProperties"] != false,
            "{place}.{name} is not in the schema"
        );
        conforms(
            inner,
            if inside.is_null() { &schema["additionalProperties"] } else { inside },
            root,
            &format!("{place}.{name}"),
        );
    }
    for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
        conforms(inner, &schema["items"], root, &format!("{place}[{index}]"));
    }
}
