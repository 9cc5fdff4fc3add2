//! A small network, a few gateways, and the packets they send.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::aaa::{Aaa, AaaSettings, FreedAddress, Note, Recorder};
use crate::identity::Iccid;
use crate::keeping::commit::Records;
use crate::metrics::counters::Dropped;
use crate::network::{EndpointState, Restart};
use crate::provisioning::{CatalogObject, Endpoint, Fingerprint, Inventory, Prune, Revision};
use crate::radius::gateways::Gateways;
use crate::radius::pipeline::{Arrival, BatchOutput, Listener, Pipeline, PipelineConfig, Port};
use crate::radius::{DynamicAuthorization, GatewaySettings, Requirement};
use crate::time::Timestamp;
use crate::wire::number::attachd::DEFAULT_VENDOR;
use crate::wire::number::value::acct_status_type;
use crate::wire::number::{self, tgpp};
use crate::wire::{Code, Datagram, Encoder, MessageAuthenticator, Secret};

const CATALOG: &str = r#"
[[vslice]]
moniker = "festival"
name = "Music festival"
dns = ["9.9.9.9", "149.112.112.112"]
[[vslice.subnet]]
cidr = "100.64.0.0/16"
allocation = "static"
[[vslice.subnet]]
cidr = "100.65.0.0/30"
allocation = "pooled"

[[group]]
moniker = "epos"
name = "ePos terminals"
vslice = "festival"
allocation = "static"
session_timeout_s = 86400
idle_timeout_s = 3600
interim_interval_s = 600

[[group]]
moniker = "cameras"
name = "Cameras"
vslice = "festival"
allocation = "pooled"
credentials = "pap"
username = "nemo"
password = "arctangent"
"#;

const ENDPOINTS: &str = "\
iccid,imsi,msisdn,state,group,secondary_groups,static_ip,name
8944500000000000014,234500000000001,447700000001,active,epos,,,till
8944500000000000022,234500000000002,447700000002,active,cameras,,,camera
8944500000000000030,234500000000003,447700000003,suspended,epos,,,stolen
";

pub(crate) const TILL: &str = "234500000000001";
pub(crate) const CAMERA: &str = "234500000000002";
pub(crate) const STOLEN: &str = "234500000000003";

/// The decision maker with the inventory above.
pub(crate) fn aaa() -> Arc<Aaa> {
    let aaa = Aaa::new(AaaSettings::default());
    aaa.adopt(inventory(), Prune::No, NOW, &mut RecordingRecorder::default()).unwrap();
    Arc::new(aaa)
}

pub(crate) fn inventory() -> Inventory {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("inventory.toml"), CATALOG).unwrap();
    fs::write(folder.path().join("endpoints.csv"), ENDPOINTS).unwrap();
    Inventory::load(folder.path()).unwrap()
}

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

pub(crate) fn secret() -> Secret {
    Secret::new(b"xyzzy5461")
}

/// The gateways: `name`, source, what is required of their Access-Requests.
pub(crate) fn gateways() -> Gateways {
    let of =
        |name: &str, source: &str, require_message_authenticator, limit_proxy_state, rate_limit| {
            GatewaySettings {
                name: name.to_owned(),
                sources: vec![source.parse().unwrap()],
                secrets: vec![Box::from(*b"xyzzy5461")],
                tls_names: Vec::new(),
                require_message_authenticator,
                limit_proxy_state,
                absent_is_released: false,
                rate_limit,
                dynamic_authorization: DynamicAuthorization::default(),
            }
        };
    let list = [
        of("pgw", "192.0.2.0/24", Requirement::Auto, true, 0),
        of("strict", "198.51.100.1/32", Requirement::Yes, true, 0),
        of("lenient", "198.51.100.2/32", Requirement::No, false, 0),
        of("limited", "198.51.100.3/32", Requirement::No, true, 0),
        of("slow", "198.51.100.4/32", Requirement::Auto, true, 2),
    ];
    Gateways::new(&list, Vec::new())
}

pub(crate) fn config() -> PipelineConfig {
    PipelineConfig {
        vendor: DEFAULT_VENDOR,
        vendor_attributes: false,
        reject_delay: Duration::ZERO,
        masks_identities: true,
        duplicate_lifetime: Duration::from_secs(30),
        remembered: (1024, 1 << 16),
    }
}

/// Counts what is recorded.
#[derive(Debug, Default)]
pub(crate) struct RecordingRecorder {
    pub(crate) records: usize,
}

/// A kilobyte each.
impl Records for RecordingRecorder {
    fn octets(&self) -> usize {
        self.records * 1024
    }
}

impl Recorder for RecordingRecorder {
    fn endpoint(&mut self, _: Iccid, _: &EndpointState) {
        self.records += 1;
    }

    fn provisioned(&mut self, _: Iccid, _: Revision, _: Option<&Endpoint>) {
        self.records += 1;
    }

    fn object(&mut self, _: &CatalogObject) {
        self.records += 1;
    }

    fn inventory(&mut self, _: Option<Fingerprint>) {
        self.records += 1;
    }

    fn restart(&mut self, _: &Restart) {
        self.records += 1;
    }

    fn noted(&mut self, _: &Note) {
        self.records += 1;
    }

    fn freed(&mut self, _: FreedAddress) {}
}

