//! Every metric of the shell: names, help texts, handles. The only place here that knows the
//! metrics crates.
//!
//! Workers count in a [`WorkerCounters`] and report once per batch; what others count is read when
//! somebody scrapes.

mod by_gateway;
pub mod counters;
mod exposition;
mod freeradius;
mod latencies;
mod process;
mod scrape;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram, with_local_recorder,
};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use parking_lot::Mutex;

use crate::aaa::RejectReason;
use crate::aaa::accounting_label;
use crate::identity::GatewayId;
use crate::runtime::ReloadOutcome;
use crate::time::Timestamp;
pub use by_gateway::GatewayFigures;
use counters::{ACCOUNTING, Dropped, ODD_TIMES, REQUESTS, RESPONSES, WorkerCounters};
use latencies::SharedLatencies;

const COMMIT_SECONDS: &str = "attachd_journal_commit_seconds";
const API_SECONDS: &str = "attachd_api_request_duration_seconds";
const TLS_CLOSED: &str = "attachd_tls_closed_total";
const TLS_CONNECTIONS: &str = "attachd_tls_connections";

/// Upper bounds of the commit histogram, seconds: an fdatasync takes 0.2 ms on a good day and a
/// second on a bad one.
const COMMIT_BUCKETS: [f64; 10] =
    [0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 1.0];

/// Upper bounds of the histogram of API requests, seconds: most are answered from memory, a reload
/// may take many seconds.
const API_BUCKETS: [f64; 9] = [0.000_1, 0.001, 0.005, 0.01, 0.05, 0.1, 1.0, 10.0, 60.0];

/// With more gateways than this, the series of one begin with what is first counted: Prometheus
/// would groan under those of 30,000 that are mostly zero.
const ANNOUNCED: usize = 1_000;

/// Under which names the counters are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    Own,
    /// Those of freeradius_exporter beside them.
    OwnAndFreeradius,
}

/// All metrics of one server. A recorder of its own, so that several servers can live in one
/// process.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    latencies: [SharedLatencies; REQUESTS.len()],
    commits: Histogram,
    clock_steps: Counter,
    log_lines_dropped: Counter,
    reloads_applied: Counter,
    reloads_refused: Counter,
    reloaded: Gauge,
    /// The gateways whose series exist.
    announced: Mutex<BTreeSet<String>>,
}

impl Metrics {
    /// # Errors
    /// If the exporter does not take the buckets.
    pub fn new() -> Result<Arc<Self>, BuildError> {
        let full = |name: &str| Matcher::Full(name.to_owned());
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(full(COMMIT_SECONDS), &COMMIT_BUCKETS)?
            .set_buckets_for_metric(full(API_SECONDS), &API_BUCKETS)?
            .build_recorder();
        let (
            commits,
            [clock_steps, log_lines_dropped],
            [reloads_applied, reloads_refused],
            reloaded,
        ) = with_local_recorder(&recorder, || {
            describe();
            scrape::describe();
            gauge!("attachd_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
            // Present from the start.
            let _ = histogram!(API_SECONDS);
            let reloads = ["applied", "refused"]
                .map(|outcome| counter!("attachd_reloads_total", "outcome" => outcome));
            let own = ["attachd_clock_steps_total", "attachd_log_lines_dropped_total"]
                .map(|name| counter!(name));
            (histogram!(COMMIT_SECONDS), own, reloads, gauge!("attachd_reload_timestamp_seconds"))
        });
        let (handle, latencies, announced) =
            (recorder.handle(), Default::default(), Mutex::default());
        Ok(Arc::new(Self {
            recorder,
            handle,
            latencies,
            commits,
            clock_steps,
            log_lines_dropped,
            reloads_applied,
            reloads_refused,
            reloaded,
            announced,
        }))
    }

    /// The exposition text, in an order that never changes.
    pub fn render(&self, names: Names) -> String {
        let mut text = self.handle.render();
        latencies::render(&self.latencies, &mut text);
        process::render(&mut text);
        if names == Names::OwnAndFreeradius {
            freeradius::render(&mut text);
        }
        exposition::sorted(&text)
    }

    /// Makes the series of all configured gateways, so that the first that is counted of one is
    /// seen as an increase.
    pub fn announce<'n>(&self, gateways: impl Iterator<Item = &'n str> + Clone) {
        if gateways.clone().count() > ANNOUNCED {
            return;
        }
        let mut announced = self.announced.lock();
        for name in gateways {
            if !announced.contains(name) {
                self.traffic(name);
                announced.insert(name.to_owned());
            }
        }
    }

