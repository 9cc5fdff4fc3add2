//! Who may speak to us, by source address: the longest configured prefix wins.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwapOption;
use ipnet::IpNet;
use parking_lot::Mutex;

use super::settings::{DynamicAuthorization, DynamicTarget, GatewaySettings, Requirement};
use crate::identity::GatewayId;
use crate::keeping::BackgroundWriter;
use crate::time::Timestamp;
use crate::wire::{Code, Datagram, Forged, MessageAuthenticator, Secret};

/// The configured gateways. Never changed, only replaced as a whole; workers look at the current
/// one once per batch.
pub struct Gateways {
    list: Vec<Arc<Gateway>>,
    /// Of every gateway that ever was, by handle: sessions may still name one that is configured no
    /// more.
    names: Vec<String>,
    /// The place of each name.
    places: HashMap<String, usize, foldhash::fast::RandomState>,
    /// Whether each has ever sent a valid Message-Authenticator, by handle; shared with what
    /// follows after a reload.
    signed: Vec<Arc<AtomicBool>>,
    /// When each was heard, by handle; shared with what follows after a reload.
    heard: Vec<Arc<HeardTimes>>,
    unrecorded: Unrecorded,
    /// The address of ours that each sends to, by handle; shared likewise.
    ours: Vec<Arc<ArcSwapOption<IpAddr>>>,
    v4: Prefixes<u32>,
    v6: Prefixes<u128>,
    /// The place of the gateway that has this name in its certificate.
    by_tls_name: HashMap<String, usize, foldhash::fast::RandomState>,
    tls_secret: Arc<Secret>,
}

/// What takes the place of a secret over TLS: everybody knows it (RFC 6614 2.3).
pub const TLS_SECRET: &[u8] = b"radsec";

/// Why nobody is behind a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NobodyByCertificate {
    /// None of its names is a gateway's.
    UnknownName,
    /// One is, and this gateway does not connect from there.
    ForbiddenSource,
}

/// Gateways that have sent their first Message-Authenticator, and nobody has recorded it yet.
type Unrecorded = Arc<Mutex<Vec<GatewayId>>>;

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gateway({})", self.name)
    }
}

/// One configured gateway, and what it has taught us.
pub struct Gateway {
    pub id: GatewayId,
    pub name: String,
    /// The addresses it sends from.
    sources: Box<[IpNet]>,
    /// The first of its secrets, and for almost all the only one.
    pub secret: Secret,
    /// What else may prove a request while one secret takes the place of another.
    others: Others,
    pub limit_proxy_state: bool,
    pub absent_is_released: bool,
    requirement: Requirement,
    has_signed: Arc<AtomicBool>,
    heard: Arc<HeardTimes>,
    unrecorded: Unrecorded,
    rate: Option<Rate>,
    /// It has no secret, so no datagram of it can be believed.
    pub is_tls_only: bool,
    pub dynamic_authorization: DynamicAuthorization,
    ours: Arc<ArcSwapOption<IpAddr>>,
}

/// When a gateway was heard last since the process began, as numbers that all workers share;
/// 0: never.
#[derive(Debug, Default)]
struct HeardTimes {
    request: AtomicU64,
    restart: AtomicU64,
}

/// When a gateway was heard last since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GatewaySeen {
    /// Its last verified request.
    pub heard: Option<Timestamp>,
    /// Its last Accounting-On or -Off.
    pub restarted: Option<Timestamp>,
}

impl Gateways {
    /// `names` are the handles given in an earlier life, in their order: a gateway keeps its handle
    /// as long as it keeps its name.
    pub fn new(settings: &[GatewaySettings], names: Vec<String>) -> Self {
        let places = names.iter().enumerate().map(|(index, name)| (name.clone(), index)).collect();
        let signed = names.iter().map(|_| Arc::default()).collect();
        let heard = names.iter().map(|_| Arc::default()).collect();
        let ours = names.iter().map(|_| Arc::default()).collect();
        let unrecorded = Unrecorded::default();
        Self {
            list: Vec::new(),
            names,
            places,
            signed,
            heard,
            unrecorded,
            ours,
            v4: Prefixes::default(),
            v6: Prefixes::default(),
            by_tls_name: HashMap::default(),
            tls_secret: Arc::new(Secret::new(TLS_SECRET)),
        }
        .reloaded(settings)
    }

