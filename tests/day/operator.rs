//! What the operator has in the inventory files, and what is edited in them in a day.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use attachd::provisioning::{Allocation, Inventory, Subnet};
use attachd::simulator::random::RandomStream;
use attachd::simulator::scenario::{Pattern, Scenario};
use attachd::time::Timestamp;
use tempfile::TempDir;

use super::machine::INTERIM_S;

/// The inventory files, and all edits of them so far.
pub struct Operator {
    folder: TempDir,
    /// As they were first.
    files: [String; 2],
    edits: u32,
    random: RandomStream,
    /// What was in force from when on, the newest last.
    pub(super) layouts: Vec<(Timestamp, Layout)>,
    suspensions: Vec<Suspension>,
    /// When each endpoint was moved to the other VSlice, and back, by turns.
    pub(super) moves: BTreeMap<String, Vec<Timestamp>>,
    /// The ICCIDs that took the place of each, with the times.
    pub(super) owners: BTreeMap<String, Vec<(Timestamp, String)>>,
    replaced_sims: u32,
}

/// Endpoints that the operator has suspended.
pub(super) struct Suspension {
    pub(super) iccids: BTreeSet<String>,
    since: Timestamp,
    until: Option<Timestamp>,
}

/// The subnets in force of each group in [`POOLED`].
pub(super) type Layout = [Vec<Subnet>; POOLED.len()];

