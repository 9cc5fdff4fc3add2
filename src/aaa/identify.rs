//! Who is it: from the attributes of a request to an ICCID (PROTOCOL 3).

use smallvec::SmallVec;

use super::{IdentityKind, RejectReason, Subject};
use crate::identity::{Iccid, Imsi, Msisdn};

/// Who knows which endpoints there are, and which one an IMSI or MSISDN belongs to.
pub(super) trait IdentityIndex {
    fn knows(&self, iccid: Iccid) -> bool;
    fn by_imsi(&self, imsi: Imsi) -> Option<Iccid>;
    fn by_msisdn(&self, msisdn: Msisdn) -> Option<Iccid>;
}

/// The endpoint that the attributes name: the first in `order` that is well formed and known, as
/// long as no other one names somebody else.
///
/// # Errors
/// `IdentityConflict` if two attributes name different endpoints, or an IMSI is known and the ICCID
/// beside it is nobody's (PROTOCOL 10); `EndpointUnknown` if what is well formed is nobody's;
/// `IdentityMissing` if nothing is well formed.
pub(super) fn identify(
    subject: &Subject<'_>,
    order: &[IdentityKind],
    directory: &impl IdentityIndex,
) -> Result<Iccid, RejectReason> {
    let numbers = Numbers::of(subject, order, directory);
    numbers.refuse_mix_up()?;
    let mut named = Owners::new();
    let mut is_well_formed = false;
    for kind in order {
        let claim = match kind {
            IdentityKind::Iccid => numbers.iccid.map(|iccid| known(iccid, directory)),
            IdentityKind::Imsi => numbers.imsi.map(|(_, owner)| owner.into_iter().collect()),
            IdentityKind::Msisdn => numbers.by_calling_station_id(subject, directory),
            // Many gateways write the same number into both: it is read and looked up once.
            IdentityKind::UserName if subject.user_name == subject.calling_station_id => {
                numbers.msisdn.map_or_else(
                    || by_user_name(subject.user_name?, &numbers, directory),
                    |(_, owner)| Some(owner.into_iter().collect()),
                )
            }
            IdentityKind::UserName => {
                subject.user_name.and_then(|name| by_user_name(name, &numbers, directory))
            }
        };
        let Some(claimed) = claim else { continue };
        is_well_formed = true;
        if named.is_empty() {
            named = claimed;
        } else if !claimed.is_empty() {
            named.retain(|owner| claimed.contains(owner));
            if named.is_empty() {
                return Err(RejectReason::IdentityConflict);
            }
        }
    }
    let nobody =
        if is_well_formed { RejectReason::EndpointUnknown } else { RejectReason::IdentityMissing };
    named.first().copied().ok_or(nobody)
}

/// The endpoints that one attribute can mean: none if it is nobody's, several only if its digits
/// can be read in several ways.
type Owners = SmallVec<[Iccid; 3]>;

/// The attributes that hold a number of one kind, and whose it is.
struct Numbers {
    iccid: Option<Iccid>,
    imsi: Option<(Imsi, Option<Iccid>)>,
    msisdn: Option<(Msisdn, Option<Iccid>)>,
}

impl Numbers {
    fn of(subject: &Subject<'_>, order: &[IdentityKind], directory: &impl IdentityIndex) -> Self {
        let calling = subject.calling_station_id.filter(|_| order.contains(&IdentityKind::Msisdn));
        let imsi = subject.imsi.and_then(|text| Imsi::parse(text).ok());
        let msisdn = calling.and_then(|text| Msisdn::parse(text).ok());
        Self {
            iccid: subject.iccid.and_then(|text| Iccid::parse(text).ok()),
            imsi: imsi.map(|imsi| (imsi, directory.by_imsi(imsi))),
            msisdn: msisdn.map(|msisdn| (msisdn, directory.by_msisdn(msisdn))),
        }
    }

