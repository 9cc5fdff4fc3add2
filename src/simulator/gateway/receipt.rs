//! What a datagram from a server means to a gateway.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Door, Gateway, Place, Request, Ticket};
use crate::simulator::moment::Moment;
use crate::wire::{Code, Datagram, Forged, Malformed, MessageAuthenticator};

/// The meaning of a received datagram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Receipt {
    /// The first valid reply to a request: it wins (RFC 5080 2.2.2).
    Answered(Answered),
    /// Another valid reply to a request that was answered already, so long ago.
    Repeated { identical: bool, after: Duration },
    /// A valid reply to a request that was given up.
    Late,
    /// A valid reply to an earlier copy, whose identifier was changed: not an answer any more.
    Obsolete,
    /// Nothing that a gateway may listen to. The request goes on waiting (RFC 2865 4.2).
    Stray(Stray),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answered {
    pub ticket: Ticket,
    pub first_sent: Moment,
    pub transmissions: u32,
}

/// Why a datagram is discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stray {
    Malformed(Malformed),
    /// Nobody asked under this identifier.
    Unasked,
    Forged(Forged),
    /// Valid, but without the Message-Authenticator that is required.
    Unprotected,
    /// Valid, but from another address or port than the request was sent to.
    WrongSource,
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

/// What is remembered of a request that is over, until its identifier is used again and over again.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) ended: Ended,
    pub(super) authenticator: [u8; 16],
    pub(super) request: Box<[u8]>,
    /// With the time at which it came.
    pub(super) reply: Option<(Moment, Box<[u8]>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Answered,
    GivenUp,
    /// A copy under another identifier took its place, or the gateway forgot it.
    Superseded,
}

impl Gateway {
    /// Says what a datagram that came in through `door` means.
    pub fn receive(&mut self, now: Moment, door: Door, from: SocketAddr, octets: &[u8]) -> Receipt {
        let reply = match Datagram::frame(octets) {
            Ok(reply) => reply,
            Err(malformed) => return Receipt::Stray(Stray::Malformed(malformed)),
        };
        let place = Place { port: door.port, identifier: reply.identifier() };
        let server = usize::from(door.server);
        let Some(tenancy) = self.upstreams.get(server).and_then(|upstream| upstream.identifiers.at(place)) else {
            return Receipt::Stray(Stray::Unasked);
        };
        let waiting = tenancy.tenant.and_then(|slot| Some((slot, self.requests.get(slot as usize)?.as_ref()?)));
        let forged = match waiting.map(|(slot, request)| (slot, self.judge(&reply, request, from))) {
            Some((slot, Ok(()))) => return self.accept(slot, now, &reply),
            Some((_, Err(Stray::Forged(forged)))) => Some(forged),
            Some((_, Err(stray))) => return Receipt::Stray(stray),
            None => None,
        };
        match &tenancy.past {
            Some(past) if reply.verify_reply(&past.authenticator, &self.settings.secret).is_ok() => past.receipt(now, &reply),
            _ if self.is_echo(door, place, &reply) || now < self.doubtful_until => Receipt::Obsolete,
            Some(_) => Receipt::Stray(Stray::Forged(forged.unwrap_or(Forged::Authenticator))),
            None => Receipt::Stray(forged.map_or(Stray::Unasked, Stray::Forged)),
        }
    }

    fn is_echo(&self, door: Door, place: Place, reply: &Datagram<'_>) -> bool {
        let mut here = self.echoes.iter().filter(|echo| echo.server == door.server && echo.place == place);
        here.any(|echo| reply.verify_reply(&echo.authenticator, &self.settings.secret).is_ok())
    }

    /// The packets of the exchange that `octets`, received through `door`, belongs or claims to belong to.
    pub fn evidence(&self, door: Door, identifier: u8) -> Option<Evidence<'_>> {
        let tenancy = self.upstreams.get(usize::from(door.server))?.identifiers.at(Place { port: door.port, identifier })?;
        let waiting = tenancy.tenant.and_then(|slot| self.requests.get(slot as usize)?.as_ref());
        let past = || {
            tenancy.past.as_ref().map(|past| Evidence { request: &past.request, reply: past.reply.as_ref().map(|(_, octets)| &**octets) })
        };
        waiting.map(|request| Evidence { request: &request.octets, reply: None }).or_else(past)
    }

    fn judge(&self, reply: &Datagram<'_>, request: &Request, from: SocketAddr) -> Result<(), Stray> {
        reply.verify_reply(&request.authenticator, &self.settings.secret).map_err(Stray::Forged)?;
        if from != self.settings.servers[usize::from(request.server)].address {
            return Err(Stray::WrongSource);
        }
        let kind = request.ticket.kind;
        if !kind.is_answered_by(reply.code()) {
            return Err(Stray::WrongCode(reply.code()));
        }
        // draft-ietf-radext-deprecating-radius: for replies to an Access-Request only.
        let protected = reply.message_authenticator() == MessageAuthenticator::Present;
        if self.settings.integrity_required && kind.code() == Code::ACCESS_REQUEST && !protected {
            return Err(Stray::Unprotected);
        }
        Ok(())
    }

    fn accept(&mut self, slot: u32, now: Moment, reply: &Datagram<'_>) -> Receipt {
        let Some(request) = self.requests[slot as usize].as_ref() else { return Receipt::Stray(Stray::Unasked) };
        let answered =
            Answered { ticket: request.ticket, first_sent: request.patience.first_sent, transmissions: request.patience.transmissions };
        self.upstreams[usize::from(request.server)].dead_until = now;
        self.timers.cancel(slot);
        self.release(slot, Ended::Answered, Some((now, reply.octets().into())));
        Receipt::Answered(answered)
    }
}

impl Past {
    fn receipt(&self, now: Moment, reply: &Datagram<'_>) -> Receipt {
        match self.ended {
            Ended::Answered => Receipt::Repeated {
                identical: self.reply.as_ref().is_some_and(|(_, first)| **first == *reply.octets()),
                after: self.reply.as_ref().map_or(Duration::ZERO, |(at, _)| now.since(*at)),
            },
            Ended::GivenUp => Receipt::Late,
            Ended::Superseded => Receipt::Obsolete,
        }
    }
}
