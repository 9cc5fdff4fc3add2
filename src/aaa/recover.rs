//! What was recorded comes back: the newest record of each endpoint, then the pools and counts that
//! follow from all of them.

use std::thread;

use foldhash::HashMap;

use super::address_plan::AddressPlan;
use super::provision::first_state;
use super::register::Removed;
use super::{Aaa, EndpointEntry, SIDE_BY_SIDE};
use crate::identity::Iccid;
use crate::network::{
    Cursor, EndpointState, Lease, LeasePhase, Leases, NetworkState, Outages, Restart, Tracker,
};
use crate::provisioning::{
    Catalog, CatalogObject, Endpoint, Fingerprint, Origin, ProvisioningState, Revision, StockEntry,
};
use crate::time::Timestamp;

/// A decision maker whose memory is being restored. Records come in the order of the journal; it
/// serves nobody until [`Recovery::finish`].
pub struct Recovery {
    aaa: Aaa,
    catalog: Catalog,
    /// Endpoints that were removed, and the stamps of their ends: states from before it may stand
    /// behind it.
    removed: HashMap<Iccid, Revision>,
    /// What they had until then may still be in its hold.
    leases_of_removed: Vec<(Iccid, Leases)>,
    /// Read, but not taken in: several together are quicker.
    waiting: Vec<(Iccid, RecoveredPart)>,
    /// The last time that a record knows.
    newest: Timestamp,
}

/// What a record says of an endpoint.
enum RecoveredPart {
    Provisioned { stamp: Revision, endpoint: Option<Endpoint> },
    State(EndpointState),
}

/// What recovery found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    pub endpoints: usize,
    pub open_sessions: usize,
    pub leases: usize,
    /// Addresses that two records claimed. It cannot happen; if it does, the one found first keeps
    /// the address.
    pub contested: usize,
    /// IMSIs and MSISDNs that two records claimed. The endpoint that was provisioned last has each.
    pub contested_names: usize,
}

impl Aaa {
    /// Begins to restore the memory of a decision maker that has none yet.
    #[must_use]
    pub fn recover(self) -> Recovery {
        let (catalog, removed, newest) = (Catalog::default(), HashMap::default(), Timestamp::EPOCH);
        Recovery {
            aaa: self,
            catalog,
            removed,
            leases_of_removed: Vec::new(),
            waiting: Vec::new(),
            newest,
        }
    }
}

impl Recovery {
    /// There is a record of this time.
    pub fn time(&mut self, time: Timestamp) {
        self.newest = self.newest.max(time);
    }

    /// All VSlices and groups, with the handles they had: as a journal has them that was written
    /// before each had its own record.
    pub fn catalog(&mut self, catalog: Catalog) {
        self.catalog = catalog;
        self.inventory(None);
    }

    /// An object of the catalog. The newest version wins.
    pub fn object(&mut self, object: CatalogObject) {
        self.catalog.put_if_newer(object);
    }

    /// Catalog and endpoints are those of these files; `None`: they may not be.
    pub fn inventory(&mut self, fingerprint: Option<Fingerprint>) {
        self.aaa.register.get_mut().fingerprint = fingerprint;
    }

    /// An endpoint as it was provisioned; `None`: it was removed. The newest version wins.
    pub fn provisioned(&mut self, iccid: Iccid, stamp: Revision, endpoint: Option<Endpoint>) {
        self.take_part(iccid, RecoveredPart::Provisioned { stamp, endpoint });
    }

    /// The dynamic state of an endpoint. The newest version wins, in whatever order they come.
    ///
    /// It may come before the record of its endpoint, or without it: a worker serves an endpoint as
    /// soon as it is adopted, and hands its records over earlier than a long adoption. What was
    /// acknowledged then is kept, and finds its endpoint again in the inventory.
    pub fn endpoint(&mut self, iccid: Iccid, state: EndpointState) {
        self.take_part(iccid, RecoveredPart::State(state));
    }

    fn take_part(&mut self, iccid: Iccid, word: RecoveredPart) {
        self.waiting.push((iccid, word));
        if self.waiting.len() == SIDE_BY_SIDE {
            self.take_in();
        }
    }

    /// In the order in which they came.
    fn take_in(&mut self) {
        self.aaa.prefetch_iccids(self.waiting.iter().map(|(iccid, _)| *iccid));
        let mut waiting = std::mem::take(&mut self.waiting);
        for (iccid, word) in waiting.drain(..) {
            match word {
                RecoveredPart::Provisioned { stamp, endpoint } => {
                    self.take_in_provisioned(iccid, stamp, endpoint);
                }
                RecoveredPart::State(state) => self.take_in_state(iccid, state),
            }
        }
        self.waiting = waiting;
    }