    fn traffic(&self, gateway: &str) -> TrafficMeters {
        let name = || gateway.to_owned();
        with_local_recorder(&self.recorder, || {
            TrafficMeters {
            requests: REQUESTS.map(|code| counter!("radius_requests_total", "gateway" => name(), "code" => code.to_string())),
            responses: RESPONSES.map(|code| counter!("radius_responses_total", "gateway" => name(), "code" => code.to_string())),
            dropped: Dropped::ALL.map(|reason| counter!("radius_dropped_total", "gateway" => name(), "reason" => reason.label())),
        }
        })
    }

    /// Gateways and inventory were brought into force at this time.
    pub fn loaded(&self, now: Timestamp) {
        self.reloaded.set(now.micros() as f64 / 1e6);
    }

    /// A reload is over.
    pub fn reload(&self, outcome: &ReloadOutcome, now: Timestamp) {
        match outcome {
            Ok(_) => {
                self.reloads_applied.increment(1);
                self.loaded(now);
            }
            Err(_) => self.reloads_refused.increment(1),
        }
    }

    /// A gateway was told something about a session, or answered.
    pub fn dynamic_authorization(&self, gateway: &str, kind: &'static str, outcome: &'static str) {
        with_local_recorder(&self.recorder, || {
            counter!("attachd_dynamic_authorization_total", "gateway" => gateway.to_owned(), "kind" => kind, "outcome" => outcome).increment(1);
        });
    }

    /// A request of the API was answered; `path` as the router knows it, without the identities in
    /// it.
    pub fn api_request(&self, path: &str, status: u16, took: Duration) {
        with_local_recorder(&self.recorder, || {
            counter!("attachd_api_requests_total", "path" => path.to_owned(), "status" => status.to_string()).increment(1);
            histogram!(API_SECONDS).record(took.as_secs_f64());
        });
    }

    /// To be called every second: drains what the exporter's histograms have gathered.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// The journal has made a group of records durable.
    pub fn committed(&self, took: Duration) {
        self.commits.record(took.as_secs_f64());
    }

    /// The wall clock has stepped.
    pub fn clock_stepped(&self) {
        self.clock_steps.increment(1);
    }

    /// A thread has come to a stand.
    pub fn thread_stalled(&self, name: &str) {
        with_local_recorder(&self.recorder, || {
            counter!("attachd_thread_stalls_total", "thread" => name.to_owned()).increment(1);
        });
    }

    /// So many log lines were not written so far, because nobody read standard error.
    pub fn log_lines_dropped(&self, total: u64) {
        self.log_lines_dropped.absolute(total);
    }

    /// The handles of one worker.
    pub fn meters(self: &Arc<Self>) -> Meters {
        with_local_recorder(&self.recorder, || Meters {
            strangers: Dropped::ALL
                .map(|reason| counter!("radius_dropped_total", "reason" => reason.label())),
            duplicates: REQUESTS
                .map(|code| counter!("radius_duplicates_total", "code" => code.to_string())),
            rejects: RejectReason::ALL
                .map(|reason| counter!("attachd_rejects_total", "reason" => reason.moniker())),
            accounting: ACCOUNTING.map(
                |kind| counter!("attachd_accounting_total", "status" => accounting_label(kind)),
            ),
            odd_times: ODD_TIMES.map(|kind| counter!("attachd_odd_times_total", "kind" => kind)),
            lowered_counters: counter!("attachd_lowered_counters_total"),
            repeated: counter!("attachd_accounting_repeated_total"),
            gateways: Vec::new(),
            metrics: Arc::clone(self),
        })
    }

    /// The files were refused at the start.
    pub fn refused(&self) {
        self.reloads_refused.increment(1);
    }

    /// A TLS connection has ended, or never began.
    pub fn tls_closed(&self, reason: &'static str) {
        with_local_recorder(&self.recorder, || {
            counter!(TLS_CLOSED, "reason" => reason).increment(1);
        });
    }

    /// A gateway has so many TLS connections more.
    pub fn tls_connections(&self, gateway: &str, more: f64) {
        with_local_recorder(&self.recorder, || {
            gauge!(TLS_CONNECTIONS, "gateway" => gateway.to_owned()).increment(more);
        });
    }

