//! The server of a scenario: the real worker core, pipeline and decision maker, with a journal and
//! a clock that the scenario moves.

use std::collections::VecDeque;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use attachd::aaa::{Aaa, FreedAddress};
use attachd::config::Config;
use attachd::journal::JournalFigures;
use attachd::keeping::commit::Committer;
use attachd::metrics::counters::Dropped;
use attachd::metrics::{Meters, Metrics, Names};
use attachd::provisioning::Prune;
use attachd::radius::gateways::Gateways;
use attachd::radius::pending_batch::PendingBatch;
use attachd::radius::pipeline::{Arrival, Listener, PipelineConfig, Port};
use attachd::radius::worker_core::WorkerCore;
use attachd::runtime::clock::Now;
use attachd::time::Timestamp;

use super::disk::{Disk, Pages, Record};
use super::inventory::Files;

/// No two datagrams of a scenario arrive at the same time.
const BETWEEN: Duration = Duration::from_millis(1);

pub struct World {
    pub start: Timestamp,
    pub now: Timestamp,
    pub config: Config,
    pub disk: Disk,
    pub gateways: Arc<Gateways>,
    pub aaa: Arc<Aaa>,
    /// Replies that nobody has looked at yet.
    pub sent: VecDeque<Sent>,
    /// Drops that nobody has expected yet.
    pub drops: VecDeque<Dropped>,
    pub is_ready: bool,
    /// Every datagram, in order: for those who want to read along.
    pub traffic: Vec<Seen>,
    core: WorkerCore<Disk>,
    metrics: Arc<Metrics>,
    meters: Meters,
    /// Addresses freed in the background, and the batch that must be durable first.
    freed: Vec<(u64, Vec<FreedAddress>)>,
}

/// A reply that has left.
pub struct Sent {
    pub to: SocketAddr,
    pub port: Port,
    pub octets: Vec<u8>,
}

/// A datagram on the wire.
pub struct Seen {
    pub at: Timestamp,
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub octets: Vec<u8>,
}

impl World {
    /// When a scenario begins, unless it says otherwise: 2026-01-01T00:00:00Z.
    pub const START: Timestamp = Timestamp::from_secs(1_767_225_600);

    /// `settings` is the text of an attachd.toml.
    pub fn new(settings: &str, files: &Files, start: Timestamp) -> Result<Self, String> {
        let config = configuration(settings)?;
        let aaa = Arc::new(Aaa::new(config.aaa.clone()));
        let gateways = Arc::new(Gateways::new(&config.server.gateways, Vec::new()));
        let disk = Disk::new();
        let metrics = Metrics::new().map_err(|error| error.to_string())?;
        let mut world = Self {
            start,
            now: start,
            core: core(&config, &aaa, &gateways, &disk),
            meters: metrics.meters(),
            metrics,
            config,
            disk,
            gateways,
            aaa,
            sent: VecDeque::new(),
            drops: VecDeque::new(),
            is_ready: true,
            traffic: Vec::new(),
            freed: Vec::new(),
        };
        world.adopt(files, Prune::No)?;
        Ok(world)
    }

    /// One datagram arrives, alone in its batch.
    pub fn receive(&mut self, from: SocketAddr, port: Port, octets: &[u8]) {
        self.now = self.now + BETWEEN;
        self.traffic.push(Seen {
            at: self.now,
            from,
            to: server(from, port),
            octets: octets.to_vec(),
        });
        let now = self.time();
        let index = u8::from(port == Port::Acct);
        self.core.begin(&self.gateways, now, self.is_ready);
        self.core.handle(
            [Arrival { listener: Listener { index, port }, from, to: None, octets, stream: None }],
            self.now,
        );
        let mut left = Vec::new();
        self.core.end(now, |route, octets| left.push((*route, octets.to_vec())));
        self.take(left);
        self.settle();
    }

