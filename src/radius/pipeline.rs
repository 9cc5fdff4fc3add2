//! The journey of one datagram, without socket or clock: octets in, a reply or a counted drop out.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::answer::{self, VendorNames};
use super::authenticate::{authenticate, authenticate_stream};
use super::connection_id::ConnectionId;
use super::duplicates::{DuplicateKey, Duplicates, Lookup, Slot};
use super::gateways::{Gateway, Gateways};
use super::log_throttle::LogThrottle;
use super::pending_batch::PendingBatch;
use super::replies::{Replies, Route};
use super::shares::{ACCESS, InFlightLoad, REPORT, Shares};
use super::translate::Fields;
use crate::aaa::{Aaa, Accept, AccessRequest, AccountingKind, Verdict};
use crate::keeping::commit::Records;
use crate::metrics::counters::{Dropped, WorkerCounters};
use crate::provisioning::Credentials;
use crate::time::Timestamp;
use crate::wire::{
    AT_ONCE, Code, Datagram, Draft, Forged, LONGEST, RadiusVersion, Secret, TooLong, sign_replies,
    verify_requests,
};

/// What a socket is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    Auth,
    Acct,
    /// TLS: what belongs on either of the others.
    Both,
}

/// The socket a datagram came in by.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    /// Its index among the sockets of a worker.
    pub index: u8,
    pub port: Port,
}

/// A received datagram.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    pub listener: Listener,
    pub from: SocketAddr,
    /// The address it was sent to, where the socket is bound to all.
    pub to: Option<IpAddr>,
    pub octets: &'a [u8],
    /// The TLS connection it came in by, if it is no datagram.
    pub stream: Option<StreamPeer<'a>>,
}

/// The connection by which a packet came, and whose it is: its gateway is known by certificate.
#[derive(Clone, Copy, Debug)]
pub struct StreamPeer<'a> {
    pub id: ConnectionId,
    pub gateway: &'a Gateway,
    pub version: RadiusVersion,
    /// When the packet came first.
    pub since: Duration,
}

/// A packet of a connection that will not be answered by the pipeline, and why not. What becomes of
/// it, and of its connection, is said by the rules for streams.
#[derive(Debug)]
pub struct StreamRefusal {
    pub connection: ConnectionId,
    pub reason: Dropped,
    /// Empty if it was decided and its reply is lost.
    pub octets: Box<[u8]>,
    pub since: Duration,
}

/// What comes out of the datagrams of one batch.
#[derive(Debug)]
pub struct BatchOutput<R> {
    pub pending: PendingBatch<R>,
    /// Replies that acknowledge nothing new.
    pub at_once: Replies,
    /// Replies that are receipts for the pending records.
    pub receipts: Replies,
    /// Rejects that are to be held back for a while.
    pub delayed: Replies,
}

impl<R> BatchOutput<R> {
    pub fn new(records: R) -> Self {
        Self {
            pending: PendingBatch::new(records),
            at_once: Replies::default(),
            receipts: Replies::default(),
            delayed: Replies::default(),
        }
    }
}

/// How the pipeline is set up.
#[derive(Clone, Copy, Debug)]
pub struct PipelineConfig {
    /// The number of our own dictionary.
    pub vendor: u32,
    pub vendor_attributes: bool,
    /// Zero: rejects leave at once.
    pub reject_delay: Duration,
    pub masks_identities: bool,
    pub duplicate_lifetime: Duration,
    /// Requests that are remembered, and octets of their replies.
    pub remembered: (usize, usize),
}

/// One worker's pipeline.
pub struct Pipeline {
    aaa: Arc<Aaa>,
    config: PipelineConfig,
    duplicates: Duplicates,
    log: LogThrottle,
    /// Where replies are written and signed.
    buffers: Box<[[u8; LONGEST]]>,
    /// What each gateway has waiting.
    pub shares: Shares,
    /// The disk takes nothing: what is known is answered, nothing new is acknowledged.
    pub journal_fails: bool,
    /// Whether Status-Server is answered.
    pub is_ready: bool,
    pub counters: WorkerCounters,
    /// What of streams was refused since somebody looked.
    pub stream_refusals: Vec<StreamRefusal>,
}

