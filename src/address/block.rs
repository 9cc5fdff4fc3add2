//! The addresses of one subnet, numbered from 0: IPv4 addresses, or the prefixes of one length
//! inside a longer range.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnet::IpNet;

use super::ranges::OffsetRanges;
use super::{Address, AddressKind, Ipv6Prefix};

/// A range, and how long the prefixes are that are given out of it. At most 2^32 of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressBlock {
    cidr: IpNet,
    /// Of each address: 32 for IPv4.
    len: u8,
}

impl AddressBlock {
    /// The most bits that tell one prefix of a range from another.
    pub const MOST_BITS: u8 = 32;

    /// The prefixes of that length in an IPv6 range, which is not longer, and at most 32 bits
    /// shorter. Of IPv4 the length is 32, whatever is said.
    #[must_use]
    pub fn new(cidr: IpNet, len: u8) -> Self {
        let len = if matches!(cidr, IpNet::V4(_)) { 32 } else { len };
        Self { cidr: cidr.trunc(), len: len.min(cidr.prefix_len() + Self::MOST_BITS) }
    }

    #[must_use]
    pub const fn cidr(&self) -> IpNet {
        self.cidr
    }

    /// The length of each of its addresses, in bits.
    #[must_use]
    pub const fn prefix_len(&self) -> u8 {
        self.len
    }

    /// What is given out of it.
    #[must_use]
    pub const fn kind(&self) -> AddressKind {
        match (self.cidr, self.len) {
            (IpNet::V4(_), _) => AddressKind::Ipv4,
            (IpNet::V6(_), Ipv6Prefix::LINK) => AddressKind::Link,
            (IpNet::V6(_), _) => AddressKind::Delegated,
        }
    }

    /// Whether it is an address of this subnet, given by choice or not.
    #[must_use]
    pub fn contains(&self, ip: Address) -> bool {
        self.offset(ip).is_some()
    }

    /// Whether it may be given: it is one of these, not reserved, and not excluded.
    #[must_use]
    pub fn offers(&self, ip: Address, exclude: &[IpNet]) -> bool {
        self.offset(ip).is_some_and(|offset| {
            !self.reserved().any(|(first, last)| (first..=last).contains(&offset))
                && !exclude.iter().any(|range| {
                    self.part(*range).is_some_and(|(first, last)| (first..=last).contains(&offset))
                })
        })
    }

    /// How many may be given by choice.
    #[must_use]
    pub fn capacity(&self, exclude: &[IpNet]) -> u64 {
        self.size() - self.excluded(exclude).size()
    }

    /// The number of an address, from 0.
    #[must_use]
    pub fn offset(&self, ip: Address) -> Option<u32> {
        let (number, base) = match (ip, self.cidr) {
            (Address::V4(ip), IpNet::V4(cidr)) => {
                (u64::from(ip.to_bits()), u64::from(cidr.network().to_bits()))
            }
            (Address::V6(prefix), IpNet::V6(_)) if prefix.prefix_len() == self.len => {
                (self.unit(prefix.bits()), self.base())
            }
            (Address::V4(_) | Address::V6(_), IpNet::V4(_) | IpNet::V6(_)) => return None,
        };
        let offset = number.checked_sub(base).filter(|offset| *offset < self.size())?;
        u32::try_from(offset).ok()
    }

    /// The inverse of [`Self::offset`].
    #[must_use]
    pub fn address(&self, offset: u32) -> Address {
        match self.cidr {
            IpNet::V4(cidr) => {
                Ipv4Addr::from_bits(cidr.network().to_bits().wrapping_add(offset)).into()
            }
            IpNet::V6(_) => {
                let unit = self.base() + u64::from(offset);
                Ipv6Prefix::of_bits(unit << self.shift(), self.len).into()
            }
        }
    }

    /// How many there are.
    #[must_use]
    pub const fn size(&self) -> u64 {
        1 << self.len.saturating_sub(match self.cidr {
            IpNet::V4(cidr) => cidr.prefix_len(),
            IpNet::V6(cidr) => cidr.prefix_len(),
        })
    }

    /// What is never given by choice: reserved addresses, and the ranges configured.
    #[must_use]
    pub fn excluded(&self, exclude: &[IpNet]) -> OffsetRanges {
        let inside = exclude.iter().filter_map(|range| self.part(*range));
        OffsetRanges::of(self.reserved().chain(inside))
    }

    /// Of IPv4: network, broadcast and first host address of a subnet shorter than /31 (PROTOCOL
    /// 7). Of IPv6 the first prefix, unless it is the only one.
    fn reserved(&self) -> impl Iterator<Item = (u32, u32)> + use<> {
        let last = (self.size() - 1) as u32;
        let (first, broadcast) = match self.cidr {
            IpNet::V4(_) if last > 1 => (Some((0, 1)), Some((last, last))),
            IpNet::V6(_) if last > 0 => (Some((0, 0)), None),
            IpNet::V4(_) | IpNet::V6(_) => (None, None),
        };
        first.into_iter().chain(broadcast)
    }

