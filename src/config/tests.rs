//! The documented keys and defaults, and a table of what is refused in which words.

use std::collections::BTreeSet;
use std::path::Path;

use super::read::KEPT_EVENTS;
use super::read::config;
use super::source::ConfigSource;
use super::*;
use crate::aaa::IdentityKind;
use crate::event::TypeSet;
use crate::network::KeyPreset;
use crate::provisioning::Authority;
use crate::radius::{DynamicAuthorization, DynamicTarget, GatewaySettings, Requirement};
use std::net::SocketAddr;
use std::time::Duration;

/// The example of the documentation: every key, at its default.
const DOCUMENTED: &str = include_str!("../../fixtures/attachd.toml");

const FILE: &str = "etc/attachd.toml";

fn read(text: &str) -> Result<Config, ConfigProblems> {
    let environment = |name: &str| (name == "PGW_SECRET").then(|| b"from-the-environment".to_vec());
    judged(config(&ConfigSource { text, file: Some(Path::new(FILE)), environment: &environment }))
}

fn refused(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn the_documented_file_is_the_defaults() {
    assert_eq!(read(DOCUMENTED).unwrap(), read("").unwrap());
}

/// The keys of every table of a file, as `table.key`.
fn keys(text: &str) -> BTreeSet<String> {
    fn gather(table: &toml::Table, path: &str, keys: &mut BTreeSet<String>) {
        for (key, value) in table {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match value {
                toml::Value::Table(inner) => gather(inner, &path, keys),
                toml::Value::Array(list) if list.iter().all(toml::Value::is_table) => {
                    list.iter().filter_map(toml::Value::as_table).for_each(|inner| {
                        gather(inner, &path, keys);
                    });
                }
                _ => _ = keys.insert(path),
            }
        }
    }
    let mut all = BTreeSet::new();
    gather(&text.parse().unwrap(), "", &mut all);
    all
}

/// A new key of the reader has to come into the expected configuration below, and from there into
/// the documented file; from here it comes into the example that new users start with.
#[test]
fn the_festival_names_every_documented_key() {
    let festival = include_str!("../../fixtures/festival/attachd.toml");
    assert_eq!(keys(festival), keys(DOCUMENTED));
}

#[test]
fn every_documented_key_is_read_and_has_the_documented_default() {
    let local = |port| vec![SocketAddr::from(([127, 0, 0, 1], port))];
    let expected = Config {
        data_dir: "attachd-data".into(),
        aaa: aaa::AaaSettings {
            identity_order: vec![
                IdentityKind::Iccid,
                IdentityKind::Imsi,
                IdentityKind::Msisdn,
                IdentityKind::UserName,
            ],
            stale_after: None,
            detach_after: Duration::from_secs(172_800),
            ending: Duration::from_secs(3600),
            disconnect_grace: Duration::from_secs(60),
            tombstone: Duration::from_secs(3600),
            authorization_hold: Duration::from_secs(120),
            hold_time: Duration::from_secs(60),
            policy_grace: Duration::from_secs(60),
            authority: Authority::LastWriter,
            kept_events: TypeSet::parse(KEPT_EVENTS).unwrap(),
        },
        server: server::ServerSettings {
            auth: local(1812),
            acct: local(1813),
            tls: None,
            workers: 0,
            duplicate_lifetime: Duration::from_secs(30),
            reject_delay: Duration::ZERO,
            vendor: 32473,
            vendor_attributes: false,
            http: Some(local(8080)[0]),
            http_tls: None,
            freeradius_metrics: false,
            dashboard: true,
            gateways: vec![GatewaySettings {
                name: "pgw-01".to_owned(),
                sources: vec!["127.0.0.0/8".parse().unwrap()],
                secrets: vec![b"testing123".as_slice().into()],
                tls_names: Vec::new(),
                require_message_authenticator: Requirement::Auto,
                limit_proxy_state: true,
                absent_is_released: false,
                rate_limit: 0,
                dynamic_authorization: DynamicAuthorization::default(),
            }],
            mask_identities: true,
        },
        inventory: "inventory".into(),
        luhn: ProblemSeverity::Error,
        journal: JournalConfig { sync: SyncMode::Commit, snapshot_least: 256 << 20 },
        events: LogOptions {
            file_size: 4 << 20,
            keep_for: Duration::from_secs(7 * 86_400),
            keep_size: 1024 << 20,
        },
        log: LogConfig { format: LogFormat::Text, level: LevelFilter::INFO },
        warnings: vec![],
    };
    assert_eq!(Config::load(None).unwrap(), expected);
}

#[test]
fn every_documented_key_can_be_changed() {
    let config = read(
        r#"
        data_dir = "/var/lib/attachd"
        [radius]
        auth = ["0.0.0.0:1812", "[::]:1812"]
        acct = []
        workers = 2
        duplicate_lifetime_s = 5
        reject_delay_ms = 1000
        vendor_id = 0x1234
        vendor_attributes = true
        identity_order = ["user-name", "imsi"]
        [http]
        listen = "[::1]:9090"
        insecure = true
        freeradius_metrics = true
        dashboard = false
        [inventory]
        path = "sims"
        [sessions]
        stale_after_s = 900
        detach_after_s = 7200
        ending_s = 7
        disconnect_grace_s = 8
        tombstone_s = 0
        authorization_hold_s = 30
        [pools]
        hold_time_s = 0
        [policy]
        grace_s = 9
        [journal]
        sync = "interval"
        interval_ms = 20
        snapshot_mib = 0
        [log]
        format = "json"
        level = "debug"
        mask_identities = false
        [[gateway]]
        name = "pgw-02"
        source = "2001:db8::7"
        secret_env = "PGW_SECRET"
        require_message_authenticator = "yes"
        limit_proxy_state = false
        rate_limit = 500
        dynamic_authorization = "[2001:db8::8]:1700"
        dynamic_authorization_keys = "smf"
        dynamic_authorization_rate = 5
        "#,
    )
    .unwrap();
    assert_eq!(config.data_dir, Path::new("/var/lib/attachd"));
    assert_eq!(
        config.aaa,
        aaa::AaaSettings {
            identity_order: vec![IdentityKind::UserName, IdentityKind::Imsi],
            stale_after: Some(Duration::from_secs(900)),
            detach_after: Duration::from_secs(7200),
            ending: Duration::from_secs(7),
            disconnect_grace: Duration::from_secs(8),
            tombstone: Duration::ZERO,
            authorization_hold: Duration::from_secs(30),
            hold_time: Duration::ZERO,
            policy_grace: Duration::from_secs(9),
            authority: Authority::LastWriter,
            kept_events: TypeSet::parse(KEPT_EVENTS).unwrap(),
        }
    );
    assert_eq!(
        config.server,
        server::ServerSettings {
            auth: vec!["0.0.0.0:1812".parse().unwrap(), "[::]:1812".parse().unwrap()],
            acct: vec![],
            tls: None,
            workers: 2,
            duplicate_lifetime: Duration::from_secs(5),
            reject_delay: Duration::from_secs(1),
            vendor: 0x1234,
            vendor_attributes: true,
            http: Some("[::1]:9090".parse().unwrap()),
            http_tls: None,
            freeradius_metrics: true,
            dashboard: false,
            gateways: vec![GatewaySettings {
                name: "pgw-02".to_owned(),
                sources: vec!["2001:db8::7/128".parse().unwrap()],
                secrets: vec![b"from-the-environment".as_slice().into()],
                tls_names: Vec::new(),
                require_message_authenticator: Requirement::Yes,
                limit_proxy_state: false,
                absent_is_released: false,
                rate_limit: 500,
                dynamic_authorization: DynamicAuthorization {
                    target: Some(DynamicTarget::Address("[2001:db8::8]:1700".parse().unwrap())),
                    keys: Some(KeyPreset::Generic),
                    rate: 5,
                },
            }],
            mask_identities: false,
        }
    );
    assert_eq!(
        config.inventory,
        Path::new("etc/sims"),
        "relative paths are relative to the file's folder"
    );
    assert_eq!(
        config.journal,
        JournalConfig { sync: SyncMode::Interval(Duration::from_millis(20)), snapshot_least: 0 }
    );
    assert_eq!(
        read("[journal]\nsync = \"interval\"").unwrap().journal.sync,
        SyncMode::Interval(Duration::from_millis(100))
    );
    let events =
        read("[events]\nkeep_days = 1\nkeep_mib = 4\nkeep = [\"poolexhausted_v1\"]").unwrap();
    assert_eq!(
        (events.events.keep_for, events.events.keep_size, events.events.file_size),
        (Duration::from_secs(86_400), 4 << 20, 1 << 20)
    );
    assert_eq!(events.aaa.kept_events, TypeSet::parse(["poolexhausted_v1"]).unwrap());
    assert_eq!(config.log, LogConfig { format: LogFormat::Json, level: LevelFilter::DEBUG });
}

/// A gateway that lacks nothing, on lines 1 to 3.
const GATEWAY: &str = "[[gateway]]\nname = \"a\"\nsource = \"127.0.2.1\"\n";

#[test]
fn each_fault_is_told_with_its_line_and_a_remedy() {
    let cases = [
        ("[radius\n", ":1: not TOML: "),
        ("dta_dir = \"x\"", ":1: unknown key dta_dir; did you mean data_dir?"),
        ("[radius]\nworkrs = 1", ":2: unknown key workrs in [radius]; did you mean workers?"),
        ("[pools]\nxyz = 1", ":2: unknown key xyz in [pools]; known are hold_time_s"),
        ("radius = 1", ":1: radius is not a table; write [radius] on a line of its own"),
        ("data_dir = 1", ":1: data_dir: a number where a text is wanted; put it in quotes"),
        ("data_dir = \"\"", ":1: data_dir: empty; give the path of a folder"),
        (
            "[radius]\nauth = \"127.0.0.1:1812\"",
            ":2: auth: a text where a list is wanted; put it in square brackets",
        ),
        (
            "[radius]\nauth = [\n\"127.0.0.1\",\n]",
            ":3: auth: \"127.0.0.1\" is no socket address; write ADDRESS:PORT, like",
        ),
        (
            "[radius]\nauth = []\nacct = []",
            ":1: auth and acct are both empty; give at least one address to listen on",
        ),
        (
            "[radius]\nauth = [\"127.0.0.1:1813\"]",
            ":1: 127.0.0.1:1813 is listened on twice; give every entry",
        ),
        (
            "[radius]\nworkers = -1",
            ":2: workers: -1 is out of range; write a whole number from 0 to 256",
        ),
        (
            "[radius]\nduplicate_lifetime_s = 4",
            ":2: duplicate_lifetime_s: 4 is out of range; write a whole number from 5 to 30",
        ),
        ("[radius]\nduplicate_lifetime_s = 31", ":2: duplicate_lifetime_s: 31 is out of range"),
        (
            "[radius]\nvendor_id = 16777216",
            ":2: vendor_id: 16777216 is out of range; write a whole number from 1 to 16777215",
        ),
        (
            "[radius]\nvendor_id = 10415",
            ":2: vendor_id: 10415 belongs to 3GPP; write your own private enterprise number",
        ),
        (
            "[radius]\nvendor_attributes = \"yes\"",
            ":2: vendor_attributes: a text where true or false is wanted",
        ),
        (
            "[radius]\nidentity_order = [\"imei\"]",
            ":2: identity_order: \"imei\" is not known; write one of \"iccid\", \"imsi\"",
        ),
        (
            "[radius]\nidentity_order = [\"imsi\", \"imsi\"]",
            ":2: identity_order: names one identity twice; name each identity once",
        ),
        ("[radius]\nidentity_order = []", ":2: identity_order: empty; name at least one"),
        ("[http]\nlisten = 8080", ":2: listen: a number where a text is wanted"),
        (
            "[http]\nlisten = \"localhost\"",
            ":2: listen: \"localhost\" is no socket address; write ADDRESS:PORT",
        ),
        ("[http]\ninsecure = \"yes\"", ":2: insecure: a text where true or false is wanted"),
        (
            "[http]\nfreeradius_metrics = 1",
            ":2: freeradius_metrics: a number where true or false is wanted",
        ),
        ("[sessions]\ndetach_after_s = 0", ":2: detach_after_s: 0 is out of range"),
        (
            "[sessions]\nstale_after_s = 1.5",
            ":2: stale_after_s: a fraction where a number is wanted",
        ),
        (
            "[journal]\nsync = \"never\"",
            ":2: sync: \"never\" is not known; write one of \"commit\", \"interval\"",
        ),
        ("[journal]\ninterval_ms = 0", ":2: interval_ms: 0 is out of range"),
        ("[journal]\nsnapshot_mib = -1", ":2: snapshot_mib: -1 is out of range"),
        (
            "[log]\nformat = \"xml\"",
            ":2: format: \"xml\" is not known; write one of \"text\", \"json\"",
        ),
        (
            "[log]\nlevel = \"loud\"",
            ":2: level: \"loud\" is not known; write one of \"off\", \"error\"",
        ),
        ("[gateway]\nname = \"a\"", ":1: gateway is not a list of tables; write [[gateway]]"),
    ];
    for (text, message) in cases {
        let refused = refused(text);
        assert!(
            refused.contains(&format!("{FILE}{message}")),
            "{text:?} was refused as {refused:?}"
        );
    }
}

#[test]
fn a_gateway_has_one_secret_and_a_clean_prefix() {
    let cases = [
        (
            "",
            ":1: a gateway without a secret; give exactly one of secret, secret_file and secret_env",
        ),
        (
            "secret = \"a\"\nsecret_env = \"B\"",
            ":1: a gateway with more than one of secret, secret_file and secret_env; give exactly one",
        ),
        (
            "secret = \"\"",
            ":4: secret: the secret is empty; use at least 16 random characters (RFC 2865 3)",
        ),
        ("secret_file = \"absent\"", ":4: secret_file: etc/absent cannot be read: "),
        (
            "secret_env = \"ABSENT\"",
            ":4: secret_env: the environment has no ABSENT; set ABSENT where attachd is started",
        ),
        (
            "secret = \"x\"\nrequire_message_authenticator = true",
            ":5: require_message_authenticator: true or false where a text",
        ),
        (
            "secret = \"x\"\nrequire_message_authenticator = \"maybe\"",
            ":5: require_message_authenticator: \"maybe\" is not known; write one of",
        ),
        ("secret = \"x\"\nrate_limit = 4294967296", ":5: rate_limit: 4294967296 is out of range"),
        (
            "secret = \"x\"\nsecrt = \"x\"",
            ":5: unknown key secrt in [[gateway]]; did you mean secret?",
        ),
    ];
    for (lines, message) in cases {
        let refused = refused(&format!("{GATEWAY}{lines}"));
        assert!(
            refused.contains(&format!("{FILE}{message}")),
            "{lines:?} was refused as {refused:?}"
        );
    }
    let with_source = |source: &str| {
        refused(&format!("[[gateway]]\nname = \"a\"\nsecret = \"x\"\nsource = \"{source}\""))
    };
    assert!(with_source("10.1.2.3/8").contains(
        ":4: source: \"10.1.2.3/8\" has bits set behind the prefix; write \"10.0.0.0/8\" for the range or \"10.1.2.3\" for the one address"
    ));
    assert!(
        with_source("pgw.example")
            .contains(":4: source: \"pgw.example\" is neither an address nor a prefix; write")
    );
}

#[test]
fn gateways_share_neither_name_nor_source() {
    let twice = format!("{GATEWAY}secret = \"x\"\n{GATEWAY}secret = \"x\"\n");
    let refused = refused(&twice);
    assert!(
        refused.contains(
            ":5: gateways \"a\" and \"a\" have the same source 127.0.2.1/32; give each its own"
        ),
        "{refused}"
    );
    assert!(
        refused.contains(":5: two gateways are called \"a\"; give each its own name"),
        "{refused}"
    );
}

#[test]
fn all_problems_come_at_once_in_the_order_of_the_file() {
    let text = "dta = 1\n[radius]\nauth = [\"a\", \"b\"]\nworkers = 999\n[log]\nlevel = 3\n[[gateway]]\nname = \"\"\n";
    let refused = refused(text);
    let lines: Vec<_> = refused.lines().filter_map(|line| line.split(':').nth(1)).collect();
    assert_eq!(lines, ["1", "3", "3", "4", "6", "7", "8"], "{refused}");
}

#[test]
fn the_public_secret_stays_on_loopback() {
    let beyond = "[radius]\nauth = [\"127.0.0.1:1812\"]\nacct = [\"0.0.0.0:1813\"]\n";
    let message = "etc/attachd.toml:3: 0.0.0.0:1813 is not loopback, and gateway \"pgw-01\" has the secret testing123, which everybody knows; \
                   give that [[gateway]] a secret of its own";
    assert_eq!(refused(beyond), message, "from the defaults");
    assert_eq!(
        refused(&format!("{beyond}{}", &DOCUMENTED[DOCUMENTED.find("[[gateway]]").unwrap()..])),
        message,
        "from the file"
    );
    assert!(
        read("[radius]\nacct = [\"[::1]:1813\"]\nauth = [\"[::ffff:127.0.0.1]:1812\"]").is_ok()
    );
    assert!(read(&format!("{beyond}{GATEWAY}secret = \"another secret of 27 octets\"")).is_ok());
}

#[test]
fn http_stays_on_loopback_unless_somebody_means_it() {
    for beyond in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:80"] {
        let message = format!(
            "etc/attachd.toml:2: listen: {beyond} is not loopback, and whoever reaches it could read every SIM, without TLS or a token; listen on"
        );
        for insecure in ["", "insecure = false\n"] {
            let refused = refused(&format!("[http]\nlisten = \"{beyond}\"\n{insecure}"));
            assert!(refused.contains(&message), "{refused}");
        }
        let meant = read(&format!("[http]\nlisten = \"{beyond}\"\ninsecure = true")).unwrap();
        assert_eq!(meant.server.http, Some(beyond.parse().unwrap()));
    }
    for loopback in ["127.0.0.2:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
        assert!(read(&format!("[http]\nlisten = \"{loopback}\"")).is_ok(), "{loopback}");
    }
}

