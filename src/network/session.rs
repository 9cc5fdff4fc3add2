//! A session: one PDN connection of an endpoint, open or ended, and the rules by which reports find
//! it.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU64;
use std::time::Duration;

use compact_str::CompactString;
use thin_vec::ThinVec;

use super::access_point::{self, AccessPoint};
use super::bearer::BearerCounters;
use super::event_time::{self, EventTime, Skew, Stamp};
use super::location_info::PackedLocationInfo;
use super::matching::{self, Age, Match, Proofs};
use super::nas::{OwnNas, SharedNas};
use super::{
    Bearer, CloseCause, Families, LocationInfo, Nas, PolicyViolation, Report, Reporter, Status,
    text,
};
use crate::address::{Address, AddressKind, Ipv6Prefix};
use crate::identity::{GatewayId, GroupId};
use crate::time::Timestamp;

/// The most bearers one session lists: an EPS bearer identity has 11 usable values, a 5G session 64
/// flows of which gateways account few. Older ones are folded into one sum.
const MAX_BEARERS: usize = 16;

/// One PDN connection. 184 octets, and in nearly all cases nothing beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub gateway: GatewayId,
    pub group: Option<GroupId>,
    /// What the gateway says, else the address leased.
    pub ip: Option<Ipv4Addr>,
    /// The gateway uses an IPv4 address that is another's, or nobody's to give.
    pub conflict: bool,
    pub families: Families,
    nas: Option<SharedNas>,
    skew: Skew,
    /// When it began, as it is shown.
    pub started: Timestamp,
    /// When it was last heard of; of an ended session, when we learned of the end. By our time.
    pub heard: Timestamp,
    pub ended: Option<Ended>,
    /// The authorisation its Class named; never 0.
    pub authorisation: Option<NonZeroU64>,
    apn: Option<AccessPoint>,
    first: Bearer,
    packed_location: PackedLocationInfo,
    rare: Option<Box<Rare>>,
    prefixes: Option<Box<SessionPrefixes>>,
}

/// The IPv6 side of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionPrefixes {
    /// What the gateway says, else the prefix leased.
    pub link: Option<Ipv6Prefix>,
    pub delegated: Option<Ipv6Prefix>,
    /// The gateway uses a prefix that is another's, or nobody's to give.
    pub link_conflict: bool,
    pub delegated_conflict: bool,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// As it is shown. Reports that are not newer do not open the session again.
    pub at: Timestamp,
    /// From what the gateway stamped.
    pub skew: Skew,
    /// Acct-Terminate-Cause, which begins at 1 (RFC 2866 5.10); 0 if none was sent.
    pub terminate_cause: u32,
    pub cause: CloseCause,
}

/// An endpoint was barred, or left its group, while its gateway still has the session (PROTOCOL
/// 11): the gateway goes on to report it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// By our time.
    pub since: Timestamp,
    pub cause: CloseCause,
}

/// What a report is to the bearer it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReportOrder {
    /// The first of its bearer.
    New,
    Newer,
    /// Of the same instant as the newest, and of no later kind.
    Repeated,
    Older,
    /// The bearer has ended.
    BearerEnded,
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
    ending: Option<Ending>,
    violation: Option<PolicyViolation>,
    /// A NAS that found no place in the shared table.
    nas: Option<Box<OwnNas>>,
}

impl Ended {
    #[must_use]
    pub fn new(time: EventTime, terminate_cause: u32, cause: CloseCause) -> Self {
        Self { at: time.shown, skew: Skew::of(time), terminate_cause, cause }
    }

    pub(super) fn time(&self) -> EventTime {
        self.skew.event_time(self.at)
    }

    /// The same end, but not before `time`.
    fn not_before(self, time: EventTime) -> Self {
        let later = self.time().later(time);
        Self { at: later.shown, skew: Skew::of(later), ..self }
    }
}

impl Session {
    /// A session with one bearer; everything else is still to be told.
    #[must_use]
    pub fn new(
        gateway: GatewayId,
        nas: &Nas<'_>,
        first: Bearer,
        began: EventTime,
        heard: Timestamp,
    ) -> Self {
        let mut session = Self {
            gateway,
            group: None,
            ip: None,
            conflict: false,
            families: Families::default(),
            nas: None,
            skew: Skew::of(began),
            started: began.shown,
            heard,
            ended: None,
            authorisation: None,
            apn: None,
            first,
            packed_location: PackedLocationInfo::default(),
            rare: None,
            prefixes: None,
        };
        session.set_nas(nas);
        session
    }

