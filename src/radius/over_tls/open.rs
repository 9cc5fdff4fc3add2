//! The connections that are open: where a reply goes, and by which a gateway can be reached.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::pki_types::CertificateDer;
use tokio::sync::Notify;

use super::rules::CloseReason;
use crate::identity::GatewayId;
use crate::radius::connection_id::ConnectionId;
use crate::radius::gateways::Gateway;
use crate::tls::Certificate;
use crate::wire::RadiusVersion;

/// Requests that a connection may have unanswered before no more is read: as many as have
/// identifiers.
const UNANSWERED: u32 = 256;

/// Octets of replies that may wait before no more is read.
const UNSENT: usize = 256 << 10;

/// One open connection, as all others see it.
pub struct OpenConnection {
    pub id: ConnectionId,
    pub peer: SocketAddr,
    pub version: RadiusVersion,
    pub certificate: Certificate,
    /// The certificates it has shown, to be judged again.
    pub chain: Vec<CertificateDer<'static>>,
    gateway: Mutex<Arc<Gateway>>,
    mailbox: Mutex<Mailbox>,
    /// Notified when something is to be sent, or it is to end.
    pub(super) wake: Notify,
}

/// What waits for the connection's task.
#[derive(Default)]
struct Mailbox {
    /// Packets one behind the other: each says where it ends.
    octets: Vec<u8>,
    unanswered: u32,
    /// Tokens of unanswered requests (RFC 9765 4.2.1).
    tokens: HashSet<[u8; 4], foldhash::fast::RandomState>,
    heard: Duration,
    closes: Option<CloseReason>,
}

/// All of them.
#[derive(Default)]
pub struct OpenConnections(Mutex<Registry>);

#[derive(Default)]
struct Registry {
    last: Option<ConnectionId>,
    by_id: HashMap<ConnectionId, Arc<OpenConnection>, foldhash::fast::RandomState>,
}

/// A connection whose handshake is over.
pub(super) struct Newcomer {
    pub(super) peer: SocketAddr,
    pub(super) version: RadiusVersion,
    pub(super) certificate: Certificate,
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) gateway: Arc<Gateway>,
}

impl OpenConnections {
    /// Adds a connection. Where its gateway has `limit` of them, the one that was silent for
    /// longest gives way: whoever lost its connections without a word can come back.
    pub(super) fn add(
        &self,
        newcomer: Newcomer,
        limit: usize,
        now: Duration,
    ) -> Arc<OpenConnection> {
        let mut registry = self.0.lock();
        let mut id = registry.last.map_or(ConnectionId::FIRST, ConnectionId::next);
        while registry.by_id.contains_key(&id) {
            id = id.next();
        }
        registry.last = Some(id);
        let of_gateway: Vec<_> =
            registry.by_id.values().filter(|one| one.gateway().id == newcomer.gateway.id).collect();
        let live: Vec<_> = of_gateway.iter().filter(|one| !one.is_closing()).collect();
        if live.len() >= limit
            && let Some(silent) = live.iter().min_by_key(|one| one.mailbox.lock().heard)
        {
            silent.close(CloseReason::Limit);
        }
        let Newcomer { peer, version, certificate, chain, gateway } = newcomer;
        let mailbox = Mutex::new(Mailbox { heard: now, ..Mailbox::default() });
        let (gateway, wake) = (Mutex::new(gateway), Notify::new());
        let connection = Arc::new(OpenConnection {
            id,
            peer,
            version,
            certificate,
            chain,
            gateway,
            mailbox,
            wake,
        });
        registry.by_id.insert(id, Arc::clone(&connection));
        connection
    }

    pub(super) fn remove(&self, id: ConnectionId) {
        self.0.lock().by_id.remove(&id);
    }

    pub fn find(&self, id: ConnectionId) -> Option<Arc<OpenConnection>> {
        self.0.lock().by_id.get(&id).cloned()
    }

    /// All at present.
    pub fn list(&self) -> Vec<Arc<OpenConnection>> {
        self.0.lock().by_id.values().cloned().collect()
    }

    /// A connection of this gateway, if one is open: the one that was heard last. A packet that the
    /// server begins goes down this one (reverse CoA).
    pub fn of_gateway(&self, gateway: GatewayId) -> Option<Arc<OpenConnection>> {
        let registry = self.0.lock();
        let of_gateway =
            registry.by_id.values().filter(|one| one.gateway().id == gateway && !one.is_closing());
        of_gateway.max_by_key(|one| one.mailbox.lock().heard).cloned()
    }

    pub fn is_empty(&self) -> bool {
        self.0.lock().by_id.is_empty()
    }
}

impl OpenConnection {
    pub fn gateway(&self) -> Arc<Gateway> {
        Arc::clone(&self.gateway.lock())
    }

    /// The same gateway with new settings.
    pub(super) fn set_gateway(&self, gateway: &Arc<Gateway>) {
        *self.gateway.lock() = Arc::clone(gateway);
    }

    /// A packet was received and waits for its reply. Whether that may be: a Token of an unanswered
    /// request must not come again.
    pub(super) fn received(&self, packet: &[u8], now: Duration) -> bool {
        let mut mailbox = self.mailbox.lock();
        mailbox.heard = now;
        mailbox.unanswered += 1;
        self.version == RadiusVersion::V1_0
            || token(packet).is_none_or(|token| mailbox.tokens.insert(token))
    }

    /// Sends the reply to one of its requests.
    pub(super) fn reply(&self, packet: &[u8]) {
        self.settled(packet);
        self.send(packet);
    }

    /// A request will have no reply.
    pub(super) fn settled(&self, packet: &[u8]) {
        let mut mailbox = self.mailbox.lock();
        mailbox.unanswered = mailbox.unanswered.saturating_sub(1);
        if let Some(token) = token(packet).filter(|_| self.version == RadiusVersion::V1_1) {
            mailbox.tokens.remove(&token);
        }
        // It may be that no more was read for its sake.
        if mailbox.unanswered == UNANSWERED {
            self.wake.notify_one();
        }
    }

    /// Sends a packet.
    pub fn send(&self, packet: &[u8]) {
        let mut mailbox = self.mailbox.lock();
        if mailbox.octets.is_empty() {
            self.wake.notify_one();
        }
        mailbox.octets.extend_from_slice(packet);
    }

    /// Ends it; the first reason counts.
    pub fn close(&self, reason: CloseReason) {
        self.mailbox.lock().closes.get_or_insert(reason);
        self.wake.notify_one();
    }

    pub(super) fn closes(&self) -> Option<CloseReason> {
        self.mailbox.lock().closes
    }

    fn is_closing(&self) -> bool {
        self.closes().is_some()
    }

    /// Whether more may be read.
    pub(super) fn has_room(&self) -> bool {
        let mailbox = self.mailbox.lock();
        mailbox.unanswered <= UNANSWERED && mailbox.octets.len() <= UNSENT
    }

    /// Takes out what waits, packet by packet.
    pub(super) fn take(&self, mut put: impl FnMut(&[u8])) {
        let octets = std::mem::take(&mut self.mailbox.lock().octets);
        let mut left = octets.as_slice();
        while let Some([_, _, high, low]) = left.first_chunk() {
            let Some((packet, rest)) =
                left.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))
            else {
                break;
            };
            put(packet);
            left = rest;
        }
    }
}

/// The Token of a packet of RADIUS/1.1 (RFC 9765 5).
fn token(packet: &[u8]) -> Option<[u8; 4]> {
    packet.get(4..8)?.try_into().ok()
}
