//! The thread beside the workers: what time brings, reloads, the upkeep of the metrics.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tracing::{error, info, warn};

use super::errand::Errand;
use super::metrics::Metrics;
use super::settings::GatewaySettings;
use super::worker::Common;
use crate::aaa::Aaa;
use crate::provisioning::Inventory;

/// The least time between two looks.
const PACE: Duration = Duration::from_millis(20);

/// The time that each endpoint seen is worth: ten million are seen in three minutes.
const EACH: Duration = Duration::from_micros(20);

/// Endpoints per look, at least a piece of the map: so long the journal's thread may have to wait for the core.
const BUDGET: usize = 1_000;

/// Looks in which a small fleet is seen once: half a second, since an authorisation may be held for no longer than one.
const LOOKS: usize = 25;

/// How often the metrics are tidied.
const UPKEEP: Duration = Duration::from_secs(1);

/// How long the records of a reload, or the last ones, are waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was read anew.
#[derive(Debug)]
pub struct Reloaded {
    pub gateways: Vec<GatewaySettings>,
    pub inventory: Inventory,
    /// Whether endpoints that the files no longer name are removed.
    pub prune: bool,
}

/// Reads configuration and inventory anew; what is wrong with them is one text.
pub type Reload = Box<dyn FnMut() -> Result<Reloaded, String> + Send>;

/// What the housekeeper can be told. That the teller is gone tells it to end.
pub(super) enum Order {
    Reload,
}

pub(super) struct Housekeeper {
    pub(super) common: Arc<Common>,
    pub(super) aaa: Arc<Aaa>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) errand: Errand,
    pub(super) reload: Reload,
}

impl Housekeeper {
    pub(super) fn run(mut self, orders: &Receiver<Order>) {
        let mut walk = self.aaa.walk();
        let mut tidied = Duration::ZERO;
        let mut pause = PACE;
        loop {
            match orders.recv_timeout(pause) {
                Ok(Order::Reload) => self.reload(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = self.common.clock.now();
            let budget = (self.aaa.endpoints() / LOOKS).clamp(1, BUDGET);
            let before = walk.seen;
            self.errand.housekeep(&self.aaa, &mut walk, budget, now.wall);
            pause = PACE.max(EACH * u32::try_from(walk.seen - before).unwrap_or(u32::MAX));
            if now.running >= tidied + UPKEEP {
                tidied = now.running;
                self.metrics.upkeep();
            }
        }
        if !self.errand.finish(&self.aaa, PATIENCE) {
            warn!("the last changes are not durable yet");
        }
    }

    /// All of it or nothing.
    fn reload(&mut self) {
        let reloaded = match (self.reload)() {
            Ok(reloaded) => reloaded,
            Err(problems) => return error!("nothing was reloaded: {problems}"),
        };
        let adopting = self.common.adopting.lock();
        let now = self.common.clock.now().wall;
        self.errand.begin(now);
        let adopted = self.aaa.adopt(reloaded.inventory, reloaded.prune, now, &mut self.errand);
        drop(adopting);
        match adopted {
            Ok(adoption) => {
                let gateways = self.common.gateways.load().reloaded(&reloaded.gateways);
                gateways.record(&mut self.errand);
                // Before a session can name them.
                self.errand.submit();
                self.common.gateways.store(Arc::new(gateways));
                for kept in &adoption.kept {
                    warn!("{kept}");
                }
                let (added, changed, gone) = (adoption.added, adoption.changed, adoption.gone.len());
                info!(added, changed, gone, pruned = adoption.pruned, gateways = reloaded.gateways.len(), "reloaded");
            }
            Err(objections) => {
                for objection in objections {
                    error!("{objection}");
                }
                error!("nothing was reloaded: the inventory does not fit what is running");
            }
        }
        if !self.errand.finish(&self.aaa, PATIENCE) {
            warn!("the reload is in force, but not durable yet");
        }
    }
}
