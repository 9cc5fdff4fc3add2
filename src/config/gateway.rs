//! The gateways: who may speak RADIUS to attachd, from where, and under which secret.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::Path;

use ipnet::IpNet;
use toml::de::DeValue;

use super::PUBLIC_SECRET;
use super::source::ConfigSource;
use super::table::{
    ProblemList, TomlTable, TomlValue, ValueFault, ValueResult, choice, fault, flag, number,
    one_or_several, text,
};
use super::tls::names;
use crate::network::KeyPreset;
use crate::radius::{DynamicAuthorization, DynamicTarget, GatewaySettings, Requirement};

/// RFC 2865 3 prefers at least 16 octets; up to this many are worth a warning.
const SHORT_SECRET: usize = 12;

/// Names are shown in metrics and logs.
const NAME_MAX: usize = 63;

/// A gateway with its place in the file.
pub(super) type LocatedGateway = (Range<usize>, GatewaySettings);

const RULES: [(&str, Requirement); 3] =
    [("yes", Requirement::Yes), ("no", Requirement::No), ("auto", Requirement::Auto)];

const KEYS: [(&str, Option<KeyPreset>); 5] = [
    ("auto", None),
    ("generic", Some(KeyPreset::Generic)),
    ("3gpp", Some(KeyPreset::Tgpp)),
    // The keys that Cisco's SMF takes are the general ones.
    ("smf", Some(KeyPreset::Generic)),
    ("apn-ip", Some(KeyPreset::ApnIp)),
];

/// What it means that an Interim-Update does not say an address.
const ABSENCE: [(&str, bool); 2] = [("unsaid", false), ("released", true)];

/// The one gateway of an unconfigured attachd: this machine.
pub(super) fn default() -> GatewaySettings {
    GatewaySettings {
        name: "pgw-01".to_owned(),
        sources: vec![IpNet::new_assert(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8)],
        secrets: vec![PUBLIC_SECRET.into()],
        tls_names: Vec::new(),
        require_message_authenticator: Requirement::Auto,
        limit_proxy_state: true,
        absent_is_released: false,
        rate_limit: 0,
        dynamic_authorization: DynamicAuthorization::default(),
    }
}

/// Reads every `[[gateway]]`; without one there is the default, which stands nowhere.
pub(super) fn gateways(
    source: &ConfigSource<'_>,
    root: &mut TomlTable<'_, '_>,
    findings: &ProblemList<'_>,
) -> Vec<LocatedGateway> {
    let Some(value) = root.value("gateway") else { return vec![(0..0, default())] };
    let span = value.span();
    let DeValue::Array(items) = value.into_inner() else {
        findings.error(
            &span,
            "gateway is not a list of tables",
            "write [[gateway]] on a line of its own for each",
        );
        return Vec::new();
    };
    let (mut read, mut known) = (Vec::new(), Known::default());
    for item in items {
        let span = item.span();
        let DeValue::Table(entries) = item.into_inner() else {
            findings.error(
                &span,
                "a gateway is not a table",
                "write [[gateway]] on a line of its own for each",
            );
            continue;
        };
        let place = read.len() + 1;
        if let Some(gateway) = gateway(
            source,
            place,
            TomlTable::new("[[gateway]]", span.clone(), entries, findings),
            findings,
        ) {
            known.refuse_twins(&gateway, &span, findings);
            read.push((span, gateway));
        }
    }
    read
}

/// The gateway at this place of the list, from 1, if everything it needs is there and right. Only
/// the secret has no default: who forgets it must hear of it.
fn gateway(
    source: &ConfigSource<'_>,
    place: usize,
    mut table: TomlTable<'_, '_>,
    findings: &ProblemList<'_>,
) -> Option<GatewaySettings> {
    let default = default();
    let name = table.take("name", format!("pgw-{place:02}"), name);
    let sources = table.optional("source", sources).unwrap_or(default.sources);
    let tls_names = table.take("tls_names", Vec::new(), names);
    let secrets = secrets(source, &mut table, !tls_names.is_empty(), findings);
    let require_message_authenticator = table.take(
        "require_message_authenticator",
        default.require_message_authenticator,
        choice(&RULES),
    );
    let limit_proxy_state = table.take("limit_proxy_state", default.limit_proxy_state, flag);
    let absent_is_released =
        table.take("absent_address", default.absent_is_released, choice(&ABSENCE));
    let rate_limit = table.take("rate_limit", 0, number(0..=u32::MAX.into())) as u32;
    let dynamic_authorization = dynamic_authorization(&mut table);
    table.finish();
    Some(GatewaySettings {
        name,
        sources,
        secrets: secrets?,
        tls_names,
        require_message_authenticator,
        limit_proxy_state,
        absent_is_released,
        rate_limit,
        dynamic_authorization,
    })
}

