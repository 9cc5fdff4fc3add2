//! Gateways that have restarted: noted in one place at once, and applied to each session when it is
//! next touched.

use std::cmp::Ordering::{Equal, Greater, Less};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use compact_str::CompactString;
use foldhash::fast::RandomState;
use ipnet::IpNet;
use parking_lot::RwLock;

use super::event_time::{self, EventTime, Stamp};
use super::nas::OwnNas;
use super::{Nas, Report, Reporter, Session, access_point};
use crate::identity::GatewayId;
use crate::time::Timestamp;

/// An Accounting-On or -Off (RFC 2866 5.1): the sender's sessions begun before it have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    pub gateway: GatewayId,
    /// The addresses of that gateway, as configured when it came.
    pub range: IpNet,
    nas: OwnNas,
    /// Only the sessions of this APN; lower case, without suffix.
    pub apn: Option<CompactString>,
    /// When it happened, as the gateway says.
    pub at: EventTime,
    pub stamp: Stamp,
    /// By our time.
    pub arrived: Timestamp,
}

impl Restart {
    #[must_use]
    pub fn new(
        reporter: &Reporter<'_>,
        apn: Option<CompactString>,
        at: EventTime,
        stamp: Stamp,
        arrived: Timestamp,
    ) -> Self {
        Self {
            gateway: reporter.gateway,
            range: reporter.range,
            nas: reporter.nas.into(),
            apn,
            at,
            stamp,
            arrived,
        }
    }

    #[must_use]
    pub fn of(report: &Report<'_>, now: Timestamp) -> Self {
        let apn = report.apn.filter(|apn| !apn.is_empty()).map(access_point::normal);
        Self::new(&report.reporter, apn, report.event_time, report.stamp, now)
    }

    /// What the sender said of itself.
    #[must_use]
    pub fn nas(&self) -> Nas<'_> {
        self.nas.nas()
    }

    /// Whether it ends this session.
    fn closes(&self, session: &Session) -> bool {
        let reporter = Reporter { gateway: self.gateway, range: self.range, nas: self.nas() };
        self.comes_after(session)
            && self.apn.as_deref().is_none_or(|apn| session.apn() == Some(apn))
            && reporter.speaks_for(session.gateway, &session.nas())
    }

    /// Whether the session had begun. Gateways stamp in whole seconds, and open sessions at once
    /// when they are back: within the second of the restart a session lives if it was heard of
    /// later.
    ///
    /// What was heard of well after the restart lives in any case: had it been open before, that
    /// report would have found it ended. So a gateway whose clock is slow does not lose its
    /// sessions when the restart is read from the journal once more.
    fn comes_after(&self, session: &Session) -> bool {
        if self.stamp == Stamp::Absent {
            // It may be an old one, replayed; and whatever arrives after it is after it (PROTOCOL
            // 20).
            return session.heard <= self.arrived
                && !event_time::is_young(session.started, self.at.shown);
        }
        if self.stamp == Stamp::Old
            && event_time::is_ahead(session.skew().shown(self.at.order).shown, self.arrived)
        {
            return false;
        }
        match session.began().order_for(self.stamp).secs().cmp(&self.at.order.secs()) {
            Less => session.heard <= self.arrived + UNDER_WAY,
            Equal => session.heard < self.arrived,
            Greater => false,
        }
    }

    /// When a session that it closes has ended. Without a stamp nothing orders it among the stamps
    /// of its gateway: what arrives later than it is after it (PROTOCOL 20), so only repetitions of
    /// what came before are from before the end. In whole seconds, as a skew is kept.
    fn end_of(&self, session: &Session) -> EventTime {
        if self.stamp != Stamp::Absent {
            return self.at;
        }
        let last = session.updated().order;
        let order = if last == Timestamp::from_secs(last.secs()) {
            last
        } else {
            Timestamp::from_secs(last.secs() + 1)
        };
        EventTime { shown: self.at.shown, order: order.min(self.at.order) }
    }

    /// Takes in another restart of the same sessions. The later one counts, by the gateway's time:
    /// a repetition that was long on its way tells nothing of the sessions opened since.
    fn merge(&mut self, other: &Self) {
        match other.at.order.secs().cmp(&self.at.order.secs()) {
            Less => {}
            Equal => self.arrived = self.arrived.max(other.arrived),
            Greater => *self = other.clone(),
        }
    }

    /// Whether both tell of the same sessions, in the same way. Two odd old stamps may be of two
    /// clocks, which nothing orders.
    fn is_again(&self, other: &Self) -> bool {
        let is_ordered = self.stamp != Stamp::Old || self.at.order == other.at.order;
        self.nas == other.nas && self.apn == other.apn && self.stamp == other.stamp && is_ordered
    }
}

