//! One gateway of the fleet: one socket, one request at a time, sent again until it is answered or
//! the server is gone.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use attachd::runtime::clock::Clock;
use attachd::wire::dictionary::Dictionary;
use attachd::wire::{Code, Datagram, Encoder, LONGEST, Secret, number};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::device::{Device, Step};
use super::owners::Owners;
use crate::support::gateway::SECRET;
use crate::support::server::Server;

/// How long a reply is waited for before the request is sent again.
const WAIT: Duration = Duration::from_millis(100);

pub(super) struct Lane {
    number: usize,
    identifier: u8,
    /// Its own clock, in seconds. It goes on by one with each report, so that their order is known:
    /// what a report without a stamp, or of the same second, ends is left open (PROTOCOL 19).
    clock: u64,
    random: ChaCha8Rng,
    pub(super) devices: Vec<Device>,
    /// An Accounting-On, sent and not answered.
    restarting: Option<Vec<u8>>,
    /// The newest report that was answered.
    reported: Option<Vec<String>>,
    pub(super) acknowledged: u64,
}

impl Lane {
    pub(super) fn new(number: usize, random: ChaCha8Rng) -> Self {
        // A day behind, so that it never comes to be ahead of the server's.
        let clock = Clock::start().now().wall.secs() - 24 * 3600;
        Self {
            number,
            identifier: 0,
            clock,
            random,
            devices: Vec::new(),
            restarting: None,
            reported: None,
            acknowledged: 0,
        }
    }

    pub(super) fn is_restarting(&self) -> bool {
        self.restarting.is_some()
    }

    /// Goes on until told to stop.
    pub(super) fn work(&mut self, server: &Server, owners: &Owners, stop: &AtomicBool) {
        let line = Line::to(server);
        let may_wait = || !stop.load(Ordering::Relaxed);
        while may_wait() {
            if self.random.random_ratio(1, 300) {
                self.devices.iter().for_each(|device| device.will_end(owners));
                let lines = ["Acct-Status-Type = Accounting-On".to_owned(), self.stamp()];
                let request = self.request(Code::ACCOUNTING_REQUEST, &lines);
                self.restarting = Some(request);
                self.restart(&line, may_wait);
            } else if let Some(lines) =
                self.reported.clone().filter(|_| self.random.random_ratio(1, 50))
            {
                // The same report under another identifier: it says nothing new.
                let again = [lines, vec!["Acct-Delay-Time = 1".to_owned()]].concat();
                let request = self.request(Code::ACCOUNTING_REQUEST, &again);
                line.exchange(&request, may_wait);
            } else {
                let at = self.random.random_range(0..self.devices.len());
                self.step(at, &line, owners, may_wait);
            }
        }
    }

    /// Everything that was sent and not answered, again.
    pub(super) fn repeat_unanswered(
        &mut self,
        server: &Server,
        owners: &Owners,
        deadline: Instant,
    ) -> usize {
        let line = Line::to(server);
        let may_wait = || Instant::now() < deadline;
        self.reported = None;
        let mut repeated = usize::from(self.is_restarting());
        self.restart(&line, may_wait);
        assert!(!self.is_restarting(), "a repeated Accounting-On is not answered");
        for at in 0..self.devices.len() {
            repeated += usize::from(self.devices[at].pending.is_some());
            self.finish(at, &line, owners, may_wait);
            assert!(
                self.devices[at].pending.is_none(),
                "a repeated request for {} is not answered",
                self.devices[at].iccid
            );
        }
        repeated
    }

    /// The next thing that happens to one endpoint.
    fn step(&mut self, at: usize, line: &Line, owners: &Owners, may_wait: impl Fn() -> bool) {
        let step = self.devices[at].next(&mut self.random);
        let code =
            if step == Step::Access { Code::ACCESS_REQUEST } else { Code::ACCOUNTING_REQUEST };
        if matches!(step, Step::Stop { .. }) {
            self.devices[at].will_end(owners);
        }
        let mut lines = self.devices[at].lines(step);
        if code == Code::ACCOUNTING_REQUEST {
            lines.push(self.stamp());
        }
        let request = self.request(code, &lines);
        self.devices[at].pending = Some((step, request));
        self.finish(at, line, owners, may_wait);
        if self.devices[at].pending.is_none() && code == Code::ACCOUNTING_REQUEST {
            self.reported = Some(lines);
        }
    }

