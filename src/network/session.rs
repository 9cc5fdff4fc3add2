//! A session: one PDN connection of an endpoint, open or ended, and the rules by which reports find it.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU64;

use compact_str::CompactString;
use thin_vec::ThinVec;

use super::access_point::{self, AccessPoint};
use super::bearer::Tally;
use super::whereabouts::Whereabouts;
use super::{Bearer, CloseCause, Place, Report, Reporter, Status, text};
use crate::identity::GroupId;
use crate::time::Timestamp;

/// The most bearers one session lists: an EPS bearer identity has 11 usable values, a 5G session 64 flows of which gateways account few.
/// Older ones are folded into one sum.
const MAX_BEARERS: usize = 16;

/// One PDN connection. 168 octets, and in nearly all cases nothing beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub reporter: Reporter,
    pub group: Option<GroupId>,
    /// What the gateway says, else the address leased.
    pub ip: Option<Ipv4Addr>,
    /// The gateway uses an address that is another's, or nobody's to give.
    pub conflict: bool,
    /// When it began, by the gateway's time.
    pub started: Timestamp,
    /// When it was last heard of; of an ended session, when we learned of the end. By our time.
    pub heard: Timestamp,
    pub ended: Option<Ended>,
    /// The authorisation its Class named; never 0.
    pub authorisation: Option<NonZeroU64>,
    apn: Option<AccessPoint>,
    first: Bearer,
    whereabouts: Whereabouts,
    rare: Option<Box<Rare>>,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// By the gateway's time. Reports that are not newer do not open the session again.
    pub at: Timestamp,
    /// Acct-Terminate-Cause, which begins at 1 (RFC 2866 5.10); 0 if none was sent.
    pub terminate_cause: u32,
    pub cause: CloseCause,
}

/// What a report is to the bearer it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The first of its bearer.
    New,
    News,
    /// Of the same instant as the newest, and of no later kind.
    Repeated,
    Older,
    /// The bearer has ended.
    BearerEnded,
    /// From before the session began.
    Earlier,
}

/// What few sessions have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rare {
    multi_session_id: Option<CompactString>,
    /// Beside the first.
    bearers: ThinVec<Bearer>,
    /// Octets (input, output) of bearers that are listed no more.
    folded: (u64, u64),
    /// An APN that found no place in the shared table.
    apn: Option<Box<str>>,
    serving_node: Option<IpAddr>,
    location: Option<Box<[u8]>>,
}

impl Session {
    /// A session with one bearer; everything else is still to be told.
    #[must_use]
    pub fn new(reporter: Reporter, first: Bearer, started: Timestamp, heard: Timestamp) -> Self {
        Self {
            reporter,
            group: None,
            ip: None,
            conflict: false,
            started,
            heard,
            ended: None,
            authorisation: None,
            apn: None,
            first,
            whereabouts: Whereabouts::default(),
            rare: None,
        }
    }

    /// The session that a report begins to tell of. Without its Start, the beginning is computed from Acct-Session-Time.
    pub(super) fn first_seen(report: &Report<'_>, status: Status, group: Option<GroupId>, now: Timestamp) -> Self {
        let started = if status == Status::Start { report.event_time } else { report.began() };
        let mut session = Self::new(report.reporter, Bearer::first_seen(report, status), started, now);
        session.group = group;
        session.follow(report);
        session
    }

    #[must_use]
    pub fn is_open(&self) -> bool {
        self.ended.is_none()
    }

    /// Acct-Multi-Session-Id if there is one, else the Acct-Session-Id. Together with reporter and endpoint it names the session.
    #[must_use]
    pub fn key(&self) -> &str {
        self.multi_session_id().unwrap_or(&self.first.acct_session_id)
    }

    #[must_use]
    pub fn multi_session_id(&self) -> Option<&str> {
        self.rare.as_ref()?.multi_session_id.as_deref()
    }

    /// Lower case, without the operator's suffix.
    #[must_use]
    pub fn apn(&self) -> Option<&str> {
        self.apn.map(AccessPoint::name).or_else(|| self.rare.as_ref()?.apn.as_deref())
    }

    /// In the order in which they were first heard of.
    pub fn bearers(&self) -> impl Iterator<Item = &Bearer> {
        std::iter::once(&self.first).chain(self.rare.iter().flat_map(|rare| &rare.bearers))
    }

    /// Octets (input, output) of bearers that are listed no more.
    #[must_use]
    pub fn folded(&self) -> (u64, u64) {
        self.rare.as_ref().map_or((0, 0), |rare| rare.folded)
    }