/// Whether and how it is told to end and change sessions.
fn dynamic_authorization(table: &mut TomlTable<'_, '_>) -> DynamicAuthorization {
    let default = DynamicAuthorization::default();
    DynamicAuthorization {
        target: table.take("dynamic_authorization", default.target, dynamic_target),
        keys: table.take("dynamic_authorization_keys", default.keys, choice(&KEYS)),
        rate: table.take("dynamic_authorization_rate", default.rate.into(), number(1..=1000))
            as u32,
    }
}

/// `""` switches it off.
fn dynamic_target(value: &TomlValue<'_>) -> ValueResult<Option<DynamicTarget>> {
    let word = match value.get_ref() {
        DeValue::Integer(port) => port.as_str().to_owned(),
        _ => text(value)?,
    };
    match word.as_str() {
        "" => return Ok(None),
        "tls" => return Ok(Some(DynamicTarget::Connection)),
        _ => {}
    }
    let port = word.parse().ok().filter(|port| *port > 0).map(DynamicTarget::Port);
    let address = || word.parse::<SocketAddr>().ok().filter(|address| address.port() > 0);
    match port.or_else(|| address().map(DynamicTarget::Address)) {
        Some(target) => Ok(Some(target)),
        None => fault(
            value,
            format!("{word:?} is neither a port, nor an address with one, nor \"tls\""),
            "write a port like \"3799\", or \"192.0.2.1:3799\" or \"[2001:db8::1]:3799\"",
        ),
    }
}

fn name(value: &TomlValue<'_>) -> ValueResult<String> {
    let name = text(value)?;
    let is_good = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
    if (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(is_good) {
        Ok(name)
    } else {
        fault(
            value,
            format!("{name:?} is no gateway name"),
            format!("write 1 to {NAME_MAX} letters, digits, '-', '_' and '.'"),
        )
    }
}

/// One or several places to send from.
fn sources(value: &TomlValue<'_>) -> ValueResult<Vec<IpNet>> {
    let mut sources: Vec<IpNet> = Vec::new();
    for (span, source) in one_or_several(prefix)(value)? {
        if sources.contains(&source) {
            let what = format!("{source} stands there twice");
            return Err(vec![ValueFault {
                span,
                what,
                remedy: "leave one of them out".to_owned(),
            }]);
        }
        sources.push(source);
    }
    Ok(sources)
}

/// A prefix, or an address as the prefix of itself.
fn prefix(value: &TomlValue<'_>) -> ValueResult<IpNet> {
    let text = text(value)?;
    let Ok(net) = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) else {
        let remedy = "write an address like \"192.0.2.1\" or a prefix like \"192.0.2.0/24\"";
        return fault(value, format!("{text:?} is neither an address nor a prefix"), remedy);
    };
    let whole = net.trunc();
    if net == whole {
        Ok(unmapped(net))
    } else {
        let remedy =
            format!("write \"{whole}\" for the range or \"{}\" for the one address", net.addr());
        fault(value, format!("{text:?} has bits set behind the prefix"), remedy)
    }
}

/// An IPv4 prefix written in the form of IPv6 (RFC 4291 2.5.5.2) is the IPv4 prefix: no datagram
/// has such a source.
fn unmapped(net: IpNet) -> IpNet {
    const BEFORE_IPV4: u8 = 96;
    let (IpAddr::V6(address), Some(length)) =
        (net.addr(), net.prefix_len().checked_sub(BEFORE_IPV4))
    else {
        return net;
    };
    address
        .to_ipv4_mapped()
        .and_then(|address| IpNet::new(address.into(), length).ok())
        .unwrap_or(net)
}

