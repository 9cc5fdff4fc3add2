//! A small AAA server in memory that can be told to make one mistake: what the referee is tested
//! against.
//!
//! Right by default. It knows its endpoints from their IMSI alone: `..2xx` are static, `..3xx`
//! suspended, all others pooled.

#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use attachd::simulator::referee::{Rule, ShownSession};
use attachd::time::Timestamp;
use attachd::wire::number::{self, tgpp, value};
use attachd::wire::{Code, Datagram, Encoder, FlatKey, LONGEST, MessageAuthenticator, Secret};

/// One mistake, made now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    DuplicateAddress,
    AddressOutside,
    AddressMissing,
    StaticChanged,
    LiveAddressChanged,
    EarlyReuse,
    WrongAuthenticator,
    IntegrityWrong,
    IntegrityMissing,
    IntegrityNotFirst,
    AcceptsSuspended,
    WrongReason,
    RefusesGood,
    DuplicateDiffers,
    OtherPort,
    LateReply,
    WrongCode,
    Malformed,
    AnswersForged,
    AnswersTwoOthers,
    LosesSession,
    KeepsSession,
    LowersCounters,
    ForgetsAddress,
}

impl Fault {
    /// Every fault, and the rule it breaks.
    pub(crate) const ALL: &'static [(Self, Rule)] = &[
        (Self::DuplicateAddress, Rule::AddressDuplicate),
        (Self::AddressOutside, Rule::AddressOutside),
        (Self::AddressMissing, Rule::AddressMissing),
        (Self::StaticChanged, Rule::AddressChanged),
        (Self::LiveAddressChanged, Rule::AddressChanged),
        (Self::EarlyReuse, Rule::AddressEarly),
        (Self::WrongAuthenticator, Rule::ReplyAuthenticator),
        (Self::IntegrityWrong, Rule::ReplyMessageAuthenticator),
        (Self::IntegrityMissing, Rule::ReplyUnprotected),
        (Self::IntegrityNotFirst, Rule::ReplyUnprotected),
        (Self::AcceptsSuspended, Rule::Accepted),
        (Self::WrongReason, Rule::Reason),
        (Self::RefusesGood, Rule::Refused),
        (Self::DuplicateDiffers, Rule::DuplicateDiffers),
        (Self::OtherPort, Rule::ReplySource),
        (Self::LateReply, Rule::ReplyLate),
        (Self::WrongCode, Rule::ReplyCode),
        (Self::Malformed, Rule::ReplyMalformed),
        (Self::AnswersForged, Rule::ForgedAnswered),
        (Self::AnswersTwoOthers, Rule::ReplyAuthenticator),
        (Self::LosesSession, Rule::SessionLost),
        (Self::KeepsSession, Rule::SessionLingers),
        (Self::LowersCounters, Rule::CountersLowered),
        (Self::ForgetsAddress, Rule::SessionAddress),
    ];
}

/// A reply on its way.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) after: Duration,
    pub(crate) from: SocketAddr,
    pub(crate) octets: Vec<u8>,
}

pub(crate) struct Responder {
    fault: Option<Fault>,
    secret: Secret,
    endpoints: BTreeMap<Vec<u8>, Endpoint>,
    /// Addresses of the pool, with the time of their release.
    free: VecDeque<(Ipv4Addr, Option<Timestamp>)>,
    next_static: u8,
    replies: HashMap<Source, Remembered>,
    asked: u64,
}

/// Gateway, own address, code and identifier: what tells requests apart (RFC 5080 2.2.2).
type Source = (SocketAddr, SocketAddr, u8, u8);

/// The authenticator of a request and what it was answered.
type Remembered = ([u8; 16], Option<Vec<u8>>);

#[derive(Default)]
struct Endpoint {
    address: Option<Ipv4Addr>,
    /// A session was granted and has not begun.
    authorised: bool,
    sessions: Vec<Session>,
}

struct Session {
    id: Vec<u8>,
    nas: Vec<u8>,
    /// When its first report happened, in seconds.
    event: u32,
    address: Option<Ipv4Addr>,
    ended: bool,
    input: u64,
    output: u64,
}

const HOLD: Duration = Duration::from_secs(60);

