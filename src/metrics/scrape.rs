//! What is counted elsewhere, read when somebody scrapes: the state counts of the decision maker,
//! the pools, the journal.

use metrics::{counter, describe_counter, describe_gauge, gauge, with_local_recorder};

use super::Metrics;
use crate::aaa::{Stats, VsliceStats};
use crate::journal::JournalFigures;

impl Metrics {
    /// Takes over what `aaa` and the journal say.
    pub fn observe(&self, stats: &Stats, journal: JournalFigures) {
        with_local_recorder(&self.recorder, || {
            for (state, count) in stats.provisioning {
                gauge!("attachd_endpoints", "provisioning_state" => state.moniker())
                    .set(count as f64);
            }
            for (state, count) in stats.network {
                gauge!("attachd_endpoints_network", "network_state" => state.moniker())
                    .set(count as f64);
            }
            gauge!("attachd_sessions_ending").set(stats.ending as f64);
            for (cause, count) in stats.closed {
                counter!("attachd_sessions_closed_total", "cause" => cause.name()).absolute(count);
            }
            for (event, count) in stats.refused {
                counter!("attachd_state_refused_total", "event" => event.moniker()).absolute(count);
            }
            gauge!("attachd_inventory_differs").set(stats.differing as f64);
            stats.vslices.iter().for_each(vslice);
            counter!("attachd_journal_records_total").absolute(journal.records);
            counter!("attachd_journal_failures_total").absolute(journal.failures);
            gauge!("attachd_journal_bytes").set(journal.octets as f64);
            gauge!("attachd_journal_backlog_bytes").set(journal.backlog as f64);
        });
    }
}

impl Metrics {
    /// Takes over how many events were made, by type.
    pub fn observe_events(&self, counts: impl Iterator<Item = (&'static str, u64)>) {
        with_local_recorder(&self.recorder, || {
            for (event, count) in counts {
                counter!("attachd_events_total", "type" => event).absolute(count);
            }
        });
    }

    /// Takes over what one event handler came to.
    pub fn observe_handler(&self, handler: &str, outcomes: [(&'static str, u64); 3], lost: u64) {
        with_local_recorder(&self.recorder, || {
            for (outcome, count) in outcomes {
                counter!("attachd_webhook_deliveries_total", "handler" => handler.to_owned(), "outcome" => outcome).absolute(count);
            }
            counter!("attachd_events_lost_total", "handler" => handler.to_owned()).absolute(lost);
        });
    }

    /// How many events wait for their handlers, over all.
    pub fn observe_backlog(&self, waiting: u64) {
        with_local_recorder(&self.recorder, || {
            gauge!("attachd_webhook_backlog").set(waiting as f64);
        });
    }
}

fn vslice(stats: &VsliceStats) {
    let vslice = || stats.moniker.as_str().to_owned();
    gauge!("attachd_sessions", "vslice" => vslice()).set(stats.sessions as f64);
    counter!("attachd_pool_allocations_total", "vslice" => vslice()).absolute(stats.allocations);
    counter!("attachd_pool_failures_total", "vslice" => vslice()).absolute(stats.failures);
    counter!("attachd_address_conflicts_total", "vslice" => vslice()).absolute(stats.conflicts);
    // No subnet has them: an empty label is none.
    gauge!("attachd_pool_addresses", "vslice" => vslice(), "subnet" => "", "state" => "outside")
        .set(stats.outside as f64);
    for pool in &stats.pools {
        let counts = pool.counts;
        for (state, count) in [
            ("leased", counts.leased),
            ("held", counts.held),
            ("free", counts.free),
            ("reserved", counts.reserved),
        ] {
            gauge!("attachd_pool_addresses", "vslice" => vslice(), "subnet" => pool.cidr.to_string(), "state" => state).set(count as f64);
        }
    }
}

pub(super) fn describe() {
    describe_gauge!("attachd_endpoints", "Known endpoints, by provisioning state.");
    describe_gauge!("attachd_endpoints_network", "Known endpoints, by network state.");
    describe_gauge!(
        "attachd_inventory_differs",
        "Endpoints, groups and VSlices that are other than the files have them."
    );
    describe_gauge!("attachd_sessions", "Open sessions.");
    describe_gauge!(
        "attachd_sessions_ending",
        "Sessions that their endpoints may not have any more, and that their gateways still report."
    );
    describe_gauge!(
        "attachd_pool_addresses",
        "Addresses of a subnet, by what holds them; `outside`: in use, though no subnet has them any more."
    );
    describe_counter!("attachd_pool_allocations_total", "Addresses given out.");
    describe_counter!("attachd_pool_failures_total", "Requests for which there was no address.");
    describe_counter!(
        "attachd_address_conflicts_total",
        "Reported addresses that were another endpoint's, or nobody's to have."
    );
    describe_counter!(
        "attachd_sessions_closed_total",
        "Sessions that ended, or began to, by cause."
    );
    describe_counter!(
        "attachd_state_refused_total",
        "Events that did not fit the network state, by event."
    );
    describe_counter!("attachd_events_total", "Events recorded, by type.");
    describe_counter!(
        "attachd_events_lost_total",
        "Events that were not kept long enough for their handler, at most."
    );
    describe_counter!(
        "attachd_webhook_deliveries_total",
        "Events taken by their handler, tries that failed, and events given up."
    );
    describe_gauge!("attachd_webhook_backlog", "Events read for their handlers and not taken yet.");
    describe_counter!("attachd_journal_records_total", "Records made durable.");
    describe_counter!("attachd_journal_failures_total", "Commits that failed.");
    describe_gauge!("attachd_journal_bytes", "What a recovery would read.");
    describe_gauge!("attachd_journal_backlog_bytes", "What waits for the disk.");
}