/// A request that belongs here, if its sender is who its address says.
#[derive(Clone, Copy)]
struct Unverified<'p> {
    request: Datagram<'p>,
    gateway: &'p Gateway,
    /// The secret to verify it with: the gateway's first, or over TLS the one that everybody knows.
    secret: &'p Secret,
    arrival: Arrival<'p>,
}

/// A request whose sender is verified.
#[derive(Clone, Copy)]
struct Verified<'p> {
    request: Datagram<'p>,
    gateway: &'p Gateway,
    /// The one of the gateway's secrets that the sender has.
    secret: &'p Secret,
    arrival: Arrival<'p>,
    now: Timestamp,
    route: Route,
}

/// A request that has to be decided: verified, not seen before, and read.
struct Fresh<'p> {
    verified: Verified<'p>,
    /// Where it waits for its reply, unless nothing of its kind is remembered.
    slot: Option<Slot>,
    fields: Fields<'p>,
}

/// What a request is answered, and when.
#[derive(Clone, Copy)]
struct Answer {
    draft: Draft,
    send_when: SendWhen,
    /// What waits until it leaves.
    load: InFlightLoad,
}

/// When a reply may leave.
#[derive(Clone, Copy)]
enum SendWhen {
    /// It acknowledges nothing.
    AtOnce,
    /// When the disk has what it acknowledges.
    WithItsRecords,
    /// After the reject delay.
    Delayed,
}

impl Arrival<'_> {
    /// What its packet and the reply look like.
    fn version(&self) -> RadiusVersion {
        self.stream.map_or(RadiusVersion::V1_0, |stream| stream.version)
    }
}

impl Unverified<'_> {
    /// By what a retransmission of it is known.
    fn key(&self) -> DuplicateKey {
        let Arrival { listener, from, stream, .. } = self.arrival;
        // Of a connection what it asked is remembered, whatever port it comes from: with another
        // connection all begins anew (RFC 6613 2.6).
        let from = stream.map_or(from, |stream| stream.id.as_peer());
        let (code, identifier) = (self.request.code().0, self.request.identifier());
        DuplicateKey { from, listener: listener.index, code, identifier, gateway: self.gateway.id }
    }
}

impl Pipeline {
    pub fn new(aaa: Arc<Aaa>, config: PipelineConfig) -> Self {
        let (requests, octets) = config.remembered;
        Self {
            aaa,
            config,
            duplicates: Duplicates::new(requests, octets, config.duplicate_lifetime),
            log: LogThrottle::new(config.masks_identities),
            buffers: vec![[0; LONGEST]; AT_ONCE].into(),
            shares: Shares::default(),
            journal_fails: false,
            is_ready: true,
            counters: WorkerCounters::default(),
            stream_refusals: Vec::new(),
        }
    }

