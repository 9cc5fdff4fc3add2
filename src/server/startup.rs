//! Start-up and shutdown: opens the sockets, starts the threads, serves, and ends everything in
//! order.

#[cfg(test)]
mod tests;
use std::convert::Infallible;
use std::fmt;
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustix::io::Errno;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch::{Receiver, Sender, channel};
use tokio::sync::{Notify, Semaphore};
use tracing::{error, info, warn};

use super::feeds::OpenFeed;
use super::housekeeping::{Housekeeper, Reload};
use super::notify::{self, Watchdog};
use super::settings::ServerSettings;
use super::signals::Signals;
use super::snapshots::{Files, Snapshots};
use crate::aaa::{Aaa, PoolWatch};
use crate::api::activation::ActivationLimits;
use crate::api::changes::ChangeWriter;
use crate::api::connections;
use crate::api::events::StreamPlaces;
use crate::api::http::{HttpState, Serving, WAITING_FOR_RELOAD, WALKS, router};
use crate::api::idempotency::IdempotentReplies;
use crate::identity::GatewayId;
use crate::journal::{Commit, Journal, Observer, OpenError, WriteFailure};
use crate::keeping::BackgroundWriter;
use crate::keeping::commit::JournalCommitter;
use crate::message_log::LogOptions;
use crate::metrics::{Metrics, Names};
use crate::outlets::{WebhookThread, Webhooks};
use crate::radius::context::ServerContext;
use crate::radius::gateways::Gateways;
use crate::radius::pipeline::{Listener, PipelineConfig, Port};
use crate::radius::worker::WorkerParts;
use crate::radius::worker_core::WorkerCore;
use crate::record::Topic;
use crate::runtime::Health;
use crate::runtime::HealthSeverity;
use crate::runtime::Reloads;
use crate::runtime::clock::Clock;
use crate::runtime::health::ServerPhase;
use crate::runtime::reloads::publish;
use crate::runtime::watch;
use crate::runtime::watch::{LATE, Pulse, SOON, ThreadWatch};
use crate::time::{ClockStep, Timestamp};
use crate::tokens::TokenCache;
use crate::udp::Socket;

/// Requests remembered against retransmission, over all workers. A gateway's socket has 256
/// identifiers, so this is four thousand sockets; each takes 49 octets, eight neighbours at a time.
/// Of a gateway that takes another port for each request, an eighth as many are remembered.
const REMEMBERED: usize = 1 << 20;

/// Octets of their replies: 64 each, and an Accept takes a hundred, a receipt twenty.
const REMEMBERED_OCTETS: usize = 64 << 20;

/// A disk that takes longer than this for a commit hangs: gateways should ask another server, as
/// they do within seconds.
const DISK_PATIENCE: Duration = Duration::from_secs(1);

/// How often the log tells of lines that are missing in it.
const LOG_PACE: Duration = Duration::from_secs(1);

/// A server with its sockets open, and not serving yet.
pub struct Server {
    settings: ServerSettings,
    /// By worker.
    sockets: Vec<Vec<(Listener, Socket)>>,
    state: Arc<HttpState>,
    http: Option<HttpThread>,
    stop: Sender<()>,
    /// How the wall clock has stepped since the last life.
    stepped: Option<ClockStep>,
    /// Gateways that have sent a Message-Authenticator in an earlier life.
    signed: Vec<GatewayId>,
    /// Log lines given up so far.
    log_lines_dropped: LinesDropped,
    /// Logs of messages.
    feeds: Vec<OpenFeed>,
}

type LinesDropped = Box<dyn Fn() -> u64 + Send>;

/// The thread that answers HTTP.
struct HttpThread {
    address: SocketAddr,
    thread: JoinHandle<()>,
    pulse: Pulse,
}

/// Why a server could not be, or could not go on.
#[derive(Debug)]
pub enum ServeError {
    Bind {
        what: &'static str,
        address: SocketAddr,
        error: io::Error,
    },
    /// A thread or a runtime could not be made.
    System(io::Error),
    /// Something the server consists of ended by itself.
    Ended(String),
    Journal(WriteFailure),
}