    fn finish(&mut self, at: usize, line: &Line, owners: &Owners, may_wait: impl Fn() -> bool) {
        let device = &mut self.devices[at];
        let Some((step, reply)) = device
            .pending
            .as_ref()
            .and_then(|(step, request)| Some((*step, line.exchange(request, may_wait)?)))
        else {
            return;
        };
        device.pending = None;
        let accepted = address(&reply);
        device.acknowledge(step, accepted, owners);
        // A reject acknowledges nothing.
        self.acknowledged += u64::from(step != Step::Access || accepted.is_some());
    }

    fn restart(&mut self, line: &Line, may_wait: impl Fn() -> bool) {
        let Some(_) = self.restarting.as_ref().and_then(|request| line.exchange(request, may_wait))
        else {
            return;
        };
        self.restarting = None;
        // A gateway that restarts has forgotten what it waited for.
        self.reported = None;
        self.devices.iter_mut().for_each(|device| device.end(false));
        self.acknowledged += 1;
    }

    fn stamp(&mut self) -> String {
        self.clock += 1;
        format!("Event-Timestamp = {}", self.clock)
    }

    /// With an authenticator that never comes again (RFC 2865 section 3): the fleet uses its
    /// identifiers faster than they are forgotten.
    fn request(&mut self, code: Code, lines: &[String]) -> Vec<u8> {
        self.identifier = self.identifier.wrapping_add(1);
        let (secret, authenticator) = (Secret::new(SECRET), self.random.random());
        let mut buffer = vec![0; LONGEST];
        let mut encoder = Encoder::new(&mut buffer, code, self.identifier);
        if code == Code::ACCESS_REQUEST {
            encoder.message_authenticator();
        }
        for line in lines {
            encoder.assign(&Dictionary::default().assign(line).unwrap(), &secret, &authenticator);
        }
        encoder.address(number::NAS_IP_ADDRESS, Ipv4Addr::new(192, 0, 2, self.number as u8 + 1));
        let length = encoder.finish_request(&secret, authenticator).unwrap();
        buffer.truncate(length);
        buffer
    }
}

/// A socket towards one life of the server.
struct Line {
    socket: UdpSocket,
    auth: SocketAddr,
    acct: SocketAddr,
}

impl Line {
    fn to(server: &Server) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(WAIT)).unwrap();
        Self { socket, auth: server.auth[0], acct: server.acct[0] }
    }

    /// The verified reply; `None` if it may not be waited for any longer.
    fn exchange(&self, request: &[u8], may_wait: impl Fn() -> bool) -> Option<Vec<u8>> {
        let to = if request[0] == Code::ACCESS_REQUEST.0 { self.auth } else { self.acct };
        let mut room = [0; LONGEST];
        while may_wait() {
            self.socket.send_to(request, to).unwrap();
            loop {
                match self.socket.recv(&mut room) {
                    Ok(length) if is_reply(&room[..length], request) => {
                        return Some(room[..length].to_vec());
                    }
                    // The reply to an earlier request, which had been sent twice.
                    Ok(_) => {}
                    Err(error)
                        if matches!(
                            error.kind(),
                            ErrorKind::WouldBlock | ErrorKind::ConnectionRefused
                        ) =>
                    {
                        break;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
        None
    }
}

fn is_reply(octets: &[u8], request: &[u8]) -> bool {
    let authenticator = request[4..20].try_into().unwrap();
    Datagram::frame(octets).is_ok_and(|reply| {
        reply.identifier() == request[1]
            && reply.verify_reply(&authenticator, &Secret::new(SECRET)).is_ok()
    })
}

fn address(reply: &[u8]) -> Option<Ipv4Addr> {
    let octets: [u8; 4] =
        Datagram::frame(reply).ok()?.first(number::FRAMED_IP_ADDRESS)?.try_into().ok()?;
    Some(octets.into())
}
