//! What the changes of provisioned objects have in common: one at a time, and a memory of what was
//! removed.

use std::time::Duration;

use foldhash::HashMap;

use crate::identity::Iccid;
use crate::provisioning::{Fingerprint, LineHash, Origin, Revision};
use crate::time::Timestamp;

/// How long it is remembered that an endpoint was removed: longer than any worker can hold a record
/// of it that was not handed over.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// Removed endpoints, each with its last revision.
pub(super) type Revisions = Vec<(Iccid, Revision)>;

/// Held by whoever changes what is provisioned.
#[derive(Debug, Default)]
pub(super) struct Register {
    /// The files of the inventory in force, if it is wholly theirs.
    pub(super) fingerprint: Option<Fingerprint>,
    removed: HashMap<Iccid, Removed>,
}

/// An endpoint that was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Removed {
    /// Above all versions it ever had. Its origin knows its line, if a person removed it: then only
    /// another line brings it back.
    pub(super) stamp: Revision,
    /// When; long ago, if it was before this process began.
    pub(super) at: Timestamp,
}

impl Register {
    pub(super) fn remove(&mut self, iccid: Iccid, removed: Removed) {
        self.removed.insert(iccid, removed);
    }

    /// What is known of an endpoint that was removed. It stays known after its return: late records
    /// of its former life may still come.
    pub(super) fn removed(&self, iccid: Iccid) -> Option<Removed> {
        self.removed.get(&iccid).copied()
    }

    /// The line that an endpoint had when a person removed it, if it has not come back since.
    pub(super) fn removed_line(&self, iccid: Iccid) -> Option<LineHash> {
        self.removed.get(&iccid)?.stamp.origin.line()
    }

    /// The endpoint is there again: its line is its own to remember.
    pub(super) fn returned(&mut self, iccid: Iccid) {
        if let Some(removed) = self.removed.get_mut(&iccid) {
            removed.stamp.origin = Origin::default();
        }
    }

    /// How many endpoints the files have, and a person removed.
    pub(super) fn removed_by_persons(&self) -> usize {
        self.removed.values().filter(|removed| removed.stamp.origin.line().is_some()).count()
    }

    /// All that a snapshot has to put as removed, in no order; and all that may be forgotten once
    /// it is finished.
    pub(super) fn all(&self, now: Timestamp) -> (Revisions, Revisions) {
        let is_recent = |removed: &Removed| {
            removed.at + REMEMBERED > now || removed.stamp.origin.line().is_some()
        };
        let all = self.removed.iter().map(|(iccid, removed)| (*iccid, *removed));
        let (kept, old): (Vec<_>, Vec<_>) = all.partition(|(_, removed)| is_recent(removed));
        let stamps = |some: Vec<(Iccid, Removed)>| {
            some.into_iter().map(|(iccid, removed)| (iccid, removed.stamp)).collect()
        };
        (stamps(kept), stamps(old))
    }

    /// Forgets these, unless they were removed once more since.
    pub(super) fn forget(&mut self, forgotten: &[(Iccid, Revision)]) {
        for (iccid, stamp) in forgotten {
            if self.removed.get(iccid).is_some_and(|removed| removed.stamp == *stamp) {
                self.removed.remove(iccid);
            }
        }
    }

    /// The lines of these endpoints are gone from the files as well.
    pub(super) fn forget_lines(
        &mut self,
        is_gone: impl Fn(Iccid) -> bool,
    ) -> Vec<(Iccid, Revision)> {
        let mut forgotten = Vec::new();
        for (iccid, removed) in &mut self.removed {
            if removed.stamp.origin.line().is_some() && is_gone(*iccid) {
                removed.stamp = Revision {
                    version: removed.stamp.version.saturating_add(1),
                    origin: Origin::default(),
                };
                forgotten.push((*iccid, removed.stamp));
            }
        }
        forgotten.sort_unstable_by_key(|(iccid, _)| *iccid);
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provisioning::{Catalog, Endpoint, Origin, ProvisioningState};

    fn iccid(number: u64) -> Iccid {
        Iccid::parse(format!("8944{number:015}").as_bytes()).unwrap()
    }

    #[test]
    fn a_snapshot_has_what_was_removed_lately_and_what_the_files_still_have() {
        let now = Timestamp::from_secs(1_800_000_000);
        let line =
            LineHash::of_endpoint(&Endpoint::new(ProvisioningState::Active), &Catalog::default());
        let stamp = |version, origin| Revision { version, origin };
        let mut register = Register::default();
        let long_ago = Timestamp::from_secs(now.secs() - 3600);
        register.remove(iccid(1), Removed { stamp: stamp(1, Origin::default()), at: now });
        register.remove(iccid(2), Removed { stamp: stamp(2, Origin::default()), at: long_ago });
        register.remove(iccid(3), Removed { stamp: stamp(3, Origin::file(line)), at: long_ago });
        let (mut put, forgotten) = register.all(now);
        put.sort_unstable_by_key(|(iccid, _)| *iccid);
        assert_eq!(put.iter().map(|(iccid, _)| *iccid).collect::<Vec<_>>(), [iccid(1), iccid(3)]);
        assert_eq!(forgotten, [(iccid(2), stamp(2, Origin::default()))]);

        assert!(register.removed(iccid(2)).is_some(), "not before the snapshot is finished");
        register.forget(&forgotten);
        assert_eq!(register.removed(iccid(2)), None);
        assert_eq!(
            (register.removed_line(iccid(3)), register.removed_by_persons()),
            (Some(line), 1)
        );
        assert_eq!(register.forget_lines(|_| true), [(iccid(3), stamp(4, Origin::default()))]);
        assert_eq!(register.all(now).1, [(iccid(3), stamp(4, Origin::default()))]);
    }
}
