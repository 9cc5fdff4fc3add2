//! The smallest parts of a record: numbers, times, texts, blocks. Writing cannot fail; reading
//! believes nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::address::Ipv6Prefix;
use crate::identity::GatewayId;
use crate::network::Nas;
use crate::provisioning::Origin;
use crate::time::Timestamp;

/// Appends to a record.
pub(super) struct FieldWriter<'b>(pub &'b mut Vec<u8>);

impl FieldWriter<'_> {
    pub(super) fn octet(&mut self, octet: u8) {
        self.0.push(octet);
    }

    pub(super) fn raw(&mut self, octets: &[u8]) {
        self.0.extend_from_slice(octets);
    }

    /// Seven bits an octet, low ones first; the upper bit says that more follow.
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// As the difference to a time that the reader knows, small ones in few octets, whatever their
    /// sign.
    pub(super) fn time(&mut self, time: Timestamp, base: Timestamp) {
        let difference = time.micros().wrapping_sub(base.micros()).cast_signed();
        self.number(((difference << 1) ^ (difference >> 63)).cast_unsigned());
    }

    pub(super) fn octets(&mut self, octets: &[u8]) {
        self.number(octets.len() as u64);
        self.raw(octets);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.octets(text.as_bytes());
    }

    pub(super) fn ipv4(&mut self, ip: Ipv4Addr) {
        self.raw(&ip.octets());
    }

    /// The length, and the upper 64 bits.
    pub(super) fn prefix(&mut self, prefix: Ipv6Prefix) {
        self.octet(prefix.prefix_len());
        self.raw(&prefix.bits().to_be_bytes());
    }

    /// As every version has written a sender: the gateway, and a number for the NAS.
    pub(super) fn sender(&mut self, gateway: GatewayId, nas: &Nas<'_>) {
        self.number(gateway.index() as u64);
        self.raw(&nas.code.to_be_bytes());
    }

    pub(super) fn address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(ip) => {
                self.octet(4);
                self.ipv4(ip);
            }
            IpAddr::V6(ip) => {
                self.octet(6);
                self.raw(&ip.octets());
            }
        }
    }

    pub(super) fn range(&mut self, range: &IpNet) {
        self.address(range.addr());
        self.octet(range.prefix_len());
    }

    /// Everything of a NAS but its number.
    pub(super) fn nas(&mut self, nas: &Nas<'_>) {
        let there =
            [nas.source.is_some(), nas.ip.is_some(), nas.ipv6.is_some(), nas.identifier.is_some()];
        self.octet((0..).zip(there).map(|(bit, is_there)| u8::from(is_there) << bit).sum());
        nas.source.into_iter().for_each(|source| self.address(source));
        nas.ip.into_iter().for_each(|ip| self.ipv4(ip));
        nas.ipv6.into_iter().for_each(|ip| self.raw(&ip.octets()));
        nas.identifier.into_iter().for_each(|identifier| self.octets(identifier));
    }

    /// What `body` writes, with its length before it.
    pub(super) fn block(&mut self, body: impl FnOnce(&mut FieldWriter<'_>)) {
        let start = self.0.len();
        // Room for a length of two octets, which nearly all have.
        self.0.extend_from_slice(&[0; 2]);
        body(&mut FieldWriter(self.0));
        let length = (self.0.len() - start - 2) as u64;
        if length < 1 << 14 {
            self.0[start] = length as u8 | 0x80;
            self.0[start + 1] = (length >> 7) as u8;
        } else {
            let mut prefix = Vec::new();
            FieldWriter(&mut prefix).number(length);
            self.0.splice(start..start + 2, prefix);
        }
    }
}

/// The rest of a record. `None` from any method: the octets are not what they should be.
#[derive(Clone)]
pub(super) struct FieldReader<'a>(pub &'a [u8]);

