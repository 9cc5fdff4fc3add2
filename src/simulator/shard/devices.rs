//! An event happens to a device, and its gateway does what follows from it.

use std::net::Ipv4Addr;

use super::Shard;
use crate::simulator::device::{Action, Cause, DevicePhase, DeviceSession, Event};
use crate::simulator::gateway::{
    BearerUsage, Caller, NetworkEvent, Profile, ReportType, RequestDraft, RequestKind, Ticket,
};
use crate::simulator::plan::SimEndpoint;
use crate::simulator::random::RandomStream;
use crate::simulator::referee::Hold;
use crate::simulator::scenario::Roam;
use crate::time::Timestamp;
use crate::wire::number::value::acct_status_type;

/// A request that waits until others are answered. In an avalanche nearly everybody does, so it is
/// small.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    local: u32,
    serial: u32,
    scheduled: Timestamp,
}

/// The old session of an endpoint that has gone to another gateway.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) gateway: u16,
    serial: u32,
    session: DeviceSession,
    pub(super) address: Ipv4Addr,
}

impl Shard {
    /// Lets `event` happen to a device and does what its gateway must do. `scheduled` is when that
    /// had to be.
    pub(super) fn drive_device(
        &mut self,
        local: u32,
        event: Event<'_>,
        now: Timestamp,
        scheduled: Timestamp,
    ) {
        let global = self.global(local);
        let device = &mut self.devices[local as usize];
        let (before, address) = (device.phase(), device.address());
        let mut random = stream(self.plan.seed, global, device.serial(), &event, scheduled);
        let action = device.on(event, now, self.plan.population.rules(global), &mut random);
        let (after, wakes) = (device.phase(), device.wakes());
        self.striving =
            self.striving + usize::from(Self::strives(after)) - usize::from(Self::strives(before));
        if let Some(wakes) = wakes {
            self.timers.set(local, wakes);
        } else {
            self.timers.cancel(local);
            self.enqueue(local);
        }
        self.act(local, action, address, now, scheduled);
    }

    /// A device that stays away can be summoned again.
    fn enqueue(&mut self, local: u32) {
        let device = &self.devices[local as usize];
        if device.is_away() && !self.queued[local as usize] {
            self.queued[local as usize] = true;
            self.free.push_back(local);
        }
    }

    fn act(
        &mut self,
        local: u32,
        action: Action,
        address: Option<Ipv4Addr>,
        now: Timestamp,
        scheduled: Timestamp,
    ) {
        match action {
            Action::Nothing => self.stop_leaving(local, now),
            Action::AskToAttach | Action::Authorise => self.ask(local, now, scheduled),
            Action::ReportStart => {
                self.report(local, RequestKind::Start, now, scheduled);
                self.stop_leaving(local, now);
            }
            Action::ReportInterim => self.report(local, RequestKind::Interim, now, scheduled),
            Action::ReportStop(session, cause) => {
                let device = &self.devices[local as usize];
                let address = address.unwrap_or(Ipv4Addr::UNSPECIFIED);
                let leaving =
                    Leaving { gateway: device.gateway, serial: device.serial(), session, address };
                self.report_stop(local, &leaving, cause, now, scheduled);
                self.hold(local, leaving.address, Hold::Released, now);
            }
            Action::ReportDetach => self.report(local, RequestKind::Detach, now, scheduled),
            Action::Roam(session) => self.roam(local, session, address, now, scheduled),
            Action::Vanish(_) => {
                self.vanish(local, address.unwrap_or(Ipv4Addr::UNSPECIFIED), now);
            }
        }
    }

    /// The endpoint turns up at another gateway.
    fn roam(
        &mut self,
        local: u32,
        session: DeviceSession,
        address: Option<Ipv4Addr>,
        now: Timestamp,
        scheduled: Timestamp,
    ) {
        let device = &mut self.devices[local as usize];
        let address = address.unwrap_or(Ipv4Addr::UNSPECIFIED);
        let leaving = Leaving {
            gateway: device.gateway,
            serial: device.serial().wrapping_sub(1),
            session,
            address,
        };
        device.gateway = (device.gateway + 1) % self.gateways.len().max(1) as u16;
        match self.plan.roam {
            Roam::StopThenStart => {
                self.report_stop(local, &leaving, Cause::LOST_CARRIER, now, scheduled);
                self.hold(local, leaving.address, Hold::Released, now);
            }
            Roam::StartFirst => drop(self.leaving.insert(local, leaving)),
            Roam::NoStop => self.vanish(local, leaving.address, now),
        }
        self.ask(local, now, scheduled);
    }