impl Server {
    /// Binds every socket, and answers HTTP from here on: alive, but not ready.
    ///
    /// # Errors
    /// If an address cannot be had.
    pub fn open(settings: ServerSettings) -> Result<Self, ServeError> {
        let workers = match settings.workers {
            0 => thread::available_parallelism().map_or(1, Into::into),
            workers => workers,
        };
        let sockets = bind_all(&settings, workers)?;
        let bind = |address| {
            TcpListener::bind(address).map_err(|error| ServeError::Bind {
                what: "http",
                address,
                error,
            })
        };
        let http = settings.http.map(bind).transpose()?;
        let common = ServerContext {
            gateways: ArcSwap::from_pointee(Gateways::new(&[], Vec::new())),
            health: Arc::new(Health::default()),
            clock: Clock::start(),
            reloads: Reloads::default(),
        };
        let metrics =
            Metrics::new().map_err(|error| ServeError::System(io::Error::other(error)))?;
        let state = Arc::new(HttpState {
            common: Arc::new(common),
            metrics,
            names: if settings.freeradius_metrics { Names::OwnAndFreeradius } else { Names::Own },
            serving: OnceLock::new(),
            reloads: Semaphore::new(WAITING_FOR_RELOAD),
            walks: Arc::new(Semaphore::new(WALKS)),
            activations: ActivationLimits::default(),
            tokens: OnceLock::new(),
            replies: IdempotentReplies::default(),
            audit: OnceLock::new(),
            events: OnceLock::new(),
            streams: StreamPlaces::default(),
            webhooks: OnceLock::new(),
        });
        let (stop, stopped) = channel(());
        let start = |listener| HttpThread::start(listener, Arc::clone(&state), stopped);
        let http = http.map(start).transpose().map_err(ServeError::System)?;
        Ok(Self {
            settings,
            sockets,
            state,
            http,
            stop,
            stepped: None,
            signed: Vec::new(),
            log_lines_dropped: Box::new(|| 0),
            feeds: Vec::new(),
        })
    }

    /// Where to learn how many log lines were given up so far, because nobody reads them.
    pub fn count_dropped_log_lines(&mut self, dropped: impl Fn() -> u64 + Send + 'static) {
        self.log_lines_dropped = Box::new(dropped);
    }

    /// Keeps the messages of a topic in a log below the data folder. To be told before anything is
    /// decided, or the log lacks what was told meanwhile.
    ///
    /// # Errors
    /// If the folder cannot be used.
    pub fn keep_messages(
        &mut self,
        journal: &Journal,
        data_dir: &Path,
        topic: Topic,
        options: LogOptions,
    ) -> Result<(), OpenError> {
        let mut feed = OpenFeed::open(journal, data_dir, topic, options)?;
        if topic == Topic::Audit {
            let now = self.now();
            feed.catch_up(now);
            let view = feed.view();
            if let Err(error) = self.state.replies.recall(&view, now) {
                warn!("what was answered before this start is not known: {error}");
            }
            // It fails only if it was told before, which nobody does.
            let _ = self.state.audit.set(view);
        }
        if topic == Topic::Event {
            // The same.
            let _ = self.state.events.set(feed.view());
            let own = self.http.iter().map(|http| http.address).collect();
            let webhooks = Webhooks::open(feed.view(), data_dir, own).map_err(|error| {
                OpenError::Io { file: data_dir.join("webhooks.json").display().to_string(), error }
            })?;
            let _ = self.state.webhooks.set(Arc::new(webhooks));
        }
        self.feeds.push(feed);
        Ok(())
    }

    /// Who may use the management API. It fails only if it was told before, which nobody does.
    pub fn admit(&self, tokens: TokenCache) {
        let _ = self.state.tokens.set(tokens);
    }

    /// The time, for what is to be decided before the server serves.
    pub fn now(&self) -> Timestamp {
        self.state.common.clock.now().wall
    }

