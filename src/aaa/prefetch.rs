//! Prefetching: the memory that several decisions will touch is asked for before the first of them
//! is made.
//!
//! A fleet of millions fits into no cache, and a decision follows four pointers, each of which
//! would be waited for: from the IMSI to the ICCID, to the entry's place, to the entry, to its
//! sessions. Here all go one step, then all the next. Nothing is decided, and a wrong guess costs
//! nothing but time.

use super::{Aaa, EndpointEntry, FreedAddress, Subject};
use crate::identity::{Iccid, Imsi, Msisdn};
use crate::network::Tracker;

/// How many go side by side: enough to hide the waiting, and what the nearest cache easily holds.
pub const SIDE_BY_SIDE: usize = 8;

/// What probably names an endpoint. What really does is found out when it is decided.
#[derive(Clone, Copy)]
enum ProbableIdentity {
    Iccid(Iccid),
    Imsi(Imsi),
    Msisdn(Msisdn),
}

impl Aaa {
    /// Makes ready what deciding about these will need.
    pub fn prefetch<'s>(&self, subjects: impl IntoIterator<Item = &'s Subject<'s>>) {
        let mut names = [None; SIDE_BY_SIDE];
        for (name, subject) in names.iter_mut().zip(subjects) {
            *name = ProbableIdentity::of(subject);
            // Beside an IMSI there is nearly always an MSISDN, which is asked for as well.
            if let Some(ProbableIdentity::Imsi(_)) = *name
                && let Some(msisdn) = msisdn(subject)
            {
                self.tracker.prefetch_msisdn(msisdn);
            }
            match *name {
                Some(ProbableIdentity::Imsi(imsi)) => self.tracker.prefetch_imsi(imsi),
                Some(ProbableIdentity::Msisdn(msisdn)) => self.tracker.prefetch_msisdn(msisdn),
                Some(ProbableIdentity::Iccid(_)) | None => {}
            }
        }
        prefetch_entries(&self.tracker, names.map(|name| name?.resolve(&self.tracker)));
    }

    /// Makes ready what freeing these will need.
    pub(super) fn prefetch_freed(&self, freed: &[FreedAddress]) {
        prefetch_entries(&self.tracker, some(freed.iter().map(|freed| freed.iccid)));
    }

    /// Makes ready what changing these, or adding them, will need.
    pub(super) fn prefetch_iccids(&self, iccids: impl IntoIterator<Item = Iccid>) {
        prefetch_entries(&self.tracker, some(iccids));
    }

    /// Makes ready what putting these numbers into the indexes will need.
    pub(super) fn prefetch_index(
        &self,
        imsis: impl IntoIterator<Item = Imsi>,
        msisdns: impl IntoIterator<Item = Msisdn>,
    ) {
        imsis.into_iter().for_each(|imsi| self.tracker.prefetch_imsi(imsi));
        msisdns.into_iter().for_each(|msisdn| self.tracker.prefetch_msisdn(msisdn));
    }
}

fn some(iccids: impl IntoIterator<Item = Iccid>) -> [Option<Iccid>; SIDE_BY_SIDE] {
    let mut some = [None; SIDE_BY_SIDE];
    some.iter_mut().zip(iccids).for_each(|(place, iccid)| *place = Some(iccid));
    some
}

fn prefetch_entries(tracker: &Tracker<EndpointEntry>, iccids: [Option<Iccid>; SIDE_BY_SIDE]) {
    let all = || iccids.iter().copied().flatten();
    all().for_each(|iccid| tracker.prefetch_bucket(iccid));
    all().for_each(|iccid| tracker.prefetch_entry(iccid));
    all().for_each(|iccid| _ = tracker.read(iccid, |entry| entry.state.prefetch_sessions()));
}

fn msisdn(subject: &Subject<'_>) -> Option<Msisdn> {
    Msisdn::parse(subject.calling_station_id?).ok()
}

impl ProbableIdentity {
    fn of(subject: &Subject<'_>) -> Option<Self> {
        let imsi = || Imsi::parse(subject.imsi?).ok().map(Self::Imsi);
        let msisdn = || msisdn(subject).map(Self::Msisdn);
        let iccid = || Iccid::parse(subject.iccid?).ok().map(Self::Iccid);
        iccid().or_else(imsi).or_else(msisdn)
    }

    fn resolve(self, tracker: &Tracker<EndpointEntry>) -> Option<Iccid> {
        match self {
            Self::Iccid(iccid) => Some(iccid),
            Self::Imsi(imsi) => tracker.resolve_imsi(imsi),
            Self::Msisdn(msisdn) => tracker.resolve_msisdn(msisdn),
        }
    }
}
