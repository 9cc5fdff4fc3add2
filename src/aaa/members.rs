//! How many endpoints are in each group: counted as they change, so that nobody has to walk over all
//! of them.

use parking_lot::Mutex;

use super::Aaa;
use crate::identity::{GroupId, VsliceId};
use crate::provisioning::Endpoint;

/// The endpoints of one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupMembers {
    /// Those whose primary group it is.
    pub primary: u64,
    /// Those that are in it besides.
    pub secondary: u64,
}

/// By [`GroupId::index`]. Changed only where what is provisioned changes.
#[derive(Default)]
pub(super) struct MemberCounts(Mutex<Vec<GroupMembers>>);

impl GroupMembers {
    #[must_use]
    pub const fn all(self) -> u64 {
        self.primary + self.secondary
    }
}

impl MemberCounts {
    pub(super) fn of(&self, group: GroupId) -> GroupMembers {
        self.0.lock().get(group.index()).copied().unwrap_or_default()
    }

    /// An endpoint was so, and is so now; `None`: it was not there, or is not any more.
    pub(super) fn moved(&self, before: Option<&Endpoint>, now: Option<&Endpoint>) {
        if groups(before) == groups(now) {
            return;
        }
        let mut counts = self.0.lock();
        for (endpoint, by) in [(before, -1), (now, 1)] {
            let Some(endpoint) = endpoint else { continue };
            if let Some(group) = endpoint.group {
                let primary = &mut cell(&mut counts, group).primary;
                *primary = primary.saturating_add_signed(by);
            }
            for group in endpoint.secondary_groups() {
                let secondary = &mut cell(&mut counts, *group).secondary;
                *secondary = secondary.saturating_add_signed(by);
            }
        }
    }
}

fn groups(endpoint: Option<&Endpoint>) -> (Option<GroupId>, &[GroupId]) {
    endpoint.map(|endpoint| (endpoint.group, endpoint.secondary_groups())).unwrap_or_default()
}

fn cell(counts: &mut Vec<GroupMembers>, group: GroupId) -> &mut GroupMembers {
    if counts.len() <= group.index() {
        counts.resize_with(group.index() + 1, GroupMembers::default);
    }
    &mut counts[group.index()]
}

impl Aaa {
    /// How many endpoints are in a group.
    #[must_use]
    pub fn group_members(&self, group: GroupId) -> GroupMembers {
        self.members.of(group)
    }

    /// How many endpoints have their primary group in a VSlice.
    #[must_use]
    pub fn vslice_members(&self, vslice: VsliceId) -> u64 {
        let plan = self.plan();
        let groups = plan.catalog.groups().filter(|(_, group)| group.vslice == vslice);
        groups.map(|(id, _)| self.members.of(id).primary).sum()
    }
}
