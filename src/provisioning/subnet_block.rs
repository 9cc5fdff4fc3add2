//! Which ranges may be IPv6 subnets, and which prefixes they give (PROTOCOL 14 and 20).

use std::net::Ipv6Addr;
use std::ops::RangeInclusive;

use ipnet::{IpNet, Ipv6Net};

use crate::address::{AddressBlock, Ipv6Prefix};

/// The lengths of delegated prefixes that packet gateways take.
const DELEGATED: RangeInclusive<u8> = 48..=63;

/// What devices cannot use, and why.
const UNUSABLE: [(Ipv6Net, &str); 4] = [
    (net(0xfe80 << 112, 10), "is link-local (RFC 4291 2.5.6)"),
    (net(0xff00 << 112, 8), "is multicast (RFC 4291 2.7)"),
    (net(0, 96), "has the unspecified and the loopback address (RFC 4291 2.5)"),
    (net(0xffff << 32, 96), "is IPv4-mapped (RFC 4291 2.5.5.2)"),
];

const fn net(bits: u128, len: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), len)
}

/// What a subnet gives, by the keys that it is written with.
///
/// # Errors
/// What is wrong: the key, and the rule.
pub fn subnet_block(
    cidr: IpNet,
    prefix_length: Option<u8>,
    delegated_length: Option<u8>,
) -> Result<AddressBlock, (&'static str, String)> {
    let IpNet::V6(range) = cidr else {
        return match (prefix_length, delegated_length) {
            (None, None) => Ok(cidr.into()),
            (Some(_), _) => Err(("prefix_length", "an IPv4 subnet gives addresses".to_owned())),
            (None, Some(_)) => {
                Err(("delegated_length", "an IPv4 subnet gives addresses".to_owned()))
            }
        };
    };
    let (key, len) = match (prefix_length, delegated_length) {
        (Some(_), Some(_)) => {
            let what = "a subnet gives prefixes of one length; write a subnet for each";
            return Err(("delegated_length", what.to_owned()));
        }
        (Some(Ipv6Prefix::LINK) | None, None) => ("prefix_length", Ipv6Prefix::LINK),
        (Some(len), None) => {
            let what = format!("{len} is not 64: a device needs a /64 (RFC 5080 2.11)");
            return Err(("prefix_length", what));
        }
        (None, Some(len)) if DELEGATED.contains(&len) => ("delegated_length", len),
        (None, Some(len)) => {
            return Err(("delegated_length", format!("{len} is not between 48 and 63")));
        }
    };
    let overlaps = |other: &Ipv6Net| other.contains(&range) || range.contains(other);
    if let Some((_, why)) = UNUSABLE.iter().find(|(unusable, _)| overlaps(unusable)) {
        return Err(("cidr", format!("{range} {why}: a device cannot use its addresses")));
    }
    if range.prefix_len() > len {
        return Err((key, format!("{range} has no room for a /{len}")));
    }
    if len - range.prefix_len() > AddressBlock::MOST_BITS {
        let shortest = len - AddressBlock::MOST_BITS;
        return Err(("cidr", format!("{range} is larger than a /{shortest}")));
    }
    Ok(AddressBlock::new(cidr, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_names_its_key() {
        for (cidr, prefix, delegated, wanted) in [
            ("2001:db8:10::/48", None, None, "ok 64"),
            ("2001:db8:10::/48", Some(64), None, "ok 64"),
            ("2001:db8:10::/48", None, Some(56), "ok 56"),
            ("fd00::/16", None, Some(48), "ok 48"),
            ("10.0.0.0/8", None, None, "ok 32"),
            ("10.0.0.0/8", Some(64), None, "prefix_length"),
            ("10.0.0.0/8", None, Some(56), "delegated_length"),
            ("2001:db8:10::/48", Some(56), None, "prefix_length"),
            ("2001:db8:10::/48", Some(64), Some(56), "delegated_length"),
            ("2001:db8:10::/48", None, Some(64), "delegated_length"),
            ("2001:db8:10::/48", None, Some(47), "delegated_length"),
            ("2001:db8:10::/60", None, Some(56), "delegated_length"),
            ("2001:db8:10::/96", None, None, "prefix_length"),
            ("2000::/24", None, None, "cidr"),
            ("fe80::/64", None, None, "cidr"),
            ("ff00::/32", None, None, "cidr"),
            ("::/64", None, None, "cidr"),
        ] {
            let range = cidr.parse().unwrap();
            let block = subnet_block(range, prefix, delegated);
            let shown = block.map(|block| format!("ok {}", block.prefix_len()));
            assert_eq!(shown.unwrap_or_else(|(key, _)| key.to_owned()), wanted, "{cidr}");
        }
    }
}
