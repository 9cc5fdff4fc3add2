//! Who reports: the configured gateway, the address the packet came from, and what the NAS calls
//! itself (RFC 2866 4.1).

use std::hash::{BuildHasher, Hash};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use foldhash::fast::FixedState;
use ipnet::IpNet;

use super::interned::Interned;
use crate::identity::GatewayId;

/// What a NAS said of itself, and where it sent from. All of it is kept (PROTOCOL 19).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Nas<'a> {
    /// A number for the whole, as first heard: part of a session's id, and all that older records
    /// know.
    pub code: u32,
    /// The source address. `None` in what older records tell.
    pub source: Option<IpAddr>,
    /// NAS-IP-Address.
    pub ip: Option<Ipv4Addr>,
    /// NAS-IPv6-Address.
    pub ipv6: Option<Ipv6Addr>,
    /// NAS-Identifier.
    pub identifier: Option<&'a [u8]>,
}

impl<'a> Nas<'a> {
    /// `0.0.0.0` and `::` are no addresses, and an empty identifier is none.
    #[must_use]
    pub fn new(
        source: IpAddr,
        ip: Option<Ipv4Addr>,
        ipv6: Option<Ipv6Addr>,
        identifier: Option<&'a [u8]>,
    ) -> Self {
        let ip = ip.filter(|ip| !ip.is_unspecified());
        let ipv6 = ipv6.filter(|ip| !ip.is_unspecified());
        let identifier = identifier.filter(|identifier| !identifier.is_empty());
        // In records it stands for the NAS: it must be the same in every process.
        let code = match (ip, ipv6, identifier, source) {
            (Some(ip), ..) => ip.into(),
            (None, Some(ipv6), ..) => crc32fast::hash(&ipv6.octets()),
            (None, None, Some(identifier), _) => crc32fast::hash(identifier),
            (None, None, None, IpAddr::V4(source)) => source.into(),
            (None, None, None, IpAddr::V6(source)) => crc32fast::hash(&source.octets()),
        };
        Self { code, source: Some(source), ip, ipv6, identifier }
    }

    /// What an older record tells of a NAS.
    #[must_use]
    pub const fn numbered(code: u32) -> Self {
        Self { code, source: None, ip: None, ipv6: None, identifier: None }
    }

    /// Whether it has a NAS attribute at all.
    #[must_use]
    pub const fn is_named(&self) -> bool {
        self.ip.is_some() || self.ipv6.is_some() || self.identifier.is_some()
    }

    /// Whether at least one attribute agrees, and none that both have differs (PROTOCOL 19).
    fn agrees_with(&self, other: &Nas<'_>) -> bool {
        let pairs = [
            same(self.ip, other.ip),
            same(self.ipv6, other.ipv6),
            same(self.identifier, other.identifier),
        ];
        pairs.contains(&Some(true)) && !pairs.contains(&Some(false))
    }

    /// Whether both are one NAS: by their attributes, or by the source address where neither has
    /// any.
    pub(super) fn is_same(&self, other: &Nas<'_>) -> bool {
        if self.source.is_none() || other.source.is_none() {
            return self.code == other.code;
        }
        match (self.is_named(), other.is_named()) {
            (true, true) => self.agrees_with(other),
            (false, false) => self.source == other.source,
            (true, false) | (false, true) => false,
        }
    }

    /// What is known of a NAS after it has said more. One address of several is as good as another
    /// while it is its gateway's.
    pub(super) fn joined(self, newer: Self, range: &IpNet) -> Self {
        Self {
            code: self.code,
            source: self.source.filter(|source| range.contains(source)).or(newer.source),
            ip: newer.ip.or(self.ip),
            ipv6: newer.ipv6.or(self.ipv6),
            identifier: newer.identifier.or(self.identifier),
        }
    }
}

fn same<T: PartialEq>(one: Option<T>, other: Option<T>) -> Option<bool> {
    Some(one? == other?)
}

/// The sender of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reporter<'a> {
    pub gateway: GatewayId,
    /// The addresses of that gateway, as configured.
    pub range: IpNet,
    pub nas: Nas<'a>,
}

impl Reporter<'_> {
    /// Whether that configured gateway is, or has become, the sender's: gateways are renamed and
    /// split, and a box keeps its address.
    pub(super) fn is_of(&self, gateway: GatewayId, source: Option<IpAddr>) -> bool {
        self.gateway == gateway || source.is_some_and(|source| self.range.contains(&source))
    }

    /// Whether its Accounting-On or -Off tells of the sessions of that NAS (PROTOCOL 19 and 20).
    pub(super) fn speaks_for(&self, gateway: GatewayId, nas: &Nas<'_>) -> bool {
        let is_one_address = self.range.prefix_len() == self.range.max_prefix_len();
        self.is_of(gateway, nas.source)
            && match (self.nas.source, nas.source) {
                // Older records: 0 stands for the whole gateway.
                (None, _) => self.nas.code == 0 || self.nas.code == nas.code,
                (Some(_), None) if self.nas.is_named() => self.nas.code == nas.code,
                _ if self.nas.is_named() => self.nas.agrees_with(nas),
                _ if is_one_address => true,
                (own, other) => !nas.is_named() && own == other,
            }
    }
}

/// A [`Nas`] that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnNas {
    code: u32,
    source: Option<IpAddr>,
    ip: Option<Ipv4Addr>,
    ipv6: Option<Ipv6Addr>,
    identifier: Option<Box<[u8]>>,
}

impl From<Nas<'_>> for OwnNas {
    fn from(nas: Nas<'_>) -> Self {
        Self {
            code: nas.code,
            source: nas.source,
            ip: nas.ip,
            ipv6: nas.ipv6,
            identifier: nas.identifier.map(Into::into),
        }
    }
}

