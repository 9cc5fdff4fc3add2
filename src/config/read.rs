//! From the text of attachd.toml to checked values, table by table.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use toml::de::{DeTable, DeValue};
use tracing::level_filters::LevelFilter;

use super::gateway::{LocatedGateway, gateways};
use super::problem::{ConfigProblem, ProblemSeverity};
use super::table::{
    Listeners, ProblemList, TomlTable, TomlValue, ValueResult, choice, fault, flag, list, number,
    seconds, socket_address, text,
};
use super::tls::tls;
use super::{Config, JournalConfig, LogConfig, LogFormat, PUBLIC_SECRET};
use crate::aaa::{self, IdentityKind};
use crate::config::source::ConfigSource;
use crate::event::TypeSet;
use crate::journal::SyncMode;
use crate::message_log::LogOptions;
use crate::provisioning::Authority;
use crate::radius::GatewaySettings;
use crate::server::{HttpTlsFiles, ServerSettings};

/// A year: longer than anything here is meant to last.
const YEAR_S: u64 = 365 * 86_400;

const DAY_S: u64 = 86_400;

/// Everything that is not as frequent as the packets themselves (PROTOCOL 17).
pub(super) const KEPT_EVENTS: [&str; 3] =
    ["*", "-endpointauthenticated_v1", "-endpointdatasessionextended_v1"];

/// Private enterprise numbers have 24 bits here: the first octet of Vendor-Id is zero (RFC 2865
/// 5.26).
const VENDOR_MAX: u64 = 0x00FF_FFFF;

const IDENTITIES: [(&str, IdentityKind); 4] = [
    ("iccid", IdentityKind::Iccid),
    ("imsi", IdentityKind::Imsi),
    ("msisdn", IdentityKind::Msisdn),
    ("user-name", IdentityKind::UserName),
];

const LEVELS: [(&str, LevelFilter); 6] = [
    ("off", LevelFilter::OFF),
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];

/// Reads everything; what is wrong does not stop the reading.
pub(super) fn config(source: &ConfigSource<'_>) -> (Config, Vec<ConfigProblem>) {
    let findings = ProblemList::new(source.text, source.file);
    let mut root = parse(source, &findings);
    let gateways = gateways(source, &mut root, &findings);
    let mut radius = root.section("radius");
    let mut log = root.section("log");
    let (inventory, luhn, authority) = inventory(source, root.section("inventory"));
    let (events, kept_events) = events(root.section("events"));
    let config = Config {
        data_dir: root
            .take("data_dir", source.resolve("attachd-data"), |value| folder(source, value)),
        aaa: aaa(
            &mut radius,
            root.section("sessions"),
            root.section("pools"),
            root.section("policy"),
            authority,
            kept_events,
        ),
        server: server(source, &mut radius, root.section("http"), &mut log, gateways, &findings),
        inventory,
        luhn,
        journal: journal(root.section("journal")),
        events,
        log: logging(&mut log),
        warnings: Vec::new(),
    };
    [root, radius, log].into_iter().for_each(TomlTable::finish);
    (config, findings.into_problems())
}

/// The file as a table. If it is not TOML, nothing in it can be believed.
fn parse<'a, 'i>(source: &ConfigSource<'i>, findings: &'a ProblemList<'a>) -> TomlTable<'a, 'i> {
    let (document, errors) = DeTable::parse_recoverable(source.text);
    for error in &errors {
        let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
        findings.error(
            &error.span().unwrap_or_default(),
            format!("not TOML: {message}"),
            "write valid TOML",
        );
    }
    let (span, entries) = (document.span(), document.into_inner());
    TomlTable::new("", span, if errors.is_empty() { entries } else { DeTable::new() }, findings)
}

