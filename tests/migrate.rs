//! `attachd migrate freeradius` from outside: on a made configuration, and on the one that Debian
//! ships where it is installed.

#![expect(clippy::unwrap_used, reason = "the helpers are tests, too")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const MADE: &str = "fixtures/migrate/freeradius";

fn attachd(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_attachd"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("SMF_SECRET", "smf-secret-of-24-octets!")
        .output()
        .unwrap()
}

fn migrate(from: &str, more: &[&str]) -> (TempDir, String) {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    let ran = attachd(&[&["migrate", "freeradius", from, "--out", folder], more].concat());
    let (told, wrong) =
        (String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap());
    assert_eq!((ran.status.code(), wrong.as_str()), (Some(0), ""), "{told}");
    let config = out.path().join("attachd.toml");
    let check = attachd(&["check", "--config", config.to_str().unwrap()]);
    assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stderr));
    (out, told)
}

#[test]
fn a_configuration_becomes_one_that_serves() {
    let (out, told) = migrate(MADE, &["--sims", &format!("{MADE}/sims.csv")]);
    let read = |name: &str| fs::read_to_string(out.path().join(name)).unwrap();
    let config = read("attachd.toml");
    for line in [
        "auth = [\"0.0.0.0:1812\"]",
        "secret = \"west, #1 of \\\"two\\\"\"",
        "require_message_authenticator = \"yes\"",
        "name = \"pgw\"\nsource = \"2001:db8:1::/64\"",
        "limit_proxy_state = false",
        "secret_env = \"SMF_SECRET\"",
        "name = \"ggsn-3\"\nsource = \"203.0.113.9/32\"\nsecret = \"ggsn three secret\"",
    ] {
        assert!(config.contains(line), "no {line} in {config}");
    }
    let inventory = read("inventory/inventory.toml");
    for line in [
        "dns = [\"9.9.9.9\"]",
        "cidr = \"10.20.0.0/23\"",
        "apns = [\"meters.iot\"]\nsession_timeout_s = 86400",
        "moniker = \"parking-meters\"\nname = \"Parking Meters\"",
        "idle_timeout_s = 3600",
        "cidr = \"100.64.0.0/16\"\nallocation = \"pooled\"",
    ] {
        assert!(inventory.contains(line), "no {line} in {inventory}");
    }
    let endpoints = read("inventory/endpoints.csv");
    assert_eq!(endpoints.lines().count(), 7, "{endpoints}");
    assert!(endpoints.contains("8944500000000001012,234500000000101,,active,migrated,10.20.0.17"));
    assert!(endpoints.contains(",234500000000103,,suspended,"), "{endpoints}");
    for note in [
        "clients.conf:14: response_window: has no counterpart",
        "mods-config/files/authorize:10: Filter-Id in a reply has no counterpart",
        "mods-config/files/authorize:19: \"alice\" is neither ICCID, IMSI nor MSISDN",
        "mods-config/files/authorize:21: DEFAULT",
        "radius.sql:2: Simultaneous-Use := as a check has no counterpart",
        "sites-enabled/default:2: virtual servers are not read",
        "clients.d/smf.conf:4: coa_server",
    ] {
        assert!(told.contains(note), "no {note} in {told}");
        assert!(read("notes.txt").contains(note), "{note}");
    }
}

#[test]
fn nothing_is_overwritten_and_a_wrong_folder_is_told() {
    let (out, _) = migrate(MADE, &[]);
    let folder = out.path().to_str().unwrap();
    let again = attachd(&["migrate", "freeradius", MADE, "--out", folder]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("--force"));
    let forced =
        attachd(&["migrate", "freeradius", MADE, "--out", folder, "--force", "--output", "json"]);
    let told: serde_json::Value = serde_json::from_slice(&forced.stdout).unwrap();
    assert_eq!((&told["gateways"], &told["endpoints"]), (&4.into(), &6.into()), "{told}");
    let nowhere = attachd(&["migrate", "freeradius", "fixtures/festival", "--out", folder]);
    assert_eq!(nowhere.status.code(), Some(2));
}

#[test]
fn what_debian_ships_is_migrated() {
    const SHIPPED: &str = "/etc/freeradius/3.0";
    if fs::read(Path::new(SHIPPED).join("clients.conf")).is_ok() {
        let (out, told) = migrate(SHIPPED, &[]);
        let config = fs::read_to_string(out.path().join("attachd.toml")).unwrap();
        assert!(config.contains("name = \"localhost\"\nsource = \"127.0.0.1/32\""), "{told}");
    }
}
