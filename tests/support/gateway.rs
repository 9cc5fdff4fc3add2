//! A gateway with one real socket: requests written as attributes by name, replies verified before
//! anybody sees them.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use attachd::wire::dictionary::Dictionary;
use attachd::wire::{Code, Datagram, Encoder, LONGEST, Secret};

/// The secret of the festival's gateway.
pub const SECRET: &[u8] = b"testing123";

pub struct Gateway {
    socket: UdpSocket,
    next: u8,
}

/// A verified reply.
pub struct Reply {
    pub code: Code,
    pub octets: Vec<u8>,
    /// `Name = value`.
    pub attributes: Vec<String>,
}

impl Gateway {
    /// On the loopback address of the server's family.
    pub fn facing(server: SocketAddr) -> Self {
        let any = if server.is_ipv6() { "[::1]:0" } else { "127.0.0.1:0" };
        let socket = UdpSocket::bind(any).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        Self { socket, next: 0 }
    }

    /// Sends one request, and once more if nobody answers.
    pub fn ask(&mut self, server: SocketAddr, code: Code, lines: &[&str]) -> Reply {
        let request = self.request(code, lines);
        self.send(server, &request)
    }

    pub fn request(&mut self, code: Code, lines: &[&str]) -> Vec<u8> {
        self.encode(code, lines, code != Code::ACCOUNTING_REQUEST)
    }

    /// Without Message-Authenticator, as old gateways send it.
    pub fn unsigned_access_request(&mut self, lines: &[&str]) -> Vec<u8> {
        self.encode(Code::ACCESS_REQUEST, lines, false)
    }

    fn encode(&mut self, code: Code, lines: &[&str], is_signed: bool) -> Vec<u8> {
        self.next = self.next.wrapping_add(1);
        let (secret, authenticator) = (Secret::new(SECRET), [self.next ^ 0x5a; 16]);
        let mut buffer = vec![0; LONGEST];
        let mut encoder = Encoder::new(&mut buffer, code, self.next);
        if is_signed {
            encoder.message_authenticator();
        }
        for line in lines {
            encoder.assign(&Dictionary::default().assign(line).unwrap(), &secret, &authenticator);
        }
        let length = encoder.finish_request(&secret, authenticator).unwrap();
        buffer.truncate(length);
        buffer
    }

    pub fn send(&mut self, server: SocketAddr, request: &[u8]) -> Reply {
        let octets = self.exchange(server, request).or_else(|| self.exchange(server, request));
        let octets =
            octets.unwrap_or_else(|| panic!("no reply from {server} to {}", Code(request[0])));
        let reply = Datagram::frame(&octets).unwrap();
        assert_eq!(reply.identifier(), request[1]);
        let authenticator = request[4..20].try_into().unwrap();
        assert_eq!(reply.verify_reply(&authenticator, &Secret::new(SECRET)), Ok(()));
        let lines = reply.readable(Dictionary::default()).lines();
        let attributes =
            lines.iter().map(|line| format!("{} = {}", line.name, line.value)).collect();
        Reply { code: reply.code(), attributes, octets }
    }

    /// Whether nobody answers this, for as long as an answer would take many times over.
    pub fn hears_nothing(&mut self, server: SocketAddr, request: &[u8]) -> bool {
        self.socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let reply = self.exchange(server, request);
        self.socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        reply.is_none()
    }

    fn exchange(&self, server: SocketAddr, request: &[u8]) -> Option<Vec<u8>> {
        self.socket.send_to(request, server).unwrap();
        let mut room = vec![0; LONGEST];
        let (length, from) = self.socket.recv_from(&mut room).ok()?;
        assert_eq!(from, server, "a reply comes from where the request went");
        room.truncate(length);
        Some(room)
    }
}

impl Reply {
    pub fn says(&self, line: &str) -> bool {
        self.attributes.iter().any(|attribute| attribute == line)
    }

    /// The value of the first attribute of that name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find_map(|attribute| attribute.strip_prefix(name)?.strip_prefix(" = "))
    }
}