impl Responder {
    pub(crate) fn new(secret: &[u8], fault: Option<Fault>) -> Self {
        Self {
            fault,
            secret: Secret::new(secret),
            endpoints: BTreeMap::new(),
            free: (2..1000)
                .map(|number: u32| (Ipv4Addr::from(0x0A00_0000 + number), None))
                .collect(),
            next_static: 0,
            replies: HashMap::new(),
            asked: 0,
        }
    }

    /// What it sends when `octets` come from `from` to its address `at`.
    pub(crate) fn handle(
        &mut self,
        now: Timestamp,
        from: SocketAddr,
        at: SocketAddr,
        octets: &[u8],
    ) -> Vec<Sent> {
        let Ok(request) = Datagram::frame(octets) else { return Vec::new() };
        let believed = request.verify_request(&self.secret).is_ok()
            && (request.code() != Code::ACCESS_REQUEST
                || request.message_authenticator() == MessageAuthenticator::Present);
        if !believed && self.fault != Some(Fault::AnswersForged) {
            return Vec::new();
        }
        let key = (from, at, request.code().0, request.identifier());
        let remembered = self
            .replies
            .get(&key)
            .filter(|(authenticator, _)| authenticator == request.authenticator());
        if let Some((_, reply)) = remembered
            && self.fault != Some(Fault::DuplicateDiffers)
        {
            return reply.iter().map(|octets| sent(at, octets.clone())).collect();
        }
        self.asked += 1;
        let strikes = self.asked.is_multiple_of(9);
        let reply = self.answer(now, &request, strikes);
        self.replies.insert(key, (*request.authenticator(), Some(reply.clone())));
        let mut replies = self.deliver(at, &request, reply, strikes);
        if replies.iter().any(|reply| reply.after > Duration::from_secs(1)) {
            // Copies are not answered either.
            self.replies.insert(key, (*request.authenticator(), None));
        }
        replies.truncate(2);
        replies
    }

    /// How the final view shows the endpoint with this IMSI.
    pub(crate) fn view(&self, imsi: &[u8]) -> Vec<ShownSession> {
        let sessions = self.endpoints.get(imsi).map_or(&[][..], |endpoint| &endpoint.sessions);
        sessions
            .iter()
            .map(|session| ShownSession {
                acct_session_id: String::from_utf8(session.id.clone()).unwrap(),
                address: session.address,
                ended: session.ended,
                input: session.input,
                output: session.output,
            })
            .collect()
    }

    fn deliver(
        &mut self,
        at: SocketAddr,
        request: &Datagram<'_>,
        mut reply: Vec<u8>,
        strikes: bool,
    ) -> Vec<Sent> {
        let access = request.code() == Code::ACCESS_REQUEST;
        if !strikes {
            return vec![sent(at, reply)];
        }
        match self.fault {
            Some(Fault::WrongAuthenticator) => reply[9] ^= 1,
            Some(Fault::Malformed) => reply.truncate(19),
            Some(Fault::OtherPort) => {
                return vec![sent(SocketAddr::new(at.ip(), at.port() + 1000), reply)];
            }
            Some(Fault::LateReply) if access => {
                return vec![Sent { after: Duration::from_secs(31), ..sent(at, reply) }];
            }
            Some(Fault::AnswersTwoOthers) => {
                let mut other = reply.clone();
                other[1] = other[1].wrapping_add(1);
                return vec![sent(at, reply), sent(at, other)];
            }
            _ => {}
        }
        vec![sent(at, reply)]
    }

    fn answer(&mut self, now: Timestamp, request: &Datagram<'_>, strikes: bool) -> Vec<u8> {
        if request.code() == Code::ACCESS_REQUEST {
            self.authorise(now, request, strikes)
        } else {
            self.account(now, request, strikes)
        }
    }