    /// A known IMSI beside an ICCID that is somebody else's, or nobody's (PROTOCOL 10), is a mix-up
    /// that must not attach anyone, whatever the order.
    fn refuse_mix_up(&self) -> Result<(), RejectReason> {
        match (self.iccid, self.imsi) {
            (Some(iccid), Some((_, Some(owner)))) if owner != iccid => {
                Err(RejectReason::IdentityConflict)
            }
            _ => Ok(()),
        }
    }

    /// `None` if the Calling-Station-Id is no number. Some 5G cores send the SUPI there, and say
    /// so: `imsi-` and the digits.
    fn by_calling_station_id(
        &self,
        subject: &Subject<'_>,
        directory: &impl IdentityIndex,
    ) -> Option<Owners> {
        let owner = match self.msisdn {
            Some((_, owner)) => owner,
            None => directory.by_imsi(Imsi::parse(subject.calling_station_id?).ok()?),
        };
        Some(owner.into_iter().collect())
    }

    /// Whose the digits are that another attribute holds as well: they are the same number, so
    /// nobody need be asked how else they could be read. `None`: no other attribute holds them.
    fn said_before(&self, imsis: &[Option<Imsi>], msisdn: Option<Msisdn>) -> Option<Owners> {
        let by_imsi =
            self.imsi.filter(|(said, _)| imsis.contains(&Some(*said))).map(|(_, owner)| owner);
        let by_msisdn =
            || self.msisdn.filter(|(said, _)| msisdn == Some(*said)).map(|(_, owner)| owner);
        by_imsi.or_else(by_msisdn).map(|owner| owner.into_iter().collect())
    }
}

fn known(iccid: Iccid, directory: &impl IdentityIndex) -> Owners {
    directory.knows(iccid).then_some(iccid).into_iter().collect()
}

