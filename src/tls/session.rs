//! One connection of rustls without its socket: octets of the network in and out, octets of packets
//! in and out.

use std::io::{self, Read, Write};
use std::sync::{Arc, OnceLock};

use bytes::BytesMut;
use rustls::pki_types::CertificateDer;
use rustls::server::Acceptor;
use rustls::{Connection, ProtocolVersion};

use super::hello::offers_tls_1_3;
use super::trust::{Admits, CertificateRefusal, ServerTrust};

/// A connection, from the first octet of its handshake on.
pub struct TlsSession {
    state: State,
    /// Why the other side's certificate is not believed.
    refusal: Arc<OnceLock<CertificateRefusal>>,
}

enum State {
    /// Its ClientHello is not there yet.
    Hello(Box<Accepting>),
    Agreed(Box<Connection>),
    /// An alert is all that is left to send.
    Refused {
        alert: Vec<u8>,
    },
}

/// What waits for a ClientHello.
struct Accepting {
    acceptor: Acceptor,
    trust: Arc<ServerTrust>,
    admits: Admits,
    /// What has come so far.
    records: Vec<u8>,
}

/// What came of reading from the network.
#[derive(Debug)]
pub enum ReadProgress {
    /// Something was read; perhaps packets.
    Some,
    /// Nothing is there at present.
    WouldBlock,
    /// The other side has ended.
    End,
}

/// Octets that a look takes in.
const CHUNK: usize = 4096;

impl TlsSession {
    /// The server's side; `admits` is asked about a certificate that can be believed.
    pub fn accept(trust: Arc<ServerTrust>, admits: Admits) -> Self {
        let acceptor = Acceptor::default();
        let accepting = Box::new(Accepting { acceptor, trust, admits, records: Vec::new() });
        Self { state: State::Hello(accepting), refusal: Arc::default() }
    }

    /// Reads once from the network and works on what came.
    ///
    /// # Errors
    /// If the network fails, or the other side breaks TLS: then an alert may wait to be sent.
    pub fn receive(&mut self, network: &mut impl Read) -> io::Result<ReadProgress> {
        let progress = match &mut self.state {
            State::Hello(accepting) => {
                let Accepting { acceptor, records, .. } = &mut **accepting;
                progress(acceptor.read_tls(&mut Recorded { network, records }))?
            }
            State::Agreed(connection) => progress(connection.read_tls(network))?,
            State::Refused { .. } => ReadProgress::End,
        };
        if !matches!(progress, ReadProgress::Some) {
            return Ok(progress);
        }
        if matches!(self.state, State::Hello(_)) {
            self.hear()?;
        }
        if let State::Agreed(connection) = &mut self.state {
            connection.process_new_packets().map_err(broken)?;
        }
        Ok(ReadProgress::Some)
    }

    /// Goes on if the ClientHello is whole.
    fn hear(&mut self) -> io::Result<()> {
        let State::Hello(accepting) = &mut self.state else { return Ok(()) };
        match accepting.acceptor.accept() {
            Ok(None) => Ok(()),
            Ok(Some(accepted)) => {
                let taken =
                    std::mem::replace(&mut self.state, State::Refused { alert: Vec::new() });
                let State::Hello(accepting) = taken else { return Ok(()) };
                let Accepting { trust, admits, records, .. } = *accepting;
                let speaks_1_3 = offers_tls_1_3(&records);
                let config =
                    trust.config(speaks_1_3, admits, Arc::clone(&self.refusal)).map_err(broken)?;
                match accepted.into_connection(Arc::new(config)) {
                    Ok(connection) => {
                        self.state = State::Agreed(Box::new(connection.into()));
                        Ok(())
                    }
                    Err((error, mut alert)) => Err(self.refuse(error, |out| alert.write_all(out))),
                }
            }
            Err((error, mut alert)) => Err(self.refuse(error, |out| alert.write_all(out))),
        }
    }