#[test]
fn an_empty_http_listener_switches_it_off() {
    assert_eq!(read("[http]\nlisten = \"\"").unwrap().server.http, None);
}

#[test]
fn a_short_secret_is_a_warning() {
    let config = read(&format!("{GATEWAY}secret = \"twelve chars\"")).unwrap();
    let warning = "etc/attachd.toml:4: warning: a secret of 12 octets can be guessed (RFC 2865 3); use at least 16 random ones";
    assert_eq!(config.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(), [warning]);
}

#[cfg(unix)]
#[test]
fn a_secret_file_loses_its_newline_and_should_be_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("pgw.secret");
    std::fs::write(&secret, "a secret kept in a file\n").unwrap();
    let file = folder.path().join("attachd.toml");
    std::fs::write(&file, format!("{GATEWAY}secret_file = \"pgw.secret\"")).unwrap();
    for (mode, warnings) in [(0o600, 0), (0o644, 1)] {
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode)).unwrap();
        let config = Config::load(Some(&file)).unwrap();
        assert_eq!(*config.server.gateways[0].secrets[0], *b"a secret kept in a file");
        assert_eq!(config.warnings.len(), warnings, "{:?}", config.warnings);
    }
}

#[test]
fn the_festival_is_at_its_defaults_but_for_its_folder() {
    let festival = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/festival");
    let config = Config::load(Some(&festival.join("attachd.toml"))).unwrap();
    assert_eq!((&config.inventory, &config.data_dir), (&festival, &festival.join("attachd-data")));
    assert_eq!(config.server, read("").unwrap().server);
}