    /// The names of those that are configured now.
    pub fn configured(&self) -> impl Iterator<Item = &str> + Clone {
        self.list.iter().map(|gateway| gateway.name.as_str())
    }

    /// Those that are configured now, in the order of the file.
    pub fn in_force(&self) -> impl Iterator<Item = &Arc<Gateway>> {
        self.list.iter()
    }

    /// A verified request of this gateway came at this time. Of many, one a second is noted.
    pub fn note_heard(&self, id: GatewayId, now: Timestamp) {
        let Some(heard) = self.heard.get(id.index()) else { return };
        // Read first: a store would fetch the cache line from the other workers.
        if heard.request.load(Ordering::Relaxed) + 1_000 < now.millis() {
            heard.request.store(now.millis(), Ordering::Relaxed);
        }
    }

    /// The gateways after a reload. What one has taught us stays with its name.
    #[must_use]
    pub fn reloaded(&self, settings: &[GatewaySettings]) -> Self {
        let (names, places) = (self.names.clone(), self.places.clone());
        let (signed, unrecorded) = (self.signed.clone(), Arc::clone(&self.unrecorded));
        let heard = self.heard.clone();
        let ours = self.ours.clone();
        let mut next = Self {
            list: Vec::new(),
            names,
            places,
            signed,
            heard,
            unrecorded,
            ours,
            v4: Prefixes::default(),
            v6: Prefixes::default(),
            by_tls_name: HashMap::default(),
            tls_secret: Arc::clone(&self.tls_secret),
        };
        for one in settings {
            let index = next.list.len();
            let is_tls_only = one.secrets.is_empty();
            for source in &one.sources {
                // Several that speak over TLS only may share an address, and one of them may with
                // one that sends datagrams: those are its.
                match source.trunc() {
                    IpNet::V4(net) => {
                        next.v4.insert(net.prefix_len(), net.network().into(), index, !is_tls_only);
                    }
                    IpNet::V6(net) => {
                        next.v6.insert(net.prefix_len(), net.network().into(), index, !is_tls_only);
                    }
                }
            }
            next.by_tls_name.extend(one.tls_names.iter().map(|name| (name.clone(), index)));
            let id = next.handle(&one.name);
            next.list.push(Arc::new(Gateway {
                id,
                name: one.name.clone(),
                sources: one.sources.clone().into(),
                secret: Secret::new(one.secrets.first().map_or(&[][..], |secret| secret)),
                others: Others::of(one.secrets.get(1..).unwrap_or_default()),
                limit_proxy_state: one.limit_proxy_state,
                absent_is_released: one.absent_is_released,
                requirement: one.require_message_authenticator,
                has_signed: Arc::clone(&next.signed[id.index()]),
                heard: Arc::clone(&next.heard[id.index()]),
                unrecorded: Arc::clone(&next.unrecorded),
                rate: Rate::of(one.rate_limit),
                is_tls_only,
                dynamic_authorization: one.dynamic_authorization,
                ours: Arc::clone(&next.ours[id.index()]),
            }));
        }
        next
    }

