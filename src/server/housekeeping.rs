//! The thread beside the workers: what time brings, reloads, the upkeep of the metrics.

use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};

use super::http_tls::HttpTlsFiles;
use super::notify;
use crate::aaa::{Aaa, PoolWatch};
use crate::api::audit::AuditEntry;
use crate::api::http::HttpState;
use crate::keeping::BackgroundWriter;
use crate::metrics::Metrics;
use crate::provisioning::{Inventory, Prune};
use crate::radius::context::ServerContext;
use crate::radius::{GatewaySettings, TlsSettings};
use crate::record::Topic;
use crate::runtime::HealthSeverity;
use crate::runtime::reloads::{Next, publish};
use crate::runtime::watch::Pulse;
use crate::runtime::{Applied, ReloadOutcome};
use crate::time::ClockStep;
use crate::tls::ServerTrust;

/// The least time between two looks.
const PACE: Duration = Duration::from_millis(20);

/// The time that each endpoint seen is worth: ten million are seen in three minutes.
const EACH: Duration = Duration::from_micros(20);

/// Endpoints per look, at least a piece of the map: so long the journal's thread may have to wait
/// for the core.
const BUDGET: usize = 1_000;

/// Looks in which a small fleet is seen once: half a second, since an authorisation may be held for
/// no longer than one.
const LOOKS: usize = 25;

/// From one reload to the next, so that a burst of signals is two of them however quick one is.
const RELOAD_PAUSE: Duration = Duration::from_millis(500);

/// How often the metrics are tidied.
const UPKEEP: Duration = Duration::from_secs(1);

/// How long a step of the wall clock is told (PROTOCOL 20).
const STEP_IS_NEWS: Duration = Duration::from_secs(600);

/// The reason in `/readyz`.
const STEPPED: &str = "clock";

/// How long the records of a reload, or the last ones, are waited for.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What was read anew.
#[derive(Debug)]
pub struct Reloaded {
    pub gateways: Vec<GatewaySettings>,
    pub inventory: Inventory,
    /// Certificates and revocation lists, if the server speaks TLS.
    pub tls: Option<TlsSettings>,
    /// Whether endpoints that the files no longer name are removed.
    pub prune: Prune,
}

/// Reads configuration and inventory anew; or says all that is wrong with them, one line each.
pub type Reload = Box<dyn FnMut() -> Result<Reloaded, Vec<String>> + Send>;

pub(super) struct Housekeeper {
    pub(super) common: Arc<ServerContext>,
    pub(super) aaa: Arc<Aaa>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) pulse: Pulse,
    pub(super) writer: BackgroundWriter,
    pub(super) reload: Reload,
    /// Where the certificate of HTTP is read anew, and where it is put.
    pub(super) http_tls: Option<HttpTlsFiles>,
    pub(super) state: Arc<HttpState>,
    /// When the last step of the wall clock is old news.
    pub(super) step_told_until: Option<Duration>,
    /// A step that was found at the start.
    pub(super) stepped: Option<ClockStep>,
    pub(super) pools: PoolWatch,
}

impl Housekeeper {
    pub(super) fn run(mut self) {
        let mut walk = self.aaa.walk();
        let mut tidied = Duration::ZERO;
        let mut pause = PACE;
        let mut rests_until = Duration::ZERO;
        loop {
            match self.common.reloads.next(pause, self.common.clock.now().running < rests_until) {
                Next::Reload(waiting) => {
                    notify::reloading();
                    let outcome = self.reload();
                    self.record_reload(&outcome);
                    notify::reloaded(outcome.is_ok());
                    self.metrics.reload(&outcome, self.common.clock.now().wall);
                    tell(&outcome);
                    publish(&self.common.health, outcome.is_ok());
                    rests_until = self.common.clock.now().running + RELOAD_PAUSE;
                    for waiting in waiting {
                        // Who has gone meanwhile does not want to know.
                        let _ = waiting.send(outcome.clone());
                    }
                }
                Next::Nothing => {}
                Next::End => break,
            }
            self.follow_wall_clock();
            let now = self.common.clock.now();
            self.pulse.beat(now.running);
            self.common.gateways.load().record_signed(&mut self.writer);
            let budget = (self.aaa.endpoints() / LOOKS).clamp(1, BUDGET);
            let before = walk.seen;
            self.writer.housekeep(&self.aaa, &mut walk, budget, now.wall);
            pause = PACE.max(EACH * u32::try_from(walk.seen - before).unwrap_or(u32::MAX));
            if now.running >= tidied + UPKEEP {
                tidied = now.running;
                self.metrics.upkeep();
                self.aaa.watch_pools(&mut self.pools, now.wall, &mut self.writer);
            }
        }
        // What was learned since the last round.
        self.common.gateways.load().record_signed(&mut self.writer);
        if !self.writer.finish(&self.aaa, TIMEOUT) {
            warn!("the last changes are not durable yet");
        }
    }

