//! `attachd serve`: the server, until it is told to stop.

mod logging;
mod panic;

use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use clap::Args;
use tracing::{error, info, warn};

use self::logging::Log;
use super::outcome::{CommandError, Exit};
use super::setup::{InventoryChange, Setup, Sources};
use crate::aaa::{Aaa, Adoption, Objection, Reachable};
use crate::config::{self, Config, ConfigProblem, ProblemSeverity};
use crate::journal::{Journal, JournalOptions, OnDamage};
use crate::keeping::BackgroundWriter;
use crate::message_log::LogOptions;
use crate::provisioning::{Authority, Fingerprint, Inventory, Prune};
use crate::radius::TlsSettings;
use crate::record::Topic;
use crate::server::{Reload, Reloaded, Restored, ServeError, Server, Signals, restore, stock_key};
use crate::time::Timestamp;
use crate::tokens::{TokenCache, TokenFile};

/// Serve packet gateways, until SIGTERM or SIGINT; SIGHUP loads gateways and inventory anew.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Serve {
    #[command(flatten)]
    sources: Sources,
    /// Remove the endpoints, groups and VSlices that the inventory made and no longer names; else
    /// they are kept and reported. If that is more than a tenth of the fleet, only --prune=force
    /// does it.
    #[arg(long, value_name = "force", num_args = 0..=1, require_equals = true, default_missing_value = "", value_parser = prune)]
    prune: Option<Prune>,
    /// Go on behind damage in the middle of the journal, and tell what is lost.
    #[arg(long)]
    repair: bool,
}

const EXAMPLES: &str = "\
Examples:
  attachd serve                                    this machine only, with the secret testing123
  attachd serve --config /etc/attachd/attachd.toml
  kill -HUP PID                                    reload, whole or not at all

When it is ready it prints one line with the addresses it listens on; everything else is logged to standard error.";

/// How long somebody has to read why the server ended.
const LAST_WORD: Duration = Duration::from_secs(2);

/// How long the records of the first import may take: ten million endpoints on a slow disk.
const IMPORT: Duration = Duration::from_secs(600);

/// Octets of the journal kept for the logs that are read from it: with a disk that does not take
/// them, about an hour of a busy server.
const TAIL_LIMIT: u64 = 1 << 30;

/// How the audit log is kept: 90 days, as far as it has room.
const AUDIT: LogOptions = LogOptions {
    file_size: LogOptions::FILE_SIZE,
    keep_for: Duration::from_secs(90 * 86_400),
    keep_size: 512 << 20,
};

impl Serve {
    pub(super) fn run(self) -> Result<Exit, CommandError> {
        let signals = Signals::catch()
            .map_err(|error| CommandError::failed(format!("signals cannot be watched: {error}")))?;
        let config = self.sources.config()?;
        let log = Arc::new(Log::start(&config.log));
        panic::ends_the_process(Arc::clone(&log));
        let done = self.serve(config, signals, &log);
        // Before the last word, which is written directly.
        log.finish();
        if let Err(failure) = &done {
            end_soon(failure.exit());
        }
        done
    }