    fn authorise(&mut self, now: Timestamp, request: &Datagram<'_>, strikes: bool) -> Vec<u8> {
        let imsi = vendor(request, tgpp::IMSI).unwrap_or_default().to_vec();
        let fault = self.fault.filter(|_| strikes);
        if imsi[12] == b'3' && self.fault != Some(Fault::AcceptsSuspended) {
            let reason = if self.fault == Some(Fault::WrongReason) {
                "endpoint-pending"
            } else {
                "endpoint-suspended"
            };
            return self.reply(request, Code::ACCESS_REJECT, strikes, |encoder| {
                encoder.attribute(number::REPLY_MESSAGE, reason.as_bytes());
            });
        }
        if fault == Some(Fault::RefusesGood) {
            return self.reply(request, Code::ACCESS_REJECT, strikes, |encoder| {
                encoder.attribute(number::REPLY_MESSAGE, b"pool-exhausted");
            });
        }
        if fault == Some(Fault::WrongCode) {
            return self.reply(request, Code::ACCOUNTING_RESPONSE, strikes, |_| {});
        }
        let address = self.address(now, &imsi, fault);
        self.endpoints.entry(imsi).or_default().authorised = true;
        let mark = self.asked.to_be_bytes();
        self.reply(request, Code::ACCESS_ACCEPT, strikes, |encoder| {
            if fault != Some(Fault::AddressMissing) {
                encoder.address(number::FRAMED_IP_ADDRESS, address);
            }
            encoder.attribute(number::CLASS, &mark).attribute(number::CLASS, b"second");
        })
    }

    fn address(&mut self, now: Timestamp, imsi: &[u8], fault: Option<Fault>) -> Ipv4Addr {
        let is_static = imsi[12] == b'2';
        match fault {
            Some(Fault::AddressOutside) => return Ipv4Addr::new(172, 16, 0, 1),
            Some(Fault::StaticChanged) if is_static => {
                self.endpoints.entry(imsi.to_vec()).or_default().address = None;
            }
            Some(Fault::LiveAddressChanged) if !is_static => {
                let endpoint = self.endpoints.entry(imsi.to_vec()).or_default();
                endpoint.address = None;
            }
            Some(Fault::DuplicateAddress) if !is_static => {
                let mut taken = self
                    .endpoints
                    .iter()
                    .filter(|(other, _)| other[12] != b'2' && other.as_slice() != imsi);
                if let Some(address) = taken.find_map(|(_, endpoint)| endpoint.address) {
                    return address;
                }
            }
            _ => {}
        }
        let hold =
            if self.fault == Some(Fault::EarlyReuse) { Duration::from_secs(20) } else { HOLD };
        let endpoint = self.endpoints.entry(imsi.to_vec()).or_default();
        if let Some(address) = endpoint.address {
            return address;
        }
        let address = if is_static {
            self.next_static += 1;
            Ipv4Addr::new(10, 0, 4, self.next_static)
        } else {
            let rested = |(_, released): &(Ipv4Addr, Option<Timestamp>)| {
                released.is_none_or(|released| now.since(released) > hold)
            };
            // The early one is the one that hurts.
            let early = self.fault == Some(Fault::EarlyReuse);
            let place =
                self.free.iter().position(|free| rested(free) && (!early || free.1.is_some()));
            let place = place
                .or_else(|| self.free.iter().position(rested))
                .expect("the pool is large enough");
            self.free.remove(place).expect("just found").0
        };
        endpoint.address = Some(address);
        address
    }

