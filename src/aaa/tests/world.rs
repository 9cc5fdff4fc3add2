//! A network of two VSlices with the same addresses, a handful of endpoints, and the packets they
//! cause.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::aaa::*;
use crate::address::Ipv6Prefix;
use crate::identity::{Apn, GatewayId, GroupId, Iccid, Moniker};
use crate::network::{
    self, Counters, EventTime, Families, LocationInfo, Nas, NetworkState, Report, Reporter,
    Restart, Stamp,
};
use crate::provisioning::{
    AddressFamilies, Allocation, Catalog, CatalogObject, CredentialMethod, Credentials, Endpoint,
    Fingerprint, Group, Inventory, ProvisioningState, Prune, Revision, Subnet, Vslice,
};
use crate::time::Timestamp;

/// An answer, in a form that tests compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Accept(Box<Accept>),
    Reject(RejectReason),
}

impl Answer {
    pub(super) fn accepted(self) -> Accept {
        match self {
            Self::Accept(accept) => *accept,
            Self::Reject(reason) => panic!("refused: {}", reason.moniker()),
        }
    }
}

/// The decision maker, its clock, and what it recorded.
#[allow(clippy::struct_excessive_bools, reason = "each is about the next request or report")]
pub(super) struct World {
    pub(super) aaa: Aaa,
    pub(super) now: Timestamp,
    /// Called-Station-Id of the next requests.
    pub(super) apn: Option<&'static str>,
    pub(super) attach_only: bool,
    pub(super) asked: AskedFamilies,
    /// Framed-IPv6-Prefix and Delegated-IPv6-Prefix of the next reports.
    pub(super) prefixes: [Option<Ipv6Prefix>; 2],
    /// What 3GPP-PDP-Type says in the next reports.
    pub(super) families: Option<Families>,
    /// Whether their gateway releases what it does not say.
    pub(super) absent_is_released: bool,
    pub(super) proves: bool,
    pub(super) unusable: bool,
    /// Framed-IP-Address of the next reports.
    pub(super) ip: Option<Ipv4Addr>,
    pub(super) nas: u32,
    /// Where and in what the device of the next requests and reports is.
    pub(super) located: LocationInfo<'static>,
    /// Acct-Input-Octets of the next reports.
    pub(super) octets: Option<u32>,
    pub(super) records: usize,
    pub(super) notes: Vec<Note>,
    pub(super) journal: Vec<Record>,
    pub(super) events: Vec<Vec<u8>>,
    /// Releases not yet durable. [`World::commit`] makes them so.
    pub(super) freed: Vec<FreedAddress>,
}

/// A record, kept as it was written.
#[derive(Clone, Debug)]
pub(super) enum Record {
    Endpoint(Iccid, EndpointState),
    Provisioned(Iccid, Revision, Option<Endpoint>),
    Object(CatalogObject),
    Inventory(Option<Fingerprint>),
    Restart(Restart),
    /// With the time of the start.
    Outages(Timestamp, Outages),
}

/// Records into the counters of a test.
pub(super) struct RecordingRecorder<'w> {
    pub(super) journal: &'w mut Vec<Record>,
    pub(super) records: &'w mut usize,
    pub(super) notes: &'w mut Vec<Note>,
    pub(super) freed: &'w mut Vec<FreedAddress>,
    pub(super) events: &'w mut Vec<Vec<u8>>,
}

impl Recorder for RecordingRecorder<'_> {
    fn endpoint(&mut self, iccid: Iccid, state: &EndpointState) {
        self.write(Record::Endpoint(iccid, state.clone()));
    }

    fn provisioned(&mut self, iccid: Iccid, stamp: Revision, endpoint: Option<&Endpoint>) {
        self.write(Record::Provisioned(iccid, stamp, endpoint.cloned()));
    }

    fn object(&mut self, object: &CatalogObject) {
        self.write(Record::Object(object.clone()));
    }

    fn inventory(&mut self, fingerprint: Option<Fingerprint>) {
        self.write(Record::Inventory(fingerprint));
    }

    fn restart(&mut self, restart: &Restart) {
        self.write(Record::Restart(restart.clone()));
    }

    fn noted(&mut self, note: &Note) {
        self.notes.push(*note);
    }

    fn freed(&mut self, freed: FreedAddress) {
        self.freed.push(freed);
    }

    fn event(&mut self, _: Option<Iccid>, _: Timestamp, write: &mut dyn FnMut(&mut Vec<u8>)) {
        let mut octets = Vec::new();
        write(&mut octets);
        self.events.push(octets);
    }
}