    /// Goes on behind the last time that the journal knows, so that no time is given twice. To be
    /// told before anything is decided. Returns the time.
    pub fn begin_after(&mut self, newest: Timestamp) -> Timestamp {
        self.stepped = self.state.common.clock.begin_after(newest);
        self.now()
    }

    /// Which gateways have sent a Message-Authenticator. To be told before anything is decided.
    pub fn recall(&mut self, signed: Vec<GatewayId>) {
        self.signed = signed;
    }

    /// What the journal tells of its commits, for the metrics.
    pub fn observer(&self) -> Observer {
        let metrics = Arc::clone(&self.state.metrics);
        Arc::new(move |commit: Commit| metrics.committed(commit.took))
    }

    /// Tells `/readyz` and `/metrics` how loading the files at the start went.
    pub fn loaded(&self, is_applied: bool) {
        publish(&self.state.common.health, is_applied);
        if !is_applied {
            self.state.metrics.refused();
        }
    }

    /// What `/readyz` tells, to be added to.
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.state.common.health)
    }

    /// Serves until SIGTERM or SIGINT; SIGHUP reloads. `names` are the gateways' handles as the
    /// journal knows them.
    ///
    /// # Errors
    /// If a thread cannot be made or ends by itself, or the journal could not be written to its
    /// end.
    pub fn serve(
        self,
        aaa: Aaa,
        journal: Journal,
        names: Vec<String>,
        reload: Reload,
        signals: Signals,
    ) -> Result<(), ServeError> {
        self.serve_until(aaa, journal, names, reload, |common| signals.follow(common))
    }

    /// The same, until `until` is over; it may ask for reloads.
    fn serve_until<U: Future<Output = io::Result<()>>>(
        self,
        aaa: Aaa,
        journal: Journal,
        names: Vec<String>,
        reload: Reload,
        until: impl FnOnce(Arc<ServerContext>) -> U,
    ) -> Result<(), ServeError> {
        let (aaa, journal) = (Arc::new(aaa), Arc::new(journal));
        let Self {
            settings,
            sockets,
            state,
            http,
            stop,
            stepped,
            signed,
            log_lines_dropped,
            feeds,
        } = self;
        let common = Arc::clone(&state.common);
        let mut writer = BackgroundWriter::new(&journal);
        let gateways = Gateways::new(&settings.gateways, names);
        gateways.recall(&signed);
        gateways.record(&mut writer);
        writer.submit();
        aaa.events().name_gateways(gateways.names());
        common.gateways.store(Arc::new(gateways));

        let ready = ready_line(
            sockets.first().map_or(&[], Vec::as_slice),
            http.as_ref().map(|http| http.address),
        );
        let config = pipeline_config(&settings, sockets.len().max(1));
        let spawner =
            WorkerSpawner { state: &state, aaa: &aaa, journal: &journal, stop: &stop, config };
        let mut threads = ThreadWatch::default();
        for (number, sockets) in sockets.into_iter().enumerate() {
            spawner.worker(number, sockets, &mut threads)?;
        }
        let housekeeper = Housekeeper {
            common: Arc::clone(&common),
            aaa: Arc::clone(&aaa),
            metrics: Arc::clone(&state.metrics),
            pulse: Pulse::default(),
            writer,
            reload,
            step_told_until: None,
            stepped,
            pools: PoolWatch::default(),
        };
        let pulse = housekeeper.pulse.clone();
        threads.add("housekeeper", spawn("housekeeper", move || housekeeper.run())?, pulse, LATE);
        let snapshots = Snapshots {
            common: Arc::clone(&common),
            aaa: Arc::clone(&aaa),
            journal: Arc::clone(&journal),
            pulse: Pulse::default(),
            stop: stop.subscribe(),
            files: Files::default(),
        };
        let pulse = snapshots.pulse.clone();
        let beside = runtime().map_err(ServeError::System)?;
        let snapshots = spawn("snapshots", move || {
            // A snapshot can wait, a request cannot. If it is refused, the two share as equals.
            let _ = rustix::process::nice(10);
            beside.block_on(snapshots.run());
        })?;
        threads.add("snapshots", snapshots, pulse, LATE);
        if let Some(webhooks) = state.webhooks.get() {
            let writer = BackgroundWriter::new(&journal);
            let (webhooks, aaa) = (Arc::clone(webhooks), Arc::clone(&aaa));
            let deliveries = WebhookThread::new(webhooks, aaa, writer, Arc::clone(&common));
            let (pulse, stop) = (Pulse::default(), stop.subscribe());
            let beats = pulse.clone();
            let thread = spawn("webhooks", move || deliveries.run(&beats, &stop))?;
            threads.add("webhooks", thread, pulse, LATE);
        }
        for feed in feeds {
            let (common, pulse, stop) = (Arc::clone(&common), Pulse::default(), stop.subscribe());
            let (name, beats) = (feed.topic.name(), pulse.clone());
            let thread = spawn(name, move || feed.run(&common, &beats, &stop))?;
            threads.add(name, thread, pulse, LATE);
        }
        if let Some(HttpThread { thread, pulse, .. }) = http {
            threads.add("http", thread, pulse, SOON);
        }
        // It fails only if the views have been opened before, which nobody does.
        let _ = state.serving.set(Serving {
            aaa: Arc::clone(&aaa),
            journal: Arc::clone(&journal),
            changes: ChangeWriter::new(&journal),
        });
        state.metrics.loaded(common.clock.now().wall);
        common.health.enter(ServerPhase::Serving);
        // If nobody reads it, nobody misses it.
        let _ = writeln!(io::stdout(), "{ready}").and_then(|()| io::stdout().flush());
        notify::ready(&ready);

        let mut guard = Guard {
            common: &common,
            metrics: &state.metrics,
            journal: &journal,
            threads,
            watchdog: Watchdog::wanted(),
            lines: Lines { dropped: log_lines_dropped, told: 0, told_at: Duration::ZERO },
        };
        let outcome = runtime()
            .map_err(ServeError::System)?
            .block_on(guard.watch_until(until(Arc::clone(&common))));
        let threads = guard.threads;
        if let Err(ended @ ServeError::Ended(_)) = outcome {
            // Fail-stop: nobody knows what is still right in memory. The process ends, and the
            // journal has what was acknowledged.
            std::mem::forget((aaa, journal, state));
            return Err(ended);
        }
        common.health.enter(ServerPhase::Stopping);
        notify::stopping();
        info!("stopping");
        common.reloads.end();
        drop(stop);
        threads.join();
        drop(state);
        // The process ends now, and all its memory with it: to give back each of ten million
        // entries before would take seconds.
        std::mem::forget(aaa);
        outcome?;
        match Arc::into_inner(journal) {
            Some(journal) => journal.close().map_err(ServeError::Journal),
            None => Ok(()),
        }
    }
}