/// `None` if the name is no identity at all.
fn by_user_name(name: &[u8], numbers: &Numbers, directory: &impl IdentityIndex) -> Option<Owners> {
    let local = name.split(|octet| *octet == b'@').next().unwrap_or_default();
    if let Ok(iccid) = Iccid::parse(local) {
        return Some(known(iccid, directory));
    }
    // A root NAI puts one digit before the IMSI that tells the kind of authentication (3GPP TS
    // 23.003 14.3, 19.3.2).
    let rooted = local.get(1..).filter(|_| local.first().is_some_and(u8::is_ascii_digit));
    let imsis = [Some(local), rooted].map(|digits| Imsi::parse(digits?).ok());
    let msisdn = Msisdn::parse(local).ok();
    if imsis == [None; 2] && msisdn.is_none() {
        return None;
    }
    if let Some(owners) = numbers.said_before(&imsis, msisdn) {
        return Some(owners);
    }
    let by_imsi = imsis.into_iter().flatten().filter_map(|imsi| directory.by_imsi(imsi));
    let by_msisdn = msisdn.into_iter().filter_map(|msisdn| directory.by_msisdn(msisdn));
    Some(by_imsi.chain(by_msisdn).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use RejectReason::{EndpointUnknown, IdentityConflict, IdentityMissing};

    const ORDER: [IdentityKind; 4] =
        [IdentityKind::Iccid, IdentityKind::Imsi, IdentityKind::Msisdn, IdentityKind::UserName];
    const TILL: &str = "8944500000000000014";
    const TANK: &str = "8944500000000000022";
    const NOBODYS: &str = "8944500000009999999";

    /// Till: IMSI 234500000000001, MSISDN 447700000001. Tank: IMSI 234500000000002, MSISDN
    /// 447700000002.
    struct Two;

    impl IdentityIndex for Two {
        fn knows(&self, iccid: Iccid) -> bool {
            [TILL, TANK].contains(&iccid.to_string().as_str())
        }

        fn by_imsi(&self, imsi: Imsi) -> Option<Iccid> {
            match imsi.to_string().as_str() {
                "234500000000001" => TILL.parse().ok(),
                "234500000000002" => TANK.parse().ok(),
                _ => None,
            }
        }

        fn by_msisdn(&self, msisdn: Msisdn) -> Option<Iccid> {
            match msisdn.to_string().as_str() {
                "447700000001" => TILL.parse().ok(),
                "447700000002" => TANK.parse().ok(),
                _ => None,
            }
        }
    }

    fn who(iccid: &str, imsi: &str, calling: &str, user: &str) -> Result<String, RejectReason> {
        fn given(text: &str) -> Option<&[u8]> {
            Some(text.as_bytes()).filter(|text| !text.is_empty())
        }
        let subject = Subject {
            iccid: given(iccid),
            imsi: given(imsi),
            calling_station_id: given(calling),
            user_name: given(user),
        };
        identify(&subject, &ORDER, &Two).map(|iccid| iccid.to_string())
    }

    /// What an attribute can be to the decision.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Given {
        Absent,
        Filler,
        Unknown,
        Till,
        Tank,
    }

    /// All 625 combinations of the four attributes.
    #[test]
    fn every_combination_of_attributes_has_its_answer() {
        use Given::{Absent, Filler, Tank, Till, Unknown};
        const ALL: [Given; 5] = [Absent, Filler, Unknown, Till, Tank];
        let text = |given: Given, unknown: &'static str, till: &'static str, tank: &'static str| {
            match given {
                Absent => "",
                Filler => "unknown",
                Unknown => unknown,
                Till => till,
                Tank => tank,
            }
        };
        for combination in 0..ALL.len().pow(4) {
            let given: [Given; 4] = std::array::from_fn(|place| {
                ALL[combination / ALL.len().pow(place as u32) % ALL.len()]
            });
            let [iccid, imsi, calling, user] = given;
            let has = |wanted| given.contains(&wanted);
            let wanted = match (has(Till), has(Tank)) {
                (true, true) => Err(IdentityConflict),
                // PROTOCOL 10.
                _ if iccid == Unknown && matches!(imsi, Till | Tank) => Err(IdentityConflict),
                (true, false) => Ok(TILL.to_owned()),
                (false, true) => Ok(TANK.to_owned()),
                (false, false) if has(Unknown) => Err(EndpointUnknown),
                (false, false) => Err(IdentityMissing),
            };
            let answer = who(
                text(iccid, NOBODYS, TILL, TANK),
                text(imsi, "234509999999999", "234500000000001", "234500000000002"),
                text(calling, "449999999999", "447700000001", "447700000002"),
                text(
                    user,
                    "449999999998@festival.iot",
                    "0234500000000001@nai.epc.mnc050.mcc234.3gppnetwork.org",
                    "447700000002",
                ),
            );
            assert_eq!(
                answer, wanted,
                "ICCID {iccid:?}, IMSI {imsi:?}, Calling-Station-Id {calling:?}, User-Name {user:?}"
            );
        }
    }

    #[test]
    fn each_form_of_a_name_is_understood() {
        for (iccid, imsi, calling, user) in [
            (TILL, "", "", ""),
            ("8944500000000000014F", "", "", ""),
            ("8944500000000000014\0", "", "", ""),
            ("", "234500000000001", "", ""),
            ("", "imsi-234500000000001", "", ""),
            ("", "234500000000001\0", "", ""),
            ("", "234500000000001 ", "", ""),
            ("", "", "447700000001", ""),
            ("", "", "+447700000001", ""),
            ("", "", "00447700000001", ""),
            ("", "", "msisdn-447700000001", ""),
            ("", "", "tel:+447700000001", ""),
            ("", "", "447700000001\0", ""),
            ("", "", "447700000001  ", ""),
            ("", "", "imsi-234500000000001", ""),
            ("", "", "", TILL),
            ("", "", "", "8944500000000000014@festival.iot"),
            ("", "", "", "234500000000001"),
            ("", "", "", "imsi-234500000000001@festival.iot"),
            ("", "", "", "0234500000000001@nai.epc.mnc050.mcc234.3gppnetwork.org"),
            ("", "", "", "447700000001@festival.iot"),
            ("", "", "", "+447700000001"),
            ("", "", "", "tel:+447700000001"),
            ("", "", "", "msisdn-447700000001"),
            ("", "", "", "447700000001\0"),
            // Fillers and texts that name nobody hide nobody.
            ("", "", "000000000000000", "234500000000001"),
            ("", "", "FFFFFFFFFFFFFFF", "234500000000001"),
            ("", "000000000000000", "0", "447700000001@festival.iot"),
            ("", "234500000000001", "unknown", "anonymous@festival.iot"),
        ] {
            assert_eq!(
                who(iccid, imsi, calling, user),
                Ok(TILL.to_owned()),
                "{iccid} {imsi} {calling} {user}"
            );
        }
    }

    #[test]
    fn what_is_no_number_names_nobody() {
        for (iccid, imsi, calling, user) in [
            ("", "", "", "web"),
            ("123", "abc", "12", "anonymous@festival.iot"),
            ("", "imsi-", "tel:", "@festival.iot"),
            ("", "FFFFFFFFFFFFFFF", "\0\0", " "),
        ] {
            assert_eq!(
                who(iccid, imsi, calling, user),
                Err(IdentityMissing),
                "{iccid} {imsi} {calling} {user}"
            );
        }
    }

    /// Digits that are one endpoint's IMSI and another's MSISDN.
    #[test]
    fn digits_that_can_be_read_in_two_ways_agree_with_either() {
        struct Twofold;
        impl IdentityIndex for Twofold {
            fn knows(&self, _: Iccid) -> bool {
                true
            }

            fn by_imsi(&self, imsi: Imsi) -> Option<Iccid> {
                ["447700000001", "234500000000001"]
                    .contains(&imsi.to_string().as_str())
                    .then(|| TILL.parse().unwrap())
            }

            fn by_msisdn(&self, msisdn: Msisdn) -> Option<Iccid> {
                (msisdn.to_string() == "447700000001").then(|| TANK.parse().unwrap())
            }
        }
        let user_name = Some(&b"447700000001"[..]);
        for (iccid, imsi, order, owner) in [
            (None, None, &ORDER[..], TILL),
            (Some(TANK), None, &ORDER[..], TANK),
            (Some(TILL), None, &ORDER[..], TILL),
            (Some(TANK), None, &[IdentityKind::UserName, IdentityKind::Iccid], TANK),
            (None, Some("234500000000001"), &ORDER[..], TILL),
        ] {
            let subject = Subject {
                iccid: iccid.map(str::as_bytes),
                imsi: imsi.map(str::as_bytes),
                user_name,
                ..Subject::default()
            };
            assert_eq!(
                identify(&subject, order, &Twofold).map(|iccid| iccid.to_string()),
                Ok(owner.to_owned()),
                "{iccid:?} {imsi:?}"
            );
        }
    }

    #[test]
    fn only_what_is_in_the_order_is_asked() {
        let subject = Subject {
            imsi: Some(b"234500000000002"),
            calling_station_id: Some(b"447700000001"),
            ..Subject::default()
        };
        let asked =
            |order: &[IdentityKind]| identify(&subject, order, &Two).map(|iccid| iccid.to_string());
        assert_eq!(asked(&[IdentityKind::Msisdn]), Ok(TILL.to_owned()));
        assert_eq!(asked(&[IdentityKind::Imsi]), Ok(TANK.to_owned()));
        assert_eq!(asked(&[IdentityKind::UserName]), Err(IdentityMissing));
        assert_eq!(asked(&[IdentityKind::Msisdn, IdentityKind::Imsi]), Err(IdentityConflict));
    }
}