    fn handle(&mut self, name: &str) -> GatewayId {
        let index = self.places.get(name).copied().unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.places.insert(name.to_owned(), self.names.len() - 1);
            self.signed.push(Arc::default());
            self.heard.push(Arc::default());
            self.ours.push(Arc::default());
            self.names.len() - 1
        });
        GatewayId::new(index)
    }

    /// The gateway that sends from this address.
    pub fn of(&self, source: IpAddr) -> Option<&Gateway> {
        let index = match source {
            IpAddr::V4(ip) => self.v4.longest(ip.into()),
            IpAddr::V6(ip) => self.v6.longest(ip.into()),
        };
        self.list.get(index?).map(Arc::as_ref)
    }

    /// The gateway whose certificate has these names and that connects from this address. A name
    /// that is an address counts only if it is this one.
    pub fn of_certificate(
        &self,
        names: &[String],
        addresses: &[IpAddr],
        source: IpAddr,
    ) -> Result<&Arc<Gateway>, NobodyByCertificate> {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let mut nobody = NobodyByCertificate::UnknownName;
        for name in names.iter().chain(&addresses) {
            let Some(gateway) = self.by_tls_name.get(name).and_then(|index| self.list.get(*index))
            else {
                continue;
            };
            let is_elsewhere = name.parse::<IpAddr>().is_ok_and(|address| address != source);
            if gateway.covers(source) && !is_elsewhere {
                return Ok(gateway);
            }
            nobody = NobodyByCertificate::ForbiddenSource;
        }
        Err(nobody)
    }

    /// The names of those that may connect over TLS.
    pub fn over_tls(&self) -> impl Iterator<Item = &str> {
        let places: BTreeSet<usize> = self.by_tls_name.values().copied().collect();
        places.into_iter().filter_map(|place| Some(self.list.get(place)?.name.as_str()))
    }

    /// The secret that everybody has over TLS.
    pub fn tls_secret(&self) -> &Secret {
        &self.tls_secret
    }

    /// The gateway to be told about a session: who has its address now, else who has its name.
    pub fn told_about(&self, id: GatewayId, source: Option<IpAddr>) -> Option<&Gateway> {
        source
            .and_then(|source| self.of(source))
            .or_else(|| self.list.iter().find(|gateway| gateway.id == id).map(Arc::as_ref))
    }

    /// By handle, whether each can be told about its sessions; `None`: it is not configured now.
    pub fn told(&self) -> Vec<Option<bool>> {
        let mut told = vec![None; self.names.len()];
        for gateway in &self.list {
            if let Some(told) = told.get_mut(gateway.id.index()) {
                *told = Some(gateway.dynamic_authorization.target.is_some());
            }
        }
        told
    }

    /// The name under which a gateway was or is configured.
    pub fn name(&self, id: GatewayId) -> Option<&str> {
        self.names.get(id.index()).map(String::as_str)
    }

    /// Every handle ever given, with its name.
    pub(crate) fn names(&self) -> Vec<String> {
        self.handles().map(|(_, name)| name.to_owned()).collect()
    }

    pub fn handles(&self) -> impl Iterator<Item = (GatewayId, &str)> {
        self.names.iter().enumerate().map(|(index, name)| (GatewayId::new(index), name.as_str()))
    }

    /// These have sent a Message-Authenticator in an earlier life.
    pub fn recall(&self, signed: &[GatewayId]) {
        for flag in signed.iter().filter_map(|id| self.signed.get(id.index())) {
            flag.store(true, Ordering::Relaxed);
        }
    }

    /// All that have ever sent a Message-Authenticator.
    pub fn signed(&self) -> impl Iterator<Item = GatewayId> {
        let signed =
            self.signed.iter().enumerate().filter(|(_, flag)| flag.load(Ordering::Relaxed));
        signed.map(|(index, _)| GatewayId::new(index))
    }

    /// Has those recorded that have sent their first one since the last time.
    pub fn record_signed(&self, writer: &mut BackgroundWriter) {
        for id in self.unrecorded.lock().drain(..) {
            writer.signed(id);
        }
    }

    /// Has every handle recorded with its name: without it nobody could read its sessions after a
    /// restart.
    pub fn record(&self, writer: &mut BackgroundWriter) {
        for (id, name) in self.handles() {
            writer.gateway(id, name);
        }
    }
}

impl Gateway {
    /// The addresses that it sends from, as configured.
    pub fn sources(&self) -> &[IpNet] {
        &self.sources
    }

    /// Whether it has ever sent a valid Message-Authenticator.
    pub fn has_signed(&self) -> bool {
        self.has_signed.load(Ordering::Relaxed)
    }

    pub fn seen(&self) -> GatewaySeen {
        let time = |millis: &AtomicU64| match millis.load(Ordering::Relaxed) {
            0 => None,
            millis => Some(Timestamp::from_millis(millis)),
        };
        GatewaySeen { heard: time(&self.heard.request), restarted: time(&self.heard.restart) }
    }

    /// It has restarted.
    pub fn note_restart(&self, now: Timestamp) {
        self.heard.restart.store(now.millis(), Ordering::Relaxed);
    }