impl RecordingRecorder<'_> {
    fn write(&mut self, record: Record) {
        *self.records += 1;
        self.journal.push(record);
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(AaaSettings { hold_time: Duration::from_secs(60), ..AaaSettings::default() })
    }

    pub(super) fn with(settings: AaaSettings) -> Self {
        let mut world = Self {
            aaa: Aaa::new(settings),
            now: Timestamp::from_secs(1_800_000_000),
            apn: None,
            attach_only: false,
            asked: AskedFamilies::Unsaid,
            prefixes: [None; 2],
            families: None,
            absent_is_released: false,
            proves: true,
            unusable: false,
            ip: None,
            nas: 1,
            located: LocationInfo::default(),
            octets: None,
            records: 0,
            notes: Vec::new(),
            freed: Vec::new(),
            journal: Vec::new(),
            events: Vec::new(),
        };
        let (catalog, endpoints) = inventory();
        world.load(catalog, endpoints, &[]).unwrap();
        world
    }

    pub(super) fn load(
        &mut self,
        catalog: Catalog,
        endpoints: Vec<(Iccid, Endpoint)>,
        reinstated: &[Iccid],
    ) -> Result<Adoption, Vec<Objection>> {
        self.adopt(Inventory {
            catalog,
            endpoints,
            reinstated: reinstated.to_vec(),
            ..Inventory::default()
        })
    }

    pub(super) fn adopt(&mut self, inventory: Inventory) -> Result<Adoption, Vec<Objection>> {
        self.run(|aaa, now, tape| aaa.adopt(inventory, Prune::No, now, tape))
    }

    pub(super) fn prune(&mut self, inventory: Inventory) -> Adoption {
        self.run(|aaa, now, tape| aaa.adopt(inventory, Prune::Force, now, tape)).unwrap()
    }

    pub(super) fn change(
        &mut self,
        mutation: Mutation,
        expected: Option<u64>,
    ) -> Result<Changed, ChangeError> {
        self.run(|aaa, now, tape| aaa.change(mutation, expected, now, tape))
    }

    pub(super) fn later(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
    }

    /// Everything recorded so far is durable.
    pub(super) fn commit(&mut self) {
        self.aaa.free(&std::mem::take(&mut self.freed));
    }

    /// Another decision maker, restored from all records without any time in between. Each may come
    /// up to three places early, as workers hand over their batches.
    pub(super) fn restored(&self, shuffle: u64) -> Aaa {
        Self::uncontested(self.recovery(shuffle).finish(|newest| newest))
    }

    /// The same now: what has passed since the last record was an outage, which is recorded.
    pub(super) fn restored_after_outage(&mut self) -> Aaa {
        let aaa = Self::uncontested(self.recovery(0).finish(|_| self.now));
        self.journal.push(Record::Outages(self.now, aaa.outages().clone()));
        aaa
    }

    fn uncontested((aaa, recovered): (Aaa, Recovered)) -> Aaa {
        assert_eq!(recovered.contested, 0);
        aaa
    }

    fn recovery(&self, mut shuffle: u64) -> Recovery {
        let mut records = self.journal.clone();
        for at in 1..records.len() {
            shuffle = shuffle.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Only the records of endpoints' states race with each other.
            let early = at.saturating_sub((shuffle >> 62) as usize);
            if records[early..=at].iter().all(|record| matches!(record, Record::Endpoint(..))) {
                records[early..=at].rotate_right(1);
            }
        }
        let mut recovery =
            Aaa::new(AaaSettings { hold_time: Duration::from_secs(60), ..AaaSettings::default() })
                .recover();
        for record in records {
            match record {
                Record::Endpoint(iccid, state) => recovery.endpoint(iccid, state),
                Record::Provisioned(iccid, stamp, endpoint) => {
                    recovery.provisioned(iccid, stamp, endpoint);
                }
                Record::Object(object) => recovery.object(object),
                Record::Inventory(fingerprint) => recovery.inventory(fingerprint),
                Record::Restart(restart) => recovery.restart(restart),
                Record::Outages(start, outages) => {
                    recovery.time(start);
                    recovery.outages(outages);
                }
            }
        }
        recovery
    }

    /// One whole walk over all endpoints.
    pub(super) fn housekeep(&mut self) {
        self.run(|aaa, now, tape| {
            let mut walk = aaa.walk();
            while !aaa.housekeep(&mut walk, 100, now, tape) {}
        });
    }

    pub(super) fn access(&mut self, who: &str) -> Answer {
        let (proves, unusable_credentials) = (self.proves, self.unusable);
        let located = self.located;
        let (name, apn, attach_only) = (iccid(who).to_string(), self.apn, self.attach_only);
        let asked = self.asked;
        let verdict = self.run(|aaa, now, tape| {
            let request = AccessRequest {
                subject: Subject { iccid: Some(name.as_bytes()), ..Subject::default() },
                apn: apn.map(str::as_bytes),
                attach_only,
                located: &|| located,
                asked,
                proves: &|_| proves,
                unusable_credentials,
            };
            aaa.authorize(&request, now, tape)
        });
        match verdict {
            Verdict::Accept(accept) => Answer::Accept(Box::new(accept)),
            Verdict::Reject(reason) => Answer::Reject(reason),
        }
    }

    pub(super) fn start(&mut self, who: &str, session: &str) -> Accounted {
        self.account(AccountingKind::Start, who, session)
    }

    pub(super) fn interim(&mut self, who: &str, session: &str) -> Accounted {
        self.account(AccountingKind::Interim, who, session)
    }

    pub(super) fn stop(&mut self, who: &str, session: &str) -> Accounted {
        self.account(AccountingKind::Stop, who, session)
    }

    pub(super) fn account(&mut self, kind: AccountingKind, who: &str, session: &str) -> Accounted {
        // Each report comes a little after the one before.
        self.now = self.now + Duration::from_micros(100);
        let name = iccid(who).to_string();
        let (apn, nas, ip, octets) = (self.apn, self.nas, self.ip, self.octets);
        let located = self.located;
        let (prefixes, families) = (self.prefixes, self.families.unwrap_or_default());
        let absent_is_released = self.absent_is_released;
        self.run(|aaa, now, tape| {
            let report = Report {
                reporter: Reporter {
                    gateway: GatewayId::new(0),
                    range: "192.0.2.0/24".parse().unwrap(),
                    nas: Nas::new([192, 0, 2, 1].into(), Some(nas.into()), None, None),
                },
                iccid: None,
                acct_session_id: session.as_bytes(),
                acct_multi_session_id: None,
                apn: apn.map(str::as_bytes),
                event_time: EventTime::at(now),
                stamp: Stamp::Sane,
                families,
                ip,
                prefix: prefixes[0],
                delegated: prefixes[1],
                is_without_ip: false,
                absent_is_released,
                counters: Counters { input: octets, ..Counters::default() },
                location_info: located,
                session_time_s: None,
                terminate_cause: None,
                last_bearer: false,
                authorisation: None,
            };
            let subject = Subject { iccid: Some(name.as_bytes()), ..Subject::default() };
            aaa.account(
                &AccountingRequest { kind, subject, gateway: GatewayId::new(0), report },
                now,
                tape,
            )
        })
    }

    pub(super) fn network_state(&self, who: &str) -> NetworkState {
        self.aaa.look(iccid(who), self.now, |entry, _| entry.state.state).unwrap()
    }

    /// `ID open|CAUSE ADDRESS`, oldest first.
    pub(super) fn sessions(&self, who: &str) -> Vec<String> {
        let told = |entry: &EndpointEntry, _: &Catalog| {
            let tell = |session: &network::Session| {
                let live = if session.is_open() { "open" } else { "ending" };
                let standing = session.ended.as_ref().map_or(live, |ended| ended.cause.name());
                let ip = session.ip.map_or("-".to_owned(), |ip| ip.to_string());
                let ip = session.prefixes().link.map_or(ip.clone(), |link| format!("{ip} {link}"));
                let ip = session
                    .prefixes()
                    .delegated
                    .map_or(ip.clone(), |given| format!("{ip} {given}"));
                let conflict = if session.is_in_conflict() { " conflict" } else { "" };
                format!("{} {standing} {ip}{conflict}", session.key())
            };
            entry.state.sessions.iter().map(tell).collect()
        };
        self.aaa.look(iccid(who), self.now, told).unwrap()
    }

    /// How many addresses of the subnet with that allocation are leased in the first VSlice.
    pub(super) fn leased(&self, allocation: &str) -> u64 {
        let third_octet = u8::from(allocation == "pooled");
        let stats = self.aaa.stats();
        stats.vslices[0]
            .pools
            .iter()
            .filter(|pool| {
                let first = pool.block.address(0).ipv4();
                first.is_some_and(|ip| ip.octets()[2] == third_octet)
            })
            .map(|pool| pool.counts.leased)
            .sum()
    }

    pub(super) fn run<T>(
        &mut self,
        act: impl FnOnce(&Aaa, Timestamp, &mut RecordingRecorder<'_>) -> T,
    ) -> T {
        let mut tape = RecordingRecorder {
            journal: &mut self.journal,
            records: &mut self.records,
            notes: &mut self.notes,
            freed: &mut self.freed,
            events: &mut self.events,
        };
        act(&self.aaa, self.now, &mut tape)
    }
}

