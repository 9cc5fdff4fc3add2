//! Copies of a request that is not answered: the same packet again, or a new one that says how late
//! it is; to this server, or the next.

use super::receipt::{FinishedRequest, RequestEnd};
use super::{Client, EarlierCopy, Outbound, Purpose, Request, authenticator_of};
use crate::time::Timestamp;
use crate::wire::{Datagram, Encoder, LONGEST, Secret, number};
use bytes::Bytes;
use rand::RngCore;

impl<T: Purpose, R: RngCore> Client<T, R> {
    /// The next copy of a request that is not answered.
    pub(super) fn repeat(&mut self, slot: u32, now: Timestamp, out: &mut Outbound) {
        let Some(mut request) = self.requests[slot as usize].take() else { return };
        let policy = request.policy;
        request.retransmission.repeat(&policy, now, &mut self.random);
        self.copies += 1;
        self.remember(EarlierCopy {
            at: now,
            server: request.server,
            id: request.id,
            authenticator: request.authenticator,
        });
        self.timers.set(slot, request.retransmission.deadline(&policy));
        let server = self.server_for_copy(&request, now);
        let late_s = now.since(request.retransmission.first_sent).as_secs() as u32;
        let delay_s = request.first_delay_s.map(|first| first.saturating_add(late_s));
        if server != request.server || delay_s != self::delay_s(&request.octets) {
            self.readdress(slot, &mut request, server, delay_s, now);
        }
        self.dispatch(&request, out);
        self.requests[slot as usize] = Some(request);
    }

    /// Where the next copy goes: after some copies without an answer the server counts as dead.
    fn server_for_copy(&mut self, request: &Request<T>, now: Timestamp) -> u8 {
        if (request.retransmission.transmissions - 1).is_multiple_of(self.settings.failover_after) {
            self.upstreams[usize::from(request.server)].dead_until = now + self.settings.dead_for;
        }
        self.choose(request.purpose.role(), now).map_or(request.server, |server| server as u8)
    }

    /// RFC 2866 4.1: a copy that says something else has a new identifier and a new authenticator.
    /// The old identifier is free again, and an answer to it is not an answer any more (RFC 5080
    /// 2.2.2).
    fn readdress(
        &mut self,
        slot: u32,
        request: &mut Request<T>,
        server: u8,
        delay_s: Option<u32>,
        now: Timestamp,
    ) {
        let Some(id) = self.upstreams[usize::from(server)].identifiers.take(slot, now) else {
            return;
        };
        let mut buffer = [0; LONGEST];
        let Some(len) =
            rewrite(&request.octets, id.identifier, delay_s, &self.settings.secret, &mut buffer)
        else {
            self.upstreams[usize::from(server)].identifiers.put_back(id);
            return;
        };
        let past = FinishedRequest {
            ending: RequestEnd::Superseded,
            authenticator: request.authenticator,
            request: std::mem::replace(&mut request.octets, Bytes::copy_from_slice(&buffer[..len])),
            reply: None,
        };
        let rests_until = now + self.settings.rest();
        self.upstreams[usize::from(request.server)].identifiers.give_back(
            request.id,
            past,
            rests_until,
        );
        request.authenticator = authenticator_of(&request.octets).unwrap_or(request.authenticator);
        (request.server, request.id) = (server, id);
    }
}

/// The Acct-Delay-Time of a request.
pub(super) fn delay_s(octets: &[u8]) -> Option<u32> {
    let said = Datagram::frame(octets).ok()?.first(number::ACCT_DELAY_TIME)?;
    said.first_chunk().filter(|_| said.len() == 4).map(|octets| u32::from_be_bytes(*octets))
}

/// The same request under another identifier, with its Acct-Delay-Time brought up to date. The
/// random authenticator of an Access-Request stays: its password is hidden with it (RFC 2865 2.5).
fn rewrite(
    octets: &[u8],
    identifier: u8,
    delay_s: Option<u32>,
    secret: &Secret,
    buffer: &mut [u8],
) -> Option<usize> {
    let request = Datagram::frame(octets).ok()?;
    let mut encoder = Encoder::new(buffer, request.code(), identifier);
    for attribute in request.attributes() {
        match (attribute.number, delay_s) {
            (number::MESSAGE_AUTHENTICATOR, _) => encoder.message_authenticator(),
            (number::ACCT_DELAY_TIME, Some(delay_s)) => {
                encoder.integer(number::ACCT_DELAY_TIME, delay_s)
            }
            (other, _) => encoder.attribute(other, attribute.value),
        };
    }
    encoder.finish_request(secret, *request.authenticator()).ok()
}