    /// Makes the series of all that may connect over TLS.
    pub fn tls_announce<'n>(&self, gateways: impl Iterator<Item = &'n str>) {
        gateways.take(ANNOUNCED).for_each(|name| self.tls_connections(name, 0.0));
    }

    /// Makes the series of all reasons for which a connection may end.
    pub fn tls_begins(&self, reasons: &[&'static str]) {
        with_local_recorder(&self.recorder, || {
            for reason in reasons {
                let _ = counter!(TLS_CLOSED, "reason" => *reason);
            }
        });
    }

    /// Counts what the kernel has dropped at one socket.
    pub fn socket_drops(&self, listener: SocketAddr) -> SocketDrops {
        let counter = with_local_recorder(
            &self.recorder,
            || counter!("radius_socket_drops_total", "listener" => listener.to_string()),
        );
        SocketDrops { counter, last: 0 }
    }
}

/// One worker's handles; the numbers behind them are those of all workers.
pub struct Meters {
    metrics: Arc<Metrics>,
    /// Drops whose sender is no gateway, or is not known any more.
    strangers: [Counter; Dropped::ALL.len()],
    duplicates: [Counter; REQUESTS.len()],
    rejects: [Counter; RejectReason::ALL.len()],
    accounting: [Counter; ACCOUNTING.len()],
    odd_times: [Counter; ODD_TIMES.len()],
    lowered_counters: Counter,
    repeated: Counter,
    /// By handle; made when something is first counted.
    gateways: Vec<Option<TrafficMeters>>,
}

struct TrafficMeters {
    requests: [Counter; REQUESTS.len()],
    responses: [Counter; RESPONSES.len()],
    dropped: [Counter; Dropped::ALL.len()],
}

impl Meters {
    /// Adds up what a worker has counted, and lets it begin anew.
    pub fn report<'n>(
        &mut self,
        counters: &mut WorkerCounters,
        name_of: impl Fn(GatewayId) -> Option<&'n str>,
    ) {
        add(&self.strangers, &mut counters.strangers);
        add(&self.duplicates, &mut counters.duplicates);
        add(&self.rejects, &mut counters.rejects);
        add(&self.accounting, &mut counters.accounting);
        add(&self.odd_times, &mut counters.odd_times);
        increment(&self.lowered_counters, &mut counters.lowered_counters);
        increment(&self.repeated, &mut counters.repeated);
        for (shared, latencies) in self.metrics.latencies.iter().zip(&mut counters.latencies) {
            shared.add(std::mem::take(latencies));
        }
        counters.drain_gateways(|id, mut traffic| {
            let meters = self.gateway(id, name_of(id));
            add(&meters.requests, &mut traffic.requests);
            add(&meters.responses, &mut traffic.responses);
            add(&meters.dropped, &mut traffic.dropped);
        });
    }

    fn gateway(&mut self, id: GatewayId, name: Option<&str>) -> &TrafficMeters {
        if self.gateways.len() <= id.index() {
            self.gateways.resize_with(id.index() + 1, || None);
        }
        self.gateways[id.index()]
            .get_or_insert_with(|| self.metrics.traffic(name.unwrap_or("unknown")))
    }
}

/// The kernel's count of what it dropped at one socket, which only grows and wraps at 2^32.
pub struct SocketDrops {
    counter: Counter,
    last: u32,
}

impl SocketDrops {
    pub fn report(&mut self, drops: u32) {
        if drops != self.last {
            self.counter.increment(u64::from(drops.wrapping_sub(self.last)));
            self.last = drops;
        }
    }
}

fn add(counters: &[Counter], counts: &mut [u32]) {
    counters.iter().zip(counts).for_each(|(counter, count)| increment(counter, count));
}

/// Most counts of most batches are zero: those touch nothing that is shared.
fn increment(counter: &Counter, count: &mut u32) {
    if *count > 0 {
        counter.increment(u64::from(std::mem::take(count)));
    }
}