/// How much later than a restart a report from before it may arrive, and still open a session that
/// has ended with it.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// The restarts that a walk over all endpoints has not yet carried out. While there is none, asking
/// costs one relaxed load.
#[derive(Debug, Default)]
pub struct Restarts {
    noted: AtomicUsize,
    table: RwLock<RestartTable>,
}

/// Behind one configured gateway stand some hundred machines, each with some APNs. When its share
/// is full the gateway's oldest entry goes: what that would have closed ends as stale. No gateway
/// has a part in another's share.
const MAX_NOTED: usize = 1024;

#[derive(Debug, Default)]
struct RestartTable {
    by_gateway: HashMap<GatewayId, Vec<Noted>, RandomState>,
    /// Which gateway an address belongs to now that some restart came from: sessions may name it by
    /// a former handle.
    by_source: HashMap<IpAddr, GatewayId, RandomState>,
    /// Rises with every entry.
    mark: RestartMark,
}

#[derive(Debug)]
struct Noted {
    restart: Restart,
    mark: RestartMark,
}

/// A moment in the life of [`Restarts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RestartMark(u64);

impl Restarts {
    pub fn note(&self, restart: Restart) {
        let mut table = self.table.write();
        table.note(restart);
        self.noted.store(table.len(), Ordering::Release);
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.noted.load(Ordering::Relaxed) == 0
    }

    /// When the restart came that ends this session, if one did.
    #[must_use]
    pub fn closes(&self, session: &Session) -> Option<EventTime> {
        if self.is_empty() {
            return None;
        }
        let table = self.table.read();
        let former = session
            .nas()
            .source
            .and_then(|source| table.by_source.get(&source))
            .filter(|id| **id != session.gateway);
        let gateways = std::iter::once(&session.gateway).chain(former);
        let noted = gateways.filter_map(|gateway| table.by_gateway.get(gateway)).flatten();
        noted
            .filter(|noted| noted.restart.closes(session))
            .map(|noted| noted.restart.end_of(session))
            .max_by_key(|at| at.order)
    }

    /// Everything noted and not forgotten yet.
    #[must_use]
    pub fn pending(&self) -> Vec<Restart> {
        self.table.read().by_gateway.values().flatten().map(|noted| noted.restart.clone()).collect()
    }

    /// To be kept from before a walk, for [`Self::forget`] after it.
    #[must_use]
    pub fn mark(&self) -> RestartMark {
        self.table.read().mark
    }

    /// A walk that began at `mark` has carried out everything noted until then.
    pub fn forget(&self, mark: RestartMark) {
        if self.is_empty() {
            return;
        }
        let mut table = self.table.write();
        table.forget(mark);
        self.noted.store(table.len(), Ordering::Release);
    }
}

impl RestartTable {
    fn note(&mut self, restart: Restart) {
        self.mark.0 += 1;
        let mark = self.mark;
        if let Some(source) = restart.nas().source {
            self.by_source.insert(source, restart.gateway);
        }
        let share = self.by_gateway.entry(restart.gateway).or_default();
        if let Some(own) = share.iter_mut().find(|own| own.restart.is_again(&restart)) {
            own.restart.merge(&restart);
            own.mark = mark;
            return;
        }
        if share.len() == MAX_NOTED
            && let Some(oldest) = (0..share.len()).min_by_key(|at| share[*at].mark)
        {
            share.swap_remove(oldest);
        }
        share.push(Noted { restart, mark });
    }

    fn len(&self) -> usize {
        self.by_gateway.values().map(Vec::len).sum()
    }

    fn forget(&mut self, mark: RestartMark) {
        self.by_gateway.retain(|_, share| {
            share.retain(|noted| noted.mark > mark);
            !share.is_empty()
        });
        if self.by_gateway.is_empty() {
            self.by_source = HashMap::default();
        } else {
            self.by_source.retain(|_, gateway| self.by_gateway.contains_key(gateway));
        }
    }
}
