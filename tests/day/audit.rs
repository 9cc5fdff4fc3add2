//! What the server holds for true, looked at from the inside: against the model, and against
//! itself.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use attachd::aaa::{Aaa, EndpointEntry};
use attachd::identity::Iccid;
use attachd::network::{Lease, LeasePhase, NetworkState, Session};
use attachd::simulator::referee::{ExpectedState, ShownSession, Violation, compare};
use attachd::simulator::shard::Shard;
use attachd::time::Timestamp;

use super::operator::Operator;

/// How many endpoints were compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compared {
    pub live: usize,
    pub away: usize,
    pub unclear: usize,
}

impl Compared {
    pub fn add(&mut self, other: Self) {
        self.live += other.live;
        self.away += other.away;
        self.unclear += other.unclear;
    }
}

/// Holds the server's view of every endpoint of a shard against the model's, but for those of which
/// the model `is_unclear`. What the referee has no rule for is added to `problems`.
pub fn compare_views(
    aaa: &Aaa,
    wall: Timestamp,
    shard: &mut Shard,
    now: Timestamp,
    operator: &Operator,
    problems: &mut Vec<String>,
) -> Compared {
    let mut compared = Compared::default();
    for (name, expected) in shard.expected_states() {
        if operator.was_suspended(&name, now) || operator.was_replaced(&name, now) {
            continue;
        }
        let iccid = Iccid::parse(operator.owner(&name).as_bytes()).unwrap();
        let view = |entry: &EndpointEntry| {
            (entry.state.state, entry.state.sessions.iter().map(seen).collect::<Vec<_>>())
        };
        // Nobody has provisioned the strangers.
        let (state, seen) = aaa
            .look(iccid, wall, |entry, _| view(entry))
            .unwrap_or((NetworkState::Unknown, Vec::new()));
        match &expected {
            ExpectedState::Live { reported, .. } => {
                compared.live += 1;
                let is_more = |session: &&ShownSession| {
                    !session.ended
                        && (session.input > reported.input || session.output > reported.output)
                };
                problems.extend(
                    seen.iter()
                        .find(is_more)
                        .map(|session| format!("{name}: {session:?}, but reported {reported:?}")),
                );
            }
            ExpectedState::Away => compared.away += 1,
            ExpectedState::Unclear => compared.unclear += 1,
        }
        let is_right = match expected {
            // The session of an endpoint that was moved is ending until its gateway stops it.
            ExpectedState::Live { .. } => {
                state == NetworkState::Active || operator.has_moved(&name)
            }
            ExpectedState::Away => state != NetworkState::Active,
            ExpectedState::Unclear => true,
        };
        if !is_right {
            problems.push(format!("{name} is {}, but {expected:?}", state.moniker()));
        }
        for (rule, detail) in compare(&expected, &seen) {
            let violation = Violation {
                rule,
                at: now,
                endpoint: Some(name.clone()),
                detail,
                packets: Vec::new(),
            };
            shard.referee_mut().report(violation);
        }
    }
    compared
}

/// Of each row of the inventory, whether another endpoint than its own has its IMSI or MSISDN, or
/// its own has not (PROTOCOL 11).
pub fn wrong_owners(aaa: &Aaa, operator: &Operator) -> Vec<String> {
    let mut owners: HashMap<String, Vec<String>> = HashMap::new();
    aaa.for_each(|iccid, entry| {
        let imsi = entry.endpoint.imsi.map(|imsi| format!("IMSI {imsi}"));
        let msisdn = entry.endpoint.msisdn.map(|msisdn| format!("MSISDN {msisdn}"));
        for name in imsi.into_iter().chain(msisdn) {
            owners.entry(name).or_default().push(iccid.to_string());
        }
    });
    let mut found = Vec::new();
    for row in operator.rows().lines().skip(1) {
        let mut fields = row.split(',');
        let own = fields.next().unwrap_or_default();
        for (kind, value) in ["IMSI", "MSISDN"].into_iter().zip(fields) {
            let name = format!("{kind} {value}");
            let has = owners.get(&name).map_or(&[][..], Vec::as_slice);
            if !value.is_empty() && has != [own] {
                found.push(format!("{name} of {own} belongs to {has:?}"));
            }
        }
    }
    found
}

/// A session as the HTTP interface shows it.
fn seen(session: &Session) -> ShownSession {
    let (input, output) = session.octets();
    let acct_session_id = session
        .bearers()
        .next()
        .map(|bearer| bearer.acct_session_id.to_string())
        .unwrap_or_default();
    ShownSession {
        acct_session_id,
        address: session.ip,
        ended: session.ended.is_some(),
        input,
        output,
    }
}