    /// The old gateway of an endpoint that has arrived at another, or has not, reports the end
    /// there. The address goes with the endpoint.
    fn stop_leaving(&mut self, local: u32, now: Timestamp) {
        if let Some(leaving) = self.leaving.remove(&local) {
            self.report_stop(local, &leaving, Cause::LOST_CARRIER, now, now);
            if self.devices[local as usize].session().is_none() {
                self.hold(local, leaving.address, Hold::Released, now);
            }
        }
    }

    /// Its session is over, and nobody tells the server.
    pub(super) fn vanish(&mut self, local: u32, address: Ipv4Addr, now: Timestamp) {
        self.devices[local as usize].went_silently = true;
        self.hold(local, address, Hold::Lingering, now);
    }

    fn hold(&mut self, local: u32, address: Ipv4Addr, hold: Hold, now: Timestamp) {
        let endpoint =
            self.plan.population.endpoint(self.global(local), self.plan.seed, &mut self.names);
        self.referee.loosen(&endpoint, address, hold, now);
    }

    /// An Access-Request, now or when others are answered.
    fn ask(&mut self, local: u32, now: Timestamp, scheduled: Timestamp) {
        self.note_delay(now, scheduled);
        if self.waiting.is_empty()
            && self.outstanding() < self.plan.outstanding
            && self.ask_now(local, now, scheduled)
        {
            return;
        }
        self.counters.held_back += 1;
        self.waiting.push_back(Waiting {
            local,
            serial: self.devices[local as usize].serial(),
            scheduled,
        });
    }

    /// Those who wait go on as soon as they may.
    pub(super) fn admit_waiting(&mut self, now: Timestamp) {
        let mut room = self.plan.outstanding.saturating_sub(self.outstanding());
        while room > 0
            && let Some(waiting) = self.waiting.pop_front()
        {
            let Waiting { local, serial, scheduled } = waiting;
            let device = &self.devices[local as usize];
            let still_asks = Self::strives(device.phase())
                && device.serial() == serial
                && device.wakes().is_none();
            if still_asks && !self.ask_now(local, now, scheduled) {
                self.waiting.push_front(waiting);
                break;
            }
            room -= 1;
        }
    }

    fn ask_now(&mut self, local: u32, now: Timestamp, scheduled: Timestamp) -> bool {
        if !self.find_gateway(local) {
            // Nobody serves this area: the radio says so at once.
            self.drive_device(local, Event::Unanswered, now, now);
            return true;
        }
        let device = &self.devices[local as usize];
        let (kind, event) = match device.phase() {
            DevicePhase::Attaching => (RequestKind::Attach, Some(NetworkEvent::Attach)),
            DevicePhase::Detached
            | DevicePhase::Authorising
            | DevicePhase::Idle
            | DevicePhase::Active
            | DevicePhase::Closing => (RequestKind::Session, None),
        };
        let (gateway, serial) = (device.gateway, device.serial());
        let ticket = Ticket { kind, endpoint: Some(local), serial, scheduled };
        let charging_id = self.plan.charging_id(self.global(local), serial);
        self.send(gateway, local, ticket, now, |draft, profile, caller| {
            draft.access(profile, caller, charging_id, event);
        })
    }

    /// Moves the device to a gateway that is up; false if there is none.
    fn find_gateway(&mut self, local: u32) -> bool {
        let count = self.gateways.len();
        let own = usize::from(self.devices[local as usize].gateway);
        let Some(up) =
            (0..count).map(|step| (own + step) % count).find(|gateway| !self.down[*gateway])
        else {
            return false;
        };
        self.devices[local as usize].gateway = up as u16;
        true
    }

    /// A report about the present session, or the endpoint itself.
    fn report(&mut self, local: u32, kind: RequestKind, now: Timestamp, scheduled: Timestamp) {
        let device = &self.devices[local as usize];
        let (gateway, address, serial) =
            (device.gateway, device.address().unwrap_or(Ipv4Addr::UNSPECIFIED), device.serial());
        let ticket = Ticket { kind, endpoint: Some(local), serial, scheduled };
        let event_s = self.plan.seconds(gateway, now);
        let session =
            device.session().map(|session| (session.classes().clone(), session.reported()));
        let charging_id = self.plan.charging_id(self.global(local), serial);
        let sent = self.send(gateway, local, ticket, now, |draft, profile, caller| match session {
            Some((classes, usage)) => {
                let report = if kind == RequestKind::Start {
                    ReportType::Start
                } else {
                    ReportType::Interim(usage)
                };
                draft.accounting(
                    profile,
                    caller,
                    &BearerUsage { charging_id, address, classes: &classes },
                    report,
                    event_s,
                );
            }
            None => {
                draft.network_report(profile, caller, NetworkEvent::Detach, charging_id, event_s);
            }
        });
        self.note_delay(now, scheduled);
        self.counters.unsent += u64::from(!sent);
    }