/// What a gateway gets for a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Response {
    /// A reply that acknowledges nothing new.
    AtOnce(Vec<u8>),
    /// A reply that waits for records.
    Receipt(Vec<u8>),
    Delayed(Vec<u8>),
    /// Nothing, and this was counted.
    Silence(Dropped),
}

impl Response {
    pub(crate) fn reply(self) -> Vec<u8> {
        match self {
            Self::AtOnce(reply) | Self::Receipt(reply) | Self::Delayed(reply) => reply,
            Self::Silence(reason) => panic!("silence: {}", reason.label()),
        }
    }
}

/// A pipeline and the clock it is told.
pub(crate) struct TestServer {
    pub(crate) pipeline: Pipeline,
    pub(crate) gateways: Gateways,
    pub(crate) out: BatchOutput<RecordingRecorder>,
    pub(crate) now: Timestamp,
    /// The gateway that sends.
    pub(crate) from: SocketAddr,
}

impl TestServer {
    pub(crate) fn new() -> Self {
        Self::with(config())
    }

    pub(crate) fn with(config: PipelineConfig) -> Self {
        Self {
            pipeline: Pipeline::new(aaa(), config),
            gateways: gateways(),
            out: BatchOutput::new(RecordingRecorder::default()),
            now: NOW,
            from: "192.0.2.1:40000".parse().unwrap(),
        }
    }

    pub(crate) fn from(&mut self, ip: &str) -> &mut Self {
        self.from.set_ip(ip.parse::<IpAddr>().unwrap());
        self
    }

    pub(crate) fn auth(&mut self, octets: &[u8]) -> Response {
        self.send(Port::Auth, octets)
    }

    pub(crate) fn acct(&mut self, octets: &[u8]) -> Response {
        self.send(Port::Acct, octets)
    }

    /// Sends a datagram; what comes back has left at once, whatever it waits for.
    pub(crate) fn send(&mut self, port: Port, octets: &[u8]) -> Response {
        let before = self.pipeline.counters.drops();
        let listener = Listener { index: u8::from(port == Port::Acct), port };
        let arrival = Arrival { listener, from: self.from, to: None, octets, stream: None };
        self.pipeline.handle(&self.gateways, [arrival], self.now, &mut self.out);
        let mut got = Vec::new();
        let BatchOutput { at_once, receipts, delayed, .. } = &mut self.out;
        for (replies, kind) in [
            (at_once, Response::AtOnce as fn(_) -> _),
            (receipts, Response::Receipt),
            (delayed, Response::Delayed),
        ] {
            for (route, octets) in replies.iter() {
                self.pipeline.sent(route, octets, Duration::ZERO);
                got.push(kind(octets.to_vec()));
            }
            replies.clear();
        }
        let reasons = Dropped::ALL.into_iter().filter(|reason| {
            self.pipeline.counters.drops()[*reason as usize] > before[*reason as usize]
        });
        got.extend(reasons.map(Response::Silence));
        assert_eq!(got.len(), 1, "one reply or one counted drop: {got:?}");
        got.remove(0)
    }

    pub(crate) fn later(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
    }
}

/// A request under this identifier, with what `write` puts in.
pub(crate) fn request(code: Code, identifier: u8, write: impl FnOnce(&mut Encoder<'_>)) -> Vec<u8> {
    let mut buffer = vec![0; 4096];
    let mut encoder = Encoder::new(&mut buffer, code, identifier);
    write(&mut encoder);
    // Different for each identifier, as RFC 2865 3 wants it different for each request.
    let len = encoder.finish_request(&secret(), [identifier; 16]).unwrap();
    buffer.truncate(len);
    buffer
}

/// A signed Access-Request for the SIM with this IMSI.
pub(crate) fn access(identifier: u8, imsi: &str) -> Vec<u8> {
    request(Code::ACCESS_REQUEST, identifier, |packet| {
        packet.message_authenticator().vendor(tgpp::VENDOR, tgpp::IMSI, imsi.as_bytes());
    })
}

/// An Accounting-Request of this status about the session `S1` of the SIM with this IMSI.
pub(crate) fn accounting(identifier: u8, imsi: &str, status: u32) -> Vec<u8> {
    request(Code::ACCOUNTING_REQUEST, identifier, |packet| {
        packet
            .integer(number::ACCT_STATUS_TYPE, status)
            .attribute(number::ACCT_SESSION_ID, b"S1")
            .vendor(tgpp::VENDOR, tgpp::IMSI, imsi.as_bytes());
    })
}

pub(crate) fn start(identifier: u8, imsi: &str) -> Vec<u8> {
    accounting(identifier, imsi, acct_status_type::START)
}

/// Checks what every reply must be: of this code, the request's identifier, verified, and in the
/// Access family with the Message-Authenticator first. Gives the numbers of its attributes in
/// order.
pub(crate) fn verified(reply: &[u8], code: Code, request: &[u8]) -> Vec<u8> {
    let (reply, request) = (Datagram::frame(reply).unwrap(), Datagram::frame(request).unwrap());
    assert_eq!((reply.code(), reply.identifier()), (code, request.identifier()));
    reply.verify_reply(request.authenticator(), &secret()).unwrap();
    let numbers: Vec<u8> = reply.attributes().map(|attribute| attribute.number).collect();
    if matches!(code, Code::ACCESS_ACCEPT | Code::ACCESS_REJECT) {
        assert_eq!(reply.message_authenticator(), MessageAuthenticator::Present);
        assert_eq!(numbers[0], number::MESSAGE_AUTHENTICATOR);
    }
    numbers
}
