//! The table of event types: every one that can be subscribed to, and whether this server makes it.

use crate::policy::words;

/// What an event is about. A map of a scope may subscribe to what the scope includes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventScope {
    Endpoint,
    Vslice,
    Global,
}

words!(EventScope { Endpoint = 10 "endpoint", Vslice = 20 "vslice", Global = 30 "global" });

/// One type of event: a row of [`EventType::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventType {
    /// In records and JSON; never given to another type.
    pub key: u32,
    pub moniker: &'static str,
    /// The narrowest scope that includes it.
    pub scope: EventScope,
    /// Whether this server ever makes one; the others are known to the platform only.
    pub produced: bool,
}

const fn own(key: u32, scope: EventScope, moniker: &'static str) -> EventType {
    EventType { key, moniker, scope, produced: true }
}

const fn foreign(key: u32, scope: EventScope, moniker: &'static str) -> EventType {
    EventType { key, moniker, scope, produced: false }
}

use EventScope::{Endpoint, Global, Vslice};

impl EventType {
    /// By key. The prefix of a moniker does not tell its scope.
    pub const ALL: &[Self] = &[
        own(10, Endpoint, "endpointauthenticated_v1"),
        own(11, Endpoint, "endpointdatasessioncreated_v1"),
        own(12, Endpoint, "endpointdatasessionmodified_v1"),
        own(13, Endpoint, "endpointdatasessionextended_v1"),
        own(14, Endpoint, "endpointdatasessiondeleted_v1"),
        own(15, Endpoint, "endpointdatasessioncreatefailed_v1"),
        own(16, Endpoint, "endpointlocationupdated_v1"),
        own(17, Endpoint, "endpointcountrychanged_v1"),
        own(18, Endpoint, "endpointservingoperatorchanged_v1"),
        own(19, Endpoint, "endpointimeichanged_v1"),
        own(20, Endpoint, "endpointforciblydetached_v1"),
        own(21, Endpoint, "endpointpurged_v1"),
        own(22, Endpoint, "endpointprovisioningstatussetactive_v1"),
        own(23, Endpoint, "endpointprovisioningstatussetpending_v1"),
        own(24, Endpoint, "endpointprovisioningstatussetsuspended_v1"),
        own(25, Endpoint, "endpointprovisioningstatussetterminated_v1"),
        own(26, Endpoint, "endpointsteered_v1"),
        own(27, Endpoint, "endpointkeyvalueupdated_v1"),
        own(40, Endpoint, "endpointdetached_v1"),
        own(41, Endpoint, "endpointgroupchanged_v1"),
        own(42, Endpoint, "addressconflict_v1"),
        own(43, Endpoint, "endpointpolicyviolated_v1"),
        own(60, Vslice, "poolnearlyfull_v1"),
        own(61, Vslice, "poolexhausted_v1"),
        own(70, Global, "gatewayrestarted_v1"),
        own(71, Global, "eventhandlerfailing_v1"),
        foreign(100, Endpoint, "endpointprovisioningstatussetautoactivate_v1"),
        foreign(101, Endpoint, "endpointprovisioningstatussetprovisional_v1"),
        foreign(102, Endpoint, "endpointprovisioningstatussetunallocated_v1"),
        foreign(110, Endpoint, "endpointoriginatedsms_v1"),
        foreign(111, Endpoint, "endpointsmsattempted_v1"),
        foreign(112, Endpoint, "endpointsmsdelivered_v1"),
        foreign(113, Endpoint, "endpointsmsundelivered_v1"),
        foreign(114, Endpoint, "endpointoriginatedussd_v1"),
        foreign(120, Vslice, "vpnchildsaphase2up_v1"),
        foreign(121, Vslice, "vpninitiationsucceeded_v1"),
        foreign(130, Global, "routingtargetavailable_v1"),
        foreign(131, Global, "routingtargetunavailable_v1"),
    ];

    /// By moniker, whatever its case.
    #[must_use]
    pub fn parse(moniker: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|own| own.moniker.eq_ignore_ascii_case(moniker))
    }

    #[must_use]
    pub fn from_key(key: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|own| own.key == key)
    }
}

impl EventScope {
    /// Whether a map of this scope may subscribe to the type: a wider scope includes the narrower
    /// ones.
    #[must_use]
    pub fn includes(self, event: EventType) -> bool {
        event.scope <= self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_key_and_a_name_of_its_own() {
        for (at, event) in EventType::ALL.iter().enumerate() {
            assert_eq!(EventType::parse(&event.moniker.to_uppercase()), Some(*event));
            assert_eq!(EventType::from_key(event.key), Some(*event));
            let before = &EventType::ALL[..at];
            assert!(before.iter().all(|other| other.key < event.key), "{event:?}");
            assert!(before.iter().all(|other| other.moniker != event.moniker), "{event:?}");
        }
        assert_eq!(EventType::parse("endpointexploded_v1"), None);
    }

    #[test]
    fn a_scope_includes_the_narrower_ones() {
        let of = |moniker| EventType::parse(moniker).unwrap();
        let (session, pool) = (of("endpointauthenticated_v1"), of("poolexhausted_v1"));
        let restart = of("gatewayrestarted_v1");
        let included =
            |scope: EventScope| [session, pool, restart].map(|event| scope.includes(event));
        assert_eq!(included(Endpoint), [true, false, false]);
        assert_eq!(included(Vslice), [true, true, false]);
        assert_eq!(included(Global), [true, true, true]);
    }
}
