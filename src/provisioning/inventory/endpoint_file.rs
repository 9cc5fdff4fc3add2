//! `endpoints.csv`: one endpoint a line.

use std::io::{self, Read};
use std::net::{Ipv4Addr, Ipv6Addr};

use csv::ByteRecord;

use super::super::model::{Allocation, Subnet};
use super::super::problem::ProblemCollector;
use super::super::{Catalog, ConfiguredPrefixes, Endpoint, Labels, ProvisioningState};
use super::catalog_file::HandlesByName;
use super::columns::{Column, Columns, Row, unguarded};
use super::csv_lines::CsvLines;
use super::section::check_name;
use crate::address::{Address, AddressKind, Ipv6Prefix};
use crate::identity::{GroupId, Iccid, IdentityError, Imeisv, Imsi, Msisdn, VsliceId};

/// What the file says.
#[derive(Debug, Default)]
pub(super) struct ListedEndpoint {
    pub(super) endpoints: Vec<(Iccid, Endpoint)>,
    /// Those whose state is `reinstated`: they may leave termination.
    pub(super) reinstated: Vec<Iccid>,
    /// The line of each endpoint.
    pub(super) lines: Vec<u32>,
}

/// The groups that a row may name.
#[derive(Clone, Copy)]
pub(super) struct Groups<'a> {
    pub(super) catalog: &'a Catalog,
    /// Absent if `inventory.toml` could not be read: then every name is believed.
    pub(super) names: Option<&'a HandlesByName<GroupId>>,
}

/// Reads the file; `expected` rows find their memory ready.
pub(super) fn read(
    file: impl Read,
    expected: usize,
    groups: Groups<'_>,
    report: &mut ProblemCollector,
) -> io::Result<ListedEndpoint> {
    let mut rows = Rows {
        groups,
        report,
        listed: ListedEndpoint::default(),
        static_ips: Vec::new(),
        prefixes: Vec::new(),
        bare: (0, None),
    };
    rows.listed.endpoints.reserve(expected);
    rows.listed.lines.reserve(expected);
    let mut columns = None;
    let mut lines = CsvLines::new(file);
    let mut record = ByteRecord::new();
    while let Some(line) = lines.next(&mut record, rows.report)? {
        if let Some(columns) = &columns {
            rows.take(&Row { columns, fields: &record, line });
            continue;
        }
        let Some(read) = Columns::read(&record, line, rows.report) else { return Ok(rows.listed) };
        columns = Some(read);
    }
    if columns.is_none() {
        rows.report.problem(
            1,
            "the file is empty",
            "write at least a header with the column iccid",
        );
    }
    rows.report_duplicates();
    rows.advise();
    Ok(rows.listed)
}

struct Rows<'a> {
    groups: Groups<'a>,
    report: &'a mut ProblemCollector,
    listed: ListedEndpoint,
    /// VSlice and address in one word, and the line.
    static_ips: Vec<(u64, u32)>,
    /// VSlice, prefix and line.
    prefixes: Vec<(VsliceId, Ipv6Prefix, u32)>,
    /// How many active endpoints have neither IMSI nor MSISDN, and the line of the first.
    bare: (u32, Option<u32>),
}

