//! What a datagram from a server means to the client.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Client, Purpose, Request, RequestId, RequestWindow, SocketId};
use bytes::Bytes;
use rand::RngCore;

use crate::time::Timestamp;
use crate::wire::{Code, Datagram, Forged, Malformed, MessageAuthenticator, number};

/// The meaning of a received datagram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Receipt<T> {
    /// The first valid reply to a request: it wins (RFC 5080 2.2.2).
    Answered(Answered<T>),
    /// Another valid reply to a request that was answered already, so long ago.
    Repeated { identical: bool, after: Duration },
    /// A valid reply to a request that was given up.
    Late,
    /// A valid reply to an earlier copy, whose identifier was changed: not an answer any more.
    Obsolete,
    /// Nothing that a client may believe. The request goes on waiting (RFC 2865 4.2).
    Stray(Stray),
}

/// A request and its first valid reply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answered<T> {
    pub purpose: T,
    pub first_sent: Timestamp,
    pub transmissions: u32,
}

/// Why a datagram is discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stray {
    Malformed(Malformed),
    /// No request was sent with this identifier.
    Unasked,
    Forged(Forged),
    /// Valid, but without the Message-Authenticator that is required.
    Unprotected,
    /// Valid, but from another address or port than the request was sent to.
    WrongSource,
    /// Valid, but its Event-Timestamp is not of this time (RFC 5176 6.3).
    Stale,
    /// Valid, but of a code that answers something else.
    WrongCode(Code),
}

/// The two packets of an exchange.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    pub request: &'a [u8],
    /// The first valid reply.
    pub reply: Option<&'a [u8]>,
}

/// What is remembered of a request that is over, until its identifier has been used again and is
/// over again.
#[derive(Debug)]
pub(super) struct FinishedRequest {
    pub(super) ending: RequestEnd,
    pub(super) authenticator: [u8; 16],
    pub(super) request: Bytes,
    /// With the time at which it came.
    pub(super) reply: Option<(Timestamp, Bytes)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestEnd {
    Answered,
    GivenUp,
    /// A copy under another identifier took its place, or the client forgot it.
    Superseded,
}

impl<T: Purpose, R: RngCore> Client<T, R> {
    /// Says what a datagram that came in through `socket` means.
    pub fn receive(
        &mut self,
        now: Timestamp,
        socket: SocketId,
        from: SocketAddr,
        octets: &[u8],
    ) -> Receipt<T> {
        let reply = match Datagram::frame(octets) {
            Ok(reply) => reply,
            Err(malformed) => return Receipt::Stray(Stray::Malformed(malformed)),
        };
        let id = RequestId { port: socket.port, identifier: reply.identifier() };
        let server = usize::from(socket.server);
        let Some(state) =
            self.upstreams.get(server).and_then(|upstream| upstream.identifiers.at(id))
        else {
            return Receipt::Stray(Stray::Unasked);
        };
        let waiting = state
            .request
            .and_then(|slot| Some((slot, self.requests.get(slot as usize)?.as_ref()?)));
        let forged =
            match waiting.map(|(slot, request)| (slot, self.check(&reply, request, from, now))) {
                Some((slot, Ok(()))) => return self.accept(slot, now, &reply),
                Some((_, Err(Stray::Forged(forged)))) => Some(forged),
                Some((_, Err(stray))) => return Receipt::Stray(stray),
                None => None,
            };
        match &state.past {
            Some(past)
                if reply.verify_reply(&past.authenticator, &self.settings.secret).is_ok() =>
            {
                past.receipt(now, &reply)
            }
            _ if self.is_of_earlier_copy(socket, id, &reply) || now < self.doubtful_until => {
                Receipt::Obsolete
            }
            Some(_) => Receipt::Stray(Stray::Forged(forged.unwrap_or(Forged::Authenticator))),
            None => Receipt::Stray(forged.map_or(Stray::Unasked, Stray::Forged)),
        }
    }