/// What the server says of itself must agree with itself. What does not is told. While the disk
/// takes nothing, pools may hear of releases very late.
pub fn contradictions(aaa: &Aaa, is_disk_working: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut owners: HashMap<_, Iccid> = HashMap::new();
    let (mut firm, mut all): (Vec<Lease>, Vec<Lease>) = (Vec::new(), Vec::new());
    let mut sessions: BTreeMap<String, i64> = BTreeMap::new();
    let mut states: HashMap<NetworkState, i64> = HashMap::new();
    let catalog = aaa.catalog();
    aaa.for_each(|iccid, entry| {
        *states.entry(entry.state.state).or_default() += 1;
        for lease in &entry.state.leases {
            all.push(*lease);
            if !is_released(lease) {
                firm.push(*lease);
                if let Some(other) = owners.insert((lease.vslice, lease.ip), iccid) {
                    found.push(format!("{} belongs to {iccid:?} and {other:?}", lease.ip));
                }
            }
        }
        for session in entry.state.open_sessions() {
            let vslice = session
                .group
                .and_then(|id| catalog.group(id))
                .and_then(|group| catalog.vslice(group.vslice));
            *sessions
                .entry(vslice.map(|vslice| vslice.moniker.to_string()).unwrap_or_default())
                .or_default() += 1;
        }
    });
    let stats = aaa.stats();
    for (state, count) in stats.network {
        let counted = states.get(&state).copied().unwrap_or_default();
        if count != counted {
            found.push(format!(
                "{count} endpoints are said to be {}, and {counted} are",
                state.moniker()
            ));
        }
    }
    for vslice in &stats.vslices {
        let open = sessions.get(vslice.moniker.as_str()).copied().unwrap_or_default();
        if vslice.sessions != open {
            found.push(format!(
                "{} sessions are said to be in {}, and {open} are",
                vslice.sessions, vslice.moniker
            ));
        }
        let is_outside = |lease: &&Lease| {
            let is_here =
                catalog.vslice(lease.vslice).is_some_and(|own| own.moniker == vslice.moniker);
            is_here && !vslice.pools.iter().any(|pool| pool.block.contains(lease.ip))
        };
        let outside = |leases: &[Lease]| leases.iter().filter(is_outside).count() as u64;
        let (least, most) = (outside(&firm), outside(&all));
        if vslice.outside < least || vslice.outside > most && is_disk_working {
            found.push(format!(
                "{} of {} are said to be outside, and {least} to {most} are",
                vslice.outside, vslice.moniker
            ));
        }
        for pool in &vslice.pools {
            let in_pool = |leases: &[Lease]| {
                let here = |lease: &&Lease| {
                    pool.block.contains(lease.ip)
                        && catalog
                            .vslice(lease.vslice)
                            .is_some_and(|own| own.moniker == vslice.moniker)
                };
                leases.iter().filter(here).count() as u64
            };
            // A release that is not durable yet has not reached the pool.
            let (least, most) = (in_pool(&firm), in_pool(&all));
            let leased = pool.counts.leased;
            if leased < least || leased > most && is_disk_working {
                found.push(format!(
                    "{leased} of {} are said to be leased, and {least} to {most} are",
                    pool.block
                ));
            }
        }
    }
    found
}

fn is_released(lease: &Lease) -> bool {
    matches!(lease.phase, LeasePhase::Released { .. })
}

/// What an orderly restart must not change of an endpoint: its state, its leases, and its open
/// sessions with all that is known of them.
pub type Memory = (NetworkState, Vec<Lease>, Vec<Session>);

/// A hold that was over by then may be in memory or not: an outage makes it longer.
pub fn forget_ended_holds(memory: &mut BTreeMap<String, Memory>, wall: Timestamp, hold: Duration) {
    let is_over =
        |lease: &Lease| matches!(lease.phase, LeasePhase::Released { at } if at + hold <= wall);
    for (_, leases, _) in memory.values_mut() {
        leases.retain(|lease| !is_over(lease));
    }
}

/// That of every endpoint, by its ICCID, as it is kept: what time alone brings is not a change.
pub fn memory(aaa: &Aaa) -> BTreeMap<String, Memory> {
    let mut memory = BTreeMap::new();
    aaa.for_each(|iccid, entry| {
        let open = entry.state.open_sessions().cloned().collect();
        memory.insert(iccid.to_string(), (entry.state.state, entry.state.leases.to_vec(), open));
    });
    memory
}
