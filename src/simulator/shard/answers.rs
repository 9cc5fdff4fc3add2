//! What comes back: every datagram is judged by the referee, and told to the endpoint that waits
//! for it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::Shard;
use super::reply::{AcceptReply, ServerReply};
use crate::exchange::{Answered, Evidence, Receipt, SocketId};
use crate::simulator::device::{DevicePhase, Event, Grant};
use crate::simulator::gateway::{RequestKind, Ticket};
use crate::simulator::referee::AddressRequest;
use crate::time::Timestamp;

/// For so long a server remembers its replies at least (RFC 5080 2.2.2). What it says later it may
/// have decided anew.
const SHORTEST_MEMORY: Duration = Duration::from_secs(5);

impl Shard {
    /// A datagram has come in through `socket`.
    pub fn receive(&mut self, now: Timestamp, socket: SocketId, from: SocketAddr, octets: &[u8]) {
        if self.random.happens(self.plan.habits.lost_replies) {
            return;
        }
        let Some(gateway) = self.gateways.get_mut(usize::from(socket.client)) else { return };
        let receipt = gateway.receive(now, socket, from, octets);
        let identifier = octets.get(1).copied().unwrap_or_default();
        match receipt {
            Receipt::Answered(answered) => self.answered(now, socket, identifier, answered),
            Receipt::Repeated { identical, after } => {
                self.counters.repeated += 1;
                self.referee.repeated(
                    now,
                    identical || after > SHORTEST_MEMORY,
                    octets,
                    gateway.evidence(socket, identifier),
                );
            }
            Receipt::Late => {
                self.counters.late += 1;
                // Where the simulated network delays datagrams, the server is not to blame.
                if self.plan.habits.late == 0.0 {
                    self.referee.late(now, octets, gateway.evidence(socket, identifier));
                }
            }
            Receipt::Obsolete => self.counters.obsolete += 1,
            Receipt::Stray(stray) => {
                self.counters.discarded += 1;
                self.referee.discarded(now, stray, octets, gateway.evidence(socket, identifier));
            }
        }
        self.carry(now);
    }

    fn answered(
        &mut self,
        now: Timestamp,
        socket: SocketId,
        identifier: u8,
        answered: Answered<Ticket>,
    ) {
        let ticket = answered.purpose;
        let reply = self.evaluate(now, socket, identifier, ticket);
        let (latency, service) = (now.since(ticket.scheduled), now.since(answered.first_sent));
        let counts = &mut self.counters[ticket.kind];
        counts.answered += 1;
        counts.latency.record(latency);
        counts.service.record(service);
        self.interval.answered += 1;
        self.interval.latency.record(latency);
        if let ServerReply::Reject { reason } = &reply {
            counts.rejected += 1;
            self.interval.rejected += 1;
            self.counters.rejected(reason, 1);
        }
        if let Some(local) = ticket.endpoint {
            self.tell(local, ticket, &reply, now);
        }
    }

    /// Lets the referee see the exchange; gives what the reply says.
    fn evaluate(
        &mut self,
        now: Timestamp,
        socket: SocketId,
        identifier: u8,
        ticket: Ticket,
    ) -> ServerReply {
        let Self { plan, share, devices, gateways, referee, impairment, names, .. } = self;
        let evidence = gateways[usize::from(socket.client)].evidence(socket, identifier);
        let evidence = evidence.unwrap_or(Evidence { request: &[], reply: None });
        let reply = ServerReply::read(evidence.reply.unwrap_or_default());
        let Some(local) = ticket.endpoint else { return reply };
        let endpoint = plan.population.endpoint(
            local * share.of as u32 + share.index as u32,
            plan.seed,
            names,
        );
        if impairment.as_ref().is_some_and(|network| network.has_only_forged(socket, identifier)) {
            referee.forged_answered(now, &names.iccid, evidence);
        }
        let address = devices[local as usize].address();
        let request = AddressRequest {
            endpoint,
            iccid: &names.iccid,
            address,
            attach_only: ticket.kind == RequestKind::Attach,
        };
        match &reply {
            ServerReply::Accept(accept) => {
                referee.accepted(now, &request, accept.address, evidence);
            }
            ServerReply::Reject { reason } => referee.refused(now, &request, reason, evidence),
            ServerReply::Acknowledgement => {}
        }
        reply
    }

    /// Tells the device, if it still waits for this.
    fn tell(&mut self, local: u32, ticket: Ticket, reply: &ServerReply, now: Timestamp) {
        if self.devices[local as usize].serial() != ticket.serial {
            return;
        }
        match ticket.kind {
            RequestKind::Attach | RequestKind::Session => match reply {
                ServerReply::Accept(accept) => {
                    let grant = self.grant(local, accept);
                    self.drive_device(local, Event::Granted(&grant), now, now);
                    if self.is_draining() {
                        self.drive_device(local, Event::Dismissed, now, now);
                    }
                }
                ServerReply::Reject { .. } | ServerReply::Acknowledgement => {
                    self.drive_device(local, Event::Refused, now, now);
                }
            },
            RequestKind::Start => {
                self.counters.attaches += 1;
                self.interval.attaches += 1;
            }
            RequestKind::Interim => self.interim_over(local),
            RequestKind::Stop | RequestKind::Detach => {
                self.drive_device(local, Event::Released, now, now);
            }
            RequestKind::On | RequestKind::Off | RequestKind::Status => {}
        }
    }

    /// The gateway has given a request up.
    pub(super) fn unanswered(&mut self, ticket: Ticket, now: Timestamp) {
        self.counters[ticket.kind].unanswered += 1;
        self.interval.unanswered += 1;
        let Some(local) = ticket.endpoint else { return };
        if self.devices[local as usize].serial() != ticket.serial {
            return;
        }
        match ticket.kind {
            RequestKind::Attach | RequestKind::Session => {
                self.drive_device(local, Event::Unanswered, now, now);
            }
            RequestKind::Interim => self.interim_over(local),
            RequestKind::Stop | RequestKind::Detach => {
                self.drive_device(local, Event::Released, now, now);
            }
            RequestKind::Start | RequestKind::On | RequestKind::Off | RequestKind::Status => {}
        }
    }

    fn interim_over(&mut self, local: u32) {
        if let Some(session) = self.devices[local as usize].session_mut() {
            session.report_owed = false;
        }
    }

    fn grant(&self, local: u32, accept: &AcceptReply) -> Grant {
        Grant {
            address: accept.address.unwrap_or_else(|| self.own_address(local)),
            classes: accept.classes.clone(),
            session_timeout_s: accept.session_timeout_s,
            interim_s: accept.interim_s,
        }
    }

    /// Checklist H10: the gateway's own choice, where the server leaves it to it.
    fn own_address(&self, local: u32) -> Ipv4Addr {
        const POOL: u32 = 0x0A00_0000;
        Ipv4Addr::from(POOL | (self.global(local) + 1) & 0x00FF_FFFF)
    }

    /// Whether the device is on its way in.
    pub(super) const fn strives(phase: DevicePhase) -> bool {
        matches!(phase, DevicePhase::Attaching | DevicePhase::Authorising)
    }
}