    /// The session that a report begins to tell of. Without its Start, the beginning is computed
    /// from Acct-Session-Time.
    pub(super) fn first_seen(
        report: &Report<'_>,
        status: Status,
        group: Option<GroupId>,
        now: Timestamp,
    ) -> Self {
        let began = if status == Status::Start { report.event_time } else { report.began() };
        let Reporter { gateway, nas, .. } = &report.reporter;
        let mut session = Self::new(*gateway, nas, Bearer::first_seen(report, status), began, now);
        session.group = group;
        session.follow(report);
        session
    }

    /// Its prefixes; of a session without IPv6 none.
    #[must_use]
    pub fn prefixes(&self) -> SessionPrefixes {
        self.prefixes.as_deref().copied().unwrap_or_default()
    }

    pub fn set_prefixes(&mut self, prefixes: SessionPrefixes) {
        let is_there = prefixes != SessionPrefixes::default();
        self.prefixes = is_there.then(|| Box::new(prefixes));
    }

    /// What it uses, whether that is its own or not.
    pub fn addresses(&self) -> impl Iterator<Item = Address> {
        let SessionPrefixes { link, delegated, .. } = self.prefixes();
        let prefixes = [link, delegated].into_iter().flatten().map(Address::V6);
        self.ip.into_iter().map(Address::V4).chain(prefixes)
    }

    /// Whether it uses the address, and that is not another's.
    pub(super) fn uses(&self, ip: Address) -> bool {
        self.address(ip.kind()) == Some(ip) && !self.has_conflict(ip.kind())
    }

    /// What it uses of that kind.
    #[must_use]
    pub fn address(&self, kind: AddressKind) -> Option<Address> {
        match kind {
            AddressKind::Ipv4 => self.ip.map(Address::V4),
            AddressKind::Link => self.prefixes().link.map(Address::V6),
            AddressKind::Delegated => self.prefixes().delegated.map(Address::V6),
        }
    }

    /// Whether what it uses of that kind is another's, or nobody's to give.
    #[must_use]
    pub fn has_conflict(&self, kind: AddressKind) -> bool {
        match kind {
            AddressKind::Ipv4 => self.conflict,
            AddressKind::Link => self.prefixes().link_conflict,
            AddressKind::Delegated => self.prefixes().delegated_conflict,
        }
    }

    /// Whether anything that it uses is in conflict.
    #[must_use]
    pub fn is_in_conflict(&self) -> bool {
        AddressKind::ALL.into_iter().any(|kind| self.has_conflict(kind))
    }

    pub(super) fn set_conflict(&mut self, kind: AddressKind, conflict: bool) {
        let mut prefixes = self.prefixes();
        match kind {
            AddressKind::Ipv4 => self.conflict = conflict,
            AddressKind::Link => prefixes.link_conflict = conflict,
            AddressKind::Delegated => prefixes.delegated_conflict = conflict,
        }
        self.set_prefixes(prefixes);
    }

    /// Uses another address of its kind from now on. The mark was about the former one; whoever
    /// knows the leases judges this one.
    fn set_address(&mut self, ip: Address) {
        if self.address(ip.kind()) == Some(ip) {
            return;
        }
        let mut prefixes = self.prefixes();
        match ip {
            Address::V4(ip) => {
                self.ip = Some(ip);
                self.conflict = false;
            }
            Address::V6(prefix) if ip.kind() == AddressKind::Link => {
                prefixes.link = Some(prefix);
                prefixes.link_conflict = false;
            }
            Address::V6(prefix) => {
                prefixes.delegated = Some(prefix);
                prefixes.delegated_conflict = false;
            }
        }
        self.set_prefixes(prefixes);
    }

    pub(super) fn lose_address(&mut self, kind: AddressKind) {
        let mut prefixes = self.prefixes();
        match kind {
            AddressKind::Ipv4 => (self.ip, self.conflict) = (None, false),
            AddressKind::Link => (prefixes.link, prefixes.link_conflict) = (None, false),
            AddressKind::Delegated => {
                (prefixes.delegated, prefixes.delegated_conflict) = (None, false);
            }
        }
        self.set_prefixes(prefixes);
    }

