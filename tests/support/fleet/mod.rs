//! A fleet under way: gateways that send for many endpoints at once, and remember what was
//! acknowledged.

#![allow(clippy::disallowed_methods, reason = "gateways read the clock")]

mod device;
mod lane;
mod owners;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::server::{Folder, Server};
use device::Device;
use lane::Lane;
use owners::Owners;

/// How long a released address is nobody else's, in the configuration and in the ledger.
const HOLD: Duration = Duration::from_secs(1);

/// Ports that the kernel chooses, a short hold so that addresses go round, and one snapshot after
/// the other.
const SETTINGS: &str = "[radius]\nauth = [\"127.0.0.1:0\"]\nacct = [\"127.0.0.1:0\"]\nworkers = 2\n[http]\nlisten = \"127.0.0.1:0\"\n\
    [sessions]\nauthorization_hold_s = 3600\n[pools]\nhold_time_s = 1\n[journal]\nsnapshot_mib = 0\n";

/// Two networks with the same addresses; the pooled ones have few more than they need.
const INVENTORY: &str = r#"
[[vslice]]
moniker = "a"
name = "First network"
[[vslice.subnet]]
cidr = "100.64.0.0/24"
allocation = "static"
[[vslice.subnet]]
cidr = "100.65.0.0/25"
allocation = "pooled"

[[vslice]]
moniker = "b"
name = "Second network"
[[vslice.subnet]]
cidr = "100.64.0.0/24"
allocation = "static"
[[vslice.subnet]]
cidr = "100.65.0.0/26"
allocation = "pooled"

[[group]]
moniker = "tills"
name = "Tills"
vslice = "a"
allocation = "static"
interim_interval_s = 600

[[group]]
moniker = "sensors"
name = "Sensors"
vslice = "a"
allocation = "pooled"

[[group]]
moniker = "gates"
name = "Gates"
vslice = "b"
allocation = "static"

[[group]]
moniker = "meters"
name = "Meters"
vslice = "b"
allocation = "pooled"
"#;

/// Moniker, VSlice, and how many endpoints.
const GROUPS: [(&str, &str, usize); 4] =
    [("tills", "a", 90), ("sensors", "a", 90), ("gates", "b", 45), ("meters", "b", 45)];

/// Gateways, each with a thread and one request at a time.
const LANES: usize = 6;

pub struct Fleet {
    lanes: Vec<Lane>,
    owners: Owners,
}

impl Fleet {
    /// The fleet, and the folder of the server that knows it.
    pub fn new(seed: u64) -> (Self, Folder) {
        let folder = Folder::with(SETTINGS);
        let mut lanes: Vec<_> = (0..LANES)
            .map(|number| Lane::new(number, ChaCha8Rng::seed_from_u64(seed ^ number as u64)))
            .collect();
        let mut endpoints = "iccid,state,group\n".to_owned();
        let groups = GROUPS
            .iter()
            .flat_map(|(group, vslice, count)| (0..*count).map(move |_| (*group, *vslice)));
        for (number, (group, vslice)) in groups.enumerate() {
            let device = Device::new(number, vslice, matches!(group, "tills" | "gates"));
            writeln!(endpoints, "{},active,{group}", device.iccid).unwrap();
            lanes[number % LANES].devices.push(device);
        }
        folder.write("inventory/inventory.toml", INVENTORY);
        folder.write("inventory/endpoints.csv", &endpoints);
        (Self { lanes, owners: Owners::new(HOLD) }, folder)
    }

    /// Sends, until `act` returns.
    pub fn busy_while<T>(&mut self, server: &Server, act: impl FnOnce() -> T) -> T {
        let (stop, owners) = (AtomicBool::new(false), &self.owners);
        thread::scope(|scope| {
            for lane in &mut self.lanes {
                scope.spawn(|| lane.work(server, owners, &stop));
            }
            let done = act();
            stop.store(true, Ordering::Relaxed);
            done
        })
    }

    /// Holds what the server shows against what it has acknowledged.
    pub fn check(&self, server: &Server) {
        let mut owners = std::collections::HashMap::new();
        for lane in &self.lanes {
            for device in &lane.devices {
                let shown = server.endpoint(&device.iccid);
                device.check(&shown, lane.is_restarting());
                for address in shown["ipAddresses"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(|address| address["state"] != "held")
                {
                    let key = (address["vslice"].to_string(), address["ip"].to_string());
                    if let Some(other) = owners.insert(key, &device.iccid) {
                        panic!("{address} belongs to {} and {other}", device.iccid);
                    }
                }
            }
        }
    }

    /// Sends again what nobody has answered, as gateways do. Afterwards nothing is in doubt.
    /// Returns how many they were.
    pub fn repeat_unanswered(&mut self, server: &Server) -> usize {
        let owners = &self.owners;
        let deadline = Instant::now() + Duration::from_secs(30);
        self.lanes.iter_mut().map(|lane| lane.repeat_unanswered(server, owners, deadline)).sum()
    }

    /// So many requests are under way at most.
    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// Receipts so far.
    pub fn acknowledged(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.acknowledged).sum()
    }
}
