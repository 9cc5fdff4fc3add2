//! What one worker has counted since it last reported: plain numbers, no label is looked up and
//! nothing is shared while datagrams are served.

use std::time::Duration;

use crate::aaa::{AccountingKind, RejectReason};
use crate::identity::GatewayId;
use crate::network::OddTimes;
use crate::wire::Code;

/// Why a datagram was not answered (PROTOCOL 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Dropped {
    UnknownGateway,
    Malformed,
    UnknownCode,
    BadAuthenticator,
    BadMessageAuthenticator,
    /// It has none, and needs one.
    MissingMessageAuthenticator,
    ProxyStateLimited,
    RateLimited,
    /// A retransmission of a request whose reply still waits.
    DuplicateInFlight,
    /// Nothing can be recorded, so nothing is acknowledged.
    Journal,
    /// More is asked than can be recorded in time.
    Overload,
    /// Status-Server before everything is loaded, or while the journal fails: silence is the answer
    /// (RFC 5997 4.2).
    NotReady,
    /// The reply would exceed 4096 octets: the request's Proxy-States leave no room.
    ReplyTooLong,
    /// The kernel did not take the reply.
    Unsent,
    /// A datagram of a gateway that speaks over TLS only.
    TlsOnly,
}

impl Dropped {
    pub const ALL: [Self; 15] = [
        Self::UnknownGateway,
        Self::Malformed,
        Self::UnknownCode,
        Self::BadAuthenticator,
        Self::BadMessageAuthenticator,
        Self::MissingMessageAuthenticator,
        Self::ProxyStateLimited,
        Self::RateLimited,
        Self::DuplicateInFlight,
        Self::Journal,
        Self::Overload,
        Self::NotReady,
        Self::ReplyTooLong,
        Self::Unsent,
        Self::TlsOnly,
    ];

    /// As the metric label has it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::UnknownGateway => "unknown-gateway",
            Self::Malformed => "malformed",
            Self::UnknownCode => "unknown-code",
            Self::BadAuthenticator => "bad-authenticator",
            Self::BadMessageAuthenticator => "bad-message-authenticator",
            Self::MissingMessageAuthenticator => "missing-message-authenticator",
            Self::ProxyStateLimited => "proxy-state-limited",
            Self::RateLimited => "rate-limited",
            Self::DuplicateInFlight => "duplicate-in-flight",
            Self::Journal => "journal",
            Self::Overload => "overload",
            Self::NotReady => "not-ready",
            Self::ReplyTooLong => "reply-too-long",
            Self::Unsent => "unsent",
            Self::TlsOnly => "tls-only",
        }
    }
}

/// The codes of requests that are served.
pub const REQUESTS: [Code; 3] =
    [Code::ACCESS_REQUEST, Code::ACCOUNTING_REQUEST, Code::STATUS_SERVER];

/// The codes of replies that are sent.
pub const RESPONSES: [Code; 4] =
    [Code::ACCESS_ACCEPT, Code::ACCESS_REJECT, Code::ACCOUNTING_RESPONSE, Code::PROTOCOL_ERROR];

/// The upper bounds of the latency buckets, in microseconds; one more bucket is without bound.
pub const BUCKETS_US: [u64; 13] =
    [50, 100, 200, 300, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000];

/// What an accounting report was, as the metric label has it.
pub const ACCOUNTING: [AccountingKind; 8] = [
    AccountingKind::Attach,
    AccountingKind::Start,
    AccountingKind::Interim,
    AccountingKind::Stop,
    AccountingKind::Detach,
    AccountingKind::GatewayRestart,
    AccountingKind::Other,
    AccountingKind::Invalid,
];

/// The times in a report that may be odd, as the metric label has them.
pub const ODD_TIMES: [&str; 3] = ["stamp", "delay", "session-time"];

/// One worker's counts since the last report.
#[derive(Debug, Default)]
pub struct WorkerCounters {
    /// Of nobody known; those of gateways are among their traffic.
    pub strangers: [u32; Dropped::ALL.len()],
    pub duplicates: [u32; REQUESTS.len()],
    pub rejects: [u32; RejectReason::ALL.len()],
    pub accounting: [u32; ACCOUNTING.len()],
    /// By place in [`ODD_TIMES`].
    pub odd_times: [u32; ODD_TIMES.len()],
    pub lowered_counters: u32,
    /// Accounting reports in which nothing was new.
    pub repeated: u32,
    pub latencies: [LatencyCounts; REQUESTS.len()],
    gateways: Vec<Traffic>,
    /// The gateways of which something was counted.
    touched: Vec<GatewayId>,
}

/// One gateway's requests, responses and drops, by place in [`REQUESTS`], [`RESPONSES`] and
/// [`Dropped::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub requests: [u32; REQUESTS.len()],
    pub responses: [u32; RESPONSES.len()],
    pub dropped: [u32; Dropped::ALL.len()],
}

/// How long answers took.
#[derive(Clone, Copy, Debug, Default)]
pub struct LatencyCounts {
    pub buckets: [u32; BUCKETS_US.len() + 1],
    pub sum_us: u64,
}

impl WorkerCounters {
    /// A datagram was not answered; `gateway` is the one that its source address belongs to.
    pub fn dropped(&mut self, reason: Dropped, gateway: Option<GatewayId>) {
        match gateway {
            Some(gateway) => self.traffic(gateway).dropped[reason as usize] += 1,
            None => self.strangers[reason as usize] += 1,
        }
    }