    fn serve(self, config: Config, signals: Signals, log: &Arc<Log>) -> Result<Exit, CommandError> {
        let mut shell = Server::open(config.server.clone()).map_err(|error| failed(&error))?;
        let dropped = Arc::clone(log);
        shell.count_dropped_log_lines(move || dropped.dropped());
        shell.admit(TokenCache::new(TokenFile::in_folder(&config.data_dir)));
        let config::JournalConfig { sync, snapshot_least } = config.journal;
        let options = JournalOptions {
            sync,
            snapshot_least,
            observer: shell.observer(),
            // The logs of messages are read from the journal, and may be so far behind.
            tail_limit: TAIL_LIMIT,
            ..JournalOptions::default()
        };
        let on_damage = if self.repair { OnDamage::Continue } else { OnDamage::Refuse };
        let (tell, told) = mpsc::channel();
        let reading = self.begin_reading(told)?;
        let on_inventory = move |in_force| _ = tell.send(in_force);
        let restored = restore(
            &config.data_dir,
            options,
            on_damage,
            Aaa::new(config.aaa.clone()).seeded(rand::random()),
            on_inventory,
            |newest| shell.begin_after(newest),
        )
        .map_err(|error| CommandError::failed(error.to_string()))?;
        tell_of(&restored);
        let Restored { aaa, journal, gateways, signed, read, .. } = restored;
        let key =
            stock_key(&config.data_dir).map_err(|error| CommandError::failed(error.to_string()))?;
        let aaa = aaa.with_stock_key(key);
        shell.recall(signed);
        shell
            .keep_messages(&journal, &config.data_dir, Topic::Audit, AUDIT)
            .and_then(|()| {
                shell.keep_messages(&journal, &config.data_dir, Topic::Event, config.events)
            })
            .map_err(|error| CommandError::failed(error.to_string()))?;
        // What the files bar before it is known which gateway is which.
        let mut told = config.server.gateways.iter();
        if told.any(|gateway| gateway.dynamic_authorization.target.is_some()) {
            aaa.orders().reach(Reachable::Some);
        }

        let setup = match reading.join().unwrap_or_else(|panic| resume_unwind(panic)) {
            InventoryChange::Changed(setup) => Some(*setup),
            InventoryChange::Unchanged(fingerprint, warnings, operators)
                if is_in_force(&aaa, fingerprint, &config) && read.lost.is_empty() =>
            {
                tell_all(&warnings);
                aaa.know_operators(operators);
                info!(
                    endpoints = aaa.endpoints(),
                    differs = aaa.differing(),
                    "the inventory has not changed"
                );
                None
            }
            // Another one came into force, or something of it is missing.
            InventoryChange::Unchanged(..) => Some(self.sources.examine()),
        };
        // Whether there is a last good inventory, which stays in force if the files are wrong now
        // (PROTOCOL 11).
        let is_first =
            aaa.endpoints() == 0 && aaa.with_catalog(|catalog| catalog.objects().next().is_none());
        let loaded =
            setup.map_or(Ok(()), |setup| self.load(setup, &aaa, &journal, shell.now(), &config));
        match loaded {
            Err(Unloaded::Refused(problems)) if !is_first => {
                for problem in &problems {
                    error!("{problem}");
                }
                error!(
                    "the inventory was refused, for the reasons above; the last good one stays in force"
                );
                shell.loaded(false);
            }
            Err(Unloaded::Refused(problems)) => {
                return Err(CommandError::Listed(Exit::Invalid, problems));
            }
            Err(Unloaded::Failed(failure)) => return Err(failure),
            Ok(()) => shell.loaded(true),
        }
        shell
            .serve(aaa, journal, gateways, self.reload(config), signals)
            .map_err(|error| failed(&error))?;
        Ok(Exit::Done)
    }

    /// Brings what was read into force, and waits until that is recorded.
    fn load(
        &self,
        setup: Setup,
        aaa: &Aaa,
        journal: &Journal,
        now: Timestamp,
        config: &Config,
    ) -> Result<(), Unloaded> {
        let is_error = |problem: &&ConfigProblem| problem.severity == ProblemSeverity::Error;
        let (errors, warnings): (Vec<_>, Vec<_>) = setup.problems.iter().partition(is_error);
        for warning in &warnings {
            warn!("{warning}");
        }
        if !errors.is_empty() {
            return Err(Unloaded::Refused(errors.iter().map(ToString::to_string).collect()));
        }
        adopt(aaa, setup.inventory, self.prune.unwrap_or_default(), journal, now, &config.data_dir)
    }

    /// Reads the inventory while the journal is read, unless it is the one that the journal begins
    /// with: each takes seconds for ten million endpoints. If the journal cannot be had, nobody
    /// waits for it.
    fn begin_reading(
        &self,
        in_force: Receiver<Option<Fingerprint>>,
    ) -> Result<JoinHandle<InventoryChange>, CommandError> {
        let (sources, prune) = (self.sources.clone(), self.prune.is_some());
        // What was kept until now is in no file.
        let in_force = move || in_force.recv().ok().flatten().filter(|_| !prune);
        let reader = thread::Builder::new()
            .name("inventory".to_owned())
            .spawn(move || sources.examine_changes(in_force));
        reader.map_err(|error| failed(&ServeError::System(error)))
    }

    /// What SIGHUP does: both files again, and nothing unless both are right.
    fn reload(self, mut running: Config) -> Reload {
        running.server.gateways.clear();
        running.warnings.clear();
        Box::new(move || {
            let setup = self.sources.examine();
            let (errors, warnings): (Vec<_>, Vec<_>) = setup
                .problems
                .iter()
                .partition(|problem| problem.severity == ProblemSeverity::Error);
            for warning in warnings {
                warn!("{warning}");
            }
            if !errors.is_empty() {
                return Err(errors.iter().map(ToString::to_string).collect());
            }
            let Setup { mut config, inventory, .. } = setup;
            let gateways = std::mem::take(&mut config.server.gateways);
            config.inventory.clone_from(&running.inventory);
            let tls = reloaded_tls(&mut config, &mut running);
            if config != running {
                warn!(
                    "only gateways, inventory and certificates are reloaded; what else has changed in the configuration waits for a restart"
                );
            }
            let prune = self.prune.unwrap_or_default();
            Ok(Reloaded { gateways, inventory, tls, prune })
        })
    }
}