    /// Whether it may connect from this address.
    fn covers(&self, source: IpAddr) -> bool {
        self.sources.iter().any(|range| range.contains(&source))
    }

    /// The configured addresses that `source` is one of. One address is a single one only if it is
    /// all that the gateway has: whoever sends from it then speaks for the whole (PROTOCOL 20).
    pub fn range_of(&self, source: IpAddr) -> IpNet {
        let covers = self
            .sources
            .iter()
            .filter(|range| range.contains(&source))
            .max_by_key(|range| range.prefix_len());
        let range = covers.copied().unwrap_or_else(|| source.into());
        if self.sources.len() > 1 && range.prefix_len() == range.max_prefix_len() {
            range.supernet().unwrap_or(range)
        } else {
            range
        }
    }

    /// The secret that its sender has, and whether the request is proven; `first` is what the first
    /// secret says.
    pub fn prove(
        &self,
        request: &Datagram<'_>,
        first: Result<(), Forged>,
    ) -> (&Secret, Result<(), Forged>) {
        if self.others.secrets.is_empty() {
            (&self.secret, first)
        } else {
            self.others.prove(&self.secret, request, first)
        }
    }

    /// Whether an Access-Request must carry a Message-Authenticator.
    pub fn requires_signature(&self) -> bool {
        match self.requirement {
            Requirement::Yes => true,
            Requirement::No => false,
            Requirement::Auto => self.has_signed.load(Ordering::Relaxed),
        }
    }

    /// Whether an Access-Request without credentials may do without one (RFC 3579 3.3 note 1 says
    /// it should not).
    pub fn is_lenient(&self) -> bool {
        self.requirement == Requirement::No
    }

    /// An Access-Request came with a valid Message-Authenticator: from now on "auto" asks for one.
    pub fn note_signature(&self) {
        // Written once: a store for each request would fetch the cache line from the other workers
        // for nothing.
        if !self.has_signed.load(Ordering::Relaxed) {
            // Of several workers one is the first.
            if !self.has_signed.swap(true, Ordering::Relaxed) {
                self.unrecorded.lock().push(self.id);
            }
        }
    }

    /// Where it is told about a session that it reported from `source`; `None`: it is not.
    pub fn told_at(&self, source: Option<IpAddr>) -> Option<SocketAddr> {
        match self.dynamic_authorization.target? {
            DynamicTarget::Port(port) => {
                let single = || {
                    let mut hosts = self.sources.iter();
                    hosts.find(|net| net.prefix_len() == net.max_prefix_len()).map(IpNet::addr)
                };
                Some((source.or_else(single)?, port).into())
            }
            DynamicTarget::Address(address) => Some(address),
            DynamicTarget::Connection => None,
        }
    }

    /// It sends to this address of ours. Gateways take requests from the address of their server
    /// only, so it is told from there.
    pub fn note_ours(&self, to: Option<IpAddr>) {
        if self.dynamic_authorization.target.is_none() || to.is_none() {
            return;
        }
        if self.ours.load().as_deref() != to.as_ref() {
            self.ours.store(to.map(Arc::new));
        }
    }

    /// The address of ours that it sends to, if our sockets are bound to all.
    pub fn ours(&self) -> Option<IpAddr> {
        self.ours.load().as_deref().copied()
    }

    /// Whether one more request is within the configured rate.
    pub fn admits(&self, now: Timestamp) -> bool {
        self.rate.as_ref().is_none_or(|rate| rate.admits(now))
    }
}

/// The secrets of a gateway beside its first.
struct Others {
    secrets: Box<[Secret]>,
    /// The place of the secret that proved a request last, from 1; 0 is the first.
    last: AtomicUsize,
}

impl Others {
    fn of(secrets: &[Box<[u8]>]) -> Self {
        Self {
            secrets: secrets.iter().map(|secret| Secret::new(secret)).collect(),
            last: AtomicUsize::new(0),
        }
    }