fn describe() {
    describe_counter!(
        "radius_requests_total",
        "Requests that were framed and verified, retransmissions included."
    );
    describe_counter!("radius_responses_total", "Replies sent, repeated ones included.");
    describe_counter!(
        "radius_dropped_total",
        "Datagrams that were not answered, by reason, and by gateway where one is known."
    );
    describe_counter!("radius_duplicates_total", "Retransmissions answered from memory.");
    describe_counter!(
        "radius_socket_drops_total",
        "Datagrams that the kernel dropped because a socket's buffer was full."
    );
    describe_counter!(
        "attachd_rejects_total",
        "Requests of endpoints that may not be served, by reason."
    );
    describe_counter!("attachd_accounting_total", "Accounting reports, by what they report.");
    describe_counter!(
        "attachd_accounting_repeated_total",
        "Accounting reports in which nothing was new."
    );
    describe_counter!(
        "attachd_odd_times_total",
        "Accounting reports with a time that cannot be: Event-Timestamp (stamp), Acct-Delay-Time (delay), Acct-Session-Time (session-time)."
    );
    describe_counter!(
        "attachd_lowered_counters_total",
        "Accounting reports with a counter lower than before that was no wrap."
    );
    describe_counter!(
        "attachd_clock_steps_total",
        "Steps of the wall clock by more than a minute."
    );
    describe_counter!(
        "attachd_reloads_total",
        "Reloads of gateways and inventory, by whether they were applied."
    );
    describe_gauge!(
        "attachd_reload_timestamp_seconds",
        "When the gateways and the inventory in force were loaded, since the Unix epoch."
    );
    describe_counter!(
        "attachd_api_requests_total",
        "Requests of the HTTP API, by path and status."
    );
    describe_histogram!(API_SECONDS, Unit::Seconds, "How long a request of the HTTP API took.");
    describe_counter!(TLS_CLOSED, "TLS connections that ended or never began, by reason.");
    describe_gauge!(TLS_CONNECTIONS, "Open TLS connections, by gateway.");
    describe_counter!(
        "attachd_thread_stalls_total",
        "How often a thread has stood still for too long."
    );
    describe_counter!(
        "attachd_log_lines_dropped_total",
        "Log lines that were given up because nobody read standard error."
    );
    describe_gauge!("attachd_build_info", "Always 1; the label tells which attachd this is.");
    describe_histogram!(
        COMMIT_SECONDS,
        Unit::Seconds,
        "How long it took to make a group of records durable."
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Code;

    #[test]
    fn what_a_worker_counts_is_exposed() {
        let metrics = Metrics::new().unwrap();
        let mut meters = metrics.meters();
        let mut counters = WorkerCounters::default();
        for _ in 0..2 {
            counters.request(GatewayId::new(0), Code::ACCESS_REQUEST);
            counters.dropped(Dropped::BadAuthenticator, Some(GatewayId::new(0)));
            counters.dropped(Dropped::UnknownGateway, None);
            counters.took(Code::ACCESS_REQUEST, Duration::from_micros(70));
            meters.report(&mut counters, |_| Some("pgw-01"));
        }
        metrics.socket_drops(([127, 0, 0, 1], 1812).into()).report(3);
        metrics.upkeep();
        let text = metrics.render(Names::Own);
        for line in [
            "radius_requests_total{gateway=\"pgw-01\",code=\"Access-Request\"} 2",
            "radius_dropped_total{gateway=\"pgw-01\",reason=\"bad-authenticator\"} 2",
            "radius_dropped_total{gateway=\"pgw-01\",reason=\"overload\"} 0",
            "radius_dropped_total{reason=\"unknown-gateway\"} 2",
            "radius_socket_drops_total{listener=\"127.0.0.1:1812\"} 3",
            "# TYPE radius_request_duration_seconds histogram",
            "radius_request_duration_seconds_bucket{code=\"Access-Request\",le=\"0.00005\"} 0",
            "radius_request_duration_seconds_bucket{code=\"Access-Request\",le=\"0.0001\"} 2",
            "radius_request_duration_seconds_bucket{code=\"Access-Request\",le=\"+Inf\"} 2",
            "radius_request_duration_seconds_sum{code=\"Access-Request\"} 0.00014",
            "radius_request_duration_seconds_count{code=\"Access-Request\"} 2",
            concat!("attachd_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn a_counter_of_the_kernel_may_wrap() {
        let metrics = Metrics::new().unwrap();
        let mut drops = metrics.socket_drops(([127, 0, 0, 1], 1812).into());
        drops.report(u32::MAX);
        drops.report(4);
        assert!(metrics.render(Names::Own).contains("} 4294967300\n"));
    }
}