/// The certificates and lists that were read anew, which are those in force from now on. An expired
/// list changes nothing: the one before it may have said more.
fn reloaded_tls(config: &mut Config, running: &mut Config) -> Option<TlsSettings> {
    let (read, in_force) = (config.server.tls.as_mut()?, running.server.tls.as_mut()?);
    if let Some(fault) = read.material.trusted.expired(now()) {
        warn!("{fault}; the lists in force stay");
        read.material.trusted =
            read.material.trusted.clone().with_lists_of(&in_force.material.trusted);
    }
    in_force.material.clone_from(&read.material);
    // How it listens waits for a restart.
    Some(in_force.clone())
}

/// Since the Unix epoch: what the ends of certificates are compared with.
#[expect(clippy::disallowed_methods, reason = "this is a shell: files end by the wall clock")]
fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Why an inventory is not in force.
enum Unloaded {
    /// All that is wrong with it, one line each; nothing has changed.
    Refused(Vec<String>),
    Failed(CommandError),
}

/// What stands behind `--prune`.
fn prune(insistence: &str) -> Result<Prune, &'static str> {
    match insistence {
        "" => Ok(Prune::Yes),
        "force" => Ok(Prune::Force),
        _ => Err("write --prune or --prune=force"),
    }
}

/// Whether adopting these files would change nothing.
fn is_in_force(aaa: &Aaa, fingerprint: Fingerprint, config: &Config) -> bool {
    let speak_always = config.aaa.authority == Authority::Files;
    aaa.inventory() == Some(fingerprint) && !(speak_always && aaa.differing() > 0)
}

/// Brings the inventory into force, and waits until that is recorded.
fn adopt(
    aaa: &Aaa,
    inventory: Inventory,
    prune: Prune,
    journal: &Journal,
    now: Timestamp,
    data_dir: &Path,
) -> Result<(), Unloaded> {
    let mut writer = BackgroundWriter::new(journal);
    writer.begin(now);
    let adoption = aaa.adopt(inventory, prune, now, &mut writer).map_err(|objections| {
        Unloaded::Refused(objections.iter().map(Objection::to_string).collect())
    })?;
    for kept in &adoption.kept {
        warn!("{kept}");
    }
    let Adoption { added, changed, applied: lines, differing: differs, pruned, .. } = adoption;
    let gone = adoption.gone.len();
    info!(
        endpoints = aaa.endpoints(),
        lines, added, changed, gone, pruned, differs, "inventory adopted"
    );
    if gone > 0 && !adoption.pruned {
        warn!(
            "{gone} endpoints are no longer in the inventory and are kept; start with --prune to remove them"
        );
    }
    if writer.finish(aaa, IMPORT) {
        Ok(())
    } else {
        let what = format!(
            "the inventory could not be recorded in {}; is the disk full?",
            data_dir.display()
        );
        Err(Unloaded::Failed(CommandError::failed(what)))
    }
}

/// The last word is written to standard error, where nobody may read: the process ends all the
/// same.
fn end_soon(exit: Exit) {
    // Without a thread it ends when somebody has read it.
    let _ = thread::Builder::new().spawn(move || {
        thread::sleep(LAST_WORD);
        std::process::exit(exit as i32);
    });
}

fn tell_all(warnings: &[ConfigProblem]) {
    for warning in warnings {
        warn!("{warning}");
    }
}

fn tell_of(restored: &Restored) {
    let memory = &restored.memory;
    info!(
        records = restored.read.records(),
        endpoints = memory.endpoints,
        open_sessions = memory.open_sessions,
        leases = memory.leases,
        "journal read"
    );
    if let Some(cut) = &restored.read.cut {
        warn!(
            "a torn tail was cut off: what was being written when the process was killed, unless the file was damaged since: {cut}"
        );
    }
    for lost in &restored.read.lost {
        error!("lost for good: {lost}");
    }
    if memory.contested_names > 0 {
        error!(
            "{} IMSIs or MSISDNs are claimed by two endpoints; the one that was provisioned last has each",
            memory.contested_names
        );
    }
    if memory.contested > 0 {
        error!("{} addresses are claimed by two records; the first keeps each", memory.contested);
    }
}

fn failed(error: &ServeError) -> CommandError {
    CommandError::failed(error.to_string())
}
