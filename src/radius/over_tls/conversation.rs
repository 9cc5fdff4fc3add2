//! One connection: its handshake, then packets in and replies out, until it ends.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

use super::open::{Newcomer, OpenConnection};
use super::rules::{CloseReason, Silence};
use super::shared::{ReceivedPacket, TlsShared};
use crate::metrics::counters::Dropped;
use crate::radius::gateways::NobodyByCertificate;
use crate::tls::{Admits, Certificate, CertificateRefusal, ReadProgress, ServerTrust, TlsSession};
use crate::wire::PacketStream;

/// The first octet of a TLS handshake (RFC 8446 5.1); no RADIUS request has this code.
const HANDSHAKE: u8 = 22;

/// How long the other side may take to hear the last word.
const LAST_WORD: Duration = Duration::from_millis(500);

/// How long an idle connection's timer sleeps at most.
const LONG: Duration = Duration::from_secs(3600);

/// What a server that insists on RADIUS/1.1 says to who did not ask for it (RFC 9765 3.3.1): a
/// Protocol-Error with Token zero, Reply-Message and Error-Cause 406.
const RADIUS_1_1_REQUIRED: &[u8] = b"\x34\x00\x00\x2f\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    \x12\x15radius/1.1 required\x65\x06\x00\x00\x01\x96";

/// Serves a connection from its first octet to its last.
pub(super) async fn converse(
    tcp: TcpStream,
    peer: SocketAddr,
    shared: Arc<TlsShared>,
    half_open: OwnedSemaphorePermit,
) {
    // Replies leave when they are ready: what can be gathered is gathered by us.
    let _ = tcp.set_nodelay(true);
    let mut handshake =
        Handshake { tcp: &tcp, peer, shared: &shared, session: None, detail: String::new() };
    let done = tokio::time::timeout(shared.limits.handshake, handshake.run()).await;
    let Handshake { session, detail, .. } = handshake;
    drop(half_open);
    let done = done.unwrap_or(Err(CloseReason::Handshake));
    let reason = done.as_ref().err().copied().unwrap_or(CloseReason::Handshake);
    let (Some(mut session), done) = (session, done) else {
        // To plain RADIUS nothing is answered, not even an alert.
        return shared.closed(reason, peer, None, &detail);
    };
    let Ok(newcomer) = done else {
        shared.closed(reason, peer, None, &detail);
        return part(&tcp, &mut session).await;
    };
    let now = shared.now();
    let connection = shared.common.connections.add(newcomer, shared.limits.connections, now);
    let name = connection.gateway().name.clone();
    shared.metrics.tls_connections(&name, 1.0);
    let reason = Talk::new(&tcp, &connection, &shared).run(&mut session).await;
    shared.common.connections.remove(connection.id);
    shared.metrics.tls_connections(&name, -1.0);
    let gateway = connection.gateway();
    shared.closed(reason, peer, Some(&gateway), &connection.certificate.to_string());
    session.close();
    part(&tcp, &mut session).await;
}