    /// What was leased is used, as long as the gateway says nothing else.
    pub fn is_given(&mut self, leased: &[Address]) {
        for ip in leased {
            if self.address(ip.kind()).is_none() {
                self.set_address(*ip);
            }
            let is_known = self.families.ipv4 || self.families.ipv6;
            self.families.ipv6 |= is_known && ip.kind().is_ipv6();
            self.families.ipv4 |= is_known && !ip.kind().is_ipv6();
        }
    }

    /// Whether the endpoint has it, and may.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.ended.is_none() && self.ending().is_none()
    }

    /// Whether its gateway has it still: open, or ending.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.ended.is_none()
    }

    /// Since when, and why, it may not be open any more. Of an ended session, how it was before.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        self.rare.as_ref()?.ending
    }

    pub fn set_ending(&mut self, ending: Option<Ending>) {
        if ending.is_some() || self.rare.is_some() {
            self.rare().ending = ending;
            self.shed_rare();
        }
    }

    /// How it is used against the policy of its group, if it is.
    #[must_use]
    pub fn violation(&self) -> Option<PolicyViolation> {
        self.rare.as_ref()?.violation
    }

    pub fn set_violation(&mut self, violation: Option<PolicyViolation>) {
        if violation.is_some() || self.rare.is_some() {
            self.rare().violation = violation;
            self.shed_rare();
        }
    }

    /// When it began.
    #[must_use]
    pub fn began(&self) -> EventTime {
        self.skew.event_time(self.started)
    }

    /// That time as this session's gateway stamps it. What another one tells is compared as it is
    /// shown: its stamps are of another clock.
    pub(super) fn own_time(&self, is_own_clock: bool, time: EventTime) -> EventTime {
        if is_own_clock { time } else { self.skew.event_time(time.shown) }
    }

    /// How far what is shown of its beginning is from what was stamped.
    #[must_use]
    pub fn skew(&self) -> Skew {
        self.skew
    }

    /// All that its gateway has said of itself.
    #[must_use]
    pub fn nas(&self) -> Nas<'_> {
        let own = || self.rare.as_ref()?.nas.as_ref().map(|nas| nas.nas());
        self.nas.map(SharedNas::nas).or_else(own).unwrap_or_default()
    }

    pub fn set_skew(&mut self, skew: Skew) {
        self.skew = skew;
    }

    pub fn set_nas(&mut self, nas: &Nas<'_>) {
        self.nas = SharedNas::of(nas);
        if self.nas.is_none() {
            self.rare().nas = Some(Box::new(OwnNas::from(*nas)));
        }
    }

    /// Acct-Multi-Session-Id if there is one, else the Acct-Session-Id. Together with reporter and
    /// endpoint it names the session.
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
        self.bearers().fold(self.folded(), |(input, output), bearer| {
            (input.saturating_add(bearer.input), output.saturating_add(bearer.output))
        })
    }

    /// The time of the newest report.
    #[must_use]
    pub fn updated(&self) -> EventTime {
        let newest = self.bearers().map(|bearer| bearer.event_time).max();
        newest.map_or_else(|| self.began(), |order| self.skew.shown(order))
    }

    #[must_use]
    pub fn location_info(&self) -> LocationInfo<'_> {
        let mut location_info = self.packed_location.location_info();
        if let Some(rare) = &self.rare {
            location_info.serving_node = location_info.serving_node.or(rare.serving_node);
            location_info.location = location_info.location.or(rare.location.as_deref());
        }
        location_info
    }

    /// 3GPP-User-Location-Info, as it was sent.
    pub(super) fn location(&self) -> Option<&[u8]> {
        self.packed_location.location().or_else(|| self.rare.as_ref()?.location.as_deref())
    }

    /// The Acct-Session-Id of a session that has one bearer, and nothing else that few have.
    pub(super) fn plain_acct_session_id(&self) -> Option<&str> {
        self.rare.is_none().then_some(self.first.acct_session_id.as_str())
    }

    /// A number for people and programs: the same for the life of the session, also over restarts.
    /// 53 bits, so that JavaScript keeps it whole.
    #[must_use]
    pub fn number(&self) -> u64 {
        // FNV-1a: it has to stay the same for ever, which no hasher of a library promises.
        let step =
            |hash: u64, octet: &u8| (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3);
        let stamps = [u64::from(self.nas().code), self.started.millis()].map(u64::to_be_bytes);
        let hash = self
            .first
            .acct_session_id
            .as_bytes()
            .iter()
            .chain(stamps.as_flattened())
            .fold(0xcbf2_9ce4_8422_2325, step);
        // The multiplication mixes upward only: the upper bits are the good ones.
        hash >> 11
    }

    /// Takes over what `location_info` knows; the rest stays.
    pub fn move_to(&mut self, location_info: &LocationInfo<'_>) {
        let overflow = self.packed_location.learn(location_info);
        if location_info.serving_node.is_some()
            && (overflow.serving_node.is_some() || self.rare.is_some())
        {
            self.rare().serving_node = overflow.serving_node;
        }
        if location_info.location.is_some() && (overflow.location.is_some() || self.rare.is_some())
        {
            self.rare().location = overflow.location.map(Into::into);
        }
        self.shed_rare();
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

    /// Adds a bearer. If the list is full, an older one is folded: a stopped one if there is any,
    /// never the first, which names the session.
    pub fn add_bearer(&mut self, bearer: Bearer) {
        if self.bearers().count() >= MAX_BEARERS {
            _ = self.fold_oldest(|bearer| !bearer.is_open()) || self.fold_oldest(|_| true);
        }
        self.rare().bearers.push(bearer);
    }

    /// Folds the oldest bearer that may go into the sum of those that are listed no more; never the
    /// first, which names the session. Whether there was one.
    pub(super) fn fold_oldest(&mut self, may_go: impl Fn(&Bearer) -> bool) -> bool {
        let Some(rare) = &mut self.rare else { return false };
        let going = rare.bearers.iter().enumerate().filter(|(_, bearer)| may_go(bearer));
        let Some((oldest, _)) = going.min_by_key(|(_, bearer)| bearer.event_time) else {
            return false;
        };
        let gone = rare.bearers.remove(oldest);
        rare.folded.0 = rare.folded.0.saturating_add(gone.input);
        rare.folded.1 = rare.folded.1.saturating_add(gone.output);
        true
    }

    /// Whether a report, its sender apart, has the name of this session. If only one side knows an
    /// Acct-Multi-Session-Id, the bearer decides.
    fn is_named_by(&self, report: &Report<'_>) -> bool {
        match (multi_session_id(report), self.multi_session_id()) {
            (Some(sent), Some(own)) => text::spells(own, sent),
            _ => self.knows(report.acct_session_id),
        }
    }

    /// Whether both sides know the Acct-Multi-Session-Id, so that a report which names the session
    /// cannot mean another.
    pub(super) fn is_named_in_full_by(&self, report: &Report<'_>) -> bool {
        self.multi_session_id().is_some() && multi_session_id(report).is_some()
    }

    /// What a report, its sender apart, is to this session.
    pub(super) fn matches(&self, report: &Report<'_>, now: Timestamp) -> Match {
        if !self.is_named_by(report) {
            return Match::Other;
        }
        // A Charging-Id is a bearer's, and that of the first is known.
        let own = self.proofs();
        let charging_id =
            own.charging_id.filter(|_| self.first.is_named_by(report.acct_session_id));
        let own = Proofs { charging_id, ..own };
        let sent = Proofs {
            authorisation: report.authorisation,
            charging_id: report.location_info.charging_id,
        };
        matching::compare(own, sent, || self.was_authorised_before(report, now))
    }

    /// Whether this server gave the endpoint the report's Class since the session began.
    fn was_authorised_before(&self, report: &Report<'_>, now: Timestamp) -> bool {
        let own = self.authorised_at(report, now);
        report.authorised_at(now).is_some_and(|given| {
            own.is_none_or(|own| given > own) && given + Duration::from_secs(1) > self.started
        })
    }

    /// When this server gave the session's own Class. The report names the endpoint.
    fn authorised_at(&self, report: &Report<'_>, now: Timestamp) -> Option<Timestamp> {
        Report { authorisation: self.authorisation.map(NonZeroU64::get), ..*report }
            .authorised_at(now)
    }

    /// Whether the sender of a report is the one that reported this session so far.
    pub(super) fn is_reported_by(&self, reporter: &Reporter<'_>) -> bool {
        let nas = self.nas();
        reporter.is_of(self.gateway, nas.source) && reporter.nas.is_same(&nas)
    }

    /// The gateway and the shared NAS that it was reported from: sessions that have both in common
    /// are reported by the same sender. `None`: its NAS is not shared.
    pub(super) fn sender(&self) -> Option<(GatewayId, SharedNas)> {
        Some((self.gateway, self.nas?))
    }

    /// Whether the sender of a report is behind the same configured gateway, and says who it is.
    pub(super) fn is_near(&self, reporter: &Reporter<'_>) -> bool {
        reporter.nas.is_named() && reporter.is_of(self.gateway, self.nas().source)
    }

    /// How old a report says it is. One gateway's reports are in the order of its own stamps; those
    /// of two are compared as they are shown. In whole seconds: one gateway may stamp some packets
    /// itself (seconds) and leave others to our arrival time (microseconds).
    pub(super) fn age(&self, report: &Report<'_>, now: Timestamp) -> Age {
        // Two Classes of ours are in order by our own clock, however far it is from the gateway's.
        let own = self.authorised_at(report, now).unwrap_or(self.started);
        if report.authorised_at(now).is_some_and(|given| given > own) {
            return Age::Since;
        }
        let (time, stamp) = (report.event_time, report.stamp);
        let is_since = if self.is_reported_by(&report.reporter) {
            let other_clock =
                stamp == Stamp::Old && event_time::is_ahead(self.skew.shown(time.order).shown, now);
            !other_clock && time.order.secs() >= self.began().order_for(stamp).secs()
        } else {
            stamp != Stamp::Old && time.shown.secs() >= self.started.secs()
        };
        match (is_since, stamp) {
            (true, _) => Age::Since,
            (false, Stamp::Old) => Age::LongBefore,
            (false, Stamp::Absent | Stamp::Sane | Stamp::Ahead) => Age::Before,
        }
    }

    /// Whether a report that does not name this session may end it: it is not older, and if it has
    /// no stamp the session is not so young that the report may be a replayed one from before.
    pub(super) fn may_be_ended_by(&self, report: &Report<'_>, now: Timestamp) -> bool {
        self.age(report, now) == Age::Since
            && !(report.stamp == Stamp::Absent && event_time::is_young(self.started, now))
    }

    /// Whether one of its bearers has that Acct-Session-Id.
    pub(super) fn knows(&self, acct_session_id: &[u8]) -> bool {
        self.bearers().any(|bearer| bearer.is_named_by(acct_session_id))
    }

    /// What a report of this session is to it.
    pub(super) fn report_order(
        &self,
        report: &Report<'_>,
        status: Status,
        now: Timestamp,
    ) -> ReportOrder {
        match self.bearers().find(|bearer| bearer.is_named_by(report.acct_session_id)) {
            None => ReportOrder::New,
            // Names of bearers come again in another session, not in the same one.
            Some(bearer) if !bearer.is_open() => ReportOrder::BearerEnded,
            Some(bearer) if bearer.is_newer(report, status, now) => ReportOrder::Newer,
            Some(bearer) if report.event_time.order == bearer.event_time => ReportOrder::Repeated,
            Some(_) => ReportOrder::Older,
        }
    }

    /// Takes a report that is news of one of its bearers.
    pub(super) fn advance(&mut self, report: &Report<'_>, status: Status) -> BearerCounters {
        if self.is_newest(report) {
            self.follow(report);
        }
        self.bearer_mut(report.acct_session_id)
            .map(|bearer| bearer.advance(report, status))
            .unwrap_or_default()
    }

    /// Whether no report of the session is newer.
    pub(super) fn is_newest(&self, report: &Report<'_>) -> bool {
        report.event_time.order >= self.updated().order_for(report.stamp)
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
        report.addresses().for_each(|ip| self.set_address(ip));
        let charging_id = report
            .location_info
            .charging_id
            .filter(|_| self.first.is_named_by(report.acct_session_id));
        self.move_to(&LocationInfo { charging_id, ..report.location_info });
        self.families.ipv4 |= report.families.ipv4;
        self.families.ipv6 |= report.families.ipv6;
        self.learn_names(report);
        self.learn_reporter(&report.reporter);
    }

    /// Takes over what its gateway says of itself now: it may have been renamed, and may say more
    /// than before.
    fn learn_reporter(&mut self, reporter: &Reporter<'_>) {
        // Nearly every report: it says of its sender what the last one said.
        if self.gateway == reporter.gateway && self.nas() == reporter.nas {
            return;
        }
        if !self.is_reported_by(reporter) {
            return;
        }
        self.gateway = reporter.gateway;
        let joined = self.nas().joined(reporter.nas, &reporter.range);
        if joined != self.nas() {
            // What is shared outlives the session; what is its own is copied once.
            let own = OwnNas::from(joined);
            self.set_nas(&own.nas());
        }
    }

    pub(super) fn bearer_mut(&mut self, acct_session_id: &[u8]) -> Option<&mut Bearer> {
        let further = self.rare.iter_mut().flat_map(|rare| &mut rare.bearers);
        std::iter::once(&mut self.first)
            .chain(further)
            .find(|bearer| bearer.is_named_by(acct_session_id))
    }

    /// Whether both have one name: the same key at one reporter.
    fn is_namesake_of(&self, other: &Self) -> bool {
        self.key() == other.key()
            && self.gateway == other.gateway
            && self.nas().is_same(&other.nas())
    }

    /// Whether this one has the name of the other, and neither Class nor Charging-Id tells them
    /// apart: one name is one session (PROTOCOL 6).
    pub(super) fn is_replacement_of(&self, other: &Self) -> bool {
        self.is_namesake_of(other)
            && matching::compare(self.proofs(), other.proofs(), || false) != Match::Other
    }

    /// Of its first bearer.
    fn proofs(&self) -> Proofs {
        Proofs {
            authorisation: self.authorisation.map(NonZeroU64::get),
            charging_id: self.packed_location.charging_id(),
        }
    }

    /// Whether only one of the two can be alive: an endpoint has one session of an APN at a time,
    /// unless Charging-Id, Acct-Multi-Session-Id or address family tell them apart. Sessions of the
    /// same key at two reporters are two sessions, since identifiers are a gateway's own (RFC 2866
    /// 5.5); at one reporter a Start tells that the one before it is over, whatever its APN was.
    pub(super) fn is_rival_of(&self, other: &Self) -> bool {
        if self.key() == other.key() {
            return self.is_namesake_of(other);
        }
        if self.apn() != other.apn() {
            return false;
        }
        let differ =
            |pair: (Option<u32>, Option<u32>)| matches!(pair, (Some(one), Some(two)) if one != two);
        // A new authorisation for the same APN has the address of the old one: the device has come
        // back, and its older session is lost.
        let is_authorised_anew = matches!((self.authorisation, other.authorisation), (Some(one), Some(two)) if one != two);
        let has_own_context = !is_authorised_anew
            && differ((self.packed_location.charging_id(), other.packed_location.charging_id()));
        let is_named_apart =
            self.multi_session_id().is_some() && other.multi_session_id().is_some();
        !has_own_context && !is_named_apart && !self.families.are_apart(other.families)
    }

    /// Whether the session has ended, and a report of that time does not open it again. Compared as
    /// times are kept, in microseconds; of a gateway that stamps in whole seconds, an event within
    /// the second of the end counts as not newer.
    pub(super) fn has_ended_by(&self, report: &Report<'_>, now: Timestamp) -> bool {
        let Some(ended) = self.ended else { return false };
        let other_clock = report.stamp == Stamp::Old
            && event_time::is_ahead(ended.skew.shown(report.event_time.order).shown, now);
        other_clock || report.event_time.order <= ended.time().order_for(report.stamp)
    }

    /// Whether a Stop could be the one that closed the bearer it names, sent again.
    pub(super) fn could_repeat(&self, stop: &Report<'_>) -> bool {
        let bearer = self.bearers().find(|bearer| bearer.is_named_by(stop.acct_session_id));
        bearer.is_some_and(|bearer| !bearer.is_open() && bearer.has_counted(&stop.counters))
    }

    /// Moves the end of an ended session to `time`, if that is later. Returns whether it moved.
    pub(super) fn ended_not_before(&mut self, time: EventTime) -> bool {
        let Some(ended) = self.ended.as_mut() else { return false };
        let before = *ended;
        *ended = before.not_before(time);
        *ended != before
    }

    /// Ends it, not before what was heard of it: repeating that opens nothing. What was ending has
    /// its cause already.
    pub(super) fn end(&mut self, ended: Ended, now: Timestamp) {
        let cause = self.ending().map_or(ended.cause, |ending| ending.cause);
        self.ended = Some(Ended { cause, ..ended.not_before(self.updated()) });
        self.heard = now;
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

    /// Nothing rare is no memory: what is read from the journal has none either.
    fn shed_rare(&mut self) {
        self.rare.take_if(|rare| **rare == Rare::default());
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

fn multi_session_id<'a>(report: &Report<'a>) -> Option<&'a [u8]> {
    report.acct_multi_session_id.filter(|id| !id.is_empty())
}