impl Rows<'_> {
    /// Takes in one row. A row with a problem is listed all the same, so that what it clashes with
    /// is found too: nothing of a file with a problem is ever used.
    fn take(&mut self, row: &Row<'_>) {
        if row.fields.len() != row.columns.width {
            let what = format!(
                "{} fields, but {} columns in the header",
                row.fields.len(),
                row.columns.width
            );
            self.report.problem(
                row.line,
                what,
                "add or remove commas; put a field with a comma in quotes",
            );
            return;
        }
        let Some(iccid) = self.iccid(row) else { return };
        let mut endpoint = Endpoint::new(self.state(row, iccid));
        for imsi in row.values(Column::Imsi) {
            if let Some(imsi) = self.identity(row, Column::Imsi, imsi, Imsi::parse) {
                endpoint = endpoint.with_imsi(imsi);
            }
        }
        if row.has(Column::Msisdn) {
            endpoint.msisdn =
                self.identity(row, Column::Msisdn, row.field(Column::Msisdn), Msisdn::parse);
        }
        if endpoint.state == ProvisioningState::Active
            && !(row.has(Column::Imsi) || row.has(Column::Msisdn))
        {
            self.bare.0 += 1;
            self.bare.1.get_or_insert(row.line);
        }
        endpoint = self.in_groups(row, endpoint);
        endpoint.static_ip = self.static_ip(row, endpoint.group);
        let prefixes = ConfiguredPrefixes {
            link: self.prefix(row, Column::StaticIpv6, endpoint.group),
            delegated: self.prefix(row, Column::DelegatedIpv6, endpoint.group),
        };
        endpoint = endpoint.with_configured_prefixes(prefixes);
        endpoint = endpoint.named(self.name(row)).with_labels(self.labels(row));
        if row.has(Column::Imei) {
            let imei = row.field(Column::Imei);
            let imei = self.identity(row, Column::Imei, imei, Imeisv::parse);
            endpoint = endpoint.with_imei(imei);
        }
        if let Err(too_large) = endpoint.record_fits() {
            self.report.problem(row.line, too_large.to_string(), "give it fewer IMSIs and groups");
        }
        self.listed.endpoints.push((iccid, endpoint));
        self.listed.lines.push(row.line);
    }

    fn iccid(&mut self, row: &Row<'_>) -> Option<Iccid> {
        let iccid = self.identity(row, Column::Iccid, row.field(Column::Iccid), Iccid::parse)?;
        check_luhn(iccid, row.line, self.report);
        Some(iccid)
    }

    /// The text itself is not shown if it is wrong: a log line must not give a subscriber away.
    fn identity<T>(
        &mut self,
        row: &Row<'_>,
        column: Column,
        text: &[u8],
        parse: fn(&[u8]) -> Result<T, IdentityError>,
    ) -> Option<T> {
        let report = |error| {
            self.report.problem(row.line, format!("{}: {error}", column.name()), "correct it");
        };
        parse(text).map_err(report).ok()
    }

    fn state(&mut self, row: &Row<'_>, iccid: Iccid) -> ProvisioningState {
        let has_group = row.has(Column::Group);
        let state = match row.field(Column::State) {
            b"" if has_group => ProvisioningState::Active,
            b"" => ProvisioningState::Pending,
            b"reinstated" => {
                self.listed.reinstated.push(iccid);
                ProvisioningState::Pending
            }
            text => std::str::from_utf8(text)
                .ok()
                .and_then(ProvisioningState::parse)
                .unwrap_or_else(|| {
                    let what = format!("state: there is no state {}", self.report.shown(text));
                    self.report.problem(
                        row.line,
                        what,
                        "write pending, active, suspended, terminated or reinstated",
                    );
                    ProvisioningState::Pending
                }),
        };
        if state == ProvisioningState::Active && !has_group {
            self.report.problem(
                row.line,
                "state: active without a group",
                "name its group, or make it pending",
            );
        }
        state
    }

    fn in_groups(&mut self, row: &Row<'_>, mut endpoint: Endpoint) -> Endpoint {
        if row.has(Column::Group) {
            endpoint.group = self.group(row, Column::Group, row.field(Column::Group));
        } else if row.has(Column::SecondaryGroups) {
            self.report.problem(
                row.line,
                "secondary_groups without a group",
                "name the primary group in the column group",
            );
        }
        for moniker in row.values(Column::SecondaryGroups) {
            let Some(group) = self.group(row, Column::SecondaryGroups, moniker) else { continue };
            if endpoint.groups().any(|known| known == group) {
                self.report.problem(
                    row.line,
                    "secondary_groups: the endpoint is in one group twice",
                    "name each group once",
                );
            }
            endpoint = endpoint.also_in_group(group);
        }
        endpoint
    }

    fn group(&mut self, row: &Row<'_>, column: Column, moniker: &[u8]) -> Option<GroupId> {
        let named = self.groups.names?.get(moniker);
        if named.is_none() {
            let what =
                format!("{}: there is no group {}", column.name(), self.report.shown(moniker));
            self.report.problem(row.line, what, "add it to inventory.toml, or correct it");
        }
        named?.id
    }

    /// An address is worth configuring only where it will be given: in a static subnet of the
    /// primary group's VSlice.
    fn static_ip(&mut self, row: &Row<'_>, group: Option<GroupId>) -> Option<Ipv4Addr> {
        if !row.has(Column::StaticIp) {
            return None;
        }
        let text = std::str::from_utf8(row.field(Column::StaticIp)).ok();
        let Some(ip) = text.and_then(|text| text.parse().ok()) else {
            self.report.problem(row.line, "static_ip: this is no IPv4 address", "correct it");
            return None;
        };
        if let Some(vslice) = self.judge_configured(row, Column::StaticIp, group, Address::V4(ip)) {
            let word = (vslice.index() as u64) << 32 | u64::from(u32::from(ip));
            self.static_ips.push((word, row.line));
        }
        Some(ip)
    }

    fn prefix(
        &mut self,
        row: &Row<'_>,
        column: Column,
        group: Option<GroupId>,
    ) -> Option<Ipv6Prefix> {
        if !row.has(column) {
            return None;
        }
        let is_link = column == Column::StaticIpv6;
        let text = std::str::from_utf8(row.field(column)).ok();
        // An address stands for the /64 that it is the first one of.
        let parse = |text: &str| {
            let whole = text.parse::<Ipv6Addr>().ok().filter(|_| is_link);
            let whole = whole.filter(|ip| ip.to_bits() as u64 == 0);
            text.parse().ok().or_else(|| Ipv6Prefix::new(whole?, Ipv6Prefix::LINK))
        };
        let prefix = text.and_then(parse);
        let right = prefix
            .filter(|prefix: &Ipv6Prefix| (prefix.prefix_len() == Ipv6Prefix::LINK) == is_link);
        let Some(prefix) = right else {
            let (rule, remedy) = if is_link {
                ("this is no IPv6 prefix of 64 bits", "write it as in 2001:db8:10:7::/64")
            } else {
                ("this is no IPv6 prefix of 48 to 63 bits", "write it as in 2001:db8:20:700::/56")
            };
            self.report.problem(row.line, format!("{}: {rule}", column.name()), remedy);
            return None;
        };
        if let Some(vslice) = self.judge_configured(row, column, group, Address::V6(prefix)) {
            self.prefixes.push((vslice, prefix, row.line));
        }
        Some(prefix)
    }

    /// The VSlice in which the address is configured, if it can be given there.
    fn judge_configured(
        &mut self,
        row: &Row<'_>,
        column: Column,
        group: Option<GroupId>,
        ip: Address,
    ) -> Option<VsliceId> {
        let column = column.name();
        if !row.has(Column::Group) {
            let what = format!("{column} without a group: it would belong to no VSlice");
            self.report.problem(row.line, what, "name the group, or leave the address out");
        }
        let group = self.groups.catalog.group(group?)?;
        let vslice = self.groups.catalog.vslice(group.vslice)?;
        let around = vslice.subnets_of(Allocation::Static).find(|subnet| subnet.block.contains(ip));
        if group.allocation == Allocation::Pooled {
            let what =
                format!("{column}: group {} is pooled and would never give it", group.moniker);
            self.report.problem(
                row.line,
                what,
                "leave it out, or choose a group with static allocation",
            );
        } else if around.is_some_and(|subnet| subnet.offers(ip)) {
            return Some(group.vslice);
        } else if let Some(subnet) = around {
            let what = format!("{column}: {ip} is reserved or excluded in {}", subnet.block);
            self.report.problem(row.line, what, "choose another address");
        } else {
            let what =
                format!("{column}: {ip} is in no static subnet of VSlice {}", vslice.moniker);
            self.report.problem(row.line, what, "choose an address inside one");
        }
        None
    }

    fn name<'r>(&mut self, row: &Row<'r>) -> &'r str {
        let name = std::str::from_utf8(row.field(Column::Name))
            .map(unguarded)
            .map_err(|_| "name: this is no UTF-8");
        name.and_then(|name| check_name(name).map(|()| name)).unwrap_or_else(|rule| {
            self.report.problem(row.line, rule, "choose another name");
            ""
        })
    }

    fn labels(&mut self, row: &Row<'_>) -> Labels {
        let mut labels = Labels::default();
        for (column, fault) in [
            (Column::Reference, "reference: this is no UTF-8"),
            (Column::Tags, "tags: this is no UTF-8"),
        ] {
            let Ok(text) = std::str::from_utf8(row.field(column)).map(unguarded) else {
                self.report.problem(row.line, fault, "save the file as UTF-8");
                continue;
            };
            if column == Column::Reference {
                labels.reference = (!text.is_empty()).then(|| text.into());
            } else {
                let tags = text.split(';').map(str::trim).filter(|tag| !tag.is_empty());
                labels.tags = tags.map(Into::into).collect();
            }
        }
        if let Err(rule) = labels.check() {
            self.report.problem(row.line, rule, "shorten it, or leave some out");
        }
        labels
    }

    /// What may well be meant, and is worth a look.
    fn advise(&mut self) {
        if let (count @ 1.., Some(first)) = self.bare {
            let s = if count == 1 { " has" } else { "s have" };
            let what = format!(
                "{count} active endpoint{s} nothing but an ICCID: only requests with Attachd-ICCID or such a User-Name are theirs"
            );
            self.report.advise(first, what, "add IMSI or MSISDN, here and in the lines after it");
        }
        for (vslice_id, vslice) in self.groups.catalog.vslices() {
            let ipv4 = vslice
                .subnets_of(Allocation::Static)
                .filter(|subnet| subnet.block.kind() == AddressKind::Ipv4);
            let room: u64 = ipv4.map(Subnet::capacity).sum();
            let is_static = |id| {
                let group = self.groups.catalog.group(id);
                group.is_some_and(|group| {
                    group.allocation == Allocation::Static && group.vslice == vslice_id
                })
            };
            let holds = |endpoint: &Endpoint| {
                endpoint.state != ProvisioningState::Terminated
                    && endpoint.group.is_some_and(is_static)
            };
            let count =
                self.listed.endpoints.iter().filter(|(_, endpoint)| holds(endpoint)).count() as u64;
            let is_ipv6_only = !vslice.gives(Allocation::Static, AddressKind::Ipv4)
                && vslice.gives(Allocation::Static, AddressKind::Link);
            if count > room && !is_ipv6_only {
                let what = format!(
                    "VSlice {} has {room} static addresses for {count} endpoints with static allocation",
                    vslice.moniker
                );
                self.report.advise(
                    None,
                    what,
                    "add or enlarge a static subnet in inventory.toml, or move endpoints",
                );
            }
        }
    }

    /// One kind of key after the other, so that the words of only one are in memory at a time.
    fn report_duplicates(&mut self) {
        let listed = || self.listed.endpoints.iter().zip(&self.listed.lines);
        let iccids = listed().map(|((iccid, _), line)| (iccid.raw(), *line)).collect();
        report_twice("iccid: the same ICCID", iccids, self.report);
        let imsis = listed()
            .flat_map(|((_, endpoint), line)| endpoint.imsis().map(|imsi| (imsi.raw(), *line)))
            .collect();
        report_twice("imsi: the same IMSI", imsis, self.report);
        let msisdns = listed()
            .filter_map(|((_, endpoint), line)| Some((endpoint.msisdn?.raw(), *line)))
            .collect();
        report_twice("msisdn: the same MSISDN", msisdns, self.report);
        report_twice(
            "static_ip: the same address of the same VSlice",
            std::mem::take(&mut self.static_ips),
            self.report,
        );
        self.report_prefixes();
    }

    /// Prefixes that are one, or lie one inside the other.
    fn report_prefixes(&mut self) {
        let mut prefixes = std::mem::take(&mut self.prefixes);
        // Whatever contains another stands before it.
        prefixes.sort_unstable_by_key(|(vslice, prefix, line)| {
            (vslice.index(), prefix.bits(), prefix.prefix_len(), *line)
        });
        let mut widest: Option<(VsliceId, Ipv6Prefix, u32)> = None;
        for (vslice, prefix, line) in prefixes {
            match widest {
                Some((of, before, first)) if of == vslice && before.overlaps(prefix) => {
                    let (line, first) = (line.max(first), line.min(first));
                    let what =
                        format!("{prefix} and {before} of the same VSlice overlap: line {first}");
                    self.report.problem(line, what, "leave it in one of them");
                }
                _ => widest = Some((vslice, prefix, line)),
            }
        }
    }
}

/// A wrong check digit is a problem, or a warning where cards without one are in use.
pub(super) fn check_luhn(iccid: Iccid, line: u32, report: &mut ProblemCollector) {
    if iccid.luhn_is_valid() {
        return;
    }
    let (last, wanted) = iccid.check_digits();
    let what = format!("iccid: the check digit (Luhn) is wrong: {wanted} is expected, not {last}");
    let remedy = "compare with the SIM: a digit was mistyped";
    if report.rules.luhn_refuses {
        report.problem(line, what, remedy);
    } else {
        report.warning(line, what, remedy);
    }
}

/// Reports every key after its first line. Sorting takes less memory than a set, and files are
/// mostly sorted already.
pub(super) fn report_twice(what: &str, mut keys: Vec<(u64, u32)>, report: &mut ProblemCollector) {
    keys.sort_unstable();
    for same in keys.chunk_by(|one, next| one.0 == next.0).filter(|same| same.len() > 1) {
        let first = same[0].1;
        for (_, line) in &same[1..] {
            report.problem(
                *line,
                format!("{what} stands in line {first}"),
                "leave it in one of them",
            );
        }
    }
}