/// What every worker is made from.
struct WorkerSpawner<'s> {
    state: &'s HttpState,
    aaa: &'s Arc<Aaa>,
    journal: &'s Journal,
    stop: &'s Sender<()>,
    config: PipelineConfig,
}

impl WorkerSpawner<'_> {
    /// Sets a worker to work.
    fn worker(
        &self,
        number: usize,
        sockets: Vec<(Listener, Socket)>,
        threads: &mut ThreadWatch,
    ) -> Result<(), ServeError> {
        let wake = Arc::new(Notify::new());
        let waker = Arc::clone(&wake);
        let committer = JournalCommitter::new(self.journal, Arc::new(move || waker.notify_one()));
        let common = Arc::clone(&self.state.common);
        let with_drops = |(listener, socket): (Listener, Socket)| {
            let drops = self.state.metrics.socket_drops(socket.address());
            (listener, socket, drops)
        };
        let parts = WorkerParts {
            core: WorkerCore::new(
                Arc::clone(self.aaa),
                common.gateways.load_full(),
                self.config,
                committer,
            ),
            common,
            sockets: sockets.into_iter().map(with_drops).collect(),
            meters: self.state.metrics.meters(),
            pulse: Pulse::default(),
            wake,
            stop: self.stop.subscribe(),
        };
        let (pulse, name) = (parts.pulse.clone(), format!("worker-{number}"));
        let runtime = runtime().map_err(ServeError::System)?;
        let thread = spawn(&name, move || {
            if let Err(error) = runtime.block_on(parts.work()) {
                error!("a worker cannot go on: {error}");
            }
        })?;
        threads.add(&name, thread, pulse, SOON);
        Ok(())
    }
}