    /// The addresses that have anything in common with a range, however long that is.
    fn part(&self, range: IpNet) -> Option<(u32, u32)> {
        let (first, last, base) = match (range, self.cidr) {
            (IpNet::V4(range), IpNet::V4(cidr)) => (
                u64::from(range.network().to_bits()),
                u64::from(range.broadcast().to_bits()),
                u64::from(cidr.network().to_bits()),
            ),
            (IpNet::V6(range), IpNet::V6(_)) => {
                let unit = |ip: std::net::Ipv6Addr| self.unit((ip.to_bits() >> 64) as u64);
                (unit(range.network()), unit(range.broadcast()), self.base())
            }
            (IpNet::V4(_) | IpNet::V6(_), IpNet::V4(_) | IpNet::V6(_)) => return None,
        };
        let (first, last) = (first.max(base), last.min(base + self.size() - 1));
        (first <= last).then(|| ((first - base) as u32, (last - base) as u32))
    }

    /// The number of the prefix that has these upper 64 bits, counted from `::`.
    const fn unit(&self, upper: u64) -> u64 {
        upper >> self.shift()
    }

    const fn shift(&self) -> u8 {
        // A length of 0 does not occur: a range of that length would have one prefix.
        if self.len == 0 { 63 } else { Ipv6Prefix::LINK.saturating_sub(self.len) }
    }

    fn base(&self) -> u64 {
        match self.cidr {
            IpNet::V4(_) => 0,
            IpNet::V6(cidr) => self.unit((cidr.network().to_bits() >> 64) as u64),
        }
    }
}

impl FromStr for AddressBlock {
    type Err = ipnet::AddrParseError;

    /// Of a range alone: IPv4 addresses, or the prefixes of PDN connections.
    fn from_str(cidr: &str) -> Result<Self, ipnet::AddrParseError> {
        cidr.parse::<IpNet>().map(Self::from)
    }
}

impl fmt::Display for AddressBlock {
    /// The range, by which people call it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cidr.fmt(f)
    }
}

impl From<IpNet> for AddressBlock {
    fn from(cidr: IpNet) -> Self {
        Self::new(cidr, Ipv6Prefix::LINK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(cidr: &str, len: u8) -> AddressBlock {
        AddressBlock::new(cidr.parse().unwrap(), len)
    }

    #[test]
    fn prefixes_are_numbered_in_their_range() {
        for (cidr, len, size, offset, address) in [
            ("2001:db8:10::/48", 64, 65_536, 7, "2001:db8:10:7::/64"),
            ("2001:db8:10::/48", 56, 256, 255, "2001:db8:10:ff00::/56"),
            ("2001:db8::/40", 64, 1 << 24, 0xff_ffff, "2001:db8:ff:ffff::/64"),
            ("2001:db8::/32", 64, 1 << 32, u32::MAX, "2001:db8:ffff:ffff::/64"),
            ("fd00::/16", 48, 1 << 32, 1, "fd00:0:1::/48"),
            ("10.0.0.0/8", 32, 1 << 24, 256, "10.0.1.0"),
        ] {
            let (block, address) = (block(cidr, len), address.parse().unwrap());
            assert_eq!((block.size(), block.offset(address)), (size, Some(offset)), "{cidr}");
            assert_eq!(block.address(offset), address);
        }
        let links = block("2001:db8:10::/48", 64);
        for other in ["2001:db8:11::/64", "2001:db8:10::/56", "10.0.0.1"] {
            assert_eq!(links.offset(other.parse().unwrap()), None, "{other}");
        }
    }

    #[test]
    fn the_capacity_is_what_is_offered() {
        let cases: [(&str, &[&str]); 8] = [
            ("100.64.0.0/24", &[]),
            ("100.64.0.0/24", &["100.64.0.0/28", "100.64.0.8/32", "100.64.0.255/32"]),
            ("100.64.0.0/24", &["100.64.0.128/25", "100.64.0.192/26"]),
            ("100.64.0.0/24", &["100.64.0.0/24"]),
            ("100.64.0.0/30", &[]),
            ("100.64.0.0/31", &[]),
            ("100.64.0.7/32", &[]),
            ("2001:db8::/56", &["2001:db8::/62", "2001:db8:0:f0::7/128"]),
        ];
        for (cidr, exclude) in cases {
            let exclude: Vec<IpNet> = exclude.iter().map(|range| range.parse().unwrap()).collect();
            let block: AddressBlock = cidr.parse().unwrap();
            let all = (0..block.size()).map(|offset| block.address(offset as u32));
            let offered = all.filter(|ip| block.offers(*ip, &exclude)).count() as u64;
            assert_eq!(block.capacity(&exclude), offered, "{block:?}");
        }
    }

    #[test]
    fn the_first_is_reserved_and_exclusions_are_of_any_length() {
        let links = block("2001:db8:10::/48", 64);
        let exclude = |ranges: &[&str]| -> Vec<IpNet> {
            ranges.iter().map(|range| range.parse().unwrap()).collect()
        };
        assert_eq!(links.capacity(&[]), 65_535);
        assert_eq!(links.capacity(&exclude(&["2001:db8:10:100::/56"])), 65_279);
        assert_eq!(links.capacity(&exclude(&["2001:db8:10:7::53/128"])), 65_534);
        assert_eq!(links.capacity(&exclude(&["2001:db8::/32"])), 0);
        assert_eq!(block("2001:db8:10::/64", 64).capacity(&[]), 1, "the only one");
        let offers =
            |prefix: &str, ranges: &[&str]| links.offers(prefix.parse().unwrap(), &exclude(ranges));
        assert!(!offers("2001:db8:10::/64", &[]));
        assert!(offers("2001:db8:10:7::/64", &[]));
        assert!(!offers("2001:db8:10:7::/64", &["2001:db8:10:7::53/128"]));
    }
}