    fn report_stop(
        &mut self,
        local: u32,
        leaving: &Leaving,
        cause: Cause,
        now: Timestamp,
        scheduled: Timestamp,
    ) {
        let Leaving { gateway, serial, session, address } = leaving;
        let ticket =
            Ticket { kind: RequestKind::Stop, endpoint: Some(local), serial: *serial, scheduled };
        let charging_id = self.plan.charging_id(self.global(local), *serial);
        let bearer = BearerUsage { charging_id, address: *address, classes: session.classes() };
        let (usage, event_s) = (session.usage(now), self.plan.seconds(*gateway, now));
        let sent = self.send(*gateway, local, ticket, now, |draft, profile, caller| {
            draft.accounting(profile, caller, &bearer, ReportType::Stop(usage, cause), event_s);
        });
        self.note_delay(now, scheduled);
        self.counters.unsent += u64::from(!sent);
    }

    /// Accounting-On or Accounting-Off: `kind` says which.
    pub(super) fn announce(&mut self, gateway: u16, kind: RequestKind, now: Timestamp) {
        let status = if kind == RequestKind::Off {
            acct_status_type::ACCOUNTING_OFF
        } else {
            acct_status_type::ACCOUNTING_ON
        };
        let ticket = Ticket { kind, endpoint: None, serial: 0, scheduled: now };
        let event_s = self.plan.seconds(gateway, now);
        let Self { gateways, raw, counters, interval, .. } = self;
        let gateway = &mut gateways[usize::from(gateway)];
        let profile = gateway.profile().clone();
        gateway.ask(now, ticket, |draft| draft.restart(&profile, status, event_s), raw);
        counters[kind].asked += 1;
        interval.asked += 1;
    }

    fn send(
        &mut self,
        gateway: u16,
        local: u32,
        ticket: Ticket,
        now: Timestamp,
        compose: impl FnOnce(&mut RequestDraft<'_, '_>, &Profile, &Caller<'_>),
    ) -> bool {
        let global = self.global(local);
        let Self { plan, gateways, raw, names, counters, interval, .. } = self;
        let endpoint = plan.population.endpoint(global, plan.seed, names);
        let caller = Caller {
            iccid: &names.iccid,
            imsi: &names.imsi,
            msisdn: &names.msisdn,
            identify: endpoint.identify,
            vendor: plan.vendor,
            apn: apn(plan, &endpoint),
            password: endpoint.password,
            rat: endpoint.rat,
            number: global,
        };
        let profile = &plan.gateways[usize::from(gateway)].profile;
        let sent = gateways[usize::from(gateway)].ask(
            now,
            ticket,
            |draft| compose(draft, profile, &caller),
            raw,
        );
        counters[ticket.kind].asked += u64::from(sent);
        interval.asked += u64::from(sent);
        sent
    }

    /// A generator that falls behind its own schedule must say so.
    fn note_delay(&mut self, now: Timestamp, scheduled: Timestamp) {
        let delay = now.since(scheduled);
        if delay > self.plan.tolerance {
            self.counters.behind += 1;
            self.counters.behind_most = self.counters.behind_most.max(delay);
        }
    }
}

fn apn<'a>(plan: &'a super::RunPlan, endpoint: &SimEndpoint<'_>) -> &'a str {
    endpoint
        .group
        .and_then(|group| plan.groups.get(usize::from(group)))
        .map_or("", |group| &group.apn)
}

/// Different events of one session draw from different streams, so that none depends on how often
/// another happened. What happens again and again in a session is told apart by its time.
fn stream(
    seed: u64,
    endpoint: u32,
    serial: u32,
    event: &Event<'_>,
    scheduled: Timestamp,
) -> RandomStream {
    let (kind, time) = match event {
        Event::Summoned => (1, 0),
        Event::Woken => (2, scheduled.millis() as u32),
        Event::Granted(_) => (3, 0),
        Event::Refused => (4, 0),
        Event::Unanswered => (5, 0),
        Event::Released => (6, 0),
        Event::Silenced => (7, 0),
        Event::Dismissed => (8, 0),
    };
    RandomStream::stream(
        seed,
        u64::from(endpoint) << 8 | kind,
        u64::from(serial) << 32 | u64::from(time),
    )
}
