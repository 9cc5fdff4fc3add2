//! What all objects of the catalog have in common: kinds, names, and ids that outlive a name.

use std::fmt;

use uuid::Uuid;

use crate::identity::Moniker;

/// A kind of object that the catalog holds. Monikers are unique within a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    Vslice,
    Group,
    Policy,
    EventHandler,
    EventMap,
}

/// An object as others refer to it: by its place, so that a new moniker changes nothing for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ObjectRef {
    pub kind: ObjectKind,
    pub index: usize,
}

/// An object as people call it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    pub kind: ObjectKind,
    pub moniker: Moniker,
}

/// The namespace of ids that follow from a name (RFC 9562 5.5). Arbitrary, and never another one.
const NAMESPACE: Uuid = Uuid::from_u128(0x8f1c_6a52_0d3e_4b77_9a41_5c2e_f06b_d913);

impl ObjectKind {
    pub const ALL: [Self; 5] =
        [Self::Vslice, Self::Group, Self::Policy, Self::EventHandler, Self::EventMap];

    /// The name in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vslice => "VSlice",
            Self::Group => "endpoint group",
            Self::Policy => "operator policy",
            Self::EventHandler => "event handler",
            Self::EventMap => "event map",
        }
    }

    /// The name in files, records and ids.
    #[must_use]
    pub const fn moniker(self) -> &'static str {
        match self {
            Self::Vslice => "vslice",
            Self::Group => "group",
            Self::Policy => "policy",
            Self::EventHandler => "event-handler",
            Self::EventMap => "event-map",
        }
    }

    /// The id of what a file made under this moniker: the same in every data folder.
    #[must_use]
    pub fn uuid_of(self, moniker: &Moniker) -> Uuid {
        Uuid::new_v5(&NAMESPACE, format!("{}:{moniker}", self.moniker()).as_bytes())
    }
}

/// The id of what a person makes, of random octets: whoever asks for the change draws them.
#[must_use]
pub const fn random_uuid(octets: [u8; 16]) -> Uuid {
    uuid::Builder::from_random_bytes(octets).into_uuid()
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scripts keep these ids: another namespace or name would change them all.
    #[test]
    fn the_id_of_a_name_is_for_ever() {
        let festival = Moniker::parse("festival").unwrap();
        let ids = ObjectKind::ALL.map(|kind| kind.uuid_of(&festival));
        assert_eq!(ids[0].to_string(), "6bf3e3df-beba-5359-a9f8-4dffa7597582");
        for (at, id) in ids.iter().enumerate() {
            assert_eq!(id.get_version_num(), 5);
            assert!(!ids[..at].contains(id), "kinds do not share ids");
        }
        assert_eq!(random_uuid([7; 16]).get_version_num(), 4);
        assert_ne!(random_uuid([7; 16]), random_uuid([8; 16]));
    }
}
