//! May it: the checks between a named endpoint and a session, in the order that makes the reject
//! reason (PROTOCOL 4).

use super::RejectReason;
use crate::identity::GroupId;
use crate::provisioning::{Catalog, Endpoint, Group, NoGroup, ProvisioningState, Vslice};

/// The group that serves an admitted request, and its VSlice.
#[derive(Clone, Copy, Debug)]
pub(super) struct AdmittedGroup<'c> {
    pub(super) id: GroupId,
    pub(super) group: &'c Group,
    pub(super) vslice: &'c Vslice,
}

/// Checks all that needs neither a password nor an address.
///
/// # Errors
/// The first reason that applies.
pub(super) fn admit<'c>(
    endpoint: &Endpoint,
    catalog: &'c Catalog,
    apn: Option<&[u8]>,
) -> Result<AdmittedGroup<'c>, RejectReason> {
    match endpoint.state {
        ProvisioningState::Active => {}
        ProvisioningState::Pending => return Err(RejectReason::EndpointPending),
        ProvisioningState::Suspended => return Err(RejectReason::EndpointSuspended),
        ProvisioningState::Terminated => return Err(RejectReason::EndpointTerminated),
    }
    let primary = endpoint.group.ok_or(RejectReason::GroupMissing)?;
    match endpoint.group_for_apn(catalog, apn) {
        Ok(id) => {
            let (group, vslice) = catalog.usable(id).map_err(|_| RejectReason::GroupInvalid)?;
            Ok(AdmittedGroup { id, group, vslice })
        }
        Err(NoGroup::Missing) => Err(RejectReason::GroupMissing),
        // An invalid group is the weightier fault: with it no APN would do.
        Err(NoGroup::ApnNotAllowed) if catalog.fault(primary).is_some() => {
            Err(RejectReason::GroupInvalid)
        }
        Err(NoGroup::ApnNotAllowed) => Err(RejectReason::ApnNotAllowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Apn, Moniker};
    use crate::provisioning::{AddressFamilies, Allocation, Subnet};
    use ProvisioningState::{Active, Pending, Suspended, Terminated};

    /// Group 0 is good and serves `festival.iot`; 1 is disabled, 2 has no subnet of its kind, 3
    /// lives in a disabled VSlice; 4 is nowhere.
    fn catalog() -> Catalog {
        let mut catalog = Catalog::default();
        let subnet = Subnet {
            block: "100.64.0.0/16".parse().unwrap(),
            allocation: Allocation::Static,
            exclude: Vec::new(),
        };
        let vslice = |moniker: &str, enabled| Vslice {
            moniker: Moniker::parse(moniker).unwrap(),
            name: moniker.into(),
            enabled,
            dns: Vec::new(),
            subnets: vec![subnet.clone()],
            event_map: None,
        };
        let open = catalog.put_vslice(vslice("open", true));
        let shut = catalog.put_vslice(vslice("shut", false));
        for (moniker, vslice, enabled, allocation) in [
            ("good", open, true, Allocation::Static),
            ("disabled", open, false, Allocation::Static),
            ("without-subnet", open, true, Allocation::Pooled),
            ("in-disabled-vslice", shut, true, Allocation::Static),
        ] {
            catalog.put_group(Group {
                moniker: Moniker::parse(moniker).unwrap(),
                name: moniker.into(),
                vslice,
                enabled,
                allocation,
                apns: vec![Apn::parse("festival.iot").unwrap()],
                session_timeout_s: 0,
                idle_timeout_s: 0,
                interim_interval_s: 0,
                credentials: None,
                policy: None,
                event_map: None,
                families: AddressFamilies::Ipv4,
                partial_dual_stack: false,
                disconnect: true,
            });
        }
        catalog
    }

    #[test]
    fn the_first_fault_is_the_reason() {
        use RejectReason::{
            ApnNotAllowed, EndpointPending, EndpointSuspended, EndpointTerminated, GroupInvalid,
            GroupMissing,
        };
        let catalog = catalog();
        let served = Some("festival.iot");
        for (state, group, apn, wanted) in [
            (Active, Some(0), None, Ok(0)),
            (Active, Some(0), served, Ok(0)),
            (Pending, Some(1), Some("else.iot"), Err(EndpointPending)),
            (Suspended, Some(1), Some("else.iot"), Err(EndpointSuspended)),
            (Terminated, None, None, Err(EndpointTerminated)),
            (Active, None, served, Err(GroupMissing)),
            (Active, Some(1), served, Err(GroupInvalid)),
            (Active, Some(2), served, Err(GroupInvalid)),
            (Active, Some(3), served, Err(GroupInvalid)),
            (Active, Some(4), served, Err(GroupInvalid)),
            (Active, Some(1), Some("else.iot"), Err(GroupInvalid)),
            (Active, Some(0), Some("else.iot"), Err(ApnNotAllowed)),
        ] {
            let mut endpoint = Endpoint::new(state);
            endpoint.group = group.map(GroupId::new);
            let admitted = admit(&endpoint, &catalog, apn.map(str::as_bytes))
                .map(|admission| admission.id.index());
            assert_eq!(admitted, wanted, "{state:?} {group:?} {apn:?}");
        }
    }
}