/// The main thread while the server serves: sees that all goes on.
struct Guard<'s> {
    common: &'s ServerContext,
    metrics: &'s Metrics,
    journal: &'s Journal,
    threads: ThreadWatch,
    watchdog: Watchdog,
    lines: Lines,
}

/// The log lines that were given up.
struct Lines {
    dropped: LinesDropped,
    /// How many the log told of, and when.
    told: u64,
    told_at: Duration,
}

impl Guard<'_> {
    /// Watches until `until` is over, or something that the server consists of has ended.
    async fn watch_until(
        &mut self,
        until: impl Future<Output = io::Result<()>>,
    ) -> Result<(), ServeError> {
        let mut until = std::pin::pin!(until);
        let mut ticks = tokio::time::interval(watch::PACE);
        loop {
            tokio::select! {
                told = &mut until => return told.map_err(ServeError::System),
                _ = ticks.tick() => self.look()?,
            }
        }
    }

    fn look(&mut self) -> Result<(), ServeError> {
        if let Some(name) = self.threads.ended().or_else(|| self.journal.ended()) {
            return Err(ServeError::Ended(format!("thread {name}")));
        }
        let running = self.common.clock.now().running;
        self.threads.look(running, &self.common.health, |name| self.metrics.thread_stalled(name));
        if self.threads.all_move() {
            self.watchdog.all_is_well(running);
        }
        self.look_at_disk();
        self.look_at_log(running);
        Ok(())
    }

    /// Says how many log lines are missing, now and then: it is itself a line that may be given up.
    fn look_at_log(&mut self, running: Duration) {
        let dropped = (self.lines.dropped)();
        if dropped == self.lines.told || running < self.lines.told_at + LOG_PACE {
            return;
        }
        self.metrics.log_lines_dropped(dropped);
        warn!(
            "{} log lines were given up, because standard error was not read fast enough",
            dropped - self.lines.told
        );
        (self.lines.told, self.lines.told_at) = (dropped, running);
    }

    /// A disk that hangs fails nothing and answers nothing: gateways should ask another server
    /// until it is back.
    fn look_at_disk(&self) {
        const NAME: &str = "journal-stalled";
        match self.journal.commit_in_progress().filter(|time| *time > DISK_PATIENCE) {
            Some(time) => {
                let told =
                    format!("the journal has waited for the disk for {:.1} s", time.as_secs_f64());
                self.common.health.add(HealthSeverity::NotReady, NAME, told);
            }
            None => self.common.health.clear(NAME),
        }
    }
}

fn pipeline_config(settings: &ServerSettings, workers: usize) -> PipelineConfig {
    PipelineConfig {
        vendor: settings.vendor,
        vendor_attributes: settings.vendor_attributes,
        reject_delay: settings.reject_delay,
        masks_identities: settings.mask_identities,
        duplicate_lifetime: settings.duplicate_lifetime,
        // Each worker remembers the peers that the kernel gives it.
        remembered: (REMEMBERED / workers, REMEMBERED_OCTETS / workers),
    }
}

