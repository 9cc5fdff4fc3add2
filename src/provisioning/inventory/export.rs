//! Writes an inventory folder that loads to the same inventory.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ipnet::IpNet;
use serde::Serialize;

use super::super::model::{AddressFamilies, CredentialMethod, Group, Subnet, Vslice};
use super::super::{Catalog, CatalogKind, Endpoint, EventMap, Policy};
use super::columns::{Column, guarded};
use super::{CATALOG, ENDPOINTS, ENDPOINTS_GZ};
use crate::address::AddressKind;
use crate::identity::{Apn, GroupId, Iccid};
use crate::policy::{CountryCode, PolicyEntry};

/// Writes both files into `dir`, which is created if it is not there. Files of an inventory that is
/// there already are left alone: that is an error of the kind [`io::ErrorKind::AlreadyExists`].
pub fn export<'a>(
    dir: &Path,
    catalog: &Catalog,
    endpoints: impl IntoIterator<Item = (Iccid, &'a Endpoint)>,
) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    if let Some(taken) =
        [CATALOG, ENDPOINTS, ENDPOINTS_GZ].into_iter().find(|name| dir.join(name).exists())
    {
        let error =
            format!("{} is there already; choose an empty folder", dir.join(taken).display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, error));
    }
    create_private(&dir.join(CATALOG))?.write_all(catalog_text(catalog)?.as_bytes())?;
    write_endpoints(BufWriter::new(create_private(&dir.join(ENDPOINTS))?), catalog, endpoints)
}

/// A file that nobody else may read: it holds passwords and identities.
fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// The layout of `inventory.toml`. What has its default value is left out.
#[derive(Serialize)]
struct FileLayout<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    policy: Vec<PolicyLayout<'a>>,
    vslice: Vec<VsliceLayout<'a>>,
    group: Vec<GroupLayout<'a>>,
}

#[derive(Serialize)]
struct VsliceLayout<'a> {
    moniker: &'a str,
    name: &'a str,
    enabled: bool,
    #[serde(skip_serializing_if = "is_empty")]
    dns: &'a [IpAddr],
    #[serde(skip_serializing_if = "Option::is_none")]
    event_map: Option<&'a str>,
    subnet: Vec<SubnetLayout<'a>>,
}

#[derive(Serialize)]
struct SubnetLayout<'a> {
    cidr: IpNet,
    #[serde(skip_serializing_if = "Option::is_none")]
    delegated_length: Option<u8>,
    allocation: &'static str,
    #[serde(skip_serializing_if = "is_empty")]
    exclude: &'a [IpNet],
}

#[derive(Serialize)]
struct GroupLayout<'a> {
    moniker: &'a str,
    name: &'a str,
    vslice: &'a str,
    enabled: bool,
    allocation: &'static str,
    #[serde(skip_serializing_if = "is_empty")]
    apns: &'a [Apn],
    session_timeout_s: u32,
    idle_timeout_s: u32,
    interim_interval_s: u32,
    credentials: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_map: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    families: Option<&'static [&'static str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partial_dual_stack: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disconnect: Option<bool>,
}

#[derive(Serialize)]
struct PolicyLayout<'a> {
    moniker: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_2g: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_3g: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_45g: Option<bool>,
    when_missing: &'static str,
    imei_lock: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entry: Vec<PolicyEntryLayout<'a>>,
}

#[derive(Serialize)]
struct PolicyEntryLayout<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    operator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    international: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    radio: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tac: Vec<String>,
    action: &'static str,
}

fn catalog_text(catalog: &Catalog) -> io::Result<String> {
    let group = catalog
        .groups()
        .map(|(_, group)| group_layout(group, catalog))
        .collect::<io::Result<_>>()?;
    let vslice = catalog
        .vslices()
        .map(|(_, vslice)| vslice_layout(vslice, catalog))
        .collect::<io::Result<_>>()?;
    let policy = catalog.all::<Policy>().map(|(_, policy)| policy_layout(policy)).collect();
    toml::to_string(&FileLayout { policy, vslice, group }).map_err(io::Error::other)
}

fn policy_layout(policy: &Policy) -> PolicyLayout<'_> {
    let unless_default = |allows: bool| (!allows).then_some(false);
    PolicyLayout {
        moniker: policy.moniker.as_str(),
        name: &policy.name,
        allow_2g: unless_default(policy.allow_2g),
        allow_3g: unless_default(policy.allow_3g),
        allow_45g: unless_default(policy.allow_45g),
        when_missing: policy.when_missing.moniker(),
        imei_lock: policy.imei_lock.moniker(),
        entry: policy.entries.iter().map(entry_layout).collect(),
    }
}

fn entry_layout(entry: &PolicyEntry) -> PolicyEntryLayout<'_> {
    PolicyEntryLayout {
        operator: entry.operator.map(|plmn| plmn.to_string()),
        country: entry.country.as_ref().map(CountryCode::as_str),
        international: entry.international.then_some(true),
        radio: entry.radio.iter().map(|class| class.moniker()).collect(),
        tac: entry.tac.iter().map(ToString::to_string).collect(),
        action: entry.action.moniker(),
    }
}