    fn refuse(
        &mut self,
        error: rustls::Error,
        write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
    ) -> io::Error {
        let mut alert = Vec::new();
        // A vector takes everything.
        let _ = write(&mut alert);
        self.state = State::Refused { alert };
        broken(error)
    }

    /// Why the other side's certificate was refused, if that is what ended the handshake.
    pub fn refusal(&self) -> Option<&CertificateRefusal> {
        self.refusal.get()
    }

    /// Whether the handshake is not over.
    pub fn is_handshaking(&self) -> bool {
        match &self.state {
            State::Agreed(connection) => connection.is_handshaking(),
            State::Hello(_) | State::Refused { .. } => true,
        }
    }

    /// Takes what was decrypted; whether the other side has said that it ends.
    pub fn take(&mut self, into: &mut BytesMut) -> bool {
        let State::Agreed(connection) = &mut self.state else { return false };
        let mut chunk = [0; CHUNK];
        loop {
            match connection.reader().read(&mut chunk) {
                Ok(0) => return true,
                Ok(count) => into.extend_from_slice(&chunk[..count]),
                // Also: it ended without saying so. What it sent whole is good, and the network
                // tells of the end.
                Err(_) => return false,
            }
        }
    }

    /// Writes one packet, as one record of its own.
    pub fn put(&mut self, packet: &[u8]) {
        if let State::Agreed(connection) = &mut self.state {
            // It takes everything: there is no limit, for the caller has one.
            let _ = connection.writer().write_all(packet);
        }
    }

    /// Says that nothing more will come.
    pub fn close(&mut self) {
        if let State::Agreed(connection) = &mut self.state {
            connection.send_close_notify();
        }
    }

    /// Whether something waits to be sent.
    pub fn wants_send(&self) -> bool {
        match &self.state {
            State::Hello(_) => false,
            State::Agreed(connection) => connection.wants_write(),
            State::Refused { alert } => !alert.is_empty(),
        }
    }

    /// Sends as much as the network takes; whether it took anything.
    pub fn send(&mut self, network: &mut impl Write) -> io::Result<bool> {
        let mut sent = false;
        while self.wants_send() {
            let count = match &mut self.state {
                State::Hello(_) => break,
                State::Agreed(connection) => connection.write_tls(network),
                State::Refused { alert } => network.write(alert).inspect(|count| {
                    alert.drain(..*count);
                }),
            };
            match count {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => sent = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    /// The certificates that the other side has shown, its own first.
    pub fn peer_chain(&self) -> Option<Vec<CertificateDer<'static>>> {
        let State::Agreed(connection) = &self.state else { return None };
        connection.peer_certificates().map(<[_]>::to_vec)
    }

    /// What was agreed on by ALPN, and whether this is TLS 1.3.
    pub fn agreed(&self) -> (Option<&[u8]>, bool) {
        let State::Agreed(connection) = &self.state else { return (None, false) };
        let is_1_3 = connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        (connection.alpn_protocol(), is_1_3)
    }

    /// Whether a handshake failed because there is no protocol that both sides speak.
    pub fn lacks_common_alpn(error: &io::Error) -> bool {
        let error = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        matches!(error, Some(rustls::Error::NoApplicationProtocol))
    }

    /// No limit on what waits to be sent but the caller's.
    pub fn begin_conversation(&mut self) {
        if let State::Agreed(connection) = &mut self.state {
            connection.set_buffer_limit(None);
        }
    }
}

/// A network whose octets are kept.
struct Recorded<'r, R> {
    network: &'r mut R,
    records: &'r mut Vec<u8>,
}

impl<R: Read> Read for Recorded<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.network.read(buf)?;
        self.records.extend_from_slice(&buf[..count]);
        Ok(count)
    }
}

fn progress(read: io::Result<usize>) -> io::Result<ReadProgress> {
    match read {
        Ok(0) => Ok(ReadProgress::End),
        Ok(_) => Ok(ReadProgress::Some),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(ReadProgress::WouldBlock),
        Err(error) => Err(error),
    }
}

fn broken(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
