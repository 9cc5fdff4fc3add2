//! The machine from outside: what gateways send, in the order in which it arrives, and what must be
//! true afterwards.

mod bound;
mod checklist;
mod leases;
mod model;
mod rules;
mod size;

use std::time::Duration;

use super::*;
use crate::identity::{GatewayId, GroupId, VsliceId};
use crate::time::Timestamp;

/// The time of the tests begins here.
const fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(1_700_000_000 + secs)
}

/// One of the machines behind a configured gateway, by its NAS-IP-Address.
fn reporter(nas: u32) -> Reporter<'static> {
    let nas = Nas::new([192, 0, 2, 1].into(), Some(nas.into()), None, None);
    Reporter { gateway: GatewayId::new(0), range: "192.0.2.0/24".parse().unwrap(), nas }
}

/// Another configured gateway.
fn stranger() -> Reporter<'static> {
    let nas = Nas::new([198, 51, 100, 1].into(), Some([0, 0, 0, 1].into()), None, None);
    Reporter { gateway: GatewayId::new(1), range: "198.51.100.0/24".parse().unwrap(), nas }
}

/// The group that serves every APN of the tests.
const GROUP: Option<GroupId> = Some(GroupId::new(0));

/// A report by gateway 0, NAS 1, for APN `iot`, without anything optional.
fn report(acct_session_id: &str, secs: u64) -> Report<'_> {
    Report {
        reporter: reporter(1),
        acct_session_id: acct_session_id.as_bytes(),
        acct_multi_session_id: None,
        apn: Some(b"iot"),
        iccid: None,
        event_time: EventTime::at(at(secs)),
        stamp: Stamp::Sane,
        families: Families::default(),
        ip: None,
        prefix: None,
        delegated: None,
        is_without_ip: false,
        absent_is_released: false,
        counters: Counters::default(),
        location_info: LocationInfo::default(),
        session_time_s: None,
        terminate_cause: None,
        last_bearer: false,
        authorisation: None,
    }
}

fn octets(input: u32, output: u32) -> Counters {
    Counters { input: Some(input), output: Some(output), ..Counters::default() }
}

fn limits() -> SessionLimits<'static> {
    static NO_OUTAGES: Outages = Outages::NONE;
    SessionLimits {
        stale_after: Duration::from_secs(3600),
        ending: Duration::from_secs(3600),
        detach_after: Duration::from_secs(172_800),
        tombstone: Duration::from_secs(3600),
        promise: Duration::from_secs(120),
        hold: Duration::from_secs(60),
        outages: &NO_OUTAGES,
    }
}

/// An endpoint in a group, and reports that arrive the moment they tell of.
struct TestTracker {
    endpoint: EndpointState,
}

impl TestTracker {
    fn new() -> Self {
        Self { endpoint: EndpointState::new(NetworkState::Detached) }
    }

    fn start(&mut self, report: &Report<'_>) -> Outcome {
        self.endpoint.start(report, GROUP, report.event_time.shown)
    }

    fn interim(&mut self, report: &Report<'_>) -> Outcome {
        self.endpoint.interim(report, GROUP, report.event_time.shown)
    }

    fn stop(&mut self, report: &Report<'_>) -> Outcome {
        self.endpoint.stop(report, GROUP, report.event_time.shown)
    }

    /// The open sessions by their key, in order of their opening.
    fn open(&self) -> Vec<&str> {
        self.endpoint.open_sessions().map(Session::key).collect()
    }

    fn session(&self, key: &str) -> &Session {
        self.endpoint.sessions.iter().rfind(|session| session.key() == key).unwrap()
    }

    fn state(&self) -> NetworkState {
        self.endpoint.state
    }
}

fn causes(outcome: &Outcome) -> Vec<&'static str> {
    outcome.closed.iter().map(|closed| closed.cause.name()).collect()
}
