//! `endpoints.csv`: one endpoint a line.

use std::io::{self, Read};
use std::net::Ipv4Addr;

use csv::{ByteRecord, ReaderBuilder, Terminator};

use super::super::model::Allocation;
use super::super::problem::Report;
use super::super::{Catalog, Endpoint, ProvisioningState};
use super::catalog_file::Names;
use super::columns::{Column, Columns};
use super::section::check_name;
use crate::identity::{GroupId, Iccid, IdentityError, Imsi, Msisdn};

/// What the file says.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) endpoints: Vec<(Iccid, Endpoint)>,
    /// Those whose state is `reinstated`: they may leave termination.
    pub(super) reinstated: Vec<Iccid>,
}

/// The groups that a row may name.
#[derive(Clone, Copy)]
pub(super) struct Groups<'a> {
    pub(super) catalog: &'a Catalog,
    /// Absent if `inventory.toml` could not be read: then every name is believed.
    pub(super) names: Option<&'a Names<GroupId>>,
}

/// Reads the file; `expected` rows find their memory ready.
pub(super) fn read(file: impl Read, expected: usize, groups: Groups<'_>, report: &mut Report) -> io::Result<Listed> {
    // With LF alone as the terminator, and one more at the end, the line number after a record is always that of the next
    // line; a CR before it is blank space to us.
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .terminator(Terminator::Any(b'\n'))
        .buffer_capacity(1 << 18)
        .from_reader(file.chain(&b"\n"[..]));
    let mut rows = Rows { groups, report, listed: Listed::default(), lines: Vec::new(), static_ips: Vec::new() };
    rows.listed.endpoints.reserve(expected);
    rows.lines.reserve(expected);
    let mut columns = None;
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(io::Error::from)? {
        let last = reader.position().line().saturating_sub(1);
        let Some(line) = rows.line_of(&record, last) else { continue };
        if let Some(columns) = &columns {
            rows.row(columns, &record, line);
            continue;
        }
        let Some(read) = Columns::read(&record, line, rows.report) else { return Ok(rows.listed) };
        columns = Some(read);
    }
    if columns.is_none() {
        rows.report.problem(1, "the file is empty", "write at least a header with the column iccid");
    }
    rows.report_duplicates();
    Ok(rows.listed)
}

struct Rows<'a> {
    groups: Groups<'a>,
    report: &'a mut Report,
    listed: Listed,
    /// The line of each listed endpoint.
    lines: Vec<u32>,
    /// VSlice and address in one word, and the line.
    static_ips: Vec<(u64, u32)>,
}

