//! Access-Request: may this endpoint attach and open a session, and with which address (PROTOCOL 4,
//! 5 and 7).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::admission::admit;
use super::grant::granted_kinds;
use super::identify::identify;
use super::transaction::EndpointTxn;
use super::{Aaa, Accept, AccessRequest, AskedFamilies, Class, Recorder, RejectReason, Verdict};
use crate::address::Address;
use crate::event::EventKind;
use crate::identity::Iccid;
use crate::network::{Few, authorise, mix};
use crate::provisioning::Allocation;
use crate::time::Timestamp;

impl Aaa {
    /// Decides an Access-Request. If it is accepted, the endpoint is attached, and its address is
    /// held for the Start to come.
    pub fn authorize(
        &self,
        request: &AccessRequest<'_>,
        now: Timestamp,
        records: &mut impl Recorder,
    ) -> Verdict {
        let iccid = match identify(&request.subject, &self.settings.identity_order, &self.tracker) {
            Ok(iccid) => iccid,
            Err(reason) => {
                self.note_refused(&request.subject, reason, now);
                return Verdict::Reject(reason);
            }
        };
        let plan = self.plan();
        let decided = self.tracker.with(iccid, |entry| {
            let mut txn = EndpointTxn::begin(self, &plan, iccid, entry, now, records);
            let decided = txn.authorize(request);
            match &decided {
                Ok(accept) => {
                    txn.tell(EventKind::Authenticated, |detail| {
                        let apn = request.apn.map(String::from_utf8_lossy);
                        detail.text_or_null("apn", apn.as_deref());
                        detail.plain_or_null("ip", accept.ip());
                        detail.flag("attachOnly", request.attach_only);
                    });
                    txn.attest();
                }
                Err(reason) => {
                    txn.tell_refusal(*reason, request.apn);
                    txn.end();
                }
            }
            decided
        });
        match decided {
            Some(Ok(accept)) => Verdict::Accept(accept),
            Some(Err(reason)) => {
                self.refusals.note(iccid, reason, false, now);
                Verdict::Reject(reason)
            }
            None => Verdict::Reject(RejectReason::EndpointUnknown),
        }
    }
}

impl<R: Recorder> EndpointTxn<'_, R> {
    fn authorize(&mut self, request: &AccessRequest<'_>) -> Result<Accept, RejectReason> {
        let plan = self.plan;
        let admission = admit(&self.entry.endpoint, &plan.catalog, request.apn)?;
        let group = admission.group;
        let place = self.policy_of(group).map(|policy| {
            let at = self.circumstances(&(request.located)());
            (policy, at)
        });
        if let Some((policy, at)) = &place {
            self.permit(policy, at)?;
        }
        let is_proven = !request.unusable_credentials
            && group.credentials.as_ref().is_none_or(|demanded| (request.proves)(demanded));
        if !is_proven {
            return Err(RejectReason::BadCredentials);
        }
        let authorisation = authorise(self.iccid, self.now);
        let kinds = granted_kinds(&admission, request.asked)?;
        let addresses = if request.attach_only && group.allocation == Allocation::Pooled {
            Few::new()
        } else {
            self.grant_addresses(&admission, &kinds)?
        };
        let attached = self.entry.state.attach(self.now);
        self.follow(&attached);
        if !request.attach_only {
            let until = self.now + self.aaa.settings.authorization_hold;
            for ip in &addresses {
                self.entry.state.authorise(admission.id, ip.kind(), until, authorisation);
            }
            if let AskedFamilies::Some { is_part: true, .. } = request.asked {
                self.add_to_session(&admission, &addresses);
            }
        }
        if let Some((policy, at)) = &place {
            self.learn_device(policy, at);
        }
        let (dns, dns_ipv6) = servers(&admission.vslice.dns, &addresses);
        Ok(Accept {
            addresses,
            class: Class::new(authorisation),
            group: admission.id,
            session_timeout_s: group.session_timeout_s,
            idle_timeout_s: group.idle_timeout_s,
            interim_interval_s: jittered(group.interim_interval_s, self.iccid),
            dns,
            dns_ipv6,
        })
    }
}

/// The DNS servers of the families that are granted; without an address those of IPv4, as an attach
/// has always been told them.
fn servers(dns: &[IpAddr], granted: &[Address]) -> ([Option<Ipv4Addr>; 2], [Option<Ipv6Addr>; 2]) {
    let has_ipv6 = granted.iter().any(|ip| ip.kind().is_ipv6());
    let has_ipv4 = !has_ipv6 || granted.iter().any(|ip| !ip.kind().is_ipv6());
    let mut ipv4 = dns.iter().filter_map(|server| match server {
        IpAddr::V4(server) => has_ipv4.then_some(*server),
        IpAddr::V6(_) => None,
    });
    let mut ipv6 = dns.iter().filter_map(|server| match server {
        IpAddr::V6(server) => has_ipv6.then_some(*server),
        IpAddr::V4(_) => None,
    });
    ([ipv4.next(), ipv4.next()], [ipv6.next(), ipv6.next()])
}

/// Spreads the interims of a fleet that attached at once over a tenth of the interval, each
/// endpoint always the same (RFC 2869 2.1). Never below 60 s (RFC 2869 5.16).
fn jittered(interval_s: u32, iccid: Iccid) -> u32 {
    if interval_s == 0 {
        return 0;
    }
    let spread = u64::from(interval_s / 10) + 1;
    let jitter = (mix(iccid.raw()) % spread) as u32;
    (interval_s - interval_s / 20 + jitter).max(60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interims_are_spread_but_near_their_interval() {
        let intervals: Vec<u32> = (0..1000)
            .map(|n| jittered(600, Iccid::parse(format!("8944{n:015}").as_bytes()).unwrap()))
            .collect();
        assert!(intervals.iter().all(|interval| (570..=630).contains(interval)));
        let early = intervals.iter().filter(|interval| **interval < 600).count();
        assert!((400..600).contains(&early), "{early} of 1000 below the interval");
        assert_eq!(jittered(0, Iccid::parse(b"8944500000000000014").unwrap()), 0);
        assert_eq!(jittered(60, Iccid::parse(b"8944500000000000014").unwrap()), 60);
    }
}