/// The secrets, from the one key that names them: one or several. Who has a name for TLS may have
/// none.
fn secrets(
    source: &ConfigSource<'_>,
    table: &mut TomlTable<'_, '_>,
    speaks_tls: bool,
    findings: &ProblemList<'_>,
) -> Option<Vec<Box<[u8]>>> {
    let keys = ["secret", "secret_file", "secret_env"];
    let [given, file, variable] = keys.map(|key| table.value(key));
    let count = [&given, &file, &variable].into_iter().flatten().count();
    if count == 0 && speaks_tls {
        return Some(Vec::new());
    }
    if count != 1 {
        let what = if count == 0 {
            "a gateway without a secret"
        } else {
            "a gateway with more than one of secret, secret_file and secret_env"
        };
        findings.error(
            &table.span(),
            what,
            "give exactly one of secret, secret_file and secret_env",
        );
        return None;
    }
    let (key, value) = keys
        .into_iter()
        .zip([given, file, variable])
        .find_map(|(key, value)| Some((key, value?)))?;
    let read = |value: &TomlValue<'_>| {
        let octets = match key {
            "secret" => text(value).map(String::into_bytes),
            "secret_file" => from_file(source, value, findings),
            _ => from_environment(source, value),
        };
        octets.and_then(|octets| if octets.is_empty() { empty(value) } else { Ok(octets) })
    };
    let secrets = table.reported(key, one_or_several(read)(&value))?;
    for (span, octets) in &secrets {
        // The public secret needs no warning: beyond loopback it is refused.
        if octets.len() <= SHORT_SECRET && octets != PUBLIC_SECRET {
            let what = format!("a secret of {} octets can be guessed (RFC 2865 3)", octets.len());
            findings.warning(span, what, "use at least 16 random ones");
        }
    }
    let is_secret = key == "secret" && secrets.iter().any(|(_, octets)| octets != PUBLIC_SECRET);
    if let Some(file) = source.file.filter(|file| is_secret && is_open_to_all(file)) {
        let what = format!("everybody on this machine can read the secret in {}", file.display());
        findings.warning(&value.span(), what, "chmod 600 it, or use secret_file");
    }
    Some(secrets.into_iter().map(|(_, octets)| octets.into()).collect())
}

fn empty<T>(value: &TomlValue<'_>) -> ValueResult<T> {
    // RFC 2865 3: "the secret MUST NOT be empty".
    fault(value, "the secret is empty", "use at least 16 random characters (RFC 2865 3)")
}

fn from_file(
    source: &ConfigSource<'_>,
    value: &TomlValue<'_>,
    findings: &ProblemList<'_>,
) -> ValueResult<Vec<u8>> {
    let path = source.resolve(&text(value)?);
    let mut octets = match std::fs::read(&path) {
        Ok(octets) => octets,
        Err(error) => {
            return fault(
                value,
                format!("{} cannot be read: {error}", path.display()),
                "put the secret there, or correct the path",
            );
        }
    };
    if is_open_to_all(&path) {
        findings.warning(
            &value.span(),
            format!("everybody on this machine can read {}", path.display()),
            "chmod 600 it",
        );
    }
    // Editors end a file with a newline that is no part of the secret.
    if octets.ends_with(b"\n") {
        octets.pop();
        if octets.ends_with(b"\r") {
            octets.pop();
        }
    }
    Ok(octets)
}

#[cfg(unix)]
fn is_open_to_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    const READABLE_BY_OTHERS: u32 = 0o004;
    std::fs::metadata(path)
        .is_ok_and(|metadata| metadata.permissions().mode() & READABLE_BY_OTHERS != 0)
}

#[cfg(not(unix))]
fn is_open_to_all(_: &Path) -> bool {
    false
}

fn from_environment(source: &ConfigSource<'_>, value: &TomlValue<'_>) -> ValueResult<Vec<u8>> {
    let variable = text(value)?;
    match (source.environment)(&variable) {
        Some(octets) => Ok(octets),
        None => fault(
            value,
            format!("the environment has no {variable}"),
            format!("set {variable} where attachd is started"),
        ),
    }
}

/// What the gateways read so far have taken.
#[derive(Default)]
struct Known {
    names: HashSet<String>,
    /// Each with the name of its gateway.
    sources: HashMap<IpNet, String>,
    /// The same of the names in their certificates.
    tls_names: HashMap<String, String>,
}

impl Known {
    /// A source or a name belongs to one gateway.
    fn refuse_twins(
        &mut self,
        gateway: &GatewaySettings,
        span: &Range<usize>,
        findings: &ProblemList<'_>,
    ) {
        let mut twin = None;
        for (nth, source) in gateway
            .sources
            .iter()
            .enumerate()
            .filter(|(nth, source)| !gateway.sources[..*nth].contains(source))
            // Over TLS it is the name that tells who it is.
            .filter(|_| !gateway.secrets.is_empty())
        {
            let other = self.sources.insert(*source, gateway.name.clone());
            twin = twin.or(other.map(|other| (gateway.sources[nth], other)));
        }
        if let Some((same, other)) = twin {
            let what =
                format!("gateways {other:?} and {:?} have the same source {same}", gateway.name);
            findings.error(
                span,
                what,
                "give each its own address or prefix; the longest prefix wins",
            );
        }
        for name in &gateway.tls_names {
            if let Some(other) = self.tls_names.insert(name.clone(), gateway.name.clone()) {
                let what = format!(
                    "gateways {other:?} and {:?} have the same name {name:?} in tls_names",
                    gateway.name
                );
                findings.error(span, what, "give each the names of its own certificate");
            }
        }
        if !self.names.insert(gateway.name.clone()) {
            findings.error(
                span,
                format!("two gateways are called {:?}", gateway.name),
                "give each its own name",
            );
        }
    }
}
