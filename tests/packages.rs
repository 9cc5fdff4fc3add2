//! What is shipped beside the program: the Debian package, the systemd unit and what it is told,
//! alerts, and the metrics that alerts and dashboards name.

#![expect(clippy::unwrap_used, reason = "the helpers are tests, too")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::server::{Folder, Server, TIMEOUT};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Runs a program to its good end; what it said.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

/// The assets of `[package.metadata.deb]`: from, to, mode.
fn assets() -> Vec<(String, String, u32)> {
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array().unwrap();
    let text = |value: &toml::Value| value.as_str().unwrap().to_owned();
    assets
        .iter()
        .map(|asset| {
            let mode = u32::from_str_radix(asset[2].as_str().unwrap(), 8).unwrap();
            (text(&asset[0]), text(&asset[1]), mode)
        })
        .collect()
}

/// The files that an asset's source means; only the last part may have a `*`.
fn sources(pattern: &str, generated: &Path) -> Vec<PathBuf> {
    let path = match (pattern, pattern.strip_prefix("target/packaging/")) {
        ("target/release/attachd", _) => PathBuf::from(env!("CARGO_BIN_EXE_attachd")),
        (_, Some(made)) => generated.join(made),
        (_, None) => root().join(pattern),
    };
    let name = path.file_name().unwrap().to_str().unwrap();
    let Some((_, ending)) = name.split_once('*') else { return vec![path] };
    let entries = fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_str().unwrap().ends_with(ending)).collect()
}

/// Puts everything where the package puts it, and makes a package of it as cargo-deb would.
fn build_package(folder: &Path) -> PathBuf {
    let (generated, tree) = (folder.join("generated"), folder.join("tree"));
    run(Command::new(root().join("packaging/generate"))
        .arg(env!("CARGO_BIN_EXE_attachd"))
        .arg(&generated));
    for (from, to, mode) in assets() {
        let files = sources(&from, &generated);
        assert!(!files.is_empty(), "{from} is nothing");
        for file in files {
            let is_folder = to.ends_with('/');
            let target = tree.join(&to);
            let target = if is_folder { target.join(file.file_name().unwrap()) } else { target };
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(&file, &target).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            fs::set_permissions(&target, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
    let unit = tree.join("usr/lib/systemd/system/attachd.service");
    fs::create_dir_all(unit.parent().unwrap()).unwrap();
    fs::copy(root().join("packaging/attachd.service"), unit).unwrap();

    let control = tree.join("DEBIAN");
    fs::create_dir_all(&control).unwrap();
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let deb = &manifest["package"]["metadata"]["deb"];
    let files = deb["conf-files"].as_array().unwrap().iter();
    let files: Vec<&str> = files.map(|file| file.as_str().unwrap()).collect();
    fs::write(control.join("conffiles"), files.join("\n") + "\n").unwrap();
    for script in ["postinst", "postrm"] {
        let to = control.join(script);
        fs::copy(root().join("packaging/debian").join(script), &to).unwrap();
        fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let about = format!(
        "Package: attachd\nVersion: {}\nArchitecture: all\nMaintainer: {}\nDescription: {}\n",
        env!("CARGO_PKG_VERSION"),
        deb["maintainer"].as_str().unwrap(),
        env!("CARGO_PKG_DESCRIPTION"),
    );
    fs::write(control.join("control"), about).unwrap();
    let package = folder.join("attachd.deb");
    // Speed goes before size in a test.
    run(Command::new("dpkg-deb")
        .args(["--root-owner-group", "-Znone", "--build"])
        .args([&tree, &package]));
    package
}

#[test]
fn the_package_has_what_an_installation_needs_and_its_configuration_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let package = build_package(folder.path());
    let installed = folder.path().join("installed");
    run(Command::new("dpkg-deb").arg("-x").args([&package, &installed]));
    for file in [
        "usr/bin/attachd",
        "usr/lib/systemd/system/attachd.service",
        "usr/lib/sysctl.d/50-attachd.conf",
        "usr/lib/tmpfiles.d/attachd.conf",
        "usr/share/man/man1/attachd.1",
        "usr/share/man/man1/attachd-serve.1",
        "usr/share/bash-completion/completions/attachd",
        "usr/share/attachd/grafana/attachd.json",
        "etc/attachd/attachd.toml",
    ] {
        assert!(installed.join(file).is_file(), "{file} is missing");
    }
    let secret = fs::metadata(installed.join("etc/attachd/attachd.toml")).unwrap();
    assert_eq!(secret.permissions().mode() & 0o777, 0o640, "it may hold secrets");

    let config = installed.join("etc/attachd/attachd.toml");
    let said = run(Command::new(installed.join("usr/bin/attachd"))
        .arg("check")
        .arg("--config")
        .arg(&config));
    assert!(!said.contains("error"), "{said}");
    let text = fs::read_to_string(&config).unwrap();
    let own = text
        .replace("/var/lib/attachd", "data")
        .replace(":1812\"", ":0\"")
        .replace(":1813\"", ":0\"")
        .replace(":8080\"", ":0\"");
    fs::write(&config, own).unwrap();
    let mut command = Command::new(installed.join("usr/bin/attachd"));
    command.arg("serve").arg("--config").arg(&config).stdout(std::process::Stdio::piped());
    let (mut server, lines) = Server::spawn(&mut command);
    server.read_addresses(&lines.recv_timeout(TIMEOUT).unwrap());
    assert_eq!(server.get("/readyz").0, 200);
    assert!(server.terminate().status.success());
}

#[test]
fn maintainer_scripts_are_scripts() {
    for script in ["postinst", "postrm"] {
        run(Command::new("sh").arg("-n").arg(root().join("packaging/debian").join(script)));
        assert!(read(&format!("packaging/debian/{script}")).contains("#DEBHELPER#"), "{script}");
    }
}

#[test]
fn systemd_takes_the_unit() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("attachd.service");
    let text = read("packaging/attachd.service");
    assert!(text.contains("Type=notify\n") && text.contains("WatchdogSec="));
    // It looks whether the program is there.
    fs::write(&unit, text.replace("/usr/bin/attachd", env!("CARGO_BIN_EXE_attachd"))).unwrap();
    let said = run(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit));
    assert!(!said.contains("attachd.service:"), "{said}");
}

/// What a service manager would hear.
struct Manager(UnixDatagram);

impl Manager {
    /// Waits for a message with these lines.
    fn hears(&self, wanted: &[&str]) {
        let mut octets = [0; 4096];
        loop {
            let length = self.0.recv(&mut octets).unwrap_or_else(|_| panic!("never {wanted:?}"));
            let message = String::from_utf8_lossy(&octets[..length]).into_owned();
            if wanted.iter().all(|line| message.lines().any(|have| have.starts_with(line))) {
                return;
            }
        }
    }
}

#[test]
fn the_service_manager_is_told_what_goes_on() {
    let folder = Folder::new();
    let path = folder.path("notify");
    let manager = Manager(UnixDatagram::bind(&path).unwrap());
    manager.0.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut command = folder.command();
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "600000");
    let (mut server, lines) = Server::spawn(&mut command);
    manager.hears(&["READY=1", "STATUS=attachd "]);
    server.read_addresses(&lines.recv_timeout(TIMEOUT).unwrap());
    manager.hears(&["WATCHDOG=1"]);
    manager.hears(&["WATCHDOG=1"]);
    server.signal("HUP");
    manager.hears(&["RELOADING=1", "MONOTONIC_USEC="]);
    manager.hears(&["READY=1", "STATUS=serving"]);

    folder.edit("inventory/inventory.toml", "moniker", "monicker");
    server.signal("HUP");
    manager.hears(&["RELOADING=1"]);
    manager.hears(&["READY=1", "STATUS=serving; the last reload was refused"]);
    server.signal("TERM");
    manager.hears(&["STOPPING=1"]);
    assert!(server.ended().status.success());
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    let Ok(promtool) = Command::new("promtool").arg("--version").output() else { return };
    assert!(promtool.status.success());
    let folder = root().join("packaging/prometheus");
    let promtool = |arguments: &[&str]| {
        run(Command::new("promtool").args(arguments).current_dir(&folder));
    };
    promtool(&["check", "rules", "attachd.rules.yml"]);
    promtool(&["check", "config", "--syntax-only", "prometheus.yml"]);
    promtool(&["test", "rules", "attachd.rules.test.yml"]);
    let rules = read("packaging/prometheus/attachd.rules.yml");
    let tests = read("packaging/prometheus/attachd.rules.test.yml");
    let operations = read("docs/operations.md");
    for line in rules.lines() {
        let Some((_, alert)) = line.split_once("- alert: ") else { continue };
        let fires = tests.matches(&format!("alertname: {alert}\n        exp_alerts")).count();
        assert!(fires > 0, "no test lets {alert} fire");
        assert!(
            operations.contains(alert),
            "docs/operations.md does not say what to do at {alert}"
        );
    }
}