/// What the files call an object that another names.
fn named<T: CatalogKind>(catalog: &Catalog, id: Option<T::Id>) -> io::Result<Option<&str>> {
    let moniker = |id| {
        let thing = catalog.get::<T>(id).ok_or_else(|| missing(T::KIND.name()))?;
        Ok(thing.moniker().as_str())
    };
    id.map(moniker).transpose()
}

fn vslice_layout<'a>(vslice: &'a Vslice, catalog: &'a Catalog) -> io::Result<VsliceLayout<'a>> {
    Ok(VsliceLayout {
        moniker: vslice.moniker.as_str(),
        name: &vslice.name,
        enabled: vslice.enabled,
        dns: &vslice.dns,
        event_map: named::<EventMap>(catalog, vslice.event_map)?,
        subnet: vslice.subnets.iter().map(subnet_layout).collect(),
    })
}

fn subnet_layout(subnet: &Subnet) -> SubnetLayout<'_> {
    SubnetLayout {
        cidr: subnet.block.cidr(),
        delegated_length: (subnet.block.kind() == AddressKind::Delegated)
            .then_some(subnet.block.prefix_len()),
        allocation: subnet.allocation.moniker(),
        exclude: &subnet.exclude,
    }
}

fn group_layout<'a>(group: &'a Group, catalog: &'a Catalog) -> io::Result<GroupLayout<'a>> {
    let vslice = catalog.vslice(group.vslice).ok_or_else(|| missing("the VSlice of a group"))?;
    let credentials = group.credentials.as_ref();
    Ok(GroupLayout {
        moniker: group.moniker.as_str(),
        name: &group.name,
        vslice: vslice.moniker.as_str(),
        enabled: group.enabled,
        allocation: group.allocation.moniker(),
        apns: &group.apns,
        session_timeout_s: group.session_timeout_s,
        idle_timeout_s: group.idle_timeout_s,
        interim_interval_s: group.interim_interval_s,
        credentials: match credentials.map(|credentials| credentials.method) {
            None => "none",
            Some(CredentialMethod::Pap) => "pap",
            Some(CredentialMethod::Chap) => "chap",
        },
        username: credentials.map(|credentials| credentials.username.as_str()),
        password: credentials.map(|credentials| credentials.password.as_str()),
        policy: named::<Policy>(catalog, group.policy)?,
        event_map: named::<EventMap>(catalog, group.event_map)?,
        families: (group.families != AddressFamilies::default())
            .then_some(group.families.monikers()),
        partial_dual_stack: group.partial_dual_stack.then_some(true),
        disconnect: (!group.disconnect).then_some(false),
    })
}

fn write_endpoints<'a>(
    file: impl Write,
    catalog: &Catalog,
    endpoints: impl IntoIterator<Item = (Iccid, &'a Endpoint)>,
) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(file);
    writer.write_record(Column::ALL.iter().map(|column| column.name()))?;
    let mut field = String::new();
    for (iccid, endpoint) in endpoints {
        for column in Column::ALL {
            field.clear();
            write_field(&mut field, *column, iccid, endpoint, catalog)?;
            writer.write_field(&field)?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    writer.flush()
}

fn write_field(
    field: &mut String,
    column: Column,
    iccid: Iccid,
    endpoint: &Endpoint,
    catalog: &Catalog,
) -> io::Result<()> {
    let written = match column {
        Column::Iccid => write!(field, "{iccid}"),
        Column::Imsi => return join(field, endpoint.imsis().map(Ok)),
        Column::Msisdn => show(field, endpoint.msisdn),
        Column::State => write!(field, "{}", endpoint.state),
        Column::Group => {
            return join(field, endpoint.group.iter().map(|group| moniker(*group, catalog)));
        }
        Column::SecondaryGroups => {
            return join(
                field,
                endpoint.secondary_groups().iter().map(|group| moniker(*group, catalog)),
            );
        }
        Column::StaticIp => show(field, endpoint.static_ip),
        Column::Name => show(field, endpoint.name.as_deref().map(guarded)),
        Column::Reference => show(field, endpoint.labels().reference.as_deref().map(guarded)),
        Column::Tags => field.write_str(&guarded(&endpoint.labels().tags.join(";"))),
        Column::Imei => show(field, endpoint.imei()),
        Column::StaticIpv6 => show(field, endpoint.configured_prefixes().link),
        Column::DelegatedIpv6 => show(field, endpoint.configured_prefixes().delegated),
    };
    written.map_err(io::Error::other)
}

fn show(field: &mut String, value: Option<impl std::fmt::Display>) -> std::fmt::Result {
    value.map_or(Ok(()), |value| write!(field, "{value}"))
}

fn join(
    field: &mut String,
    values: impl Iterator<Item = io::Result<impl std::fmt::Display>>,
) -> io::Result<()> {
    for (index, value) in values.enumerate() {
        let separator = if index == 0 { "" } else { ";" };
        write!(field, "{separator}{}", value?).map_err(io::Error::other)?;
    }
    Ok(())
}

fn moniker(group: GroupId, catalog: &Catalog) -> io::Result<&str> {
    catalog
        .group(group)
        .map(|group| group.moniker.as_str())
        .ok_or_else(|| missing("a group of an endpoint"))
}

fn missing(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what} is not in the catalog"))
}

fn is_empty<T>(list: &&[T]) -> bool {
    list.is_empty()
}
