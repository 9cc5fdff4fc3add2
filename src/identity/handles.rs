//! Small numbers that stand for configured things, so that a session record names them in four
//! octets.

use std::num::NonZeroU32;

/// Declares a handle: a number given once to a moniker and never to another one while the process
/// lives.
macro_rules! handle {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(NonZeroU32);

        impl $name {
            /// The handle of the thing at place `index` (from 0) of its catalog.
            #[must_use]
            pub const fn new(index: usize) -> Self {
                // A catalog of 2^32 - 2 entries does not fit into memory: the sum never wraps to
                // zero.
                match NonZeroU32::new((index as u32).saturating_add(1)) {
                    Some(number) => Self(number),
                    None => Self(NonZeroU32::MAX),
                }
            }

            /// The place in the catalog, from 0.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0.get() as usize - 1
            }
        }
    };
}

handle! {
    /// A VSlice of the catalog.
    VsliceId
}
handle! {
    /// An endpoint group of the catalog.
    GroupId
}
handle! {
    /// An operator policy of the catalog.
    PolicyId
}
handle! {
    /// An event handler of the catalog.
    EventHandlerId
}
handle! {
    /// An event map of the catalog.
    EventMapId
}
handle! {
    /// A configured gateway.
    GatewayId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_handle_costs_nothing() {
        assert_eq!(size_of::<Option<GroupId>>(), 4);
        assert_eq!(GroupId::new(7).index(), 7);
    }
}