impl Rows<'_> {
    /// The line of a record that ends in line `last`. `None` if there is nothing on it, or nothing that could be read.
    fn line_of(&mut self, record: &ByteRecord, last: u64) -> Option<u32> {
        let breaks = record.as_slice().split(|octet| *octet == b'\n').skip(1).count() as u64;
        let line = u32::try_from(last.saturating_sub(breaks)).unwrap_or(u32::MAX);
        if breaks > 0 {
            self.report.problem(
                line,
                "a quoted field goes beyond the end of its line",
                "close the quotes, or double those inside the field",
            );
            return None;
        }
        let is_blank = record.len() == 1 && record.as_slice().trim_ascii().is_empty();
        (!is_blank).then_some(line)
    }

    /// Takes in one row. A row with a problem is listed all the same, so that what it clashes with is found too: nothing
    /// of a file with a problem is ever used.
    fn row(&mut self, columns: &Columns, record: &ByteRecord, line: u32) {
        if record.len() != columns.width {
            let what = format!("{} fields, but {} columns in the header", record.len(), columns.width);
            self.report.problem(line, what, "add or remove commas; put a field with a comma in quotes");
            return;
        }
        let field = |column| columns.field(record, column);
        let Some(iccid) = self.iccid(field(Column::Iccid), line) else { return };
        let group = self.group(field(Column::Group), "group", line);
        let state = self.state(field(Column::State), !field(Column::Group).is_empty(), iccid, line);
        let mut endpoint = Endpoint::new(state);
        endpoint.group = group;
        for imsi in values(field(Column::Imsi)) {
            if let Some(imsi) = self.identity("imsi", imsi, line, Imsi::parse) {
                endpoint = endpoint.with_imsi(imsi);
            }
        }
        let msisdn = field(Column::Msisdn);
        if !msisdn.is_empty() {
            endpoint.msisdn = self.identity("msisdn", msisdn, line, Msisdn::parse);
        }
        for secondary in values(field(Column::SecondaryGroups)) {
            let Some(group) = self.group(secondary, "secondary_groups", line) else { continue };
            if endpoint.groups().any(|known| known == group) {
                self.report.problem(line, "secondary_groups: the endpoint is in one group twice", "name each group once");
            }
            endpoint = endpoint.also_in_group(group);
        }
        if field(Column::Group).is_empty() && !field(Column::SecondaryGroups).is_empty() {
            self.report.problem(line, "secondary_groups without a group", "name the primary group in the column group");
        }
        endpoint.static_ip = self.static_ip(field(Column::StaticIp), group, !field(Column::Group).is_empty(), line);
        endpoint = endpoint.named(self.name(field(Column::Name), line));
        self.listed.endpoints.push((iccid, endpoint));
        self.lines.push(line);
    }

    fn iccid(&mut self, text: &[u8], line: u32) -> Option<Iccid> {
        let iccid = self.identity("iccid", text, line, Iccid::parse)?;
        if !iccid.luhn_is_valid() {
            self.report.problem(line, "iccid: the check digit (Luhn) is wrong", "compare with the SIM: a digit was mistyped");
        }
        Some(iccid)
    }

    fn identity<T>(&mut self, column: &str, text: &[u8], line: u32, parse: impl FnOnce(&[u8]) -> Result<T, IdentityError>) -> Option<T> {
        // The text itself is not shown: a log line must not give a subscriber away.
        parse(text).map_err(|error| self.report.problem(line, format!("{column}: {error}"), "correct it")).ok()
    }

    fn group(&mut self, moniker: &[u8], column: &str, line: u32) -> Option<GroupId> {
        let names = self.groups.names.filter(|_| !moniker.is_empty())?;
        let named = names.get(moniker);
        if named.is_none() {
            let what = format!("{column}: there is no group {:?}", String::from_utf8_lossy(moniker));
            self.report.problem(line, what, "add it to inventory.toml, or correct it");
        }
        named?.id
    }

    fn state(&mut self, text: &[u8], has_group: bool, iccid: Iccid, line: u32) -> ProvisioningState {
        let state = match text {
            b"" if has_group => ProvisioningState::Active,
            b"" => ProvisioningState::Pending,
            b"reinstated" => {
                self.listed.reinstated.push(iccid);
                ProvisioningState::Pending
            }
            text => std::str::from_utf8(text).ok().and_then(ProvisioningState::parse).unwrap_or_else(|| {
                let what = format!("state: there is no state {:?}", String::from_utf8_lossy(text));
                self.report.problem(line, what, "write pending, active, suspended, terminated or reinstated");
                ProvisioningState::Pending
            }),
        };
        if state == ProvisioningState::Active && !has_group {
            self.report.problem(line, "state: active without a group", "name its group, or make it pending");
        }
        state
    }

    /// An address is worth configuring only where it will be given: in a static subnet of the primary group's VSlice.
    fn static_ip(&mut self, text: &[u8], group: Option<GroupId>, has_group: bool, line: u32) -> Option<Ipv4Addr> {
        if text.is_empty() {
            return None;
        }
        let Some(ip) = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()) else {
            self.report.problem(line, "static_ip: this is no IPv4 address", "correct it");
            return None;
        };
        if !has_group {
            self.report.problem(
                line,
                "static_ip without a group: it would belong to no VSlice",
                "name the group, or leave the address out",
            );
        }
        let catalog = self.groups.catalog;
        let group = catalog.group(group?)?;
        let vslice = catalog.vslice(group.vslice)?;
        if group.allocation == Allocation::Pooled {
            let what = format!("static_ip: group {} is pooled and would never give it", group.moniker);
            self.report.problem(line, what, "leave it out, or choose a group with static allocation");
            return None;
        }
        let around = vslice.subnets_of(Allocation::Static).find(|subnet| subnet.cidr.contains(&ip));
        if around.is_some_and(|subnet| subnet.offers(ip)) {
            self.static_ips.push(((group.vslice.index() as u64) << 32 | u64::from(u32::from(ip)), line));
        } else if let Some(subnet) = around {
            let what = format!("static_ip: {ip} is reserved or excluded in {}", subnet.cidr);
            self.report.problem(line, what, "choose another address");
        } else {
            let what = format!("static_ip: {ip} is in no static subnet of VSlice {}", vslice.moniker);
            self.report.problem(line, what, "choose an address inside one");
        }
        Some(ip)
    }

    fn name<'r>(&mut self, text: &'r [u8], line: u32) -> &'r str {
        let name = std::str::from_utf8(text).map_err(|_| "name: this is no UTF-8");
        name.and_then(|name| check_name(name).map(|()| name)).unwrap_or_else(|rule| {
            self.report.problem(line, rule, "choose another name");
            ""
        })
    }

    fn report_duplicates(&mut self) {
        let listed = || self.listed.endpoints.iter().zip(&self.lines);
        let iccids = listed().map(|((iccid, _), line)| (iccid.raw(), *line)).collect();
        let imsis = listed().flat_map(|((_, endpoint), line)| endpoint.imsis().map(|imsi| (imsi.raw(), *line))).collect();
        let msisdns = listed().filter_map(|((_, endpoint), line)| Some((endpoint.msisdn?.raw(), *line))).collect();
        report_twice("iccid: the same ICCID", iccids, self.report);
        report_twice("imsi: the same IMSI", imsis, self.report);
        report_twice("msisdn: the same MSISDN", msisdns, self.report);
        report_twice("static_ip: the same address of the same VSlice", std::mem::take(&mut self.static_ips), self.report);
    }
}

/// Reports every key after its first line. Sorting takes less memory than a set, and files are mostly sorted already.
fn report_twice(what: &str, mut keys: Vec<(u64, u32)>, report: &mut Report) {
    keys.sort_unstable();
    for same in keys.chunk_by(|one, next| one.0 == next.0).filter(|same| same.len() > 1) {
        let first = same[0].1;
        for (_, line) in &same[1..] {
            report.problem(*line, format!("{what} stands in line {first}"), "leave it in one of them");
        }
    }
}

/// The values of a field that may hold several.
fn values(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    field.split(|octet| *octet == b';').map(<[u8]>::trim_ascii).filter(|value| !value.is_empty())
}
