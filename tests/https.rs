//! HTTP over TLS, as operators and their programs meet it.

#![expect(clippy::unwrap_used, reason = "the helpers are tests, too")]

mod support;

use std::fs;
use std::process::{Command, Output};

use rcgen::{CertificateParams, KeyPair};
use support::client::token;
use support::server::{Folder, Server};

/// A certificate for localhost that is its own authority; its serial number tells it apart.
fn certify(folder: &Folder, serial: u64) {
    let key = KeyPair::generate().unwrap();
    let mut params =
        CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    params.serial_number = Some(serial.into());
    let certificate = params.self_signed(&key).unwrap();
    folder.write("http.pem", &certificate.pem());
    folder.write("http.key", &key.serialize_pem());
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.edit(
        "attachd.toml",
        "[http]\n",
        "[http]\ntls_certificate = \"http.pem\"\ntls_key = \"http.key\"\n",
    );
    folder
}

fn reload(server: &Server, folder: &Folder, ca: &str, token: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_attachd"))
        .args(["reload", "--url", &format!("https://localhost:{}", server.http.port()), "--ca"])
        .arg(folder.path(ca))
        .env("ATTACHD_TOKEN", token)
        .output()
        .unwrap()
}

#[test]
fn a_certificate_is_served_and_another_one_after_a_reload() {
    let folder = folder();
    certify(&folder, 1);
    fs::copy(folder.path("http.pem"), folder.path("first.pem")).unwrap();
    let server = folder.serve();
    let token = token(&folder, "ops", "admin");
    let done = |ca: &str| {
        let ran = reload(&server, &folder, ca, &token);
        (ran.status.success(), String::from_utf8(ran.stderr).unwrap())
    };
    server.until("the token is known", |_| done("first.pem").0);

    certify(&folder, 2);
    assert_eq!(done("first.pem"), (true, String::new()));
    let (is_done, told) = done("first.pem");
    assert!(!is_done && told.contains("https://localhost"), "{told}");
    assert_eq!(done("http.pem"), (true, String::new()), "the second is served");

    folder.write("http.key", "no key");
    let (is_done, told) = done("http.pem");
    assert!(!is_done && told.contains("http.key"), "nothing is reloaded: {told}");
    certify(&folder, 3);
    fs::copy(folder.path("http.pem"), folder.path("third.pem")).unwrap();
    assert!(!done("third.pem").0, "the second is served still");
}

#[test]
fn what_speaks_no_tls_gets_nothing() {
    let folder = folder();
    certify(&folder, 1);
    let server = folder.serve();
    let ran = Command::new(env!("CARGO_BIN_EXE_attachd"))
        .args(["reload", "--url", &format!("http://{}", server.http)])
        .output()
        .unwrap();
    assert_eq!(ran.status.code(), Some(1));
}

#[test]
fn a_certificate_that_is_none_is_told_with_its_line() {
    let folder = folder();
    folder.write("http.pem", "nothing");
    folder.write("http.key", "nothing");
    let refused = folder.refuses();
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        refused.stderr.contains("attachd.toml:6: ") && refused.stderr.contains("http.pem"),
        "{}",
        refused.stderr
    );
}
