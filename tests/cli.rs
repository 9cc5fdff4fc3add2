//! The command line as scripts meet it: exit codes, output, and one request answered over a real
//! socket.

#![expect(clippy::unwrap_used, reason = "the helpers are tests, too")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use attachd::wire::{Code, Datagram, Encoder, LONGEST, Secret, number};

/// What a run left behind.
#[derive(Debug, PartialEq, Eq)]
struct Ran {
    exit: i32,
    stdout: String,
    stderr: String,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attachd"));
    command
        .args(arguments)
        .current_dir(fixtures())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn attachd(arguments: &[&str]) -> Ran {
    ran(&command(arguments).output().unwrap())
}

fn attachd_fed(arguments: &[&str], input: &[u8]) -> Ran {
    let mut child = command(arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    ran(&child.wait_with_output().unwrap())
}

fn ran(output: &Output) -> Ran {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    Ran {
        exit: output.status.code().unwrap(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

/// Each file of `fixtures/transcripts` is a command, what it prints, what it complains about, and
/// its exit code. A new case is a new file; `UPDATE_TRANSCRIPTS=1 cargo test --test cli` fills in
/// what a command says today.
#[test]
fn every_transcript_still_holds() {
    let mut count = 0;
    for entry in fs::read_dir(fixtures().join("transcripts")).unwrap() {
        let path = entry.unwrap().path();
        let transcript = fs::read_to_string(&path).unwrap();
        let line = transcript.lines().next().unwrap();
        let arguments: Vec<&str> =
            line.strip_prefix("$ attachd ").unwrap().split_whitespace().collect();
        let Ran { exit, stdout, stderr } = attachd(&arguments);
        let today = format!("{line}\n{stdout}{stderr}exit {exit}\n");
        if std::env::var_os("UPDATE_TRANSCRIPTS").is_some() {
            fs::write(&path, today).unwrap();
        } else {
            assert_eq!(today, transcript, "{}", path.display());
        }
        count += 1;
    }
    assert!(count > 15, "only {count} transcripts were found");
}

#[test]
fn help_and_version_are_no_errors() {
    let version = format!("attachd {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(attachd(&["--version"]), Ran { exit: 0, stdout: version, stderr: String::new() });
    let help = attachd(&["--help"]);
    assert_eq!(help.exit, 0);
    for verb in ["serve", "check", "send", "decode", "completions"] {
        assert!(help.stdout.contains(verb), "{verb}");
        let of_verb = attachd(&["help", verb]);
        assert_eq!(of_verb.exit, 0);
        assert!(of_verb.stdout.contains("Examples:"), "{verb}");
        assert_eq!(attachd(&[verb, "--help"]), of_verb, "{verb}");
    }
    assert_eq!(attachd(&[]).exit, 2);
}

#[test]
fn an_error_is_one_line() {
    for arguments in [
        &["chek"][..],
        &["send"],
        &["send", "auth", "--secret", ""],
        &["decode", "xyz"],
        &["completions", "cmd.exe"],
    ] {
        let Ran { stdout, stderr, .. } = attachd(arguments);
        assert_eq!((stdout.as_str(), stderr.lines().count()), ("", 1), "{stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains("; "), "{stderr}");
    }
}

#[test]
fn tokens_are_made_shown_once_and_withdrawn() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let token = |arguments: &[&str]| {
        attachd(&[&["token"], arguments, &["--data-dir", data.to_str().unwrap()]].concat())
    };
    let made = token(&["create", "--name", "ci", "--role", "write", "--expires", "90d"]);
    let secret = made.stdout.trim();
    assert_eq!((made.exit, secret.len()), (0, 32), "{made:?}");
    assert!(secret.bytes().all(|octet| octet.is_ascii_hexdigit()));
    assert!(
        !fs::read_to_string(data.join("tokens.toml")).unwrap().contains(secret),
        "only its hash is kept"
    );

    let again = token(&["create", "--name", "ci", "--role", "read"]);
    assert_eq!(
        (again.exit, again.stderr.contains("there is a token \"ci\" already")),
        (1, true),
        "{again:?}"
    );
    assert_eq!(token(&["disable", "ci"]).exit, 0);
    let listed = token(&["list", "--output", "json"]);
    let tokens: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(
        (&tokens[0]["name"], &tokens[0]["role"], &tokens[0]["state"]),
        (&"ci".into(), &"write".into(), &"disabled".into())
    );
    assert!(listed.stdout.find(secret).is_none());
    assert_eq!(token(&["enable", "ci"]).exit, 0);
    assert_eq!(token(&["delete", "ci"]).exit, 0);
    assert_eq!(token(&["delete", "ci"]).exit, 1);
    assert_eq!(token(&["create", "--name", "a b", "--role", "read"]).exit, 2);
    assert_eq!(token(&["create", "--name", "a", "--role", "king"]).exit, 2);
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let Ran { exit, stdout, .. } = attachd(&["completions", shell]);
        assert_eq!(exit, 0);
        assert!(stdout.contains("vendor-id"), "{shell}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    assert_eq!(attachd(&["man", "--dir", dir]).exit, 0);
    let help = attachd(&["--help"]).stdout;
    let (_, listed) = help.split_once("Commands:\n").unwrap();
    let verbs = listed.lines().take_while(|line| !line.is_empty());
    // What is wrapped goes on further to the right.
    let is_first = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let verbs: Vec<&str> =
        verbs.filter(is_first).filter_map(|line| line.split_whitespace().next()).collect();
    assert!(verbs.contains(&"serve") && verbs.contains(&"man"), "{verbs:?}");
    for verb in verbs.into_iter().filter(|verb| *verb != "help") {
        let page = fs::read_to_string(folder.path().join(format!("attachd-{verb}.1"))).unwrap();
        assert!(page.contains(".TH") && page.contains(".SH SYNOPSIS"), "{verb}: {page}");
    }
    let page = attachd(&["man"]).stdout;
    assert!(page.contains(".TH attachd 1") && page.contains("serve(1)"), "{page}");
}

#[test]
fn an_inventory_that_is_there_is_overwritten_only_if_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let write = |force: &[&str]| {
        let dir = folder.path().to_str().unwrap();
        attachd(&[&["simulate", "smoke", "--write-inventory", dir], force].concat())
    };
    assert_eq!(write(&[]).exit, 0);
    let endpoints = folder.path().join("endpoints.csv");
    fs::write(&endpoints, "somebody's own\n").unwrap();
    let refused = write(&[]);
    assert_eq!(refused.exit, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("is there already"), "{}", refused.stderr);
    assert_eq!(fs::read_to_string(&endpoints).unwrap(), "somebody's own\n");
    assert_eq!(write(&["--force"]).exit, 0);
    assert_ne!(fs::read_to_string(&endpoints).unwrap(), "somebody's own\n");
}

#[test]
fn decode_knows_what_comes_in() {
    let capture = fs::read(fixtures().join("decode/freeradius.pcap")).unwrap();
    let from_file = attachd(&["decode", "decode/freeradius.pcap"]);
    assert_eq!(attachd_fed(&["decode", "-"], &capture), from_file);
    assert_eq!(attachd_fed(&["decode"], &capture), from_file);

    let hex = b"0c2a0014 000102030405060708090a0b0c0d0e0f\n";
    let octets =
        b"\x0c\x2a\x00\x14\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f";
    let from_words = attachd(&["decode", "0c2a0014000102030405060708090a0b0c0d0e0f"]);
    assert_eq!(from_words.exit, 0);
    assert_eq!(attachd_fed(&["decode", "-"], hex), from_words);
    assert_eq!(attachd_fed(&["decode", "-"], octets), from_words);

    assert_eq!(attachd_fed(&["decode", "-"], b"").exit, 1);
    assert_eq!(attachd_fed(&["decode", "-"], b"Access-Request").exit, 1);
    let cut = attachd_fed(&["decode", "-"], &capture[..capture.len() - 1]);
    assert_eq!(cut.exit, 1);
    assert!(
        from_file.stdout.starts_with(&cut.stdout) && cut.stdout.len() * 2 > from_file.stdout.len()
    );
}

/// The golden packets of the codec, seen through the command line.
#[test]
fn decode_shows_packets_as_they_are_written_down() {
    for entry in fs::read_dir(fixtures().join("packets")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "hex") {
            let shown = fs::read_to_string(path.with_extension("txt")).unwrap();
            let ran = attachd(&["decode", path.to_str().unwrap()]);
            assert_eq!(
                ran,
                Ran { exit: 0, stdout: shown, stderr: String::new() },
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let mut child = command(&["decode", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    child
        .stdin
        .take()
        .unwrap()
        .write_all(&fs::read(fixtures().join("decode/freeradius.pcap")).unwrap())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()),
        (Some(0), "")
    );
}

#[test]
fn what_check_says_of_bad_inventories_stands_beside_them() {
    for entry in fs::read_dir(fixtures().join("bad-inventories")).unwrap() {
        let name = format!("bad-inventories/{}", entry.unwrap().file_name().to_str().unwrap());
        let problems = fs::read_to_string(fixtures().join(&name).join("problems.txt")).unwrap();
        let Ran { exit, stdout, stderr } = attachd(&["check", "--inventory", &name]);
        assert_eq!((exit, stdout.as_str()), (2, ""), "{name}");
        let told: Vec<&str> = stderr
            .lines()
            .map(|line| line.strip_prefix(&format!("{name}/")).unwrap_or(line))
            .collect();
        assert_eq!(told, problems.lines().collect::<Vec<_>>(), "{name}");
    }
}

const SECRET: &[u8] = b"testing123";

/// A server that treats each datagram by the next of `answers`, and gives back what it received.
fn responder(answers: Vec<fn(&Datagram<'_>) -> Vec<u8>>) -> (SocketAddr, JoinHandle<Vec<Vec<u8>>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let address = socket.local_addr().unwrap();
    let server = thread::spawn(move || {
        let mut received = Vec::new();
        for answer in answers {
            let mut buffer = [0; LONGEST];
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            let reply = answer(&Datagram::frame(&buffer[..length]).unwrap());
            received.push(buffer[..length].to_vec());
            if !reply.is_empty() {
                socket.send_to(&reply, from).unwrap();
            }
        }
        received
    });
    (address, server)
}

fn reply(request: &Datagram<'_>, code: Code, secret: &[u8]) -> Vec<u8> {
    let mut buffer = [0; LONGEST];
    let mut encoder = Encoder::new(&mut buffer, code, request.identifier());
    encoder.message_authenticator().attribute(number::REPLY_MESSAGE, b"endpoint-unknown");
    let length = encoder.finish_reply(&Secret::new(secret), request.authenticator()).unwrap();
    buffer[..length].to_vec()
}

fn accept(request: &Datagram<'_>) -> Vec<u8> {
    reply(request, Code::ACCESS_ACCEPT, SECRET)
}

fn reject(request: &Datagram<'_>) -> Vec<u8> {
    reply(request, Code::ACCESS_REJECT, SECRET)
}

fn answer(request: &Datagram<'_>) -> Vec<u8> {
    reply(request, Code::ACCOUNTING_RESPONSE, SECRET)
}

fn forge(request: &Datagram<'_>) -> Vec<u8> {
    reply(request, Code::ACCESS_ACCEPT, b"guessed")
}

fn silence(_: &Datagram<'_>) -> Vec<u8> {
    Vec::new()
}

/// Runs `send` against a responder; what it said, and the requests.
fn send(
    answers: Vec<fn(&Datagram<'_>) -> Vec<u8>>,
    kind: &str,
    more: &[&str],
) -> (Ran, Vec<Vec<u8>>) {
    let (address, server) = responder(answers);
    let address = address.to_string();
    let ran = attachd(&[&["send", kind, &address], more].concat());
    (ran, server.join().unwrap())
}

#[test]
fn an_accept_is_success_and_a_reject_is_not() {
    let (ran, requests) = send(
        vec![accept],
        "auth",
        &["user-name=alice", "User-Password=secret", "3GPP-IMSI=234500000000001"],
    );
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    assert!(
        ran.stdout.starts_with("Access-Accept, ")
            && ran.stdout.contains("\n    Reply-Message = \"endpoint-unknown\"\n"),
        "{}",
        ran.stdout
    );
    let request = Datagram::frame(&requests[0]).unwrap();
    assert_eq!(request.verify_request(&Secret::new(SECRET)), Ok(()));
    assert_eq!(
        request.attributes().next().map(|attribute| attribute.number),
        Some(number::MESSAGE_AUTHENTICATOR),
        "it stands first"
    );
    let hidden = request.first(number::USER_PASSWORD).unwrap();
    assert!(attachd::wire::pap_matches(
        hidden,
        &Secret::new(SECRET),
        request.authenticator(),
        b"secret"
    ));

    let (ran, _) = send(vec![reject], "auth", &[]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (3, ""));
}

#[test]
fn accounting_and_status_are_answered() {
    let (ran, requests) = send(vec![answer], "acct", &["--file", "send/start.txt", "--json"]);
    assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""));
    assert!(
        ran.stdout.contains(r#""code":{"key":5,"name":"Accounting-Response"}"#),
        "{}",
        ran.stdout
    );
    let request = Datagram::frame(&requests[0]).unwrap();
    assert_eq!(request.verify_request(&Secret::new(SECRET)), Ok(()));
    assert_eq!(request.first(number::CALLED_STATION_ID), Some(&b"festival.iot"[..]));

    // Status-Server is answered in the way of the port it goes to (RFC 5997 3).
    for port in [accept, answer] {
        let (ran, requests) = send(vec![port], "status", &[]);
        assert_eq!((ran.exit, ran.stderr.as_str()), (0, ""));
        assert_eq!(Datagram::frame(&requests[0]).unwrap().code(), Code::STATUS_SERVER);
    }
}

#[test]
fn a_request_is_sent_again_unchanged() {
    let (ran, requests) =
        send(vec![silence, silence, accept], "auth", &["User-Name=alice", "--timeout", "50ms"]);
    assert_eq!(ran.exit, 0);
    assert!(ran.stdout.contains(" at try 3"), "{}", ran.stdout);
    assert_eq!((&requests[0], &requests[1]), (&requests[1], &requests[2]));
}

#[test]
fn a_forged_reply_is_as_good_as_none() {
    let (ran, _) = send(vec![forge, accept], "auth", &["--timeout", "50ms"]);
    assert_eq!(ran.exit, 0);
    let (ran, _) = send(vec![forge, answer], "auth", &["--timeout", "50ms", "--retries", "1"]);
    assert_eq!(ran.exit, 1);
    assert!(
        ran.stderr.contains("Accounting-Response does not answer Access-Request"),
        "{}",
        ran.stderr
    );
    let (ran, _) = send(vec![silence], "auth", &["--timeout", "50ms", "--retries", "0"]);
    assert_eq!(ran.exit, 1);
    assert!(ran.stderr.starts_with("error: no reply from 127.0.0.1:"), "{}", ran.stderr);
}

#[test]
fn nobody_there_is_told_at_once() {
    // A port that was free a moment ago.
    let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let ran = attachd(&["send", "status", &address]);
    assert_eq!(ran.exit, 1);
    assert!(ran.stderr.contains("nobody listens on"), "{}", ran.stderr);
}

#[test]
fn a_server_answers_reloads_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["inventory.toml", "endpoints.csv"] {
        fs::copy(fixtures().join("festival").join(name), folder.path().join(name)).unwrap();
    }
    let free = "[\"127.0.0.1:0\"]";
    let text = format!(
        "[radius]\nauth = {free}\nacct = {free}\n[http]\nlisten = \"127.0.0.1:0\"\n[inventory]\npath = \".\"\n"
    );
    let config = folder.path().join("attachd.toml");
    fs::write(&config, text).unwrap();

    let start = || {
        let mut server = command(&["serve", "--config", config.to_str().unwrap()]).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        (server, ready)
    };
    let end = |mut server: Child| {
        let pid = server.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        let mut log = String::new();
        server.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert_eq!(server.wait().unwrap().code(), Some(0), "{log}");
        log
    };
    let address = |ready: &str, kind: &str| {
        let rest = ready.split(&format!("{kind} ")).nth(1).unwrap();
        rest.split([',', '\n']).next().unwrap().to_owned()
    };
    let ask = |ready: &str| {
        attachd(&[
            "send",
            "auth",
            &address(ready, "auth"),
            "3GPP-IMSI=234500000000001",
            "Called-Station-Id=festival.iot",
        ])
    };
    let (server, ready) = start();
    let accepted = ask(&ready);
    assert_eq!(accepted.exit, 0, "{accepted:?}");
    assert!(accepted.stdout.contains("Framed-IP-Address = 100.64."), "{}", accepted.stdout);
    assert_eq!(attachd(&["send", "status", &address(&ready, "acct")]).exit, 0);

    // A reload that is refused changes nothing.
    fs::write(folder.path().join("endpoints.csv"), "nonsense\n").unwrap();
    Command::new("kill").args(["-HUP", &server.id().to_string()]).status().unwrap();
    assert_eq!(ask(&ready).exit, 0);
    let log = end(server);
    assert!(!log.contains('\x1b'), "colours belong on a terminal: {log}");

    // PROTOCOL 11: neither does a start, if the journal has an inventory; a first start is refused.
    let (server, ready) = start();
    assert_eq!(ask(&ready).exit, 0);
    let log = end(server);
    assert!(log.contains("endpoints.csv:1: "), "{log}");
    fs::remove_dir_all(folder.path().join("attachd-data")).unwrap();
    let refused = attachd(&["serve", "--config", config.to_str().unwrap()]);
    assert_eq!(refused.exit, 2);
    assert!(refused.stderr.contains("endpoints.csv:1: "), "{}", refused.stderr);
}