    fn is_of_earlier_copy(&self, socket: SocketId, id: RequestId, reply: &Datagram<'_>) -> bool {
        let mut here =
            self.earlier_copies.iter().filter(|copy| copy.server == socket.server && copy.id == id);
        here.any(|copy| reply.verify_reply(&copy.authenticator, &self.settings.secret).is_ok())
    }

    /// The packets of the exchange that `octets`, received through `socket`, belongs or claims to
    /// belong to.
    pub fn evidence(&self, socket: SocketId, identifier: u8) -> Option<Evidence<'_>> {
        let state = self
            .upstreams
            .get(usize::from(socket.server))?
            .identifiers
            .at(RequestId { port: socket.port, identifier })?;
        let waiting = state.request.and_then(|slot| self.requests.get(slot as usize)?.as_ref());
        let past = || {
            state.past.as_ref().map(|past| Evidence {
                request: &past.request,
                reply: past.reply.as_ref().map(|(_, octets)| &**octets),
            })
        };
        waiting.map(|request| Evidence { request: &request.octets, reply: None }).or_else(past)
    }

    fn check(
        &self,
        reply: &Datagram<'_>,
        request: &Request<T>,
        from: SocketAddr,
        now: Timestamp,
    ) -> Result<(), Stray> {
        reply.verify_reply(&request.authenticator, &self.settings.secret).map_err(Stray::Forged)?;
        if from != self.settings.servers[usize::from(request.server)].address {
            return Err(Stray::WrongSource);
        }
        let purpose = request.purpose;
        if !purpose.is_answered_by(reply.code()) {
            return Err(Stray::WrongCode(reply.code()));
        }
        // draft-ietf-radext-deprecating-radius: for replies to an Access-Request only.
        let protected = reply.message_authenticator() == MessageAuthenticator::Present;
        if self.settings.integrity_required && purpose.code() == Code::ACCESS_REQUEST && !protected
        {
            return Err(Stray::Unprotected);
        }
        if self.settings.window.is_some_and(|window| is_stale(reply, now, window)) {
            return Err(Stray::Stale);
        }
        Ok(())
    }

    fn accept(&mut self, slot: u32, now: Timestamp, reply: &Datagram<'_>) -> Receipt<T> {
        let Some(request) = self.requests[slot as usize].as_ref() else {
            return Receipt::Stray(Stray::Unasked);
        };
        let answered = Answered {
            purpose: request.purpose,
            first_sent: request.retransmission.first_sent,
            transmissions: request.retransmission.transmissions,
        };
        self.upstreams[usize::from(request.server)].dead_until = now;
        self.timers.cancel(slot);
        self.release(
            slot,
            RequestEnd::Answered,
            Some((now, Bytes::copy_from_slice(reply.octets()))),
            now,
        );
        Receipt::Answered(answered)
    }
}

/// Whether an Event-Timestamp is in it that is farther from our time than the window.
fn is_stale(reply: &Datagram<'_>, now: Timestamp, window: RequestWindow) -> bool {
    let stamp = reply.first(number::EVENT_TIMESTAMP).and_then(|octets| octets.try_into().ok());
    let time_of_day = now.secs() + window.epoch.secs();
    let is_far = |stamp: u32| time_of_day.abs_diff(stamp.into()) > window.lasts.as_secs();
    stamp.map(u32::from_be_bytes).is_some_and(is_far)
}

impl FinishedRequest {
    fn receipt<T>(&self, now: Timestamp, reply: &Datagram<'_>) -> Receipt<T> {
        match self.ending {
            RequestEnd::Answered => Receipt::Repeated {
                identical: self.reply.as_ref().is_some_and(|(_, first)| **first == *reply.octets()),
                after: self.reply.as_ref().map_or(Duration::ZERO, |(at, _)| now.since(*at)),
            },
            RequestEnd::GivenUp => Receipt::Late,
            RequestEnd::Superseded => Receipt::Obsolete,
        }
    }
}