/// What the shell is told stands in several tables.
fn server(
    source: &ConfigSource<'_>,
    radius: &mut TomlTable<'_, '_>,
    mut http: TomlTable<'_, '_>,
    log: &mut TomlTable<'_, '_>,
    gateways: Vec<LocatedGateway>,
    findings: &ProblemList<'_>,
) -> ServerSettings {
    let span = radius.span();
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let auth: Listeners =
        radius.take("auth", vec![(span.clone(), local(1812))], list(socket_address));
    let acct: Listeners =
        radius.take("acct", vec![(span.clone(), local(1813))], list(socket_address));
    let (over_tls, tls) = tls(source, radius, findings);
    if auth.is_empty() && acct.is_empty() && over_tls.is_empty() {
        findings.error(
            &span,
            "auth and acct are both empty",
            "give at least one address to listen on",
        );
    }
    refuse_listening_twice(&auth, &acct, findings);
    warn_of_the_unheard(&[&auth, &acct], &over_tls, &gateways, findings);
    let gateways: Vec<GatewaySettings> = gateways.into_iter().map(|(_, gateway)| gateway).collect();
    refuse_public_secret(&auth, &acct, &gateways, findings);
    let http_tls = http_tls(source, &mut http, findings);
    let settings = ServerSettings {
        auth: auth.into_iter().map(|(_, address)| address).collect(),
        acct: acct.into_iter().map(|(_, address)| address).collect(),
        tls,
        workers: radius.take("workers", 0, number(0..=256)) as usize,
        // RFC 5080 2.2.2 wants 5 to 30 seconds.
        duplicate_lifetime: radius.take(
            "duplicate_lifetime_s",
            Duration::from_secs(30),
            seconds(5..=30),
        ),
        // A gateway repeats after a second or two: a longer delay would only make traffic.
        reject_delay: radius.take("reject_delay_ms", Duration::ZERO, millis(0..=5000)),
        vendor: radius.take("vendor_id", 32473, vendor_id) as u32,
        vendor_attributes: radius.take("vendor_attributes", false, flag),
        http: http_listener(&mut http, http_tls.is_some(), findings),
        http_tls,
        freeradius_metrics: http.take("freeradius_metrics", false, flag),
        dashboard: http.take("dashboard", true, flag),
        gateways,
        mask_identities: log.take("mask_identities", true, flag),
    };
    http.finish();
    settings
}

/// Where HTTP is answered; `listen = ""` switches it off. Whoever reaches it sees every SIM, so
/// beyond this machine somebody must have said that this is meant.
fn http_listener(
    table: &mut TomlTable<'_, '_>,
    has_tls: bool,
    findings: &ProblemList<'_>,
) -> Option<SocketAddr> {
    let default = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)));
    let off =
        |value: &TomlValue<'_>| matches!(value.get_ref(), DeValue::String(text) if text.is_empty());
    let read =
        |value: &TomlValue<'_>| if off(value) { Ok(None) } else { socket_address(value).map(Some) };
    let listener = table.take("listen", (table.span(), default), |value| {
        read(value).map(|address| (value.span(), address))
    });
    let insecure = table.take("insecure", false, flag);
    let (span, address) = listener;
    if let Some(address) = address
        .filter(|address| !insecure && !has_tls && !address.ip().to_canonical().is_loopback())
    {
        let what = format!(
            "listen: {address} is not loopback, and whoever reaches it could read every SIM, without TLS or a token"
        );
        let remedy = "listen on 127.0.0.1, give tls_certificate and tls_key, or write insecure = true if only friends reach it";
        findings.error(&span, what, remedy);
    }
    address
}

/// The certificate of HTTP and its key, which are read here to say at once what is wrong with them.
fn http_tls(
    source: &ConfigSource<'_>,
    table: &mut TomlTable<'_, '_>,
    findings: &ProblemList<'_>,
) -> Option<HttpTlsFiles> {
    let file = |value: &TomlValue<'_>| {
        let name = text(value)?;
        Ok((value.span(), (!name.is_empty()).then(|| source.resolve(&name))))
    };
    let (span, certificate) = table.take("tls_certificate", (table.span(), None), file);
    let (_, key) = table.take("tls_key", (table.span(), None), file);
    let (Some(certificate), Some(key)) = (&certificate, &key) else {
        if certificate.is_some() != key.is_some() {
            let remedy = "give tls_certificate and tls_key, or neither";
            findings.error(&span, "a certificate without its key, or a key alone", remedy);
        }
        return None;
    };
    let files = HttpTlsFiles { certificate: certificate.clone(), key: key.clone() };
    if let Err(problem) = files.load() {
        findings.error(&span, problem, "give the files of a certificate and its key, as PEM");
    }
    Some(files)
}

fn refuse_listening_twice(auth: &Listeners, acct: &Listeners, findings: &ProblemList<'_>) {
    let mut seen = HashSet::new();
    for (span, address) in auth.iter().chain(acct) {
        // Port 0 is another free port each time.
        if address.port() != 0 && !seen.insert(address) {
            findings.error(
                span,
                format!("{address} is listened on twice"),
                "give every entry of auth and acct its own address or port",
            );
        }
    }
}