    pub fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.settle();
    }

    /// Lets go what no longer has to wait.
    pub fn settle(&mut self) {
        let now = self.time();
        let mut left = Vec::new();
        self.core.settle(now, |route, octets| left.push((*route, octets.to_vec())));
        self.take(left);
        let durable = self.disk.durable();
        for (_, freed) in self.freed.extract_if(.., |(ticket, _)| Some(*ticket) <= durable) {
            self.aaa.free(&freed);
        }
        let counters = &mut self.core.pipeline.counters;
        for (reason, count) in Dropped::ALL.into_iter().zip(counters.drops()) {
            self.drops.extend((0..count).map(|_| reason));
        }
        self.meters.report(counters, |id| self.gateways.name(id));
    }

    /// One whole walk over all endpoints.
    pub fn housekeep(&mut self) {
        let aaa = Arc::clone(&self.aaa);
        let mut walk = aaa.walk();
        let now = self.now;
        self.background(|records| while !aaa.housekeep(&mut walk, 1000, now, records) {});
    }

    /// The inventory comes into force, or nothing changes.
    pub fn adopt(&mut self, files: &Files, prune: Prune) -> Result<(), String> {
        let inventory = files.load()?;
        let (aaa, now) = (Arc::clone(&self.aaa), self.now);
        let adopted = self.background(|records| aaa.adopt(inventory, prune, now, records));
        adopted.map(|_| ()).map_err(|objections| {
            objections.iter().map(|one| one.what.clone()).collect::<Vec<_>>().join("; ")
        })
    }

    /// The gateways of another configuration come into force.
    pub fn reconfigure(&mut self, settings: &str) -> Result<(), String> {
        self.config = configuration(settings)?;
        self.gateways = Arc::new(self.gateways.reloaded(&self.config.server.gateways));
        Ok(())
    }

    /// The process dies and begins again with what was durable.
    pub fn restart(&mut self, files: &Files) -> Result<(), String> {
        let mut recovery = Aaa::new(self.config.aaa.clone()).recover();
        for record in self.disk.crash() {
            match record {
                Record::Endpoint(iccid, state) => recovery.endpoint(iccid, state),
                Record::Provisioned(iccid, stamp, endpoint) => {
                    recovery.provisioned(iccid, stamp, endpoint);
                }
                Record::Object(object) => recovery.object(object),
                Record::Inventory(fingerprint) => recovery.inventory(fingerprint),
                Record::Restart(restart) => recovery.restart(restart),
                Record::Note(_) => {}
            }
        }
        let (aaa, recovered) = recovery.finish(|_| self.now);
        if recovered.contested > 0 {
            return Err(format!(
                "{} addresses have two owners after recovery",
                recovered.contested
            ));
        }
        self.aaa = Arc::new(aaa);
        self.freed.clear();
        let names = self.gateways.handles().map(|(_, name)| name.to_owned()).collect();
        self.gateways = Arc::new(Gateways::new(&self.config.server.gateways, names));
        self.core = core(&self.config, &self.aaa, &self.gateways, &self.disk);
        self.adopt(files, Prune::No)
    }

    /// The exposition text.
    pub fn metrics(&self) -> String {
        self.metrics.observe(&self.aaa.stats(), JournalFigures::default());
        self.metrics.render(Names::Own)
    }

    fn background<T>(&mut self, act: impl FnOnce(&mut PendingBatch<Pages>) -> T) -> T {
        let mut pending = PendingBatch::new(Pages::default());
        let result = act(&mut pending);
        let freed = std::mem::take(&mut pending.freed);
        let ticket = self.disk.submit(pending.take(Pages::default()));
        self.freed.push((ticket, freed));
        self.settle();
        result
    }

    fn take(&mut self, left: Vec<(attachd::radius::replies::Route, Vec<u8>)>) {
        for (route, octets) in left {
            let port = if route.listener == 1 { Port::Acct } else { Port::Auth };
            self.traffic.push(Seen {
                at: self.now,
                from: server(route.to, port),
                to: route.to,
                octets: octets.clone(),
            });
            self.sent.push_back(Sent { to: route.to, port, octets });
        }
    }

    fn time(&self) -> Now {
        Now { wall: self.now, running: self.now.since(self.start) }
    }
}

fn core(
    config: &Config,
    aaa: &Arc<Aaa>,
    gateways: &Arc<Gateways>,
    disk: &Disk,
) -> WorkerCore<Disk> {
    let config = PipelineConfig {
        vendor: config.server.vendor,
        vendor_attributes: config.server.vendor_attributes,
        reject_delay: config.server.reject_delay,
        masks_identities: config.server.mask_identities,
        duplicate_lifetime: config.server.duplicate_lifetime,
        remembered: (4096, 1 << 20),
    };
    WorkerCore::new(Arc::clone(aaa), Arc::clone(gateways), config, disk.clone())
}

fn configuration(text: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("attachd.toml");
    fs::write(&file, text).unwrap();
    Config::load(Some(&file)).map_err(|problems| problems.to_string())
}

/// The server's own end of a conversation.
fn server(peer: SocketAddr, port: Port) -> SocketAddr {
    let number = if port == Port::Acct { 1813 } else { 1812 };
    let address = if peer.is_ipv6() { "2001:db8:53::1" } else { "192.0.2.1" };
    SocketAddr::new(address.parse().unwrap(), number)
}
