//! A gateway over TLS: an authority that makes certificates for the time of a test, and a client
//! that writes records as it is told.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use attachd::wire::dictionary::Dictionary;
use attachd::wire::{Code, Datagram, Encoder, LONGEST, PacketStream, Secret};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SanType, SerialNumber, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

use super::server::{Folder, TIMEOUT};

pub const SECRET: &[u8] = b"radsec";

/// Makes certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
pub struct Identity {
    pub certificate: String,
    pub key: String,
    pub serial: u64,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// For these names and addresses, of a gateway or the server.
    pub fn issue(&self, names: &[&str], serial: u64) -> Identity {
        self.issue_until(names, serial, 2099)
    }

    /// Good until the end of that year.
    pub fn issue_until(&self, names: &[&str], serial: u64, year: i32) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, "pgw-01.example.net");
        params.subject_alt_names = names
            .iter()
            .map(|name| match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName((*name).try_into().unwrap()),
            })
            .collect();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(year, 12, 31);
        params.serial_number = Some(SerialNumber::from(serial));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap().pem();
        Identity { certificate, key: key.serialize_pem(), serial }
    }

    /// A list of what it has revoked.
    pub fn revokes(&self, serials: &[u64]) -> String {
        self.revokes_until(serials, 2099)
    }

    pub fn revokes_until(&self, serials: &[u64], year: i32) -> String {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2002, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2001, 1, 1),
            next_update: date_time_ymd(year, 12, 31),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.0).unwrap().pem().unwrap()
    }
}

/// A folder whose server listens for TLS, and the authority of all its certificates.
pub struct TlsFolder {
    pub folder: Folder,
    pub authority: Authority,
    pub gateway: Identity,
}

/// What a TLS server is configured with, but for gateways.
pub const LISTENER: &str = "tls = [\"127.0.0.1:0\"]\n";

pub const GATEWAY: &str = "[[gateway]]\nname = \"pgw-01\"\nsource = \"127.0.0.0/8\"\nsecret = \"testing123\"\ntls_names = [\"pgw-01.example.net\"]\n";

impl TlsFolder {
    pub fn new() -> Self {
        Self::with("", GATEWAY)
    }

    /// `radius` stands in that table, `rest` behind it.
    pub fn with(radius: &str, rest: &str) -> Self {
        let settings = format!(
            "[http]\nlisten = \"127.0.0.1:0\"\n[radius]\nauth = [\"127.0.0.1:0\"]\nacct = [\"127.0.0.1:0\"]\nworkers = 1\n{LISTENER}{radius}\n{rest}"
        );
        let (folder, authority) = (Folder::with(&settings), Authority::new("test"));
        folder.write("clients.pem", &authority.pem());
        let gateway = authority.issue(&["pgw-01.example.net"], 7);
        let made = Self { folder, authority, gateway };
        made.write_server(1);
        made
    }

    /// A certificate of the server.
    pub fn write_server(&self, serial: u64) {
        let server = self.authority.issue(&["aaa.example.net", "127.0.0.1"], serial);
        self.folder.write("server.pem", &server.certificate);
        self.folder.write("server.key", &server.key);
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.folder.path(name), text).unwrap();
        self.folder.path(name)
    }

    pub fn client(&self, server: SocketAddr) -> io::Result<Client> {
        self.client_as(server, Some(&self.gateway), &[])
    }

    pub fn client_as(
        &self,
        server: SocketAddr,
        identity: Option<&Identity>,
        alpn: &[&str],
    ) -> io::Result<Client> {
        Client::connect(server, &self.authority, identity, alpn, rustls::ALL_VERSIONS)
    }
}

/// The gateway's side of a connection.
pub struct Client {
    tls: ClientConnection,
    tcp: TcpStream,
    packets: PacketStream,
}

impl Client {
    /// Shakes hands. In TLS 1.3 the server may refuse the certificate only behind that.
    pub fn connect(
        server: SocketAddr,
        authority: &Authority,
        identity: Option<&Identity>,
        alpn: &[&str],
        versions: &[&'static SupportedProtocolVersion],
    ) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            Some(identity) => {
                let chain =
                    vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::IpAddress(server.ip().into());
        let mut tls = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut tcp = TcpStream::connect_timeout(&server, TIMEOUT)?;
        tcp.set_read_timeout(Some(TIMEOUT))?;
        tcp.set_nodelay(true)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        while tls.wants_write() {
            tls.write_tls(&mut tcp)?;
        }
        Ok(Self { tls, tcp, packets: PacketStream::default() })
    }

    pub fn alpn(&self) -> Option<&str> {
        self.tls.alpn_protocol().map(|name| std::str::from_utf8(name).unwrap())
    }

    pub fn server_certificate(&self) -> Vec<u8> {
        self.tls.peer_certificates().unwrap()[0].to_vec()
    }

    /// Sends octets as one record.
    pub fn record(&mut self, octets: &[u8]) -> io::Result<()> {
        self.tls.writer().write_all(octets)?;
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.tcp)?;
        }
        Ok(())
    }

    /// The next packet; none if the server ends the connection in order, an error if it does not.
    pub fn packet(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(packet) = self.packets.next_packet().unwrap() {
                return Ok(Some(packet.to_vec()));
            }
            let mut chunk = [0; 4096];
            match self.tls.reader().read(&mut chunk) {
                Ok(0) => return Ok(None),
                Ok(count) => self.packets.buffer().extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.tls.read_tls(&mut self.tcp)?;
                    self.tls.process_new_packets().map_err(io::Error::other)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a packet and gives the reply, verified.
    pub fn ask(&mut self, request: &[u8]) -> Vec<u8> {
        self.record(request).unwrap();
        let reply = self.packet().unwrap().expect("a reply");
        verified(request, &reply);
        reply
    }

    /// Whether the server ends the connection, with a close_notify or an alert.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.packet(), Ok(None))
    }

    pub fn timeout(&mut self, time: Duration) {
        self.tcp.set_read_timeout(Some(time)).unwrap();
    }
}

/// A reply is signed with the secret of all.
pub fn verified(request: &[u8], reply: &[u8]) {
    let authenticator = request[4..20].try_into().unwrap();
    let reply = Datagram::frame(reply).unwrap();
    assert_eq!(reply.verify_reply(&authenticator, &Secret::new(SECRET)), Ok(()));
    assert_eq!(reply.identifier(), request[1]);
}

/// A request with the secret of all; `lines` are `Name = value`.
pub fn request(code: Code, identifier: u8, lines: &[&str]) -> Vec<u8> {
    request_with(SECRET, code, identifier, lines)
}

pub fn request_with(secret: &[u8], code: Code, identifier: u8, lines: &[&str]) -> Vec<u8> {
    let (secret, authenticator) = (Secret::new(secret), [identifier ^ 0x5a; 16]);
    let mut buffer = vec![0; LONGEST];
    let mut encoder = Encoder::new(&mut buffer, code, identifier);
    if code != Code::ACCOUNTING_REQUEST {
        encoder.message_authenticator();
    }
    for line in lines {
        encoder.assign(&Dictionary::default().assign(line).unwrap(), &secret, &authenticator);
    }
    let length = encoder.finish_request(&secret, authenticator).unwrap();
    buffer.truncate(length);
    buffer
}
