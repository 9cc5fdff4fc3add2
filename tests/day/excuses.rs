//! Which violations of the referee, who does not read the inventory files, are due to the operator.

use std::net::Ipv4Addr;
use std::time::Duration;

use attachd::provisioning::Subnet;
use attachd::simulator::referee::{Rule, Violation};
use attachd::time::Timestamp;
use ipnet::Ipv4Net;

use super::operator::{ANNEX_NETWORK, CHANGE_TELLS, Operator, POOLED};

/// So long after a change of subnets, who asks again may get another address than the one it was
/// promised, or none: what is in its hold counts.
const UNSETTLED: Duration = Duration::from_secs(180);

impl Operator {
    /// Whether something that the referee reports is due to the operator: the subnets were
    /// changed shortly before.
    pub fn excuses(&self, violation: &Violation) -> bool {
        self.excuses_suspended(violation)
            || self.excuses_other_subnets(violation)
            || self.excuses_moved(violation)
            || self.excuses_replaced(violation)
    }

    /// The suspended are refused. What they open all the same, their gateways tell again only when
    /// they may.
    fn excuses_suspended(&self, violation: &Violation) -> bool {
        let is_refused =
            violation.rule == Rule::Refused && violation.detail == "said: endpoint-suspended";
        let is_address = matches!(
            violation.rule,
            Rule::AddressDuplicate | Rule::AddressEarly | Rule::AddressChanged
        );
        let others = violation.detail.split(' ').chain(violation.endpoint.as_deref());
        let was_suspended =
            |after| others.clone().any(|iccid| self.suspended_within(iccid, violation.at, after));
        is_refused && was_suspended(Duration::from_secs(10))
            || is_address && was_suspended(CHANGE_TELLS)
    }

    fn excuses_other_subnets(&self, violation: &Violation) -> bool {
        let Some(group) = POOLED.iter().position(|pooled| {
            violation.endpoint.as_ref().is_some_and(|iccid| iccid.starts_with(pooled.iccid))
        }) else {
            return false;
        };
        let end_of = |place: usize| self.layouts.get(place + 1).map(|(since, _)| *since);
        let recent = self.layouts.iter().enumerate().filter(|(place, (since, _))| {
            *since <= violation.at
                && end_of(*place).is_none_or(|end| end + UNSETTLED >= violation.at)
        });
        let recent: Vec<&Vec<Subnet>> = recent.map(|(_, (_, layout))| &layout[group]).collect();
        match violation.rule {
            Rule::AddressChanged => {
                let kept = violation.detail.rsplit(' ').next().and_then(|kept| kept.parse().ok());
                kept.is_some_and(|kept| {
                    !recent.iter().all(|subnets| subnets.iter().any(|subnet| subnet.offers(kept)))
                })
            }
            Rule::Refused => violation.detail == "said: pool-exhausted" && recent.len() > 1,
            _ => false,
        }
    }

    /// Who was moved gets an address of the other VSlice, and the referee does not hear that it
    /// gave back the one it had. Whether it is another's as well is compared in the server itself.
    fn excuses_moved(&self, violation: &Violation) -> bool {
        let annex: Ipv4Net = ANNEX_NETWORK.parse().unwrap();
        let has_moved = violation.endpoint.as_ref().is_some_and(|name| self.has_moved(name));
        let words = || violation.detail.split([' ', ':']);
        let addresses: Vec<Ipv4Addr> = words().filter_map(|word| word.parse().ok()).collect();
        let is_annex = |ip: &&Ipv4Addr| annex.contains(*ip);
        match violation.rule {
            Rule::AddressOutside => {
                has_moved && addresses.first().is_some_and(|ip| annex.contains(ip))
            }
            Rule::AddressChanged => has_moved && addresses.iter().filter(is_annex).count() == 1,
            Rule::AddressDuplicate => words().any(|word| self.has_moved(word)),
            Rule::AddressEarly => words().any(|word| self.was_away(word, violation.at)),
            _ => false,
        }
    }

    /// Whether an endpoint was in the other VSlice then. A session that it opens there supersedes the
    /// one it left behind, whose address is given back at once; a late Stop of that one is all that
    /// the referee hears of it.
    fn was_away(&self, iccid: &str, at: Timestamp) -> bool {
        let moves = self.moves.get(iccid).map(Vec::as_slice).unwrap_or_default();
        moves.partition_point(|since| *since <= at) % 2 == 1
    }

    /// The endpoint that takes the place of another has addresses of its own, and the referee does
    /// not hear that the former one was given back.
    fn excuses_replaced(&self, violation: &Violation) -> bool {
        let words = violation.detail.split([' ', ':']).chain(violation.endpoint.as_deref());
        let was_replaced = |after| {
            words
                .clone()
                .filter_map(|name| self.owners.get(name))
                .flatten()
                .any(|(since, _)| *since <= violation.at && *since + after >= violation.at)
        };
        match violation.rule {
            Rule::AddressChanged | Rule::AddressDuplicate => was_replaced(Duration::MAX / 4),
            Rule::AddressEarly => was_replaced(CHANGE_TELLS * 2),
            _ => false,
        }
    }
}