    /// Tries one after the other. An Access-Request without Message-Authenticator proves nothing:
    /// for it the secret is taken that proved a request last.
    fn prove<'a>(
        &'a self,
        own: &'a Secret,
        request: &Datagram<'_>,
        first: Result<(), Forged>,
    ) -> (&'a Secret, Result<(), Forged>) {
        let is_signed = request.message_authenticator() != MessageAuthenticator::Absent;
        if request.code() == Code::ACCESS_REQUEST && !is_signed {
            let last = self
                .last
                .load(Ordering::Relaxed)
                .checked_sub(1)
                .and_then(|last| self.secrets.get(last));
            return (last.unwrap_or(own), first);
        }
        let proven = match first {
            Ok(()) => Some(0),
            Err(_) => self
                .secrets
                .iter()
                .position(|secret| request.verify_request(secret).is_ok())
                .map(|index| index + 1),
        };
        let Some(index) = proven else { return (own, first) };
        self.last.store(index, Ordering::Relaxed);
        (index.checked_sub(1).and_then(|index| self.secrets.get(index)).unwrap_or(own), Ok(()))
    }
}

/// Prefixes of one address family: a map for each length that occurs, the longest first.
struct Prefixes<A> {
    by_length: Vec<(u8, HashMap<A, usize, foldhash::fast::RandomState>)>,
}

impl<A> Default for Prefixes<A> {
    fn default() -> Self {
        Self { by_length: Vec::new() }
    }
}

impl<A: Address> Prefixes<A> {
    /// Adds a prefix; one that is there already gives way only if `wins`.
    fn insert(&mut self, length: u8, network: A, index: usize, wins: bool) {
        let at = match self.by_length.binary_search_by(|(known, _)| length.cmp(known)) {
            Ok(at) => at,
            Err(at) => {
                self.by_length.insert(at, (length, HashMap::default()));
                at
            }
        };
        let place = self.by_length[at].1.entry(network).or_insert(index);
        if wins {
            *place = index;
        }
    }

    fn longest(&self, address: A) -> Option<usize> {
        self.by_length
            .iter()
            .find_map(|(length, networks)| networks.get(&address.network(*length)).copied())
    }
}

/// An address as a number.
trait Address: Copy + Eq + Hash {
    /// What is left with only the first `length` bits.
    fn network(self, length: u8) -> Self;
}

impl Address for u32 {
    fn network(self, length: u8) -> Self {
        self & Self::MAX.checked_shl(Self::BITS - u32::from(length)).unwrap_or(0)
    }
}

impl Address for u128 {
    fn network(self, length: u8) -> Self {
        self & Self::MAX.checked_shl(Self::BITS - u32::from(length)).unwrap_or(0)
    }
}

/// A token bucket of one second's worth, in one word that all workers share: the time at which it
/// will be full again.
struct Rate {
    nanos_per_request: u64,
    full_at: AtomicU64,
}

const SECOND: u64 = 1_000_000_000;

impl Rate {
    fn of(requests_per_second: u32) -> Option<Self> {
        let nanos_per_request = SECOND.checked_div(u64::from(requests_per_second))?;
        Some(Self { nanos_per_request, full_at: AtomicU64::new(0) })
    }