    /// Serves datagrams: their replies are in `out` afterwards, or their drops are counted.
    ///
    /// The order is that of PROTOCOL 1: the cheapest refusal comes first, and nothing is believed
    /// before its sender is verified. Verified in groups of eight: the AVX2 MD5 digests eight at
    /// once.
    pub fn handle<'a, R: Records>(
        &mut self,
        gateways: &Gateways,
        arrivals: impl IntoIterator<Item = Arrival<'a>>,
        now: Timestamp,
        out: &mut BatchOutput<R>,
    ) {
        let mut arrivals = arrivals.into_iter();
        loop {
            let mut unverified = [const { None }; AT_ONCE];
            if self.take_in_some(&mut unverified, gateways, &mut arrivals, now) == 0 {
                return;
            }
            let verifications = verify_requests(&unverified, |candidate: &Unverified<'_>| {
                (&candidate.request, candidate.secret)
            });
            unverified
                .iter()
                .flatten()
                .for_each(|candidate| self.duplicates.prefetch_runs(&candidate.key()));
            let mut fresh = [const { None }; AT_ONCE];
            for ((fresh, candidate), verification) in
                fresh.iter_mut().zip(unverified.iter().flatten()).zip(verifications)
            {
                match self.admit(candidate, verification, now, out) {
                    Ok(new) => *fresh = new,
                    Err(reason) => self.refuse(reason, gateways, &candidate.arrival, now),
                }
            }
            self.aaa.prefetch(fresh.iter().flatten().map(|fresh| &fresh.fields.subject));
            self.serve_all(&fresh, gateways, out);
        }
    }

    /// Serves what was taken in together, and signs the replies side by side.
    fn serve_all<R: Records>(
        &mut self,
        fresh: &[Option<Fresh<'_>>; AT_ONCE],
        gateways: &Gateways,
        out: &mut BatchOutput<R>,
    ) {
        let mut buffers = std::mem::take(&mut self.buffers);
        let mut answers = [None; AT_ONCE];
        for ((answer, fresh), buf) in
            answers.iter_mut().zip(fresh.iter().flatten()).zip(&mut buffers)
        {
            match self.serve(fresh, buf, &mut out.pending) {
                Ok(answered) => *answer = Some((fresh, answered)),
                Err(reason) => {
                    self.refuse(reason, gateways, &fresh.verified.arrival, fresh.verified.now);
                }
            }
        }
        let mut unsigned = [const { None }; AT_ONCE];
        for ((unsigned, answer), buf) in unsigned.iter_mut().zip(&mut answers).zip(&mut buffers) {
            let Some((fresh, answer)) = answer else { continue };
            if fresh.verified.arrival.version() == RadiusVersion::V1_1 {
                answer.draft = answer.draft.into_radius_1_1(buf);
            } else {
                *unsigned = Some(answer.draft.of(buf, fresh.verified.secret));
            }
        }
        sign_replies(&mut unsigned);
        for ((fresh, answer), buf) in
            answers.into_iter().zip(&buffers).filter_map(|(answer, buf)| Some((answer?, buf)))
        {
            let replies = match answer.send_when {
                SendWhen::AtOnce => &mut out.at_once,
                SendWhen::WithItsRecords => &mut out.receipts,
                SendWhen::Delayed => &mut out.delayed,
            };
            replies.push(
                Route { load: answer.load, ..fresh.verified.route },
                &buf[..answer.draft.length()],
            );
        }
        self.buffers = buffers;
    }

    /// Takes in datagrams until there is a candidate for every place, or no datagram any more;
    /// gives how many unverified there are.
    fn take_in_some<'a, 'p>(
        &mut self,
        unverified: &mut [Option<Unverified<'p>>; AT_ONCE],
        gateways: &'p Gateways,
        arrivals: &mut impl Iterator<Item = Arrival<'a>>,
        now: Timestamp,
    ) -> usize
    where
        'a: 'p,
    {
        let mut count = 0;
        while count < AT_ONCE
            && let Some(arrival) = arrivals.next()
        {
            match self.take_in(gateways, arrival) {
                Ok(candidate) => {
                    self.duplicates.prefetch_set(&candidate.key());
                    unverified[count] = Some(candidate);
                    count += 1;
                }
                Err(reason) => self.refuse(reason, gateways, &arrival, now),
            }
        }
        count
    }

    fn refuse(
        &mut self,
        reason: Dropped,
        gateways: &Gateways,
        arrival: &Arrival<'_>,
        now: Timestamp,
    ) {
        let gateway = match arrival.stream {
            Some(stream) => {
                self.stream_refusals.push(StreamRefusal {
                    connection: stream.id,
                    reason,
                    octets: arrival.octets.into(),
                    since: stream.since,
                });
                Some(stream.gateway)
            }
            None => gateways.of(arrival.from.ip()),
        };
        self.counters.dropped(reason, gateway.map(|gateway| gateway.id));
        self.log.dropped(reason, arrival.from, gateway, now);
    }

    /// A reply is on its way: its retransmissions are answered with the same octets from now on.
    pub fn sent(&mut self, route: &Route, reply: &[u8], latency: Duration) {
        if let Some(slot) = route.slot {
            self.duplicates.answer(slot, reply);
        }
        self.shares.give_back(route.gateway, route.load);
        self.counters.response(route.gateway, Code(reply.first().copied().unwrap_or_default()));
        self.counters.took(route.request, latency);
    }

    /// A hint before [`Self::sent`].
    pub fn prefetch_sent(&self, route: &Route) {
        if let Some(slot) = route.slot {
            self.duplicates.prefetch_answer(slot);
        }
    }

    /// A reply will never be sent: the retransmission of its request is served like a new one.
    pub fn lost(&mut self, route: &Route, reason: Dropped) {
        if let Some(slot) = route.slot {
            self.duplicates.forget(slot);
        }
        self.shares.give_back(route.gateway, route.load);
        self.counters.dropped(reason, Some(route.gateway));
        if let Some(connection) = route.stream {
            let (octets, since) = (Box::default(), Duration::ZERO);
            self.stream_refusals.push(StreamRefusal { connection, reason, octets, since });
        }
    }

    /// What can be said of a datagram before anything is computed.
    fn take_in<'p>(
        &self,
        gateways: &'p Gateways,
        arrival: Arrival<'p>,
    ) -> Result<Unverified<'p>, Dropped> {
        let (gateway, secret) = if let Some(stream) = arrival.stream {
            (stream.gateway, gateways.tls_secret())
        } else {
            let gateway = gateways.of(arrival.from.ip()).ok_or(Dropped::UnknownGateway)?;
            if gateway.is_tls_only {
                return Err(Dropped::TlsOnly);
            }
            (gateway, &gateway.secret)
        };
        let request = Datagram::frame(arrival.octets).map_err(|_| Dropped::Malformed)?;
        self.has_room(gateway, request.code(), arrival.listener.port)?;
        Ok(Unverified { request, gateway, secret, arrival })
    }

    /// Hears a candidate whose verification has been computed: what is known or needs no decision
    /// is answered at once, what is new is read.
    fn admit<'p, R: Records>(
        &mut self,
        candidate: &Unverified<'p>,
        verification: Result<(), Forged>,
        now: Timestamp,
        out: &mut BatchOutput<R>,
    ) -> Result<Option<Fresh<'p>>, Dropped> {
        let Unverified { request, gateway, secret, arrival } = *candidate;
        let secret = if let Some(stream) = arrival.stream {
            authenticate_stream(verification, &request, stream.version)?;
            secret
        } else {
            let (secret, verification) = gateway.prove(&request, verification);
            authenticate(verification, &request, gateway)?;
            secret
        };
        if !gateway.admits(now) {
            return Err(Dropped::RateLimited);
        }
        gateway.note_ours(arrival.to);
        self.counters.request(gateway.id, request.code());
        let route = Route {
            to: arrival.from,
            from: arrival.to,
            listener: arrival.listener.index,
            gateway: gateway.id,
            request: request.code(),
            stream: arrival.stream.map(|stream| stream.id),
            slot: None,
            load: InFlightLoad::default(),
        };
        let verified = Verified { request, gateway, secret, arrival, now, route };
        if request.code() == Code::STATUS_SERVER {
            // Never remembered: each one asks how we are now (RFC 5997 4.2).
            return self.alive(&verified, out).map(|()| None);
        }
        if arrival.version() == RadiusVersion::V1_1 {
            // A Token names one request of one connection, and TLS repeats nothing (RFC 9765 4.2).
            let fields = Fields::gather(&request, self.config.vendor);
            return Ok(Some(Fresh { verified, slot: None, fields }));
        }
        match self.duplicates.look_up(&candidate.key(), request.authenticator(), now) {
            Lookup::New(slot) => {
                let route = Route { slot: Some(slot), ..route };
                Ok(Some(Fresh {
                    verified: Verified { route, ..verified },
                    slot: Some(slot),
                    fields: Fields::gather(&request, self.config.vendor),
                }))
            }
            Lookup::InFlight => Err(Dropped::DuplicateInFlight),
            Lookup::Answered(reply) => {
                out.at_once.push(route, reply);
                self.counters.duplicate(request.code());
                Ok(None)
            }
        }
    }

    /// Which codes belong on which port, and whether their gateway has room for what they ask.
    fn has_room(&self, gateway: &Gateway, code: Code, port: Port) -> Result<(), Dropped> {
        let weight = match (port, code) {
            (_, Code::STATUS_SERVER) => return Ok(()),
            (Port::Auth | Port::Both, Code::ACCESS_REQUEST) => ACCESS,
            (Port::Acct | Port::Both, Code::ACCOUNTING_REQUEST) => REPORT,
            _ => return Err(Dropped::UnknownCode),
        };
        if self.journal_fails || self.shares.admits(gateway.id, weight) {
            Ok(())
        } else {
            Err(Dropped::Overload)
        }
    }

    fn serve<R: Records>(
        &mut self,
        fresh: &Fresh<'_>,
        buf: &mut [u8],
        pending: &mut PendingBatch<R>,
    ) -> Result<Answer, Dropped> {
        let gateway = fresh.verified.gateway.id;
        let written = pending.records.octets();
        let answered = match fresh.verified.request.code() {
            _ if self.journal_fails => Err(Dropped::Journal),
            // Judged before anything is decided: what could never be answered must not move state
            // on each of its retransmissions.
            _ if !answer::has_room(&fresh.verified.request, self.config.vendor_attributes) => {
                Err(Dropped::ReplyTooLong)
            }
            Code::ACCESS_REQUEST => self.authorize(fresh, buf, pending),
            _ => self.account(fresh, buf, pending),
        };
        let mut answer = answered.inspect_err(|_| {
            if let Some(slot) = fresh.slot {
                self.duplicates.forget(slot);
            }
        })?;
        match answer.send_when {
            SendWhen::AtOnce => {}
            SendWhen::WithItsRecords => {
                answer.load = InFlightLoad::receipt(pending.records.octets() - written);
            }
            SendWhen::Delayed if self.shares.may_delay(gateway) => {
                answer.load = InFlightLoad::DELAYED;
            }
            // It has so many held back already that this one is not: whoever floods loses the
            // delay, not his neighbours.
            SendWhen::Delayed => answer.send_when = SendWhen::AtOnce,
        }
        self.shares.charge(gateway, answer.load);
        Ok(answer)
    }

    /// May this endpoint attach. An Accept is a receipt for the state it rests on; a Reject
    /// acknowledges nothing.
    fn authorize<R: Records>(
        &mut self,
        fresh: &Fresh<'_>,
        buf: &mut [u8],
        pending: &mut PendingBatch<R>,
    ) -> Result<Answer, Dropped> {
        let Fresh { verified, fields, .. } = fresh;
        let Verified { request, gateway, secret, arrival, now, .. } = verified;
        let proves = |wanted: &Credentials| match arrival.version() {
            RadiusVersion::V1_0 => fields.prove(wanted, request, secret),
            RadiusVersion::V1_1 => fields.prove_in_clear(wanted, request),
        };
        let located = || fields.location_info();
        let asked = AccessRequest {
            subject: fields.subject,
            apn: fields.apn,
            attach_only: fields.is_attach_only(),
            located: &located,
            asked: fields.asked(),
            proves: &proves,
            unusable_credentials: fields.has_unusable_credentials(),
        };
        match self.aaa.authorize(&asked, *now, pending) {
            Verdict::Accept(accept) => {
                SendWhen::WithItsRecords.when(self.accept(buf, request, &accept))
            }
            Verdict::Reject(reason) => {
                self.counters.rejected(reason);
                self.log.rejected(reason, gateway, &fields.subject, *now);
                let send_when = if self.config.reject_delay.is_zero() {
                    SendWhen::AtOnce
                } else {
                    SendWhen::Delayed
                };
                send_when.when(answer::reject(buf, request, reason, arrival.version()))
            }
        }
    }

    fn accept(
        &self,
        buf: &mut [u8],
        request: &Datagram<'_>,
        accept: &Accept,
    ) -> Result<Draft, TooLong> {
        if !self.config.vendor_attributes {
            return answer::accept(buf, request, accept, None);
        }
        self.aaa.with_catalog(|catalog| {
            let group = catalog.group(accept.group);
            let vslice = group.and_then(|group| catalog.vslice(group.vslice));
            let names = group.zip(vslice).map(|(group, vslice)| VendorNames {
                vendor: self.config.vendor,
                vslice: vslice.moniker.as_str(),
                group: group.moniker.as_str(),
            });
            answer::accept(buf, request, accept, names)
        })
    }

    /// What a gateway reports. Whatever becomes of it, it is recorded and answered, for otherwise
    /// it would be sent for ever.
    fn account<R: Records>(
        &mut self,
        fresh: &Fresh<'_>,
        buf: &mut [u8],
        pending: &mut PendingBatch<R>,
    ) -> Result<Answer, Dropped> {
        let Fresh { verified: Verified { request, gateway, arrival, now, .. }, fields, .. } = fresh;
        let (mut report, odd) = fields.accounting(
            gateway.id,
            gateway.range_of(arrival.from.ip()),
            arrival.from.ip(),
            *now,
        );
        report.report.absent_is_released = gateway.absent_is_released;
        let accounted = self.aaa.account(&report, *now, pending);
        if report.kind == AccountingKind::GatewayRestart {
            gateway.note_restart(*now);
        }
        self.counters.accounted(report.kind);
        self.counters.odd_times(odd);
        self.counters.lowered_counters += u32::from(accounted.counters_lowered);
        self.counters.repeated += u32::from(accounted.duplicate);
        if let Some(reason) = accounted.refused {
            self.counters.rejected(reason);
            self.log.rejected(reason, gateway, &fields.subject, *now);
        }
        SendWhen::WithItsRecords.when(answer::receipt(buf, request))
    }

    fn alive<R>(&self, verified: &Verified<'_>, out: &mut BatchOutput<R>) -> Result<(), Dropped> {
        let Verified { request, secret, arrival, route, .. } = verified;
        if !self.is_ready || self.journal_fails {
            return Err(Dropped::NotReady);
        }
        let code = match arrival.listener.port {
            Port::Auth | Port::Both => Code::ACCESS_ACCEPT,
            Port::Acct => Code::ACCOUNTING_RESPONSE,
        };
        out.at_once
            .write(*route, |buf| {
                let draft = answer::alive(buf, request, code)?;
                Ok(match arrival.version() {
                    RadiusVersion::V1_0 => draft.sign(buf, secret),
                    RadiusVersion::V1_1 => draft.into_radius_1_1(buf).length(),
                })
            })
            .map_err(|TooLong| Dropped::ReplyTooLong)
    }
}

impl SendWhen {
    fn when(self, draft: Result<Draft, TooLong>) -> Result<Answer, Dropped> {
        draft
            .map(|draft| Answer { draft, send_when: self, load: InFlightLoad::default() })
            .map_err(|TooLong| Dropped::ReplyTooLong)
    }
}
