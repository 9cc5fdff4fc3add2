//! The machine that the server runs on: its disk, its files, its settings. It outlives the server.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use attachd::aaa::{Aaa, AaaSettings};
use attachd::radius::gateways::Gateways;
use attachd::radius::{DynamicAuthorization, GatewaySettings, Requirement};
use attachd::simulator::random::RandomStream;
use attachd::simulator::scenario::Scenario;
use attachd::time::Timestamp;
use ipnet::IpNet;

use super::disk::Disk;
use super::mistake::Mistake;
use super::operator::Operator;

/// What the server asks gateways for. A session unheard for three times as long is given up; the
/// fixture's `stale_s` is shorter by one interval and the time that the end of an outage takes.
pub(super) const INTERIM_S: u32 = 3600;

pub struct Machine {
    pub disk: Disk,
    pub mistake: Option<Mistake>,
    /// The time of day at the beginning.
    epoch: Timestamp,
    /// How far its clock is wrong, seconds; negative: behind.
    pub wrong_s: i64,
    settings: AaaSettings,
    pub operator: Operator,
    secret: Box<[u8]>,
    /// Gateways that stand alone in the configuration, by number; a prefix covers the others.
    split: Vec<bool>,
    /// How often they were renamed.
    renamed: u32,
    random: RandomStream,
}

impl Machine {
    /// A machine with the inventory of `scenario` and an empty disk.
    pub fn new(
        scenario: &Scenario,
        epoch: Timestamp,
        [disk, files, random]: [RandomStream; 3],
        mistake: Option<Mistake>,
    ) -> Self {
        // A session that is ending is waited for as long as its gateway reports it.
        let mut settings =
            AaaSettings { ending: Duration::from_secs(86_400), ..AaaSettings::default() };
        if let Some(mistake) = mistake {
            mistake.spoil(&mut settings);
        }
        let secret = scenario.target.secret.as_bytes().into();
        Self {
            disk: Disk::new(disk),
            mistake,
            epoch,
            wrong_s: 0,
            settings,
            operator: Operator::new(scenario, files),
            secret,
            split: scenario.gateway_names().map(|_| false).collect(),
            renamed: 0,
            random,
        }
    }

    /// Gateways are renamed in the configuration, split off from the prefix that covers them, and
    /// joined to it again.
    pub fn edit_gateways(&mut self) {
        self.renamed += 1;
        let random = &mut self.random;
        self.split.iter_mut().for_each(|is_split| *is_split = random.happens(0.5));
    }

    /// The gateways as they are configured now.
    pub fn gateway_settings(&self) -> Vec<GatewaySettings> {
        let gateway = |name: String, from: IpNet| GatewaySettings {
            name,
            sources: vec![from],
            secrets: vec![self.secret.clone()],
            tls_names: Vec::new(),
            require_message_authenticator: Requirement::Auto,
            limit_proxy_state: true,
            absent_is_released: false,
            rate_limit: 0,
            dynamic_authorization: DynamicAuthorization::default(),
        };
        let split = (0..).zip(&self.split).filter(|(_, is_split)| **is_split);
        let alone = split.map(|(number, _)| {
            let name = format!("gateway-{number}-{}", self.renamed);
            gateway(name, source(number).into())
        });
        let all = gateway(format!("all-{}", self.renamed), SOURCES.parse().unwrap());
        std::iter::once(all).chain(alone).collect()
    }

    /// What the machine's clock says.
    pub fn wall(&self, now: Timestamp) -> Timestamp {
        let right = self.epoch + now.since(Timestamp::EPOCH);
        let wrong = Duration::from_secs(self.wrong_s.unsigned_abs());
        if self.wrong_s < 0 { right - wrong } else { right + wrong }
    }

    pub fn gateways(&self, names: Vec<String>) -> Gateways {
        Gateways::new(&self.gateway_settings(), names)
    }

    pub fn hold_time(&self) -> Duration {
        self.settings.hold_time
    }

    /// A decision maker without memory, set up as the operator wants it.
    pub fn aaa(&self) -> Aaa {
        Aaa::new(self.settings.clone())
    }
}

/// Where all gateways send from.
const SOURCES: &str = "203.0.113.0/28";

/// Where gateway `number` sends from.
pub fn source(number: u16) -> IpAddr {
    Ipv4Addr::new(203, 0, 113, number as u8 + 1).into()
}
