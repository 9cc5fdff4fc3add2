//! When somebody that nobody knows last asked for access: for the SIMs of the stock, of which few
//! knock before they are activated.

use foldhash::HashMap;
use parking_lot::Mutex;

use crate::identity::{Iccid, Imsi, Msisdn};
use crate::time::Timestamp;

/// How many identities are remembered at least; at most twice as many. Whoever invents identities
/// costs two megabytes and no more.
const REMEMBERED: usize = 1 << 15;

/// Attempts by identity.
#[derive(Debug, Default)]
pub(super) struct UnknownAttempts(Mutex<Generations>);

/// The older generation is forgotten when the younger one is full.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<UnknownIdentity, Timestamp>,
    old: HashMap<UnknownIdentity, Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum UnknownIdentity {
    Iccid(Iccid),
    Imsi(Imsi),
    Msisdn(Msisdn),
}

impl UnknownAttempts {
    pub(super) fn note(
        &self,
        iccid: Option<Iccid>,
        imsi: Option<Imsi>,
        msisdn: Option<Msisdn>,
        now: Timestamp,
    ) {
        let mut generations = self.0.lock();
        for identity in identities(iccid, imsi, msisdn) {
            if generations.young.len() >= REMEMBERED {
                generations.old = std::mem::take(&mut generations.young);
            }
            generations.young.insert(identity, now);
        }
    }

    pub(super) fn last(
        &self,
        iccid: Iccid,
        imsis: impl Iterator<Item = Imsi>,
        msisdn: Option<Msisdn>,
    ) -> Option<Timestamp> {
        let generations = self.0.lock();
        identities(Some(iccid), imsis, msisdn)
            .filter_map(|identity| {
                let of = |generation: &HashMap<_, _>| generation.get(&identity).copied();
                of(&generations.young).or_else(|| of(&generations.old))
            })
            .max()
    }
}

fn identities(
    iccid: Option<Iccid>,
    imsis: impl IntoIterator<Item = Imsi>,
    msisdn: Option<Msisdn>,
) -> impl Iterator<Item = UnknownIdentity> {
    let iccid = iccid.map(UnknownIdentity::Iccid).into_iter();
    let imsis = imsis.into_iter().map(UnknownIdentity::Imsi);
    iccid.chain(imsis).chain(msisdn.map(UnknownIdentity::Msisdn))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_attempt_is_found_by_any_identity_and_memory_is_bounded() {
        let attempts = UnknownAttempts::default();
        let iccid: Iccid = "8944500000000000014".parse().unwrap();
        let imsi = |number: u64| -> Imsi { format!("234{number:012}").parse().unwrap() };
        let at = Timestamp::from_secs;
        attempts.note(None, Some(imsi(1)), None, at(1));
        attempts.note(Some(iccid), None, None, at(2));
        assert_eq!(attempts.last(iccid, [imsi(1)].into_iter(), None), Some(at(2)));
        assert_eq!(attempts.last(iccid, [imsi(1)].into_iter(), None), Some(at(2)));
        for number in 0..(3 * REMEMBERED as u64) {
            attempts.note(None, Some(imsi(100 + number)), None, at(3));
        }
        assert_eq!(attempts.last(iccid, [imsi(1)].into_iter(), None), None, "long ago");
        let generations = attempts.0.lock();
        assert!(generations.young.len() + generations.old.len() <= 2 * REMEMBERED);
    }
}