    /// Sees whether the wall clock has stepped, and tells it.
    fn follow_wall_clock(&mut self) {
        let step = self.stepped.take().or_else(|| self.common.clock.observe());
        let running = self.common.clock.now().running;
        if let Some(step) = step {
            self.tell_step(step, running);
        } else if self.step_told_until.take_if(|until| *until <= running).is_some() {
            self.common.health.clear(STEPPED);
        }
    }

    fn tell_step(&mut self, step: ClockStep, running: Duration) {
        warn!("{step}");
        self.metrics.clock_stepped();
        self.common.health.add(HealthSeverity::Degraded, STEPPED, step.to_string());
        self.step_told_until = Some(running + STEP_IS_NEWS);
    }

    /// What a reload came to, for the audit log.
    fn record_reload(&mut self, outcome: &ReloadOutcome) {
        let now = self.common.clock.now().wall;
        for octets in AuditEntry::of_reload(outcome, now).octets() {
            self.writer.message(Topic::Audit, 0, now, &octets);
        }
        self.writer.submit();
    }

    /// All of it or nothing.
    fn reload(&mut self) -> ReloadOutcome {
        let reloaded = (self.reload)()?;
        let trust = reloaded
            .tls
            .as_ref()
            .filter(|_| self.common.tls.load().is_some())
            .map(|tls| ServerTrust::new(&tls.material, &tls.versions))
            .transpose()
            .map_err(|fault| vec![fault.to_string()])?;
        // Before anything changes: all of it or nothing.
        let certificate = self.http_tls.as_ref().map(HttpTlsFiles::load);
        let certificate = certificate.transpose().map_err(|problem| vec![problem])?;
        let now = self.common.clock.now().wall;
        self.writer.begin(now);
        let adopted = self.aaa.adopt(reloaded.inventory, reloaded.prune, now, &mut self.writer);
        let adoption = adopted
            .map_err(|objections| objections.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        let gateways = self.common.gateways.load().reloaded(&reloaded.gateways);
        gateways.record(&mut self.writer);
        // Before a session can name them.
        self.writer.submit();
        self.aaa.events().name_gateways(gateways.names());
        self.common.gateways.store(Arc::new(gateways));
        if let Some(trust) = trust {
            // The open connections are judged again by it.
            self.common.tls.store(Some(Arc::new(trust)));
        }
        if let Some((tls, certificate)) = self.state.tls.as_ref().zip(certificate) {
            tls.store(certificate);
        }
        Ok(Applied {
            added: adoption.added,
            changed: adoption.changed,
            gone: adoption.gone.len(),
            pruned: adoption.pruned,
            applied: adoption.applied,
            differing: adoption.differing,
            gateways: reloaded.gateways.len(),
            kept: adoption.kept.iter().map(ToString::to_string).collect(),
            durable: self.writer.finish(&self.aaa, TIMEOUT),
        })
    }
}

/// The outcome, for the operator.
fn tell(outcome: &ReloadOutcome) {
    match outcome {
        Ok(applied) => {
            for kept in &applied.kept {
                warn!("{kept}");
            }
            let Applied {
                added,
                changed,
                gone,
                pruned,
                applied: lines,
                differing: differs,
                gateways,
                ..
            } = applied;
            info!(lines, added, changed, gone, pruned, differs, gateways, "reloaded");
            if !applied.durable {
                warn!("the reload is in force, but not durable yet");
            }
        }
        Err(problems) => {
            for problem in problems {
                error!("{problem}");
            }
            error!("nothing was reloaded, for the reasons above");
        }
    }
}
