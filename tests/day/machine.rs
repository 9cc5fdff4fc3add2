//! The machine that the server runs on: its disk, its files, its settings. It outlives the server.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use attachd::aaa::{Aaa, AaaSettings};
use attachd::provisioning::{Allocation, Inventory, Subnet};
use attachd::radius::gateways::Gateways;
use attachd::radius::{GatewaySettings, Requirement};
use attachd::simulator::random::RandomStream;
use attachd::simulator::referee::{Rule, Violation};
use attachd::simulator::scenario::{Pattern, Scenario};
use attachd::time::Timestamp;
use tempfile::TempDir;

use super::disk::Disk;
use super::mistake::Mistake;

/// What the server asks gateways for. A session unheard for three times as long is given up; the
/// fixture's `stale_s` is shorter by one interval and the time that the end of an outage takes.
const INTERIM_S: u32 = 3600;

pub struct Machine {
    pub disk: Disk,
    pub mistake: Option<Mistake>,
    /// The time of day at the beginning.
    epoch: Timestamp,
    /// How far its clock is wrong, seconds; negative: behind.
    pub wrong_s: i64,
    settings: AaaSettings,
    gateways: Vec<GatewaySettings>,
    folder: TempDir,
    files: [String; 2],
    edits: u32,
    random: RandomStream,
    /// What was in force from when on, the newest last.
    layouts: Vec<(Timestamp, Layout)>,
    suspensions: Vec<Suspension>,
}

/// Endpoints that the operator has suspended.
struct Suspension {
    iccids: BTreeSet<String>,
    since: Timestamp,
    until: Option<Timestamp>,
}

/// The subnets in force of each group in [`POOLED`].
type Layout = [Vec<Subnet>; POOLED.len()];

/// A group whose subnets come and go: how its ICCIDs begin, what the scenario calls its network,
/// and the ways to lay subnets over it. In each there is room for all its endpoints.
struct Pooled {
    iccid: &'static str,
    network: &'static str,
    ways: &'static [&'static [&'static str]],
}

const POOLED: &[Pooled] = &[
    Pooled {
        iccid: "89445030",
        network: "10.64.0.0/24",
        ways: &[
            &["10.64.0.0/25"],
            &["10.64.0.128/25"],
            &["10.64.0.0/24"],
            &["10.64.0.64/26", "10.64.0.0/26", "10.64.0.128/27"],
        ],
    },
    Pooled {
        iccid: "89445020",
        network: "10.64.0.0/23",
        ways: &[
            &["10.64.0.0/23"],
            &["10.64.0.0/24", "10.64.1.0/24"],
            &["10.64.1.0/24", "10.64.0.128/25", "10.64.0.0/25"],
        ],
    },
];

/// So long after a change of subnets, who asks again may get another address than the one it was
/// promised, or none: what is in its hold counts.
const UNSETTLED: Duration = Duration::from_secs(180);

/// So long after a suspension the model is unclear about an endpoint: what it opened meanwhile was
/// refused, and the server hears of it again with the next Interim-Update.
const SUSPENSION_TELLS: Duration = Duration::from_secs(2 * INTERIM_S as u64);

/// The share of endpoints that is suspended together.
const SUSPENDED: f64 = 0.1;

const FILES: [&str; 2] = ["inventory.toml", "endpoints.csv"];

impl Machine {
    /// A machine with the inventory of `scenario` and an empty disk.
    pub fn new(
        scenario: &Scenario,
        epoch: Timestamp,
        disk: RandomStream,
        random: RandomStream,
        mistake: Option<Mistake>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        scenario.write_inventory(folder.path()).unwrap();
        // A session that is ending is waited for until its gateway has reported it.
        let mut settings = AaaSettings {
            ending: Duration::from_secs(3 * u64::from(INTERIM_S)),
            ..AaaSettings::default()
        };
        if let Some(mistake) = mistake {
            mistake.spoil(&mut settings);
        }
        let [catalog, endpoints] =
            FILES.map(|name| fs::read_to_string(folder.path().join(name)).unwrap());
        let files = [
            catalog.replace("[[group]]", &format!("[[group]]\ninterim_interval_s = {INTERIM_S}")),
            endpoints,
        ];
        let gateways = scenario.gateway_names().enumerate().map(|(number, name)| GatewaySettings {
            name,
            sources: vec![source(number as u16).into()],
            secrets: vec![scenario.target.secret.as_bytes().into()],
            require_message_authenticator: Requirement::Auto,
            limit_proxy_state: true,
            rate_limit: 0,
        });
        let (gateways, layouts) = (gateways.collect(), vec![(Timestamp::EPOCH, layout(|_| 0))]);
        let disk = Disk::new(disk);
        let machine = Self {
            disk,
            mistake,
            epoch,
            wrong_s: 0,
            settings,
            gateways,
            folder,
            files,
            edits: 0,
            random,
            layouts,
            suspensions: Vec::new(),
        };
        machine.write();
        machine
    }