impl OwnNas {
    pub(super) fn nas(&self) -> Nas<'_> {
        Nas {
            code: self.code,
            source: self.source,
            ip: self.ip,
            ipv6: self.ipv6,
            identifier: self.identifier.as_deref(),
        }
    }
}

/// Networks have thousands of gateways, with a few source addresses each. A session whose NAS finds
/// no place here keeps its own copy.
static KNOWN: Interned<Box<OwnNas>, { 1 << 15 }> = Interned::new();

/// A NAS of the shared table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SharedNas(NonZeroU16);

impl SharedNas {
    /// The shared copy of `nas`, if there is one or still room for it.
    pub(super) fn of(nas: &Nas<'_>) -> Option<Self> {
        let hash = FixedState::default().hash_one(nas);
        KNOWN.slot(hash, |known| known.nas() == *nas, || Box::new(OwnNas::from(*nas))).map(Self)
    }

    pub(super) fn nas(self) -> Nas<'static> {
        KNOWN.get(self.0).map_or_else(Nas::default, |known| known.nas())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    /// Written as `IP IPV6 IDENTIFIER`; `-` is absent.
    fn nas(source: IpAddr, text: &'static str) -> Nas<'static> {
        let mut words = text.split(' ').map(|word| Some(word).filter(|word| *word != "-"));
        let mut next = || words.next().flatten();
        let (ip, ipv6) =
            (next().map(|ip| ip.parse().unwrap()), next().map(|ip| ip.parse().unwrap()));
        Nas::new(source, ip, ipv6, next().map(str::as_bytes))
    }

    /// PROTOCOL 19: at least one agrees, and none that both have differs.
    #[test]
    fn on_and_off_match_by_what_both_have() {
        for (on, session, speaks) in [
            ("10.0.0.1 - -", "10.0.0.1 - -", true),
            ("10.0.0.1 - -", "10.0.0.1 - a", true),
            ("- - a", "10.0.0.1 - a", true),
            ("10.0.0.1 - a", "- - a", true),
            ("- 2001:db8::1 -", "10.0.0.1 2001:db8::1 a", true),
            ("10.0.0.1 - b", "10.0.0.1 - a", false),
            ("10.0.0.2 - a", "10.0.0.1 - a", false),
            ("- - b", "- - a", false),
            ("- - a", "10.0.0.1 - -", false),
            ("- 2001:db8::2 a", "- 2001:db8::1 a", false),
            // No addresses: the identifier alone counts.
            ("0.0.0.0 - a", "0.0.0.0 - a", true),
            ("0.0.0.0 - a", "0.0.0.0 - b", false),
            ("0.0.0.0 :: a", "10.0.0.1 - b", false),
            ("- - a", "- - -", false),
        ] {
            let reporter = Reporter {
                gateway: GatewayId::new(0),
                range: "192.0.2.0/24".parse().unwrap(),
                nas: nas(SOURCE, on),
            };
            assert_eq!(
                reporter.speaks_for(GatewayId::new(0), &nas(OTHER, session)),
                speaks,
                "{on}, {session}"
            );
        }
    }

    /// PROTOCOL 20.
    #[test]
    fn without_attributes_it_speaks_for_its_one_address_or_for_who_has_none_either() {
        for (range, source, session, speaks) in [
            ("192.0.2.1/32", SOURCE, "10.0.0.1 - a", true),
            ("192.0.2.1/32", SOURCE, "- - -", true),
            ("192.0.2.0/24", SOURCE, "- - -", true),
            ("192.0.2.0/24", SOURCE, "0.0.0.0 :: -", true),
            ("192.0.2.0/24", OTHER, "- - -", false),
            ("192.0.2.0/24", SOURCE, "- - a", false),
        ] {
            let reporter = Reporter {
                gateway: GatewayId::new(0),
                range: range.parse().unwrap(),
                nas: nas(SOURCE, "- - -"),
            };
            assert_eq!(
                reporter.speaks_for(GatewayId::new(0), &nas(source, session)),
                speaks,
                "{range}, {source}, {session}"
            );
        }
    }

    #[test]
    fn a_renamed_gateway_is_known_by_its_addresses() {
        let reporter = Reporter {
            gateway: GatewayId::new(1),
            range: "192.0.2.0/25".parse().unwrap(),
            nas: nas(SOURCE, "- - a"),
        };
        assert!(
            reporter.is_of(GatewayId::new(1), None)
                && reporter.is_of(GatewayId::new(0), Some(OTHER))
        );
        assert!(
            !reporter.is_of(GatewayId::new(0), None)
                && !reporter.is_of(GatewayId::new(0), Some([192, 0, 2, 200].into()))
        );
    }

    #[test]
    fn one_nas_has_one_number() {
        let one = SharedNas::of(&nas(SOURCE, "10.0.0.1 - a")).unwrap();
        assert_eq!(SharedNas::of(&nas(SOURCE, "10.0.0.1 - a")), Some(one));
        assert_ne!(SharedNas::of(&nas(OTHER, "10.0.0.1 - a")), Some(one));
        assert_eq!(one.nas(), nas(SOURCE, "10.0.0.1 - a"));
        assert_eq!(size_of::<Option<SharedNas>>(), 2);
    }

    /// They are part of records.
    #[test]
    fn codes_are_the_same_for_ever() {
        assert_eq!(nas(SOURCE, "10.0.0.1 2001:db8::7 pgw-01.example").code, 0x0a00_0001);
        assert_eq!(nas(SOURCE, "- - pgw-01.example").code, 0x1b4b_de03);
        assert_eq!(nas(SOURCE, "- - -").code, 0xc000_0201);
        assert_eq!(nas(SOURCE, "0.0.0.0 - -").code, 0xc000_0201);
    }
}
