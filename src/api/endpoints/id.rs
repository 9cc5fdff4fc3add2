//! How an endpoint is named in a path: by its ICCID, by `imsi:` or `msisdn:`, or by the UUID that
//! follows from its ICCID.

use uuid::Uuid;

use crate::aaa::Aaa;
use crate::api::refusal::Refusal;
use crate::identity::{Iccid, iccid_of_uuid};

/// The endpoint that a path names. Whether there is one is known only for the forms that need an
/// index.
pub(in crate::api) fn named(aaa: &Aaa, id: &str) -> Result<Iccid, Refusal> {
    let found = match id.split_once(':') {
        Some((kind, digits)) if kind.eq_ignore_ascii_case("imsi") => {
            digits.parse().ok().and_then(|imsi| aaa.by_imsi(imsi))
        }
        Some((kind, digits)) if kind.eq_ignore_ascii_case("msisdn") => {
            digits.parse().ok().and_then(|msisdn| aaa.by_msisdn(msisdn))
        }
        _ => match id.parse::<Uuid>() {
            Ok(uuid) if id.len() == 36 => iccid_of_uuid(uuid),
            _ => id.parse().ok(),
        },
    };
    found.ok_or_else(Refusal::not_found)
}