/// Sends what waits, and then hears until the other side has ended: who closes on octets that
/// nobody has read takes the last word back.
async fn part(tcp: &TcpStream, session: &mut TlsSession) {
    let last = async {
        while session.wants_send() {
            if session.send(&mut Octets(tcp)).is_err() {
                return;
            }
            if session.wants_send() && tcp.writable().await.is_err() {
                return;
            }
        }
        let _ = SockRef::from(tcp).shutdown(Shutdown::Write);
        let mut heard = [0; 4096];
        while tcp.readable().await.is_ok() {
            match tcp.try_read(&mut heard) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    let _ = tokio::time::timeout(LAST_WORD, last).await;
}

/// A handshake that goes on.
struct Handshake<'c> {
    tcp: &'c TcpStream,
    peer: SocketAddr,
    shared: &'c Arc<TlsShared>,
    /// From its first octet on.
    session: Option<TlsSession>,
    /// What the log says beside the reason.
    detail: String,
}

/// Why nobody is behind a certificate, and what it says.
type Nobody = Arc<OnceLock<(NobodyByCertificate, String)>>;

impl Handshake<'_> {
    async fn run(&mut self) -> Result<Newcomer, CloseReason> {
        let mut first = [0];
        match self.tcp.peek(&mut first).await {
            Ok(0) | Err(_) => return Err(CloseReason::Peer),
            Ok(_) if first == [HANDSHAKE] => {}
            Ok(_) => return Err(CloseReason::Plain),
        }
        let trust = self.shared.common.tls.load_full().ok_or(CloseReason::Handshake)?;
        let nobody = Nobody::default();
        let admits = self.admits(Arc::clone(&nobody));
        let session = self.session.insert(TlsSession::accept(Arc::clone(&trust), admits));
        while session.is_handshaking() {
            if let Err(error) = step(self.tcp, session).await {
                let refusal = session.refusal().cloned();
                return Err(self.failed(&error, refusal.as_ref(), &nobody));
            }
        }
        self.admitted(&trust)
    }

    /// Judges a certificate that can be believed.
    fn admits(&self, nobody: Nobody) -> Admits {
        let (gateways, source) = (self.shared.common.gateways.load_full(), self.peer.ip());
        Box::new(move |certificate| {
            let Certificate { names, addresses, .. } = certificate;
            match gateways.of_certificate(names, addresses, source) {
                Ok(_) => true,
                Err(why) => {
                    let _ = nobody.set((why, certificate.to_string()));
                    false
                }
            }
        })
    }

    fn failed(
        &mut self,
        error: &io::Error,
        refusal: Option<&CertificateRefusal>,
        nobody: &Nobody,
    ) -> CloseReason {
        if let Some((why, certificate)) = nobody.get() {
            self.detail.clone_from(certificate);
            return (*why).into();
        }
        self.detail = error.to_string();
        match refusal {
            Some(CertificateRefusal::Revoked) => CloseReason::Revoked,
            Some(CertificateRefusal::Expired) => CloseReason::Expired,
            _ if TlsSession::lacks_common_alpn(error) => CloseReason::Alpn,
            _ => CloseReason::Handshake,
        }
    }

    /// The handshake is over: who it is, and what is spoken.
    fn admitted(&mut self, trust: &ServerTrust) -> Result<Newcomer, CloseReason> {
        let session = self.session.as_mut().ok_or(CloseReason::Handshake)?;
        let chain = session.peer_chain().ok_or(CloseReason::Handshake)?;
        let certificate =
            chain.first().and_then(Certificate::read).ok_or(CloseReason::Handshake)?;
        let (alpn, is_tls_1_3) = session.agreed();
        let Some(version) = trust.version(alpn, is_tls_1_3) else {
            session.put(RADIUS_1_1_REQUIRED);
            session.close();
            self.detail = certificate.to_string();
            return Err(CloseReason::Alpn);
        };
        let gateways = self.shared.common.gateways.load();
        let Certificate { names, addresses, .. } = &certificate;
        let gateway =
            gateways.of_certificate(names, addresses, self.peer.ip()).inspect_err(|_| {
                self.detail = certificate.to_string();
            })?;
        let gateway = Arc::clone(gateway);
        Ok(Newcomer { peer: self.peer, version, certificate, chain, gateway })
    }
}