    fn admits(&self, now: Timestamp) -> bool {
        let now = now.millis().saturating_mul(1_000_000);
        let taken = |full_at: u64| {
            let next = full_at.max(now).saturating_add(self.nanos_per_request);
            (next <= now.saturating_add(SECOND)).then_some(next)
        };
        self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Journal;

    fn settings(name: &str, source: &str) -> GatewaySettings {
        GatewaySettings {
            name: name.to_owned(),
            sources: vec![source.parse().unwrap()],
            secrets: vec![Box::from(*b"xyzzy5461")],
            tls_names: Vec::new(),
            require_message_authenticator: Requirement::Auto,
            limit_proxy_state: true,
            absent_is_released: false,
            rate_limit: 0,
            dynamic_authorization: DynamicAuthorization::default(),
        }
    }

    #[test]
    fn the_longest_prefix_wins() {
        let gateways = Gateways::new(
            &[
                settings("everyone", "0.0.0.0/0"),
                settings("site", "192.0.2.77/24"),
                settings("host", "192.0.2.7/32"),
                settings("lab", "2001:db8::/32"),
                settings("lab-host", "2001:db8::1/128"),
            ],
            Vec::new(),
        );
        let cases = [
            ("192.0.2.7", Some("host")),
            ("192.0.2.8", Some("site")),
            ("192.0.3.7", Some("everyone")),
            ("255.255.255.255", Some("everyone")),
            ("2001:db8::1", Some("lab-host")),
            ("2001:db8:ffff::1", Some("lab")),
            ("2001:db9::1", None),
        ];
        for (source, name) in cases {
            assert_eq!(
                gateways.of(source.parse().unwrap()).map(|gateway| gateway.name.as_str()),
                name,
                "{source}"
            );
        }
    }

    #[test]
    fn a_gateway_may_send_from_several_places() {
        let sources = ["192.0.2.0/28", "2001:db8::/64"].map(|source| source.parse().unwrap());
        let one = GatewaySettings { sources: sources.into(), ..settings("pgw", "192.0.2.0/28") };
        let gateways = Gateways::new(&[one, settings("host", "192.0.2.7/32")], Vec::new());
        let cases = [
            ("192.0.2.1", Some("pgw")),
            ("192.0.2.7", Some("host")),
            ("2001:db8::9", Some("pgw")),
            ("192.0.2.16", None),
        ];
        for (source, name) in cases {
            assert_eq!(
                gateways.of(source.parse().unwrap()).map(|gateway| gateway.name.as_str()),
                name,
                "{source}"
            );
        }
    }

    #[test]
    fn a_reload_keeps_handles_and_what_was_learned() {
        let before = Gateways::new(
            &[settings("a", "192.0.2.1/32"), settings("b", "192.0.2.2/32")],
            vec!["old".to_owned()],
        );
        let source = |last| IpAddr::from([192, 0, 2, last]);
        before.of(source(2)).unwrap().note_signature();

        let after =
            before.reloaded(&[settings("c", "192.0.2.3/32"), settings("b", "192.0.2.4/32")]);
        assert!(after.of(source(1)).is_none());
        let b = after.of(source(4)).unwrap();
        assert_eq!(b.id, before.of(source(2)).unwrap().id);
        assert!(b.requires_signature());
        assert!(!after.of(source(3)).unwrap().requires_signature());
        assert_eq!(after.names, ["old", "a", "b", "c"], "a handle is never given twice");
        assert_eq!(after.name(GatewayId::new(1)), Some("a"));
    }

    #[test]
    fn what_was_learned_outlives_a_restart() {
        let journal = Journal::in_memory();
        let mut writer = BackgroundWriter::new(&journal);
        let before = Gateways::new(
            &[settings("a", "192.0.2.1/32"), settings("b", "192.0.2.2/32")],
            Vec::new(),
        );
        let b = before.of([192, 0, 2, 2].into()).unwrap();
        (0..3).for_each(|_| b.note_signature());
        (0..2).for_each(|_| {
            before.record_signed(&mut writer);
            writer.submit();
        });
        assert_eq!(journal.figures().records, 1, "recorded once");

        let after = Gateways::new(
            &[settings("b", "192.0.2.2/32"), settings("c", "192.0.2.3/32")],
            vec!["a".to_owned(), "b".to_owned()],
        );
        after.recall(&before.signed().collect::<Vec<_>>());
        assert!(after.of([192, 0, 2, 2].into()).unwrap().requires_signature());
        assert!(!after.of([192, 0, 2, 3].into()).unwrap().requires_signature());
    }

    #[test]
    fn a_rate_admits_a_burst_of_a_second_and_then_its_rate() {
        let gateways = Gateways::new(
            &[GatewaySettings { rate_limit: 10, ..settings("a", "192.0.2.0/24") }],
            Vec::new(),
        );
        let gateway = gateways.of([192, 0, 2, 1].into()).unwrap();
        let admitted =
            |millis| (0..100).filter(|_| gateway.admits(Timestamp::from_millis(millis))).count();
        assert_eq!(admitted(1_000_000), 10);
        assert_eq!(admitted(1_000_099), 0);
        assert_eq!(admitted(1_000_100), 1);
        assert_eq!(admitted(1_000_700), 6);
        assert_eq!(admitted(1_100_000), 10);
    }
}