    /// The operator adds a group and an endpoint, or changes those of the last time; and lays other
    /// subnets over the pooled networks.
    pub fn edit_inventory(&mut self, now: Timestamp) {
        self.edits += 1;
        let random = &mut self.random;
        self.layouts.push((now, layout(|ways| random.below(ways))));
        self.write();
    }

    /// The operator suspends some of the endpoints.
    pub fn suspend(&mut self, now: Timestamp) {
        let random = &mut self.random;
        let rows = self.files[1].lines().filter(|row| row.contains(",active,"));
        let iccids = rows
            .filter(|_| random.happens(SUSPENDED))
            .map(|row| iccid_of(row).to_owned())
            .collect();
        self.suspensions.push(Suspension { iccids, since: now, until: None });
        self.write();
    }

    /// The endpoints that have been suspended for longest are active again.
    pub fn resume(&mut self, now: Timestamp) {
        if let Some(suspension) =
            self.suspensions.iter_mut().find(|suspension| suspension.until.is_none())
        {
            suspension.until = Some(now);
        }
        self.write();
    }

    /// Whether the endpoint is suspended, or was lately.
    pub fn was_suspended(&self, iccid: &str, now: Timestamp) -> bool {
        self.suspended_within(iccid, now, SUSPENSION_TELLS)
    }

    fn suspended_within(&self, iccid: &str, now: Timestamp, after: Duration) -> bool {
        let concerns = |one: &&Suspension| {
            one.since <= now && one.until.is_none_or(|until| until + after >= now)
        };
        self.suspensions.iter().filter(concerns).any(|one| one.iccids.contains(iccid))
    }

    /// The rows of the endpoints as they are now.
    fn endpoints(&self) -> String {
        let suspended: BTreeSet<&str> = self
            .suspensions
            .iter()
            .filter(|one| one.until.is_none())
            .flat_map(|one| one.iccids.iter().map(String::as_str))
            .collect();
        let row = |row: &str| {
            let state = if suspended.contains(iccid_of(row)) { ",suspended," } else { ",active," };
            row.replace(",active,", state) + "\n"
        };
        self.files[1].lines().map(row).collect()
    }

    /// The files as the operator wants them now.
    fn write(&self) {
        let (catalog, endpoints) = (self.catalog(), self.endpoints());
        if self.edits == 0 {
            return self.save(&catalog, &endpoints);
        }
        let parity = self.edits % 2;
        let vslice = "[[vslice]]\nmoniker = \"spare\"\nname = \"spare\"\n[[vslice.subnet]]\ncidr = \"198.18.0.0/24\"\nallocation = \"pooled\"";
        let group = format!(
            "[[group]]\nmoniker = \"spare-{parity}\"\nname = \"spare\"\nvslice = \"spare\"\nallocation = \"pooled\""
        );
        let mut iccid = Vec::new();
        Pattern::parse("8944599###########L")
            .unwrap()
            .write(u64::from(self.edits % 10), &mut iccid);
        let row = format!("{},,,active,spare-{parity},,,", String::from_utf8(iccid).unwrap());
        self.save(&format!("{catalog}\n{vslice}\n{group}\n"), &format!("{endpoints}{row}\n"));
    }