/// Every address once for every worker; of each worker, those for accounting first.
fn bind_all(
    settings: &ServerSettings,
    workers: usize,
) -> Result<Vec<Vec<(Listener, Socket)>>, ServeError> {
    let mut by_worker: Vec<Vec<(Listener, Socket)>> = (0..workers).map(|_| Vec::new()).collect();
    let acct = settings.acct.iter().map(|address| (Port::Acct, "acct", *address));
    let auth = settings.auth.iter().map(|address| (Port::Auth, "auth", *address));
    for (index, (port, what, address)) in acct.chain(auth).enumerate() {
        let sockets = Socket::open_all(address, workers).map_err(|error| ServeError::Bind {
            what,
            address,
            error,
        })?;
        for (worker, socket) in by_worker.iter_mut().zip(sockets) {
            worker.push((Listener { index: index as u8, port }, socket));
        }
    }
    Ok(by_worker)
}

impl HttpThread {
    fn start(
        listener: TcpListener,
        state: Arc<HttpState>,
        mut stop: Receiver<()>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let runtime = runtime()?;
        let pulse = Pulse::default();
        let (beats, common) = (pulse.clone(), Arc::clone(&state.common));
        let thread = thread::Builder::new().name("http".to_owned()).spawn(move || {
            runtime.block_on(async {
                let listener = match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => listener,
                    Err(error) => return error!("HTTP cannot be served: {error}"),
                };
                // Who still reads when we stop gets no more: nothing that is answered here must not
                // be lost.
                tokio::select! {
                    never = connections::serve(listener, router(state, address), connections::LIMITS) => match never {},
                    never = beat(&beats, &common) => match never {},
                    _ = stop.changed() => {}
                }
            });
        })?;
        Ok(Self { address, thread, pulse })
    }
}

/// Shows that the runtime still turns to its tasks.
async fn beat(pulse: &Pulse, common: &ServerContext) -> Infallible {
    loop {
        pulse.beat(common.clock.now().running);
        tokio::time::sleep(watch::PACE).await;
    }
}

/// What scripts and people wait for: requests are answered from now on, and where.
fn ready_line(sockets: &[(Listener, Socket)], http: Option<SocketAddr>) -> String {
    let of = |wanted| {
        sockets
            .iter()
            .filter(move |(listener, _)| listener.port == wanted)
            .map(|(_, socket)| socket.address())
    };
    let auth = of(Port::Auth).map(|address| format!("auth {address}"));
    let acct = of(Port::Acct).map(|address| format!("acct {address}"));
    let http = http.map(|address| format!("http {address}"));
    let listed: Vec<_> = auth.chain(acct).chain(http).collect();
    format!("attachd {} ready: {}", env!("CARGO_PKG_VERSION"), listed.join(", "))
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, ServeError> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map_err(ServeError::System)
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { what, address, error } => {
                let remedy = match error.kind() {
                    _ if lacks_descriptors(error) => MORE_DESCRIPTORS,
                    io::ErrorKind::AddrInUse => {
                        "stop what listens there, or choose another address"
                    }
                    io::ErrorKind::PermissionDenied => {
                        "choose a port above 1023, or grant CAP_NET_BIND_SERVICE"
                    }
                    io::ErrorKind::AddrNotAvailable => "choose an address of this machine",
                    io::ErrorKind::OutOfMemory => "give the process more memory",
                    _ => "see what the system says",
                };
                write!(f, "cannot listen on {address} ({what}): {error}; {remedy}")
            }
            Self::System(error) if lacks_descriptors(error) => {
                write!(f, "the system refuses what a server needs: {error}; {MORE_DESCRIPTORS}")
            }
            Self::System(error) => write!(f, "the system refuses what a server needs: {error}"),
            Self::Ended(what) => write!(f, "{what} ended by itself; the log says why"),
            Self::Journal(failure) => write!(
                f,
                "the last records could not be written, and nobody was told that they were: {failure}"
            ),
        }
    }
}

impl std::error::Error for ServeError {}

const MORE_DESCRIPTORS: &str = "allow more open files (ulimit -n, or LimitNOFILE= of the service)";

/// Whether there were too many open files, of the process or of the system.
fn lacks_descriptors(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE]
        .iter()
        .any(|lacking| error.raw_os_error() == Some(lacking.raw_os_error()))
}