#[test]
fn a_gateway_of_ones_own_has_defaults_but_for_its_secret() {
    let config =
        read("[[gateway]]\nsecret = \"of sixteen octets\"\nsource = \"::1\"\n[[gateway]]\nsecret = \"of sixteen octets\"").unwrap();
    let told: Vec<String> = config
        .server
        .gateways
        .iter()
        .map(|gateway| format!("{} {}", gateway.name, gateway.sources[0]))
        .collect();
    assert_eq!(told, ["pgw-01 ::1/128", "pgw-02 127.0.0.0/8"]);
}

#[test]
fn a_gateway_has_one_or_several_sources_and_secrets() {
    let config = read(
        "[radius]\nauth = [\"0.0.0.0:1812\", \"[::]:1812\"]\n[[gateway]]\nsource = [\"192.0.2.0/28\", \"2001:db8::/64\"]\n\
         secret = [\"the new one of 26 octets!!\", \"the old one of 26 octets!!\"]",
    );
    let gateway = &config.unwrap().server.gateways[0];
    assert_eq!(
        gateway.sources,
        ["192.0.2.0/28".parse().unwrap(), "2001:db8::/64".parse().unwrap()]
    );
    assert_eq!(
        gateway.secrets,
        [Box::from(*b"the new one of 26 octets!!"), Box::from(*b"the old one of 26 octets!!")]
    );

    let cases = [
        (
            "source = []\nsecret = \"of sixteen octets\"",
            ":2: source: an empty list; name at least one",
        ),
        (
            "source = [\"::1\", \"::1\"]\nsecret = \"of sixteen octets\"",
            ":2: source: ::1/128 stands there twice",
        ),
        ("secret = []", ":2: secret: an empty list; name at least one"),
        ("secret = [\"of sixteen octets\", \"\"]", ":2: secret: the secret is empty"),
        ("secret = [\"of sixteen octets\", 7]", ":2: secret: a number where a text is wanted"),
    ];
    for (keys, message) in cases {
        let refused = refused(&format!("[[gateway]]\n{keys}"));
        assert!(refused.contains(message), "{refused}");
    }
}