    fn account(&mut self, now: Timestamp, request: &Datagram<'_>, strikes: bool) -> Vec<u8> {
        let integer = |number| {
            request.first(number).map_or(0, |octets| u32::from_be_bytes(octets.try_into().unwrap()))
        };
        let (status, event) = (integer(number::ACCT_STATUS_TYPE), integer(number::EVENT_TIMESTAMP));
        let nas = request.first(number::NAS_IP_ADDRESS).unwrap_or_default().to_vec();
        if status == value::acct_status_type::ACCOUNTING_ON {
            let free = &mut self.free;
            for endpoint in self.endpoints.values_mut() {
                if endpoint.close(|session| session.nas == nas) {
                    free.extend(
                        endpoint
                            .address
                            .take_if(|address| address.octets()[2] < 4)
                            .map(|address| (address, Some(now))),
                    );
                }
            }
            return self.reply(request, Code::ACCOUNTING_RESPONSE, strikes, |_| {});
        }
        let imsi = vendor(request, tgpp::IMSI).unwrap_or_default().to_vec();
        let id = request.first(number::ACCT_SESSION_ID).unwrap_or_default().to_vec();
        let (fault, free) = (self.fault, &mut self.free);
        let endpoint = self.endpoints.entry(imsi).or_default();
        let known = endpoint.sessions.iter().any(|session| session.id == id);
        let loses = fault == Some(Fault::LosesSession) && strikes;
        if !known && !loses {
            // A report that comes late is about a session that is over already.
            let over = status == value::acct_status_type::STOP
                || endpoint.sessions.iter().any(|session| session.event > event);
            if !over {
                endpoint.close(|_| fault != Some(Fault::KeepsSession));
                endpoint.authorised = false;
            }
            let address = request
                .first(number::FRAMED_IP_ADDRESS)
                .map(|octets| Ipv4Addr::from(<[u8; 4]>::try_from(octets).unwrap()));
            let address = address.filter(|_| fault != Some(Fault::ForgetsAddress));
            endpoint.sessions.push(Session {
                id: id.clone(),
                nas,
                event,
                address,
                ended: over,
                input: 0,
                output: 0,
            });
        }
        if let Some(session) = endpoint.sessions.iter_mut().find(|session| session.id == id) {
            let octets = |low, high| u64::from(integer(high)) << 32 | u64::from(integer(low));
            let (input, output) = (
                octets(number::ACCT_INPUT_OCTETS, number::ACCT_INPUT_GIGAWORDS),
                octets(number::ACCT_OUTPUT_OCTETS, number::ACCT_OUTPUT_GIGAWORDS),
            );
            session.input = if fault == Some(Fault::LowersCounters) {
                input / 2
            } else {
                session.input.max(input)
            };
            session.output = session.output.max(output);
        }
        if status == value::acct_status_type::STOP && fault != Some(Fault::KeepsSession) {
            endpoint.close(|session| session.id == id);
            let pooled = endpoint.address.filter(|address| address.octets()[2] < 4);
            if let Some(address) = pooled.filter(|_| {
                !endpoint.authorised && endpoint.sessions.iter().all(|session| session.ended)
            }) {
                endpoint.address = None;
                free.push_back((address, Some(now)));
            }
        }
        self.reply(request, Code::ACCOUNTING_RESPONSE, strikes, |_| {})
    }

    fn reply(
        &self,
        request: &Datagram<'_>,
        code: Code,
        strikes: bool,
        attributes: impl Fn(&mut Encoder<'_>),
    ) -> Vec<u8> {
        let fault = self.fault.filter(|_| strikes && request.code() == Code::ACCESS_REQUEST);
        let mut buffer = [0; LONGEST];
        let mut encoder = Encoder::new(&mut buffer, code, request.identifier());
        let protected =
            request.code() == Code::ACCESS_REQUEST && fault != Some(Fault::IntegrityMissing);
        if fault == Some(Fault::IntegrityNotFirst) {
            encoder.attribute(number::REPLY_MESSAGE, b"hello");
        }
        match fault {
            // Sixteen octets that are none; the authenticator over them is right.
            Some(Fault::IntegrityWrong) => {
                _ = encoder.attribute(number::MESSAGE_AUTHENTICATOR, &[7; 16]);
            }
            _ if protected => drop(encoder.message_authenticator()),
            _ => {}
        }
        attributes(&mut encoder);
        let len = encoder.finish_reply(&self.secret, request.authenticator()).unwrap();
        buffer[..len].to_vec()
    }
}

impl Endpoint {
    /// Ends the live sessions that are meant; says whether there were any.
    fn close(&mut self, meant: impl Fn(&Session) -> bool) -> bool {
        let mut closed = false;
        for session in self.sessions.iter_mut().filter(|session| !session.ended && meant(session)) {
            session.ended = true;
            closed = true;
        }
        closed
    }
}

fn sent(from: SocketAddr, octets: Vec<u8>) -> Sent {
    Sent { after: Duration::ZERO, from, octets }
}

fn vendor<'a>(request: &Datagram<'a>, number: u8) -> Option<&'a [u8]> {
    request
        .values()
        .find(|value| value.key == FlatKey { vendor: tgpp::VENDOR, number })
        .map(|value| value.octets)
}
