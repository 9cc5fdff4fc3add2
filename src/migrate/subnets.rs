//! Which subnets hold the addresses that SIMs have.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// Longer ones would have no room for another SIM.
const LONGEST: u8 = 29;

/// The subnets that offer all these addresses and do not overlap, each as small as can be; near
/// addresses share one.
pub(super) fn covering(addresses: impl IntoIterator<Item = Ipv4Addr>) -> Vec<Ipv4Net> {
    let mut left: Vec<Ipv4Addr> = addresses.into_iter().collect();
    left.sort_unstable();
    let mut subnets: Vec<Ipv4Net> = Vec::new();
    let mut rest = left.as_slice();
    while let Some(first) = rest.first() {
        // Of one /16, as long as nothing else asks for more.
        let near = |ip: &Ipv4Addr| u32::from(*ip) >> 16 == u32::from(*first) >> 16;
        let count = rest.iter().take_while(|ip| near(ip)).count();
        subnets.push(smallest(&rest[..count]));
        rest = &rest[count..];
    }
    subnets.sort_unstable_by_key(Ipv4Net::prefix_len);
    let mut apart: Vec<Ipv4Net> = Vec::new();
    for subnet in subnets {
        if !apart.iter().any(|wider| wider.contains(&subnet)) {
            apart.push(subnet);
        }
    }
    apart.sort_unstable();
    apart
}

fn smallest(addresses: &[Ipv4Addr]) -> Ipv4Net {
    let first = addresses.first().copied().unwrap_or(Ipv4Addr::UNSPECIFIED);
    let fits = |net: &Ipv4Net| {
        addresses.iter().all(|ip| {
            let reserved = [
                u32::from(net.network()),
                u32::from(net.network()) + 1,
                u32::from(net.broadcast()),
            ];
            net.contains(ip) && !reserved.contains(&u32::from(*ip))
        })
    };
    let nets = (1..=LONGEST).rev().filter_map(|length| Ipv4Net::new(first, length).ok());
    nets.map(|net| net.trunc()).find(fits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_are_small_offer_all_and_lie_apart() {
        let of = |all: &[&str]| {
            let subnets = covering(all.iter().map(|ip| ip.parse().unwrap()));
            subnets.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        for (addresses, wanted) in [
            (&[][..], ""),
            (&["10.0.0.7"], "10.0.0.0/28"),
            (&["10.0.0.2"], "10.0.0.0/29"),
            (&["10.0.0.5", "10.0.1.7"], "10.0.0.0/23"),
            (&["10.0.0.5", "10.2.0.5"], "10.0.0.0/29 10.2.0.0/29"),
            // The first host of every shorter prefix, too.
            (&["10.1.0.1"], "10.0.0.0/15"),
            (&["10.1.0.1", "10.0.0.9"], "10.0.0.0/15"),
        ] {
            assert_eq!(of(addresses), wanted, "{addresses:?}");
        }
    }
}
