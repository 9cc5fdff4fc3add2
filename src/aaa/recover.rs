//! What was recorded comes back: the newest record of each endpoint, then the pools and counts that follow from all of them.

use std::thread;

use foldhash::HashMap;

use super::adopt::first_state;
use super::plan::Plan;
use super::{Aaa, Entry, SIDE_BY_SIDE};
use crate::identity::Iccid;
use crate::network::{EndpointState, Lease, LeasePhase, Leases, Restart};
use crate::provisioning::{Catalog, Endpoint, Fingerprint, ProvisioningState};
use crate::time::Timestamp;

/// A decision maker whose memory is being restored. Records come in the order of the journal; it serves nobody until [`Recovery::finish`].
pub struct Recovery {
    aaa: Aaa,
    catalog: Catalog,
    /// Endpoints that were removed, and the version of their end: states from before it may stand behind it.
    removed: HashMap<Iccid, u64>,
    /// What they had until then may still be in its hold.
    bequeathed: Vec<(Iccid, Leases)>,
    /// Read, but not taken in: several together are quicker.
    waiting: Vec<(Iccid, Word)>,
}

/// What a record says of an endpoint.
enum Word {
    Provisioned { version: u64, endpoint: Option<Endpoint> },
    State(EndpointState),
}

/// What recovery found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    pub endpoints: usize,
    pub open_sessions: usize,
    pub leases: usize,
    /// Addresses that two records claimed. It cannot happen; if it does, the one found first keeps the address.
    pub contested: usize,
}

impl Aaa {
    /// Begins to restore the memory of a decision maker that has none yet.
    #[must_use]
    pub fn recover(self) -> Recovery {
        Recovery { aaa: self, catalog: Catalog::default(), removed: HashMap::default(), bequeathed: Vec::new(), waiting: Vec::new() }
    }
}

impl Recovery {
    /// The VSlices and groups, with the handles they had.
    pub fn catalog(&mut self, catalog: Catalog) {
        self.catalog = catalog;
        *self.aaa.inventory.get_mut() = None;
    }

    /// Catalog and endpoints are those of these files.
    pub fn inventory(&mut self, fingerprint: Fingerprint) {
        *self.aaa.inventory.get_mut() = Some(fingerprint);
    }

    /// An endpoint as it was provisioned; `None`: it was removed.
    pub fn provisioned(&mut self, iccid: Iccid, version: u64, endpoint: Option<Endpoint>) {
        self.hear(iccid, Word::Provisioned { version, endpoint });
    }

    /// The dynamic state of an endpoint. The newest version wins, in whatever order they come.
    ///
    /// It may come before the record of its endpoint, or without it: a worker serves an endpoint as soon as it is adopted, and hands its
    /// records over earlier than a long adoption. What was acknowledged then is kept, and finds its endpoint again in the inventory.
    pub fn endpoint(&mut self, iccid: Iccid, state: EndpointState) {
        self.hear(iccid, Word::State(state));
    }

    fn hear(&mut self, iccid: Iccid, word: Word) {
        self.waiting.push((iccid, word));
        if self.waiting.len() == SIDE_BY_SIDE {
            self.take_in();
        }
    }

    /// In the order in which they came.
    fn take_in(&mut self) {
        self.aaa.foresee_iccids(self.waiting.iter().map(|(iccid, _)| *iccid));
        let mut waiting = std::mem::take(&mut self.waiting);
        for (iccid, word) in waiting.drain(..) {
            match word {
                Word::Provisioned { version, endpoint } => self.take_in_provisioned(iccid, version, endpoint),
                Word::State(state) => self.take_in_state(iccid, state),
            }
        }
        self.waiting = waiting;
    }

    fn take_in_provisioned(&mut self, iccid: Iccid, version: u64, endpoint: Option<Endpoint>) {
        let Some(endpoint) = endpoint else {
            self.removed.insert(iccid, version);
            self.bequeathed.extend(self.aaa.tracker.remove(iccid).map(|entry| (iccid, entry.state.leases)));
            return;
        };
        let mut endpoint = Some(endpoint);
        self.aaa.tracker.with(iccid, |entry| {
            if let Some(endpoint) = endpoint.take() {
                entry.endpoint = endpoint;
            }
        });
        if let Some(endpoint) = endpoint {
            let mut state = EndpointState::new(first_state(&endpoint));
            state.version = version;
            self.aaa.tracker.insert(iccid, Entry { endpoint, state });
        }
    }