/// A group whose subnets come and go: how its ICCIDs begin, what the scenario calls its network,
/// and the ways to lay subnets over it. In each there is room for all its endpoints.
pub(super) struct Pooled {
    pub(super) iccid: &'static str,
    network: &'static str,
    ways: &'static [&'static [&'static str]],
}

pub(super) const POOLED: &[Pooled] = &[
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

/// So long after a suspension, or the replacement of a SIM, the model is unclear about an endpoint:
/// the server hears of its session again with the next Interim-Update.
pub(super) const CHANGE_TELLS: Duration = Duration::from_secs(2 * INTERIM_S as u64);

/// The share of endpoints that is suspended together.
const SUSPENDED: f64 = 0.1;

/// The share of endpoints that is moved, or whose SIM is replaced, together.
const CHANGED: f64 = 0.04;

/// The group whose endpoints are moved, and the group in another VSlice that takes them.
const MOVED: &str = "meters";
const ANNEX: &str = "meters-annex";

/// Its addresses, which no group of the scenario has.
pub(super) const ANNEX_NETWORK: &str = "10.66.0.0/23";

/// How the ICCIDs begin that take the place of others.
pub const NEW_SIMS: &str = "8944598";

/// How the ICCIDs begin of those who are not known by it on the wire: a replaced SIM has the same
/// IMSI and MSISDN.
const REPLACED: [&str; 2] = ["89445020", "89445040"];

const FILES: [&str; 2] = ["inventory.toml", "endpoints.csv"];

impl Operator {
    /// Writes the inventory of `scenario`.
    pub fn new(scenario: &Scenario, random: RandomStream) -> Self {
        let folder = tempfile::tempdir().unwrap();
        scenario.write_inventory(folder.path()).unwrap();
        let [catalog, endpoints] =
            FILES.map(|name| fs::read_to_string(folder.path().join(name)).unwrap());
        let annex = format!(
            "\n[[vslice]]\nmoniker = \"annex\"\nname = \"annex\"\n[[vslice.subnet]]\ncidr = \"{ANNEX_NETWORK}\"\nallocation = \"pooled\"\n\
             [[group]]\nmoniker = \"{ANNEX}\"\nname = \"{ANNEX}\"\nvslice = \"annex\"\nallocation = \"pooled\"\napns = [\"meters.iot\"]\n"
        );
        let interim = format!("[[group]]\ninterim_interval_s = {INTERIM_S}");
        let catalog = (catalog + &annex).replace("[[group]]", &interim);
        let operator = Self {
            folder,
            files: [catalog, endpoints],
            edits: 0,
            random,
            layouts: vec![(Timestamp::EPOCH, layout(|_| 0))],
            suspensions: Vec::new(),
            moves: BTreeMap::new(),
            owners: BTreeMap::new(),
            replaced_sims: 0,
        };
        operator.write();
        operator
    }

    pub fn inventory(&self) -> Inventory {
        Inventory::load(self.folder.path()).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    /// The operator adds a group and an endpoint, or changes those of the last time; and lays other
    /// subnets over the pooled networks.
    pub fn relay_subnets(&mut self, now: Timestamp) {
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

    /// Some endpoints of one group move to one in another VSlice, and some are moved back.
    pub fn move_endpoints(&mut self, now: Timestamp) {
        for row in self.files[1].lines().filter(|row| row.contains(&format!(",{MOVED},"))) {
            let name = iccid_of(row);
            let share = if self.is_away(name) { 0.5 } else { CHANGED };
            if self.random.happens(share) {
                self.moves.entry(name.to_owned()).or_default().push(now);
            }
        }
        self.write();
    }

    /// Some SIMs are replaced: in their rows the ICCID becomes another one.
    pub fn replace_sims(&mut self, now: Timestamp) {
        let is_replaceable = |row: &&str| REPLACED.iter().any(|start| row.starts_with(start));
        for row in self.files[1].lines().filter(is_replaceable) {
            if self.random.happens(CHANGED) {
                self.replaced_sims += 1;
                let mut iccid = Vec::new();
                Pattern::parse(&format!("{NEW_SIMS}###########L"))
                    .unwrap()
                    .write(u64::from(self.replaced_sims), &mut iccid);
                let iccid = String::from_utf8(iccid).unwrap();
                self.owners.entry(iccid_of(row).to_owned()).or_default().push((now, iccid));
            }
        }
        self.write();
    }

    /// The ICCID under which the identity of this SIM is provisioned now.
    pub fn owner<'a>(&'a self, name: &'a str) -> &'a str {
        self.owners.get(name).and_then(|all| all.last()).map_or(name, |(_, iccid)| iccid)
    }

    /// Whether the SIM was replaced so lately that not every session of it was reported since.
    pub fn was_replaced(&self, name: &str, now: Timestamp) -> bool {
        let last = self.owners.get(name).and_then(|all| all.last());
        last.is_some_and(|(since, _)| *since + CHANGE_TELLS >= now)
    }

    /// The ICCIDs whose IMSI and MSISDN are another's now.
    pub fn replaced(&self) -> BTreeSet<&str> {
        let mut replaced = BTreeSet::new();
        for (first, later) in &self.owners {
            let all = std::iter::once(first).chain(later.iter().map(|(_, iccid)| iccid));
            replaced.extend(all.take(later.len()).map(String::as_str));
        }
        replaced
    }

    /// Whether the endpoint has ever been moved to the other VSlice.
    pub fn has_moved(&self, name: &str) -> bool {
        self.moves.contains_key(name)
    }

    /// Whether it is there now.
    fn is_away(&self, name: &str) -> bool {
        self.moves.get(name).is_some_and(|all| all.len() % 2 == 1)
    }

    /// The rows in force: whose IMSI and MSISDN each one claims.
    pub fn rows(&self) -> String {
        self.endpoints()
    }

    /// Whether the endpoint is suspended, or was lately.
    pub fn was_suspended(&self, iccid: &str, now: Timestamp) -> bool {
        self.suspended_within(iccid, now, CHANGE_TELLS)
    }

    pub(super) fn suspended_within(&self, iccid: &str, now: Timestamp, after: Duration) -> bool {
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
            let name = iccid_of(row);
            let state = if suspended.contains(name) { ",suspended," } else { ",active," };
            let mut text = row.replace(",active,", state);
            if self.is_away(name) {
                text = text.replace(&format!(",{MOVED},"), &format!(",{ANNEX},"));
            }
            text.replacen(name, self.owner(name), 1) + "\n"
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
                subnets.iter().map(|subnet| section(&subnet.block.to_string())).collect();
            assert!(
                text.contains(&section(pooled.network)),
                "{} is not in the scenario",
                pooled.network
            );
            text.replace(&section(pooled.network), &there)
        })
    }

    fn save(&self, catalog: &str, endpoints: &str) {
        for (name, text) in FILES.iter().zip([catalog, endpoints]) {
            fs::write(self.folder.path().join(name), text).unwrap();
        }
    }
}

/// For each group one of its ways, chosen by how many there are.
fn layout(mut choose: impl FnMut(usize) -> usize) -> Layout {
    std::array::from_fn(|group| {
        let ways = POOLED[group].ways;
        let subnet = |cidr: &&str| Subnet {
            block: cidr.parse().unwrap(),
            allocation: Allocation::Pooled,
            exclude: Vec::new(),
        };
        ways[choose(ways.len())].iter().map(subnet).collect()
    })
}

fn iccid_of(row: &str) -> &str {
    row.split(',').next().unwrap_or_default()
}