    /// Octets (input, output) of all its bearers.
    #[must_use]
    pub fn octets(&self) -> (u64, u64) {
        self.bearers()
            .fold(self.folded(), |(input, output), bearer| (input.saturating_add(bearer.input), output.saturating_add(bearer.output)))
    }

    /// The gateway's time of the newest report.
    #[must_use]
    pub fn updated(&self) -> Timestamp {
        self.bearers().map(|bearer| bearer.event_time).max().unwrap_or(self.started)
    }

    #[must_use]
    pub fn place(&self) -> Place<'_> {
        let mut place = self.whereabouts.place();
        if let Some(rare) = &self.rare {
            place.serving_node = place.serving_node.or(rare.serving_node);
            place.location = place.location.or(rare.location.as_deref());
        }
        place
    }

    /// A number for people and programs: the same for the life of the session, also over restarts. 53 bits, so that JavaScript keeps it whole.
    #[must_use]
    pub fn number(&self) -> u64 {
        // FNV-1a: it has to stay the same for ever, which no hasher of a library promises.
        let step = |hash: u64, octet: &u8| (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3);
        let stamps = [u64::from(self.reporter.nas.0), self.started.millis()].map(u64::to_be_bytes);
        let hash = self.first.acct_session_id.as_bytes().iter().chain(stamps.as_flattened()).fold(0xcbf2_9ce4_8422_2325, step);
        // The multiplication mixes upward only: the upper bits are the good ones.
        hash >> 11
    }

    /// Takes over what `place` knows; the rest stays.
    pub fn move_to(&mut self, place: &Place<'_>) {
        let overflow = self.whereabouts.learn(place);
        if place.serving_node.is_some() && (overflow.serving_node.is_some() || self.rare.is_some()) {
            self.rare().serving_node = overflow.serving_node;
        }
        if place.location.is_some() && (overflow.location.is_some() || self.rare.is_some()) {
            self.rare().location = overflow.location.map(Into::into);
        }
    }

    /// Sets the APN, which is in lower case and without suffix.
    pub fn set_apn(&mut self, name: &str) {
        self.apn = AccessPoint::of(name);
        if self.apn.is_none() {
            self.rare().apn = Some(name.into());
        }
    }

    pub fn set_multi_session_id(&mut self, id: CompactString) {
        self.rare().multi_session_id = Some(id);
    }

    pub fn set_folded(&mut self, folded: (u64, u64)) {
        self.rare().folded = folded;
    }

    /// Adds a bearer. If the list is full, an older one is folded: a stopped one if there is any, never the first, which names the session.
    pub fn add_bearer(&mut self, bearer: Bearer) {
        if self.bearers().count() >= MAX_BEARERS {
            _ = self.fold_oldest(|bearer| !bearer.is_open()) || self.fold_oldest(|_| true);
        }
        self.rare().bearers.push(bearer);
    }

    /// Folds the oldest bearer that may go into the sum of those that are listed no more; never the first, which names the session. Whether
    /// there was one.
    pub(super) fn fold_oldest(&mut self, may_go: impl Fn(&Bearer) -> bool) -> bool {
        let Some(rare) = &mut self.rare else { return false };
        let going = rare.bearers.iter().enumerate().filter(|(_, bearer)| may_go(bearer));
        let Some((oldest, _)) = going.min_by_key(|(_, bearer)| bearer.event_time) else { return false };
        let gone = rare.bearers.remove(oldest);
        rare.folded.0 = rare.folded.0.saturating_add(gone.input);
        rare.folded.1 = rare.folded.1.saturating_add(gone.output);
        true
    }

    /// Whether a report, its sender apart, tells of this session. If only one side knows an Acct-Multi-Session-Id, the bearer decides.
    pub(super) fn is_named_by(&self, report: &Report<'_>) -> bool {
        match (multi_session_id(report), self.multi_session_id()) {
            (Some(sent), Some(own)) => text::spells(own, sent),
            _ => self.knows(report.acct_session_id),
        }
    }

    /// Whether both sides know the Acct-Multi-Session-Id, so that a report which names the session cannot mean another.
    pub(super) fn is_named_in_full_by(&self, report: &Report<'_>) -> bool {
        self.is_named_by(report) && self.multi_session_id().is_some() && multi_session_id(report).is_some()
    }

    /// Whether one of its bearers has that Acct-Session-Id.
    pub(super) fn knows(&self, acct_session_id: &[u8]) -> bool {
        self.bearers().any(|bearer| bearer.is_named_by(acct_session_id))
    }

    /// What a report of this session is to it.
    pub(super) fn standing(&self, report: &Report<'_>, status: Status) -> Standing {
        match self.bearers().find(|bearer| bearer.is_named_by(report.acct_session_id)) {
            None => Standing::New,
            // Names of bearers come again in another session, not in the same one.
            Some(bearer) if !bearer.is_open() => Standing::BearerEnded,
            Some(_) if self.is_preceded_by(report) => Standing::Earlier,
            Some(bearer) if bearer.is_news(report.event_time, status) => Standing::News,
            Some(bearer) if report.event_time == bearer.event_time => Standing::Repeated,
            Some(_) => Standing::Older,
        }
    }

    /// Takes a report that is news of one of its bearers.
    pub(super) fn advance(&mut self, report: &Report<'_>, status: Status) -> Tally {
        let is_newest = report.event_time >= self.updated();
        if is_newest {
            self.follow(report);
        }
        self.bearer_mut(report.acct_session_id).map(|bearer| bearer.advance(report, status)).unwrap_or_default()
    }

    /// Takes a Stop that was overtaken by a later report.
    pub(super) fn close_bearer(&mut self, report: &Report<'_>) {
        if let Some(bearer) = self.bearer_mut(report.acct_session_id) {
            bearer.raise(&report.counters);
            bearer.status = Status::Stop;
        }
    }

    /// Takes over what the newest report says of the session as a whole.
    pub(super) fn follow(&mut self, report: &Report<'_>) {
        if report.ip.is_some() && report.ip != self.ip {
            self.ip = report.ip;
            // The mark was about the other address; whoever knows the leases judges this one.
            self.conflict = false;
        }
        self.move_to(&report.place);
        self.learn_names(report);
    }

    pub(super) fn bearer_mut(&mut self, acct_session_id: &[u8]) -> Option<&mut Bearer> {
        let further = self.rare.iter_mut().flat_map(|rare| &mut rare.bearers);
        std::iter::once(&mut self.first).chain(further).find(|bearer| bearer.is_named_by(acct_session_id))
    }

    /// Whether only one of the two can be alive: an endpoint has one session of an APN at a time. Sessions of the same name at two reporters
    /// are two sessions, since identifiers are a gateway's own (RFC 2866 5.5).
    pub(super) fn is_rival_of(&self, other: &Self) -> bool {
        self.key() != other.key() && self.apn() == other.apn()
    }

    /// Whether the event came before this session began. In whole seconds: one gateway may stamp some packets itself (seconds) and leave others to our arrival time (microseconds).
    pub(super) fn is_younger_than(&self, event_time: Timestamp) -> bool {
        event_time.secs() < self.started.secs()
    }

    /// Whether the report is of an earlier session of the same name. The session began with its first bearer; of the others it says nothing.
    pub(super) fn is_preceded_by(&self, report: &Report<'_>) -> bool {
        self.is_younger_than(report.event_time) && self.first.is_named_by(report.acct_session_id)
    }

    /// Whether the session has ended, and an event of that time does not open it again. Compared as times are kept, in
    /// microseconds; of a gateway that stamps in whole seconds, an event within the second of the end counts as not newer.
    pub(super) fn has_ended_by(&self, event_time: Timestamp) -> bool {
        self.ended.is_some_and(|ended| event_time <= ended.at)
    }

    /// Moves the end of an ended session to `at`, if that is later. Returns whether it moved.
    pub(super) fn ended_not_before(&mut self, at: Timestamp) -> bool {
        let Some(ended) = self.ended.as_mut().filter(|ended| ended.at < at) else { return false };
        ended.at = at;
        true
    }

    /// Takes over names the session did not have yet.
    fn learn_names(&mut self, report: &Report<'_>) {
        if let Some(id) = multi_session_id(report)
            && self.multi_session_id().is_none()
        {
            self.set_multi_session_id(text::keep(id));
        }
        if let Some(apn) = report.apn.filter(|apn| !apn.is_empty())
            && self.apn().is_none()
        {
            self.set_apn(&access_point::normal(apn));
        }
        self.authorisation = self.authorisation.or(report.authorisation.and_then(NonZeroU64::new));
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

fn multi_session_id<'a>(report: &Report<'a>) -> Option<&'a [u8]> {
    report.acct_multi_session_id.filter(|id| !id.is_empty())
}
