//! The UUID of an endpoint, by which platforms name it.

use uuid::{Uuid, Variant};

use super::Iccid;

/// The octets with which the UUID of every endpoint begins. Arbitrary, and never others.
const PREFIX: [u8; 6] = [0x8f, 0x1c, 0x6a, 0x52, 0x0d, 0x3e];

/// The bits of a version 8 UUID behind the prefix that are free (RFC 9562 5.8).
const BELOW_VARIANT: u32 = 62;

/// The UUID of an endpoint: its ICCID, packed, so that no index is needed to find it.
#[must_use]
pub fn endpoint_uuid(iccid: Iccid) -> Uuid {
    let raw = iccid.raw();
    let mut octets = [0; 16];
    octets[..6].copy_from_slice(&PREFIX);
    octets[7] = (raw >> BELOW_VARIANT) as u8;
    octets[8..].copy_from_slice(&(raw & (u64::MAX >> 2)).to_be_bytes());
    uuid::Builder::from_custom_bytes(octets).into_uuid()
}

/// The inverse of [`endpoint_uuid`].
#[must_use]
pub fn iccid_of_uuid(uuid: Uuid) -> Option<Iccid> {
    let octets = uuid.as_bytes();
    let is_ours = octets.starts_with(&PREFIX)
        && uuid.get_version_num() == 8
        && uuid.get_variant() == Variant::RFC4122;
    let low = u64::from_be_bytes(*octets.last_chunk()?) & (u64::MAX >> 2);
    let raw = u64::from(octets[7] & 3) << BELOW_VARIANT | low;
    Iccid::from_raw(raw).filter(|_| is_ours && octets[7] <= 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_uuid_of_an_endpoint_leads_back_to_it() {
        for text in ["8944500000000000014", "89445000000000000149", "8999999999999999999"] {
            let iccid: Iccid = text.parse().unwrap();
            let uuid = endpoint_uuid(iccid);
            assert_eq!((uuid.get_version_num(), uuid.get_variant()), (8, Variant::RFC4122));
            assert_eq!(iccid_of_uuid(uuid), Some(iccid), "{text}");
        }
        assert_eq!(iccid_of_uuid(Uuid::nil()), None);
        assert_eq!(iccid_of_uuid(Uuid::new_v5(&Uuid::nil(), b"x")), None);
    }
}
