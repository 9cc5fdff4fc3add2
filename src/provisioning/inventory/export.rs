//! Writes an inventory folder that loads to the same inventory.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ipnet::Ipv4Net;
use serde::Serialize;

use super::super::model::{CredentialMethod, Group, Subnet, Vslice};
use super::super::{Catalog, Endpoint};
use super::columns::{Column, guarded};
use super::{CATALOG, ENDPOINTS, ENDPOINTS_GZ};
use crate::identity::{Apn, GroupId, Iccid};

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
    vslice: Vec<VsliceLayout<'a>>,
    group: Vec<GroupLayout<'a>>,
}

#[derive(Serialize)]
struct VsliceLayout<'a> {
    moniker: &'a str,
    name: &'a str,
    enabled: bool,
    #[serde(skip_serializing_if = "is_empty")]
    dns: &'a [Ipv4Addr],
    subnet: Vec<SubnetLayout<'a>>,
}

#[derive(Serialize)]
struct SubnetLayout<'a> {
    cidr: Ipv4Net,
    allocation: &'static str,
    #[serde(skip_serializing_if = "is_empty")]
    exclude: &'a [Ipv4Net],
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
}

fn catalog_text(catalog: &Catalog) -> io::Result<String> {
    let group = catalog
        .groups()
        .map(|(_, group)| group_layout(group, catalog))
        .collect::<io::Result<_>>()?;
    let vslice = catalog.vslices().map(|(_, vslice)| vslice_layout(vslice)).collect();
    toml::to_string(&FileLayout { vslice, group }).map_err(io::Error::other)
}

fn vslice_layout(vslice: &Vslice) -> VsliceLayout<'_> {
    VsliceLayout {
        moniker: vslice.moniker.as_str(),
        name: &vslice.name,
        enabled: vslice.enabled,
        dns: &vslice.dns,
        subnet: vslice.subnets.iter().map(subnet_layout).collect(),
    }
}

fn subnet_layout(subnet: &Subnet) -> SubnetLayout<'_> {
    SubnetLayout {
        cidr: subnet.cidr,
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