    fn take_in_state(&mut self, iccid: Iccid, state: EndpointState) {
        if self.removed.get(&iccid).is_some_and(|end| state.version < *end) {
            return;
        }
        let mut state = Some(state);
        let known = self.aaa.tracker.with(iccid, |entry| {
            if let Some(state) = state.take_if(|state| state.version >= entry.state.version) {
                entry.state = state;
            }
        });
        if let (None, Some(state)) = (known, state) {
            self.aaa.tracker.insert(iccid, Entry { endpoint: Endpoint::new(ProvisioningState::Pending), state });
        }
    }

    /// A gateway's restart, which some sessions may not have heard of yet.
    pub fn restart(&mut self, restart: Restart) {
        self.aaa.restarts.note(restart);
    }

    /// Builds what follows from the records: indexes, pools and counts.
    #[must_use]
    pub fn finish(mut self) -> (Aaa, Recovered) {
        self.take_in();
        let Self { aaa, catalog, bequeathed, removed, .. } = self;
        let plan = Plan::renewed(&Plan::default(), catalog, aaa.settings.hold_time);
        let mut recovered = Recovered { endpoints: aaa.tracker.len(), ..Recovered::default() };
        let mut imsis = Vec::with_capacity(recovered.endpoints);
        let mut msisdns = Vec::new();
        let mut configured = Vec::new();
        aaa.tracker.for_each(|iccid, entry| {
            aaa.census.joined(entry.state.state, entry.endpoint.state);
            restore_addresses(&aaa, &plan, iccid, entry, &mut recovered);
            configured.extend(plan.configured(&entry.endpoint).map(|(vslice, ip)| (iccid, vslice, ip)));
            aaa.census.ending(entry.state.ending_sessions() as i64);
            for session in entry.state.open_sessions() {
                recovered.open_sessions += 1;
                plan.count_session(session.group, 1);
            }
            imsis.extend(entry.endpoint.imsis().map(|imsi| (imsi, iccid)));
            msisdns.extend(entry.endpoint.msisdn.map(|msisdn| (msisdn, iccid)));
        });
        for (iccid, leases) in bequeathed {
            leases.iter().for_each(|lease| restore_hold(&plan, iccid, lease));
            // Whose hold is over by now, the next snapshot will find.
            let end = removed.get(&iccid).copied().unwrap_or_default();
            aaa.departed.add(iccid, leases, end, Timestamp::EPOCH, aaa.settings.hold_time);
        }
        // After all that is leased: what an open session uses is not taken from it.
        for (iccid, vslice, ip) in configured {
            plan.configure_or_await(vslice, ip, iccid);
        }
        // A closure of the tracker must not call the tracker, so the indexes come second; neither needs the other.
        thread::scope(|scope| {
            scope.spawn(|| index(&imsis, |imsi| aaa.tracker.foresee_imsi(imsi), |imsi, iccid| _ = aaa.tracker.index_imsi(imsi, iccid)));
            index(&msisdns, |msisdn| aaa.tracker.foresee_msisdn(msisdn), |msisdn, iccid| _ = aaa.tracker.index_msisdn(msisdn, iccid));
        });
        aaa.plan.store(plan.into());
        (aaa, recovered)
    }
}

fn index<N: Copy>(numbered: &[(N, Iccid)], foresee: impl Fn(N), put: impl Fn(N, Iccid)) {
    for some in numbered.chunks(SIDE_BY_SIDE) {
        for (number, _) in some {
            foresee(*number);
        }
        for (number, iccid) in some {
            put(*number, *iccid);
        }
    }
}

fn restore_addresses(aaa: &Aaa, plan: &Plan, iccid: Iccid, entry: &Entry, recovered: &mut Recovered) {
    for lease in &entry.state.leases {
        if lease.phase.is_released() {
            restore_hold(plan, iccid, lease);
        } else {
            recovered.leases += 1;
            recovered.contested += usize::from(!plan.restore_leased(lease.vslice, lease.ip, iccid));
        }
    }
    for session in entry.state.open_sessions().filter(|session| session.conflict) {
        let vslice = session.group.and_then(|group| plan.catalog.group(group)).map(|group| group.vslice);
        if let Some((ip, vslice)) = session.ip.zip(vslice) {
            let until = session.heard + aaa.limits(plan, &entry.endpoint).stale_after;
            plan.contest(vslice, ip, iccid, until);
        }
    }
}

fn restore_hold(plan: &Plan, iccid: Iccid, lease: &Lease) {
    if let LeasePhase::Released { at } = lease.phase {
        plan.restore_held(lease.vslice, lease.ip, iccid, at);
    }
}