    fn take_in_provisioned(&mut self, iccid: Iccid, stamp: Revision, endpoint: Option<Endpoint>) {
        if self.removed.get(&iccid).is_some_and(|end| stamp.version < end.version) {
            return;
        }
        let Some(endpoint) = endpoint else {
            self.removed.insert(iccid, stamp);
            if self
                .aaa
                .tracker
                .read(iccid, |entry| entry.stamp.version <= stamp.version)
                .unwrap_or_default()
            {
                self.leases_of_removed.extend(
                    self.aaa.tracker.remove(iccid).map(|entry| (iccid, entry.state.leases)),
                );
            }
            return;
        };
        let mut endpoint = Some(endpoint);
        let known = self.aaa.tracker.with(iccid, |entry| {
            if stamp.version >= entry.stamp.version
                && let Some(endpoint) = endpoint.take()
            {
                (entry.endpoint, entry.stamp) = (endpoint, stamp);
            }
        });
        if let (None, Some(endpoint)) = (known, endpoint) {
            // Of version 0: until a state is read, whichever comes first is the newest.
            let state = EndpointState::new(NetworkState::Unknown);
            self.aaa.tracker.insert(iccid, EndpointEntry { endpoint, stamp, state });
        }
    }

    fn take_in_state(&mut self, iccid: Iccid, state: EndpointState) {
        self.time(newest_of(&state));
        if self.removed.get(&iccid).is_some_and(|end| state.version < end.version) {
            return;
        }
        let mut state = Some(state);
        let known = self.aaa.tracker.with(iccid, |entry| {
            if let Some(state) = state.take_if(|state| state.version >= entry.state.version) {
                entry.state = state;
            }
        });
        if let (None, Some(state)) = (known, state) {
            self.aaa.tracker.insert(
                iccid,
                EndpointEntry {
                    endpoint: Endpoint::new(ProvisioningState::Pending),
                    stamp: Revision::default(),
                    state,
                },
            );
        }
    }

    /// A SIM of the stock; `None`: it left. The newest version wins.
    pub fn stock(&mut self, iccid: Iccid, version: u64, entry: Option<&StockEntry>) {
        self.aaa.stock.recover(iccid, version, entry);
    }

    /// The outages until an earlier start. The record that was written last counts.
    pub fn outages(&mut self, outages: Outages) {
        self.aaa.outages = outages;
    }

    /// A gateway's restart, which some sessions may not have heard of yet.
    pub fn restart(&mut self, restart: Restart) {
        self.aaa.restarts.note(restart);
    }