impl<'a> FieldReader<'a> {
    pub(super) fn octet(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn raw(&mut self, length: usize) -> Option<&'a [u8]> {
        let (front, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(front)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*front)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let octet = self.octet()?;
            let bits = u64::from(octet & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if octet < 0x80 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn number_u32(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    pub(super) fn time(&mut self, base: Timestamp) -> Option<Timestamp> {
        let coded = self.number()?;
        let difference = (coded >> 1) ^ (coded & 1).wrapping_neg();
        Some(Timestamp::from_micros(base.micros().wrapping_add(difference)))
    }

    pub(super) fn octets(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?.try_into().ok()?;
        self.raw(length)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        str::from_utf8(self.octets()?).ok()
    }

    pub(super) fn ipv4(&mut self) -> Option<Ipv4Addr> {
        self.array::<4>().map(Ipv4Addr::from)
    }

    pub(super) fn ipv6(&mut self) -> Option<Ipv6Addr> {
        self.array::<16>().map(Ipv6Addr::from)
    }

    pub(super) fn prefix(&mut self) -> Option<Ipv6Prefix> {
        let len = self.octet().filter(|len| *len <= Ipv6Prefix::LINK)?;
        Some(Ipv6Prefix::of_bits(u64::from_be_bytes(self.array()?), len))
    }

    pub(super) fn sender(&mut self) -> Option<(GatewayId, Nas<'static>)> {
        let gateway = GatewayId::new(handle(self.number()?)?);
        Some((gateway, Nas::numbered(u32::from_be_bytes(self.array()?))))
    }

    pub(super) fn address(&mut self) -> Option<IpAddr> {
        match self.octet()? {
            4 => Some(self.ipv4()?.into()),
            6 => Some(self.ipv6()?.into()),
            _ => None,
        }
    }

    pub(super) fn range(&mut self) -> Option<IpNet> {
        let address = self.address()?;
        IpNet::new(address, self.octet()?).ok()
    }

    /// The NAS of that number.
    pub(super) fn nas(&mut self, code: u32) -> Option<Nas<'a>> {
        let there = self.octet()?;
        let mut nas = Nas::numbered(code);
        if there & 1 != 0 {
            nas.source = Some(self.address()?);
        }
        if there & 2 != 0 {
            nas.ip = Some(self.ipv4()?);
        }
        if there & 4 != 0 {
            nas.ipv6 = Some(self.ipv6()?);
        }
        if there & 8 != 0 {
            nas.identifier = Some(self.octets()?);
        }
        Some(nas)
    }

    /// A block; whatever its reader leaves of it was written by a newer version.
    pub(super) fn block(&mut self) -> Option<Self> {
        self.octets().map(Self)
    }

    /// How many things follow. No more than there are octets, so that a bad number reserves no
    /// memory.
    pub(super) fn count(&mut self) -> Option<usize> {
        let count = self.number()?.try_into().ok()?;
        (count <= self.0.len()).then_some(count)
    }
}

/// Its octets are random: a varint would take two more.
pub(super) fn write_origin(writer: &mut FieldWriter<'_>, origin: Origin) {
    writer.raw(&origin.bits().to_le_bytes());
}

pub(super) fn read_origin(reader: &mut FieldReader<'_>) -> Option<Origin> {
    reader.array().map(u64::from_le_bytes).map(Origin::from_bits)
}

/// How many, then each.
pub(super) fn list<T, I: Iterator<Item = T>>(
    writer: &mut FieldWriter<'_>,
    things: impl Fn() -> I,
    mut write: impl FnMut(&mut FieldWriter<'_>, T),
) {
    writer.number(things().count() as u64);
    for thing in things() {
        write(writer, thing);
    }
}

pub(super) fn read_list<'a, T>(
    reader: &mut FieldReader<'a>,
    mut read: impl FnMut(&mut FieldReader<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let count = reader.count()?;
    (0..count).map(|_| read(reader)).collect()
}

/// What stands for the addresses of a gateway in records from before they were kept: nobody's.
pub(super) const NO_RANGE: IpNet = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 32));

/// The index of a handle.
pub(super) fn handle(number: u64) -> Option<usize> {
    u32::try_from(number).ok().filter(|index| *index < u32::MAX).map(|index| index as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(number: u64, time: u64, base: u64, text: String, length in 0..40_000usize) {
            let (time, base) = (Timestamp::from_micros(time), Timestamp::from_micros(base));
            let mut octets = Vec::new();
            let mut writer = FieldWriter(&mut octets);
            writer.number(number);
            writer.time(time, base);
            writer.block(|block| block.raw(&vec![7; length]));
            writer.text(&text);
            let mut reader = FieldReader(&octets);
            prop_assert_eq!(reader.number(), Some(number));
            prop_assert_eq!(reader.time(base), Some(time));
            prop_assert_eq!(reader.block().unwrap().0.len(), length);
            prop_assert_eq!(reader.text(), Some(&*text));
            prop_assert!(reader.0.is_empty());
        }

        #[test]
        fn any_octets_are_read_without_a_panic(octets: Vec<u8>) {
            let reader = FieldReader(&octets);
            let _ = (reader.clone().number(), reader.clone().time(Timestamp::EPOCH), reader.clone().text(), reader.clone().block().is_some());
            let _ = (reader.clone().count(), reader.clone().sender(), reader.clone().ipv6());
            let _ = (reader.clone().nas(1), reader.clone().range());
        }
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_none() {
        assert_eq!(FieldReader(&[0xff; 10]).number(), None);
        assert_eq!(
            FieldReader(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).number(),
            Some(u64::MAX)
        );
        assert_eq!(
            FieldReader(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).number(),
            None
        );
        assert_eq!(FieldReader(&[0x80]).number(), None);
    }
}