    /// The catalog with the subnets that are in force.
    fn catalog(&self) -> String {
        let Some((_, layout)) = self.layouts.last() else { return self.files[0].clone() };
        POOLED.iter().zip(layout).fold(self.files[0].clone(), |text, (pooled, subnets)| {
            let section = |cidr: &str| {
                format!("[[vslice.subnet]]\ncidr = \"{cidr}\"\nallocation = \"pooled\"\n")
            };
            let there: String =
                subnets.iter().map(|subnet| section(&subnet.cidr.to_string())).collect();
            assert!(
                text.contains(&section(pooled.network)),
                "{} is not in the scenario",
                pooled.network
            );
            text.replace(&section(pooled.network), &there)
        })
    }

    /// Whether something that the referee reports is due to the operator: the subnets were
    /// changed shortly before.
    pub fn excuses(&self, violation: &Violation) -> bool {
        self.excuses_suspended(violation) || self.excuses_moved(violation)
    }

    /// The suspended are refused. What they open all the same, their gateways tell again only when
    /// they may.
    fn excuses_suspended(&self, violation: &Violation) -> bool {
        let is_refused =
            violation.rule == Rule::Refused && violation.detail == "said: endpoint-suspended";
        let is_address = matches!(
            violation.rule,
            Rule::AddressDuplicate | Rule::AddressEarly | Rule::AddressChanged
        );
        let others = violation.detail.split(' ').chain(violation.endpoint.as_deref());
        let was_suspended =
            |after| others.clone().any(|iccid| self.suspended_within(iccid, violation.at, after));
        is_refused && was_suspended(Duration::from_secs(10))
            || is_address && was_suspended(SUSPENSION_TELLS)
    }

    fn excuses_moved(&self, violation: &Violation) -> bool {
        let Some(group) = POOLED.iter().position(|pooled| {
            violation.endpoint.as_ref().is_some_and(|iccid| iccid.starts_with(pooled.iccid))
        }) else {
            return false;
        };
        let end_of = |place: usize| self.layouts.get(place + 1).map(|(since, _)| *since);
        let recent = self.layouts.iter().enumerate().filter(|(place, (since, _))| {
            *since <= violation.at
                && end_of(*place).is_none_or(|end| end + UNSETTLED >= violation.at)
        });
        let recent: Vec<&Vec<Subnet>> = recent.map(|(_, (_, layout))| &layout[group]).collect();
        match violation.rule {
            Rule::AddressChanged => {
                let kept = violation.detail.rsplit(' ').next().and_then(|kept| kept.parse().ok());
                kept.is_some_and(|kept| {
                    !recent.iter().all(|subnets| subnets.iter().any(|subnet| subnet.offers(kept)))
                })
            }
            Rule::Refused => violation.detail == "said: pool-exhausted" && recent.len() > 1,
            _ => false,
        }
    }

    fn save(&self, catalog: &str, endpoints: &str) {
        for (name, text) in FILES.iter().zip([catalog, endpoints]) {
            fs::write(self.folder.path().join(name), text).unwrap();
        }
    }

    /// What the machine's clock says.
    pub fn wall(&self, now: Timestamp) -> Timestamp {
        let right = self.epoch + now.since(Timestamp::EPOCH);
        let wrong = Duration::from_secs(self.wrong_s.unsigned_abs());
        if self.wrong_s < 0 { right - wrong } else { right + wrong }
    }

    pub fn inventory(&self) -> Inventory {
        Inventory::load(self.folder.path()).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    pub fn gateways(&self, names: Vec<String>) -> Gateways {
        Gateways::new(&self.gateways, names)
    }

    pub fn hold_time(&self) -> Duration {
        self.settings.hold_time
    }

    /// A decision maker without memory, set up as the operator wants it.
    pub fn aaa(&self) -> Aaa {
        Aaa::new(self.settings.clone())
    }
}

/// For each group one of its ways, chosen by how many there are.
fn layout(mut choose: impl FnMut(usize) -> usize) -> Layout {
    std::array::from_fn(|group| {
        let ways = POOLED[group].ways;
        let subnet = |cidr: &&str| Subnet {
            cidr: cidr.parse().unwrap(),
            allocation: Allocation::Pooled,
            exclude: Vec::new(),
        };
        ways[choose(ways.len())].iter().map(subnet).collect()
    })
}

fn iccid_of(row: &str) -> &str {
    row.split(',').next().unwrap_or_default()
}

/// Where gateway `number` sends from.
pub fn source(number: u16) -> IpAddr {
    Ipv4Addr::new(203, 0, 113, number as u8 + 1).into()
}