/// Sends what waits, and reads what comes.
async fn step(tcp: &TcpStream, session: &mut TlsSession) -> io::Result<()> {
    session.send(&mut Octets(tcp))?;
    if session.wants_send() {
        return tcp.writable().await;
    }
    tcp.readable().await?;
    match session.receive(&mut Octets(tcp))? {
        ReadProgress::Some => session.send(&mut Octets(tcp)).map(|_| ()),
        ReadProgress::WouldBlock => Ok(()),
        ReadProgress::End => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// A connection that is open.
struct Talk<'c> {
    tcp: &'c TcpStream,
    connection: &'c Arc<OpenConnection>,
    shared: &'c Arc<TlsShared>,
    packets: PacketStream,
    /// Something came since the last look.
    has_heard: bool,
    silence: Silence,
}

impl<'c> Talk<'c> {
    fn new(
        tcp: &'c TcpStream,
        connection: &'c Arc<OpenConnection>,
        shared: &'c Arc<TlsShared>,
    ) -> Self {
        let silence = Silence::new(shared.now(), shared.limits.idle);
        let packets = PacketStream::default();
        Self { tcp, connection, shared, packets, has_heard: true, silence }
    }

    async fn run(mut self, session: &mut TlsSession) -> CloseReason {
        session.begin_conversation();
        let mut timer = pin!(tokio::time::sleep(LONG));
        loop {
            let is_over = session.take(self.packets.buffer());
            if let Err(reason) = self.take_packets() {
                return self.connection.closes().unwrap_or(reason);
            }
            if let Err(reason) = self.send(session) {
                return reason;
            }
            if let Some(reason) = self.connection.closes() {
                return reason;
            }
            if is_over {
                return CloseReason::Peer;
            }
            let may_read = self.connection.has_room();
            if !may_read {
                self.silence.paused(self.shared.now());
            }
            if let Some(reason) = self.arm(timer.as_mut()) {
                return reason;
            }
            tokio::select! {
                readable = self.tcp.readable(), if may_read => {
                    let received = readable.and_then(|()| session.receive(&mut Octets(self.tcp)));
                    match received {
                        Ok(ReadProgress::Some) => self.has_heard = true,
                        Ok(ReadProgress::WouldBlock) => {}
                        Ok(ReadProgress::End) | Err(_) => {
                            // What came whole before the end is good, and so is its record.
                            session.take(self.packets.buffer());
                            let _ = self.take_packets();
                            return CloseReason::Peer;
                        }
                    }
                }
                _ = self.tcp.writable(), if session.wants_send() => {}
                () = self.connection.wake.notified() => {}
                () = timer.as_mut() => {}
            }
        }
    }

    /// Hands over what has come whole.
    fn take_packets(&mut self) -> Result<(), CloseReason> {
        let now = self.shared.now();
        while self.connection.has_room() {
            match self.packets.next_packet() {
                Ok(Some(octets)) => {
                    if !self.connection.received(&octets, now) {
                        return Err(CloseReason::Packet(Dropped::Malformed));
                    }
                    let connection = Arc::clone(self.connection);
                    self.shared.hand_over(ReceivedPacket { connection, octets, since: now });
                }
                Ok(None) => break,
                Err(_) => return Err(CloseReason::Packet(Dropped::Malformed)),
            }
        }
        if std::mem::take(&mut self.has_heard) {
            self.silence.heard(now, self.packets.is_within_packet());
        }
        Ok(())
    }

    /// Sends what waits, as far as the network takes it.
    fn send(&mut self, session: &mut TlsSession) -> Result<(), CloseReason> {
        if !session.wants_send() {
            self.connection.take(|packet| session.put(packet));
        }
        if session.wants_send() {
            let moved = session.send(&mut Octets(self.tcp)).map_err(|_| CloseReason::Peer)?;
            self.silence.sent(self.shared.now(), moved, session.wants_send());
        }
        Ok(())
    }

    /// Sets the timer to when silence ends the connection; the reason, if that is now.
    fn arm(&self, timer: Pin<&mut Sleep>) -> Option<CloseReason> {
        let (when, reason) = self.silence.end()?;
        let left = when.saturating_sub(self.shared.now());
        if left.is_zero() {
            return Some(reason);
        }
        // It wakes too early rather than being set at each packet.
        let deadline = Instant::now() + left.min(LONG);
        if timer.is_elapsed() || timer.deadline() > deadline {
            timer.reset(deadline);
        }
        None
    }
}

/// The socket as rustls reads and writes it: what would block is an error that says so.
struct Octets<'t>(&'t TcpStream);

impl Read for Octets<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buf)
    }
}

impl Write for Octets<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.try_write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