    /// All drops since the last report, whoever sent them.
    #[must_use]
    pub fn drops(&self) -> [u32; Dropped::ALL.len()] {
        let of_gateways =
            self.touched.iter().map(|gateway| &self.gateways[gateway.index()].dropped);
        of_gateways.fold(self.strangers, |sum, dropped| {
            std::array::from_fn(|reason| sum[reason] + dropped[reason])
        })
    }

    pub fn rejected(&mut self, reason: RejectReason) {
        self.rejects[reason as usize] += 1;
    }

    pub fn duplicate(&mut self, request: Code) {
        if let Some(index) = index(&REQUESTS, request) {
            self.duplicates[index] += 1;
        }
    }

    pub fn accounted(&mut self, kind: AccountingKind) {
        if let Some(index) = ACCOUNTING.iter().position(|known| *known == kind) {
            self.accounting[index] += 1;
        }
    }

    pub fn odd_times(&mut self, odd: OddTimes) {
        for (count, is_odd) in
            self.odd_times.iter_mut().zip([odd.stamp, odd.delay, odd.session_time])
        {
            *count += u32::from(is_odd);
        }
    }

    pub fn request(&mut self, gateway: GatewayId, code: Code) {
        if let Some(index) = index(&REQUESTS, code) {
            self.traffic(gateway).requests[index] += 1;
        }
    }

    pub fn response(&mut self, gateway: GatewayId, code: Code) {
        if let Some(index) = index(&RESPONSES, code) {
            self.traffic(gateway).responses[index] += 1;
        }
    }

    /// A request was answered so long after it arrived.
    pub fn took(&mut self, request: Code, latency: Duration) {
        if let Some(index) = index(&REQUESTS, request) {
            let us = latency.as_micros() as u64;
            let latencies = &mut self.latencies[index];
            latencies.buckets[BUCKETS_US.partition_point(|bound| *bound < us)] += 1;
            latencies.sum_us += us;
        }
    }

    /// The gateways of which a verified request came since the last report.
    pub fn heard(&self) -> impl Iterator<Item = GatewayId> {
        let heard =
            |gateway: &GatewayId| self.gateways[gateway.index()].requests != [0; REQUESTS.len()];
        self.touched.iter().copied().filter(heard)
    }

    /// Reports what was counted by gateway, and begins anew.
    pub fn drain_gateways(&mut self, mut report: impl FnMut(GatewayId, Traffic)) {
        for gateway in self.touched.drain(..) {
            report(gateway, std::mem::take(&mut self.gateways[gateway.index()]));
        }
    }

    fn traffic(&mut self, gateway: GatewayId) -> &mut Traffic {
        let index = gateway.index();
        if self.gateways.len() <= index {
            self.gateways.resize(index + 1, Traffic::default());
        }
        if self.gateways[index] == Traffic::default() {
            self.touched.push(gateway);
        }
        &mut self.gateways[index]
    }
}

fn index(codes: &[Code], code: Code) -> Option<usize> {
    codes.iter().position(|known| *known == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_lists_agree() {
        assert!(Dropped::ALL.iter().enumerate().all(|(index, reason)| *reason as usize == index));
        assert!(
            RejectReason::ALL.iter().enumerate().all(|(index, reason)| *reason as usize == index)
        );
    }

    #[test]
    fn a_gateway_is_reported_once_and_then_begins_anew() {
        let mut counters = WorkerCounters::default();
        let gateway = GatewayId::new(3);
        counters.request(gateway, Code::ACCESS_REQUEST);
        counters.request(gateway, Code::ACCESS_REQUEST);
        counters.response(gateway, Code::ACCESS_REJECT);
        let mut reports = Vec::new();
        counters.drain_gateways(|gateway, traffic| reports.push((gateway, traffic)));
        assert_eq!(
            reports,
            [(
                gateway,
                Traffic { requests: [2, 0, 0], responses: [0, 1, 0, 0], ..Traffic::default() }
            )]
        );
        counters.drain_gateways(|_, _| panic!("nothing was counted"));
        counters.request(gateway, Code::STATUS_SERVER);
        counters.drain_gateways(|_, traffic| assert_eq!(traffic.requests, [0, 0, 1]));
    }

    #[test]
    fn a_drop_is_its_gateways_if_there_is_one() {
        let mut counters = WorkerCounters::default();
        counters.dropped(Dropped::UnknownGateway, None);
        counters.dropped(Dropped::Malformed, Some(GatewayId::new(1)));
        counters.dropped(Dropped::Malformed, Some(GatewayId::new(0)));
        let drops = counters.drops();
        assert_eq!(
            (drops[Dropped::UnknownGateway as usize], drops[Dropped::Malformed as usize]),
            (1, 2)
        );
        assert_eq!(counters.strangers[Dropped::Malformed as usize], 0);
        let mut of_gateways = Vec::new();
        counters.drain_gateways(|gateway, traffic| {
            of_gateways.push((gateway.index(), traffic.dropped[Dropped::Malformed as usize]));
        });
        assert_eq!(of_gateways, [(1, 1), (0, 1)]);
    }

    #[test]
    fn a_latency_falls_into_the_bucket_that_bounds_it() {
        let mut counters = WorkerCounters::default();
        for us in [0, 50, 51, 1_000_000, 1_000_001] {
            counters.took(Code::ACCESS_REQUEST, Duration::from_micros(us));
        }
        let [first, second, .., last, beyond] = counters.latencies[0].buckets;
        assert_eq!((first, second, last, beyond), (2, 1, 1, 1));
        assert_eq!(counters.latencies[0].sum_us, 2_000_102);
    }
}
