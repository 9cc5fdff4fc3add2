//! The machine that the server runs on: its disk, its files, its settings. It outlives the server.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use attachd::aaa::{Aaa, Settings};
use attachd::provisioning::Inventory;
use attachd::server::gateways::Gateways;
use attachd::server::{GatewaySettings, Requirement};
use attachd::simulator::chance::Chance;
use attachd::simulator::moment::Moment;
use attachd::simulator::scenario::{Pattern, Scenario};
use attachd::time::Timestamp;
use tempfile::TempDir;

use super::disk::Disk;
use super::mistake::Mistake;

/// What the server asks gateways for. A session unheard for three times as long is given up; the fixture's `stale_s` is shorter by one
/// interval and the time that the end of an outage takes.
const INTERIM_S: u32 = 3600;

pub struct Machine {
    pub disk: Disk,
    pub mistake: Option<Mistake>,
    /// The time of day at the beginning.
    epoch: Timestamp,
    /// How far its clock is wrong, seconds; negative: behind.
    pub wrong_s: i64,
    settings: Settings,
    gateways: Vec<GatewaySettings>,
    folder: TempDir,
    files: [String; 2],
    edits: u32,
}

const FILES: [&str; 2] = ["inventory.toml", "endpoints.csv"];

impl Machine {
    /// A machine with the inventory of `scenario` and an empty disk.
    pub fn new(scenario: &Scenario, epoch: Timestamp, chance: Chance, mistake: Option<Mistake>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        scenario.write_inventory(folder.path()).unwrap();
        let mut settings = Settings::default();
        if let Some(mistake) = mistake {
            mistake.spoil(&mut settings);
        }
        let [catalog, endpoints] = FILES.map(|name| fs::read_to_string(folder.path().join(name)).unwrap());
        let files = [catalog.replace("[[group]]", &format!("[[group]]\ninterim_interval_s = {INTERIM_S}")), endpoints];
        let gateways = scenario.gateway_names().enumerate().map(|(number, name)| GatewaySettings {
            name,
            sources: vec![source(number as u16).into()],
            secrets: vec![scenario.target.secret.as_bytes().into()],
            require_message_authenticator: Requirement::Auto,
            limit_proxy_state: true,
            rate_limit: 0,
        });
        let disk = Disk::new(chance);
        let machine = Self { disk, mistake, epoch, wrong_s: 0, settings, gateways: gateways.collect(), folder, files, edits: 0 };
        machine.write(&machine.files[0], &machine.files[1]);
        machine
    }

    /// The operator adds a group and an endpoint, or changes those of the last time.
    pub fn edit_inventory(&mut self) {
        self.edits += 1;
        let [catalog, endpoints] = &self.files;
        let parity = self.edits % 2;
        let vslice =
            "[[vslice]]\nmoniker = \"spare\"\nname = \"spare\"\n[[vslice.subnet]]\ncidr = \"198.18.0.0/24\"\nallocation = \"pooled\"";
        let group = format!("[[group]]\nmoniker = \"spare-{parity}\"\nname = \"spare\"\nvslice = \"spare\"\nallocation = \"pooled\"");
        let mut iccid = Vec::new();
        Pattern::parse("8944599###########L").unwrap().write(u64::from(self.edits % 10), &mut iccid);
        let row = format!("{},,,active,spare-{parity},,,", String::from_utf8(iccid).unwrap());
        self.write(&format!("{catalog}\n{vslice}\n{group}\n"), &format!("{endpoints}{row}\n"));
    }

    fn write(&self, catalog: &str, endpoints: &str) {
        for (name, text) in FILES.iter().zip([catalog, endpoints]) {
            fs::write(self.folder.path().join(name), text).unwrap();
        }
    }

    /// What the machine's clock says.
    pub fn wall(&self, now: Moment) -> Timestamp {
        let right = self.epoch + now.since(Moment::EPOCH);
        let wrong = Duration::from_secs(self.wrong_s.unsigned_abs());
        if self.wrong_s < 0 { right - wrong } else { right + wrong }
    }

    pub fn inventory(&self) -> Inventory {
        Inventory::load(self.folder.path()).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    pub fn gateways(&self, names: Vec<String>) -> Gateways {
        Gateways::new(&self.gateways, names)
    }

    /// A decision maker without memory, set up as the operator wants it.
    pub fn aaa(&self) -> Aaa {
        Aaa::new(self.settings.clone())
    }
}

/// Where gateway `number` sends from.
pub fn source(number: u16) -> IpAddr {
    Ipv4Addr::new(203, 0, 113, number as u8 + 1).into()
}