#[test]
fn an_ipv4_source_written_as_ipv6_is_ipv4() {
    for (source, taken) in [
        ("::ffff:127.0.0.1", "127.0.0.1/32"),
        ("::ffff:127.0.0.0/104", "127.0.0.0/8"),
        ("::/0", "::/0"),
    ] {
        let text = format!(
            "[radius]\nauth = [\"127.0.0.1:1\", \"[::]:1\"]\n[[gateway]]\nsource = \"{source}\"\nsecret = \"of sixteen octets\""
        );
        assert_eq!(
            read(&text).unwrap().server.gateways[0].sources,
            [taken.parse().unwrap()],
            "{source}"
        );
    }
}

#[test]
fn a_gateway_that_no_listener_can_hear_is_a_warning() {
    let warnings = |auth: &str, source: &str| {
        let text = format!(
            "[radius]\nauth = [\"{auth}\"]\nacct = []\n[[gateway]]\nsource = \"{source}\"\nsecret = \"of sixteen octets\""
        );
        let warnings = read(&text).unwrap().warnings;
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let cases = [
        ("0.0.0.0:1812", "192.0.2.1", None),
        ("[::]:1812", "2001:db8::1", None),
        ("127.0.0.1:1812", "127.0.0.0/8", None),
        ("127.0.0.1:1812", "0.0.0.0/0", None),
        ("[::1]:1812", "::1", None),
        (
            "[::]:1812",
            "192.0.2.1",
            Some(
                "at 192.0.2.1/32 cannot be heard: every listener is IPv6; add a listener like \"0.0.0.0:1812\"",
            ),
        ),
        ("0.0.0.0:1812", "2001:db8::1", Some("cannot be heard: every listener is IPv4")),
        ("127.0.0.1:1812", "192.0.2.1", Some("cannot be heard: every listener is on loopback")),
    ];
    for (auth, source, warning) in cases {
        let told = warnings(auth, source);
        assert!(
            warning.map_or(told.is_empty(), |warning| told.contains(warning)),
            "{auth} {source}: {told}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_file_with_a_secret_should_be_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("attachd.toml");
    for (secret, mode, warnings) in
        [("of sixteen octets", 0o600, 0), ("of sixteen octets", 0o644, 1), ("testing123", 0o644, 0)]
    {
        std::fs::write(&file, format!("[[gateway]]\nsecret = \"{secret}\"")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let warned = Config::load(Some(&file)).unwrap().warnings;
        assert_eq!(warned.len(), warnings, "{warned:?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let refused = Config::load(Some(Path::new("absent/attachd.toml"))).unwrap_err().to_string();
    assert!(refused.starts_with("absent/attachd.toml: cannot be read: "), "{refused}");
}

#[test]
fn secrets_are_not_shown() {
    let config = read(&format!("{GATEWAY}secret = \"a secret never to be printed\"")).unwrap();
    assert!(!format!("{config:?}").contains("never to be printed"));
}

proptest::proptest! {
    #[test]
    fn any_text_is_judged_without_a_panic(text in "(\\[{0,2}[a-z]{0,8}\\]{0,2}|[a-z_]{1,8} ?= ?[\\[\\]{}\"0-9a-z,. ]{0,12}|\n|.){0,12}") {
        let _ = read(&text);
    }
}