/// Everybody knows `testing123`: where others than this machine can be heard, nobody may use it.
fn refuse_public_secret(
    auth: &Listeners,
    acct: &Listeners,
    gateways: &[GatewaySettings],
    findings: &ProblemList<'_>,
) {
    let exposed =
        auth.iter().chain(acct).find(|(_, address)| !address.ip().to_canonical().is_loopback());
    let public = gateways
        .iter()
        .find(|gateway| gateway.secrets.iter().any(|secret| **secret == *PUBLIC_SECRET));
    if let (Some((span, address)), Some(gateway)) = (exposed, public) {
        let what = format!(
            "{address} is not loopback, and gateway {:?} has the secret testing123, which everybody knows",
            gateway.name
        );
        findings.error(span, what, "give that [[gateway]] a secret of its own");
    }
}

/// A gateway whose datagrams can reach no listener is a slip: a listener hears the family of its
/// own address only.
fn warn_of_the_unheard(
    datagrams: &[&Listeners],
    over_tls: &Listeners,
    gateways: &[LocatedGateway],
    findings: &ProblemList<'_>,
) {
    for (span, gateway) in gateways.iter().filter(|(span, _)| !span.is_empty()) {
        if !gateway.tls_names.is_empty() && over_tls.is_empty() {
            let what = format!("gateway {:?} has tls_names, and nothing listens", gateway.name);
            let remedy = "add tls = [\"0.0.0.0:2083\"] to [radius], or leave the names out";
            if gateway.secrets.is_empty() {
                findings.error(span, what, remedy);
            } else {
                findings.warning(span, what, remedy);
            }
            continue;
        }
        let of_datagrams = datagrams.iter().filter(|_| !gateway.secrets.is_empty()).copied();
        let of_tls = Some(over_tls).filter(|_| !gateway.tls_names.is_empty());
        let listeners: Vec<IpAddr> =
            of_datagrams.chain(of_tls).flatten().map(|(_, address)| address.ip()).collect();
        let unheard =
            gateway.sources.iter().find_map(|source| Some((source, deaf(&listeners, *source)?)));
        if let Some((source, (why, remedy))) = unheard {
            let what = format!(
                "gateway {:?} at {source} cannot be heard: every listener is {why}",
                gateway.name
            );
            findings.warning(
                span,
                what,
                format!("add a listener like \"{remedy}\" to auth or acct, or correct the source"),
            );
        }
    }
}

/// Why none of the listeners hears a source, if none does, and one that would.
fn deaf(listeners: &[IpAddr], source: IpNet) -> Option<(&'static str, &'static str)> {
    let is_local = source.addr().is_loopback() || source.contains(&localhost_of(source));
    let (other, remedy) =
        if source.addr().is_ipv4() { ("IPv6", "0.0.0.0:1812") } else { ("IPv4", "[::]:1812") };
    let mut of_family = listeners
        .iter()
        .filter(|listener| listener.is_ipv4() == source.addr().is_ipv4())
        .peekable();
    if of_family.peek().is_none() {
        return Some((other, remedy));
    }
    (!is_local && of_family.all(IpAddr::is_loopback)).then_some(("on loopback", remedy))
}

