//! Gateways that have restarted: noted in one place at once, and applied to each session when it is next touched.

use std::cmp::Ordering::{Equal, Greater, Less};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use compact_str::CompactString;
use foldhash::fast::RandomState;
use parking_lot::RwLock;

use super::{Nas, Report, Reporter, Session, access_point};
use crate::time::Timestamp;

/// An Accounting-On or -Off (RFC 2866 5.1): the reporter's sessions begun before it have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    /// Of [`Nas::EVERY`], if the gateway restarted as a whole.
    pub reporter: Reporter,
    /// Only the sessions of this APN; lower case, without suffix.
    pub apn: Option<CompactString>,
    /// By the gateway's time.
    pub at: Timestamp,
    /// By our time.
    pub arrived: Timestamp,
}

impl Restart {
    #[must_use]
    pub fn of(report: &Report<'_>, now: Timestamp) -> Self {
        let apn = report.apn.filter(|apn| !apn.is_empty()).map(access_point::normal);
        Self { reporter: report.reporter, apn, at: report.event_time, arrived: now }
    }

    /// Whether it ends this session.
    fn closes(&self, session: &Session) -> bool {
        self.concerns(session.reporter) && self.comes_after(session) && self.apn.as_deref().is_none_or(|apn| session.apn() == Some(apn))
    }

    fn concerns(&self, reporter: Reporter) -> bool {
        reporter == self.reporter || whole(reporter) == self.reporter
    }

    /// Whether the session had begun. Gateways stamp in whole seconds, and open sessions at once when they are back: within the second of the
    /// restart a session lives if it was heard of later.
    ///
    /// What was heard of well after the restart lives in any case: had it been open before, that report would have found it ended. So a gateway
    /// whose clock is slow does not lose its sessions when the restart is read from the journal once more.
    fn comes_after(&self, session: &Session) -> bool {
        match session.started.secs().cmp(&self.at.secs()) {
            Less => session.heard <= self.arrived + UNDER_WAY,
            Equal => session.heard < self.arrived,
            Greater => false,
        }
    }

    /// Takes in another restart of the same sessions. The later one counts, by the gateway's time: a repetition that was long on its way tells
    /// nothing of the sessions opened since.
    fn merge(&mut self, other: &Self) {
        match other.at.secs().cmp(&self.at.secs()) {
            Less => {}
            Equal => self.arrived = self.arrived.max(other.arrived),
            Greater => self.arrived = other.arrived,
        }
        self.at = self.at.max(other.at);
    }
}

/// The gateway of a reporter, with all that is behind it.
fn whole(reporter: Reporter) -> Reporter {
    Reporter { nas: Nas::EVERY, ..reporter }
}

/// How much later than a restart a report from before it may arrive, and still open a session that has ended with it.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// The restarts that a walk over all endpoints has not yet carried out. While there is none, asking costs one relaxed load.
#[derive(Debug, Default)]
pub struct Restarts {
    noted: AtomicUsize,
    table: RwLock<Table>,
}

/// A few hundred gateways, each with some APNs. When it is full the oldest entry goes: what it would have closed ends as stale.
const MAX_NOTED: usize = 4096;

#[derive(Debug, Default)]
struct Table {
    by_reporter: HashMap<Reporter, Vec<Noted>, RandomState>,
    /// Rises with every entry.
    mark: Mark,
}

#[derive(Debug)]
struct Noted {
    restart: Restart,
    mark: Mark,
}

/// A moment in the life of [`Restarts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

impl Restarts {
    pub fn note(&self, restart: Restart) {
        let mut table = self.table.write();
        table.mark.0 += 1;
        let mark = table.mark;
        let of_reporter = table.by_reporter.entry(restart.reporter).or_default();
        if let Some(own) = of_reporter.iter_mut().find(|own| own.restart.apn == restart.apn) {
            own.restart.merge(&restart);
            own.mark = mark;
        } else {
            of_reporter.push(Noted { restart, mark });
        }
        let mut len = table.len();
        if len > MAX_NOTED {
            let oldest = table.by_reporter.values().flatten().map(|noted| noted.mark).min().unwrap_or(mark);
            table.forget(|noted| noted.mark == oldest);
            len = table.len();
        }
        self.noted.store(len, Ordering::Release);
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.noted.load(Ordering::Relaxed) == 0
    }

    /// When the restart came that ends this session, if one did.
    #[must_use]
    pub fn closes(&self, session: &Session) -> Option<Timestamp> {
        if self.is_empty() {
            return None;
        }
        let table = self.table.read();
        let of_reporter = [session.reporter, whole(session.reporter)].into_iter().filter_map(|reporter| table.by_reporter.get(&reporter));
        of_reporter.flatten().filter(|noted| noted.restart.closes(session)).map(|noted| noted.restart.at).max()
    }

    /// All of them, for a snapshot.
    #[must_use]
    pub fn noted(&self) -> Vec<Restart> {
        self.table.read().by_reporter.values().flatten().map(|noted| noted.restart.clone()).collect()
    }

    /// Everything noted and not forgotten yet.
    #[must_use]
    pub fn pending(&self) -> Vec<Restart> {
        self.table.read().by_reporter.values().flatten().map(|noted| noted.restart.clone()).collect()
    }

    /// To be kept from before a walk, for [`Self::forget`] after it.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.table.read().mark
    }

    /// A walk that began at `mark` has carried out everything noted until then.
    pub fn forget(&self, mark: Mark) {
        if self.is_empty() {
            return;
        }
        let mut table = self.table.write();
        table.forget(|noted| noted.mark <= mark);
        self.noted.store(table.len(), Ordering::Release);
    }
}

impl Table {
    fn len(&self) -> usize {
        self.by_reporter.values().map(Vec::len).sum()
    }

    fn forget(&mut self, is_done: impl Fn(&Noted) -> bool) {
        self.by_reporter.retain(|_, of_reporter| {
            of_reporter.retain(|noted| !is_done(noted));
            !of_reporter.is_empty()
        });
    }
}
