//! Who is it: from the attributes of a request to an ICCID (PROTOCOL 3).

use super::{IdentityKind, RejectReason, Subject};
use crate::identity::{Iccid, Imsi, Msisdn};

/// The indexes that know which endpoint an IMSI or MSISDN belongs to.
pub(super) trait Directory {
    fn by_imsi(&self, imsi: Imsi) -> Option<Iccid>;
    fn by_msisdn(&self, msisdn: Msisdn) -> Option<Iccid>;
}

/// The endpoint that the first present and well-formed attribute names.
///
/// # Errors
/// `IdentityMissing` if none is usable, `IdentityConflict` if ICCID and IMSI belong to different endpoints, `EndpointUnknown` if
/// what is named is nobody's.
pub(super) fn identify(subject: &Subject<'_>, order: &[IdentityKind], directory: &impl Directory) -> Result<Iccid, RejectReason> {
    let iccid = subject.iccid.and_then(|text| Iccid::parse(text).ok());
    let imsi = subject.imsi.and_then(|text| Imsi::parse(text).ok());
    refuse_conflict(iccid, imsi, directory)?;
    order
        .iter()
        .find_map(|kind| match kind {
            IdentityKind::Iccid => iccid.map(Ok),
            IdentityKind::Imsi => imsi.map(|imsi| known(directory.by_imsi(imsi))),
            IdentityKind::Msisdn => {
                let msisdn = subject.calling_station_id.and_then(|text| Msisdn::parse(text).ok());
                msisdn.map(|msisdn| known(directory.by_msisdn(msisdn)))
            }
            IdentityKind::UserName => subject.user_name.and_then(|name| by_user_name(name, directory)),
        })
        .unwrap_or(Err(RejectReason::IdentityMissing))
}

fn known(owner: Option<Iccid>) -> Result<Iccid, RejectReason> {
    owner.ok_or(RejectReason::EndpointUnknown)
}

/// A known IMSI beside an ICCID that is somebody else's, or nobody's (PROTOCOL 10), is a mix-up that must not attach anyone.
fn refuse_conflict(iccid: Option<Iccid>, imsi: Option<Imsi>, directory: &impl Directory) -> Result<(), RejectReason> {
    let (Some(iccid), Some(imsi)) = (iccid, imsi) else { return Ok(()) };
    match directory.by_imsi(imsi) {
        Some(owner) if owner != iccid => Err(RejectReason::IdentityConflict),
        _ => Ok(()),
    }
}

/// `None` if the name is no identity at all.
fn by_user_name(name: &[u8], directory: &impl Directory) -> Option<Result<Iccid, RejectReason>> {
    let local = name.split(|octet| *octet == b'@').next().unwrap_or_default();
    if let Ok(iccid) = Iccid::parse(local) {
        return Some(Ok(iccid));
    }
    // A root NAI puts one digit before the IMSI that tells the kind of authentication (3GPP TS 23.003 14.3, 19.3.2).
    let rooted = local.get(1..).filter(|_| local.first().is_some_and(u8::is_ascii_digit));
    let imsi = Imsi::parse(local).ok();
    let rooted = rooted.and_then(|digits| Imsi::parse(digits).ok());
    let msisdn = Msisdn::parse(local).ok();
    if imsi.is_none() && rooted.is_none() && msisdn.is_none() {
        return None;
    }
    let by_imsi = |imsi: Option<Imsi>| imsi.and_then(|imsi| directory.by_imsi(imsi));
    let by_msisdn = |msisdn: Option<Msisdn>| msisdn.and_then(|msisdn| directory.by_msisdn(msisdn));
    Some(known(by_imsi(imsi).or_else(|| by_imsi(rooted)).or_else(|| by_msisdn(msisdn))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use RejectReason::{EndpointUnknown, IdentityConflict, IdentityMissing};

    const ORDER: [IdentityKind; 4] = [IdentityKind::Iccid, IdentityKind::Imsi, IdentityKind::Msisdn, IdentityKind::UserName];
    const TILL: &str = "8944500000000000014";
    const TANK: &str = "8944500000000000022";

    /// Till: IMSI 234500000000001, MSISDN 447700000001. Tank: IMSI 234500000000002.
    struct Two;

    impl Directory for Two {
        fn by_imsi(&self, imsi: Imsi) -> Option<Iccid> {
            match imsi.to_string().as_str() {
                "234500000000001" => TILL.parse().ok(),
                "234500000000002" => TANK.parse().ok(),
                _ => None,
            }
        }

        fn by_msisdn(&self, msisdn: Msisdn) -> Option<Iccid> {
            (msisdn.to_string() == "447700000001").then(|| TILL.parse().unwrap())
        }
    }

    fn who(iccid: &str, imsi: &str, calling: &str, user: &str) -> Result<String, RejectReason> {
        let given = |text: &'static str| (!text.is_empty()).then_some(text.as_bytes());
        let leak = |text: &str| given(String::leak(text.to_owned()));
        let subject = Subject { iccid: leak(iccid), imsi: leak(imsi), calling_station_id: leak(calling), user_name: leak(user) };
        identify(&subject, &ORDER, &Two).map(|iccid| iccid.to_string())
    }

    #[test]
    fn the_first_usable_attribute_names_the_endpoint() {
        let till = Ok(TILL.to_owned());
        for (iccid, imsi, calling, user) in [
            (TILL, "", "", ""),
            ("8944500000000000014F", "", "", ""),
            (TILL, "234500000000001", "", ""),
            (TILL, "999990000000000", "", ""),
            ("not an iccid", "234500000000001", "", ""),
            ("", "234500000000001", "449999999999", "nobody"),
            ("", "", "447700000001", ""),
            ("", "", "+447700000001", ""),
            ("", "", "00447700000001", ""),
            ("", "", "", TILL),
            ("", "", "", "8944500000000000014@festival.iot"),
            ("", "", "", "234500000000001"),
            ("", "", "", "0234500000000001@nai.epc.mnc050.mcc234.3gppnetwork.org"),
            ("", "", "", "447700000001@festival.iot"),
            ("", "x", "y", "+447700000001"),
        ] {
            assert_eq!(who(iccid, imsi, calling, user), till, "{iccid} {imsi} {calling} {user}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (iccid, imsi, calling, user, reason) in [
            ("", "", "", "", IdentityMissing),
            ("", "", "", "web", IdentityMissing),
            ("", "abc", "12", "anonymous@festival.iot", IdentityMissing),
            (TANK, "234500000000001", "", "", IdentityConflict),
            ("8944500000000009999", "234500000000001", "", "", IdentityConflict),
            ("", "234509999999999", "", "", EndpointUnknown),
            // A well-formed but unknown identity names nobody; later attributes do not mend it.
            ("", "234509999999999", "447700000001", "", EndpointUnknown),
            ("", "", "", "234509999999999", EndpointUnknown),
        ] {
            assert_eq!(who(iccid, imsi, calling, user), Err(reason), "{iccid} {imsi} {calling} {user}");
        }
    }

    #[test]
    fn the_order_is_the_operators() {
        let subject = Subject { imsi: Some(b"234500000000002"), calling_station_id: Some(b"447700000001"), ..Subject::default() };
        let order = [IdentityKind::Msisdn, IdentityKind::Imsi];
        assert_eq!(identify(&subject, &order, &Two).map(|iccid| iccid.to_string()), Ok(TILL.to_owned()));
    }
}