fn localhost_of(source: IpNet) -> IpAddr {
    match source {
        IpNet::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpNet::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

/// Where the inventory is, how bad a wrong check digit in it is, and who is believed when a person
/// says something else.
fn inventory(
    source: &ConfigSource<'_>,
    mut table: TomlTable<'_, '_>,
) -> (PathBuf, ProblemSeverity, Authority) {
    let path = table.take("path", source.resolve("inventory"), |value| folder(source, value));
    let severities = [("error", ProblemSeverity::Error), ("warn", ProblemSeverity::Warning)];
    let luhn = table.take("luhn", ProblemSeverity::Error, choice(&severities));
    let authorities = [("last-writer", Authority::LastWriter), ("files", Authority::Files)];
    let authority = table.take("authority", Authority::LastWriter, choice(&authorities));
    table.finish();
    (path, luhn, authority)
}

/// What decisions depend on stands in several tables.
fn aaa(
    radius: &mut TomlTable<'_, '_>,
    mut sessions: TomlTable<'_, '_>,
    mut pools: TomlTable<'_, '_>,
    mut policy: TomlTable<'_, '_>,
    authority: Authority,
    kept_events: TypeSet,
) -> aaa::AaaSettings {
    let default = aaa::AaaSettings::default();
    let stale_after_s = sessions.take("stale_after_s", 0, number(0..=YEAR_S));
    let settings = aaa::AaaSettings {
        identity_order: radius.take("identity_order", default.identity_order, identity_order),
        stale_after: (stale_after_s > 0).then(|| Duration::from_secs(stale_after_s)),
        detach_after: sessions.take("detach_after_s", default.detach_after, seconds(1..=YEAR_S)),
        ending: sessions.take("ending_s", default.ending, seconds(1..=YEAR_S)),
        disconnect_grace: sessions.take(
            "disconnect_grace_s",
            default.disconnect_grace,
            seconds(1..=3600),
        ),
        tombstone: sessions.take("tombstone_s", default.tombstone, seconds(0..=YEAR_S)),
        authorization_hold: sessions.take(
            "authorization_hold_s",
            default.authorization_hold,
            seconds(1..=YEAR_S),
        ),
        hold_time: pools.take("hold_time_s", default.hold_time, seconds(0..=YEAR_S)),
        policy_grace: policy.take("grace_s", default.policy_grace, seconds(0..=86_400)),
        authority,
        kept_events,
    };
    policy.finish();
    sessions.finish();
    pools.finish();
    settings
}

fn journal(mut table: TomlTable<'_, '_>) -> JournalConfig {
    let interval = table.take("interval_ms", Duration::from_millis(100), millis(1..=60_000));
    let modes = [("commit", SyncMode::Commit), ("interval", SyncMode::Interval(interval))];
    let journal = JournalConfig {
        sync: table.take("sync", SyncMode::Commit, choice(&modes)),
        // A tebibyte: more than anybody wants to read at a start.
        snapshot_least: table.take("snapshot_mib", 256, number(0..=1 << 20)) << 20,
    };
    table.finish();
    journal
}

/// How long events are kept, and which.
fn events(mut table: TomlTable<'_, '_>) -> (LogOptions, TypeSet) {
    let keep_size = table.take("keep_mib", 1024, number(1..=1 << 20)) << 20;
    let options = LogOptions {
        file_size: LogOptions::FILE_SIZE.min(keep_size / 4),
        keep_for: table.take("keep_days", Duration::from_secs(7 * DAY_S), |value| {
            number(1..=3650)(value).map(|days| Duration::from_secs(days * DAY_S))
        }),
        keep_size,
    };
    let default = TypeSet::parse(KEPT_EVENTS).unwrap_or_default();
    let kept = table.take("keep", default, |value| {
        let words = list(text)(value)?;
        TypeSet::parse(words.iter().map(|(_, word)| word.as_str())).or_else(|unknown| {
            fault(
                value,
                format!("{unknown:?} is no type of event"),
                "write types of docs/events.md, \"*\" for all of them, or a type with - in front",
            )
        })
    });
    table.finish();
    (options, kept)
}

fn logging(table: &mut TomlTable<'_, '_>) -> LogConfig {
    LogConfig {
        format: table.take(
            "format",
            LogFormat::Text,
            choice(&[("text", LogFormat::Text), ("json", LogFormat::Json)]),
        ),
        level: table.take("level", LevelFilter::INFO, choice(&LEVELS)),
    }
}

fn millis(range: RangeInclusive<u64>) -> impl FnOnce(&TomlValue<'_>) -> ValueResult<Duration> {
    move |value| number(range)(value).map(Duration::from_millis)
}

fn folder(source: &ConfigSource<'_>, value: &TomlValue<'_>) -> ValueResult<PathBuf> {
    let path = text(value)?;
    if path.is_empty() {
        fault(value, "empty", "give the path of a folder")
    } else {
        Ok(source.resolve(&path))
    }
}

fn vendor_id(value: &TomlValue<'_>) -> ValueResult<u64> {
    const FOREIGN: [(u64, &str); 2] = [(10415, "3GPP"), (311, "Microsoft")];
    let vendor = number(1..=VENDOR_MAX)(value)?;
    match FOREIGN.iter().find(|(number, _)| *number == vendor) {
        Some((_, owner)) => fault(
            value,
            format!("{vendor} belongs to {owner}"),
            "write your own private enterprise number",
        ),
        None => Ok(vendor),
    }
}

fn identity_order(value: &TomlValue<'_>) -> ValueResult<Vec<IdentityKind>> {
    let entries = list(choice(&IDENTITIES))(value)?;
    if entries.is_empty() {
        return fault(value, "empty", "name at least one of iccid, imsi, msisdn, user-name");
    }
    let mut order = Vec::new();
    for (_, kind) in entries {
        if order.contains(&kind) {
            return fault(value, "names one identity twice", "name each identity once");
        }
        order.push(kind);
    }
    Ok(order)
}