/// Metrics whose series begin with what is first counted, or that a part of the server brings that
/// is switched off by default.
const LATER: [&str; 6] = [
    "attachd_dynamic_authorization_total",
    "attachd_events_lost_total",
    "attachd_events_total",
    "attachd_thread_stalls_total",
    "attachd_webhook_backlog",
    "attachd_webhook_deliveries_total",
];

/// The names of ours in an expression.
fn metrics_in(text: &str, names: &mut BTreeSet<String>) {
    for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        let is_ours = ["attachd_", "radius_", "process_"].iter().any(|own| word.starts_with(own));
        if is_ours {
            names.insert(word.trim_end_matches("_bucket").to_owned());
        }
    }
}

fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(keys) => {
            for (key, value) in keys {
                match (key.as_str(), value) {
                    ("expr" | "query", Value::String(text)) => found.push(text.clone()),
                    _ => expressions(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| expressions(value, found)),
        _ => {}
    }
}

#[test]
fn every_metric_of_alerts_and_dashboards_is_one_of_the_server_s() {
    let mut names = BTreeSet::new();
    let rules = read("packaging/prometheus/attachd.rules.yml");
    metrics_in(&rules, &mut names);
    let dashboard: Value = serde_json::from_str(&read("packaging/grafana/attachd.json")).unwrap();
    let mut found = Vec::new();
    expressions(&dashboard, &mut found);
    assert!(found.len() > 40, "only {} expressions", found.len());
    for expression in &found {
        metrics_in(expression, &mut names);
    }

    let server = Folder::new().serve();
    server.get("/api/v1/endpoints/8944500000000000014");
    let exported = server.get("/metrics").1;
    let exported: BTreeSet<&str> = exported
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let missing: Vec<&String> = names
        .iter()
        .filter(|name| !exported.contains(name.as_str()) && !LATER.contains(&name.as_str()))
        .collect();
    assert!(missing.is_empty(), "the server has no {missing:?}; it has {exported:?}");

    let documented: String = ["docs/operations.md", "docs/metrics.md"].map(read).concat();
    let undocumented: Vec<&str> = exported
        .iter()
        .copied()
        .chain(LATER)
        .filter(|name| !name.starts_with("process_") && !documented.contains(&format!("`{name}")))
        .collect();
    assert!(undocumented.is_empty(), "docs/metrics.md does not name {undocumented:?}");
}