    /// Builds what follows from the records: indexes, pools and counts. `start` learns the last
    /// time that a record knows, and says at which time it goes on.
    #[must_use]
    pub fn finish(mut self, start: impl FnOnce(Timestamp) -> Timestamp) -> (Aaa, Recovered) {
        self.take_in();
        let Self { mut aaa, catalog, leases_of_removed, removed, newest, .. } = self;
        aaa.outages.add(newest, start(newest));
        let plan = AddressPlan::renewed(&AddressPlan::default(), catalog, aaa.settings.hold_time);
        let mut recovered = Recovered { endpoints: aaa.tracker.len(), ..Recovered::default() };
        let mut imsis = Vec::with_capacity(recovered.endpoints);
        let mut msisdns = Vec::new();
        let mut configured = Vec::new();
        aaa.tracker.walk(Cursor::default(), usize::MAX, |iccid, entry| {
            if entry.state.version == 0 {
                entry.state.state = first_state(&entry.endpoint);
                entry.state.version = entry.stamp.version;
            }
            aaa.state_counts.joined(entry.state.state, entry.endpoint.state);
            aaa.members.moved(None, Some(&entry.endpoint));
            aaa.count_differing(false, entry.stamp.origin.differs());
            restore_addresses(&aaa, &plan, iccid, entry, &mut recovered);
            configured
                .extend(plan.configured(&entry.endpoint).map(|(vslice, ip)| (iccid, vslice, ip)));
            aaa.state_counts
                .ending(i64::try_from(entry.state.ending_sessions()).unwrap_or(i64::MAX));
            for session in entry.state.open_sessions() {
                recovered.open_sessions += 1;
                plan.count_session(session.group, 1);
            }
            let version = entry.stamp.version;
            imsis.extend(entry.endpoint.imsis().map(|imsi| Named { name: imsi, iccid, version }));
            msisdns.extend(entry.endpoint.msisdn.map(|msisdn| Named {
                name: msisdn,
                iccid,
                version,
            }));
        });
        for (iccid, leases) in leases_of_removed {
            leases.iter().for_each(|lease| restore_hold(&aaa, &plan, iccid, lease));
            // Whose hold is over by now, the next snapshot will find.
            let end = removed.get(&iccid).map_or(0, |end| end.version);
            aaa.departed.add(
                iccid,
                leases,
                end,
                Timestamp::EPOCH,
                aaa.settings.hold_time,
                &aaa.outages,
            );
        }
        // After all that is leased: what an open session uses is not taken from it.
        for (iccid, vslice, ip) in configured {
            plan.configure_or_await(vslice, ip, iccid);
        }
        // A closure of the tracker must not call the tracker, so the indexes come second; neither
        // needs the other.
        let tracker = &aaa.tracker;
        recovered.contested_names = thread::scope(|scope| {
            let imsis = scope.spawn(|| {
                index(
                    &imsis,
                    |imsi| tracker.prefetch_imsi(imsi),
                    |imsi, iccid| tracker.claim_imsi(imsi, iccid),
                    |imsi, iccid| _ = tracker.index_imsi(imsi, iccid),
                    |iccid| version_of(tracker, iccid),
                )
            });
            let msisdns = index(
                &msisdns,
                |msisdn| tracker.prefetch_msisdn(msisdn),
                |msisdn, iccid| tracker.claim_msisdn(msisdn, iccid),
                |msisdn, iccid| _ = tracker.index_msisdn(msisdn, iccid),
                |iccid| version_of(tracker, iccid),
            );
            msisdns + imsis.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        for (iccid, mut stamp) in removed {
            if aaa.tracker.read(iccid, |_| ()).is_some() {
                stamp.origin = Origin::default();
            }
            aaa.count_differing(false, stamp.origin.line().is_some());
            aaa.register.get_mut().remove(iccid, Removed { stamp, at: Timestamp::EPOCH });
        }
        aaa.plan.store(plan.into());
        aaa.events.demand.follow(&aaa.plan.load().catalog);
        (aaa, recovered)
    }
}

/// The last time that this record knows. Times of others are not among them, nor those to come.
fn newest_of(state: &EndpointState) -> Timestamp {
    let released = state.leases.iter().filter_map(|lease| match lease.phase {
        LeasePhase::Released { at } => Some(at),
        _ => None,
    });
    released
        .chain(state.sessions.iter().map(|session| session.heard))
        .fold(state.last_activity, Timestamp::max)
}

/// A name that an endpoint has, and since which version.
struct Named<N> {
    name: N,
    iccid: Iccid,
    version: u64,
}

fn version_of(tracker: &Tracker<EndpointEntry>, iccid: Iccid) -> u64 {
    tracker.read(iccid, |entry| entry.stamp.version).unwrap_or_default()
}

/// Puts names into an index. If two records claim one, the endpoint that was provisioned last has
/// it; returns how many are so.
fn index<N: Copy>(
    named: &[Named<N>],
    prefetch: impl Fn(N),
    claim: impl Fn(N, Iccid) -> Result<bool, Iccid>,
    put: impl Fn(N, Iccid),
    version_of: impl Fn(Iccid) -> u64,
) -> usize {
    let mut contested = 0;
    for some in named.chunks(SIDE_BY_SIDE) {
        for named in some {
            prefetch(named.name);
        }
        for Named { name, iccid, version } in some {
            let Err(owner) = claim(*name, *iccid) else { continue };
            contested += 1;
            if (version_of(owner), owner) < (*version, *iccid) {
                put(*name, *iccid);
            }
        }
    }
    contested
}

fn restore_addresses(
    aaa: &Aaa,
    plan: &AddressPlan,
    iccid: Iccid,
    entry: &EndpointEntry,
    recovered: &mut Recovered,
) {
    for lease in &entry.state.leases {
        if lease.phase.is_released() {
            restore_hold(aaa, plan, iccid, lease);
        } else {
            recovered.leases += 1;
            recovered.contested += usize::from(!plan.restore_leased(lease.vslice, lease.ip, iccid));
        }
    }
    for session in entry.state.open_sessions().filter(|session| session.conflict) {
        let vslice =
            session.group.and_then(|group| plan.catalog.group(group)).map(|group| group.vslice);
        if let Some((ip, vslice)) = session.ip.zip(vslice) {
            let until =
                aaa.outages.deadline(session.heard, aaa.limits(plan, &entry.endpoint).stale_after);
            plan.contest(vslice, ip, iccid, until);
        }
    }
}

fn restore_hold(aaa: &Aaa, plan: &AddressPlan, iccid: Iccid, lease: &Lease) {
    if let LeasePhase::Released { at } = lease.phase {
        plan.restore_held(lease.vslice, lease.ip, iccid, aaa.outages.postpone(at));
    }
}