const PEOPLE: [&str; 11] = [
    "till",
    "till2",
    "till3",
    "sensor",
    "sensor2",
    "sensor3",
    "camera",
    "drone",
    "pending",
    "suspended",
    "terminated",
];

/// A stable ICCID for each name.
pub(super) fn iccid(who: &str) -> Iccid {
    let number = PEOPLE.iter().position(|name| *name == who).unwrap_or(999);
    Iccid::parse(format!("894450000000{number:07}").as_bytes()).unwrap()
}

/// VSlices `a` and `b` have the same addresses: a static /29 (5 to give) and a pooled /30 (1 to
/// give). Groups: 0 static in `a`, 1 pooled in `a`, 2 static in `b` with credentials, 3 disabled, 4
/// static in `a` too.
pub(super) fn inventory() -> (Catalog, Vec<(Iccid, Endpoint)>) {
    use ProvisioningState::{Active, Pending, Suspended, Terminated};

    let mut catalog = Catalog::default();
    let subnet = |cidr: &str, allocation| Subnet {
        block: cidr.parse().unwrap(),
        allocation,
        exclude: Vec::new(),
    };
    let [a, b] = ["a", "b"].map(|moniker| {
        catalog.put_vslice(Vslice {
            moniker: Moniker::parse(moniker).unwrap(),
            name: moniker.into(),
            enabled: true,
            dns: vec![Ipv4Addr::new(9, 9, 9, 9).into()],
            subnets: vec![
                subnet("100.64.0.0/29", Allocation::Static),
                subnet("100.64.1.0/30", Allocation::Pooled),
            ],
            event_map: None,
        })
    });
    let demanded = Credentials {
        method: CredentialMethod::Pap,
        username: "camera".into(),
        password: "see".into(),
    };
    for (moniker, vslice, enabled, allocation, credentials) in [
        ("tills", a, true, Allocation::Static, None),
        ("sensors", a, true, Allocation::Pooled, None),
        ("cameras", b, true, Allocation::Static, Some(demanded)),
        ("drones", a, false, Allocation::Static, None),
        ("kiosks", a, true, Allocation::Static, None),
    ] {
        catalog.put_group(Group {
            moniker: Moniker::parse(moniker).unwrap(),
            name: moniker.into(),
            vslice,
            enabled,
            allocation,
            apns: if moniker == "tills" {
                vec![Apn::parse("festival.iot").unwrap()]
            } else {
                Vec::new()
            },
            session_timeout_s: 86_400,
            idle_timeout_s: 0,
            interim_interval_s: 600,
            credentials,
            policy: None,
            event_map: None,
            families: AddressFamilies::Ipv4,
            partial_dual_stack: false,
            disconnect: true,
        });
    }
    let group_of = |who: &str| match who {
        "pending" => None,
        "camera" => Some(2),
        "drone" => Some(3),
        _ if who.starts_with("sensor") => Some(1),
        _ => Some(0),
    };
    let endpoint = |who: &&str| {
        let state = match *who {
            "pending" => Pending,
            "suspended" => Suspended,
            "terminated" => Terminated,
            _ => Active,
        };
        let mut endpoint = Endpoint::new(state);
        endpoint.group = group_of(who).map(GroupId::new);
        (iccid(who), endpoint)
    };
    (catalog.clone(), PEOPLE.iter().map(endpoint).collect())
}
